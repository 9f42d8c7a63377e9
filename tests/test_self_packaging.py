"""What freshwheel ships of itself."""

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from freshwheel.about import __version__

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "freshwheel"
INFO = f"freshwheel-{__version__}.dist-info"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """A folder with freshwheel's source distribution, and the wheel that is made from it."""
    folder = tmp_path_factory.mktemp("dist")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "build", "--quiet", "--python", sys.executable, "--out-dir", folder, REPOSITORY],
        check=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("UV_FIND_LINKS")},
        stdin=subprocess.DEVNULL,
    )
    return folder


@pytest.fixture(scope="module")
def wheel(dist):
    """The members of the wheel by name."""
    with zipfile.ZipFile(dist / f"freshwheel-{__version__}-py3-none-any.whl") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def sdist(dist):
    """The names of the files in the source distribution."""
    with tarfile.open(dist / f"freshwheel-{__version__}.tar.gz") as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def modules():
    """The modules and `py.typed`, as the wheel names them."""
    found = {path for path in PACKAGE.rglob("*") if path.suffix == ".py" or path.name == "py.typed"}
    return {path.relative_to(PACKAGE.parent).as_posix() for path in found}


def test_wheel_holds_the_package_and_nothing_else(wheel):
    """The wheel has each module, `py.typed` and the licence: no tests, no fixtures, no litter."""
    metadata = {f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    assert set(wheel) == modules() | metadata


def test_version_is_that_of_about(wheel):
    """The metadata states the version that the package states, and the Python it needs."""
    metadata = email.message_from_bytes(wheel[f"{INFO}/METADATA"])
    assert (metadata["Version"], metadata["Requires-Python"]) == (__version__, ">=3.10")
    assert metadata["License-Expression"] == "MIT"


def test_each_requirement_is_imported(wheel):
    """Of the package and of its extra: nobody installs what is not used."""
    metadata = email.message_from_bytes(wheel[f"{INFO}/METADATA"])
    names = {re.match(r"[\w-]+", text)[0].replace("-", "_") for text in metadata.get_all("Requires-Dist")}
    source = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    assert {name for name in names if not re.search(rf"^ *(?:import|from) {name}\b", source, re.MULTILINE)} == set()
    assert "rich" in names


def test_source_distribution_can_be_tested(sdist):
    """The source distribution has the package, tests, fixtures and pages, and what `make test` runs."""
    kept = {f"src/{name}" for name in modules()}
    kept |= {"Makefile", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "PKG-INFO"}
    kept |= {".ci/run", ".ci/environment.py", ".ci/pythons.py", ".ci/demo.py", "benchmarks/trial.py"}
    kept |= {"tests/conftest.py", "tests/test_self_packaging.py", "docs/development/architecture.md"}
    kept |= {"fixtures/maturin-pyo3/Cargo.lock", "fixtures/maturin-pyo3/src/lib.rs"}
    assert kept - sdist == set()


def test_source_distribution_has_no_litter(sdist):
    """Bytecode, build folders and environments stay at home."""
    litter = ("__pycache__", ".venv", ".venv-pythons", ".hypothesis", "target", ".pyc", ".so")
    assert [name for name in sdist if any(part in litter or part.endswith(litter) for part in name.split("/"))] == []
