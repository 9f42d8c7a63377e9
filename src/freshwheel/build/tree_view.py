"""The tree as it is looked at after a build: what somebody spoke for, and what is set apart."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from freshwheel.base import globs
from freshwheel.base.model import Input
from freshwheel.sources import boundary

_HEAD = 4096
"""Bytes that are read of a file that may be evidence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What a build is held against."""

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


class Ground:
    """The tree of one scope. Its paths are relative to the tree, with `/`; `..` stands at their start only."""

    def __init__(self, scope: Scope) -> None:
        self.tree = os.path.realpath(scope.tree)
        self.repository = os.path.realpath(scope.repository)
        self.inputs = frozenset(os.fsdecode(file.path) for file in scope.inputs)
        self._outputs = tuple(scope.outputs)
        self._apart = tuple(map(os.path.realpath, scope.apart))
        self._exclude = globs.parse(scope.exclude)

    def at(self, path: str) -> str:
        """Where `path` is for the system."""
        return os.path.join(self.tree, path)

    def placed(self, path: str) -> str | None:
        """What an absolute path is called here; None for what is not there, set apart, or outside of the repository."""
        real = os.path.realpath(path)
        if not os.path.exists(real) or not _within(real, [self.repository]) or _within(real, self._apart):
            return None
        return os.path.relpath(real, self.tree).replace(os.sep, "/")

    def is_outside(self, path: str) -> bool:
        """Whether an absolute path leads to something outside of the repository that is not set apart."""
        real = os.path.realpath(path)
        return os.path.exists(real) and not _within(real, [self.repository, self.tree, *self._apart])

    def is_settled(self, path: str) -> bool:
        """Whether `path` is an input, or was said to be none."""
        if path in self.inputs or any(path == output or path.startswith(f"{output}/") for output in self._outputs):
            return True
        return self._exclude.match(path)

    def is_apart(self, path: str) -> bool:
        """Whether nothing at `path` counts."""
        return _within(os.path.realpath(self.at(path)), self._apart)

    def pruned(self, path: str, names: AbstractSet[str], folders: AbstractSet[str]) -> str | None:
        """Why evidence prunes a folder with these names in it, and names of folders; None if it does not."""
        kinds = {os.fsencode(name): stat.S_IFDIR if name in folders else stat.S_IFREG for name in names}
        name = os.fsencode(path.rpartition("/")[2])
        return boundary.why_pruned(name, kinds, lambda file: self._head(path, file))

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


def _within(path: str, folders: Iterable[str]) -> bool:
    """Whether a path is one of these folders, or lies in one."""
    path = os.path.normcase(path)
    named = map(os.path.normcase, folders)
    return any(path == folder or path.startswith(os.path.join(folder, "")) for folder in named)
