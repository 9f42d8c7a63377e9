"""From a tree to a source distribution, and from that to wheels: publishable versions, one for all installers."""

import email
import tarfile

import pytest

pytestmark = pytest.mark.slow

SETUPTOOLS_VERSION = '[tool.setuptools.dynamic]\nversion = { attr = "demo.about.__version__" }\n'
SETUPTOOLS = 'backend = "setuptools.build_meta"'
FOUND = """version = { path = "src/demo/about.py", pattern = '__version__ = "(?P<version>[^"]+)"' }"""
OWN = {
    "maturin-pyo3": ('backend = "maturin"', 'backend = "maturin"\nversion = "5.0.0"'),
    "setuptools-rust-pyo3": (SETUPTOOLS, f"{SETUPTOOLS}\n{FOUND}"),
}


@pytest.fixture(params=["maturin-pyo3", pytest.param("setuptools-rust-pyo3", marks=pytest.mark.nightly)])
def own(request, project):
    """A project whose base version is not the inner backend's: once a text, once found in a file."""
    tree = project(request.param)
    tree.configure(*OWN[request.param])
    if request.param == "setuptools-rust-pyo3":
        tree.configure(SETUPTOOLS_VERSION, "")
        tree.edit("src/demo/about.py", "1.2.3", "5.0.0")
    return tree


def the_one(folder, pattern):
    """The only file that fits."""
    [path] = folder.glob(pattern)
    return path


def version_of(wheel):
    """What the file name says."""
    return wheel.name.split("-")[1]


def installed(pip, venv, tree, *what):
    """What an environment holds after the installation, and that it works."""
    pip.install(venv, "--force-reinstall", *what)
    assert "one" in venv.run("import demo; print(demo.interpreted())")
    return venv.version(tree.name)


@pytest.mark.parametrize(
    "fixture",
    [
        "hatchling-pure",
        *(pytest.param(name, marks=pytest.mark.nightly) for name in ("maturin-pyo3", "setuptools-rust-pyo3")),
    ],
)
def test_source_distribution_and_its_wheels_have_the_plain_version(fixture, pip, uv, build, project, venv, tmp_path):
    """A source distribution is for others, so it and all that is made from it is free of labels, whoever builds."""
    tree = project(fixture)
    build.release(tree.path, tmp_path / "build")
    uv.release(tree.path, tmp_path / "uv")
    for folder in ("build", "uv"):
        assert version_of(the_one(tmp_path / folder, "*.whl")) == "1.2.3"
    source = the_one(tmp_path / "build", "*.tar.gz")
    assert source.name == f"{tree.name.replace('-', '_')}-1.2.3.tar.gz"
    assert installed(pip, venv, tree, source) == "1.2.3"
    assert installed(pip, venv, tree, "--find-links", source.parent, f"--no-binary={tree.name}", tree.name) == "1.2.3"


def test_own_base_version_is_labelled_in_wheel_metadata_and_editable(own, tmp_path):
    """Where the inner backend's version is another one, the own one takes its place everywhere."""
    expected = f"5.0.0+{own.label()}"
    prepared = own.hooks.metadata(tmp_path / "prepared")
    assert email.message_from_string((prepared / "METADATA").read_text())["Version"] == expected
    assert version_of(own.hooks.wheel(tmp_path / "dist")) == expected
    assert version_of(own.hooks.wheel(tmp_path / "editable", "build_editable")) == expected


def test_own_base_version_is_that_of_the_source_distribution(own, tmp_path):
    """File name, folder and PKG-INFO of the source distribution have the own base version, without a label."""
    source = own.hooks.sdist(tmp_path / "dist")
    stem = f"{own.name.replace('-', '_')}-5.0.0"
    assert source.name == f"{stem}.tar.gz"
    with tarfile.open(source) as archive:
        assert {name.partition("/")[0] for name in archive.getnames()} == {stem}
        information = archive.extractfile(f"{stem}/PKG-INFO").read().decode()
    assert email.message_from_string(information)["Version"] == "5.0.0"


def test_wheel_from_the_source_distribution_has_the_own_base_version(own, pip, uv, build, venv, tmp_path):
    """The unpacked source distribution says which version it is, to each installer alike."""
    build.release(own.path, tmp_path / "build")
    source = the_one(tmp_path / "build", "*.tar.gz")
    uv.wheel(source, tmp_path / "uv")
    for folder in ("build", "uv"):
        assert version_of(the_one(tmp_path / folder, "*.whl")) == "5.0.0"
    assert installed(pip, venv, own, source) == "5.0.0"
