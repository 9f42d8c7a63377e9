"""The recipe of `init`: a project's files are read, and the change is asked for, tried out, and written or taken back.

The former bytes are kept in the cache directory, under the digest of the new ones. It is tried out by two builds in
scratch copies, before and after the change.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from freshwheel.adopt import switch
from freshwheel.adopt.switch import Proposal
from freshwheel.base import files, records
from freshwheel.base.errors import FreshwheelError, InputError
from freshwheel.inner import build_folders
from freshwheel.sources import boundary, project
from freshwheel.sources.disk import Disk, MovedError
from freshwheel.wheel import archive
from freshwheel.wheel.archive import Wheel

_NAME = "pyproject.toml"
_MOST = 20_000
"""Files that are looked at; a tree with more has its data in it."""
_LARGEST = 1 << 20
"""Bytes of a text that is read."""
_READ = re.compile(
    r"(?:.*/)?(?:Cargo\.toml|CMakeLists\.txt|meson\.build|build\.rs|setup\.cfg|[^/]+\.(?:cmake|py))"
    r"|(?:.*/)?requirements/[^/]+\.(?:txt|in)|.*(?:requirements|constraints)[^/]*\.(?:txt|in)",
    re.IGNORECASE,
)
"""Files of which it matters what they hold."""
_MAGIC = b"FWUNDO\0\1"
_SIDES = ("unwrapped", "wrapped")
_LAST = 2000
"""Characters of a failing build's output that are shown."""


def propose(tree: str, *, label: bool = True) -> Proposal:
    """The switch of the project in `tree`. Raises FreshwheelError where there is none to propose."""
    return switch.propose(read(tree), _files(tree), label=label)


def retract(tree: str, environ: Mapping[str, str]) -> Proposal:
    """The way back for the project in `tree`: to the bytes that `init` has kept.

    Raises FreshwheelError where there are none for the file as it is.
    """
    data = read(tree)
    if (former := _kept(data, environ)) is not None:
        return Proposal(before=data, after=former, steps=("the file becomes what it was, byte for byte",))
    if not switch.is_wrapped(project.read(tree).pyproject):
        return Proposal(before=data, after=data, steps=("freshwheel is not in place; nothing is to be undone",))
    why = "was edited since `freshwheel init`, or not written by it here, or could not be kept"
    what = f"{_NAME} {why}, and was left alone"
    raise FreshwheelError(what, hint=f"`git checkout {_NAME}` gives back what was committed")


def write(tree: str, before: bytes, after: bytes) -> None:
    """Writes the file, with the permissions and, if possible, the owner that it had.

    Raises FreshwheelError where it can't be written, or is another one than `before`.
    """
    path = os.path.realpath(os.path.join(tree, _NAME))
    if read(tree) != before:
        raise FreshwheelError(f"{_NAME} was changed meanwhile, so it was left alone", hint="try again")
    try:
        status = os.stat(path)
        files.write(path, after, mode=0o600)
        if hasattr(os, "chown"):
            with contextlib.suppress(OSError):
                os.chown(path, status.st_uid, status.st_gid)
        os.chmod(path, stat.S_IMODE(status.st_mode))
    except OSError as error:
        raise FreshwheelError(f"{_NAME} can't be written: {error.strerror or error}") from error


def keep(wanted: Proposal, environ: Mapping[str, str]) -> bool:
    """Whether the former bytes are kept, for `retract`."""
    try:
        return records.save(_place(wanted.after, environ), _MAGIC, wanted.before)
    except OSError:
        return False


def read(tree: str) -> bytes:
    """The bytes of `pyproject.toml`. Raises ConfigError where there is none, or none that is TOML."""
    project.read(tree)
    with open(os.path.join(tree, _NAME), "rb") as file:
        return file.read()


def _kept(data: bytes, environ: Mapping[str, str]) -> bytes | None:
    """The former bytes of a file that was not edited since, if they were kept."""
    try:
        former: bytes | None = records.load(_place(data, environ), _MAGIC)
    except OSError:
        return None
    return former


def _place(after: bytes, environ: Mapping[str, str]) -> str:
    """Where the former bytes of a file are kept. Raises FileNotFoundError where there is no cache directory."""
    cache = files.cache_directory(environ)
    if cache is None:
        raise FileNotFoundError
    return os.path.join(cache, "adopted", hashlib.sha256(after).hexdigest())


def _files(tree: str) -> dict[str, str]:
    """The files of a project, without what tools have left there, and what they hold, as far as that matters."""
    disk, texts = Disk(tree), dict[str, str]()
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or is_left(folder, name)))
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), tree).replace(os.sep, "/")
            data = disk.text(os.fsencode(path), _LARGEST) if _READ.fullmatch(path) else None
            texts[path] = (data or b"").decode("utf-8", "replace")
        if len(texts) > _MOST:
            break
    return texts


