"""Pure Python that shapes more of an editable installation than itself."""

import os

import pytest

from freshwheel.model import Input
from freshwheel.sources import reach

MODULES = ("src/demo/__init__.py", "src/demo/about.py", "src/demo/sub/__init__.py", "src/other/about.py")


def reaching(tree, name="setuptools", requires=("setuptools>=77",), pyproject=None, **files):
    """The modules that count, of a project with two packages, and these other files, all of them inputs."""
    texts = {path.replace("_dot_", "."): text for path, text in files.items()}
    for path, text in {**dict.fromkeys(MODULES, ""), "src/other/__init__.py": "", **texts}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    paths = sorted({*MODULES, "src/other/__init__.py", *texts})
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
        "from setuptools import setup, find_packages\nsetup(packages=find_packages('src', exclude=['a.*']))\n",
        (
            "import os\nfrom glob import glob\nhere = os.path.dirname(os.path.abspath(__file__))\n"
            "sources = sorted(glob(os.path.join(here, 'src', '*.c')))\n"
        ),
        "from pathlib import Path\nsources = [str(path) for path in Path('src').rglob('*.cpp')]\n",
        (
            "from setuptools.command.build_ext import build_ext\nclass Build(build_ext):\n"
            "    def build_extensions(self):\n        self.flags = ['-g']\n"
            "        if self.compiler.compiler_type == 'msvc':\n            self.flags.append('/O2')\n"
            "        for one in self.extensions:\n            one.extra_compile_args = self.flags\n"
            "        super().build_extensions()\n"
        ),
        (
            "from setuptools_rust import Binding, RustExtension, Strip\n"
            "x = RustExtension('demo._n', binding=Binding.PyO3, strip=Strip.All)\n"
        ),
        (
            "from setuptools import setup, Distribution\nclass Binary(Distribution):\n"
            "    def has_ext_modules(self):\n        return True\nsetup(distclass=Binary, url='https://pypi.python.org')\n"
        ),
        "import numpy as np\nx = np.get_include()\n",
        "import os, sys\nif os.environ.get('X', '').lower() in ('1',) and sys.version_info >= (3, 10): print('x')\n",
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
        "import glob, shutil\nfor one in glob.glob('src/demo/a*'): shutil.copy(one, 'src/demo/native.inc')\n",
        "import glob\nx = glob.glob('src/demo/*')\n",
        "from pathlib import Path\nx = list(Path('src').iterdir())\n",
        "import numpy as np\nx = np.loadtxt('src/demo/about' + '.' + 'py')\n",
        "import numpy\nfrom setuptools import setup\nx = map(numpy.fromfile, ['a'])\n",
        "from setuptools.config.expand import read_attr\nread_attr('demo.about.V', {'': 'src'})\n",
        "import setuptools\nsetuptools.config.read_configuration('setup.cfg')\n",
        "from setuptools import *\n",
        "import os\nos.replace('a', 'b')\n",
        "import os as o\no.replace('a', 'b')\n",
        "import sys\nsys.path.insert(0, 'src')\n",
        "import sys\nx = sys.modules\n",
        "from build_helpers import version\n",
        "import runpy\nrunpy.run_path('x')\n",
        "calls = {'a': print}\ncalls['a']()\n",
        "unheard_of('x')\n",
        "from setuptools import setup\nsetup(setup_requires=['cffi'])\n",
        "from setuptools import setup\nsetup(**{'cffi_modules': ['build_it:x']})\n",
        "from setuptools import setup\nsetup(entry_points={'distutils.commands': ['x = demo:x']})\n",
        "from setuptools import Command\nclass X(Command):\n    def run(self):\n        self.spawn(['x'])\n",
        "def broken(:\n",
        "x = '" + "y" * (1 << 20) + "'\n",
    ],
)
def test_any_other_script_may_read_all(tmp_path, script):
    """Reading, running, importing, and what is no Python."""
    assert reaching(tmp_path, setup_dot_py=script) == ALL


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[metadata]\nname = demo\n", []),
        ("version = attr: demo.x\n", ALL),
        ("[options]\nsetup_requires = pbr\n", ALL),
        ("[options]\nsetup-requires = pbr\n", ALL),
        ("[global]\ncommand_packages = demo\n", ALL),
        ("[metadata]\nlicense_files = LICENSE, src/demo/about.py\n", ["src/demo/about.py"]),
    ],
)
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


