"""What an adoption goes by beside `pyproject.toml`, and what it remarks."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from freshwheel import native, requirements
from freshwheel import parsed as tables
from freshwheel.adopt.statements import parsed

__all__ = ["Facts", "Remark", "Stated", "identifier", "spellings"]

_SOURCES = ("", "src/", "python/")
_MESON = re.compile(r"\bproject\s*\((?:[^()']|'[^']*')*?\bversion\s*:\s*'([^'\n]+)'")
_LEVELS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """One thing that a person should know before the switch."""

    kind: Literal["comparison", "pin", "python", "form", "build", "include"]
    weight: Literal["stop", "harm", "note"]
    """Whether the switch needs to be forced, will hurt, or is merely explained."""
    what: str
    todo: str = ""
    where: tuple[str, ...] = ()
    """`path` or `path:line`, sorted as they were found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """A version, and the file that states it."""

    version: str
    where: str


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
        return any(path.encode("utf-8", "surrogateescape").endswith(native.COMPILED) for path in self.files)

    def packages(self, pyproject: Mapping[str, Any]) -> frozenset[str]:
        """The names by which the project's own packages are imported."""
        folders = {*_SOURCES, f"{tables.text(pyproject, 'tool.maturin.python-source') or 'src'}/"}
        found = {identifier(pyproject)} if identifier(pyproject) else set()
        for path in self.files:
            for folder in folders:
                name, _, rest = path.removeprefix(folder).partition("/")
                if path.startswith(folder) and rest == "__init__.py":
                    found.add(name)
        return frozenset(found)

    def of_maturin(self, pyproject: Mapping[str, Any]) -> Stated | None:
        """The version in the Cargo manifest that maturin takes."""
        named = tables.text(pyproject, "tool.maturin.manifest-path")
        paths = [named.replace("\\", "/")] if named else ["Cargo.toml", "rust/Cargo.toml"]
        for path in [posixpath.normpath(one) for one in paths]:
            if path in self.texts:
                return self._of_crate(path)
        return None

    def of_meson(self) -> Stated | None:
        """The version in the `project` call of `meson.build`, if it is written there."""
        match = _MESON.search(self.texts.get("meson.build", ""))
        return Stated(version=match[1], where="meson.build") if match else None

    def _of_crate(self, path: str) -> Stated | None:
        manifest = self._table(path)
        version = tables.at(manifest, "package.version")
        if isinstance(version, str):
            return Stated(version=version, where=path)
        if tables.at(manifest, "package.version.workspace") is not True:
            return None
        folder = posixpath.dirname(path)
        for _ in range(_LEVELS):
            place = posixpath.normpath(posixpath.join(folder, "Cargo.toml"))
            version = tables.at(self._table(place), "workspace.package.version")
            if isinstance(version, str):
                return Stated(version=version, where=place)
            folder = posixpath.join(folder, "..")
        return None

    def _table(self, path: str) -> Mapping[str, Any]:
        try:
            return parsed(self.texts.get(path, ""))
        except ValueError:
            return {}


def identifier(pyproject: Mapping[str, Any]) -> str:
    """The name of the project as Python may spell it; nothing where it has none."""
    name = tables.text(pyproject, "project.name") or tables.text(pyproject, "tool.poetry.name") or ""
    return requirements.normal(name).replace("-", "_")


def spellings(distribution: str) -> str:
    """The expression for all spellings of a name (PEP 503)."""
    return "[-_.]+".join(re.split(r"[-_.]+", distribution)) if distribution else "(?!)"
