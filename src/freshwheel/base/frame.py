"""Bytes and files as all of freshwheel writes them: framed, and beside before in place. Part of the light column."""

import errno
import os
import stat
import struct
import sys

import xxhash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import BinaryIO

_CHUNK = 1 << 20
_PATHS = 1 << 13
"""Bytes of paths that are split at once."""
_FOLDERS = (
    *("CARGO_BUILD_BUILD_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_HOME", "CARGO_TARGET_DIR", "RUSTUP_HOME"),
    *("TEMP", "TMP", "TMPDIR"),
)
_CACHES = ("CACHE", "CACHE_DIR", "CACHE_HOME")
"""Ends of variables that name the cache of whatever tool."""
_OF_HOME = (".cache", ".cargo", ".rustup")
_TAG = b"""Signature: 8a477f597d28d172789f06886806bc55
# What freshwheel keeps, and can make again: https://bford.info/cachedir/
"""


def framed(*fields: bytes) -> bytes:
    """The fields one after the other, each behind its length (u64, little endian), so that no two lists look alike."""
    return b"".join([struct.pack("<Q", len(field)) + field for field in fields])


def unframed(data: bytes, place: int = 0) -> list[bytes]:
    """The fields that `framed` made `data` from, behind `place`. Raises ValueError where it did not."""
    fields = []
    while place < len(data):
        start = place + 8
        place = start + int.from_bytes(data[place:start], "little")
        if start > len(data) or place > len(data):
            raise ValueError("not framed")
        fields.append(data[start:place])
    return fields


def dumped(magic: bytes, *fields: bytes) -> bytes:
    """A file of these fields: 8 bytes that say what it is, a sum, and the framed fields."""
    body = framed(*fields)
    return magic + xxhash.xxh3_128_digest(body) + body


def parsed(magic: bytes, data: bytes) -> list[bytes]:
    """The fields of a file that was `dumped`. Raises ValueError for any other."""
    if data[:8] != magic or data[8:24] != xxhash.xxh3_128_digest(memoryview(data)[24:]):
        raise ValueError("not a file of this kind")
    return unframed(data, 24)


def encoded(text: str) -> bytes:
    """The bytes of a text; the environment may hold what is no text."""
    return text.encode("utf-8", "surrogatepass")


def stamp(salt: bytes, name: str, *values: str) -> bytes:
    """What is kept of a variable: 8 bytes, too few to find a long value by, and with a salt of the store."""
    return xxhash.xxh3_64_digest(framed(salt, *map(encoded, (name, *values))))


def fields(read: "Callable[[int], bytes]", size: int) -> list[bytes]:
    """As `unframed`, of the next `size` bytes that `read` gives; no more than the fields is ever held."""
    found = []
    while size > 0:
        length = int.from_bytes(read(8), "little")
        size -= 8 + length
        if size < 0:
            raise ValueError("not framed")
        found.append(read(length))
    return found


def blocks(paths: bytes) -> "Iterator[list[bytes]]":
    """The paths of a field, some hundreds at a time, so that they need not all be held at once."""
    start = 0
    while start < len(paths):
        end = paths.find(b"\0", start + _PATHS)
        end = len(paths) if end < 0 else end
        yield paths[start:end].split(b"\0")
        start = end + 1


def reader(data: bytes) -> "Callable[[int], bytes]":
    """What gives the next so many bytes of `data`, like `read` of a file."""
    view, place = memoryview(data), 0

    def read(size: int) -> bytes:
        nonlocal place
        place += size
        return bytes(view[place - size : place])

    return read


def summary(fields: "Sequence[bytes]") -> bytes:
    """16 bytes over the framed fields."""
    summary = xxhash.xxh3_128()
    for field in fields:
        summary.update(len(field).to_bytes(8, "little"))
        summary.update(field)
    return summary.digest()


def cache_directory(environ: "Mapping[str, str]", *, platform: str = sys.platform) -> str | None:
    """Where freshwheel keeps what it can make again; None where the environment names no place.

    It may not exist yet. A relative path would depend on where a build is started, and may lie in a source tree: it
    names no place.
    """
    own = environ.get("FRESHWHEEL_CACHE_DIR")
    if own:
        return own if os.path.isabs(own) else None
    name = "LOCALAPPDATA" if platform == "win32" else "XDG_CACHE_HOME"
    folder = environ.get(name, "") if platform != "darwin" else ""
    if not os.path.isabs(folder):
        home = environ.get("USERPROFILE" if platform == "win32" else "HOME", "")
        if not os.path.isabs(home):
            return None
        below = {"darwin": ("Library", "Caches"), "win32": ("AppData", "Local")}.get(platform, (".cache",))
        folder = os.path.join(home, *below)
    return os.path.join(folder, "freshwheel", *(("Cache",) if platform == "win32" else ()))


