"""What a real project costs with freshwheel, held against what it must be compared with, in turns.

An empty project of flit_core is the floor of an installer: no wheel can be had for less. The project as it is, built
without isolation in a tree that keeps its build folder, is the floor of an edit.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edits import Edit
from subjects import Subject
from workshop import Workshop, replace

__all__ = ["Budgets", "empty"]

_PURE = (
    '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n\n'
    '[project]\nname = "empty-project"\nversion = "1.0"\ndescription = "Nothing"\n'
)
_OFFLINE = {"UV_OFFLINE": "1"}
_COSTLY = 3
"""Rounds of what compiles: it is long, and so less noisy."""
_SETTLED = 2.1
"""Seconds after which what was written is told by its times from what will be; nobody clones and installs in one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """One budget and its measurements."""

    what: str
    most: float
    """The largest ratio that keeps to it."""
    ours: Sequence[tuple[float, float]]
    """Seconds of each round, and seconds of processors."""
    floor: Sequence[tuple[float, float]]
    """The same of what it is compared with."""

    def row(self) -> str:
        """As Markdown; what is over budget is bold."""
        took, least = (statistics.median(seconds for seconds, _ in column) for column in (self.ours, self.floor))
        return f"| {self.what} | {took:.3g} | {least:.3g} | {self.ratio(0)} | {self.ratio(1)} | {self.most} |"

    def ratio(self, place: int) -> str:
        """The median of the ratios of each round; nothing where a system does not say."""
        pairs = [(one[place], other[place]) for one, other in zip(self.ours, self.floor, strict=True)]
        if not all(other for _, other in pairs):
            return ""
        found = statistics.median(one / other for one, other in pairs)
        return f"{found:.2f}" if found <= self.most else f"**{found:.2f}**"


class Budgets:
    """The measurements of one wrapped tree, whose last build was of what stands there."""

    def __init__(self, subject: Subject, workshop: Workshop, *, tree: str, python: str) -> None:
        self.subject = subject
        self.workshop = workshop
        self.tree = tree
        self.python = python
        self.empty, self.flit = empty(workshop)

    def measured(self, rounds: int) -> str:
        """All budgets as Markdown."""
        lines = [
            *self.against_nothing(rounds),
            self.first_rebuild(min(rounds, _COSTLY)),
        ]
        head = f"| {self.subject.title} | seconds | of the floor | ratio | the same of processor time | budget |\n"
        head += "|---|---|---|---|---|---|\n"
        return head + "\n".join(line.row() for line in lines)

    def against_nothing(self, rounds: int) -> list[_Line]:
        """What is known already, against an empty project."""
        edit = self.subject.rust
        columns: dict[str, list[tuple[float, float]]] = {}
        for count in range(-1, rounds):  # the first round warms what is read from disk
            for installer in ("uv", "pip"):
                clone = _cloned(self.tree, os.path.join(self.workshop.scratch, f"clone-{installer}-{count + 1}"))
                ways: dict[str, Callable[[], tuple[float, float]]] = {
                    "floor": lambda by=installer: self.took(by, self.empty, self.flit),
                    "unchanged": lambda by=installer: self.took(by, self.tree),
                    "new clone": lambda by=installer, place=clone: self.took(by, place),
                    "edit known": lambda by=installer: self.edited(by, edit.old, edit.new),
                    "edit taken back": lambda by=installer: self.edited(by, edit.new, edit.old),
                }
                # What is unchanged comes after itself, never after an edit or another installer.
                self.took(installer, self.tree)
                time.sleep(_SETTLED)
                for name, way in ways.items():
                    seconds = way()
                    if count >= 0:
                        columns.setdefault(f"{installer}, {name}", []).append(seconds)
                shutil.rmtree(os.path.dirname(clone), ignore_errors=True)
        return [
            _Line(what=name, most=_most(name), ours=seconds, floor=columns[f"{name.partition(',')[0]}, floor"])
            for name, seconds in columns.items()
            if not name.endswith("floor")
        ]

    def first_rebuild(self, rounds: int) -> _Line:
        """An edit, isolated, against the same in the project as it is, without isolation and with its build folder."""
        subject, workshop = self.subject, self.workshop
        plain = workshop.checkout(subject.name, subject.version, f"{subject.name}-plain")
        with open(os.path.join(plain, "pyproject.toml"), encoding="utf-8") as file:
            needs = subject.requirements(file.read())
        python = workshop.venv(f"{subject.name}-plain-venv", *subject.needs, *needs)
        command = (*workshop.installer("uv", python), "--no-build-isolation", plain)
        rebuilt = (*workshop.installer("uv", self.python), self.tree)
        ours, floor = [], []
        workshop.run(*command)
        for count in range(rounds + 1):
            old, new = _numbered(subject.rust, count), _numbered(subject.rust, count + 1)
            for tree, words, seconds in ((plain, command, floor), (self.tree, rebuilt, ours)):
                replace(os.path.join(tree, *subject.rust.file.split("/")), [(old, new)])
                took = self.timed(words, _OFFLINE)
                if count:  # what was built before this loop is of other times
                    seconds.append(took)
        replace(os.path.join(self.tree, *subject.rust.file.split("/")), [(new, subject.rust.old)])
        return _Line(what="uv, one line edited, isolated", most=1.2, ours=ours, floor=floor)

    def edited(self, installer: str, old: str, new: str) -> tuple[float, float]:
        """Seconds to install the tree after an edit."""
        replace(os.path.join(self.tree, *self.subject.rust.file.split("/")), [(old, new)])
        return self.took(installer, self.tree)

    def took(self, installer: str, tree: str, more: Mapping[str, str] | None = None) -> tuple[float, float]:
        """Seconds to install what need not be built, with nothing at hand that could build it."""
        return self.timed((*self.workshop.installer(installer, self.python), tree), more or self.workshop.alone)

    def timed(self, command: Sequence[str], more: Mapping[str, str]) -> tuple[float, float]:
        """Seconds that a command takes, and seconds of processors, on a busy machine the better measure."""
        start, before = time.perf_counter(), os.times()
        self.workshop.run(*command, more=more)
        took, after = time.perf_counter() - start, os.times()
        spent = (after.children_user - before.children_user) + (after.children_system - before.children_system)
        return took, spent


def _most(name: str) -> float:
    """The budget of a measurement."""
    installer, _, what = name.partition(", ")
    if what == "unchanged":
        return 0.7 if installer == "uv" else 1.05
    return 1.3


def _numbered(edit: Edit, count: int) -> str:
    """Another text each time; the first one is that of the project."""
    return f"{edit.new} {count}" if count else edit.old


def empty(workshop: Workshop) -> tuple[str, dict[str, str]]:
    """An empty project, and variables with which nothing but its backend can be installed."""
    tree, wheels = os.path.join(workshop.scratch, "empty"), os.path.join(workshop.scratch, "flit")
    if not os.path.isdir(tree):
        workshop.download(workshop.folder("flit"), "flit_core")
        workshop.folder("empty")
        for name, text in (("pyproject.toml", _PURE), ("empty_project.py", "")):
            with open(os.path.join(tree, name), "w", encoding="utf-8") as file:
                file.write(text)
    return tree, workshop.only(wheels)


def _cloned(tree: str, folder: str) -> str:
    """A copy of the sources in another folder, with times of its own."""
    place = os.path.join(folder, os.path.basename(tree))
    ignored = shutil.ignore_patterns("target", "build", "__pycache__")
    return str(shutil.copytree(tree, place, ignore=ignored, copy_function=shutil.copyfile, symlinks=True))
