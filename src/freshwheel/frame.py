"""Bytes and files as all of freshwheel writes them: framed, and beside before in place. Part of the light column."""

import os
import struct

__all__ = ["beside", "copy", "framed", "remove", "write"]

_CHUNK = 1 << 20


def framed(*fields: bytes) -> bytes:
    """The fields one after the other, each behind its length (u64, little endian), so that no two lists look alike."""
    return b"".join([struct.pack("<Q", len(field)) + field for field in fields])


def beside(path: str) -> str:
    """A name that nobody else uses, in the folder of `path`: what is written there can be renamed over `path`."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name[:80]}.{os.getpid()}.{os.urandom(6).hex()}.tmp")


def write(path: str, data: bytes) -> None:
    """`path` holds `data`, wholly or not at all."""
    temporary = beside(path)
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def copy(source: str, target: str) -> None:
    """`target` holds what `source` holds, wholly or not at all; never a link, so that later edits stay apart."""
    temporary = beside(target)
    try:
        with open(source, "rb") as reader, open(temporary, "xb") as writer:
            while chunk := reader.read(_CHUNK):
                writer.write(chunk)
        os.replace(temporary, target)
    except BaseException:
        remove(temporary)
        raise


def remove(path: str) -> None:
    """No file at `path`; that there was none is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
