"""What a project is made from: which files, joined from all that says so, and what they hold.

A selection is found by its backend, its manifests, its settings and the disk, each of which another module of this room
knows; here is the order in which they are asked. A snapshot is a selection, a reading of every input, and the digest of
it all.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from freshwheel.base import requirements, rows
from freshwheel.base.backends import Backend
from freshwheel.base.errors import InputError
from freshwheel.base.model import Input, Snapshot
from freshwheel.base.rows import Row
from freshwheel.base.toml_access import text
from freshwheel.sources import boundary, cargo, digest, disk, project
from freshwheel.sources.cargo import Closure, normal
from freshwheel.sources.disk import Disk, Link, MovedError
from freshwheel.sources.project import Root
from freshwheel.sources.walk import Tree, Walk

_ENDS = (b"/", b'"', b"\\")
"""What follows the name of a file or folder in a source that speaks of it."""
_TESTS = re.compile(rb"#\[cfg\(test\)\]\s*(?:pub\s+)?mod\s+\w+\s*\{")
"""Where the tests in a source begin, which no build reads; they come last."""
_POINTER = b"gitdir: "
_OPAQUE = ("Cargo.lock", "rust-toolchain")
"""Files that decide something, but nothing that must be understood."""
_INCLUDE = "[tool.freshwheel] include"
_PYPROJECT, _SETTINGS, _VERSION = "pyproject.toml", "settings of the project", "[tool.freshwheel] version"
_TIMES = 3
"""How often a tree that changes while it is read is walked again."""

T = TypeVar("T")
_Seen: TypeAlias = tuple[bytes, bytes, bytes, Row]
"""Path, kind, content digest, row."""
Remembered: TypeAlias = Mapping[bytes, tuple[bytes, bytes, bytes]]
"""Path -> row hash, kind and content digest of files that need not be read again while their row stays."""


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
    closure: Closure
    """What cargo builds of it."""
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
    return _Search(disk, pyproject, backend, rules).select()


def crates(
    folder: str, pyproject: Mapping[str, Any], backend: Backend, inputs: Sequence[Input]
) -> tuple[list[str], Closure]:
    """The Cargo manifests that a project builds, and their closure; `inputs` are those that were found in it."""
    return _Search(Disk(folder), pyproject, backend, Rules()).crates([file.path for file in inputs])


def names(pyproject: Mapping[str, Any]) -> frozenset[str]:
    """The names of the project that its distributions may have, normalised."""
    keys = ("project.name", "tool.poetry.name", "tool.flit.metadata.module")
    return frozenset(requirements.normal(name) for key in keys if (name := text(pyproject, key)))


class _Search:
    """One search, and what was read for it."""

    def __init__(self, disk: Disk, pyproject: Mapping[str, Any], backend: Backend, rules: Rules) -> None:
        self.disk = disk
        self.pyproject = pyproject
        self.backend = backend
        self.rules = rules
        self.tables: dict[str, Mapping[str, Any] | None] = {}
        self.unread: list[str] = []
        self.real = os.path.realpath(os.fsdecode(disk.tree))
        self.above = tuple(filter(None, reversed(self.real.split(os.sep)[1:])))

    def select(self) -> Selection:
        """The whole selection."""
        rules, written = self.rules, project.outputs(self.pyproject, self.backend)
        walk, closure = self.walked()
        stated = project.roots(self.pyproject, self.backend, closure, self.read, self.exists)
        asked = _ordered([*stated, *self.discovered()])
        walk.add({root.path: root.reason for root in asked if root.kind == "glob"})
        locks = self.ignored(closure.locks)
        walk.leave_out([*written, *locks])
        crates = [root.path for root in asked if root.kind == "crate" and not _is_at_the_root(root)]
        for root in asked:
            self.take(walk, root, crates)
        walk.included()
        walk.behind_links()
        for path in rules.always:
            walk.name(path, _SETTINGS if path == _PYPROJECT else _VERSION)
        built = self.built(walk.files)
        walk.leave_out(built)
        tree = walk.result()
        return Selection(
            tree=tree,
            rules=rules,
            closure=closure,
            roots=tuple(asked),
            left_out={**written, **locks, **built},
            idle=tuple(text for text in tree.idle if text in rules.include),
            locks=tuple(sorted(locks)),
            unread=tuple(sorted(self.unread)),
        )

    def walked(self) -> tuple[Walk, Closure]:
        """The walk of the project, if all of it counts, and the closure; without what cargo builds into."""
        built: frozenset[bytes] = frozenset()
        while True:
            walk = Walk(
                self.disk,
                include=dict.fromkeys(self.rules.include, _INCLUDE),
                exclude=self.rules.exclude,
                apart=built.union(map(os.fsencode, self.rules.apart)),
            )
            if self.backend.inputs == "whole":
                walk.root("", "the project directory")
            _, closure = self.crates(walk.files)
            built = built.union(map(os.fsencode, closure.built))
            if walk.apart.issuperset(built.intersection(walk.walked)):
                walk.apart |= built
                return walk, closure

    def take(self, walk: Walk, root: Root, crates: Sequence[str]) -> None:
        """Walks a root, or takes its file; `crates` are those that lie elsewhere than at the root."""
        if root.kind == "file":
            walk.file(root.path, root.reason)
        elif root.kind != "glob":
            only = self.named_by_sources(walk, root.path, crates) if _is_at_the_root(root) else None
            walk.root(root.path, root.reason, crate=root.kind == "crate", only=only)

    def named_by_sources(self, walk: Walk, crate: str, others: Sequence[str]) -> frozenset[bytes]:
        """The names directly in the folder of a crate, with the project in it, of what sources speak of.

        Those of the `others` count, too: a macro may read a file of the crate that uses it.
        """
        mains = (os.fsencode(normal(path)).partition(b"/")[0] for path in project.mains(crate, self.read))
        only = frozenset((*mains, *map(os.fsencode, (*cargo.BESIDE, *project.IGNORING, *project.READMES))))
        left = self.disk.entries(os.fsencode(crate)).keys() - only
        while left:
            trial = Walk(self.disk, exclude=self.rules.exclude, apart=walk.apart)
            trial.root(crate, "", crate=True, only=only)
            for other in others:
                trial.root(other, "", crate=True)
            texts = (self.disk.text(path) or b"" for path in trial.files if path.endswith(b".rs"))
            sources = b"\n".join(_TESTS.split(text, 1)[0] for text in texts)
            named = {name for name in left if any(name + end in sources for end in _ENDS)}
            if not named:
                break
            only, left = only | named, left - named
        return only

    def crates(self, inputs: Iterable[bytes]) -> tuple[list[str], Closure]:
        """The manifests that are built, and their closure; `inputs` are some of the project."""
        named = [path for path in inputs if path.endswith(b"Cargo.toml")]
        own = [path for path in named if os.path.basename(path) == b"Cargo.toml" and not path.startswith(b"../")]
        manifests = project.manifests(self.pyproject, self.backend, self.exists, list(map(os.fsdecode, own)))
        return manifests, cargo.closure(manifests, self.read, above=self.above)

    def read(self, path: str) -> Mapping[str, Any] | None:
        """The TOML in a file; an empty table where it is none, None where there is no file."""
        if path not in self.tables:
            data = self.disk.text(os.fsencode(path))
            self.tables[path] = None if data is None else self.parsed(path, data)
        return self.tables[path]

    def parsed(self, path: str, data: bytes) -> Mapping[str, Any]:
        """As `read`, of a file with these bytes."""
        if os.path.basename(path) in _OPAQUE:
            return {}
        try:
            return project.manifest(data.decode())
        except (ValueError, RecursionError):
            # What a configuration only names, such as the file of a variable, need not be TOML.
            self.unread += [path] if path.endswith((".toml", "/config")) else []
            return {}

    def discovered(self) -> list[Root]:
        """What builds were seen to read, as far as it is still there."""
        kinds = {path: self.disk.kind(os.fsencode(path)) for path in self.rules.discovered}
        return [
            Root(path=path, reason=f"seen by a build: {who}", kind="folder" if kinds[path] == stat.S_IFDIR else "file")
            for path, who in self.rules.discovered.items()
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
            folders, names = self.repository(lock)
            paths = [os.fsencode(normal(f"{folder}/.gitignore")) for folder in folders]
            texts = [self.disk.text(path, follow=False) for path in paths]  # git follows none
            if boundary.ignores(names, texts) and not self.is_tracked(lock):
                left_out[lock] = "a lock file that git ignores"
        return left_out

    def built(self, files: Iterable[bytes]) -> dict[str, str]:
        """Distributions of the project itself among `files`; not those that git tracks, or a build has read."""
        distributions: dict[str, str] = {}
        for path in (path for path in files if path.endswith(boundary.DISTRIBUTIONS)):
            place, own = os.fsdecode(path), boundary.project_of(os.path.basename(path)) in names(self.pyproject)
            if own and place not in self.rules.discovered and not self.is_tracked(place):
                distributions[place] = "a distribution of the project"
        return distributions

    def is_tracked(self, path: str) -> bool:
        """Whether a file is there, and git tracks it."""
        if not self.exists(path):
            return False
        folders, names = self.repository(path)
        place = os.fsencode(normal(f"{folders[0]}/.git"))
        index = self.disk.text(place + b"/index")
        if index is None:  # of a submodule, or of another working tree
            pointer = self.disk.text(place) or b""
            place = os.path.join(os.path.dirname(place), pointer.removeprefix(_POINTER).rstrip(b"\r\n"))
            index = self.disk.text(place + b"/index") if pointer.startswith(_POINTER) else None
        rest = boundary.shared(index or b"")
        more = self.disk.text(place + b"/sharedindex." + rest) if rest else None
        return any(boundary.tracks(part or b"", os.fsencode("/".join(names))) for part in (index, more))

    def repository(self, path: str) -> tuple[list[str], list[str]]:
        """The folders from the top of the repository down to that of a file, and the names of all below that top.

        Without a repository, the project and what is in it.
        """
        chain = [normal(f"{path}/..")]
        while not self.exists(normal(f"{chain[0]}/.git")):
            parent = normal(f"{chain[0]}/..")
            if parent.count("..") >= len(self.above):
                chain = [folder for folder in chain if not folder.startswith("..")] or chain[-1:]
                break
            chain.insert(0, parent)
        top = os.path.normpath(os.path.join(self.real, chain[0]))
        return chain, os.path.relpath(os.path.normpath(os.path.join(self.real, path)), top).split(os.sep)


def _is_at_the_root(root: Root) -> bool:
    """Whether a root is a crate with the project in its folder, or that of the project."""
    return root.kind == "crate" and not root.path.strip("./")


def _ordered(roots: Sequence[Root]) -> list[Root]:
    """Each path once, the wider of two kinds; the nearest first, and of these the outer ones."""
    first: dict[tuple[str, bool], Root] = {}
    for root in sorted(roots, key=lambda root: ("folder", "crate", "file", "glob").index(root.kind)):
        first.setdefault((root.path, root.kind == "glob"), root)
    return sorted(first.values(), key=lambda root: (root.path.count(".."), len(root.path.split("/")), root.path))


def snapshot(
    folder: str,
    select: Callable[[Disk], Selection],
    *,
    remembered: Remembered | None = None,
    now: Callable[[], int] = time.time_ns,
) -> Snapshot:
    """The inputs of the project directory `folder`, as `select` finds them, and their digest.

    Raises InputError where something can't be read or does not keep still, and what `select` raises.
    """

    def taken(look: Disk) -> Snapshot:
        started, selection = now(), select(look)
        seen = _Reader(look, remembered or {}, selection.rules.tables_of).read(selection.tree)
        inputs = tuple([Input(path=path, kind=kind, content=content) for path, kind, content, _ in seen])
        columns = digest.columns(inputs)
        said = selection.rules
        rules = digest.rules(include=said.include, exclude=said.exclude, always=said.always)
        return Snapshot(
            digest=rows.digest(rules, *columns),
            native=digest.native(rules, *columns),
            rules=rules,
            inputs=inputs,
            rows=tuple([row for *_, row in seen]),
            looks=look.looks(),
            started=started,
            idle=selection.idle,
            roots=tuple([(root.path, root.kind) for root in selection.roots]),
            locks=selection.locks,
            unread=selection.unread,
        )

    return steady(folder, taken)


def steady(folder: str, look: Callable[[Disk], T]) -> T:
    """What is seen of the project directory `folder` while it keeps still. Raises InputError where it does not."""
    for _ in range(_TIMES - 1):
        with contextlib.suppress(MovedError):
            return look(Disk(folder))
    try:
        return look(Disk(folder))
    except MovedError as error:
        raise _restless(error.path) from None


def contents(folder: str, paths: Sequence[bytes]) -> dict[bytes, tuple[str, bytes]]:
    """Path -> kind and content digest of files and folders, absolute or relative to `folder`.

    Of a folder the names in it count. What can't be read is left out.
    """
    held: dict[bytes, tuple[str, bytes]] = {}
    for path in paths:
        where = disk.at(os.fsencode(folder), path)
        with contextlib.suppress(OSError, ValueError, rows.RestlessError):
            if os.path.isdir(where):
                held[path] = "d", digest.of(b"\0".join(sorted(os.listdir(where))))
            elif (seen := rows.read(where, follow=True)) is not None:
                held[path] = os.fsdecode(seen[0]), seen[1]
    return held


class _Reader:
    """Reads inputs, but for those that are remembered."""

    def __init__(self, look: Disk, known: Remembered, tables_of: str | None) -> None:
        self.tree = look.tree
        self.look = look
        self.known = known
        self.tables_of = None if tables_of is None else os.fsencode(tables_of)

    def read(self, tree: Tree) -> list[_Seen]:
        """All inputs, sorted by path."""
        seen = [(disk.spelled(path), *self.file(path)) for path in tree.files]
        seen += [(disk.spelled(path), b"l", *self.link(path, link)) for path, link in tree.links.items()]
        seen += [(disk.spelled(path), b"?", digest.of(b""), self.lstat(path)) for path in tree.others]
        return sorted(seen)

    def file(self, path: bytes) -> tuple[bytes, bytes, Row]:
        """Kind, content digest and row of a regular file."""
        if path == self.tables_of and (tables := self.tables(path)) is not None:
            return tables
        remembered = self.known.get(path)
        if remembered is not None:
            row = self.lstat(path)
            if rows.stamp(rows.packed(row)) == remembered[0]:
                return *remembered[1:], row
        return self.contents(path)

    def tables(self, path: bytes) -> tuple[bytes, bytes, Row] | None:
        """As `file`, by what of a TOML file counts; None where it is none."""
        row = self.lstat(path)
        data = self.look.text(path)
        if data is None:
            return None
        try:
            return b"t", digest.of(project.content(data)), row
        except (ValueError, RecursionError):
            return None

    def contents(self, path: bytes, *, follow: bool = False) -> tuple[bytes, bytes, Row]:
        """Kind, content digest and row of a regular file that does not change while it is read."""
        try:
            content = rows.read(disk.at(self.tree, path), follow=follow)
        except OSError as error:
            raise disk.failure(path, error) from error
        except rows.RestlessError:
            raise _restless(path) from None
        if content is None:
            raise MovedError(path)
        return content

    def link(self, path: bytes, link: Link) -> tuple[bytes, Row]:
        """Content digest and row of a link."""
        if link.kind == b"f":
            kind, content, row = self.contents(path, follow=True)
            return digest.link(link.text, kind, content), row
        return digest.link(link.text, link.kind, link.stands), self.lstat(path)

    def lstat(self, path: bytes) -> Row:
        """The row of what lies at `path` itself."""
        status = self.look.status(path)
        if status is None:
            raise MovedError(path)
        return rows.row(status)


def _restless(path: bytes) -> InputError:
    return InputError(
        f"{os.fsdecode(path)} keeps changing while it is read",
        hint="wait for what writes there; if it is no source, list it in [tool.freshwheel] exclude",
    )
