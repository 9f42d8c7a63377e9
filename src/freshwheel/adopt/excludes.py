"""Top-level folders that no wheel is made from, as far as the files that decide about that say nothing of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from freshwheel import parsed as tables
from freshwheel.adopt.facts import Facts, identifier
from freshwheel.backends import Backend

__all__ = ["safe"]

_FOLDERS = ("tests", "test", "docs", "doc")
_MANIFESTS = ("Cargo.toml", "CMakeLists.txt", "meson.build", "pyproject.toml", "setup.py", "setup.cfg")
_DECIDING = re.compile(
    r"setup\.py|setup\.cfg|MANIFEST\.in|meson\.build|meson\.options|.*CMakeLists\.txt|.*\.cmake|hatch_build\.py"
)
_SWEEPING = re.compile(
    r"GLOB_RECURSE|run_command|find_packages|^\s*packages\s*=\s*find|rglob|os\.walk|\*\*/", re.MULTILINE
)
_ABOUT_OTHERS = ("optional-dependencies", "scripts", "urls", "classifiers", "keywords", "dependencies", "description")


def safe(pyproject: Mapping[str, Any], backend: Backend, facts: Facts) -> list[str]:
    """The folders that may be excluded from the inputs; none where anything speaks against it."""
    if backend.inputs != "whole" or not backend.distributions or not _selects(pyproject, backend, facts):
        return []
    if any(_SWEEPING.search(text) for path, text in facts.texts.items() if _DECIDING.fullmatch(path)):
        return []
    spoken = [text for path, text in facts.texts.items() if _DECIDING.fullmatch(path)]
    spoken += tables.strings(_configuration(pyproject, backend))
    return [folder for folder in _FOLDERS if _lies_apart(folder, facts) and not _is_named(folder, spoken)]


def _lies_apart(folder: str, facts: Facts) -> bool:
    inside = [path.rpartition("/")[2] for path in facts.files if path.startswith(f"{folder}/")]
    return bool(inside) and not any(name in _MANIFESTS for name in inside)


def _is_named(folder: str, texts: list[str]) -> bool:
    word = re.compile(rf"(?<![\w-]){folder}(?![\w-])")
    return any(word.search(text) for text in texts)


def _selects(pyproject: Mapping[str, Any], backend: Backend, facts: Facts) -> bool:
    """Whether it is clear which packages go into a wheel, and no search sweeps up whatever lies at the top."""
    name = identifier(pyproject)
    usual = any(path in facts.files for path in (f"src/{name}/__init__.py", f"{name}/__init__.py", f"{name}.py"))
    if backend.name in ("setuptools", "setuptools-rust"):
        packages = tables.at(pyproject, "tool.setuptools.packages")
        if isinstance(packages, Mapping):
            where = tables.texts(packages, "find.where")
            return bool(where) and all(one.strip("./") for one in where)
        return isinstance(packages, list) or usual
    if backend.name == "hatchling":
        wheel = tables.table(pyproject, "tool.hatch.build.targets.wheel")
        return bool(tables.texts(wheel, "packages") or tables.texts(wheel, "only-include")) or usual
    if backend.name == "scikit-build-core":
        return bool(tables.at(pyproject, "tool.scikit-build.wheel.packages")) or usual
    return backend.name in ("flit", "meson-python")


def _configuration(pyproject: Mapping[str, Any], backend: Backend) -> list[Any]:
    """What of pyproject may name a folder that a wheel is made from."""
    project = {key: value for key, value in tables.table(pyproject, "project").items() if key not in _ABOUT_OTHERS}
    return [project, *(tables.at(pyproject, path) for path in backend.tables)]
