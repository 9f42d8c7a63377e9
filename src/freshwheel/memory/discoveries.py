"""What real builds of one tree have shown, kept beside its memory: inputs that nobody declares, files that they write.

It is lost with the cache directory, and the next real build finds it again. What is in it is never believed to be
complete, so that nothing is left out because of it.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from freshwheel.base import json_files
from freshwheel.memory import memory

_EDITION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What is known of one tree. Paths are those of inputs; each with who says so, in words."""

    built: bool = False
    """Whether a real build has been looked at."""
    discovered: Mapping[str, str] = field(default_factory=dict)
    """Files that a build has read or packed, and that were no inputs. They are inputs from the next build on."""
    written: Mapping[str, str] = field(default_factory=dict)
    """Inputs that the last build itself has made or changed, so that a built tree differs from a fresh one."""


def place(cache: str, tree: str) -> str:
    """Where the discovered inputs of a tree lie in the cache directory; there is no file while there are none.

    Only these decide about a digest. So a memory need only watch this one.
    """
    return json_files.place(cache, memory.real(tree), "json")


def load(cache: str | None, tree: str) -> State:
    """The state of a tree; an empty one where none can be read."""
    if cache is None:
        return State()
    found: dict[str, object] = {"discovered": {}, "written": {}}
    try:
        for path in (place(cache, tree), _beside(cache, tree)):
            with contextlib.suppress(FileNotFoundError):
                found |= json_files.load(path, _EDITION, memory.real(tree))
        return _parsed(found)
    except (OSError, ValueError):
        return State()


def save(cache: str | None, tree: str, state: State) -> bool:
    """Whether the state could be written, for its owner alone."""
    if cache is None:
        return False
    path, where, fields = place(cache, tree), memory.real(tree), asdict(state)
    discovered = {"discovered": fields.pop("discovered")}
    try:
        json_files.save(_beside(cache, tree), _EDITION, fields, where)
        if state.discovered or os.path.lexists(path):
            json_files.save(path, _EDITION, discovered, where)
    except (OSError, ValueError):
        return False
    return True


def _beside(cache: str, tree: str) -> str:
    """Where all else lies."""
    return json_files.place(cache, memory.real(tree), "build.json")


def _parsed(found: Mapping[str, object]) -> State:
    """What was dumped; an empty state for anything else. Raises ValueError for paths that no file can have."""
    tables: dict[str, dict[str, str]] = {}
    for name in ("discovered", "written"):
        table = found.get(name)
        if not isinstance(table, dict) or not all(isinstance(text, str) for text in table.values()):
            return State()
        if not all(map(_is_input, table)):
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
