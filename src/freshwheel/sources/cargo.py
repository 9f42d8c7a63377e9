"""The Rust closure: which crates are built from a project's Cargo manifests, and which other files decide about them.

Pure by asking: `closure` is given what is known of files, and says what else it wants to know. The caller reads that,
adds it, and calls again until nothing is wanted. Every path is relative to the project directory, `/`-separated and
normalised; `..` stands at its start only, and the project directory itself is the empty path.

Outside of this: `$CARGO_HOME`, absolute paths, the members that a virtual manifest lists, and vendored sources, whose
checksums are in Cargo.lock.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FOR_TESTS = ("tests", "benches", "examples")
"""Folders of a crate that no build of it reads, unless a target has its main file there."""
_LEVELS = 10
"""How far above the project directory is looked; no project lies deeper in its workspace, and each level is asked."""
_DEPENDENCIES = ("dependencies", "build-dependencies", "build_dependencies")
"""Not those for development, which are built for tests alone."""
BESIDE = ("Cargo.toml", "Cargo.lock", "rust-toolchain", "rust-toolchain.toml", ".cargo")
"""What of these lies in the folder of a crate counts with it."""
_CONFIGS = (".cargo/config.toml", ".cargo/config")
_BUILT = ("target-dir", "build-dir")
_ROOT = "{workspace-root}"
_PROGRAMS = ("rustc", "rustc-wrapper", "rustc-workspace-wrapper")
_TOOLCHAINS = BESIDE[2:4]
_ABSOLUTE = re.compile(r"/|[A-Za-z]:")


@dataclass(frozen=True, kw_only=True, slots=True)
class Crate:
    """One crate, all files of which are inputs."""

    folder: str
    name: str
    """That of the package; the folder, or a dot, where the manifest gives none."""
    reason: str
    """Why it is built: a short phrase."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Closure:
    """What is built from some manifests, as far as it is known."""

    crates: tuple[Crate, ...]
    """Sorted by folder."""
    files: Mapping[str, str]
    """Inputs that exist and lie in no folder of a crate, and why they are inputs."""
    locks: tuple[str, ...]
    """Where the workspaces that are built have their Cargo.lock, whether it is there or not."""
    absent: tuple[str, ...]
    """What was asked for and does not exist: where it appears, the closure may be another one."""
    wanted: tuple[str, ...]
    """What must be known before the closure is complete; empty: it is."""
    built: tuple[str, ...] = ()
    """The folders that cargo builds into, as far as its configuration says."""


def closure(
    manifests: Sequence[str], known: Mapping[str, Mapping[str, Any] | None], *, above: Sequence[str] = ()
) -> Closure:
    """The closure of `manifests`, the paths of the Cargo.toml files that the project builds.

    `known` has the parsed TOML of a file, an empty mapping for one that exists and can't be read as TOML (any
    Cargo.lock and rust-toolchain may be given so), and None where there is no file. `above` are the names of the
    project directory and of all folders above it, the innermost first. With them `../name` is known to be the project
    directory, as which a workspace root excludes it or depends on it; and nothing is asked above the file system.
    """
    search = _Search(known, tuple(above))
    built = sorted({search.joined(one, "..") for one in manifests})
    search.waiting.extend((folder, "built by the project") for folder in built)
    for folder in built:
        search.workspace(folder)
    search.configuration()
    search.toolchain()
    search.crates_of_all()
    return search.result()


