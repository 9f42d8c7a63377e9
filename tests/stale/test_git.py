"""What version control says to a build, beside the files that are checked out."""

import pytest

from .conftest import Wheel, c, main, requires_c, requires_cargo, requires_cmake, requires_git, requires_ninja
from .test_unobserved import BACKEND

pytestmark = [pytest.mark.slow, requires_git]

IGNORED = "*.egg-info\n__pycache__\nbuild\n"
PLAIN = """\
cmake_minimum_required(VERSION 3.18)
project(demo LANGUAGES NONE)
execute_process(
  COMMAND git {words} WORKING_DIRECTORY "${{CMAKE_SOURCE_DIR}}"
  OUTPUT_VARIABLE WORD OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
file(WRITE "${{CMAKE_BINARY_DIR}}/word.txt" "<<${{WORD}}>>")
install(FILES "${{CMAKE_BINARY_DIR}}/word.txt" DESTINATION demo)
"""
"""A project that needs no compiler, and packs what git answers."""
DESCRIBE = """\
import subprocess


def get_version():
    command = ["git", "describe", "--tags", "--always", "--dirty"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().removeprefix("v")
"""
SETUP = """\
import os
import sys

from setuptools import Extension, setup

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
{how}

setup(version=get_version(), ext_modules=[Extension("demo._native", ["demo/_native.c"])])
"""


class Released(Wheel):
    """A wheel whose word is its version, but for the label."""

    @property
    def word(self):
        """The version that the inner backend has found."""
        return self.file.name.split("-")[1].partition("+")[0]


def released(bench):
    """What builds wheels whose word is their version."""

    def build(**how):
        made = bench.build(**how)
        return Released(made.file, made.said)

    return build


def dynamic(bench, *, scm=False):
    """Has the inner backend find the version, by setuptools-scm or as it will."""
    bench.replace("pyproject.toml", 'version = "1.0.0"', 'dynamic = ["version"]')
    if scm:
        bench.replace("pyproject.toml", '"setuptools"]', '"setuptools", "setuptools-scm"]')
        bench.replace("pyproject.toml", "[tool.setuptools]", "[tool.setuptools_scm]\n\n[tool.setuptools]")
    bench.write(".gitignore", IGNORED)


@requires_c
@pytest.mark.parametrize("where", ["versioneer", "setup.py"])
def test_tag_that_setup_py_asks_git_for_counts(bench, where):
    """S26: a vendored versioneer, and a setup.py that does the same itself."""
    vendored = where == "versioneer"
    how = "from versioneer import get_version" if vendored else DESCRIBE
    bench.setuptools(c('"one"'), setup=SETUP.format(how=how))
    if vendored:
        bench.write("versioneer.py", DESCRIBE)
    dynamic(bench)
    bench.commit()
    bench.git("tag", "v1.0")

    def change():
        bench.git("tag", "--annotate", "--message", "two", "v2.0")

    bench.check(change, before="1.0", after="2.0", build=released(bench))


@requires_c
def test_commits_that_were_not_there_yet_count(bench):
    """S27: setuptools-scm in a shallow clone, then all of the history; HEAD, tags and dirt are the same."""
    bench.setuptools(c('"one"'))
    dynamic(bench, scm=True)
    for message in ("one", "two", "three"):
        bench.commit(message)
    origin = bench.folder / "origin"
    bench.tree.rename(origin)
    bench.git("clone", "--quiet", "--depth", "1", origin.as_uri(), bench.tree, cwd=bench.folder)

    def change():
        bench.git("fetch", "--quiet", "--unshallow")

    bench.check(change, before="0.1.dev1", after="0.1.dev3", build=released(bench))


@requires_c
def test_file_that_git_tracks_by_now_is_packed(bench):
    """S29: setuptools-scm packs what git tracks; the tree was dirty before, and the file lay there."""
    bench.setuptools(c("WORD", '#define WORD "none"'))
    dynamic(bench, scm=True)
    bench.write("README", "one\n")
    bench.commit()
    bench.git("tag", "v1.0")
    bench.write("README", "two\n")
    bench.write("demo/data.txt", "data\n")

    class Packed(Wheel):
        """A wheel whose word is whether the file is in it."""

        @property
        def word(self):
            """The promise in one word."""
            return "packed" if "demo/data.txt" in self.members else "left out"

    def build(**how):
        made = bench.build(**how)
        return Packed(made.file, made.said)

    bench.check(lambda: bench.git("add", "demo/data.txt"), before="left out", after="packed", build=build)


