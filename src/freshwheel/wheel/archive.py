"""A wheel as a file: read and validated as a whole, rewritten with another version member by member.

Nothing is ever unpacked. Of the members only METADATA, WHEEL and RECORD are decompressed and compared with their CRC
and their hash in RECORD; of all others the names, modes, sizes and places are checked, not the bytes, which are copied
as they lie: an installer checks them when it unpacks them, and to do it here would take many times as long as the copy.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from packaging.utils import canonicalize_name
from packaging.version import Version

from freshwheel.base import frame
from freshwheel.base.errors import WheelError, WheelUnfamiliarError
from freshwheel.base.model import Mark
from freshwheel.wheel import mark as marks
from freshwheel.wheel import members, metadata, parts, record, zip_members
from freshwheel.wheel.names import WheelName
from freshwheel.wheel.parts import Part
from freshwheel.wheel.zip_members import Member

_INFO, _DATA = ".dist-info", ".data"
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
_NEWER = ("METADATA.json", "WHEEL.json", "variant.json")
"""Drafts (PEP 819, 825) that repeat in JSON what METADATA and WHEEL say, or add to the file name."""
_BODY = re.compile(rb"\n\r?\n")
_TEXT_LIMIT = 16 << 20
_MARK_LIMIT = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A wheel that was found to be whole and free of contradictions."""

    path: str
    name: WheelName
    version: str
    """As METADATA spells it."""
    metadata: bytes
    members: tuple[Member, ...]
    """In the order of the directory."""
    rows: tuple[record.Row, ...]
    """RECORD."""
    dist_info: str
    """The name of the folder, as the members spell it."""
    data: str | None
    """The name of the `.data` folder, if there is one."""


def read(path: str) -> Wheel:
    """The wheel at `path`.

    Raises WheelError if it is broken, dangerous or contradicts itself, WheelUnfamiliarError if it may well be a good
    wheel but has a form that is not rewritten here.
    """
    return _read(path, os.path.basename(path))


def rewrite(wheel: Wheel, target: str, *, version: str, mark: bytes) -> str:
    """The name of the file in the folder `target` that holds `wheel` with another version and with this mark.

    Only the names that carry the version, METADATA's `Version`, RECORD and the mark are new; all other members keep
    their compressed bytes, order, modes and times. Equal arguments give equal bytes. WheelError if the result is not
    a wheel of that version; then nothing is left in `target`.
    """
    name = wheel.name.with_version(version).filename
    path = os.path.join(target, name)
    temporary = frame.beside(path)
    try:
        with open(wheel.path, "rb") as source, open(temporary, "xb") as file:
            parts.write(file, source, _parts(wheel, version, mark))
        _read(temporary, name)  # all that carries the version agrees with the new name, or this is an error
        os.replace(temporary, path)
    except BaseException:
        frame.remove(temporary)
        raise
    return name


def mark_of(path: str) -> Mark | None:
    """The mark of the wheel at `path`; None for a wheel without one, and for anything that can't be understood."""
    with contextlib.suppress(OSError, ValueError, RecursionError, WheelError), open(path, "rb") as file:
        for member in zip_members.members(file):
            folder, _, rest = member.name.partition("/")
            if rest == marks.NAME and folder.endswith(_INFO):
                return marks.parse(zip_members.content(file, member, _MARK_LIMIT))
    return None


def _read(path: str, filename: str) -> Wheel:
    try:
        with open(path, "rb") as file:
            return _wheel(file, path, filename)
    except WheelError as error:
        raise type(error)(f"{filename}: {error.message}", hint=error.hint) from None
    except OSError as error:
        raise WheelError(f"{filename}: it can't be read: {error.strerror or error}") from error


def _wheel(file: BinaryIO, path: str, filename: str) -> Wheel:
    found = zip_members.members(file)
    members.check(found)
    name = WheelName.parse(filename)
    dist_info, data = _folders(found, name)
    by_name = {member.name: member for member in found}
    _check_files(by_name, dist_info)
    sizes = {member.name: member.size for member in found}
    rows = record.parse(zip_members.content(file, by_name[f"{dist_info}/RECORD"], record.limit(list(sizes))))
    record.check(rows, sizes, own=f"{dist_info}/RECORD")
    by_path = {row[0]: row for row in rows}
    texts = {}
    for part in ("METADATA", "WHEEL"):
        member = by_name[f"{dist_info}/{part}"]
        texts[part] = zip_members.content(file, member, _TEXT_LIMIT)
        if not record.matches(by_path[member.name], texts[part]):
            raise WheelError(f"{part} is not what RECORD says: the hashes differ")
    _check_format(texts["WHEEL"])
    version = _version(texts["METADATA"], name)
    return Wheel(
        path=path,
        name=name,
        version=version,
        metadata=texts["METADATA"],
        members=found,
        rows=rows,
        dist_info=dist_info,
        data=data,
    )


def _folders(found: Sequence[Member], name: WheelName) -> tuple[str, str | None]:
    """The names of the `.dist-info` and of the `.data` folder, both of which must be those of the file name."""
    tops = {member.name.partition("/")[0] for member in found}
    infos = sorted(top for top in tops if top.lower().endswith(_INFO))
    datas = sorted(top for top in tops if top.lower().endswith(_DATA))
    if not infos:
        raise WheelError("it has no .dist-info folder")
    if len(infos) > 1 or len(datas) > 1:
        raise WheelUnfamiliarError(f"it has more than one such folder: {', '.join(infos if len(infos) > 1 else datas)}")
    if not _same(infos[0], name.dist_info(), _INFO):
        raise WheelError(f"its folder {infos[0]} is not that of the file name, {name.dist_info()}")
    if datas and not _same(datas[0], name.data(), _DATA):
        kind = WheelError if "-" in datas[0] else WheelUnfamiliarError
        raise kind(f"its folder {datas[0]} is not that of the file name, {name.data()}")
    return infos[0], datas[0] if datas else None


