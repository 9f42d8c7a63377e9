"""Build folders of CMake and Meson that are kept from one build to the next: where they are, and in what state.

By default both backends work in a temporary folder, where nothing is stale. Both configure again in every build, so
what a `GLOB` finds is always of now. Ninja compares times, as cargo does, and knows what compilers read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from freshwheel.base.backends import Backend
from freshwheel.inner import target_folders
from freshwheel.inner.target_folders import Profile

_WATCHED = (
    *(".c", ".c++", ".cc", ".cmake", ".cpp", ".cu", ".cuh", ".cxx", ".f", ".f03", ".f90", ".f95", ".for", ".h", ".h++"),
    *(".hh", ".hpp", ".hxx", ".inc", ".inl", ".ipp", ".m", ".mm", ".s", ".tcc", ".tpp"),
)
"""Endings of files that only compilers read, who tell ninja, and of what is read to configure."""
_KEYS = ("build-dir", "builddir", "skbuild.build-dir")
"""Config settings that name such a folder."""
_VARIABLE = "SKBUILD_BUILD_DIR"
"""It wins over the settings."""
_CONFIGURES = frozenset(("cmakelists.txt", "meson.build", "meson.options", "meson_options.txt", "pyproject.toml"))


def folder(
    backend: Backend,
    pyproject: Mapping[str, Any],
    settings: Mapping[str, str | Sequence[str]] | None,
    environ: Mapping[str, str],
) -> str | None:
    """The kept folder, as it is configured, cut off where a name is made up by the backend; None: none is kept.

    That of an editable build of meson-python, in which imports compile too, is left to it.
    """
    given = settings or {}
    values: list[object] = []
    if backend.name == "scikit-build-core":
        tool = _table(_table(pyproject).get("tool")).get("scikit-build")
        others = _table(tool).get("overrides")  # whether they apply is not known; a folder that is not there is no harm
        values = [given.get("build-dir"), given.get("skbuild.build-dir"), environ.get(_VARIABLE)]
        tables = [tool, *(others if isinstance(others, list) else [])]
        values += [_table(table).get("build-dir") for table in tables]
    elif backend.name == "meson-python":
        values = [given.get("build-dir"), given.get("builddir")]
    found = next((value for value in values if value), None)
    if found is None:
        return None
    path = found if isinstance(found, str) else ""
    whole, brace, _ = path.partition("{")
    return os.path.dirname(whole) if brace else path


def fresh(
    settings: Mapping[str, str | Sequence[str]] | None, folder: str
) -> tuple[Mapping[str, str | Sequence[str]] | None, dict[str, str]]:
    """The config settings, and the variables, for a build in the empty `folder`, or one of the backend's own."""
    rest = None if settings is None else {name: value for name, value in settings.items() if name not in _KEYS}
    return rest, {_VARIABLE: folder}


def look(path: str) -> dict[str, Profile]:
    """The state of a kept folder, as `folders.look` has that of cargo's: over paths, sizes and mtimes of all in it."""
    try:
        entries = list(target_folders.files(path))
        return {path: target_folders.profile(path, entries)} if entries else {}
    except OSError:
        return {path: Profile(stamp=b"", newest=0)}


def unwatched(changes: Iterable[bytes]) -> str:
    """Which of the changed inputs may go into the build by a command that does not say so; nothing where none may."""
    for path in changes:
        name = os.fsdecode(path).rpartition("/")[2].lower()
        if not name.endswith(_WATCHED) and name not in _CONFIGURES:
            return os.fsdecode(path)
    return ""


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
