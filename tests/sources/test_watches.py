"""What the records in cargo's build folders watch."""

import os

import pytest

from freshwheel.sources.cargo import Closure, Crate
from freshwheel.sources.ground import Scope
from freshwheel.sources.unwatched import Compiled, Ran
from freshwheel.sources.watches import watches

MANIFEST = '[package]\nname = "{name}"\n'


@pytest.fixture
def tree(tmp_path):
    """A project with two crates, one of them with a build script, and an empty build folder."""
    folder = tmp_path / "tree"
    for name in ("demo", "words"):
        crate = folder if name == "demo" else folder / name
        (crate / "src").mkdir(parents=True)
        (crate / "Cargo.toml").write_text(MANIFEST.format(name=name))
        (crate / "src" / "lib.rs").write_text("")
    (folder / "build.rs").write_text("")
    return folder


def look(tree, **records):
    """What records, text by path, watch."""
    for path, text in records.pop("files").items():
        file = tree / "target" / "release" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    crates = tuple(Crate(folder=folder, name=folder or "demo", reason="") for folder in ("", "words"))
    closure = Closure(crates=crates, files={}, locks=("Cargo.lock",), absent=(), wanted=())
    return watches(Scope(tree=str(tree), repository=str(tree), inputs=()), closure, [str(tree / "target")])


def test_compilation(tree):
    """A relative path is relative to the workspace, and the crate is that of the nearest manifest."""
    found = look(tree, files={"deps/words-1.d": "x.rlib: words/src/lib.rs words/x.txt /etc/y\n"})
    paths = frozenset(["words/src/lib.rs", "words/x.txt", os.path.relpath("/etc/y", tree)])
    assert found.compiled == (Compiled(crate="words", root="words/src/lib.rs", script=False, paths=paths),)


@pytest.mark.skipif(os.name == "nt", reason="the system goes by the text there")
def test_crate_behind_a_link(tree):
    """What its sources and its build script have above it lies above where the link leads."""
    (tree / "real" / "deep").mkdir(parents=True)
    os.rename(tree / "words", tree / "real" / "deep" / "words")
    os.symlink("real/deep/words", tree / "words")
    (tree / "real" / "deep" / "x.txt").touch()
    files = {
        "deps/words-1.d": "x.rlib: words/src/lib.rs words/src/../../x.txt words/src/../src/y.rs\n",
        "build/words-2/output": "cargo:rerun-if-changed=../x.txt\ncargo:rerun-if-changed=src/../z\n",
        "build/words-2/root-output": "x",
    }
    found = look(tree, files=files)
    assert [unit.paths for unit in found.compiled] == [{"words/src/lib.rs", "real/deep/x.txt", "words/src/y.rs"}]
    assert [run.paths for run in found.ran] == [{"real/deep/x.txt", "words/z"}]


def test_build_script(tree):
    """Its compilation and its run."""
    files = {
        "build/demo-1/build_script_build-1.d": "x: build.rs\n",
        "build/demo-2/output": "cargo:rerun-if-changed=protos\n",
        "build/demo-2/root-output": "x",
        "build/words-2/output": "",
        "build/words-2/root-output": "x",
    }
    found = look(tree, files=files)
    assert found.compiled == (Compiled(crate="", root="build.rs", script=True, paths=frozenset(["build.rs"])),)
    assert found.ran == (
        Ran(crate="", paths=frozenset(["protos"]), narrowed=True),
        Ran(crate="words", paths=frozenset(), narrowed=False),
    )


def test_replaced_record(tree):
    """An older record of the same compilation does not speak for the newer one."""
    files = {"deps/demo-1.d": "x: src/lib.rs x.txt\n", "deps/demo-2.d": "x: src/lib.rs\n"}
    look(tree, files=files)
    for number in (1, 2):
        os.utime(tree / "target" / "release" / "deps" / f"demo-{number}.d", (number, number))
    found = look(tree, files={})
    assert [unit.paths for unit in found.compiled] == [{"src/lib.rs"}]
    assert found.read == {str(tree / "src" / "lib.rs"), str(tree / "x.txt")}


