"""The nouns that more than one room speaks of. Values only: nothing here reads, decides or writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Config", "Input", "Mark", "OwnVersion", "Project", "Row", "Snapshot"]

Row = tuple[int, int, int, int, int]
"""One `lstat`: mode, size in bytes, mtime in ns, ctime in ns, inode."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnVersion:
    """Where the base version comes from when it is not the inner backend's own: a text, or a file and a pattern."""

    text: str | None = None
    path: str | None = None
    """Relative to the project directory, with `/`."""
    pattern: str | None = None
    """A regular expression with a group named `version`; None: the usual `__version__ = "..."`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The settings of `[tool.freshwheel]`, the config settings and the environment, merged."""

    backend: str
    backend_path: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    version: OwnVersion | None = None
    label: Literal["on", "off"] = "on"
    store: Literal["on", "read", "off", "verify"] | None = None
    """None: the default of the inner backend."""
    env: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    stable_python: bool = True
    inner_settings: Mapping[str, str | Sequence[str]] | None = None
    """The config settings that are the inner backend's, untouched; None stays None."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Key of the table -> where its value comes from; a key that is not here has its default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """What one source tree says of itself, before any setting of ours is read."""

    tree: str
    """Absolute path."""
    pyproject: Mapping[str, Any]
    sdist_version: str | None
    """The version in a root `PKG-INFO`: the tree is an unpacked source distribution."""

    @property
    def version_is_dynamic(self) -> bool:
        """Whether the backend may set the version (PEP 621)."""
        table = self.pyproject.get("project")
        if table is None:
            return True
        dynamic = table.get("dynamic") if isinstance(table, Mapping) else None
        return isinstance(dynamic, list) and "version" in dynamic


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """One file that the wheel is made from."""

    path: bytes
    """Relative to the project directory, with `/`, as the file system spells it; `../` for what lies outside."""
    kind: bytes
    """`f` regular, `x` executable by its owner, `l` symbolic link, `?` fifo, socket or device."""
    content: bytes
    """16 bytes of XXH3-128."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The inputs of one tree at one moment."""

    digest: str
    """The source digest: 32 hex digits."""
    inputs: tuple[Input, ...]
    """Sorted by path."""
    rows: tuple[Row, ...]
    """One per input, in the same order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What `freshwheel.json` says of a wheel."""

    digest: str
    """32 hex digits; of a tree that moved during the build: a digest that no tree has."""
    settled: bool
    """Whether the tree stood still during the build, so that the digest is that of a tree."""
    label: str | None
    """The local version segment that names the digest, or None for a plain or a release build."""
    base: str
    """The version without the label."""
    backend: str
    """The inner backend, as the configuration spells it."""
    inner_wheel: str
    """The file name that the inner backend gave its wheel."""
    freshwheel: str
    """The version of freshwheel that wrote this."""
