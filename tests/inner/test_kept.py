"""Build folders of CMake and Meson that are kept."""

import os

import pytest

from freshwheel.base import backends
from freshwheel.inner import kept_folders

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
    assert kept_folders.folder(backend, pyproject, settings, environ) == folder


def test_look(tmp_path):
    """Any file that moves gives another stamp; nothing there is no state."""
    folder = tmp_path / "kept"
    assert kept_folders.look(str(folder)) == {}
    (folder / "below").mkdir(parents=True)
    assert kept_folders.look(str(folder)) == {}
    file = folder / "below" / "build.ninja"
    file.write_text("")
    os.utime(file, ns=(7, 7))
    ((path, one),) = kept_folders.look(str(folder)).items()
    assert (path, one.newest) == (str(folder), 7)
    assert kept_folders.look(str(folder)) == {path: one}
    os.utime(file, ns=(8, 8))
    assert kept_folders.look(str(folder))[path].stamp != one.stamp


@pytest.mark.parametrize("path", [b"src/a.c", b"src/a.HPP", b"CMakeLists.txt", b"sub/meson.build", b"pyproject.toml"])
def test_watched(path):
    """What compilers and configurations read is known to ninja."""
    assert kept_folders.unwatched([path]) == ""


@pytest.mark.parametrize("path", [b"src/a.proto", b"generate.py", b"words.txt"])
def test_unwatched(path):
    """A command may read anything else without a word."""
    assert kept_folders.unwatched([b"src/a.c", path]) == path.decode()
