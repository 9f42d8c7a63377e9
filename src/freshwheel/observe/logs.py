"""What the receivers of a supervisor have written down, put together: the account of one observed command."""

from __future__ import annotations

import bisect
import marshal
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from freshwheel.base.rows import Row
from freshwheel.observe.account import Account, Program, Use

__all__ = ["account"]

_NEVER = 1 << 64
_GONE = b" (deleted)"
"""What the kernel puts behind the name of a program that was removed."""

_Key = tuple[int, bytes, tuple[bytes, ...]]
"""Process, program and words; the process is 0 for one that was forked, and has executed nothing since."""


def account(folder: str, receivers: int, command: int) -> Account:
    """The account of what was written into a folder; a log that is lost is a doubt.

    `command` is the process of the command: what it did before it became that is taken for its own.
    """
    read = [_read(os.path.join(folder, f"{place}.log")) for place in range(receivers)]
    whole = [log for log in read if log is not None]
    doubts = [] if len(whole) == len(read) else ["a part of what was observed is lost"]
    doubts += [doubt for *_, theirs in whole for doubt in theirs]
    cast = _Cast(command, [executed for _, _, ones, _ in whole for executed in ones])
    for images, *_ in whole:
        cast.add(images)
    cast.close()
    return Account(
        uses=_uses(cast, [paths for _, paths, _, _ in whole]),
        programs=tuple(cast.programs),
        doubts=tuple(dict.fromkeys(doubts)),
    )


def _read(path: str) -> tuple[Any, ...] | None:
    """What one receiver has written; None where that is lost."""
    try:
        with open(path, "rb") as file:
            log = marshal.loads(file.read())  # noqa: S302 - from our own supervisor, in a private folder
    except (OSError, EOFError, ValueError, TypeError):
        return None
    return log if isinstance(log, tuple) else None


class _Cast:
    """The programs that ran, whoever has seen them."""

    def __init__(self, command: int, executed: Iterable[tuple[Any, ...]]) -> None:
        self.command = command
        self.executed: dict[int, list[tuple[Any, ...]]] = {}
        """By process: number, path and words."""
        for number, group, *rest in sorted(executed):
            self.executed.setdefault(group, []).append((number, *rest))
        self.first: dict[_Key, int] = {}
        self.used: dict[_Key, list[tuple[Any, ...]]] = {}
        self.programs: list[Program] = []
        self.by: tuple[dict[bytes, set[int]], ...] = ({}, {}, {}, {})
        """For each way of use: path, and numbers of programs."""

    def add(self, images: Iterable[tuple[Any, ...]]) -> None:
        """Adds what one receiver has seen."""
        for first, group, path, words, forked, used in images:
            key = (0 if forked else group, path.removesuffix(_GONE), words)
            self.first[key] = min(first, self.first.get(key, _NEVER))
            self.used.setdefault(key, []).append((group, *used))

    def close(self) -> None:
        """Numbers the programs, in the order in which they were seen, and says who has used what."""
        same: dict[tuple[bytes, tuple[bytes, ...]], int] = {}
        seen: set[tuple[int, int]] = set()
        order = sorted(self.first, key=lambda key: (not key[0], self.first[key]))  # forked ones last
        for key in order:
            group, path, words = key
            number = same.get((path, words)) if not group else None
            if not group and self.used[key][0][0] == self.command and self.programs:
                number = 0
            if number is None:
                number = same[path, words] = len(self.programs)
                pid = group or self.used[key][0][0]
                self.programs.append(Program(path=path, words=words, pid=pid, forked=not group))
            if group:
                self.match(key, seen)
            for _, *used in self.used[key]:
                for paths, by in zip(used, self.by, strict=True):
                    for place in paths:
                        by.setdefault(place, set()).add(number)
        self.silent(seen)

    def match(self, key: _Key, seen: set[tuple[int, int]]) -> None:
        """Notes which execution this program comes from."""
        mine = self.executed.get(key[0], [])
        place = bisect.bisect_left(mine, self.first[key], key=lambda entry: entry[0]) - 1 if mine else -1
        if place >= 0:
            seen.add((key[0], place))

    def silent(self, seen: set[tuple[int, int]]) -> None:
        """Adds those that were executed, and have asked for nothing that anybody has seen."""
        for group, executed in self.executed.items():
            for place, (_, path, words) in enumerate(executed):
                if (group, place) not in seen:
                    self.programs.append(Program(path=path, words=words, pid=group))


def _uses(cast: _Cast, seen: Sequence[Mapping[bytes, Sequence[Any]]]) -> dict[bytes, Use]:
    """The use of each path; who has met it first has seen what was there."""
    met: dict[bytes, tuple[Row | None, int, int, int]] = {}
    for paths in seen:
        for path, (row, *order) in paths.items():
            known = met.get(path, (row, _NEVER, _NEVER, _NEVER))
            first = row if min(order) < min(known[1:]) else known[0]
            taken, written, read_first = map(min, order, known[1:])
            met[path] = first, taken, written, read_first
    nobody: frozenset[int] = frozenset()
    uses = {}
    for path, (row, taken, written, read_first) in met.items():
        read, asked, run, wrote = (frozenset(by[path]) if path in by else nobody for by in cast.by)
        uses[path] = Use(
            first=row,
            read=read,
            asked=asked,
            run=run,
            written=wrote,
            before=taken != _NEVER and taken <= written,
            read_before=read_first != _NEVER and read_first <= written,
        )
    return uses
