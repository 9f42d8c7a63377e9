"""Editable wheels over a setuptools that compiles by copying, and that records how it is called."""

import dataclasses
import importlib.machinery
import json
import os
import shutil
import tempfile
import time
import zipfile

import pytest

from freshwheel.build import recipes
from freshwheel.build.context import Context
from freshwheel.explain import installed, report
from freshwheel.inner import distributions
from freshwheel.memory import editables, memory, outcome, replay
from freshwheel.observe import observer
from freshwheel.sources import disk
from freshwheel.wheel import archive

OBSERVED = pytest.mark.skipif(bool(observer.unavailable(None)), reason="no build can be observed here")
SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
TIMES = pytest.mark.skipif(
    os.name == "nt" or disk.slack(tempfile.gettempdir()) is None, reason="no row is trusted here"
)


def later():
    """The clock an hour from now: what lies there was written long ago."""
    return time.time_ns() + 3600 * 10**9


BACKEND = """
import base64, hashlib, json, os, pathlib, re, runpy, zipfile

SUFFIX = os.environ["FAKE_SUFFIX"]

def _log(hook):
    with open(os.environ["FAKE_LOG"], "a") as file:
        file.write(hook + "\\n")

def _version():
    return re.search('version = "(.*)"', pathlib.Path("src/demo/native.c").read_text() + 'version = "1.2.3"')[1]

def _metadata():
    return f"Metadata-Version: 2.1\\nName: demo\\nVersion: {_version()}\\n".encode()

def get_requires_for_build_editable(config_settings=None):
    _log("requires")
    return ["fake-requirement"]

def prepare_metadata_for_build_editable(metadata_directory, config_settings=None):
    _log("metadata")
    info = pathlib.Path(metadata_directory, f"demo-{_version()}.dist-info")
    info.mkdir()
    (info / "METADATA").write_bytes(_metadata())
    return info.name

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    _log("build")
    for name in os.environ.get("FAKE_MODULES", "_native").split():
        module = pathlib.Path("src/demo", name + SUFFIX)
        if not os.environ.get("FAKE_BEFORE") or module.exists():
            module.unlink(missing_ok=True)
        module.write_bytes(pathlib.Path("src/demo/native.c").read_bytes() + os.environ.get("CFLAGS", "").encode())
    exec(os.environ.get("FAKE_DURING", ""))
    if os.path.exists("setup.py"):
        runpy.run_path("setup.py")
    info = f"demo-{_version()}.dist-info"
    members = {"__editable__.demo.pth": os.path.abspath("src").encode() + b"\\n"}
    members |= json.loads(os.environ.get("FAKE_MORE", "{}"))
    members[f"{info}/METADATA"] = _metadata()
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\\nGenerator: fake\\nRoot-Is-Purelib: false\\nTag: py3-none-any\\n"
    members = {name: data if isinstance(data, bytes) else data.encode() for name, data in members.items()}
    rows = []
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(data)}\\n")
    members[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\\n"]).encode()
    name = f"demo-{_version()}-0.editable-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return name
"""

PYPROJECT = """
[build-system]
requires = ["freshwheel", "setuptools"]
build-backend = "freshwheel"

[project]
name = "demo"
dynamic = ["version"]

[tool.freshwheel]
backend = "setuptools.build_meta"
store = "on"
"""


