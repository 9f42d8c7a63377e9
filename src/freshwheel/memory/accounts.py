"""What real builds of a tree, or in a folder, have taken: for people, and for builds that go on where these ended.

A build folder that is kept from one build to the next holds what earlier builds have read. So what they took counts for
the next wheel as well, though nobody reads it again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from freshwheel.base import frame, json_files
from freshwheel.memory import memory
from freshwheel.store.entry import Discovered

_EDITION = 2
_ENDING = "account.json"


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
    if cache is None:
        return Page()
    try:
        where = memory.real(tree)
        return _page(json_files.load(json_files.place(cache, where, _ENDING), _EDITION, where))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Page()


def save(cache: str | None, tree: str, page: Page) -> None:
    """Puts a page on record, for its owner alone; where that can't be, the earlier one goes."""
    if cache is None:
        return
    where = memory.real(tree)
    path = json_files.place(cache, where, _ENDING)
    try:
        items = [[os.fsdecode(path), kind, content.hex(), row.hex()] for path, kind, content, row in page.items]
        said = {**asdict(replace(page, items=(), salt=b"")), "items": items, "salt": page.salt.hex()}
        json_files.save(path, _EDITION, said, where)
    except (OSError, ValueError):
        frame.discard(path)


def _page(found: Mapping[str, Any]) -> Page:
    """The page in a table. Raises what a table of another form leads to."""
    return Page(
        observed=found["observed"] is True,
        complete=found["complete"] is True,
        reason=str(found["reason"]),
        doubt=str(found["doubt"]),
        lines=tuple([Line(**{**one, "by": tuple(one["by"])}) for one in found["lines"]]),
        names=_texts(found["names"]),
        every=str(found["every"]),
        items=tuple([_item(*one) for one in found["items"]]),
        salt=bytes.fromhex(found["salt"]),
        readers={str(path): _texts(names) for path, names in found["readers"].items()},
        joined={str(path): str(by) for path, by in found["joined"].items()},
    )


def _item(path: str, kind: str, content: str, row: str) -> Discovered:
    return os.fsencode(path), kind, bytes.fromhex(content), bytes.fromhex(row)


def _texts(found: Sequence[Any]) -> tuple[str, ...]:
    return tuple([str(one) for one in found])
