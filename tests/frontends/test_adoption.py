"""From a project as it was to a wheel with a label: one command, and an installer that knows nothing of it."""

import pytest

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
HATCHLING = """build-system = { requires = ["hatchling>=1.27"], build-backend = "hatchling.build" }

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