class Tree:
    """A project with one module, and its editable hooks."""

    def __init__(self, path, environ):
        self.path = path
        self.environ = environ
        self.said = []
        self.clock = time.time_ns
        self.dist = path.with_name("dist")
        self.module = path / "src" / "demo" / f"_native{environ['FAKE_SUFFIX']}"

    @property
    def cache(self):
        """The cache directory."""
        return self.environ["FRESHWHEEL_CACHE_DIR"]

    @property
    def real(self):
        """The real path, as records have it."""
        return memory.real(str(self.path))

    def call(self, **environ):
        """One call, as the door would make it."""
        return recipes.Call(
            tree=str(self.path),
            environ={**self.environ, **environ},
            hook="build_editable",
            settings=None,
            say=self.said.append,
            now=self.clock,
        )

    def again(self):
        """The bytes of the wheel as it is handed out once more, without the recipes; None where that can't be."""
        shutil.rmtree(self.dist, ignore_errors=True)
        self.dist.mkdir()
        given = replay.wheel(
            replay.Call(str(self.path), self.environ, None, hook="build_editable", now=self.clock), str(self.dist)
        )
        return None if given is None else (self.dist / given[0]).read_bytes()

    def install(self, **environ):
        """How often the inner backend has built when the wheel is there, and what the module holds then."""
        shutil.rmtree(self.dist, ignore_errors=True)
        name = recipes.wheel(self.call(**environ), str(self.dist))
        mark = archive.mark_of(str(self.dist / name))
        assert (mark.digest, mark.label in name) == (recipes.source_digest(self.call()), True)
        return self.builds(), self.module.read_text()

    def builds(self):
        """How often the inner backend has built."""
        return self.calls().count("build")

    def calls(self):
        """How the inner backend was called."""
        log = self.path.with_name("log")
        return log.read_text().split() if log.exists() else []

    def native(self, text):
        """Another source of the module."""
        (self.path / "src" / "demo" / "native.c").write_text(text)

    def python(self, text="ANSWER = 2\n", name="demo/__init__.py"):
        """Another Python source."""
        path = self.path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def records(self):
        """What is kept."""
        return editables.load(self.cache, self.real)

    def last(self):
        """The last outcome."""
        return outcome.load(self.cache, str(self.path))[0]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree, and a cache directory of its own; an environment of tests may have no setuptools, real or fake."""
    monkeypatch.setattr(distributions, "importable", lambda _: True)
    package = tmp_path / "site" / "setuptools"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("def setup(**_): pass\n")
    (package / "build_meta.py").write_text(BACKEND)
    foreign = ("FRESHWHEEL_", "CIBUILD", "FAKE_", "TOX_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "CFLAGS")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environ |= {
        "FAKE_LOG": str(tmp_path / "log"),
        "FAKE_SUFFIX": SUFFIX,
        "FRESHWHEEL_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": str(package.parent),
    }
    made = Tree(tmp_path / "tree", environ)
    made.python("ANSWER = 1\n")
    made.native("one")
    (made.path / "pyproject.toml").write_text(PYPROJECT)
    return made


def test_edit_of_python_builds_nothing(tree):
    """The wheel is made anew under the new label, and the inner backend is not asked."""
    assert tree.install() == (1, "one")
    first, asked = os.listdir(tree.dist), tree.calls()
    tree.python()
    assert tree.install() == (1, "one")
    assert (os.listdir(tree.dist) != first, tree.calls()) == (True, asked)
    assert (tree.last().hook, tree.last().decided) == ("editable", "hit")
    assert "made without a build: nothing that is compiled has changed" in tree.said[-1]


def test_the_next_editable_installation_is_foretold(tree):
    """An edit of Python is none to build for; one of what is compiled is, and so is a module that is a stranger's."""

    def foretold():
        found = report.why(dataclasses.replace(tree.call(), hook="build_wheel"))
        return found.next, found.cause

    tree.install()
    assert foretold() == ("hit", "")
    tree.python()
    assert foretold() == ("hit", "")
    assert tree.install() == (1, "one")
    assert report.why(tree.call()).outcomes[0].saved == report.why(tree.call()).outcomes[1].took
    tree.native("two")
    assert foretold() == ("build", "1 input changed: src/demo/native.c")
    tree.native("one")
    tree.module.write_text("somebody's own")
    assert foretold() == ("build", f"src/demo/{tree.module.name} is not what a build of freshwheel left there")


def test_unchanged_tree_builds_nothing(tree):
    """The same wheel, byte for byte."""
    tree.install()
    [path] = tree.dist.iterdir()
    data = path.read_bytes()
    assert tree.install() == (1, "one")
    assert path.read_bytes() == data


@TIMES
def test_tree_that_has_not_moved_is_answered_without_the_recipes(tree):
    """As a wheel is: in all hooks, with the same bytes."""
    tree.install()
    tree.clock = later
    tree.install()
    [path] = tree.dist.iterdir()
    data = path.read_bytes()
    asked = tree.calls()
    assert tree.again() == data
    info = replay.metadata(
        replay.Call(str(tree.path), tree.environ, None, hook="build_editable", now=tree.clock), str(tree.dist)
    )
    with zipfile.ZipFile(path) as archive:
        assert (tree.dist / info / "METADATA").read_bytes() == archive.read(f"{info}/METADATA")
    assert tree.calls() == asked
    assert (tree.last().hook, tree.last().decided) == ("editable", "hit")
    assert replay.wheel(replay.Call(str(tree.path), tree.environ, None, now=tree.clock), str(tree.dist)) is None