def test_source_that_is_gone(tree):
    """A record that begins with no file says nothing."""
    assert look(tree, files={"deps/old-1.d": "x: src/old.rs\n", "deps/none-1.d": ""}).compiled == ()


@pytest.mark.parametrize("ending", ["so", "dll", "dylib"])
def test_foreign_macro(tree, ending):
    """A library of the system that is not ours is a procedural macro."""
    files = {
        "deps/serde_derive-1.d": f"/t/libserde_derive-1.{ending}: /registry/serde_derive-1/src/lib.rs\n",
        "deps/serde-1.d": "/t/libserde-1.rlib: /registry/serde-1/src/lib.rs\n",
        "deps/demo-1.d": f"/t/libdemo.{ending}: src/lib.rs\n",
    }
    assert look(tree, files=files).macros == {"serde_derive"}


def test_own_macro(tree):
    """A crate of the closure that is one is unknown by any name."""
    (tree / "words" / "Cargo.toml").write_text(MANIFEST.format(name="words") + "[lib]\nproc-macro = true\n")
    assert look(tree, files={}).macros == {"the crate words"}


@pytest.mark.parametrize(
    ("manifest", "is_macro"),
    [
        ("lib = { proc-macro = true }\n[package]\n", True),
        ("lib.proc-macro = true\n[package]\n", True),
        ('[lib]\n"proc-macro" = true\n', True),
        ("[lib]\nproc_macro = true\n", True),
        ('[lib]\ncrate-type = ["proc-macro"]\n', True),
        ('[lib]\ncrate_type = ["proc-macro"]\n', True),
        ('[lib]\n"proc\\u002dm\\u0061cro" = true\n', True),
        ("[lib\nproc-macro", True),
        ("[lib]\nproc-macro = false\n", False),
        ('[lib]\ncrate-type = ["cdylib"]\n', False),
        ('lib = "proc-macro"\n[dependencies]\nproc-macro = true\nproc-macro2 = "1"\n', False),
    ],
)
def test_spellings_of_a_macro(tree, manifest, is_macro):
    """A manifest is read as cargo reads it."""
    (tree / "words" / "Cargo.toml").write_text(manifest)
    assert look(tree, files={}).macros == ({"the crate words"} if is_macro else set())


def test_manifest_that_can_not_be_read(tree):
    """Nobody knows what it says."""
    (tree / "words" / "Cargo.toml").write_bytes(b"\xff")
    assert look(tree, files={}).macros == {"the crate words"}


def test_no_build_folder(tree):
    """Nothing is watched."""
    assert look(tree, files={}).compiled == ()


@pytest.mark.parametrize(
    ("read", "text", "quiet"),
    [
        ("build.rs", "fn main() {}", True),
        ("build.rs", 'fn main() { std::fs::read("x"); }', False),
        ("build.rs more.rs", "fn main() {}", False),
        ("build.rs", 'fn main() { std::env::var("WATCHED"); }', True),
        ("build.rs", 'fn main() { std::env::var("DEP_X_Y"); }', True),
        ("build.rs", 'fn main() { std::env::var("DEMO"); }', False),
    ],
)
def test_build_script_that_reads_nothing(tree, read, text, quiet):
    """It is quiet if its one text says so."""
    (tree / "build.rs").write_text(text)
    files = {
        "build/demo-1/build_script_build-1.d": f"x: {read}\n",
        "build/demo-2/output": "cargo:rerun-if-changed=build.rs\ncargo:rerun-if-env-changed=WATCHED\n",
        "build/demo-2/root-output": "x",
    }
    found = look(tree, files=files)
    assert found.ran == (Ran(crate="", paths=frozenset(["build.rs"]), narrowed=True, quiet=quiet),)


def test_build_script_of_which_no_compilation_is_on_record(tree):
    """Nobody knows which texts it is made from."""
    (tree / "build.rs").write_text("fn main() {}")
    found = look(tree, files={"build/demo-2/output": "", "build/demo-2/root-output": "x"})
    assert not found.ran[0].quiet
