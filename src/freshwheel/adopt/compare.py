"""A project built twice in scratch copies, as it is and after a change of its `pyproject.toml`; what differs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from freshwheel.base.errors import FreshwheelError, InputError
from freshwheel.sources import not_sources, surroundings
from freshwheel.sources.disk import Disk, MovedError
from freshwheel.wheel import archive
from freshwheel.wheel.archive import Wheel

_SIDES = ("unwrapped", "wrapped")
_NAME = "pyproject.toml"
_LAST = 2000
"""Characters of a failing build's output that are shown."""


def differences(tree: str, before: bytes, after: bytes, environ: Mapping[str, str]) -> dict[str, str]:
    """What the wheel by the text `after` has otherwise than that by `before`, by member; label, mark and RECORD aside.

    All builds are made at one path, since compilers write that down. A member that differs between two builds by
    `before` alone says nothing. Raises FreshwheelError where a build fails.
    """
    with tempfile.TemporaryDirectory(prefix="freshwheel-likeness-", ignore_cleanup_errors=True) as scratch:
        unwrapped = _built(tree, scratch, environ, before, _SIDES[0])
        wrapped = _built(tree, scratch, environ, after, _SIDES[1])
        differing = _differing(unwrapped, wrapped, scratch)
        if differing:
            again = _built(tree, scratch, environ, before, "again")
            for name in archive.differences(unwrapped, again, _SIDES):
                differing.pop(name, None)
        return differing


def is_left(folder: str, name: str) -> bool:
    """Whether something in a folder was left there by tools, or is no file: a clone does not have it."""
    disk, path = Disk(folder), os.fsencode(name)
    try:
        kind = disk.kind(path)
        if kind != stat.S_IFDIR:
            return kind not in (stat.S_IFREG, None)
        inside = disk.entries(path)
    except (InputError, MovedError):
        return False
    folders = {below for below, mode in inside.items() if mode == stat.S_IFDIR}
    why = not_sources.folder(path, inside.keys(), folders, lambda file: disk.head(path + b"/" + file), top=False)
    return path == b"__pycache__" or why is not None


def _differing(unwrapped: Wheel, wrapped: Wheel, scratch: str) -> dict[str, str]:
    """What two wheels differ in."""
    mark = archive.mark_of(wrapped.path)
    if mark is None:
        return {"": "it has no mark: the wheel has a form that freshwheel does not know"}
    differing = {}
    if unwrapped.name.with_version(mark.base) != unwrapped.name:
        differing["version"] = f"{unwrapped.version}, and wrapped {mark.base}"
    if unwrapped.name.rest != wrapped.name.rest:
        differing["tags"] = f"{unwrapped.name.filename}, and wrapped {wrapped.name.filename}"
    folder = os.path.join(scratch, "unlabelled")
    os.mkdir(folder)
    path = os.path.join(folder, archive.rewrite(wrapped, folder, version=unwrapped.version, mark=b"{}"))
    return differing | archive.differences(unwrapped, archive.read(path), _SIDES)


def _built(tree: str, scratch: str, environ: Mapping[str, str], text: bytes, name: str) -> Wheel:
    """The wheel of a new copy whose `pyproject.toml` says `text`. Raises FreshwheelError where there is none."""
    copy, out = os.path.join(scratch, "copy"), os.path.join(scratch, name)
    repository = surroundings.repository(tree, [])
    project = os.path.join(copy, os.path.relpath(os.path.realpath(tree), repository))
    try:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(repository, copy, symlinks=True, ignore=_left)
        with open(os.path.join(project, _NAME), "wb") as file:
            file.write(text)
        done = _build(project, out, {**environ, "FRESHWHEEL_CACHE_DIR": os.path.join(scratch, "cache")})
        if done.returncode == 0:
            [wheel] = [made for made in os.listdir(out) if made.endswith(".whl")]
            return archive.read(os.path.join(out, wheel))
    except (OSError, ValueError) as error:
        raise FreshwheelError(f"a copy of {repository} can't be built: {error}") from error
    raise FreshwheelError(f"the project can't be built {name}:\n{(done.stdout + done.stderr)[-_LAST:].strip()}")


def _build(project: str, out: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """One build by a frontend, isolated as the builds of users are."""
    search = environ.get("PATH")
    git, uv = shutil.which("git", path=search), environ.get("UV") or shutil.which("uv", path=search)  # uvx names it
    if git is not None:
        # A version that is made from the state of the repository would tell of the change.
        _run([git, "-C", project, "update-index", "--skip-worktree", _NAME], environ)
    if uv is not None:
        return _run([uv, "build", "--wheel", "--python", sys.executable, "--out-dir", out, project], environ)
    if importlib.util.find_spec("pip") is None:
        raise FreshwheelError("nothing is here to build with", hint="install uv, or pip beside freshwheel")
    return _run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", out, project], environ)


def _run(command: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What a program has answered."""
    return subprocess.run(  # noqa: S603 - what a person asked for
        command,
        check=False,
        env={**environ, "GIT_OPTIONAL_LOCKS": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )


def _left(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if is_left(folder, name)]
