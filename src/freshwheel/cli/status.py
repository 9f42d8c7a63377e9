"""The verb `status`: how what is installed stands to the folders that it came from."""

from __future__ import annotations

import importlib.machinery
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from freshwheel.base.errors import FreshwheelError
from freshwheel.cli import environments, render
from freshwheel.cli.render import Answer, Line
from freshwheel.explain import installed
from freshwheel.explain.installed import Status
from freshwheel.memory import installs

_ASKED = (
    "import importlib.machinery as m, json, sys; print(json.dumps([m.EXTENSION_SUFFIXES[0], sys.path, sys.prefix]))"
)
_ROLES = {"current": "good", "stale": "bad", "unknown": "bad", "skipped": "note"}
_TIMEOUT = 20


def answer(names: Sequence[str], environ: Mapping[str, str], *, folder: str, python: str | None = None) -> Answer:
    """What there is to say; raises as `found`."""
    prefix, statuses = found(names, environ, folder=folder, python=python)
    value = {"environment": prefix, "distributions": [asdict(one) for one in statuses]}
    return Answer(lines=lines(statuses, prefix), value=value, wrong=any(one.wrong for one in statuses))


def found(
    names: Sequence[str], environ: Mapping[str, str], *, folder: str, python: str | None = None
) -> tuple[str, list[Status]]:
    """The folder of an environment, and the statuses in it: that of `python`, or the one that is found from `folder`.

    Raises FreshwheelError where an interpreter gives no answer, or a name is not there.
    """
    asked = environments.interpreter(environ, folder, python)
    suffix, path, prefix = _own() if asked is None else _asked(asked)
    statuses = installed.statuses(path, environ, suffix=suffix, names=names)
    known = {installs.normal(one.name) for one in statuses}
    missing = [name for name in names if installs.normal(name) not in known]
    if missing:
        hint = "`freshwheel status` lists all that is; --python names another environment"
        raise FreshwheelError(f"not installed from a folder or a URL into {prefix}: {', '.join(missing)}", hint=hint)
    return prefix, statuses


def lines(statuses: Sequence[Status], prefix: str) -> list[Line]:
    """A line each, with the reason and what to do below; `prefix` is the folder of the environment."""
    if not statuses:
        return [Line(f"nothing in {prefix} was installed from a folder of this machine", "note")]
    heads = [f"{one.name} {one.version}" for one in statuses]
    width = max(map(len, heads))
    shown: list[Line] = []
    for head, one in zip(heads, statuses, strict=True):
        kind = "editable" if one.editable else "wheel"
        where = f"  {kind:8}  {one.tree}" if one.tree else ""
        shown.append(Line(f"{head:{width}}  {one.state:7}{where}".rstrip(), _ROLES[one.state]))
        shown += [Line(f"  {one.why}")] if one.why else []
        shown += [Line(f"  {one.mend}", "do")] if one.mend else []
        if one.undeclared:
            shown.append(Line(f"  a build has read what is not declared: {', '.join(one.undeclared)}", "bad"))
            shown.append(Line(f"  freshwheel check {one.tree}", "do"))
    return shown


def _own() -> tuple[str, list[str], str]:
    """How extension modules of this environment end, where its modules are looked for, and its folder."""
    return importlib.machinery.EXTENSION_SUFFIXES[0], list(sys.path), sys.prefix


def _asked(python: str) -> tuple[str, list[str], str]:
    """As `_own`, of another interpreter; raises FreshwheelError."""
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that a person names
            [python, "-c", _ASKED],
            check=True,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
        answered = _said(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise FreshwheelError(f"{python} does not say where its modules are: {render.visible(str(error))}") from error
    return answered


def _said(text: str) -> tuple[str, list[str], str]:
    """The answer of an interpreter, which may have printed more before. Raises ValueError for anything else."""
    match json.loads(text.strip().rpartition("\n")[2]):
        case [str(suffix), list(path), str(prefix)] if all(isinstance(one, str) for one in path):
            return suffix, path, prefix
    raise ValueError(text.strip() or "it prints nothing")
