"""Backends in the tree that wrap others, and ways to a wheel that go around freshwheel."""

import subprocess
import zipfile

import pytest

from freshwheel.base.errors import HookMissingError
from freshwheel.build import recipes
from freshwheel.wheel import archive

REAL = '''\
"""Makes wheels of one module, and knows no other hook."""

import base64
import hashlib
import os
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open("case15.py", "rb") as file:
        module = file.read()
    with open(os.path.join(HERE, "banner.txt"), "rb") as file:
        module += b"BANNER = " + repr(file.read().decode()).encode() + b"\\n"
    info = "case15-1.0.dist-info"
    tag = b"Wheel-Version: 1.0\\nGenerator: real\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    members = {
        "case15.py": module,
        f"{info}/METADATA": b"Metadata-Version: 2.1\\nName: case15\\nVersion: 1.0\\n",
        f"{info}/WHEEL": tag,
    }
    rows = []
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(data)}\\n")
    members[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\\n"]).encode()
    with zipfile.ZipFile(os.path.join(wheel_directory, "case15-1.0-py3-none-any.whl"), "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return "case15-1.0-py3-none-any.whl"
'''

WRAPPER = '''\
"""Copies the tree and builds there, as some wrappers do; reads its switches while it is imported."""

import os
import shutil
import tempfile

import real

MODE = os.environ.get("CASE15_MODE", "plain")
SETTINGS = {}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    SETTINGS.update(config_settings or {})
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(os.getcwd(), os.path.join(folder, "copy"))
        before = os.getcwd()
        os.chdir(copy)
        try:
            with open("case15.py", "a", encoding="utf-8") as file:
                file.write(f"MODE = {MODE!r}\\nSETTINGS = {SETTINGS!r}\\n")
            return real.build_wheel(wheel_directory)
        finally:
            os.chdir(before)
'''


@pytest.fixture
def wrapped(layout):
    """A project whose backend is a wrapper in the tree, with a crate and what that depends on."""
    found = layout("python")
    found.files(
        {
            "python/_build/real.py": REAL,
            "python/_build/wrapper.py": WRAPPER,
            "python/_build/banner.txt": "one\n",
            "python/case15.py": "ANSWER = 42\n",
            "notes.md": "\n",
            "core/tests/all.rs": "\n",
            ".gitignore": "target/\n",
        }
    )
    found.crate("core", "case15-core")
    found.crate("python/rust", "case15", '\n[dependencies]\ncase15-core = { path = "../../core" }\n')
    found.pyproject("case15", backend="wrapper", ours='backend-path = ["_build"]')
    found.lock("python/rust")
    found.commit()
    return found


def wheel_of(layout, hook="build_wheel", settings=None, **environ):
    """Version, mark and module of a wheel; the backend lies in the tree, so nothing has to be installed for it."""
    call = layout.call(hook, settings, PYTHONDONTWRITEBYTECODE="1", **environ)
    path = layout.home / "dist" / recipes.wheel(call, str(layout.home / "dist"))
    with zipfile.ZipFile(path) as file:
        text = file.read("case15.py").decode()
    return path.name.split("-")[1], archive.mark_of(str(path)), text


def test_wrapper_in_the_tree_counts_with_all_that_it_may_build(wrapped):
    """Nobody knows what a wrapper builds: itself, the whole project, and the closures of its manifests count."""
    paths = tuple(
        f"python/{path}" for path in ("_build/real.py", "_build/wrapper.py", "_build/banner.txt", "case15.py")
    )
    paths += ("python/rust/src/lib.rs", "python/rust/Cargo.lock", "core/src/lib.rs", "core/Cargo.toml")
    assert wrapped.moving(*paths) == list(paths)
    assert wrapped.moving("notes.md", "core/tests/all.rs") == []


@pytest.mark.parametrize("path", ["python/_build/banner.txt", "core/src/lib.rs"])
def test_project_with_a_wrapper_keeps_the_invariants(wrapped, path):
    """Place, time and permissions don't matter; content and names do."""
    wrapped.keeps_invariants(path)


def test_wrapper_that_copies_the_tree_leaves_the_digest(wrapped):
    """It runs as if nobody wrapped it, with its own folder, environment and settings, twice with one label."""
    before = wrapped.label()
    for _ in range(2):
        version, mark, text = wheel_of(wrapped, settings={"a": "b"}, CASE15_MODE="fast")
        assert text == "ANSWER = 42\nMODE = 'fast'\nSETTINGS = {'a': 'b'}\nBANNER = 'one\\n'\n"
        assert (version, mark.settled) == (f"1.0+{before}", True)
    assert wrapped.label() == before


def test_edit_of_the_wrapper_moves_the_label(wrapped):
    """A wheel is made from its backend, too."""
    earlier, _, _ = wheel_of(wrapped)
    wrapped.replace("python/_build/banner.txt", "one", "two")
    later, _, text = wheel_of(wrapped)
    assert earlier != later
    assert "two" in text


def test_hooks_that_a_wrapper_lacks_are_made_up_for_or_refused(wrapped):
    """Without requirements and metadata hooks nothing is missed; without editables the user is told."""
    assert recipes.requires(wrapped.call()) == []
    prepared = recipes.metadata(wrapped.call(PYTHONDONTWRITEBYTECODE="1"), str(wrapped.home / "metadata"))
    version, _, _ = wheel_of(wrapped)
    assert prepared == f"case15-{version}.dist-info"
    with pytest.raises(HookMissingError, match="no build_editable"):
        wheel_of(wrapped, "build_editable")


@pytest.fixture
def released(layout):
    """A project of maturin that is released by a pipeline."""
    found = layout()
    found.crate(".", "case15b", main='println!("one");')
    found.pyproject("case15b")
    found.lock()
    found.files({".gitignore": "target/\n"})
    found.commit()
    return found


def made_by_maturin(layout, workshop):
    """The name of the wheel that maturin makes when nobody asks freshwheel."""
    options = ("build", "--release", "--compatibility", "off", "--out", str(layout.home / "around"))
    command = (workshop.python, "-m", "maturin", *options)
    subprocess.run(command, check=True, env=workshop.environ, cwd=layout.project, capture_output=True)
    [wheel] = (layout.home / "around").iterdir()
    return wheel.name


@pytest.mark.slow
def test_source_distribution_and_all_that_goes_around_agree(released, workshop, unpack):
    """`maturin build`, a wheel from a source distribution, cibuildwheel and the switch have one name, without label."""
    digest = released.digest()
    around = made_by_maturin(released, workshop)
    archived, _ = workshop.made(released, "build_sdist", "sdist")
    assert (archived.name, released.digest()) == ("case15b-0.1.0.tar.gz", digest)
    unpack(archived, released.home / "unpacked")
    inside = released.at(released.home / "unpacked" / "case15b-0.1.0")
    wheels = [workshop.wheel(inside, dist="released"), workshop.wheel(released, dist="switch", FRESHWHEEL_LABEL="off")]
    wheels += [workshop.wheel(released, dist="ci", CIBUILDWHEEL="1")]
    assert {built.name for built in wheels} == {around}
    assert {built.mark.label for built in wheels} == {None}
    assert workshop.fixpoint(released).version == f"0.1.0+s{digest[:12]}"