@pytest.mark.parametrize("name", ["maturin", "setuptools"])
@pytest.mark.parametrize(
    "table",
    [
        {"project": {"readme": "src/demo/about.py"}},
        {"project": {"readme": {"file": "./src/demo/sub/../about.py", "content-type": "text/plain"}}},
        {"project": {"license-files": ["src/**/ab*.py"]}},
        {"tool": {"setuptools": {"dynamic": {"version": {"file": "src/demo/about.py"}}}}},
        {"tool": {"setuptools": {"dynamic": {"optional-dependencies": {"x": {"file": ["src/demo/about.py"]}}}}}},
        {"tool": {"setuptools": {"ext-modules": [{"name": "x", "sources": ["x.c", "src/demo/about.py"]}]}}},
    ],
)
def test_file_that_is_named_counts(tmp_path, name, table):
    """Whatever the table, and however it is spelled."""
    files = {"src/demo/about.py": "", "src/other/about.py": ""}
    pattern = "license-files" in table.get("project", {})
    expected = ["src/demo/about.py", "src/other/about.py"] if pattern else ["src/demo/about.py"]
    assert reaching(tmp_path, name=name, pyproject=table, **files) == expected


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
@pytest.mark.parametrize("text", ["v/about.py", "VERSION", "v/sub/../about.py"])
def test_file_that_is_named_by_a_link_counts(tmp_path, text):
    """It is what it leads to that is read."""
    (tmp_path / "src" / "demo").mkdir(parents=True)
    os.symlink("src/demo", tmp_path / "v")
    os.symlink("src/demo/about.py", tmp_path / "VERSION")
    table = {"tool": {"setuptools": {"dynamic": {"version": {"file": text}}}}}
    assert reaching(tmp_path, pyproject=table) == ["src/demo/about.py"]


@pytest.mark.parametrize("text", ["", "\0", "a" * 5000, "//host/about.py", "\n", "\ud800", "..", "https://x/about.py"])
def test_text_that_is_no_path_names_nothing(tmp_path, text):
    """And is no failure."""
    assert reaching(tmp_path, pyproject={"project": {"description": text, "x": [[{"y": [text, 3]}]]}}) == []


def test_tables_may_be_deep(tmp_path):
    """Dotted keys may nest without an end."""
    table = {}
    for _ in range(5000):
        table = {"a": table}
    assert reaching(tmp_path, pyproject={"project": table, "tool": {"setuptools": {"dynamic": table}}}) == []


def test_readme_of_a_crate_counts(tmp_path):
    """Maturin takes it over."""
    files = {"rust/Cargo.toml": '[package]\nname = "demo"\nreadme = "../src/demo/about.py"\n'}
    assert reaching(tmp_path, name="maturin", **files) == ["src/demo/about.py"]


def test_licence_counts(tmp_path):
    """It is taken without being named."""
    assert reaching(tmp_path, name="maturin", **{"LICENSE_NOTE.py": "", "tests/notice.py": ""}) == ["LICENSE_NOTE.py"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[build]\nrustc-wrapper = "tools/wrap"\n', ALL),
        ("[target.x]\nlinker='tools/link'\n", ALL),
        ('[target.x]\nrustflags = ["-Clinker=tools/link"]\n', ALL),
        ('[target.x]\nlinker = "clang"\n', []),
        ('[build]\nrustc-wrapper = "sccache"\ntarget-dir = "a/b"\n', []),
    ],
)
def test_tool_of_the_tree_that_cargo_runs_may_read_all(tmp_path, text, expected):
    """It may run a script, which may import any module."""
    assert reaching(tmp_path, name="maturin", **{".cargo/config.toml": text}) == expected


@pytest.mark.parametrize("place", ["build-system", "freshwheel"])
def test_backend_in_the_tree_may_read_all(tmp_path, place):
    """It is made of modules of the tree."""
    table = {"backend-path": ["be"]}
    pyproject = {place: table} if place == "build-system" else {"tool": {place: table}}
    assert reaching(tmp_path, name="maturin", pyproject=pyproject) == ALL


@pytest.mark.parametrize(
    "table",
    [
        {"project": {"entry-points": {"distutils.commands": {"x": "demo:x"}}}},
        {"project": {"entry-points": {"setuptools.finalize_distribution_options": {"x": "demo:x"}}}},
        {"tool": {"setuptools_scm": {"version_scheme": "demo.about:scheme"}}},
    ],
)
def test_code_of_the_project_that_setuptools_may_run_may_read_all(tmp_path, table):
    """It is imported where the project is installed already, or lies in the way."""
    assert reaching(tmp_path, pyproject=table) == ALL


