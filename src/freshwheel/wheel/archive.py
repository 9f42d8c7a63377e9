"""A wheel as a file: read, rewritten with another version member by member, and compared with another one.

To rewrite one, nothing is unpacked but METADATA, WHEEL and RECORD: all other members are copied as they lie, and an
installer will look at what is in them.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import BinaryIO
from zipfile import ZipFile, ZipInfo

from packaging.utils import canonicalize_name
from packaging.version import Version

from freshwheel.base import files
from freshwheel.base.errors import WheelError, WheelUnfamiliarError
from freshwheel.base.model import Mark
from freshwheel.wheel import mark as marks
from freshwheel.wheel import metadata
from freshwheel.wheel.metadata import INFO, FileName

Row = tuple[str, str, str]
"""A row of RECORD: path, hash (`sha256=...`, base64 without padding) and size, as they are written."""

_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, csv.Error)
"""What reading damaged data raises, beside OSError."""
REFUSALS = (OSError, NotImplementedError, *_BROKEN)
"""What a wheel that can't be read ends in."""
_PLAIN = 20
"""The version of the ZIP format that a reader must know: it has neither 64-bit fields nor newer methods."""
_LARGEST, _MOST = 0xFF000000, 0xFFF0
"""Bytes and members of a file that still needs no 64-bit fields when it was rewritten."""
_LOCAL = struct.Struct("<4s5H3L2H")
"""Signature, needed, flags, method, time, date, CRC, packed, size, lengths of name and extra field."""
_CENTRAL = struct.Struct("<4s6H3L5H2L")
"""Signature, made by, the same as above, three lengths, disk, internal and external attributes, offset."""
_END = struct.Struct("<4s4H2LH")
_DESCRIPTOR, _UTF8 = 1 << 3, 1 << 11
_CHUNK = 1 << 20
_LARGEST_TEXT = 16 << 20
_UNIX, _PLAIN_FILE = 3, 0o100644 << 16
_EXECUTABLE = 0o111 << 16
_BILLS = f"{INFO}/sboms/"
"""Bills of materials (PEP 770): each build gives them a number and a time of their own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A wheel that can be rewritten."""

    path: str
    name: FileName
    metadata: bytes
    members: tuple[ZipInfo, ...]
    rows: tuple[Row, ...]
    """RECORD."""
    stem: str
    """What its `.dist-info` and its `.data` folder are called but for that ending."""

    @property
    def version(self) -> str:
        """The version, as METADATA spells it."""
        return metadata.field(self.metadata, "Version")


def read(path: str) -> Wheel:
    """The wheel at `path`.

    Raises WheelError if it is broken or contradicts itself, WheelUnfamiliarError if it may well be a good wheel but has
    a form that is not rewritten here.
    """
    name = FileName.wheel(os.path.basename(path))
    with _opened(path) as archive:
        return _wheel(archive, path, name)


def rewrite(wheel: Wheel, target: str, *, version: str, mark: bytes) -> str:
    """The name of the file in the folder `target` that holds `wheel` with another version and with this mark.

    Only the names that carry the version, METADATA's `Version`, RECORD and the mark are new; all other members keep
    their compressed bytes, order, modes and times. Equal arguments give equal bytes. Where it fails, nothing is left in
    `target`.
    """
    name, old = wheel.name.with_version(version), f"{wheel.stem}{INFO}"
    fresh_stem = f"{wheel.stem.rpartition('-')[0]}-{name.version}"
    folders = {wheel.stem + ending: fresh_stem + ending for ending in (INFO, ".data")}
    text = metadata.with_version(wheel.metadata, version)
    fresh = {f"{old}/METADATA": text, f"{old}/RECORD": _record(wheel, folders, text, mark)}
    with files.Replacement(os.path.join(target, name.filename)) as file, open(wheel.path, "rb") as source:
        writer = _Writer(file)
        for member in wheel.members:
            folder = member.filename.partition("/")[0]
            renamed = folders.get(folder, folder) + member.filename[len(folder) :]
            if member.filename == f"{old}/RECORD":
                writer.add(_plain(wheel), f"{folders[old]}/{marks.NAME}", mark)
            if member.filename in fresh:
                writer.add(member, renamed, fresh[member.filename])
            elif member.filename != f"{old}/{marks.NAME}":
                writer.copy(member, renamed, source)
        writer.end()
    return name.filename


