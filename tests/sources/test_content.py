"""What a snapshot sees of a tree, what it does not, and how it takes a tree that changes under its hands."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freshwheel.base.errors import InputError
from freshwheel.sources import disk, selection


@pytest.fixture
def planted(grove):
    """A small project."""
    return grove.plant("pyproject.toml", "src/demo/__init__.py", "src/demo/a.py", "src/lib.rs", "run").link("L", "run")


# --- what counts


def test_source_digest_is_32_hex_digits(planted):
    """Lower case, as it stands in marks and labels."""
    digest = planted.digest()
    assert len(digest) == 32
    assert set(digest) <= set("0123456789abcdef")


def test_inputs_and_rows_are_in_one_order(planted):
    """Sorted by path, a row for each input."""
    found = planted.snapshot()
    assert [one.path for one in found.inputs] == sorted(one.path for one in found.inputs)
    for one, row in zip(found.inputs, found.rows, strict=True):
        status = os.stat(os.path.join(os.fsencode(planted.path), one.path))
        assert row == (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "src/lib.rs").write_text("fn"),
        lambda root: (root / "src/lib.rs").write_text("src/lib.rS"),
        lambda root: (root / "src/lib.rs").write_text(""),
        lambda root: (root / "src/lib.rs").unlink(),
        lambda root: (root / "src/lib.rs").rename(root / "src/lob.rs"),
        lambda root: (root / "src/lib.rs").rename(root / "lib.rs"),
        lambda root: (root / "src/lib.rs").rename(root / "src/LIB.rs"),
        lambda root: (root / "src/empty").touch(),
        lambda root: (root / "run").chmod(0o755),
        lambda root: (root / "src").rename(root / "source"),
        lambda root: ((root / "L").unlink(), (root / "L").symlink_to("src/lib.rs")),
        lambda root: ((root / "L").unlink(), (root / "L").symlink_to("./run")),
        lambda root: ((root / "L").unlink(), shutil.copy(root / "run", root / "L")),
        lambda root: (root / "another").symlink_to("nowhere"),
        lambda root: os.mkfifo(root / "pipe"),
        lambda root: (root / "pyproject.toml").write_text("[project]"),
    ],
)
def test_every_change_of_an_input_alters_the_digest(planted, change):
    """Content, name, place, kind, existence."""
    before = planted.digest()
    change(planted.path)
    assert planted.digest() != before


@pytest.mark.parametrize(
    "change",
    [
        lambda root: os.utime(root / "src/lib.rs", (1, 1)),
        lambda root: (root / "src/lib.rs").chmod(0o664),
        lambda root: (root / "src/lib.rs").chmod(0o600),
        lambda root: (root / "src").chmod(0o700),
        lambda root: (root / "src/lib.rs").write_text("src/lib.rs"),
        lambda root: (shutil.copy(root / "src/lib.rs", root / "x"), (root / "x").replace(root / "src/lib.rs")),
        lambda root: ((root / "src/new").touch(), (root / "src/new").unlink()),
        lambda root: os.link(root / "src/lib.rs", root / ".freshwheel-other-name"),
        lambda root: (root / "run").chmod(0o654),
    ],
)
def test_what_is_not_content_does_not_count(planted, change):
    """Times, modes but for the owner's right to execute, inodes, links."""
    before = planted.digest()
    change(planted.path)
    assert planted.digest() == before


def test_digest_is_the_same_elsewhere(planted, taken, tmp_path):
    """A copy, a clone and another machine have the same one."""
    elsewhere = tmp_path / "a longer name" / "deeper"
    shutil.copytree(planted.path, elsewhere, symlinks=True)
    assert taken(str(elsewhere)).digest == planted.digest()


def test_order_of_creation_does_not_count(taken, tmp_path):
    """A file system lists names as it likes."""
    digests = set()
    for number, order in enumerate([range(200), reversed(range(200))]):
        root = tmp_path / str(number)
        root.mkdir()
        for name in order:
            (root / f"f{name}").write_bytes(b"x")
        digests.add(taken(str(root)).digest)
    assert len(digests) == 1


