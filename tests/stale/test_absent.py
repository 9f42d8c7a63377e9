"""Something that was not there, and is (K3 of the notes, and its neighbours)."""

import os

import pytest
from uv import find_uv_bin

from .conftest import (
    c,
    main,
    make_wheel,
    requires_c,
    requires_cargo,
    requires_cmake,
    requires_git,
    requires_ninja,
    run,
)

pytestmark = pytest.mark.slow

PLAIN_SETUP = (
    "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('demo._native', ['demo/_native.c'])])\n"
)

ONE, TWO = '#define WORD "one"\n', '#define WORD "two"\n'
ABSENT = """\
fn main() {{
    println!("cargo:rerun-if-changed={watched}");
    let word = std::fs::read_to_string("{path}").unwrap_or("one".into());
    println!("cargo:rustc-env=WORD={{}}", word.trim());
}}
"""
COMMIT = """\
fn main() {
    println!("cargo:rerun-if-changed=.git/HEAD");
    let head = std::fs::read_to_string(".git/HEAD").unwrap();
    println!("cargo:rerun-if-changed=.git/{}", head.trim().trim_start_matches("ref: "));
    let done = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output().unwrap();
    println!("cargo:rustc-env=WORD={}", String::from_utf8(done.stdout).unwrap().trim());
}
"""
LISTED = """\
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let mut names: Vec<_> = std::fs::read_dir("../snippets").unwrap().map(|one| one.unwrap().file_name()).collect();
    names.sort();
    println!("cargo:rustc-env=WORD={}", names.pop().unwrap().into_string().unwrap());
}
"""
SETUP = """\
import glob, importlib.util, os
from setuptools import Extension, setup

WORD = {expression}
setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], define_macros=[("WORD", f'"{{WORD}}"')])])
"""
WORD_H = '#include "word.h"'


def making(bench, path, text="two"):
    """What makes a file with its folders."""
    return lambda: bench.write(path, text)


@requires_cargo
@pytest.mark.parametrize("watched", ["../opt.txt", "../shared"], ids=["file", "folder"])
def test_a_file_that_a_build_script_would_watch_counts_when_it_comes(bench, watched):
    """S14: cargo runs the script again."""
    path = watched if watched.endswith(".txt") else f"{watched}/opt.txt"
    bench.maturin(main('env!("WORD")'), script=ABSENT.format(watched=watched, path=path))
    bench.check(making(bench, path), again=watched.endswith(".txt"))


@requires_cargo
@requires_git
@pytest.mark.parametrize("built", [True, False], ids=["after", "before"])
def test_a_commit_after_refs_are_packed_counts(bench, built):
    """S15: the file of the ref is gone by `git gc`, before a first build or after it, and the next commit makes it."""
    bench.maturin(main('env!("WORD")'), script=COMMIT)
    bench.write(".gitignore", "target\n")
    bench.commit()
    head = bench.git("rev-parse", "HEAD")
    if built:
        bench.settle()
        assert bench.build().word == head
    bench.git("gc", "--quiet")
    assert not bench.path(".git/refs/heads/main").exists()
    bench.settle()
    assert [bench.build().word for _ in range(2)] == [head, head]
    last = bench.build()
    assert last.word == head
    assert last.hit or not bench.observed, last.said
    bench.commit("another")
    assert bench.build().word == bench.git("rev-parse", "HEAD") != head


# Neighbours.


@requires_c
def test_a_header_that_was_asked_for_in_vain_counts(bench):
    """`__has_include`."""
    head = '#if __has_include("word.inc")\n#include "word.inc"\n#else\n#define WORD "one"\n#endif'
    bench.setuptools(c(head=head), extension='include_dirs=["../include"]')
    bench.path("../include").mkdir()
    bench.check(making(bench, "../include/word.inc", TWO))


