"""The tree as an opinion looks at it: everything in it, in all its spellings, and whether somebody spoke for it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from freshwheel.base import globs
from freshwheel.base.model import Input
from freshwheel.inner import build_records
from freshwheel.sources import not_sources

_HEAD = 4096
"""Bytes that are read of a file that may be evidence."""
_CLIMBS = re.compile(r".*/\.\.(?=/|$)", re.DOTALL)
"""The beginning of an absolute path, up to its last `..`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What an opinion is held against."""

    tree: str
    """The project directory, absolute."""
    repository: str
    """The folder that is cloned as a whole, absolute; the project directory where nobody knows."""
    inputs: Sequence[Input]
    exclude: Sequence[str] = ()
    """Globs: what the user said is no input, in spite of all."""
    outputs: Sequence[str] = ()
    """Files and folders that the build itself writes, relative to the project directory."""
    apart: Sequence[str] = ()
    """Absolute folders of which nothing counts: the homes of cargo and rustup, Pythons, temporary folders."""
    known: Sequence[str] = ()
    """Absolute paths outside of the repository that are in the build key already."""


class Ground:
    """The tree of one scope."""

    def __init__(self, scope: Scope) -> None:
        self.tree = scope.tree
        self._climbs: dict[str, str] = {}
        self.real = os.path.realpath(scope.tree)
        self.repository = self.placed(scope.repository)
        self.inputs = frozenset(os.fsdecode(one.path) for one in scope.inputs)
        self.outputs = tuple(scope.outputs)
        self.apart = tuple(self.placed(one) for path in scope.apart for one in (path, os.path.realpath(path)))
        self._exclude = globs.parse(scope.exclude)

    def at(self, path: str) -> str:
        """Where `path` is for the system."""
        return os.path.join(self.tree, path)

    def placed(self, path: str) -> str:
        """An absolute path as inputs are called; tools may spell the tree as it is, or as links lead to it."""
        path = self.straight(path)
        spelled = build_records.placed(path, self.tree)
        if self.real == self.tree or not spelled.startswith(".."):
            return spelled
        really = build_records.placed(path, self.real)
        above = os.path.join(self.tree, *[".."] * _climb(spelled))
        if os.name != "nt" and self.straight(above) != os.path.normpath(above):
            return really
        return min(spelled, really, key=_climb)

    def straight(self, path: str) -> str:
        """An absolute path in which `..` may be taken by the text alone: not where one follows a link.

        Windows itself goes by the text.
        """
        climbs = _CLIMBS.match(path) if "/.." in path and os.name != "nt" else None
        if climbs is None:
            return path
        head = climbs[0]
        if head not in self._climbs:
            self._climbs[head] = _climbed(head)
        return self._climbs[head].rstrip("/") + path[len(head) :] or "/"

    def mode(self, path: str) -> int:
        """The type of what `path` leads to; 0 where there is nothing."""
        try:
            return stat.S_IFMT(os.stat(self.at(path)).st_mode)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return 0

    def is_settled(self, path: str) -> bool:
        """Whether `path` is an input, or was said to be none."""
        if path in self.inputs or any(build_records.within(path, one, self.tree) for one in self.outputs):
            return True
        return self._exclude.match(path)

    def unsettled(self, paths: Sequence[str]) -> frozenset[str]:
        """Those that are not settled, not even under another name: through a link, or with other capitals."""
        left = {path for path in paths if not self.is_settled(path)}
        same = {self._identity(path) for path in self.inputs} if left else set()
        return frozenset(path for path in left if self._identity(path) not in same)

    def files(self, start: str, enters: Callable[[str, AbstractSet[str], AbstractSet[str]], bool]) -> Iterator[str]:
        """The files below a folder, links followed; nothing of version control, of bytecode, or of what is apart.

        `enters` decides about each folder below it: by its path, the names in it, and those of folders. What can't be
        read is passed over: nothing else can have read it.
        """
        seen: set[object] = set()
        waiting = [start]
        while waiting:
            path = waiting.pop()
            if (identity := self._identity(path)) in seen or self.is_apart(path):
                continue
            seen.add(identity)
            names, folders = self._entries(path)
            if path == start or enters(path, names, folders):
                stem = f"{path}/" if path else ""
                yield from (stem + name for name in sorted(names - folders))
                below = sorted(folders, reverse=True)
                waiting += [stem + name for name in below if not not_sources.is_bare(os.fsencode(name))]

    def is_apart(self, path: str) -> bool:
        """Whether nothing at `path` counts."""
        return any(build_records.within(path, one, self.tree) for one in self.apart)

    def pruned(self, path: str, names: AbstractSet[str], folders: AbstractSet[str]) -> str | None:
        """Why evidence prunes a folder with these names in it, and names of folders; None if it does not."""
        found = {os.fsencode(name): stat.S_IFDIR if name in folders else stat.S_IFREG for name in names}
        name = os.fsencode(path.rpartition("/")[2])
        return not_sources.folder(name, found, lambda file: self._head(path, file))

    def _identity(self, path: str) -> object:
        """What two names of one file have in common."""
        try:
            found = os.stat(self.at(path))
        except (OSError, ValueError):
            return path
        return found.st_dev, found.st_ino

    def _entries(self, path: str) -> tuple[frozenset[str], frozenset[str]]:
        """The names in a folder, and those of folders."""
        try:
            with os.scandir(self.at(path)) as listing:
                found = [(entry.name, entry.is_dir()) for entry in listing]
        except (OSError, ValueError):
            return frozenset(), frozenset()
        return frozenset(name for name, _ in found), frozenset(name for name, is_folder in found if is_folder)

    def _head(self, path: str, file: bytes) -> bytes:
        """The beginning of a regular file; nothing where there is none."""
        where = os.path.join(self.at(path), os.fsdecode(file))
        try:
            if not stat.S_ISREG(os.lstat(where).st_mode):
                return b""
            with open(where, "rb") as opened:
                return opened.read(_HEAD)
        except OSError:
            return b""


def _climb(path: str) -> int:
    return path.split("/").count("..")


def _climbed(path: str) -> str:
    """Where an absolute path that ends in `..` leads: by its text as long as that is the same folder."""
    text = os.path.normpath(path)
    try:
        real = os.path.realpath(path)
        return text if os.path.realpath(text) == real else real
    except (OSError, ValueError):
        return text
