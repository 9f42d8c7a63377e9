"""Which files of a tree are inputs: a walk that prunes by evidence, follows links with care, and reads no input.

First the tree itself is walked, then what `include` names outside of it, then the folders that symbolic links lead to,
link by link in the order of their paths. A folder is walked once, so loops end.
"""

from __future__ import annotations

import os
import posixpath
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from freshwheel.errors import InputError
from freshwheel.sources import disk, globs, litter
from freshwheel.sources.disk import Link, MovedError
from freshwheel.sources.globs import Globs, Places

__all__ = ["Tree", "find"]

_MOST = 100_000
"""Files behind links, beyond which nobody means them to be sources."""


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


def find(tree: str, *, include: Sequence[str] = (), exclude: Sequence[str] = (), always: Sequence[str] = ()) -> Tree:
    """The inputs of `tree`; `always` are paths of files, not patterns.

    Raises InputError where something can't be looked at, MovedError where it goes away meanwhile, and ValueError for a
    pattern that is not of the dialect.
    """
    walk = _Walk(os.fsencode(tree), globs.parse(include), globs.parse(exclude))
    walk.inside()
    walk.outside()
    walk.behind_links()
    for path in always:
        walk.name(posixpath.normpath(path).encode("utf-8", "surrogateescape"))
    return walk.result()