MOVES = {
    "a source": lambda tree: tree.native("two"),
    "the module": lambda tree: tree.module.write_text("own"),
    "the time of the module": lambda tree: os.utime(tree.module),
    "no module": lambda tree: tree.module.unlink(),
    "all that was kept": lambda tree: shutil.rmtree(editables.place(tree.cache, tree.real)),
    "a variable": lambda tree: tree.environ.update(CFLAGS="-O0"),
}


@TIMES
@pytest.mark.parametrize("move", MOVES)
def test_what_moved_in_the_tree_is_for_the_recipes(tree, move):
    """The module too, which lies in the tree and not in the wheel."""
    tree.install()
    tree.clock = later
    tree.install()
    assert tree.again() is not None
    MOVES[move](tree)
    assert tree.again() is None


def test_edit_of_what_is_compiled_is_built(tree):
    """A native input decides."""
    tree.install()
    tree.native("two")
    assert tree.install() == (2, "two")
    assert "was built: 1 input changed: src/demo/native.c" in tree.said[-1]


def test_lost_module_is_back_without_a_build(tree):
    """What is missing is copied from the cache directory, with its permissions."""
    tree.install()
    mode = tree.module.stat().st_mode
    tree.module.unlink()
    assert tree.install() == (1, "one")
    assert tree.module.stat().st_mode == mode
    assert "_native" in tree.last().why


@OBSERVED
def test_module_that_a_build_replaced_is_back_without_a_build(tree):
    """That a build has looked whether its module is there is no reason to want it there."""
    tree.install(FAKE_BEFORE="1")
    tree.native("two")
    assert tree.install(FAKE_BEFORE="1") == (2, "two")
    tree.module.unlink()
    assert tree.install(FAKE_BEFORE="1") == (2, "two")


def test_module_of_another_branch_is_replaced_by_a_new_file(tree):
    """There and back costs two builds in all, and no mapped file is written to."""
    tree.install()
    tree.native("two")
    tree.install()
    tree.native("one")
    with tree.module.open() as mapped:
        assert tree.install() == (2, "one")
        assert mapped.read() == "two"
    tree.native("two")
    assert tree.install() == (2, "two")


def test_module_of_somebody_else_is_built(tree):
    """Bytes that no build of freshwheel has left there are never taken, and never kept."""
    tree.install()
    tree.module.write_text("own")
    assert tree.install() == (2, "one")
    assert "is not what a build of freshwheel left there" in tree.last().why
    assert tree.install() == (2, "one")


def test_link_in_place_of_the_module_is_built(tree):
    """A link is the user's own, wherever it leads."""
    tree.install()
    other = tree.path.with_name("other")
    tree.module.rename(other)
    tree.module.symlink_to(other)
    assert tree.install() == (2, "one")


def test_without_a_copy_it_is_built(tree):
    """The copies may be cleared away at any time."""
    tree.install()
    folder = editables.place(tree.cache, tree.real)
    [record] = tree.records()
    os.unlink(os.path.join(folder, record.modules[0].content.hex()))
    assert tree.install() == (1, "one")
    tree.module.unlink()
    assert tree.install() == (2, "one")
    [record] = tree.records()
    os.unlink(os.path.join(folder, record.wheel.content.hex()))
    assert tree.install() == (3, "one")
    shutil.rmtree(tree.cache)
    assert tree.install() == (4, "one")


def test_damaged_copy_is_never_put_back(tree):
    """A copy is compared with its digest while it is made."""
    tree.install()
    [record] = tree.records()
    path = os.path.join(editables.place(tree.cache, tree.real), record.modules[0].content.hex())
    with open(path, "w") as file:
        file.write("bad")
    tree.module.unlink()
    assert tree.install() == (2, "one")
    tree.module.unlink()
    assert tree.install() == (2, "one")


def test_new_package_makes_a_new_wheel(tree):
    """What leads to the tree may list packages; a new module of a known one is in it already."""
    tree.install()
    tree.python(name="demo/more.py")
    assert tree.install()[0] == 1
    tree.python(name="other/__init__.py")
    assert tree.install()[0] == 2


