"""What a distribution is called, and what it says of itself: file name, METADATA, and the `.dist-info` folder.

Of headers some are read and one is changed, not a byte else. A hit waits for this module.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, replace

from freshwheel.base import files
from freshwheel.base.errors import WheelError, WheelUnfamiliarError
from freshwheel.wheel.mark import normal

_SDIST = ".tar.gz"
INFO = ".dist-info"
OF_ONE_WHEEL = ("RECORD", "freshwheel.json")
"""What speaks of one built wheel; metadata that is handed out before a build has neither."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileName:
    """The name of a distribution file; each part as it is spelled there."""

    distribution: str
    version: str
    rest: str
    """What follows the version: build number, tags and `.whl`, or `.tar.gz`."""

    @classmethod
    def wheel(cls, filename: str) -> FileName:
        """The name of a wheel; WheelUnfamiliarError if it is none."""
        from packaging.utils import parse_wheel_filename  # noqa: PLC0415 - see the module's docstring

        try:
            parse_wheel_filename(filename)
            distribution, version, rest = filename.split("-", 2)
        except ValueError as error:  # also for a number with more digits than `int` reads
            raise WheelUnfamiliarError(f"{filename!r} is not the file name of a wheel: {error}") from None
        return cls(distribution=distribution, version=version, rest=f"-{rest}")

    @classmethod
    def sdist(cls, filename: str) -> FileName:
        """The name of a source distribution; WheelError if it is not that of a `.tar.gz` one."""
        from packaging.utils import parse_sdist_filename  # noqa: PLC0415 - see the module's docstring

        distribution, _, version = filename.removesuffix(_SDIST).rpartition("-")
        try:
            parse_sdist_filename(filename)
        except ValueError as error:
            raise WheelError(f"{filename!r} is not the file name of a source distribution: {error}") from None
        return cls(distribution=distribution, version=version, rest=_SDIST)

    @property
    def stem(self) -> str:
        """Name and version, as folders in the distribution are called."""
        return f"{self.distribution}-{self.version}"

    @property
    def filename(self) -> str:
        """The whole name."""
        return self.stem + self.rest

    def with_version(self, version: str) -> FileName:
        """The same name with another version, in its normal form; one that is the present one keeps its spelling.

        WheelError if `version` is none by PEP 440.
        """
        wanted = normal(version)
        return self if wanted == normal(self.version) else replace(self, version=wanted)


def field(text: bytes, name: str) -> str:
    """The value of the header `name`; WheelError unless there is exactly one."""
    start, stop = _place(text, name)
    try:
        return text[start:stop].decode()
    except UnicodeDecodeError as error:
        raise WheelError(f"the metadata has a {name} that is not UTF-8: {error}") from None


def with_version(text: bytes, version: str) -> bytes:
    """`text` with another version; WheelError unless there is exactly one."""
    start, stop = _place(text, "Version")
    return text[:start] + version.encode() + text[stop:]


def version_of(folder: str) -> str:
    """The version in the METADATA of a `.dist-info` folder; WheelError if there is none."""
    return field(_text(folder), "Version")


def copy(folder: str, directory: str, *, version: str) -> str:
    """The name of the `.dist-info` folder in `directory` that holds what `folder` holds, with another version.

    WheelError if `folder` has no METADATA with one version.
    """
    text = _text(folder)
    stem = os.path.basename(folder).removesuffix(INFO).rpartition("-")[0]
    target = os.path.join(directory, f"{stem}-{version}{INFO}")
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(*OF_ONE_WHEEL), dirs_exist_ok=True)
    files.write(os.path.join(target, "METADATA"), with_version(text, version))
    return os.path.basename(target)


def of_wheel(path: str) -> dict[str, bytes]:
    """The `.dist-info` folder of a finished wheel as metadata hooks hand it out: path, with the folder -> content."""
    import zipfile  # noqa: PLC0415 - see the module's docstring

    with zipfile.ZipFile(path) as archive:
        parts = [(name, *name.partition(f"{INFO}/")[::2]) for name in archive.namelist()]
        wanted = [name for name, stem, rest in parts if "/" not in stem and rest not in ("", *OF_ONE_WHEEL)]
        return {name: archive.read(name) for name in wanted if not name.endswith("/")}


def unpack(path: str, directory: str) -> str:
    """The name of the `.dist-info` folder of a finished wheel, which is written into `directory`."""
    members = of_wheel(path)
    for name, data in members.items():
        target = os.path.join(directory, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        files.write(target, data)
    return next(iter(members)).partition("/")[0]


def _place(text: bytes, name: str) -> tuple[int, int]:
    """Where in `text` the value of the one header `name` starts and stops: headers end at the first empty line."""
    head = re.search(rb"\A\s*.*?(?:\r?\n\r?\n|\Z)", text, re.DOTALL)
    line = re.compile(rb"^%s:[ \t]*([^\r\n]*?)[ \t]*\r?$" % name.encode(), re.MULTILINE | re.IGNORECASE)
    values = [match.span(1) for match in line.finditer(text, 0, head.end() if head else 0)]
    if len(values) != 1:
        raise WheelError(f"the metadata has {len(values)} lines for {name} instead of one")
    return values[0]


def _text(folder: str) -> bytes:
    try:
        with open(os.path.join(folder, "METADATA"), "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise WheelError(f"{os.path.basename(folder)}: the inner backend wrote no METADATA into it") from None
