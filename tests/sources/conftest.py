"""Trees to be planted, and a second, slow and simple implementation of what their digest is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import xxhash

from freshwheel.backends import Backend
from freshwheel.sources import content, selection
from freshwheel.sources.disk import Disk
from freshwheel.sources.selection import Rules

TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n"


def snapshot(folder, *, include=(), exclude=(), always=(), **options):
    """The snapshot of a project that has no tables, and whose backend is not known."""
    rules = Rules(include=tuple(include), exclude=tuple(exclude), always=tuple(always))
    return content.snapshot(folder, lambda look: selection.select(look, {}, Backend(name="any"), rules), **options)


class Grove:
    """One tree in a folder of its own, so that there is room beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ground" / "tree"
        self.path.mkdir(parents=True)

    def plant(self, *names: str | bytes, **contents: bytes) -> Grove:
        """Makes files, with their own names as content; a name that ends with `/` is a folder."""
        for name in names:
            path = os.path.join(os.fsencode(self.path), os.fsencode(name))
            if path.endswith(b"/"):
                os.makedirs(path, exist_ok=True)
            else:
                self.write(name, contents.get("of", os.fsencode(name)))
        return self

    def write(self, name: str | bytes, data: bytes) -> Grove:
        """Makes one file, and the folders above it."""
        path = os.path.join(os.fsencode(self.path), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        return self

    def link(self, name: str | bytes, target: object) -> Grove:
        """Makes one symbolic link."""
        path = os.path.join(os.fsencode(self.path), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(os.fsencode(os.fspath(target)), path)
        return self

    def snapshot(self, **rules):
        """The snapshot of the tree."""
        return snapshot(str(self.path), **rules)

    def digest(self, **rules):
        """The source digest of the tree."""
        return self.snapshot(**rules).digest

    def names(self, **rules):
        """The paths of the inputs."""
        return [os.fsdecode(one.path) for one in self.snapshot(**rules).inputs]

    def pruned(self):
        """The folders that are pruned, and why."""
        return dict(selection.select(Disk(str(self.path)), {}, Backend(name="any"), Rules()).tree.pruned)

    def kinds(self, **rules):
        """The paths of the inputs and their kinds."""
        return {os.fsdecode(one.path): one.kind.decode() for one in self.snapshot(**rules).inputs}


@pytest.fixture(scope="session")
def taken():
    """What takes the snapshot of any folder."""
    return snapshot


@pytest.fixture
def grove(tmp_path):
    """An empty tree."""
    return Grove(tmp_path)


def h(data: bytes) -> bytes:
    """XXH3-128 with the most significant byte first."""
    return xxhash.xxh3_128_intdigest(data).to_bytes(16, "big")


def frame(*fields: bytes) -> bytes:
    """Each field behind its length."""
    out = b""
    for field in fields:
        out += len(field).to_bytes(8, "little") + field
    return out


class Naive:
    """Everything that the reference pages say, said once more and without any thought of speed."""

    def rules(self, include=(), exclude=(), always=()) -> bytes:
        """What selected the inputs."""
        lists = [frame(*sorted({one.encode() for one in texts})) for texts in (include, exclude, always)]
        return h(frame(b"freshwheel inputs", b"2", *lists))

    def link(self, text: bytes, kind: bytes, target: bytes) -> bytes:
        """The content of a link."""
        return h(frame(text, kind, target))

    def digest(self, entries: dict[bytes, tuple[bytes, bytes]], rules: bytes) -> str:
        """The digest of entries: path -> kind and content."""
        names = b"\0".join(sorted(entries))
        contents = b"".join(kind + content for _, (kind, content) in sorted(entries.items()))
        return h(b"DGST1\0" + rules + len(names).to_bytes(8, "little") + names + contents).hex()

    def file(self, path: bytes) -> tuple[bytes, bytes]:
        """Kind and content of a file."""
        with open(path, "rb") as file:
            return (b"x" if os.stat(path).st_mode & stat.S_IXUSR else b"f"), h(file.read())

    def of_tree(self, tree: Path) -> str:
        """The digest of a tree without patterns, as far as `strange` knows the evidence."""
        self.root = os.fsencode(tree)
        self.entries: dict[bytes, tuple[bytes, bytes]] = {}
        self.real: dict[bytes, bytes] = {}
        self.links: list[bytes] = []
        self.walk(b"")
        while self.links:
            batch = sorted(self.links)
            self.links.clear()
            for path in batch:
                self.follow(path)
        return self.digest(self.entries, self.rules())

    def walk(self, path: bytes) -> None:
        """A folder and all below it."""
        where = os.path.join(self.root, path)
        if os.path.realpath(where) in self.real:
            return
        self.real[os.path.realpath(where)] = path
        for name in os.listdir(where):
            below = os.path.join(path, name)
            place = os.path.join(self.root, below)
            if name == b".git" or (name == b"__pycache__" and os.path.isdir(place)):
                continue
            if os.path.islink(place) and os.path.isdir(place):
                self.links.append(below)
            elif os.path.isdir(place):
                if not self.strange(place):
                    self.walk(below)
            elif not name.endswith((b"~", b".pyc", b".abi3.so")):
                self.entries[below] = self.leaf(place)

    def follow(self, path: bytes) -> None:
        """A link to a folder."""
        place = os.path.join(self.root, path)
        known = self.real.get(os.path.realpath(place))
        if known is not None:
            self.entries[path] = (b"l", self.link(self.text(place), b"d", known or b"."))
        elif not self.strange(place):
            self.entries[path] = (b"l", self.link(self.text(place), b"d", b""))
            self.walk(path)

    def strange(self, place: bytes) -> bool:
        """Whether evidence prunes a folder."""
        names = os.listdir(place)
        if b"__init__.py" in names or b"Cargo.toml" in names:
            return False
        tag = os.path.join(place, b"CACHEDIR.TAG")
        if os.path.isfile(tag) and not os.path.islink(tag):
            with open(tag, "rb") as file:
                if file.read().startswith(TAG.strip()):
                    return True
        return os.path.basename(place) == b"node_modules" and b".yarn-integrity" in names

    def text(self, place: bytes) -> bytes:
        """The text of a link."""
        text = os.readlink(place)
        return b"/absolute" if text.startswith(b"/") else text

    def leaf(self, place: bytes) -> tuple[bytes, bytes]:
        """Kind and content of what is no folder."""
        if not os.path.islink(place):
            return self.file(place) if os.path.isfile(place) else (b"?", h(b""))
        if os.path.isfile(place):
            return b"l", self.link(self.text(place), *self.file(place))
        return b"l", self.link(self.text(place), b"?" if os.path.exists(place) else b"", b"")


@pytest.fixture(scope="session")
def naive():
    """The second implementation."""
    return Naive()