def repack(wheel: Wheel, target: str, contents: Mapping[str, bytes]) -> str:
    """The name of the file in the folder `target` that holds `wheel` with other contents for these members.

    All else is as it was. Where it fails, nothing is left in `target`.
    """
    own = f"{wheel.stem}{INFO}/RECORD"
    changed = {name: _row(name, data) for name, data in contents.items()}
    fresh = {**contents, own: _table([changed.get(row[0], row) for row in wheel.rows])}
    with files.Replacement(os.path.join(target, wheel.name.filename)) as file, open(wheel.path, "rb") as source:
        writer = _Writer(file)
        for member in wheel.members:
            if member.filename in fresh:
                writer.add(member, member.filename, fresh[member.filename])
            else:
                writer.copy(member, member.filename, source)
        writer.end()
    return wheel.name.filename


def rename_place(path: str, place: bytes, other: bytes) -> None:
    """Has the texts in the wheel at a path name another place where they named one; its libraries stay as they are.

    Raises WheelError for one that is not rewritten here, and OSError.
    """
    wheel, contents = read(path), dict[str, bytes]()
    with _opened(path) as archive:
        for member in wheel.members:
            data = archive.read(member) if member.file_size <= _LARGEST_TEXT else b""
            if place in data and b"\0" not in data:
                contents[member.filename] = data.replace(place, other)
    if contents:
        repack(wheel, os.path.dirname(path), contents)


def mark_of(path: str) -> Mark | None:
    """The mark of the wheel at `path`; None for a wheel without one, and for anything that can't be understood."""
    with contextlib.suppress(ValueError, WheelError):
        return marks.parse(mark_text(path) or b"")
    return None


def mark_text(path: str) -> bytes | None:
    """What stands in the wheel at `path` as its mark; None where there is none. Raises WheelError."""
    with _opened(path) as archive:
        names = [name for name in archive.namelist() if name.partition("/")[2] == marks.NAME]
        return archive.read(names[0]) if names else None


def flaws(wheel: Wheel) -> dict[str, str]:
    """The members that are not what RECORD says, by name, each with what is wrong: every byte is read."""
    wrong = {}
    with _opened(wheel.path) as archive:
        for path, stated, _ in wheel.rows:
            algorithm, _, digest = stated.partition("=")
            try:
                if path.startswith(f"{wheel.stem}{INFO}/RECORD") or path.endswith("/"):
                    continue
                data = base64.urlsafe_b64encode(_hashed(archive, path, algorithm))
                if data.rstrip(b"=").decode() != digest.rstrip("="):
                    wrong[path] = "its hash is not what RECORD says"
            except (*_BROKEN, NotImplementedError) as error:
                wrong[path] = f"it can't be read: {error}"
    return wrong


def differences(first: Wheel, second: Wheel, names: tuple[str, str]) -> dict[str, str]:
    """What an installer would make of one wheel and not of the other, by member, each with how it differs.

    Names, contents and whether a file can be executed count; times, order and compression do not, nor what bills of
    materials hold. RECORD follows from the others, the mark says what is known, and folders that carry the version go
    by what they are for. `names` are what the two are called in the answer.
    """
    before, after = _installed(first), _installed(second)
    differing = {}
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            differing[name] = f"only in the {names[name in after]} one"
        elif before[name][0] != after[name][0]:
            differing[name] = "other content"
        elif before[name] != after[name]:
            differing[name] = f"can be executed in the {names[after[name][1]]} one only"
    return differing


def _installed(wheel: Wheel) -> dict[str, tuple[bytes, bool]]:
    """Each file by a name without the version: SHA-256, and whether it can be executed."""
    installed = {}
    with _opened(wheel.path) as archive:
        for member in archive.infolist():
            name = member.filename.removeprefix(wheel.stem)
            if not member.is_dir() and name not in (f"{INFO}/{marks.NAME}", f"{INFO}/RECORD"):
                digest = b"" if name.startswith(_BILLS) else _hashed(archive, member, "sha256")
                installed[name] = digest, bool(member.external_attr & _EXECUTABLE)
    return installed


def _hashed(archive: ZipFile, member: ZipInfo | str, algorithm: str) -> bytes:
    """The hash of a member. Raises what reading it, or an unknown algorithm, leads to."""
    digest = hashlib.new(algorithm)
    with archive.open(member) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