def set_apart(tree: str, environ: "Mapping[str, str]") -> list[str]:
    """The real paths of the folders that the environment gives to tools: caches, temporary files, what cargo builds.

    One in which the tree lies is none of these.
    """
    home = environ.get("HOME") or environ.get("USERPROFILE") or ""
    named = [os.path.join(home, name) for name in _OF_HOME] + [cache_directory(environ) or ""]
    for name, value in environ.items():
        # Where else a relative one starts, nobody knows.
        if (name in _FOLDERS or name.upper().endswith(_CACHES)) and (os.path.isabs(value) or name.startswith("CARGO_")):
            named.append(os.path.join(tree, value))
    top = os.path.join(os.path.realpath(tree), "")
    paths = {os.path.realpath(path) for path in named if os.path.isabs(path)}
    return sorted(path for path in paths if not top.startswith(os.path.join(path, "")))


def tag(cache: str) -> None:
    """The cache directory, which is there, says by a `CACHEDIR.TAG` that it is one. Raises OSError."""
    path = os.path.join(cache, "CACHEDIR.TAG")
    if not os.path.lexists(path):
        write(path, _TAG)


def settle(folder: str) -> None:
    """`folder` is there; what of it had to be made is for its owner alone.

    Raises OSError where it can't be, and where it is, or would be, in a place of another user: what root leaves in
    somebody's home, that person could not remove.
    """
    try:
        status = os.stat(folder)
    except FileNotFoundError:
        if os.path.dirname(folder) in ("", folder):
            raise
        settle(os.path.dirname(folder))
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            return
        return
    if hasattr(os, "geteuid") and status.st_uid not in (0, os.geteuid()):
        raise PermissionError(errno.EPERM, "it belongs to another user", folder)


def is_own(status: os.stat_result) -> bool:
    """Whether nobody else can have written a file or into a folder: what another user says must not be believed."""
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def beside(path: str) -> str:
    """A name that nobody else uses, in the folder of `path`: what is written there can be renamed over `path`."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name[:80]}.{os.getpid()}.{os.urandom(6).hex()}.tmp")


class Replacement:
    """A file that is written beside `path`, and takes its place where the block ends well; else nothing is left."""

    __slots__ = ("_file", "_mode", "_path", "_temporary")

    def __init__(self, path: str, mode: int = 0o666) -> None:
        self._path = path
        self._mode = mode
        self._temporary = beside(path)

    def __enter__(self) -> "BinaryIO":
        """The file, which has the permissions `mode` as far as the umask lets it."""
        self._file = open(self._temporary, "xb", opener=lambda name, flags: os.open(name, flags, self._mode))
        return self._file

    def __exit__(self, kind: object, *_: object) -> None:
        """Puts it in its place. Raises OSError where it can't be written."""
        try:
            self._file.close()
            if kind is None:
                os.replace(self._temporary, self._path)
        finally:
            discard(self._temporary)


def write(path: str, data: bytes, *, mode: int = 0o666) -> None:
    """`path` holds `data`, wholly or not at all, with the permissions `mode` as far as the umask lets it."""
    with Replacement(path, mode) as file:
        file.write(data)


def copy(source: str, target: str) -> None:
    """`target` holds what `source` holds, wholly or not at all; never a link, so that later edits stay apart."""
    with open(source, "rb") as reader, Replacement(target) as writer:
        while chunk := reader.read(_CHUNK):
            writer.write(chunk)


def thin(path: str, most: int) -> None:
    """Of the files beside `path` that begin as it does, up to the first dot, and end so, the `most` newest stay."""
    folder, name = os.path.split(path)
    start, end, found = f"{name.partition('.')[0]}.", os.path.splitext(name)[1], []
    for one in os.listdir(folder):
        if one.startswith(start) and one.endswith(end):
            place = os.path.join(folder, one)
            try:
                found.append((os.lstat(place).st_mtime_ns, place))
            except FileNotFoundError:  # somebody else was at it
                continue
    for _, old in sorted(found)[:-most]:
        remove(old)


def remove(path: str) -> None:
    """No file at `path`; that there was none is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def discard(path: str) -> None:
    """No file at `path`, if that can be."""
    try:
        os.unlink(path)
    except OSError:
        return
