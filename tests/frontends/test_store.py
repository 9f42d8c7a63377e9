"""Unchanged projects through real installers: the earlier wheel, without the inner backend.

The proof is its absence. A run that must not build sees a folder of wheels without the inner backend, and a cargo that
can't compile; what must build fails there, and each test shows that too.
"""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from freshwheel.base import backends
from freshwheel.base.model import Project
from freshwheel.inner import distributions
from freshwheel.inner.distributions import Build, extras

from .conftest import make_venv, pyproject, run

pytestmark = pytest.mark.slow

NEEDS = {
    "maturin-nodeps": ["maturin>=1.9,<2"],
    "maturin-pyo3": ["maturin>=1.9,<2"],
    "setuptools-rust-pyo3": ["setuptools>=77", "setuptools-rust>=1.9"],
}
RUST = {"maturin-nodeps": "src/main.rs", "maturin-pyo3": "src/lib.rs", "setuptools-rust-pyo3": "rust/src/lib.rs"}
CALL = "import json, sys, freshwheel; print(json.dumps(getattr(freshwheel, sys.argv[1])(*sys.argv[2:])))"
MISSING = "(?:Because|found for) (?:maturin|setuptools)"
"""How installers say that the inner backend is nowhere."""
BROKEN = {"CARGO_BUILD_JOBS": "no-such-program"}
"""With which cargo can't compile, and says why; the number of jobs has no part in what a wheel is made from."""
CARGO = pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo")
PROC = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no run can be told from another here")


@pytest.fixture(scope="module")
def bare(tmp_path_factory, wheelhouse):
    """The environment of a run that must not build: no inner backend to install, and no compiler to start."""
    folder = tmp_path_factory.mktemp("bare")
    ours = distributions.closure(["freshwheel"], distributions.installed(sys.path))
    for path in wheelhouse.glob("*.whl"):
        if path.name.partition("-")[0].replace("_", "-").lower() in ours:
            shutil.copy(path, folder)
    (folder / "uv.toml").write_text(f'no-index = true\nfind-links = ["{folder.as_posix()}"]\n', encoding="utf-8")
    return {"PIP_FIND_LINKS": str(folder), "UV_CONFIG_FILE": str(folder / "uv.toml"), **BROKEN}


@pytest.fixture
def cache(tmp_path):
    """A cache directory of its own."""
    return {"FRESHWHEEL_CACHE_DIR": str(tmp_path / "cache")}


def make_lean(project):
    """The requirements of the inner backend, asked for on a miss only."""
    table = pyproject(project.path)["build-system"]["requires"]
    project.configure(json.dumps(table), '["freshwheel"]')
    project.configure("[tool.freshwheel]", f"[tool.freshwheel]\nrequires = {json.dumps(NEEDS[project.fixture])}")


def built(frontend, tree, dist, **environ):
    """The name of the wheel that a frontend writes, and the digest of its bytes."""
    shutil.rmtree(dist, ignore_errors=True)
    frontend.wheel(tree, dist, **environ)
    [path] = Path(dist).glob("*.whl")
    return path.name, hashlib.sha256(path.read_bytes()).hexdigest()


def failure(frontend, tree, dist, **environ):
    """What a frontend says that can't build."""
    with pytest.raises(AssertionError) as caught:
        built(frontend, tree, dist, **environ)
    return str(caught.value)


@CARGO
@PROC
@pytest.mark.parametrize("fixture", ["maturin-pyo3", pytest.param("setuptools-rust-pyo3", marks=pytest.mark.nightly)])
def test_unchanged_lean_project_is_installed_without_its_inner_backend(
    frontends, project, bare, cache, venv, tmp_path, fixture
):
    """First build, unchanged, edit, edit taken back, another clone: by three installers in turn, one wheel."""
    tree, dist = project(fixture), tmp_path / "dist"
    make_lean(tree)
    pip, uv, build = (frontends[name] for name in ("pip", "uv", "build"))
    assert re.search(MISSING, failure(uv, tree.path, dist, **bare, **cache))
    first = built(uv, tree.path, dist, **cache)
    for frontend in (uv, pip, build):
        assert built(frontend, tree.path, dist, **bare, **cache) == first

    tree.edit(RUST[fixture], "compiled one", "compiled two")
    assert re.search(MISSING, failure(uv, tree.path, dist, **bare, **cache))
    second = built(pip, tree.path, dist, **cache)
    assert second[0] != first[0]
    uv.install(venv, tree.path, **bare, **cache)
    assert venv.run("import demo; print(demo.compiled())") == "compiled two"

    tree.edit(RUST[fixture], "compiled two", "compiled one")
    clone = tmp_path / "elsewhere" / "clone"
    shutil.copytree(tree.path, clone, ignore=shutil.ignore_patterns("target", "__pycache__", "build"))
    assert built(uv, tree.path, dist, **bare, **cache) == first
    assert built(uv, clone, dist, **bare, **cache) == first


