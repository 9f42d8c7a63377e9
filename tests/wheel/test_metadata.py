"""METADATA and PKG-INFO get another version, and are otherwise the bytes they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base.errors import WheelError
from freshwheel.wheel import metadata

OTHERS = st.sampled_from(
    [
        b"Metadata-Version: 2.4",
        b"Summary: Version: 9.9",
        b"Author: M\xc3\xbcller",
        b"Author: M\xfcller",
        b"Versions: 9.9",
        b"Description-Content-Type: text/markdown",
        b"License: a\n  Version: 9.9\n\tand more",
        b"Keywords:",
        b"X-Version: 9.9",
    ]
)
LINES = st.sampled_from([b"\n", b"\r\n"])
FIELDS = st.sampled_from([b"Version", b"version", b"VERSION"])
BLANKS = st.sampled_from([b"", b" ", b"\t", b"   "])
VERSIONS = st.sampled_from(["1.0", "1.0.0-rc.1", "2!1.0+cpu", "0.1.dev3+g1a2b3c4.d20240101"])
BODIES = st.one_of(st.binary(), st.just(b"Version: 9.9\r\nVersion: 8.8\n \x00\xff"))


@st.composite
def texts(draw):
    """The bytes before the version, the version, the bytes after it."""
    end = draw(LINES)
    before, after = (draw(st.lists(OTHERS, max_size=4)) for _ in range(2))
    start = b"".join(line.replace(b"\n", end) + end for line in before) + draw(FIELDS) + b":" + draw(BLANKS)
    rest = draw(BLANKS) + end + b"".join(line.replace(b"\n", end) + end for line in after)
    return start, draw(VERSIONS), rest + end + draw(BODIES)


@given(texts(), VERSIONS)
def test_any_text_with_another_version(text, other):
    """Only the version's own bytes change: line ends, blanks, bytes that are no UTF-8 and the description stay."""
    start, version, rest = text
    whole = start + version.encode() + rest
    assert metadata.field(whole, "Version") == version
    assert metadata.with_version(whole, other) == start + other.encode() + rest


def test_the_name():
    """It is read as it is spelled."""
    assert metadata.field(b"Metadata-Version: 2.1\nNAME:  My.Demo \nVersion: 1\n\nName: x\n", "Name") == "My.Demo"


def test_headers_without_a_description():
    """The last header may be the end of the text."""
    assert metadata.with_version(b"Name: demo\nVersion: 1.0", "2.0") == b"Name: demo\nVersion: 2.0"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "0 lines"),
        (b"Name: demo\n\nVersion: 1.0\n", "0 lines"),
        (b" Version: 1.0\n", "0 lines"),
        (b"Version : 1.0\n", "0 lines"),
        (b"\xef\xbb\xbfVersion: 1.0\n", "0 lines"),
        (b"Version: 1.0\nName: demo\nVersion: 1.0\n", "2 lines"),
        (b"Version: 1.0\xff\n", "not UTF-8"),
    ],
)
def test_no_single_version(text, reason):
    """Where readers could differ about the version there is none."""
    with pytest.raises(WheelError, match=reason):
        metadata.field(text, "Version")
