"""Records: what was saved comes back, and nothing else does."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base import records
from freshwheel.base.files import DamagedError
from freshwheel.base.records import Value

MAGIC = b"FWTEST\0\1"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary() | st.text(st.characters()),
    lambda inner: st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Point(Value):
    """A value of two fields."""

    __slots__ = ("across", "up")


@pytest.fixture
def path(tmp_path):
    """Where a record is to lie, in a folder that is not there yet."""
    return str(tmp_path / "kept" / "of.1.bin")


@given(VALUES)
def test_what_was_dumped_is_parsed(value):
    """Whatever it is, and of the same types."""
    assert repr(records.parsed(MAGIC, records.dumped(MAGIC, value))) == repr(value)


def test_any_damaged_byte_is_noticed():
    """So is an end that is missing or added, and another edition."""
    whole = records.dumped(MAGIC, ("a", b"b", 3))
    damaged = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(len(whole))]
    for data in (*damaged, *(whole[:end] for end in range(len(whole))), whole + b"\0"):
        with pytest.raises(DamagedError):
            records.parsed(MAGIC, data)


def test_a_record_is_found_by_what_it_is_about(path):
    """A file that was renamed, or is of another kind, tells nothing."""
    assert records.save(path, MAGIC, {"a": [1, 2]}, "this")
    assert records.load(path, MAGIC, "this") == {"a": (1, 2)}
    assert records.load(path, MAGIC, "that") is None
    assert records.load(path, b"FWTEST\0\2", "this") is None
    assert records.load(path + "x", MAGIC, "this") is None


@pytest.mark.skipif(os.name == "nt", reason="owners and permissions are those of POSIX")
def test_a_record_that_others_may_have_written_is_none(path, tmp_path):
    """Nor is one behind a link believed: what another user says must not be."""
    records.save(path, MAGIC, 1)
    assert os.stat(path).st_mode & 0o777 == 0o600
    os.chmod(path, 0o620)
    assert records.load(path, MAGIC) is None
    os.chmod(path, 0o600)
    os.rename(path, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", path)
    assert records.load(path, MAGIC) is None
    os.unlink(path)
    os.mkfifo(path)
    assert records.load(path, MAGIC) is None


def test_a_cache_that_can_not_be_written_keeps_nothing(tmp_path):
    """And nobody is told."""
    (tmp_path / "file").touch()
    assert not records.save(str(tmp_path / "file" / "kept" / "record"), MAGIC, 1)


def test_values_are_equal_by_their_fields():
    """And come back from the record that keeps them."""
    one = Point(up=1, across=(2, 3))
    assert one == Point(up=1, across=(2, 3)) != one.but(up=2)
    assert Point.of(records.parsed(MAGIC, records.dumped(MAGIC, one))) == one
