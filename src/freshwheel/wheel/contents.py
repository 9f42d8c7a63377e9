"""What the members of a wheel hold, held against RECORD, or against the members of another wheel.

Here every byte is decompressed and compared with its CRC, one member after the other; `archive` leaves that to
installers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from freshwheel.base.errors import WheelError
from freshwheel.wheel import mark as marks
from freshwheel.wheel import record, zip_members
from freshwheel.wheel.archive import Wheel
from freshwheel.wheel.zip_members import Member

LIMIT = 1 << 20
"""Bytes of a text that is kept beside RECORD."""
_EXECUTABLE = 0o111
_BILLS = ".dist-info/sboms/"
"""Bills of materials (PEP 770): each build gives them a number and a time of their own."""


def read(wheel: Wheel, name: str) -> bytes | None:
    """What the file `name` in the `.dist-info` folder holds, at most `LIMIT` bytes; None: there is none.

    Raises WheelError where it can't be read.
    """
    path = f"{wheel.dist_info}/{name}"
    with _opened(wheel) as file:
        for member in wheel.members:
            if member.name == path:
                return zip_members.content(file, member, LIMIT)
    return None


def flaws(wheel: Wheel) -> dict[str, str]:
    """The members that are not what RECORD says, by name, each with what is wrong."""
    wrong = {}
    rows = {row[0]: row for row in wheel.rows}
    with _opened(wheel) as file:
        for member in _files(wheel):
            row = rows.get(member.name)
            if row is None or not row[1]:  # RECORD itself, which has no hash of itself
                continue
            try:
                data = _content(file, member)
            except WheelError as error:
                wrong[member.name] = error.message
                continue
            if not record.matches(row, data):
                wrong[member.name] = "its hash is not what RECORD says"
    return wrong


def differences(one: Wheel, other: Wheel, names: tuple[str, str] = ("first", "second")) -> dict[str, str]:
    """What an installer would make of one wheel and not of the other, by member, each with how it differs.

    Names, contents and whether a file can be executed count; times, order and compression do not, nor what bills of
    materials hold. RECORD follows from the others, the mark says what is known, and folders that carry the version go
    by what they are for. `names` are what the two are called in the answer.
    """
    sides = [_installed(one), _installed(other)]
    found = {}
    for name in sorted(sides[0].keys() | sides[1].keys()):
        before, after = (side.get(name) for side in sides)
        if before is None or after is None:
            found[name] = f"only in the {names[before is None]} one"
        elif before[0] != after[0]:
            found[name] = "other content"
        elif before != after:
            found[name] = f"can be executed in the {names[after[1]]} one only"
    return found


def _installed(wheel: Wheel) -> Mapping[str, tuple[bytes, bool]]:
    """Each file by a name without the version: SHA-256, and whether it can be executed."""
    stems = {wheel.dist_info: ".dist-info", wheel.data or "": ".data"}
    left_out = (f".dist-info/{marks.NAME}", ".dist-info/RECORD")
    found = {}
    with _opened(wheel) as file:
        for member in _files(wheel):
            top, slash, rest = member.name.partition("/")
            name = stems.get(top, top) + slash + rest if slash else top
            if name not in left_out:
                data = b"" if name.startswith(_BILLS) else _content(file, member)
                executable = bool(member.attributes >> 16 & _EXECUTABLE)
                found[name] = (hashlib.sha256(data).digest(), executable)
    return found


def _files(wheel: Wheel) -> Iterator[Member]:
    return (member for member in wheel.members if not member.is_directory)


def _content(file: BinaryIO, member: Member) -> bytes:
    return zip_members.content(file, member, max(member.size, member.packed))


def _opened(wheel: Wheel) -> BinaryIO:
    try:
        return open(wheel.path, "rb")
    except OSError as error:
        raise WheelError(f"{wheel.name.filename}: it can't be read: {error.strerror or error}") from error
