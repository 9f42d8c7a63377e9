"""Where things lie in the store, and how they are taken out of it, checked. Part of the light column.

Nothing here raises OSError: what can't be read is a miss. What is shown to be wrong is put away, so that the next build
writes it anew; what could merely not be read stays.
"""

import os
import stat
import time

import xxhash

from freshwheel.base.frame import beside, discard
from freshwheel.store.entry import is_key, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from freshwheel.store.entry import Blob, Entry

FORMAT = "v1"
"""The folder of this format of the store; others live beside it and are never looked at."""

DAMAGED = "damaged"

_CHUNK = 1 << 18
"""What fits into the processor's cache: it is hashed and written while it is there."""
_LARGEST_ENTRY = 1 << 24
_TOUCHED = 3600 * 10**9
"""An entry is touched when it is used, at most so often."""


def _flags(*names: str) -> int:
    """The flags of this system among these."""
    return sum(getattr(os, f"O_{name}", 0) for name in names)


READ = os.O_RDONLY | _flags("BINARY", "NOFOLLOW", "NONBLOCK", "CLOEXEC", "NOINHERIT")
"""How a file is opened that is not believed to be one."""
WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _flags("BINARY", "NOFOLLOW", "CLOEXEC", "NOINHERIT")
"""How a new file is opened."""
_FOLDER = os.O_RDONLY | _flags("DIRECTORY", "CLOEXEC")
_NO_LINK = _flags("NOFOLLOW")
_FOREIGN = stat.S_IWGRP | stat.S_IWOTH


class _WrongError(Exception):
    """What lies in the store is not what was put there."""


class _RefusedError(Exception):
    """Where a blob is copied to, it can't be written."""


def identity() -> int | None:
    """The user that this process acts as; None where files have no such owners."""
    return os.geteuid() if hasattr(os, "geteuid") else None


def hostile(status: os.stat_result, uid: int | None) -> bool:
    """Whether somebody else may have written, or may write, what this is the status of."""
    return uid is not None and (status.st_uid != uid or bool(status.st_mode & _FOREIGN))


def at(cache: str, uid: int | None) -> "Shelf | str":
    """The store in a cache directory, or why it must not be used. Nothing is made."""
    root = os.path.join(cache, FORMAT)
    return _unsafe(cache, uid, link=True) or _unsafe(root, uid, link=False) or Shelf(root, uid)