@pytest.mark.parametrize(
    "path", ["pyproject.toml", "README.md", "setup.cfg", "src/top.py", "src/space/one.py", "setup.py"]
)
def test_what_else_may_shape_the_wheel_makes_a_new_one(tree, path):
    """Metadata and modules outside of packages count like native inputs."""
    tree.install()
    with (tree.path / path).open("a") if "space" not in path else _made(tree.path / path) as file:
        file.write('[project.scripts]\nrun = "demo:run"\n' if path == "pyproject.toml" else "# new\n")
    assert tree.install()[0] == 2


@pytest.mark.parametrize(
    "path", ["../tests/test_x.py", "../docs/conf.py", "../noxfile.py", "space/one.py", "demo/data/x.py"]
)
def test_edit_outside_of_packages_builds_nothing(tree, path):
    """A test is no part of an extension module, nor is any other Python that no build reads."""
    tree.python("ANSWER = 1\n", name=path)
    tree.install()
    tree.python("ANSWER = 2\n", name=path)
    assert tree.install() == (1, "one")


UNOBSERVED = {
    "FRESHWHEEL_OBSERVE": "off",
    "FAKE_DURING": "import subprocess, sys; subprocess.run([sys.executable, '-IS', '-c', ''], check=True)",
}
"""A program that nobody observes, and that says nothing itself."""
READING = [
    "import sys\nsys.path.insert(0, '')\nimport build_helpers\n",
    "exec(open('build_' + 'helpers' + '.' + 'py').read())\n",
    "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import build_helpers'], check=True)\n",
]


SEEN = pytest.mark.parametrize("observe", [pytest.param("on", marks=OBSERVED), "off"])
"""A build that runs nothing but Python says itself what it reads, where nobody observes it."""


@SEEN
@pytest.mark.parametrize("script", READING)
def test_edit_of_python_that_the_build_has_read_is_built(tree, script, observe):
    """However it came to it, and also where it had the bytecode of an earlier build; going back needs no build."""
    tree.environ["FRESHWHEEL_OBSERVE"] = observe
    (tree.path / "setup.py").write_text(script)
    tree.python("x = 1\n", name="../build_helpers.py")
    assert tree.install()[0] == 1
    tree.python("x = 22\n", name="../build_helpers.py")
    assert tree.install()[0] == 2
    tree.native("two")
    assert tree.install()[0] == 3
    tree.python("x = 333\n", name="../build_helpers.py")
    assert tree.install()[0] == 4
    tree.python("x = 22\n", name="../build_helpers.py")
    assert tree.install()[0] == 4


@SEEN
def test_edit_of_python_that_the_build_has_not_read_builds_nothing(tree, observe):
    """Whatever else it reads."""
    tree.environ["FRESHWHEEL_OBSERVE"] = observe
    (tree.path / "setup.py").write_text(READING[0])
    tree.python("x = 1\n", name="../build_helpers.py")
    tree.install()
    for name in ("demo/__init__.py", "demo/more.py"):
        tree.python("x = 2\n", name=name)
        assert tree.install()[0] == 1


@OBSERVED
@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_edit_of_python_that_was_read_under_another_name_is_built(tree):
    """As through a link: that name is an input from the second build on."""
    (tree.path / "setup.py").write_text("open('v/_version.py').read()\n")
    os.symlink("src/demo", tree.path / "v")
    tree.python("x = 1\n", name="demo/_version.py")
    recipes.wheel(tree.call(), str(tree.dist))
    assert tree.records() == []
    for number in (2, 3):
        tree.python(f"x = {number}\n", name="demo/_version.py")
        assert tree.install()[0] == number
    tree.python()
    assert tree.install()[0] == 3


@OBSERVED
def test_new_name_in_a_folder_that_the_build_has_listed_is_built(tree):
    """Of the folder count the names alone, and not those of what builds and tools leave in it."""
    (tree.path / "setup.py").write_text("import os\nos.listdir('src/demo')\n")
    tree.install()
    tree.python()
    tree.module.unlink()
    tree.python(name="demo/sub/__pycache__/x.cpython-311.pyc")
    shutil.rmtree(tree.path / "src" / "demo" / "sub")
    assert tree.install()[0] == 1
    tree.python(name="demo/more.py")
    assert tree.install()[0] == 2
    (tree.path / "src" / "demo" / "more.py").unlink()
    assert tree.install()[0] == 2


def test_where_nobody_observed_each_edit_is_a_build(tree):
    """And going back is none."""
    tree.environ |= UNOBSERVED
    tree.install()
    assert tree.install()[0] == 1
    tree.python()
    assert tree.install()[0] == 2
    tree.python("ANSWER = 1\n")
    assert tree.install()[0] == 2


