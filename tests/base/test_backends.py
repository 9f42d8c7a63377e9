"""What freshwheel knows of each inner backend."""

import json
import os
import subprocess
import sys

import pytest

from freshwheel.base import backends, requirements


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
    assert requirements.names(requires) == {"foo-bar-baz", "zig"}


def test_the_store_is_on_where_compilers_run():
    """Wheels are stored by default where building them is dear, and never for a backend that nobody knows."""
    stores = {known.name: known.store for known in backends.KNOWN}
    assert stores == {
        "maturin": "on",
        "setuptools-rust": "on",
        "setuptools": "extensions",
        "scikit-build-core": "on",
        "meson-python": "on",
        "hatchling": "off",
        "flit": "off",
    }
    assert backends.find("other", []).store == "off"


@pytest.mark.parametrize(
    ("requires", "may"),
    [
        (["freshwheel", "setuptools>=77", "wheel", "setuptools_scm[toml]"], False),
        (["setuptools", "cffi>=1.17"], True),
        (["setuptools", "mypy[mypyc]"], True),
    ],
)
def test_what_may_compile_without_a_source_of_its_own(requires, may):
    """Beside setuptools, any requirement may make an extension module, of a Python file or of nothing."""
    assert backends.find("setuptools.build_meta", requires).may_compile(requires) is may


def test_only_maturin_says_where_its_inputs_are():
    """Any other backend may take any file of the project directory."""
    assert [known.name for known in backends.KNOWN if known.inputs == "closure"] == ["maturin"]
    assert backends.find("other", []).inputs == "whole"


@pytest.mark.parametrize(
    "variables",
    [
        "CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_PROFILE_RELEASE_LTO CARGO_TARGET_X_LINKER RUSTC_WRAPPER",
        "CARGO_INCREMENTAL RUSTC RUSTFLAGS RUSTUP_TOOLCHAIN PYO3_CONFIG_FILE CC CC_x86_64-linux-musl CFLAGS",
        "MATURIN_PEP517_ARGS MATURIN_STRIP MATURIN_EMSCRIPTEN_VERSION SOURCE_DATE_EPOCH TARGET_SYSROOT",
        "CC CFLAGS DIST_EXTRA_CONFIG ARCHFLAGS CMAKE_ARGS CMAKE_CXX_COMPILER_LAUNCHER CXX PKG_CONFIG_PATH",
    ],
)
def test_variables_that_shape_wheels(variables):
    """Each variable that compilers, cargo, maturin and CMake are known to go by is one of the names or families."""
    assert [name for name in variables.split() if not backends.shapes(name)] == []


@pytest.mark.parametrize(
    "name",
    [
        *("CARGO_HOME", "CARGO_TERM_COLOR", "CARGO_BUILD_JOBS", "CARGO_REGISTRY_TOKEN", "CARGO_REGISTRIES_MINE_TOKEN"),
        *("MATURIN_PYPI_TOKEN", "MATURIN_PASSWORD", "CMAKE_BUILD_PARALLEL_LEVEL", "PATH", "HOME"),
        *("VIRTUAL_ENV", "PYTHONPATH", "HOSTNAME", "RUST_BACKTRACE", "CARGO_TARGET_DIR"),
        *("TERM", "NO_COLOR", "USER", "MAKEFLAGS", "PYENV_ROOT"),
    ],
)
def test_variables_that_shape_no_wheel(name):
    """Places, jobs, colours, caches and, above all, credentials do not count."""
    assert not backends.shapes(name)


def extras(module, *, editable=False, bindings=None, **variables):
    """What a backend is known to ask for on this platform when no program is on PATH."""
    return [
        extra.requirement
        for extra in backends.find(module, []).lean_extras
        if (editable or not extra.editable)
        and sys.platform.startswith(extra.platform)
        and extra.unless not in variables
        and extra.setting in (None, ("tool.maturin.bindings", bindings))
    ]


ASK = """
import contextlib, importlib, io, json, sys
with contextlib.redirect_stdout(io.StringIO()):
    backend = importlib.import_module(sys.argv[1])
    answers = [getattr(backend, "get_requires_for_build_" + kind)() for kind in ("wheel", "editable")]
sys.stderr.write("\\n" + json.dumps(answers))
"""
PLAIN = '[project]\nname = "demo"\nversion = "1.0"\ndescription = "x"\n'


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An interpreter that has the known backends."""
    pytest.importorskip("ensurepip", reason="environments are made with it")
    home = tmp_path_factory.mktemp("backends")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    found = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    names = [
        "maturin",
        "setuptools<70",
        "setuptools-rust",
        "scikit-build-core",
        "meson-python",
        "hatchling",
        "flit_core",
    ]
    subprocess.run([found, "-m", "pip", "install", "-q", *names], check=True)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "more", "variables"),
    [
        ("maturin", "", {}),
        ("maturin", "", {"MATURIN_NO_INSTALL_RUST": "1"}),
        ("maturin", '[tool.maturin]\nbindings = "cffi"\n', {}),
        ("setuptools.build_meta", "", {}),
        ("scikit_build_core.build", "", {}),
        ("scikit_build_core.build", "", {"CMAKE_EXECUTABLE": "x", "CMAKE_MAKE_PROGRAM": "x"}),
        ("mesonpy", "", {}),
        ("mesonpy", "", {"NINJA": "x"}),
        ("hatchling.build", "", {}),
        ("flit_core.buildapi", "", {}),
    ],
)
def test_extras_are_those_of_the_real_hooks(tmp_path, python, module, more, variables):
    """With no program on PATH, the hooks of the real backend ask for what is known, and for nothing else."""
    (tmp_path / "pyproject.toml").write_text(PLAIN + more, encoding="utf-8")
    (tmp_path / "demo.py").write_text("", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP", "TMPDIR") if name in os.environ}
    environ = {**kept, **variables, "PATH": str(tmp_path / "empty")}
    command = [python, "-c", ASK, module]
    done = subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True, text=True)
    bindings = "cffi" if more else None
    known = [extras(module, editable=editable, bindings=bindings, **variables) for editable in (False, True)]
    answers = json.loads(done.stderr.splitlines()[-1])
    assert [sorted(one) for one in answers] == [sorted(one) for one in known]
