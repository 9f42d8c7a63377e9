"""Edit, install, import: what is imported is what was edited last."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TOLD = "import demo; print(demo.compiled(), '/', demo.interpreted())"


@pytest.mark.parametrize(
    ("fixture", "rust", "python"),
    [
        ("maturin-pyo3", "src/lib.rs", "python/demo/__init__.py"),
        pytest.param("setuptools-rust-pyo3", "rust/src/lib.rs", "src/demo/__init__.py", marks=pytest.mark.nightly),
    ],
)
def test_edits_are_installed_and_taking_them_back_is_too(frontend, project, venv, fixture, rust, python):
    """Behaviour and version follow each edit, in compiled and in interpreted code, and return with the sources."""
    tree = project(fixture)
    seen = []

    def install():
        frontend.install(venv, tree.path)
        seen.append((venv.run(TOLD), venv.version(tree.name)))
        assert seen[-1][1] == f"1.2.3+{tree.label()}"

    install()
    tree.edit(rust, "compiled one", "compiled two")
    install()
    tree.edit(python, "interpreted one", "interpreted two")
    install()
    tree.edit(rust, "compiled two", "compiled one")
    tree.edit(python, "interpreted two", "interpreted one")
    install()
    assert [told for told, _ in seen] == [
        "compiled one / interpreted one",
        "compiled two / interpreted one",
        "compiled two / interpreted two",
        "compiled one / interpreted one",
    ]
    assert len({version for _, version in seen}) == 3
    assert seen[0] == seen[3]


@pytest.mark.parametrize("name", ["pip", "uv", pytest.param("build", marks=pytest.mark.nightly)])
def test_build_script_finds_the_build_requirements(frontends, project, venv, name):
    """A build script that runs the interpreter for a build requirement works, and a folder it watches counts."""
    tree = project("maturin-buildrs")
    frontends[name].install(venv, tree.path)
    first = venv.version(tree.name)
    assert (venv.run("import demo; print(demo.compiled())"), first) == ("compiled one", f"1.2.3+{tree.label()}")
    tree.edit("data/words.toml", "compiled one", "compiled two")
    frontends[name].install(venv, tree.path)
    assert venv.run("import demo; print(demo.compiled())") == "compiled two"
    assert venv.version(tree.name) == f"1.2.3+{tree.label()}" != first


def test_version_comparing_upgrade_sees_the_edit_and_only_the_edit(uv, project, venv, tmp_path):
    """`uv pip install --upgrade -r` compares versions: an edit is installed, an unchanged tree is left alone."""
    tree = project("hatchling-pure")
    wanted = tmp_path / "requirements.txt"
    wanted.write_text(f"{tree.name} @ {tree.path.as_uri()}\n")

    def upgrade():
        uv.install(venv, "--upgrade", "--requirement", wanted)
        [metadata] = venv.path.glob("**/demo_hatchling_pure-*.dist-info/METADATA")
        return metadata.stat().st_ctime_ns, venv.version(tree.name), venv.run("import demo; print(demo.interpreted())")

    first = upgrade()
    assert upgrade() == first
    tree.edit("src/demo/__init__.py", "interpreted one", "interpreted two")
    assert upgrade()[1:] == (f"1.2.3+{tree.label()}", "interpreted two")
    tree.edit("src/demo/__init__.py", "interpreted two", "interpreted one")
    assert upgrade()[1:] == first[1:]


def test_dependencies_are_compiled_once_for_all_installers(frontends, project, tmp_path, environ):
    """Each installer makes its own build environment, and cargo still meets one interpreter."""
    tree = project("maturin-pyo3")

    def compiled(name):
        frontends[name].wheel(tree.path, tmp_path / name)
        found = Path(environ["CARGO_TARGET_DIR"]).glob("release/deps/libpyo3*.rlib")
        return {(path.name, path.stat().st_mtime_ns) for path in found}

    first = compiled("pip")
    assert first
    assert compiled("uv") == first
    assert compiled("build") == first
