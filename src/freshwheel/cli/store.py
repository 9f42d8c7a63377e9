"""The verb `store`: what lies in the store, what is wrong with it, and clearing it away."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from freshwheel.base import files
from freshwheel.build import module_copies
from freshwheel.cli import render
from freshwheel.cli.render import Answer, Line
from freshwheel.store import upkeep
from freshwheel.store.store import Store
from freshwheel.store.upkeep import AGE, SIZE, Listed, Pruned

_KEY = 12
"""Digits of a key that are shown to people."""


_REFUSED = Pruned(reason="nothing was removed")


def answer(
    action: str,
    environ: Mapping[str, str],
    *,
    size: int | None = None,
    age: float | None = None,
    agreed: Callable[[str], bool] = lambda _: True,
) -> Answer:
    """The answer of one action; `agreed` asks a person whether the store at a place may be cleared."""
    cache = files.cache_directory(environ)
    store = Store.open(cache)
    if isinstance(store, str):
        return Answer(lines=[Line(store, "bad")], value={"reason": store}, wrong=True)
    alone = {"list": _listed, "verify": _verified}
    if action in alone:
        return alone[action](store)
    match action:
        case "changed":
            return _changed(store, cache or "")
        case "prune":
            limit, longest = SIZE if size is None else size, AGE if age is None else age
            return _pruned(upkeep.prune(store.shelf, now=time.time_ns(), size=limit, age=longest, force=True))
        case "clear":
            return _cleared(store, cache or "") if agreed(store.shelf.root) else _pruned(_REFUSED)
        case _:
            return _info(store, cache or "")


def _changed(store: Store, cache: str) -> Answer:
    """Whether there is something new since it was last asked: nothing new is what a script fails by."""
    try:
        number, key = upkeep.stored(store.shelf, module_copies.names(cache))
    except OSError as error:
        why = f"can't write in {store.shelf.root}: {error.strerror or error}"
        return Answer(lines=[Line(why, "bad")], value={"reason": why}, wrong=True)
    what = f"{render.count(number, 'build')} stored since this was last asked"
    return Answer(
        lines=[Line(what, "good" if number else "text")], value={"stored": number, "key": key}, wrong=not number
    )


def _cleared(store: Store, cache: str) -> Answer:
    """The store is empty, and nothing is kept of editables."""
    module_copies.clear(cache)
    return _pruned(upkeep.clear(store.shelf, now=time.time_ns()))


def _info(store: Store, cache: str) -> Answer:
    found, (trees, size) = upkeep.info(store.shelf), module_copies.total(cache)
    value = {
        "place": found.root,
        "entries": found.entries,
        "blobs": found.blobs,
        "bytes": found.size,
        "bad": found.bad,
        "editables": {"trees": trees, "bytes": size},
        "limits": {"bytes": SIZE, "seconds": AGE},
    }
    counts = [render.count(found.entries, "entry", "entries"), render.count(found.blobs, "blob")]
    lines = [
        Line(found.root, "head"),
        Line(", ".join([*counts, _bytes(found.size)])),
        Line(f"limits: {_bytes(SIZE)}, unused for {AGE // (24 * 3600)} days"),
    ]
    if trees:
        lines.append(Line(f"kept of editables beside it, of {render.count(trees, 'tree')}: {_bytes(size)}"))
    if found.bad:
        lines.append(Line(f"{render.count(found.bad, 'file')} put away as damaged", "note"))
    return Answer(lines=lines, value=value)


def _listed(store: Store) -> Answer:
    found = sorted(upkeep.entries(store.shelf), key=lambda one: (_name(one), -one.item.time, one.entry.key))
    value = {
        "entries": [
            {
                "wheel": _name(one),
                "bytes": _size(one),
                "used": one.item.time // 10**9,
                "key": one.entry.key,
                "milliseconds": one.entry.milliseconds,
                "built_with": dict(one.entry.installed),
            }
            for one in found
        ]
    }
    lines = [
        Line(
            f"{_name(one)}  {_bytes(_size(one))}  used {render.moment(one.item.time // 10**9)}  {one.entry.key[:_KEY]}"
        )
        for one in found
    ]
    return Answer(lines=lines or [Line("no entries", "good")], value=value)


def _verified(store: Store) -> Answer:
    flaws = upkeep.flaws(store.shelf)
    lines = [Line(f"{path}: {what}", "bad") for path, what in flaws]
    lines.append(Line(render.count(len(flaws), "flaw") if flaws else "no flaws", "bad" if flaws else "good"))
    value = {"flaws": [{"path": path, "what": what} for path, what in flaws]}
    return Answer(lines=lines, value=value, wrong=bool(flaws))


def _pruned(found: Pruned) -> Answer:
    value = {
        "entries": found.entries,
        "blobs": found.blobs,
        "files": found.files,
        "bytes": found.size,
        "recent": found.recent,
        "over": found.over,
        "reason": found.reason,
    }
    if found.reason:
        return Answer(lines=[Line(found.reason, "bad")], value=value, wrong=True)
    counts = [
        render.count(found.entries, "entry", "entries"),
        render.count(found.blobs, "blob"),
        render.count(found.files, "other file"),
    ]
    lines = [Line(f"removed {', '.join(counts)}: {_bytes(found.size)}", "good")]
    if found.over:
        kept = render.count(found.recent, "entry", "entries")
        why = f"kept {kept}, used in the last hour: the store has {_bytes(found.over)} more than it should"
        lines += [Line(why, "note"), Line("  prune it later, or remove everything by `freshwheel store clear`", "do")]
    return Answer(lines=lines, value=value)


def _name(one: Listed) -> str:
    """The wheel that people know: the finished one, or the inner one where that is not kept."""
    names = sorted(wheel.name for wheel in one.entry.finished.values())
    return names[0] if names else one.entry.inner.name


def _size(one: Listed) -> int:
    return one.item.size + sum({blob.sha256: blob.size for blob in one.entry.blobs()}.values())


def _bytes(number: int) -> str:
    amount, unit = float(number), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":  # noqa: PLR2004 - the next unit
            break
        amount /= 1024
    return f"{number} B" if unit == "B" else f"{amount:.1f} {unit}"