def test_listing_in_any_order_gives_one_digest(planted, monkeypatch):
    """The same, where the listing is turned round under our hands; links and outside folders included."""
    planted.plant("../p/a", "../p/sub/b").link("z", "../p/sub").link("y", "../p")
    before = planted.snapshot(include=["../p/*"])
    forwards = disk.Disk.entries
    monkeypatch.setattr(disk.Disk, "entries", lambda *place: dict(reversed(forwards(*place).items())))
    assert planted.snapshot(include=["../p/*"]) == before


@pytest.mark.parametrize(
    "environ",
    [{"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"}, {"LC_ALL": "C"}, {"PYTHONUTF8": "1"}, {"TZ": "Asia/Tokyo"}],
)
def test_process_does_not_count(planted, environ):
    """Hash seeds, locales, umask and working directory are not in the digest."""
    planted.plant("ä/ö").link("x", "../gone")
    code = (
        "import os, sys; os.umask(0o77); sys.path.insert(0, sys.argv[2]); from conftest import snapshot;"
        "print(snapshot(sys.argv[1], include=['../ü/**', 'ä/*'], exclude=['é']).digest)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(planted.path), os.path.dirname(__file__)],
        env={**os.environ, **environ},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == planted.digest(include=["../ü/**", "ä/*"], exclude=["é"])


def test_rules_are_in_the_digest(planted):
    """Another list of patterns is another definition of the sources, even where it selects the same today."""
    assert len({planted.digest(), planted.digest(exclude=["gone"]), planted.digest(include=["gone"])}) == 3


@pytest.mark.parametrize("size", [0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3 << 18])
def test_file_of_any_size_is_read_whole(grove, naive, size):
    """At the edges of a chunk too."""
    data = bytes(number * 7 % 251 for number in range(size))
    grove.write("a", data)
    assert grove.digest() == naive.of_tree(grove.path)


# --- trees that change


class Editor:
    """Changes a file each time after its stat was taken, as often as it is told."""

    def __init__(self, monkeypatch, path, change, times):
        self.inode = path.stat().st_ino
        self.change = change
        self.times = times
        self.fstat = os.fstat
        monkeypatch.setattr(os, "fstat", self)

    def __call__(self, handle):
        """The stat, and then the change."""
        status = self.fstat(handle)
        if status.st_ino == self.inode and self.times:
            self.times -= 1
            self.change()
        return status


@pytest.mark.parametrize("size", [10, 1 << 19])
def test_file_that_is_edited_while_it_is_read_is_read_again(grove, monkeypatch, naive, size):
    """One save at a bad time costs nothing but time."""
    grove.write("a.py", b"x" * size)
    path = grove.path / "a.py"
    sizes = [size * 3, size * 2]
    editor = Editor(monkeypatch, path, lambda: path.write_bytes(b"y" * sizes.pop()), 2)
    assert grove.digest() == naive.of_tree(grove.path)
    assert not editor.times


def test_edit_of_equal_size_while_reading_is_seen(grove, monkeypatch, naive):
    """The stat before and after the reading tells."""
    path = grove.path / "a.py"
    grove.write("a.py", b"one")
    read = os.read
    edits = [b"two"]

    def edit_after(handle, count):
        data = read(handle, count)
        if edits and data == b"one":
            path.write_bytes(edits.pop())
            os.utime(path, (1, 1))
        return data

    monkeypatch.setattr(os, "read", edit_after)
    assert grove.digest() == naive.of_tree(grove.path)
    assert not edits


@pytest.mark.parametrize("size", [10, 1 << 19])
def test_file_that_does_not_keep_still_is_named(grove, monkeypatch, size):
    """There is no digest of what nobody could have read."""
    grove.write("src/a.log", b"x" * size)
    path = grove.path / "src/a.log"

    def grow():
        with path.open("ab") as file:
            file.write(b"more")

    Editor(monkeypatch, path, grow, 99)
    with pytest.raises(InputError, match=r"src/a\.log keeps changing while it is read") as caught:
        grove.digest()
    assert "exclude" in caught.value.hint


class Meddler:
    """Does something after a walk, as often as it is told."""

    def __init__(self, monkeypatch, change, times=1):
        self.change = change
        self.times = times
        self.find = selection.select
        monkeypatch.setattr(selection, "select", self)

    def __call__(self, *arguments, **options):
        """The walk, and then the change."""
        found = self.find(*arguments, **options)
        if self.times:
            self.times -= 1
            self.change()
        return found


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a.py").unlink(),
        lambda root: ((root / "a.py").unlink(), (root / "a.py").mkdir()),
        lambda root: ((root / "a.py").unlink(), (root / "a.py").symlink_to("b.py")),
        lambda root: ((root / "a.py").unlink(), os.mkfifo(root / "a.py")),
        lambda root: (root / "link").unlink(),
        lambda root: (root / "b.py").unlink(),
        lambda root: ((root / "b.py").unlink(), os.mkfifo(root / "b.py")),
        lambda root: (root / "dangling").unlink(),
        lambda root: shutil.rmtree(root / "sub"),
        lambda root: ((root / "sub").rename(root / "x"), (root / "sub").touch()),
    ],
)
def test_tree_that_changes_between_walk_and_reading_is_walked_again(grove, monkeypatch, naive, change):
    """The snapshot is of the tree after the change."""
    grove.plant("a.py", "b.py", "sub/c.py").link("link", "b.py").link("dangling", "x")
    Meddler(monkeypatch, lambda: change(grove.path))
    assert grove.digest() == naive.of_tree(grove.path)