@CARGO
@PROC
@pytest.mark.parametrize(
    "fixture",
    [
        "maturin-nodeps",
        *(pytest.param(name, marks=pytest.mark.nightly) for name in ("maturin-pyo3", "setuptools-rust-pyo3")),
    ],
)
def test_unchanged_project_never_starts_its_inner_backend(frontends, project, cache, tmp_path, fixture):
    """Where it is installed for each build all the same, it is not started."""
    tree, dist, log = project(fixture), tmp_path / "dist", tmp_path / "starts"
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "sitecustomize.py").write_text(
        f"import os\nopen({str(log)!r}, 'a').write(os.environ.get('_PYPROJECT_HOOKS_BUILD_BACKEND', '') + '\\n')\n"
    )
    spied = {"PYTHONPATH": str(tmp_path / "spy"), **cache}
    first = built(frontends["uv"], tree.path, dist, **cache)
    again = built(frontends["uv"], tree.path, dist, **spied)  # since other modules may be found
    log.unlink()
    spied |= BROKEN
    assert built(frontends["uv"], tree.path, dist, **spied) == again
    inner = pyproject(tree.path)["tool"]["freshwheel"]["backend"]
    assert inner not in log.read_text().split()
    for name in ("pip", "build"):
        assert built(frontends[name], tree.path, dist, **BROKEN, **cache) == first
    tree.edit(RUST[fixture], "compiled one", "compiled two")
    # maturin names the variable, and cargo what it holds.
    assert re.search("CARGO_BUILD_JOBS|no-such-program", failure(frontends["uv"], tree.path, dist, **spied))
    assert inner in log.read_text().split()


