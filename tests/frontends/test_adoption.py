"""From a project as it was to a wheel with a label: one command, and an installer that knows nothing of it."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from uv import find_uv_bin

FIXTURES = Path(__file__).parents[2] / "fixtures"

pytestmark = pytest.mark.slow

MATURIN = """[project]
name = "demo-maturin-nodeps"
version = "1.2.3" # Cargo.toml has it, too
requires-python = ">=3.10"

[build-system]
requires = ["maturin>=1.9,<2"]
build-backend = "maturin"

[tool.maturin]
bindings = "bin"
"""
SETUPTOOLS = """[build-system]
requires = [
    "setuptools>=77", # for licences
]

[project]
name = "demo-setuptools-c"
version = "5.0.0"
requires-python = ">=3.10"

[tool.setuptools]
package-dir = { "" = "src" }
packages = ["demo"]
"""
HATCHLING = """[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "demo-hatchling-pure"
dynamic = ["version"]
requires-python = ">=3.10"

[tool.hatch]
version.path = "src/demo/about.py"
build.targets.wheel.packages = ["src/demo"]
"""
BASES = {"maturin-nodeps": "1.2.3", "setuptools-c": "5.0.0", "hatchling-pure": "1.2.3"}


@pytest.mark.parametrize("name", ["pip", "uv"])
@pytest.mark.parametrize(
    ("fixture", "text"), [("maturin-nodeps", MATURIN), ("setuptools-c", SETUPTOOLS), ("hatchling-pure", HATCHLING)]
)
def test_one_command_switches_a_project(frontends, project, venv, workshop, fixture, text, name):
    """Its wheel then has the base version it had and the label of its sources; the way back gives the same bytes."""
    tree = project(fixture)
    path = tree.path / "pyproject.toml"
    path.write_bytes(text.encode())
    workshop.module("freshwheel", "init", "--yes", str(tree.path))
    assert b'build-backend = "freshwheel"' in path.read_bytes()
    frontends[name].install(venv, tree.path)
    assert venv.version(tree.name) == f"{BASES[fixture]}+{tree.label()}"
    workshop.module("freshwheel", "init", "--undo", "--yes", str(tree.path))
    assert path.read_bytes() == text.encode()


def test_the_own_base_version_is_that_of_the_source_distribution(frontends, project, tmp_path):
    """An sdist, and the wheel made from it, have the version that the project had, and no label."""
    tree = project("setuptools-c")
    (tree.path / "pyproject.toml").write_bytes(SETUPTOOLS.encode())
    tree.workshop.module("freshwheel", "init", "--yes", str(tree.path))
    frontends["uv"].release(tree.path, tmp_path / "dist")
    found = sorted(path.name for path in (tmp_path / "dist").glob("demo*"))
    assert [name.split("-")[1].removesuffix(".tar.gz") for name in found] == ["5.0.0", "5.0.0"]


STARTED = FIXTURES / "started"
EACH_PUSH = ("setuptools-guide",)
"""The others are for the night."""
"""Projects as the tools and the guides begin them."""
STAMPED = """from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class Stamped(build_ext):
    def build_extension(self, ext):
        version = self.distribution.get_version()
        ext.define_macros.append(("VERSION", '"%s"' % version))
        super().build_extension(ext)


setup(cmdclass={"build_ext": Stamped}, ext_modules=[Extension("demo._x", ["demo/x.c"])], packages=["demo"])
"""
SOURCE = """#include <Python.h>
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "_x", NULL, -1, NULL};
PyMODINIT_FUNC PyInit__x(void) {
    PyObject *module = PyModule_Create(&def);
    PyModule_AddStringConstant(module, "version", VERSION);
    return module;
}
"""
SYSTEM = '[build-system]\nrequires = {}\nbuild-backend = "setuptools.build_meta"\n'
DEMO = '[project]\nname = "demo"\nrequires-python = ">=3.10"\n'


@pytest.fixture
def init(workshop, environ):
    """The verb `init` with --check-build and --yes: exit code and all that is printed."""

    def call(tree, *options):
        path = os.pathsep.join([os.path.dirname(find_uv_bin()), environ["PATH"]])
        command = (workshop.python, "-m", "freshwheel", "init", "--check-build", "--yes", *options, str(tree))
        found = subprocess.run(
            command, check=False, env={**environ, "PATH": path}, capture_output=True, text=True, encoding="utf-8"
        )
        return found.returncode, found.stdout + found.stderr

    return call


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.name, marks=() if path.name.startswith(EACH_PUSH) else pytest.mark.nightly)
        for path in sorted(STARTED.iterdir())
    ],
)
def test_what_tools_and_guides_begin_can_be_switched(init, uv, tmp_path, name):
    """Without a word of force, to the same wheel but for version, mark and RECORD; and then it builds."""
    tree = tmp_path / name
    shutil.copytree(STARTED / name, tree, copy_function=shutil.copy)
    code, said = init(tree)
    assert (code, "the wheels are the same" in said) == (0, True), said
    assert 'build-backend = "freshwheel"' in (tree / "pyproject.toml").read_text()
    uv.wheel(tree, tmp_path / "dist")


def test_what_is_compiled_of_no_source_in_the_tree_is_compiled_once(init, uv, workshop, tmp_path):
    """As cffi does, by a text in a Python file."""
    tree = tmp_path / "cffi"
    shutil.copytree(STARTED / "cffi-guide", tree)
    assert init(tree)[0] == 0
    for number in range(2):
        uv.wheel(tree, tmp_path / f"dist-{number}")
    assert "hit in" in workshop.module("freshwheel", "why", str(tree))


@pytest.mark.parametrize(
    ("more", "files"),
    [
        ('version = "1.2.3"\n', {}),
        ('dynamic = ["version"]\n', {"setup.cfg": "[metadata]\nversion = 1.2.3\n"}),
        ('version = "1.2.3"\n', {"setup.cfg": "[metadata]\nversion = 9.9\n"}),
        ('version = "1.2.3"\n', {"setup.py": STAMPED.replace("setup(", "setup(version='9.9', ")}),
        (
            'dynamic = ["version"]\n[tool.setuptools.dynamic]\nversion = { attr = "demo.__version__" }\n',
            {"demo/__init__.py": '__version__ = "1.2.3"\n'},
        ),
    ],
)
def test_what_asks_for_the_version_in_a_build_gets_what_it_got(init, uv, venv, tmp_path, more, files):
    """It is compiled into the module, wherever the project says it."""
    tree = tmp_path / "demo"
    texts = {"setup.py": STAMPED, "demo/x.c": SOURCE, "demo/__init__.py": "", **files}
    for path, text in {**texts, "pyproject.toml": SYSTEM.format('["setuptools>=77"]') + DEMO + more}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    code, said = init(tree)
    assert (code, "the wheels are the same" in said) == (0, True), said
    uv.install(venv, tree)
    assert venv.version("demo").partition("+")[0] == "1.2.3"
    assert venv.run("import demo._x; print(demo._x.version)") in ("1.2.3", "9.9")


def test_the_own_version_is_known_when_a_source_distribution_is_made(init, uv, tmp_path):
    """A `setup.py` that writes it into a file that is packed writes the one of the project."""
    tree = tmp_path / "demo"
    script = """from setuptools import setup
