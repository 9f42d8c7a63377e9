"""The verbs: each asks a recipe, and writes its answer. Each loads what it needs itself."""

import os

from freshwheel.cli import console

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from freshwheel.build.plan import Call
    from freshwheel.cli.render import Answer, Line

USAGE = 2
"""The exit code where the words are wrong."""
_NEVER_BUILT = (
    "no build of this tree is on record, so there is nothing to compare its inputs with; "
    "build it once, for example with `pip wheel --no-deps .` or `uv build --wheel`"
)


def run(options: "argparse.Namespace") -> int:
    """The exit code of the verb that was named. Raises FreshwheelError."""
    return _OTHERS.get(options.verb, _answered)(options)


def _answered(options: "argparse.Namespace") -> int:
    """The exit code of a verb, whose answer is written."""
    tree = tree_of(options.path)
    if (wrong := _unfit(tree)) is not None:
        console.say(f"error: {options.path}: {wrong}")
        return USAGE
    timer = None if options.json or getattr(options, "null", False) else console.timer()
    try:
        found = _VERBS[options.verb](_call(tree), options)
        _warn(tree, options)
    finally:
        if timer is not None:
            timer.cancel()
    return _written(found, options)


def _warn(tree: str, options: "argparse.Namespace") -> None:
    """Says that nobody reads the settings, if so; `check` has that among its findings."""
    from freshwheel.base import config  # noqa: PLC0415 - see the module's docstring
    from freshwheel.sources import project  # noqa: PLC0415 - as above

    if options.verb != "check" and (why := config.idle(project.read(tree).pyproject)):
        console.say(f"nobody reads [tool.freshwheel]: {why}; `freshwheel init` completes the switch")


def _call(tree: str) -> "Call":
    from freshwheel.build.plan import Call  # noqa: PLC0415 - see the module's docstring

    return Call(tree=tree, environ=dict(os.environ), hook="build_wheel", settings=None, say=console.say)


def _digest(call: "Call", options: "argparse.Namespace") -> str:
    from freshwheel.explain import report  # noqa: PLC0415 - see the module's docstring

    return digest_text(report.digest(call), as_json=options.json)


def _inputs(call: "Call", options: "argparse.Namespace") -> "Answer | bytes":
    from freshwheel.cli import render  # noqa: PLC0415 - see the module's docstring
    from freshwheel.explain import report  # noqa: PLC0415 - see the module's docstring

    if options.account:
        from freshwheel.cli import accounts  # noqa: PLC0415 - as above

        return accounts.answer(call)
    found = report.inputs(call)
    return render.paths(found) if options.null else render.inputs(found, verbose=options.verbose)


def _check(call: "Call", _: "argparse.Namespace") -> "Answer":
    from freshwheel.cli import render  # noqa: PLC0415 - see the module's docstring
    from freshwheel.explain import report  # noqa: PLC0415 - see the module's docstring

    found = report.check(call)
    if not found.built:
        console.say(_NEVER_BUILT)
    return render.check(found)


def _why(call: "Call", _: "argparse.Namespace") -> "Answer":
    from freshwheel.cli import render  # noqa: PLC0415 - see the module's docstring
    from freshwheel.explain import history  # noqa: PLC0415 - see the module's docstring

    return render.why(history.why(call))


def _uv(call: "Call", options: "argparse.Namespace") -> "Answer":
    from freshwheel.cli import uv  # noqa: PLC0415 - see the module's docstring

    return uv.answer(call, check=options.check, write=options.yes, names=options.names)


def _checked(options: "argparse.Namespace") -> int:
    """The exit code of `check`, for a project or for distributions, whose answer is written."""
    from freshwheel.cli import distributions  # noqa: PLC0415 - see the module's docstring

    if not distributions.are_distributions(options.path):
        options.path = "".join(options.path) or "."
        return _answered(options)
    if (wrong := distributions.refused(options.path)) is not None:
        console.say(f"error: {wrong}")
        return USAGE
    found = distributions.checked(options.path, console.say)
    return _written(found, options)


