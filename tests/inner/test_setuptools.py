"""A fresh build folder for setuptools."""

import configparser
import os

import pytest

from freshwheel.base import backends
from freshwheel.inner import setuptools


def options(variables):
    """What the configuration says."""
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read(variables["DIST_EXTRA_CONFIG"], encoding="utf-8")
    return {name: dict(parser[name]) for name in parser.sections()}


def test_wheel(tmp_path):
    """All that a build leaves is in the empty folder, the list of files too."""
    found = options(setuptools.fresh(str(tmp_path), {}, "build_wheel"))
    places = [place for section in found.values() for place in section.values()]
    assert found["build"].keys() == {"build_base", "build_lib", "build_temp"}
    assert all(place.startswith(str(tmp_path) + os.sep) for place in places)
    assert os.path.isdir(found["egg_info"]["egg_base"])


def test_backend_that_is_not_known(tmp_path):
    """It may tell setuptools where to build, and look for the modules there: no option says where these go."""
    assert options(setuptools.fresh(str(tmp_path), {}, "build_wheel", known=False))["build"].keys() == {"build_base"}


@pytest.mark.parametrize("hook", ["build_editable", "build_sdist"])
def test_other_hooks(tmp_path, hook):
    """An editable build has folders of its own, and its `.egg-info` stays in the tree."""
    assert options(setuptools.fresh(str(tmp_path), {}, hook)).keys() == {"build"}


def test_configuration_of_the_user(tmp_path):
    """It stays in force, but for the folders, whichever way they are spelled."""
    user = tmp_path / "user.cfg"
    user.write_text("[build]\nbuild-base = a\nbuild_lib = b\nparallel = 2\n[x]\nY = 50%%\n")
    folder = tmp_path / "50%"
    folder.mkdir()
    found = options(setuptools.fresh(str(folder), {"DIST_EXTRA_CONFIG": str(user)}, "build_wheel"))
    assert found["x"] == {"Y": "50%"}
    assert found["build"]["parallel"] == "2"
    assert "build-base" not in found["build"]
    assert found["build"]["build_lib"] == os.path.join(folder, "base", "lib")


@pytest.mark.parametrize("text", [b"no section\n", b"\xff"])
def test_broken_configuration_of_the_user(tmp_path, text):
    """It is left alone: setuptools says best what is wrong with it."""
    user = tmp_path / "user.cfg"
    user.write_bytes(text)
    assert setuptools.fresh(str(tmp_path), {"DIST_EXTRA_CONFIG": str(user)}, "build_wheel") == {}


def test_left(tmp_path):
    """A build in the old folder is told from one in the fresh one, and from one that made nothing."""
    folder, tree = tmp_path / "fresh", tmp_path / "tree"
    tree.mkdir()
    assert setuptools.left(str(folder), str(tree), "build_wheel") == ""
    (tree / "build" / "lib.linux-x86_64-cpython-311").mkdir(parents=True)
    assert "build" in setuptools.left(str(folder), str(tree), "build_wheel")
    assert setuptools.left(str(folder), str(tree), "build_editable") == ""
    (folder / "base" / "lib.linux-x86_64-cpython-311").mkdir(parents=True)
    assert setuptools.left(str(folder), str(tree), "build_wheel") == ""


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
def test_concerns(module, concerned):
    """Any backend that nobody knows may run setuptools."""
    assert setuptools.concerns(backends.find(module, ()), module) is concerned
