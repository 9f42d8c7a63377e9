"""The store: built wheels by build key, on this machine.

Whatever goes wrong in it ends in a miss, in a reason or in a remark, and never in a failed build.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import xxhash

from freshwheel.base import files, records
from freshwheel.base.frame import framed
from freshwheel.store.shelf import ENTRY, FORMAT, Blob, Discovered, Entry, Shelf, Wheel, at, why

_SLOTS = 8
"""Entries of one key, for as many states of what its builds have discovered."""
_PATIENCE = 600.0
"""Seconds that one build waits for another: then it builds as well."""
_DIGITS = 4
"""Of the name of a lock: two things whose names begin alike wait for each other, which is rare and harmless."""
_CHUNK = 1 << 20
_PAUSE = 0.05
"""Seconds between two looks at a lock."""
_MOUNTS = "/proc/self/mountinfo"
_REMOTE = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ceph", "lustre", "gpfs", "beegfs", "glusterfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.gcsfuse", "fuse.s3fs", "virtiofs"),
    )
)
"""Where to ask for a lock may take for ever, even without waiting for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What a build has left to be stored, beside wheels. No secret: all of it is written down."""

    key: str
    """The build key: 64 hex digits."""
    base: str
    """The version that the inner wheel states."""
    built: str = ""
    """The source digest: 32 hex digits."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """The components of the key, by name."""
    discovered: Sequence[Discovered] = ()
    """What must be as it was for the entry to be a hit."""
    tree: bytes | None = None
    """16 bytes that name the only tree it may be handed out in; None: any."""
    installed: Mapping[str, str] = field(default_factory=dict)
    milliseconds: int = 0


class Store:
    """One store. `remarks` has what went wrong in it, each once, for the record."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.remarks: list[str] = []

    @classmethod
    def open(cls, cache: str | None) -> Store | str:
        """The store in a cache directory, which is made where it is missing; or why there is none, with the fix.

        One that is there is used even where nothing can be written.
        """
        if cache is None:
            return "no cache directory: FRESHWHEEL_CACHE_DIR, or HOME where that is not set, must name an absolute path"
        try:
            if not os.path.lexists(os.path.join(cache, FORMAT)):
                files.settle(os.path.join(cache, FORMAT))
        except (OSError, ValueError) as error:
            return f"can't make {cache}: {why(error)}; FRESHWHEEL_CACHE_DIR names another folder"
        shelf = at(cache)
        return shelf if isinstance(shelf, str) else cls(shelf)

    def find(self, key: str, *, tree: bytes | None = None) -> Entry | None:
        """The first of `candidates`."""
        return next(self.candidates(key, tree=tree), None)

    def candidates(self, key: str, *, tree: bytes | None) -> Iterator[Entry]:
        """The entries of a key that may be handed out in a tree: those of all trees, and its own. Damaged ones go.

        What they have discovered is for the caller to look at: each is of another state of it.
        """
        for place in (*_slots(key, None), *(_slots(key, tree) if tree is not None else ())):
            entry = self.shelf.find(place)
            if entry is not None and entry.tree in (None, tree):
                yield entry

    def hand_out(self, blob: Blob, target: str) -> bool:
        """Whether `target` now holds the blob: a copy, never a link, compared with its digest while it was made."""
        return self._none_of(self.shelf.hand_out(blob, target))

    def put(
        self, draft: Draft, inner: str, finished: Mapping[bytes, str] | None = None, *, stale: Sequence[Entry] = ()
    ) -> Entry | str:
        """Stores the inner wheel at a path, and what was made from it: the entry, or why there is none.

        The first build of a key stays: another result is reported, and not written. Those entries that the caller has
        found and could not use, because what they discovered is another now, stay beside it: so many as there are
        slots, then the oldest of these `stale` ones makes room.
        """
        places = {entry.key: entry for entry in stale}
        free = [place for place in _slots(draft.key, draft.tree) if place not in places]
        oldest = min(places.values(), key=lambda entry: entry.created, default=None)
        place = free[0] if free or oldest is None else oldest.key
        try:
            return self._put(draft, inner, finished or {}, place, None if place in places else self.shelf.find(place))
        except (OSError, ValueError) as error:
            reason = f"can't write in the store: {why(error)}"
        self._remark(reason)
        return reason

    def _put(
        self, draft: Draft, inner: str, finished: Mapping[bytes, str], place: str, known: Entry | None
    ) -> Entry | str:
        entry = Entry(
            key=place,
            inner=_wheel(inner),
            base=draft.base,
            built=draft.built,
            finished={},
            parts=dict(draft.parts),
            discovered=sorted(draft.discovered),
            tree=draft.tree,
            installed=dict(draft.installed),
            milliseconds=draft.milliseconds,
            created=time.time_ns(),
        )
        if known is not None and self.shelf.holds(known.inner.blob):
            if (known.inner, known.discovered, known.tree) != (entry.inner, entry.discovered, entry.tree):
                return "the store has another result for the same build key, and keeps it"
            entry = known
        else:
            self._place(entry.inner, inner)
        return self._published(entry, finished)

    def copy(self, known: Entry, key: str, parts: Mapping[str, str], tree: bytes) -> Entry | None:
        """The entry of another key as one of this key as well; None where that could not be stored."""
        places = _slots(key, None if known.tree is None else tree)
        place = next((place for place in places if self.shelf.find(place) is None), places[0])
        try:
            return self._published(known.but(key=place, parts=parts, finished={}, created=time.time_ns()), {})
        except (OSError, ValueError) as error:
            self._remark(f"can't write in the store: {why(error)}")
        return None

    def add_finished(self, entry: Entry, tag: bytes, path: str) -> Entry | None:
        """The entry with one more finished wheel; None where that could not be stored."""
        known = self.shelf.find(entry.key)
        if known is None or known.inner != entry.inner:
            return None
        try:
            return self._published(known, {tag: path})
        except (OSError, ValueError) as error:
            self._remark(f"can't write in the store: {why(error)}")
        return None

    def _published(self, entry: Entry, finished: Mapping[bytes, str]) -> Entry:
        """The entry, stored with these finished wheels besides its own: first the blobs, and then what names them."""
        wheels = {tag: _wheel(path) for tag, path in finished.items()}
        for tag, wheel in wheels.items():
            self._place(wheel, finished[tag])
        entry = entry.but(finished={**entry.finished, **wheels})
        path = self.shelf.entry_place(entry.key)
        files.settle(os.path.dirname(path))
        files.write(path, records.dumped(ENTRY, entry), mode=0o600)
        return entry

    def _place(self, wheel: Wheel, path: str) -> None:
        """The wheel at `path` lies in the store. Raises OSError."""
        place = self.shelf.blob_place(wheel.blob.sha256)
        if self.shelf.holds(wheel.blob):
            os.utime(place)  # so that it is not cleared away before an entry names it
        else:
            files.settle(os.path.dirname(place))
            files.copy(path, place, mode=0o600)

    @contextlib.contextmanager
    def lock(self, kind: str, about: str, timeout: float = _PATIENCE) -> Iterator[bool]:
        """Whether this is the only one at it, while the context lasts; else there is a remark, and one goes on anyway.

        That is: a build of a `key`; a real build in a `tree`; one in a build `folder`, which several trees may share
        and which is to be taken last. A lock saves work, and nothing is wrong without it. Its file is never removed,
        since that would split those who wait.
        """
        name = f"{kind}-{xxhash.xxh3_64_hexdigest(os.fsencode(about))[:_DIGITS]}"
        with contextlib.ExitStack() as stack:
            yield self._none_of(_held(stack, os.path.join(self.shelf.root, "locks", name), timeout))

    def _none_of(self, reason: str) -> bool:
        """Whether nothing went wrong; else it is on record."""
        self._remark(reason)
        return not reason

    def _remark(self, text: str) -> None:
        if text and text not in self.remarks:
            self.remarks.append(text)


