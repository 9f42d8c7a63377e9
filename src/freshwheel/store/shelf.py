"""What the store knows of one build, where that lies, and how it is taken out, checked. Part of the light column.

Nothing here raises OSError: what can't be read is a miss. What is shown to be wrong is put away, so that the next build
writes it anew; what could merely not be read stays.
"""

import errno
import os
import stat
import time

from freshwheel.base import files, records
from freshwheel.base.files import DamagedError
from freshwheel.base.records import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


ENTRY = b"FWENT\0\0\4"
"""The last byte is the edition of this format."""
_HEX = frozenset("0123456789abcdef")

Discovered = tuple[bytes, str, bytes, bytes]
"""What only a build has shown: path, relative to the tree or absolute; kind; content; stamp of the row it had then."""
FORMAT = "v1"
"""The folder of this format of the store; others live beside it and are never looked at."""

DAMAGED = "damaged"
USES = "uses"
"""The folder of what builds have used of their trees."""

_TOUCHED = 3600 * 10**9
"""An entry is touched when it is used, at most so often."""


class Blob(Value):
    """Bytes that lie in the store under their SHA-256."""

    __slots__ = ("sha256", "size", "xxh3")

    sha256: str
    """64 hex digits."""
    size: int
    xxh3: bytes
    """16 bytes of XXH3-128."""


class Wheel(Value):
    """A wheel, and its file name."""

    __slots__ = ("blob", "name")

    blob: Blob
    name: str


class Entry(Value):
    """One build."""

    __slots__ = (
        *("base", "built", "created", "discovered", "finished", "inner", "installed", "key", "milliseconds", "parts"),
        "tree",
    )

    base: str
    """The version that the inner wheel states."""
    built: str
    """The source digest of its build, 32 hex digits: another one where the wheel does for other sources as well."""
    created: int
    """In ns since the epoch: for people, never compared."""
    discovered: "Sequence[Discovered]"
    """What must be as it was for the entry to be a hit; sorted."""
    finished: "Mapping[bytes, Wheel]"
    """What was made from the inner wheel and can be made again: 16 bytes that name version and mark -> the wheel."""
    inner: Wheel
    """As the inner backend made it."""
    installed: "Mapping[str, str]"
    """What an installer had put into the environment for this one build, name -> version: for people."""
    key: str
    """The key that it lies under: 64 hex digits."""
    milliseconds: int
    """What the build took."""
    parts: "Mapping[str, str]"
    """The components of the build key, by name."""
    tree: bytes | None
    """16 bytes that name the only tree it may be handed out in; None: any."""

    def blobs(self) -> "list[Blob]":
        """All that it names: the inner wheel, and the finished ones."""
        return [self.inner.blob, *[wheel.blob for wheel in self.finished.values()]]


def entry_of(fields: "Any") -> Entry:
    """The entry that was dumped with these fields."""
    entry = Entry.of(fields)
    return entry.but(inner=_wheel(entry.inner), finished={tag: _wheel(wheel) for tag, wheel in entry.finished.items()})


def is_key(text: str) -> bool:
    """Whether a text can be a key, or the name of a blob: 64 hex digits."""
    return len(text) == 64 and _HEX.issuperset(text)  # noqa: PLR2004


def _wheel(fields: "Any") -> Wheel:
    wheel = Wheel.of(fields)
    return wheel.but(blob=Blob.of(wheel.blob))


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
        """The entry of a key, or why there is none: `DAMAGED` if it is there and wrong, nothing if it is not there.

        Nothing is changed.
        """
        try:
            entry = entry_of(records.read(self.entry_place(key), ENTRY))
        except FileNotFoundError:
            return ""
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
