"""`cache-keys` in the text of a `pyproject.toml`: what stands there, and how it is written, all else as it was."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from freshwheel.adopt.proposal import BOM, decoded
from freshwheel.adopt.toml_statements import Document, agreed
from freshwheel.adopt.uv_keys import lines
from freshwheel.base import toml_access as tables

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
    hint = f"write by hand, in [tool.uv]:\ncache-keys = {lines(found)}"
    after = agreed(lambda: _edited(text, found), lambda: _expected(before, found), hint=hint)
    return (BOM if data.startswith(BOM) else b"") + after.encode()


def _expected(before: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the file must say."""
    expected: dict[str, Any] = copy.deepcopy(dict(before))
    expected.setdefault("tool", {}).setdefault("uv", {})["cache-keys"] = [*found]
    return expected


def _edited(text: str, found: Sequence[Mapping[str, Any]]) -> str:
    document = Document(text)
    array = lines(found, newline=document.newline)
    place, header = document.find(*_PATH), document.find(*_PATH[:2], is_header=True)
    if place is not None:
        document.set(place, array)
    elif header is not None:
        document.insert(header + 1, f"cache-keys = {array}")
    else:
        document.table(["[tool.uv]", f"cache-keys = {array}"], "tool", "freshwheel")
    return document.text()
