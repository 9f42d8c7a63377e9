"""Extension modules of one tree: those that lie in it, and copies of what editable builds made there."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping

from freshwheel.base import files, rows
from freshwheel.base.rows import Row
from freshwheel.memory import editables
from freshwheel.memory.editables import Module, Record, Wheel
from freshwheel.sources import boundary, disk

MOST = 8
"""Records that are kept for one ABI."""

_SIZE = 1 << 30
"""Bytes of copies that are kept for one tree; those of the newest record are kept whatever their size."""
_MOST_FOLDERS = 20_000
"""Folders that are looked into."""
_EVIDENCE = frozenset((b"CACHEDIR.TAG", b"pyvenv.cfg", b"conda-meta", b".rustc_info.json", b"CMakeCache.txt"))
_SLACK = 2 * 10**9
"""Nanoseconds: a file that is younger may change again without another row."""


def keep(cache: str, tree: bytes, record: Record, made: Mapping[bytes, str]) -> bool:
    """Whether a record is kept, before all others, with copies of what was `made`: content -> path.

    What does not fit any more goes: records, copies, and all of trees that are gone.
    """
    folder = editables.place(cache, tree)
    try:
        files.settle(folder)
        for content, path in made.items():
            target = os.path.join(folder, content.hex())
            if not _holds(target, content):
                files.copy(path, target, mode=0o600)
        kept = _bounded(
            folder, [record, *(earlier for earlier in editables.load(cache, tree) if not _same(earlier, record))]
        )
        if not editables.save(cache, tree, kept):
            return False
        _tidy(folder, kept)
        _sweep(editables.top(cache))
    except (OSError, rows.RestlessError):
        return False
    return True


def used(cache: str, tree: bytes, record: Record, now: int) -> None:
    """Puts a record before all others, with the rows of its modules; `now` is a time, in ns, before any look at them.

    That it can't be written is no matter.
    """
    modules = tuple(_stamped(tree, module, now) for module in record.modules)
    keep(cache, tree, record.but(modules=modules), {})


def put_back(cache: str, tree: bytes, module: Module) -> bool:
    """Whether a module lies in the tree again, written beside and renamed: the old file may be mapped."""
    source = os.path.join(editables.place(cache, tree), module.content.hex())
    return _copied(source, os.fsdecode(os.path.join(tree, module.path)), module.content, module.mode)


def fetch(cache: str, tree: bytes, wheel: Wheel, target: str) -> bool:
    """Whether the inner wheel lies at the path `target` now."""
    source = os.path.join(editables.place(cache, tree), wheel.content.hex())
    return _copied(source, target, wheel.content, 0o666)


def total(cache: str) -> tuple[int, int]:
    """Of how many trees something is kept, and how many bytes that is."""
    trees = size = 0
    for top, _, names in os.walk(editables.top(cache)):
        trees += editables.FILE in names
        size += sum(_size(os.path.join(top, name)) for name in names)
    return trees, size


def names(cache: str) -> list[str]:
    """A name for each build of which something is kept."""
    trees = [editables.owner(top) for top, _, files in os.walk(editables.top(cache)) if editables.FILE in files]
    kept = [
        (editables.place(cache, tree), record)
        for tree in trees
        if tree is not None
        for record in editables.load(cache, tree)
    ]
    return [f"{os.path.basename(folder)}.{record.key}.{record.wheel.content.hex()}" for folder, record in kept]


def clear(cache: str) -> None:
    """Nothing is kept of any tree, as far as it can be removed."""
    shutil.rmtree(editables.top(cache), ignore_errors=True)


def _copied(source: str, target: str, content: bytes, mode: int) -> bool:
    """Whether `target` holds `content` now, which is what `source` should hold."""
    try:
        files.copy(source, target, content, mode=mode)
    except (OSError, ValueError):
        return False
    return True


def _holds(path: str, content: bytes) -> bool:
    try:
        seen = rows.read(os.fsencode(path), follow=False)
    except FileNotFoundError:
        return False
    return seen is not None and seen[1] == content


def _stamped(tree: bytes, module: Module, now: int) -> Module:
    """The module with the row that stands for it, if one does."""
    stamp = rows.UNTRUSTED
    try:
        seen = rows.read(os.path.join(tree, module.path), follow=False)
    except (OSError, rows.RestlessError):
        seen = None
    if seen is not None and seen[1] == module.content and rows.trusted(seen[2], started=now, slack=_SLACK):
        stamp = rows.stamp(rows.packed(seen[2]))
    return module.but(stamp=stamp)


def _same(record: Record, other: Record) -> bool:
    """Whether two records answer the same question, of which the later one knows better."""
    return (record.abi, record.key, _named(record)) == (other.abi, other.key, _named(other)) and (
        record.rests == other.rests
        and record.whole == other.whole
        and (not record.whole or record.digest == other.digest)
    )


def _named(record: Record) -> list[tuple[bytes, str]]:
    """What a record rests on, by name and kind."""
    return [item[:2] for item in record.rests]


def _bounded(folder: str, records: list[Record]) -> list[Record]:
    """The records that may stay: so many for each ABI, and as many as their copies fit."""
    kept: list[Record] = []
    counts: dict[str, int] = {}
    seen: dict[bytes, int] = {}
    for record in records:
        counts[record.abi] = counts.get(record.abi, 0) + 1
        sizes = {content: _size(os.path.join(folder, content.hex())) for content in _contents(record)}
        if counts[record.abi] <= MOST and (not kept or sum((seen | sizes).values()) <= _SIZE):
            kept.append(record)
            seen |= sizes
    return kept


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _contents(record: Record) -> set[bytes]:
    return {record.wheel.content, *(module.content for module in record.modules)}


def _tidy(folder: str, kept: Iterable[Record]) -> None:
    """Removes the copies that no record names."""
    wanted = {content.hex() for record in kept for content in _contents(record)} | {editables.FILE}
    for name in os.listdir(folder):
        if name not in wanted and not name.startswith("."):
            files.discard(os.path.join(folder, name))


def _sweep(top: str) -> None:
    """Removes what is kept of trees that are gone."""
    for name in os.listdir(top):
        folder = os.path.join(top, name)
        try:
            tree = editables.owner(folder)
            if tree is None or os.path.lexists(tree):
                continue
            for copy in os.listdir(folder):
                files.discard(os.path.join(folder, copy))
            os.rmdir(folder)
        except OSError:
            continue


class CrowdedError(Exception):
    """There are too many folders to look into."""


def extension_modules(
    tree: str, roots: Iterable[str], endings: tuple[str, ...], apart: Iterable[str] = ()
) -> dict[bytes, Row]:
    """Path -> row of the modules below `roots`, folders relative to `tree`, that end as this Python loads them.

    `apart` are folders that were given to tools, relative too. Raises OSError, and CrowdedError.
    """
    modules: dict[bytes, Row] = {}
    wanted = tuple(os.fsencode(ending) for ending in endings if ending.count(".") > 1)  # any other says nothing
    top = os.fsencode(tree)
    budget = iter(range(_MOST_FOLDERS))
    for root in sorted({disk.spelled(os.fsencode(text)) for text in roots}):
        for folder, names in _folders(top, root, budget, frozenset(map(os.fsencode, apart))):
            for name in names:
                if name.endswith(wanted) and boundary.is_dropping(name):
                    path = folder + b"/" + name if folder else name
                    status = os.lstat(os.path.join(top, path))
                    if stat.S_ISREG(status.st_mode):
                        modules[path] = rows.row(status)
    return modules


def _folders(
    top: bytes, root: bytes, budget: Iterator[int], apart: frozenset[bytes]
) -> Iterator[tuple[bytes, list[bytes]]]:
    """The folders from `root` downwards, relative to `top`, and the names in each; links are not followed."""
    left = [root]
    while left:
        folder = left.pop()
        if next(budget, None) is None:
            raise CrowdedError
        with os.scandir(os.path.join(top, folder)) as listing:
            entries = list(listing)
        names = [entry.name for entry in entries]
        if folder != root and (folder in apart or not _EVIDENCE.isdisjoint(names)):
            continue
        yield folder, names
        below = [
            entry.name for entry in entries if not boundary.is_bare(entry.name) and entry.is_dir(follow_symlinks=False)
        ]
        left += [folder + b"/" + name if folder else name for name in below if not name.startswith(b".")]