@contextlib.contextmanager
def _opened(path: str) -> Iterator[ZipFile]:
    """The archive at `path`; what is wrong with it is a WheelError that names it."""
    name = os.path.basename(path)
    try:
        with ZipFile(path) as archive:
            yield archive
    except WheelError as error:
        raise type(error)(f"{name}: {error.message}", hint=error.hint) from None
    except NotImplementedError as error:
        raise WheelUnfamiliarError(f"{name}: {error}") from None
    except (*_BROKEN, KeyError) as error:  # the last one where there is no such member
        raise WheelError(f"{name}: it is broken: {error}") from error
    except OSError as error:
        raise WheelError(f"{name}: it can't be read: {error.strerror or error}") from error


def _wheel(archive: ZipFile, path: str, name: FileName) -> Wheel:
    members = tuple(archive.infolist())
    if any(member.extract_version > _PLAIN for member in members):
        raise WheelUnfamiliarError("it has 64-bit ZIP fields, or members in a newer form")
    if os.path.getsize(path) > _LARGEST or len(members) > _MOST:
        raise WheelUnfamiliarError("it is so large that it nearly needs 64-bit ZIP fields")
    if any(member.header_offset < 0 for member in members):
        raise WheelError("its beginning is not there")
    infos = sorted({top for member in members if (top := member.filename.partition("/")[0]).endswith(INFO)})
    if len(infos) != 1:
        kind = WheelUnfamiliarError if infos else WheelError
        raise kind(f"it has {len(infos)} .dist-info folders instead of one")
    form = metadata.field(archive.read(f"{infos[0]}/WHEEL"), "Wheel-Version")
    if form.partition(".")[0] != "1":
        raise WheelUnfamiliarError(f"it is of wheel format {form}; only 1.x is known")
    wheel = Wheel(
        path=path,
        name=name,
        metadata=archive.read(f"{infos[0]}/METADATA"),
        members=members,
        rows=_rows(archive.read(f"{infos[0]}/RECORD")),
        stem=infos[0].removesuffix(INFO),
    )
    _check_names(wheel)
    _check_record(wheel)
    return wheel


def _check_names(wheel: Wheel) -> None:
    """Returns if all that carries name and version agrees with the file name."""
    distribution, _, version = wheel.stem.rpartition("-")
    stated = {"METADATA": (metadata.field(wheel.metadata, "Name"), wheel.version), wheel.stem: (distribution, version)}
    for where, (distribution, version) in stated.items():
        wanted = canonicalize_name(wheel.name.distribution), Version(wheel.name.version)
        if (canonicalize_name(distribution), Version(version)) != wanted:
            raise WheelError(f"{where} says {distribution!r} {version}, the file name {wheel.name.stem}")


def _check_record(wheel: Wheel) -> None:
    """Returns if RECORD lists exactly the files of the wheel."""
    names = [member.filename for member in wheel.members]
    if len(set(names)) != len(names):
        raise WheelError("it has two members of one name")
    listed, own = {row[0] for row in wheel.rows}, f"{wheel.stem}{INFO}/RECORD"
    differing = sorted(name for name in {*names, own} ^ {*listed, own} if not name.endswith("/"))
    if differing:
        raise WheelError(f"it has {differing[0]!r}, or RECORD lists it, and not both")


def _rows(text: bytes) -> tuple[Row, ...]:
    try:
        lines = csv.reader(io.StringIO(text.decode(), newline=""))
        return tuple([(path, digest, size) for path, digest, size in lines])
    except (ValueError, csv.Error) as error:
        raise WheelError(f"RECORD is no table of path, hash and size: {error}") from None


def _record(wheel: Wheel, folders: Mapping[str, str], text: bytes, mark: bytes) -> bytes:
    """RECORD of the rewritten wheel: the same rows in the same order, and last those of the mark and its own."""
    old = f"{wheel.stem}{INFO}"
    new = folders[old]
    rows = []
    for path, digest, size in wheel.rows:
        folder = path.partition("/")[0]
        if path == f"{old}/METADATA":
            rows.append(_row(f"{new}/METADATA", text))
        elif path not in (f"{old}/RECORD", f"{old}/{marks.NAME}"):
            rows.append((folders.get(folder, folder) + path[len(folder) :], digest, size))
    rows += [_row(f"{new}/{marks.NAME}", mark), (f"{new}/RECORD", "", "")]
    return _table(rows)


