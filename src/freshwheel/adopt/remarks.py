"""What a person should know before the switch: what would hurt, and what could be better."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from freshwheel.adopt import pythons
from freshwheel.adopt.facts import Facts, Remark, identifier, lines, spellings
from freshwheel.base import toml_access as tables

_WEIGHTS = ("stop", "harm", "note")
_PINS = (
    (
        r"\s*{name}\s*(?:\[[^\]]*\])?\s*={{2,3}}[^;#]*\+",
        "a pin with a local version does not take a label joined to it",
        "pin the part before the +",
    ),
    (
        r"(?:.*[\s/\\@])?{name}-[^\s/\\]+\.whl",
        "one wheel file is named, and the next edit gives it another name",
        "name the project's folder, or build that wheel with FRESHWHEEL_LABEL=off",
    ),
)
"""How lines of requirements files begin that a label breaks, what is wrong with them, and what to do."""
_EQUAL = re.compile(r"[=!]=|\bassert(?:Not)?Equals?\(")
_PUBLIC = re.compile(r"\.(?:base_version|major|micro|minor|r?partition|public|release|split|startswith)\b")
"""What leaves the label out."""
_LITERAL = re.compile(r"^__version__\s*(?::[^=\n]*)?=\s*[\"']", re.MULTILINE)


def remarks(text: str, pyproject: Mapping[str, Any], facts: Facts, *, labelled: bool) -> list[Remark]:
    """All remarks, the heaviest first; `text` is that of pyproject."""
    found = list(pythons.remarks(text, pyproject, facts))
    found += _about_labels(pyproject, facts) if labelled else ()
    found += _outside(facts) if not tables.at(pyproject, "tool.freshwheel.include") else ()
    if "setup.py" in facts.files and not tables.at(pyproject, "tool.freshwheel.exclude"):
        found += _generated(facts)
    return sorted(found, key=lambda one: _WEIGHTS.index(one.weight))


def _about_labels(pyproject: Mapping[str, Any], facts: Facts) -> Iterator[Remark]:
    """Where a label would make versions unequal, or a requirement wrong."""
    name, packages = identifier(pyproject), facts.packages(pyproject)
    if where := _compared(facts.texts, distribution=name, packages=packages):
        what = "the version is compared here, and the installed one has a label"
        todo = 'compare the part before the "+", or switch with --no-label, which writes label = "off" or stays static'
        yield Remark(kind="comparison", weight="harm", what=what, todo=todo, where=tuple(where))
    for pattern, what, todo in _PINS:
        line = re.compile(pattern.format(name=spellings(name)), re.IGNORECASE)
        requirements = {path: text for path, text in facts.texts.items() if path.endswith((".txt", ".in"))}
        if where := lines(requirements, line.match):
            yield Remark(kind="pin", weight="harm", what=what, todo=todo, where=tuple(where))


def _compared(texts: Mapping[str, str], *, distribution: str, packages: Collection[str]) -> list[str]:
    """The places, as `path:line`, where a label makes unequal what was equal.

    Each line is looked at by itself, as text: what goes through a variable is not seen.
    """
    installed = re.compile(
        rf"\b(?:version|(?:get_)?distribution|metadata)\(\s*(?:__package__|[\"']{spellings(distribution)}[\"'])",
        re.IGNORECASE,
    )
    written = re.compile(rf"(?:\b(?:{'|'.join(map(re.escape, packages)) or '(?!)'})\.|(?<![\w.]))__version__\b")
    python = {path: text for path, text in texts.items() if path.endswith(".py")}
    has_literal = any(_LITERAL.search(text) for text in python.values())

    def is_harmful(line: str) -> bool:
        if not _EQUAL.search(line) or _PUBLIC.search(line):
            return False
        is_installed, is_written = installed.search(line) is not None, written.search(line) is not None
        # What `__version__` says is the installed version, unless it is written down.
        return is_installed if has_literal else is_installed != is_written

    return lines(python, is_harmful)


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


def _generated(facts: Facts) -> Iterator[Remark]:
    """Sources that Cython writes beside its own."""
    sources = [path.removesuffix(".pyx") for path in facts.files if path.endswith(".pyx")]
    written = [f"{path}.cpp" if f"{path}.cpp" in facts.files else f"{path}.c" for path in sources]
    if written:
        what = "Cython writes these at each edit, so that the first wheel after one gets a label of its own"
        listed = ", ".join(f'"{path}"' for path in written)
        todo = f"add to [tool.freshwheel]: exclude = [{listed}]"
        yield Remark(kind="exclude", weight="note", what=what, todo=todo, where=tuple(written))
