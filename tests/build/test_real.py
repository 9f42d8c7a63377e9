"""One real build, and what is kept of it: held against a backend that records, and a build folder that nobody fills.

Cargo itself has its tests beside `force` and with the frontends; here stands what happens around it.
"""

import errno
import json
import os
import shutil
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base.errors import InnerError, InputError
from freshwheel.base.model import Looks
from freshwheel.build import context as contexts
from freshwheel.build import inner_build, recipes
from freshwheel.build.context import Context
from freshwheel.build.notice import Workplace
from freshwheel.explain import report
from freshwheel.inner.build_folders import Record, Seen
from freshwheel.memory import discoveries, memory
from freshwheel.memory.discoveries import State
from freshwheel.sources import selection
from freshwheel.wheel import archive

FIXTURE = Path(__file__).parents[2] / "fixtures" / "recording-backend"
POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX permissions and names")
LONG_AGO = 1_600_000_000_000_000_000
FILES = {
    "Cargo.toml": '[package]\nname = "demo"\nversion = "1.0.0"\n',
    "src/lib.rs": "// one\n",
    "words.txt": "one\n",
}
COMPILE = """
import os
unit = os.path.join({target!r}, 'release', '.fingerprint', 'demo-1', 'invoked.timestamp')
os.makedirs(os.path.dirname(unit), exist_ok=True)
open(unit, 'w').close()
"""
"""What cargo does when it compiles a crate, as far as `folders` sees it."""


class Tree:
    """A copy of the fixture with a crate in it, and its hooks."""

    def __init__(self, folder):
        self.path = folder / "tree"
        shutil.copytree(FIXTURE, self.path, ignore=shutil.ignore_patterns("__pycache__"))
        for name, text in FILES.items():
            self.write(name, text)
        table = self.path / "pyproject.toml"  # what a test does meanwhile is no setting of the build
        table.write_text(
            table.read_text().replace("[tool.freshwheel]\n", '[tool.freshwheel]\nignore-env = ["RECORDING_DURING"]\n')
        )
        self.log = folder / "calls.jsonl"
        self.dist = folder / "dist"
        self.cache = folder / "cache"
        self.target = folder / "target"
        self.said = []
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("FRESHWHEEL_", "CIBUILD"))},
            "FRESHWHEEL_CACHE_DIR": str(self.cache),
            "RECORDING_LOG": str(self.log),
        }

    def write(self, name, text, mtime=LONG_AGO):
        """A file with an old time, as `cp -p` makes one."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="\n")
        os.utime(path, ns=(mtime, mtime))

    def call(self, hook="build_wheel", settings=None, **environ):
        """One call of a hook."""
        return recipes.Call(
            tree=str(self.path), environ={**self.environ, **environ}, hook=hook, settings=settings, say=self.said.append
        )

    def wheel(self, **environ):
        """The wheel of the tree."""
        return archive.read(str(self.dist / recipes.wheel(self.call(**environ), str(self.dist))))

    def compiled(self, during="", **environ):
        """As `wheel`; the build leaves a unit in the build folder."""
        return self.wheel(RECORDING_DURING=COMPILE.format(target=str(self.target)) + during, **environ)

    def digest(self):
        """The source digest."""
        return recipes.source_digest(self.call())

    def mtimes(self):
        """The time of each input."""
        return {name: (self.path / name).stat().st_mtime_ns for name in recipes.build_inputs(self.call())["files"]}

    def touched(self, during="", **environ):
        """The inputs that get another time by a build."""
        before = self.mtimes()
        self.compiled(during, **environ)
        after = self.mtimes()
        return {name for name, mtime in after.items() if before.get(name) != mtime}

    def seen(self, name):
        """A variable as the inner backend saw it in the last call."""
        return json.loads(self.log.read_text().splitlines()[-1])["environ"].get(name)

    def state(self):
        """What is on record of the tree."""
        return discoveries.load(str(self.cache), str(self.path))

    def place(self):
        """Where that is."""
        return Path(discoveries.place(str(self.cache), str(self.path)))

    def record(self):
        """Where it is written down what the last build in the build folder saw."""
        (found,) = (self.cache / "builds").iterdir()
        return found


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the fixture, for one test; cargo would say that it works in `tree.target`."""
    one = Tree(tmp_path)
    monkeypatch.setattr(inner_build.build_folders, "cargo", lambda *_arguments, **_options: [str(one.target)])
    return one


