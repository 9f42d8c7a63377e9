"""What the records in cargo's build folders watch, by crate of the closure, in paths as inputs have them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from freshwheel import parsed
from freshwheel.sources import quiet, trace
from freshwheel.sources.cargo import Closure
from freshwheel.sources.ground import Ground, Scope
from freshwheel.sources.units import Unit, units
from freshwheel.sources.unwatched import Compiled, Ran, Watches

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["watches"]

_LEVELS = 40
"""How far above a source its manifest is looked for."""
_SCRIPT = "build_script_"
"""What cargo calls the crate of a build script begins so."""
_LIBRARY = re.compile(r"\.(?:so|dylib|dll): ")
"""The compiler loads a procedural macro, so it is compiled as a library of the system."""


def watches(scope: Scope, closure: Closure, folders: Sequence[str]) -> Watches:
    """What is watched by the records in the build `folders`, absolute paths. Raises OSError where one can't be read.

    Records of a compilation that a newer one of the same profile began with the same source replaced are left out.
    """
    return _Reader(scope, closure).watches([unit for folder in folders for unit in units(folder)])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Placed:
    """One record of a compilation."""

    unit: Unit
    files: Sequence[str]
    """Absolute; the first one begins the crate."""
    crate: str | None
    """The folder of the crate of the closure; None for any other."""


class _Reader:
    """One look at the records."""

    def __init__(self, scope: Scope, closure: Closure) -> None:
        self.ground = Ground(scope)
        self.crates = {crate.folder: crate for crate in closure.crates}
        self.workspaces = [self.ground.at(lock.rpartition("/")[0]) for lock in closure.locks]
        self.owners: dict[str, str | None] = {}

    def watches(self, found: Sequence[Unit]) -> Watches:
        """What the records say."""
        placed = [one for unit in found if unit.kind == "compiled" and (one := self.placed(unit)) is not None]
        newest: dict[tuple[str, str, str], _Placed] = {}
        for one in sorted(placed, key=lambda one: one.unit.stamp):
            newest[one.unit.folder, one.unit.profile, one.files[0]] = one
        compiled = [
            Compiled(
                crate=one.crate,
                root=self.ground.placed(one.files[0]),
                script=one.unit.name.startswith(_SCRIPT),
                paths=frozenset(map(self.ground.placed, one.files)),
            )
            for one in newest.values()
            if one.crate is not None
        ]
        looked = self.looked(compiled)
        ran = [run for unit in found if unit.kind == "script" for run in self.ran(unit, looked)]
        ours = {id(one.unit) for one in placed if one.crate is not None}
        libraries = [unit for unit in found if unit.kind == "compiled" and _LIBRARY.search(unit.text)]
        macros = {unit.name for unit in libraries if id(unit) not in ours}
        return Watches(
            compiled=tuple(compiled),
            ran=tuple(ran),
            macros=frozenset(macros | self.own_macros()),
            read=frozenset(path for one in placed for path in one.files),
        )

    def placed(self, unit: Unit) -> _Placed | None:
        """A record of a compilation; None where the source that it began with is gone."""
        files = trace.dep_info(unit.text).files
        # A relative path is relative to a workspace; that in which the build folder lies is asked first.
        places = sorted(self.workspaces, key=lambda one: not trace.within(unit.folder, one, self.ground.tree))
        base = next((one for one in places if files and os.path.isfile(os.path.join(one, files[0]))), None)
        if base is None:
            return None
        paths = [os.path.normpath(self.ground.straight(os.path.join(base, path))) for path in files]
        return _Placed(unit=unit, files=paths, crate=self.owner(os.path.dirname(paths[0])))

    def looked(self, compiled: Sequence[Compiled]) -> dict[str, frozenset[str]]:
        """What build scripts that are one text and read no file look at, by the folder of their crate: variables."""
        read: dict[str, set[str]] = {}
        for unit in compiled:
            if unit.script:
                read.setdefault(unit.crate, set()).update(unit.paths)
        found = {crate: self.variables(*paths) for crate, paths in read.items() if len(paths) == 1}
        return {crate: names for crate, names in found.items() if names is not None}

    def variables(self, path: str) -> frozenset[str] | None:
        """What the build script at a path looks at; None where it may read files, or can't be read."""
        try:
            with open(self.ground.at(path), encoding="utf-8") as file:
                return quiet.variables(file.read())
        except (OSError, ValueError):
            return None

    def ran(self, unit: Unit, looked: Mapping[str, frozenset[str]]) -> list[Ran]:
        """A run of a build script, for each crate of the closure that has the name of its package."""
        output = trace.script_output(unit.text)
        runs: list[Ran] = []
        for crate in self.crates.values():
            if crate.name == unit.name:
                paths = [os.path.join(self.ground.at(crate.folder), path) for path in output.files]
                asked = frozenset(map(self.ground.placed, paths))
                names = looked.get(crate.folder)
                still = names is not None and all(quiet.is_given(name) or name in output.names for name in names)
                runs.append(Ran(crate=crate.folder, paths=asked, narrowed=output.narrowed, quiet=still))
        return runs

    def owner(self, folder: str) -> str | None:
        """The folder of the crate that a source in `folder` belongs to: the nearest one with a manifest."""
        if folder not in self.owners:
            path = folder
            for _ in range(_LEVELS):
                if os.path.isfile(os.path.join(path, "Cargo.toml")):
                    break
                path = os.path.dirname(path)
            placed = self.ground.placed(path)
            self.owners[folder] = placed if placed in self.crates else None
        return self.owners[folder]

    def own_macros(self) -> set[str]:
        """Those crates of the closure that are procedural macros, in words: nobody knows them, whatever their names."""
        return {f"the crate {crate.name}" for crate in self.crates.values() if self.is_macro(crate.folder)}

    def is_macro(self, folder: str) -> bool:
        """Whether the manifest in a folder says that its crate is a procedural macro, or can't be read."""
        try:
            with open(os.path.join(self.ground.at(folder), "Cargo.toml"), encoding="utf-8") as file:
                text = file.read()
            if "macro" not in text and "\\" not in text:
                return False  # to parse them all takes long
            library = parsed.table(tomllib.loads(text), "lib")
        except (OSError, ValueError, RecursionError):
            return True
        kinds = [kind for key in ("crate-type", "crate_type") for kind in parsed.texts(library, key)]
        return "proc-macro" in kinds or any(library.get(key) is True for key in ("proc-macro", "proc_macro"))
