"""When the last answer still holds: never for a tree that is another one, and without reading one that is not."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base import rows
from freshwheel.base.model import Looks
from freshwheel.memory import memory, replay

from .test_replay_hooks import LIGHT, OWN

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no row is trusted on Windows")

HOUR = 3600 * 10**9
SLACK = 2 * 10**9


def later():
    """The clock an hour from now: what lies there was written long ago."""
    return time.time_ns() + HOUR


class Woods:
    """A tree, what one would observe of it, and a cache beside it."""

    def __init__(self, folder):
        self.path = folder / "tree"
        self.cache = folder / "cache"
        self.environ = {"FRESHWHEEL_CACHE_DIR": str(self.cache)}
        for name in ("pyproject.toml", "src/lib.rs", "src/deep/a.rs", "src/deep/b.rs", "run.sh"):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(name)
        (self.path / "link").symlink_to("../outside.txt")
        (self.path / "nowhere").symlink_to("missing")
        (folder / "outside.txt").write_text("outside")

    def observed(self, clock=later, slack=SLACK, question=None):
        """Everything that the tree is now."""
        started = clock()
        inputs, places, absent = [], [], [b"Cargo.toml", b"../.cargo/config.toml", b"src/lib.rs/config"]
        for top, _, names in os.walk(self.path):
            places.append((os.fsencode(os.path.relpath(top, self.path)), rows.row(os.stat(top))))
            for name in names:
                where = os.path.join(top, name)
                path = os.fsencode(os.path.relpath(where, self.path))
                if not os.path.islink(where):
                    inputs.append((path, *rows.read(os.fsencode(where), follow=False)))
                    continue
                text = rows.stamp(os.fsencode(os.readlink(where)))
                target = bytes(8)
                if os.path.isfile(where):
                    target = rows.read(os.fsencode(where), follow=True)[1][:8]
                    places.append((path, rows.row(os.stat(where))))
                elif not os.path.exists(where):
                    absent.append(path)
                inputs.append((path, b"l", text + target, rows.row(os.lstat(where))))
        links = [(b"pyproject.toml", rows.row(os.lstat(self.path / "pyproject.toml")))]
        tree = memory.real(str(self.path))
        asked = question or memory.question(None, self.environ, tree)
        device = os.stat(tree).st_dev
        ground = memory.Ground(tree=tree, device=device, slack=slack, question=asked, rules=bytes(16))
        looks = Looks(links=dict(links), places=dict(places), absent=frozenset(absent))
        return memory.observed(ground, started, inputs, looks)

    def learn(self, **how):
        """Saves what is observed; the digest."""
        known = self.observed(**how)
        assert memory.save(str(self.cache), known)
        return known.digest.hex()

    @property
    def known(self):
        """The memory."""
        return memory.load(str(self.cache), memory.real(str(self.path)))

    def ask(self, clock=later, settings=None, **environ):
        """The digest, if the memory knows it."""
        return replay.source_digest(replay.Call(str(self.path), {**self.environ, **environ}, settings, now=clock))

    def everything(self):
        """Each path of the tree, and its row."""
        return {
            os.path.join(top, name): rows.row(os.lstat(os.path.join(top, name)))
            for top, folders, names in os.walk(self.path)
            for name in (".", *folders, *names)
        }


@pytest.fixture(params=["inside", "elsewhere"])
def woods(request, tmp_path, monkeypatch):
    """A tree, with the working directory in it or not."""
    found = Woods(tmp_path)
    monkeypatch.chdir(found.path if request.param == "inside" else "/")
    return found


@pytest.fixture
def reads(monkeypatch):
    """The paths that were read."""
    found, real = [], rows.read

    def read(path, *, follow):
        found.append(os.path.basename(path))
        return real(path, follow=follow)

    monkeypatch.setattr(memory.rows, "read", read)
    return found


# --- nothing moved


def test_an_unmoved_tree_is_answered_without_a_read(woods, reads):
    """As often as one asks."""
    digest = woods.learn()
    del reads[:]
    assert [woods.ask(), woods.ask()] == [digest, digest]
    assert reads == []


def test_nothing_is_written_for_an_unmoved_tree(woods, monkeypatch):
    """Neither there nor in the cache."""
    digest, before = woods.learn(), woods.everything()
    monkeypatch.setattr(memory, "save", pytest.fail)
    assert (woods.ask(), woods.everything()) == (digest, before)


def test_nothing_is_written_into_a_tree_that_moved(woods):
    """The memory lies elsewhere."""
    woods.learn()
    (woods.path / "run.sh").write_text("other")
    before = woods.everything()
    assert woods.ask()
    assert woods.everything() == before


def test_a_tree_without_links_and_inputs_is_answered(tmp_path):
    """Few things are no special case."""
    woods = Woods(tmp_path)
    shutil.rmtree(woods.path)
    woods.path.mkdir()
    (woods.path / "pyproject.toml").write_text("")
    assert woods.ask() is None
    digest = woods.learn()
    assert woods.ask() == digest


def test_a_tree_that_was_just_written_is_not_answered(woods):
    """What was seen of its folders proves nothing yet."""
    woods.learn(clock=time.time_ns)
    assert woods.known.seal[:16] == rows.UNSEALED
    assert [woods.ask(), woods.ask(clock=time.time_ns)] == [None, None]


# --- what files hold moved


EDITS = {
    "edited": lambda path: path.write_text("another text"),
    "edited, of the same size": lambda path: path.write_text("X" * path.stat().st_size),
    "touched": os.utime,
    "emptied": lambda path: path.write_text(""),
    "made executable": lambda path: path.chmod(0o755),
    "made writable for the group": lambda path: path.chmod(0o664),
    "edited behind its back": lambda path: restored(path, "X" * path.stat().st_size),
    "grown large": lambda path: path.write_bytes(bytes(1 << 19)),
    "older than 1970": lambda path: os.utime(path, ns=(-5, -5)),
    "newer than all clocks": lambda path: os.utime(path, ns=(1 << 62, 1 << 62)),
}


def restored(path, text):
    """Edits, and puts the times back."""
    status = path.stat()
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("name", ["run.sh", "src/deep/b.rs"])
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_file_that_moved_is_read_again_and_alone(woods, reads, edit, name):
    """The digest is that of the tree as it is now."""
    woods.learn()
    edit(woods.path / name)
    expected = woods.observed().digest.hex()
    del reads[:]
    assert woods.ask() == expected
    assert reads == [os.path.basename(name).encode()]


@pytest.mark.parametrize("edit", list(EDITS.values())[:6], ids=list(EDITS)[:6])
def test_what_was_read_again_is_known_the_next_time(woods, reads, edit):
    """If it was not written just now; the memory is that of a first run."""
    woods.learn()
    edit(woods.path / "run.sh")
    digest = woods.ask()
    del reads[:]
    assert (woods.ask(), reads) == (digest, [])
    assert woods.known == woods.observed()


def test_a_file_that_was_just_written_is_read_each_time(woods, reads):
    """Another edit in the same moment may leave the same row."""
    woods.learn()
    (woods.path / "run.sh").write_text("one")
    woods.ask(clock=time.time_ns)
    del reads[:]
    assert woods.ask(clock=time.time_ns) == woods.observed().digest.hex()
    assert reads[0] == b"run.sh"
    assert woods.known.seal[16:] == rows.UNSEALED


def test_it_is_trusted_when_it_is_old_enough(woods, reads):
    """One more read, then none."""
    woods.learn()
    (woods.path / "run.sh").write_text("one")
    digest = woods.ask(clock=time.time_ns)
    del reads[:]
    assert [woods.ask(), woods.ask()] == [digest, digest]
    assert reads == [b"run.sh"]


def test_a_second_edit_in_one_moment_is_seen(woods, monkeypatch):
    """Even if the row of the file is the same as before."""
    woods.learn()
    path = woods.path / "run.sh"
    path.write_text("one")
    frozen = os.lstat(path)
    real_lstat, real_fstat = os.lstat, os.fstat

    def is_it(status):
        return frozen if status.st_ino == frozen.st_ino else status

    monkeypatch.setattr(os, "lstat", lambda *a, **k: is_it(real_lstat(*a, **k)))
    monkeypatch.setattr(os, "fstat", lambda handle: is_it(real_fstat(handle)))
    first = woods.ask(clock=time.time_ns)
    path.write_text("two")
    second = woods.ask(clock=time.time_ns)
    assert first != second == woods.observed().digest.hex()


def test_many_moved_files_are_all_read(woods):
    """Also in different blocks of rows."""
    for number in range(300):
        (woods.path / f"src/{number}.rs").write_text("")
    woods.learn()
    for number in range(0, 300, 7):
        (woods.path / f"src/{number}.rs").write_text(str(number))
    assert woods.ask() == woods.observed().digest.hex()


def test_an_answer_does_not_need_the_memory_to_be_saved(woods, monkeypatch):
    """The cache may be full, or read-only."""
    woods.learn()
    (woods.path / "run.sh").write_text("x")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    assert woods.ask() == woods.observed().digest.hex()
    assert [name for name in os.listdir(woods.cache / "memory") if not name.endswith(".bin")] == []


# --- more moved than that


def swapped(root):
    """Two files change places."""
    (root / "src/deep/a.rs").rename(root / "src/deep/c")
    (root / "src/deep/b.rs").rename(root / "src/deep/a.rs")
    (root / "src/deep/c").rename(root / "src/deep/b.rs")


def replaced(root, make):
    """Something else stands in the place of a file."""
    (root / "run.sh").unlink()
    make(root / "run.sh")


MOVES = {
    "file added": lambda root: (root / "src/deep/new.rs").touch(),
    "file deleted": lambda root: (root / "src/deep/a.rs").unlink(),
    "file renamed": lambda root: (root / "src/deep/a.rs").rename(root / "src/deep/c.rs"),
    "files swapped": swapped,
    "file to a link": lambda root: replaced(root, lambda path: path.symlink_to("src/lib.rs")),
    "file to a folder": lambda root: replaced(root, Path.mkdir),
    "file to a fifo": lambda root: replaced(root, os.mkfifo),
    "file replaced": lambda root: replaced(root, Path.touch),
    "folder added": lambda root: (root / "src/new").mkdir(),
    "folder gone": lambda root: shutil.rmtree(root / "src/deep"),
    "folder renamed": lambda root: (root / "src/deep").rename(root / "src/deeper"),
    "folder to a link": lambda root: ((root / "src").rename(root.parent / "src"), (root / "src").symlink_to("../src")),
    "manifest edited": lambda root: (root / "pyproject.toml").write_text("x"),
    "manifest touched": lambda root: os.utime(root / "pyproject.toml"),
    "target of a link edited": lambda root: (root.parent / "outside.txt").write_text("x"),
    "target of a link gone": lambda root: (root.parent / "outside.txt").unlink(),
    "link touched": lambda root: os.utime(root / "link", follow_symlinks=False),
    "link to another place": lambda root: ((root / "link").unlink(), (root / "link").symlink_to("run.sh")),
    "absent file appears": lambda root: (root / "Cargo.toml").touch(),
    "absent file appears outside": lambda root: (
        (root.parent / ".cargo").mkdir(),
        (root.parent / ".cargo/config.toml").touch(),
    ),
    "absent file appears as a link that leads nowhere": lambda root: (
        (root.parent / ".cargo").mkdir(),
        (root.parent / ".cargo/config.toml").symlink_to("none"),
    ),
    "target of a link appears": lambda root: (root / "missing").touch(),
    "tree gone": shutil.rmtree,
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_a_tree_that_moved_otherwise_is_not_answered(woods, move):
    """Whoever knows the rules must look again."""
    woods.learn()
    move(woods.path)
    assert woods.ask() is None


def test_an_appearance_outside_that_moves_no_folder_of_the_tree_is_seen(woods):
    """Absence was observed, and is looked at each time."""
    (woods.path.parent / ".cargo").mkdir()
    woods.learn()
    (woods.path.parent / ".cargo/config.toml").touch()
    assert woods.ask() is None
    (woods.path.parent / ".cargo/config.toml").unlink()
    assert woods.ask() is not None


def test_a_file_that_is_deleted_while_one_looks_is_not_answered(woods, monkeypatch):
    """Its folder was seen before that."""
    woods.learn()
    (woods.path / "run.sh").write_text("x")
    real = rows.read

    def read(path, *, follow):
        (woods.path / "run.sh").unlink()
        return real(path, follow=follow)

    monkeypatch.setattr(memory.rows, "read", read)
    assert woods.ask() is None


# --- whom it answers


def test_another_question_is_not_answered(woods):
    """Our settings, from the environment or the call."""
    digest = woods.learn()
    assert woods.ask(FRESHWHEEL_LABEL="off") is None
    assert woods.ask(settings={"freshwheel.store": "off"}) is None
    assert woods.ask(settings={"freshwheel.store": 1}) is None
    assert woods.ask(settings={}) == digest
    assert woods.ask(settings={"build-args": 1}, FRESHWHEEL_LABEL="", PATH="/x") == digest


def test_another_version_of_freshwheel_is_not_answered(woods, monkeypatch):
    """It may have other rules."""
    woods.learn()
    monkeypatch.setattr(memory, "__version__", "99")
    assert woods.ask() is None


def test_a_copy_of_a_tree_is_not_answered(woods):
    """Not even if it has the name of the first one."""
    woods.learn()
    woods.path.rename(woods.path.parent / "other")
    shutil.copytree(woods.path.parent / "other", woods.path, symlinks=True)
    assert woods.ask() is None


def test_a_tree_on_another_device_is_not_answered(woods):
    """Inodes are counted for each device."""
    woods.learn()
    memory.save(str(woods.cache), woods.known.but(device=woods.known.device + 1))
    assert woods.ask() is None


def test_a_tree_whose_times_are_not_exact_is_not_answered(woods):
    """On a network the look itself may be old."""
    woods.learn(slack=None)
    assert woods.ask() is None


def test_a_tree_is_known_by_any_path(woods, tmp_path):
    """Through a link as well."""
    digest = woods.learn()
    (tmp_path / "way").symlink_to("tree")
    assert replay.source_digest(replay.Call(str(tmp_path / "way"), woods.environ, None, now=later)) == digest


@pytest.mark.parametrize("tree", ["a\0b", "none", ""])
def test_what_is_no_tree_is_not_answered(woods, tree):
    """Nor is it an error."""
    assert replay.source_digest(replay.Call(tree, {**woods.environ, "FRESHWHEEL_CACHE_DIR": "/none"}, None)) is None


@pytest.mark.parametrize("error", [OSError, ValueError, KeyError, RecursionError])
def test_no_error_comes_out(woods, monkeypatch, error):
    """Whatever goes wrong, somebody else can answer."""
    woods.learn()

    def failing(*_):
        raise error

    monkeypatch.setattr(rows, "seen", failing)
    assert woods.ask() is None


@pytest.mark.parametrize("clock", [lambda: 0, lambda: -1, lambda: 1 << 70])
def test_a_clock_that_is_wrong_changes_no_answer(woods, clock):
    """It can only make one read more, or read now what will be trusted then."""
    digest = woods.learn()
    assert woods.ask(clock=clock) == digest
    (woods.path / "run.sh").write_text("x")
    assert woods.ask(clock=lambda: 0) == woods.observed().digest.hex()


# --- the question


NAMES = st.text(min_size=1, max_size=4)
SETTINGS = st.dictionaries(NAMES.map("freshwheel.".__add__), NAMES | st.lists(NAMES, max_size=3), max_size=3)
TREE = b"/tree"
ENVIRON = st.dictionaries(NAMES.map("FRESHWHEEL_".__add__), NAMES, max_size=3)


@given(st.tuples(SETTINGS, ENVIRON), st.tuples(SETTINGS, ENVIRON))
def test_questions_are_equal_if_their_settings_are(one, other):
    """And only then."""
    assert (memory.question(*one, TREE) == memory.question(*other, TREE)) == (one == other)


@given(SETTINGS, ENVIRON)
def test_order_is_no_part_of_a_question(settings, environ):
    """Nor is what is not ours."""
    turned = dict(reversed([*settings.items(), ("other", object())]))
    others = {**dict(reversed(environ.items())), "FRESHWHEEL_CACHE_DIR": "/x", "FRESHWHEEL_": "", "PATH": "\udc80"}
    assert memory.question(turned, others, TREE) == memory.question(settings, environ, TREE)


@pytest.mark.parametrize(
    "settings", [[], "x", {1: "x"}, {"freshwheel.a": 1}, {"freshwheel.a": ["x", 1]}, {"freshwheel.a": None}]
)
def test_settings_that_are_none_are_no_question(settings):
    """The recipes say what is wrong with them."""
    assert memory.question(settings, {}, TREE) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("TMPDIR", "/tree/tmp"), ("UV_CACHE_DIR", "/tree/a/.uv"), ("HOME", "/tree")),
        *(("CARGO_BUILD_BUILD_DIR", "work"), ("FRESHWHEEL_CACHE_DIR", "/tree/.cache")),
    ],
)
def test_folders_that_tools_are_given_are_part_of_a_question(name, value):
    """In the tree they are no inputs; elsewhere they are nothing to it."""
    assert memory.question(None, {name: value}, TREE) != memory.question(None, {}, TREE)
    if value.startswith("/"):
        assert memory.question(None, {name: value}, b"/other") == memory.question(None, {}, b"/other")


def test_no_settings_are_empty_ones():
    """Frontends pass the one or the other."""
    assert memory.question(None, {}, TREE) == memory.question({}, {}, TREE)


# --- light


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
from freshwheel.memory import replay
answer = replay.source_digest(replay.Call(sys.argv[2], {"FRESHWHEEL_CACHE_DIR": sys.argv[3]}, None))
loaded = sorted(set(sys.modules) - before)
import json
print(json.dumps([answer, loaded]))
"""


@pytest.mark.parametrize("edited", [False, True])
def test_an_answer_loads_the_light_column_only(tmp_path, edited):
    """In a fresh process, whether or not something moved."""
    woods = Woods(tmp_path)
    woods.learn()
    if edited:
        (woods.path / "run.sh").write_text("x")
    package = str(Path(replay.__file__).parents[2])
    command = [sys.executable, "-I", "-B", "-c", PROGRAM, package, str(woods.path), str(woods.cache)]
    done = subprocess.run(command, cwd=woods.path, check=True, capture_output=True, text=True)
    answer, loaded = json.loads(done.stdout)
    assert answer == woods.observed().digest.hex()
    own = {"freshwheel", *(f"freshwheel.{name}" for name in OWN)}
    assert [name for name in loaded if name not in own and name.partition(".")[0] not in LIGHT] == []
