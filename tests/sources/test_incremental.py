"""For every tree and every sequence of changes: what the memory answers, a first run and the slow implementation agree.

Half of the steps run with the clock an hour ahead, so that all rows are trusted; right after writing none would be, and
a memory that is never believed can't be wrong. `tests/fuzz.py` runs the same for longer.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from freshwheel.base import rows
from freshwheel.base.errors import FreshwheelError
from freshwheel.build import recipes
from freshwheel.memory import memory, replay
from freshwheel.sources import disk

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no row is trusted on Windows")

HOUR = 3600 * 10**9
TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n"
STEPS = 40
"""Changes of one tree."""
ROADS = ("hit", "mended", "full", "spared", "sealed", "racy", "coarse")
"""How the memory answers: without a read, after a few, not at all, or only about contents; and the three clocks."""
SPEED = 20
"""Of the clock of a coarse file system: some of its seconds pass between two steps, and none between two edits."""

PYPROJECT = """
[build-system]
requires = ["freshwheel"]
build-backend = "freshwheel"

[project]
name = "demo"
dynamic = ["version"]
{project}

[tool.freshwheel]
backend = "{backend}"
requires = ["{requires}"]
{ours}

[tool.maturin]
manifest-path = "{manifest}"
module-name = "demo.core"

[tool.{table}]
number = {number}
"""
BACKENDS = {
    "plain": ("hatchling.build", "hatchling"),
    "setuptools": ("setuptools.build_meta", "setuptools-rust"),
    "maturin": ("maturin", "maturin"),
}
PROJECT = ('readme = "../README.md"', 'readme = "README"', 'license-files = ["../terms/*.txt"]', "")
OURS = (
    'include = ["../shared/**"]',
    'include = ["../notes.txt", "../data/*.txt"]',
    'exclude = ["skip/**"]',
    'include = ["../shared/**"]\nexclude = ["skip/**", "src/deep/**"]',
    "",
    "",
)
MANIFESTS = ("Cargo.toml", "native/Cargo.toml")
DEPENDENCIES = ("../core", "../elsewhere", "inner", "../native", "../tree/src/deep", "../../core", "nowhere")
FOLDERS = (
    *("tree", "tree/src", "tree/src/deep", "tree/demo", "tree/native", "tree/native/src", "tree/native/inner"),
    *("tree/skip", "tree/target", "tree/node_modules", "tree/__pycache__", "tree/ünï/çødé", "tree/a/b/c/d/e/f/g/h"),
    *("tree/LICENSES", "tree/demo.core.data", "tree/native/tests", "core", "core/src", "core/tests", "core/inner"),
    *("shared", "shared/sub", "elsewhere", "elsewhere/deep", "data", "terms", ".cargo", "tree/.cargo", "tree/.git"),
)
FILES = (
    *("a.py", "b.rs", "c.txt", "d.txt", "é.txt", "\udcff.bin", "LICENSE", "LICENSE~", "core.pyi", "about.py"),
    *(
        "uv.lock",
        ".ignore",
        "notes.txt",
        "x.pyc",
        "y~",
        "m.abi3.so",
        "__init__.py",
        "README",
        "README.md",
        ".yarn-integrity",
    ),
    *("Cargo.lock", "data", "shared", "terms", "skip", "core", "tests", ".git"),
)
ABOVE = (".cargo/config.toml", ".cargo/config", "rust-toolchain", "rust-toolchain.toml", "Cargo.toml", "Cargo.lock")
PROBES = 12
PROTECTED = ("pyproject.toml", "PKG-INFO", "real.toml")
"""Files that can't hold anything; they have changes of their own."""