# What is forced.


def test_unchanged_tree_keeps_its_times(tree):
    """Neither the first build nor any later one touches what did not change."""
    assert tree.touched() == set()
    assert tree.touched() == set()
    assert tree.touched() == set()


@pytest.mark.parametrize("name", ["src/lib.rs", "Cargo.toml", "words.txt", "src/recorded.py"])
def test_older_copy(tree, name):
    """An input with other contents and an old time gets a new one, and all sources do: nobody saw who reads it."""
    tree.compiled()
    newest = max(path.stat().st_mtime_ns for path in tree.target.rglob("*"))
    tree.write(name, (tree.path / name).read_text().replace("one", "two") + "# two\n")
    assert tree.touched() == {name, "src/lib.rs"}
    assert (tree.path / name).stat().st_mtime_ns > newest
    assert tree.touched() == set()


def test_input_outside_of_the_project(tree):
    """A file beside the project that is included is forced as well."""
    outside = tree.path.parent / "outside.txt"
    outside.write_text("one")
    tree.write("pyproject.toml", (tree.path / "pyproject.toml").read_text() + 'include = ["../outside.txt"]\n')
    tree.compiled()
    outside.write_text("two")
    os.utime(outside, ns=(LONG_AGO, LONG_AGO))
    assert tree.touched() == {"../outside.txt", "src/lib.rs"}


def test_new_file_with_an_old_time(tree):
    """What was not there before counts as changed."""
    tree.compiled()
    tree.write("src/more.rs", "// more\n")
    assert tree.touched() == {"src/more.rs", "src/lib.rs"}


def spoil_target(tree):
    """Somebody else compiles."""
    unit = tree.target / "release" / ".fingerprint" / "other-1" / "invoked.timestamp"
    unit.parent.mkdir()
    unit.touch()


def spoil_bytes(tree):
    """The record is damaged."""
    tree.record().write_bytes(tree.record().read_bytes()[:-1])


def spoil_record(tree):
    """The record is lost."""
    tree.record().unlink()


def spoil_cache(tree):
    """The cache directory is lost."""
    shutil.rmtree(tree.cache)


@pytest.mark.parametrize("spoil", [spoil_target, spoil_bytes, spoil_record, spoil_cache])
def test_build_folder_of_unknown_origin(tree, spoil):
    """What can't be vouched for makes everything count as changed, once."""
    tree.compiled()
    spoil(tree)
    assert tree.touched() == set(tree.mtimes())
    assert tree.touched() == set()


def test_tree_that_moves_during_the_build(tree):
    """Nobody knows what was compiled, so everything counts as changed the next time."""
    tree.compiled()
    tree.touched("open('src/lib.rs', 'w').write('// meanwhile')")
    assert tree.touched() > {"words.txt", "Cargo.toml"}
    assert tree.touched() == set()


def test_failed_build(tree):
    """A build that fails with nothing moved leaves the record right: what did compile is not compiled again."""
    tree.compiled()
    with pytest.raises(InnerError):
        tree.compiled("raise ValueError('no')")
    assert tree.touched() == set()
    assert tree.state().built


def test_another_profile_may_be_chosen_by_the_environment(tree):
    """A recipe that may work elsewhere trusts no profile that it did not use."""
    tree.compiled()
    tree.write("src/lib.rs", "// two\n")
    assert tree.touched(RUSTFLAGS="-g") == {"src/lib.rs"}
    tree.compiled()
    assert tree.touched() == set()


@pytest.mark.parametrize("why", ["no answer", "untouchable"])
def test_private_build_folder(tree, monkeypatch, why):
    """Where cargo works in an unknown place, or an input can't be touched, it gets an empty folder, for this build."""
    tree.compiled()
    tree.write("src/lib.rs", "// two\n")
    if why == "no answer":
        monkeypatch.setattr(inner_build.build_folders, "cargo", lambda *_arguments, **_options: None)
    else:
        monkeypatch.setattr(inner_build.build_folders, "touch", lambda _tree, times, **_options: list(times))
    assert tree.touched() == set()
    folder = tree.seen("CARGO_TARGET_DIR")
    assert folder != tree.environ.get("CARGO_TARGET_DIR")
    assert not os.path.exists(folder)
    assert [*(tree.cache / "builds").iterdir()] == ([] if why == "untouchable" else [tree.record()])


