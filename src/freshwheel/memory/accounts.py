"""What real builds of a tree, or in a folder, have taken: for people, and for builds that go on where these ended.

A build folder that is kept from one build to the next holds what earlier builds have read. So what they took counts for
the next wheel as well, though nobody reads it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from freshwheel.base import files, records
from freshwheel.memory import memory
from freshwheel.store.shelf import Discovered

_MAGIC = b"FWACC\0\0\3"


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
    joined: Mapping[str, str] = field(default_factory=dict)
    """Path that a build has read in the repository, and that was no input of it -> who has."""


def load(cache: str | None, tree: str) -> Page:
    """What is on record of a tree; an empty page where nothing is, or nothing that can be used."""
    where = memory.real(tree)
    table = records.load(records.place(cache, where, "account"), _MAGIC, where) if cache is not None else None
    return Page() if table is None else Page(**{**table, "lines": tuple([Line(**one) for one in table["lines"]])})


def save(cache: str | None, tree: str, page: Page) -> None:
    """Puts a page on record, for its owner alone; where that can't be, the earlier one goes."""
    where = memory.real(tree)
    if cache is not None and not records.save(records.place(cache, where, "account"), _MAGIC, asdict(page), where):
        files.discard(records.place(cache, where, "account"))
