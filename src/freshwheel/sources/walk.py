"""Which files of a tree are inputs: a walk that prunes by evidence, follows links with care, and reads no input.

The roots are walked one by one, then what `include` names elsewhere, then the folders that symbolic links lead to, link
by link in the order of their paths. A folder is walked once, so loops end and roots may lie in each other.
"""

from __future__ import annotations

import os
import posixpath
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from freshwheel.base import globs
from freshwheel.base.errors import InputError
from freshwheel.base.globs import Globs, Places
from freshwheel.sources import boundary, cargo
from freshwheel.sources.disk import ABSOLUTE, Disk, Link, MovedError, spelled

_MOST = 100_000
"""Files behind links, beyond which nobody means them to be sources."""
_FOR_TESTS = frozenset(os.fsencode(name) for name in cargo.FOR_TESTS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """The inputs of a tree by their paths, not yet read."""

    files: Sequence[bytes]
    links: Mapping[bytes, Link]
    others: Sequence[bytes]
    """Fifos, sockets, devices."""
    reasons: Mapping[bytes, str]
    """Why each of them is an input, and some that are left out would be."""
    pruned: Mapping[bytes, str]
    """Folders that are no inputs, and why; not those that are excluded, nor version control and bytecode."""
    idle: Sequence[str]
    """Patterns of `include` that match nothing."""

    @property
    def paths(self) -> list[bytes]:
        """All inputs."""
        return [*self.files, *self.links, *self.others]


class _Spot(NamedTuple):
    """A folder that is about to be walked."""

    path: bytes
    """Relative to the tree; empty: the tree itself."""
    include: Places
    """In the folder that holds it, until it is entered."""
    exclude: Places
    whole: bool
    """Whether its files are inputs unless something speaks against it; else only included ones are."""
    reason: str = ""
    """Why they are."""
    apart: bool = False
    """Whether it was reached from outside or through a link, so that it may have been walked already."""
    wild: bool = True
    """Whether patterns may pass over it."""
    crate: bytes | None = None
    """The folder of the crate that is walked; None: it is a folder as any other."""
    only: frozenset[bytes] | None = None
    """The names in it of what counts by itself; None: all of them."""
    entered: bool = False
    """Whether `include` are the places in the folder itself already, and nothing may prune it."""


class Walk:
    """One walk, and what it has found so far.

    Its methods raise InputError where something can't be looked at, and MovedError where it goes away meanwhile.
    """

    def __init__(
        self,
        disk: Disk,
        *,
        include: Mapping[str, str] | None = None,
        exclude: Sequence[str] = (),
        apart: Iterable[bytes] = (),
    ) -> None:
        """`include` has a reason for each pattern, `apart` are folders that were given to tools.

        Raises ValueError for a pattern that is not of the dialect.
        """
        self.disk = disk
        self.apart = frozenset(apart)
        self.include = Globs(patterns=())
        self.reasons: dict[str, str] = {}
        """Why files that a pattern matches are inputs."""
        self.add(include or {})
        self.exclude = globs.parse(exclude)
        self.left_out: set[bytes] = set()
        self.named: set[bytes] = set()
        """Files that `include` matches."""
        self.files: dict[bytes, str] = {}
        """With the reasons, as those below."""
        self.links: dict[bytes, tuple[Link, str]] = {}
        self.others: dict[bytes, str] = {}
        self.pruned: dict[bytes, str] = {}
        self.used: set[int] = set()
        self.walked: list[bytes] = []
        """Folders that were walked whole."""
        self.real: dict[tuple[int, int], bytes] | None = None
        """Device and inode of folders that were walked whole, and their paths; None until somebody asks."""
        self.waiting: list[_Spot] = []
        """Links to folders."""
        self.most = sys.maxsize
        """More files than this are too many."""

    def add(self, include: Mapping[str, str]) -> None:
        """More patterns, with their reasons; they match in nothing that was walked already."""
        more = globs.parse([pattern for pattern in include if pattern not in self.reasons])
        self.include = Globs(patterns=(*self.include.patterns, *more.patterns))
        self.reasons = {**include, **self.reasons}

    def root(self, path: str, reason: str, *, crate: bool = False, only: frozenset[bytes] | None = None) -> None:
        """Walks a folder, normalised and relative to the tree; of a crate, without other crates and its tests.

        What lies directly in it and is not among `only` is no input, unless a pattern of `include` stands for it.
        """
        spot = self._spot(path)
        if spot.path in self.walked or self.exclude.covers(spot.exclude):
            return
        if not path or self.disk.kind(spot.path) == stat.S_IFDIR:
            own = spot.path if crate else None
            self._walk(spot._replace(whole=True, reason=reason, crate=own, only=only))

    def leave_out(self, paths: Iterable[str]) -> None:
        """These files are no inputs, unless `include` matches them."""
        self.left_out.update(os.fsencode(path) for path in paths)

    def file(self, path: str, reason: str) -> None:
        """Takes a file, normalised and relative to the tree, unless it is excluded or left out."""
        folder, _, name = path.rpartition("/")
        if not self.exclude.matching(self._spot(folder).exclude, name):
            self.name(path, reason)

    def name(self, path: str, reason: str) -> None:
        """The file `path` is an input, whatever speaks against it; nothing happens where there is no file."""
        place = posixpath.normpath(path).encode("utf-8", "surrogateescape")
        status = self.disk.status(place)
        if status is None:
            return
        if stat.S_ISLNK(status.st_mode):
            link = self.disk.link(place)
            if link.kind != b"d":
                self.links[place] = link, reason
        elif stat.S_ISREG(status.st_mode):
            self.files[place] = reason
        else:
            self.disk.exists(place)  # it may become a file

    def included(self) -> None:
        """Walks what `include` names where no root is. Folders that are spelled out are not searched."""
        starts = {(glob.climb, glob.literal) for glob in self.include.patterns if glob.climb or b"" not in self.walked}
        for climb, literal in sorted(starts):
            spot = self._spot("/".join([".."] * climb + list(literal[:-1])))._replace(apart=True)
            if self.exclude.covers(spot.exclude):
                continue
            if literal:
                self._named(spot, literal[-1].encode())
            else:
                self._walk(spot)

    def behind_links(self) -> None:
        """Walks the folders that links lead to, until no link is left."""
        self.most = len(self.files) + _MOST
        while self.waiting:
            waiting, self.waiting = sorted(self.waiting, key=attrgetter("path")), []
            for spot in waiting:
                self._follow(spot)

    def result(self) -> Tree:
        """What was found; several roots and patterns may have found it."""
        left_out = self.left_out - self.named
        return Tree(
            files=sorted(self.files.keys() - left_out),
            links={path: link for path, (link, _) in self.links.items() if path not in left_out},
            others=sorted(self.others),
            reasons={**self.files, **self.others, **{path: reason for path, (_, reason) in self.links.items()}},
            pruned=self.pruned,
            idle=[glob.text for number, glob in enumerate(self.include.patterns) if number not in self.used],
        )

    def _spot(self, path: str) -> _Spot:
        """A folder that is asked for by its name, so that no evidence on the way counts."""
        names = path.split("/") if path else []
        climb = names.count("..")
        include, exclude = self.include.start(climb), self.exclude.start(climb)
        for name in names[climb:]:
            include, exclude = self.include.step(include, name), self.exclude.step(exclude, name)
        whole = self.include.covers(include)
        reason = self._why(self.include.matching(include, "")) if whole else ""
        return _Spot(os.fsencode(path), include, exclude, whole, reason, apart=bool(path), entered=True)

    def _named(self, spot: _Spot, name: bytes) -> None:
        """Takes what a pattern names where no root is: a file, a link, or a folder to walk."""
        path = _join(spot.path, name)
        self.disk.exists(path)  # it may become a folder, or a file
        status = self.disk.status(path)
        if status is None:
            return
        if not stat.S_ISDIR(status.st_mode):
            self._take(spot, name, stat.S_IFMT(status.st_mode))
        elif (below := self._below(spot, name)) is not None:
            self._walk(below)

    def _walk(self, start: _Spot) -> bool:
        """Walks a folder and all below it; False if it is pruned."""
        spots = self._scan(start)
        while spots:
            if len(self.files) > self.most:
                raise InputError(
                    f"{os.fsdecode(start.path)} is a link that leads to more than {_MOST:,} files",
                    hint="if they are no sources, list it in [tool.freshwheel] exclude",
                )
            spots += self._scan(spots.pop()) or ()
        return spots is not None

    def _scan(self, spot: _Spot) -> list[_Spot] | None:
        """Takes the inputs that lie in one folder; the folders in it, None if the folder itself is pruned."""
        if spot.apart and self._walked_already(spot.path) is not None:
            return []
        entries = self.disk.entries(spot.path)
        spot = spot if spot.entered else self._entered(spot, entries)
        if not (spot.whole or spot.include):
            return None
        if spot.whole:
            self._remember(spot)
        folders: list[_Spot] = []
        only, spared = spot.only, spot._replace(whole=False)
        is_plain = spot.whole and only is None and not (spot.include or spot.exclude)
        stem = spot.path + b"/" if spot.path else b""
        for name, mode in entries.items():
            if is_plain and mode == stat.S_IFREG:  # as most are: no pattern need be asked
                if not self._is_dropping(spot.path, name):
                    self.files[stem + name] = spot.reason
                continue
            here = spot if only is None or name in only else spared
            if mode != stat.S_IFDIR:
                self._take(here, name, mode)
            elif (below := self._below(here, name)) is not None:
                folders.append(below)
            elif here is spared and self._below(spot, name) is not None:
                self.pruned[stem + name] = "no source of the crate speaks of it"
        return folders

    def _entered(self, spot: _Spot, entries: Mapping[bytes, int]) -> _Spot:
        """`spot` with the places in it; not `whole` if it is pruned."""
        name = os.path.basename(spot.path)
        pruned = self._evidence(spot.path, name, entries)
        include = self.include.step(spot.include, _text(name), wild=spot.wild and pruned is None)
        if pruned is None and spot.whole and spot.crate is not None:
            pruned = _beside(spot.crate, spot.path, entries)
        is_named, whole = self.include.covers(include), spot.whole and pruned is None
        if pruned is not None and not is_named:
            self.pruned[spot.path] = pruned
        reason = spot.reason if whole or not is_named else self._why(self.include.matching(include, ""))
        return spot._replace(include=include, whole=whole or is_named, reason=reason, entered=True)

    def _evidence(self, path: bytes, name: bytes, entries: Mapping[bytes, int]) -> str | None:
        """Why a folder is pruned, wherever it lies."""
        if path in self.apart and not boundary.is_protected(entries.keys()):
            return "given to a tool for its own files"
        return boundary.why_pruned(name, entries, lambda file: self.disk.head(path + b"/" + file))

    def _below(self, spot: _Spot, name: bytes) -> _Spot | None:
        """The folder `name` in `spot`, None if nothing in it can be an input."""
        exclude = self.exclude.step(spot.exclude, _text(name)) if spot.exclude else spot.exclude
        if self.exclude.covers(exclude):
            return None
        wild = not boundary.is_bare(name)
        if not (spot.whole and wild) and not self.include.step(spot.include, _text(name), wild=wild):
            return None
        whole, path = spot.whole and wild, _join(spot.path, name)
        return spot._replace(path=path, exclude=exclude, whole=whole, wild=wild, only=None, entered=False)

    def _take(self, spot: _Spot, name: bytes, mode: int) -> None:
        """Takes what is no folder, unless it is excluded, or dropped there and not included."""
        path, text = _join(spot.path, name), _text(name)
        free = not self._is_dropping(spot.path, name)
        matching = self.include.matching(spot.include, text, wild=free)
        self.used |= matching
        if self.exclude.matching(spot.exclude, text):
            return
        if matching:
            self.named.add(path)
        by_itself = spot.whole and free
        reason = spot.reason if by_itself else self._why(matching)
        if mode == stat.S_IFLNK:
            self._take_link(spot, path, reason, wanted=by_itself or bool(matching))
        elif by_itself or matching:
            (self.files if mode == stat.S_IFREG else self.others)[path] = reason

    def _take_link(self, spot: _Spot, path: bytes, reason: str, *, wanted: bool) -> None:
        """As `_take`; a link to a folder is judged later, by what that folder holds."""
        link = self.disk.link(path)
        if link.kind != b"d":
            if wanted:
                self.links[path] = link, reason
        elif (below := self._below(spot, os.path.basename(path))) is not None:
            self.waiting.append(below._replace(apart=True))

    def _why(self, matching: Iterable[int]) -> str:
        """Why what these patterns match is an input."""
        return next((self.reasons[self.include.patterns[number].text] for number in sorted(matching)), "")

    def _is_dropping(self, folder: bytes, name: bytes) -> bool:
        return boundary.is_dropping(name) or (not folder and boundary.is_frontends(name))

    def _follow(self, spot: _Spot) -> None:
        """Takes a link to a folder, and walks that folder unless it was walked."""
        link = self.disk.link(spot.path)
        if link.kind != b"d":
            raise MovedError(spot.path)
        stands = self._walked_already(spot.path)
        if stands is not None:
            self.used |= {number for number, _ in self.include.step(spot.include, _text(os.path.basename(spot.path)))}
            self.links[spot.path] = Link(text=link.text, kind=b"d", stands=stands or b"."), spot.reason
        elif link.text == ABSOLUTE and not spot.include:
            # A place of this machine, however much lies there.
            if self._entered(spot, self.disk.entries(spot.path)).whole:
                self.links[spot.path] = link, spot.reason
        elif self._walk(spot) and self._walked_already(spot.path) is not None:
            self.links[spot.path] = link, spot.reason

    def _remember(self, spot: _Spot) -> None:
        """Notes that a folder is walked whole."""
        if self.real is None:
            self.walked.append(spot.path)
        else:
            self.real.setdefault(self.disk.identity(spot.path), spot.path)

    def _walked_already(self, path: bytes) -> bytes | None:
        """The path under which the folder, which has several, was walked whole."""
        if self.real is None:
            self.real = {self.disk.identity(path): path for path in sorted(self.walked, reverse=True)}
        return self.real.get(self.disk.identity(path))


def _beside(crate: bytes, path: bytes, entries: Mapping[bytes, int]) -> str | None:
    """Why a folder in a crate is not built with it."""
    if b"Cargo.toml" in entries:
        return "another crate"
    folder, _, name = path.rpartition(b"/")
    return "tests, benches or examples of a crate" if folder == crate and name in _FOR_TESTS else None


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _text(name: bytes) -> str:
    """A name as patterns see it, whatever the locale."""
    return spelled(name).decode("utf-8", "surrogateescape")
