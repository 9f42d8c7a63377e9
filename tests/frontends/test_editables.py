"""Editable installations: the tree itself is imported, under a version that names what it was at that time."""

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["pip", "uv"])
@pytest.mark.parametrize(
    ("fixture", "source"),
    [
        ("maturin-pyo3", "python/demo/__init__.py"),
        ("setuptools-rust-pyo3", "src/demo/__init__.py"),
        ("hatchling-pure", "src/demo/__init__.py"),
        ("flit-pure", "demo.py"),
    ],
)
def test_editable_is_imported_from_the_tree_and_labelled(frontends, project, venv, name, fixture, source):
    """Both kinds of code work, an edit of Python needs no installation, and the version is that of the tree."""
    tree = project(fixture)
    label = tree.label()
    frontends[name].install(venv, tree.path, editable=True)
    assert venv.version(tree.name) == f"1.2.3+{label}"
    if "pyo3" in fixture:
        assert venv.run("import demo; print(demo.compiled())") == "compiled one"
    tree.edit(source, "interpreted one", "interpreted two")
    assert venv.run("import demo; print(demo.interpreted())") == "interpreted two"
    frontends[name].install(venv, tree.path, editable=True)
    assert venv.version(tree.name) == f"1.2.3+{tree.label()}" != f"1.2.3+{label}"
