"""The rig for situations in which an earlier wheel must not be handed out.

A `bench` holds one tiny project and all that belongs to its build: a cache directory, a home and a folder for temporary
files of its own. Its hooks are called as a frontend without build isolation calls them, each in a process of its own;
where only isolation will do, uv builds, from a prepared folder of wheels. Compilers need not be paid for importing what
they make: a source puts its word between `<<` and `>>`, and the word is read out of the wheel's members.

Each test runs twice: where builds are observed, and where they are not.
"""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyproject_hooks
import pytest
from uv import find_uv_bin

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"

BACKENDS = (
    "hatchling",
    "maturin",
    "meson-python",
    "scikit-build-core",
    "setuptools",
    "setuptools-rust",
    "setuptools-scm",
    "wheel",
)
"""What is installed beside freshwheel where hooks are called."""

LONG_AGO = 1_600_000_000
SLACK = 2.1
"""Seconds after which what was written counts as at rest."""

FROM_OUTSIDE = ("PATH", "LANG", "RUSTUP_TOOLCHAIN", "SYSTEMROOT", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables of who runs the tests that builds see too."""

C = """\
{head}
__attribute__((used, visibility("default"))) const char demo_word[] = "<<" {word} ">>";
__attribute__((visibility("default"))) void *PyInit__native(void) {{ return 0; }}
"""
MAIN = 'fn main() {{ println!("{{}}", concat!("<<", {word}, ">>")); }}\n'
SETUP = """\
from setuptools import Extension, setup

setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], {extension})])
"""
CMAKE = """\
cmake_minimum_required(VERSION 3.18)
project(demo LANGUAGES C)
add_library(_native MODULE demo/_native.c)
set_target_properties(_native PROPERTIES PREFIX "")
{more}
install(TARGETS _native DESTINATION demo)
"""
MESON = """\
project('demo', 'c', version: '1.0')
python = import('python').find_installation(pure: false)
{more}
python.extension_module('_native', 'demo/_native.c', subdir: 'demo', install: true, {extension})
"""
CARGO = '[package]\nname = "demo"\nversion = "1.0.0"\nedition = "2021"\n\n{more}\n'


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """For each push the first case of each test is enough; all others are for the night."""
    seen = set()
    for item in items:
        if item.path.parent == Path(__file__).parent and item.get_closest_marker("nightly") is None:
            name = (item.path, item.originalname)
            if name in seen:
                item.add_marker(pytest.mark.nightly)
            seen.add(name)


requires_c = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
requires_cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo")
requires_cmake = pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("ninja")), reason="needs CMake, ninja")
requires_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
requires_ninja = pytest.mark.skipif(shutil.which("ninja") is None, reason="needs ninja")


def c(word="WORD", head=""):
    """A C source whose word is the expression `word`."""
    return C.format(word=word, head=head)


def main(word):
    """A Rust program whose word is the constant expression `word`."""
    return MAIN.format(word=word)


def run(*command, environ, cwd=None):
    """What a command that must succeed says: standard output, standard error."""
    done = subprocess.run(
        list(map(str, command)), check=False, env=environ, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True
    )
    out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{out}\n{err}"
    return out, err


def write(path, text, mode=None):
    """A file with its folders; a program where `mode` says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    if mode is not None:
        path.chmod(mode)
    return path