def test_one_input_that_refuses_its_time(tree, monkeypatch):
    """The others were touched before the build, so it is not the build that moved them."""
    tree.compiled()
    for name in ("src/lib.rs", "words.txt"):
        tree.write(name, "two\n")
    touch = inner_build.build_folders.touch

    def refusing_one(where, times, **options):
        kept = {path: mtime for path, mtime in times.items() if path != b"words.txt"}
        return [*touch(where, kept, **options), b"words.txt"]

    monkeypatch.setattr(inner_build.build_folders, "touch", refusing_one)
    assert archive.mark_of(tree.compiled().path).settled
    assert tree.seen("CARGO_TARGET_DIR") != tree.environ.get("CARGO_TARGET_DIR")
    assert tree.said == []
    assert tree.state().written == {}


def test_usual_build_folder(tree):
    """Else the place where cargo works stays as it is."""
    tree.compiled()
    assert tree.seen("CARGO_TARGET_DIR") == tree.environ.get("CARGO_TARGET_DIR")


def test_folder_after_a_build_that_nobody_observed(tree):
    """What such a build compiled is in no account, so the next one compiles all of it again, and the one after not."""
    tree.environ["FRESHWHEEL_STORE"] = "on"
    tree.compiled()
    tree.write("words.txt", "two\n")
    tree.compiled(FRESHWHEEL_STORE="off")
    assert not discoveries.account(str(tree.cache), str(tree.target)).complete
    tree.write("words.txt", "three\n")
    assert "src/lib.rs" in tree.touched()
    tree.write("words.txt", "four\n")
    assert "src/lib.rs" not in tree.touched()


def test_project_without_crates(tree, monkeypatch):
    """Cargo is not asked, and nothing is touched or recorded."""
    (tree.path / "Cargo.toml").unlink()
    monkeypatch.setattr(inner_build.build_folders, "cargo", lambda *_arguments, **_options: pytest.fail("asked"))
    assert tree.touched() == set()
    tree.write("src/lib.rs", "// two\n")
    assert tree.touched() == set()
    assert not (tree.cache / "builds").exists()


def test_unpacked_source_distribution(tree, monkeypatch):
    """A release keeps no record and no state, and is asked for no opinion."""
    tree.write("PKG-INFO", "Metadata-Version: 2.1\nName: recorded\nVersion: 7.0\n")
    monkeypatch.setattr(inner_build.build_folders, "cargo", lambda *_arguments, **_options: pytest.fail("asked"))
    assert tree.compiled().version == "7.0"
    assert not tree.cache.exists()


# What is found.

PACKING = "members['node_modules/a/index.js'] = open('node_modules/a/index.js', 'rb').read()"


def packing(tree):
    """A wheel with a file from a folder that evidence prunes, for the store, so that somebody looks what it reads."""
    tree.environ["FRESHWHEEL_STORE"] = "on"
    tree.write("node_modules/.package-lock.json", "{}")
    tree.write("node_modules/a/index.js", "a()")
    return tree.wheel(RECORDING_DURING=PACKING)


def test_packed_file_is_found(tree):
    """The first build names it, the next one has it in its label, and an edit of it moves that."""
    first = packing(tree)
    assert any("node_modules/a/index.js" in line for line in tree.said)
    assert list(tree.state().discovered) == ["node_modules/a/index.js"]
    second = tree.wheel(RECORDING_DURING=PACKING)
    assert second.version not in (first.version, "1.2.3")
    assert second.version == tree.wheel(RECORDING_DURING=PACKING).version
    tree.write("node_modules/a/index.js", "b()", time.time_ns())
    assert tree.wheel(RECORDING_DURING=PACKING).version != second.version


