"""What an inner backend would ask for, told without it."""

import os

import pytest

from freshwheel.base import backends
from freshwheel.base.model import Project
from freshwheel.inner.distributions import Build, extras
from freshwheel.inner.programs import Answer

PROGRAMS = pytest.mark.skipif(os.name == "nt", reason="programs are found by other endings there")


@pytest.fixture
def asked(tmp_path):
    """The extras of a backend for a machine with these programs and their versions."""

    def told(backend, pyproject, programs=(), **environ):
        folder = tmp_path / "programs"
        folder.mkdir(exist_ok=True)
        versions = dict(programs)
        for name in versions:
            (folder / name).write_text("")
            (folder / name).chmod(0o755)

        def run(command, *, cwd, environ):
            del cwd, environ
            name = command[0].rpartition("/")[2]
            return Answer(status=0, output=f"{name} version {versions[name]}\n".encode())

        [known] = [one for one in backends.KNOWN if one.name == backend]
        environ = {"PATH": str(folder), **environ}
        project = Project(tree=str(tmp_path), pyproject=pyproject, sdist_version=None)
        build = Build(project=project, hook="build_wheel", environ=environ, private=())
        return extras(known, build, run=run, platform="linux")

    return told


def scikit(**settings):
    """A `pyproject.toml` with settings of scikit-build-core."""
    return {"tool": {"scikit-build": settings}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cmake_minimum_required(VERSION 3.26)", "cmake>=3.26"),
        ("# old\ncmake_minimum_required (VERSION 3.18...3.30 FATAL_ERROR)\n", "cmake>=3.18"),
        ("CMAKE_MINIMUM_REQUIRED(\n  VERSION 3.20.1)\n", "cmake>=3.20.1"),
        ("cmake_minimum_required(VERSION 3.5)", "cmake>=3.15"),
        ("# cmake_minimum_required(VERSION 3.26)", "cmake>=3.15"),
        ("project(demo)", "cmake>=3.15"),
    ],
)
def test_cmake_is_of_the_version_that_its_file_wants(asked, tmp_path, text, wanted):
    """As scikit-build-core reads it; nothing older than it can use."""
    (tmp_path / "CMakeLists.txt").write_text(text)
    assert asked("scikit-build-core", {}) == [wanted, "ninja>=1.5"]


def test_tools_are_of_the_versions_that_the_settings_want(asked, tmp_path):
    """They win over the file; and the file may lie elsewhere."""
    (tmp_path / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.26)")
    stated = scikit(cmake={"version": ">=3.30,<4"}, ninja={"version": ">=1.11"})
    assert asked("scikit-build-core", stated) == ["cmake>=3.30,<4", "ninja>=1.11"]
    assert asked("scikit-build-core", scikit(cmake={"minimum-version": "3.29"}))[0] == "cmake>=3.29"
    assert asked("scikit-build-core", scikit(cmake={"version": "CMakeLists.txt"}))[0] == "cmake>=3.26"
    (tmp_path / "native").mkdir()
    (tmp_path / "native" / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.28)")
    assert asked("scikit-build-core", scikit(cmake={"source-dir": "native"}))[0] == "cmake>=3.28"


@PROGRAMS
def test_program_that_is_too_old_for_the_project_is_asked_for(asked, tmp_path):
    """The least version that any project could use is not enough."""
    (tmp_path / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.26)")
    assert asked("scikit-build-core", {}, {"cmake": "3.25.1", "ninja": "1.11"}) == ["cmake>=3.26"]
    assert asked("scikit-build-core", {}, {"cmake": "3.26.0", "ninja": "1.11"}) == []


def test_settings_that_ask_for_packages_are_heard(asked):
    """Metadata providers and `build.requires`; without CMake there are no tools."""
    provider = "scikit_build_core.metadata.setuptools_scm"
    table = scikit(
        wheel={"cmake": False}, build={"requires": ["numpy>=2", 7]}, metadata={"version": {"provider": provider}}
    )
    assert asked("scikit-build-core", table) == ["numpy>=2", "setuptools-scm"]


@pytest.mark.parametrize("odd", [None, 7, "text", [], [1], {"cmake": 1, "version": []}])
def test_settings_of_odd_types_are_no_error(asked, odd):
    """Scikit-build-core itself will say what is wrong with them."""
    for table in (
        {"tool": odd},
        {"tool": {"scikit-build": odd}},
        scikit(cmake=odd, ninja=odd, build=odd, metadata=odd, wheel=odd),
        scikit(cmake={"version": odd if odd != "text" else "no specifier", "source-dir": odd}),
        {"build-system": {"requires": odd}},
    ):
        for backend in ("scikit-build-core", "setuptools", "maturin", "meson-python"):
            assert isinstance(asked(backend, table), list)


@pytest.mark.parametrize(
    ("requires", "needed"),
    [
        (["setuptools>=77"], False),
        (["freshwheel", "Setuptools ~= 80.0"], False),
        (["setuptools"], False),
        (["setuptools>=61"], False),
        (["setuptools!=80"], False),
        (["setuptools<70"], True),
        (["setuptools>=61,<=68.2"], True),
        (["setuptools==69.*"], True),
        (["setuptools~=65.0; python_version < '4'"], True),
        ([], False),
        (["not a requirement >>"], False),
    ],
)
def test_wheel_is_asked_for_where_only_an_old_setuptools_may_come(asked, requires, needed):
    """Since 70.1 setuptools has its own, and a new one comes where nothing holds it down."""
    for table in ({"build-system": {"requires": requires}}, {"tool": {"freshwheel": {"requires": requires}}}):
        assert asked("setuptools", table) == (["wheel"] if needed else [])


@PROGRAMS
def test_program_of_which_any_version_will_do_is_not_started(asked):
    """Cargo may be rustup's, which goes by files of the tree."""
    assert asked("maturin", {}) == ["puccinialin"]
    assert asked("maturin", {}, {"cargo": "no version at all"}) == []
