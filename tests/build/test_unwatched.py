"""What cargo may not notice of a change, and what makes it."""

import pytest

from freshwheel.build.notice import forced, unit

CRATES = {"": "demo", "core": "demo-core"}
PRESENT = ["src/lib.rs", "src/a.rs", "build.rs", "core/src/lib.rs", "core/build.rs", "data.txt"]


def force(path, readers, *, how="changed", around=False):
    """The sources and the build scripts that a change of `path` forces."""
    found = forced({path: how} if path else {}, CRATES, PRESENT, readers, around=around)
    return sorted(found.paths), sorted(found.scripts)


ALL = (["build.rs", "core/build.rs", "core/src/lib.rs", "src/a.rs", "src/lib.rs"], ["demo", "demo-core"])


def test_build_script_that_has_read_a_file_runs_again():
    """Whatever it says that it watches; what it says now is noticed where its crate is compiled again."""
    found = force("data.txt", {"data.txt": ["build script demo-core"]})
    assert found == (["core/src/lib.rs"], ["demo-core"])


def test_build_script_of_another_crate_runs_again_too():
    """That of a registry may read what the project has."""
    assert force("data.txt", {"data.txt": ["build script other-sys"]}) == ([], ["other-sys"])


def test_crate_whose_macro_has_read_a_file_is_compiled_again():
    """Its sources look new; those of another crate do not."""
    assert force("data.txt", {"data.txt": ["rustc core/src/lib.rs"]}) == (["core/src/lib.rs"], [])


def test_source_is_known_from_any_workspace():
    """Rustc names it as seen from there; one that is not known stands for any."""
    assert force("data.txt", {"data.txt": ["rustc /repository/demo/core/src/lib.rs"]})[0] == ["core/src/lib.rs"]
    assert force("data.txt", {"data.txt": ["rustc elsewhere/main.rs"]}) == ALL


def test_compilation_of_a_build_script_is_its_own():
    """Its macro has read the file, and the crate has not."""
    assert force("data.txt", {"data.txt": ["rustc core/build.rs"]}) == (["core/build.rs"], [])


def test_file_that_nobody_has_read_forces_nothing():
    """All builds in these folders were observed."""
    assert force("data.txt", {}) == ([], [])


def test_file_that_was_only_packed_forces_nothing():
    """Who packs looks at it each time."""
    assert force("data.txt", {"data.txt": ["backend in python3.11", "maturin", "cargo"]}) == ([], [])


@pytest.mark.parametrize("program", ["cc1", "python3.11"])
def test_program_that_a_unit_has_started_stands_for_any_unit(program):
    """Nobody knows which one needs what it made."""
    assert force("data.txt", {"data.txt": [program]}) == ALL


@pytest.mark.parametrize("how", ["added", "deleted"])
def test_new_file_concerns_who_has_listed_its_folder(how):
    """Or has looked for it in vain."""
    own = (["src/a.rs", "src/lib.rs"], ["demo"])
    assert force("tables/b.txt", {"tables": ["build script demo"]}, how=how) == own
    assert force("b.txt", {".": ["build script demo"]}, how=how) == own
    assert force("b.txt", {"b.txt": ["rustc src/lib.rs"]}, how=how)[0] == ["src/a.rs", "src/lib.rs"]


def test_edit_does_not_concern_who_has_listed_its_folder():
    """The names are the same."""
    assert force("tables/b.txt", {"tables": ["build script demo"]}) == ([], [])


def test_without_observation_any_unit_may_have_read_it():
    """All crates are compiled, and their build scripts run again."""
    assert force("data.txt", None) == ALL


def test_change_elsewhere_concerns_all():
    """A variable, a tool or a file outside of the tree."""
    assert force("", {}, around=True) == ALL


def test_nothing_changed():
    """Then nothing is forced, observed or not."""
    assert force("", None) == force("", {}) == ([], [])


def test_units_are_called_by_what_they_are():
    """A build script by its package, rustc by its source, and all else by its name."""
    assert unit("/t/release/build/demo-core-0123456789abcdef/build-script-build", ()) == "build script demo-core"
    assert unit("/t/release/build/demo-core/0123/out/build-script-build", ()) == "build-script-build"
    assert unit("/opt/bin/rustc", ("rustc", "--crate-name", "demo_core", "core/src/lib.rs")) == "rustc core/src/lib.rs"
    assert unit("/opt/bin/rustc", ("rustc", "-vV")) == "rustc"
    assert unit("/usr/bin/cc1", ()) == "cc1"
    assert unit("/usr/bin/python3.11", ("python", "/site/_in_process.py", "build_wheel")) == "backend in python3.11"
    assert unit("/usr/bin/python3.11", ("python", "-c", "pass")) == "python3.11"
