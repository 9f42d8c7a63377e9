"""The glob dialect of `include` and `exclude`: rooted at the project directory, `/` between segments, case-sensitive.

`*`, `?` and `[...]` match within one segment, `**` is a whole segment and matches any number of folders. A pattern that
names a folder counts for everything below it. Matching goes folder by folder, along with the walk of a tree: `Places`
say how far each pattern has come. So a walk knows where no pattern can match any more, and what `**` merely passes over
can be told from what a pattern names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Places: TypeAlias = frozenset[tuple[int, int]]
"""In one folder: pattern, and the number of its segments that are matched. All of them: it names a folder above."""

_CLASS = re.compile(r"\[(!|(?!!))(\][^\]]*|[^\]]+)\]")
_RANGE = re.compile(r"(.)-(.)", re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:")
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Glob:
    """One pattern."""

    text: str
    climb: int
    """How many `../` it starts with."""
    literal: tuple[str, ...]
    """The segments after those that have no wildcard, up to the first that has one."""
    segments: tuple[re.Pattern[str] | None, ...]
    """All segments after the `../`; None: `**`, which is never the last one."""
    names_files: bool
    """Whether it may name a file: not where it ends with `/` or `/**`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Globs:
    """Several patterns, matched together."""

    patterns: tuple[Glob, ...]

    def start(self, climb: int = 0) -> Places:
        """The places in the project directory, or in the folder that many levels above it."""
        first = frozenset((number, 0) for number, glob in enumerate(self.patterns) if glob.climb == climb)
        return self._over(first)

    def step(self, places: Places, name: str, *, wild: bool = True) -> Places:
        """The places in the folder `name`; unless `wild`, it must be named: neither `**` nor a folder above do that."""
        if not places:
            return places
        return self._over(frozenset(place for before in places for place in self._next(before, name, wild)))

    def matching(self, places: Places, name: str, *, wild: bool = True) -> set[int]:
        """The numbers of the patterns that match the file `name`; `wild` as in `step`."""
        return {number for number, done in places if self._matches(self.patterns[number], done, name, wild)}

    def covers(self, places: Places) -> bool:
        """Whether everything below the folder matches."""
        return any(done == len(self.patterns[number].segments) for number, done in places)

    def _next(self, place: tuple[int, int], name: str, wild: bool) -> list[tuple[int, int]]:  # noqa: FBT001
        number, done = place
        segments = self.patterns[number].segments
        if done == len(segments) or (segment := segments[done]) is None:
            return [place] if wild else []
        return [(number, done + 1)] if segment.fullmatch(name) else []

    def _matches(self, glob: Glob, done: int, name: str, wild: bool) -> bool:  # noqa: FBT001
        if done == len(glob.segments):
            return wild
        segment = glob.segments[done]
        last = done + 1 == len(glob.segments) and glob.names_files
        return last and segment is not None and segment.fullmatch(name) is not None

    def _over(self, places: Places) -> Places:
        """`places`, and those behind a `**` that matches no folder at all."""
        behind = {
            (number, done + 1)
            for number, done in places
            if done < len(self.patterns[number].segments) and self.patterns[number].segments[done] is None
        }
        return places | behind


def check(pattern: str) -> str | None:
    """What is wrong with `pattern`, in words, or None."""
    if not pattern:
        return "is empty"
    if "\0" in pattern or "\\" in pattern:
        return f"{pattern!r} has a backslash or a NUL in it; folders are separated by /"
    if pattern.startswith("/") or _DRIVE.match(pattern):
        return f"{pattern!r} is absolute; patterns are relative to the project directory"
    segments = _below(pattern.removesuffix("/").split("/"))
    if not segments:
        return f"{pattern!r} names no file or folder; {pattern.removesuffix('/')}/** is everything there"
    return next((reason for segment in segments if (reason := _check_segment(pattern, segment))), None)


def parse(patterns: Sequence[str]) -> Globs:
    """The patterns, ready to match; each counts once. ValueError, with the reason, if one is not of the dialect."""
    for pattern in patterns:
        if (reason := check(pattern)) is not None:
            raise ValueError(reason)
    return Globs(patterns=tuple(_parsed(pattern) for pattern in sorted(set(patterns))))


def _below(segments: Sequence[str]) -> list[str]:
    """`segments` without the `..` that they start with."""
    climb = 0
    while climb < len(segments) and segments[climb] == "..":
        climb += 1
    return list(segments[climb:])


def _check_segment(pattern: str, segment: str) -> str | None:
    wrong = {
        "an empty segment": not segment,
        "a segment that is only a dot": segment == ".",
        ".. in the middle; a pattern can climb at its start only": segment == "..",
        "** as a part of a segment; it must be a whole one": "**" in segment and segment != "**",
        "a [ that is not closed; a literal one is written [[]": "[" in _CLASS.sub("", segment),
        "a range that runs backwards": any(
            low > high for found in _CLASS.finditer(segment) for low, high in _RANGE.findall(found[2])
        ),
    }
    return next((f"{pattern!r} has {what}" for what, is_so in wrong.items() if is_so), None)


def _parsed(pattern: str) -> Glob:
    spelled = pattern.removesuffix("/").split("/")
    segments = _below(spelled)
    literal = next((number for number, one in enumerate(segments) if _MAGIC.search(one)), len(segments))
    names_files = not pattern.endswith("/") and segments[-1] != "**"
    while segments and segments[-1] == "**":
        segments.pop()
    single = [one for number, one in enumerate(segments) if one != "**" or segments[number - 1 : number] != ["**"]]
    return Glob(
        text=pattern,
        climb=len(spelled) - len(_below(spelled)),
        literal=tuple(segments[:literal]),
        segments=tuple(None if one == "**" else re.compile(_expression(one), re.DOTALL) for one in single),
        names_files=names_files,
    )


def _expression(segment: str) -> str:
    """The regular expression for one segment."""
    parts: list[str] = []
    at = 0
    while at < len(segment):
        if found := _CLASS.match(segment, at):
            parts.append(f"[{'^' if found[1] else ''}{_members(found[2])}]")
            at = found.end()
            continue
        parts.append({"*": ".*", "?": "."}.get(segment[at]) or re.escape(segment[at]))
        at += 1
    return "".join(parts)


def _members(members: str) -> str:
    """The inside of a `[...]`, with nothing special in it but ranges."""
    parts: list[str] = []
    at = 0
    while at < len(members):
        if found := _RANGE.match(members, at):
            parts.append(f"{re.escape(found[1])}-{re.escape(found[2])}")
            at = found.end()
            continue
        parts.append(re.escape(members[at]))
        at += 1
    return "".join(parts)
