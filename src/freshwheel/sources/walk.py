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
from freshwheel.base.globs import Places
from freshwheel.sources import cargo, not_sources
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
    pruned: Mapping[bytes, str]
    """Folders that are no inputs, and why; not those that are excluded, nor version control and bytecode."""
    idle: Sequence[str]
    """Patterns of `include` that match nothing."""


class _Spot(NamedTuple):
    """A folder that is about to be walked."""

    path: bytes
    """Relative to the tree; empty: the tree itself."""
    include: Places
    """In the folder that holds it, until it is entered."""
    exclude: Places
    whole: bool
    """Whether its files are inputs unless something speaks against it; else only included ones are."""
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
        self, disk: Disk, *, include: Sequence[str] = (), exclude: Sequence[str] = (), apart: Iterable[str] = ()
    ) -> None:
        """`apart` are folders that were given to tools. Raises ValueError for a pattern that is not of the dialect."""
        self.disk = disk
        self.apart = frozenset(os.fsencode(path) for path in apart)
        self.include = globs.parse(include)
        self.exclude = globs.parse(exclude)
        self.left_out: set[bytes] = set()
        self.named: set[bytes] = set()
        """Files that `include` matches."""
        self.files: list[bytes] = []
        self.links: dict[bytes, Link] = {}
        self.others: list[bytes] = []
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

    def root(self, path: str, *, crate: bool = False, only: frozenset[bytes] | None = None) -> None:
        """Walks a folder, normalised and relative to the tree; of a crate, without other crates and its tests.

        What lies directly in it and is not among `only` is no input, unless a pattern of `include` stands for it.
        """
        spot = self._spot(path)
        if spot.path in self.walked or self.exclude.covers(spot.exclude):
            return
        if not path or self.disk.kind(spot.path) == stat.S_IFDIR:
            self._walk(spot._replace(whole=True, crate=spot.path if crate else None, only=only))

    def leave_out(self, paths: Iterable[str]) -> None:
        """These files are no inputs, unless `include` matches them."""
        self.left_out.update(os.fsencode(path) for path in paths)

    def file(self, path: str) -> None:
        """Takes a file, normalised and relative to the tree, unless it is excluded or left out."""
        folder, _, name = path.rpartition("/")
        if not self.exclude.matching(self._spot(folder).exclude, name):
            self.name(path)

    def name(self, path: str) -> None:
        """The file `path` is an input, whatever speaks against it; nothing happens where there is no file."""
        place = posixpath.normpath(path).encode("utf-8", "surrogateescape")
        status = self.disk.status(place)
        if status is None or place in self.links:
            return
        if stat.S_ISLNK(status.st_mode):
            link = self.disk.link(place)
            if link.kind != b"d":
                self.links[place] = link
        elif stat.S_ISREG(status.st_mode):
            self.files.append(place)
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
        idle = [glob.text for number, glob in enumerate(self.include.patterns) if number not in self.used]
        left_out = self.left_out - self.named
        return Tree(
            files=sorted(set(self.files) - left_out),
            links={path: link for path, link in self.links.items() if path not in left_out},
            others=sorted(set(self.others)),
            pruned=self.pruned,
            idle=idle,
        )

    def _spot(self, path: str) -> _Spot:
        """A folder that is asked for by its name, so that no evidence on the way counts."""
        names = path.split("/") if path else []
        climb = names.count("..")
        include, exclude = self.include.start(climb), self.exclude.start(climb)
        for name in names[climb:]:
            include, exclude = self.include.step(include, name), self.exclude.step(exclude, name)
        place = os.fsencode(path)
        return _Spot(place, include, exclude, whole=self.include.covers(include), apart=bool(path), entered=True)

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
        found = self.disk.entries(spot.path)
        spot = spot if spot.entered else self._entered(spot, found)
        if not (spot.whole or spot.include):
            return None
        if spot.whole:
            self._remember(spot)
        if spot.only is not None:
            return self._scan_some(spot._replace(only=None), found, spot.only)
        if not (spot.include or spot.exclude) and spot.whole:
            self._take_all(spot, found)
        else:
            for name, mode in found.items():
                if mode != stat.S_IFDIR:
                    self._take(spot, name, mode)
        return [below for name, mode in found.items() if mode == stat.S_IFDIR and (below := self._below(spot, name))]

    def _scan_some(self, spot: _Spot, found: Mapping[bytes, int], only: frozenset[bytes]) -> list[_Spot]:
        """As `_scan`, of a folder in which nothing but `only` counts by itself."""
        folders: list[_Spot] = []
        for name, mode in found.items():
            here = spot if name in only else spot._replace(whole=False)
            if mode != stat.S_IFDIR:
                self._take(here, name, mode)
            elif (below := self._below(here, name)) is not None:
                folders.append(below)
            elif self._below(spot, name) is not None:
                self.pruned[_join(spot.path, name)] = "no source of the crate speaks of it"
        return folders

    def _entered(self, spot: _Spot, found: Mapping[bytes, int]) -> _Spot:
        """`spot` with the places in it; not `whole` if it is pruned."""
        name = os.path.basename(spot.path)
        reason = self._reason(spot.path, name, found)
        wild = spot.wild and reason is None
        include = self.include.step(spot.include, _text(name), wild=wild)
        if reason is None and spot.whole and spot.crate is not None:
            reason = _beside(spot.crate, spot.path, found)
        whole = (spot.whole and reason is None) or self.include.covers(include)
        if reason is not None and not whole:
            self.pruned[spot.path] = reason
        return spot._replace(include=include, whole=whole, entered=True)

    def _reason(self, path: bytes, name: bytes, found: Mapping[bytes, int]) -> str | None:
        if path in self.apart and not not_sources.is_protected(found.keys()):
            return "given to a tool for its own files"
        folders = {one for one, mode in found.items() if mode == stat.S_IFDIR}
        return not_sources.folder(
            name,
            found.keys(),
            folders,
            lambda file: self.disk.head(path + b"/" + file),
            top=b"/" not in path,
        )

    def _below(self, spot: _Spot, name: bytes) -> _Spot | None:
        """The folder `name` in `spot`, None if nothing in it can be an input."""
        exclude = self.exclude.step(spot.exclude, _text(name)) if spot.exclude else spot.exclude
        if self.exclude.covers(exclude):
            return None
        wild = not not_sources.is_bare(name)
        if not (spot.whole and wild) and not self.include.step(spot.include, _text(name), wild=wild):
            return None
        whole = spot.whole and wild
        return spot._replace(path=_join(spot.path, name), exclude=exclude, whole=whole, wild=wild, entered=False)

    def _take_all(self, spot: _Spot, found: Mapping[bytes, int]) -> None:
        """Takes what lies in a folder that no pattern speaks of."""
        stem = spot.path + b"/" if spot.path else b""
        for name, mode in found.items():
            if mode == stat.S_IFREG:
                if not self._is_dropping(spot.path, name):
                    self.files.append(stem + name)
            elif mode != stat.S_IFDIR:
                self._take(spot, name, mode)

    def _take(self, spot: _Spot, name: bytes, mode: int) -> None:
        """Takes what is no folder, unless it is excluded, or dropped there and not included."""
        text = _text(name)
        free = not self._is_dropping(spot.path, name)
        matching = self.include.matching(spot.include, text, wild=free)
        self.used |= matching
        if self.exclude.matching(spot.exclude, text):
            return
        wanted = bool(matching) or (spot.whole and free)
        path = _join(spot.path, name)
        if matching:
            self.named.add(path)
        if mode == stat.S_IFLNK:
            self._take_link(spot, path, name, wanted=wanted)
        elif wanted and mode == stat.S_IFREG:
            self.files.append(path)
        elif wanted:
            self.others.append(path)

    def _take_link(self, spot: _Spot, path: bytes, name: bytes, *, wanted: bool) -> None:
        """As `_take`; a link to a folder is judged later, by what that folder holds."""
        link = self.disk.link(path)
        if link.kind != b"d":
            if wanted:
                self.links[path] = link
        elif (below := self._below(spot, name)) is not None:
            self.waiting.append(below._replace(apart=True))

    def _is_dropping(self, folder: bytes, name: bytes) -> bool:
        return not_sources.is_dropping(name) or (not folder and not_sources.is_frontends(name))

    def _follow(self, spot: _Spot) -> None:
        """Takes a link to a folder, and walks that folder unless it was walked."""
        link = self.disk.link(spot.path)
        if link.kind != b"d":
            raise MovedError(spot.path)
        stands = self._walked_already(spot.path)
        if stands is not None:
            self.used |= {number for number, _ in self.include.step(spot.include, _text(os.path.basename(spot.path)))}
            self.links[spot.path] = Link(text=link.text, kind=b"d", stands=stands or b".")
        elif link.text == ABSOLUTE and not spot.include:
            # A place of this machine, however much lies there.
            if self._entered(spot, self.disk.entries(spot.path)).whole:
                self.links[spot.path] = link
        elif self._walk(spot) and self._walked_already(spot.path) is not None:
            self.links[spot.path] = link

    def _remember(self, spot: _Spot) -> None:
        """Notes that a folder is walked whole."""
        if self.real is None:
            self.walked.append(spot.path)
        else:
            self.real.setdefault(self.disk.identity(spot.path), spot.path)

    def _walked_already(self, path: bytes) -> bytes | None:
        """The path under which the folder, which has several, was walked whole."""
        if self.real is None:
            self.real = {self.disk.identity(one): one for one in sorted(self.walked, reverse=True)}
        return self.real.get(self.disk.identity(path))


def _beside(crate: bytes, path: bytes, found: Mapping[bytes, int]) -> str | None:
    """Why a folder in a crate is not built with it."""
    if b"Cargo.toml" in found:
        return "another crate"
    folder, _, name = path.rpartition(b"/")
    return "tests, benches or examples of a crate" if folder == crate and name in _FOR_TESTS else None


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _text(name: bytes) -> str:
    """A name as patterns see it, whatever the locale."""
    return spelled(name).decode("utf-8", "surrogateescape")