@pytest.mark.parametrize("folder", ["", "node_modules"])
def test_sources_on_the_path(tree, monkeypatch, folder):
    """Whoever has the project on `PYTHONPATH` hears of what is packed from there as well."""
    monkeypatch.syspath_prepend(str(tree.path / folder))
    tree.environ["PYTHONPATH"] = str(tree.path / folder)
    packing(tree)
    assert list(tree.state().discovered) == ["node_modules/a/index.js"]


def test_found_file_that_is_gone_again(tree):
    """A file that was found and is deleted is no input, and nothing stumbles over that."""
    first = packing(tree).version
    shutil.rmtree(tree.path / "node_modules")
    assert tree.wheel().version == first


def test_tree_without_findings(tree):
    """A build that shows nothing new is on record as a build."""
    tree.wheel()
    assert tree.state() == State(built=True)
    assert tree.said == []


def test_nothing_is_written_for_the_same_findings(tree):
    """The state keeps its file as long as nothing new is known, or all that depends on it would look changed."""
    packing(tree)
    row = os.stat(tree.place())
    tree.wheel(RECORDING_DURING=PACKING)
    assert os.stat(tree.place()).st_mtime_ns == row.st_mtime_ns


def test_written_inputs(tree):
    """What the build made or changed is on record until a build leaves everything alone."""
    during = "open('src/made.py', 'w').write(''); open('words.txt', 'w').write('two')"
    wheel = tree.wheel(RECORDING_DURING=during)
    assert not archive.mark_of(wheel.path).settled
    assert tree.state().written == {"src/made.py": "made by the build", "words.txt": "changed by the build"}
    assert [one.where for one in report.check(tree.call()).findings] == ["src/made.py", "words.txt"]
    tree.wheel()
    assert tree.state().written == {}


def test_file_that_the_build_deletes(tree):
    """It can't be named as written; the wheel has a label that no tree has."""
    wheel = tree.wheel(RECORDING_DURING="os.unlink('words.txt')")
    assert not archive.mark_of(wheel.path).settled
    assert tree.state().written == {}
    assert any("words.txt" in line for line in tree.said)


def test_inputs_that_can_not_be_read_afterwards(tree, monkeypatch):
    """The wheel is delivered all the same, and nothing is said about its sources."""
    taken, snapshot = [], selection.snapshot

    def once(*arguments, **options):
        taken.append(1)
        if len(taken) > 1:
            raise InputError("src/lib.rs can't be read: Permission denied")
        return snapshot(*arguments, **options)

    monkeypatch.setattr("freshwheel.build.context.selection.snapshot", once)
    wheel = tree.compiled()
    assert not archive.mark_of(wheel.path).settled
    assert tree.state() == State()


# The state.

PATHS = st.lists(st.sampled_from(["a", "b c", "é", "\udcff", "..."]), min_size=1, max_size=3).map("/".join)
TABLES = st.dictionaries(st.one_of(PATHS, PATHS.map("../{}".format)), st.text(max_size=9), max_size=3)


@given(built=st.booleans(), discovered=TABLES, written=TABLES)
def test_state_there_and_back(tmp_path_factory, built, discovered, written):
    """What is saved is loaded, whatever files are called."""
    cache = str(tmp_path_factory.mktemp("cache"))
    saved = State(built=built, discovered=discovered, written=written)
    assert discoveries.save(cache, cache, saved)
    assert discoveries.load(cache, cache) == saved


