"""The store: built wheels by build key, on this machine.

Whatever goes wrong in it ends in a miss, in None or in a remark, and never in a failed build.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import xxhash

from freshwheel.entry import Blob, Discovered, Entry, Wheel, dump, is_key, pack, parse, unpack
from freshwheel.frame import framed
from freshwheel.shelf import Shelf, identity, why
from freshwheel.store import locks, publish, safety, survey
from freshwheel.store.prune import AGE, SIZE, Pruned, clear, prune
from freshwheel.store.publish import Placed

__all__ = ["Draft", "Finished", "Put", "Refusal", "Store"]

_PATIENCE = 600.0
"""Seconds that one build waits for another: then it builds as well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """There is no store, and why, with the fix."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A finished wheel on the disk, and the label it has, or the kind of build that has none."""

    path: str
    label: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What a build has left to be stored, beside wheels. No secret: all of it is written down."""

    key: str
    """The build key: 64 hex digits."""
    base: str
    """The version that the inner wheel states."""
    info: Mapping[str, bytes]
    """The files of the inner wheel's `.dist-info` but RECORD, by name."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """The components of the key, by name."""
    discovered: Sequence[Discovered] = ()
    """What must be as it was for the entry to be a hit."""
    tree: bytes | None = None
    """16 bytes that name the only tree it may be handed out in; None: any."""
    installed: Mapping[str, str] = field(default_factory=dict)
    milliseconds: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Put:
    """What came of storing a build."""

    entry: Entry | None = None
    """The entry of the key; None where this build is not in the store."""
    reason: str = ""
    """Why not."""
    other: Entry | None = None
    """The earlier entry of the same key, if that is why: equal keys should have led to equal wheels."""


