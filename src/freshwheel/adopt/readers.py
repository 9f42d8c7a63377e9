"""Who else may read what `init` moves: the list of build requirements, and a static version.

A requirement may work by standing in that list, and a file of the build may look for the version in `[project]`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from freshwheel.adopt.facts import Facts
from freshwheel.adopt.toml_statements import read
from freshwheel.base import requirements, versions
from freshwheel.base import toml_access as tables
from freshwheel.base.backends import KNOWN, Backend

_LIBRARIES = ("cython", "nanobind", "numpy", "packaging", "pybind11")
"""What builds import or compile against."""
_MUTE = requirements.names([*_LIBRARIES, *(one.distributions[0] for one in KNOWN)]) | requirements.names(
    [extra.requirement for one in KNOWN for extra in one.lean_extras]
)
"""Distributions that act the same wherever they are required. Any other may be a plug-in that is switched on there."""
_SPOKEN = re.compile(r"""["']build-system["']|build-system\.requires""")
_BUILDING = re.compile(r"(?:.*/)?(?:setup\.py|build\.rs|meson\.build|CMakeLists\.txt|[^/]+\.cmake)")
_TOLD = "66"
"""The first setuptools that can be told a version by a variable."""


def of_list(requires: Sequence[str], pyproject: Mapping[str, Any], facts: Facts) -> str:
    """Who may read the list of build requirements, in words; nothing where nobody but frontends does."""
    for text in requires:
        if not requirements.names([text]) <= _MUTE or "@" in text:
            return f"{text} may work by standing there"
    above = [read(text) for path, text in facts.texts.items() if path.endswith("../pyproject.toml")]
    sources = {one for table in (pyproject, *above) for one in tables.table(table, "tool.uv.sources")}
    if named := sorted(requirements.names(sorted(sources)) & requirements.names(requires)):
        return f"[tool.uv.sources] says where {named[0]} comes from, and it may change there"
    if any(_SPOKEN.search(text) or text == "build-system" for text in tables.strings(pyproject.get("tool", {}))):
        return "a table of pyproject.toml refers to them there"
    places = [path for path, text in facts.texts.items() if path.endswith(".py") and _SPOKEN.search(text)]
    return f"{places[0]} reads them there" if places else ""


def of_version(known: Backend, pyproject: Mapping[str, Any], facts: Facts) -> Iterator[str]:
    """Who would find another version than the static one, or none, if that were open, in words."""
    for path, text in facts.texts.items():
        if _BUILDING.fullmatch(path) and "pyproject" in text:
            yield f"{path} reads pyproject.toml, and may look for the version there"
    if not known.name.startswith("setuptools"):
        return
    for text in tables.texts(pyproject, "build-system.requires"):
        if not requirements.names([text]) <= _MUTE:
            yield f"{text} may set an open version"
        if _is_old(text):
            yield f"setuptools before {_TOLD} can't be told another one"
    if tables.at(pyproject, "tool.setuptools.dynamic.version") is not None:
        yield "[tool.setuptools.dynamic] would set an open version"
    if _may_pass(facts.texts.get("setup.py", "")):
        yield "setup.py may set an open version"


def _may_pass(script: str) -> bool:
    """Whether a `setup.py` may hand a version to setuptools, which then is not told another one."""
    try:
        nodes = list(ast.walk(ast.parse(script)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return any(
        (isinstance(one, ast.keyword) and one.arg in ("version", None))
        or (isinstance(one, ast.Constant) and one.value == "version")
        for one in nodes
    )


def _is_old(text: str) -> bool:
    """Whether a requirement allows only such versions of setuptools as can't be told one."""
    wanted = requirements.read(text)
    if wanted is None or requirements.normal(wanted.name) != "setuptools":
        return False
    told = versions.parsed(_TOLD)
    bounds = [(one.operator, versions.parsed(one.version.removesuffix(".*"))) for one in wanted.specifier]
    return any(
        (order == "<" and version <= told) or (order in ("<=", "==", "~=") and version < told)
        for order, version in bounds
        if version is not None and told is not None
    )
