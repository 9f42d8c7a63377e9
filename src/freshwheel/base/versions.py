"""Versions as PEP 440 has them, read from texts that anybody may have written, and the label that may stand in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version

LABEL = re.compile(r"s[0-9a-f]{12}")
"""The local version segment that names the sources of a wheel."""
RELEASE = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8}))*")
"""A release alone, which is its own normal form."""


def parsed(text: str) -> Version | None:
    """The version that `text` spells, None if it spells none."""
    from packaging.version import Version  # noqa: PLC0415 - a hit has plain releases, and needs it for none

    try:
        # The pattern of PEP 440 ignores case, and so lets letters pass that only look like `s` and `k`.
        version = Version(text if text.isascii() else "")
        str(version)
    except ValueError:  # also for a number with more digits than `int` reads
        return None
    return version


def segments(version: Version) -> list[str]:
    """The parts of the local version."""
    return version.local.split(".") if version.local else []


def has_label(version: Version) -> bool:
    """Whether a part of the local version looks like a label."""
    return any(LABEL.fullmatch(part) for part in segments(version))
