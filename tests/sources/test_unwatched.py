"""What cargo would not notice, and what to touch instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.sources.unwatched import Change, Compiled, Ran, Watches, forced

CRATES = ("", "a", "../b")
PRESENT = ("Cargo.toml", "build.rs", "src/lib.rs", "a/Cargo.toml", "a/src/lib.rs", "../b/Cargo.toml", "../b/src/lib.rs")
LIB = Compiled(crate="", root="src/lib.rs", script=False, paths=frozenset(["src/lib.rs", "src/more.rs"]))
SCRIPT = Compiled(crate="", root="build.rs", script=True, paths=frozenset(["build.rs"]))
A = Compiled(crate="a", root="a/src/lib.rs", script=False, paths=frozenset(["a/src/lib.rs", "a/x.proto", "shared/y"]))
B = Compiled(crate="../b", root="../b/src/lib.rs", script=False, paths=frozenset(["../b/src/lib.rs"]))
PLAIN = (LIB, A, B)


def ran(*paths, narrowed=True, crate="", quiet=False):
    """A run of a build script."""
    return Ran(crate=crate, paths=frozenset(paths), narrowed=narrowed, quiet=quiet)


def touched(path, *watches, how="changed", macros=(), around=False, compiled=(*PLAIN, SCRIPT)):
    """What is touched for one change."""
    known = Watches(compiled=compiled, ran=watches, macros=frozenset(macros))
    changes = [] if path is None else [Change(path=path, how=how)]
    return sorted(forced(changes, CRATES, known, PRESENT, around=around))


# Build scripts.


def test_script_that_does_not_watch():
    """A build script with narrowed rerun lines is run for what they do not cover."""
    assert touched("protos/a.proto", ran("build.rs")) == ["build.rs"]


@pytest.mark.parametrize("asked", ["protos/a.proto", "protos", ""])
def test_script_that_watches(asked):
    """A file, or a folder that it lies in, is for cargo to notice."""
    assert touched("protos/a.proto", ran(asked)) == []


@pytest.mark.parametrize("narrowed", [True, False])
def test_script_that_reads_no_file(narrowed):
    """No source of Rust concerns it; a variable does, and what may set one."""
    quiet, again = ran("build.rs", narrowed=narrowed, quiet=True), ["build.rs"] if narrowed else ["Cargo.toml"]
    assert touched("a/src/lib.rs", quiet) == []
    assert touched("a/src/lib.rs", quiet, around=True) == again
    assert touched("a/Cargo.toml", quiet) == again
    assert touched(".cargo/config.toml", quiet) == again


def test_crate_behind_a_script_that_reads_no_file():
    """The script is not run for a source, so where a macro may have read that, the crate itself is touched."""
    assert touched("more/x.rs", ran("build.rs", quiet=True)) == ["src/lib.rs"]
    assert touched("more/x.rs", ran("build.rs")) == ["build.rs"]


def test_script_that_watches_a_name_alike():
    """A name that begins with that of a folder does not lie in it."""
    assert touched("protos.txt", ran("protos")) == ["build.rs"]


def test_deletion_in_a_watched_folder():
    """The newest time in a folder may stay what it was; a file by its name is missed."""
    assert touched("protos/a.proto", ran("protos"), how="deleted") == ["build.rs"]
    assert touched("protos/a.proto", ran("protos/a.proto"), how="deleted") == []


def test_script_that_asks_for_nothing():
    """It is run for any file of its crate, so the manifest will do, which compiles less than its source."""
    assert touched("protos/a.proto", ran(narrowed=False), how="deleted") == ["Cargo.toml"]


def test_whoever_else_watches():
    """That one crate watches a file says nothing about the build script of another."""
    assert touched("a/x.proto", ran("build.rs")) == ["build.rs"]
    assert touched("a/x.proto", ran(narrowed=False)) == ["Cargo.toml"]
    assert touched("a/x.proto") == []


def test_script_of_another_name():
    """The source is the one that cargo compiled, not the usual one."""
    other = Compiled(crate="", root="make.rs", script=True, paths=frozenset(["make.rs"]))
    assert touched("protos/a.proto", ran("build.rs"), compiled=(*PLAIN, other)) == ["make.rs"]


def test_script_without_a_record_of_its_compilation():
    """The usual source is taken if it is there."""
    assert touched("protos/a.proto", ran("build.rs"), compiled=PLAIN) == ["build.rs"]


def test_script_that_is_gone():
    """A record of a script that a crate no longer has forces nothing, and stands for nothing."""
    assert touched("a/y.txt", ran("src", crate="a")) == ["a/src/lib.rs"]


def test_every_crate_with_a_script():
    """Each is judged for itself."""
    script = Compiled(crate="a", root="a/build.rs", script=True, paths=frozenset(["a/build.rs"]))
    watches = (ran("protos"), ran("build.rs", crate="a"), ran("build.rs"))
    assert touched("protos/a.proto", *watches, compiled=(*PLAIN, SCRIPT, script)) == ["a/build.rs", "build.rs"]


# Crates.


@pytest.mark.parametrize("how", ["added", "changed", "deleted"])
def test_unwatched_file_of_a_crate(how):
    """The crate that it lies in is compiled again: a macro or a linker may read it."""
    assert touched("a/templates/x.html", how=how) == ["a/src/lib.rs"]
    assert touched("../b/x.html", how=how) == ["../b/src/lib.rs"]


def test_watched_file():
    """What a record of its crate names is for cargo to notice."""
    assert touched("src/more.rs") == []
    assert touched("src/more.rs", how="deleted") == []


def test_file_that_only_another_crate_names():
    """A record of another crate does not speak for the one that it lies in."""
    other = Compiled(crate="a", root="a/src/lib.rs", script=False, paths=frozenset(["words.txt"]))
    assert touched("words.txt", compiled=(LIB, other)) == ["src/lib.rs"]


def test_file_outside_of_all_crates():
    """One that nobody names may be read by any; one that somebody names is watched there, and by no macro elsewhere."""
    crates, shared = ("rust/a", "../b"), [Change(path="shared/y", how="changed")]
    a = Compiled(crate="rust/a", root="rust/a/lib.rs", script=False, paths=frozenset(["rust/a/lib.rs", "shared/y"]))
    known = Watches(compiled=(a, B))
    assert sorted(forced([Change(path="words.txt", how="changed")], crates, known, ())) == [
        "../b/src/lib.rs",
        "rust/a/lib.rs",
    ]
    assert forced(shared, crates, known, ()) == {}
    reading = Watches(compiled=(a, B), macros=frozenset(["askama_derive"]))
    assert forced(shared, crates, reading, ()) == {"../b/src/lib.rs": "nothing watches shared/y there"}


@pytest.mark.parametrize("path", ["src/demo/__init__.py", "README.md", "pyproject.toml", "Cargo.lock", "a/Cargo.toml"])
def test_file_that_only_a_macro_could_read(path):
    """Python alone does not make Rust be compiled, as long as all macros are known to read nothing."""
    assert touched(path, macros=["serde_derive", "pyo3_macros"]) == []
    assert touched(path, macros=["serde_derive", "askama_derive"]) != []


def test_crate_with_a_script_is_compiled_after_it():
    """Its root is not touched as well."""
    assert touched("templates/x.html", ran("build.rs")) == ["build.rs"]
    assert touched("templates/x.html", ran("templates")) == []


# Everything else.


def test_nothing_changed():
    """An unchanged tree stays alone."""
    assert touched(None, ran("build.rs"), ran(narrowed=False), macros=["askama_derive"]) == []


def test_requirement_changed():
    """Each build script is run, and where a macro may read what it likes, all is compiled."""
    assert touched(None, around=True) == []
    assert touched(None, ran("build.rs"), around=True) == ["build.rs"]
    assert touched(None, ran(narrowed=False), around=True) == ["Cargo.toml"]
    every = ["../b/src/lib.rs", "a/src/lib.rs", "src/lib.rs"]
    assert touched(None, around=True, macros=["askama_derive"]) == every


PATHS = st.sampled_from(["x.txt", "src/more.rs", "src/x.py", "a/x.proto", "a/new.txt", "../b/x", "../c/y", "shared/y"])
CHANGES = st.builds(Change, path=PATHS, how=st.sampled_from(["added", "changed", "deleted"]))
RUNS = st.builds(
    Ran,
    crate=st.sampled_from(CRATES),
    paths=st.frozensets(PATHS | st.sampled_from(["", "a", "src"])),
    narrowed=st.booleans(),
)


@given(st.lists(CHANGES), st.lists(RUNS), st.sets(st.sampled_from(["serde_derive", "paste", "other"])))
def test_more_changes_touch_no_less(changes, runs, macros):
    """Each change forces at least what it forces alone, and nothing is touched but sources and manifests."""
    known = Watches(compiled=(*PLAIN, SCRIPT), ran=tuple(runs), macros=frozenset(macros))
    whole = forced(changes, CRATES, known, PRESENT).keys()
    for change in changes:
        assert forced([change], CRATES, known, PRESENT).keys() <= whole
    assert whole <= {*PRESENT, *(unit.root for unit in known.compiled)}
