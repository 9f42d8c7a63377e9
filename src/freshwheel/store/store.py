"""The store: built wheels by build key, on this machine.

Whatever goes wrong in it ends in a miss, in None or in a remark, and never in a failed build. A hit waits for this
module, so what it takes to write in the store, or to look after it, is loaded for that alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xxhash

from freshwheel.base.frame import framed
from freshwheel.store.entry import Blob, Entry
from freshwheel.store.shelf import FORMAT, Shelf, at, identity, why

if TYPE_CHECKING:
    from freshwheel.store.prune import Pruned
    from freshwheel.store.survey import Flaw, Info, Listed
    from freshwheel.store.write import Draft, Finished, Put

SIZE = 5 << 30
"""Bytes that the store may have, unless told otherwise."""
AGE = 30 * 24 * 3600
"""Seconds that something may lie unused, unless told otherwise."""
_SLOTS = 8
"""Entries of one key, for as many states of what its builds have discovered."""
_PATIENCE = 600.0
"""Seconds that one build waits for another: then it builds as well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """There is no store, and why, with the fix."""

    reason: str


class Store:
    """One store. `remarks` has what went wrong in it, each once, for the record."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.remarks: list[str] = []

    @classmethod
    def open(cls, cache: str | None, *, uid: int | None = None) -> Store | Refusal:
        """The store in a cache directory, which is made where it is missing; `uid`: not of this process, but this."""
        found = _settled(cache, identity() if uid is None else uid)
        return Refusal(reason=found) if isinstance(found, str) else cls(found)

    def find(self, key: str, *, tree: bytes | None = None) -> Entry | None:
        """The first of `candidates`."""
        return next(self.candidates(key, tree=tree), None)

    def candidates(self, key: str, *, tree: bytes | None) -> Iterator[Entry]:
        """The entries of a key that may be handed out in a tree: those of all trees, and its own. Damaged ones go.

        What they have discovered is for the caller to look at: each is of another state of it.
        """
        for start in (key, *(() if tree is None else (_bound(key, tree),))):
            for place in _slots(start):
                found = self.shelf.find(place)
                if found is not None and found.tree in (None, tree):
                    yield found

    def hand_out(self, blob: Blob, target: str) -> bool:
        """Whether `target` now holds the blob: a copy, never a link, compared with its digest while it was made."""
        return self._none_of(self.shelf.hand_out(blob, target))

    def put(
        self, draft: Draft, inner: str, finished: Mapping[bytes, Finished] | None = None, *, stale: Sequence[Entry] = ()
    ) -> Put:
        """Stores the inner wheel at a path, and what was made from it, by 16 bytes that name version and mark.

        The first build of a key stays: another result is reported, and not written. Those entries that the caller has
        found and could not use, because what they discovered is another now, stay beside it: so many as there are
        slots, then the oldest of these `stale` ones makes room.
        """
        from freshwheel.store import write  # noqa: PLC0415 - see the module's docstring

        start = draft.key if draft.tree is None else _bound(draft.key, draft.tree)
        places = {one.key: one for one in stale}
        free = [place for place in _slots(start) if place not in places]
        oldest = min(places.values(), key=lambda one: one.created, default=None)
        place = free[0] if free or oldest is None else oldest.key
        put = write.put(self.shelf, place, draft, inner, finished or {}, stale=stale)
        self._remark(put.reason)
        return put

    def add_finished(self, entry: Entry, tag: bytes, finished: Finished) -> Entry | None:
        """The entry with one more finished wheel; None where that could not be stored."""
        from freshwheel.store import write  # noqa: PLC0415 - as above

        put = write.add_finished(self.shelf, entry, tag, finished)
        self._remark(put.reason)
        return put.entry

    def single_flight(self, key: str, timeout: float = _PATIENCE) -> AbstractContextManager[bool]:
        """Whether this is the only build of a key now; else there is a remark, and one builds anyway."""
        return self._locked("key", key, timeout)

    def tree_lock(self, tree: str, timeout: float = _PATIENCE) -> AbstractContextManager[bool]:
        """Whether this is the only real build in a source tree now; else there is a remark."""
        return self._locked("tree", xxhash.xxh3_128_hexdigest(os.fsencode(os.path.realpath(tree))), timeout)

    def folder_lock(self, folder: str, timeout: float = _PATIENCE) -> AbstractContextManager[bool]:
        """As `tree_lock`, for a build folder, which several trees may share; to be taken as the last lock."""
        return self._locked("folder", hashlib.sha256(os.fsencode(folder)).hexdigest(), timeout)

    def prune(self, now: int, *, size: int = SIZE, age: float = AGE, force: bool = False) -> Pruned:
        """Removes what is unused for `age` seconds or too much, once a day at most; `now` in ns."""
        from freshwheel.store import prune  # noqa: PLC0415 - as above

        return prune.prune(self.shelf, now=now, size=size, age=age, force=force)

    def clear(self) -> Pruned:
        """Removes everything but the locks."""
        from freshwheel.store import prune  # noqa: PLC0415 - as above

        return prune.clear(self.shelf, now=time.time_ns())

    def verify(self) -> list[Flaw]:
        """What is wrong with entries and blobs, all of which are read. What is in a wheel is for others to say."""
        from freshwheel.store import survey  # noqa: PLC0415 - as above

        return survey.flaws(self.shelf)

    def info(self) -> Info:
        """The store in numbers."""
        from freshwheel.store import survey  # noqa: PLC0415 - as above

        return survey.info(self.shelf)

    def stored(self, beside: Iterable[str] = ()) -> tuple[int, str]:
        """How many builds are new since this was last asked, and a name for all that are kept. Raises OSError."""
        from freshwheel.store import survey  # noqa: PLC0415 - as above

        return survey.stored(self.shelf, beside)

    def entries(self) -> list[Listed]:
        """The entries, the one that was used last first."""
        from freshwheel.store import survey  # noqa: PLC0415 - as above

        return survey.listed(self.shelf)

    @contextlib.contextmanager
    def _locked(self, kind: str, name: str, timeout: float) -> Iterator[bool]:
        from freshwheel.store import locks  # noqa: PLC0415 - as above

        with locks.hold(self.shelf, kind, name, timeout) as held:
            yield self._none_of(held.reason)

    def _none_of(self, reason: str) -> bool:
        """Whether nothing went wrong; else it is on record."""
        self._remark(reason)
        return not reason

    def _remark(self, text: str) -> None:
        if text and text not in self.remarks:
            self.remarks.append(text)


def _settled(cache: str | None, uid: int | None) -> Shelf | str:
    """The store in a cache directory, which is made where it is missing; or why there is none.

    A store that is there is used even where nothing can be written.
    """
    if cache is None:
        return "no cache directory: neither HOME nor FRESHWHEEL_CACHE_DIR names an absolute path"
    try:
        reason = _made(cache, uid)
    except (OSError, ValueError) as error:
        return f"can't make {cache}: {why(error)}"
    return reason or at(cache, uid)


def _made(cache: str, uid: int | None) -> str:
    """Why the folders of the store were not made; nothing: they are there."""
    root = os.path.join(cache, FORMAT)
    missing = []
    folder = root
    while not os.path.lexists(folder) and folder != os.path.dirname(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    if missing and uid == 0 and (owner := os.stat(folder).st_uid) != uid:
        return (
            f"{folder} belongs to the user {owner}, and this process is root, whose files would be in the way there: "
            "set FRESHWHEEL_CACHE_DIR, or run sudo with -H"
        )
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    return ""


def _slots(key: str) -> list[str]:
    """The keys that the entries of a key lie under: itself, and others for other states of what builds discovered."""
    return [
        key,
        *(hashlib.sha256(framed(b"slot", key.encode(), bytes([number]))).hexdigest() for number in range(1, _SLOTS)),
    ]


def _bound(key: str, tree: bytes) -> str:
    """The key of a wheel that belongs to one tree, so that every tree has its own."""
    return hashlib.sha256(framed(b"bound", key.encode(), tree)).hexdigest()
