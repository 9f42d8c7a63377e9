"""What installations have cost and saved, counted: by project, in the last week and since the beginning.

`journal` has a line for each. Older ones are summed up in a small file beside it, so that the journal stays short.
Where either is lost, there is less to count.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from freshwheel.base import files, records
from freshwheel.memory import journal

if TYPE_CHECKING:
    from freshwheel.memory.journal import Line

_WEEK = 7 * 24 * 3600
_KEPT = 2 * _WEEK
"""Seconds for which lines stay."""
_MOST = 2500
"""Lines that stay."""
_LONG = 1 << 20
"""Bytes of a journal that is worth the work."""
_MAGIC = b"FWCNT\0\0\2"


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """Installations, and ms."""

    hits: int = 0
    builds: int = 0
    failed: int = 0
    saved: int = 0
    """What the builds had taken that were not needed."""
    took: int = 0
    """What the builds took that were."""

    def __add__(self, other: Counts) -> Counts:
        """Both."""
        return Counts(**{name: value + getattr(other, name) for name, value in asdict(self).items()})


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """Counts by project."""

    since: int
    """Seconds since the epoch: the beginning; 0: nothing was counted."""
    week: Mapping[str, Counts] = field(default_factory=dict)
    all: Mapping[str, Counts] = field(default_factory=dict)


def count(cache: str, *, now: float) -> Statistics:
    """What there is to count; `now` in seconds."""
    since, older = _older(cache)
    lines = [one for one in journal.load(journal.place(cache)) if one[0] >= since]
    return Statistics(
        since=_first(since, lines),
        week=_summed({}, (one for one in lines if one[0] > now - _WEEK)),
        all=_summed(older, lines),
    )


def fold(cache: str, *, now: float) -> None:
    """A journal that is long has its newest lines alone, and the others are summed up, if that can be."""
    path = journal.place(cache)
    apart = files.beside(path)
    try:
        if os.stat(path).st_size < _LONG:
            return
        os.replace(path, apart)
        lines = journal.load(apart)
        files.discard(apart)
    except OSError:
        return
    since, older = _older(cache)
    cut = max([now - _KEPT, *(one[0] for one in lines[_MOST : _MOST + 1])])
    old = [one for one in lines if since <= one[0] <= cut]
    if not old or _write(cache, _first(since, old), _summed(older, old)):
        for one in reversed(lines):
            if one[0] > cut:
                journal.add(cache, one)


def zero(cache: str, *, now: float) -> bool:
    """Whether counting begins anew; the journal stays, for those who ask why."""
    return _write(cache, int(now), {})


def _first(since: int, lines: Iterable[Line]) -> int:
    return since or min((one[0] for one in lines), default=0)


def _summed(known: Mapping[str, Counts], lines: Iterable[Line]) -> dict[str, Counts]:
    found = dict(known)
    for _, kind, _, _, name, _, _, took, saved in lines:
        project = name.partition("-")[0].replace("_", "-").lower()
        one = Counts(hits=1, saved=saved)
        if kind in ("built", "failed"):
            one = Counts(builds=int(kind == "built"), failed=int(kind == "failed"), took=took)
        found[project] = found.get(project, Counts()) + one
    return dict(sorted(found.items()))


def _place(cache: str) -> str:
    return os.path.join(cache, "counted")


def _older(cache: str) -> tuple[int, dict[str, Counts]]:
    """Since when is counted, and what the journal does not have any more; 0 and nothing where that can't be read."""
    since, projects = records.load(_place(cache), _MAGIC) or (0, {})
    return since, {name: Counts(**one) for name, one in projects.items()}


def _write(cache: str, since: int, projects: Mapping[str, Counts]) -> bool:
    return records.save(_place(cache), _MAGIC, (since, {name: asdict(one) for name, one in projects.items()}))
