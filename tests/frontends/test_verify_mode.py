"""Verify mode over a real compiler: what is reproducible passes, what nobody has declared comes out."""

import shutil

import pytest

from freshwheel.build import make

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo")]


def failure(tree, dist):
    """What the hook says that fails."""
    with pytest.raises(AssertionError) as caught:
        tree.hooks.wheel(dist)
    return str(caught.value)


@pytest.mark.parametrize("fixture", ["maturin-pyo3", pytest.param("setuptools-rust-pyo3", marks=pytest.mark.nightly)])
def test_clean_build_of_a_crate_gives_the_stored_wheel(project, tmp_path, fixture):
    """It is compiled in an empty folder, and what an installer makes of it is the same."""
    tree = project(fixture).with_environ(FRESHWHEEL_CACHE_DIR=str(tmp_path / "cache"))
    first = tree.hooks.wheel(tmp_path / "dist")
    data = first.read_bytes()
    again = tree.with_environ(FRESHWHEEL_STORE="verify").hooks.wheel(tmp_path / "again")
    assert (again.name, again.read_bytes()) == (first.name, data)
    assert not (tmp_path / "cache" / make.FOLDER).exists()


@pytest.mark.nightly
def test_file_that_nobody_declared_comes_out(project, tmp_path):
    """A build script reads it, nobody observes that, and somebody gave their word that nothing is read."""
    own = {"FRESHWHEEL_CACHE_DIR": str(tmp_path / "cache"), "FRESHWHEEL_OBSERVE": "off", "FRESHWHEEL_STORE": "on"}
    tree = project("maturin-pyo3").with_environ(**own)
    whim = tmp_path / "whim"
    script = (
        f'fn main() {{ println!("cargo:rustc-env=WHIM={{}}", std::fs::read_to_string({str(whim)!r}).unwrap()); }}\n'
    )
    (tree.path / "build.rs").write_text(script.replace("'", '"'), encoding="utf-8", newline="\n")
    source = (tree.path / "src" / "lib.rs").read_text(encoding="utf-8")
    more = '\n#[no_mangle]\npub static WHIM: &str = env!("WHIM");\n'
    (tree.path / "src" / "lib.rs").write_text(source + more, encoding="utf-8", newline="\n")
    whim.write_text("one")
    tree.hooks.wheel(tmp_path / "dist")
    whim.write_text("two")
    said = failure(tree.with_environ(FRESHWHEEL_STORE="verify"), tmp_path / "again")
    assert "a clean build gives another wheel than the stored" in said
    assert "_native" in said
    assert "ended with 6" in said
    assert len(list((tmp_path / "cache" / make.FOLDER).glob("*/*/*.whl"))) == 2
