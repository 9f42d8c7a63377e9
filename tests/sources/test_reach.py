"""Pure Python that shapes more of an editable installation than itself."""

import pytest

from freshwheel.model import Input
from freshwheel.sources import reach

MODULES = ("src/demo/__init__.py", "src/demo/about.py", "src/demo/sub/__init__.py", "src/other/about.py")


def reaching(tree, name="setuptools", requires=("setuptools>=77",), pyproject=None, **files):
    """The modules that count, of a project with two packages and these other files."""
    texts = {path.replace("_dot_", "."): text for path, text in files.items()}
    for path, text in {**dict.fromkeys(MODULES, ""), "src/other/__init__.py": "", **texts}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    paths = sorted([*MODULES, "src/other/__init__.py", *(path for path in texts if "/" not in path)])
    inputs = [Input(path=path.encode(), kind=b"f", content=bytes(16)) for path in paths]
    found = reach.reaching(str(tree), inputs, pyproject or {}, name=name, requires=requires)
    return [one.path.decode() for one in found]


ALL = sorted([*MODULES, "src/other/__init__.py"])


@pytest.mark.parametrize(
    "script",
    [
        "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('demo._c', ['src/demo/_c.c'])])\n",
        "import sys, numpy\nfrom setuptools import setup\nflags = ['-g'] if sys.platform else []\nsetup()\n",
        "from glob import glob\nfrom pybind11.setup_helpers import build_ext\nsetup(cmdclass={'x': build_ext})\n",
        "from setuptools import setup, find_packages\nsetup(packages=find_packages('src'))\n",
    ],
)
def test_usual_script_reads_no_module(tmp_path, script):
    """What it does can be told from its text."""
    assert reaching(tmp_path, setup_dot_py=script) == []


@pytest.mark.parametrize(
    "script",
    [
        "version = open('src/demo/about.py').read()\n",
        "from pathlib import Path\nPath('x').read_text()\n",
        "import importlib\n",
        "import subprocess\n",
        "from Cython.Build import cythonize\n",
        "from numpy import fromfile as open\nopen('x')\n",
        "from os import popen\n",
        "from setuptools import setup\nsetup(cffi_modules=['build_it'])\n",
        "from setuptools import setup, Extension\nsetup(ext_modules=[Extension('a', ['src/demo/about.py'])])\n",
        "exec(compile('1', '', 'exec'))\n",
        "def broken(:\n",
        "x = '" + "y" * (1 << 20) + "'\n",
    ],
)
def test_any_other_script_may_read_all(tmp_path, script):
    """Reading, running, importing, and what is no Python."""
    assert reaching(tmp_path, setup_dot_py=script) == ALL


@pytest.mark.parametrize(("text", "expected"), [("[metadata]\nname = demo\n", []), ("version = attr: demo.x\n", ALL)])
def test_setup_cfg(tmp_path, text, expected):
    """It may name a module or a file."""
    assert reaching(tmp_path, setup_dot_cfg=text) == expected


def test_commands_of_the_project_may_read_all(tmp_path):
    """They are modules of the tree, whatever they do."""
    assert reaching(tmp_path, pyproject={"tool": {"setuptools": {"cmdclass": {"build_ext": "demo.x"}}}}) == ALL


@pytest.mark.parametrize("requirement", ["Cython", "mypy[mypyc]", "cffi>=1", "scikit-build", "some-plugin"])
def test_requirement_that_is_not_known_may_read_all(tmp_path, requirement):
    """It may be a plugin that compiles Python."""
    assert reaching(tmp_path, requires=("setuptools", requirement)) == ALL


def test_maturin_reads_none(tmp_path):
    """It packs packages, or leads to them."""
    assert reaching(tmp_path, name="maturin", requires=("maturin", "anything"), setup_dot_py="import x") == []


@pytest.mark.parametrize(
    ("attribute", "files", "expected"),
    [
        ("demo.about.__version__", {"src/demo/about.py": "__version__ = '1'\n"}, ["src/demo/about.py"]),
        ("demo.about.__version__", {"src/demo/about.py": "__version__: str = '1'\n"}, ["src/demo/about.py"]),
        ("demo.sub.__version__", {"src/demo/sub/__init__.py": "__version__ = '1'\n"}, ["src/demo/sub/__init__.py"]),
        ("demo.about.__version__", {"src/demo/about.py": "__version__ = f()\n"}, ALL),
        ("demo.about.__version__", {"src/demo/about.py": "from x import __version__\n"}, ALL),
        ("demo.about.__version__", {"src/demo/about.py": "def broken(:\n"}, ALL),
        ("gone.__version__", {}, ALL),
        ("__version__", {}, ALL),
        ({}, {}, []),
    ],
)
def test_module_with_the_version(tmp_path, attribute, files, expected):
    """It counts alone if it says the value literally; else it is imported, with all that it imports."""
    table = {"tool": {"setuptools": {"dynamic": {"version": {"attr": attribute}, "readme": {"file": ["README.md"]}}}}}
    assert reaching(tmp_path, pyproject=table, **files) == expected
