"""Requirements files that name one version of the project, or one wheel, which a label breaks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from freshwheel.adopt.facts import Facts, Remark, spellings

__all__ = ["pinned"]


def pinned(facts: Facts, distribution: str) -> Iterator[Remark]:
    """Pins with a local version, and wheel files."""
    name = spellings(distribution)
    todo = "pin the part before the +"
    yield from _named(
        rf"\s*{name}\s*(?:\[[^\]]*\])?\s*={{2,3}}[^;#]*\+",
        facts,
        "a pin with a local version does not take a label joined to it",
        todo,
    )
    todo = "name the project's folder, or build that wheel with FRESHWHEEL_LABEL=off"
    yield from _named(
        rf"(?:.*[\s/\\@])?{name}-[^\s/\\]+\.whl",
        facts,
        "one wheel file is named, and the next edit gives it another name",
        todo,
    )


def _named(pattern: str, facts: Facts, what: str, todo: str) -> Iterator[Remark]:
    """What is said of the lines of requirements files that begin as `pattern` says."""
    line = re.compile(pattern, re.IGNORECASE)
    where = [
        f"{path}:{number}"
        for path, text in facts.texts.items()
        if path.endswith((".txt", ".in")) and not path.endswith("CMakeLists.txt")
        for number, said in enumerate(text.splitlines(), 1)
        if line.match(said)
    ]
    if where:
        yield Remark(kind="pin", weight="harm", what=what, todo=todo, where=tuple(where))
