"""What an inner backend would ask for beside what is written, when it is not there to be asked."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from freshwheel.base import requirements, toml_access
from freshwheel.base.backends import Backend, Extra
from freshwheel.base.isolation import folders
from freshwheel.inner import programs
from freshwheel.inner.programs import Lookout, Run

_VERSION = re.compile(r"(?<![\w.])\d+(?:\.\d+)+")
_LEAST = re.compile(
    r"^[^#\n]*\bcmake_minimum_required\s*\(\s*VERSION\s+[\"\[=]*(\d+(?:\.\d+)*)", re.IGNORECASE | re.MULTILINE
)
_OLDEST_CMAKE = (3, 15)
_OWN_WHEEL = 71
"""From 70.1 on setuptools needs no `wheel`."""
_BELOW = re.compile(r"(?:<=?|==|~=)\s*(\d+)")
_PROVIDERS = {
    "scikit_build_core.metadata.fancy_pypi_readme": "hatch-fancy-pypi-readme>=23.2",
    "scikit_build_core.metadata.setuptools_scm": "setuptools-scm",
}
"""What the metadata providers of scikit-build-core ask for."""


def extras(  # noqa: PLR0913 - what a test replaces
    backend: Backend,
    environ: Mapping[str, str],
    *,
    tree: str,
    pyproject: Mapping[str, Any],
    hook: str,
    private: Sequence[str],
    run: Run = programs.run,
    platform: str = sys.platform,
) -> list[str]:
    """The requirements; programs in the `private` folders of an environment made for one build don't count.

    So the answer is the same before and after they are installed.
    """

    def wanted(extra: Extra) -> bool:
        if extra.editable and hook != "build_editable":
            return False
        if not platform.startswith(extra.platform) or (extra.unless is not None and environ.get(extra.unless)):
            return False
        if extra.setting is not None and toml_access.at(pyproject, extra.setting[0]) != extra.setting[1]:
            return False
        if extra.requirement == "wheel" and not _may_be_old(pyproject):
            return False
        return not any(serves(program, extra.requirement) for program in extra.programs)

    def serves(program: str, requirement: str) -> bool:
        path = programs.which(program, search, Lookout(), cwd=tree, environ=environ)
        if path is None or requirement.isidentifier():
            return path is not None  # of any version
        answer = run([path, "--version"], cwd=os.sep, environ=environ)
        found = _VERSION.search(answer.output.decode("utf-8", "replace"))
        return answer.status == 0 and found is not None and requirements.allows(requirement, found[0])

    search = folders(environ.get("PATH", ""), private)
    known: Iterable[Extra] = backend.lean_extras
    if backend.name == "scikit-build-core":
        known = _of_scikit_build(known, pyproject, tree)
    return [extra.requirement for extra in known if wanted(extra)]


def _may_be_old(pyproject: Mapping[str, Any]) -> bool:
    """Whether a requirement holds setuptools down to versions that need `wheel`."""
    texts = [text for path in ("build-system.requires", "tool.freshwheel.requires") for text in _texts(pyproject, path)]
    return any(
        int(version) < _OWN_WHEEL
        for text in texts
        if requirements.named(text)[0] == "setuptools"
        for version in _BELOW.findall(text.partition(";")[0])
    )


def _of_scikit_build(known: Iterable[Extra], pyproject: Mapping[str, Any], tree: str) -> list[Extra]:
    """The extras with the versions that the project wants, and what its settings ask for besides.

    Settings that depend on the environment or on config settings are not looked at.
    """
    table = "tool.scikit-build"
    found = []
    if toml_access.at(pyproject, f"{table}.wheel.cmake") is not False:
        for extra in known:
            name = requirements.named(extra.requirement)[0]
            text = _wanted(pyproject, f"{table}.{name}", tree)
            found.append(replace(extra, requirement=f"{name}{text}") if text else extra)
    given = [text for text in _texts(pyproject, f"{table}.build.requires") if requirements.is_valid(text)]
    metadata = toml_access.at(pyproject, f"{table}.metadata")
    for one in metadata.values() if isinstance(metadata, Mapping) else ():
        provider = one.get("provider") if isinstance(one, Mapping) else None
        given += [_PROVIDERS[provider]] if isinstance(provider, str) and provider in _PROVIDERS else []
    return [*found, *[Extra(requirement=text) for text in given]]


def _wanted(pyproject: Mapping[str, Any], path: str, tree: str) -> str:
    """The specifier of a tool that its table or, for CMake, its file states; nothing where there is none."""
    stated, least = toml_access.at(pyproject, f"{path}.version"), toml_access.at(pyproject, f"{path}.minimum-version")
    if isinstance(stated, str) and stated != "CMakeLists.txt":
        return stated
    if isinstance(least, str):
        return f">={least}"
    if not path.endswith(".cmake"):
        return ""
    folder = toml_access.at(pyproject, f"{path}.source-dir")
    place = os.path.join(tree, folder if isinstance(folder, str) else "", "CMakeLists.txt")
    try:
        with open(place, encoding="utf-8-sig", errors="replace") as file:
            match = _LEAST.search(file.read())
    except (OSError, ValueError):
        return ""
    return f">={match[1]}" if match and tuple(map(int, match[1].split("."))) > _OLDEST_CMAKE else ""


def _texts(pyproject: Mapping[str, Any], path: str) -> list[str]:
    found = toml_access.at(pyproject, path)
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