def test_modules_outside_of_packages_are_among_all(tmp_path):
    """A script that imports may import them, and what is at the root may hide a library."""
    files = {"build_helpers.py": "", "tests/test_x.py": ""}
    assert reaching(tmp_path, setup_dot_py="import build_helpers\n", **files) == sorted([*ALL, *files])
    assert reaching(tmp_path, setup_dot_py="import platform\n", **files) == []
    assert "platform.py" in reaching(tmp_path, setup_dot_py="import platform\n", **{"platform.py": ""})


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
        (
            "demo.about.V",
            {"src/demo/about.py": "V = '1'\n", "tests/demo/about.py": "V = '1'\n"},
            [*ALL, "tests/demo/about.py"],
        ),
        (
            "demo.about.V",
            {"src/demo/about.py": "V = f()\n", "tests/demo/about.py": "V = '1'\n"},
            [*ALL, "tests/demo/about.py"],
        ),
        ("demo.about.V", {"src/demo/about.py": "V = '1'\n", "setup.cfg": "[options]\npackage_dir =\n"}, ALL),
    ],
)
def test_module_with_the_version(tmp_path, attribute, files, expected):
    """It counts alone if it says the value literally; else it is imported, with all that it imports."""
    table = {"tool": {"setuptools": {"dynamic": {"version": {"attr": attribute}, "readme": {"file": ["README.md"]}}}}}
    assert reaching(tmp_path, pyproject=table, **files) == expected


@pytest.mark.parametrize(
    ("placed", "expected"),
    [
        ({"": "src"}, ["src/demo/about.py"]),
        ({"": "./src/"}, ["src/demo/about.py"]),
        ({"": "lib"}, ALL),
        ({"demo": "lib"}, ALL),
        ({"": "src", "demo": "lib"}, ALL),
        ({"": 3}, ALL),
        ("src", ALL),
        ([], ALL),
        ({"": "\ud800\0"}, ALL),
    ],
)
def test_module_with_the_version_where_packages_are_placed(tmp_path, placed, expected):
    """It counts alone where it lies right there; else another one than the name says may be meant."""
    settings = {"package-dir": placed, "dynamic": {"version": {"attr": "demo.about.V"}}}
    files = {"src/demo/about.py": "V = '1'\n"}
    assert reaching(tmp_path, pyproject={"tool": {"setuptools": settings}}, **files) == expected


PATHS = ["demo/__init__.py", "demo/sub/__init__.py", "demo/space/one/__init__.py", "tests/test_x.py"]
TOP = ["demo", "demo/space/one"]


@pytest.mark.parametrize(
    ("settings", "more", "nested"),
    [
        ({}, (), False),
        ({"packages": ["demo", "demo.sub"]}, (), False),
        ({"packages": ["demo.sub"]}, (), True),
        ({"packages": {"find": {}}}, (), False),
        ({"packages": {"find": {"where": ["."], "include": ["demo*"], "exclude": ["tests*"]}}}, (), False),
        ({"packages": {"find": {"include": ["demo.*"]}}}, (), True),
        ({"packages": {"find": {"exclude": ["demo"]}}}, (), True),
        ({"packages": {"find": {"where": ["a", "b"]}}}, (), True),
        ({"packages": {"find": {"where": ["demo"]}}}, (), True),
        ({"package-dir": {"": "."}}, (), True),
        ({}, ("setup.py",), True),
        ({}, ("setup.cfg",), True),
    ],
)
def test_package_in_a_package_of_setuptools(settings, more, nested):
    """It shapes nothing where setuptools can't single it out; a module in no package may always."""
    paths = [path.encode() for path in (*PATHS, *more)]
    found = reach.shaping(paths, {"tool": {"setuptools": settings}}, name="setuptools")
    script = [b"setup.py"] if "setup.py" in more else []
    sub = [b"demo/sub"] if nested else []
    assert found == sorted([*map(str.encode, TOP), *sub, *script, b"tests/test_x.py"])


def test_package_in_a_package_of_maturin():
    """It shapes nothing, and nothing that lies in no package does."""
    assert reach.shaping([path.encode() for path in PATHS], {}, name="maturin") == [b"demo", b"demo/space/one"]


def test_package_under_src():
    """It is looked for there, even where `src` is a package itself."""
    paths = [b"src/__init__.py", b"src/demo/__init__.py", b"src/demo/sub/__init__.py"]
    assert reach.shaping(paths, {}, name="setuptools") == [b"src", b"src/demo"]
