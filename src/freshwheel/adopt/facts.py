"""What an adoption goes by beside `pyproject.toml`, and what it remarks."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from freshwheel.adopt.toml_statements import read
from freshwheel.base import requirements
from freshwheel.base import toml_access as tables
from freshwheel.sources import digest

_DEPTH = 3
"""Names in the path of `src/demo/__init__.py`."""
_MESON = re.compile(r"\bproject\s*\((?:[^()']|'[^']*')*?\bversion\s*:\s*'([^'\n]+)'")
_LEVELS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """One thing that a person should know before the switch."""

    kind: Literal["comparison", "pin", "python", "form", "build", "include", "exclude"]
    weight: Literal["stop", "harm", "note"]
    """Whether the switch needs to be forced, will hurt, or is merely explained."""
    what: str
    todo: str = ""
    where: tuple[str, ...] = ()
    """`path` or `path:line`, sorted as they were found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What a tree holds beside `pyproject.toml`."""

    files: tuple[str, ...] = ()
    """The files of the project, as paths with `/`."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """What some of them hold, and manifests above the project as `../Cargo.toml`."""
    outside: tuple[tuple[str, str], ...] = ()
    """Where build files refer to something outside of the project, as `path:line`, and the pattern for that."""

    def has_extensions(self) -> bool:
        """Whether there are sources of extension modules, so that setuptools is slow and the store serves it."""
        return any(path.encode("utf-8", "surrogateescape").endswith(digest.COMPILED) for path in self.files)

    def packages(self, pyproject: Mapping[str, Any]) -> frozenset[str]:
        """The names by which the project's own packages are imported, and perhaps some more."""
        paths = [path.split("/") for path in self.files if path.endswith("/__init__.py")]
        found = {names[-2] for names in paths if len(names) <= _DEPTH}
        return frozenset({*found, identifier(pyproject)} - {""})

    def stated(self, backend: str, pyproject: Mapping[str, Any]) -> tuple[str, str]:
        """The version that a backend would find by itself, and the file that states it; nothing where none does."""
        match = _MESON.search(self.texts.get("meson.build", "")) if backend == "meson-python" else None
        if match is not None:
            return match[1], "meson.build"
        named = tables.text(pyproject, "tool.maturin.manifest-path")
        paths = [named.replace("\\", "/")] if named else ["Cargo.toml", "rust/Cargo.toml"]
        paths = [path for path in map(posixpath.normpath, paths) if path in self.texts]
        return self._of_crate(paths[0]) if paths and backend == "maturin" else ("", "")

    def _of_crate(self, path: str) -> tuple[str, str]:
        manifest = read(self.texts.get(path, ""))
        version = tables.at(manifest, "package.version")
        if isinstance(version, str):
            return version, path
        is_inherited = tables.at(manifest, "package.version.workspace") is True
        for level in range(_LEVELS if is_inherited else 0):
            place = posixpath.normpath(posixpath.join(posixpath.dirname(path), "../" * level, "Cargo.toml"))
            version = tables.at(read(self.texts.get(place, "")), "workspace.package.version")
            if isinstance(version, str):
                return version, place
        return "", ""


def identifier(pyproject: Mapping[str, Any]) -> str:
    """The name of the project as Python may spell it; nothing where it has none."""
    name = tables.text(pyproject, "project.name") or tables.text(pyproject, "tool.poetry.name") or ""
    return requirements.normal(name).replace("-", "_")


def spellings(distribution: str) -> str:
    """The expression for all spellings of a name (PEP 503)."""
    return "[-_.]+".join(re.split(r"[-_.]+", distribution)) if distribution else "(?!)"


def lines(texts: Mapping[str, str], is_meant: Callable[[str], object]) -> list[str]:
    """Some lines of some texts, as `path:line`."""
    return [
        f"{path}:{number}"
        for path, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if is_meant(line)
    ]