def _held(stack: contextlib.ExitStack, path: str, timeout: float) -> str:
    """Why a lock is not held while the stack lasts; nothing: it is."""
    try:
        files.settle(os.path.dirname(path))
        if is_remote(os.path.dirname(path)):
            return "locks are not used on a network file system"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        stack.callback(os.close, descriptor)  # which gives the lock back, as the end of the process does
        until = time.monotonic() + timeout
        while not _is_taken(descriptor):
            if time.monotonic() >= until:
                return f"another process held the lock for {timeout:g} seconds"
            time.sleep(_PAUSE)
    except (OSError, ImportError) as error:
        return f"no locks: {why(error)}"
    return ""


def _is_taken(descriptor: int) -> bool:
    """Whether an open file is locked now by nobody but this process. Raises OSError where there are no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - there alone

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - not there

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def is_remote(folder: str, *, mounts: str = _MOUNTS) -> bool:
    """Whether a folder is known to be on a network file system."""
    try:
        device = os.stat(folder).st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            return any(_file_system(line, number) in _REMOTE for line in file)
    except (OSError, ValueError, AttributeError):  # only Linux has this file
        return False


def _file_system(line: str, number: str) -> str:
    """The type of the file system that a line of mountinfo is about, if it has this number."""
    fields = line.split(" ")
    if len(fields) < 3 or fields[2] != number or "-" not in fields[6:-1]:  # noqa: PLR2004
        return ""
    return fields[fields.index("-", 6) + 1]


def _wheel(path: str) -> Wheel:
    """What the wheel at `path` is called in the store. Raises OSError."""
    strong, fast, size = hashlib.sha256(), xxhash.xxh3_128(), 0
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            strong.update(chunk)
            fast.update(chunk)
            size += len(chunk)
    return Wheel(name=os.path.basename(path), blob=Blob(sha256=strong.hexdigest(), size=size, xxh3=fast.digest()))


def _slots(key: str, tree: bytes | None) -> list[str]:
    """The keys that the entries of a key lie under: itself, and others for other states of what builds discovered.

    Of a wheel that belongs to one tree every tree has its own.
    """
    start = key if tree is None else hashlib.sha256(framed(b"bound", key.encode(), tree)).hexdigest()
    more = [framed(b"slot", start.encode(), bytes([number])) for number in range(1, _SLOTS)]
    return [start, *(hashlib.sha256(slot).hexdigest() for slot in more)]
