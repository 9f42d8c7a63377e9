"""How cibuildwheel builds, without its containers: its command lines, and the variables that it sets.

Those of cibuildwheel 4.3.5. Each of its frontends makes releases, whatever the store has.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

from .conftest import REPOSITORY, SCRIPTS, run

pytestmark = pytest.mark.slow

CARGO = pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo")
FIXTURES = ["setuptools-c", pytest.param("maturin-nodeps", marks=CARGO)]
FRONTENDS = {
    "build": "{python} -m build {tree} --wheel --outdir={dist}",
    "build[uv]": "{python} -m build {tree} --wheel --outdir={dist} --installer=uv",
    "pip": "{python} -m pip wheel {tree} --wheel-dir={dist} --no-deps",
    "uv": "{uv} build --python={python} {tree} --wheel --out-dir={dist}",
}


@dataclasses.dataclass(frozen=True)
class Job:
    """One project on one machine, as cibuildwheel sees it."""

    tree: Path
    dist: Path
    python: str
    cache: Path
    environ: dict = dataclasses.field(repr=False)

    def build(self, frontend, **environ):
        """The wheel of one frontend, which finds the folder of wheels empty."""
        shutil.rmtree(self.dist, ignore_errors=True)
        self.dist.mkdir()
        given = {"tree": self.tree, "dist": self.dist, "python": self.python, "uv": find_uv_bin()}
        command = [word.format_map(given) for word in FRONTENDS[frontend].split()]
        run(*command, environ={**self.environ, **environ}, cwd=self.tree)
        [wheel] = self.dist.glob("*.whl")
        return wheel

    def stored(self):
        """What the store has, but for locks."""
        return sorted(path for kind in ("index", "blobs") for path in (self.cache / "v1" / kind).rglob("*"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory, outside, tools):
    """The environment of a job of CI, where freshwheel has just been released."""
    folder = tmp_path_factory.mktemp("machine")
    command = (find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", str(folder / "wheels"), str(REPOSITORY))
    run(*command, environ=outside)
    programs = [str(tools.path / SCRIPTS), os.path.dirname(find_uv_bin()), outside["PATH"]]
    return {
        **outside,
        "CARGO_TARGET_DIR": str(folder / "target"),
        "CIBUILDWHEEL": "1",
        "CIBUILDWHEEL_BUILD_IDENTIFIER": "cp{}{}-manylinux_x86_64".format(*sys.version_info),
        "PATH": os.pathsep.join(programs),
        "PIP_FIND_LINKS": str(folder / "wheels"),
        "PIP_ROOT_USER_ACTION": "ignore",
        "UV_CACHE_DIR": str(folder / "uv"),
        "UV_FIND_LINKS": str(folder / "wheels"),
        "VIRTUAL_ENV": str(tools.path),
    }


@pytest.fixture
def job(tmp_path, machine, tools):
    """Makes a job of a copy of a project: `job(name)`."""

    def made(name):
        tree, cache = tmp_path / name, tmp_path / "cache"
        shutil.copytree(REPOSITORY / "fixtures" / name, tree, ignore=shutil.ignore_patterns("target", "build"))
        return Job(tree, tmp_path / "dist", tools.python, cache, {**machine, "FRESHWHEEL_CACHE_DIR": str(cache)})

    return made


def mark(wheel):
    """The mark in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/freshwheel.json")]
        return json.loads(archive.read(name))


@pytest.mark.parametrize("fixture", FIXTURES)
@pytest.mark.parametrize("frontend", FRONTENDS)
def test_wheels_of_cibuildwheel_are_releases(job, fixture, frontend):
    """Whatever the frontend, the version is plain, the wheel says no label, and nothing is put into the store."""
    one = job(fixture)
    wheel = one.build(frontend)
    assert wheel.name.split("-")[1] == "1.2.3"
    assert not wheel.name.endswith("-any.whl")
    assert mark(wheel)["label"] is None
    assert mark(wheel)["settled"]
    assert one.stored() == []


@CARGO
def test_a_full_store_has_no_part_in_it(job):
    """A wheel that the store has is handed out to anybody else, and cibuildwheel builds all the same."""
    one, frontend = job("maturin-nodeps"), "build[uv]"
    broken = {"CARGO_BUILD_JOBS": "no-such-program"}
    labelled = one.build(frontend, CIBUILDWHEEL="").name
    before = one.stored()
    assert one.build(frontend, CIBUILDWHEEL="", **broken).name == labelled
    with pytest.raises(AssertionError, match=r"no-such-program|CARGO_BUILD_JOBS"):
        one.build(frontend, CARGO_TARGET_DIR=str(one.tree.parent / "empty"), **broken)
    assert "+" not in one.build(frontend).name
    assert one.stored() == before


def test_an_index_of_ones_own_may_have_labels(job):
    """`CIBW_ENVIRONMENT: FRESHWHEEL_LABEL=on` labels the wheels."""
    wheel = job("setuptools-c").build("build[uv]", FRESHWHEEL_LABEL="on")
    assert wheel.name.split("-")[1] == "1.2.3+" + mark(wheel)["label"]


def test_what_it_sets_to_build_for_another_machine_reaches_the_inner_backend(job, tmp_path):
    """The configuration and the variables for cross-builds decide about file names, as they do without freshwheel."""
    extra = tmp_path / "extra-setup.cfg"
    extra.write_text("[build_ext]\nplat_name=win-arm64\n[bdist_wheel]\nplat_name=win-arm64\n", encoding="utf-8")
    suffix = ".cp311-win_arm64.pyd"
    wheel = job("setuptools-c").build("build[uv]", DIST_EXTRA_CONFIG=str(extra), SETUPTOOLS_EXT_SUFFIX=suffix)
    assert wheel.name.endswith("-win_arm64.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert [name for name in archive.namelist() if name.endswith(suffix)]


def test_a_release_is_fit_for_an_upload(job):
    """`freshwheel check` finds nothing in the folder of cibuildwheel, and something once a label is in it."""
    one = job("setuptools-c")
    command = (sys.executable, "-m", "freshwheel", "check", str(one.dist))
    one.build("build[uv]")
    run(*command, environ=one.environ)
    one.build("build[uv]", FRESHWHEEL_LABEL="on")
    done = subprocess.run(command, check=False, env=one.environ, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
