"""A source distribution as a file: the same one with another version, all of it or nothing."""

from __future__ import annotations

import contextlib
import copy
import gzip
import io
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from freshwheel.base import frame
from freshwheel.base.errors import WheelError
from freshwheel.wheel import metadata
from freshwheel.wheel.names import SdistName
from freshwheel.wheel.version import normal

_INFO = "PKG-INFO"
_TEXT_LIMIT = 16 << 20
_CHUNK = 1 << 20
_LEVEL = 6
_CHARSET, _ERRORS = "utf-8", "surrogateescape"
"""Names are bytes that need not be text; the same on every platform."""
_BROKEN = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, RecursionError)
"""What reading damaged data raises; `tarfile` lets some through that are not its own."""
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
_KINDS = (*_PLAIN, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE)
_REPEATED = ("path", "linkpath", "size", "hdrcharset")
"""Extended headers that say again what changes; an old one would win over the new name."""
_HIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_ROOTED = re.compile(r"/|[A-Za-z]:")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Move:
    """From one name and version to another."""

    old: SdistName
    new: SdistName
    version: str
    """As the metadata shall spell it."""


def version_of(path: str) -> str:
    """The version that the source distribution at `path` states in its root PKG-INFO, as it is spelled there.

    WheelError if there is none, or if the file can't be read.
    """
    with _opened(path) as archive:
        for member in archive:
            if _is_root_info(member):
                return metadata.version_of(_text(archive, member))
        raise _no_info()


def rewrite(path: str, directory: str, *, version: str) -> str:
    """The name of the file in `directory` that holds the source distribution at `path` with another version.

    File name, folder, and the `Version` of the root PKG-INFO and of those in the `.egg-info` folders of the same
    distribution are new; all other members keep their bytes, order, modes, owners and times. Equal arguments give equal
    bytes. WheelError if the file at `path` is broken, dangerous or contradicts itself; then nothing is left behind.
    """
    old = SdistName.parse(os.path.basename(path))
    move = _Move(old=old, new=old.with_version(version), version=version)
    target = os.path.join(directory, move.new.filename)
    temporary = frame.beside(target)
    try:
        with open(temporary, "xb") as file:
            _copy(path, file, move)
        os.replace(temporary, target)
    except BaseException:
        frame.remove(temporary)
        raise
    return move.new.filename


def _copy(path: str, file: io.BufferedWriter, move: _Move) -> None:
    with (
        _opened(path) as source,
        gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, encoding=_CHARSET, errors=_ERRORS) as target,
    ):
        top, infos = None, 0
        for member in source:
            top = top or member.name.partition("/")[0]
            _check(member, top)
            infos += _is_root_info(member)
            renamed = _renamed(member, top, move.new.stem)
            content = source.extractfile(member) if member.isreg() else None
            if member.isreg() and _is_info(member):
                text = _with_version(_text(source, member), member, move)
                renamed.size, content = len(text), io.BytesIO(text)
            target.addfile(renamed, content)
        _check_end(path, source.offset)
        if infos != 1:
            raise _no_info() if not infos else WheelError(f"it has its {_INFO} more than once")


@contextlib.contextmanager
def _opened(path: str) -> Iterator[tarfile.TarFile]:
    """The archive, read as a stream; what is wrong with it is a WheelError that names it."""
    name = os.path.basename(path)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(gzip.open(path))
        except OSError as error:
            raise WheelError(f"{name}: it can't be read: {error.strerror or error}") from error
        try:
            yield stack.enter_context(tarfile.open(fileobj=file, mode="r|", encoding=_CHARSET, errors=_ERRORS))
        except WheelError as error:
            raise WheelError(f"{name}: {error.message}", hint=error.hint) from None
        except _BROKEN as error:
            raise WheelError(f"{name}: it is not a whole gzip-compressed tar file: {error}") from error


def _no_info() -> WheelError:
    return WheelError(f"it has no {_INFO} in its folder")