from setuptools.command.sdist import sdist

class Writing(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        open(f"{base_dir}/VERSION", "w").write(self.distribution.get_version())

setup(cmdclass={"sdist": Writing}, py_modules=["demo"])
"""
    tree.mkdir()
    (tree / "setup.py").write_text(script)
    (tree / "demo.py").write_text("")
    (tree / "pyproject.toml").write_text(SYSTEM.format('["setuptools>=77"]') + DEMO + 'version = "1.2.3"\n')
    assert init(tree)[0] == 0
    uv.release(tree, tmp_path / "dist")
    with tarfile.open(tmp_path / "dist" / "demo-1.2.3.tar.gz") as archive:
        assert archive.extractfile("demo-1.2.3/VERSION").read() == b"1.2.3"


PDM = """from setuptools import Extension


def pdm_build_update_setup_kwargs(context, kwargs):
    kwargs["ext_modules"] = [Extension("demo._x", ["demo/x.c"], define_macros=[("VERSION", '"1"')])]
"""


def test_a_backend_that_gives_setuptools_a_folder_finds_the_modules_there(init, tmp_path):
    """As pdm-backend does, which runs a `setup.py` of its own to build in a folder of its own."""
    text = SYSTEM.format('["pdm-backend", "setuptools>=77"]').replace("setuptools.build_meta", "pdm.backend")
    text += f"{DEMO}version = '1.2.3'\n[tool.pdm.build]\nrun-setuptools = true\n"
    for path, content in {
        "pyproject.toml": text,
        "pdm_build.py": PDM,
        "demo/__init__.py": "",
        "demo/x.c": SOURCE,
    }.items():
        (tmp_path / "demo" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "demo" / path).write_text(content)
    code, said = init(tmp_path / "demo")
    assert (code, "the wheels are the same" in said) == (0, True), said


def test_a_plug_in_that_is_switched_on_by_its_name_goes_on(init, uv, tmp_path, outside):
    """The version of a commit is that of the tag, before the switch and after it."""
    tree = tmp_path / "demo"
    tree.mkdir()
    requires = '["setuptools>=80", "setuptools-scm[simple]>=9.2"]'
    (tree / "demo.py").write_text("")
    (tree / "pyproject.toml").write_text(SYSTEM.format(requires) + DEMO + 'dynamic = ["version"]\n')
    for words in ("init -q", "add -A", "-c user.name=a -c user.email=a@b commit -qm x", "tag v1.2"):
        subprocess.run(["git", "-C", str(tree), *words.split()], check=True, env=outside)
    code, said = init(tree)
    assert (code, "the wheels are the same" in said) == (0, True), said
    uv.wheel(tree, tmp_path / "dist")
    [wheel] = (tmp_path / "dist").glob("*.whl")
    assert wheel.name.startswith(("demo-1.2+", "demo-1.3.dev"))


PACKING = """from setuptools.build_meta import *
from setuptools import build_meta

def build_wheel(directory, settings=None, metadata=None):
    with open("pyproject.toml") as file, open("demo.py", "w") as out:
        out.write(f"SAID = {file.read().partition('[project]')[0]!r}")
    return build_meta.build_wheel(directory, settings, metadata)
"""


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_a_version_from_git_is_the_same_where_the_repository_lies_elsewhere(init, tmp_path, outside, kind):
    """In a worktree and in a submodule, whose repositories are left alone."""
    git = shutil.which("git", path=outside["PATH"])
    who = ("-c", "user.name=a", "-c", "user.email=a@b")

    def call(*words, cwd):
        command = [git, *who, "-c", "protocol.file.allow=always", *words]
        return subprocess.run(command, check=True, cwd=cwd, env=outside, capture_output=True, text=True).stdout

    main, tree = tmp_path / "main", tmp_path / "other" / "demo"
    text = SYSTEM.format('["setuptools>=77", "setuptools-scm>=8"]') + DEMO + 'dynamic = ["version"]\n'
    text += '[tool.setuptools_scm]\n[tool.setuptools]\npy-modules = ["demo"]\n'
    for path, content in (("pyproject.toml", text), ("demo.py", ""), (".gitignore", "*.egg-info\nbuild\n")):
        (main / path).parent.mkdir(exist_ok=True)
        (main / path).write_text(content)
    call("init", "--quiet", cwd=main)
    call("add", ".", cwd=main)
    call("commit", "--quiet", "--message", "one", cwd=main)
    call("tag", "v1.0", cwd=main)
    tree.parent.mkdir()
    if kind == "worktree":
        call("worktree", "add", "--quiet", str(tree), cwd=main)
    else:
        call("init", "--quiet", cwd=tree.parent)
        call("submodule", "--quiet", "add", str(main), "demo", cwd=tree.parent)
    code, said = init(tree)
    assert (code, "the wheels are the same" in said) == (0, True), said
    assert call("ls-files", "-v", "pyproject.toml", cwd=tree) == "H pyproject.toml\n"


def test_a_difference_is_said_and_stops_the_switch(init, tmp_path):
    """A backend that packs what `[build-system]` says makes another wheel; the file stays as it is."""
    tree = tmp_path / "demo"
    tree.mkdir()
    text = SYSTEM.format('["setuptools>=77"]').replace("setuptools.build_meta", "packing")
    text += f'backend-path = ["."]\n{DEMO}version = "1"\n[tool.setuptools]\npy-modules = ["demo"]\n'
    for name, content in {"pyproject.toml": text, "packing.py": PACKING, "demo.py": ""}.items():
        (tree / name).write_text(content)
    code, said = init(tree)
    assert (code, "demo.py: other content" in said) == (1, True), said
    assert (tree / "pyproject.toml").read_text() == text
    assert (tree / "demo.py").read_text() == ""


def test_a_project_that_can_not_be_built_is_not_tried(init, tmp_path):
    """Its own failure is shown, and nothing is said of the switch."""
    tree = tmp_path / "demo"
    tree.mkdir()
    (tree / "pyproject.toml").write_text(SYSTEM.format('["setuptools>=77"]') + DEMO + 'version = "1"\n')
    (tree / "setup.py").write_text("raise SystemExit('no compiler')\n")
    code, said = init(tree)
    assert (code, "can't be built unwrapped" in said, "no compiler" in said) == (1, True, True), said
    assert "freshwheel" not in (tree / "pyproject.toml").read_text()