@requires_c
@pytest.mark.parametrize("there", [True, False], ids=["folder", "no-folder"])
def test_a_header_in_a_folder_that_is_searched_before_counts(bench, there):
    """It hides the one that was found, whether the folder was there or not."""
    bench.setuptools(c(head=WORD_H), extension='include_dirs=["../first", "../second"]')
    bench.write("../second/word.h", ONE)
    if there:
        bench.path("../first").mkdir()
    bench.check(making(bench, "../first/word.h", TWO), again=not there)


@requires_c
def test_a_module_in_a_folder_that_is_searched_before_counts(bench):
    """PYTHONPATH stays the same."""
    bench.setuptools(c(), setup=SETUP.format(expression="__import__('words').WORD"))
    bench.write("../second/words.py", 'WORD = "one"\n')
    bench.path("../first").mkdir()
    bench.environ["PYTHONPATH"] = f"{bench.path('../first')}:{bench.path('../second')}"
    bench.check(making(bench, "../first/words.py", 'WORD = "two"\n'))


@requires_c
@pytest.mark.parametrize(
    "expression",
    [
        "sorted(os.listdir('../snippets'))[-1]",
        "os.path.basename(sorted(glob.glob('../snippets/*'))[-1])",
        "max(one.name for one in os.scandir('../snippets'))",
        "'two' if os.path.exists('../snippets/two') else 'one'",
        "os.popen('ls ../snippets').read().split()[-1]",
        "sorted(os.listdir('../site-packages'))[-1]",
    ],
    ids=["listdir", "glob", "scandir", "exists", "program", "packages"],
)
def test_a_new_file_in_a_folder_that_setup_looks_at_counts(bench, expression):
    """The folder is beside the tree, whatever it is called; nobody opens the file."""
    folder = "../site-packages" if "packages" in expression else "../snippets"
    bench.setuptools(c(), setup=SETUP.format(expression=expression))
    bench.write(f"{folder}/one", "")
    bench.check(making(bench, f"{folder}/two", ""))


@requires_c
@pytest.mark.parametrize("start", ["", "../.."], ids=["absolute", "relative"])
def test_a_new_file_in_a_folder_that_a_link_leads_to_counts(bench, start):
    """The link is an input, and the folder lies beside the tree."""
    bench.setuptools(c(), setup=SETUP.format(expression="sorted(os.listdir('demo/link'))[-1]"))
    bench.write("../snippets/one", "")
    bench.path("demo/link").symlink_to(os.path.join(start or bench.folder, "snippets"))
    bench.check(making(bench, "../snippets/two", ""))


@requires_c
def test_a_file_that_becomes_a_folder_counts(bench):
    """Whoever lists a folder is told which names in it are folders, and need not ask."""
    bench.setuptools(c(), setup=SETUP.format(expression="['one', 'two'][len(next(os.walk('../snippets'))[1])]"))
    file = bench.write("../snippets/it", "")

    def turn():
        file.unlink()
        file.mkdir()

    bench.check(turn)


@requires_cmake
@pytest.mark.parametrize(
    "more",
    [
        "file(GLOB all ../snippets/*)\nlist(GET all -1 it)\nget_filename_component(WORD ${it} NAME)",
        "set(WORD one)\nif(EXISTS ${CMAKE_SOURCE_DIR}/../snippets/two)\nset(WORD two)\nendif()",
        "set(WORD one)\ninclude(../snippets/two OPTIONAL)",
        "set(WORD one)\nfind_file(FOUND two PATHS ../snippets NO_CACHE)\nif(FOUND)\nset(WORD two)\nendif()",
        "set(WORD one)\nfind_package(Two QUIET PATHS ../snippets)\nif(Two_FOUND)\nset(WORD two)\nendif()",
    ],
    ids=["glob", "exists", "include", "find_file", "find_package"],
)
def test_a_new_file_in_a_folder_that_cmake_looks_at_counts(bench, more):
    """Whether it is listed, asked for, or looked for as a script or a package."""
    bench.cmake(c(), more=more + '\ntarget_compile_definitions(_native PRIVATE "WORD=\\"${WORD}\\"")')
    bench.write("../snippets/one", "")

    def make():
        bench.write("../snippets/two", "set(WORD two)\n")
        bench.write("../snippets/TwoConfig.cmake", "")

    bench.check(make)


