"""Which members a wheel may have: no name that leads out of a folder, no two names for one file, plain files only.

A wheel can have thousands of members, so each question is put to all of them at once; only the answer "no" looks for
the one to blame.
"""

from __future__ import annotations

import re
import stat
import unicodedata
from collections.abc import Collection, Sequence

from freshwheel.base.errors import WheelError, WheelUnfamiliarError
from freshwheel.wheel.zip_members import Member

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_DRIVE = re.compile(r"/[A-Za-z]:")
_NO_PATH = ("//", "/./", "/../")
"""An empty, a `.` and a `..` part of a name that stands between slashes."""
_BOMB_SIZE = 256 << 20
_BOMB_RATIO = 200


def check(members: Sequence[Member]) -> None:
    """Returns if no reader can be led astray by the names, modes and sizes of these members.

    WheelError for names that are dangerous or there twice, links and other special files. WheelUnfamiliarError for
    names that only some file systems tell apart, and for sizes beyond reason: such members are never decompressed here.
    """
    names = [member.name for member in members]
    if _is_dangerous("/|/".join([name.removesuffix("/") for name in names])):
        for name in names:
            if _is_dangerous(name.removesuffix("/")):
                raise WheelError(f"it has a member with a name that is not a plain relative path: {name!r}")
    for attributes, is_directory in {(member.attributes, member.name.endswith("/")) for member in members}:
        _check_mode(attributes >> 16, members, is_directory=is_directory)
    _check_twice(names)
    _check_bombs(members)


def _is_dangerous(path: str) -> bool:
    path = f"/{path}/"
    return (
        any(part in path for part in _NO_PATH)
        or (":" in path and _DRIVE.search(path) is not None)
        or _CONTROL.search(path) is not None
    )


def _check_mode(mode: int, members: Sequence[Member], *, is_directory: bool) -> None:
    of_these = (one for one in members if one.attributes >> 16 == mode and one.is_directory == is_directory)
    if stat.S_IFMT(mode) not in (0, stat.S_IFDIR if is_directory else stat.S_IFREG):
        raise WheelError(f"{next(of_these).name} is neither a plain file nor a folder (mode {mode:o})")
    if not is_directory and mode & (stat.S_ISUID | stat.S_ISGID):
        raise WheelError(f"{next(of_these).name} would run with the rights of another user (mode {mode:o})")
    if is_directory and (full := [one.name for one in of_these if one.size]):
        raise WheelError(f"{full[0]} is a folder with bytes of its own")


def _check_twice(names: Sequence[str]) -> None:
    """Returns if no name is there twice, as it is or where letter case or the form of Unicode does not count."""
    unique = set(names)
    if len(unique) != len(names):
        raise WheelError(f"it has two members called {next(name for name in names if names.count(name) > 1)}")
    files = {name for name in names if not name.endswith("/")}
    folders = {name[:-1] for name in unique - files} | _parents(names)
    if both := files & folders:
        raise WheelError(f"{min(both)} is both a file and a folder")
    every = files | folders
    if len(_folded(every)) != len(every):
        twins: dict[str, str] = {}
        for name in sorted(every):
            (folded,) = _folded([name])
            if (twin := twins.setdefault(folded, name)) != name:
                raise WheelUnfamiliarError(f"{twin} and {name} are one file on some file systems")


def _parents(names: Sequence[str]) -> set[str]:
    """All folders that these names lie in."""
    found: set[str] = set()
    level = {name.removesuffix("/").rpartition("/")[0] for name in names}
    while level := level - found - {""}:
        found |= level
        level = {name.rpartition("/")[0] for name in level}
    return found


def _folded(names: Collection[str]) -> set[str]:
    """The names as a file system sees them that knows neither letter case nor two forms of one letter."""
    text = "\n".join(names)
    if text.isascii():
        return set(text.lower().split("\n"))
    text = unicodedata.normalize("NFC", text).casefold()
    return set(unicodedata.normalize("NFC", text).split("\n"))


def _check_bombs(members: Sequence[Member]) -> None:
    size = sum([member.size for member in members])
    if size > _BOMB_SIZE and size > (packed := sum([member.packed for member in members])) * _BOMB_RATIO:
        raise WheelUnfamiliarError(f"its {packed} bytes would become {size}")
