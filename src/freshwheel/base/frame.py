"""Bytes as all of freshwheel hashes and writes them: framed. Part of the light column, and pure."""

import struct

import xxhash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PATHS = 1 << 13
"""Bytes of paths that are split at once."""


def framed(*fields: bytes) -> bytes:
    """The fields one after the other, each behind its length (u64, little endian), so that no two lists look alike."""
    return b"".join([struct.pack("<Q", len(field)) + field for field in fields])


def encoded(text: str) -> bytes:
    """The bytes of a text; the environment may hold what is no text."""
    return text.encode("utf-8", "surrogatepass")


def decoded(path: bytes) -> str:
    """A path as settings and manifests spell it, whatever the locale."""
    return path.decode("utf-8", "surrogateescape")


def texts(*parts: str) -> bytes:
    """Texts as `framed` puts them together."""
    return framed(*map(encoded, parts))


def stamp(salt: bytes, name: str, *values: str) -> bytes:
    """What is kept of a variable: 8 bytes, too few to find a long value by, and with a salt of the store."""
    return xxhash.xxh3_64_digest(framed(salt, *map(encoded, (name, *values))))


def blocks(paths: bytes) -> "Iterator[list[bytes]]":
    """The paths of a field, some hundreds at a time, so that they need not all be held at once."""
    start = 0
    while start < len(paths):
        end = paths.find(b"\0", start + _PATHS)
        end = len(paths) if end < 0 else end
        yield paths[start:end].split(b"\0")
        start = end + 1
