"""What a person should know before the switch: what would hurt, and what could be better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from freshwheel import parsed as tables
from freshwheel.adopt import comparisons, pins, pythons
from freshwheel.adopt.facts import Facts, Remark, identifier

__all__ = ["remarks"]

_WEIGHTS = ("stop", "harm", "note")


def remarks(text: str, pyproject: Mapping[str, Any], facts: Facts, *, labelled: bool) -> list[Remark]:
    """All remarks, the heaviest first; `text` is that of pyproject."""
    found = list(pythons.remarks(text, pyproject, facts))
    if labelled:
        found += [*_comparisons(pyproject, facts), *pins.pinned(facts, identifier(pyproject))]
    if not tables.at(pyproject, "tool.freshwheel.include"):
        found += _outside(facts)
    return sorted(found, key=lambda one: _WEIGHTS.index(one.weight))


def _comparisons(pyproject: Mapping[str, Any], facts: Facts) -> Iterator[Remark]:
    """Where a label would make versions unequal."""
    texts = {path: text for path, text in facts.texts.items() if path.endswith(".py")}
    packages = facts.packages(pyproject)
    found = comparisons.compared(texts, distribution=identifier(pyproject), packages=packages)
    if found:
        what = "the version is compared here, and the installed one has a label"
        todo = 'compare the part before the "+", or switch with --no-label, which writes label = "off" or stays static'
        yield Remark(kind="comparison", weight="harm", what=what, todo=todo, where=tuple(found))


def _outside(facts: Facts) -> Iterator[Remark]:
    """What is to be an input, and lies outside of the project."""
    if facts.outside:
        what = (
            "the build may read what lies outside of the project, where an edit goes unseen until a build is observed"
        )
        patterns = ", ".join(f'"{one}"' for one in dict.fromkeys(pattern for _, pattern in facts.outside))
        todo = f"add to [tool.freshwheel]: include = [{patterns}]"
        where = tuple(f"{place} {pattern}" for place, pattern in facts.outside)
        yield Remark(kind="include", weight="note", what=what, todo=todo, where=where)