@requires_cmake
@pytest.mark.parametrize(
    ("asked", "change", "before", "after"),
    [
        pytest.param("rev-list --count HEAD", "commit --quiet --allow-empty -m two", "2", "3", id="commit"),
        pytest.param("rev-parse --abbrev-ref HEAD", "checkout --quiet --detach", "main", "HEAD", id="detached"),
        pytest.param("rev-parse --abbrev-ref HEAD", "branch --move other", "main", "other", id="renamed"),
        pytest.param("describe --tags --abbrev=0", "tag --delete v2", "v2", "v1", id="tag"),
        pytest.param("config demo.word", "config demo.word two", "one", "two", id="config"),
    ],
)
def test_whatever_a_text_of_cmake_asks_git_counts(bench, asked, change, before, after):
    """S28, an empty commit; and its neighbours: HEAD, a branch, a tag, a setting."""
    bench.cmake("", lists=PLAIN.format(words=asked))
    for tag in ("v1", "v2"):
        bench.commit(tag)
        bench.git("tag", tag)
    bench.git("config", "demo.word", "one")
    bench.check(lambda: bench.git(*change.split()), before=before, after=after)


@requires_cmake
@requires_ninja
def test_other_branch_that_git_was_asked_for_counts(bench):
    """It may move without the one that is checked out."""
    bench.cmake(c(), lists=PLAIN.format(words="rev-list --count main..HEAD"))
    bench.write(".gitignore", IGNORED)
    bench.commit()
    bench.git("checkout", "--quiet", "-b", "other")
    bench.commit("more")
    bench.check(lambda: bench.git("update-ref", "refs/heads/main", "HEAD"), before="1", after="0")


MOVED = "update-ref refs/heads/20 other"


@requires_cmake
@pytest.mark.parametrize(
    ("asked", "change"),
    [
        pytest.param("rev-list --count --glob=heads/2*", MOVED, id="pattern"),
        pytest.param("rev-parse --verify 20", MOVED, id="number"),
        pytest.param("rev-parse ORIG_HEAD", "update-ref ORIG_HEAD other", id="other-file"),
        pytest.param("config my.word", "config --file .git/more my.word two", id="included-settings"),
    ],
)
def test_what_git_goes_by_beside_head_and_tags_counts(bench, asked, change):
    """A branch that no word names, a file of its own beside the references: what git says after it is packed."""
    bench.cmake("", lists=PLAIN.format(words=asked))
    bench.commit()
    for command in (
        *("branch 20", "update-ref ORIG_HEAD HEAD"),
        *("config include.path more", "config --file .git/more my.word one"),
        *("checkout --quiet -b other", "commit --quiet --allow-empty -m two", "checkout --quiet main"),
    ):
        bench.git(*command.split())
    bench.settle()
    first = [bench.build() for _ in range(2)][-1]
    assert first.hit or not bench.observed
    before = first.word
    bench.git(*change.split())
    assert bench.build().word == bench.git(*asked.split()).strip() != before


@requires_c
def test_other_branch_is_no_reason_to_build_for_who_asks_git_for_a_version(bench):
    """What setuptools-scm asks goes by HEAD, tags and the files that git tracks."""
    bench.setuptools(c('"one"'))
    dynamic(bench, scm=True)
    bench.commit()
    bench.git("tag", "v1.0")
    bench.git("branch", "other")
    bench.settle()
    first, *_ = [bench.build() for _ in range(2)]
    bench.git("checkout", "--quiet", "other")
    bench.git("commit", "--quiet", "--allow-empty", "--message", "two")
    bench.git("checkout", "--quiet", "main")
    last = bench.build()
    assert last.hit or first.unstored, last.why


def test_settings_of_another_home_count(bench):
    """Git asks where it is, and nobody else does."""
    line = next(line for line in BACKEND.splitlines() if "word =" in line)
    asked = '__import__("subprocess").check_output(["git", "config", "demo.word"], text=True).strip()'
    bench.pyproject("backend", (), table='backend-path = ["."]\nstore = "on"')
    bench.write("backend.py", BACKEND.replace(line, f"    word = {asked}"))
    bench.commit()
    del bench.environ["GIT_CONFIG_GLOBAL"]
    for word in ("two", "one"):
        config = bench.write(f"../{word}/.gitconfig", f"[demo]\nword = {word}\n")
        bench.environ["HOME"] = str(config.parent)
    bench.check(lambda: bench.environ.update(HOME=str(bench.path("../two"))))


@requires_cmake
@requires_ninja
def test_branch_that_git_names_beside_a_commit_counts(bench):
    """`%D` has all of them, and nobody has asked for one."""
    lists = PLAIN.format(words="log -1 --format=%D")
    bench.cmake(c(), lists=lists.replace("file(", 'string(MAKE_C_IDENTIFIER "${WORD}" WORD)\nfile('))
    bench.write(".gitignore", IGNORED)
    bench.commit()
    bench.check(lambda: bench.git("branch", "other"), before="HEAD____main", after="HEAD____main__other")


@requires_c
def test_file_of_version_control_that_a_script_reads_counts(bench):
    """Not by what git says, but by what is in it."""
    setup = """\
from setuptools import Extension, setup

with open(".git/refs/heads/main") as file:
    word = file.read().strip()
setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], define_macros=[("WORD", \'"%s"\' % word)])])
"""
    bench.setuptools(c(), setup=setup)
    bench.write(".gitignore", IGNORED)
    bench.commit()
    bench.git("checkout", "--quiet", "-b", "other")
    bench.commit("more")
    words = [bench.git("rev-parse", name) for name in ("main", "other")]
    bench.check(lambda: bench.git("update-ref", "refs/heads/main", "other"), before=words[0], after=words[1])


