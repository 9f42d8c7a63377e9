"""The memory of a tree, held against the tree as it is now. Part of the light column."""

import errno
import os

from freshwheel.base import frame, rows
from freshwheel.memory import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from freshwheel.memory.memory import Memory

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_WIDTH, _COLUMN, _STAMP, _SEAL = 40, 17, 8, 16
"""Bytes of a packed row; of kind and content; of a row hash; of a seal."""
_BLOCK = 64
"""Rows that are compared at once."""


def checked(known: "Memory", stem: bytes, started: int) -> "Memory | None":
    """The memory as it is now: the same one if nothing moved; None if more moved than what files hold.

    `stem` is what stands before each relative path; `started` the time now, in ns. Raises OSError where the tree can't
    be looked at.
    """
    if not all(_is_absent(path, stem, known) for path in memory.split(known.absent)):
        return None
    others = rows.seen(os.lstat, _at(stem, memory.split(known.links))) + _seen_places(known, stem)
    if rows.sealed(b"".join(others)) != known.seal[:_SEAL]:
        return None
    packs = (b"".join(rows.seen(os.lstat, _at(stem, paths))) for paths in frame.blocks(known.inputs))
    blocks = {number: pack for number, pack in enumerate(packs) if rows.sealed(pack) != _seal(known, number)}
    return _mended(known, stem, blocks, started) if blocks else known


def _seal(known: "Memory", block: int) -> bytes:
    """The seal of a block of inputs."""
    return known.seal[_SEAL * (block + 1) : _SEAL * (block + 2)]


def _seen_places(known: "Memory", stem: bytes) -> list[bytes]:
    """The packed rows of all places; of some nothing counts but the type."""
    found = rows.seen(os.stat, _at(stem, memory.split(known.places)))
    number = known.flags.find(memory.KIND)
    while number >= 0:
        found[number] = rows.packed(rows.kind(rows.unpacked(found[number])))
        number = known.flags.find(memory.KIND, number + 1)
    return found


def _mended(known: "Memory", stem: bytes, blocks: "Mapping[int, bytes]", started: int) -> "Memory | None":
    """The memory with those files read again that moved; None if one of them is no regular file (any more)."""
    column, stamps, seal = bytearray(known.column), bytearray(known.stamps), bytearray(known.seal)
    first = 0
    for block, paths in enumerate(frame.blocks(known.inputs)):
        if block in blocks:
            found = _read(known, _at(stem, paths), first, blocks[block], started)
            if found is None:
                return None
            end = first + len(paths)
            column[_COLUMN * first : _COLUMN * end], stamps[_STAMP * first : _STAMP * end] = found[:2]
            seal[_SEAL * (block + 1) : _SEAL * (block + 2)] = found[2]
        first += len(paths)
    digest = bytes.fromhex(rows.digest(known.rules, known.inputs, bytes(column)))
    return known.but(
        column=bytes(column),
        stamps=bytes(stamps),
        digest=digest,
        seal=bytes(seal),
        answers=known.answers if digest == known.digest else {},
    )


def _read(
    known: "Memory", paths: list[bytes], first: int, packs: bytes, started: int
) -> "tuple[bytes, bytes, bytes] | None":
    """Column, stamps and seal of a block of inputs, those that moved read again; None where one is no regular file.

    `first` is the number of its first input, `packs` are the packed rows.
    """
    end = first + len(paths)
    column, stamps = (
        bytearray(known.column[_COLUMN * first : _COLUMN * end]),
        known.stamps[_STAMP * first : _STAMP * end],
    )
    looks = [packs[start : start + _WIDTH] for start in range(0, len(packs), _WIDTH)]
    after = bytearray().join(map(rows.stamp, looks))
    for number in _moved(stamps, bytes(after)):
        was_file = column[_COLUMN * number] in b"fx"
        found = rows.read(paths[number], follow=False) if was_file else None
        if found is None:
            return None
        kind, content, row = found
        looks[number] = rows.packed(row)
        is_trusted = rows.trusted(row, started=started, slack=known.slack or 0)
        column[_COLUMN * number : _COLUMN * (number + 1)] = kind + content
        after[_STAMP * number : _STAMP * (number + 1)] = rows.stamp(looks[number]) if is_trusted else rows.UNTRUSTED
    is_sealed = all(after[start : start + _STAMP] != rows.UNTRUSTED for start in range(0, len(after), _STAMP))
    return bytes(column), bytes(after), rows.sealed(b"".join(looks)) if is_sealed else rows.UNSEALED


def _moved(before: bytes, after: bytes) -> "Iterator[int]":
    """The numbers of the row hashes that differ."""
    for block in range(0, len(before), 8 * _BLOCK):
        end = block + 8 * _BLOCK
        if before[block:end] != after[block:end]:
            for place in range(block, min(end, len(before)), 8):
                if before[place : place + 8] != after[place : place + 8]:
                    yield place // 8


def _at(stem: bytes, paths: list[bytes]) -> list[bytes]:
    """The paths as the system finds them."""
    return [path if os.path.isabs(path) else stem + path for path in paths] if stem else paths


def _is_absent(path: bytes, stem: bytes, known: "Memory") -> bool:
    """Whether there still is nothing; a link that was there, and led nowhere, may be there."""
    [where] = _at(stem, [path])
    try:
        os.lstat(where)
    except OSError as error:
        return error.errno in _ABSENT
    if path not in memory.split(known.links) and path not in memory.split(known.inputs):
        return False
    try:
        os.stat(where)
    except OSError as error:
        return error.errno in _ABSENT
    return False
