"""What cargo's records say of a build: variables that its sources name, and files that it took and that are no inputs.

Nothing here can fail a build: what can't be read says nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from freshwheel.inner import build_folders
from freshwheel.sources import boundary
from freshwheel.sources.boundary import Ground, Scope
from freshwheel.sources.cargo import FOR_TESTS, Closure

_WORD = re.compile(r"(?:\\ |[^ ])+")
_VARIABLE = re.compile(rb"^# env-dep:([^=\r\n]+)", re.MULTILINE)
_CARGOS_OWN = re.compile(
    r"CARGO|OUT_DIR|CARGO_(?:MANIFEST_.*|PKG_.*|CRATE_NAME|BIN_.*|PRIMARY_PACKAGE|TARGET_TMPDIR|MAKEFLAGS)", re.DOTALL
)
"""Variables that cargo itself sets for what it runs."""
_RERUN = re.compile(r"^\s*cargo::?rerun-if-changed=(.*?)\s*$", re.MULTILINE)
_OUTPUTS = ("output", "stdout")
"""Where the output of a build script is kept, beside `root-output`; newer versions of cargo call it stdout."""
_DEEPEST = 7
"""Folders above the record of a compilation: `TRIPLE/release/build/PACKAGE/HASH/out`."""
_LEVELS = 40
"""How far above a source its manifest is looked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """One file or folder that went into a build."""

    path: str
    """As inputs are called."""
    by: str
    """Who read it, and who says so, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Records:
    """What cargo's records name."""

    missed: Sequence[Read] = ()
    """What is no input of the repository, sorted. Of a folder without any input it is the folder: more may come."""
    system: Sequence[Read] = ()
    """Absolute paths outside of the repository, sorted."""


def variables(folders: Sequence[str]) -> set[str]:
    """The variables that sources name to rustc, of whatever is compiled in build folders of cargo."""
    names: set[str] = set()
    with contextlib.suppress(OSError):
        for entry in (entry for folder in folders for entry in build_folders.files(folder, _DEEPEST)):
            if entry.name.endswith(".d"):
                with open(entry.path, "rb") as file:
                    names.update(map(os.fsdecode, _VARIABLE.findall(file.read())))
    return {name for name in names if not _CARGOS_OWN.fullmatch(name)}


def records(scope: Scope, closure: Closure, folders: Sequence[str], *, since: int) -> Records:
    """What the crates of a closure took that is no input.

    What was compiled since then, in ns, is on record in the build folders; what was before is known from that build.
    """
    search = _Search(replace(scope, apart=(*scope.apart, *folders)), closure)
    try:
        taken = {path: by for folder in folders for path, by in search.taken(folder, since)}
        return Records(missed=search.among(taken), system=search.outside(taken))
    except (OSError, ValueError):
        return Records()


