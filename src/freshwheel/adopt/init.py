"""The recipe of `init`: a project's files are read, the change is asked for, and it is written, or taken back.

The former bytes are kept in the cache directory, under the digest of the new ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Mapping

from freshwheel.adopt import compare, switch
from freshwheel.adopt.switch import Proposal
from freshwheel.base import files, records
from freshwheel.base.errors import FreshwheelError
from freshwheel.sources import project
from freshwheel.sources.disk import Disk

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
    what = f"{_NAME} was edited since `freshwheel init`, or written on another machine, and was left alone"
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
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or compare.is_left(folder, name)))
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), tree).replace(os.sep, "/")
            data = disk.text(os.fsencode(path), _LARGEST) if _READ.fullmatch(path) else None
            texts[path] = (data or b"").decode("utf-8", "replace")
        if len(texts) > _MOST:
            break
    return texts
