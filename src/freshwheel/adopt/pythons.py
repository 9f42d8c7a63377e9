"""For which Pythons a project is, and whether freshwheel runs on all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from freshwheel.adopt.facts import Facts, Remark
from freshwheel.adopt.toml_statements import Document
from freshwheel.base import toml_access as tables

_KEY = "project.requires-python"
_OLD = [f"{minor}.{micro}" for minor in ("2.7", *(f"3.{number}" for number in range(10))) for micro in (0, 99)]
_NEW = [f"3.{number}.99" for number in range(10, 100)]
_OF_SETUP = re.compile(r"^[ \t]*python_requires\s*=\s*[\"']?([^\"'\n#;]+)", re.MULTILINE)
_FIRST = re.compile(r"\d+(?:\.\d+)?")
_BOUND = re.compile(r">=\s*[0-9.]+")


def remarks(text: str, pyproject: Mapping[str, Any], facts: Facts) -> Iterator[Remark]:
    """Whether the project offers itself to a Python on which freshwheel does not run; `text` is that of pyproject."""
    for path, content, asked in _asked(text, pyproject, facts):
        if _allows_old(asked):
            number = content.count("\n", 0, max(content.find("python_requires"), content.find(asked), 0)) + 1
            what = f"{asked!r} allows Pythons before 3.10, on which the project can't be built from source any more"
            todo = "--raise-python makes it >=3.10" if tables.text(pyproject, _KEY) else "raise it to >=3.10"
            todo += "; wheels that are published are not concerned"
            yield Remark(kind="python", weight="harm", what=what, todo=todo, where=(f"{path}:{number}",))
        return
    what = "nothing says which Pythons the project is for; before 3.10 it could not be built from source any more"
    yield Remark(kind="python", weight="note", what=what, todo='say requires-python = ">=3.10"')


def raised(text: str, pyproject: Mapping[str, Any]) -> str:
    """The text of pyproject with a `requires-python` that begins at 3.10; the same where that says nothing older."""
    document = Document(text)
    asked, place = tables.text(pyproject, _KEY), document.find(*_KEY.split("."))
    if asked is None or place is None or not _allows_old(asked):
        return text
    bound = _BOUND.sub(">=3.10", asked, count=1)
    if _allows_old(bound):
        bound = f">=3.10,{asked}"
    try:
        if not any(SpecifierSet(bound).contains(version) for version in _NEW):
            return text
    except InvalidSpecifier:
        return text
    piece = document.pieces[place]
    quote = piece.text[piece.value()[0]]
    document.set(place, f"{quote}{bound}{quote}")
    return document.text()


def _asked(text: str, pyproject: Mapping[str, Any], facts: Facts) -> Iterator[tuple[str, str, str]]:
    """Where it is said which Pythons the project is for: path, text of the file, specifier."""
    for key in (_KEY, "tool.poetry.dependencies.python", "tool.flit.metadata.requires-python"):
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
