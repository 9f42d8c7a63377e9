"""What real builds have shown: inputs that nobody declares, files that they write, and the account of what they took.

It is kept beside the memory of a tree, is lost with the cache directory, and the next real build finds it again. What
is in it is never believed to be complete, so that nothing is left out because of it. A build folder that is kept from
one build to the next holds what earlier builds have read: what they took counts for the next wheel as well, though
nobody reads it again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from freshwheel.base import files, records
from freshwheel.memory import memory
from freshwheel.store.shelf import Discovered

_MAGIC = b"FWDIS\0\0\5"


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One path that the last build used."""

    path: str
    kind: str
    """`file`, `folder`, `present` or `absent`."""
    by: tuple[str, ...]
    why: str
    counts: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What is known of the builds of one tree."""

    observed: bool = False
    complete: bool = False
    """Whether all that lies in the folders that are kept was built under observation."""
    reason: str = ""
    """Why the last build was not observed."""
    doubt: str = ""
    """Why what it took is not all that it has taken."""
    lines: tuple[Line, ...] = ()
    names: tuple[str, ...] = ()
    """Variables that count by name."""
    every: str = ""
    """Why every variable counts; nothing: those do by name."""
    items: tuple[Discovered, ...] = ()
    """Paths, as a wheel keeps them, that builds have taken: all of those in the folders that are kept."""
    salt: bytes = b""
    """For hashes of what variables hold."""
    readers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Path of an input -> the programs that have read it, in these builds."""
    used: tuple[bytes, ...] = ()
    """Paths in the repository that they have used in any way or looked for, and folders that they listed, with `/`."""
    once: tuple[bytes, ...] = ()
    """Of the inputs, those that nobody has opened but the program that has made the wheel, and that only once."""
    compiled: tuple[bytes, ...] = ()
    """Of the inputs, those that nobody has opened but compilers that have told ninja so."""
    made_from: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    """What was made in a folder that the project keeps -> what of that folder was used for it; relative to it."""
    outdated: str = ""
    """What was not made again there though it had to be, in words."""
    joined: Mapping[str, str] = field(default_factory=dict)
    """Path that a build has read in the repository, and that was no input of it -> who has."""


def place(cache: str, tree: str) -> str:
    """Where the discovered inputs of a tree lie in the cache directory; there is no file while there are none.

    Only these decide about a digest. So a memory need only watch this one.
    """
    return records.place(cache, memory.real(tree), "discovered")


def load(cache: str | None, tree: str) -> State:
    """The state of a tree; an empty one where none can be read."""
    state = State(**(_read(cache, tree, "build") or {}))
    return replace(state, discovered=_read(cache, tree, "discovered") or {})


def save(cache: str | None, tree: str, state: State) -> bool:
    """Whether the state could be written, for its owner alone."""
    if cache is None:
        return False
    is_saved = _write(cache, tree, "build", asdict(state))
    if state.discovered or os.path.lexists(place(cache, tree)):
        is_saved &= _write(cache, tree, "discovered", dict(state.discovered))
    return is_saved


def account(cache: str | None, tree: str) -> Page:
    """What is on record of a tree; an empty page where nothing is, or nothing that can be used."""
    table = _read(cache, tree, "account")
    return Page() if table is None else Page(**{**table, "lines": tuple([Line(**line) for line in table["lines"]])})


def keep_account(cache: str | None, tree: str, page: Page) -> None:
    """Puts a page on record, for its owner alone; where that can't be, the earlier one goes."""
    table = {name: getattr(page, name) for name in Page.__slots__}
    lines = [{name: getattr(line, name) for name in Line.__slots__} for line in page.lines]
    if cache is not None and not _write(cache, tree, "account", {**table, "lines": lines}):
        files.discard(records.place(cache, memory.real(tree), "account"))


def _read(cache: str | None, tree: str, kind: str) -> Any:
    """What is on record of a tree; None where nothing is, or nothing that can be used."""
    where = memory.real(tree)
    return None if cache is None else records.load(records.place(cache, where, kind), _MAGIC, where)


def _write(cache: str, tree: str, kind: str, table: Mapping[str, Any]) -> bool:
    """Whether that is on record of a tree now."""
    where = memory.real(tree)
    return records.save(records.place(cache, where, kind), _MAGIC, table, where)
