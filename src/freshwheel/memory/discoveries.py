"""What real builds of one tree have shown, kept beside its memory: inputs that nobody declares, files that they write.

It is lost with the cache directory, and the next real build finds it again. What is in it is never believed to be
complete, so that nothing is left out because of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from freshwheel.base import records
from freshwheel.memory import memory

_MAGIC = b"FWDIS\0\0\2"


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What is known of one tree. Paths are those of inputs; each with who says so, in words."""

    built: bool = False
    """Whether a real build has been looked at."""
    discovered: Mapping[str, str] = field(default_factory=dict)
    """Files that a build has read or packed, and that were no inputs. They are inputs from the next build on."""
    system: Mapping[str, str] = field(default_factory=dict)
    """Absolute paths outside of the repository that builds have read while nobody observed them."""
    written: Mapping[str, str] = field(default_factory=dict)
    """Inputs that the last build itself has made or changed, so that a built tree differs from a fresh one."""


def place(cache: str, tree: str) -> str:
    """Where the discovered inputs of a tree lie in the cache directory; there is no file while there are none.

    Only these decide about a digest. So a memory need only watch this one.
    """
    return records.place(cache, memory.real(tree), "discovered")


def load(cache: str | None, tree: str) -> State:
    """The state of a tree; an empty one where none can be read."""
    if cache is None:
        return State()
    where = memory.real(tree)
    state = State(**(records.load(_beside(cache, tree), _MAGIC, where) or {}))
    return replace(state, discovered=records.load(place(cache, tree), _MAGIC, where) or {})


def save(cache: str | None, tree: str, state: State) -> bool:
    """Whether the state could be written, for its owner alone."""
    if cache is None:
        return False
    path, where = place(cache, tree), memory.real(tree)
    is_saved = records.save(_beside(cache, tree), _MAGIC, asdict(state), where)
    if state.discovered or os.path.lexists(path):
        is_saved &= records.save(path, _MAGIC, dict(state.discovered), where)
    return is_saved


def _beside(cache: str, tree: str) -> str:
    """Where all else lies."""
    return records.place(cache, memory.real(tree), "build")
