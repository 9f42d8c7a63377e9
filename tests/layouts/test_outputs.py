"""Builds that write into the tree they build, lock files first of all."""

import pytest

from freshwheel.observe import observer

CDYLIB = '\n[lib]\nname = "{}"\ncrate-type = ["cdylib"]\n'
NUMBER = '#[no_mangle]\npub extern "C" fn number() -> u32 { 7 }\n'
NATIVE = """\
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", NULL, -1, NULL};
PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&module); }
"""
WRITES = """\
    use std::fs;

    fn main() {{
        println!("cargo:rerun-if-changed=build.rs");
        println!("cargo:rerun-if-changed={path}");
        fs::write("{path}", "{text}").unwrap();
    }}
    """


def lay_writer(layout, name, path, text, before=None):
    """A project whose build script writes a file into the Python package, where there may be one `before`."""
    layout.files({f"{name}/__init__.py": "", "rust/build.rs": WRITES.format(path=f"../{path}", text=text)})
    layout.crate("rust", name, main='println!("one");')
    if before is not None:
        layout.files({path: before})
    maturin = f'[tool.maturin]\nbindings = "bin"\nmanifest-path = "rust/Cargo.toml"\ninclude = ["{name}/**/*"]\n'
    layout.pyproject(name, maturin)
    layout.lock("rust")
    layout.files({".gitignore": "target/\n"})
    layout.commit()
    return layout


def excluded(layout, path):
    """The layout in a clone of its first commit, with the `exclude` line that settles it."""
    fresh = layout.clone("settled")
    fresh.replace("pyproject.toml", "[tool.freshwheel]\n", f'[tool.freshwheel]\nexclude = ["{path}"]\n')
    fresh.commit()
    return fresh


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "before"),
    [("case7a", None), ("case7b", "FAST = False\n")],
    ids=["born", "changed"],
)
def test_file_that_the_build_writes_is_named_and_can_be_excluded(layout, workshop, name, before):
    """Born, or changed: it may be an edit, until `exclude` says that it is none."""
    path = f"{name}/_features.py"
    found = lay_writer(layout(), name, path, "FAST = True\\n", before)
    built = workshop.wheel(found)
    assert not built.mark.settled
    assert built.version != f"0.1.0+{found.label()}"
    assert path in built.said
    assert "exclude" in built.said
    settled = excluded(found, path)
    fresh = settled.digest()
    assert workshop.fixpoint(settled).version == f"0.1.0+{settled.label()}"
    assert settled.clone("again").digest() == fresh


@pytest.mark.slow
def test_editable_build_of_maturin_leaves_modules_that_do_not_count(layout, workshop):
    """Extension modules named for one Python are no inputs; what cffi writes beside them is named and excluded."""
    found = layout()
    found.files({"case7d/__init__.py": "", ".gitignore": "target/\n"})
    found.crate("rust", "case7d-native", CDYLIB.format("case7d"))
    found.files({"rust/src/lib.rs": NUMBER})
    maturin = '[tool.maturin]\nbindings = "cffi"\nmanifest-path = "rust/Cargo.toml"\nmodule-name = "case7d"\n'
    found.pyproject("case7d", maturin)
    found.lock("rust")
    found.commit()
    built = workshop.wheel(found, "build_editable")
    assert "case7d/case7d/" in built.said
    settled = excluded(found, "case7d/case7d/**")
    workshop.fixpoint(settled, "build_editable")
    assert (settled.project / "case7d" / "case7d" / "ffi.py").exists()


