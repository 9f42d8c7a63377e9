"""What stands in parsed TOML, whatever its author wrote there: a wrong type is as good as nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


def members(value: Any, path: str = "") -> list[Any]:
    """What the table below the dotted `path`, or `value` itself, holds, sorted by key."""
    below = at(value, path) if path else value
    return [member for _, member in sorted(below.items())] if isinstance(below, Mapping) else []


def entries(value: Any, path: str) -> list[Mapping[str, Any]]:
    """The tables in the list below the dotted `path`."""
    below = at(value, path)
    return [entry for entry in below if isinstance(entry, Mapping)] if isinstance(below, list) else []


def text(value: Any, path: str) -> str | None:
    """The string below the dotted `path`, if it is not empty."""
    below = at(value, path)
    return below if isinstance(below, str) and below else None


def texts(value: Any, path: str) -> list[str]:
    """The string below the dotted `path`, or those in the list there."""
    below = at(value, path)
    return [entry for entry in (below if isinstance(below, list) else [below]) if isinstance(entry, str) and entry]


def strings(value: Any, *, without: Sequence[str] = ()) -> list[str]:
    """All keys and strings in a value of TOML; nothing of what stands below the keys `without`."""
    said: list[str] = []
    waiting = [value]
    while waiting:  # TOML can be deeper than Python's stack
        part = waiting.pop()
        if isinstance(part, str):
            said.append(part)
        elif isinstance(part, Mapping):
            waiting += [*part, *(below for key, below in part.items() if key not in without)]
        elif isinstance(part, list):
            waiting += part
    return said


def written(value: Any) -> str:
    """A string or a list of strings in TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
