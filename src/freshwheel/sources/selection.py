"""What a project is made from, joined from all that says so: its backend, its manifests, its settings, the disk.

The other modules of this room decide each about one thing, and are pure as far as they can be; this one knows in which
order they are asked, and reads what they want to know.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from freshwheel.base import requirements
from freshwheel.base.backends import Backend
from freshwheel.base.model import Input
from freshwheel.base.toml_access import text
from freshwheel.sources import cargo, gitignore, gitindex, manifest_toml, not_sources, outputs, roots
from freshwheel.sources.cargo import Closure
from freshwheel.sources.disk import Disk
from freshwheel.sources.roots import Root
from freshwheel.sources.walk import Tree, Walk

_LARGEST = 1 << 24
"""Bytes. Nobody writes a larger manifest, and parsing it would take minutes; the index of 100,000 files has less."""
_ENDS = (b"/", b'"', b"\\")
"""What follows the name of a file or folder in a source that speaks of it."""
_TESTS = re.compile(rb"#\[cfg\(test\)\]\s*(?:pub\s+)?mod\s+\w+\s*\{")
"""Where the tests in a source begin, which no build reads; they come last."""
_POINTER = b"gitdir: "
_OPAQUE = ("Cargo.lock", "rust-toolchain")
"""Files that decide something, but nothing that must be understood."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the settings say about inputs."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    """Paths of files that are inputs whatever is excluded."""
    tables_of: str | None = None
    """A TOML file of which the tables count, not the bytes."""
    discovered: Mapping[str, str] = field(default_factory=dict)
    """Files and folders that a build was seen to read, and who says so."""
    apart: tuple[str, ...] = ()
    """Folders that the environment gives to tools: caches, temporary and built files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """The inputs of a project, and why they are."""

    tree: Tree
    rules: Rules
    roots: tuple[Root, ...]
    """Folders, files and patterns that were asked for."""
    left_out: Mapping[str, str]
    """Files that are no inputs, where they exist, and why: what the build writes, locks that are ignored."""
    idle: tuple[str, ...]
    """Patterns of `include` that match nothing."""
    locks: tuple[str, ...] = ()
    """Locks that git ignores, whether they are there or not."""
    unread: tuple[str, ...] = ()
    """Manifests, and configuration of cargo, that are no TOML to us: what they lead to is not known."""


def select(disk: Disk, pyproject: Mapping[str, Any], backend: Backend, rules: Rules) -> Selection:
    """The inputs of the project whose directory `disk` looks at.

    Raises InputError where something can't be looked at, MovedError where it goes away meanwhile, and ValueError for a
    pattern that is not of the dialect.
    """
    return _Search(disk, pyproject, backend).select(rules)


def crates(
    folder: str, pyproject: Mapping[str, Any], backend: Backend, inputs: Sequence[Input]
) -> tuple[list[str], Closure]:
    """The Cargo manifests that a project builds, and their closure; `inputs` are those that were found in it."""
    search = _Search(Disk(folder), pyproject, backend)
    return search.closure([os.fsdecode(one.path) for one in inputs if _is_manifest(one.path)])


def left_out(pyproject: Mapping[str, Any], backend: Backend) -> dict[str, str]:
    """The files that the build itself writes, as `pyproject` declares them, and why they are no inputs."""
    return outputs.outputs(pyproject, backend)


def names(pyproject: Mapping[str, Any]) -> frozenset[str]:
    """The names of the project that its distributions may have, normalised."""
    found = (text(pyproject, key) for key in ("project.name", "tool.poetry.name", "tool.flit.metadata.module"))
    return frozenset(requirements.normal(name) for name in found if name)


class _Search:
    """One search, and what was read for it."""

    def __init__(self, disk: Disk, pyproject: Mapping[str, Any], backend: Backend) -> None:
        self.disk = disk
        self.pyproject = pyproject
        self.backend = backend
        self.known: dict[str, Mapping[str, Any] | None] = {}
        self.unread: list[str] = []
        self.above = _names(os.path.realpath(os.fsdecode(disk.tree)))

    def select(self, rules: Rules) -> Selection:
        """The whole selection."""
        written = outputs.outputs(self.pyproject, self.backend)
        walk, closure = self.walked(rules)
        found = roots.roots(self.pyproject, self.backend, closure, self.known, self.exists)
        if any(root.kind == "glob" for root in found):
            walk = self.walk(rules, [root.path for root in found if root.kind == "glob"], closure.built)
        locks = self.ignored(closure.locks)
        walk.leave_out([*written, *locks])
        asked = _ordered([*found, *self.discovered(rules)])
        crates = [root.path for root in asked if root.kind == "crate" and not _is_at_the_root(root)]
        for root in asked:
            self.take(walk, root, rules, crates)
        walk.included()
        walk.behind_links()
        for path in rules.always:
            walk.name(path)
        built = self.built(rules, walk.files)
        walk.leave_out(built)
        tree = walk.result()
        return Selection(
            tree=tree,
            rules=rules,
            roots=tuple(asked),
            left_out={**written, **locks, **built},
            idle=tuple(text for text in tree.idle if text in rules.include),
            locks=tuple(sorted(locks)),
            unread=tuple(sorted(self.unread)),
        )

    def walked(self, rules: Rules) -> tuple[Walk, Closure]:
        """The walk of the project, if all of it counts, and the closure; without what cargo builds into."""
        built: tuple[str, ...] = ()
        while True:
            walk = self.walk(rules, (), built)
            if self.backend.inputs == "whole":
                walk.root("")
            _, closure = self.closure([os.fsdecode(path) for path in walk.files if _is_manifest(path)])
            if not walk.walked or closure.built == built:
                walk.apart |= {os.fsencode(path) for path in closure.built}
                return walk, closure
            built = closure.built

    def walk(self, rules: Rules, patterns: Sequence[str], built: Sequence[str]) -> Walk:
        """A new walk; `patterns` are included as well, and nothing that lies in `built`."""
        apart = (*rules.apart, *built)
        return Walk(self.disk, include=[*rules.include, *patterns], exclude=rules.exclude, apart=apart)

    def take(self, walk: Walk, root: Root, rules: Rules, crates: Sequence[str]) -> None:
        """Walks a root, or takes its file; `crates` are those that lie elsewhere than at the root."""
        if root.kind == "file":
            walk.file(root.path)
        elif _is_at_the_root(root):
            walk.root(root.path, crate=True, only=self.named_by_sources(walk, root.path, rules, crates))
        elif root.kind != "glob":
            walk.root(root.path, crate=root.kind == "crate")

    def named_by_sources(self, walk: Walk, crate: str, rules: Rules, others: Sequence[str]) -> frozenset[bytes]:
        """The names directly in the folder of a crate, with the project in it, of what sources speak of.

        Those of the `others` count, too: a macro may read a file of the crate that uses it.
        """
        mains = (os.fsencode(cargo.normal(path)).partition(b"/")[0] for path in roots.mains(crate, self.known))
        only = {*mains, *map(os.fsencode, (*cargo.BESIDE, *roots.IGNORING, *roots.READMES))}
        left, read = self.disk.entries(os.fsencode(crate)).keys() - only, set[bytes]()
        beside = self.trial(walk, rules)
        for other in others if left else ():
            beside.root(other, crate=True)
        while left:
            trial = self.trial(walk, rules)
            trial.root(crate, crate=True, only=frozenset(only))
            sources = {path for path in (*trial.files, *beside.files) if path.endswith(b".rs")} - read
            text = b"\n".join(_TESTS.split(self.disk.text(path, _LARGEST) or b"", 1)[0] for path in sorted(sources))
            named = {name for name in left if any(name + end in text for end in _ENDS)}
            if not named:
                break
            read, only, left = read | sources, only | named, left - named
        return frozenset(only)

    def trial(self, walk: Walk, rules: Rules) -> Walk:
        """A walk by which nothing becomes an input, and that leaves out what `walk` does."""
        trial = Walk(self.disk, exclude=rules.exclude)
        trial.apart = walk.apart
        return trial

    def closure(self, found: Sequence[str]) -> tuple[list[str], Closure]:
        """The manifests that are built, and their closure; `found` are those that lie in the project."""
        manifests = roots.manifests(self.pyproject, self.backend, self.exists, found)
        while True:
            closure = cargo.closure(manifests, self.known, above=self.above)
            if not closure.wanted:
                return manifests, closure
            for path in closure.wanted:
                self.known[path] = self.table(path)

    def table(self, path: str) -> Mapping[str, Any] | None:
        """The TOML in a file; an empty table where it is none, None where there is no file."""
        data = self.disk.text(os.fsencode(path), _LARGEST)
        if data is None:
            return None
        if os.path.basename(path) in _OPAQUE:
            return {}
        try:
            return manifest_toml.loads(data.decode())
        except (ValueError, RecursionError):
            # What a configuration only names, such as the file of a variable, need not be TOML.
            self.unread += [path] if path.endswith((".toml", "/config")) else []
            return {}

    def discovered(self, rules: Rules) -> list[Root]:
        """What builds were seen to read, as far as it is still there."""
        kinds = {path: self.disk.kind(os.fsencode(path)) for path in rules.discovered}
        return [
            Root(path=path, reason=reason, kind="folder" if kinds[path] == stat.S_IFDIR else "file")
            for path, reason in rules.discovered.items()
            if kinds[path] is not None
        ]

    def exists(self, path: str) -> bool:
        """Whether `path` leads somewhere."""
        return self.disk.exists(os.fsencode(path))

    def ignored(self, locks: Sequence[str]) -> dict[str, str]:
        """Locks that git ignores by a file inside the repository, and why they are no inputs.

        These files are watched. They need not be inputs: whether the lock is one tells all that they decide.
        """
        left_out: dict[str, str] = {}
        for lock in locks:
            folders, parts = self.repository(lock)
            paths = [_joined(folder, ".gitignore") for folder in folders]
            texts = [self.disk.text(os.fsencode(path), _LARGEST, follow=False) for path in paths]  # git follows none
            if gitignore.ignored(parts, texts) and not self.is_tracked(lock):
                left_out[lock] = "a lock file that git ignores"
        return left_out

    def built(self, rules: Rules, files: Iterable[bytes]) -> dict[str, str]:
        """Distributions of the project itself among `files`; not those that git tracks, or a build has read."""
        found: dict[str, str] = {}
        for path in (path for path in files if path.endswith(not_sources.DISTRIBUTIONS)):
            place, own = os.fsdecode(path), not_sources.project_of(os.path.basename(path)) in names(self.pyproject)
            if own and place not in rules.discovered and not self.is_tracked(place):
                found[place] = "a distribution of the project"
        return found

    def is_tracked(self, path: str) -> bool:
        """Whether a file is there, and git tracks it."""
        if not self.exists(path):
            return False
        folders, parts = self.repository(path)
        place = os.fsencode(_joined(folders[0], ".git"))
        index = self.disk.text(place + b"/index", _LARGEST)
        if index is None:  # of a submodule, or of another working tree
            pointer = self.disk.text(place, _LARGEST) or b""
            folder = os.path.join(os.path.dirname(place), pointer.removeprefix(_POINTER).rstrip(b"\r\n"))
            index = self.disk.text(folder + b"/index", _LARGEST) if pointer.startswith(_POINTER) else None
        return index is not None and gitindex.tracks(index, os.fsencode("/".join(parts)))

    def repository(self, path: str) -> tuple[list[str], list[str]]:
        """The folders from the top of the repository down to that of a file, and the names of all below that top.

        Without a repository, the project and what is in it.
        """
        folder, _, last = path.rpartition("/")
        chain = [folder]
        while not self.exists(_joined(chain[0], ".git")):
            parent = _parent(chain[0])
            if parent.count("..") >= len(self.above):
                chain = [one for one in chain if not one.startswith("..")] or [folder]
                break
            chain.insert(0, parent)
        return chain, [*(self.name(folder) for folder in chain[1:]), last]

    def name(self, folder: str) -> str:
        """What a folder is called, also one above the project directory."""
        last = folder.rpartition("/")[2]
        climb = folder.count("..")
        return last if last not in ("", "..") else self.above[climb] if climb < len(self.above) else ""


def _is_manifest(path: bytes) -> bool:
    return os.path.basename(path) == b"Cargo.toml" and not path.startswith(b"../")


def _is_at_the_root(root: Root) -> bool:
    """Whether a root is a crate with the project in its folder, or that of the project."""
    return root.kind == "crate" and not root.path.strip("./")


def _ordered(found: Sequence[Root]) -> list[Root]:
    """Each path once, the wider of two kinds; the nearest first, and of these the outer ones."""
    width: Callable[[Root], int] = lambda root: ("folder", "crate", "file", "glob").index(root.kind)  # noqa: E731
    first: dict[tuple[str, bool], Root] = {}
    for root in sorted(found, key=width):
        first.setdefault((root.path, root.kind == "glob"), root)
    return sorted(first.values(), key=lambda root: (root.path.count(".."), len(root.path.split("/")), root.path))


def _names(path: str) -> tuple[str, ...]:
    """The names of a folder and of all above it, the innermost first."""
    names = []
    while (parts := os.path.split(path))[1]:
        path = parts[0]
        names.append(parts[1])
    return tuple(names)


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _parent(folder: str) -> str:
    """The folder above; `..` stands at the start only."""
    if not folder or folder.endswith(".."):
        return _joined(folder, "..")
    return folder.rpartition("/")[0]