GLOB = """\
file({glob} RELATIVE "${{CMAKE_SOURCE_DIR}}" "${{CMAKE_SOURCE_DIR}}/{pattern}")
list(FILTER FOUND INCLUDE REGEX "tags/")
list(TRANSFORM FOUND REPLACE ".*/" "")
list(JOIN FOUND "_" WORD)
target_compile_definitions(_native PRIVATE "WORD=\\"${{WORD}}\\"")
"""


@requires_ninja
@pytest.mark.parametrize(
    ("glob", "pattern"), [("GLOB FOUND", ".git/refs/tags/*"), ("GLOB_RECURSE FOUND", ".git/refs/*")]
)
def test_folder_of_version_control_that_is_listed_counts(bench, glob, pattern):
    """A tag that comes, for who asks no git: whether the folder above is listed as well, or not."""
    bench.cmake(c(), more=GLOB.format(glob=glob, pattern=pattern))
    bench.write(".gitignore", IGNORED)
    bench.commit()
    bench.git("tag", "v1")
    bench.check(lambda: bench.git("tag", "v2"), before="v1", after="v1_v2")


@requires_ninja
def test_a_tag_is_nothing_to_who_walks_the_whole_tree(bench):
    """And looks at nothing of what version control keeps."""
    bench.cmake(c(head='#define WORD "one"'), more='file(GLOB_RECURSE FOUND "${CMAKE_SOURCE_DIR}/*.cmake")')
    bench.write(".gitignore", IGNORED)
    bench.commit()
    bench.settle()
    bench.build()
    bench.git("tag", "v2")
    last = bench.build()
    assert last.hit or not bench.observed, last.said


SLOW = """\
import subprocess
import time

from setuptools import Extension, setup

word = subprocess.check_output(["git", "describe", "--tags", "--exact-match"], text=True).strip()
open("../asked", "w").close()
time.sleep(3)
setup(ext_modules=[Extension("demo._native", ["demo/_native.c"], define_macros=[("WORD", '"%s"' % word)])])
"""


@requires_c
@pytest.mark.parametrize("moves", [["tag -d one", "tag two"], ["commit --quiet --allow-empty -m two", "tag two"]])
def test_what_git_says_is_not_taken_for_what_it_says_after_the_build(bench, moves):
    """Somebody sets a tag, or commits, while a build runs that has asked already."""
    bench.setuptools(c(), setup=SLOW)
    bench.write(".gitignore", IGNORED)
    bench.commit()
    bench.git("tag", "one")

    bench.settle()
    assert bench.build_while("../asked", lambda: [bench.git(*one.split()) for one in moves]).word == "one"
    assert bench.build().word == "two"


@requires_c
def test_variable_that_git_goes_by_counts(bench):
    """It may name another repository."""
    bench.setuptools(c('"one"'), setup=SETUP.format(how=DESCRIBE))
    dynamic(bench)
    bench.commit()
    bench.git("tag", "v1.0")
    other = bench.folder / "other"
    bench.git("clone", "--quiet", bench.tree, other, cwd=bench.folder)
    bench.git("tag", "--annotate", "--message", "two", "v2.0", cwd=other)
    bench.check(
        lambda: bench.environ.update(GIT_DIR=str(other / ".git")), before="1.0", after="2.0", build=released(bench)
    )


@requires_cmake
def test_what_git_tells_its_hooks_is_no_reason_to_build(bench):
    """A hook before each commit, and `rebase --exec`, build nothing anew, where nothing else asks git."""
    bench.cmake(c('"one"'))
    bench.write(".gitignore", IGNORED)
    bench.commit()
    bench.settle()
    first, *_ = [bench.build() for _ in range(2)]
    hook = bench.write(".git/hooks/pre-commit", "#!/bin/sh\nenv -0 > ../told\n", mode=0o755)
    bench.git("commit", "--quiet", "--allow-empty", "--message", "two")
    assert hook.exists()
    told = dict(text.split("=", 1) for text in bench.path("../told").read_text().split("\0") if "=" in text)
    told = {name: value for name, value in told.items() if name.startswith("GIT_")}
    assert {"GIT_AUTHOR_DATE", "GIT_INDEX_FILE"} <= told.keys()
    bench.environ.update(told, GIT_REFLOG_ACTION="rebase", GIT_CHERRY_PICK_HELP="help")
    last = bench.build()
    assert last.hit or first.unstored, last.why


@requires_cargo
def test_a_commit_is_no_reason_to_compile_a_crate_with_a_build_script(bench):
    """Cargo asks git's files for those of the package, to see whether the script must run again, and for no more."""
    bench.maturin(main('"one"'), script='fn main() { println!("cargo:rerun-if-changed=build.rs"); }\n')
    bench.write(".gitignore", "target\n")
    bench.commit()
    bench.settle()
    first = bench.build()
    bench.commit("two")
    bench.settle()
    last = bench.build()
    assert last.hit or first.unstored, last.why