class _Search:
    """One search, and what it has found so far."""

    def __init__(self, known: Mapping[str, Mapping[str, Any] | None], above: tuple[str, ...]) -> None:
        self.known = known
        self.above = above
        self.levels = min(_LEVELS, len(above)) if above else _LEVELS
        self.asked: set[str] = set()
        self.ahead: set[str] = set()
        """What may be asked for next."""
        self.crates: dict[str, Crate] = {}
        self.files: dict[str, str] = {}
        self.locks: set[str] = set()
        self.waiting: deque[tuple[str, str]] = deque()
        """Folders of crates, and why they are built."""
        self.named: list[tuple[str, str, str]] = []
        """Keys that name folders to build into, the folder that each is relative to, and its value."""

    def workspace(self, folder: str) -> None:
        """Finds what the workspace decides that `folder` is built in: versions, and replacements of crates."""
        if self.table(self.joined(folder, "Cargo.toml")) is None or (root := self.root(folder)) is None:
            return
        lock = self.joined(root, "Cargo.lock")
        self.locks.add(lock)
        self.file(lock, "lock file")
        path = self.joined(root, "Cargo.toml")
        manifest = self.table(path)
        for spec in (*_patches(manifest), *_table(manifest, "replace").values()):
            self.lead(root, spec, f"patched in by {path}")

    def configuration(self) -> None:
        """Finds the configuration of cargo, which starts in the project directory, and crates that it brings in."""
        places = ("", *self.parents(""))
        paths = deque((self.joined(place, name), "cargo configuration") for place in places for name in _CONFIGS)
        seen: set[str] = set()
        while paths:
            path, reason = paths.popleft()
            if path in seen:
                continue
            seen.add(path)
            config = self.file(path, reason)
            folder = self.joined(path, "..")
            base = self.joined(folder, "..")  # of an included file as well
            for spec in _patches(config):
                self.lead(base, spec, f"patched in by {path}")
            for text in _texts(config, "paths"):
                self.lead(base, {"path": text}, f"overridden by {path}")
            build = _table(config, "build")
            self.named += [(key, base, named) for key in _BUILT if (named := relative(build.get(key))) is not None]
            for one in _named(config):
                if (place := self.joined(base, one)).strip("./"):  # else it is a folder that holds all the rest
                    self.file(place, f"named in {path}")
            paths.extend((self.joined(folder, one), f"included by {path}") for one in _included(config))

    def toolchain(self) -> None:
        """Finds the toolchain files of the nearest folder that has one, as rustup does."""
        for place in ("", *self.parents("")):
            paths = [self.joined(place, name) for name in _TOOLCHAINS]
            found = [self.file(path, "rust toolchain") is not None for path in paths]
            if any(found) or not self.known.keys() >= set(paths):
                return

    def crates_of_all(self) -> None:
        """Finds the crates that wait, their workspace roots and, in turn, what they depend on."""
        while self.waiting:
            folder, reason = self.waiting.popleft()
            manifest = self.table(self.joined(folder, "Cargo.toml"))
            if folder in self.crates or manifest is None:
                continue
            root = self.root(folder)
            inherited: Mapping[str, Any] = {}
            if root is not None:
                top = self.file(self.joined(root, "Cargo.toml"), "workspace root")
                inherited = _table(_table(top, "workspace"), "dependencies")
            if "workspace" in manifest and not package(manifest):
                continue  # a virtual manifest, which is no crate
            name = package(manifest).get("name")
            crate = Crate(folder=folder, name=name if isinstance(name, str) else folder or ".", reason=reason)
            self.crates[folder] = crate
            for alias, spec in _dependencies(manifest):
                inherits = isinstance(spec, Mapping) and spec.get("workspace") is True
                base, one = (root or "", inherited.get(alias)) if inherits else (folder, spec)
                self.lead(base, one, f"path dependency of {crate.name}")

    def result(self) -> Closure:
        """What was found."""
        unknown = self.asked - self.known.keys()
        # Deeper in a crate there may be another crate, or tests, which are not walked with it.
        beside = {self.joined(folder, name) for folder in self.crates for name in BESIDE}
        outside = {path: why for path, why in sorted(self.files.items()) if path not in beside}
        return Closure(
            crates=tuple(crate for _, crate in sorted(self.crates.items())),
            files=outside,
            built=tuple(sorted(self.built())),
            locks=tuple(sorted(self.locks)),
            absent=tuple(sorted(path for path in self.asked & self.known.keys() if self.known[path] is None)),
            wanted=tuple(sorted((self.asked | self.ahead) - self.known.keys())) if unknown else (),
        )

    def built(self) -> set[str]:
        """The folders that cargo builds into; a value may begin with the root of the workspace."""
        roots = [self.joined(lock, "..") for lock in self.locks]
        usual = [] if any(key == _BUILT[0] for key, *_ in self.named) else [(_ROOT, "", f"{_ROOT}/target")]
        found: set[str] = set()
        for _, base, text in (*self.named, *usual):
            of_root = text.startswith(_ROOT)
            found.update(self.joined(one, text.removeprefix(_ROOT)) for one in (roots if of_root else [base]))
        return {path for path in found if path and "{" not in path}

    def root(self, folder: str) -> str | None:
        """The folder of the workspace root; `folder` where there is no workspace, None as long as that is not known.

        A manifest on the way up that is no root, or excludes the crate, is passed by, as cargo does.
        """
        own = self.joined(folder, "Cargo.toml")
        places = (folder, *self.parents(folder))
        # All at once: each further round of questions costs a whole search.
        self.ahead.update(self.joined(place, "Cargo.toml") for place in places)
        for place in places:
            path = self.joined(place, "Cargo.toml")
            manifest = self.table(path)
            if path not in self.known:
                return None
            if (found := self.root_named(place, manifest, own)) is not None:
                return found
        return folder

    def root_named(self, place: str, manifest: Mapping[str, Any] | None, own: str) -> str | None:
        """The folder of the root that the manifest in `place` is, or names, for the crate with the manifest `own`."""
        if isinstance((manifest or {}).get("workspace"), Mapping):
            workspace = _table(manifest, "workspace")
            excluded = self.lists(place, _texts(workspace, "exclude"), own)
            return None if excluded and not self.lists(place, _texts(workspace, "members"), own) else place
        pointer = relative(package(manifest).get("workspace"))
        return None if pointer is None else self.joined(place, pointer)

    def lists(self, place: str, entries: Sequence[str], own: str) -> bool:
        """Whether one of `entries` is a folder above `own`; cargo does not resolve the `..` of an entry."""
        paths = [path for entry in entries if (path := relative(entry)) is not None and ".." not in path.split("/")]
        return any(lies_in(own, self.joined(place, path)) for path in paths)

    def lead(self, base: str, spec: Any, reason: str) -> None:
        """Lets the crate wait that `spec` gives the path of, if it does, relative to the folder `base`."""
        path = relative(spec.get("path")) if isinstance(spec, Mapping) else None
        if path is not None:
            self.waiting.append((self.joined(base, path), reason))

    def file(self, path: str, reason: str) -> Mapping[str, Any] | None:
        """What is known of a file that is an input where it exists."""
        table = self.table(path)
        if table is not None:
            self.files.setdefault(path, reason)
        return table

    def table(self, path: str) -> Mapping[str, Any] | None:
        """What is known of a file; None where that is nothing, or that it does not exist."""
        self.asked.add(path)
        return self.known.get(path)

    def parents(self, folder: str) -> Iterator[str]:
        """The folders above `folder`, the nearest first."""
        climb, names = _split(folder)
        for _ in range(len(names) + self.levels - climb):
            folder = self.joined(folder, "..")
            yield folder

    def joined(self, folder: str, path: str) -> str:
        """`path`, which is relative to `folder`, normalised."""
        climb, names = _split(normal(f"{folder}/{path}"))
        while climb and names and self.above[climb - 1 : climb] == (names[0],):
            climb, names = climb - 1, names[1:]
        return "/".join([".."] * climb + names)