def test_edit_of_an_executable_script_is_built(tree):
    """Any tool may be told to run it."""
    path = tree.path / "tools" / "compiler.py"
    tree.python("x = 1\n", name="../tools/compiler.py")
    path.chmod(0o755)
    tree.install()
    path.write_text("x = 2\n")
    assert tree.install()[0] == (2 if path.stat().st_mode & 0o100 else 1)


def test_new_package_in_a_package_builds_nothing(tree):
    """It is imported by the one above it; but a script may name it."""
    tree.install()
    tree.python(name="demo/sub/__init__.py")
    assert tree.install()[0] == 1
    (tree.path / "setup.py").write_text("from setuptools import setup\nsetup()\n")
    assert tree.install()[0] == 2
    tree.python(name="demo/more/__init__.py")
    assert tree.install()[0] == 3


@pytest.mark.parametrize("place", ["../elsewhere", "build/made"])
def test_way_to_a_folder_without_sources_is_not_kept(tree, place):
    """Nobody knows what made it, and whether it still is what was made."""
    folder = tree.path / place
    folder.mkdir(parents=True)
    more = json.dumps({"other.pth": f"{os.path.normpath(folder)}\n"})
    assert tree.install(FAKE_MORE=more)[0] == 1
    assert tree.records() == []
    assert tree.install(FAKE_MORE=json.dumps({"other.pth": f"{tree.path}\n"}))[0] == 2
    assert len(tree.records()) == 1


def _made(path):
    path.parent.mkdir(parents=True)
    return path.open("a")


def test_variable_that_shapes_the_module_is_part_of_its_key(tree):
    """Other flags, another module; back again, the first one."""
    tree.install()
    assert tree.install(CFLAGS="-g") == (2, "one-g")
    assert tree.install() == (2, "one")
    assert tree.install(CFLAGS="-g") == (2, "one-g")


def test_edit_during_a_build_is_not_kept(tree):
    """Nobody knows what was compiled (law 6)."""
    shutil.rmtree(tree.dist, ignore_errors=True)
    during = "pathlib.Path('src/demo/native.c').write_text('two')"
    recipes.wheel(tree.call(FAKE_DURING=during), str(tree.dist))
    assert (tree.records(), tree.last().unstored) == ([], "the inputs moved during the build")
    assert tree.install() == (2, "two")


@pytest.mark.parametrize("mode", ["off", "verify"])
def test_with_the_store_off_it_is_always_built(tree, mode):
    """The switch is one for wheels and editables, and a verification is a build."""
    tree.install()
    assert tree.install(FRESHWHEEL_STORE=mode)[0] == 2


def test_store_that_is_only_read_keeps_nothing(tree):
    """What was kept before is used."""
    assert tree.install(FRESHWHEEL_STORE="read")[0] == 1
    assert tree.records() == []
    tree.install()
    tree.module.unlink()
    assert tree.install(FRESHWHEEL_STORE="read") == (2, "one")


@pytest.mark.parametrize(
    "more", [{"demo/_native.so": "x"}, {"demo-1.2.3.data/scripts/x": "x"}, {"other.pth": "/nowhere\n"}]
)
def test_wheel_that_holds_more_than_a_redirection_is_not_kept(tree, more):
    """What is in it may rest on anything."""
    assert tree.install(FAKE_MORE=json.dumps(more))[0] == 1
    assert tree.records() == []
    assert tree.install(FAKE_MORE=json.dumps(more))[0] == 2


def test_module_without_a_tag_is_not_kept(tree):
    """Its name does not say for which Python it is, and it is an input like any other file."""
    recipes.wheel(tree.call(FAKE_SUFFIX=".so"), str(tree.dist))
    recipes.wheel(tree.call(FAKE_SUFFIX=".so"), str(tree.dist))
    assert tree.records() == []


def test_prepared_metadata_is_that_of_the_wheel(tree, tmp_path):
    """The inner backend is not asked where nothing is to be built."""
    tree.install()
    tree.python()
    asked = tree.calls()
    name = recipes.metadata(tree.call(), str(tmp_path / "prepared"))
    assert tree.calls() == asked
    tree.install()
    [wheel] = tree.dist.iterdir()
    with zipfile.ZipFile(wheel) as file:
        for one in ("METADATA", "WHEEL"):
            assert file.read(f"{name}/{one}") == (tmp_path / "prepared" / name / one).read_bytes()
    tree.native("two")
    name = recipes.metadata(tree.call(), str(tmp_path / "again"))
    tree.install()
    assert f"{name.removesuffix('.dist-info')}-" in os.listdir(tree.dist)[0]


