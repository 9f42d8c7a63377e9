"""What cargo may not notice of a change, and what makes it: sources to touch, and build scripts to run again.

Cargo looks at what it has on record for a unit: a build script says what it reads as far as it likes, a macro says
nothing. An observed build has shown who has read what. What nobody has shown may have been read by any unit.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from freshwheel.sources.cargo import lies_in

_RUSTC, _RUST = "rustc", ".rs"
_SCRIPT = "build-script-"
_AROUND = "a requirement, a tool, a variable or a file elsewhere changed"
_PYTHON = "python"
_HOOK = "_in_process.py"
"""The script in which an inner backend runs."""
_BACKEND = "backend in "
_PACKING = ("cargo", "maturin", _BACKEND)
"""Beginnings of units that read sources to pack them, or watch them by themselves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One input that is not what the last build saw."""

    path: str
    how: Literal["added", "changed", "deleted"]


@dataclass(kw_only=True, slots=True)
class Forced:
    """What must be made to look new."""

    paths: dict[str, str] = field(default_factory=dict)
    """Sources, and why."""
    scripts: dict[str, str] = field(default_factory=dict)
    """Packages whose build scripts must run again, and why."""


def unit(path: str, words: Sequence[str]) -> str:
    """What a program that read something is called: `rustc SOURCE`, `build script NAME`, or the name of the program.

    The Python in which the inner backend runs is `backend in NAME`; any other one may be started by a build script.
    """
    folder, name = posixpath.split(path.replace("\\", "/"))
    if name.startswith(_SCRIPT):
        return f"build script {posixpath.basename(folder).rpartition('-')[0]}"
    if posixpath.splitext(name)[0] == _RUSTC and "--crate-name" in words:
        return f"{_RUSTC} {next((word for word in words if word.endswith(_RUST)), '')}"
    is_hook = name.startswith(_PYTHON) and any(posixpath.basename(word) == _HOOK for word in words)
    return f"{_BACKEND}{name}" if is_hook else name


def forced(
    changes: Sequence[Change],
    crates: Mapping[str, str],
    present: Collection[str],
    readers: Mapping[str, Sequence[str]] | None,
    *,
    around: bool = False,
) -> Forced:
    """What must be made to look new for these changes; nothing without one.

    `crates` are folder and name of the closure, `present` the inputs, `readers` what units have read or looked for in
    all builds in these folders; None: nobody knows. `around` says that something else than an input has changed.
    """
    search = _Search(crates, present)
    if around:
        search.everything(_AROUND)
    for change in changes:
        units = None if readers is None else _concerned(change, readers)
        why = f"{change.path} was {change.how}, and cargo may not watch it"
        if units is None:
            search.everything(why)
        else:
            for one in units:
                search.unit(one, why)
    return search.found


def concerns(units: Sequence[str], crates: Collection[str], present: Collection[str]) -> bool:
    """Whether what these units have read concerns a closure, which has these crates, by name, and inputs."""
    for one in units:
        kind, _, crate = one.rpartition(" ")
        if kind == "build script":
            known = crate in crates
        elif kind == _RUSTC:
            known = bool(_roots(one.partition(" ")[2], present))
        else:
            known = not one.startswith(_PACKING)
        if known:
            return True
    return False


def _roots(source: str, present: Collection[str]) -> list[str]:
    """The inputs that rustc may mean by a source, which is relative to a workspace somewhere."""
    if source in present:
        return [source]
    rust = [path for path in present if path.endswith(_RUST)]
    meant = [path for path in rust if f"/{source}".endswith(f"/{path.replace('../', '')}")]
    return [path for path in meant if len(path) == max(map(len, meant))]


def _concerned(change: Change, readers: Mapping[str, Sequence[str]]) -> list[str]:
    """The units that have read a path, or listed the folder that it came to or went from."""
    places = [change.path] if change.how == "changed" else [change.path, posixpath.dirname(change.path) or "."]
    return sorted({one for place in places for one in readers.get(place, ())})


class _Search:
    """One search, and what it has found so far."""

    def __init__(self, crates: Mapping[str, str], present: Collection[str]) -> None:
        self.crates = crates
        self.present = present
        self.found = Forced()

    def unit(self, name: str, why: str) -> None:
        """Forces one unit; a program that a unit has started stands for any of those."""
        kind, _, crate = name.rpartition(" ")
        if kind == "build script":
            self.found.scripts.setdefault(crate, why)
            # cargo does not compile a crate again because its script has run again and says something else.
            for folder, own in self.crates.items():
                if own == crate:
                    self.crate(folder, why)
        elif kind == _RUSTC:
            rust = [path for path in self.present if path.endswith(_RUST)]
            for source in _roots(name.partition(" ")[2], self.present) or rust:
                self.compilation(source, why)
        elif not name.startswith(_PACKING):
            self.everything(why)

    def compilation(self, source: str, why: str) -> None:
        """Forces the compilation that begins with a source; that of a build script has no other one."""
        folder = self.owner(source)
        if folder is None or posixpath.basename(source) == "build.rs":
            self.found.paths.setdefault(source, why)
        else:
            self.crate(folder, why)

    def everything(self, why: str) -> None:
        """Forces all crates, and the build scripts among them."""
        for folder, name in self.crates.items():
            self.crate(folder, why)
            self.found.scripts.setdefault(name, why)

    def crate(self, folder: str, why: str) -> None:
        """Touches the sources of a crate."""
        for path in self.sources(folder):
            self.found.paths.setdefault(path, why)

    def sources(self, folder: str) -> Iterator[str]:
        for path in self.present:
            if path.endswith(_RUST) and self.owner(path) == folder and posixpath.basename(path) != "build.rs":
                yield path

    def owner(self, path: str) -> str | None:
        """The innermost crate that a path lies in."""
        return max((crate for crate in self.crates if lies_in(path, crate)), key=_depth, default=None)


def _depth(folder: str) -> tuple[int, int]:
    """How far inside a folder lies: fewer steps up, then more names."""
    names = folder.split("/") if folder else []
    return -names.count(".."), len(names)
