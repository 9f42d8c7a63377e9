"""Extension modules among the sources of a tree."""

import importlib.machinery
import os

import pytest

from freshwheel.build import module_copies

ENDINGS = tuple(importlib.machinery.EXTENSION_SUFFIXES)
TAG = ENDINGS[0]


def found(tree, *roots):
    """The paths of the modules."""
    return sorted(os.fsdecode(path) for path in module_copies.extension_modules(str(tree), roots or ("",), ENDINGS))


def put(tree, *paths):
    """Files."""
    for path in paths:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).touch()


def test_modules_of_this_python_with_a_tag(tmp_path):
    """Others are of another Python, or of nobody knows which."""
    put(tmp_path, f"src/a/b{TAG}", f"c{TAG}", "src/a/d.so", "src/a/e.cpython-39-x86_64-linux-gnu.so", "src/a/f.py")
    assert found(tmp_path) == [f"c{TAG}", f"src/a/b{TAG}"]
    assert found(tmp_path, "src") == found(tmp_path, "src", "src/a") == [f"src/a/b{TAG}"]


def test_folders_that_hold_no_sources_are_left_out(tmp_path):
    """Environments, caches, version control, and what is hidden."""
    put(tmp_path, f"env/lib/a{TAG}", "env/pyvenv.cfg", f"target/b{TAG}", "target/CACHEDIR.TAG", f".tox/c{TAG}")
    assert found(tmp_path) == []


def test_folder_beside_the_project(tmp_path):
    """A package may lie above it."""
    put(tmp_path, f"shared/a{TAG}", "tree/x")
    assert found(tmp_path / "tree", "", "../shared") == [f"../shared/a{TAG}"]


def test_links_are_no_modules_and_lead_nowhere(tmp_path):
    """Only what lies here was put here."""
    put(tmp_path, f"elsewhere/a{TAG}", "tree/x")
    (tmp_path / "tree" / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "tree" / f"b{TAG}").symlink_to(tmp_path / "elsewhere" / f"a{TAG}")
    assert found(tmp_path / "tree") == []


def test_too_many_folders(tmp_path, monkeypatch):
    """Nobody searches for ever."""
    put(tmp_path, "a/b/c/d/x")
    monkeypatch.setattr(module_copies, "_MOST_FOLDERS", 3)
    with pytest.raises(module_copies.CrowdedError):
        found(tmp_path)


def test_root_that_is_not_there(tmp_path):
    """The caller knows what that means."""
    with pytest.raises(OSError, match="gone"):
        found(tmp_path, "gone")
