"""Where things lie in the store, and how they are taken out of it, checked. Part of the light column.

Nothing here raises OSError: what can't be read is a miss. What is shown to be wrong is put away, so that the next build
writes it anew; what could merely not be read stays.
"""

import errno
import os
import stat
import time

from freshwheel.base import files, records
from freshwheel.base.files import DamagedError
from freshwheel.store.entry import MAGIC, is_key, of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from freshwheel.store.entry import Blob, Entry

FORMAT = "v1"
"""The folder of this format of the store; others live beside it and are never looked at."""

DAMAGED = "damaged"

_TOUCHED = 3600 * 10**9
"""An entry is touched when it is used, at most so often."""


def at(cache: str) -> "Shelf | str":
    """The store in a cache directory, or why it must not be used. Nothing is made."""
    root = os.path.join(cache, FORMAT)
    return _unsafe(cache, os.stat) or _unsafe(root, os.lstat) or Shelf(root)


class Shelf:
    """The store in the folder `root`; that the folder is safe is for the caller to know."""

    __slots__ = ("root",)

    def __init__(self, root: str) -> None:
        self.root = root

    def entry_place(self, key: str) -> str:
        """Where the entry of a key lies."""
        return os.path.join(self.root, "index", key[:2], key)

    def blob_place(self, sha256: str) -> str:
        """Where a blob lies."""
        return os.path.join(self.root, "blobs", sha256[:2], sha256)

    def find(self, key: str) -> "Entry | None":
        """The entry of a key; None where there is none that can be used. That it is used is recorded."""
        entry = self.look(key) if is_key(key) else ""
        if entry == DAMAGED:
            self.put_away(self.entry_place(key))
        if isinstance(entry, str):
            return None
        self.used(key)
        return entry

    def look(self, key: str) -> "Entry | str":
        """The entry of a key, or why there is none: `DAMAGED` if it is there and wrong. Nothing is changed."""
        try:
            entry = of(records.read(self.entry_place(key), MAGIC))
        except ValueError:
            return DAMAGED
        except OSError as error:
            return f"can't be read: {why(error)}"
        return entry if entry.key == key else DAMAGED

    def used(self, key: str) -> None:
        """Records that the entry of a key is used, even if it was used in the future."""
        path = self.entry_place(key)
        try:
            if abs(time.time_ns() - os.lstat(path).st_mtime_ns) >= _TOUCHED:
                os.utime(path)
        except OSError:
            return

    def hand_out(self, blob: "Blob", target: str) -> str:
        """Why `target` does not hold the blob; nothing: it does, as a copy, checked while it was made.

        A target that was there is replaced, wholly or not at all.
        """
        path = self.blob_place(blob.sha256)
        try:
            files.copy(path, target, blob.xxh3)
        except DamagedError:
            self.put_away(path)
            return f"the blob {blob.sha256[:12]} in the store was damaged"
        except (OSError, ValueError) as error:
            return f"the blob {blob.sha256[:12]} in the store can't be copied to {target}: {why(error)}"
        return ""

    def holds(self, blob: "Blob") -> bool:
        """Whether a blob is there and is what it must be; one that is wrong is put away."""
        path = self.blob_place(blob.sha256)
        try:
            files.checked(path, blob.xxh3)
        except DamagedError:
            self.put_away(path)
            return False
        except OSError:
            return False
        return True

    def put_away(self, path: str) -> None:
        """Moves what is wrong out of the way, for people to look at; removes it where that fails."""
        away = os.path.join(self.root, "bad", f"{os.path.basename(path)}.{os.urandom(6).hex()}")
        try:
            files.settle(os.path.dirname(away))
            os.rename(path, away)
            os.utime(away, follow_symlinks=False)
        except (OSError, NotImplementedError):
            files.discard(path)


def why(error: Exception) -> str:
    """What the system says, without the path, which stands in the message already."""
    return getattr(error, "strerror", None) or str(error)


def _unsafe(folder: str, look: "Callable[[str], os.stat_result]") -> str:
    """Why a folder must not be believed; nothing: it may be."""
    try:
        status = look(folder)
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except (OSError, ValueError) as error:
        return f"{folder} can't be opened as a folder: {why(error)}"
    if files.is_own(status):
        return ""
    if status.st_uid == os.geteuid():
        return f"others may write in {folder}: run chmod go-w on it"
    return (
        f"{folder} belongs to the user {status.st_uid}, and this process is the user {os.geteuid()}: "
        "set FRESHWHEEL_CACHE_DIR to a folder of its own, or run sudo with -H"
    )