def make_wheel(folder, name, version, files, requires=()):
    """A wheel by hand: `files` are path -> text, beside what every wheel has."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    members = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{member},,\n" for member in members) + f"{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in [*members.items(), (f"{info}/RECORD", record)]:
            archive.writestr(member, text)
    return path


@dataclasses.dataclass(frozen=True)
class Wheel:
    """What one build gave."""

    file: Path
    said: str = dataclasses.field(repr=False)
    """Standard error of the hook."""
    tree: "Path | None" = None
    """Where the extension modules of an editable are, too."""

    @property
    def hit(self):
        """Whether nothing was built."""
        return "was built:" not in self.said

    @property
    def decided(self):
        """`hit` or `built`."""
        return "hit" if self.hit else "built"

    @property
    def why(self):
        """Why it was built."""
        found = re.search(r"was built: ([^\n]*?)(?:; it is not stored|\n|$)", self.said)
        return found[1] if found else ""

    @property
    def unstored(self):
        """Why it is not stored."""
        found = re.search(r"it is not stored: ([^\n]*)", self.said)
        return found[1] if found else ""

    @property
    def members(self):
        """The names of its members but for the metadata."""
        with zipfile.ZipFile(self.file) as archive:
            return sorted(name for name in archive.namelist() if ".dist-info/" not in name)

    def read(self, member):
        """The bytes of a member."""
        with zipfile.ZipFile(self.file) as archive:
            return archive.read(member)

    @property
    def words(self):
        """All words between `<<` and `>>` in its members, and in the modules that an editable build put in the tree."""
        texts = [self.read(name) for name in self.members]
        if self.tree is not None:
            texts += [path.read_bytes() for path in self.tree.rglob("*.so") if "build" not in path.parts]
        return {word.decode() for text in texts for word in re.findall(rb"<<([\w .-]*)>>", text)}

    @property
    def word(self):
        """The one word that it says."""
        words = self.words
        assert len(words) == 1, f"{self.file.name} says {words}: {self.said}"
        return words.pop()


@dataclasses.dataclass(frozen=True)
class Bench:
    """One project, and all that belongs to its builds. `environ` may be changed; it is what hooks see."""

    folder: Path
    """Everything is below it: `tree`, and what stands beside that."""
    python: str
    """Of the environment in which hooks are called."""
    environ: dict = dataclasses.field(repr=False)
    observed: bool
    wheelhouse: "Path | None" = None

    @property
    def tree(self):
        """The project."""
        return self.folder / "tree"

    @property
    def outside(self):
        """A folder beside the project."""
        return self.folder / "beside"

    def within(self, python):
        """The same bench, with the hooks called in another environment."""
        path = os.pathsep.join([str(Path(python).parent), *self.environ["PATH"].split(os.pathsep)[1:]])
        return dataclasses.replace(self, python=python, environ={**self.environ, "PATH": path})

    def path(self, path):
        """A path, relative to the tree; `..` is beside it."""
        return Path(os.path.normpath(self.tree / path))

    def write(self, path, text, mode=None):
        """A file with its folders: text or bytes, relative to the tree."""
        return write(self.path(path), text, mode)

    def program(self, path, text):
        """A script that may be run."""
        return self.write(path, text, mode=0o755)

    def replace(self, path, old, new):
        """Other words in a file, where they must be."""
        text = self.path(path).read_text(encoding="utf-8")
        assert old in text
        self.write(path, text.replace(old, new))

    def pyproject(self, backend, requires, more="", *, lean=(), table=""):
        """`pyproject.toml`: `more` is further tables, `table` further keys of `[tool.freshwheel]`."""
        lean = f"requires = {json.dumps(list(lean))}\n" if lean else ""
        self.write(
            "pyproject.toml",
            f'[build-system]\nrequires = {json.dumps(["freshwheel", *requires])}\nbuild-backend = "freshwheel"\n\n'
            f'[project]\nname = "demo"\nversion = "1.0.0"\nrequires-python = ">=3.10"\n\n'
            f'[tool.freshwheel]\nbackend = "{backend}"\n{lean}{table}\n\n{more}\n',
        )

    def setuptools(self, source=None, *, extension="", setup=None, more="", table="", lean=()):
        """A project of setuptools: the package `demo`, and the extension `demo._native` from `demo/_native.c`.

        `extension` is arguments of the Extension; `setup` is a whole setup.py in its stead; `more` further tables.
        """
        requires = () if lean else ("setuptools",)
        packages = '[tool.setuptools]\npackages = ["demo"]\n'
        self.pyproject("setuptools.build_meta", requires, packages + more, table=table, lean=lean)
        self.write("setup.py", SETUP.format(extension=extension) if setup is None else setup)
        self.write("demo/__init__.py", "")
        if source is not None:
            self.write("demo/_native.c", source)

    def cmake(self, source, *, more="", lists=None, tables="", table=""):
        """A project of scikit-build-core: `more` stands after the target `_native`; `lists` is a whole CMakeLists."""
        packages = '[tool.scikit-build]\nwheel.packages = ["demo"]\n'
        self.pyproject("scikit_build_core.build", ["scikit-build-core"], packages + tables, table=table)
        self.write("CMakeLists.txt", CMAKE.format(more=more) if lists is None else lists)
        self.write("demo/__init__.py", "")
        self.write("demo/_native.c", source)

    def meson(self, source, *, more="", extension="", tables="", table=""):
        """A project of meson-python: `more` stands before the module, `extension` is among its arguments."""
        self.pyproject("mesonpy", ["meson-python"], tables, table=table)
        self.write("meson.build", MESON.format(more=more, extension=extension))
        self.write("demo/_native.c", source)

    def maturin(self, source, *, script=None, more="", tables="", table=""):
        """A project of maturin: one program without dependencies; `script` is its build.rs, `more` of Cargo.toml."""
        self.pyproject("maturin", ["maturin"], '[tool.maturin]\nbindings = "bin"\n' + tables, table=table)
        self.write("Cargo.toml", CARGO.format(more=more))
        self.write("src/main.rs", source)
        if script is not None:
            self.write("build.rs", script)
        self.lock()

    def lock(self):
        """Writes Cargo.lock anew, without the network."""
        run("cargo", "generate-lockfile", "--offline", environ=self.environ, cwd=self.tree)

    def git(self, *arguments, cwd=None):
        """The standard output of git, in the tree, without anybody's settings."""
        return run("git", *arguments, environ=self.environ, cwd=cwd or self.tree)[0].strip()

    def commit(self, message="all"):
        """Commits all that is there; the first time that makes the repository."""
        if not (self.tree / ".git").exists():
            self.git("init", "--quiet", "--initial-branch", "main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def run(self, *command, cwd=None):
        """The standard output of another program, as hooks would see the world."""
        return run(*command, environ=self.environ, cwd=cwd or self.tree)[0]

    def settle(self):
        """Waits until all files are old enough for their rows to be trusted."""
        newest = 0.0
        for place, _, names in os.walk(self.folder):
            if Path(place) != self.folder / "dist":
                newest = max(newest, *(os.lstat(os.path.join(place, name)).st_ctime for name in [*names, "."]))
        time.sleep(max(0.0, newest + SLACK - time.time()))

    def build(self, *, editable=False, settings=None, **environ):
        """One build by the hook, in a new process, with further variables."""
        said = []
        hooks, dist = self._hooks(said, environ), self._dist()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what setuptools says of editables
            name = (hooks.build_editable if editable else hooks.build_wheel)(str(dist), settings)
        return Wheel(dist / name, "".join(said), self.tree if editable else None)

    def metadata(self, *, editable=False):
        """The metadata of a build that comes later, by the hook."""
        hooks, folder = self._hooks([], {}), self._dist()
        hook = f"prepare_metadata_for_build_{'editable' if editable else 'wheel'}"
        return folder / getattr(hooks, hook)(str(folder))

    def _hooks(self, said, environ):
        """The hooks, each called in a new process with further variables; what that says is `said`."""

        def runner(command, cwd=None, extra_environ=None):
            every = {**self.environ, **environ, **(extra_environ or {})}
            said.append(run(*command, environ=every, cwd=cwd)[1])

        return pyproject_hooks.BuildBackendHookCaller(
            str(self.tree), "freshwheel", runner=runner, python_executable=self.python
        )

    def build_while(self, sign, act):
        """One build, during which `act` is called as soon as there is something at the path `sign`."""

        def watch():
            while not self.path(sign).exists():
                time.sleep(0.1)
            act()

        with ThreadPoolExecutor() as pool:
            done = pool.submit(watch)
            wheel = self.build()
            done.result()
        return wheel

    def uv(self, *options, **environ):
        """One build by `uv build`, isolated, with the wheels of the wheelhouse alone."""
        dist = self._dist()
        every = {**self.environ, **environ}
        command = ("build", "--wheel", "--verbose", "--python", sys.executable, "--out-dir", dist, *options, self.tree)
        said = run(find_uv_bin(), *command, environ=every)[1]
        [file] = dist.glob("*.whl")
        return Wheel(file, self._told(said, every))

    def check(self, change, *, before="one", after="two", again=False, unseen=False, build=None, **how):
        """The promise: what was built last is handed out again until `change` is called, and then no more.

        Observed, an unchanged project must be a hit, and one again after the change where `again` says so. Unobserved,
        a build whose wheel is not stored must say that; what is `unseen` by cargo itself then stays so, as it does
        without freshwheel. `build` is what builds, in the place of the hook.
        """
        build = build or self.build
        self.settle()
        first = build(**how)
        assert first.word == before
        second = build(**how)
        assert second.word == before
        if self.observed and not how.get("editable"):
            # What was read inside and declared nowhere is an input from the next build on.
            third = second if second.hit or not re.search("inputs? added", second.said) else build(**how)
            assert third.hit, second.said + third.said
            assert third.word == before
        else:
            assert second.hit or first.unstored or second.unstored or how.get("editable"), second.said
        change()
        last = build(**how)
        assert last.word == after or (unseen and last.unstored and not self.observed)
        if again and self.observed:
            self.settle()
            assert [build(**how).word for _ in range(2)] == [after, after]
            last = build(**how)
            assert last.hit, last.said
            assert last.word == after

    def _dist(self):
        dist = self.folder / "dist"
        shutil.rmtree(dist, ignore_errors=True)
        dist.mkdir(parents=True)
        return dist

    def _told(self, said, environ):
        """What uv showed of the hooks, and, as the hook itself would have said it, what `why` knows of the last one."""
        code = "from freshwheel.cli.main import main; import sys; sys.exit(main())"
        done = subprocess.run(
            [self.python, "-c", code, "why", "--json", str(self.tree)],
            check=False, env=environ, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        last = json.loads(done.stdout)["last"]
        if last["decided"] != "built":
            return said.replace("was built:", "")
        return f"{said}\n{last['wheel']} was built: {last['why']}; it is not stored: {last['unstored']}\n"


@pytest.fixture(scope="session")
def plain_environ():
    """The variables that builds see from who runs the tests; cargo's registry and toolchains are shared."""
    home = Path.home()
    kept = {name: os.environ[name] for name in FROM_OUTSIDE if name in os.environ}
    return {
        **kept,
        "CARGO_HOME": os.environ.get("CARGO_HOME", str(home / ".cargo")),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(home / ".rustup")),
        "CARGO_NET_OFFLINE": "true",
        "UV_PYTHON_DOWNLOADS": "never",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_NAME": "A" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "a@example.org" for who in ("AUTHOR", "COMMITTER")},
    }


@pytest.fixture(scope="session")
def own_wheel(tmp_path_factory):
    """Freshwheel's own wheel, of this tree."""
    folder = tmp_path_factory.mktemp("own")
    run(find_uv_bin(), "build", "--wheel", "--out-dir", folder, REPOSITORY, environ=dict(os.environ))
    [wheel] = folder.glob("freshwheel-*.whl")
    return wheel


@pytest.fixture(scope="session")
def make_workshop(own_wheel):
    """Makes an environment with freshwheel and backends: `make_workshop(path, *requirements)`; its Python."""

    def made(path, *requirements):
        run(find_uv_bin(), "venv", "--quiet", "--python", sys.executable, path, environ=dict(os.environ))
        python = str(path / SCRIPTS / "python")
        command = ("pip", "install", "--quiet", "--link-mode", "copy", "--python", python)
        run(find_uv_bin(), *command, f"freshwheel[cli] @ {own_wheel.as_uri()}", *requirements, environ=dict(os.environ))
        return python

    return made


@pytest.fixture(scope="session")
def workshop(tmp_path_factory, make_workshop):
    """The Python of an environment with freshwheel and all backends. No test may change it."""
    return make_workshop(tmp_path_factory.mktemp("workshop") / "venv", *BACKENDS)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory, own_wheel, make_workshop):
    """A folder with the wheels of freshwheel, of what it needs, of setuptools and of wheel. No test may change it."""
    folder = tmp_path_factory.mktemp("wheels")
    python = make_workshop(tmp_path_factory.mktemp("pip") / "venv", "pip")
    command = (python, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", folder)
    run(*command, own_wheel, "setuptools", "wheel", environ=dict(os.environ))
    return folder


@pytest.fixture(
    params=[pytest.param(True, id="observed"), pytest.param(False, id="unobserved", marks=pytest.mark.nightly)]
)
def observed(request):
    """Whether builds are observed: each test sees both at night; for each push there is `test_unobserved`."""
    return request.param


@pytest.fixture
def bench(tmp_path, plain_environ, workshop, observed):
    """An empty bench; tests call the hooks."""
    return _bench(tmp_path, plain_environ, workshop, observed=observed)


@pytest.fixture
def uv_bench(bench, wheels):
    """An empty bench whose `uv` finds the wheels of `wheelhouse`, to which a test may add."""
    wheelhouse = bench.folder.parent / "wheelhouse"
    shutil.copytree(wheels, wheelhouse)
    config = write(wheelhouse.parent / "uv.toml", f'no-index = true\nfind-links = ["{wheelhouse.as_posix()}"]\n')
    bench.environ.update(UV_CONFIG_FILE=str(config), UV_CACHE_DIR=str(wheelhouse.parent / "uv-cache"))
    return dataclasses.replace(bench, wheelhouse=wheelhouse)


def _bench(folder, plain, python, *, observed):
    """A bench in a folder."""
    own = {"FRESHWHEEL_CACHE_DIR": "cache", "HOME": "home", "TMPDIR": "tmp"}
    for name in own.values():
        (folder / name).mkdir()
    environ = {**plain, **{name: str(folder / path) for name, path in own.items()}}
    environ["PATH"] = os.pathsep.join([str(Path(python).parent), plain["PATH"]])
    if not observed:
        environ["FRESHWHEEL_OBSERVE"] = "off"
    bench = Bench(folder / "work", python, environ, observed)
    bench.tree.mkdir(parents=True)
    return bench
