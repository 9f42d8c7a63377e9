"""What a build has left, put into the store: all or nothing, and the first result of a key stays."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from freshwheel.store import publish
from freshwheel.store.entry import Discovered, Entry, Wheel, dump, is_key, pack, parse
from freshwheel.store.publish import Placed
from freshwheel.store.shelf import Shelf, why


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


def put(  # noqa: PLR0913 - what makes an entry
    shelf: Shelf, place: str, draft: Draft, inner: str, finished: Mapping[bytes, Finished], *, stale: Sequence[Entry]
) -> Put:
    """As `Store.put`; `place` is the key that the entry has in the store, which may be that of one tree."""
    new: list[Placed] = []
    try:
        done = _settled(shelf, _entry(shelf, place, draft, inner, finished, new), stale)
    except (OSError, ValueError) as error:
        done = Put(reason=_refused(error))
    if done.entry is None:
        _undo(shelf, new, done.other)
    return done


def add_finished(shelf: Shelf, entry: Entry, tag: bytes, finished: Finished) -> Put:
    """As `Store.add_finished`; there is no reason where another result has taken its place."""
    new: list[Placed] = []
    done = Put()
    try:
        wheels = {tag: _wheel(shelf, finished.path, finished.label, new)}
        known = shelf.find(entry.key)
        if known is not None and known.inner == entry.inner:
            done = Put(entry=_with_finished(shelf, known, wheels))
    except (OSError, ValueError) as error:
        done = Put(reason=_refused(error))
    if done.entry is None:
        _undo(shelf, new, entry)
    return done


def _refused(error: Exception) -> str:
    return f"can't write in the store: {why(error)}"


def _entry(  # noqa: PLR0913, PLR0917 - what an entry is made of
    shelf: Shelf, place: str, draft: Draft, inner: str, finished: Mapping[bytes, Finished], new: list[Placed]
) -> Entry:
    """The entry of a build, whose blobs are in the store. Raises OSError and ValueError."""
    if not is_key(draft.key):
        raise ValueError("the key is none")
    wheel = _wheel(shelf, inner, "", new)
    info = publish.blob_of_bytes(shelf, pack(draft.info))  # which other keys share
    entry = Entry(
        key=place,
        inner=wheel,
        info=info.blob,
        base=draft.base,
        finished={tag: _wheel(shelf, one.path, one.label, new) for tag, one in finished.items()},
        parts=draft.parts,
        discovered=draft.discovered,
        tree=draft.tree,
        installed=draft.installed,
        milliseconds=draft.milliseconds,
        created=time.time_ns(),
    )
    return _checked(entry)


def _wheel(shelf: Shelf, path: str, label: str, new: list[Placed]) -> Wheel:
    placed = publish.blob_of_file(shelf, path)
    new.append(placed)
    return Wheel(os.path.basename(path), placed.blob, label)


def _settled(shelf: Shelf, entry: Entry, stale: Sequence[Entry]) -> Put:
    """The entry is that of its key, or there is an earlier one. Raises OSError."""
    for attempt in range(3):
        known = shelf.find(entry.key)
        if known is None:
            if attempt:  # there is something, and it can't be read
                shelf.put_away(shelf.entry_place(entry.key))
            if publish.add(shelf, entry):
                return Put(entry=entry)
        elif any(_is_same(known, one) for one in stale):
            publish.replace(shelf, entry)
            return Put(entry=entry)
        elif not (shelf.holds(known.inner.blob) and shelf.holds(known.info)):
            shelf.put_away(shelf.entry_place(entry.key))
        elif _is_same(known, entry):
            return Put(entry=_with_finished(shelf, known, entry.finished))
        else:
            return Put(other=known, reason="the store has another result for the same build key, and keeps it")
    return Put(reason="the entry of this key can't be replaced")


def _with_finished(shelf: Shelf, known: Entry, finished: Mapping[bytes, Wheel]) -> Entry:
    merged = _checked(known.with_finished(finished))
    if merged != known:
        publish.replace(shelf, merged)
    return merged


def _undo(shelf: Shelf, new: Sequence[Placed], other: Entry | None) -> None:
    """Removes wheels that were stored and that the other entry does not name: they may be why the disk is full."""
    named = [] if other is None else other.blobs()
    for placed in new:
        if placed.is_new and placed.blob not in named:
            with contextlib.suppress(OSError):
                os.unlink(shelf.blob_place(placed.blob.sha256))


def _checked(entry: Entry) -> Entry:
    """An entry as it is; raises ValueError where it could not be read again."""
    if parse(dump(entry)) != entry:
        raise ValueError("what is to be stored is of an odd form")
    return entry


def _is_same(one: Entry, other: Entry) -> bool:
    """Whether two entries of a key are of the same result."""
    return (one.inner, one.info, one.discovered, one.tree) == (other.inner, other.info, other.discovered, other.tree)