def test_folder_that_vanishes_during_the_walk_is_walked_again(grove, monkeypatch, naive):
    """The same, a moment earlier."""
    grove.plant("a.py", "sub/c.py")
    entries = disk.Disk.entries

    def vanishing(look, path):
        if path == b"sub":
            shutil.rmtree(grove.path / "sub")
        return entries(look, path)

    monkeypatch.setattr(disk.Disk, "entries", vanishing)
    assert grove.digest() == naive.of_tree(grove.path)


def test_tree_that_does_not_keep_still_is_an_error(grove, monkeypatch):
    """A file that is always gone when it is wanted is named."""
    grove.plant("a.py", "b.py")

    def again():
        for path in (grove.path / "a.py", grove.path / "c.py"):
            path.unlink(missing_ok=True)

    meddler = Meddler(monkeypatch, again, 99)
    inner = meddler.find
    meddler.find = lambda *arguments, **options: (grove.plant("a.py"), inner(*arguments, **options))[1]
    with pytest.raises(InputError, match=r"a\.py keeps changing while it is read"):
        grove.digest()


# --- what can't be read


@pytest.mark.parametrize("refused", ["sub/a.py", "link"])
def test_file_that_can_not_be_read_is_named(grove, monkeypatch, refused):
    """With the reason, and what to do."""
    grove.plant("sub/a.py", "../secret").link("link", "../secret")
    real = os.open

    def refusing(path, *arguments, **options):
        if path.endswith(b"/" + refused.encode()):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(InputError, match=f"{refused} can't be read: Permission denied") as caught:
        grove.digest()
    assert caught.value.exit_code == 4
    assert "exclude" in caught.value.hint


def test_folder_that_may_not_be_read_is_empty(grove, monkeypatch):
    """No build reads it either, so it is no reason to know nothing of the sources; what comes to light is an input."""
    grove.plant("a.py", "sub/secret/a.py")
    real = os.scandir

    def refusing(path):
        if path.endswith(b"secret"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refusing)
        assert grove.names() == ["a.py"]
        closed = grove.digest()
    assert grove.names() == ["a.py", "sub/secret/a.py"]
    assert grove.digest() != closed


