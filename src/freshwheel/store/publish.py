"""What is put into the store: beside, flushed to the disk, and only then under its name."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import xxhash

from freshwheel.base.frame import beside
from freshwheel.store import entry as entries
from freshwheel.store.entry import Blob, Entry
from freshwheel.store.shelf import WRITE, Shelf, written

_CHUNK = 1 << 20
_MODE = 0o666 if os.name == "nt" else 0o444
"""A file that is read-only can't be removed on Windows."""
_NO_LINKS = frozenset((errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EINVAL))
"""How file systems say that they know no hard links."""
_TIMES = 10 if os.name == "nt" else 1
"""How often a rename is tried: on Windows a virus scanner may hold a new file for a moment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A blob that is in the store, and whether it was not there before."""

    blob: Blob
    is_new: bool


def blob_of_file(shelf: Shelf, path: str) -> Placed:
    """Copies a file into the store; raises OSError, also for an empty one, which no build has meant to write."""
    return _blob(shelf, _chunks(path))


def blob_of_bytes(shelf: Shelf, data: bytes) -> Placed:
    """Puts bytes into the store; raises OSError."""
    return _blob(shelf, iter((data,)))


def add(shelf: Shelf, entry: Entry) -> bool:
    """Whether the entry is now that of its key: the first one stays. Raises OSError."""
    path = shelf.entry_place(entry.key)
    return _published(path, entries.dump(entry), _linked)


def replace(shelf: Shelf, entry: Entry) -> None:
    """The entry takes the place of an earlier one of the same key; raises OSError."""
    _published(shelf.entry_place(entry.key), entries.dump(entry), _renamed)


def _blob(shelf: Shelf, chunks: Iterator[bytes]) -> Placed:
    strong, fast, size = hashlib.sha256(), xxhash.xxh3_128(), 0
    folder = os.path.join(shelf.root, "blobs")
    _folder(folder)
    with _temporary(os.path.join(folder, "new")) as (temporary, handle):
        try:
            for chunk in chunks:
                strong.update(chunk)
                fast.update(chunk)
                size += len(chunk)
                written(handle, chunk)
            blob = Blob(strong.hexdigest(), size, fast.digest())
            path = shelf.blob_place(blob.sha256)
            if shelf.holds(blob):
                with contextlib.suppress(OSError):
                    os.utime(path)  # so that it is not cleared away before an entry names it
                return Placed(blob=blob, is_new=False)
            os.fsync(handle)
        finally:
            os.close(handle)
        _folder(os.path.dirname(path))
        _renamed(temporary, path)
    _flushed(os.path.dirname(path))
    return Placed(blob=blob, is_new=True)


def _published(path: str, data: bytes, place: Callable[[str, str], bool]) -> bool:
    folder = os.path.dirname(path)
    _folder(os.path.dirname(folder))
    _folder(folder)
    with _temporary(path) as (temporary, handle):
        try:
            written(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        done = place(temporary, path)
    _flushed(folder)
    return done


def _chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        chunk = file.read(_CHUNK)
        if not chunk:
            raise OSError(errno.ENODATA, "it is empty", path)
        while chunk:
            yield chunk
            chunk = file.read(_CHUNK)


@contextlib.contextmanager
def _temporary(path: str) -> Iterator[tuple[str, int]]:
    """A new file beside `path`, its name and its handle, which the caller closes; afterwards it is gone."""
    temporary = beside(path)
    handle = os.open(temporary, WRITE, _MODE)
    try:
        yield temporary, handle
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _linked(temporary: str, path: str) -> bool:
    """Whether the file is now at `path`, where there was none: a second name is the only way to do that in one step."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        # The answer of a network file system may be lost and asked for again.
        return os.path.samestat(os.lstat(temporary), os.lstat(path))
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return not os.path.lexists(path) and _renamed(temporary, path)
    return True


def _renamed(temporary: str, path: str) -> bool:
    for _ in range(_TIMES - 1):
        with contextlib.suppress(PermissionError):
            os.replace(temporary, path)
            return True
        time.sleep(0.05)
    os.replace(temporary, path)
    return True


def _folder(path: str) -> None:
    """A folder for the owner alone, which is there after a power cut too; raises OSError."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    _flushed(os.path.dirname(path))


def _flushed(folder: str) -> None:
    """Asks for the names in a folder to be on the disk. A name that is lost is a miss, so a refusal is no failure."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
