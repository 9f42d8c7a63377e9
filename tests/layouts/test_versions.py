"""Versions that are static, odd or labelled already, and metadata that is prepared before the wheel is built."""

import pytest


def lay_program(layout, name, cargo='version = "0.1.0"', **options):
    """A project with nothing but a program."""
    found = layout()
    found.crate(".", name, version=cargo, main='println!("one");')
    found.pyproject(name, **options)
    found.lock()
    found.files({".gitignore": "target/\n"})
    found.commit()
    return found


def stated(built):
    """The version in the file name, of the folder, in METADATA, and in the paths of RECORD."""
    [metadata] = [name for name in built.members if name.endswith(".dist-info/METADATA")]
    folder = metadata.partition("/")[0]
    lines = built.members[metadata].decode().splitlines()
    [inside] = [line.removeprefix("Version: ") for line in lines if line.startswith("Version: ")]
    record = built.members[f"{folder}/RECORD"].decode().splitlines()
    folders = {line.split("/")[0] for line in record if ".dist-info/" in line}
    data = {line.split("/")[0] for line in record if ".data/" in line}
    names = [folder, *folders, *data]
    return {built.version, inside, *(name.split("-")[1].removesuffix(".dist").removesuffix(".data") for name in names)}


STATIC = 'version = "1.157.1"'


def test_static_version_counts_like_all_of_the_table(layout):
    """A bump moves the digest though there is no label, and the layout keeps the invariants."""
    found = lay_program(layout, "case12a", project=STATIC)
    assert found.moving("pyproject.toml", "Cargo.toml") == ["pyproject.toml", "Cargo.toml"]
    found.keeps_invariants("src/main.rs")


@pytest.mark.slow
def test_static_version_stays_as_it_is(layout, workshop):
    """PEP 621 leaves no room for a label; the mark names the sources, and Cargo's other version matters to nobody."""
    found = lay_program(layout, "case12b", project=STATIC)
    built = workshop.fixpoint(found)
    assert stated(built) == {"1.157.1"}
    assert (built.mark.label, built.mark.digest) == (None, found.digest())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "cargo", "public"),
    [
        ("case12c", "0.1.0+abc123de", "0.1.0+abc123de."),
        ("case12d", "0.37.0-alpha.1+dev", "0.37.0a1+dev."),
        ("case12e", "0.23.2-dev.0", "0.23.2.dev0+"),
        ("case12f", "0.38.0-beta.4", "0.38.0b4+"),
    ],
)
def test_odd_version_of_a_crate_is_joined_with_the_label(layout, workshop, name, cargo, public):
    """A local part stays in front of the label, and SemVer becomes what PEP 440 makes of it."""
    found = lay_program(layout, name, f'version = "{cargo}"')
    prepared = workshop.metadata(found)
    assert prepared.name == f"{name}-{public}{found.label()}.dist-info"
    assert stated(workshop.wheel(found)) == {public + found.label()}


@pytest.mark.slow
def test_own_base_version_takes_the_place_of_that_of_the_crate(layout, workshop):
    """A release number that Cargo does not know stays what it was when the version became dynamic."""
    found = lay_program(layout, "case12g", ours='version = "5.0.0"')
    assert stated(workshop.fixpoint(found)) == {f"5.0.0+{found.label()}"}


@pytest.mark.slow
def test_version_that_is_written_down_for_a_release_ends_the_labels(layout, workshop):
    """A pipeline that writes a static version into `pyproject.toml` gets wheels with exactly that."""
    found = lay_program(layout, "case12h")
    assert workshop.wheel(found).mark.label == found.label()
    found.replace("pyproject.toml", 'dynamic = ["version"]', 'version = "0.1.0"')
    assert stated(workshop.wheel(found)) == {"0.1.0"}


@pytest.mark.slow
def test_wheel_agrees_with_itself_and_with_the_metadata_that_was_prepared(layout, workshop):
    """File name, folders, METADATA and RECORD have one version, and nothing of it reached the inner backend."""
    found = lay_program(layout, "case13a")
    prepared = workshop.metadata(found)
    built = workshop.wheel(found, "build_wheel", prepared)
    assert stated(built) == {f"0.1.0+{found.label()}"}
    assert (prepared / "METADATA").read_bytes() == built.members[f"{prepared.name}/METADATA"]
    assert built.mark.inner_wheel.startswith("case13a-0.1.0-")


@pytest.mark.slow
def test_wheel_of_a_tree_that_moved_after_the_metadata_names_what_was_built(layout, workshop):
    """The prepared version is that of the tree then; the wheel is labelled for the tree now, and agrees with itself."""
    found = lay_program(layout, "case13b")
    prepared = workshop.metadata(found)
    found.replace("src/main.rs", "one", "two")
    built = workshop.wheel(found, "build_wheel", prepared)
    assert stated(built) == {f"0.1.0+{found.label()}"}
    assert built.version not in prepared.name
    assert built.holds("two")


def test_metadata_hand_off_keeps_the_invariants(layout):
    """Place, time and permissions don't matter; content and names do."""
    lay_program(layout, "case13c").keeps_invariants("src/main.rs")
