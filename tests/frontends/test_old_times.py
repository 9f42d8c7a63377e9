"""Sources whose times say less than their contents: what is built is what they say, and an unchanged tree stays alone.

Cargo goes by times. Each test shows first that the inner backend by itself, in a twin of the tree, hands out what the
sources are not; a test without that could not fail.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pyproject_hooks
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo"),
]

LONG_AGO = 1_600_000_000
NATIVE = """\
#[no_mangle]
pub extern "C" fn compiled() -> *const u8 {
    "compiled one\\0".as_ptr()
}
"""
"""In place of a module with pyo3, which takes half a minute to compile and has no part in this."""
FAST = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0", "SETUPTOOLS_RUST_CARGO_PROFILE": "release"}
CALL = "import ctypes, sys; f = ctypes.CDLL(sys.argv[1]).compiled; f.restype = ctypes.c_char_p; print(f().decode())"


@dataclasses.dataclass(frozen=True)
class Desk:
    """A tree with its build folder inside, as people have it, and a cache directory of its own."""

    folder: Path
    project: object

    @property
    def tree(self):
        """The tree."""
        return self.project.path

    @property
    def source(self):
        """The Rust source."""
        return self.tree / ("src/main.rs" if self.project.fixture == "maturin-nodeps" else "rust/src/lib.rs")

    @property
    def target(self):
        """The build folder of cargo."""
        return self.source.parents[1] / "target"

    @property
    def cache(self):
        """The cache directory."""
        return Path(self.project.environ["FRESHWHEEL_CACHE_DIR"])

    def write(self, word, when=None):
        """The source says `word`; its time is now, or long ago."""
        text = self.source.read_text(encoding="utf-8")
        old = "two" if "compiled two" in text else "one"
        self.source.write_text(text.replace(f"compiled {old}", f"compiled {word}"), encoding="utf-8", newline="\n")
        if when is not None:
            os.utime(self.source, (when, when))

    def build(self):
        """What is built through freshwheel says."""
        return self.said(self.project.hooks.wheel)

    def plain(self):
        """What the inner backend by itself builds says."""
        hooks = self.project.hooks
        backend = "maturin" if self.project.fixture == "maturin-nodeps" else "setuptools.build_meta"
        caller = pyproject_hooks.BuildBackendHookCaller(
            str(self.tree), backend, runner=hooks._run, python_executable=self.project.workshop.python
        )
        return self.said(lambda dist: dist / caller.build_wheel(str(dist)))

    def twin(self):
        """What the inner backend would hand out; the tree is left as it is."""
        aside = self.folder / "aside"
        self.tree.rename(aside)
        copied(aside, self.tree)
        try:
            return self.plain()
        finally:
            shutil.rmtree(self.tree)
            aside.rename(self.tree)

    def cargo(self):
        """Compile without any backend."""
        command = ["cargo", "build", "--release", "--offline", "--manifest-path", self.source.parents[1] / "Cargo.toml"]
        subprocess.run(command, cwd=self.tree, env=self.project.environ, check=True, capture_output=True)

    def said(self, wheel):
        """What the program or the library in a new wheel says."""
        dist = self.folder / "dist"
        shutil.rmtree(dist, ignore_errors=True)
        dist.mkdir()
        with zipfile.ZipFile(wheel(dist)) as archive:
            (name,) = [one for one in archive.namelist() if "/scripts/" in one or "_native" in one]
            file = Path(archive.extract(name, dist))
        file.chmod(0o755)
        command = [file] if "/scripts/" in name else [sys.executable, "-c", CALL, file]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]

    def times(self):
        """The time of each source, and of each unit that is compiled."""
        folders = [self.target, self.tree / ".git", self.tree / "build"]
        sources = [path for path in self.tree.rglob("*") if path.is_file() and not set(folders) & set(path.parents)]
        sources = [path for path in sources if ".egg-info" not in str(path)]
        units = list((self.target / "release" / ".fingerprint").rglob("*"))
        return {path: path.stat().st_mtime_ns for path in [*sources, *units]}

    def check_unchanged(self, word):
        """A build of the same tree says the same, touches nothing and compiles nothing."""
        before = self.times()
        assert len(before) > 8
        assert self.build() == word
        assert self.times() == before


def copied(source, target):
    """A copy with all times."""
    shutil.copytree(source, target, symlinks=True)


@pytest.fixture(scope="module", params=["maturin-nodeps", "setuptools-rust-pyo3"])
def built(request, copy, tmp_path_factory):
    """A desk on which "one" was built, and a copy of it to begin from."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "now").mkdir()
    project = copy(request.param, folder / "now")
    # Every build is a real one: what the store has needs no cargo.
    aside = {"FRESHWHEEL_CACHE_DIR": str(folder / "now" / "cache"), "FRESHWHEEL_STORE": "off"}
    environ = {**project.environ, **FAST, **aside}
    del environ["CARGO_TARGET_DIR"]
    desk = Desk(folder / "now", dataclasses.replace(project, environ=environ))
    if request.param != "maturin-nodeps":
        project.edit("rust/Cargo.toml", 'pyo3 = "0.30"\n', "")
        (project.path / "rust" / "Cargo.lock").unlink()
        subprocess.run(["cargo", "generate-lockfile", "--offline"], cwd=project.path / "rust", check=True, env=environ)
        project.configure('path = "rust/Cargo.toml"', 'path = "rust/Cargo.toml"\nbinding = "NoBinding"')
        (project.path / "src" / "demo" / "__init__.py").write_text("")
        desk.source.write_text(NATIVE, encoding="utf-8", newline="\n")
    assert desk.build() == "one"
    copied(folder / "now", folder / "kept")
    return desk


