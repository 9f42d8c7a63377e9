"""Files as all of freshwheel keeps them: where, whose they must be, and written beside. Part of the light column."""

import errno
import os
import stat
import sys

import xxhash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from io import FileIO
    from typing import BinaryIO

_CHUNK = 1 << 18
"""Bytes: what fits into the processor's cache is hashed and written while it is there."""
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


class DamagedError(ValueError):
    """What lies in a file is not what was put there, or somebody else can have put it there."""


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
    """The cache directory, which is there, says by a `CACHEDIR.TAG` that it is one, if it can be written."""
    path = os.path.join(cache, "CACHEDIR.TAG")
    try:
        if not os.path.lexists(path):
            write(path, _TAG)
    except OSError:
        return


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


def opened(path: str) -> "FileIO":
    """A file of ours, open to be read. Raises OSError, and DamagedError for what nobody can believe."""
    flags = sum(getattr(os, f"O_{name}", 0) for name in ("BINARY", "NOFOLLOW", "NONBLOCK", "CLOEXEC", "NOINHERIT"))
    handle = os.open(path, os.O_RDONLY | flags)
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or not is_own(status):
        os.close(handle)
        raise DamagedError(path)
    return open(handle, "rb", buffering=0)


def checked(path: str, content: bytes, take: "Callable[[bytes], object]" = len) -> None:
    """Gives the bytes of a file of ours to `take`, piece by piece, and returns if their XXH3-128 is `content`.

    Raises as `opened`, and DamagedError where it is not: what was made of the bytes must not be believed then.
    """
    summary = xxhash.xxh3_128()
    with opened(path) as file:
        while chunk := file.read(_CHUNK):
            summary.update(chunk)
            take(chunk)
    if summary.digest() != content:
        raise DamagedError(path)


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


def copy(source: str, target: str, content: bytes | None = None, *, mode: int = 0o666) -> None:
    """`target` holds what `source` holds, wholly or not at all; never a link, so that later edits stay apart.

    With `content` raises as `checked`.
    """
    with Replacement(target, mode) as file:
        if content is not None:
            checked(source, content, file.write)
            return
        with open(source, "rb", buffering=0) as reader:
            while chunk := reader.read(_CHUNK):
                file.write(chunk)


def thin(path: str, most: int) -> None:
    """Of the files beside `path` that begin as it does, up to the first dot, and end so, the `most` newest stay."""
    folder, name = os.path.split(path)
    start, end, kin = f"{name.partition('.')[0]}.", os.path.splitext(name)[1], []
    for other in os.listdir(folder):
        if other.startswith(start) and other.endswith(end):
            place = os.path.join(folder, other)
            try:
                kin.append((os.lstat(place).st_mtime_ns, place))
            except FileNotFoundError:  # somebody else was at it
                continue
    for _, old in sorted(kin)[:-most]:
        discard(old)


def discard(path: str) -> None:
    """No file at `path`, if that can be."""
    try:
        os.unlink(path)
    except (OSError, ValueError):
        return