class _Search:
    """The search for what is no input."""

    def __init__(self, scope: Scope, closure: Closure) -> None:
        self._ground = Ground(scope)
        self._crates = {crate.folder: crate.name for crate in closure.crates}
        self._workspaces = [self._ground.at(os.path.dirname(lock)) for lock in closure.locks]
        self._known = {_identity(self._ground.at(path)) for path in self._ground.inputs}

    def taken(self, folder: str, since: int) -> Iterator[tuple[str, str]]:
        """The absolute paths that new records in a build folder name, and who has taken them."""
        for entry in build_folders.files(folder, _DEEPEST):
            place = os.path.dirname(entry.path)
            is_output = entry.name in _OUTPUTS and os.path.isfile(os.path.join(place, "root-output"))
            if not (is_output or entry.name.endswith(".d")) or entry.stat().st_mtime_ns < since:
                continue
            with open(entry.path, encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
            yield from self._script(text, place) if is_output else self._compiled(text)

    def _compiled(self, text: str) -> Iterator[tuple[str, str]]:
        """What a record of rustc names: first the source that a crate begins with, seen from its workspace."""
        # Of all characters only the space is escaped: `#`, `$` and a backslash stand for themselves.
        paths = [word.replace("\\ ", " ") for word in _WORD.findall(text.partition("\n")[0].partition(": ")[2])]
        for base in self._workspaces:
            source = os.path.join(base, paths[0]) if paths else ""
            if os.path.isfile(source):
                crate = self._crate(source)
                yield from ((os.path.join(base, path), crate) for path in paths if crate)
                return

    def _crate(self, source: str) -> str:
        """The crate of the closure that a source is of, by the nearest manifest; nothing where it is of none."""
        folder = os.path.realpath(os.path.dirname(source))
        for _ in range(_LEVELS):
            if os.path.isfile(os.path.join(folder, "Cargo.toml")):
                path = os.path.relpath(folder, self._ground.tree).replace(os.sep, "/")
                return self._crates.get("" if path == "." else path, "")
            folder = os.path.dirname(folder)
        return ""

    def _script(self, text: str, place: str) -> Iterator[tuple[str, str]]:
        """What a build script asks to be run again for, seen from its package."""
        unit = os.path.basename(place)
        package = unit.rpartition("-")[0] or os.path.basename(os.path.dirname(os.path.dirname(place)))
        by = f"the build script of {package}"
        roots = [self._ground.at(folder) for folder, name in self._crates.items() if name == package]
        for path in _RERUN.findall(text):
            yield from ((os.path.join(root, path), by) for root in roots)
            # Of a crate that is not in the closure it counts what is a fact about this machine.
            if not roots and os.path.isabs(path) and self._ground.is_outside(path):
                yield path, by

    def among(self, taken: Mapping[str, str]) -> list[Read]:
        """What is missed of paths that were taken."""
        missed: dict[str, str] = {}
        for path, by in sorted(taken.items()):
            placed = self._ground.placed(path)
            if placed is not None:
                left = self._folder(placed) if os.path.isdir(path) else [placed] if self._counts(placed) else []
                missed |= dict.fromkeys(left, by)
        whole = [path for path in missed if os.path.isdir(self._ground.at(path))]
        return [
            Read(path=path, by=by)
            for path, by in sorted(missed.items())
            if not any(path.startswith(f"{folder}/") for folder in whole)
        ]

    def outside(self, taken: Mapping[str, str]) -> list[Read]:
        """What of paths that were taken lies outside of the repository, and is not set apart."""
        places = {os.path.normpath(path): by for path, by in taken.items()}
        return [Read(path=path, by=by) for path, by in sorted(places.items()) if self._ground.is_outside(path)]

    def _counts(self, path: str) -> bool:
        """Whether a file is neither an input, under whatever name, nor was said to be none."""
        return not self._ground.is_settled(path) and _identity(self._ground.at(path)) not in self._known

    def _folder(self, path: str) -> list[str]:
        """What is missed of the files in a folder: those files, or the folder, where it is all of them."""
        files = list(self._below(path))
        left = [file for file in files if self._counts(file)]
        return [path] if left and left == files else left

    def _below(self, start: str) -> Iterator[str]:
        """The files below a folder, but for what is no source, for tests, and for other crates."""
        for top, folders, names in os.walk(self._ground.at(start)):
            path = os.path.relpath(top, self._ground.tree).replace(os.sep, "/")
            stem = "" if path == "." else f"{path}/"
            if path != start and self._is_left_out(path, {*folders, *names}, set(folders)):
                folders.clear()
                continue
            tests = FOR_TESTS if stem.rstrip("/") in self._crates else ()
            folders[:] = [
                name for name in sorted(folders) if name not in tests and not boundary.is_bare(os.fsencode(name))
            ]
            yield from (stem + name for name in sorted(names) if not _is_litter(stem, name))

    def _is_left_out(self, path: str, names: AbstractSet[str], folders: AbstractSet[str]) -> bool:
        foreign = "Cargo.toml" in names and path not in self._crates
        return foreign or self._ground.is_apart(path) or self._ground.pruned(path, names, folders) is not None


def _is_litter(stem: str, name: str) -> bool:
    encoded = os.fsencode(name)
    return boundary.is_dropping(encoded) or (not stem and boundary.is_frontends(encoded))


def _identity(path: str) -> object:
    """What two names of one file have in common."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return path
    return status.st_dev, status.st_ino
