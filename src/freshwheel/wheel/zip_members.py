"""A ZIP file as a list of members: each byte of the file belongs to exactly one, or to the directory at the end.

Readers of ZIP files disagree wherever a file leaves room for it: bytes before, between or behind the members, headers
that contradict the directory, more than one end. Such a file is broken here. Format: PKWARE APPNOTE.TXT 6.3, section 4.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO, NamedTuple

from freshwheel.base.errors import WheelError, WheelUnfamiliarError

END = struct.Struct("<4s4H2LH")
"""Signature, disk, disk of the directory, members here, members, size of the directory, its offset, comment length."""
CENTRAL = struct.Struct("<4s6H3L5H2L")
"""Signature, made by, needed, flags, method, time, date, CRC, packed, size, three lengths, disk, internal and external
attributes, offset."""
LOCAL = struct.Struct("<4s5H3L2H")
"""Signature, needed, flags, method, time, date, CRC, packed, size, two lengths."""

STORED, DEFLATED = 0, 8
ENCRYPTED, HINTS, DESCRIPTOR, STRONG, UTF8, MASKED = 1 << 0, 3 << 1, 1 << 3, 1 << 6, 1 << 11, 1 << 13

_LOCAL_MARK, _CENTRAL_MARK, _DESCRIPTOR_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x07\x08"
_END_MARK, _LOCATOR_MARK = b"PK\x05\x06", b"PK\x06\x07"
_CENTRAL_LENGTHS = struct.Struct("<3H")
_NO_LENGTH = b"\0\0"
_MAX = 0xFFFFFFFF
"""In a field of 32 bits: the real value is elsewhere."""
_LOCATOR_SIZE = 20
_COMMENT_LIMIT = 0xFFFF
_LARGE = 0xFF000000
"""Bytes. Close below the 4 GiB that a ZIP file without 64-bit fields can hold, so that a rewritten one still fits."""
_MANY = 0xFFF0
"""Members, likewise."""
_DIRECTORY_LIMIT = 64 << 20
_NAME_LIMIT = 4096
_EXTRA_ZIP64, _EXTRA_NAME = 0x0001, 0x7075
_RATIO = 1032
"""No deflated byte stands for more than this many."""


class Member(NamedTuple):
    """One member, and where it lies. A tuple, because a wheel can have thousands."""

    name: str
    start: int
    """Where its own header begins."""
    data: int
    """Where its bytes begin, as its own header says."""
    end: int
    """Where the next member or the directory begins."""
    size: int
    """Bytes after decompression."""
    attributes: int
    """The external attributes: Unix mode in the upper half."""
    central: bytes
    """Its record in the directory."""
    local: bytes
    """Its own header."""

    @property
    def is_directory(self) -> bool:
        """Whether this is an entry for a folder."""
        return self.name.endswith("/")

    @property
    def flags(self) -> int:
        """The general purpose bits."""
        return int.from_bytes(self.central[8:10], "little")

    @property
    def method(self) -> int:
        """`STORED` or `DEFLATED`."""
        return int.from_bytes(self.central[10:12], "little")

    @property
    def crc(self) -> int:
        """CRC-32 of the decompressed bytes."""
        return int.from_bytes(self.central[16:20], "little")

    @property
    def packed(self) -> int:
        """Bytes in the file."""
        return int.from_bytes(self.central[20:24], "little")


def members(file: BinaryIO) -> tuple[Member, ...]:
    """All members, in the order of the directory.

    Raises WheelError if two readers could see two different things in `file`, WheelUnfamiliarError for forms that are
    not taken apart here: 64-bit fields, comments, other methods than stored and deflated.
    """
    size = file.seek(0, io.SEEK_END)
    start, directory, count = _directory(file, size)
    records = _records(directory, count)
    offsets = [int.from_bytes(record[42:46], "little") for record in records]
    order = sorted(range(count), key=offsets.__getitem__)
    found: dict[int, Member] = {}
    at = 0
    for place, end in zip(order, [*sorted(offsets), start][1:], strict=True):
        found[place] = _member(file, records[place], at, end)
        at = end
    return tuple([found[place] for place in range(count)])


def content(file: BinaryIO, member: Member, limit: int) -> bytes:
    """The decompressed bytes of `member`, at most `limit`; WheelError if they are more, or not what the headers say."""
    if (most := max(member.size, member.packed)) > limit:
        raise WheelError(f"{member.name} has {most} bytes; more than {limit} are not plausible for it")
    packed = _read(file, member.data, member.packed)
    if member.method == STORED:
        data = packed
    else:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = inflate.decompress(packed, member.size + 1)
        except zlib.error as error:
            raise WheelError(f"{member.name} can't be decompressed: {error}") from None
        if len(data) <= member.size and (not inflate.eof or inflate.unused_data):
            raise WheelError(f"{member.name} can't be decompressed: its stream does not end where it should")
    if len(data) != member.size or zlib.crc32(data) != member.crc:
        raise WheelError(f"{member.name} does not decompress to what its header says (size or CRC differ)")
    return data


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    data = file.read(count)
    if len(data) != count:
        raise WheelError("the file ends early")
    return data


def _directory(file: BinaryIO, size: int) -> tuple[int, bytes, int]:
    """Where the directory begins, its bytes, and how many members it lists."""
    tail_start = max(0, size - END.size - _COMMENT_LIMIT)
    tail = _read(file, tail_start, size - tail_start)
    at = _end(tail)
    if at >= _LOCATOR_SIZE and tail[at - _LOCATOR_SIZE :].startswith(_LOCATOR_MARK):
        raise WheelUnfamiliarError("it has 64-bit ZIP fields")
    _, disk, first_disk, here, count, length, start, comment = END.unpack_from(tail, at)
    if max(here, count) > _MANY or _MAX in (length, start) or size > _LARGE:
        raise WheelUnfamiliarError("it has 64-bit ZIP fields, or nearly needs them")
    if disk or first_disk or here != count:
        raise WheelError("it claims to be one of several volumes")
    if start + length != tail_start + at:
        raise WheelError("the directory does not lie where the end record says")
    if comment:
        raise WheelUnfamiliarError("the archive has a comment")
    if length > _DIRECTORY_LIMIT:
        raise WheelUnfamiliarError(f"its directory has more than {_DIRECTORY_LIMIT} bytes")
    return start, _read(file, start, length), count


def _end(tail: bytes) -> int:
    """Where the one end record begins in the last bytes of a file.

    Only a record whose comment reaches exactly to the end is one: the signature alone comes up by chance, or inside a
    member that is itself a ZIP file.
    """
    ends = []
    at = tail.find(_END_MARK)
    while at >= 0:
        if len(tail) - at >= END.size and at + END.size + END.unpack_from(tail, at)[-1] == len(tail):
            ends.append(at)
        at = tail.find(_END_MARK, at + 1)
    if not ends:
        raise WheelError("it is no ZIP file, is cut off, or has bytes behind its end")
    if tail.find(_END_MARK, ends[0] + 1) >= 0:
        raise WheelError("it has a second end record in its comment, so that readers disagree about its members")
    return ends[0]


def _records(directory: bytes, count: int) -> list[bytes]:
    """The records of the directory, one per member; they fill it exactly."""
    records = []
    at = 0
    for _ in range(count):
        if at + CENTRAL.size > len(directory):
            raise WheelError("its directory is broken")
        name, extra, comment = _CENTRAL_LENGTHS.unpack_from(directory, at + 28)
        end = at + CENTRAL.size + name + extra + comment
        if end > len(directory):
            raise WheelError("its directory is broken")
        records.append(directory[at:end])
        at = end
    if at != len(directory):
        raise WheelError("its directory has bytes that belong to no member")
    return records


def _member(file: BinaryIO, record: bytes, start: int, end: int) -> Member:
    """The member that lies between `start` and `end`, with both of its headers checked against each other."""
    fields = CENTRAL.unpack_from(record)
    mark, _, _, flags, method, _, _, crc, packed, size, name_length, extra_length, _, disk, _, attributes, at = fields
    raw = record[CENTRAL.size : CENTRAL.size + name_length]
    name = _name(raw, flags)
    if mark != _CENTRAL_MARK or disk:
        raise WheelError(f"{name} has a broken record in the directory, or claims to lie in another volume")
    if _MAX in (packed, size, at):
        raise WheelUnfamiliarError(f"{name} has 64-bit ZIP fields")
    if at != start or end < start + LOCAL.size:
        raise WheelError(f"{name} does not begin where the member before it ends")
    if flags & ~UTF8 or method != DEFLATED or size // 1000 > packed:
        _check_form(name, flags, method, packed, size)
    if extra_length:
        _check_extra(name, record[CENTRAL.size + name_length :][:extra_length])
    file.seek(start)
    local = file.read(LOCAL.size + name_length)
    extra = local[28:30]
    # Both headers have these fields in the same order; a descriptor is the only honest reason for a difference.
    if local[4:28] != record[6:30] or local[:4] != _LOCAL_MARK or local[30:] != raw:
        _check_local(name, local, raw, (flags, method, crc, packed, size))
    if extra != _NO_LENGTH:
        local += _read(file, start + len(local), int.from_bytes(extra, "little"))
        _check_extra(name, local[LOCAL.size + name_length :])
    data = start + len(local)
    if data + packed != end or flags & DESCRIPTOR:
        if not flags & DESCRIPTOR or data + packed > end:
            raise WheelError(f"{name} does not end where the next member begins")
        _check_descriptor(name, _read(file, data + packed, min(end - data - packed, 32)), (crc, packed, size))
    return Member(name, start, data, end, size, attributes, record, local)


def _name(raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & UTF8 else "ascii")
    except UnicodeDecodeError:
        if flags & UTF8:
            raise WheelError(f"the name of a member says that it is UTF-8, but is not: {raw!r}") from None
        raise WheelUnfamiliarError(f"the encoding of the name of a member is not stated: {raw!r}") from None
    if len(raw) > _NAME_LIMIT:
        raise WheelUnfamiliarError(f"the name of a member is longer than {_NAME_LIMIT} bytes")
    return name


def _check_form(name: str, flags: int, method: int, packed: int, size: int) -> None:
    if flags & (ENCRYPTED | STRONG | MASKED):
        raise WheelError(f"{name} is encrypted")
    if flags & ~(HINTS | DESCRIPTOR | UTF8) or method not in (STORED, DEFLATED):
        raise WheelUnfamiliarError(f"{name} is neither stored nor deflated (method {method}, flags {flags:#x})")
    if method == STORED and packed != size:
        raise WheelError(f"{name} is stored, but its two sizes differ")
    if size > packed * _RATIO + _RATIO:
        raise WheelError(f"{name} claims {size} bytes out of {packed}, which no compression can reach")


def _check_extra(name: str, extra: bytes) -> None:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind in (_EXTRA_ZIP64, _EXTRA_NAME):
            raise WheelUnfamiliarError(f"{name} has an extra field for 64-bit sizes, or a second name")
        at += 4 + length
    if at != len(extra):
        raise WheelError(f"{name} has broken extra fields")


def _check_local(name: str, header: bytes, raw: bytes, central: tuple[int, int, int, int, int]) -> None:
    """Returns if a header, without extra fields, differs from the directory only as one with a descriptor may."""
    mark, _, flags, method, _, _, crc, packed, size, name_length, _ = LOCAL.unpack_from(header)
    if mark != _LOCAL_MARK or header[LOCAL.size :] != raw or name_length != len(raw):
        raise WheelError(f"{name} is called otherwise in its own header than in the directory")
    later = bool(flags & DESCRIPTOR) and (crc, packed, size) == (0, 0, 0)
    if (flags, method) != central[:2] or ((crc, packed, size) != central[2:] and not later):
        raise WheelError(f"{name} has another method, size or CRC in its own header than in the directory")


def _check_descriptor(name: str, found: bytes, central: tuple[int, int, int]) -> None:
    if found.removeprefix(_DESCRIPTOR_MARK) == struct.pack("<L2Q", *central):
        raise WheelUnfamiliarError(f"{name} has 64-bit ZIP fields")
    plain = struct.pack("<3L", *central)
    if found not in (plain, _DESCRIPTOR_MARK + plain):
        raise WheelError(f"{name} has another size or CRC behind its bytes than in the directory")