class Shelf:
    """The store in the folder `root`, of the user `uid`; that the folder is safe is for the caller to know."""

    __slots__ = ("root", "uid")

    def __init__(self, root: str, uid: int | None) -> None:
        self.root = root
        self.uid = uid

    def entry_place(self, key: str) -> str:
        """Where the entry of a key lies."""
        return os.path.join(self.root, "index", key[:2], key)

    def blob_place(self, sha256: str) -> str:
        """Where a blob lies."""
        return os.path.join(self.root, "blobs", sha256[:2], sha256)

    def find(self, key: str) -> "Entry | None":
        """The entry of a key; None where there is none that can be used. That it is used is recorded."""
        if not is_key(key):
            return None
        path = self.entry_place(key)
        try:
            entry, status = self._entry(path, key)
        except _WrongError:
            self.put_away(path)
            return None
        except OSError:
            return None
        _touch(path, status)
        return entry

    def look(self, key: str) -> "Entry | str":
        """The entry of a key, or why there is none: `DAMAGED` if it is there and wrong. Nothing is changed."""
        try:
            return self._entry(self.entry_place(key), key)[0]
        except _WrongError:
            return DAMAGED
        except OSError as error:
            return f"can't be read: {why(error)}"

    def used(self, key: str) -> None:
        """Records that the entry of a key is used, for a hit that did not look at it."""
        path = self.entry_place(key)
        try:
            status = os.lstat(path)
        except OSError:
            return
        _touch(path, status)

    def hand_out(self, blob: "Blob", target: str) -> str:
        """Why `target` does not hold the blob; nothing: it does, as a copy, checked while it was made.

        A target that was there is replaced, wholly or not at all.
        """
        try:
            temporary = beside(target)
            writer = os.open(temporary, WRITE, 0o666)
        except (OSError, ValueError) as error:
            return f"can't write beside {target}: {why(error)}"
        try:
            reason = self._copied(blob, writer)
            if not reason:
                os.replace(temporary, target)
                return ""
        except (_RefusedError, OSError) as error:
            reason = f"can't write {target}: {why(error)}"
        except BaseException:
            discard(temporary)
            raise
        discard(temporary)
        return reason

    def read(self, blob: "Blob") -> bytes | None:
        """The bytes of a small blob, checked; None where they can't be had."""
        chunks: list[bytes] = []
        return None if self._taken(blob, chunks.append) else b"".join(chunks)

    def holds(self, blob: "Blob") -> bool:
        """Whether a blob is there and is what it must be, judged by XXH3-128."""
        return not self._taken(blob, len)

    def put_away(self, path: str) -> None:
        """Moves what is wrong out of the way, for people to look at; removes it where that fails."""
        folder = os.path.join(self.root, "bad")
        try:
            if not os.path.isdir(folder):
                os.mkdir(folder, 0o700)
            away = os.path.join(folder, f"{os.path.basename(path)}.{os.urandom(6).hex()}")
            os.rename(path, away)
            os.utime(away, follow_symlinks=False)
        except (OSError, NotImplementedError):
            discard(path)

    def _entry(self, path: str, key: str) -> "tuple[Entry, os.stat_result]":
        handle = os.open(path, READ)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or hostile(status, self.uid) or status.st_size > _LARGEST_ENTRY:
                raise _WrongError
            data = b""
            while chunk := os.read(handle, status.st_size + 1 - len(data)):
                data += chunk
        finally:
            os.close(handle)
        entry = parse(data)
        if entry is None or entry.key != key:
            raise _WrongError
        return entry, status

    def _copied(self, blob: "Blob", writer: int) -> str:
        """Why a file that is open for writing does not hold a blob; it is closed. Raises what can't be written."""

        def write(chunk: bytes) -> None:
            try:
                written(writer, chunk)
            except OSError as error:
                raise _RefusedError(why(error)) from error

        try:
            return self._taken(blob, write)
        finally:
            os.close(writer)

    def _taken(self, blob: "Blob", take: "Callable[[bytes], object]") -> str:
        """Why a blob could not be taken, chunk by chunk; one that is wrong is put away."""
        path = self.blob_place(blob.sha256)
        try:
            self._read(path, blob, take)
        except _WrongError:
            self.put_away(path)
            return f"the blob {blob.sha256[:12]} in the store was damaged"
        except FileNotFoundError:
            return f"the blob {blob.sha256[:12]} is no longer in the store"
        except OSError as error:
            return f"can't read the blob {blob.sha256[:12]} in the store: {why(error)}"
        return ""

    def _read(self, path: str, blob: "Blob", take: "Callable[[bytes], object]") -> None:
        handle = os.open(path, READ)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or hostile(status, self.uid) or status.st_size != blob.size:
                raise _WrongError
            summary = xxhash.xxh3_128()
            total = 0
            while chunk := os.read(handle, _CHUNK):
                summary.update(chunk)
                total += len(chunk)
                take(chunk)
            if total != blob.size or summary.digest() != blob.xxh3:
                raise _WrongError
        finally:
            os.close(handle)


def written(handle: int, data: bytes) -> None:
    """An open file holds `data` behind what it held; raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def why(error: Exception) -> str:
    """What the system says, without the path, which stands in the message already."""
    return getattr(error, "strerror", None) or str(error)


def _unsafe(folder: str, uid: int | None, *, link: bool) -> str:
    """Why a folder must not be believed; nothing: it may be. `link`: whether a symbolic link may lead to it."""
    try:
        if uid is None:
            status = os.stat(folder) if link else os.lstat(folder)
        else:
            handle = os.open(folder, _FOLDER if link else _FOLDER | _NO_LINK)
            try:
                status = os.fstat(handle)
            finally:
                os.close(handle)
    except (OSError, ValueError) as error:
        return f"{folder} can't be opened as a folder: {why(error)}"
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is no folder"
    if uid is not None and status.st_uid != uid:
        return (
            f"{folder} belongs to the user {status.st_uid}, and this process is the user {uid}: "
            "set FRESHWHEEL_CACHE_DIR to a folder of its own, or run sudo with -H"
        )
    if hostile(status, uid):
        return f"others may write in {folder}: run chmod go-w on it"
    return ""


def _touch(path: str, status: os.stat_result) -> None:
    """Lets the age of an entry count from now, even if it was used in the future."""
    if abs(time.time_ns() - status.st_mtime_ns) >= _TOUCHED:
        try:
            os.utime(path)
        except OSError:
            return
