"""A source distribution as a file: the same one with another version, all of it or nothing."""

from __future__ import annotations

import contextlib
import copy
import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from packaging.utils import canonicalize_name

from freshwheel.base import files
from freshwheel.base.errors import WheelError
from freshwheel.wheel import metadata
from freshwheel.wheel.mark import normal
from freshwheel.wheel.metadata import FileName

_INFO = "PKG-INFO"
_BROKEN = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError)
"""What reading damaged data raises, beside OSError."""
_CHARSET = "utf-8"
"""Of names, on every platform."""


def version_of(path: str) -> str:
    """The version that the source distribution at `path` states in its root PKG-INFO, as it is spelled there.

    WheelError if there is none, or if the file can't be read.
    """
    with _opened(path) as archive:
        for member in archive:
            if _is_root_info(member):
                return metadata.field(_text(archive, member), "Version")
        raise WheelError(f"it has no {_INFO} in its folder")


def rewrite(path: str, directory: str, *, version: str) -> str:
    """The name of the file in `directory` that holds the source distribution at `path` with another version.

    File name, folder, and the `Version` of the root PKG-INFO and of those in the `.egg-info` folders of the same
    distribution are new; all other members keep their bytes, order, modes, owners and times. Equal arguments give equal
    bytes. WheelError if the file at `path` can't be read; then nothing is left behind.
    """
    old = FileName.sdist(os.path.basename(path))
    new = old.with_version(version)
    with files.Replacement(os.path.join(directory, new.filename)) as file, _opened(path) as source:
        _copy(source, file, old, new.stem, version)
    return new.filename


def _copy(source: tarfile.TarFile, file: BinaryIO, old: FileName, stem: str, version: str) -> None:
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT, encoding=_CHARSET) as target,
    ):
        for member in source:
            renamed = _renamed(member, stem)
            content = source.extractfile(member) if member.isreg() else None
            if _is_root_info(member) or member.name.endswith(f".egg-info/{_INFO}"):
                text = _text(source, member)
                if _is_root_info(member) or _is_about(text, old):
                    text = metadata.with_version(text, version)
                renamed.size, content = len(text), io.BytesIO(text)
            target.addfile(renamed, content)


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
            yield stack.enter_context(tarfile.open(fileobj=file, mode="r|", encoding=_CHARSET))
        except WheelError as error:
            raise WheelError(f"{name}: {error.message}", hint=error.hint) from None
        except _BROKEN as error:
            raise WheelError(f"{name}: it is not a whole gzip-compressed tar file: {error}") from error


def _is_root_info(member: tarfile.TarInfo) -> bool:
    return member.isreg() and member.name.count("/") == 1 and member.name.endswith(f"/{_INFO}")


def _renamed(member: tarfile.TarInfo, stem: str) -> tarfile.TarInfo:
    """The header of the member in a folder with the name `stem`."""
    renamed = copy.copy(member)
    top = member.name.partition("/")[0]
    renamed.name = stem + member.name.removeprefix(top)
    if member.islnk():
        renamed.linkname = stem + member.linkname.removeprefix(top)
    if not member.isreg():
        renamed.size = 0
    renamed.pax_headers = {}  # they say again what changes; what they say of times and owners stands in fields
    return renamed


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file is not None else b""


def _is_about(text: bytes, old: FileName) -> bool:
    """Whether metadata is of this name and version; an `.egg-info` folder may be about something else."""
    try:
        stated = canonicalize_name(metadata.field(text, "Name")), normal(metadata.field(text, "Version"))
    except WheelError:
        return False
    return stated == (canonicalize_name(old.distribution), normal(old.version))
