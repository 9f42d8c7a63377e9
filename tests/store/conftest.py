"""Stores, wheels, and a system that refuses."""

import builtins
import contextlib
import copy
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from freshwheel.store import upkeep
from freshwheel.store.store import Draft, Store

CALLS = ("open", "fstat", "stat", "lstat", "mkdir", "rename", "replace", "unlink", "utime", "scandir")
KEY = "ab" * 32
TAG = bytes(range(16))


class Faults:
    """The functions of `os`, and of open files below some folders, their calls counted, and one made to go wrong.

    `reached` is called with the name before call number `at`, and may raise; after it, too, if it is to `last`.
    """

    def __init__(self, folders, at, reached, *, last=False):
        self.folders = tuple(map(os.fspath, folders))
        self.at = at
        self.reached = reached
        self.last = last
        self.count = 0
        self.handles = set()

    def hits(self, where):
        """Whether a call is about the folders."""
        return where in self.handles if isinstance(where, int) else os.fsdecode(where).startswith(self.folders)

    def is_there(self, path):
        """Whether there is such a folder."""
        try:
            self.real["stat"](path)
        except OSError:
            return False
        return True

    def counted(self, name, otherwise=lambda: None):
        """One call; `otherwise` is what it does where it goes wrong."""
        number, self.count = self.count, self.count + 1
        if number == self.at or (self.last and number > self.at):
            otherwise()
            self.reached(name)

    def wrapped(self, name, real):
        """One function of `os`."""

        def call(where, *more, **options):
            watched = self.hits(where) and (name != "scandir" or self.is_there(where))
            if watched:
                self.counted(name)
            answer = real(where, *more, **options)
            if name == "open" and watched:
                self.handles.add(answer)
            return answer

        return call

    def opened(self, where, *more, **options):
        """As `open`."""
        watched = self.hits(where)
        file = self.real_open(where, *more, **options)
        self.handles.discard(where)
        return Watched(file, self) if watched else file

    @contextlib.contextmanager
    def active(self):
        """While the functions are replaced."""
        self.real, self.real_open = {name: getattr(os, name) for name in CALLS}, open
        try:
            builtins.open = self.opened
            for name, function in self.real.items():
                setattr(os, name, self.wrapped(name, function))
            yield self
        finally:
            builtins.open = self.real_open
            for name, function in self.real.items():
                setattr(os, name, function)


class Watched:
    """An open file, whose calls are counted."""

    def __init__(self, file, faults):
        self.file = file
        self.faults = faults

    def __enter__(self):
        """Itself."""
        return self

    def __exit__(self, *_):
        """As that of a file."""
        self.close()

    def read(self, *size):
        """As that of a file."""
        self.faults.counted("read")
        return self.file.read(*size)

    def write(self, data):
        """As that of a file; where it goes wrong, half of it is written."""
        self.faults.counted("write", lambda: self.file.write(bytes(data)[: len(data) // 2]))
        return self.file.write(data)

    def close(self):
        """As that of a file, which is closed even where that goes wrong."""
        self.faults.counted("close", self.file.close)
        self.file.close()


class Bench:
    """A store in a folder, and wheels beside it."""

    def __init__(self, folder):
        self.folder = folder
        self.cache = folder / "cache"
        self.target = folder / "dist" / "demo-1.0-py3-none-any.whl"
        self.target.parent.mkdir(exist_ok=True)
        self.opened()

    def moved(self, folder):
        """The same, for a copy of the folder; its store is not opened."""
        other = copy.copy(self)
        other.folder, other.cache = folder, folder / "cache"
        other.target = folder / "dist" / self.target.name
        return other

    def opened(self):
        """The store, opened again."""
        self.store = Store.open(str(self.cache))
        return self.store

    def wheel(self, content=b"wheel", name="demo-1.0-py3-none-any.whl"):
        """The path of a file that passes for a wheel."""
        folder = self.folder / "made" / hashlib.sha256(content).hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_bytes(content)
        return str(path)

    def draft(self, key=KEY, **more):
        """What a build leaves."""
        fields = {"base": "1.0", "parts": {"abi": "cp311"}, "milliseconds": 9}
        return Draft(key=key, **{**fields, **more})

    def put(self, content=b"wheel", key=KEY, finished=(), **more):
        """What comes of storing a wheel with this content."""
        made = {tag: self.wheel(text) for tag, text in dict(finished).items()}
        return self.store.put(self.draft(key, **more), self.wheel(content), made)

    def flaws(self):
        """What is wrong in the store."""
        return upkeep.flaws(self.store.shelf)

    def taken(self, key=KEY, tree=None):
        """The bytes that a hit hands out; None where there is none."""
        entry = self.store.find(key, tree=tree)
        if entry is None or not self.store.hand_out(entry.inner.blob, str(self.target)):
            return None
        return self.target.read_bytes()

    def lying(self, where=""):
        """The files of the store, relative to its folder."""
        root = self.cache / "v1" / where
        return sorted(path.relative_to(self.cache / "v1").as_posix() for path in root.rglob("*") if path.is_file())

    def blob(self, content):
        """The path of the blob with this content."""
        return next(
            path for path in (self.cache / "v1" / "blobs").rglob("*") if path.is_file() and path.read_bytes() == content
        )

    @property
    def index(self):
        """The path of the entry of the usual key."""
        return self.cache / "v1" / "index" / KEY[:2] / KEY


@pytest.fixture
def memory_path():
    """A folder in memory where there is one: thousands of stores are made in it."""
    memory = "/dev/shm"  # noqa: S108 - a folder of a random name in it
    folder = tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None)
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.fixture
def bench(tmp_path):
    """A store, empty."""
    return Bench(tmp_path)


@pytest.fixture
def bench_at():
    """Makes a store in a folder."""
    return Bench


@pytest.fixture
def faults():
    """Makes a system that goes wrong at one point."""
    return Faults