@pytest.fixture
def setuptools_rust(layout):
    """A project of setuptools-rust, which builds in the tree."""
    found = layout()
    found.files({"src/case7e/__init__.py": "", ".gitignore": "target/\n", "docs/index.md": "\n"})
    found.crate("rust", "case7e-native", CDYLIB.format("native"))
    found.files({"rust/src/lib.rs": NUMBER})
    tables = """\
        [tool.setuptools]
        package-dir = { "" = "src" }
        packages = ["case7e"]

        [[tool.setuptools-rust.ext-modules]]
        target = "case7e._native"
        path = "rust/Cargo.toml"
        binding = "NoBinding"
        """
    found.pyproject("case7e", tables, backend="setuptools.build_meta", ours='version = "0.1.0"')
    found.lock("rust")
    found.commit()
    return found


def test_project_of_another_backend_counts_as_a_whole(setuptools_rust):
    """What setuptools may read is anybody's guess, so everything is an input."""
    paths = ("docs/index.md", "rust/src/lib.rs", "rust/Cargo.lock", "src/case7e/__init__.py", "pyproject.toml")
    assert setuptools_rust.moving(*paths) == list(paths)
    setuptools_rust.keeps_invariants("docs/index.md")


@pytest.mark.slow
@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
def test_build_of_setuptools_rust_leaves_the_digest(setuptools_rust, workshop, hook):
    """Its metadata and its modules in the tree are no inputs, though git ignores none of them."""
    assert workshop.fixpoint(setuptools_rust, hook).version == f"0.1.0+{setuptools_rust.label()}"
    assert bool(setuptools_rust.git("status", "--porcelain")) == (hook == "build_editable")


@pytest.mark.slow
def test_build_folder_of_cargo_in_the_tree_does_not_count(setuptools_rust, workshop):
    """`target`, where cargo puts it unless told otherwise, is no input."""
    target = setuptools_rust.project / "rust" / "target"
    before = setuptools_rust.digest()
    workshop.wheel(setuptools_rust, CARGO_TARGET_DIR=str(target))
    assert (target / "CACHEDIR.TAG").exists()
    assert setuptools_rust.digest() == before


DECLARED = {
    "setuptools.build_meta": ('[tool.setuptools_scm]\nversion_file = "src/demo/_version.py"\n', "src/demo/_version.py"),
    "hatchling.build": (
        '[tool.hatch.version]\nsource = "vcs"\n\n[tool.hatch.build.hooks.vcs]\nversion-file = "src/demo/_v.py"\n',
        "src/demo/_v.py",
    ),
    "scikit_build_core.build": (
        '[[tool.scikit-build.generate]]\npath = "demo/_v.py"\ntemplate = "v"\nlocation = "source"\n',
        "demo/_v.py",
    ),
}


@pytest.mark.parametrize("backend", DECLARED)
def test_file_that_is_declared_to_be_written_does_not_count(layout, backend):
    """Born, changed or gone, a version file that `pyproject.toml` announces is an output."""
    tables, path = DECLARED[backend]
    found = layout()
    found.files({"src/demo/__init__.py": "", "demo/__init__.py": ""})
    found.pyproject("declared", tables, backend=backend)
    before = found.digest()
    found.files({path: '__version__ = "1"\n'})
    assert found.digest() == before
    assert found.moving(path, "src/demo/__init__.py") == ["src/demo/__init__.py"]


def lay_unlocked(layout, name, ignore):
    """A project in a sub-directory, without a lock file; `ignore` are files for git."""
    layout.crate(layout.folder, name, main='println!("one");')
    layout.pyproject(name)
    layout.files({".gitignore": "target/\n", **ignore})
    layout.commit()
    return layout


IGNORES = {
    "above": {".gitignore": "target/\nCargo.lock\n"},
    "beside": {"python/.gitignore": "*.lock\n"},
    "by its path": {".gitignore": "target/\n/python/Cargo.lock\n"},
}


@pytest.mark.parametrize("where", IGNORES)
def test_ignored_lock_does_not_count(layout, where):
    """Born, changed or gone, it moves no label; what else git ignores is nobody's business."""
    found = lay_unlocked(layout("python"), "case9a", IGNORES[where])
    before = found.digest()
    found.lock("python")
    assert found.git("check-ignore", "python/Cargo.lock")
    assert found.digest() == before
    above = [path for path in IGNORES[where] if "/" not in path]
    assert found.moving("python/Cargo.lock", *above) == []
    found.keeps_invariants("python/src/main.rs")


