"""The last answer again, while everything it observed still holds. Part of the light column.

It steps aside, which is None, wherever it can't be sure, and whatever goes wrong: the recipes then answer.
"""

import errno
import os
import time

import xxhash

from freshwheel import frame, memory, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from freshwheel.memory import Memory

__all__ = ["source_digest"]

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_GONE = (errno.ENOENT, errno.ENOTDIR)
_WIDTH = 40
"""Bytes of a packed row."""
_BLOCK = 64
"""Rows that are compared at once."""


def source_digest(
    tree: str, environ: "Mapping[str, str]", settings: object, *, now: "Callable[[], int]" = time.time_ns
) -> str | None:
    """The source digest of `tree`, if the memory of it still knows; `now` is the time in ns."""
    try:
        return _source_digest(tree, environ, settings, now())
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a memory must never be in the way, whatever is wrong with it
        return None


def _source_digest(tree: str, environ: "Mapping[str, str]", settings: object, started: int) -> str | None:
    asked = memory.question(settings, environ)
    cache = frame.cache_directory(environ)
    if asked is None or cache is None:
        return None
    where = memory.real(tree)
    known = memory.load(cache, where)
    home = os.stat(where)
    if known is None or known.question != asked or known.slack is None or known.device != home.st_dev:
        return None
    # The kernel walks to a relative path in less time.
    mended = _looked(known, b"" if os.path.samestat(home, os.stat(b".")) else where + b"/", started)
    if mended is None:
        return None
    if any(getattr(mended, name) != getattr(known, name) for name in ("inputs", "column", "stamps", "watched")):
        memory.save(cache, mended)
    return mended.digest.hex()


def _looked(known: "Memory", stem: bytes, started: int) -> "Memory | None":
    """The memory as it is now: the same one if nothing moved; None if more moved than what files hold."""
    if not all(_is_absent(path, stem, known) for path in memory.split(known.absent)):
        return None
    blocks = [b"".join(rows.seen(os.lstat, _at(stem, paths), gone=_GONE)) for paths in frame.blocks(known.inputs)]
    others = rows.seen(os.lstat, _at(stem, memory.split(known.links))) + _seen_places(known, stem)
    if known.seal == _seal(blocks, others):
        return known
    packs = [block[start : start + _WIDTH] for block in blocks for start in range(0, len(block), _WIDTH)]
    moved = list(_moved(known.watched, b"".join(map(rows.stamp, others))))
    if moved:
        known, packs = _spliced(known, packs, others, moved, started)
    return _mended(known, stem, packs, others, started)


def _seal(packs: "Iterable[bytes]", others: "Iterable[bytes]") -> bytes:
    """The seal of these packed rows, or of blocks of them."""
    summary = xxhash.xxh3_128()
    for pack in packs:
        summary.update(pack)
    summary.update(b"".join(others))
    return summary.digest()


def _seen_places(known: "Memory", stem: bytes) -> list[bytes]:
    """The packed rows of all places; of some nothing counts but the type."""
    found = rows.seen(os.stat, _at(stem, memory.split(known.places)))
    number = known.flags.find(memory.KIND)
    while number >= 0:
        found[number] = rows.packed(rows.kind(rows.unpacked(found[number])))
        number = known.flags.find(memory.KIND, number + 1)
    return found


def _spliced(
    known: "Memory", packs: list[bytes], others: list[bytes], moved: list[int], started: int
) -> "tuple[Memory, list[bytes]]":
    """The memory and the packed rows, with the files that came and without those that went. Raises where it can't."""
    from freshwheel.sources import splice  # noqa: PLC0415 - heavy, and needed where a file came or went only

    links = len(others) - len(known.flags)
    if moved[0] < links:
        raise splice.RefusedError
    changed, packs = splice.spliced(known, packs, others[links:], [number - links for number in moved])
    watched = bytearray(known.watched)
    for number in moved:
        is_trusted = rows.trusted(rows.unpacked(others[number]), started=started, slack=known.slack or 0)
        watched[8 * number : 8 * number + 8] = rows.stamp(others[number]) if is_trusted else rows.UNTRUSTED
    return changed.but(watched=bytes(watched)), packs


def _mended(known: "Memory", stem: bytes, packs: list[bytes], others: list[bytes], started: int) -> "Memory | None":
    """The memory with those files read again that moved; None if one of them is no regular file (any more)."""
    inputs = _at(stem, memory.split(known.inputs))
    column, stamps = bytearray(known.column), bytearray(known.stamps)
    is_sealed = rows.UNTRUSTED not in known.watched
    for number in _moved(known.stamps, b"".join(map(rows.stamp, packs))):
        was_file = column[17 * number] in b"fx"
        found = rows.read(inputs[number], follow=False) if was_file else None
        if found is None:
            return None
        kind, content, row = found
        packs[number] = rows.packed(row)
        is_trusted = rows.trusted(row, started=started, slack=known.slack or 0)
        is_sealed = is_sealed and is_trusted
        column[17 * number : 17 * number + 17] = kind + content
        stamps[8 * number : 8 * number + 8] = rows.stamp(packs[number]) if is_trusted else rows.UNTRUSTED
    digest = bytes.fromhex(rows.digest(known.rules, known.inputs, bytes(column)))
    return known.but(
        column=bytes(column),
        stamps=bytes(stamps),
        digest=digest,
        seal=_seal([b"".join(packs)], others) if is_sealed else memory.UNSEALED,
        answers=known.answers if digest == known.digest else {},
    )


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
