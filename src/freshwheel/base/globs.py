"""The glob dialect of `include` and `exclude`: rooted at the project directory, `/` between segments, case-sensitive.

`*`, `?` and `[...]` match within one segment, `**` is a whole segment and matches any number of folders. A pattern that
names a folder counts for everything below it. Matching goes folder by folder, along with the walk of a tree: `Places`
say how far each pattern has come. So a walk knows where no pattern can match any more, and what `**` merely passes over
can be told from what a pattern names.
"""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

Places: TypeAlias = frozenset[tuple[int, int]]
"""In one folder: pattern, and the number of its segments that are matched. All of them: it names a folder above."""

MAGIC = re.compile(r"[*?\[]")
"""What makes a segment more than a name."""
_END = re.compile(r"[*?\[\]]")
_CLASS = re.compile(r"\[(?:!|(?!!))(\][^\]]*|[^\]]+)\]")
_RANGE = re.compile(r"(.)-(.)", re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, kw_only=True, slots=True)
class Glob:
    """One pattern."""

    text: str
    climb: int
    """How many `../` it starts with."""
    literal: tuple[str, ...]
    """The segments after those that have no wildcard, up to the first that has one."""
    segments: tuple[Callable[[str], bool] | None, ...]
    """What all segments after the `../` say of a name; None: `**`, which is never the last one."""
    names_files: bool
    """Whether it may name a file: not where it ends with `/` or `/**`."""

    def names(self, done: int, name: str) -> bool:
        """Whether the segment behind `done` others is the last one, and matches the file `name`."""
        segment = self.segments[done]
        return self.names_files and done + 1 == len(self.segments) and segment is not None and segment(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Globs:
    """Several patterns, matched together."""

    patterns: tuple[Glob, ...]

    def start(self, climb: int = 0) -> Places:
        """The places in the project directory, or in the folder that many levels above it."""
        return self._over((number, 0) for number, glob in enumerate(self.patterns) if glob.climb == climb)

    def step(self, places: Places, name: str, *, wild: bool = True) -> Places:
        """The places in the folder `name`; unless `wild`, it must be named: neither `**` nor a folder above do that."""
        if not places:
            return places
        after: set[tuple[int, int]] = set()
        for number, done in places:
            segments = self.patterns[number].segments
            if done == len(segments) or (segment := segments[done]) is None:
                after.update([(number, done)] if wild else ())
            elif segment(name):
                after.add((number, done + 1))
        return self._over(after)

    def matching(self, places: Places, name: str, *, wild: bool = True) -> set[int]:
        """The numbers of the patterns that match the file `name`; `wild` as in `step`."""
        globs = self.patterns
        return {at for at, done in places if (wild if done == len(globs[at].segments) else globs[at].names(done, name))}

    def covers(self, places: Places) -> bool:
        """Whether everything below the folder matches."""
        return any(done == len(self.patterns[number].segments) for number, done in places)

    def match(self, path: str, *, below: bool = True) -> bool:
        """Whether a path is matched, or lies `below` a folder that is."""
        names = path.split("/")
        climb = names.count("..")
        places = self.start(climb)
        for name in names[climb:-1]:
            places = self.step(places, name)
        return bool(self.matching(places, names[-1], wild=below))

    def _over(self, places: Iterable[tuple[int, int]]) -> Places:
        """`places`, and those behind a `**` that matches no folder at all."""
        here = frozenset(places)
        return here | {(at, n + 1) for at, n in here if self.patterns[at].segments[n : n + 1] == (None,)}


def check(pattern: str) -> str | None:
    """What is wrong with `pattern`, in words, or None."""
    if not pattern:
        return "is empty"
    if "\0" in pattern or "\\" in pattern:
        return f"{pattern!r} has a backslash or a NUL in it; folders are separated by /"
    if pattern.startswith("/") or _DRIVE.match(pattern):
        return f"{pattern!r} is absolute; patterns are relative to the project directory"
    _, segments = _split(pattern)
    if not segments:
        return f"{pattern!r} names no file or folder; {pattern.removesuffix('/')}/** is everything there"
    return next((reason for segment in segments if (reason := _check_segment(pattern, segment))), None)


def parse(patterns: Sequence[str]) -> Globs:
    """The patterns, ready to match; each counts once. ValueError, with the reason, if one is not of the dialect."""
    for pattern in patterns:
        if (reason := check(pattern)) is not None:
            raise ValueError(reason)
    return Globs(patterns=tuple(_parsed(pattern) for pattern in sorted(set(patterns))))


def escaped(path: str) -> str:
    """The pattern that matches `path` alone."""
    return MAGIC.sub(r"[\g<0>]", path)


def _split(pattern: str) -> tuple[int, list[str]]:
    """How many `..` a pattern starts with, and its other segments."""
    segments = pattern.removesuffix("/").split("/")
    climb = next((number for number, segment in enumerate(segments) if segment != ".."), len(segments))
    return climb, segments[climb:]


def _check_segment(pattern: str, segment: str) -> str | None:
    ranges = [pair for match in _CLASS.finditer(segment) for pair in _RANGE.findall(match[1])]
    wrong = {
        "an empty segment": not segment,
        "a segment that is only a dot": segment == ".",
        ".. in the middle; a pattern can climb at its start only": segment == "..",
        "** as a part of a segment; it must be a whole one": "**" in segment and segment != "**",
        "a [ that is not closed; a literal one is written [[]": "[" in _CLASS.sub("", segment),
        "a range that runs backwards": any(low > high for low, high in ranges),
    }
    return next((f"{pattern!r} has {what}" for what, is_so in wrong.items() if is_so), None)


def _parsed(pattern: str) -> Glob:
    climb, segments = _split(pattern)
    literal = next((number for number, segment in enumerate(segments) if MAGIC.search(segment)), len(segments))
    names_files = not pattern.endswith("/") and segments[-1] != "**"
    while segments and segments[-1] == "**":
        segments.pop()
    single = [
        segment for number, segment in enumerate(segments) if segment != "**" or segments[number - 1 : number] != ["**"]
    ]
    return Glob(
        text=pattern,
        climb=climb,
        literal=tuple(segments[:literal]),
        segments=tuple(None if segment == "**" else _matcher(segment) for segment in single),
        names_files=names_files,
    )


def _matcher(segment: str) -> Callable[[str], bool]:
    """What says whether a segment matches a name. Few names need a regular expression for that."""
    start, end = MAGIC.split(segment)[0], _END.split(segment)[-1]
    if start == segment:
        return partial(operator.eq, segment)
    return lambda name: name.startswith(start) and name.endswith(end) and fnmatch.fnmatchcase(name, segment)