@pytest.fixture
def desk(built):
    """A desk on which "one" was built, at the same path for all tests: cargo goes by that as well."""
    shutil.rmtree(built.folder)
    copied(built.folder.parent / "kept", built.folder)
    return built


def test_unchanged_tree(desk):
    """The second build compiles nothing, and no file gets another time."""
    desk.check_unchanged("one")


def test_older_copy(desk):
    """`cp -p` of an older source is noticed."""
    desk.write("two", LONG_AGO)
    assert desk.twin() == "one"
    assert desk.build() == "two"
    desk.check_unchanged("two")


def test_bypass(desk):
    """`cargo build` by hand on other sources, and the old ones put back with their times."""
    first = desk.source.stat().st_mtime
    desk.write("two")
    desk.cargo()
    desk.write("one", first)
    assert desk.twin() == "two"
    assert desk.build() == "one"
    desk.check_unchanged("one")


@pytest.mark.parametrize("record", ["none", "newer"])
def test_restored_build_folder(desk, record):
    """A `target/` out of an archive, as continuous integration restores it, is not believed."""
    copied(desk.target, desk.folder / "target")
    desk.write("two", time.time())
    if record == "newer":
        assert desk.build() == "two"
    else:
        shutil.rmtree(desk.cache)
    shutil.rmtree(desk.target)
    (desk.folder / "target").rename(desk.target)
    desk.write("two", LONG_AGO)
    assert desk.twin() == "one"
    assert desk.build() == "two"
    desk.check_unchanged("two")


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_checkout_there_and_back(desk):
    """`git checkout` of another branch and back again, with the times of the commits put back as some do."""

    def git(*words):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
        subprocess.run(command, cwd=desk.tree, env=desk.project.environ, check=True, capture_output=True)

    git("init", "--initial-branch=one")
    (desk.tree / ".git" / "info" / "exclude").write_text("target/\nbuild/\n*.egg-info/\n")
    git("add", ".")
    git("commit", "-m", "one")
    git("checkout", "-b", "two")
    desk.write("two")
    git("commit", "-a", "-m", "two")
    assert desk.build() == "two"
    git("checkout", "one")
    assert desk.build() == "one"
    git("checkout", "two")
    os.utime(desk.source, (LONG_AGO, LONG_AGO))
    assert desk.twin() == "one"
    assert desk.build() == "two"
    desk.check_unchanged("two")


@pytest.mark.parametrize("change", ["older", "deleted"])
def test_python_sources_of_setuptools(project, tmp_path, change):
    """A module that is older than its copy in `build/`, or gone, is not handed out from there."""
    tree = project("data-scripts").with_environ(FRESHWHEEL_CACHE_DIR=str(tmp_path / "cache"))
    module = tree.path / "src" / "demo" / "words.py"
    module.write_text("WORD = 'one'\n")
    tree.hooks.wheel(tmp_path / "dist")
    module.unlink()
    if change == "older":
        module.write_text("WORD = 'two'\n")
        os.utime(module, (LONG_AGO, LONG_AGO))
    with zipfile.ZipFile(tree.hooks.wheel(tmp_path / "dist")) as archive:
        held = b"".join(archive.read(name) for name in archive.namelist())
    assert b"WORD = 'one'" not in held
    assert (b"WORD = 'two'" in held) == (change == "older")
