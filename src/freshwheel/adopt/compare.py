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

from freshwheel.base.errors import FreshwheelError
from freshwheel.sources import not_sources, surroundings
from freshwheel.sources.disk import Disk, MovedError
from freshwheel.wheel import archive, contents
from freshwheel.wheel.archive import Wheel

_SIDES = ("unwrapped", "wrapped")
_NAME = "pyproject.toml"
_LAST = 2000
"""Characters of a failing build's output that are shown."""


def differences(tree: str, before: bytes, after: bytes, environ: Mapping[str, str]) -> dict[str, str]:
    """What the wheel by the text `after` has otherwise than that by `before`, by member; label, mark and RECORD aside.

    All builds are made at one path, since compilers write that down. A member that differs between two builds by
    `before` alone says nothing. Raises FreshwheelError where the project can't be built as it is.
    """
    with tempfile.TemporaryDirectory(prefix="freshwheel-likeness-", ignore_cleanup_errors=True) as scratch:
        bench = _Bench(tree, scratch, environ)
        one = bench.built(before, "unwrapped")
        try:
            other = bench.built(after, "wrapped")
        except FreshwheelError as error:
            return {"": f"it can't be built any more: {error.message}"}
        found = _held(one, other, scratch)
        if found:
            for name in contents.differences(one, bench.built(before, "again"), _SIDES):
                found.pop(name, None)
        return found


def _held(one: Wheel, other: Wheel, scratch: str) -> dict[str, str]:
    """What an unwrapped wheel and a wrapped one differ in."""
    mark = archive.mark_of(other.path)
    if mark is None:
        return {"": "it has no mark: the wheel has a form that freshwheel does not know"}
    found = {}
    if one.name.with_version(mark.base) != one.name:
        found["version"] = f"{one.version}, and wrapped {mark.base}"
    if (one.name.tags, one.name.build) != (other.name.tags, other.name.build):
        found["tags"] = f"{one.name.filename}, and wrapped {other.name.filename}"
    again = os.path.join(scratch, "unlabelled")
    os.mkdir(again)
    path = os.path.join(again, archive.rewrite(other, again, version=one.version, mark=b"{}"))
    return found | contents.differences(one, archive.read(path), _SIDES)


class _Bench:
    """The path at which copies of a project are built."""

    def __init__(self, tree: str, scratch: str, environ: Mapping[str, str]) -> None:
        self.scratch = scratch
        cache = os.path.join(scratch, "cache")
        self.environ = {**environ, "FRESHWHEEL_CACHE_DIR": cache, "GIT_OPTIONAL_LOCKS": "0"}
        self.repository = surroundings.repository(tree, [])
        self.inside = os.path.relpath(os.path.realpath(tree), self.repository)

    def built(self, text: bytes, name: str) -> Wheel:
        """The wheel of a new copy whose `pyproject.toml` says `text`. Raises FreshwheelError where there is none."""
        copy, out = os.path.join(self.scratch, "copy"), os.path.join(self.scratch, name)
        try:
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(self.repository, copy, symlinks=True, ignore=_left_out)
            project = os.path.join(copy, self.inside)
            with open(os.path.join(project, _NAME), "wb") as file:
                file.write(text)
            self.hide(copy, project)
            done = self.build(project, out)
            if done.returncode == 0:
                return archive.read(os.path.join(out, next(one for one in os.listdir(out) if one.endswith(".whl"))))
        except (OSError, MovedError, StopIteration) as error:
            raise FreshwheelError(f"a copy of {self.repository} can't be built: {error}") from error
        raise FreshwheelError(f"the project can't be built {name}:\n{(done.stdout + done.stderr)[-_LAST:].strip()}")

    def hide(self, copy: str, project: str) -> None:
        """Has git see no change: a version that is made from its state would tell of it."""
        git = shutil.which("git", path=self.environ.get("PATH"))
        if git is not None and os.path.isdir(os.path.join(copy, ".git")):
            self.run(git, "-C", project, "update-index", "--skip-worktree", _NAME)

    def build(self, project: str, out: str) -> subprocess.CompletedProcess[str]:
        """One build by a frontend, isolated as the builds of users are."""
        uv = self.environ.get("UV") or shutil.which("uv", path=self.environ.get("PATH"))  # uvx says where it is
        if uv is not None:
            return self.run(uv, "build", "--wheel", "--python", sys.executable, "--out-dir", out, project)
        if importlib.util.find_spec("pip") is None:
            raise FreshwheelError("nothing is here to build with", hint="install uv, or pip beside freshwheel")
        return self.run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", out, project)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """What a program has answered, which ran beside the copy."""
        return subprocess.run(  # noqa: S603 - what a person asked for
            command,
            check=False,
            env=self.environ,
            cwd=self.scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )


def _left_out(folder: str, names: list[str]) -> list[str]:
    """What tools have left in a folder, and what is no file; a clone has none of it."""
    disk = Disk(folder)
    kinds = disk.entries(b"")
    return [name for name in names if _is_left(disk, os.fsencode(name), kinds[os.fsencode(name)])]


def _is_left(disk: Disk, name: bytes, kind: int) -> bool:
    if kind != stat.S_IFDIR:
        return kind == stat.S_IFIFO
    reason = not_sources.folder(name, disk.entries(name), lambda file: disk.head(name + b"/" + file))
    return name == b"__pycache__" or reason is not None
