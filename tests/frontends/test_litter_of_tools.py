"""The digest does not move because of what the tools of a working day leave in a tree.

Each tool is the real one, in an environment of its own outside of the tree, and is run as people run it. What it leaves
is named, so that a tool which no longer leaves it is noticed.
"""

import os
import shutil
import subprocess
import sys

import pytest
from uv import find_uv_bin

pytestmark = pytest.mark.slow

SCRIPTS = "Scripts" if os.name == "nt" else "bin"
PACKAGES = {"maturin-pyo3": "python/demo", "setuptools-rust-pyo3": "src/demo"}
TOOLS = (
    "build>=1.2",
    "hypothesis",
    "maturin>=1.9,<2",
    "mypy",
    "nox",
    "pdm-backend>=2.3",
    "pip",
    "pytest",
    "pytest-cov",
    "ruff",
    "tox>=4",
)
FAST = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0", "SETUPTOOLS_RUST_CARGO_PROFILE": "release"}
"""Cargo builds into the tree, as it does for people, but only once and without much ado."""
DIGEST = "import freshwheel; print(freshwheel.get_source_digest())"

SOURCES = {
    "tests/test_demo.py": (
        "from hypothesis import given, strategies\n\n\n@given(strategies.integers())\n"
        "def test_fails(number):\n    assert number < 100\n"
    ),
    "tox.ini": "[tox]\nenv_list = a\n[testenv]\nskip_install = true\ncommands = python -c pass\n",
    "noxfile.py": 'import nox\n\n\n@nox.session\ndef a(session):\n    session.run("python", "-c", "pass")\n',
}
"""What the project has for its tools."""


