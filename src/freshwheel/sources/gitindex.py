"""Whether git tracks a file, as its index says: what is tracked is not ignored, whatever a `.gitignore` names."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_VERSIONS = (2, 3, 4)
_FIXED = 40
"""Bytes of an entry before its object id: times, device, inode, mode, owner, size."""
_IDS = (20, 32)
"""Bytes of an object id, by SHA-1 and by SHA-256; the index does not say which."""
_LENGTH, _EXTENDED = 0xFFF, 0x4000
"""Of the flags: the length of the path as far as it fits, and whether there are more flags."""


def tracks(index: bytes, path: bytes) -> bool:
    """Whether the file `path`, relative to the top of the repository, is in an index; no, where that can't be read."""
    return any(_has(index, path, width) for width in _IDS)


def _has(index: bytes, path: bytes, width: int) -> bool:
    try:
        return path in _paths(index, width)
    except (ValueError, IndexError, struct.error):
        return False


def _paths(index: bytes, width: int) -> Iterator[bytes]:
    """The paths of all entries. Raises ValueError, IndexError or struct.error where they are not understood."""
    signature, version, count = struct.unpack_from(">4sII", index)
    if signature != b"DIRC" or version not in _VERSIONS:
        raise ValueError("no index")
    start, name = 12, b""
    for _ in range(count):
        (flags,) = struct.unpack_from(">H", index, start + _FIXED + width)
        at = start + _FIXED + width + (4 if flags & _EXTENDED else 2)
        common = 0
        if version == _VERSIONS[-1]:
            left, at = _number(index, at)
            common = len(name) - left
        end = index.index(b"\0", at)
        name = name[:common] + index[at:end]
        if common < 0 or flags & _LENGTH != min(len(name), _LENGTH):
            raise ValueError("no index of this width")
        yield name
        start = end + 1 if version == _VERSIONS[-1] else start + (end - start + 8) // 8 * 8


def _number(index: bytes, at: int) -> tuple[int, int]:
    """The number at a place, seven bits in a byte, and where it ends."""
    number = index[at] & 0x7F
    while index[at] & 0x80:
        at += 1
        number = (number + 1 << 7) | (index[at] & 0x7F)
    return number, at + 1
