"""What an entry keeps."""

from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base import records
from freshwheel.store import shelf
from freshwheel.store.shelf import Blob, Entry, Wheel

TEXT = st.text(max_size=20)
TABLES = st.dictionaries(TEXT, TEXT, max_size=4)
BLOBS = st.builds(Blob, sha256=TEXT, size=st.integers(0, (1 << 64) - 1), xxh3=st.binary())
WHEELS = st.builds(Wheel, name=TEXT, blob=BLOBS)
ENTRIES = st.builds(
    Entry,
    key=TEXT,
    inner=WHEELS,
    base=TEXT,
    built=TEXT,
    finished=st.dictionaries(st.binary(), WHEELS, max_size=3),
    parts=TABLES,
    discovered=st.lists(st.tuples(st.binary(), TEXT, st.binary(), st.binary()), max_size=4).map(tuple),
    tree=st.none() | st.binary(),
    installed=TABLES,
    milliseconds=st.integers(0, 10**9),
    created=st.integers(0, (1 << 63)),
)


@given(ENTRIES)
def test_what_is_dumped_is_parsed(known):
    """Whatever a build left, every field comes back."""
    again = shelf.entry_of(records.parsed(shelf.ENTRY, records.dumped(shelf.ENTRY, known)))
    assert again == known
    for name in known.__slots__:
        assert getattr(again, name) == getattr(known, name), name