def run(tree, number):
    """The variables of one run of an installer, which makes an environment for each."""
    folder = f"/elsewhere/pip-build-env-{number}/site"
    return {"PYTHONPATH": os.pathsep.join([tree.environ["PYTHONPATH"], folder])}


PROC = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no run can be told from another here")


@PROC
def test_nothing_need_be_installed_where_nothing_is_built(tree, tmp_path):
    """From the first hook to the last, and the inner backend is not asked a thing."""
    assert recipes.requires(tree.call(**run(tree, 1))) == ["fake-requirement"]
    tree.install(**run(tree, 1))
    tree.python()
    tree.module.unlink()
    asked = tree.calls()
    assert recipes.requires(tree.call(**run(tree, 2))) == []
    prepared = recipes.metadata(tree.call(**run(tree, 2)), str(tmp_path / "prepared"))
    assert tree.install(**run(tree, 2)) == (1, "one")
    assert prepared.removesuffix(".dist-info") in os.listdir(tree.dist)[0]
    assert tree.calls() == asked
    assert os.listdir(os.path.join(tree.cache, "leases")) == []


@PROC
def test_what_was_promised_is_delivered_whatever_changes_meanwhile(tree, tmp_path):
    """Nothing can be built any more: the wheel is that of the tree before, and says so."""
    tree.install(**run(tree, 1))
    [first] = os.listdir(tree.dist)
    assert recipes.requires(tree.call(**run(tree, 2))) == []
    tree.native("two")
    prepared = recipes.metadata(tree.call(**run(tree, 2)), str(tmp_path / "prepared"))
    shutil.rmtree(tree.dist)
    assert recipes.wheel(tree.call(**run(tree, 2)), str(tree.dist)) == first
    assert first.startswith(prepared.removesuffix(".dist-info"))
    assert tree.last().decided == "lease"
    assert "the sources changed" in tree.said[-1]
    assert recipes.requires(tree.call(**run(tree, 3))) == ["fake-requirement"]
    assert tree.install(**run(tree, 3)) == (2, "two")


@PROC
def test_edit_of_python_after_the_promise_is_in_the_label(tree):
    """It needs no build, so it needs nothing that is not there."""
    tree.install(**run(tree, 1))
    assert recipes.requires(tree.call(**run(tree, 2))) == []
    tree.python()
    assert tree.install(**run(tree, 2)) == (1, "one")


def test_without_an_environment_of_its_own_a_run_is_promised_nothing(tree):
    """What is there stays there."""
    tree.install()
    assert recipes.requires(tree.call()) == ["fake-requirement"]
    assert recipes.requires(tree.call(**run(tree, 1), TOX_ENV_NAME=".pkg")) == ["fake-requirement"]


def test_two_modules_come_back_together(tree):
    """Each that is missing is put back."""
    environ = {"FAKE_MODULES": "_native _second"}
    tree.install(**environ)
    second = tree.module.with_name(f"_second{SUFFIX}")
    second.unlink()
    tree.install(**environ)
    assert (tree.builds(), second.exists()) == (1, True)


def test_generated_files_and_locks_are_left_alone(tree):
    """Nothing but the modules is ever put back."""
    tree.install()
    generated, lock = tree.path / "src" / "demo" / "generated.txt", tree.path / "Cargo.lock"
    generated.write_text("made")
    lock.write_text("version = 3")
    tree.install()
    generated.write_text("edited")
    lock.write_text("version = 4")
    tree.module.unlink()
    tree.install()
    assert (generated.read_text(), lock.read_text()) == ("edited", "version = 4")


def test_only_the_last_records_are_kept(tree):
    """The oldest goes, with its copies."""
    for number in range(10):
        tree.native(f"text {number}")
        tree.install()
    assert len(tree.records()) == 8
    folder = editables.place(tree.cache, tree.real)
    wanted = {one.modules[0].content.hex() for one in tree.records()} | {
        one.wheel.content.hex() for one in tree.records()
    }
    assert set(os.listdir(folder)) == wanted | {editables.FILE}
    tree.native("text 0")
    assert tree.install() == (11, "text 0")