class Desk:
    """A copy of a project, at which somebody works."""

    def __init__(self, project, toolbox):
        self.fixture = project.fixture
        self.path = project.path
        self.package = PACKAGES[project.fixture]
        self.workshop = project.workshop
        self.toolbox = toolbox
        self.environ = {**project.environ, **FAST, "PYTHONDONTWRITEBYTECODE": ""}
        del self.environ["CARGO_TARGET_DIR"]

    def digest(self):
        """The digest of the tree as it is now."""
        return self.run(self.workshop.python, "-c", DIGEST)

    def state(self):
        """All files and folders in the tree, and when they were written."""
        paths = [
            os.path.join(folder, name) for folder, folders, files in os.walk(self.path) for name in (*folders, *files)
        ]
        return {(os.path.relpath(path, self.path), os.lstat(path).st_mtime_ns) for path in paths}

    def tool(self, name, *arguments, **how):
        """Runs a tool in the tree."""
        self.run(str(self.toolbox / name), *arguments, **how)

    def uv(self, *arguments):
        """Runs uv in the tree."""
        self.run(find_uv_bin(), *arguments)

    def run(self, *command, fails=False, **environ):
        """The standard output of a program in the tree."""
        environ = {**self.environ, **environ}
        done = subprocess.run(
            command, check=False, cwd=self.path, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert (done.returncode != 0) == fails, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def write(self, *names, text="x"):
        """Writes files as a tool would that is not at hand."""
        for name in names:
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def python_tests(desk):
    """pytest, with a test that fails, under coverage, with reports; and coverage of several processes."""
    desk.tool("pytest", "--cov", "--cov-report=html", "--cov-report=xml", fails=True)
    desk.tool("coverage", "run", "--parallel-mode", "-m", "pytest", fails=True)
    return ".pytest_cache", ".hypothesis", ".coverage", "htmlcov/index.html", "coverage.xml", "tests/__pycache__"


def linters(desk):
    """mypy, its server that still runs, and ruff."""
    desk.tool("mypy", "--ignore-missing-imports", desk.package)
    desk.tool("dmypy", "run", "--timeout", "20", "--", "--ignore-missing-imports", desk.package)
    desk.tool("ruff", "check", "--exit-zero")
    return ".mypy_cache", ".ruff_cache", ".dmypy.json"


def tox_and_nox(desk):
    """Test runners that make environments."""
    desk.tool("tox", "run")
    desk.tool("nox")
    return ".tox/a", ".nox/a"


def bytecode(desk):
    """Bytecode, in the folders of today and beside the sources."""
    desk.run(desk.workshop.python, "-m", "compileall", "-q", desk.package)
    desk.run(desk.workshop.python, "-m", "compileall", "-q", "-b", desk.package)
    return f"{desk.package}/__pycache__", f"{desk.package}/__init__.pyc"


def environments(desk):
    """Virtual environments, whatever they are named."""
    desk.run(sys.executable, "-m", "venv", "--without-pip", ".venv")
    desk.uv("venv", "--quiet", "env")
    desk.uv("venv", "--quiet", "sub/my-python")
    return ".venv/pyvenv.cfg", "env/pyvenv.cfg", "sub/my-python/pyvenv.cfg"


def vim(desk):
    """The backup and undo files of vim, and the swap files of three that were killed."""
    folder, name = desk.package, f"{desk.package}/__init__.py"
    text = (desk.path / name).read_bytes()
    if shutil.which("vim") and os.name != "nt":
        start = ("vim", "-u", "NONE", "-i", "NONE", "--not-a-term")
        saved = ("set nocompatible backup undofile backupskip=", "normal ax", "undo", "write!", "quit!")
        killed = ("set nocompatible shortmess+=A", f"edit! {name}", "normal ax", "preserve", "silent !kill -9 $PPID")
        desk.run(*start, "-es", *(f"+{one}" for one in saved), name)
        for _ in range(3):
            desk.run(*start, *(f"+{one}" for one in killed), fails=True)
        assert (desk.path / name).read_bytes() == text
    else:
        desk.write(*(f"{folder}/{one}" for one in (".__init__.py.swp", ".__init__.py.swn", "__init__.py~")))
    return f"{folder}/.__init__.py.swp", f"{folder}/.__init__.py.swn", f"{folder}/__init__.py~"


def other_editors(desk):
    """What kate, PyCharm, VS Code and file managers leave, by their names."""
    folder = desk.package
    desk.write(".idea/workspace.xml", ".idea/inspectionProfiles/x.xml", ".vscode/settings.json", f"{folder}/.DS_Store")
    desk.write(f"{folder}/Thumbs.db", "desktop.ini", f"{folder}/.__init__.py.kate-swp", f"{folder}/x.py___jb_tmp___")
    return ".idea", ".vscode"


def emacs(desk):
    """What emacs leaves, by its names; backends stumble over its lock, a link that leads nowhere."""
    folder = desk.package
    desk.write(f"{folder}/#__init__.py#", f"{folder}/__init__.py.~1~", "README.md~", "4913")
    if os.name != "nt":
        os.symlink("me@host.1234:1700000000", desk.path / folder / ".#__init__.py")
    return f"{folder}/#__init__.py#", "README.md~"


def pdm(desk):
    """The folder that the backend of PDM builds in."""
    project = desk.path.parent / "pdm"
    (project / "demo").mkdir(parents=True)
    (project / "demo" / "__init__.py").touch()
    table = '[project]\nname = "demo"\nversion = "1"\n[build-system]\nbuild-backend = "pdm.backend"\nrequires = []\n'
    (project / "pyproject.toml").write_text(table, encoding="utf-8")
    code = "import os, sys; os.chdir(sys.argv[1]); from pdm import backend; backend.build_editable('..')"
    desk.tool("python", "-c", code, str(project))
    shutil.copytree(project / ".pdm-build", desk.path / ".pdm-build")
    return (".pdm-build/demo-1.dist-info",)


def editable(desk):
    """An editable installation by pip, with all that the inner backend and cargo write into the tree."""
    desk.tool("python", "-m", "pip", "install", "--no-deps", "--editable", ".")
    return {
        "maturin-pyo3": ("target/.rustc_info.json", "python/demo/_native.*"),
        "setuptools-rust-pyo3": ("rust/target", "src/*.egg-info/PKG-INFO", "src/demo/_native.*"),
    }[desk.fixture]


def maturin_develop(desk):
    """An editable installation by maturin itself; other projects have nothing of the kind."""
    if desk.fixture != "maturin-pyo3":
        pytest.skip("no project of maturin")
    desk.tool("maturin", "develop", "--release", "--quiet", VIRTUAL_ENV=str(desk.toolbox.parent))
    return "target/release", "python/demo/_native.*"


def distributions(desk):
    """Source distributions and a wheel; before `editable`, for MANIFEST.in would have cargo's folder packed too."""
    desk.tool("python", "-m", "build", "--sdist")
    desk.uv("build", "--quiet", "--sdist")
    desk.tool("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", ".")
    return "dist/*.whl", "dist/*.tar.gz", "dist/.gitignore"


def wheel_in_the_root(desk):
    """The wheel that `pip wheel .` leaves where it is called."""
    desk.tool("python", "-m", "pip", "wheel", "--quiet", "--no-deps", ".")
    return ("*.whl",)


def locks_and_pins(desk):
    """The lock file and environment of uv, and what pins an interpreter."""
    desk.uv("sync", "--quiet", "--no-install-project", "--python", sys.executable)
    desk.uv("python", "pin", "--quiet", f"{sys.version_info[0]}.{sys.version_info[1]}")
    desk.write(".pdm-python", "poetry.lock", "pdm.lock", "pylock.toml")
    return "uv.lock", ".venv/pyvenv.cfg", ".python-version"


WORK = (
    distributions,
    editable,
    maturin_develop,
    wheel_in_the_root,
    locks_and_pins,
    python_tests,
    linters,
    tox_and_nox,
    environments,
    pdm,
    bytecode,
    vim,
    other_editors,
    emacs,
)
"""What is built comes first: litter that a backend packs into a wheel is an input from then on."""


@pytest.fixture(scope="module")
def toolbox(tmp_path_factory, outside):
    """The folder with the tools."""
    path = tmp_path_factory.mktemp("toolbox") / "venv"
    for command in (("venv", "--python", sys.executable, path), ("pip", "install", "--python", path, *TOOLS)):
        subprocess.run([find_uv_bin(), *command, "--quiet"], check=True, env=outside, stdin=subprocess.DEVNULL)
    return path / SCRIPTS


@pytest.fixture(
    scope="module", params=["maturin-pyo3", pytest.param("setuptools-rust-pyo3", marks=pytest.mark.nightly)]
)
def desk(request, tmp_path_factory, copy, toolbox):
    """One tree, on which all the work is done."""
    desk = Desk(copy(request.param, tmp_path_factory.mktemp("desk")), toolbox)
    for name, text in SOURCES.items():
        desk.write(name, text=text)
    return desk


@pytest.mark.parametrize("work", WORK)
def test_digest_stays_whatever_tools_leave(desk, work):
    """The tools left what they leave, and the tree is for freshwheel what it was."""
    state, digest = desk.state(), desk.digest()
    expected = work(desk)
    assert [pattern for pattern in expected if not list(desk.path.glob(pattern))] == []
    left = desk.state() - state
    assert left
    assert desk.digest() == digest, sorted(left)[:100]