def lay_tracked(layout):
    """A project whose lock is in the repository, and in a `.gitignore`."""
    layout.files({".gitignore": "*.lock\n"})
    layout.crate(".", "tracked")
    layout.pyproject("tracked")
    layout.files({"Cargo.lock": 'version = 4\n[[package]]\nname = "tracked"\nversion = "0.1.0"\n'})
    layout.git("init", "--quiet")
    layout.git("add", "--force", "Cargo.lock")
    layout.commit()
    return layout


def test_lock_that_git_tracks_counts_whatever_is_ignored(layout):
    """Git ignores nothing that it tracks; git itself need not be there."""
    found = lay_tracked(layout())
    assert found.moving("Cargo.lock") == ["Cargo.lock"]
    assert found.digest(PATH="") == found.digest()
    found.is_free_of_places()


def test_lock_that_git_tracks_no_more_does_not_count(layout):
    """It is on this machine only."""
    found = lay_tracked(layout())
    before = found.digest()
    found.git("rm", "--quiet", "--cached", "Cargo.lock")
    assert found.digest() != before
    assert found.moving("Cargo.lock") == []


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_lock_that_is_tracked_where_the_repository_lies_elsewhere(layout, kind):
    """Another working tree and a submodule have a file in place of the folder of git."""
    found = lay_tracked(layout())
    if kind == "worktree":
        other = found.home / "other"
        found.git("worktree", "add", "--quiet", str(other))
    else:
        outer = found.at(found.home / "outer")
        outer.files({"README.md": ""})
        outer.commit()
        outer.git("submodule", "--quiet", "add", str(found.root), "inner")
        other = outer.root / "inner"
    assert (other / ".git").is_file()
    elsewhere = found.at(other)
    assert elsewhere.digest() == found.digest()
    assert elsewhere.moving("Cargo.lock") == ["Cargo.lock"]


def test_lock_that_is_ignored_by_this_machine_alone_counts(layout):
    """What git is told outside of the tree is not known to anybody else."""
    found = lay_unlocked(layout("python"), "case9b", {})
    found.files({".git/info/exclude": "Cargo.lock\n"})
    before = found.digest()
    found.lock("python")
    assert found.git("check-ignore", "python/Cargo.lock")
    assert found.digest() != before
    assert found.moving("python/Cargo.lock") == ["python/Cargo.lock"]


def test_ignored_lock_counts_once_nothing_ignores_it(layout):
    """A line taken out of `.gitignore` makes the lock an input."""
    found = lay_unlocked(layout("python"), "case9c", IGNORES["above"])
    found.lock("python")
    found.files({".gitignore": "target/\n"})
    assert found.moving("python/Cargo.lock") == ["python/Cargo.lock"]


@pytest.mark.slow
def test_build_that_makes_an_ignored_lock_leaves_the_digest(layout, workshop):
    """The first build has the label that all later ones have, and so has the metadata that was prepared for it."""
    found = lay_unlocked(layout("python"), "case9d", IGNORES["above"])
    before = found.label()
    prepared = workshop.metadata(found)
    (found.project / "Cargo.lock").unlink(missing_ok=True)
    assert workshop.fixpoint(found).version == f"0.1.0+{before}"
    assert (found.project / "Cargo.lock").exists()
    assert prepared.name == f"case9d-0.1.0+{before}.dist-info"


@pytest.mark.slow
def test_build_that_makes_a_lock_moves_the_label_once(layout, workshop):
    """The lock is an input from then on, and the outcome says so; unobserved, the first wheel is named for no tree."""
    found = lay_unlocked(layout("python"), "case9e", {})
    before = found.label()
    first = workshop.wheel(found)
    assert "Cargo.lock" in first.said
    later = workshop.fixpoint(found)
    assert later.mark.label != before
    assert (first.mark.label == later.mark.label) == first.mark.settled
    assert first.mark.settled == (not observer.unavailable(None))


