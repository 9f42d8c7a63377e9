"""The memory of a tree, held against the tree as it is now. Part of the light column."""

import errno
import os

from freshwheel import frame, memory, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from freshwheel.memory import Memory

__all__ = ["checked"]

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_GONE = (errno.ENOENT, errno.ENOTDIR)
_WIDTH, _COLUMN, _STAMP, _SEAL = 40, 17, 8, 16
"""Bytes of a packed row; of kind and content; of a row hash; of a seal."""
_BLOCK = 64
"""Rows that are compared at once."""


def checked(known: "Memory", stem: bytes, started: int) -> "Memory | None":
    """The memory as it is now: the same one if nothing moved; None if more moved than what files hold.

    `stem` is what stands before each relative path; `started` the time now, in ns. Raises OSError where the tree can't
    be looked at, and what refuses to be brought up to date.
    """
    if not all(_is_absent(path, stem, known) for path in memory.split(known.absent)):
        return None
    others = rows.seen(os.lstat, _at(stem, memory.split(known.links))) + _seen_places(known, stem)
    calm = rows.sealed(b"".join(others)) == known.seal[:_SEAL]
    moved = [] if calm else list(_moved(known.watched, b"".join(map(rows.stamp, others))))
    if moved:
        known, packs = _spliced(known, stem, others, moved, started)
    else:
        packs = (b"".join(rows.seen(os.lstat, _at(stem, paths), gone=_GONE)) for paths in frame.blocks(known.inputs))
    blocks = {number: pack for number, pack in enumerate(packs) if rows.sealed(pack) != _seal(known, number)}
    return _mended(known, stem, blocks, others, started) if blocks or not calm else known


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


def _spliced(
    known: "Memory", stem: bytes, others: list[bytes], moved: list[int], started: int
) -> "tuple[Memory, Iterable[bytes]]":
    """The memory with the files that came and without those that went, and the packed rows of each block of inputs.

    Raises where it can't. No input is sealed any more.
    """
    from freshwheel.sources import splice  # noqa: PLC0415 - heavy, and needed where a file came or went only

    links = len(others) - len(known.flags)
    if moved[0] < links:
        raise splice.RefusedError
    packs = [pack for paths in frame.blocks(known.inputs) for pack in rows.seen(os.lstat, _at(stem, paths), gone=_GONE)]
    known, packs = splice.spliced(known, packs, others[links:], [number - links for number in moved])
    watched = bytearray(known.watched)
    for number in moved:
        is_trusted = rows.trusted(rows.unpacked(others[number]), started=started, slack=known.slack or 0)
        watched[8 * number : 8 * number + 8] = rows.stamp(others[number]) if is_trusted else rows.UNTRUSTED
    looks = iter(packs)
    blocks = [b"".join([next(looks) for _ in paths]) for paths in frame.blocks(known.inputs)]
    return known.but(watched=bytes(watched), seal=bytes(_SEAL * (1 + len(blocks)))), blocks


def _mended(
    known: "Memory", stem: bytes, blocks: "Mapping[int, bytes]", others: list[bytes], started: int
) -> "Memory | None":
    """The memory with those files read again that moved; None if one of them is no regular file (any more)."""
    column, stamps, seal = bytearray(known.column), bytearray(known.stamps), bytearray(known.seal)
    seal[:_SEAL] = rows.UNSEALED if rows.UNTRUSTED in known.watched else rows.sealed(b"".join(others))
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