@requires_ninja
def test_a_new_file_that_meson_asks_for_counts(bench):
    """`fs.exists`."""
    more = "word = import('fs').exists('../snippets/two') ? 'two' : 'one'"
    bench.meson(c(), more=more, extension="c_args: ['-DWORD=\"' + word + '\"']")
    bench.write("../snippets/one", "")
    bench.check(making(bench, "../snippets/two"))


@requires_cargo
def test_a_new_file_in_a_folder_that_a_build_script_lists_counts(bench):
    """`read_dir`, with a line that watches the script alone: cargo would not run it again, and must be made to."""
    bench.maturin(main('env!("WORD")'), script=LISTED)
    bench.write("../snippets/one", "")
    bench.check(making(bench, "../snippets/two"), unseen=True)


CARGO_IN_SETUP = """\
import subprocess
import tempfile

from setuptools import Extension, setup

with tempfile.TemporaryDirectory() as target:
    command = ["cargo", "build", "--quiet", "--offline", "--manifest-path", "../crate/Cargo.toml"]
    subprocess.run([*command, "--target-dir", target], check=True)
    word = subprocess.check_output([target + "/debug/word"], text=True).strip()
setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], define_macros=[("WORD", '"%s"' % word)])])
"""


LOCK = """\
# This file is automatically @generated by Cargo.
# It is not intended for manual editing.
version = 4

[[package]]
name = "word"
version = "1.0.0"
"""


@requires_c
@requires_cargo
@requires_git
def test_a_target_of_a_crate_that_is_no_input_counts(bench):
    """No crate is an input here, so nobody else looks whether one elsewhere in the repository gets a build script."""
    bench.setuptools(c(), setup=CARGO_IN_SETUP)
    bench.git("init", "--quiet", cwd=bench.folder)
    bench.write("../.gitignore", "target\nbuild\n*.egg-info\n")
    bench.write("../crate/Cargo.toml", '[package]\nname = "word"\nversion = "1.0.0"\n\n[workspace]\n')
    bench.write("../crate/Cargo.lock", LOCK)
    bench.write("../crate/src/main.rs", 'fn main() { println!("{}", option_env!("WORD").unwrap_or("one")); }\n')
    script = 'fn main() { println!("cargo:rustc-env=WORD=two"); }\n'
    bench.check(lambda: bench.write("../crate/build.rs", script))


@requires_c
def test_a_file_that_goes_away_counts(bench):
    """What was found first is gone, and the next one is taken."""
    bench.setuptools(c(head=WORD_H), extension='include_dirs=["../first", "../second"]')
    first = bench.write("../first/word.h", ONE)
    bench.write("../second/word.h", TWO)
    bench.check(first.unlink)


@requires_c
def test_a_new_file_among_temporary_files_counts(bench):
    """A build may look there for what another program has left."""
    word = "len(glob.glob(os.path.join(os.environ['TMPDIR'], '*.word')))"
    setup = f"""\
import glob
import os

from setuptools import Extension, setup

word = str({word})
setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], define_macros=[("WORD", '"%s"' % word)])])
"""
    bench.setuptools(c(), setup=setup)
    bench.settle()
    assert [bench.build().word for _ in range(2)] == ["0", "0"]
    bench.write(os.path.join(bench.environ["TMPDIR"], "one.word"), "")
    assert bench.build().word == "1"