class Ground:
    """A folder with a project and what lies beside it; nothing else is in the folders above."""

    def __init__(self, folder: Path, shape: str) -> None:
        self.folder = str(folder)
        self.shape = shape
        self.path = os.path.join(self.folder, "n/n/n/n/ground")
        self.tree = os.path.join(self.path, "tree")
        self.rng = chance("")

    def plant(self, rng: Random) -> Ground:
        """Makes a project and some files."""
        self.rng = rng
        for name in rng.sample(FOLDERS, 12):
            os.makedirs(os.path.join(self.path, name), exist_ok=True)
        os.makedirs(self.tree, exist_ok=True)
        self.mend()
        for _ in range(15):
            self.act("add", rng)
        for _ in range(0 if self.shape == "plain" else 3):
            self.act("manifest", rng)
        return self

    def act(self, kind: str, rng: Random) -> None:
        """One change; none where there is nothing to change."""
        self.rng = rng
        try:
            KINDS[kind](self)
        except OSError:
            return

    def mend(self) -> None:
        """The project can be read again, each pattern matches something, and the tree is no source distribution."""
        for name in ("shared/s.txt", "notes.txt", "data/d.txt"):
            path = os.path.join(self.path, name)
            for one in (os.path.dirname(path), path):
                if os.path.islink(one) or os.path.isdir(one) == (one == path):
                    with contextlib.suppress(FileNotFoundError):
                        self.remove(one)
            self.write(path, b"")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.tree, "PKG-INFO"))
        self.tables(broken=0)

    # --- what is there

    def all(self, *types: str) -> list[str]:
        """The paths of files, folders, and links and fifos; no links are followed."""
        found = []
        for top, folders, names in os.walk(self.path):
            for name in (*folders, *names):
                path = os.path.join(top, name)
                mode = os.lstat(path).st_mode
                kind = "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "link"
                if kind in types and (kind != "file" or name not in PROTECTED):
                    found.append(path)
        return sorted(found)

    def one(self, *types: str) -> str:
        """One of them."""
        found = [path for path in self.all(*types) if path != self.tree]
        if not found:
            raise FileNotFoundError
        return self.rng.choice(found)

    def folder_for(self) -> str:
        """A folder that is there, or is made."""
        if self.rng.random() < 0.7 and (found := self.all("folder")):
            return self.rng.choice([*found, self.path])
        path = os.path.join(self.path, self.rng.choice(FOLDERS))
        os.makedirs(path, exist_ok=True)
        return path

    def free(self) -> str:
        """A path, mostly one where nothing is."""
        return os.path.join(self.folder_for(), self.rng.choice(FILES))

    def text(self) -> bytes:
        """Any content; few lengths, and few values."""
        return self.rng.choice([b"%d", b"x = %d\n", b"# number %d\n"]) % self.rng.randrange(10)

    # --- changes

    def nothing(self) -> None:
        """Nobody does anything."""

    def write(self, path: str, data: bytes) -> None:
        """A file holds this; what else was there goes."""
        if os.path.islink(path) or (os.path.lexists(path) and not os.path.isfile(path)):
            self.remove(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def remove(self, path: str) -> None:
        """Nothing is there any more."""
        if os.path.isdir(path) and not os.path.islink(path):
            if (self.tree + "/").startswith(path + "/"):
                raise FileExistsError
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def edit(self) -> None:
        """A file holds something else."""
        self.write(self.one("file"), self.text())

    def flip(self, path: str) -> None:
        """A file of the same size holds something else."""
        with open(path, "r+b") as file:
            data = file.read()
            place = self.rng.randrange(len(data)) if data else 0
            file.seek(place)
            file.write(bytes([data[place] ^ 1]) if data else b"")

    def edit_in_secret(self) -> None:
        """The same size, and the same mtime."""
        path = self.one("file")
        status = os.stat(path)
        self.flip(path)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def touch(self) -> None:
        """Another mtime, now and then an odd one."""
        path = self.one("file", "folder", "link")
        times = self.rng.choice([None, (5, 5), (-5, -5), (1 << 61, 1 << 61)])
        os.utime(path, ns=times, follow_symlinks=False) if times else os.utime(path, follow_symlinks=False)

    def add(self) -> None:
        """A new file."""
        self.write(self.free(), self.text())

    def delete(self) -> None:
        """A file or link is gone."""
        self.remove(self.one("file", "link"))

    def rename(self) -> None:
        """A file, link or folder is elsewhere; now and then over another one."""
        source = self.one("file", "link", "folder")
        target = self.free()
        if not (self.tree + "/").startswith(source + "/") and not (target + "/").startswith(source + "/"):
            os.replace(source, target)

    def chmod(self) -> None:
        """Other permissions."""
        path = self.one("file")
        os.chmod(path, self.rng.choice([0o644, 0o755, 0o654, 0o744, 0o600]))

    def target(self, folder: str) -> str:
        """What a link in that folder may say."""
        path = self.rng.choice([*self.all("file", "folder", "link"), self.path])
        odd = ["nowhere", ".", "link", path]
        return self.rng.choice([*odd, *[os.path.relpath(path, folder)] * 8])

    def link(self) -> None:
        """A new link, maybe in the place of something."""
        path = os.path.join(self.folder_for(), self.rng.choice(["link", "other", *FILES]))
        target = self.target(os.path.dirname(path))
        if os.path.lexists(path):
            self.remove(path)
        os.symlink(target, path)

    def retarget(self) -> None:
        """A link leads elsewhere."""
        path = self.one("link")
        target = self.target(os.path.dirname(path))
        os.unlink(path)
        os.symlink(target, path)

    def make_folder(self) -> None:
        """A new folder, with something in it or not."""
        path = os.path.join(self.path, self.rng.choice(FOLDERS))
        os.makedirs(path)
        if self.rng.random() < 0.7:
            self.write(os.path.join(path, self.rng.choice(FILES)), self.text())

    def remove_folder(self) -> None:
        """A folder and all in it is gone."""
        self.remove(self.one("folder"))

    def swap(self) -> None:
        """Two files change places."""
        one, other = self.one("file"), self.one("file")
        os.rename(one, one + ".swap")
        if one != other:
            os.rename(other, one)
        os.rename(one + ".swap", other)

    def drop(self) -> None:
        """What tools leave in a tree."""
        name = self.rng.choice(["x.pyc", "y~", "m.abi3.so", "__pycache__/z.pyc", "uv.lock"])
        self.write(os.path.join(self.folder_for(), name), self.text())

    def become(self) -> None:
        """Something else stands there: a folder, a file, a fifo, a link."""
        path = self.one("file", "link", "folder")
        self.remove(path)
        make: list[Callable[[str], object]] = [
            os.mkdir,
            os.mkfifo,
            lambda path: self.write(path, self.text()),
            lambda path: os.symlink(self.target(os.path.dirname(path)), path),
        ]
        self.rng.choice(make)(path)

    def other_name(self) -> None:
        """A file has two names."""
        os.link(self.one("file"), self.free())

    def evidence(self) -> None:
        """A folder becomes one that is pruned, or is no longer one."""
        path = self.rng.choice(self.all("folder"))
        name = self.rng.choice(["CACHEDIR.TAG", "CACHEDIR.TAG", ".yarn-integrity", "__init__.py"])
        if path in {self.path, self.tree}:
            raise FileNotFoundError
        place = os.path.join(path, name)
        if os.path.lexists(place) and self.rng.random() < 0.5:
            self.remove(place)
        else:
            self.write(place, self.rng.choice([TAG, TAG, TAG.lower(), b""]))

    def manifest(self) -> None:
        """A crate has other dependencies, appears, or can't be read."""
        folder = self.rng.choice(["tree", "tree/native", "tree/native/inner", "core", "elsewhere", "tree/src/deep"])
        names = self.rng.sample(DEPENDENCIES, self.rng.randrange(4))
        lines = [f'd{number} = {{ path = "{name}" }}' for number, name in enumerate(names)]
        text = "\n".join(['[package]\nname = "x"', "[dependencies]", *lines])
        text = self.rng.choice([text, text, text, text + "\n[workspace]", "[workspace]", "broken"])
        self.write(os.path.join(self.path, folder, "Cargo.toml"), text.encode())

    def above(self) -> None:
        """What was not there, and would have decided, appears; or goes again."""
        path = os.path.join(self.path, self.rng.choice(["", "", "..", "../..", "tree"]), self.rng.choice(ABOVE))
        path = os.path.normpath(path)
        if os.path.lexists(path) and self.rng.random() < 0.7:
            self.remove(path)
        elif os.path.basename(path) == "Cargo.toml":
            self.write(path, self.rng.choice([b"[workspace]", b"[package]\nname = 'y'", b"[workspace]\nmembers = []"]))
        elif self.rng.random() < 0.2:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(self.rng.choice(["nowhere", os.path.join(self.tree, "pyproject.toml")]), path)
        else:
            self.write(path, b"")

    def git(self) -> None:
        """A repository begins or ends, or ignores the lock file."""
        folder = os.path.join(self.path, self.rng.choice(["", "tree", "tree/native"]))
        if self.rng.random() < 0.5:
            self.write(os.path.join(folder, ".gitignore"), self.rng.choice([b"", b"Cargo.lock\n", b"# Cargo.lock\n"]))
        elif os.path.lexists(os.path.join(folder, ".git")):
            self.remove(os.path.join(folder, ".git"))
        else:
            os.makedirs(os.path.join(folder, ".git"))

    def tables(self, broken: float = 0.05) -> None:
        """Other tables in pyproject, some of which do not count; or it becomes a link, or nothing that can be read."""
        rng, path = self.rng, os.path.join(self.tree, "pyproject.toml")
        backend, requires = BACKENDS[self.shape]
        ours = rng.choice(OURS)
        if self.shape != "plain" and rng.random() < 0.3:
            ours += '\nversion = { path = "about.py" }'
        text = PYPROJECT.format(
            project=rng.choice(PROJECT),
            backend=backend,
            requires=requires,
            ours=ours,
            manifest=rng.choice(MANIFESTS),
            table=rng.choice(["ruff", "pytest", "other", "tox"]),
            number=rng.randrange(3),
        )
        if rng.random() < broken:
            text = "["
        if rng.random() < 0.1:
            self.write(os.path.join(self.path, "real.toml"), text.encode())
            if os.path.lexists(path):
                self.remove(path)
            os.symlink("../real.toml", path)
        else:
            self.write(path, text.encode())

    def unpacked(self) -> None:
        """The tree becomes an unpacked source distribution, or is none any more."""
        path = os.path.join(self.tree, "PKG-INFO")
        if os.path.lexists(path):
            os.unlink(path)
        else:
            self.write(path, b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n\n")


KINDS: dict[str, Callable[[Ground], None]] = {
    "nothing": Ground.nothing,
    "edit": Ground.edit,
    "edit of the same size, mtime restored": Ground.edit_in_secret,
    "touch": Ground.touch,
    "add": Ground.add,
    "delete": Ground.delete,
    "rename": Ground.rename,
    "chmod": Ground.chmod,
    "link added": Ground.link,
    "link retargeted": Ground.retarget,
    "folder added": Ground.make_folder,
    "folder removed": Ground.remove_folder,
    "contents swapped": Ground.swap,
    "second edit in one moment": Ground.edit,
    "dropping": Ground.drop,
    "another type": Ground.become,
    "second name": Ground.other_name,
    "evidence": Ground.evidence,
    "manifest": Ground.manifest,
    "above the tree": Ground.above,
    "git": Ground.git,
    "pyproject": Ground.tables,
    "source distribution": Ground.unpacked,
}
USUAL = ("nothing", "edit", "edit of the same size, mtime restored", "touch", "chmod", "second edit in one moment")


class Coarse:
    """A file system that counts in whole seconds, on which time flies; else it is the real one."""

    def __init__(self) -> None:
        self.start = time.time_ns()

    def now(self) -> int:
        """The time there."""
        return self.flown(time.time_ns())

    def flown(self, moment: int) -> int:
        """What a real time is there."""
        return self.start + (moment - self.start) * SPEED

    def look(self, real: Callable[..., os.stat_result]) -> Callable[..., Any]:
        """The same look, with these times."""

        def looked(*place: Any, **options: Any) -> Any:
            return CoarseStatus(real(*place, **options), self)

        return looked


class CoarseStatus:
    """What a coarse file system says of a file."""

    def __init__(self, real: os.stat_result, system: Coarse) -> None:
        self.real = real
        self.st_mtime_ns, self.st_ctime_ns = (
            system.flown(moment) // 10**9 * 10**9 for moment in (real.st_mtime_ns, real.st_ctime_ns)
        )

    def __getattr__(self, name: str) -> Any:
        """All but the times."""
        return getattr(self.real, name)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change, and the clock by which it is looked at; it can be repeated alone."""

    kind: str
    seed: str
    sealed: bool


@dataclass(kw_only=True)
class Watcher:
    """Asks for the digest of one ground in three ways, and counts the roads that are taken."""

    ground: Ground
    naive: Any
    counts: Counter[str]
    fine: bool
    """Whether each change has a time of its own; else a trusted row must be let grow old before the next change."""
    coarse: Coarse | None = None
    """Where times are not exact; then only its own clock counts."""
    reads: list[bytes] = field(default_factory=list)
    refused: bool = False
    """Whether the project could not be read after the last step, or nothing is remembered of it."""

    def ask(self, *, sealed: bool) -> str | None:
        """The digest as the memory has it, or as the recipes find it and remember it; None where they refuse."""
        environ = {"FRESHWHEEL_CACHE_DIR": os.path.join(self.ground.folder, "cache")}
        now: Callable[[], int] = (lambda: time.time_ns() + HOUR) if sealed else time.time_ns
        if self.coarse is None:
            return self.asked(environ, now)
        with pytest.MonkeyPatch.context() as patch:
            for name in ("stat", "lstat", "fstat"):
                patch.setattr(os, name, self.coarse.look(getattr(os, name)))
            return self.asked(environ, self.coarse.now)

    def asked(self, environ: dict[str, str], now: Callable[[], int]) -> str | None:
        """As `ask`, by this clock."""
        before = self.remembered(environ)
        self.reads.clear()
        found = replay.source_digest(replay.Call(self.ground.tree, environ, None, now=now))
        if found is not None:
            self.counts["mended" if self.reads or self.remembered(environ) != before else "hit"] += 1
            return found
        self.reads.clear()
        found = self.recipe(environ, now)
        self.counts["refused" if found is None else "full"] += 1
        return found

    def cold(self) -> str | None:
        """The digest as a first run finds it."""
        warm = len(self.reads)
        self.reads.clear()
        cache = os.path.join(self.ground.folder, "empty")
        found = self.recipe({"FRESHWHEEL_CACHE_DIR": cache}, time.time_ns)
        shutil.rmtree(cache, ignore_errors=True)
        self.counts["spared"] += len(self.reads) > warm
        return found

    def recipe(self, environ: dict[str, str], now: Callable[[], int]) -> str | None:
        """The digest as the recipes find it."""
        call = recipes.Call(
            tree=self.ground.tree, environ=environ, hook="build_wheel", settings=None, say=print, now=now
        )
        try:
            return recipes.source_digest(call)
        except FreshwheelError:
            return None

    def remembered(self, environ: dict[str, str]) -> bytes | None:
        """The bytes of the memory."""
        path = memory.place(environ["FRESHWHEEL_CACHE_DIR"], memory.real(self.ground.tree))
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            return None

    def step(self, step: Step) -> str | None:
        """What is wrong after one more change, in words; None if nothing is."""
        rng = chance(step.seed)
        if self.refused and rng.random() < 0.7:
            self.ground.mend()
        self.ground.act(step.kind, rng)
        if step.kind == "second edit in one moment" and (files := self.ground.all("file")):
            path = rng.choice(files)
            self.ground.flip(path)
            self.ask(sealed=False)
            self.ground.flip(path)
        self.counts[step.kind] += 1
        self.counts["coarse" if self.coarse else "sealed" if step.sealed else "racy"] += 1
        found = {
            "incremental": self.ask(sealed=step.sealed),
            "cold": self.cold(),
            "naive": self.naive.of_project(Path(self.ground.tree)),
        }
        if step.sealed and not self.fine:
            time.sleep(0.011)
        self.refused = found["naive"] is None or os.path.lexists(os.path.join(self.ground.tree, "PKG-INFO"))
        return None if len(set(found.values())) == 1 else str(found)


def run(folder: Path, naive, counts: Counter[str], *, shape: str, seed: str, steps: Sequence[Step]) -> str | None:
    """What goes wrong on the way through `steps`, None if nothing does."""
    with pytest.MonkeyPatch.context() as patch:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        ground = Ground(folder, shape).plant(chance(seed))
        coarse = Coarse() if chance(f"{seed} coarse").random() < 0.25 else None
        watcher = Watcher(ground=ground, naive=naive, counts=counts, fine=is_fine(folder), coarse=coarse)
        real = rows.read

        def read(path: bytes, *, follow: bool):
            watcher.reads.append(path)
            return real(path, follow=follow)

        patch.setattr(rows, "read", read)
        for number, step in enumerate(steps):
            try:
                wrong = watcher.step(step)
            except Exception as error:  # noqa: BLE001 - it is told with the steps that lead to it
                wrong = repr(error)
            if wrong is not None:
                return f"step {number}: {wrong}"
    return None


def is_fine(folder: Path) -> bool:
    """Whether the file system gives each change that follows a look a time of its own."""
    path, times = folder / "probe", set()
    for number in range(PROBES):
        path.write_text(str(number))
        times.add(os.stat(path).st_ctime_ns)
    path.unlink()
    return len(times) == PROBES


def chance(seed: str) -> Random:
    """Chance that can be repeated."""
    return Random(seed)  # noqa: S311 - no secret


def planned(seed: str, count: int = STEPS) -> list[Step]:
    """The steps of a seed."""
    rng = chance(f"{seed} steps")
    steps, sealed = [], True
    for number in range(count):
        sealed ^= rng.random() < 0.3
        kind = rng.choice(USUAL if rng.random() < 0.6 else list(KINDS))
        steps.append(Step(kind=kind, seed=f"{seed} {number}", sealed=sealed))
    return steps


def shortest(folder: Path, naive, *, shape: str, seed: str, steps: Sequence[Step]) -> list[Step]:
    """Fewer steps that go wrong as well."""
    left = list(steps)
    for step in reversed(steps):
        fewer = [one for one in left if one is not step]
        if run(folder, naive, Counter(), shape=shape, seed=seed, steps=fewer) is not None:
            left = fewer
    return left


def check(folder: Path, naive, counts: Counter[str], *, shape: str, seed: str) -> None:
    """All is well with one seed."""
    steps = planned(seed)
    wrong = run(folder, naive, counts, shape=shape, seed=seed, steps=steps)
    if wrong is None:
        return
    few = shortest(folder, naive, shape=shape, seed=seed, steps=steps)
    again = run(folder, naive, Counter(), shape=shape, seed=seed, steps=few)
    raise AssertionError(f"shape {shape}, seed {seed!r}: {wrong}\nthese do: {few}\n{again}")


def watched(folder: Path, shape: str, **tables: str) -> Watcher:
    """Who asks about an empty project with these tables."""
    path = folder / "n/n/n/n/ground/tree/pyproject.toml"
    path.parent.mkdir(parents=True)
    backend, requires = BACKENDS[shape]
    texts = {"project": "", "ours": "", "manifest": "native/Cargo.toml", "table": "other", "number": 1}
    path.write_text(PYPROJECT.format(**{**texts, "backend": backend, "requires": requires, **tables}))
    ground = Ground(folder, shape)
    return Watcher(ground=ground, naive=None, counts=Counter(), fine=is_fine(folder))


def test_a_file_that_becomes_the_folder_of_a_pattern_is_seen(tmp_path):
    """A pattern for what is in a folder matches nothing while a file is there, and yet the file is looked at."""
    watcher = watched(tmp_path, "setuptools", project='license-files = ["../terms/*.txt"]')
    terms = Path(watcher.ground.path) / "terms"
    terms.write_text("a file")
    before = watcher.ask(sealed=True)
    terms.unlink()
    terms.mkdir()
    (terms / "a.txt").write_text("a licence")
    assert before != watcher.ask(sealed=True) == watcher.cold()


def test_a_folder_that_becomes_the_file_of_the_version_is_seen(tmp_path):
    """Even where nobody walks."""
    watcher = watched(tmp_path, "maturin", ours='version = { path = "apart/about.py" }')
    about = Path(watcher.ground.tree) / "apart" / "about.py"
    about.mkdir(parents=True)
    before = watcher.ask(sealed=True)
    about.rmdir()
    about.write_text("a file")
    assert before != watcher.ask(sealed=True) == watcher.cold()


@pytest.mark.parametrize("part", range(6))
@pytest.mark.parametrize("shape", BACKENDS)
def test_memory_a_first_run_and_the_slow_implementation_agree(tmp_path, naive_project, shape, part):
    """After each of many changes, by all roads."""
    assert disk.slack(str(tmp_path)) is not None, "nothing is remembered where the times are not known to be exact"
    counts: Counter[str] = Counter()
    left = list(ROADS)
    for number in range(6):
        if number < 3 or left:  # a road that chance has left out gets another chance
            check(tmp_path / "ground", naive_project, counts, shape=shape, seed=f"{part} {number}")
            left = [road for road in ROADS if not counts[road] and road != "coarse"]
    assert left == []