def test_each_tree_has_its_state(tmp_path):
    """A tree is known by any path that leads to it, and by no other."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert discoveries.save(str(tmp_path), str(tmp_path / "one"), State(built=True))
    assert discoveries.load(str(tmp_path), str(tmp_path / "two" / ".." / "one")) == State(built=True)
    assert discoveries.load(str(tmp_path), str(tmp_path / "two")) == State()
    assert discoveries.load(None, str(tmp_path / "one")) == State()
    assert not discoveries.save(None, str(tmp_path / "one"), State(built=True))


@POSIX
def test_state_is_for_its_owner_alone(tmp_path):
    """It names files, and whoever writes it chooses inputs."""
    discoveries.save(str(tmp_path), str(tmp_path), State(built=True, discovered={"a.txt": "packed"}))
    path = discoveries.place(str(tmp_path), str(tmp_path))
    folder = os.path.dirname(path)
    modes = [stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) for name in os.listdir(folder)]
    assert modes == [0o600, 0o600]
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700


DAMAGE = {
    "empty": lambda _good: b"",
    "cut": lambda good: good[:-5],
    "no text": lambda _good: b"\xff\xfe\x00",
    "another edition": lambda good: good.replace(b"FWDIS\0\0\5", b"FWDIS\0\0\1"),
    "another path": lambda good: good.replace(b"a.txt", b"b.txt"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_state(tree, damage):
    """A state that nobody wrote is as good as none: the digest and the wheel are the same."""
    expected = tree.digest()
    discoveries.save(str(tree.cache), str(tree.path), State(built=True, discovered={"a.txt": "packed"}))
    good = tree.place().read_bytes()
    assert good != damage(good)
    tree.place().write_bytes(damage(good))
    assert tree.digest() == expected
    report.check(tree.call())
    report.inputs(tree.call())
    assert archive.mark_of(tree.wheel().path).digest == expected
    assert tree.state() == State(built=True)


@pytest.mark.parametrize("name", ["C:\\a.txt", "a/" * 9_000 + "a", "a.txt/b", "../a/b"])
def test_state_that_names_what_is_not_there(tree, name):
    """What can't be found is no input."""
    expected = tree.digest()
    discoveries.save(str(tree.cache), str(tree.path), State(built=True, discovered={name: "packed"}))
    assert tree.digest() == expected
    assert archive.mark_of(tree.wheel().path).digest == expected


# The cache directory.


def missing(tree, _monkeypatch):
    """There is none, nor the folder above."""
    tree.environ["FRESHWHEEL_CACHE_DIR"] = str(tree.cache / "a" / "b")


def nowhere(tree, _monkeypatch):
    """The environment names no place."""
    tree.environ["FRESHWHEEL_CACHE_DIR"] = "relative"


def occupied(tree, _monkeypatch):
    """A file has its name."""
    tree.cache.write_text("a file")


def occupied_below(tree, _monkeypatch):
    """Folders have the names of its files, and files those of its folders."""
    tree.place().mkdir(parents=True)
    for name in ("builds", "memory"):
        (tree.cache / name).write_text("a file")


def refusing(number, *names):
    """Some functions of the system fail for what lies in the cache directory."""

    def refuse(tree, monkeypatch):
        tree.cache.mkdir()
        inside = os.fsencode(tree.cache)
        for name in names:
            ours = getattr(os, name)

            def refused(path, *arguments, ours=ours, **options):
                if isinstance(path, (str, bytes)) and os.fsencode(path).startswith(inside):
                    raise OSError(number, os.strerror(number), path)
                return ours(path, *arguments, **options)

            monkeypatch.setattr(os, name, refused)

    return refuse


def looping(tree, _monkeypatch):
    """It is a link that leads to itself."""
    tree.cache.symlink_to(tree.cache)


def too_long(tree, _monkeypatch):
    """No file system has such a name."""
    tree.environ["FRESHWHEEL_CACHE_DIR"] = str(tree.cache / ("a" * 5_000))


CACHES = {
    "missing": missing,
    "nowhere": nowhere,
    "a file": occupied,
    "occupied": occupied_below,
    "full": refusing(errno.ENOSPC, "replace"),
    "full at once": refusing(errno.ENOSPC, "open", "mkdir"),
    "read-only": refusing(errno.EROFS, "replace", "unlink", "mkdir"),
    "unreadable": refusing(errno.EACCES, "stat", "lstat", "open", "unlink", "mkdir", "replace"),
    "broken": refusing(errno.EIO, "stat", "open"),
    "too long": too_long,
    **({} if os.name == "nt" else {"looping": looping}),
}


@pytest.mark.parametrize("cache", [pytest.param(cache, id=name) for name, cache in CACHES.items()])
def test_cache_that_can_not_be_used(tree, monkeypatch, cache):
    """The build goes on, and has the label that it would have had."""
    expected = tree.digest()
    shutil.rmtree(tree.cache)
    cache(tree, monkeypatch)
    for _ in range(2):
        mark = archive.mark_of(tree.compiled().path)
        assert (mark.digest, mark.settled) == (expected, True)
    tree.write("src/lib.rs", "// two\n")
    tree.compiled()
    assert (tree.path / "src" / "lib.rs").stat().st_mtime_ns > LONG_AGO
    assert tree.said == []
    assert report.digest(tree.call()) == tree.digest() != expected


