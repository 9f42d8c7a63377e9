"""The verb `stats`: how many installations were hits, and what that has saved."""

from __future__ import annotations

import functools
import operator
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from freshwheel.base import files
from freshwheel.cli.render import Answer, Line, count, moment
from freshwheel.memory import stats
from freshwheel.memory.journal import span
from freshwheel.memory.stats import Counts


def answer(environ: Mapping[str, str], *, zero: bool = False) -> Answer:
    """The counts, by project and together; with `zero` they begin anew."""
    cache, now = files.cache_directory(environ), time.time()
    if cache is None or (zero and not stats.zero(cache, now=now)):
        why = "there is no cache directory" if cache is None else f"can't write in {cache}"
        return Answer(lines=[Line(f"nothing is counted: {why}", "bad")], value={"reason": why}, wrong=True)
    found = stats.count(cache, now=now)
    since = f"since {moment(found.since)}" if found.since else "so far"
    lines = [*_lines("this week", found.week), *_lines(since, found.all)]
    return Answer(lines=lines, value={"since": found.since, "week": _value(found.week), "all": _value(found.all)})


def _lines(when: str, found: Mapping[str, Counts]) -> list[Line]:
    below = [Line(f"  {name}: {_words(one)}") for name, one in found.items()]
    return [Line(f"{when}: {_words(_total(found))}", "head"), *below]


def _words(one: Counts) -> str:
    text = f"{count(one.hits, 'hit')}, {count(one.builds, 'build')}"
    if decided := one.hits + one.builds:
        text += f" ({100 * one.hits // decided} % hits), saved {span(one.saved)}, built for {span(one.took)}"
    return text + (f"; {count(one.failed, 'build')} failed" if one.failed else "")


def _value(found: Mapping[str, Counts]) -> dict[str, Any]:
    return {"total": asdict(_total(found)), "projects": {name: asdict(one) for name, one in found.items()}}


def _total(found: Mapping[str, Counts]) -> Counts:
    return functools.reduce(operator.add, found.values(), Counts())