def test_project_directory_that_may_not_be_read_is_an_error(grove, monkeypatch):
    """Files that were not seen must not be taken for files that are not there."""
    grove.plant("a.py")

    def refusing(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(InputError, match="the project directory can't be read: Permission denied"):
        grove.digest()


def test_disk_that_fails_is_an_error_that_names_the_file(grove, monkeypatch):
    """A damaged disk is nobody's empty file."""
    grove.write("a.py", b"x")

    def fail(*_arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(InputError, match=r"a\.py can't be read: Input/output error"):
        grove.digest()


def test_project_directory_that_is_missing_is_an_error(taken, tmp_path):
    """It is said in words."""
    with pytest.raises(
        InputError, match=r"the project directory can't be read: .*(No such file|not found|cannot find)"
    ):
        taken(str(tmp_path / "gone"))


def test_no_handle_is_left_open(planted):
    """A long-lived frontend calls many times."""
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    planted.digest()
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_snapshot_writes_nothing(planted):
    """Not even into the folders that it walks."""
    before = {path: path.lstat().st_mtime_ns for path in [planted.path, *planted.path.rglob("*")]}
    planted.digest(include=["../**"])
    assert {path: path.lstat().st_mtime_ns for path in [planted.path, *planted.path.rglob("*")]} == before


# --- any tree

NAMES = st.sampled_from(
    [
        b"a",
        b"b",
        b"a.py",
        b"a b",
        b"\xff",
        b"x~",
        b"m.abi3.so",
        b"__pycache__",
        b".git",
        b"node_modules",
        b"__init__.py",
    ]
)
FOLDERS = st.lists(st.sampled_from([b"a", b"d", b"e", b"node_modules", b"__pycache__", b".git"]), max_size=3)
FILES = st.tuples(FOLDERS, NAMES, st.sampled_from([b"", b"x", b"y" * 300]), st.booleans())
TAGS = st.tuples(
    FOLDERS,
    st.sampled_from([b"CACHEDIR.TAG", b".yarn-integrity", b"Cargo.toml"]),
    st.sampled_from([b"", b"Signature: 8a477f597d28d172789f06886806bc55"]),
    st.just(value=False),
)
TARGETS = st.sampled_from([b".", b"..", b"a", b"d", b"../d", b"../out", b"../../out", b"nowhere", b"a/a.py", b"ROOT/d"])
LINKS = st.tuples(FOLDERS, NAMES, TARGETS)
OUTSIDE = st.lists(st.tuples(FOLDERS, NAMES, st.just(b"o"), st.just(value=False)), max_size=3)
MUTATIONS = st.sampled_from(["edit", "add", "delete", "rename", "chmod"])


def grow(root, files, links):
    """Makes a tree; what does not fit beside what is there is left out."""
    os.makedirs(root, exist_ok=True)
    for folders, name, data, executable in files:
        folder = os.path.join(root, *folders)
        try:
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, name), "xb") as file:
                file.write(data)
        except OSError:
            continue
        os.chmod(os.path.join(folder, name), 0o755 if executable else 0o644)
    for folders, name, target in links:
        folder = os.path.join(root, *folders)
        try:
            os.makedirs(folder, exist_ok=True)
            os.symlink(target.replace(b"ROOT", root), os.path.join(folder, name))
        except OSError:
            continue


anything = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
@anything
@given(st.lists(st.one_of(FILES, TAGS), max_size=8), st.lists(LINKS, max_size=4), OUTSIDE)
def test_second_implementation_agrees_on_any_tree(naive, taken, files, links, outside):
    """One definition, two implementations, one answer: pruned folders, links in, out and in circles."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "tree"
        grow(os.fsencode(root), files, links)
        grow(os.fsencode(Path(folder) / "out"), outside, [])
        assert taken(str(root)).digest == naive.of_tree(root)


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
@anything
@given(st.lists(FILES, min_size=1, max_size=8), MUTATIONS, st.data())
def test_any_single_change_alters_the_digest(taken, files, mutation, data):
    """Whatever the tree, whatever the input, whatever happens to it."""
    with tempfile.TemporaryDirectory() as folder:
        grow(os.fsencode(folder), files, [])
        before = taken(folder)
        if not before.inputs:
            return
        chosen = data.draw(st.sampled_from(before.inputs))
        mutate(os.path.join(os.fsencode(folder), chosen.path), mutation)
        assert taken(folder).digest != before.digest


def mutate(path, mutation):
    """Changes one input."""
    if mutation == "edit":
        with open(path, "ab") as file:
            file.write(b"z")
    elif mutation == "add":
        Path(os.fsdecode(path + b".new")).touch()
    elif mutation == "delete":
        os.unlink(path)
    elif mutation == "rename":
        os.rename(path, path + b".new")
    else:
        os.chmod(path, os.stat(path).st_mode ^ 0o100)