IMPORTED = "__import__('words').WORD if importlib.util.find_spec('words') else 'one'"
NAMED = "'two' if installed('words') else 'one'"
EXTENDED = "'two' if extended() else 'one'"
LOOKS = """\
import importlib.metadata


def installed(name):
    try:
        return importlib.metadata.metadata(name)["Name"]
    except importlib.metadata.PackageNotFoundError:
        return ""


def extended():
    return "demo.words" in str(importlib.metadata.entry_points())


"""
FILES = {"words.py": "WORD = 'two'\n", "words-1.0.dist-info/entry_points.txt": "[demo.words]\nword = words\n"}


@requires_c
@pytest.mark.parametrize("expression", [IMPORTED, NAMED, EXTENDED], ids=["module", "distribution", "plug-in"])
def test_what_is_installed_later_counts_without_isolation(bench, make_workshop, tmp_path, expression):
    """A build goes on without something that the environment lacks, and that is installed there one day."""
    own = bench.within(make_workshop(tmp_path / "venv", "setuptools"))
    own.setuptools(c(), setup=LOOKS + SETUP.format(expression=expression))
    wheel = make_wheel(tmp_path / "made", "words", "1.0", FILES)
    other = make_wheel(tmp_path / "made", "unrelated", "1.0", {"unrelated.py": ""})

    def install(path):
        run(find_uv_bin(), "pip", "install", "--quiet", "--python", own.python, path, environ=own.environ)

    assert own.build().word == "one"
    install(other)
    own.settle()
    assert not own.observed or own.build().hit
    own.check(lambda: install(wheel))


@requires_c
def test_another_project_that_is_linked_later_counts_without_isolation(bench, make_workshop, tmp_path):
    """Of an editable there is a line in a file, or a finder, and no module."""
    own = bench.within(make_workshop(tmp_path / "venv", "setuptools"))
    own.setuptools(c(), setup=SETUP.format(expression=IMPORTED))
    own.write("../other/words.py", "WORD = 'two'\n")
    [packages] = (tmp_path / "venv").rglob("site-packages")
    own.check(lambda: (packages / "other.pth").write_text(f"{own.path('../other')}\n"))


@requires_cargo
def test_name_by_which_nothing_goes_is_no_reason_to_build(bench):
    """Maturin has Pythons look for modules in the project folder; what is none is no matter to them."""
    bench.maturin(main('"one"'))
    bench.settle()
    bench.build()
    if not bench.observed:
        return
    for path in ("TODO.md", "docs/index.md", ".github/workflows/ci.yml"):
        bench.write(path, "")
    wheel = bench.build()
    assert wheel.hit, wheel.said
    bench.write("platform.py", "raise SystemExit('another one is imported')")
    with pytest.raises(AssertionError, match="another one is imported"):
        bench.build()


@requires_c
def test_folder_without_sources_is_no_reason_to_build(bench):
    """What tools have left lies in it; an empty one counts, which a build may have listed, and one with a source."""
    bench.setuptools(c('"one"'))
    (bench.tree / "loop").symlink_to("loop")
    bench.settle()
    bench.build()
    if not bench.observed:
        return
    make_wheel(bench.tree / "out", "demo", "1.0", {})
    wheels = [bench.build() for _ in range(2)]
    assert wheels[-1].hit, wheels[0].said + wheels[1].said
    for path in ("empty", "run/log"):
        (bench.tree / path).mkdir(parents=True)
        assert not bench.build().hit
        assert bench.build().hit
    bench.write("run/log/source.c", "")
    assert not bench.build().hit


@requires_c
def test_what_a_build_keeps_for_itself_is_no_input(bench):
    """It is read and written anew each time: nothing is stored, and nothing becomes an input."""
    state = "(lambda path: (open(path, 'a+').write('.'), open(path).read()))('.mypy_cache/state')"
    bench.setuptools(c('"one"'), setup=f"import os\nos.makedirs('.mypy_cache', exist_ok=True)\n{state}\n{PLAIN_SETUP}")
    said = [bench.build().said for _ in range(3)]
    assert not any("input added" in text or "makes it one" in text for text in said)