class _Walk:
    """One walk, and what it has found so far."""

    def __init__(self, tree: bytes, include: Globs, exclude: Globs) -> None:
        self.tree = tree
        self.include = include
        self.exclude = exclude
        self.files: list[bytes] = []
        self.links: dict[bytes, Link] = {}
        self.others: list[bytes] = []
        self.pruned: dict[bytes, str] = {}
        self.used: set[int] = set()
        self.walked: list[bytes] = []
        """Folders of the tree that were walked whole."""
        self.real: dict[tuple[int, int], bytes] | None = None
        """Device and inode of folders that were walked whole, and their paths; None until somebody asks."""
        self.waiting: list[_Spot] = []
        """Links to folders."""
        self.most = sys.maxsize
        """More files than this are too many."""

    def result(self) -> Tree:
        """What was found; several patterns may have found it."""
        idle = [glob.text for number, glob in enumerate(self.include.patterns) if number not in self.used]
        return Tree(
            files=sorted(set(self.files)),
            links=self.links,
            others=sorted(set(self.others)),
            pruned=self.pruned,
            idle=idle,
        )

    def inside(self) -> None:
        """Walks the tree itself."""
        self._walk(_Spot(b"", self.include.start(), self.exclude.start(), whole=True))

    def outside(self) -> None:
        """Walks what `include` names above the tree. Folders that are spelled out are not searched."""
        starts = {(glob.climb, glob.literal) for glob in self.include.patterns if glob.climb}
        for climb, literal in sorted(starts):
            include, exclude = self.include.start(climb), self.exclude.start(climb)
            spot = _Spot(b"/".join([b".."] * climb), include, exclude, whole=self.include.covers(include), apart=True)
            for name in literal[:-1]:
                include, exclude = self.include.step(spot.include, name), self.exclude.step(spot.exclude, name)
                spot = spot._replace(path=_join(spot.path, name.encode()), include=include, exclude=exclude)
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

    def name(self, path: bytes) -> None:
        """The file `path` is an input, whatever speaks against it; nothing happens where there is no file."""
        status = disk.status(self.tree, path)
        if status is None or path in self.links:
            return
        if stat.S_ISLNK(status.st_mode):
            link = disk.link(self.tree, path)
            if link.kind != b"d":
                self.links[path] = link
        elif stat.S_ISREG(status.st_mode):
            self.files.append(path)

    def _named(self, spot: _Spot, name: bytes) -> None:
        """Takes what a pattern names outside of the tree: a file, a link, or a folder to walk."""
        status = disk.status(self.tree, _join(spot.path, name))
        if status is None:
            return
        if not stat.S_ISDIR(status.st_mode):
            self._take(spot, name, stat.S_IFMT(status.st_mode))
        elif (below := self._below(spot, name)) is not None:
            self._walk(below)

    def _walk(self, start: _Spot) -> bool:
        """Walks a folder and all below it; False if evidence prunes it."""
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
        found = disk.entries(self.tree, spot.path)
        spot = self._entered(spot, found)
        if not (spot.whole or spot.include):
            return None
        if spot.whole:
            self._remember(spot)
        if not (spot.include or spot.exclude) and spot.whole:
            self._take_all(spot, found)
        else:
            for name, mode in found.items():
                if mode != stat.S_IFDIR:
                    self._take(spot, name, mode)
        return [below for name, mode in found.items() if mode == stat.S_IFDIR and (below := self._below(spot, name))]

    def _entered(self, spot: _Spot, found: Mapping[bytes, int]) -> _Spot:
        """`spot` with the places in it; not `whole` if it is pruned."""
        if not spot.path:
            return spot
        name = os.path.basename(spot.path)
        if name == b"..":
            return spot
        reason = self._reason(spot.path, name, found)
        wild = spot.wild and reason is None
        include = self.include.step(spot.include, _text(name), wild=wild)
        whole = (spot.whole and wild) or self.include.covers(include)
        if reason is not None and not whole:
            self.pruned[spot.path] = reason
        return spot._replace(include=include, whole=whole)

    def _reason(self, path: bytes, name: bytes, found: Mapping[bytes, int]) -> str | None:
        folders = {one for one, mode in found.items() if mode == stat.S_IFDIR}
        return litter.folder(
            name,
            found.keys(),
            folders,
            lambda file: disk.head(self.tree, path + b"/" + file),
            top=b"/" not in path,
        )

    def _below(self, spot: _Spot, name: bytes) -> _Spot | None:
        """The folder `name` in `spot`, None if nothing in it can be an input."""
        exclude = self.exclude.step(spot.exclude, _text(name)) if spot.exclude else spot.exclude
        if self.exclude.covers(exclude):
            return None
        wild = not litter.is_bare(name)
        if not (spot.whole and wild) and not self.include.step(spot.include, _text(name), wild=wild):
            return None
        return spot._replace(path=_join(spot.path, name), exclude=exclude, wild=wild)

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
        if mode == stat.S_IFLNK:
            self._take_link(spot, path, name, wanted=wanted)
        elif wanted and mode == stat.S_IFREG:
            self.files.append(path)
        elif wanted:
            self.others.append(path)

    def _take_link(self, spot: _Spot, path: bytes, name: bytes, *, wanted: bool) -> None:
        """As `_take`; a link to a folder is judged later, by what that folder holds."""
        link = disk.link(self.tree, path)
        if link.kind != b"d":
            if wanted:
                self.links[path] = link
        elif (below := self._below(spot, name)) is not None:
            self.waiting.append(below._replace(apart=True))

    def _is_dropping(self, folder: bytes, name: bytes) -> bool:
        return litter.is_dropping(name) or (not folder and litter.is_frontends(name))

    def _follow(self, spot: _Spot) -> None:
        """Takes a link to a folder, and walks that folder unless it was walked."""
        link = disk.link(self.tree, spot.path)
        if link.kind != b"d":
            raise MovedError(spot.path)
        stands = self._walked_already(spot.path)
        if stands is not None:
            self.used |= {number for number, _ in self.include.step(spot.include, _text(os.path.basename(spot.path)))}
            self.links[spot.path] = Link(text=link.text, kind=b"d", stands=stands or b".")
        elif self._walk(spot) and self._walked_already(spot.path) is not None:
            self.links[spot.path] = link

    def _remember(self, spot: _Spot) -> None:
        """Notes that a folder is walked whole."""
        if self.real is None:
            self.walked.append(spot.path)
        else:
            self.real.setdefault(disk.identity(self.tree, spot.path), spot.path)

    def _walked_already(self, path: bytes) -> bytes | None:
        """The path under which the folder, which has several, was walked whole."""
        if self.real is None:
            self.real = {disk.identity(self.tree, one): one for one in sorted(self.walked, reverse=True)}
        return self.real.get(disk.identity(self.tree, path))


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _text(name: bytes) -> str:
    """A name as patterns see it, whatever the locale."""
    return disk.spelled(name).decode("utf-8", "surrogateescape")
