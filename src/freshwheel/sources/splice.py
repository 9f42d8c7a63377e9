"""What the memory of a tree knows, brought up to date where files came into plain folders or went from them.

Nothing is parsed and no other folder is listed: that is a hundredth of the way that a walk goes. It is done only where
the walk would certainly come to the same inputs, and refused at the first doubt. That is where, in a folder that was
walked whole, of which no pattern speaks, and which has one path alone, nothing but regular files came and went, by
names that decide nothing; and where its names, as they are now, are no evidence against it.
"""

import os
import re
import sys
from bisect import bisect_left

from freshwheel import memory, rows
from freshwheel.sources import litter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from freshwheel.memory import Memory

__all__ = ["IS_KNOWN", "RefusedError", "spliced"]

_DECIDING = re.compile(
    rb"Cargo\.(?:toml|lock)|pyproject\.toml|setup\.(?:py|cfg)|CMakeLists\.txt|CMakeCache\.txt|meson\.build|__init__\.py"
    rb"|PKG-INFO|CACHEDIR\.TAG|pyvenv\.cfg|\.gitignore|\.git|\.rustc_info\.json|\.cargo.*|rust-toolchain.*"
    rb"|conda-meta|meson-info|history|meson-info\.json|intro-buildoptions\.json|index\.html|status\.json"
    rb"|.*\.(?:whl|tar\.gz|zip)|\.package-lock\.json|\.yarn-integrity|\.yarn-state\.yml|\.modules\.yaml|\.pnpm",
    re.DOTALL | re.IGNORECASE,
)
"""Names of files that say something about others."""
IS_KNOWN = os.name == "posix" and sys.platform != "darwin"
"""Elsewhere rows prove nothing, or names have two forms."""
_REGULAR, _FOLDER, _LINK, _OTHER = "regular", "folder", "link", "other"
_TYPES = {b"f": _REGULAR, b"x": _REGULAR, b"t": _REGULAR, b"l": _LINK, b"?": _OTHER}
"""Kind of an input -> its type in a listing."""


class RefusedError(Exception):
    """Only a walk can tell."""


def spliced(
    known: "Memory", packs: "Sequence[bytes]", others: "Sequence[bytes]", moved: "Sequence[int]"
) -> "tuple[Memory, list[bytes]]":
    """The memory and the packed rows without the inputs that went, and with those that came, which are not yet read.

    `packs` are of the inputs, NOTHING where they are gone; `others` of the places; `moved` has the numbers
    of the places whose row is another one. RefusedError if only a walk can tell; OSError where a folder can't be
    listed.
    """
    splice = _Splice(known, packs, others)
    for number in moved:
        splice.folder(number)
    return splice.result()


class _Splice:
    """What is known, and what was found to be different."""

    def __init__(self, known: "Memory", packs: "Sequence[bytes]", others: "Sequence[bytes]") -> None:
        self.known = known
        self.packs = packs
        self.others = others
        self.inputs = memory.split(known.inputs)
        self.places = memory.split(known.places)
        self.numbers = {path: number for number, path in enumerate(self.places)}
        self.gone: list[int] = []
        self.come: list[bytes] = []

    def folder(self, number: int) -> None:
        """Looks what came into a folder, and what went."""
        _demand(IS_KNOWN and self.known.flags[number] == memory.PLAIN)
        folder = self.places[number]
        where = self.alone(folder, self.others[number])
        here = self.within(folder)
        listing = _listing(where)
        for name, kind in listing.items():
            self.entry(folder, name, kind, here.pop(name, None))
        for name, one in here.items():
            _demand(
                self.packs[one] == rows.NOTHING
                and self.known.column[17 * one] in b"fx"
                and not _DECIDING.fullmatch(name)
            )
            self.gone.append(one)
        self.judge(folder, listing)

    def alone(self, folder: bytes, pack: bytes) -> bytes:
        """Where a folder is, if that is its one path: else the walk may have it under another."""
        where = os.path.normpath(os.path.join(self.known.tree, folder))
        _demand(os.path.realpath(where) == where and os.stat(where).st_dev == self.known.device)
        _demand(sum(other[32:] == pack[32:] for other in self.others) == 1)
        return where

    def within(self, folder: bytes) -> "dict[bytes, int]":
        """The names of the inputs that lie directly in a folder, and their numbers."""
        if folder == b".":
            return {path: number for number, path in enumerate(self.inputs) if b"/" not in path}
        stem = len(folder) + 1
        first, last = bisect_left(self.inputs, folder + b"/"), bisect_left(self.inputs, folder + b"0")
        return {
            path[stem:]: number
            for number, path in enumerate(self.inputs[first:last], first)
            if path.find(b"/", stem) < 0
        }

    def entry(self, folder: bytes, name: bytes, kind: str, number: int | None) -> None:
        """Judges what lies in a folder; `number` is that of an input of that name."""
        if number is not None:
            _demand(
                kind == _TYPES[self.known.column[17 * number : 17 * number + 1]] and self.packs[number] != rows.NOTHING
            )
        elif kind == _FOLDER:
            _demand(litter.is_bare(name) or self.was_listed(_joined(folder, name)))
        else:
            _demand(kind == _REGULAR)
            if not (litter.is_dropping(name) or (folder == b"." and litter.is_frontends(name))):
                _demand(not _DECIDING.fullmatch(name))
                self.come.append(_joined(folder, name))

    def was_listed(self, folder: bytes) -> bool:
        """Whether a folder is among those of which each change is seen."""
        number = self.numbers.get(folder)
        return number is not None and self.known.flags[number] != memory.KIND

    def judge(self, folder: bytes, listing: "Mapping[bytes, str]") -> None:
        """Refuses where names in a folder may be evidence against it; the project itself is never judged."""
        if folder == b".":
            return
        folders = {name for name, kind in listing.items() if kind == _FOLDER}
        name = os.path.basename(folder)
        _demand(litter.folder(name, listing.keys(), folders, _unread, top=b"/" not in folder) is None)

    def result(self) -> "tuple[Memory, list[bytes]]":
        """As `spliced`."""
        _demand(self.packs.count(rows.NOTHING) == len(self.gone))
        inputs, packs = self.inputs, list(self.packs)
        column, stamps = bytearray(self.known.column), bytearray(self.known.stamps)
        for number in sorted(self.gone, reverse=True):
            del inputs[number], packs[number]
            del column[17 * number : 17 * number + 17], stamps[8 * number : 8 * number + 8]
        for path in sorted(self.come):
            number = bisect_left(inputs, path)
            inputs.insert(number, path)
            packs.insert(number, rows.NOTHING)
            column[17 * number : 17 * number] = b"f" + bytes(16)
            stamps[8 * number : 8 * number] = rows.UNTRUSTED
        known = self.known.but(inputs=b"\0".join(inputs), column=bytes(column), stamps=bytes(stamps))
        return known, packs


def _listing(folder: bytes) -> "dict[bytes, str]":
    """The names in a folder, and the type of each."""
    with os.scandir(folder) as listing:
        return {
            entry.name: _REGULAR
            if entry.is_file(follow_symlinks=False)
            else _LINK
            if entry.is_symlink()
            else _FOLDER
            if entry.is_dir(follow_symlinks=False)
            else _OTHER
            for entry in listing
        }


def _unread(name: bytes) -> bytes:
    """In place of the beginning of a file that may be evidence."""
    raise RefusedError(os.fsdecode(name))


def _joined(folder: bytes, name: bytes) -> bytes:
    return name if folder == b"." else folder + b"/" + name


def _demand(holds: bool) -> None:  # noqa: FBT001
    if not holds:
        raise RefusedError
