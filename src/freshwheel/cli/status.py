"""The verb `status`: which environment is meant, and how what is installed there stands to the folders it came from."""

from __future__ import annotations

import argparse
import importlib.machinery
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from freshwheel.base.errors import FreshwheelError
from freshwheel.cli import console
from freshwheel.cli.render import Answer, Line
from freshwheel.explain import installed
from freshwheel.explain.installed import Status
from freshwheel.memory import installs

_ASKED = (
    "import importlib.machinery as m, json, sys; print(json.dumps([m.EXTENSION_SUFFIXES[0], sys.path, sys.prefix]))"
)
_ROLES = {"current": "good", "stale": "bad", "unknown": "bad", "skipped": "note"}
_PYTHONS = ("Scripts/python.exe", "python.exe") if os.name == "nt" else ("bin/python", "bin/python3")
_TIMEOUT = 20


def status(options: argparse.Namespace) -> Answer:
    """How what is installed stands. Raises FreshwheelError."""
    folder = console.tree_of(".")
    prefix, statuses = looked(options.names, os.environ, folder=folder, python=options.python)
    value = {"environment": prefix, "distributions": [asdict(status) for status in statuses]}
    return Answer(lines=lines(statuses, prefix), value=value, wrong=any(status.wrong for status in statuses))


def looked(
    names: Sequence[str], environ: Mapping[str, str], *, folder: str, python: str | None = None
) -> tuple[str, list[Status]]:
    """The folder of an environment, and the statuses in it: that of `python`, or the one that is found from `folder`.

    Raises FreshwheelError where an interpreter gives no answer, or a name is not there.
    """
    named = interpreter(environ, folder, python)
    # How extension modules end there, where modules are looked for, and its folder.
    own = importlib.machinery.EXTENSION_SUFFIXES[0], list(sys.path), sys.prefix
    suffix, path, prefix = own if named is None else _asked(named)
    statuses = installed.statuses(path, environ, suffix=suffix, names=names)
    known = {installs.normal(status.name) for status in statuses}
    if missing := [name for name in names if installs.normal(name) not in known]:
        hint = "`freshwheel status` lists all that is; --python names another environment"
        raise FreshwheelError(f"not installed from a folder or a URL into {prefix}: {', '.join(missing)}", hint=hint)
    return prefix, statuses


def interpreter(environ: Mapping[str, str], folder: str, named: str | None) -> str | None:
    """The interpreter that is `named`, by its path, its folder or its name; else that of the active environment.

    Else that of the `.venv` of the project or workspace around `folder`, as uv finds it. None: the one that runs this.
    Raises FreshwheelError where there is none by that name.
    """
    if named is None:
        nearest = _nearest(folder, environ.get("UV_PROJECT_ENVIRONMENT") or ".venv")
        named = environ.get("VIRTUAL_ENV") or nearest
        if named is None or os.path.realpath(os.path.join(folder, named)) == os.path.realpath(sys.prefix):
            return None
    path = os.path.join(folder, named)
    places = [os.path.join(path, *name.split("/")) for name in _PYTHONS] if os.path.isdir(path) else [path]
    if known := next(filter(os.path.isfile, places), None) or shutil.which(named, path=environ.get("PATH")):
        return known
    hint = "--python takes the folder of an environment, an interpreter, or the name of one, as python3.12"
    raise FreshwheelError(f"there is no Python {named}", hint=hint)


def lines(statuses: Sequence[Status], prefix: str) -> list[Line]:
    """A line each, with the reason and what to do below; `prefix` is the folder of the environment."""
    if not statuses:
        return [Line(f"nothing in {prefix} was installed from a folder of this machine", "note")]
    heads = [f"{status.name} {status.version}" for status in statuses]
    width = max(map(len, heads))
    shown: list[Line] = []
    for head, status in zip(heads, statuses, strict=True):
        kind = "editable" if status.editable else "wheel"
        where = f"  {kind:8}  {status.tree}" if status.tree else ""
        shown.append(Line(f"{head:{width}}  {status.state:7}{where}".rstrip(), _ROLES[status.state]))
        shown += [Line(f"  {status.why}")] if status.why else []
        shown += [Line(f"  {status.mend}", "do")] if status.mend else []
    return shown


def _nearest(folder: str, name: str) -> str | None:
    """The environment of that name in a folder, or in the nearest one above it."""
    while not os.path.isfile(os.path.join(folder, name, "pyvenv.cfg")):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return None
    return os.path.join(folder, name)


def _asked(python: str) -> tuple[str, list[str], str]:
    """What an interpreter says of its modules and its folder, which may print more before. Raises FreshwheelError."""
    command = [python, "-c", _ASKED]
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that a person names
            command, check=True, capture_output=True, text=True, timeout=_TIMEOUT, stdin=subprocess.DEVNULL
        )
        match json.loads(done.stdout.strip().rpartition("\n")[2]):
            case [str(suffix), list(path), str(prefix)] if all(isinstance(folder, str) for folder in path):
                return suffix, path, prefix
        why = done.stdout.strip()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = str(error)
    raise FreshwheelError(f"{python} does not say where its modules are: {console.visible(why)}")
