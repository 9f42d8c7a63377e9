"""What the inputs of a tree hold: one snapshot is a selection, a reading of every input, and the digest of it all."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from freshwheel.base import rows
from freshwheel.base.errors import InputError
from freshwheel.base.model import Input, Snapshot
from freshwheel.base.rows import Row
from freshwheel.sources import digest, disk, project
from freshwheel.sources.disk import Disk, Link, MovedError
from freshwheel.sources.selection import Selection
from freshwheel.sources.walk import Tree

_TIMES = 3
"""How often a tree that changes while it is read is walked again."""

T = TypeVar("T")
_Seen: TypeAlias = tuple[bytes, bytes, bytes, Row]
"""Path, kind, content digest, row."""
Remembered: TypeAlias = Mapping[bytes, tuple[bytes, bytes, bytes]]
"""Path -> row hash, kind and content digest of files that need not be read again while their row stays."""


def snapshot(
    folder: str,
    select: Callable[[Disk], Selection],
    *,
    remembered: Remembered | None = None,
    now: Callable[[], int] = time.time_ns,
) -> Snapshot:
    """The inputs of the project directory `folder`, as `select` finds them, and their digest.

    Raises InputError where something can't be read or does not keep still, and what `select` raises.
    """

    def taken(look: Disk) -> Snapshot:
        started, selection = now(), select(look)
        seen = _Reader(look, remembered or {}, selection.rules.tables_of).read(selection.tree)
        inputs = tuple([Input(path=path, kind=kind, content=content) for path, kind, content, _ in seen])
        columns = digest.columns(inputs)
        said = selection.rules
        rules = digest.rules(include=said.include, exclude=said.exclude, always=said.always)
        return Snapshot(
            digest=rows.digest(rules, *columns),
            native=digest.native(rules, *columns),
            rules=rules,
            inputs=inputs,
            rows=tuple([row for *_, row in seen]),
            looks=look.looks(),
            started=started,
            idle=selection.idle,
            roots=tuple([(root.path, root.kind) for root in selection.roots]),
            locks=selection.locks,
            unread=selection.unread,
        )

    return steady(folder, taken)


def steady(folder: str, look: Callable[[Disk], T]) -> T:
    """What is seen of the project directory `folder` while it keeps still. Raises InputError where it does not."""
    for _ in range(_TIMES - 1):
        with contextlib.suppress(MovedError):
            return look(Disk(folder))
    try:
        return look(Disk(folder))
    except MovedError as error:
        raise _restless(error.path) from None


def contents(folder: str, paths: Sequence[bytes]) -> dict[bytes, tuple[str, bytes]]:
    """Path -> kind and content digest of files and folders, absolute or relative to `folder`.

    Of a folder the names in it count. What can't be read is left out.
    """
    found: dict[bytes, tuple[str, bytes]] = {}
    for path in paths:
        where = disk.at(os.fsencode(folder), path)
        with contextlib.suppress(OSError, ValueError, rows.RestlessError):
            if os.path.isdir(where):
                found[path] = "d", digest.of(b"\0".join(sorted(os.listdir(where))))
            elif (seen := rows.read(where, follow=True)) is not None:
                found[path] = os.fsdecode(seen[0]), seen[1]
    return found


class _Reader:
    """Reads inputs, but for those that are remembered."""

    def __init__(self, look: Disk, known: Remembered, tables_of: str | None) -> None:
        self.tree = look.tree
        self.look = look
        self.known = known
        self.tables_of = None if tables_of is None else os.fsencode(tables_of)

    def read(self, found: Tree) -> list[_Seen]:
        """All inputs, sorted by path."""
        seen = [(disk.spelled(path), *self.file(path)) for path in found.files]
        seen += [(disk.spelled(path), b"l", *self.link(path, link)) for path, link in found.links.items()]
        seen += [(disk.spelled(path), b"?", digest.of(b""), self.lstat(path)) for path in found.others]
        return sorted(seen)

    def file(self, path: bytes) -> tuple[bytes, bytes, Row]:
        """Kind, content digest and row of a regular file."""
        if path == self.tables_of and (found := self.tables(path)) is not None:
            return found
        remembered = self.known.get(path)
        if remembered is not None:
            row = self.lstat(path)
            if rows.stamp(rows.packed(row)) == remembered[0]:
                return *remembered[1:], row
        return self.contents(path)

    def tables(self, path: bytes) -> tuple[bytes, bytes, Row] | None:
        """As `file`, by what of a TOML file counts; None where it is none."""
        row = self.lstat(path)
        data = self.look.text(path)
        if data is None:
            return None
        try:
            return b"t", digest.of(project.content(data)), row
        except (ValueError, RecursionError):
            return None

    def contents(self, path: bytes, *, follow: bool = False) -> tuple[bytes, bytes, Row]:
        """Kind, content digest and row of a regular file that does not change while it is read."""
        try:
            found = rows.read(disk.at(self.tree, path), follow=follow)
        except OSError as error:
            raise disk.failure(path, error) from error
        except rows.RestlessError:
            raise _restless(path) from None
        if found is None:
            raise MovedError(path)
        return found

    def link(self, path: bytes, link: Link) -> tuple[bytes, Row]:
        """Content digest and row of a link."""
        if link.kind == b"f":
            kind, content, row = self.contents(path, follow=True)
            return digest.link(link.text, kind, content), row
        return digest.link(link.text, link.kind, link.stands), self.lstat(path)

    def lstat(self, path: bytes) -> Row:
        """The row of what lies at `path` itself."""
        found = self.look.status(path)
        if found is None:
            raise MovedError(path)
        return rows.row(found)


def _restless(path: bytes) -> InputError:
    return InputError(
        f"{os.fsdecode(path)} keeps changing while it is read",
        hint="wait for what writes there; if it is no source, list it in [tool.freshwheel] exclude",
    )
