"""What a rewritten ZIP file is made of: members taken over as they lie, under another name, or with other bytes."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import sys
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from freshwheel.base.errors import WheelError
from freshwheel.wheel.zip_members import CENTRAL, DEFLATED, DESCRIPTOR, END, HINTS, LOCAL, UTF8, Member

_CHUNK = 1 << 20
"""Bytes: few system calls, and still in the cache of a processor; measured a fifth faster than a quarter of it."""
_PAGE = 4096
_SMALL = 1 << 16
"""Bytes. Below this, one more system call costs more than a copy through this process."""
_PLAIN_FILE = 0o100644 << 16
_MADE_ON_UNIX = 3 << 8 | 20
_NEEDS_DEFLATE = 20


class Part(NamedTuple):
    """One member of the new file. A tuple, because a wheel can have thousands."""

    member: Member
    """The old member; its place in the file decides about the place of this one."""
    name: str | None = None
    """The name in a new header; None: the member stays as it is, with its own header and descriptor."""
    content: bytes | None = None
    """The decompressed bytes; None: those of the old member, not even decompressed. Needs a name."""


def added(name: str, content: bytes, *, like: Member, before: Member) -> Part:
    """A part for a new plain file that lies just before the member `before`, of the same age and method as `like`."""
    raw = name.encode()
    time, date = struct.unpack_from("<2H", like.central, 12)
    flags = 0 if name.isascii() else UTF8
    local = LOCAL.pack(b"PK\x03\x04", _NEEDS_DEFLATE, flags, like.method, time, date, 0, 0, 0, len(raw), 0)
    central = CENTRAL.pack(
        b"PK\x01\x02",
        _MADE_ON_UNIX,
        *(_NEEDS_DEFLATE, flags, like.method, time, date, 0, 0, 0),
        *(len(raw), 0, 0, 0, 0, _PLAIN_FILE, before.start),
    )
    plain = like._replace(start=before.start, central=central + raw, local=local + raw)
    return Part(plain, name, content)


def write(target: io.BufferedWriter, source: io.BufferedReader, parts: Sequence[Part]) -> None:
    """`target`, an empty file, becomes a ZIP file of `parts`, with its directory in their order.

    The members themselves lie as the old ones do; of two at one place the first comes first. What lies side by side in
    both files is copied in one go. WheelError if `source` ends early.
    """
    records = [b""] * len(parts)
    at, run, stop = 0, 0, 0
    for place in sorted(range(len(parts)), key=lambda place: parts[place].member.start):
        fresh, first, last, record = _laid(parts[place])
        records[place] = record[:42] + struct.pack("<L", at) + record[46:]
        at += len(fresh) + last - first
        if fresh or first != stop:
            _copy(source, target, run, stop)
            target.write(fresh)
            run = first
        stop = last
    _copy(source, target, run, stop)
    directory = b"".join(records)
    target.write(directory)
    target.write(END.pack(b"PK\x05\x06", 0, 0, len(parts), len(parts), len(directory), at, 0))


def _laid(part: Part) -> tuple[bytes, int, int, bytes]:
    """What is written for a part: new bytes, then old ones from where to where; and its record but for the offset.

    A new header states CRC and sizes itself, so a descriptor behind the bytes is left out.
    """
    member = part.member
    if part.name is None:
        return b"", member.start, member.end, member.central
    if part.content is None:
        header, record = _headers(member, part.name, (member.crc, member.packed, member.size), member.flags)
        return header, member.data, member.data + member.packed, record
    packed = _packed(part.content, member.method)
    sizes = (zlib.crc32(part.content), len(packed), len(part.content))
    header, record = _headers(member, part.name, sizes, member.flags & ~HINTS)
    return header + packed, 0, 0, record


def _headers(member: Member, name: str, sizes: tuple[int, int, int], flags: int) -> tuple[bytes, bytes]:
    """Both headers of `member` with another name, CRC and sizes; all else as it was, extra fields and comment too."""
    raw = name.encode()
    flags &= ~DESCRIPTOR
    mark, needed, _, *when, _, _, _, old, extra = LOCAL.unpack_from(member.local)
    local = LOCAL.pack(mark, needed, flags, *when, *sizes, len(raw), extra) + raw + member.local[LOCAL.size + old :]
    mark, by, needed, _, *when, _, _, _, old, extra, comment, disk, kind, mode, _ = CENTRAL.unpack_from(member.central)
    lengths = (len(raw), extra, comment, disk, kind, mode, 0)
    central = CENTRAL.pack(mark, by, needed, flags, *when, *sizes, *lengths)
    return local, central + raw + member.central[CENTRAL.size + old :]


def _packed(data: bytes, method: int) -> bytes:
    if method != DEFLATED:
        return data
    deflate = zlib.compressobj(zlib.Z_BEST_SPEED, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


def _copy(source: io.BufferedReader, target: io.BufferedWriter, start: int, stop: int) -> None:
    """The bytes of `source` from `start` to `stop`, appended to `target`; by the kernel where that is faster.

    It is where both places lie alike within a page: some file systems then share the bytes instead of copying them.
    """
    if stop - start >= _SMALL:
        # A file system that can't do this says so at once; the rest of the bytes then goes the other way.
        with contextlib.suppress(OSError):
            while start < stop and (done := _copy_in_kernel(source, target, start, stop)):
                start += done
    source.seek(start)
    buffer = memoryview(bytearray(min(stop - start, _CHUNK)))
    while start < stop:
        count = source.readinto(buffer[: stop - start])
        if not count:
            raise WheelError("the file ends early: it was changed while it was read")
        target.write(buffer[:count])
        start += count


def _copy_in_kernel(source: io.BufferedReader, target: io.BufferedWriter, start: int, stop: int) -> int:
    """How many of these bytes were appended to `target`: 0 or OSError where this platform or these files can't."""
    at, done = target.tell(), 0
    if sys.platform == "linux" and (start - at) % _PAGE == 0 and hasattr(os, "copy_file_range"):
        target.flush()
        done = os.copy_file_range(source.fileno(), target.fileno(), stop - start, start, at)
        target.seek(at + done)
    return done
