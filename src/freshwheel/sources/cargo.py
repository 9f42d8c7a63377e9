"""The Rust closure: which crates are built from a project's Cargo manifests, and which other files decide about them.

Nothing is read here: `closure` is given what reads a file. Every path is relative to the project directory,
`/`-separated and normalised; `..` stands at its start only, and the project directory itself is the empty path.

Outside of this: `$CARGO_HOME`, absolute paths, the members that a virtual manifest lists, and vendored sources, whose
checksums are in Cargo.lock.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from freshwheel.base.toml_access import at, members, table, text, texts

Read: TypeAlias = Callable[[str], Mapping[str, Any] | None]
"""Gives the parsed TOML of a file; an empty table for one that is none to us, None where there is no file."""

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
_TOKEN = re.compile(
    r'''
    (?P<string>"""(?:\\.|[^\\])*?"""(?:"{0,2})|"(?:\\.|[^"\\\n])*"|\'\'\'.*?\'\'\'(?:'{0,2})|'[^'\n]*')
    |(?P<rest>\#[^\n]*|\r?\n)
    |.
    ''',
    re.VERBOSE | re.DOTALL,
)
"""A string of TOML, the end of a line with or without a comment, or any other character."""


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
    """What is built from some manifests."""

    crates: tuple[Crate, ...]
    """Sorted by folder."""
    files: Mapping[str, str]
    """Inputs that exist and lie in no folder of a crate, and why they are inputs."""
    locks: tuple[str, ...]
    """Where the workspaces that are built have their Cargo.lock, whether it is there or not."""
    built: tuple[str, ...] = ()
    """The folders that cargo builds into, as far as its configuration says."""


def closure(manifests: Sequence[str], read: Read, *, above: Sequence[str] = ()) -> Closure:
    """The closure of `manifests`, the paths of the Cargo.toml files that the project builds.

    `above` are the names of the project directory and of all folders above it, the innermost first. With them `../name`
    is known to be the project directory, as which a workspace root excludes it or depends on it; and nothing is asked
    above the file system.
    """
    search = _Search(read, tuple(above))
    built = sorted({search.joined(manifest, "..") for manifest in manifests})
    search.waiting.extend((folder, "built by the project") for folder in built)
    for folder in built:
        search.workspace(folder)
    search.configuration()
    search.toolchain()
    search.crates_of_all()
    return search.result()


class _Search:
    """One search, and what it has found so far."""

    def __init__(self, read: Read, above: tuple[str, ...]) -> None:
        self.read = read
        self.above = above
        self.levels = min(_LEVELS, len(above)) if above else _LEVELS
        self.crates: dict[str, Crate] = {}
        self.files: dict[str, str] = {}
        self.locks: set[str] = set()
        self.waiting: deque[tuple[str, str]] = deque()
        """Folders of crates, and why they are built."""
        self.named: list[tuple[str, str, str]] = []
        """Keys that name folders to build into, the folder that each is relative to, and its value."""

    def workspace(self, folder: str) -> None:
        """Finds what the workspace decides that `folder` is built in: versions, and replacements of crates."""
        if self.read(self.joined(folder, "Cargo.toml")) is None:
            return
        root = self.root(folder)
        path, lock = self.joined(root, "Cargo.toml"), self.joined(root, "Cargo.lock")
        self.locks.add(lock)
        self.file(lock, "lock file")
        manifest = self.read(path)
        for spec in (*_patches(manifest), *members(manifest, "replace")):
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
            for spec in (*_patches(config), *({"path": path} for path in texts(config, "paths"))):
                self.lead(base, spec, f"brought in by {path}")
            build = table(config, "build")
            self.named += [(key, base, named) for key in _BUILT if (named := relative(build.get(key))) is not None]
            for named in _named(config):
                if (place := self.joined(base, named)).strip("./"):  # else it is a folder that holds all the rest
                    self.file(place, f"named in {path}")
            paths.extend((self.joined(folder, included), f"included by {path}") for included in _included(config))

    def toolchain(self) -> None:
        """Finds the toolchain files of the nearest folder that has one, as rustup does."""
        for place in ("", *self.parents("")):
            files = [self.file(self.joined(place, name), "rust toolchain") for name in _TOOLCHAINS]
            if any(file is not None for file in files):
                return

    def crates_of_all(self) -> None:
        """Finds the crates that wait, their workspace roots and, in turn, what they depend on."""
        while self.waiting:
            folder, reason = self.waiting.popleft()
            manifest = self.read(self.joined(folder, "Cargo.toml"))
            if folder in self.crates or manifest is None:
                continue
            root = self.root(folder)
            inherited = table(self.file(self.joined(root, "Cargo.toml"), "workspace root"), "workspace.dependencies")
            if "workspace" in manifest and not package(manifest):
                continue  # a virtual manifest, which is no crate
            crate = Crate(folder=folder, name=text(package(manifest), "name") or folder or ".", reason=reason)
            self.crates[folder] = crate
            for alias, spec in _dependencies(manifest):
                is_inherited = at(spec, "workspace") is True
                base, stated = (root, inherited.get(alias)) if is_inherited else (folder, spec)
                self.lead(base, stated, f"path dependency of {crate.name}")

    def result(self) -> Closure:
        """What was found."""
        # Deeper in a crate there may be another crate, or tests, which are not walked with it.
        beside = {self.joined(folder, name) for folder in self.crates for name in BESIDE}
        return Closure(
            crates=tuple(crate for _, crate in sorted(self.crates.items())),
            files={path: why for path, why in sorted(self.files.items()) if path not in beside},
            built=tuple(sorted(self.built())),
            locks=tuple(sorted(self.locks)),
        )

    def built(self) -> set[str]:
        """The folders that cargo builds into; a value may begin with the root of the workspace."""
        roots = [self.joined(lock, "..") for lock in self.locks]
        usual = [] if any(key == _BUILT[0] for key, *_ in self.named) else [(_ROOT, "", f"{_ROOT}/target")]
        folders: set[str] = set()
        for _, base, value in (*self.named, *usual):
            of_root = value.startswith(_ROOT)
            folders.update(self.joined(place, value.removeprefix(_ROOT)) for place in (roots if of_root else [base]))
        return {path for path in folders if path and "{" not in path}

    def root(self, folder: str) -> str:
        """The folder of the workspace root; `folder` where there is no workspace.

        A manifest on the way up that is no root, or excludes the crate, is passed by, as cargo does.
        """
        own = self.joined(folder, "Cargo.toml")
        for place in (folder, *self.parents(folder)):
            manifest = self.read(self.joined(place, "Cargo.toml"))
            workspace = at(manifest, "workspace")
            if isinstance(workspace, Mapping):
                excluded = self.lists(place, texts(workspace, "exclude"), own)
                if not excluded or self.lists(place, texts(workspace, "members"), own):
                    return place
            elif (pointer := relative(package(manifest).get("workspace"))) is not None:
                return self.joined(place, pointer)
        return folder

    def lists(self, place: str, entries: Sequence[str], own: str) -> bool:
        """Whether one of `entries` is a folder above `own`; cargo does not resolve the `..` of an entry."""
        paths = [path for path in _relative(entries) if ".." not in path.split("/")]
        return any(lies_in(own, self.joined(place, path)) for path in paths)

    def lead(self, base: str, spec: Any, reason: str) -> None:
        """Lets the crate wait that `spec` gives the path of, if it does, relative to the folder `base`."""
        if (path := relative(at(spec, "path"))) is not None:
            self.waiting.append((self.joined(base, path), reason))

    def file(self, path: str, reason: str) -> Mapping[str, Any] | None:
        """What stands in a file that is an input where it exists."""
        tables = self.read(path)
        if tables is not None:
            self.files.setdefault(path, reason)
        return tables

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


def _relative(values: Iterable[Any]) -> list[str]:
    """The relative paths among them."""
    return [path for path in map(relative, values) if path is not None]


def package(manifest: Any) -> Mapping[str, Any]:
    """The package that a manifest describes, also as old ones spell it."""
    return table(manifest, "package") or table(manifest, "project")


def _dependencies(manifest: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Names and specifications of what is built for a crate, on any platform and with any feature."""
    places = [manifest, *members(manifest, "target")]
    return [item for place in places for key in _DEPENDENCIES for item in sorted(table(place, key).items())]


