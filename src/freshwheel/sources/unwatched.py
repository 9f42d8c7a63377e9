"""What cargo would not notice: changed inputs that the records of a unit do not watch, and what to touch instead.

Three things may read an input: rustc, which writes down all that it reads itself; a build script, which is run again
only for what it asked to be run again for; a procedural macro or a linker, which write down nothing. Judged unit by
unit: that one crate watches a file says nothing about another one that reads it too.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from freshwheel.sources.cargo import lies_in

__all__ = ["HARMLESS", "Change", "Compiled", "Ran", "Watches", "forced"]

HARMLESS = frozenset(
    (
        *("arg_enum_proc_macro", "asn1_derive", "async_trait", "bytemuck_derive", "clap_derive", "ctor"),
        *("darling_macro", "derive_builder_macro", "derive_more", "derive_more_impl", "displaydoc", "educe"),
        *(
            "enum_as_inner",
            "equator_macro",
            "futures_macro",
            "getset",
            "impl_trait_for_tuples",
            "indoc",
            "multiversion_macros",
        ),
        *("num_derive", "openssl_macros", "paste", "pin_project_internal", "profiling_procmacros"),
        *("pyo3_async_runtimes_macros", "pyo3_macros", "ref_cast_impl", "rkyv_derive"),
        *("rustversion", "schemars_derive", "seq_macro", "serde_derive", "serde_repr", "serde_with_macros"),
        *("strum_macros", "thiserror_impl", "time_macros", "tokio_macros", "tracing_attributes"),
        *("unindent", "wasm_bindgen_macro", "yoke_derive", "zerocopy_derive", "zerofrom_derive", "zeroize_derive"),
        "zerovec_derive",
    )
)
"""Procedural macros out of registries that read no file of a project, by the names of their crates."""
_NEVER_LINKED = (".lock", ".md", ".py", ".pyi", ".rst", ".toml", ".typed")
"""Endings of files that no linker reads."""
_RUST = ".rs"
_AROUND = "a requirement, a tool or a variable changed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One input that is not what the last build saw."""

    path: str
    how: Literal["added", "changed", "deleted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiled:
    """One compilation of a crate of the closure."""

    crate: str
    """The folder of the crate."""
    root: str
    """The source that begins it; touched, it makes cargo compile again."""
    script: bool
    """Whether it is that of the build script."""
    paths: frozenset[str]
    """What rustc read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """One run of a build script of the closure."""

    crate: str
    """The folder of the crate."""
    paths: frozenset[str]
    """Files and folders that it asked to be run again for."""
    narrowed: bool
    """Whether it asked at all; if not, cargo takes the newest time of all files that the crate would publish."""
    quiet: bool = False
    """Whether its text shows that it reads no file, and no variable but those that cargo sets or watches for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watches:
    """What the records in the build folders watch."""

    compiled: tuple[Compiled, ...] = ()
    ran: tuple[Ran, ...] = ()
    macros: frozenset[str] = frozenset()
    """Crates with procedural macros, by name, that are used somewhere in the build."""
    read: frozenset[str] = frozenset()
    """What rustc read for any record, of whatever crate, absolute: one that a newer one replaced may be linked."""


def forced(
    changes: Sequence[Change],
    crates: Collection[str],
    watches: Watches,
    present: Collection[str],
    *,
    around: bool = False,
) -> dict[str, str]:
    """The sources and manifests that must be touched, each with why, in words; none without a change.

    `crates` are the folders of the closure, `present` the inputs. `around` says that something else than an input has
    changed: a requirement of the build, a tool, a variable.
    """
    search = _Search(changes, crates, watches, present)
    search.scripts(around=around)
    for change in changes:
        search.near(change)
    if around and not watches.macros <= HARMLESS:
        for crate in sorted(crates):
            search.touch_crate(crate, _AROUND)
    return search.found


class _Search:
    """One search, and what it has found so far."""

    def __init__(
        self, changes: Sequence[Change], crates: Collection[str], watches: Watches, present: Collection[str]
    ) -> None:
        self.changes = changes
        self.crates = crates
        self.watches = watches
        self.present = frozenset(present)
        self.runs = [(run, roots) for run in watches.ran if (roots := self.roots(run))]
        self.found: dict[str, str] = {}

    def roots(self, run: Ran) -> list[str]:
        """What makes cargo run a build script again when touched; nothing where the crate has none any more.

        One that asked for nothing is run for any file of its crate, which compiles less than its own source would.
        """
        manifest = posixpath.join(run.crate, "Cargo.toml")
        usual = posixpath.join(run.crate, "build.rs")
        ours = [unit.root for unit in self.watches.compiled if unit.script and unit.crate == run.crate]
        ours = ours or [path for path in (usual,) if path in self.present]
        return [manifest] if ours and not run.narrowed and manifest in self.present else ours

    def scripts(self, *, around: bool) -> None:
        """Touches for each run of a build script that does not watch all changes, whoever else does.

        A quiet one has nothing from any source of Rust. A manifest and a configuration can have a say in its variables.
        """
        for run, roots in self.runs:
            changes = [change for change in self.changes if not (run.quiet and change.path.endswith(_RUST))]
            blind = next((change.path for change in changes if not _covers(run, change)), None)
            if blind is not None or around:
                why = _AROUND if blind is None else f"the build script does not watch {blind}"
                self.found.update((root, why) for root in roots if root not in self.found)

    def near(self, change: Change) -> None:
        """Touches the crates that may have read `change` through a macro or a linker, and do not watch it.

        What lies in no crate any of them may read: where no macro does, whoever watches it is the one that does. A
        crate with a build script is compiled after it, and that is run again for every change; but for a quiet one.
        """
        owner, harmless = self.owner(change.path), self.watches.macros <= HARMLESS
        near = set(self.crates) if owner is None else {owner}
        watching = near & self.watching(change)
        if (watching or change.path.endswith(_NEVER_LINKED)) and harmless:
            return
        running = {run.crate for run, _ in self.runs if not (run.quiet and change.path.endswith(_RUST))}
        for crate in sorted(near - watching - running):
            self.touch_crate(crate, f"nothing watches {change.path}" + (" there" if watching else ""))

    def watching(self, change: Change) -> set[str]:
        """The crates that cargo compiles again for a change."""
        scripts = {run.crate for run, _ in self.runs if _covers(run, change)}
        return scripts | {unit.crate for unit in self.watches.compiled if change.path in unit.paths}

    def touch_crate(self, crate: str, why: str) -> None:
        """Touches the sources that the compilations of a crate begin with."""
        for unit in self.watches.compiled:
            if unit.crate == crate and not unit.script:
                self.found.setdefault(unit.root, why)

    def owner(self, path: str) -> str | None:
        """The innermost crate that a path lies in."""
        return max((crate for crate in self.crates if lies_in(path, crate)), key=_depth, default=None)


def _covers(run: Ran, change: Change) -> bool:
    """Whether cargo runs a build script again for a change.

    Of a folder it takes the newest time, which may stay the same when a file is deleted. What a script that asked for
    nothing depends on is for git and `package.exclude` to say, so nothing is sure to be covered.
    """
    if not run.narrowed:
        return False
    if change.how == "deleted":
        return change.path in run.paths
    return any(path in run.paths for path in _and_above(change.path))


def _and_above(path: str) -> Iterator[str]:
    """`path` and the folders that it lies in."""
    yield path
    while path and not path.endswith(".."):
        path = path.rpartition("/")[0]
        yield path


def _depth(folder: str) -> tuple[int, int]:
    """How far inside a folder lies: fewer steps up, then more names."""
    names = folder.split("/") if folder else []
    return -names.count(".."), len(names)