def test_lost_cache_finds_again(tree):
    """Without the cache directory, the next build finds what the first one found, and the labels come back."""
    first = packing(tree).version
    second = tree.wheel(RECORDING_DURING=PACKING).version
    shutil.rmtree(tree.cache)
    assert tree.wheel(RECORDING_DURING=PACKING).version == first
    assert tree.wheel(RECORDING_DURING=PACKING).version == second


# The memory.


def later(tree):
    """A project and a snapshot, looked at when all files are old."""
    soon = time.time_ns() + 10**12
    context = Context.of(tree.call())
    return replace(context.project, started=soon), selection.snapshot(str(tree.path), context.select, now=lambda: soon)


@POSIX
def test_contents_are_remembered(tree):
    """What a walk has read need not be read again, but for links and tables."""
    project, found = later(tree)
    assert contexts.remember(project, found, None, tree.environ)
    known = contexts.remembered(str(tree.path), tree.environ)
    files = {one.path: one.content for one in found.inputs if one.kind in (b"f", b"x")}
    assert {path: fact[2] for path, fact in known.items()} == files
    assert set(files) == {b"Cargo.toml", b"README.md", b"_backend/recording.py", *map(str.encode, list(FILES)[1:])} | {
        b"src/recorded.py"
    }


def looked(tree, after):
    """A call, and what is remembered of a look at the tree so many nanoseconds after its last change."""
    context = Context.of(tree.call())
    newest = max(os.lstat(place).st_ctime_ns for place in (tree.path, *tree.path.rglob("*")))
    moment, project = newest + after, context.project
    seen = selection.snapshot(str(tree.path), context.select, now=lambda: moment)
    assert contexts.remember(replace(project, started=moment), seen, None, tree.environ)
    return context.call, seen


@POSIX
def test_nothing_has_moved(tree):
    """All that a walk has found is remembered half a second after the last change, by the clock of a kernel."""
    call, seen = looked(tree, 5 * 10**8)
    known = contexts.recall(call)
    assert known == replace(seen, looks=Looks())
    assert known.roots
    assert known.native


@pytest.mark.parametrize(
    "act",
    [
        lambda path: (path / "src/lib.rs").write_text("// two\n"),
        lambda path: (path / "src/more.rs").write_text(""),
        lambda path: (path / "src/lib.rs").unlink(),
        lambda path: (path / "src/lib.rs").touch(),
        lambda path: (path / "build.rs").write_text(""),
    ],
    ids=["edited", "new", "gone", "touched", "there now"],
)
def test_something_has_moved(tree, act):
    """Then all is looked at again."""
    call, seen = looked(tree, 5 * 10**8)
    act(tree.path)
    assert contexts.recall(call) is None
    now = Context.of(call).snapshot()
    assert (now.digest, now.rows) != (seen.digest, seen.rows)


def test_link_among_the_inputs(tree):
    """What it leads to is looked at each time."""
    (tree.path / "src" / "other.rs").symlink_to("lib.rs")
    assert contexts.recall(looked(tree, 5 * 10**8)[0]) is None


@POSIX
def test_other_settings(tree):
    """They may select other inputs."""
    call, _ = looked(tree, 5 * 10**8)
    assert contexts.recall(call)
    assert contexts.recall(replace(call, settings={"freshwheel.label": "off"})) is None


def test_just_changed(tree):
    """What was changed within a tick of the clock before it was looked at may have been changed again."""
    assert contexts.recall(looked(tree, 5 * 10**7)[0]) is None


