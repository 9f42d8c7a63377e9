"""Build folders of CMake and Meson that are kept, and a fresh one for setuptools."""

import configparser
import os

import pytest

from freshwheel.base import backends
from freshwheel.inner import build_folders

SCIKIT = backends.find("scikit_build_core.build", ())
MESON = backends.find("mesonpy", ())


def table(**values):
    """The tables of pyproject."""
    return {"tool": {"scikit-build": values}}


@pytest.mark.parametrize(
    ("backend", "pyproject", "settings", "environ", "folder"),
    [
        (SCIKIT, {}, None, {}, None),
        (SCIKIT, table(**{"build-dir": "kept"}), None, {}, "kept"),
        (SCIKIT, table(**{"build-dir": "kept"}), {"build-dir": "other"}, {}, "other"),
        (SCIKIT, table(**{"build-dir": "kept"}), {"skbuild.build-dir": "other"}, {}, "other"),
        (SCIKIT, {}, None, {"SKBUILD_BUILD_DIR": "other"}, "other"),
        (SCIKIT, table(overrides=[{"if": {}, "build-dir": "kept"}]), None, {}, "kept"),
        (SCIKIT, table(**{"build-dir": "build/{wheel_tag}"}), None, {}, "build"),
        (SCIKIT, table(**{"build-dir": "build/a-{wheel_tag}/b"}), None, {}, "build"),
        (SCIKIT, table(**{"build-dir": 3}), None, {}, ""),
        (SCIKIT, {"tool": 3}, None, {}, None),
        (SCIKIT, {"tool": {"scikit-build": {"overrides": [3]}}}, None, {}, None),
        (MESON, {}, {"builddir": "kept"}, {}, "kept"),
        (MESON, {}, {"build-dir": ["kept"]}, {}, ""),
        (MESON, table(**{"build-dir": "kept"}), None, {"SKBUILD_BUILD_DIR": "other"}, None),
        (backends.find("maturin", ()), {}, {"build-dir": "kept"}, {}, None),
    ],
)
def test_folder(backend, pyproject, settings, environ, folder):
    """Where each backend looks for it; what can't be understood is the whole tree, where nothing is believed."""
    assert build_folders.kept(backend, pyproject, settings, environ) == folder


def test_look(tmp_path):
    """Any file that moves gives another stamp; nothing there is no state."""
    folder = tmp_path / "kept"
    assert build_folders.look([], str(folder)) == {}
    (folder / "below").mkdir(parents=True)
    assert build_folders.look([], str(folder)) == {}
    file = folder / "below" / "build.ninja"
    file.write_text("")
    os.utime(file, ns=(700, 700))
    ((path, one),) = build_folders.look([], str(folder)).items()
    assert (path, one.newest) == (str(folder), 700)
    assert build_folders.look([], str(folder)) == {path: one}
    os.utime(file, ns=(800, 800))
    assert build_folders.look([], str(folder))[path].stamp != one.stamp


@pytest.mark.parametrize("path", [b"src/a.c", b"src/a.HPP", b"CMakeLists.txt", b"sub/meson.build", b"pyproject.toml"])
def test_watched(path):
    """What compilers and configurations read is known to ninja."""
    assert build_folders.unwatched([path]) == ""


@pytest.mark.parametrize("path", [b"src/a.proto", b"generate.py", b"words.txt"])
def test_unwatched(path):
    """A command may read anything else without a word."""
    assert build_folders.unwatched([b"src/a.c", path]) == path.decode()


def options(variables):
    """What the configuration says."""
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read(variables["DIST_EXTRA_CONFIG"], encoding="utf-8")
    return {name: dict(parser[name]) for name in parser.sections()}


def test_setuptools_works_in_an_empty_folder(tmp_path):
    """All that a build leaves is in the empty folder, the list of files too."""
    found = options(build_folders.setuptools(str(tmp_path), {}, "build_wheel"))
    places = [place for section in found.values() for place in section.values()]
    assert found["build"].keys() == {"build_base", "build_lib", "build_temp"}
    assert all(place.startswith(str(tmp_path) + os.sep) for place in places)
    assert os.path.isdir(found["egg_info"]["egg_base"])


@pytest.mark.parametrize("hook", ["build_editable", "build_sdist"])
def test_setuptools_in_other_hooks(tmp_path, hook):
    """An editable build has folders of its own, and its `.egg-info` stays in the tree."""
    assert options(build_folders.setuptools(str(tmp_path), {}, hook)).keys() == {"build"}


def test_configuration_of_the_user(tmp_path):
    """It stays in force, but for the folders, whichever way they are spelled."""
    user = tmp_path / "user.cfg"
    user.write_text("[build]\nbuild-base = a\nbuild_lib = b\nparallel = 2\n[x]\nY = 50%%\n")
    folder = tmp_path / "50%"
    folder.mkdir()
    found = options(build_folders.setuptools(str(folder), {"DIST_EXTRA_CONFIG": str(user)}, "build_wheel"))
    assert found["x"] == {"Y": "50%"}
    assert found["build"]["parallel"] == "2"
    assert "build-base" not in found["build"]
    assert found["build"]["build_lib"] == os.path.join(folder, "base", "lib")


@pytest.mark.parametrize("text", [b"no section\n", b"\xff"])
def test_broken_configuration_of_the_user(tmp_path, text):
    """It is left alone: setuptools says best what is wrong with it."""
    user = tmp_path / "user.cfg"
    user.write_bytes(text)
    assert build_folders.setuptools(str(tmp_path), {"DIST_EXTRA_CONFIG": str(user)}, "build_wheel") == {}


def test_what_setuptools_has_left(tmp_path):
    """A build in the old folder is told from one in the fresh one, and from one that made nothing."""
    folder, tree = tmp_path / "fresh", tmp_path / "tree"
    tree.mkdir()
    assert build_folders.left_by_setuptools(str(folder), str(tree), "build_wheel") == ""
    (tree / "build" / "lib.linux-x86_64-cpython-311").mkdir(parents=True)
    assert "build" in build_folders.left_by_setuptools(str(folder), str(tree), "build_wheel")
    assert build_folders.left_by_setuptools(str(folder), str(tree), "build_editable") == ""
    (folder / "base" / "lib").mkdir(parents=True)
    assert build_folders.left_by_setuptools(str(folder), str(tree), "build_wheel") == ""


@pytest.mark.parametrize(
    ("module", "concerned"),
    [
        ("setuptools.build_meta", True),
        ("scikit_build_core.setuptools.build_meta", True),
        ("scikit_build_core.build", False),
        ("maturin", False),
        ("hatchling.build", False),
        ("mesonpy", False),
        ("wrapper", True),
    ],
)
def test_who_runs_setuptools(module, concerned):
    """Any backend that nobody knows may run setuptools."""
    assert build_folders.runs_setuptools(backends.find(module, ()), module) is concerned
