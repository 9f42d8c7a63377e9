"""Requirements (PEP 508) and versions (PEP 440), read from texts that anybody may have written.

What is asked of most of them needs no `packaging`, which takes long to load.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.version import Version


_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_RELEASE = r"[0-9]{1,9}(?:\.[0-9]{1,9})*"
_COMPARISON = rf"(?:[=!]= *{_RELEASE}(?:\.\*)?|[<>]=? *{_RELEASE}|~= *[0-9]{{1,9}}(?:\.[0-9]{{1,9}})+)"
_START = re.compile(rf"\s*({_NAME})\s*(?:\[([^\[\]]*)\])?")
_PLAIN = re.compile(rf"{_NAME} *(?:\[{_NAME}(?:, *{_NAME})*\])? *(?:{_COMPARISON} *(?:, *{_COMPARISON})*)?")
LABEL = re.compile(r"s[0-9a-f]{12}")
"""The local version segment that names the sources of a wheel."""
RELEASE = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8}))*")
"""A release alone, which is its own normal form."""


def normal(name: str) -> str:
    """A name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def named(text: str) -> tuple[str, list[str]]:
    """The name and the extras that a requirement asks for, normalised; no name for what begins with none."""
    match = _START.match(text)
    if match is None:
        return "", []
    return normal(match[1]), [normal(extra.strip()) for extra in (match[2] or "").split(",") if extra.strip()]


def names(texts: Iterable[str]) -> frozenset[str]:
    """The normalised names that requirements ask for; what is no requirement is left out."""
    return frozenset(name for text in texts if (name := named(text)[0]))


def is_valid(text: str) -> bool:
    """Whether a text is a requirement."""
    return bool(_PLAIN.fullmatch(text)) or read(text) is not None


def read(text: str) -> Requirement | None:
    """The requirement that a text spells; None if it spells none."""
    from packaging.requirements import Requirement  # noqa: PLC0415 - it takes long, and no hit needs it

    try:
        return Requirement(text)
    except ValueError:  # also InvalidSpecifier, by earlier versions
        return None


def applying(text: str) -> str:
    """The normalised name that a requirement asks for here; nothing where its marker is for other environments."""
    wanted = read(text)
    if wanted is None:
        return ""
    try:
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
    except Exception:  # noqa: BLE001 - whatever a marker holds, an installer has the last word
        applies = False
    return normal(wanted.name) if applies else ""


def allows(text: str, version: str) -> bool:
    """Whether a requirement is met by a version, be it a pre-release; what is no requirement or no version is not."""
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - it takes half of the time of a `Requirement`

    wanted = text.partition(";")[0]
    match = _START.match(wanted)
    if match is None:
        return False
    versions = wanted[match.end() :].strip(" ()")
    try:
        return SpecifierSet("" if versions.startswith("@") else versions).contains(version, prereleases=True)
    except ValueError:
        return False


def version(text: str) -> Version | None:
    """The version that `text` spells, None if it spells none."""
    from packaging.version import Version  # noqa: PLC0415 - a hit has plain releases, and needs it for none

    try:
        # The pattern of PEP 440 ignores case, and so lets letters pass that only look like `s` and `k`.
        parsed = Version(text if text.isascii() else "")
        str(parsed)
    except ValueError:  # also for a number with more digits than `int` reads
        return None
    return parsed


def segments(version: Version) -> list[str]:
    """The parts of the local version."""
    return version.local.split(".") if version.local else []


def has_label(version: Version) -> bool:
    """Whether a part of the local version looks like a label."""
    return any(LABEL.fullmatch(part) for part in segments(version))