def test_state_of_the_modules_can_be_asked(tree):
    """What `status` and an import want to know, without a build."""
    tree.install()
    snapshot = Context.of(tree.call()).snapshot()
    ask = (tree.cache, tree.real, snapshot.native, snapshot.digest)
    more = {"abi": SUFFIX, "others": lambda _: []}
    path = os.fsencode(tree.module.relative_to(tree.path).as_posix())
    assert editables.check(*ask, **more) == [(path, "intact")]
    tree.module.unlink()
    assert editables.check(*ask, **more) == [(path, "missing")]
    tree.module.write_text("own")
    assert editables.check(*ask, **more) == [(path, "foreign")]
    assert editables.check(*ask[:2], "0" * 32, ask[3], **more) is None


def settled(tree, site, **environ):
    """State and reason, after the tree was installed as an installer does it, if it is not in this folder yet."""
    if not site.exists():
        tree.install(**environ)
        [wheel] = tree.dist.iterdir()
        with zipfile.ZipFile(wheel) as file:
            file.extractall(site)
        [info] = site.glob("*.dist-info")
        direct = {"url": tree.path.as_uri(), "dir_info": {"editable": True}}
        (info / "direct_url.json").write_text(json.dumps(direct))
    [one] = installed.statuses([str(site)], tree.environ, suffix=SUFFIX)
    return one.state, one.why


READER = "open('src/demo/table' + '.' + 'py').read()\n"


@OBSERVED
@pytest.mark.parametrize(
    ("path", "text", "edited", "expected"),
    [
        ("setup.py", READER, "demo/table.py", "stale"),
        ("README", "", "other/__init__.py", "unknown"),
    ],
)
def test_status_is_never_current_where_the_next_install_builds(tree, tmp_path, path, text, edited, expected):
    """What a script reads, and new packages, count beside what is native."""
    (tree.path / path).write_text(text)
    tree.python("T = 1\n", name="demo/table.py")
    assert settled(tree, tmp_path / "there") == ("current", "")
    tree.python("T = 2\n", name=edited)
    assert settled(tree, tmp_path / "there")[0] == expected
    assert tree.install()[0] == 2
    assert settled(tree, tmp_path / "there")[0] == "current"


@OBSERVED
def test_status_names_a_module_that_the_build_has_read(tree, tmp_path):
    """An edit of another one is live."""
    (tree.path / "setup.py").write_text(READER)
    tree.python("T = 1\n", name="demo/table.py")
    settled(tree, tmp_path / "there")
    tree.python()
    assert settled(tree, tmp_path / "there")[0] == "current"
    tree.python("T = 2\n", name="demo/table.py")
    state, why = settled(tree, tmp_path / "there")
    assert (state, "src/demo/table.py is other now" in why) == ("stale", True)


@OBSERVED
def test_status_looks_at_what_was_read_and_is_no_input(tree, tmp_path):
    """As what is excluded: it is compared all the same."""
    (tree.path / "pyproject.toml").write_text(f'{PYPROJECT}exclude = ["data.txt", "own.py"]\n')
    (tree.path / "setup.py").write_text("open('data.txt').read()\nopen('own.py').read()\n")
    for name in ("data.txt", "own.py"):
        (tree.path / name).write_text("one")
    assert settled(tree, tmp_path / "there") == ("current", "")
    assert tree.install()[0] == 1
    (tree.path / "data.txt").write_text("two")
    assert settled(tree, tmp_path / "there")[0] == "stale"
    assert tree.install()[0] == 2


def test_status_says_that_an_unobserved_build_may_have_read_what_was_edited(tree, tmp_path):
    """Not that nothing is on record."""
    tree.environ |= UNOBSERVED
    settled(tree, tmp_path / "there")
    tree.python()
    assert settled(tree, tmp_path / "there") == (
        "unknown",
        "nobody observed its build, which may have read what was edited",
    )


def test_status_names_a_module_that_is_not_built_any_more(tree, tmp_path):
    """It lies there, and is of other sources; without it all is right."""
    tree.install(FAKE_MODULES="_native _second")
    tree.native("two")
    state, why = settled(tree, tmp_path / "there")
    assert (state, f"src/demo/_second{SUFFIX} is of other sources" in why) == ("stale", True)
    tree.module.with_name(f"_second{SUFFIX}").unlink()
    assert settled(tree, tmp_path / "there") == ("current", "")
