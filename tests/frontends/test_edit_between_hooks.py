"""An edit that is saved after the metadata was prepared and before the wheel is built."""

import pytest

pytestmark = pytest.mark.slow

EDITING = """\
import os
import shutil

import freshwheel
from freshwheel import *


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    name = freshwheel.prepare_metadata_for_build_wheel(metadata_directory, config_settings)
    if "EDITED_BETWEEN" in os.environ:
        shutil.copy(os.environ["EDITED_BETWEEN"], "src/demo/__init__.py")
    return name
"""


def test_label_names_what_was_built(project, tmp_path):
    """The wheel has the label of the edited tree, and the next one that of the tree put back."""
    tree = project("maturin-pyo3")
    announced = tree.hooks.metadata(tmp_path / "prepared").name
    tree.edit("src/lib.rs", "compiled one", "compiled two")
    edited = tree.label()
    assert tree.hooks.wheel(tmp_path / "dist").name.split("-")[1] == f"1.2.3+{edited}"
    assert edited not in announced
    tree.edit("src/lib.rs", "compiled two", "compiled one")
    wheel = tree.hooks.wheel(tmp_path / "dist")
    assert "-".join(wheel.name.split("-")[:2]) + ".dist-info" == announced


@pytest.mark.parametrize("name", ["pip", "uv"])
def test_installers_get_what_was_built_and_see_it_taken_back(frontends, project, venv, tmp_path, name):
    """The installed version is that of the edited tree, so the same tree as announced is not taken for installed."""
    tree = project("hatchling-pure")
    (tree.path / "_editing").mkdir()
    (tree.path / "_editing" / "editing.py").write_text(EDITING)
    tree.configure('build-backend = "freshwheel"', 'build-backend = "editing"\nbackend-path = ["_editing"]')
    source = tree.path / "src" / "demo" / "__init__.py"
    edited = tmp_path / "edited.py"
    edited.write_text(source.read_text().replace("interpreted one", "interpreted two"))
    before = tree.label()

    frontends[name].install(venv, tree.path, EDITED_BETWEEN=str(edited))
    assert source.read_text() == edited.read_text()
    assert tree.label() != before
    assert venv.version(tree.name) == f"1.2.3+{tree.label()}"
    assert venv.run("import demo; print(demo.interpreted())") == "interpreted two"

    tree.edit("src/demo/__init__.py", "interpreted two", "interpreted one")
    wanted = tmp_path / "requirements.txt"
    wanted.write_text(f"{tree.name} @ {tree.path.as_uri()}\n")
    frontends[name].install(venv, "--upgrade", "--requirement", wanted)
    assert venv.version(tree.name) == f"1.2.3+{before}"
    assert venv.run("import demo; print(demo.interpreted())") == "interpreted one"
