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
    from collections.abc import Callable, Iterator, Mapping

    from freshwheel.memory import Memory

__all__ = ["source_digest"]

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
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
    if (mended.stamps, mended.column) != (known.stamps, known.column):
        memory.save(cache, mended)
    return mended.digest.hex()


def _looked(known: "Memory", stem: bytes, started: int) -> "Memory | None":
    """The memory as it is now: the same one if nothing moved; None if more moved than what files hold."""
    inputs, links = _at(stem, known.inputs), _at(stem, known.links)
    if not all(_is_absent(path, inputs, links) for path in _at(stem, known.absent)):
        return None
    packs = rows.seen(os.lstat, inputs)
    others = rows.seen(os.lstat, links) + rows.seen(os.stat, _at(stem, known.places))
    if known.seal == xxhash.xxh3_128_digest(b"".join(packs + others)):
        return known
    if b"".join(map(rows.stamp, others)) != known.watched:
        return None
    return _mended(known, inputs, packs, others, started)


def _mended(
    known: "Memory", inputs: list[bytes], packs: list[bytes], others: list[bytes], started: int
) -> "Memory | None":
    """The memory with those files read again that moved; None if one of them is no regular file (any more)."""
    column, stamps, is_sealed = bytearray(known.column), bytearray(known.stamps), True
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
        seal=xxhash.xxh3_128_digest(b"".join(packs + others)) if is_sealed else memory.UNSEALED,
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


def _at(stem: bytes, paths: bytes) -> list[bytes]:
    """The paths of a field, as the system finds them."""
    found = memory.split(paths)
    return [path if os.path.isabs(path) else stem + path for path in found] if stem else found


def _is_absent(path: bytes, inputs: list[bytes], links: list[bytes]) -> bool:
    """Whether there still is nothing; a link that was there, and led nowhere, may be there."""
    try:
        os.lstat(path)
    except OSError as error:
        return error.errno in _ABSENT
    if path not in links and path not in inputs:
        return False
    try:
        os.stat(path)
    except OSError as error:
        return error.errno in _ABSENT
    return False
