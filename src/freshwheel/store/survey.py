"""What lies in the store now, and what is wrong with it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import xxhash

from freshwheel.base import frame
from freshwheel.store.entry import Blob, Entry, is_key
from freshwheel.store.shelf import DAMAGED, READ, Shelf, why

_CHUNK = 1 << 20
_DIGITS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One file."""

    path: str
    name: str
    size: int
    time: int
    """Its mtime, in ns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """One entry, and when it was used last."""

    entry: Entry
    item: Item


@dataclass(frozen=True, kw_only=True, slots=True)
class Flaw:
    """One thing that is wrong."""

    path: str
    """Relative to the folder of the store."""
    what: str


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


def files(folder: str) -> list[Item]:
    """The files of a folder, sorted by name; none where it can't be listed."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for one in entries:
                if not one.is_dir(follow_symlinks=False):
                    status = one.stat(follow_symlinks=False)
                    found.append(Item(path=one.path, name=one.name, size=status.st_size, time=status.st_mtime_ns))
    except OSError:
        return []
    return sorted(found, key=lambda item: item.name)


def items(shelf: Shelf, kind: str) -> Iterator[Item]:
    """The files of `index` or `blobs` that lie where one of their name must lie."""
    for folder in folders(shelf, kind):
        for item in files(folder):
            if is_key(item.name) and item.name[:2] == os.path.basename(folder):
                yield item


def folders(shelf: Shelf, kind: str) -> list[str]:
    """The folders that the files of `index` or `blobs` lie in; none where that can't be told."""
    top = os.path.join(shelf.root, kind)
    try:
        with os.scandir(top) as entries:
            return sorted(one.path for one in entries if len(one.name) == _DIGITS)
    except OSError:
        return []


def listed(shelf: Shelf) -> list[Listed]:
    """The entries that can be read, the one that was used last first."""
    return listing(shelf)[0]


def listing(shelf: Shelf) -> tuple[list[Listed], list[tuple[Item, str]]]:
    """The same, and the entries that can't be used, with the reason."""
    found, others = [], []
    for item in items(shelf, "index"):
        entry = shelf.look(item.name)
        if isinstance(entry, Entry):
            found.append(Listed(entry=entry, item=item))
        else:
            others.append((item, entry))
    return sorted(found, key=lambda one: (-one.item.time, one.item.name)), others


def info(shelf: Shelf) -> Info:
    """The store in numbers."""
    index, blobs = list(items(shelf, "index")), list(items(shelf, "blobs"))
    return Info(
        root=shelf.root,
        entries=len(index),
        blobs=len(blobs),
        size=sum(item.size for item in (*index, *blobs)),
        bad=len(files(os.path.join(shelf.root, "bad"))),
    )


def stored(shelf: Shelf, beside: Iterable[str] = ()) -> tuple[int, str]:
    """How many builds are kept that were not when this was last asked, and a name for all that are kept now.

    `beside` are those that are kept beside the store. That it was asked is on record. Raises OSError.
    """
    path = os.path.join(shelf.root, "asked")
    keys = sorted([*(item.name for item in items(shelf, "index")), *beside])
    text = "\n".join(keys)
    try:
        with open(path, encoding="ascii") as file:
            before = file.read().split()
    except (FileNotFoundError, ValueError):
        before = []
    frame.write(path, text.encode(), mode=0o600)
    return len(set(keys).difference(before)), hashlib.sha256(text.encode()).hexdigest()[:16]


def flaws(shelf: Shelf) -> list[Flaw]:
    """What is wrong: every entry is parsed, and every blob is read. A finished wheel that is gone is no flaw."""
    found = []
    wanted: dict[str, Blob] = {}
    needed: dict[str, str] = {}
    for item in items(shelf, "index"):
        entry = shelf.look(item.name)
        if isinstance(entry, str):
            # What vanishes meanwhile was cleared away.
            if entry == DAMAGED or os.path.lexists(item.path):
                found.append(_flaw(shelf, item.path, entry))
            continue
        if any(wanted.setdefault(blob.sha256, blob) != blob for blob in entry.blobs()):
            found.append(_flaw(shelf, item.path, "says of a blob what another entry denies"))
        needed.update({blob.sha256: item.path for blob in (entry.inner.blob, entry.info)})
    blobs = {item.name: item.path for item in items(shelf, "blobs")}
    lost = [(path, name) for name, path in sorted(needed.items()) if name not in blobs and os.path.lexists(path)]
    found.extend(_flaw(shelf, path, f"its blob {name[:12]} is not there") for path, name in lost)
    return found + [flaw for name, path in blobs.items() for flaw in _of_blob(shelf, path, name, wanted)]


def _of_blob(shelf: Shelf, path: str, name: str, wanted: Mapping[str, Blob]) -> list[Flaw]:
    try:
        found = _summary(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [_flaw(shelf, path, f"can't be read: {why(error)}")]
    if found.sha256 != name:
        return [_flaw(shelf, path, DAMAGED)]
    return [] if wanted.get(name, found) == found else [_flaw(shelf, path, "is not what its entry says")]


def _summary(path: str) -> Blob:
    strong, fast, size = hashlib.sha256(), xxhash.xxh3_128(), 0
    handle = os.open(path, READ)
    try:
        while chunk := os.read(handle, _CHUNK):
            strong.update(chunk)
            fast.update(chunk)
            size += len(chunk)
    finally:
        os.close(handle)
    return Blob(strong.hexdigest(), size, fast.digest())


def _flaw(shelf: Shelf, path: str, what: str) -> Flaw:
    return Flaw(path=os.path.relpath(path, shelf.root).replace(os.sep, "/"), what=what)