@dataclasses.dataclass(frozen=True)
class Room:
    """An environment as pip makes it for one build: folders in front of the path of another interpreter."""

    python: str
    environ: dict

    def call(self, tree, hook, *arguments, **environ):
        """The answer of one hook, and what it says to people; this process is the frontend."""
        command = (self.python, "-c", CALL, hook, *map(str, arguments))
        done = subprocess.run(
            command, cwd=tree, env={**self.environ, **environ}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.fixture
def room(tmp_path, environ, cache, venv, wheelhouse, uv):
    """Makes rooms: `room(name, requirements)`."""

    def make(name, *requirements):
        site = tmp_path / f"pip-build-env-{name}" / "site"
        own = next(wheelhouse.glob("freshwheel-*.whl"))
        run(uv.program, "pip", "install", "--quiet", "--target", str(site), str(own), *requirements, environ=environ)
        path = os.pathsep.join([str(site / "bin"), environ["PATH"]])
        return Room(venv.python, {**environ, **cache, "PATH": path, "PYTHONPATH": str(site)})

    return make


@CARGO
@PROC
def test_wheel_that_was_promised_is_delivered(room, project, tmp_path):
    """Whether the store loses it or the sources move: what was not installed can't be asked for any more."""
    tree, dist = project("maturin-nodeps"), tmp_path / "dist"
    make_lean(tree)
    full, one, other = room("full", *NEEDS[tree.fixture]), room("one"), room("other")
    wanted, _ = full.call(tree.path, "get_requires_for_build_wheel")
    assert wanted == NEEDS[tree.fixture]
    name, _ = full.call(tree.path, "build_wheel", dist)
    data = (dist / name).read_bytes()

    def promised(room):
        assert room.call(tree.path, "get_requires_for_build_wheel")[0] == []
        shutil.rmtree(dist)

    store = tmp_path / "cache" / "v1"
    promised(one)
    store.rename(tmp_path / "lost")
    prepared, _ = one.call(tree.path, "prepare_metadata_for_build_wheel", tmp_path)
    assert prepared.removesuffix(".dist-info") == "-".join(name.split("-")[:2])
    with pytest.raises(AssertionError, match="not installed: maturin"):  # another run of the same frontend
        other.call(tree.path, "build_wheel", dist)
    assert one.call(tree.path, "build_wheel", dist)[0] == name
    assert (dist / name).read_bytes() == data

    shutil.rmtree(store)
    (tmp_path / "lost").rename(store)
    promised(one)
    tree.edit("src/main.rs", "fn main", "// two\nfn main")
    given, said = one.call(tree.path, "build_wheel", dist)
    assert (given, (dist / name).read_bytes()) == (name, data)
    assert "the sources changed" in said
    assert one.call(tree.path, "get_requires_for_build_wheel")[0] == NEEDS[tree.fixture]


@CARGO
def test_builds_without_isolation_are_answered_from_the_store(pip, project, environ, cache, wheelhouse, tmp_path):
    """The same inner backend: the earlier wheel. Another version of it: a build."""
    tree, dist = project("maturin-nodeps"), tmp_path / "dist"
    make_lean(tree)
    wheels = [next(wheelhouse.glob(f"{name}-*.whl")) for name in ("freshwheel", "maturin")]
    here = make_venv(tmp_path / "here", {**environ, "UV_LINK_MODE": "copy"}, *wheels)
    path = os.pathsep.join([os.path.dirname(here.python), environ["PATH"]])

    def wheel(**more):
        shutil.rmtree(dist, ignore_errors=True)
        options = ("--no-build-isolation", "--no-deps", "--wheel-dir", str(dist), str(tree.path))
        command = (pip.home.python, "-m", "pip", "--python", here.python, "wheel", *options)
        run(*command, environ={**environ, **cache, "PATH": path, **more})
        [found] = dist.glob("*.whl")
        return found.name, found.read_bytes()

    # As `build --no-isolation` that is stopped after its first question: nothing is promised to anyone.
    run(here.python, "-c", CALL, "get_requires_for_build_wheel", environ={**environ, **cache}, cwd=tree.path)
    first = wheel()
    run(here.python, "-c", CALL, "get_requires_for_build_wheel", environ={**environ, **cache}, cwd=tree.path)
    assert not (tmp_path / "cache" / "leases").exists()
    assert wheel(**BROKEN) == first

    [info] = (tmp_path / "here").rglob("maturin-*.dist-info")
    metadata = info / "METADATA"
    metadata.write_text(metadata.read_text("utf-8").replace("\nVersion: ", "\nVersion: 1!"), encoding="utf-8")
    with pytest.raises(AssertionError):
        wheel(**BROKEN)
    assert wheel()[0] == first[0]


@pytest.mark.parametrize("fixture", ["maturin-pyo3", "meson-python", "scikit-build-core", "setuptools-rust-pyo3"])
@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_extras_are_what_the_inner_backend_asks_for(project, tmp_path, fixture, kind):
    """On a machine that has none of the programs, the answer of the absent inner backend is known."""
    tree = project(fixture)
    table = pyproject(tree.path)
    (tmp_path / "empty").mkdir()
    environ = {**tree.environ, "PATH": str(tmp_path / "empty")}
    inner = table["tool"]["freshwheel"]["backend"]
    ask = f"import json, {inner} as inner; print(json.dumps(inner.get_requires_for_build_{kind}()))"
    asked = json.loads(run(tree.workshop.python, "-c", ask, environ=environ, cwd=tree.path).splitlines()[-1])
    backend = backends.find(inner, table["build-system"]["requires"])
    project = Project(tree=str(tree.path), pyproject=table, sdist_version=None)
    build = Build(project=project, hook=f"build_{kind}", environ=environ, private=())
    given = extras(backend, build)
    # Only a setuptools that has none of its own asks for this one.
    assert set(given) - {"wheel"} == set(asked) - {"wheel"} <= set(given)


@CARGO
def test_bytecode_outlives_the_environment_of_a_build(uv, project, cache, tmp_path):
    """The environment is new each time, and takes what the first one compiled: no file is written anew."""
    tree, code = project("maturin-nodeps"), tmp_path / "cache" / "code"
    make_lean(tree)

    def kept():
        uv.wheel(tree.path, tmp_path / "dist", **cache, CI="")
        return {path.name: path.stat().st_ino for path in code.iterdir()}

    before = kept()
    for folder in ("answers", "memory"):  # the recipes are needed once more
        shutil.rmtree(tmp_path / "cache" / folder, ignore_errors=True)
    after = kept()
    assert len(before) > 50
    assert before == {name: after.get(name) for name in before}
