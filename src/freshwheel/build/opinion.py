"""The second opinion: what cargo's records say that a build took.

An opinion never stands in the way: whatever can't be read ends in an opinion without findings, and a reason.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from freshwheel.build.tree_view import Ground, Scope
from freshwheel.inner import build_records
from freshwheel.inner.build_records import Read
from freshwheel.inner.cargo_records import Unit, units
from freshwheel.sources import not_sources
from freshwheel.sources.cargo import FOR_TESTS, Closure, Crate

_LEVELS = 40
"""How far above a source its manifest is looked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opinion:
    """What went into a build and is no input."""

    missed: tuple[Read, ...] = ()
    """Files and folders of the project or its repository, sorted by path: they belong into the label."""
    system: tuple[Read, ...] = ()
    """Files and folders elsewhere, with absolute paths: they belong into the build key."""
    names: tuple[str, ...] = ()
    """Environment variables that were asked for, sorted."""
    reason: str = ""
    """Why there is no opinion, or one on a part only; nothing if there is a whole one."""


def second(scope: Scope, closure: Closure, folders: Sequence[str], *, since: int | None = None) -> Opinion:
    """What cargo's records in the target `folders`, absolute paths, say was read for the crates of `closure`.

    With `since`, ns since the epoch, a profile in which nothing is newer counts only if that is so in all of them.
    A record that contradicts cargo's own list of the sources of an artefact is left from an earlier build.
    """
    try:
        return _Second(scope, closure, folders).opinion(since)
    except (OSError, ValueError) as error:
        return Opinion(reason=f"the records of cargo can't be read: {_why(error)}")


