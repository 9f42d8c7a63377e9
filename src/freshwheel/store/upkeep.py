"""What lies in the store, what is wrong with it, and clearing away what nobody uses: the entry before its blobs.

Times count for nothing else. One in the future is taken for now, so that a clock that was wrong costs a build at most.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from freshwheel.base import files
from freshwheel.store.shelf import DAMAGED, USES, Blob, Entry, Shelf, is_key, why

SIZE = 5 << 30
"""Bytes that the store may have, unless told otherwise."""
AGE = 30 * 24 * 3600
"""Seconds that something may lie unused, unless told otherwise."""
_SECOND = 10**9
_HOUR = 3600 * _SECOND
_DAY = 24 * _HOUR
_BAD = 7 * _DAY
"""How long what was wrong is kept for people to look at."""
_BESIDE = ("answers", "memory", "trees", "builds", "code", "differences")
"""Folders of the cache directory in which something lies for each tree, for each Python, or for people."""
_WHOLE = ("environments", "kept")
"""Folders of it in which whole folders lie: copies of environments, and what CMake and Meson have compiled."""
_FOLDERS = 20
"""The most of each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One file."""

    path: str
    size: int
    time: int
    """When it was written, or used as far as that is recorded, in ns."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return os.path.basename(self.path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """One entry, and when it was used last."""

    entry: Entry
    item: Item


@dataclass(frozen=True, kw_only=True, slots=True)
class Info:
    """The store in numbers."""

    root: str
    entries: int
    blobs: int
    size: int
    """Bytes of entries and blobs."""
    bad: int
    """Files that were put away because they were wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What was removed."""

    entries: int = 0
    blobs: int = 0
    files: int = 0
    """Of other kinds: what was left half written, put away, or remembered of trees."""
    size: int = 0
    """Bytes."""
    recent: int = 0
    """Entries that were too much, and stay, since they were used in the last hour."""
    over: int = 0
    """Bytes that the store still has too much."""
    reason: str = ""
    """Why nothing was tried."""


def info(shelf: Shelf) -> Info:
    """The store in numbers."""
    index, blobs = list(_items(shelf, "index")), list(_items(shelf, "blobs"))
    size = sum(item.size for item in (*index, *blobs))
    return Info(
        root=shelf.root,
        entries=len(index),
        blobs=len(blobs),
        size=size,
        bad=len(list(_files(os.path.join(shelf.root, "bad")))),
    )


def stored(shelf: Shelf, beside: Iterable[str] = ()) -> tuple[int, str]:
    """How many builds are kept that were not when this was last asked, and a name for all that are kept now.

    `beside` are those that are kept beside the store. That it was asked is on record. Raises OSError.
    """
    path = os.path.join(shelf.root, "asked")
    text = "\n".join(sorted([*(item.name for item in _items(shelf, "index")), *beside]))
    before = ""
    if os.path.exists(path):
        with open(path, encoding="ascii", errors="replace") as file:
            before = file.read()
    files.write(path, text.encode(), mode=0o600)
    return len(set(text.split()).difference(before.split())), hashlib.sha256(text.encode()).hexdigest()[:16]


def entries(shelf: Shelf) -> list[Listed]:
    """The entries that can be read, the one that was used last first."""
    return _listing(shelf)[0]


def flaws(shelf: Shelf) -> list[tuple[str, str]]:
    """What is wrong with entries and their blobs, all of which are read: path in the store, and what.

    What is in a wheel is for others to say, and a finished wheel that is gone can be made again.
    """
    listed, others = _listing(shelf)
    wrong = [(item.path, reason) for item, reason in others if reason and os.path.lexists(item.path)]
    for known in listed:
        for blob in known.entry.blobs():
            flaw = _flaw(shelf.blob_place(blob.sha256), blob, is_needed=blob == known.entry.inner.blob)
            if flaw and os.path.lexists(known.item.path):
                wrong.append((shelf.blob_place(blob.sha256), flaw))
    return sorted({(os.path.relpath(path, shelf.root).replace(os.sep, "/"), what) for path, what in wrong})


def _flaw(path: str, blob: Blob, *, is_needed: bool) -> str:
    try:
        files.checked(path, blob.xxh3)
    except FileNotFoundError:
        return "is not there" if is_needed else ""
    except ValueError:
        return DAMAGED
    except OSError as error:
        return f"can't be read: {why(error)}"
    return ""


def prune(shelf: Shelf, *, now: int, size: int = SIZE, age: float = AGE, force: bool = False) -> Pruned:
    """Removes what has been unused for `age` seconds, and then the longest unused beyond `size` bytes.

    Once a day at most, unless forced. `now` is in ns. What was used in the last hour stays.
    """
    stamp = os.path.join(shelf.root, "pruned")
    try:
        if not force and os.path.lexists(stamp) and 0 <= now - os.lstat(stamp).st_mtime_ns < _DAY:
            return Pruned(reason="it was done less than a day ago")
        files.write(stamp, b"", mode=0o600)
        os.utime(stamp, ns=(now, now))
    except OSError as error:
        return Pruned(reason=f"can't write in {shelf.root}: {why(error)}")
    sweep = _Sweep(shelf, now)
    sweep.entries_and_blobs(size, int(age * _SECOND))
    sweep.others(int(age * _SECOND))
    sweep.folders(int(age * _SECOND))
    return sweep.result()


def clear(shelf: Shelf, *, now: int) -> Pruned:
    """Removes every entry, then every blob, and what was left half written or put away; locks stay."""
    sweep = _Sweep(shelf, now)
    for folder, kind in (("index", "entries"), ("blobs", "blobs"), (USES, "files"), ("bad", "files")):
        for item in _items(shelf, folder, any_name=True):
            sweep.remove(item, kind if is_key(item.name) else "files")
    return sweep.result()


class _Sweep:
    """One sweep, and what it has removed so far."""

    def __init__(self, shelf: Shelf, now: int) -> None:
        self.shelf = shelf
        self.now = now
        self.removed: Any = Counter()
        self.recent = self.over = 0

    def result(self) -> Pruned:
        """What was removed."""
        return Pruned(**self.removed, recent=self.recent, over=self.over)

    def entries_and_blobs(self, size: int, age: int) -> None:
        """Removes entries that are too old or too many, and the blobs that no entry names."""
        listed, others = _listing(self.shelf)
        for item, reason in others:
            if reason == DAMAGED:
                self.shelf.put_away(item.path)
        named: set[str] = set()
        total = recent = 0
        for known in listed:
            blobs = {blob.sha256: blob.size for blob in known.entry.blobs() if blob.sha256 not in named}
            more, idle = known.item.size + sum(blobs.values()), self.idle(known.item)
            if (idle > age or (total + more > size and idle > _HOUR)) and self.discard(known):
                continue
            named |= blobs.keys()
            total += more
            recent += idle <= _HOUR
        self.over = max(0, total - size)
        self.recent = recent if self.over else 0
        if any(reason != DAMAGED and os.path.lexists(item.path) for item, reason in others):
            return  # an entry that could not be read would lose its blobs
        for item in _items(self.shelf, "blobs"):
            if item.name not in named and self.idle(item) > _HOUR:
                self.remove(item, "blobs")

    def others(self, age: int) -> None:
        """Removes what was left half written or put away, and what is remembered of trees that nobody builds."""
        cache = os.path.dirname(self.shelf.root)
        limits = {self.shelf.root: _DAY, os.path.join(self.shelf.root, "bad"): _BAD}
        limits[os.path.join(self.shelf.root, USES)] = age
        limits |= {os.path.join(cache, kind): age for kind in _BESIDE}
        for folder, limit in limits.items():
            for item in _files(folder, read=True):
                is_half = item.name.endswith(".tmp")
                may_go = is_half or folder != self.shelf.root
                if may_go and self.idle(item) > (min(limit, _DAY) if is_half else limit):
                    self.remove(item, "files")

    def folders(self, age: int) -> None:
        """Removes whole folders that are too old or too many; what was used in the last hour stays."""
        for kind in _WHOLE:
            known = sorted(_folders(os.path.join(os.path.dirname(self.shelf.root), kind)), key=self.idle)
            for place, item in enumerate(known):
                idle = self.idle(item)
                limit = _HOUR if place >= _FOLDERS else min(age, _DAY) if item.name.endswith(".tmp") else age
                if idle > limit:
                    self.remove_folder(item)

    def remove_folder(self, item: Item) -> None:
        """No folder, under another name as long as it is not empty."""
        held = list(_files(item.path))
        gone = files.beside(item.path)
        try:
            os.rename(item.path, gone)
        except OSError:
            return
        shutil.rmtree(gone, ignore_errors=True)
        self.removed["files"] += len(held)
        self.removed["size"] += sum(file.size for file in held)

    def discard(self, known: Listed) -> bool:
        """Whether an entry is gone; one that was used meanwhile stays."""
        try:
            if os.lstat(known.item.path).st_mtime_ns != known.item.time:
                return False
        except OSError:
            return not os.path.lexists(known.item.path)
        return self.remove(known.item, "entries")

    def remove(self, item: Item, kind: str) -> bool:
        """Whether the file is gone by this."""
        try:
            os.unlink(item.path)
        except OSError:
            return False
        self.removed[kind] += 1
        self.removed["size"] += item.size
        return True

    def idle(self, item: Item) -> int:
        """For how long something was not used, in ns."""
        return max(0, self.now - item.time)


def _listing(shelf: Shelf) -> tuple[list[Listed], list[tuple[Item, str]]]:
    """The entries, the one that was used last first; and those that can't be used, with the reason."""
    listed, others = [], []
    for item in _items(shelf, "index"):
        entry = shelf.look(item.name)
        if isinstance(entry, Entry):
            listed.append(Listed(entry=entry, item=item))
        else:
            others.append((item, entry))
    return sorted(listed, key=lambda known: (-known.item.time, known.item.name)), others


def _items(shelf: Shelf, kind: str, *, any_name: bool = False) -> list[Item]:
    """The files of `index` or `blobs` that lie where one of their name must lie."""
    return [
        item
        for item in _files(os.path.join(shelf.root, kind))
        if any_name or (is_key(item.name) and item.name[:2] == os.path.basename(os.path.dirname(item.path)))
    ]


def _folders(top: str) -> Iterator[Item]:
    """The folders in a folder, as far as they can be listed."""
    try:
        with os.scandir(top) as listing:
            entries = [entry for entry in listing if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for entry in entries:
        with contextlib.suppress(OSError):  # somebody else may sweep, too
            yield Item(path=entry.path, size=0, time=entry.stat(follow_symlinks=False).st_mtime_ns)


def _files(top: str, *, read: bool = False) -> Iterator[Item]:
    """The files below a folder, as far as they can be listed; `read`: when they were read also counts as a use."""
    for folder, _, names in os.walk(top):
        for name in sorted(names):
            path = os.path.join(folder, name)
            try:
                status = os.lstat(path)
            except OSError:
                continue
            time = max(status.st_mtime_ns, status.st_atime_ns) if read else status.st_mtime_ns
            yield Item(path=path, size=status.st_size, time=time)
