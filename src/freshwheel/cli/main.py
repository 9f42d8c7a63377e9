"""The command line: the working directory and the environment are read here, and failures become exit codes.

A door, not a room. The verbs load what they need: `digest` of a tree that has not moved needs neither the recipes nor
argparse.
"""

import errno
import os
import sys

from freshwheel import replay
from freshwheel.about import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    import threading
    from collections.abc import Callable, Sequence

    from freshwheel.cli.render import Line
    from freshwheel.plan import Call

__all__ = ["main"]

_FAILED = 1
_USAGE = 2
_INTERRUPTED = 130
_PATIENCE = 1.0
"""Seconds before a person is told what takes so long."""
_NEVER_BUILT = (
    "no build of this tree is on record, so there is nothing to compare its inputs with; "
    "build it once, for example with `pip wheel --no-deps .` or `uv build --wheel`"
)


def main(argv: "Sequence[str] | None" = None) -> int:
    """The exit code of one call; `argv` are the words behind the name of the program."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        known = _known(words)
        return _run(words) if known is None else _write(known)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _known(words: "Sequence[str]") -> str | None:
    """The answer that needs nothing but the memory of a tree; None where more is asked, or is needed."""
    if words == ["--version"]:
        return f"freshwheel {__version__}\n"
    more = [word for word in words[1:] if word != "--json"]
    if words[:1] != ["digest"] or len(more) > 1 or any(word.startswith("-") for word in more):
        return None
    digest = replay.source_digest(_tree("".join(more)), os.environ, None)
    return None if digest is None else _digest_text(digest, as_json="--json" in words)


def _run(words: "Sequence[str]") -> int:
    """The exit code of one call, the long way."""
    from freshwheel import errors  # noqa: PLC0415 - see the module's docstring
    from freshwheel.cli import words as language  # noqa: PLC0415

    root = language.parser()
    try:
        options = root.parse_args(words)
    except SystemExit as stop:  # after the help, or what is wrong with the words
        return _write("", stop.code if isinstance(stop.code, int) else _USAGE)
    except BrokenPipeError:  # the help, before Python 3.11
        return _write("")
    if options.version:
        return _write(f"freshwheel {__version__}\n")
    if options.verb is None:
        _complain(root.format_help())
        return _USAGE
    try:
        return _store(options) if options.verb == "store" else _answered(options)
    except errors.FreshwheelError as error:
        _say(f"error: {error.render()}")
        return error.exit_code


def _answered(options: "argparse.Namespace") -> int:
    """The exit code of a verb, whose answer is written."""
    tree = _tree(options.path)
    if (wrong := _unfit(tree)) is not None:
        _say(f"error: {options.path}: {wrong}")
        return _USAGE
    timer = None if options.json or getattr(options, "null", False) else _timer()
    try:
        from freshwheel.plan import Call  # noqa: PLC0415 - see the module's docstring

        call = Call(tree=tree, environ=dict(os.environ), hook="build_wheel", settings=None, say=_say)
        answer, code = _VERBS[options.verb](call, options)
    finally:
        if timer is not None:
            timer.cancel()
    return _write(answer, code)


def _digest(call: "Call", options: "argparse.Namespace") -> "tuple[str, int]":
    from freshwheel import report  # noqa: PLC0415 - see the module's docstring

    return _digest_text(report.digest(call), as_json=options.json), 0


def _inputs(call: "Call", options: "argparse.Namespace") -> "tuple[str | bytes, int]":
    from freshwheel import report  # noqa: PLC0415 - see the module's docstring
    from freshwheel.cli import render  # noqa: PLC0415

    found = report.inputs(call)
    if options.null:
        return render.paths(found), 0
    if options.json:
        return render.as_json(render.inputs_value(found)), 0
    return _painted(render.inputs_lines(found, verbose=options.verbose)), 0


def _check(call: "Call", options: "argparse.Namespace") -> "tuple[str, int]":
    from freshwheel import report  # noqa: PLC0415 - see the module's docstring
    from freshwheel.cli import render  # noqa: PLC0415

    found = report.check(call)
    if not found.built:
        _say(_NEVER_BUILT)
    answer = render.as_json(render.check_value(found)) if options.json else _painted(render.check_lines(found))
    return answer, _FAILED if found.findings else 0


def _why(call: "Call", options: "argparse.Namespace") -> "tuple[str, int]":
    from freshwheel import history  # noqa: PLC0415 - see the module's docstring
    from freshwheel.cli import render  # noqa: PLC0415

    found = history.why(call)
    return render.as_json(render.why_value(found)) if options.json else _painted(render.why_lines(found)), 0


def _store(options: "argparse.Namespace") -> int:
    """The exit code of an action of `store`, whose answer is written."""
    from freshwheel.cli import render  # noqa: PLC0415 - see the module's docstring
    from freshwheel.cli import store as shop  # noqa: PLC0415

    if options.action == "clear" and not options.yes and (options.json or not _is_watched()):
        _say("error: nobody can be asked whether everything may go: --yes says so")
        return _USAGE
    found = shop.answer(
        options.action,
        os.environ,
        size=getattr(options, "size", None),
        age=getattr(options, "age", None),
        agreed=lambda place: options.yes or _agreed(place),
    )
    return _write(render.as_json(found.value) if options.json else _painted(found.lines), _FAILED if found.wrong else 0)


_VERBS: "dict[str, Callable[[Call, argparse.Namespace], tuple[str | bytes, int]]]" = {
    "digest": _digest,
    "inputs": _inputs,
    "check": _check,
    "why": _why,
}


def _tree(path: str) -> str:
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


def _digest_text(digest: str, *, as_json: bool) -> str:
    return f'{{\n  "digest": "{digest}"\n}}\n' if as_json else f"{digest}\n"


def _painted(lines: "Sequence[Line]") -> str:
    from freshwheel.cli import render  # noqa: PLC0415 - see the module's docstring

    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return render.coloured(lines) if is_terminal else render.plain(lines)


def _write(answer: str | bytes, code: int = 0) -> int:
    """`code`, when the answer is written; a reader that has gone had enough of it."""
    if sys.stdout is None:
        return code if not answer else _FAILED
    encoding = sys.stdout.encoding or "utf-8"
    data = answer.encode(encoding, "backslashreplace") if isinstance(answer, str) else answer
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is written at the end
        if error.errno == errno.EPIPE or (os.name == "nt" and error.errno == errno.EINVAL):
            return code
        _complain(f"freshwheel: error: the answer can't be written: {error.strerror or error}\n")
        return _FAILED
    return code


def _say(message: str) -> None:
    """Tells a person something, whatever names are in it."""
    from freshwheel.cli import render  # noqa: PLC0415 - see the module's docstring

    first, *more = message.split("\n")
    _complain("\n".join([f"freshwheel: {render.visible(first)}", *map(render.visible, more), ""]))


def _complain(text: str) -> None:
    if sys.stderr is not None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            return


def _is_watched() -> bool:
    """Whether a person reads and types."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _agreed(place: str) -> bool:
    """Whether a person lets everything go that is in the store."""
    from freshwheel.cli import render  # noqa: PLC0415 - see the module's docstring

    _complain(f"freshwheel: remove everything in {render.visible(place)}? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _timer() -> "threading.Timer | None":
    """What tells a person, who watches, that there is something to wait for."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    import threading  # noqa: PLC0415 - see the module's docstring

    timer = threading.Timer(_PATIENCE, _complain, ["freshwheel: looking at the tree...\n"])
    timer.daemon = True
    timer.start()
    return timer
