"""Bytes and files as all of freshwheel writes them: framed, and beside before in place. Part of the light column."""

import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["beside", "cache_directory", "copy", "framed", "remove", "unframed", "write"]

_CHUNK = 1 << 20


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


def beside(path: str) -> str:
    """A name that nobody else uses, in the folder of `path`: what is written there can be renamed over `path`."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name[:80]}.{os.getpid()}.{os.urandom(6).hex()}.tmp")


def write(path: str, data: bytes, *, mode: int = 0o666) -> None:
    """`path` holds `data`, wholly or not at all, with the permissions `mode` as far as the umask lets it."""
    temporary = beside(path)
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
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
