"""What a look at a file tells, what it proves, and what a reading of it says."""

import os

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base import rows

HOUR = 3600 * 10**9
OLD = (0o100644, 3, HOUR, HOUR, 7)
POSIX = pytest.mark.skipif(os.name == "nt", reason="links, fifos and permissions of POSIX")


@pytest.fixture
def file(tmp_path):
    """A small file."""
    path = tmp_path / "a.py"
    path.write_bytes(b"abc")
    return os.fsencode(path)


def test_a_row_holds_what_tells_of_an_edit(file):
    """Mode, size, both times and the inode."""
    status = os.lstat(file)
    expected = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    assert rows.row(status) == expected


def test_packed_rows_of_many_are_those_of_each(file, tmp_path):
    """One look at all paths says the same as a look at each."""
    paths = [file, os.fsencode(tmp_path)]
    assert rows.seen(os.lstat, paths) == [rows.packed(rows.row(os.lstat(path))) for path in paths]


def test_a_time_before_1970_is_packed(file, tmp_path):
    """One odd file does not end the look at all of them."""
    os.utime(file, ns=(-5, -5))
    paths = [os.fsencode(tmp_path), file]
    assert rows.seen(os.lstat, paths) == [rows.packed(rows.row(os.lstat(path))) for path in paths]


NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1)


@given(st.tuples(*[NUMBERS] * 5))
def test_any_row_has_40_bytes(row):
    """Whatever numbers a file system gives."""
    assert len(rows.packed(row)) == 40
    assert len(rows.stamp(rows.packed(row))) == 8


@pytest.mark.parametrize(
    ("mtime", "ctime", "expected"),
    [
        (HOUR, HOUR, True),
        (0, 0, True),
        (2 * HOUR - 11, 2 * HOUR - 11, True),
        (2 * HOUR - 10, HOUR, False),
        (HOUR, 2 * HOUR - 10, False),
        (3 * HOUR, HOUR, False),
        (HOUR, 3 * HOUR, False),
        (-1, HOUR, False),
        (HOUR, -1, False),
    ],
)
@POSIX
def test_only_a_row_older_than_the_look_is_trusted(mtime, ctime, expected):
    """By more than the slack, in both times; the future and the time before 1970 prove nothing."""
    assert rows.trusted((1, 2, mtime, ctime, 3), started=2 * HOUR, slack=10) is expected


def test_no_row_is_trusted_on_windows(monkeypatch):
    """A program can set every time there."""
    monkeypatch.setattr(rows, "_IS_WINDOWS", True)
    assert not rows.trusted(OLD, started=2 * HOUR, slack=10)


@pytest.mark.parametrize("size", [0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3 << 18])
def test_a_file_of_any_size_is_read_whole(tmp_path, size):
    """At once or in pieces: one content digest."""
    path = tmp_path / "data"
    path.write_bytes(os.urandom(size))
    kind, content, row = rows.read(os.fsencode(path), follow=False)
    assert (kind, content) == (b"f", xxhash.xxh3_128_digest(path.read_bytes()))
    assert row == rows.row(os.lstat(path))


@POSIX
def test_the_kind_tells_what_the_owner_may_execute(file):
    """The other bits of the mode are no matter."""
    os.chmod(file, 0o744)
    assert rows.read(file, follow=False)[0] == b"x"
    os.chmod(file, 0o654)  # noqa: S103 - all but the owner's
    assert rows.read(file, follow=False)[0] == b"f"


def test_nothing_is_executable_on_windows(monkeypatch, file):
    """The bits say nothing there."""
    os.chmod(file, 0o744)
    monkeypatch.setattr(rows, "_IS_WINDOWS", True)
    assert rows.read(file, follow=False)[0] == b"f"


@POSIX
def test_a_link_is_read_only_if_links_are_followed(file, tmp_path):
    """Then it says what its target says."""
    os.symlink("a.py", tmp_path / "link")
    link = os.fsencode(tmp_path / "link")
    with pytest.raises(OSError, match=r"."):
        rows.read(link, follow=False)
    assert rows.read(link, follow=True) == rows.read(file, follow=False)


@POSIX
def test_what_is_no_regular_file_is_told_apart(tmp_path):
    """A folder, and a fifo without waiting for its other end."""
    os.mkfifo(tmp_path / "fifo")
    assert rows.read(os.fsencode(tmp_path / "fifo"), follow=False) is None
    assert rows.read(os.fsencode(tmp_path), follow=False) is None


def test_a_missing_file_is_a_refusal(tmp_path):
    """The caller sees what the system said."""
    with pytest.raises(FileNotFoundError):
        rows.read(os.fsencode(tmp_path / "none"), follow=False)


@pytest.mark.parametrize("size", [10, 1 << 19])
@pytest.mark.parametrize("change", [b"x", b""])
def test_a_file_that_never_keeps_still_is_restless(monkeypatch, tmp_path, size, change):
    """It is not read for ever, and no digest of half an edit comes out."""
    path = tmp_path / "log"
    path.write_bytes(bytes(size))
    real, looks = os.fstat, []

    def fstat(handle):
        status = real(handle)
        looks.append(handle)
        with open(path, "ab") as file:
            file.write(change)
        os.utime(path, ns=(1000 * len(looks), 1000 * len(looks)))
        return status

    monkeypatch.setattr(os, "fstat", fstat)
    with pytest.raises(rows.RestlessError, match="log"):
        rows.read(os.fsencode(path), follow=False)
    assert len(looks) <= 6


def test_a_file_that_comes_to_rest_is_read(monkeypatch, tmp_path):
    """The row is that of the content."""
    path = tmp_path / "data"
    path.write_bytes(b"one")
    real, looks = os.fstat, []

    def fstat(handle):
        status = real(handle)
        looks.append(handle)
        if len(looks) == 1:
            path.write_bytes(b"other")
        return status

    monkeypatch.setattr(os, "fstat", fstat)
    _, content, row = rows.read(os.fsencode(path), follow=False)
    assert content == xxhash.xxh3_128_digest(b"other")
    assert row == rows.row(os.lstat(path))


@POSIX
def test_no_handle_is_left_open(file, tmp_path):
    """Nor one to what is no regular file."""
    rows.read(file, follow=False)
    rows.read(os.fsencode(tmp_path), follow=False)
    handle = os.open(file, os.O_RDONLY)
    os.close(handle)
    again = os.open(file, os.O_RDONLY)
    os.close(again)
    assert handle == again


def test_the_digest_is_that_of_the_definition():
    """Names behind their length, then kinds and contents."""
    rules, names, column = bytes(16), b"a\0b", bytes(34)
    text = b"DGST1\0" + rules + (3).to_bytes(8, "little") + names + column
    assert rows.digest(rules, names, column) == xxhash.xxh3_128_hexdigest(text)