class Store:
    """One store. `remarks` has what went wrong in it, each once, for the record."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.remarks: list[str] = []

    @classmethod
    def open(cls, cache: str | None, *, uid: int | None = None) -> Store | Refusal:
        """The store in a cache directory, which is made where it is missing; `uid`: not of this process, but this."""
        found = safety.settle(cache, identity() if uid is None else uid)
        return Refusal(reason=found) if isinstance(found, str) else cls(found)

    def find(self, key: str, *, tree: bytes | None = None) -> Entry | None:
        """The first of `candidates`."""
        return next(self.candidates(key, tree=tree), None)

    def candidates(self, key: str, *, tree: bytes | None) -> Iterator[Entry]:
        """The entries of a key that may be handed out in a tree: that of all trees, and its own. Damaged ones go.

        What they have discovered is for the caller to look at.
        """
        for place in (key, *(() if tree is None else (_bound(key, tree),))):
            found = self.shelf.find(place)
            if found is not None and found.tree in (None, tree):
                yield found

    def hand_out(self, blob: Blob, target: str) -> bool:
        """Whether `target` now holds the blob: a copy, never a link, compared with its digest while it was made."""
        return self._none_of(self.shelf.hand_out(blob, target))

    def info_of(self, entry: Entry) -> dict[str, bytes] | None:
        """The files of the inner wheel's `.dist-info` but RECORD, by name; None where they can't be had."""
        data = self.shelf.read(entry.info)
        return None if data is None else unpack(data)

    def put(
        self, draft: Draft, inner: str, finished: Mapping[bytes, Finished] | None = None, *, stale: Sequence[Entry] = ()
    ) -> Put:
        """Stores the inner wheel at a path, and what was made from it, by 16 bytes that name version and mark.

        The first build of a key stays: another result is reported, and not written. Only an entry that the caller has
        found and could not use, because what it discovered has changed, is replaced: one of `stale`.
        """
        new: list[Placed] = []
        try:
            entry = self._entry(draft, inner, finished or {}, new)
            put = self._settled(entry, stale)
        except (OSError, ValueError) as error:
            put = Put(reason=f"can't write in the store: {why(error)}")
        if put.entry is None:
            self._undo(new, put.other)
            self._remark(put.reason)
        return put

    def add_finished(self, entry: Entry, tag: bytes, finished: Finished) -> Entry | None:
        """The entry with one more finished wheel; None where that could not be stored."""
        new: list[Placed] = []
        found = None
        try:
            wheels = {tag: self._wheel(finished.path, finished.label, new)}
            known = self.shelf.find(entry.key)
            if known is not None and known.inner == entry.inner:
                found = self._with_finished(known, wheels)
        except (OSError, ValueError) as error:
            self._remark(f"can't write in the store: {why(error)}")
        if found is None:
            self._undo(new, entry)
        return found

    @contextlib.contextmanager
    def single_flight(self, key: str, timeout: float = _PATIENCE) -> Iterator[bool]:
        """Whether this is the only build of a key now; else there is a remark, and one builds anyway."""
        with locks.hold(self.shelf, "key", key, timeout) as held:
            yield self._none_of(held.reason)

    @contextlib.contextmanager
    def tree_lock(self, tree: str, timeout: float = _PATIENCE) -> Iterator[bool]:
        """Whether this is the only real build in a source tree now; else there is a remark."""
        name = xxhash.xxh3_128_hexdigest(os.fsencode(os.path.realpath(tree)))
        with locks.hold(self.shelf, "tree", name, timeout) as held:
            yield self._none_of(held.reason)

    def prune(self, now: int, *, size: int = SIZE, age: float = AGE, force: bool = False) -> Pruned:
        """Removes what is unused for `age` seconds or too much, once a day at most; `now` in ns."""
        return prune(self.shelf, now=now, size=size, age=age, force=force)

    def clear(self) -> Pruned:
        """Removes everything but the locks."""
        return clear(self.shelf, now=time.time_ns())

    def verify(self) -> list[survey.Flaw]:
        """What is wrong with entries and blobs, all of which are read. What is in a wheel is for others to say."""
        return survey.flaws(self.shelf)

    def info(self) -> survey.Info:
        """The store in numbers."""
        return survey.info(self.shelf)

    def entries(self) -> list[survey.Listed]:
        """The entries, the one that was used last first."""
        return survey.listed(self.shelf)

    def _entry(self, draft: Draft, inner: str, finished: Mapping[bytes, Finished], new: list[Placed]) -> Entry:
        """The entry of a build, whose blobs are in the store. Raises OSError and ValueError."""
        if not is_key(draft.key):
            raise ValueError("the key is none")
        wheel = self._wheel(inner, "", new)
        info = publish.blob_of_bytes(self.shelf, pack(draft.info))  # which other keys share
        entry = Entry(
            key=draft.key if draft.tree is None else _bound(draft.key, draft.tree),
            inner=wheel,
            info=info.blob,
            base=draft.base,
            finished={tag: self._wheel(one.path, one.label, new) for tag, one in finished.items()},
            parts=draft.parts,
            discovered=draft.discovered,
            tree=draft.tree,
            installed=draft.installed,
            milliseconds=draft.milliseconds,
            created=time.time_ns(),
        )
        return _checked(entry)

    def _wheel(self, path: str, label: str, new: list[Placed]) -> Wheel:
        placed = publish.blob_of_file(self.shelf, path)
        new.append(placed)
        return Wheel(os.path.basename(path), placed.blob, label)

    def _settled(self, entry: Entry, stale: Sequence[Entry]) -> Put:
        """The entry is that of its key, or there is an earlier one. Raises OSError."""
        for attempt in range(3):
            known = self.shelf.find(entry.key)
            if known is None:
                if attempt:  # there is something, and it can't be read
                    self.shelf.put_away(self.shelf.entry_place(entry.key))
                if publish.add(self.shelf, entry):
                    return Put(entry=entry)
            elif any(_is_same(known, one) for one in stale):
                publish.replace(self.shelf, entry)
                return Put(entry=entry)
            elif not (self.shelf.holds(known.inner.blob) and self.shelf.holds(known.info)):
                self.shelf.put_away(self.shelf.entry_place(entry.key))
            elif _is_same(known, entry):
                return Put(entry=self._with_finished(known, entry.finished))
            else:
                return Put(other=known, reason="the store has another result for the same build key, and keeps it")
        return Put(reason="the entry of this key can't be replaced")

    def _with_finished(self, known: Entry, finished: Mapping[bytes, Wheel]) -> Entry:
        merged = _checked(known.with_finished(finished))
        if merged != known:
            publish.replace(self.shelf, merged)
        return merged

    def _undo(self, new: Sequence[Placed], other: Entry | None) -> None:
        """Removes wheels that were stored and that the other entry does not name: they may be why the disk is full."""
        named = [] if other is None else other.blobs()
        for placed in new:
            if placed.is_new and placed.blob not in named:
                with contextlib.suppress(OSError):
                    os.unlink(self.shelf.blob_place(placed.blob.sha256))

    def _none_of(self, reason: str) -> bool:
        """Whether nothing went wrong; else it is on record."""
        self._remark(reason)
        return not reason

    def _remark(self, text: str) -> None:
        if text and text not in self.remarks:
            self.remarks.append(text)


def _bound(key: str, tree: bytes) -> str:
    """The key of a wheel that belongs to one tree, so that every tree has its own."""
    return hashlib.sha256(framed(b"bound", key.encode(), tree)).hexdigest()


def _checked(entry: Entry) -> Entry:
    """An entry as it is; raises ValueError where it could not be read again."""
    if parse(dump(entry)) != entry:
        raise ValueError("what is to be stored is of an odd form")
    return entry


def _is_same(one: Entry, other: Entry) -> bool:
    """Whether two entries of a key are of the same result."""
    return (one.inner, one.info, one.discovered, one.tree) == (other.inner, other.info, other.discovered, other.tree)