def test_times_in_whole_seconds(tree):
    """A file system that has no finer ones may give the same to an edit two seconds later."""
    _, seen = looked(tree, 5 * 10**8)
    coarse = tuple((*row[:3], row[3] // 10**9 * 10**9, row[4]) for row in seen.rows)
    assert contexts._has_ticks(seen)
    assert not contexts._has_ticks(replace(seen, rows=coarse))


def test_same_digest_with_and_without_memory(tree):
    """A memory changes no answer."""
    expected = tree.digest()
    project, found = later(tree)
    contexts.remember(project, found, None, tree.environ)
    assert tree.digest() == expected
    tree.write("src/lib.rs", "// two\n")
    changed = tree.digest()
    shutil.rmtree(tree.cache)
    assert tree.digest() == changed != expected


def test_contents_on_another_device(tree, monkeypatch):
    """Inodes and times of one file system say nothing about another."""
    project, found = later(tree)
    contexts.remember(project, found, None, tree.environ)
    device = contexts._device(str(tree.path))
    monkeypatch.setattr(contexts, "_device", lambda _tree: device + 1)
    assert contexts.remembered(str(tree.path), tree.environ) == {}


@pytest.mark.parametrize("data", [b"", b"FWMEM\0\0\1", b"x" * 100])
def test_damaged_memory(tree, data):
    """It is as good as none."""
    expected = tree.digest()
    Path(memory.place(str(tree.cache), memory.real(str(tree.path)))).write_bytes(data)
    assert contexts.remembered(str(tree.path), tree.environ) == {}
    assert tree.digest() == expected


def test_what_is_not_kept(tree):
    """Without a place, without a tree, and for settings that nobody understands there is no memory."""
    project, found = later(tree)
    assert not contexts.remember(project, found, None, {"FRESHWHEEL_CACHE_DIR": "relative"})
    assert not contexts.remember(project, found, {"freshwheel.label": 3}, tree.environ)
    assert contexts.remembered(str(tree.path / "gone"), tree.environ) == {}
    shutil.rmtree(tree.path)
    assert not contexts.remember(project, found, None, tree.environ)


@pytest.mark.skipif(os.name == "nt", reason="permissions of others")
def test_what_others_may_write_is_not_believed(tmp_path):
    """Neither the state of a tree nor the record of its build folders: both decide what is built anew."""
    assert discoveries.save(str(tmp_path), str(tmp_path / "one"), State(built=True))
    for path in (tmp_path / "trees").iterdir():
        path.chmod(0o666)
    assert discoveries.load(str(tmp_path), str(tmp_path / "one")) == State()
    work = Workplace(cache=str(tmp_path), folders=["/target"], tree="/tree", repository="/tree")
    seen = Seen(recipe=b"", inputs={b"a": b"f" * 17}, mtimes={b"a": 1})
    work.keep(Record(seen=seen, profiles={}, used={}), others=False)
    assert work.record([b"a"]).seen == seen
    for path in (tmp_path / "builds").iterdir():
        path.chmod(0o666)
    assert work.record([b"a"]) is None


def test_folder_that_two_trees_share(tmp_path):
    """Each knows what the other has seen of their common files, and calls them its own way; what is gone is named."""
    for name in ("one/a", "two/b", "both/c", "both/gone"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    one, two = (
        Workplace(
            cache=str(tmp_path / "cache"), folders=["/target"], tree=str(tmp_path / name), repository=str(tmp_path)
        )
        for name in ("one", "two")
    )
    inputs = {b"a": b"f1" + b"-" * 15, b"../both/c": b"f2" + b"-" * 15, b"../both/gone": b"f3" + b"-" * 15}
    one.keep(
        Record(seen=Seen(recipe=b"", inputs=inputs, mtimes=dict.fromkeys(inputs, 7)), profiles={}, used={}),
        others=False,
    )
    (tmp_path / "both" / "gone").unlink()
    shared = two.record([b"b", b"../both/c"])
    assert shared.seen.inputs == {path: inputs[path] for path in (b"../both/c", b"../both/gone")}
    newer = Seen(
        recipe=b"", inputs={b"b": b"f4" + b"-" * 15, b"../both/c": b"f5" + b"-" * 15}, mtimes={b"b": 8, b"../both/c": 8}
    )
    two.keep(Record(seen=newer, profiles={}, used={}), others=True)
    again = one.record([b"a", b"../both/c"]).seen
    assert again.inputs == {b"a": inputs[b"a"], b"../both/c": newer.inputs[b"../both/c"]}
    assert again.mtimes == {b"a": 7, b"../both/c": 8}
