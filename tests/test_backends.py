"""What freshwheel knows of each inner backend."""

import pytest

from freshwheel import backends


@pytest.mark.parametrize(
    ("backend", "requires", "name"),
    [
        ("maturin", [], "maturin"),
        ("setuptools.build_meta", ["setuptools>=77", "wheel"], "setuptools"),
        ("setuptools.build_meta:__legacy__", [], "setuptools"),
        ("setuptools.build_meta", ["setuptools", "setuptools-rust>=1.9"], "setuptools-rust"),
        ("setuptools.build_meta", ["Setuptools_Rust[x] ; python_version > '3'"], "setuptools-rust"),
        ("setuptools.build_meta:__legacy__", ["setuptools.rust"], "setuptools-rust"),
        ("scikit_build_core.build", [], "scikit-build-core"),
        ("scikit_build_core.setuptools.build_meta", ["setuptools"], "scikit-build-core"),
        ("mesonpy", [], "meson-python"),
        ("hatchling.build", ["hatch-vcs"], "hatchling"),
        ("flit_core.buildapi", [], "flit"),
    ],
)
def test_a_known_backend(backend, requires, name):
    """A known backend is known by its module, and setuptools-rust by what stands among the requirements."""
    assert backends.find(backend, requires).name == name


@pytest.mark.parametrize(
    "backend", ["poetry.core.masonry.api", "maturin_wrapper", "hatchling.builders", "setuptools.build_meta2"]
)
def test_an_unknown_backend(backend):
    """An unknown backend gets a value that promises nothing: no own version, no variables, no distribution."""
    found = backends.find(backend, ["maturin", "setuptools-rust"])
    assert found == backends.Backend(name=backend)
    assert not found.own_version
    assert not found.variables
    assert not found.distributions


@pytest.mark.parametrize("backend", ["maturin", "setuptools.build_meta", "backend:object"])
def test_an_in_tree_backend(backend):
    """An in-tree backend is unknown even under a known name: only its author knows what it wraps."""
    assert backends.find(backend, ["maturin", "setuptools-rust"], in_tree=True) == backends.Backend(name=backend)


def test_the_own_version_is_for_three_backends():
    """Only where an inner backend has a version of its own in any case may another one replace it."""
    able = {known.name for known in backends.KNOWN if known.own_version}
    assert able == {"maturin", "setuptools", "setuptools-rust"}


def test_the_base_interpreter_is_asked_for_by_every_name():
    """Each inner backend gets all of these variables, because an in-tree one may call any other."""
    assert backends.BASE_PYTHON_VARIABLES == (
        "MATURIN_PEP517_USE_BASE_PYTHON",
        "SETUPTOOLS_RUST_PEP517_USE_BASE_PYTHON",
    )


def test_the_values_can_not_be_changed():
    """What is known of a backend is the same for every caller."""
    maturin = backends.find("maturin", [])
    with pytest.raises(TypeError):
        maturin.variables["X"] = "1"
    with pytest.raises(AttributeError):
        maturin.name = "x"


@pytest.mark.parametrize(
    ("requires", "name"),
    [
        (["freshwheel", "maturin>=1.9,<2"], "maturin"),
        (["hatchling", "hatch-vcs"], "hatchling"),
        (["setuptools", "setuptools-scm", "wheel"], "setuptools"),
        (["setuptools", "setuptools-rust"], "setuptools-rust"),
        (["setuptools-rust"], "setuptools-rust"),
        (["maturin", "setuptools"], None),
        (["maturin", "setuptools", "setuptools-rust"], None),
        (["freshwheel", "cffi"], None),
        ([], None),
    ],
)
def test_a_guess_from_the_requirements(requires, name):
    """The requirements tell which backend is meant, unless they bring several or none."""
    found = backends.guess(requires)
    assert (found and found.name) == name


@pytest.mark.parametrize(
    ("backend", "module"),
    [
        ("hatchling", "hatchling.build"),
        ("setuptools", "setuptools.build_meta"),
        ("setuptools-rust", "setuptools.build_meta"),
        ("scikit_build_core", "scikit_build_core.build"),
        ("meson-python", "mesonpy"),
        ("flit_core", "flit_core.buildapi"),
        ("Maturin", "maturin"),
        ("maturin", None),
        ("mesonpy", None),
        ("hatchling.build", None),
        ("other", None),
    ],
)
def test_a_distribution_in_place_of_a_module(backend, module):
    """Who writes the name of a distribution as backend can be told the module."""
    found = backends.misnamed(backend)
    assert (found and found.modules[0]) == module


def test_names_of_requirements():
    """Names are compared in normal form (PEP 503), and what is no requirement is left out."""
    requires = ["Foo.Bar_baz[extra]>=1 ; python_version > '3'", "  zig @ https://example.org/zig.whl", "-r x", "", "é"]
    assert backends.names(requires) == {"foo-bar-baz", "zig"}