def _same(folder: str, expected: str, suffix: str) -> bool:
    """Whether two folder names are one by the rules for names and versions."""
    if folder == expected:
        return True
    if not folder.endswith(suffix):
        return False
    (name, _, version), (other, _, wanted) = (text.removesuffix(suffix).rpartition("-") for text in (folder, expected))
    return canonicalize_name(name) == canonicalize_name(other) and _equal(version, wanted)


def _equal(version: str, other: str) -> bool:
    """Whether the two are one version, of which `other` is known to be one."""
    try:
        return version == other or Version(version) == Version(other)
    except ValueError:  # also for a number too long for `int`
        return False


def _check_files(by_name: Mapping[str, Member], dist_info: str) -> None:
    for part in ("METADATA", "WHEEL", "RECORD"):
        if f"{dist_info}/{part}" not in by_name:
            raise WheelError(f"it has no {part} in {dist_info}")
    for part in (*_SIGNATURES, *_NEWER):
        if f"{dist_info}/{part}" in by_name:
            kind = "a signature of RECORD" if part in _SIGNATURES else "metadata in a newer form"
            raise WheelUnfamiliarError(f"it has {kind}, {part}, which would not fit a rewritten wheel")


def _check_format(text: bytes) -> None:
    stated = _field(text, "Wheel-Version", "WHEEL")
    major, _, minor = stated.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise WheelError(f"WHEEL has a Wheel-Version that is none: {stated!r}")
    if major != "1":
        raise WheelUnfamiliarError(f"it is of wheel format {stated}; only 1.x is known")


def _version(text: bytes, name: WheelName) -> str:
    version = metadata.version_of(text)
    distribution, _, wanted = name.dist_info().removesuffix(_INFO).rpartition("-")
    if not _equal(version, wanted):
        raise WheelError(f"METADATA says version {version}, the file name {wanted}")
    stated = _field(text, "Name", "METADATA")
    if canonicalize_name(stated) != canonicalize_name(distribution):
        raise WheelError(f"METADATA says name {stated}, the file name {distribution}")
    return version


def _field(text: bytes, field: str, where: str) -> str:
    """The value of a header that stands there exactly once; what follows an empty line is no header."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise WheelError(f"{where} is not UTF-8: {error}") from None
    head = _BODY.split(text.lstrip(b"\r\n"), maxsplit=1)[0].decode()
    prefix = f"{field.lower()}:"
    values = [line[len(prefix) :].strip() for line in head.split("\n") if line.lower().startswith(prefix)]
    if len(values) != 1:
        raise WheelError(f"{where} has {len(values)} lines for {field} instead of one")
    return values[0]


def _parts(wheel: Wheel, version: str, mark: bytes) -> list[Part]:
    """The members of the rewritten wheel, in the order of the directory."""
    folders = _renamed(wheel, version)
    own, old = f"{wheel.dist_info}/RECORD", f"{wheel.dist_info}/{marks.NAME}"
    stated = f"{wheel.dist_info}/METADATA"
    text = metadata.with_version(wheel.metadata, version)
    fresh = {stated: text, own: _record(wheel, folders, text, mark)}
    found: list[Part] = []
    for member in wheel.members:
        folder, slash, rest = member.name.partition("/")
        if folder not in folders:
            found.append(Part(member))
            continue
        if member.name == own:
            like = next(member for member in wheel.members if member.name == stated)
            found.append(parts.added(f"{folders[folder]}/{marks.NAME}", mark, like=like, before=member))
        if member.name != old:
            found.append(Part(member, folders[folder] + slash + rest, fresh.get(member.name)))
    return found


def _renamed(wheel: Wheel, version: str) -> dict[str, str]:
    """The old name of each folder that carries the version -> the new one, with the spelling of the name kept."""
    folders = [(wheel.dist_info, _INFO)] + ([(wheel.data, _DATA)] if wheel.data is not None else [])
    wanted = wheel.name.with_version(version).dist_info().removesuffix(_INFO).rpartition("-")[2]
    return {folder: f"{folder.removesuffix(suffix).rpartition('-')[0]}-{wanted}{suffix}" for folder, suffix in folders}


def _record(wheel: Wheel, folders: Mapping[str, str], text: bytes, mark: bytes) -> bytes:
    """RECORD of the rewritten wheel: the same rows in the same order, and before its own the one for the mark."""
    fresh = {f"{wheel.dist_info}/METADATA": text}
    rows: list[record.Row] = []
    for path, digest, size in wheel.rows:
        folder, slash, rest = path.partition("/")
        name = folders.get(folder, folder) + slash + rest
        if path == f"{wheel.dist_info}/{marks.NAME}":
            continue
        if path == f"{wheel.dist_info}/RECORD":
            rows.append(record.row(name.removesuffix("RECORD") + marks.NAME, mark))
        rows.append(record.row(name, fresh[path]) if path in fresh else (name, digest, size))
    return record.dump(rows)