def _is_root_info(member: tarfile.TarInfo) -> bool:
    return member.isreg() and member.name.count("/") == 1 and member.name.endswith(f"/{_INFO}")


def _is_info(member: tarfile.TarInfo) -> bool:
    return _is_root_info(member) or member.name.endswith(f".egg-info/{_INFO}")


def _check(member: tarfile.TarInfo, top: str) -> None:
    """Returns if the member lies in the folder `top`, points nowhere else, and is of a kind that sources have."""
    name = member.name
    parts = name.split("/")
    if _HIDDEN.search(name) or not {"", ".", ".."}.isdisjoint(parts):
        raise WheelError(f"it has a member with a name that is not a plain relative path: {name!r}")
    if parts[0] != top:
        raise WheelError(f"it has more than one folder: {top!r} and {parts[0]!r}")
    if member.type not in _KINDS or member.issparse():
        raise WheelError(f"{name!r} is neither a file, a folder nor a link (type {member.type!r})")
    if len(parts) == 1 and not member.isdir():
        raise WheelError(f"{name!r} lies outside of a folder")
    if member.issym() or member.islnk():
        _check_link(member, top)


def _check_link(member: tarfile.TarInfo, top: str) -> None:
    """Returns if the link stays in the folder `top`; a hard link says where it leads from outside of that folder."""
    first, *rest = member.linkname.split("/")
    if member.islnk():
        out = first != top or _climbs(rest)
    else:
        out = _ROOTED.match(member.linkname) is not None or _climbs([*member.name.split("/")[1:-1], first, *rest])
    if out or _HIDDEN.search(member.linkname):
        raise WheelError(f"the link {member.name!r} leads out of its folder: {member.linkname!r}")


def _climbs(parts: list[str]) -> bool:
    """Whether a path leaves the folder it starts in, at its end or on its way."""
    depth = 0
    for part in parts:
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0:
            return True
    return False


def _renamed(member: tarfile.TarInfo, top: str, new: str) -> tarfile.TarInfo:
    """The header of the member in a folder with the name `new`."""
    renamed = copy.copy(member)
    renamed.name = new + member.name.removeprefix(top)
    if member.islnk():
        renamed.linkname = new + member.linkname.removeprefix(top)
    if not member.isreg():
        renamed.size = 0
    renamed.pax_headers = {key: value for key, value in member.pax_headers.items() if key not in _REPEATED}
    return renamed


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    if file is None or member.size > _TEXT_LIMIT:
        raise WheelError(f"{member.name!r} is too large to be metadata: {member.size} bytes")
    return file.read()


def _with_version(text: bytes, member: tarfile.TarInfo, move: _Move) -> bytes:
    """The metadata with the new version, or as it is where an `.egg-info` folder is about something else."""
    wanted = (canonicalize_name(move.old.distribution), normal(move.old.version))
    if _is_root_info(member):
        if (stated := _about(text)) != wanted:
            raise WheelError(f"its {_INFO} is that of {' '.join(stated)}, its file name that of {' '.join(wanted)}")
        return metadata.with_version(text, move.version)
    with contextlib.suppress(WheelError):
        if _about(text) == wanted:
            return metadata.with_version(text, move.version)
    return text


def _about(text: bytes) -> tuple[str, str]:
    """Name and version that the metadata states, in their normal forms."""
    return canonicalize_name(metadata.name_of(text)), normal(metadata.version_of(text))


def _check_end(path: str, end: int) -> None:
    """Returns if from the byte `end` on nothing but zeros follow: `tarfile` also ends, silently, at a broken header."""
    with gzip.open(path) as file:
        file.seek(end)
        seen = False
        while chunk := file.read(_CHUNK):
            seen = True
            if chunk.strip(b"\0"):
                raise WheelError(f"it is damaged at byte {end} of the tar file")
        if not seen:
            raise WheelError("it ends early")
