"""What the Pythons of a build have written down of themselves; `interpreter.stable` makes them.

Each leaves one file, named by its process id: records of a kind and a count, and as many words, each with a NUL behind.
A process that could not write all of it has removed its file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from freshwheel.base import rows
from freshwheel.observe.account import Account, Program, Use

__all__ = ["read"]

_NAMED = (b"v", b"m", b"d", b"l", b"f", b"k")
_ENOUGH = 5
"""How many words tell programs apart."""


def read(folder: str) -> Account:
    """What all of them say. A variable `*` means that one may have asked for any.

    With `files` the rows are those of now. A program without a process id was started by a Python, and is not one of
    those that speak for themselves. Raises OSError where a file can't be read.
    """
    tale = _Tale()
    for name in sorted(os.listdir(folder)):
        pid = name.partition(".")[0]
        if pid.isdigit():
            with open(os.path.join(folder, name), "rb") as file:
                tale.hear(int(pid), _records(file.read()))
    return tale.account()


def _records(data: bytes) -> Iterator[tuple[bytes, Sequence[bytes]]]:
    """The records that are whole."""
    words = data.split(b"\0")[:-1]
    at = 0
    while at < len(words):
        kind, count = words[at][:1], words[at][1:]
        end = at + 1 + (int(count) if count.isdigit() else 0)
        if at + 1 < end <= len(words):
            yield kind, words[at + 1 : end]
        at = end


@dataclass(kw_only=True, slots=True)
class _Path:
    """What was done with one path: the numbers of programs, and when it was first done."""

    by: dict[bytes, set[int]] = field(default_factory=dict)
    first: dict[bytes, int] = field(default_factory=dict)

    def use(self, path: bytes) -> Use:
        """That, as it is said elsewhere."""
        return Use(
            first=rows.at(path),
            read=frozenset(self.by.get(b"r", ())),
            asked=frozenset(self.by.get(b"s", ())),
            written=frozenset(self.by.get(b"w", ())),
            before=self.comes_first(b"r", b"s"),
            read_before=self.comes_first(b"r"),
        )

    def comes_first(self, *kinds: bytes) -> bool:
        """Whether one of these was done before the path was first written."""
        taken = [self.first[kind] for kind in kinds if kind in self.first]
        return bool(taken) and min(taken) <= self.first.get(b"w", min(taken))


@dataclass(kw_only=True, slots=True)
class _Tale:
    """What was heard so far."""

    named: dict[bytes, set[str]] = field(default_factory=lambda: {kind: set() for kind in _NAMED})
    """By kind: variables, modules, distributions; compiled modules that were loaded, folders listed, files packed."""
    pids: list[int] = field(default_factory=list)
    speakers: list[Program] = field(default_factory=list)
    started: list[Program] = field(default_factory=list)
    paths: dict[bytes, _Path] = field(default_factory=dict)

    def hear(self, pid: int, records: Iterator[tuple[bytes, Sequence[bytes]]]) -> None:
        """One process speaks."""
        self.pids.append(pid)
        for kind, (word, *more) in records:
            if kind in self.named:
                self.named[kind].add(os.fsdecode(word))
            elif kind == b"p":
                self.speakers.append(Program(path=word, words=tuple(more), pid=pid))
            elif kind == b"x":
                self.started.append(Program(path=word, words=tuple(more)))
            elif more and more[0].isdigit():
                path = self.paths.setdefault(word, _Path())
                path.by.setdefault(kind, set()).add(len(self.speakers) - 1)
                path.first[kind] = min(int(more[0]), path.first.get(kind, int(more[0])))

    def account(self) -> Account:
        """All of it."""
        others, silent = list(self.speakers), []
        for program in self.started:
            same = next((speaker for speaker in others if _is_same(program, speaker)), None)
            if same is None:
                silent.append(program)
            else:
                others.remove(same)
        return Account(
            uses={path: known.use(path) for path, known in self.paths.items()},
            programs=(*self.speakers, *silent),
            variables=frozenset(self.named[b"v"]),
            modules=frozenset(self.named[b"m"]),
            distributions=frozenset(self.named[b"d"]),
            loaded=frozenset(map(os.fsencode, self.named[b"l"])),
            listed=frozenset(map(os.fsencode, self.named[b"f"])),
            copied=frozenset(map(os.fsencode, self.named[b"k"])),
            witnessed=tuple(self.pids),
        )


def _is_same(started: Program, speaker: Program) -> bool:
    """Whether a program that was started may be a Python that speaks: by its words, or by those of the script it is."""
    words = started.words[1:_ENOUGH]
    named = os.path.basename(started.path) == os.path.basename(speaker.path) or started.path in speaker.words
    return named and any(speaker.words[at : at + len(words)] == words for at in range(1, _ENOUGH))
