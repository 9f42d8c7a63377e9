"""What became of cells, kept in one file while the matrix runs, so that it can be run installer by installer."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .expectations import Cell
from .situations import INSTALLERS, SITUATIONS, Happened

__all__ = ["Results"]

LONGEST = 8_000
"""Characters kept of what an installer said."""


class Results:
    """The results in a folder; each one with the version of its installer, and only good beside that version."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "results.json"
        self.versions: dict[str, str] = {}
        self.seen: dict[Cell, Happened] = {}
        if self._path.exists():
            found = json.loads(self._path.read_text(encoding="utf-8"))
            self.versions |= {title: version for title, version in found["versions"].items() if title in INSTALLERS}
            self.seen |= dict(_cells(found["cells"]))

    def begin(self, versions: Mapping[str, str]) -> None:
        """Drops what other versions of these installers did."""
        changed = {title for title, version in versions.items() if self.versions.get(title) != version}
        self.seen = {cell: happened for cell, happened in self.seen.items() if cell[0] not in changed}
        self.versions |= versions

    def add(self, cell: Cell, happened: Happened) -> None:
        """Puts down one more, or the same one anew."""
        self.seen[cell] = dataclasses.replace(happened, text=happened.text[-LONGEST:])
        rows = [
            {"installer": installer, "situation": situation, **dataclasses.asdict(self.seen[installer, situation])}
            for installer, situation in sorted(self.seen)
        ]
        text = json.dumps({"versions": self.versions, "cells": rows}, indent=1)
        beside = self._path.with_suffix(".new")
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(self._path)


def _cells(rows: Iterable[dict[str, str]]) -> Iterator[tuple[Cell, Happened]]:
    """Those that there still are."""
    for row in rows:
        cell = row.pop("installer"), row.pop("situation")
        if cell[0] in INSTALLERS and cell[1] in SITUATIONS:
            yield cell, Happened(**row)
