"""The nouns that more than one room speaks of. Values only: nothing here reads, decides or writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from freshwheel.base.rows import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Looks:
    """What was looked at beside the contents of inputs, and decides about them. Paths as those of inputs."""

    links: Mapping[bytes, Row] = field(default_factory=dict)
    """Symbolic links, with their own rows."""
    places: Mapping[bytes, Row] = field(default_factory=dict)
    """Folders, manifests, evidence, targets of links: the rows of what the path leads to."""
    kinds: frozenset[bytes] = frozenset()
    """Those of the places of which nothing but the type was asked; that is all their row tells."""
    absent: frozenset[bytes] = frozenset()
    """What was asked for and leads nowhere."""
    devices: frozenset[int] = frozenset()
    """The file systems that all this is on."""


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
    observe: bool = True
    """Whether a build may be observed."""
    incremental: bool = True
    """Whether CMake and Meson keep what they have compiled, where the project has not chosen a folder for that."""
    ignore_env: tuple[str, ...] = ()
    """Variables that shape nothing, and families of them with one `*`."""
    requires_age: int | None = 86400
    """Seconds that a hit may withhold requirements before they are resolved once more; None: for ever."""
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
    looks: Looks = field(default_factory=Looks)
    """What all this was read from."""
    started: int = 0
    """When the first look was taken: ns since the epoch."""

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
    """`f` regular, `x` executable by its owner, `t` tables of TOML, `l` symbolic link, `?` fifo, socket or device."""
    content: bytes
    """16 bytes of XXH3-128."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The inputs of one tree at one moment."""

    digest: str
    """The source digest: 32 hex digits."""
    rules: bytes
    """What selected the inputs, in 16 bytes."""
    inputs: tuple[Input, ...]
    """Sorted by path."""
    rows: tuple[Row, ...]
    """One per input, in the same order; that of a link to a file is the file's."""
    looks: Looks = field(default_factory=Looks)
    """What decided which files are inputs."""
    started: int = field(default=0, compare=False)
    """When the first look was taken: ns since the epoch."""
    idle: tuple[str, ...] = ()
    """Patterns of `include` that match nothing."""
    roots: tuple[tuple[str, str], ...] = ()
    """Where the inputs were looked for: path, and `crate`, `folder`, `file` or `glob`."""
    native: str = ""
    """The digest of the inputs that are not pure Python: 32 hex digits."""
    locks: tuple[str, ...] = ()
    """Cargo.lock files that decide what is built and are no inputs, whether they are there or not."""
    unread: tuple[str, ...] = ()
    """Manifests that are no TOML to us: which crates they lead to is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong with how the inputs of a project are declared, or with a distribution."""

    kind: str
    """What it is in a word, for programs."""
    where: str
    """A path, a pattern of `exclude`, a file name, a member of the wheel, or the name of a project."""
    what: str
    todo: str
    """The line of `[tool.freshwheel]` that settles it, or what else does."""


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
    built: str | None = None
    """The digest of other sources that it was built from, 32 hex digits: that build has at most packed what differs."""
    native: str | None = None
    """The native digest, 32 hex digits; None for a tree that moved, and in the marks of earlier versions."""
