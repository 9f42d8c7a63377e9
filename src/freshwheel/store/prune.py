"""Clearing away what nobody uses: by age and by size, the entry before its blobs, never what is in use.

Times count for nothing else. One in the future is taken for now, so that a clock that was wrong costs a build at most.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from dataclasses import dataclass

from freshwheel.store import locks, survey
from freshwheel.store.entry import is_key
from freshwheel.store.shelf import DAMAGED, Shelf, why
from freshwheel.store.survey import Item, Listed

_SECOND = 10**9
_HOUR = 3600 * _SECOND
_DAY = 24 * _HOUR
_BAD = 7 * _DAY
"""How long what was wrong is kept for people to look at."""
_BESIDE = (
    *(("answers", ".bin"), ("memory", ".bin"), ("trees", ".json"), ("trees", ".inputs"), ("builds", ".bin")),
    ("code", ".pyc"),
)
"""What lies in the cache directory for each tree, and the bytecode of freshwheel."""


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


def prune(shelf: Shelf, *, now: int, size: int, age: float, force: bool) -> Pruned:
    """Removes what has been unused for `age` seconds, and then the longest unused beyond `size` bytes.

    Once a day at most, unless forced. `now` is in ns. What was used in the last hour stays.
    """
    stamp = os.path.join(shelf.root, "pruned")
    if not force and not _is_due(stamp, now):
        return Pruned(reason="it was done less than a day ago")
    with locks.hold(shelf, "prune", "", 0) as held:
        if held.is_busy:
            return Pruned(reason="another process is at it")
        try:
            _stamp(stamp, now)
        except OSError as error:
            return Pruned(reason=f"can't write in {shelf.root}: {why(error)}")
        sweep = _Sweep(shelf, now)
        sweep.entries_and_blobs(size, int(age * _SECOND))
        sweep.remains(int(age * _SECOND))
        return sweep.result()


def clear(shelf: Shelf, *, now: int) -> Pruned:
    """Removes every entry, then every blob, and what was left half written or put away; locks stay."""
    sweep = _Sweep(shelf, now)
    for kind in ("index", "blobs"):
        for item in survey.items(shelf, kind):
            sweep.remove(item, kind)
    for folder in sweep.folders():
        for item in survey.files(folder):
            if not is_key(item.name):
                sweep.remove(item, "files")
    for item in survey.files(os.path.join(shelf.root, "bad")):
        sweep.remove(item, "files")
    return sweep.result()


class _Sweep:
    """One sweep, and what it has removed so far."""

    def __init__(self, shelf: Shelf, now: int) -> None:
        self.shelf = shelf
        self.now = now
        self.removed: Counter[str] = Counter()
        self.recent = self.over = 0

    def result(self) -> Pruned:
        """What was removed."""
        counts = self.removed
        return Pruned(
            entries=counts["index"],
            blobs=counts["blobs"],
            files=counts["files"],
            size=counts["size"],
            recent=self.recent,
            over=self.over,
        )

    def entries_and_blobs(self, size: int, age: int) -> None:
        """Removes entries that are too old or too many, and the blobs that no entry names."""
        kept, is_complete = self.index()
        blobs = {item.name: item for item in survey.items(self.shelf, "blobs")}
        kept = [one for one in kept if self.idle(one.item) <= age or not self.discard(one)]
        if is_complete:
            # Else an entry that could not be read would lose its blobs.
            kept = self.fitted(kept, blobs, size)
            named = {blob.sha256 for one in kept for blob in one.entry.blobs()}
            for name, item in blobs.items():
                if name not in named and self.is_left(item.path, _HOUR):
                    self.remove(item, "blobs")

    def index(self) -> tuple[list[Listed], bool]:
        """The entries, the one that was used last first, and whether all could be read. Damaged ones are put away."""
        found, others = survey.listing(self.shelf)
        for item, reason in others:
            if reason == DAMAGED:
                self.shelf.put_away(item.path)
        return found, all(reason == DAMAGED or not os.path.lexists(item.path) for item, reason in others)

    def fitted(self, kept: list[Listed], blobs: dict[str, Item], size: int) -> list[Listed]:
        """The entries that may stay if the store is to have `size` bytes; the others, and finished wheels, go."""
        shares = Counter(blob.sha256 for one in kept for blob in one.entry.blobs())
        total = sum(item.size for item in blobs.values()) + sum(one.item.size for one in kept)
        total -= sum(item.size for name, item in blobs.items() if name not in shares)
        needed = {blob.sha256 for one in kept for blob in (one.entry.inner.blob, one.entry.info)}
        for one in reversed(kept):
            for wheel in one.entry.finished.values():
                item = blobs.get(wheel.blob.sha256)
                if total > size and item is not None and item.name not in needed and self.idle(one.item) > _DAY:
                    total -= self.remove(blobs.pop(item.name), "blobs")
        staying = []
        for one in reversed(kept):
            if total > size and self.idle(one.item) > _HOUR and self.discard(one):
                total -= one.item.size
                for blob in one.entry.blobs():
                    shares[blob.sha256] -= 1
                    if not shares[blob.sha256] and blob.sha256 in blobs:
                        total -= blobs[blob.sha256].size
            else:
                staying.append(one)
        if total > size:
            self.recent, self.over = sum(self.idle(one.item) <= _HOUR for one in staying), total - size
        return staying

    def remains(self, age: int) -> None:
        """Removes what was left half written or put away, and what is remembered of trees that nobody builds."""
        for folder in self.folders():
            for item in survey.files(folder):
                if item.name.endswith(".tmp") and self.is_left(item.path, _DAY):
                    self.remove(item, "files")
        for item in survey.files(os.path.join(self.shelf.root, "bad")):
            if self.is_left(item.path, _BAD):
                self.remove(item, "files")
        for kind, suffix in _BESIDE:
            for item in survey.files(os.path.join(os.path.dirname(self.shelf.root), kind)):
                limit = age if item.name.endswith(suffix) else _DAY
                if item.name.endswith((suffix, ".tmp")) and self.is_left(item.path, limit, read=True):
                    self.remove(item, "files")

    def folders(self) -> list[str]:
        """The folders that something may have been left in, half written."""
        root = self.shelf.root
        tops = [root, os.path.join(root, "index"), os.path.join(root, "blobs")]
        return [*tops, *survey.folders(self.shelf, "index"), *survey.folders(self.shelf, "blobs")]

    def discard(self, one: Listed) -> bool:
        """Whether an entry is gone; one that was used meanwhile stays."""
        try:
            used = os.lstat(one.item.path).st_mtime_ns
        except OSError:
            return not os.path.lexists(one.item.path)
        return used == one.item.time and self.remove(one.item, "index") > 0

    def remove(self, item: Item, kind: str) -> int:
        """The bytes that are free now."""
        try:
            os.unlink(item.path)
        except OSError:
            return 0
        self.removed[kind] += 1
        self.removed["size"] += item.size
        return item.size

    def idle(self, item: Item) -> int:
        """For how long something was not used, in ns."""
        return max(0, self.now - item.time)

    def is_left(self, path: str, limit: int, *, read: bool = False) -> bool:
        """Whether a file is older than `limit`, or comes from a future that is not near.

        `read`: it also counts as used when it was read, as far as the file system records that.
        """
        try:
            status = os.lstat(path)
        except OSError:
            return False
        time = max(status.st_mtime_ns, status.st_atime_ns) if read else status.st_mtime_ns
        return self.now - time > limit or time - self.now > _DAY


def _is_due(stamp: str, now: int) -> bool:
    try:
        return not 0 <= now - os.lstat(stamp).st_mtime_ns < _DAY
    except OSError:
        return True


def _stamp(path: str, now: int) -> None:
    """Records when this was done; raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    os.close(os.open(path, flags, 0o600))
    with contextlib.suppress(ValueError, OverflowError):
        os.utime(path, ns=(now, now))
