"""What the inputs of a tree hold: one snapshot is a walk, a reading of every input, and the digest of it all."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TypeAlias

import xxhash

from freshwheel.errors import InputError
from freshwheel.model import Input, Row, Snapshot
from freshwheel.sources import digest, disk, tree
from freshwheel.sources.disk import Link, MovedError
from freshwheel.sources.tree import Tree

__all__ = ["snapshot"]

_CHUNK = 1 << 18
"""Bytes that are read at once: what fits into the processor's cache."""
_TIMES = 3
"""How often something that moves is looked at again."""
_HAS_EXEC_BIT = os.name != "nt"

_row: Callable[[os.stat_result], Row] = attrgetter("st_mode", "st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")

_Seen: TypeAlias = tuple[bytes, bytes, bytes, Row]
"""Path, kind, content digest, row."""


def snapshot(
    tree: str, *, include: Sequence[str] = (), exclude: Sequence[str] = (), always: Sequence[str] = ()
) -> Snapshot:
    """The inputs of the project directory `tree`, and their digest.

    `include` and `exclude` are globs, `always` are paths that are inputs whatever is excluded. The row of a link to a
    file is that of the file. Raises InputError where something can't be read or does not keep still, and ValueError for
    a pattern that is not of the dialect.
    """
    rules = digest.rules(include=include, exclude=exclude, always=always)
    seen = _seen(tree, include, exclude, always)
    inputs = tuple(Input(path=path, kind=kind, content=content) for path, kind, content, _ in seen)
    return Snapshot(digest=digest.digest(inputs, rules), inputs=inputs, rows=tuple(row for *_, row in seen))


def _seen(
    folder: str, include: Sequence[str], exclude: Sequence[str], always: Sequence[str], times: int = _TIMES
) -> list[_Seen]:
    """All inputs, sorted by path; walks again where the tree changes while it is read."""
    try:
        return _read(os.fsencode(folder), tree.find(folder, include=include, exclude=exclude, always=always))
    except MovedError as error:
        moved = error.path
    if times == 1:
        raise _restless(moved)
    return _seen(folder, include, exclude, always, times - 1)


def _read(folder: bytes, found: Tree) -> list[_Seen]:
    seen = [(disk.spelled(path), *_file(folder, path)) for path in found.files]
    seen += [(disk.spelled(path), b"l", *_link(folder, path, link)) for path, link in found.links.items()]
    seen += [(disk.spelled(path), b"?", digest.of(b""), _lstat(folder, path)) for path in found.others]
    return sorted(seen)


def _file(folder: bytes, path: bytes, *, follow: bool = False) -> tuple[bytes, bytes, Row]:
    """Kind, content digest and row of a regular file that does not change while it is read."""
    try:
        for _ in range(_TIMES):
            handle = disk.opened(folder, path, follow=follow)
            try:
                before = os.fstat(handle)
                if not stat.S_ISREG(before.st_mode):
                    raise MovedError(path)
                content = _content(handle, before.st_size)
                row = _row(before)
                if content is not None and _row(os.fstat(handle)) == row:
                    executable = _HAS_EXEC_BIT and before.st_mode & stat.S_IXUSR
                    return b"x" if executable else b"f", content, row
            finally:
                os.close(handle)
    except OSError as error:
        raise disk.failure(path, error) from error
    raise _restless(path)


def _content(handle: int, size: int) -> bytes | None:
    """The content digest of an open file, None unless it has exactly `size` bytes."""
    if size < _CHUNK:
        data = os.read(handle, size + 1)
        return digest.of(data) if len(data) == size else None
    summary = xxhash.xxh3_128()
    buffer = memoryview(bytearray(_CHUNK))
    total = 0
    with open(handle, "rb", buffering=0, closefd=False) as file:
        while count := file.readinto(buffer):
            summary.update(buffer[:count])
            total += count
    return summary.digest() if total == size else None


def _link(folder: bytes, path: bytes, link: Link) -> tuple[bytes, Row]:
    """Content digest and row of a link."""
    if link.kind == b"f":
        kind, content, row = _file(folder, path, follow=True)
        return digest.link(link.text, kind, content), row
    return digest.link(link.text, link.kind, link.stands), _lstat(folder, path)


def _lstat(folder: bytes, path: bytes) -> Row:
    found = disk.status(folder, path)
    if found is None:
        raise MovedError(path)
    return _row(found)


def _restless(path: bytes) -> InputError:
    return InputError(
        f"{os.fsdecode(path)} does not keep still",
        hint="wait for what writes there; if it is no source, list it in [tool.freshwheel] exclude",
    )
