"""Tiny real projects, laid out as real ones are, and the four invariants that each must keep.

A layout is a repository with a project somewhere in it. Its digest is asked for in this process. Wheels are built by
the hooks in a process of their own, with the inner backends from one environment and with one build folder of cargo,
which are made once in a session; so every layout needs names of crates that no other one has.
"""

import dataclasses
import os
import posixpath
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

from freshwheel.base.model import Mark
from freshwheel.build import recipes
from freshwheel.wheel import archive

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
BACKENDS = ("cffi", "maturin>=1.13,<2", "setuptools>=77", "setuptools-rust>=1.9", "setuptools-scm>=8")
REQUIRES = {
    "maturin": ("maturin>=1.13,<2",),
    "setuptools.build_meta": ("setuptools", "setuptools-rust", "setuptools-scm"),
    "hatchling.build": ("hatchling", "hatch-vcs"),
    "scikit_build_core.build": ("scikit-build-core",),
}

FROM_OUTSIDE = ("CARGO_BUILD", "CARGO_PROFILE", "CARGO_TARGET", "CIBUILDWHEEL", "FRESHWHEEL_", "GIT_", "MATURIN_")
FROM_OUTSIDE += ("PYO3_", "PYTHON", "RUSTFLAGS", "SETUPTOOLS_", "SOURCE_DATE_EPOCH", "VIRTUAL_ENV")
"""Beginnings of variables that would make the outcome depend on who runs the tests."""
NOBODY = {f"GIT_{role}_{key}": "a@b" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **NOBODY}

HOOK = """
import sys, freshwheel
name, folder, *more = sys.argv[1:]
print("\\n" + getattr(freshwheel, name)(folder, None, *more))
"""


def outside():
    """The environment of the tests, without what would make the outcome depend on it."""
    return {**{name: text for name, text in os.environ.items() if not name.startswith(FROM_OUTSIDE)}, **GIT}