def _table(rows: Iterable[Row]) -> bytes:
    """RECORD with these rows."""
    lines = io.StringIO(newline="")
    csv.writer(lines, lineterminator="\n").writerows(rows)
    return lines.getvalue().encode()


def _plain(wheel: Wheel) -> ZipInfo:
    """What is said of a new plain file, which is as old as METADATA."""
    like = next(member for member in wheel.members if member.filename == f"{wheel.stem}{INFO}/METADATA")
    plain = ZipInfo(like.filename, like.date_time)
    plain.compress_type, plain.create_system, plain.external_attr = like.compress_type, _UNIX, _PLAIN_FILE
    return plain


def _row(path: str, content: bytes) -> Row:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return (path, f"sha256={digest.decode()}", str(len(content)))


def _lost(member: ZipInfo, source: BufferedReader) -> WheelError:
    name = os.path.basename(source.name)
    return WheelError(f"{name}: {member.filename!r} does not lie where the archive says, or is cut off")


class _Writer:
    """A ZIP file that grows by members, whose headers are all written anew and state sizes and CRC themselves."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.records: list[bytes] = []

    def copy(self, member: ZipInfo, name: str, source: BufferedReader) -> None:
        """A member of the file `source` under a name, its bytes as they lie there."""
        source.seek(member.header_offset)
        header = source.read(_LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
            raise _lost(member, source)
        source.seek(sum(_LOCAL.unpack(header)[-2:]), os.SEEK_CUR)
        self._begin(member, name, (member.CRC, member.compress_size, member.file_size), member.flag_bits)
        left = member.compress_size
        while left:
            chunk = source.read(min(left, _CHUNK))
            if not chunk:
                raise _lost(member, source)
            self.file.write(chunk)
            left -= len(chunk)

    def add(self, like: ZipInfo, name: str, content: bytes) -> None:
        """A file with new content, packed as `like` is and as old."""
        packed = content
        if like.compress_type == zipfile.ZIP_DEFLATED:
            deflate = zlib.compressobj(zlib.Z_BEST_SPEED, zlib.DEFLATED, -zlib.MAX_WBITS)
            packed = deflate.compress(content) + deflate.flush()
        self._begin(like, name, (zlib.crc32(content), len(packed), len(content)), 0)
        self.file.write(packed)

    def _begin(self, like: ZipInfo, name: str, sizes: tuple[int, int, int], flags: int) -> None:
        """Writes the header of a member, and keeps its record for the directory."""
        raw = name.encode()
        year, month, day, hour, minute, second = like.date_time
        when = (hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day)
        flags = flags & ~_DESCRIPTOR | (0 if name.isascii() else _UTF8)
        made = like.create_system << 8 | like.create_version
        common = (_PLAIN, flags, like.compress_type, *when, *sizes, len(raw))
        lengths = (len(like.extra), len(like.comment), 0)
        record = _CENTRAL.pack(
            b"PK\1\2", made, *common, *lengths, like.internal_attr, like.external_attr, self.file.tell()
        )
        self.records.append(record + raw + like.extra + like.comment)
        self.file.write(_LOCAL.pack(b"PK\3\4", *common, 0) + raw)

    def end(self) -> None:
        """Writes the directory."""
        start, count, directory = self.file.tell(), len(self.records), b"".join(self.records)
        self.file.write(directory)
        self.file.write(_END.pack(b"PK\5\6", 0, 0, count, count, len(directory), start, 0))


def _is_bill(name: str) -> bool:
    """Whether a member is a bill of materials (PEP 770): it may call a crate by its folder, and nobody goes there."""
    folder, _, below = name.partition("/")
    return folder.endswith(".dist-info") and below.startswith("sboms/")


def names(wheel: str, places: Sequence[bytes]) -> bool:
    """Whether a member of the wheel has one of these paths in it; where that can't be told, it may."""
    longest = max(map(len, places))
    try:
        with zipfile.ZipFile(wheel) as file:
            for member in file.infolist():
                if _is_bill(member.filename):
                    continue
                with file.open(member) as content:
                    tail = b""
                    while chunk := content.read(_CHUNK):
                        tail = tail[-longest:] + chunk
                        if any(place in tail for place in places):
                            return True
    except REFUSALS:
        return True
    return False
