"""What is expected of each cell, as three files say: what was written before, what happened otherwise, what is left."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .situations import INSTALLERS, SITUATIONS, Happened

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["FOLDER", "VERDICTS", "Cell", "Expected", "choices", "disagreement", "expected", "read", "unexpected"]

FOLDER = Path(__file__).parent
VERDICTS = ("built", "hit", "follows", "stale", "error", "none")
"""What can be expected; what happens otherwise may have other names."""

Cell = tuple[str, str]
"""An installer and a situation, by title."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What is expected of one cell, and why."""

    verdict: str
    why: str
    ask: str = ""
    """How a person makes the installer ask."""
    text: str = ""
    """A pattern of what the installer says."""
    version: str = ""
    """Of the installer that something unexpected was seen with."""


def expected() -> dict[Cell, Expected]:
    """What was written down before the first run. Raises ValueError where a cell is missing, or there twice."""
    found = read((FOLDER / "expectations.toml").read_text(encoding="utf-8"))
    missing = [cell for cell in cells() if cell not in found]
    if missing:
        raise ValueError(f"nothing is expected of {missing}")
    return found


def unexpected() -> dict[Cell, Expected]:
    """What happened otherwise, and why."""
    found = read((FOLDER / "unexpected.toml").read_text(encoding="utf-8"))
    without = [cell for cell, one in found.items() if not one.version]
    if without:
        raise ValueError(f"no version of the installer stands beside {without}")
    return found


def choices() -> dict[Cell, str]:
    """Why nobody has tried a cell that could be brought about. Raises ValueError for one of which more is expected."""
    applies = {cell for cell, one in {**expected(), **unexpected()}.items() if one.verdict != "none"}
    found: dict[Cell, str] = {}
    for table in tomllib.loads((FOLDER / "choices.toml").read_text(encoding="utf-8"))["cells"]:
        found |= dict.fromkeys(_named(table), table["why"])
    if strange := sorted(found.keys() & applies):
        raise ValueError(f"more is expected of {strange}")
    return found


def cells() -> Iterator[Cell]:
    """All cells, in the order of the page."""
    return ((installer, situation) for installer in INSTALLERS for situation in SITUATIONS)


def read(text: str) -> dict[Cell, Expected]:
    """What one file says. Raises ValueError for what makes no sense, naming it."""
    found: dict[Cell, Expected] = {}
    for table in tomllib.loads(text).get("cells", []):
        one = _one(table)
        for cell in _named(table):
            if cell in found:
                raise ValueError(f"{cell} is there twice")
            found[cell] = one
    return found


def disagreement(wanted: Expected, seen: Happened) -> str:
    """What speaks against a cell; nothing: it is as expected."""
    if seen.verdict != wanted.verdict:
        return f"{seen.verdict} instead of {wanted.verdict}"
    if wanted.verdict == "stale" and seen.asked != "follows":
        return f"{seen.asked} instead of follows, when it was made to ask"
    if wanted.verdict == "error" and not re.search(wanted.text, seen.text):
        return f"it does not say {wanted.text}"
    return ""


def _named(table: Mapping[str, Any]) -> list[Cell]:
    named = [(installer, situation) for installer in table["installers"] for situation in table["situations"]]
    known = set(cells())
    for cell in named:
        if cell not in known:
            raise ValueError(f"there is no such cell: {cell}")
    return named


def _one(table: Mapping[str, Any]) -> Expected:
    one = Expected(
        verdict=table["is"],
        why=table["why"],
        ask=table.get("ask", ""),
        text=table.get("text", ""),
        version=table.get("version", ""),
    )
    if not one.why or bool(one.ask) != (one.verdict == "stale") or bool(one.text) != (one.verdict == "error"):
        raise ValueError(f"a why always, an ask for stale, a text for error, and no others: {dict(table)}")
    return one
