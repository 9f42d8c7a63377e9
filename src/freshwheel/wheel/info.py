"""A `.dist-info` folder on its own, as metadata hooks hand it out: taken from a finished wheel or given a version."""

from __future__ import annotations

import os

from freshwheel.base import frame
from freshwheel.base.errors import WheelError
from freshwheel.wheel import mark, metadata, zip_members

_SUFFIX = ".dist-info"
_OF_THE_WHEEL_ONLY = ("RECORD", mark.NAME)
"""These speak of one built wheel; metadata that is handed out before a build has neither."""
_LARGEST = 1 << 28


def from_wheel(path: str, directory: str) -> str:
    """The name of the `.dist-info` folder of the wheel at `path`, which `archive` made, unpacked into `directory`."""
    import zipfile  # noqa: PLC0415 - a hit in the first hook unpacks nothing

    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if _SUFFIX in member.filename.partition("/")[0]]
        folder = members[0].filename.partition("/")[0]
        for member in members:
            if member.is_dir() or member.filename.partition("/")[2] in _OF_THE_WHEEL_ONLY:
                continue
            archive.extract(member, directory)
    return folder


def files(path: str) -> dict[str, bytes]:
    """What `from_wheel` would write: path, with the name of the folder -> content. Raises WheelError and OSError."""
    with open(path, "rb") as file:
        found = [one for one in zip_members.members(file) if _SUFFIX in one.name.partition("/")[0]]
        wanted = [
            one for one in found if not one.name.endswith("/") and one.name.partition("/")[2] not in _OF_THE_WHEEL_ONLY
        ]
        return {one.name: zip_members.content(file, one, _LARGEST) for one in wanted}


def version_of(source: str) -> str:
    """The version in the METADATA of the `.dist-info` folder `source`. Raises WheelError when there is none."""
    return metadata.version_of(_text(source))


def with_version(source: str, directory: str, *, version: str) -> str:
    """The name of the folder in `directory` that holds what the `.dist-info` folder `source` holds, with `version`.

    Raises WheelError when `source` has no METADATA with one version.
    """
    import shutil  # noqa: PLC0415 - as above

    stem = os.path.basename(source).removesuffix(_SUFFIX)
    folder = f"{stem.rpartition('-')[0]}-{version}{_SUFFIX}"
    text = _text(source)
    target = os.path.join(directory, folder)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_OF_THE_WHEEL_ONLY), dirs_exist_ok=True)
    frame.write(os.path.join(target, "METADATA"), metadata.with_version(text, version))
    return folder


def _text(source: str) -> bytes:
    try:
        with open(os.path.join(source, "METADATA"), "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise WheelError(f"{os.path.basename(source)}: the inner backend wrote no METADATA into it") from None
