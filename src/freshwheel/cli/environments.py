"""Which environment a person means: found as uv and pip find it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping

from freshwheel.base.errors import FreshwheelError

_PYTHONS = ("Scripts/python.exe", "python.exe") if os.name == "nt" else ("bin/python", "bin/python3")
_VERSION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:\.[0-9]+)?")
_TIMEOUT = 20


def interpreter(environ: Mapping[str, str], folder: str, named: str | None) -> str | None:
    """The interpreter that is `named`, by a path, a folder, a name or a version; else that of the active environment.

    Else that of the `.venv` of the project or workspace around `folder`. None: the one that runs this. Raises
    FreshwheelError where there is none by that name.
    """
    if named is not None:
        return _named(named, environ, folder)
    around = _around(folder, environ.get("UV_PROJECT_ENVIRONMENT") or ".venv")
    found = environ.get("VIRTUAL_ENV") or next(filter(_is_environment, around), None)
    if found is None or os.path.realpath(os.path.join(folder, found)) == os.path.realpath(sys.prefix):
        return None
    return _inside(os.path.join(folder, found))


def _named(named: str, environ: Mapping[str, str], folder: str) -> str:
    path = os.path.join(folder, named)
    if os.path.isdir(path):
        return _inside(path)
    search = environ.get("PATH")
    version = _VERSION.fullmatch(named)
    if os.path.isfile(path):
        return path
    name = f"python{version[1]}" if version is not None else named
    if found := shutil.which(name, path=search) or (_by_uv(named, search) if version is not None else None):
        return found
    hint = "--python takes the folder of an environment, an interpreter, the name of one, or a version as 3.12"
    raise FreshwheelError(f"there is no Python {named}", hint=hint)


def _by_uv(version: str, search: str | None) -> str | None:
    """The interpreter that uv knows of, on this machine."""
    uv = shutil.which("uv", path=search)
    if uv is None:
        return None
    command = [uv, "python", "find", "--no-python-downloads", version]
    try:
        done = subprocess.run(  # noqa: S603 - a program of the person's own
            command, check=True, capture_output=True, text=True, timeout=_TIMEOUT, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _inside(place: str) -> str:
    """The interpreter of an environment. Raises FreshwheelError where it has none."""
    for name in _PYTHONS:
        if os.path.isfile(path := os.path.join(place, *name.split("/"))):
            return path
    raise FreshwheelError(f"{place} is no environment: there is no {_PYTHONS[0]} in it")


def _is_environment(place: str) -> bool:
    return os.path.isfile(os.path.join(place, "pyvenv.cfg"))


def _around(folder: str, name: str) -> Iterator[str]:
    """Where an environment of a project or of its workspace may be."""
    while True:
        yield os.path.join(folder, name)
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above