def _patches(manifest: Any) -> list[Any]:
    """The specifications of all `[patch.*]` tables."""
    return [spec for source in members(manifest, "patch") for spec in members(source)]


def _included(config: Any) -> list[str]:
    """The paths in the `include` of a configuration: a string or a table with a path, or a list of these."""
    include = at(config, "include")
    entries = include if isinstance(include, list) else [include]
    return _relative(entry.get("path") if isinstance(entry, Mapping) else entry for entry in entries)


def _named(config: Any) -> list[str]:
    """The paths of programs in a configuration, without those to be searched for, and of what variables lead to."""
    programs = [at(config, f"build.{key}") for key in _PROGRAMS]
    programs += [at(target, "linker") for target in members(config, "target")]
    values = [at(variable, "value") for variable in members(config, "env") if at(variable, "relative") is True]
    return [*(path for path in _relative(programs) if "/" in path), *_relative(values)]


def downgrade(text: str) -> str:
    """A text of TOML 1.1, as 1.0 has it: an inline table on one line, without a comma at its end."""
    pieces: list[str] = []
    depth = 0
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if match["rest"]:
            piece = " " if depth else piece
        elif not match["string"]:
            depth = max(0, depth + (piece == "{") - (piece == "}"))
        if piece == "}":
            while pieces and pieces[-1].isspace():
                pieces.pop()
            if pieces[-1:] == [","]:
                pieces.pop()
        pieces.append(piece)
    return "".join(pieces)