@pytest.mark.slow
def test_metadata_that_makes_a_lock_has_the_label_of_the_wheel(layout, workshop):
    """The lock is written as soon as maturin is asked for metadata, so the build that follows finds it."""
    found = lay_unlocked(layout("python"), "case9f", {})
    prepared = workshop.metadata(found)
    assert (found.project / "Cargo.lock").exists()
    assert prepared.name == f"case9f-{workshop.fixpoint(found).version}.dist-info"


DISTRIBUTIONS = (
    "artifacts/wheels/my_demo-1.0-py3-none-any.whl",
    "out/linux/x86_64/my_demo-1.0+s0123456789ab-1-cp311-abi3-linux_x86_64.whl",
    "my_demo-1.0.tar.gz",
    "src/My.Demo-1.0rc1.tar.gz",
    "release/my_demo-1.0.zip",
)
OTHER_FILES = (
    "artifacts/wheels/other-1.0-py3-none-any.whl",
    "src/my_demo_data-1.0-py3-none-any.whl",
    "src/my_demo.tar.gz",
    "src/my_demo-latest.tar.gz",
    "src/my_demo-1.0-py3-none-any.whl.json",
)


@pytest.fixture
def distributed(layout):
    """A project that has left distributions of its own in many places, and has others."""
    found = layout()
    found.files({"src/my_demo/__init__.py": ""})
    found.pyproject("My_Demo", backend="hatchling.build")
    found.commit()
    return found


@pytest.mark.parametrize("path", DISTRIBUTIONS)
def test_own_distribution_is_no_input_wherever_it_lies(distributed, path):
    """What builds of the project have left is not what the next one is made from."""
    before = distributed.digest()
    distributed.files({path: "built"})
    assert distributed.digest() == before
    distributed.files({path: "built again"})
    assert distributed.digest() == before
    assert path not in distributed.inputs()


@pytest.mark.parametrize("path", OTHER_FILES)
def test_what_is_called_like_a_distribution_or_is_one_of_others_counts(distributed, path):
    """It may be there to be packed."""
    before = distributed.digest()
    distributed.files({path: "made"})
    assert distributed.digest() != before


def test_own_distribution_that_git_tracks_or_include_names_counts(distributed):
    """Somebody wants it there."""
    tracked, named, left = DISTRIBUTIONS[:3]
    distributed.files({tracked: "data"})
    distributed.commit()
    distributed.files({named: "data", left: "built"})
    distributed.replace("pyproject.toml", "[tool.freshwheel]", f'[tool.freshwheel]\ninclude = ["{named}"]')
    assert {tracked, named} <= set(distributed.inputs())
    assert left not in distributed.inputs()


@pytest.mark.slow
def test_wheels_that_are_left_in_the_project_make_no_other_build(layout, workshop):
    """Nor do their names, which setuptools lists with all others."""
    found = layout()
    found.files({"left/__init__.py": "", "left/_native.c": NATIVE, "artifacts/wheels/README": ""})
    found.files({".gitignore": "*.whl\n*.egg-info/\nbuild/\n"})
    extension = '[[tool.setuptools.ext-modules]]\nname = "left._native"\nsources = ["left/_native.c"]\n'
    found.pyproject("left", f'[tool.setuptools]\npackages = ["left"]\n{extension}', backend="setuptools.build_meta")
    found.replace("pyproject.toml", "[tool.freshwheel]", '[tool.freshwheel]\nversion = "1.0"')
    found.commit()
    first = workshop.wheel(found, dist="repository/artifacts/wheels")
    second = workshop.wheel(found, dist="again")
    assert first.mark.settled
    assert (second.version, "from the store" in second.said) == (first.version, True), second.said
