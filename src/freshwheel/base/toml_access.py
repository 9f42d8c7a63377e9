"""What stands in parsed TOML, whatever its author wrote there: a wrong type is as good as nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def at(value: Any, path: str) -> Any:
    """What stands below the dotted `path`; None for nothing."""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def table(value: Any, path: str) -> Mapping[str, Any]:
    """The table below the dotted `path`."""
    below = at(value, path)
    return below if isinstance(below, Mapping) else {}


def entries(value: Any, path: str) -> list[Mapping[str, Any]]:
    """The tables in the list below the dotted `path`."""
    below = at(value, path)
    return [one for one in below if isinstance(one, Mapping)] if isinstance(below, list) else []


def text(value: Any, path: str) -> str | None:
    """The string below the dotted `path`, if it is not empty."""
    below = at(value, path)
    return below if isinstance(below, str) and below else None


def texts(value: Any, path: str) -> list[str]:
    """The string below the dotted `path`, or those in the list there."""
    below = at(value, path)
    return [one for one in (below if isinstance(below, list) else [below]) if isinstance(one, str) and one]


def strings(value: Any) -> list[str]:
    """All keys and strings in a value of TOML."""
    if isinstance(value, Mapping):
        return [text for key, one in value.items() for text in (str(key), *strings(one))]
    if isinstance(value, list):
        return [text for one in value for text in strings(one)]
    return [value] if isinstance(value, str) else []
