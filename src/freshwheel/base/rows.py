"""What one look at a file says: its row, and what it holds. Part of the light column.

A row that is trusted stands for the content: while the row does not move, the file need not be read again.
"""

import os
import stat
import struct

import xxhash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

EDITION = 5
"""Of the rules that select inputs. It goes up with every change of them, so that labels of two editions differ."""

Row = tuple[int, int, int, int, int]
"""One `lstat`: mode, size in bytes, mtime in ns, ctime in ns, inode."""

stamp = xxhash.xxh3_64_digest
"""The row hash: 8 bytes of a packed row."""
sealed = xxhash.xxh3_128_digest
"""The seal of rows that are trusted: 16 bytes of the packed ones."""
UNTRUSTED = bytes(8)
"""In place of the row hash where the row proves nothing."""
UNSEALED = bytes(16)
"""In place of the seal where one of its rows proves nothing."""

_MAGIC = b"DGST1\0"
_CHUNK = 1 << 18
"""Bytes that are read at once: what fits into the processor's cache."""
_TIMES = 3
"""How often a file that changes while it is read is read again."""
_MASK = (1 << 64) - 1
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_IS_WINDOWS = os.name == "nt"
"""Then there is no owner's permission to execute, and no time that a program can't set back."""

_FORM = struct.Struct("<5Q")
_pack = _FORM.pack


class RestlessError(Exception):
    """A file changed each time while it was read."""


def row(status: os.stat_result) -> Row:
    """What of a look at a file tells whether it moved."""
    return status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def at(path: bytes, look: "Callable[[bytes], os.stat_result] | None" = None) -> Row | None:
    """The row of what is there now, as `look` sees it, by default `os.stat`; None: nothing is."""
    try:
        return row((look or os.stat)(path))
    except (OSError, ValueError):
        return None


def packed(row: Row) -> bytes:
    """A row in 40 bytes."""
    try:
        return _pack(*row)
    except struct.error:
        return _pack(*[number & _MASK for number in row])


def unpacked(pack: bytes) -> Row:
    """The row that was packed; negative numbers are huge ones now."""
    return _FORM.unpack(pack)


def kind(row: Row) -> Row:
    """The row that stands for the type alone: it moves where a file becomes a folder, and not where that changes."""
    return stat.S_IFMT(row[0]), 0, 0, 0, 0


def seal(looks: "Iterable[Row]", stamps: "Container[bytes]") -> bytes:
    """The 16 bytes that tell in one comparison that none of these rows moved; `stamps` are their row hashes."""
    return UNSEALED if UNTRUSTED in stamps else sealed(b"".join(map(packed, looks)))


def seen(look: "Callable[[bytes], os.stat_result]", paths: "Sequence[bytes]") -> list[bytes]:
    """The packed rows of all paths, as `os.lstat` or `os.stat` sees them. Raises OSError where one can't be seen."""
    try:
        # The five are spelled out: a call for each file would cost a tenth of all.
        return [_pack(s.st_mode, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for s in map(look, paths)]
    except struct.error:  # a time before 1970, or after 2554
        return [packed(row(look(path))) for path in paths]


def trusted(row: Row, *, started: int, slack: int) -> bool:
    """Whether no later edit could leave this row as it is.

    `started` is the time, in ns, before the first look; an edit within `slack` of it may get the same times. A time in
    the future proves nothing, neither does one before 1970, nor any on Windows.
    """
    _, _, modified, changed, _ = row
    return not _IS_WINDOWS and 0 <= modified < started - slack and 0 <= changed < started - slack


def read(path: bytes, *, follow: bool) -> tuple[bytes, bytes, Row] | None:
    """Kind, content digest and row of a regular file that does not change meanwhile; None for what is none.

    The kind is `x` if its owner may execute it, else `f`. Raises OSError where the system refuses, also for a link
    unless links are followed, and RestlessError.
    """
    for _ in range(_TIMES):
        handle = os.open(path, _FLAGS if follow else _FLAGS | _NOFOLLOW)
        try:
            # Looked at first: some systems give finer times to what was looked at, and the row must not be the newer.
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                return None
            content = _content(handle, before.st_size)
            seen = row(before)
            if content is not None and row(os.fstat(handle)) == seen:
                executable = not _IS_WINDOWS and before.st_mode & stat.S_IXUSR
                return b"x" if executable else b"f", content, seen
        finally:
            os.close(handle)
    raise RestlessError(os.fsdecode(path))


def digest(rules: bytes, names: bytes, column: bytes) -> str:
    """The source digest, 32 hex digits.

    `rules` are 16 bytes; `names` the sorted paths with a NUL between two; `column` has 17 bytes for each of them, kind
    and content.
    """
    return xxhash.xxh3_128_hexdigest(b"".join([_MAGIC, rules, struct.pack("<Q", len(names)), names, column]))


def _content(handle: int, size: int) -> bytes | None:
    """The content digest of an open file, None unless it has exactly `size` bytes."""
    if size < _CHUNK:
        data = os.read(handle, size + 1)
        return xxhash.xxh3_128_digest(data) if len(data) == size else None
    summary = xxhash.xxh3_128()
    buffer = memoryview(bytearray(_CHUNK))
    total = 0
    with open(handle, "rb", buffering=0, closefd=False) as file:
        while total <= size and (count := file.readinto(buffer)):
            summary.update(buffer[:count])
            total += count
    return summary.digest() if total == size else None
