"""What of an account counts. The trees are real and tiny; the accounts are made by hand."""

import os

import pytest

from freshwheel.base import rows
from freshwheel.observe.account import Account, Program, Use
from freshwheel.observe.judgement import Places, judge

PYTHON, GCC, CARGO, MATURIN, MAKE, GIT = (
    Program(path=path)
    for path in (
        b"/usr/bin/python3",
        b"/usr/lib/gcc/cc1",
        b"/opt/rust/bin/cargo",
        b"/opt/venv/bin/maturin",
        b"/usr/bin/make",
        b"/usr/bin/git",
    )
)


class Scene:
    """A repository with a project in it, and a folder beside it."""

    def __init__(self, top):
        self.top = top
        self.tree, self.outside = top / "repository" / "project", top / "outside"
        self.tree.mkdir(parents=True)
        self.outside.mkdir()
        self.programs = (PYTHON, GCC, CARGO, MATURIN, MAKE)
        self.uses = {}
        self.inputs = set()
        self.options = {}

    def file(self, path, text="x"):
        """A file with its folders."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def use(self, path, how="read", *, by=(0,), first="now", written=False, before=True, read_before=False):
        """A path is used by these programs, when this row was there."""
        row = rows.row(os.stat(path)) if first == "now" else first
        fields = {how: frozenset(by)} if how else {}
        if written:
            fields["written"] = frozenset(by)
        self.uses[os.fsencode(path)] = Use(first=row, before=before, read_before=read_before, **fields)

    def judge(self, *, doubts=()):
        """What is left of all that was used."""
        account = Account(uses=self.uses, programs=self.programs, doubts=doubts)
        places = Places(
            tree=os.fsencode(self.tree),
            spelled=os.fsencode(self.tree),
            repository=os.fsencode(self.tree.parent),
            inputs=frozenset(map(os.fsencode, self.inputs)),
            **self.options,
        )
        return judge(account, places)

    def counting(self):
        """What counts: as it is called -> its kind."""
        return {os.fsdecode(one.relative or one.path): one.kind for one in self.judge().taken if one.counts}


@pytest.fixture
def scene(tmp_path):
    """An empty scene."""
    return Scene(tmp_path)


def test_file_outside_counts_and_binds_the_wheel_to_its_tree(scene):
    """A header beside the repository may be another one for another clone."""
    path = scene.file(scene.outside / "x.h")
    scene.use(path, by=(1,))
    found = scene.judge()
    assert [(one.path, one.kind, one.counts, one.joins) for one in found.taken] == [
        (os.fsencode(path), "file", True, False)
    ]
    assert found.bound
    assert found.taken[0].by == ("cc1",)


def test_file_of_the_system_binds_nothing(scene):
    """What all trees of a machine have in common is the same for each."""
    scene.use(scene.file(scene.outside / "x.h"))
    scene.options["shared"] = (os.fsencode(scene.outside),)
    assert not scene.judge().bound


def test_file_inside_that_is_no_input_joins_the_inputs(scene):
    """In the project and elsewhere in its repository."""
    scene.use(scene.file(scene.tree / "a.inc"))
    scene.use(scene.file(scene.tree.parent / "lib" / "b.c"))
    assert {(one.relative, one.joins) for one in scene.judge().taken} == {(b"a.inc", True), (b"../lib/b.c", True)}


def test_what_was_said_to_be_no_input_counts_and_joins_nothing(scene):
    """An excluded file that a build reads must be as it was, though the label does not name it."""
    scene.use(scene.file(scene.tree / "docs" / "x.h"))
    scene.options["declared"] = lambda path: path.startswith(b"docs/")
    assert [(one.counts, one.joins) for one in scene.judge().taken] == [(True, False)]


def test_inputs_and_their_folders_do_not_count(scene):
    """The source digest has them."""
    scene.use(scene.file(scene.tree / "src" / "a.c"))
    scene.use(scene.tree / "src", "asked")
    scene.inputs.add("src/a.c")
    assert not scene.counting()


def test_listed_folder_counts_even_if_all_in_it_are_inputs(scene):
    """Which names it has decides, also of files that are no inputs."""
    scene.use(scene.file(scene.tree / "src" / "a.c"))
    scene.use(scene.tree / "src")
    scene.inputs.add("src/a.c")
    assert scene.counting() == {"src": "folder"}


def test_absent_name_counts_once_for_all_below_it(scene):
    """What is not there has nothing in it."""
    scene.use(scene.outside / "none", "asked", first=None)
    scene.use(scene.outside / "none" / "x.h", "asked", first=None)
    assert scene.counting() == {str(scene.outside / "none"): "absent"}


def test_absent_name_beside_a_folder_above_the_tree_is_relative(scene):
    """Another clone has other folders above it."""
    scene.use(scene.top / "setup.cfg", "asked", first=None)
    found = scene.judge()
    assert [one.relative for one in found.taken] == [b"../../setup.cfg"]
    assert not found.bound


def test_what_the_build_made_does_not_count(scene):
    """Not the file, and nothing below a folder that it made."""
    scene.use(scene.file(scene.outside / "made.o"), written=True, before=False, first=None)
    folder = scene.outside / "work"
    scene.use(scene.file(folder / "deep" / "x.o"))
    scene.use(folder, "", written=True, before=False, first=None)
    assert not scene.counting()


def test_folder_that_was_there_and_is_only_made_in_vain_counts(scene):
    """`os.makedirs(path, exist_ok=True)` makes nothing there."""
    scene.use(scene.outside, written=True, before=False)
    assert scene.counting() == {"../../outside": "folder"}


def test_file_that_was_read_and_then_changed_is_a_doubt(scene):
    """Nobody knows any more what was read."""
    path = scene.file(scene.outside / "count")
    scene.use(path, written=True)
    assert scene.judge().doubt == ""
    scene.file(path, "longer")
    assert "changed by the build after it was read" in scene.judge().doubt


def test_file_that_changes_during_the_build_is_a_doubt(scene):
    """Whoever changed it."""
    path = scene.file(scene.outside / "x.h")
    scene.use(path)
    scene.file(path, "longer")
    assert "may have changed during the build" in scene.judge().doubt


def test_bytecode_stands_for_its_source(scene):
    """The source decides, whether or not its bytecode was current."""
    source = scene.file(scene.outside / "tool.py")
    scene.use(scene.file(scene.outside / "__pycache__" / "tool.cpython-311.pyc"))
    assert scene.counting() == {str(source): "file"}


def test_python_source_that_was_only_asked_for_counts_as_read(scene):
    """Python asks for the times of a source, and loads what stands for it."""
    scene.use(scene.file(scene.outside / "tool.py"), "asked")
    assert scene.counting() == {str(scene.outside / "tool.py"): "file"}


@pytest.mark.parametrize("by", [(2,), (5,), (2, 5)])
def test_python_source_that_only_cargo_or_git_have_asked_for_is_not_read(scene, by):
    """They ask for each file of a project, to see whether it is new."""
    scene.programs += (GIT,)
    scene.use(scene.file(scene.tree / "tests" / "test_demo.py"), "asked", by=by)
    assert "file" not in scene.counting().values()


def test_bytecode_that_was_only_written_is_nothing(scene):
    """It says nothing of what was read."""
    scene.file(scene.outside / "tool.py")
    scene.use(scene.file(scene.outside / "__pycache__" / "tool.cpython-311.pyc"), "", written=True, first=None)
    assert not scene.counting()


def test_declared_output_that_the_build_writes_anew_does_not_count(scene):
    """It has looked at the one that lay there before; what it did not write this time is read as it was."""
    path = scene.file(scene.tree / "version.h", "old")
    scene.options["outputs"] = frozenset((b"version.h",))
    scene.use(path, written=True)
    path.write_text("another", encoding="utf-8")
    assert not scene.counting()
    scene.use(path, written=True, read_before=True)
    path.write_text("yet another", encoding="utf-8")
    assert set(scene.counting()) == {"version.h"}
    assert "changed by the build after it was read" in scene.judge().doubt
    scene.use(path)
    assert set(scene.counting()) == {"version.h"}


def test_temporary_files_that_the_build_has_made_do_not_count(scene):
    """What it found there does, and so do names that it tried in vain; who has removed it meanwhile must not matter."""
    scene.options["temporary"] = os.fsencode(scene.outside)
    scene.use(scene.outside / "made", "", first=None, written=True)
    scene.use(scene.outside / "made" / "x", first=(33188, 1, 1, 1, 1))
    scene.use(scene.outside / "tried", "asked", first=None)
    scene.use(scene.file(scene.outside / "there" / "x"))
    assert scene.counting() == {str(scene.outside / "tried"): "absent", str(scene.outside / "there" / "x"): "file"}
    scene.use(scene.outside / "given" / "x", first=(33188, 1, 1, 1, 1))
    assert "given/x was used, and may have changed" in scene.judge().doubt


def test_list_of_temporary_files_counts_unless_make_alone_takes_it(scene):
    """Make lists each folder on the way to what it builds."""
    scene.options["temporary"] = os.fsencode(scene.outside)
    scene.use(scene.outside, by=(4,))
    assert not scene.counting()
    scene.use(scene.outside, by=(0, 4))
    assert set(scene.counting().values()) == {"folder"}


def test_folders_apart_do_not_count_by_either_name(scene):
    """Whether they are called as they are, or through a link."""
    (scene.top / "link").symlink_to(scene.outside)
    path = scene.file(scene.outside / "x.h")
    scene.options["apart"] = (os.fsencode(scene.outside),)
    scene.use(path)
    scene.use(scene.top / "link" / "x.h")
    assert not scene.counting()


def test_listing_of_a_folder_that_a_tool_was_given_does_not_count(scene):
    """A build that walks the tree comes by; what it reads there counts as anywhere, and so does the folder then."""
    folder = scene.tree / ".cache" / "pip"
    path = scene.file(folder / "data.bin")
    scene.options["given"] = scene.options["shared"] = (os.fsencode(folder),)
    scene.use(folder.parent)
    scene.use(folder)
    scene.use(folder / ".gitignore", "asked", first=None)
    assert scene.counting() == {".cache": "folder"}
    scene.use(path)
    assert scene.counting() == {".cache": "folder", ".cache/pip": "folder", ".cache/pip/data.bin": "file"}
    assert not any(one.joins for one in scene.judge().taken)


def test_listing_of_a_folder_that_was_given_counts_for_who_has_not_come_by(scene):
    """Who lists it, and not the folder above, is told of it by the variable or by the project."""
    folder = scene.tree / ".cache" / "pip"
    scene.file(folder / "data.bin")
    scene.options["given"] = scene.options["shared"] = (os.fsencode(folder),)
    scene.use(folder.parent, by=(1,))
    scene.use(folder, by=(0,))
    assert scene.counting()[".cache/pip"] == "folder"


def test_size_that_changes_while_the_build_runs_is_a_doubt(scene):
    """What was told of a file is not what is told at the end."""
    path = scene.file(scene.outside / "x.txt")
    scene.use(path, "asked")
    assert not scene.judge().doubt
    path.write_text("longer than before")
    assert "may have changed" in scene.judge().doubt


def test_file_through_a_link_to_a_folder_counts_by_the_name_that_was_used(scene):
    """The link may lead elsewhere one day."""
    scene.file(scene.outside / "x.h")
    (scene.top / "link").symlink_to(scene.outside)
    scene.use(scene.top / "link" / "x.h")
    assert scene.counting() == {str(scene.top / "link" / "x.h"): "file"}


def test_package_manager_stands_for_its_files_and_not_for_a_link_elsewhere(scene):
    """A link of its own that leads to a file of somebody else counts."""
    path = scene.file(scene.outside / "x.h")
    (scene.top / "pkg").mkdir()
    (scene.top / "pkg" / "link.h").symlink_to(path)
    own = scene.file(scene.top / "pkg" / "own.h")
    scene.options["packaged"] = lambda path: b"/pkg/" in path
    scene.use(own)
    scene.use(scene.top / "pkg" / "link.h")
    found = scene.judge()
    assert found.packages
    assert [one.path for one in found.taken if one.counts] == [os.fsencode(scene.top / "pkg" / "link.h")]


def test_package_manager_stands_for_no_folder_that_was_listed(scene):
    """Anybody may put another file there."""
    folder = scene.file(scene.outside / "x.h").parent
    scene.options["packaged"] = lambda _: True
    scene.use(folder)
    assert list(scene.counting().values()) == ["folder"]
    scene.use(folder, "asked")
    assert not scene.counting()


def test_version_control_is_asked_as_a_whole(scene):
    """No single file of it counts that git or cargo has read; one that a script has read does.

    Cargo only lists the files of a package, so it makes no commit a reason to build.
    """
    head = scene.file(scene.tree.parent / ".git" / "HEAD")
    scene.use(head, by=(2,))
    assert not scene.counting()
    assert not scene.judge().control
    scene.use(head)
    assert scene.counting() == {"../.git/HEAD": "file"}
    assert not scene.judge().control
    scene.programs += (GIT,)
    scene.use(head, by=(len(scene.programs) - 1,))
    assert not scene.counting()
    assert scene.judge().control


def test_who_walks_through_the_tree_has_not_asked_for_version_control(scene):
    """Whatever git lists there itself; who lists a folder of it alone has."""
    scene.programs += (GIT,)
    git = len(scene.programs) - 1
    folder = scene.file(scene.tree.parent / ".git" / "refs" / "tags" / "v1").parent
    for above in (folder.parent, folder.parent.parent, scene.tree.parent):
        scene.use(above)
    scene.use(folder, by=(0, git))
    assert ".git/refs/tags" not in "".join(scene.counting())
    scene.use(folder, by=(1, git))
    assert scene.counting()["../.git/refs/tags"] == "folder"


def test_what_cargo_alone_looks_for_in_the_tree_does_not_count(scene):
    """It looks for targets; a test that is new makes no other wheel. What others list there counts."""
    scene.file(scene.tree / "tests" / "t.rs")
    scene.use(scene.tree / "tests", by=(2,))
    assert not scene.counting()
    scene.use(scene.tree / "tests", by=(0, 2))
    assert scene.counting() == {"tests": "folder"}


def test_listing_of_maturin_does_not_count(scene):
    """It walks the whole tree, and what it packs is an input; what it looks for in vain counts, and what it reads."""
    folder, path = scene.tree / "docs", scene.file(scene.tree / "docs" / "a.md")
    scene.use(folder, by=(2, 3))
    scene.use(folder / "x.toml", "asked", by=(3,), first=None)
    assert scene.counting() == {"docs/x.toml": "absent"}
    scene.use(path, by=(3,))
    assert scene.counting()["docs/a.md"] == "file"


@pytest.mark.parametrize("path", ["/proc/cpuinfo", "/dev/null", "/etc/resolv.conf", "/sys/devices"])
def test_running_system_and_network_do_not_count(scene, path):
    """What is fetched has a checksum."""
    scene.use(path, first=(33188, 1, 1, 1, 1))
    assert not scene.counting()


def test_doubt_of_the_observer_is_one_of_the_account(scene):
    """What nobody could see is not accounted for."""
    assert scene.judge(doubts=("a 32-bit program ran",)).doubt == "a 32-bit program ran"