def differences(tree: str, before: bytes, after: bytes, environ: Mapping[str, str]) -> dict[str, str]:
    """What the wheel by the text `after` has otherwise than that by `before`, by member; label, mark and RECORD aside.

    All builds are made at one path, since compilers write that down. A member that differs between two builds by
    `before` alone says nothing; in the second one setuptools works in a folder of its own, as in the switched project.
    Raises FreshwheelError where the project can't be built as it is.
    """
    with tempfile.TemporaryDirectory(prefix="freshwheel-likeness-", ignore_cleanup_errors=True) as scratch:
        bench = _Bench(tree, scratch, environ)
        unwrapped = bench.built(before, _SIDES[0])
        try:
            wrapped = bench.built(after, _SIDES[1])
        except FreshwheelError as error:
            return {"": f"it can't be built any more: {error.message}"}
        differing = _differing(unwrapped, wrapped, scratch)
        if differing:
            bench.environ |= build_folders.setuptools(bench.scratch, bench.environ, "build_wheel")
            for name in archive.differences(unwrapped, bench.built(before, "again"), _SIDES):
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
    why = boundary.why_pruned(path, inside, lambda file: disk.head(path + b"/" + file))
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


class _Bench:
    """The path at which copies of a project are built."""

    def __init__(self, tree: str, scratch: str, environ: Mapping[str, str]) -> None:
        self.scratch = scratch
        cache = os.path.join(scratch, "cache")
        self.environ = {**environ, "FRESHWHEEL_CACHE_DIR": cache, "GIT_OPTIONAL_LOCKS": "0"}
        self.repository = boundary.repository(tree, [])
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
                return archive.read(os.path.join(out, next(made for made in os.listdir(out) if made.endswith(".whl"))))
        except (OSError, MovedError, StopIteration) as error:
            raise FreshwheelError(f"a copy of {self.repository} can't be built: {error}") from error
        raise FreshwheelError(f"the project can't be built {name}:\n{(done.stdout + done.stderr)[-_LAST:].strip()}")

    def hide(self, copy: str, project: str) -> None:
        """Has git see no change: a version that is made from its state would tell of it."""
        git = shutil.which("git", path=self.environ.get("PATH"))
        if git is None:
            return
        if os.path.isfile(os.path.join(copy, ".git")):
            self.detach(git, os.path.join(copy, ".git"))
        if os.path.isdir(os.path.join(copy, ".git")):
            self.run(git, "-C", project, "update-index", "--skip-worktree", _NAME)

    def detach(self, git: str, place: str) -> None:
        """Gives the copy of a worktree or of a submodule a repository of its own: its file names that of the user."""
        asked = self.run(git, "-C", self.repository, "rev-parse", "--absolute-git-dir", "--git-common-dir")
        if asked.returncode:
            return
        own, common = [os.path.join(self.repository, line) for line in asked.stdout.splitlines()]
        os.remove(place)
        shutil.copytree(common, place, symlinks=True, ignore=shutil.ignore_patterns("*.lock", "modules", "worktrees"))
        for name in ("HEAD", "index"):
            shutil.copy2(os.path.join(own, name), os.path.join(place, name))
        self.run(git, "config", "--file", os.path.join(place, "config"), "--unset", "core.worktree")

    def build(self, project: str, out: str) -> subprocess.CompletedProcess[str]:
        """One build by a frontend, isolated as the builds of users are."""
        uv = self.environ.get("UV") or shutil.which("uv", path=self.environ.get("PATH"))  # uvx says where it is
        if uv is not None:
            # uv would take its own copy of uv_build, of another version.
            words = ("build", "--force-pep517", "--wheel", "--python", sys.executable, "--out-dir", out, ".")
            return self.run(uv, *words, cwd=project)  # where its settings lie, and what variables name
        if importlib.util.find_spec("pip") is None:
            raise FreshwheelError("nothing is here to build with", hint="install uv, or pip beside freshwheel")
        return self.run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", out, project)

    def run(self, *command: str, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
        """What a program has answered, which ran beside the copy, or in a folder of it."""
        return subprocess.run(  # noqa: S603 - what a person asked for
            command,
            check=False,
            env=self.environ,
            cwd=cwd or self.scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )


def _left_out(folder: str, names: list[str]) -> list[str]:
    """What tools have left in a folder, and what is no file; a clone has none of it."""
    return [name for name in names if is_left(folder, name)]
