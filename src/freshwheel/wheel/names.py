"""The file names of wheels and source distributions: taken apart, and put together with another version."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from freshwheel.base.errors import WheelError, WheelUnfamiliarError
from freshwheel.wheel.version import normal

_PART = r"[^-\s/\\:\x00-\x1f\x7f]+"
"""One part of a name. `packaging` checks what it means; this, that it is no path and holds nothing invisible."""
_WHEEL = re.compile(rf"({_PART})-({_PART})(?:-({_PART}))?-({_PART}-{_PART}-{_PART})\.whl")
_SDIST = re.compile(rf"({_PART}(?:-{_PART})*)-({_PART})\.tar\.gz")


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelName:
    """The file name of a wheel; each part as it is spelled there."""

    distribution: str
    version: str
    build: str
    """Empty where there is none."""
    tags: str
    """Python, ABI and platform, joined with `-`."""

    @classmethod
    def parse(cls, filename: str) -> WheelName:
        """The name that `filename` spells; WheelUnfamiliarError if it is not the name of a wheel."""
        found = _WHEEL.fullmatch(filename)
        try:
            parse_wheel_filename(filename)
        except ValueError:  # also for a number with more digits than `int` reads
            found = None
        if found is None or not _is_version(found[2]):
            raise WheelUnfamiliarError(f"{filename!r} is not the file name of a wheel")
        return cls(distribution=found[1], version=found[2], build=found[3] or "", tags=found[4])

    @property
    def filename(self) -> str:
        """The whole name, with `.whl`."""
        parts = (self.distribution, self.version, self.build, self.tags)
        return "-".join([part for part in parts if part]) + ".whl"

    def with_version(self, version: str) -> WheelName:
        """The same name with another version; one that is the present one keeps its spelling.

        WheelError if `version` is none by PEP 440.
        """
        if normal(version) == normal(self.version):
            return self
        return replace(self, version=_escaped(version))

    def dist_info(self) -> str:
        """The name of the `.dist-info` folder."""
        return f"{self.distribution}-{self.version}.dist-info"

    def data(self) -> str:
        """The name of the `.data` folder."""
        return f"{self.distribution}-{self.version}.data"


@dataclass(frozen=True, kw_only=True, slots=True)
class SdistName:
    """The file name of a source distribution; each part as it is spelled there."""

    distribution: str
    """Has hyphens where it was written before PEP 625."""
    version: str

    @classmethod
    def parse(cls, filename: str) -> SdistName:
        """The name that `filename` spells; WheelError if it is not the name of a `.tar.gz` source distribution."""
        found = _SDIST.fullmatch(filename)
        try:
            parse_sdist_filename(filename)
        except ValueError:
            found = None
        if found is None or not _is_version(found[2]):
            raise WheelError(f"{filename!r} is not the file name of a source distribution (name-version.tar.gz)")
        return cls(distribution=found[1], version=found[2])

    @property
    def stem(self) -> str:
        """The name without `.tar.gz`, which is also that of the folder in it."""
        return f"{self.distribution}-{self.version}"

    @property
    def filename(self) -> str:
        """The whole name, with `.tar.gz`."""
        return f"{self.stem}.tar.gz"

    def with_version(self, version: str) -> SdistName:
        """The same name with another version, in its normal form (PEP 625); WheelError if it is none."""
        return replace(self, version=normal(version))


def _is_version(text: str) -> bool:
    try:
        normal(text)
    except WheelError:
        return False
    return True


def _escaped(version: str) -> str:
    """The version as a file name can spell it: `_` for `-`, or the normal form where that would be no version."""
    spelled = version.strip().replace("-", "_")
    return spelled if _is_version(spelled) else normal(version)
