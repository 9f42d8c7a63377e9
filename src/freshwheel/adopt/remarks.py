"""What a person should know before the switch: what would hurt, and what could be better."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from freshwheel import parsed as tables
from freshwheel.adopt import comparisons, excludes, pins
from freshwheel.adopt.aim import Aim
from freshwheel.adopt.facts import Facts, Remark, identifier

__all__ = ["remarks"]

_OLD = [f"{minor}.{micro}" for minor in ("2.7", *(f"3.{number}" for number in range(10))) for micro in (0, 99)]
_OF_SETUP = re.compile(r"^[ \t]*python_requires\s*=\s*[\"']?([^\"'\n#;]+)", re.MULTILINE)
_FIRST = re.compile(r"\d+(?:\.\d+)?")
_WEIGHTS = ("stop", "harm", "note")


def remarks(text: str, pyproject: Mapping[str, Any], facts: Facts, aim: Aim, *, labelled: bool) -> list[Remark]:
    """All remarks, the heaviest first; `text` is that of pyproject."""
    found = list(_python(text, pyproject, facts))
    distribution = identifier(pyproject)
    if labelled:
        found += [*_comparisons(pyproject, facts), *pins.pinned(facts, distribution), *pins.released(facts)]
    if aim.opens:
        found += [*pins.locked(facts, distribution), *pins.spoken_for(text, pyproject, facts)]
    if not tables.at(pyproject, "tool.freshwheel.exclude"):
        found += _excludes(pyproject, facts, aim)
    return sorted(found, key=lambda one: _WEIGHTS.index(one.weight))


def _python(text: str, pyproject: Mapping[str, Any], facts: Facts) -> Iterator[Remark]:
    """Whether the project offers itself to a Python on which freshwheel does not run (B8)."""
    for path, content, asked in _asked(text, pyproject, facts):
        if _allows_old(asked):
            number = content.count("\n", 0, max(content.find("python_requires"), content.find(asked), 0)) + 1
            what = f"{asked!r} allows Pythons before 3.10, on which the project could not be built from source any more"
            todo = "raise it to >=3.10, or force the switch if nobody builds it there: wheels are not concerned"
            yield Remark(kind="python", weight="stop", what=what, todo=todo, where=(f"{path}:{number}",))
        return
    what = "nothing says which Pythons the project is for; before 3.10 it could not be built from source any more"
    yield Remark(kind="python", weight="note", what=what, todo='say requires-python = ">=3.10"')


def _asked(text: str, pyproject: Mapping[str, Any], facts: Facts) -> Iterator[tuple[str, str, str]]:
    """Where it is said which Pythons the project is for: path, text of the file, specifier."""
    for key in ("project.requires-python", "tool.poetry.dependencies.python", "tool.flit.metadata.requires-python"):
        if (asked := tables.text(pyproject, key)) is not None:
            yield "pyproject.toml", text, asked
    for path in ("setup.cfg", "setup.py"):
        match = _OF_SETUP.search(facts.texts.get(path, ""))
        if match is not None:
            yield path, facts.texts[path], match[1].strip()


def _allows_old(asked: str) -> bool:
    try:
        specifiers = SpecifierSet(asked)
    except InvalidSpecifier:  # as Poetry writes them: the first number is the lowest
        match = _FIRST.search(asked)
        return match is not None and [int(part) for part in match[0].split(".")] < [3, 10]
    return any(specifiers.contains(version) for version in _OLD)


def _comparisons(pyproject: Mapping[str, Any], facts: Facts) -> Iterator[Remark]:
    """Where a label would make versions unequal (B5)."""
    distribution, packages = identifier(pyproject), facts.packages(pyproject)
    readings = [
        (path, comparisons.read(text, distribution=distribution, packages=packages))
        for path, text in facts.texts.items()
        if path.endswith(".py")
    ]
    found = comparisons.harmful(readings)
    if found:
        what = "the version is compared here, and the installed one has a label"
        todo = 'compare the part before the "+", or switch with --no-label, which writes label = "off" or stays static'
        yield Remark(kind="comparison", weight="harm", what=what, todo=todo, where=tuple(found))


def _excludes(pyproject: Mapping[str, Any], facts: Facts, aim: Aim) -> Iterator[Remark]:
    """Folders that need not be inputs."""
    folders = excludes.safe(pyproject, aim.known, facts)
    if folders:
        what = "no wheel is made from these folders, and yet an edit there would be another version"
        listed = ", ".join(f'"{folder}"' for folder in folders)
        todo = f"add to [tool.freshwheel]: exclude = [{listed}]"
        yield Remark(kind="exclude", weight="note", what=what, todo=todo, where=tuple(f"{one}/" for one in folders))
