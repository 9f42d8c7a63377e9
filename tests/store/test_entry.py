"""What an entry keeps, and what is no entry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base import frame
from freshwheel.store import entry
from freshwheel.store.entry import Blob, Entry, Wheel

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
TABLES = st.dictionaries(TEXT, TEXT, max_size=4)
BLOBS = st.builds(
    Blob,
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.integers(0, (1 << 64) - 1),
    st.binary(min_size=16, max_size=16),
)
NAMES = st.from_regex(r"[a-z_]{1,9}-[0-9]\.[0-9](\+s[0-9a-f]{12})?-py3-none-any\.whl", fullmatch=True)
WHEELS = st.builds(Wheel, NAMES, BLOBS, TEXT)
PATHS = st.binary(min_size=1, max_size=9).filter(lambda path: b"\0" not in path)
ENTRIES = st.fixed_dictionaries(
    {
        "key": st.binary(min_size=32, max_size=32).map(bytes.hex),
        "inner": WHEELS,
        "info": BLOBS,
        "base": TEXT,
        "finished": st.dictionaries(st.binary(min_size=16, max_size=16), WHEELS, max_size=3),
        "parts": TABLES,
        "discovered": st.lists(st.tuples(PATHS, TEXT, st.binary(max_size=16), st.binary(max_size=8)), max_size=4),
        "tree": st.none() | st.binary(min_size=16, max_size=16),
        "installed": TABLES,
        "milliseconds": st.integers(0, 10**9),
        "created": st.integers(0, (1 << 63)),
    }
)
BLOB = Blob("cd" * 32, 5, bytes(range(16)))


def small(**other):
    """A small entry."""
    fields = {
        "key": "ab" * 32,
        "inner": Wheel("demo-1.0-py3-none-any.whl", BLOB),
        "info": BLOB,
        "base": "1.0",
        "finished": {bytes(16): Wheel("demo-1.0+s0-py3-none-any.whl", BLOB, "s0")},
        "parts": {"abi": "cp311"},
        "discovered": [(b"../shared/x.h", "f", bytes(16), bytes(8))],
        "tree": None,
        "installed": {"what": "built"},
        "milliseconds": 7,
        "created": 8,
    }
    return Entry(**{**fields, **other})


@given(ENTRIES)
def test_what_is_dumped_is_parsed(fields):
    """Whatever a build left, every field comes back."""
    known = Entry(**fields)
    again = entry.parse(entry.dump(known))
    assert again == known
    for name in known.__slots__:
        assert getattr(again, name) == getattr(known, name), name


def test_any_damaged_byte_is_noticed():
    """There is no entry then."""
    whole = entry.dump(small())
    for place in range(len(whole)):
        for change in (1, 0x80, 0xFF):
            assert entry.parse(whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :]) is None


def test_any_missing_or_added_end_is_noticed():
    """A file that was not written to its end, or to which something was added."""
    whole = entry.dump(small())
    assert [entry.parse(whole[:length]) for length in range(len(whole))] == [None] * len(whole)
    assert entry.parse(whole + b"\0") is None
    assert entry.parse(whole + whole) is None


def test_other_editions_are_no_entries():
    """A newer format is a miss, even if its bytes would fit."""
    whole = entry.dump(small())
    assert entry.parse(whole[:7] + b"\3" + whole[8:]) is None


@pytest.mark.parametrize(
    "name",
    ["", "demo", ".whl", "../demo.whl", "a/b.whl", "a\\b.whl", "c:demo.whl", "a\0.whl", "a\n.whl", "x" * 260 + ".whl"],
)
def test_a_name_that_leads_elsewhere_is_no_name(name):
    """Even with a right checksum: a caller joins the name with a folder."""
    assert entry.parse(entry.dump(small(inner=Wheel(name, BLOB)))) is None
    assert entry.parse(entry.dump(small(finished={bytes(16): Wheel(name, BLOB)}))) is None


@pytest.mark.parametrize(
    "other",
    [
        {"key": "AB" * 32},
        {"key": "ab" * 31},
        {"tree": b"short"},
        {"finished": {b"short": Wheel("demo-1.0-py3-none-any.whl", BLOB)}},
        {"discovered": [(b"", "f", b"", b"")]},
        {"discovered": [(b"a\0b", "f", b"", b"")]},
        {"info": Blob("cd" * 31, 5, bytes(16))},
        {"info": Blob("cd" * 32, 5, bytes(15))},
    ],
)
def test_fields_of_an_odd_form_are_no_entry(other):
    """Even with a right checksum."""
    assert entry.parse(entry.dump(small(**other))) is None


@given(st.binary(max_size=200))
def test_no_bytes_raise(data):
    """Whatever is found is an entry or none."""
    assert entry.parse(data) is None
    fields = [data[place : place + 9] for place in range(0, len(data), 9)]
    assert entry.parse(frame.dumped(entry._MAGIC, *fields)) is None


@given(st.dictionaries(TEXT, st.binary(max_size=20), max_size=4))
def test_packed_files_come_back(files):
    """By name, whatever is in them."""
    assert entry.unpack(entry.pack(files)) == files


def test_what_was_not_packed_is_nothing():
    """A cut, an addition, another order, a name twice."""
    whole = entry.pack({"METADATA": b"1", "WHEEL": b"2"})
    assert [entry.unpack(whole[:length]) for length in range(1, len(whole))].count(None) >= len(whole) - 2
    assert entry.unpack(whole + b"\0") is None
    assert entry.unpack(frame.framed(b"b", b"", b"a", b"")) is None
    assert entry.unpack(frame.framed(b"a", b"", b"a", b"")) is None
    assert entry.unpack(frame.framed(b"\xff", b"")) is None