def ended(*command, environ, cwd=None):
    """How a command ended, and what it wrote."""
    return subprocess.run(
        command, check=False, env=environ, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def run(*command, environ, cwd=None):
    """The standard output of a command that must succeed."""
    done = ended(*command, environ=environ, cwd=cwd)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def edit_of(path, data):
    """Other bytes for a file, which mean something else and can still be read as what the file is."""
    if path.name == "Cargo.lock":
        assert b'version = "0.1.0"' in data
        return data.replace(b'version = "0.1.0"', b'version = "0.1.9"')
    return data + (b"\n[edited]\nby = 1\n" if path.suffix == ".toml" else b"\nedited\n")


@dataclasses.dataclass(frozen=True)
class Layout:
    """A repository and a project in it. Paths are relative to the repository."""

    home: Path
    """A folder for whatever else the test needs."""
    root: Path
    folder: str
    """Where the project is; a dot: it is the whole repository."""

    @property
    def project(self):
        """The project directory."""
        return self.root / self.folder

    def files(self, texts):
        """Writes files, and the folders above them."""
        for path, text in texts.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text), encoding="utf-8", newline="\n")

    def crate(self, folder, name, tables="", *, version='version = "0.1.0"', main=None):
        """Writes a crate: a library, or the program `main`. `tables` is the rest of its manifest."""
        head = f'[package]\nname = "{name}"\n{version}\nedition = "2021"\n'
        source = "pub fn number() -> u32 {\n    7\n}\n" if main is None else f"fn main() {{\n    {main}\n}}\n"
        self.files({f"{folder}/Cargo.toml": head + textwrap.dedent(tables)})
        self.files({f"{folder}/src/{'lib' if main is None else 'main'}.rs": source})

    def pyproject(self, name, tables="", *, backend="maturin", project='dynamic = ["version"]', ours=""):
        """Writes `pyproject.toml`: `tables` is the rest of it, `ours` that of `[tool.freshwheel]`."""
        if backend == "maturin" and "[tool.maturin]" not in tables:
            tables = '[tool.maturin]\nbindings = "bin"\n'
        requires = ["freshwheel", *REQUIRES.get(backend, ())]
        text = f'[build-system]\nrequires = {requires}\nbuild-backend = "freshwheel"\n\n'
        text += f'[project]\nname = "{name}"\n{project}\n\n[tool.freshwheel]\nbackend = "{backend}"\n{ours}\n\n'
        self.files({f"{self.folder}/pyproject.toml": text + textwrap.dedent(tables)})

    def lock(self, folder="."):
        """Has cargo write the lock of the workspace in `folder`; it refuses manifests that say nonsense."""
        run("cargo", "metadata", "--offline", "--format-version=1", environ=outside(), cwd=self.root / folder)

    def git(self, *command, cwd="."):
        """The standard output of git, run in the repository."""
        options = ("protocol.file.allow=always", "init.defaultBranch=main", "core.autocrlf=false", "core.fsync=none")
        environ = {**outside(), "HOME": str(self.home), "USERPROFILE": str(self.home)}
        settings = [word for option in options for word in ("-c", option)]
        return run("git", *settings, *command, environ=environ, cwd=self.root / cwd).strip()

    def commit(self, message="all"):
        """Commits everything that git does not ignore, in a repository that is made if need be."""
        self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def at(self, root):
        """The same layout in another folder."""
        return dataclasses.replace(self, root=root)

    def copy(self, name="a copy"):
        """A copy of the whole repository in another place, under another name, with other times."""
        root = self.home / "far" / "away" / name
        return self.at(shutil.copytree(self.root, root, symlinks=True, copy_function=shutil.copy))

    def clone(self, name="a clone", *options):
        """A clone of what is committed."""
        root = self.home / name
        self.git("clone", "--quiet", *(options or ("--recurse-submodules",)), str(self.root), str(root))
        return self.at(root)

    def call(self, hook="build_wheel", settings=None, **environ):
        """One call of a hook, as the door would make it."""
        environ = {**outside(), "FRESHWHEEL_CACHE_DIR": str(self.home / "cache"), **environ}
        return recipes.Call(tree=str(self.project), environ=environ, hook=hook, settings=settings, say=sys.stderr.write)

    def digest(self, hook="build_wheel", settings=None, **environ):
        """The source digest of the project."""
        return recipes.source_digest(self.call(hook, settings, **environ))

    def label(self):
        """The label of the project."""
        return f"s{self.digest()[:12]}"

    def inputs(self):
        """The paths of the inputs."""
        files = recipes.build_inputs(self.call())["files"]
        return sorted(posixpath.normpath(posixpath.join(self.folder, path)) for path in files)

    def replace(self, path, old, new):
        """Replaces a text that must be there."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8", newline="\n")

    def moving(self, *paths):
        """Those of `paths` whose edit moves the digest."""
        before, moved = self.digest(), []
        for path in paths:
            file = self.root / path
            data = file.read_bytes()
            file.write_bytes(edit_of(file, data))
            moved += [path] if self.digest() != before else []
            file.write_bytes(data)
        assert self.digest() == before
        return moved

    def keeps_invariants(self, path):
        """Asserts all that can be asserted without a build; `path` is an input of the project."""
        self.is_free_of_places()
        self.counts_content_only(path)
        self.counts_names(path)

    def is_free_of_places(self):
        """Asserts that a copy and a clone elsewhere have the same digest."""
        assert self.copy().digest() == self.digest()
        assert self.clone().digest() == self.digest()

    def counts_content_only(self, path):
        """Asserts that new times, other permissions, and another branch and back change nothing."""
        before = self.digest()
        for folder, folders, names in os.walk(self.root):
            for name in folders + names:
                one = Path(folder, name)
                if not one.is_symlink() and ".git" not in one.parts:
                    one.chmod(one.stat().st_mode | 0o020)
                    os.utime(one, (10**9, 10**9))
        assert self.digest() == before
        self.git("checkout", "--quiet", "-b", "elsewhere")
        file = self.root / path
        file.write_bytes(edit_of(file, file.read_bytes()))
        self.git("commit", "--quiet", "--all", "--message", "elsewhere")
        assert self.digest() != before
        self.git("checkout", "--quiet", "main")
        assert self.digest() == before

    def counts_names(self, path):
        """Asserts that an input with another name, one that is gone, and a new empty one make three other digests."""
        file, digests = self.root / path, [self.digest()]
        file.rename(file.with_name("renamed"))
        digests.append(self.digest())
        file.with_name("renamed").rename(self.home / "away")
        digests.append(self.digest())
        (self.home / "away").rename(file)
        file.with_name("empty").touch()
        digests.append(self.digest())
        file.with_name("empty").unlink()
        assert len(set(digests)) == 4
        assert self.digest() == digests[0]


@dataclasses.dataclass(frozen=True)
class Built:
    """A finished wheel."""

    name: str
    members: dict = dataclasses.field(repr=False)
    """Their contents by name; the file itself is replaced by the next build."""
    mark: Mark | None
    said: str
    """What was written to standard error."""

    @classmethod
    def of(cls, path, said):
        """The wheel in a file."""
        with zipfile.ZipFile(path) as file:
            members = {name: file.read(name) for name in file.namelist()}
        return cls(path.name, members, archive.mark_of(str(path)), said)

    @property
    def version(self):
        """The version in its name."""
        return self.name.split("-")[1]

    def holds(self, text):
        """Whether any member has this text in it."""
        return any(text.encode() in data for data in self.members.values())


@dataclasses.dataclass(frozen=True)
class Workshop:
    """An environment with freshwheel and inner backends."""

    python: str
    environ: dict = dataclasses.field(repr=False)

    def hook(self, layout, name, folder, *more, **environ):
        """How a hook ended that was called in the project directory, as a frontend without isolation does."""
        (layout.home / folder).mkdir(parents=True, exist_ok=True)
        environ = {**self.environ, "FRESHWHEEL_CACHE_DIR": str(layout.home / "cache"), **environ}
        command = (self.python, "-c", HOOK, name, str(layout.home / folder), *map(str, more))
        return ended(*command, environ=environ, cwd=layout.project)

    def wheel(self, layout, hook="build_wheel", *more, dist="dist", **environ):
        """A wheel, really built."""
        path, said = self.made(layout, hook, dist, *more, **environ)
        return Built.of(path, said)

    def made(self, layout, name, folder, *more, **environ):
        """The path of what a hook made, and what was said."""
        done = self.hook(layout, name, folder, *more, **environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return layout.home / folder / done.stdout.splitlines()[-1], done.stderr

    def metadata(self, layout):
        """The path of the prepared `.dist-info`."""
        return self.made(layout, "prepare_metadata_for_build_wheel", "metadata")[0]

    def fixpoint(self, layout, hook="build_wheel"):
        """A wheel, after asserting that two builds leave the digest as it was, and name it."""
        before = layout.digest()
        both = [self.wheel(layout, hook), self.wheel(layout, hook)]
        for built in both:
            assert (built.mark.digest, built.mark.settled) == (before, True), built.said
        assert layout.digest() == before
        assert len({built.version for built in both}) == 1
        return both[1]


@pytest.fixture
def layout(tmp_path):
    """Makes the folder of a repository: `layout(folder of the project)`."""

    def make(folder="."):
        found = Layout(tmp_path, tmp_path / "repository", folder)
        found.project.mkdir(parents=True)
        return found

    return make


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """The one workshop."""
    folder = tmp_path_factory.mktemp("workshop")
    scripts = folder / "venv" / SCRIPTS
    python, environ = str(scripts / "python"), {**outside(), "UV_PYTHON_DOWNLOADS": "never"}
    run(find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(folder / "venv"), environ=environ)
    command = ("pip", "install", "--quiet", "--python", python, "--editable", str(REPOSITORY), *BACKENDS)
    run(find_uv_bin(), *command, environ=environ)
    search = os.pathsep.join([str(scripts), environ["PATH"]])
    cargo = {"CARGO_NET_OFFLINE": "true", "CARGO_TARGET_DIR": str(folder / "target")}
    return Workshop(python, {**environ, **cargo, "PATH": search})
