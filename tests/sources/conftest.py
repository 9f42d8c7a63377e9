"""Trees to be planted, and a second, slow and simple implementation of what their digest is."""

from __future__ import annotations

import datetime as dt
import os
import posixpath
import re
import stat
import sys
from pathlib import Path

import pytest
import xxhash

from freshwheel.base.backends import Backend
from freshwheel.sources import selection
from freshwheel.sources.disk import Disk
from freshwheel.sources.selection import Rules

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "digest.md").read_text("utf-8")
TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n"


def snapshot(folder, *, include=(), exclude=(), always=(), **options):
    """The snapshot of a project that has no tables, and whose backend is not known."""
    rules = Rules(include=tuple(include), exclude=tuple(exclude), always=tuple(always))
    return selection.snapshot(folder, lambda look: selection.select(look, {}, Backend(name="any"), rules), **options)


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

    def of(self, data: bytes) -> bytes:
        """The content of a file."""
        return h(data)

    def rules(self, include=(), exclude=(), always=()) -> bytes:
        """What selected the inputs."""
        lists = [frame(*sorted({one.encode() for one in texts})) for texts in (include, exclude, always)]
        return h(frame(b"freshwheel inputs", b"5", *lists))

    def link(self, text: bytes, kind: bytes, target: bytes) -> bytes:
        """The content of a link."""
        return h(frame(text, kind, target))

    def left_out(self, block: str) -> list[list[str]]:
        """A list of dotted names, as the page has it."""
        found = re.search(rf"^```{block}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
        return [line.split(".") for line in found[1].splitlines()]

    def tables(self, pyproject: dict) -> bytes:
        """The canonical bytes of what counts in a parsed pyproject.toml."""
        return frame(*self.fields(self.counting(pyproject, [])))

    def counting(self, table: dict, path: list[str]) -> dict:
        """What counts of the table at a path."""
        ignored, counts = self.left_out("ignored"), {}
        for key, value in table.items():
            here = [*path, key]
            if here in ignored:
                continue
            is_above = isinstance(value, dict) and any(name[: len(here)] == here for name in ignored)
            left = self.counting(value, here) if is_above else value
            if left or not is_above:
                counts[key] = left
        return counts

    def fields(self, value) -> list[bytes]:
        """The fields of one value."""
        if isinstance(value, dict):
            below = [field for key in sorted(value) for field in (*self.fields(key), *self.fields(value[key]))]
            return [b"{", b"%d" % len(value), *below]
        if isinstance(value, list):
            return [b"[", b"%d" % len(value), *(field for one in value for field in self.fields(one))]
        if isinstance(value, (str, float)):
            return [b"s", value.encode("utf-8", "surrogatepass")] if isinstance(value, str) else [b"f", b"%r" % value]
        if isinstance(value, bool):
            return [b"b", b"True" if value else b"False"]
        if isinstance(value, int):
            return [b"i", (b"-" if value < 0 else b"") + b"0x%x" % abs(value)]
        tag = b"T" if isinstance(value, dt.datetime) else b"D" if isinstance(value, dt.date) else b"t"
        return [tag, self.time(value).encode()]

    def time(self, value: dt.date | dt.time) -> str:
        """A date, a time, or both."""
        words = [f"{value.year:04}-{value.month:02}-{value.day:02}"] if isinstance(value, dt.date) else []
        if isinstance(value, (dt.datetime, dt.time)):
            fraction = f".{value.microsecond:06}" if value.microsecond else ""
            words.append(f"{value.hour:02}:{value.minute:02}:{value.second:02}{fraction}")
        text = "T".join(words)
        if isinstance(value, dt.datetime) and value.tzinfo is not None:
            minutes = value.utcoffset() // dt.timedelta(minutes=1)
            text += f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
        return text

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
            if self.text(place) != b"/absolute":
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


class NaiveProject(Naive):
    """The same for a project, its tables, patterns and crates, as far as `test_incremental` plants them.

    Patterns of `exclude` are a folder and `/**`. Folders are those of `walk`, or crates, or named by a pattern.
    """

    LICENSES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")

    def of_project(self, tree: Path) -> str | None:
        """The digest of a project; None where it is none, or where a pattern of `include` matches nothing."""
        self.root = os.fsencode(os.path.realpath(tree))
        self.levels = min(10, len(os.fsdecode(self.root).strip("/").split("/")))
        pyproject = self.toml("pyproject.toml", broken=None)
        if pyproject is None or "tool" not in pyproject:
            return None
        ours = pyproject["tool"]["freshwheel"]
        include, exclude = ours.get("include", []), ours.get("exclude", [])
        self.excluded = [os.fsencode(text.removesuffix("/**")) for text in exclude]
        self.select(pyproject, include)
        always = ["pyproject.toml"]
        if "version" in ours:
            always.append(ours["version"]["path"])
        for path in always:
            self.name(os.fsencode(path))
        if self.entries[b"pyproject.toml"][0] in b"fx":
            self.entries[b"pyproject.toml"] = b"t", self.of(self.tables(pyproject))
        if not os.path.exists(os.path.join(self.root, b"PKG-INFO")) and not self.used >= set(include):
            return None
        return self.digest(self.entries, self.rules(include, exclude, always))

    def begin(self, built=()) -> None:
        """Nothing is found yet."""
        self.entries = {}
        self.real = {}
        self.waiting: list[tuple[bytes, bytes | None, str | None]] = []
        """Links to folders, the crates they are in, and the patterns that name them."""
        self.used: set[str] = set()
        self.by_pattern: set[bytes] = set()
        self.apart = set(built)
        """What cargo builds into."""

    def select(self, pyproject, include) -> None:
        """All inputs."""
        closed = pyproject["tool"]["freshwheel"]["backend"] == "maturin"
        built: set[bytes] | None = None
        while built is None or built != self.apart:
            self.begin(built or ())
            crates, files, locks = self.closure(self.manifests(pyproject if closed else None))
            built = {os.path.join(os.path.dirname(os.fsencode(lock)), b"target") for lock in locks}
        left_out = self.ignored(locks)
        named = self.named(pyproject, closed)
        patterns = [*include, *(path for path, kind in named if kind == "glob")]
        folders = {folder: "crate" for folder in crates if not closed or folder not in dict(named)}
        folders = {one: kind for one, kind in folders.items() if closed or one.startswith("..")}
        folders.update({path: kind for path, kind in named if kind == "folder"})
        taken = {path for path, kind in named if kind == "file" and self.exists(path)}
        taken |= {one for one in files if posixpath.dirname(one) not in crates}
        self.begin(built)
        for path in sorted(folders, key=lambda one: (one.count(".."), len(one.split("/")), one)):
            place = os.fsencode(path)
            if os.path.isdir(os.path.join(self.root, place)) and not self.is_excluded(place):
                crate = place if folders[path] == "crate" else None
                self.walk(place, crate, only=self.spoken(place, built, folders) if crate is not None else None)
        for path in taken:
            if not self.is_excluded(os.path.dirname(os.fsencode(path))):
                self.name(os.fsencode(path))
        for pattern in sorted(patterns):
            self.pattern(pattern)
        while self.waiting:
            batch, self.waiting = sorted(self.waiting, key=lambda one: (one[0], one[2] is None)), []
            for path, crate, pattern in batch:
                self.lead(path, crate, pattern)
        for path in {os.fsencode(one) for one in left_out} - self.by_pattern:
            self.entries.pop(path, None)

    def manifests(self, pyproject):
        """The manifests that `pyproject` names, or else those that lie in the project."""
        if pyproject is not None:
            return [pyproject["tool"]["maturin"]["manifest-path"]]
        self.walk(b"")
        return [os.fsdecode(p) for p in self.entries if p.split(b"/")[-1] == b"Cargo.toml" and self.regular(p)]

    def named(self, pyproject, closed):
        """What the tables name: paths and kinds."""
        project = pyproject["project"]
        found = [(project["readme"], "file")] if "readme" in project else []
        found += [(one, "glob") for one in project.get("license-files", [])]
        if pyproject["tool"]["freshwheel"]["backend"] == "hatchling.build":
            for up in self.ups()[:10]:
                if self.exists(f"{up}.gitignore"):
                    found.append((f"{up}.gitignore", "file"))
                if self.exists(f"{up}.gitignore") or self.exists(f"{up}.git"):
                    break
        if not closed:
            return [("", "folder"), *[one for one in found if one[0].startswith("..")]]
        if "license-files" not in project:
            found += [(f"{name}*", "glob") for name in self.LICENSES]
        module = pyproject["tool"]["maturin"]["module-name"]
        package = module.split(".")[0]
        if self.there(f"{package}/__init__.py") or not self.there(f"{package}/Cargo.toml"):
            found.append((package, "folder"))
            found += [(one, "file") for one in (".gitignore", ".ignore") if self.exists(package)]
        return [*found, (f"{module}.data", "folder"), (f"{module.split('.')[-1]}.pyi", "file")]

    # --- the walk

    def spoken(self, folder: bytes, built, folders) -> set[bytes] | None:
        """The names in the folder of a crate, with the project in it, that crates speak of; None elsewhere."""
        if folder.strip(b"./"):
            return None
        manifest = self.toml(os.fsdecode(os.path.join(folder, b"Cargo.toml")), broken={})
        package, library = manifest.get("package", {}), manifest.get("lib", {})
        main = [package.get("build"), library.get("path"), *(one.get("path") for one in manifest.get("bin", []))]
        only = {os.fsencode(path).split(b"/")[0] for path in main if isinstance(path, str)}
        only |= {
            b"src",
            b"build.rs",
            b".gitignore",
            b".ignore",
            b"README",
            b"README.md",
            b"README.rst",
            b"README.txt",
            b"Cargo.toml",
            b"Cargo.lock",
            b".cargo",
            b"rust-toolchain",
            b"rust-toolchain.toml",
        }
        while True:
            trial = NaiveProject()
            trial.root, trial.excluded = self.root, self.excluded
            trial.begin(built)
            trial.walk(folder, folder, only=only)
            for one in (os.fsencode(path) for path, kind in folders.items() if kind == "crate" and path.strip("./")):
                if os.path.isdir(os.path.join(self.root, one)) and not self.is_excluded(one):
                    trial.walk(one, one)
            sources = [path for path, (kind, _) in trial.entries.items() if path.endswith(b".rs") and kind in b"fx"]
            texts = [Path(os.fsdecode(os.path.join(self.root, path))).read_bytes() for path in sources]
            text = b"".join(re.split(rb"#\[cfg\(test\)\]\s*(?:pub\s+)?mod\s+\w+\s*\{", one)[0] for one in texts)
            names = os.listdir(os.path.join(self.root, folder))
            more = {name for name in names if any(name + end in text for end in (b"/", b'"', b"\\"))} - only
            if not more:
                return only
            only |= more

    def walk(
        self, path: bytes, crate: bytes | None = None, pattern: str | None = None, only: set[bytes] | None = None
    ) -> None:
        """A folder and all below it, whatever it holds; of the folder itself nothing but `only`."""
        where = os.path.join(self.root, path)
        if os.path.realpath(where) in self.real:
            return
        self.real[os.path.realpath(where)] = path
        for name in os.listdir(where):
            below = os.path.join(path, name)
            place = os.path.join(self.root, below)
            if name == b".git" or (name == b"__pycache__" and os.path.isdir(place)):
                continue
            if only is not None and name not in only:
                continue
            if os.path.isdir(place):
                if self.is_excluded(below):
                    continue
                if os.path.islink(place):
                    self.waiting.append((below, crate, pattern if pattern is None else "/" + pattern))
                elif not self.pruned(below, crate):
                    self.walk(below, crate, pattern)
            elif not name.endswith((b"~", b".pyc", b".abi3.so")) and (path or name != b"uv.lock"):
                self.take(below, pattern)

    def take(self, path: bytes, pattern: str | None = None) -> None:
        """What is no folder."""
        if pattern is not None:
            self.used.add(pattern)
            self.by_pattern.add(path)
        self.entries[path] = self.leaf(os.path.join(self.root, path))

    def name(self, path: bytes) -> None:
        """A file or link that is asked for by its name."""
        place = os.path.join(self.root, path)
        if os.path.islink(place) and not os.path.isdir(place):
            self.entries[path] = self.leaf(place)
        elif self.regular(path):
            self.entries[path] = self.file(place)

    def lead(self, path: bytes, crate: bytes | None, pattern: str | None) -> None:
        """A link to a folder; a pattern that begins with a slash names a folder above it."""
        place = os.path.join(self.root, path)
        known = self.real.get(os.path.realpath(place))
        bare = None if pattern is None else pattern.removeprefix("/")
        if path in self.entries:
            return
        if known is not None:
            if bare is not None:
                self.used.add(bare)
            self.entries[path] = (b"l", self.link(self.text(place), b"d", known or b"."))
        elif bare is not None and bare == pattern and os.fsdecode(path) == posixpath.dirname(bare) != "../shared":
            self.members(path, bare)
        elif (pattern is not None and bare == pattern) or not self.pruned(path, crate):
            self.entries[path] = (b"l", self.link(self.text(place), b"d", b""))
            if pattern is not None or self.text(place) != b"/absolute":  # else it is a place of this machine
                self.walk(path, crate, bare)

    def pruned(self, path: bytes, crate: bytes | None) -> bool:
        """Whether a folder is no input by what it holds."""
        place = os.path.join(self.root, path)
        kept = {b"Cargo.toml", b"pyproject.toml", b"__init__.py"} & set(os.listdir(place))
        if self.strange(place) or (path in self.apart and not kept):
            return True
        if crate is None:
            return False
        folder, _, name = path.rpartition(b"/")
        return b"Cargo.toml" in os.listdir(place) or (folder == crate and name in {b"tests", b"benches", b"examples"})

    def pattern(self, pattern: str) -> None:
        """What `folder/**`, `folder/*.end`, `start*` or a plain path matches."""
        if pattern.endswith("/**"):
            self.asked(os.fsencode(pattern[:-3]), pattern, whole=True)
        elif "*" not in pattern:
            self.asked(os.fsencode(pattern), pattern)
        else:
            folder = os.fsencode(posixpath.dirname(pattern))
            place = os.path.join(self.root, folder)
            if pattern.startswith("..") and os.path.realpath(place) in self.real and not os.path.islink(place):
                return
            if os.path.islink(place) and os.path.isdir(place):
                self.waiting.append((folder, None, pattern))
            elif os.path.isdir(place):
                self.members(folder, pattern)

    def members(self, folder: bytes, pattern: str) -> None:
        """What in a folder has a name that the last segment matches."""
        start, _, end = os.fsencode(posixpath.basename(pattern)).partition(b"*")
        for name in os.listdir(os.path.join(self.root, folder)):
            if name.startswith(start) and name.endswith(end) and name not in {b".git", b"__pycache__"}:
                self.asked(os.path.join(folder, name), pattern)

    def asked(self, path: bytes, pattern: str, *, whole: bool = False) -> None:
        """Something that a pattern names; `whole` ones name folders only."""
        place = os.path.join(self.root, path)
        if os.path.isdir(place):
            if self.is_excluded(path):
                return
            if os.path.islink(place):
                self.waiting.append((path, None, pattern))
            else:
                self.walk(path, None, pattern)
        elif os.path.lexists(place) and not whole:
            self.take(path, pattern)

    def is_excluded(self, path: bytes) -> bool:
        """Whether a folder is excluded."""
        return any(path == one or path.startswith(one + b"/") for one in self.excluded)

    # --- crates

    def closure(self, manifests):
        """Folders of crates, other files that count, and where the locks are."""
        built = {posixpath.dirname(one) for one in manifests}
        waiting, crates, locks = sorted(built), set(), set()
        files = {f"{up}.cargo/{name}" for up in self.ups() for name in ("config.toml", "config")}
        for folder in built:
            if self.there(self.joined(folder, "Cargo.toml")):
                locks.add(self.joined(self.workspace(folder), "Cargo.lock"))
        for up in self.ups():
            found = [f"{up}{name}" for name in ("rust-toolchain", "rust-toolchain.toml") if self.there(f"{up}{name}")]
            files.update(found)
            if found:
                break
        while waiting:
            folder = waiting.pop()
            manifest = self.toml(self.joined(folder, "Cargo.toml"), broken={})
            if manifest is None or folder in crates:
                continue
            files.add(self.joined(self.workspace(folder), "Cargo.toml"))
            if "workspace" in manifest and not manifest.get("package"):
                continue
            crates.add(folder)
            for one in manifest.get("dependencies", {}).values():
                if "path" in one and not one["path"].startswith("/"):
                    waiting.append(self.joined(folder, one["path"]))
        return crates, {one for one in files | locks if self.there(one)}, locks

    def workspace(self, folder: str) -> str:
        """The folder of the workspace root."""
        place = os.fsdecode(self.root)
        top = os.path.normpath(os.path.join(place, *[".."] * self.levels))
        here = os.path.normpath(os.path.join(place, folder))
        while True:
            path = os.path.relpath(here, place)
            manifest = self.toml(f"{path}/Cargo.toml", broken={})
            if manifest is not None and isinstance(manifest.get("workspace"), dict):
                return "" if path == "." else path
            if here == top:
                return folder
            here = os.path.dirname(here)

    def ignored(self, locks):
        """Locks that git ignores."""
        left_out = set()
        for lock in locks:
            folder = posixpath.dirname(lock)
            place, chain = os.path.normpath(os.path.join(os.fsdecode(self.root), folder)), []
            while True:
                chain.append(place)
                if os.path.exists(os.path.join(place, ".git")):
                    break
                if place == os.path.dirname(place):
                    root = os.fsdecode(self.root)
                    chain = [one for one in chain if (one + "/").startswith(root + "/")] or chain[:1]
                    break
                place = os.path.dirname(place)
            for one in chain:
                path = os.path.join(one, ".gitignore")
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        if b"Cargo.lock" in file.read().split(b"\n"):
                            left_out.add(lock)
        return left_out

    def ups(self):
        """The project directory and the folders above it, as the beginnings of paths."""
        return ["../" * level for level in range(self.levels + 1)]

    # --- files

    def joined(self, folder: str, path: str) -> str:
        """A path relative to the project."""
        root = os.fsdecode(self.root)
        found = os.path.relpath(os.path.normpath(os.path.join(root, folder, path)), root)
        return "" if found == "." else found

    def there(self, path: str) -> bool:
        """Whether a regular file is there, maybe behind a link."""
        return os.path.isfile(os.path.join(os.fsdecode(self.root), path))

    def exists(self, path: str) -> bool:
        """Whether anything is there, maybe behind a link."""
        return os.path.exists(os.path.join(os.fsdecode(self.root), path))

    def regular(self, path: bytes) -> bool:
        """Whether it is a regular file itself."""
        place = os.path.join(self.root, path)
        return os.path.isfile(place) and not os.path.islink(place)

    def toml(self, path: str, broken):
        """What is in a TOML file; None where there is none."""
        if not self.there(path):
            return None
        with open(os.path.join(os.fsdecode(self.root), path), "rb") as file:
            try:
                return tomllib.loads(file.read().decode())
            except ValueError:
                return broken


@pytest.fixture(scope="session")
def naive_project():
    """The second implementation, of a project."""
    return NaiveProject()
