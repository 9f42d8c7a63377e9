"""`cache-keys` in the text of a `pyproject.toml`: what stands there, and how it is written, all else as it was."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from freshwheel import parsed as tables
from freshwheel.adopt.edits import Edits
from freshwheel.adopt.proposal import BOM, decoded
from freshwheel.adopt.statements import Document, parsed
from freshwheel.adopt.uv_keys import lines
from freshwheel.errors import FreshwheelError

__all__ = ["present", "written"]

_PATH = ("tool", "uv", "cache-keys")
_DEFAULTS = ("pyproject.toml", "setup.cfg", "setup.py")
"""What uv looks at where there is no list."""


def present(pyproject: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The elements that stand there, in their long form; without a list `wanted`, if uv looks at these by itself."""
    listed = tables.at(pyproject, ".".join(_PATH))
    if listed is None:
        return [*wanted] if all(one.get("file") in _DEFAULTS for one in wanted) else []
    return [{"file": one} if isinstance(one, str) else one for one in listed] if isinstance(listed, list) else [listed]


def written(data: bytes, found: Sequence[Mapping[str, Any]]) -> bytes:
    """`data` with these keys in `[tool.uv]`. Raises ConfigError for what is no TOML, FreshwheelError where it can't."""
    text, before = decoded(data)
    try:
        after = _edited(text, found)
        is_safe = _canonical(parsed(after)) == _canonical(_expected(before, found))
    except (AttributeError, IndexError, TypeError, ValueError):  # a [tool] or [tool.uv] that is no table, and the like
        after, is_safe = "", False
    if not is_safe:
        raise FreshwheelError(
            "pyproject.toml is written in a way that can't be changed safely, so it was left alone",
            hint=f"write by hand, in [tool.uv]:\ncache-keys = {lines(found)}",
        )
    return (BOM if data.startswith(BOM) else b"") + after.encode()


def _expected(before: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the file must say."""
    expected: dict[str, Any] = copy.deepcopy(dict(before))
    expected.setdefault("tool", {}).setdefault("uv", {})["cache-keys"] = [*found]
    return expected


def _edited(text: str, found: Sequence[Mapping[str, Any]]) -> str:
    document = Document.of(text)
    edits = Edits(document)
    array = lines(found, newline=edits.newline)
    statement = document.statement(*_PATH)
    header = document.header(*_PATH[:2])
    beside = [one for one in document.statements if len(one.path) == len(_PATH) and one.path[:2] == _PATH[:2]]
    if statement is not None:
        edits.replace(statement.value, array)
    elif header is not None:
        edits.below(header, [f"cache-keys = {array}"])
    elif beside:
        edits.behind(beside[-1], _PATH[2], array)
    else:
        edits.table(["[tool.uv]", f"cache-keys = {array}"], document.header("tool", "freshwheel"))
    return edits.text()


def _canonical(value: object) -> object:
    """A value without the order of its tables."""
    if isinstance(value, dict):
        return {"table": sorted((name, _canonical(one)) for name, one in value.items())}
    return [_canonical(one) for one in value] if isinstance(value, list) else repr(value)
