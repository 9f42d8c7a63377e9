"""Submodules, worktrees, and versions that git knows: what of it is an input, without asking git."""

import re
import shutil

import pytest


def lay_repository(layout, name, files):
    """A repository of its own beside the layout, to be a submodule of it."""
    found = type(layout)(layout.home, layout.home / "origins" / name, ".")
    found.project.mkdir(parents=True)
    found.files(files)
    found.commit()
    return found


@pytest.fixture
def submodules(layout):
    """A project whose engine is a submodule, as are test data beside it and in its tests."""
    found = layout("py")
    engine = '[package]\nname = "case10-engine"\nversion = "0.1.0"\nedition = "2021"\n'
    origins = {
        "py/vendor/engine": {"core/Cargo.toml": engine, "core/src/lib.rs": "pub fn number() -> u32 { 7 }\n"},
        "testdata": {"big.txt": "1\n"},
        "py/tests/data": {"big.txt": "2\n"},
    }
    found.git("init", "--quiet")
    for path, files in origins.items():
        origin = lay_repository(found, path.replace("/", "-"), files)
        found.git("submodule", "--quiet", "add", str(origin.root), path)
    tables = '\n[dependencies]\ncase10-engine = { path = "vendor/engine/core" }\n'
    found.crate("py", "case10", tables, main='println!("{}", case10_engine::number());')
    found.pyproject("case10")
    found.lock("py")
    found.files({".gitignore": "target/\n"})
    found.commit()
    return found


def test_submodule_that_is_built_counts_by_content(submodules):
    """For git an edit in a submodule is a dirty line; here it is an input that changed."""
    assert submodules.git("ls-files", "py/vendor") == "py/vendor/engine"
    paths = ("py/vendor/engine/core/src/lib.rs", "py/vendor/engine/core/Cargo.toml")
    assert submodules.moving(*paths) == list(paths)


def test_submodule_with_test_data_does_not_count(submodules):
    """Neither beside the project nor in the tests of its crate."""
    assert submodules.moving("testdata/big.txt", "py/tests/data/big.txt") == []


def test_commit_in_a_submodule_that_changes_no_content_does_not_count(submodules):
    """A gitlink that moved, and the `.git` file of a submodule, say nothing about what is built."""
    before = submodules.digest()
    submodules.git("commit", "--quiet", "--allow-empty", "--message", "nothing", cwd="py/vendor/engine")
    submodules.commit("another gitlink")
    assert submodules.digest() == before
    (submodules.root / "py" / "vendor" / "engine" / ".git").unlink()
    assert submodules.digest() == before


def test_project_with_submodules_keeps_the_invariants(submodules):
    """Place, time and permissions don't matter; content and names do, in a submodule as well."""
    submodules.is_free_of_places()
    submodules.counts_content_only("py/src/main.rs")
    submodules.counts_names("py/vendor/engine/core/src/lib.rs")


@pytest.mark.slow
def test_build_without_the_submodule_fails_and_leaves_nothing_behind(submodules, workshop):
    """The inner backend says what is missing; once it is there, the wheel is that of any other clone."""
    bare = submodules.clone("bare", "--no-recurse-submodules")
    done = workshop.hook(bare, "build_wheel", "failed")
    assert done.returncode != 0
    assert "vendor/engine" in done.stdout + done.stderr
    assert list((bare.home / "failed").iterdir()) == []
    bare.git("submodule", "--quiet", "update", "--init")
    assert workshop.fixpoint(bare).version == f"0.1.0+{submodules.label()}"


@pytest.fixture
def versioned(layout):
    """A project whose version is a tag, and written into a file of the tree."""
    found = layout()
    found.files(
        {
            "src/case11/__init__.py": "from case11._version import __version__\n",
            "docs/index.md": "\n",
            ".gitignore": "*.egg-info/\n_version.py\n",
        }
    )
    tables = '[tool.setuptools.packages.find]\nwhere = ["src"]\n\n[tool.setuptools_scm]\n'
    found.pyproject("case11", tables + 'version_file = "src/case11/_version.py"\n', backend="setuptools.build_meta")
    found.commit()
    found.git("tag", "v1.0")
    return found


VERSION_FILE = "src/case11/_version.py"


def test_version_file_and_git_itself_do_not_count(versioned):
    """The file is an output; commits and tags that change no content, and no git at all, change nothing."""
    before = versioned.digest()
    versioned.files({VERSION_FILE: '__version__ = "1.0"\n'})
    assert versioned.digest() == before
    versioned.commit("nothing")
    versioned.git("tag", "v2.0")
    assert versioned.digest() == before
    shutil.rmtree(versioned.root / ".git")
    assert versioned.digest() == before
    versioned.files({".jj/repo/store/type": "git", ".jj/working_copy/checkout": "1"})
    assert versioned.digest() == before


def test_worktree_has_the_digest_of_the_repository(versioned):
    """There `.git` is a file that names a folder of this machine."""
    versioned.git("worktree", "add", "--quiet", str(versioned.home / "tree"), "HEAD")
    tree = versioned.at(versioned.home / "tree")
    assert (tree.root / ".git").is_file()
    assert tree.digest() == versioned.digest()


def test_project_with_a_version_file_keeps_the_invariants(versioned):
    """Place, time and permissions don't matter; content and names do."""
    versioned.keeps_invariants("src/case11/__init__.py")


@pytest.mark.slow
def test_clone_worktree_and_built_tree_have_one_digest(versioned, workshop):
    """The build writes the version file, which is read by nobody before the next build writes it again."""
    label = versioned.label()
    assert workshop.fixpoint(versioned).version == f"1.0+{label}"
    assert (versioned.root / VERSION_FILE).exists()
    versioned.git("worktree", "add", "--quiet", str(versioned.home / "tree"), "HEAD")
    for tree in (versioned.at(versioned.home / "tree"), versioned.clone()):
        assert workshop.fixpoint(tree).version == f"1.0+{label}"


@pytest.mark.slow
def test_commit_and_day_make_way_for_the_label(versioned, workshop):
    """A dirty tree has one version, today and tomorrow: what setuptools-scm says in public, and the label."""
    versioned.files({"src/case11/__init__.py": "# edited\n"})
    version = workshop.fixpoint(versioned).version
    assert re.fullmatch(r"1\.1\.dev0\+s[0-9a-f]{12}", version)
    assert version.endswith(versioned.label())


@pytest.mark.slow
def test_tree_without_git_has_the_label_of_the_repository(versioned, workshop):
    """Where the version is given otherwise, as in a container, the sources are still the same."""
    label = versioned.label()
    shutil.rmtree(versioned.root / ".git")
    built = workshop.wheel(versioned, SETUPTOOLS_SCM_PRETEND_VERSION="1.0")
    assert (built.version, built.mark.settled) == (f"1.0+{label}", True)
