"""What shapes a wheel and is no file, and configuration that is read from where the build starts."""

import pytest


@pytest.fixture
def switched(layout):
    """A project whose crate has a workspace of its own elsewhere, with configuration in every place."""
    found = layout("project")
    found.files(
        {
            ".cargo/config.toml": "[build]\n",
            "rust/.cargo/config.toml": "[build]\n",
            "project/.cargo/config.toml": "[build]\n",
            "rust-toolchain.toml": '[toolchain]\nchannel = "stable"\n',
            "rust/rust-toolchain.toml": '[toolchain]\nchannel = "nightly"\n',
            "rust/Cargo.toml": '[workspace]\nmembers = ["crate"]\nresolver = "2"\n\n[profile.release]\nlto = true\n',
            ".gitignore": "target/\n",
        }
    )
    found.crate("rust/crate", "case14", "\n[features]\nfast = []\n", main='println!("{}", cfg!(feature = "fast"));')
    maturin = '[tool.maturin]\nbindings = "bin"\nmanifest-path = "../rust/crate/Cargo.toml"\nprofile = "release"\n'
    found.pyproject("case14", maturin)
    found.lock("rust/crate")
    found.commit()
    return found


def test_configuration_counts_where_the_build_reads_it(switched):
    """Both cargo and rustup look from the project directory upwards, and profiles stand in the root manifest."""
    paths = (".cargo/config.toml", "project/.cargo/config.toml", "rust-toolchain.toml", "rust/Cargo.toml")
    assert switched.moving(*paths) == list(paths)


def test_configuration_beside_the_crate_does_not_count(switched):
    """Where the crate lies, nobody looks when a frontend builds the project."""
    assert switched.moving("rust/.cargo/config.toml", "rust/rust-toolchain.toml") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [('profile = "release"', 'profile = "dev"'), ("[tool.maturin]\n", '[tool.maturin]\nfeatures = ["fast"]\n')],
)
def test_switches_in_pyproject_count(switched, old, new):
    """A profile or a feature that is written down is a part of the sources."""
    before = switched.digest()
    switched.replace("project/pyproject.toml", old, new)
    assert switched.digest() != before


def test_tables_about_other_things_do_not_count(switched):
    """A linter's line length, comments and layout change no wheel."""
    before = switched.digest()
    path = switched.project / "pyproject.toml"
    path.write_text(f"# edited\n\n{path.read_text()}\n[tool.ruff]\nline-length = 99\n")
    assert switched.digest() == before


@pytest.mark.parametrize(
    "environ",
    [
        {"MATURIN_PEP517_ARGS": "--profile dev"},
        {"RUSTFLAGS": "-C target-cpu=native"},
        {"CARGO_PROFILE_RELEASE_LTO": "false"},
        {"CI": "1"},
        {"PYO3_PYTHON": "/somewhere/bin/python"},
        {"HOME": "/somewhere"},
    ],
    ids=lambda environ: next(iter(environ)),
)
def test_environment_is_no_source(switched, environ):
    """The label names sources alone, so that all machines agree about it."""
    assert switched.digest(**environ) == switched.digest()


@pytest.mark.parametrize("settings", [None, {}, {"build-args": "--features fast"}, {"--build-option": ["--fast"]}])
@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
def test_settings_and_kind_of_wheel_are_no_source(switched, hook, settings):
    """Wheel and editable, and wheels with other settings, are made from the same sources."""
    assert switched.digest(hook, settings) == switched.digest()


def test_project_with_switches_keeps_the_invariants(switched):
    """Place, time and permissions don't matter; content and names do."""
    switched.keeps_invariants("rust/crate/src/main.rs")


@pytest.mark.slow
def test_switch_reaches_the_wheel_under_the_label_of_the_sources(layout, workshop):
    """A feature that is switched on from outside makes another wheel, though from the same sources."""
    found = layout()
    found.crate(".", "case14b", "\n[features]\nfast = []\n", main='if cfg!(feature = "fast") { println!("quickly"); }')
    found.pyproject("case14b")
    found.lock()
    slow = workshop.fixpoint(found)
    fast = workshop.wheel(found, MATURIN_PEP517_ARGS="--features fast")
    assert fast.version == slow.version == f"0.1.0+{found.label()}"
    assert (slow.holds("quickly"), fast.holds("quickly")) == (False, True)