def normal(path: str) -> str:
    """`path` without dots and empty segments, and with `..` at its start only."""
    names: list[str] = []
    for name in path.split("/"):
        if name == ".." and names and names[-1] != "..":
            names.pop()
        elif name not in {"", "."}:
            names.append(name)
    return "/".join(names)


def _split(path: str) -> tuple[int, list[str]]:
    """How many levels a normalised path climbs, and the names below."""
    names = path.split("/") if path else []
    climb = names.count("..")
    return climb, names[climb:]


def lies_in(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or below it."""
    climb, names = _split(path)
    top, above = _split(folder)
    return climb <= top if not above else climb == top and names[: len(above)] == above


def relative(value: Any) -> str | None:
    """The path that a table gives, if it is one relative to a folder; on Windows it may have backslashes."""
    if not isinstance(value, str) or "\0" in value or _ABSOLUTE.match(path := value.replace("\\", "/")):
        return None
    return path


def _table(value: Any, key: str) -> Mapping[str, Any]:
    """The table below `key`; an empty one where there is none."""
    below = value.get(key) if isinstance(value, Mapping) else None
    return below if isinstance(below, Mapping) else {}


def _texts(value: Any, key: str) -> list[str]:
    """The strings in the list below `key`."""
    below = value.get(key) if isinstance(value, Mapping) else None
    return [one for one in below if isinstance(one, str)] if isinstance(below, list) else []


def package(manifest: Any) -> Mapping[str, Any]:
    """The package that a manifest describes, also as old ones spell it."""
    return _table(manifest, "package") or _table(manifest, "project")


def _dependencies(manifest: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Names and specifications of what is built for a crate, on any platform and with any feature."""
    tables = [manifest, *(table for _, table in sorted(_table(manifest, "target").items()))]
    return [one for table in tables for key in _DEPENDENCIES for one in sorted(_table(table, key).items())]


def _patches(table: Any) -> list[Any]:
    """The specifications of all `[patch.*]` tables."""
    patch = _table(table, "patch")
    return [spec for source in sorted(patch) for _, spec in sorted(_table(patch, source).items())]


def _included(config: Any) -> list[str]:
    """The paths in the `include` of a configuration: a string or a table with a path, or a list of these."""
    include = config.get("include") if isinstance(config, Mapping) else None
    entries = include if isinstance(include, list) else [include]
    paths = [entry.get("path") if isinstance(entry, Mapping) else entry for entry in entries]
    return [path for one in paths if (path := relative(one)) is not None]


def _named(config: Any) -> list[str]:
    """The paths of programs in a configuration, without those to be searched for, and of what variables lead to."""
    build = _table(config, "build")
    targets = _table(config, "target")
    programs = [*(build.get(key) for key in _PROGRAMS), *(_table(targets, key).get("linker") for key in targets)]
    variables = [_table(_table(config, "env"), key) for key in _table(config, "env")]
    values = [one.get("value") for one in variables if one.get("relative") is True]
    found = [path for one in programs if (path := relative(one)) is not None and "/" in path]
    return [*found, *(path for one in values if (path := relative(one)) is not None)]
