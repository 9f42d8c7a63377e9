"""What git says of a repository: each thing that a build could ask makes a difference, and nothing of it is started."""

import os
import shutil
import subprocess
import sys

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from freshwheel.base import backends
from freshwheel.inner import programs
from freshwheel.inner.programs import run

GIT = shutil.which("git")
pytestmark = pytest.mark.skipif(GIT is None or os.name == "nt", reason="needs git, and scripts of a shell")
AS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "PATH": os.environ["PATH"]}
IDENTITY = ("-c", "user.name=x", "-c", "user.email=x@x", "-c", "protocol.file.allow=always")


def git(folder, *words):
    """Runs git."""
    subprocess.run([GIT, *IDENTITY, *words], cwd=folder, check=True, capture_output=True, env={**os.environ, **AS})


def facts(folder):
    """What is found for a tree, which must be all there is to know."""
    found = programs.ask_git(str(folder), {**os.environ, **AS}, AS["PATH"].split(os.pathsep), run)
    assert found is not None
    return found


@pytest.fixture
def tree(tmp_path):
    """A repository of two commits, with a tag."""
    return made(tmp_path / "tree")


def made(folder):
    """As `tree`, in a folder."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "below").mkdir()
    for name in ("a", "b", "below/c"):
        (folder / name).write_text(name)
        git(folder, "add", name)
        git(folder, "commit", "-qm", name)
    git(folder, "tag", "v1")
    return folder


def write(tree, name, text):
    """A file with this text."""
    (tree / name).write_text(text)


CHANGES = {
    "an empty commit": lambda tree: git(tree, "commit", "-qm", "x", "--allow-empty"),
    "another branch": lambda tree: git(tree, "checkout", "-qb", "other"),
    "no branch": lambda tree: git(tree, "checkout", "-q", "--detach"),
    "a tag": lambda tree: git(tree, "tag", "v2"),
    "a tag that moved": lambda tree: git(tree, "tag", "-f", "v1", "HEAD~1"),
    "a tag with a text": lambda tree: git(tree, "tag", "-f", "-am", "x", "v1", "v1"),
    "no tag": lambda tree: git(tree, "tag", "-d", "v1"),
    "a file that changed": lambda tree: write(tree, "a", "A"),
    "a file that changed and is staged": lambda tree: (write(tree, "a", "A"), git(tree, "add", "a")),
    "a file that is gone": lambda tree: (tree / "a").unlink(),
    "a file that may be executed": lambda tree: (tree / "a").chmod(0o755),
    "a link in place of a file": lambda tree: ((tree / "a").unlink(), (tree / "a").symlink_to("b")),
    "a new file": lambda tree: write(tree, "new", ""),
    "a new file that is staged": lambda tree: (write(tree, "new", ""), git(tree, "add", "new")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_a_build_can_ask_makes_a_difference(tree, change):
    """Each of these is told from before, from the root of the repository as from a folder in it."""
    before = facts(tree)
    assert before == facts(tree / "below")
    change(tree)
    assert facts(tree) != before
    assert facts(tree) == facts(tree / "below")


def test_two_edits_of_one_file_are_two_states(tree):
    """A tree that is dirty anyway may become another one."""
    write(tree, "a", "x")
    before = facts(tree)
    write(tree, "a", "y")
    assert facts(tree) != before


def test_staging_a_file_of_a_dirty_tree(tree):
    """What git tracks is what setuptools-scm packs."""
    write(tree, "a", "x")
    write(tree, "data.txt", "")
    before = facts(tree)
    git(tree, "add", "data.txt")
    assert facts(tree) != before


def test_a_file_that_was_touched_is_no_difference(tree):
    """Nor is what git would write into its index then."""
    before = facts(tree)
    os.utime(tree / "a", (1, 1))
    index = (tree / ".git" / "index").read_bytes()
    assert facts(tree) == before
    assert (tree / ".git" / "index").read_bytes() == index
    git(tree, "status")
    assert facts(tree) == before


def test_packed_references_are_the_same_ones(tree):
    """After `git gc` nothing has changed."""
    before = facts(tree)
    git(tree, "gc", "-q")
    assert facts(tree) == before


def test_a_history_that_is_no_longer_cut_off(tmp_path, tree):
    """HEAD, tags and index are the same; what can be counted is not."""
    git(tmp_path, "clone", "-q", "--depth", "1", tree.as_uri(), "shallow")
    shallow = tmp_path / "shallow"
    before = facts(shallow)
    git(shallow, "fetch", "-q", "--unshallow")
    after = facts(shallow)
    assert {name for name in before if before[name] != after[name]} == {"shallow"}


def test_a_work_tree_has_a_state_of_its_own(tmp_path, tree):
    """Its `.git` is a file; an edit in one is none in the other."""
    git(tree, "worktree", "add", "-q", str(tmp_path / "second"))
    assert (tmp_path / "second" / ".git").is_file()
    before, main = facts(tmp_path / "second"), facts(tree)
    write(tmp_path / "second", "a", "x")
    assert facts(tmp_path / "second") != before
    assert facts(tree) == main


def test_a_submodule_is_a_part_of_the_state(tmp_path, tree):
    """An edit in it, another commit in it, and a submodule of it count; so does it as a project of its own."""
    inner = made(tmp_path / "inner")
    git(tree, "submodule", "add", "-q", str(inner), "sub")
    git(tree, "commit", "-qm", "sub")
    seen = [facts(tree)]
    write(tree / "sub", "a", "x")
    seen.append(facts(tree))
    write(tree / "sub", "a", "y")
    seen.append(facts(tree))
    git(tree / "sub", "commit", "-qam", "x")
    seen.append(facts(tree))
    assert len({repr(one) for one in seen}) == 4
    assert facts(tree / "sub")["head"] != facts(tree)["head"]


def test_a_repository_without_a_commit(tmp_path):
    """It is one, and what is in its index counts."""
    git(tmp_path, "init", "-q")
    before = facts(tmp_path)
    write(tmp_path, "a", "")
    git(tmp_path, "add", "a")
    assert facts(tmp_path) != before


def test_a_tree_without_a_repository(tmp_path):
    """There is nothing to know."""
    assert facts(tmp_path) == {}


def test_a_repository_that_git_can_not_read(tree):
    """What it says is not known."""
    (tree / ".git" / "HEAD").write_text("what")
    assert programs.ask_git(str(tree), os.environ, AS["PATH"].split(os.pathsep), run) is None


def test_nothing_that_a_repository_names_is_started(tmp_path, tree):
    """No monitor, hook, filter, driver of differences, or helper for what is missing; in no submodule either."""
    spy = tmp_path / "spy.sh"
    spy.write_text(f"#!/bin/sh\necho $0 $* >> {tmp_path / 'started'}\ncat\n")
    spy.chmod(0o755)
    inner = made(tmp_path / "inner")
    git(tree, "submodule", "add", "-q", str(inner), "sub")
    git(tree, "commit", "-qm", "sub")
    for folder in (tree, tree / "sub"):
        write(folder, ".gitattributes", "* filter=spy diff=spy\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "attributes")
        for name in ("core.fsmonitor", "filter.spy.clean", "filter.spy.smudge", "filter.spy.process", "diff.external"):
            git(folder, "config", name, str(spy))
        for name in ("diff.spy.textconv", "diff.spy.command", "core.sshCommand", "core.pager", "core.editor"):
            git(folder, "config", name, str(spy))
        git(folder, "config", "filter.spy.required", "true")
        git(folder, "config", "core.hooksPath", str(tmp_path / "hooks"))
        write(folder, "a", "other")
        os.utime(folder / "b", (1, 1))
    (tmp_path / "hooks").mkdir()
    shutil.copy(spy, tmp_path / "hooks" / "post-index-change")
    (tmp_path / "started").unlink(missing_ok=True)
    before = facts(tree)
    write(tree / "sub", "a", "another")
    assert facts(tree) != before
    assert not (tmp_path / "started").exists()


def test_another_version_control_is_not_asked(tmp_path):
    """What it says is not known."""
    (tmp_path / ".hg").mkdir()
    assert programs.ask_git(str(tmp_path), os.environ, [], run) is None


def test_a_submodule_that_leads_back(tree):
    """There is an end to it."""
    head = subprocess.run([GIT, "rev-parse", "HEAD"], cwd=tree, check=True, capture_output=True, text=True).stdout
    git(tree, "update-index", "--add", "--cacheinfo", f"160000,{head.strip()},loop")
    (tree / "loop").symlink_to(tree, target_is_directory=True)
    assert programs.ask_git(str(tree), {**os.environ, **AS}, AS["PATH"].split(os.pathsep), run) is None


def decides(module, tables, *requires, recipe=""):
    """Whether version control may decide the version of such a project."""
    backend = backends.find(module, requires)
    return programs.git_decides_version(backend, tomllib.loads(tables), requires, [recipe.encode()])


SETUPTOOLS, HATCH = "setuptools.build_meta", "hatchling.build"
SCIKIT = 'tool.scikit-build.metadata.version = {{provider = "scikit_build_core.metadata.{}", input = "x.py"}}'
FILE, PATH = 'tool.setuptools.dynamic.version.file = "VERSION"', 'tool.hatch.version.path = "x.py"'


@pytest.mark.parametrize(
    ("module", "tables", "requires", "recipe"),
    [
        ("maturin", "", ["maturin"], ""),
        (HATCH, PATH, ["hatchling", "hatch-fancy-pypi-readme"], ""),
        (SETUPTOOLS, FILE, ["setuptools>=61", "setuptools-rust", "wheel"], ""),
        ("scikit_build_core.build", SCIKIT.format("regex"), ["scikit-build-core"], ""),
    ],
)
def test_a_version_that_is_in_a_file_is_not_asked_of_git(module, tables, requires, recipe):
    """The tables say where it is."""
    assert not decides(module, tables, *requires, recipe=recipe)


@pytest.mark.parametrize(
    ("module", "tables", "requires", "recipe"),
    [
        ("maturin", "", ["maturin", "vcs-versioning"], ""),
        *(("maturin", "", ["maturin"], recipe) for recipe in ('Command::new("git")', "use vergen_gix::Emitter;")),
        (SETUPTOOLS, FILE, ["setuptools"], "subprocess.check_output(['git', 'describe'])"),
        ("scikit_build_core.build", SCIKIT.format("regex"), ["scikit-build-core"], "find_package(Git REQUIRED)"),
        (HATCH, PATH, ["hatchling", "hatch_vcs"], ""),
        (HATCH, PATH + '\ntool.hatch.version.source = "code"', ["hatchling"], ""),
        (HATCH, "", ["hatchling"], ""),
        (SETUPTOOLS, "", ["setuptools"], ""),
        (SETUPTOOLS, 'tool.setuptools.dynamic.version.attr = "x.y"', ["setuptools"], ""),
        *((SETUPTOOLS, FILE, ["setuptools", name], "") for name in ("Setuptools.SCM[toml]>=8", "setuptools-git")),
        *((SETUPTOOLS, FILE, ["setuptools", name], "") for name in ("versioningit", "versioneer-518", "pbr")),
        ("poetry.core.masonry.api", "", ["poetry-core", "poetry-dynamic-versioning"], ""),
        ("pdm.backend", 'tool.pdm.version.source = "scm"', ["pdm-backend"], ""),
        ("scikit_build_core.build", SCIKIT.format("setuptools_scm"), ["scikit-build-core"], ""),
        ("mesonpy", "", ["meson-python"], "project('x', 'c',\n  version: '1.2')\nrun_command('python')"),
        ("mesonpy", "", ["meson-python"], "project('x', 'c', version: run_command('version.py').stdout())"),
        ("mesonpy", "", ["meson-python"], "project('x', version: '1')\nvcs_tag(input: 'a', output: 'b')"),
        ("mesonpy", "", ["meson-python"], "project('x', version: '1')\nrun_command('git', 'describe')"),
        ("their.backend", "", ["theirs"], ""),
    ],
)
def test_a_version_may_be_asked_of_git(module, tables, requires, recipe):
    """A requirement asks, what tells how to build asks, or a backend is not known to read a file."""
    assert decides(module, tables, *requires, recipe=recipe)
