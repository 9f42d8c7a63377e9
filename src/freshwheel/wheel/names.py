"""The file names of wheels and source distributions: taken apart, and put together with another version."""

from __future__ import annotations

from dataclasses import dataclass, replace

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from freshwheel.base.errors import WheelError, WheelUnfamiliarError
from freshwheel.wheel.version import normal

_SDIST = ".tar.gz"


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
        try:
            parse_wheel_filename(filename)
            distribution, version, rest = filename.split("-", 2)
        except ValueError as error:  # also for a number with more digits than `int` reads
            raise WheelUnfamiliarError(f"{filename!r} is not the file name of a wheel: {error}") from None
        return cls(distribution=distribution, version=version, rest=f"-{rest}")

    @classmethod
    def sdist(cls, filename: str) -> FileName:
        """The name of a source distribution; WheelError if it is not that of a `.tar.gz` one."""
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
