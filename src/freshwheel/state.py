"""What real builds of one tree have shown, kept beside its memory: inputs that nobody declares, files that they write.

It is lost with the cache directory, and the next real build finds it again. What is in it is never believed to be
complete, so that nothing is left out because of it.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import xxhash

from freshwheel import frame, memory

__all__ = ["State", "load", "place", "save"]

_EDITION = 1
_LARGEST = 1 << 24


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What is known of one tree. Paths are those of inputs; each with who says so, in words."""

    built: bool = False
    """Whether a real build has been looked at."""
    discovered: Mapping[str, str] = field(default_factory=dict)
    """Files that a build has read or packed, and that were no inputs. They are inputs from the next build on."""
    system: Mapping[str, str] = field(default_factory=dict)
    """Absolute paths outside of the repository that a build has read: other machines have other ones."""
    written: Mapping[str, str] = field(default_factory=dict)
    """Inputs that the last build itself has made or changed, so that a built tree differs from a fresh one."""


def place(cache: str, tree: str) -> str:
    """Where the state of a tree lies in the cache directory."""
    name = xxhash.xxh3_128_hexdigest(memory.real(tree))
    return os.path.join(cache, "trees", f"{name}.json")


def load(cache: str | None, tree: str) -> State:
    """The state of a tree; an empty one where none can be read."""
    try:
        if cache is None:
            return State()
        with open(place(cache, tree), "rb") as file:
            return _parsed(json.loads(file.read(_LARGEST)), _name(tree))
    except (OSError, ValueError, RecursionError):
        return State()


def save(cache: str | None, tree: str, state: State) -> bool:
    """Whether the state could be written, for its owner alone."""
    if cache is None:
        return False
    path = place(cache, tree)
    text = json.dumps({"edition": _EDITION, "tree": _name(tree), **asdict(state)}, indent=1, sort_keys=True)
    try:
        frame.settle(os.path.dirname(path))
        frame.write(path, text.encode(), mode=0o600)
    except (OSError, ValueError):
        return False
    return True


def _name(tree: str) -> str:
    return os.fsdecode(memory.real(tree))


def _parsed(found: object, tree: str) -> State:
    """What was dumped for this tree; an empty state for anything else."""
    if not isinstance(found, dict) or found.get("edition") != _EDITION or found.get("tree") != tree:
        return State()
    tables: dict[str, dict[str, str]] = {}
    for name in ("discovered", "system", "written"):
        table = found.get(name)
        if not isinstance(table, dict) or not all(isinstance(text, str) for text in table.values()):
            return State()
        if name != "system" and not all(map(_is_input, table)):
            return State()
        tables[name] = table
    return State(built=found.get("built") is True, **tables)


def _is_input(path: str) -> bool:
    """Whether an input can be called so. Raises ValueError for what no file can be called."""
    os.fsencode(path)
    name = path.rpartition("/")[2]
    return (
        not path.startswith("/") and posixpath.normpath(path) == path and name not in (".", "..") and "\0" not in path
    )
