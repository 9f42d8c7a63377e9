"""Requirements (PEP 508). Plain ones, which most are, are read without `packaging`, which takes long to load.

What is not plain is for `packaging` to say, so that the two never differ.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    "<": operator.lt,
    ">": operator.gt,
}
"""What operators mean between two releases."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_RELEASE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})*")
_COMPARISON = re.compile(r"([=!<>~]=|[<>]) *([0-9.]+(?:\.\*)?)")
# A name that could be a version would be compared as one.
_EXTRA = r"(?![Vv][0-9])[A-Za-z](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_PYTHON = r"[0-9]{1,4}(?:\.[0-9]{1,4})?"
_PLATFORM = "(?:cygwin|darwin|linux|win32)"
_PARTS = re.compile(r"([A-Za-z0-9._-]+) *(?:\[([^\[\]]*)\])? *([^;]*)(?:; *(.+))?")
"""A name, and what may be extras, comparisons and a marker."""
_CONDITION = re.compile(
    rf"""(extra) *(==) *(["'])({_EXTRA})\3|(python_version) *([=!<>]=|[<>]) *(["'])({_PYTHON})\7"""
    rf"""|(sys_platform) *([=!]=) *(["'])({_PLATFORM})\11"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """What a requirement asks for."""

    text: str
    name: str
    """As it is spelled."""
    extras: frozenset[str]
    comparisons: tuple[tuple[str, str], ...]
    """Operators and versions; all are to hold."""
    conditions: tuple[tuple[str, str, str], ...] | None
    """What its marker says: variables, operators and values, all of which are to hold; None: `packaging` must say."""


def read(text: str) -> Requirement | None:
    """The requirement that `text` spells; None if it spells none."""
    return _plain(text) or _by_packaging(text)


def normal(name: str) -> str:
    """A name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def release(text: str) -> tuple[int, ...] | None:
    """The numbers of a version that is a release and nothing more, which are in its order; None for any other text."""
    if not _RELEASE.fullmatch(text):
        return None
    numbers = [int(number) for number in text.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def holds(version: str, order: str, other: str) -> bool:
    """Whether a version, which may end in `.*`, is as it should be against another one; what is none is not."""
    version = version.removesuffix(".*")
    one, two = release(version), release(other)
    if one is not None and two is not None:
        return ORDERS[order](one, two)
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415 - it takes long, and few projects need it

    try:
        return ORDERS[order](Version(version), Version(other))
    except InvalidVersion:
        return False


def allows(text: str, version: str) -> bool:
    """Whether a requirement is met by a version, be it a pre-release; what is no requirement or no version is not."""
    wanted = read(text)
    if wanted is None:
        return False
    plain = all(order in ORDERS and release(other) is not None for order, other in wanted.comparisons)
    if plain and release(version) is not None:
        return all(holds(version, order, other) for order, other in wanted.comparisons)
    from packaging.requirements import Requirement as Full  # noqa: PLC0415 - as above

    try:
        return Full(text).specifier.contains(version, prereleases=True)
    except ValueError:
        return False


def _plain(text: str) -> Requirement | None:
    """The requirement, if it is a plain one."""
    match = _PARTS.fullmatch(text)
    if match is None or not _NAME.fullmatch(match[1]):
        return None
    extras, conditions = _entries(match[2] or ""), _conditions(match[4])
    comparisons = [_comparison(one) for one in _entries(match[3])]
    if conditions is None or None in comparisons or not all(map(_NAME.fullmatch, extras)):
        return None
    return Requirement(
        text=text,
        name=match[1],
        extras=frozenset(extras),
        comparisons=tuple(one for one in comparisons if one is not None),
        conditions=conditions,
    )


def _entries(text: str) -> list[str]:
    """What stands between commas."""
    return [one.strip(" ") for one in text.split(",")] if text.strip(" ") else []


def _comparison(text: str) -> tuple[str, str] | None:
    """An operator and a release, where such a comparison may be."""
    match = _COMPARISON.fullmatch(text)
    release = match[2].removesuffix(".*") if match is not None else ""
    if match is None or not _RELEASE.fullmatch(release):
        return None
    fits = match[1] in {"==", "!="} if release != match[2] else match[1] != "~=" or "." in release
    return (match[1], match[2]) if fits else None


def _conditions(marker: str | None) -> tuple[tuple[str, str, str], ...] | None:
    """What a marker says; None where it is no plain one."""
    found = []
    for text in [] if marker is None else marker.split(" and "):
        match = _CONDITION.fullmatch(text.strip(" "))
        if match is None:
            return None
        variable, word, _, value = (part for part in match.groups() if part is not None)
        found.append((variable, word, value))
    return tuple(found)


def _by_packaging(text: str) -> Requirement | None:
    from packaging import requirements  # noqa: PLC0415 - it takes long, and few texts need it

    try:
        found = requirements.Requirement(text)
    except ValueError:  # also InvalidSpecifier, by earlier versions
        return None
    return Requirement(
        text=text,
        name=found.name,
        extras=frozenset(found.extras),
        comparisons=tuple((one.operator, one.version) for one in found.specifier),
        conditions=() if found.marker is None else None,
    )
