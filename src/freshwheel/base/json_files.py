"""Tables in files of the cache directory, as JSON, for their owner alone.

They are lost with that directory, so whoever reads one goes on without it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import xxhash

from freshwheel.base import frame

_LARGEST = 1 << 26
"""Bytes that are read."""


def place(cache: str, tree: bytes, ending: str) -> str:
    """Where something that is known of a tree, a real path, lies in the cache directory."""
    return os.path.join(cache, "trees", f"{xxhash.xxh3_128_hexdigest(tree)}.{ending}")


def load(path: str, edition: int, tree: bytes | None = None) -> dict[str, Any]:
    """The table that was saved with this edition and tree.

    Raises FileNotFoundError where there is none, and OSError or ValueError for anything else in its place.
    """
    with open(path, "rb") as file:
        data = file.read(_LARGEST) if frame.is_own(os.fstat(file.fileno())) else b""
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError(path) from None
    if not isinstance(found, dict) or (found.get("edition"), found.get("tree")) != (edition, _name(tree)):
        raise ValueError(path)
    return found


def save(path: str, edition: int, table: Mapping[str, Any], tree: bytes | None = None) -> None:
    """The table is in its file. Raises OSError or ValueError where it can't be."""
    frame.settle(os.path.dirname(path))
    said = {"edition": edition, "tree": _name(tree), **table}
    frame.write(path, json.dumps(said).encode(), mode=0o600)


def _name(tree: bytes | None) -> str | None:
    return None if tree is None else os.fsdecode(tree)
