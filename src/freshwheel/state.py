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
    """Where the discovered inputs of a tree lie in the cache directory; there is no file while there are none.

    Only these decide about a digest. So a memory need only watch this one.
    """
    return f"{_stem(cache, tree)}.json"


def load(cache: str | None, tree: str) -> State:
    """The state of a tree; an empty one where none can be read."""
    if cache is None:
        return State()
    try:
        tables = [_read(path) for path in (place(cache, tree), _beside(cache, tree))]
    except (OSError, ValueError, RecursionError):
        return State()
    found: dict[str, object] = {"discovered": {}, "system": {}, "written": {}}
    for table in tables:
        if table is not None and (table.get("edition"), table.get("tree")) != (_EDITION, _name(tree)):
            return State()
        found |= table or {}
    try:
        return _parsed(found)
    except ValueError:
        return State()


def save(cache: str | None, tree: str, state: State) -> bool:
    """Whether the state could be written, for its owner alone."""
    if cache is None:
        return False
    path, beside = place(cache, tree), _beside(cache, tree)
    head = {"edition": _EDITION, "tree": _name(tree)}
    fields = asdict(state)
    discovered = {"discovered": fields.pop("discovered")}
    try:
        frame.settle(os.path.dirname(path))
        _write(beside, {**head, **fields})
        if state.discovered or os.path.lexists(path):
            _write(path, {**head, **discovered})
    except (OSError, ValueError):
        return False
    return True


def _stem(cache: str, tree: str) -> str:
    return os.path.join(cache, "trees", xxhash.xxh3_128_hexdigest(memory.real(tree)))


def _beside(cache: str, tree: str) -> str:
    """Where all else lies."""
    return f"{_stem(cache, tree)}.build.json"


def _read(path: str) -> dict[str, object] | None:
    """What a file says, None where there is none. Raises ValueError for anything but a table of our own."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(_LARGEST)) if frame.is_own(os.fstat(file.fileno())) else None
    except FileNotFoundError:
        return None
    if not isinstance(found, dict):
        raise ValueError(path)  # noqa: TRY004 - as for what is no JSON
    return found


def _write(path: str, table: Mapping[str, object]) -> None:
    frame.write(path, json.dumps(table, indent=1, sort_keys=True).encode(), mode=0o600)


def _name(tree: str) -> str:
    return os.fsdecode(memory.real(tree))


def _parsed(found: Mapping[str, object]) -> State:
    """What was dumped; an empty state for anything else. Raises ValueError for paths that no file can have."""
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