def _verified(options: "argparse.Namespace") -> int:
    """The exit code of `verify`, whose answer is written."""
    from freshwheel.cli import distributions  # noqa: PLC0415 - see the module's docstring

    tree = None if options.path is None else tree_of(options.path)
    wrong = None if tree is None else _unfit(tree)
    if wrong is not None or not os.path.isfile(options.wheel):
        console.say(
            f"error: {options.wheel}: there is no such file" if wrong is None else f"error: {options.path}: {wrong}"
        )
        return USAGE
    found = distributions.verified(options.wheel, None if tree is None else _call(tree))
    return _written(found, options)


def _init(options: "argparse.Namespace") -> int:
    """The exit code of `init`, whose answer is written."""
    from freshwheel.cli import init  # noqa: PLC0415 - see the module's docstring

    tree = tree_of(options.path)
    if (wrong := _unfit(tree)) is not None:
        console.say(f"error: {options.path}: {wrong}")
        return USAGE

    def agreed(lines: "list[Line]") -> bool:
        return console.write(console.painted(lines)) == 0 and console.asked("write pyproject.toml?")

    asked = agreed if console.is_watched() and not options.json else None
    found = init.answer(tree, os.environ, options, asked)
    return _written(found, options)


def _store(options: "argparse.Namespace") -> int:
    """The exit code of an action of `store`, whose answer is written."""
    from freshwheel.cli import render  # noqa: PLC0415 - see the module's docstring
    from freshwheel.cli import store as shop  # noqa: PLC0415 - see the module's docstring

    if options.action == "clear" and not options.yes and (options.json or not console.is_watched()):
        console.say("error: refusing to clear the store without confirmation; pass --yes")
        return USAGE
    found = shop.answer(
        options.action,
        os.environ,
        size=getattr(options, "size", None),
        age=getattr(options, "age", None),
        agreed=lambda place: options.yes or console.asked(f"remove everything in {render.visible(place)}?"),
    )
    if getattr(options, "key", False) and "key" in found.value:
        return console.write(f"{found.value['key']}\n", console.FAILED if found.wrong else 0)
    return _written(found, options)


def _status(options: "argparse.Namespace") -> int:
    """The exit code of `status`, whose answer is written."""
    from freshwheel.cli import status  # noqa: PLC0415 - see the module's docstring

    found = status.answer(options.names, os.environ, folder=tree_of("."), python=options.python)
    return _written(found, options)


def _stats(options: "argparse.Namespace") -> int:
    """The exit code of `stats`, whose answer is written."""
    from freshwheel.cli import stats  # noqa: PLC0415 - see the module's docstring

    found = stats.answer(os.environ, zero=options.zero)
    return _written(found, options)


def _written(found: "Answer | str | bytes", options: "argparse.Namespace") -> int:
    """The exit code of an answer, which is written as it was asked for."""
    if isinstance(found, str | bytes):
        return console.write(found, 0)
    from freshwheel.cli import render  # noqa: PLC0415 - see the module's docstring

    text = render.as_json(found.value) if options.json else console.painted(found.lines)
    return console.write(text, console.FAILED if found.wrong else 0)


_VERBS: "dict[str, Callable[[Call, argparse.Namespace], Answer | str | bytes]]" = {
    "digest": _digest,
    "inputs": _inputs,
    "check": _check,
    "why": _why,
    "uv": _uv,
}


_OTHERS: "dict[str, Callable[[argparse.Namespace], int]]" = {
    "check": _checked,
    "verify": _verified,
    "store": _store,
    "init": _init,
    "status": _status,
    "stats": _stats,
}
"""Verbs that are asked about something else than one project."""


def tree_of(path: str) -> str:
    """The directory that is asked about; nothing where there is no working directory any more."""
    try:
        return os.path.realpath(path if os.path.isabs(path) else os.path.join(os.getcwd(), path))
    except OSError:
        return ""


def _unfit(tree: str) -> str | None:
    """Why this is no project directory, None if it is one."""
    if not os.path.isdir(tree):
        return "there is no such directory"
    above = tree
    while not os.path.lexists(os.path.join(above, "pyproject.toml")):
        above, below = os.path.dirname(above), above
        if above == below:
            return "there is no pyproject.toml in it"
    if above != tree:
        return f"there is no pyproject.toml in it; {above} has one"
    return None


def digest_text(digest: str, *, as_json: bool) -> str:
    """A digest as it is written."""
    return f'{{\n  "digest": "{digest}"\n}}\n' if as_json else f"{digest}\n"