class _Second:
    """The second opinion on one build."""

    def __init__(self, scope: Scope, closure: Closure, folders: Sequence[str]) -> None:
        self.ground = Ground(replace(scope, apart=(*scope.apart, *folders)))
        self.folders = folders
        self.crates = {crate.folder: crate for crate in closure.crates}
        self.workspaces = [self.ground.at(lock.rpartition("/")[0]) for lock in closure.locks]
        self.owners: dict[str, Crate | None] = {}
        self.lost: list[Read] = []

    def opinion(self, since: int | None) -> Opinion:
        """What the records say."""
        found = [unit for folder in self.folders for unit in units(folder)]
        if all(unit.kind == "list" for unit in found):
            return Opinion(reason="cargo left no records in its target folder")
        reads: list[Read] = []
        for profile in _profiles(found, since):
            listed = {path for unit in profile if unit.kind == "list" for path in self.listed(unit)}
            for unit in profile:
                if unit.kind == "compiled":
                    reads += self.compiled(unit, listed, since)
                elif unit.kind == "script":
                    reads += self.script(unit, listed, since)
        return self.judged(reads, sorted({name for unit in found for name in _asked(unit)}))

    def listed(self, unit: Unit) -> Iterator[str]:
        """The paths in cargo's own list of the sources of an artefact."""
        yield from (self.ground.placed(path) for path in build_records.dep_info(unit.text).files if os.path.isabs(path))

    def compiled(self, unit: Unit, listed: AbstractSet[str], since: int | None) -> list[Read]:
        """What was read to compile a crate of the closure."""
        info = build_records.dep_info(unit.text)
        base = self.base(unit, info.files)
        if base is None or (crate := self.owner(os.path.join(base, info.files[0]), unit.name)) is None:
            return []
        root = build_records.placed(os.path.join(base, info.files[0]), self.ground.at(crate.folder))
        by = f"{root} of {crate.name}"
        reads = [Read(path=self.ground.placed(os.path.join(base, path)), by=by) for path in info.files]
        # An older record whose files are gone is of no crate of this build: cargo would have compiled that again.
        if since is not None and unit.stamp >= since:
            self.lost += [read for read in reads if self.is_lost(read.path)]
        return self.confirmed(crate, reads, unit, listed, since)

    def script(self, unit: Unit, listed: AbstractSet[str], since: int | None) -> list[Read]:
        """The files and folders that a build script asks to be run again for.

        Of a crate that is not in the closure, it counts what is a fact about this machine.
        """
        output = build_records.script_output(unit.text)
        by = f"the build script of {unit.name}"
        reads: list[Read] = []
        crates = [crate for crate in self.crates.values() if crate.name == unit.name]
        for crate in crates:
            paths = [os.path.join(self.ground.at(crate.folder), path) for path in output.files]
            some = [Read(path=self.ground.placed(path), by=by) for path in paths]
            reads += self.confirmed(crate, some, unit, listed, since)
        if not crates:
            paths = [self.ground.placed(path) for path in output.files if os.path.isabs(path)]
            foreign = [
                path for path in paths if not build_records.within(path, self.ground.repository, self.ground.tree)
            ]
            reads += [Read(path=path, by=by) for path in foreign]
        return reads

    def base(self, unit: Unit, files: Sequence[str]) -> str | None:
        """The folder that the relative ones of `files` are relative to: a workspace, that of the target folder first.

        None where there is none with such a source, which is gone then.
        """
        places = sorted(self.workspaces, key=lambda one: not build_records.within(unit.folder, one, self.ground.tree))
        return next((one for one in places if files and os.path.isfile(os.path.join(one, files[0]))), None)

    def owner(self, root: str, name: str) -> Crate | None:
        """The crate of the closure with the source `root`, by the nearest manifest, or else by its name."""
        folder = self.ground.placed(os.path.dirname(root))
        if folder not in self.owners:
            self.owners[folder] = self.crates.get(self.manifest(folder))
        named = (crate for crate in self.crates.values() if crate.name.replace("-", "_") == name)
        return self.owners[folder] or (None if self.ground.is_apart(folder) else next(named, None))

    def manifest(self, folder: str) -> str:
        """The nearest folder with a manifest; `folder` itself where there is none."""
        path = self.ground.at(folder)
        for _ in range(_LEVELS):
            if os.path.isfile(os.path.join(path, "Cargo.toml")):
                return self.ground.placed(path)
            path = os.path.normpath(os.path.join(path, ".."))
        return folder

    def confirmed(
        self, crate: Crate, reads: list[Read], unit: Unit, listed: AbstractSet[str], since: int | None
    ) -> list[Read]:
        """Those of `reads` that are of the latest build, as far as anything tells."""
        if any(build_records.within(path, crate.folder, self.ground.tree) for path in listed):
            return [read for read in reads if read.path in listed]
        return reads if since is None or unit.stamp >= since else []

    def is_lost(self, path: str) -> bool:
        """Whether nothing is at `path`, and nobody spoke for it."""
        ground = self.ground
        return not (ground.is_settled(path) or ground.is_apart(path) or ground.mode(path))

    def judged(self, reads: Iterable[Read], names: Sequence[str]) -> Opinion:
        """The opinion: what is no input, and exists. A folder of which nothing is one yet stays one: more may come."""
        ground = self.ground
        found = build_records.missed(
            reads, tree=ground.tree, repository=ground.repository, inputs=ground.inputs, apart=ground.apart
        )
        missed: dict[str, Read] = {}
        folders: dict[str, Read] = {}
        below: dict[str, frozenset[str]] = {}
        for read in found.files:
            mode = ground.mode(read.path)
            if mode == stat.S_IFDIR:
                folders[read.path] = read
                below[read.path] = frozenset(self.below(read.path))
            for path in below.get(read.path, [read.path] if mode else []):
                missed.setdefault(path, Read(path=path, by=read.by))
        left = ground.unsettled(list(missed))
        whole = {path: read for path, read in folders.items() if below[path] and left.issuperset(below[path])}
        single = {path: missed[path] for path in left if not any(path in below[folder] for folder in whole)}
        system = tuple(read for read in found.system if ground.mode(read.path))
        reads = tuple(read for _, read in sorted({**single, **whole}.items()))
        reason = next((f"{read.path} was read by {read.by}, and is not there" for read in self.lost), "")
        return Opinion(missed=reads, system=system, names=tuple(names), reason=reason)

    def below(self, folder: str) -> list[str]:
        """The files below a folder that a build script names, but for what is litter, and for other crates."""

        def enters(path: str, names: AbstractSet[str], folders: AbstractSet[str]) -> bool:
            above, _, name = path.rpartition("/")
            if name in FOR_TESTS and above in self.crates:
                return False
            if "Cargo.toml" in names and path not in self.crates:
                return False
            return self.ground.pruned(path, names, folders) is None

        return [path for path in self.ground.files(folder, enters) if not _is_litter(path)]


def _asked(unit: Unit) -> Sequence[str]:
    """The variables that one record names, of whatever crate and profile: one too many is a needless build at most."""
    if unit.kind == "compiled":
        return build_records.dep_info(unit.text).names
    return build_records.script_output(unit.text).names if unit.kind == "script" else ()


def _profiles(found: Sequence[Unit], since: int | None) -> list[list[Unit]]:
    """The records by profile; where there are profiles with something new, only these."""
    profiles: dict[str, list[Unit]] = {}
    for unit in found:
        profiles.setdefault(unit.profile, []).append(unit)
    every = [one for _, one in sorted(profiles.items())]
    return [one for one in every if since is not None and max(unit.stamp for unit in one) >= since] or every


def _is_litter(path: str) -> bool:
    name = os.fsencode(_base(path))
    return not_sources.is_dropping(name) or ("/" not in path and not_sources.is_frontends(name))


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _why(error: BaseException) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
