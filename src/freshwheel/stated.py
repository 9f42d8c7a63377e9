"""The own base version among the settings: how it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from freshwheel import pep440, reading
from freshwheel.errors import Problem
from freshwheel.model import OwnVersion
from freshwheel.reading import Reading


def read(value: Any, where: str) -> Reading[OwnVersion | None]:
    """The own base version: a text, or a table of path and pattern."""
    if isinstance(value, str):
        return (yield from _text(value, where))
    if isinstance(value, dict):
        return (yield from _table(value, where))
    hint = "put it into quotes" if type(value) in (int, float) else ""
    yield Problem(where, f"must be a string or a table with path, not {reading.type_of(value)}", hint)
    return None


def _text(value: str, where: str) -> Reading[OwnVersion | None]:
    found = yield from reading.text(value, where)
    if found is None:
        return None
    if (parsed := pep440.parsed(found)) is None:
        yield Problem(where, f"{reading.shown(found)} is not a version (PEP 440)")
        return None
    if pep440.has_label(parsed):
        yield Problem(
            where, f"{reading.shown(found)} has a label of freshwheel in it", "write the version without the label"
        )
        return None
    return OwnVersion(text=found)


def _table(table: Mapping[str, Any], where: str) -> Reading[OwnVersion | None]:
    path = pattern = None
    if "path" in table:
        path = yield from reading.input_path(table["path"], f"{where}.path")
    else:
        yield Problem(f"{where}.path", "is missing", "name the file that the version is written in")
    if "pattern" in table:
        pattern = yield from _regular_expression(table["pattern"], f"{where}.pattern")
    yield from reading.unknown(table, ("path", "pattern"), f"{where}.")
    return OwnVersion(path=path, pattern=pattern)


def _regular_expression(value: Any, where: str) -> Reading[str | None]:
    found = yield from reading.string(value, where)
    if found is None:
        return None
    try:
        groups = re.compile(found).groupindex
    except (re.error, OverflowError, RecursionError) as error:
        yield Problem(where, f"is not a regular expression: {error}")
        return None
    if "version" not in groups:
        yield Problem(where, "has no group named version", "put (?P<version>...) around the version")
        return None
    return found
