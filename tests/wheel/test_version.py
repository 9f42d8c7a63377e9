"""A label is joined to a version so that nobody has to normalise, or can confuse, the result."""

import hashlib
import itertools
import re
import struct

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from freshwheel.base.errors import WheelError
from freshwheel.wheel import mark

DIGEST = "5e1fa9c03b7d" + "0" * 20
LABEL = "s5e1fa9c03b7d"
DIGESTS = st.one_of(
    st.text("0123456789abcdef", min_size=32, max_size=32),
    st.text("0123456789", min_size=32, max_size=32),
    st.text("0", min_size=32, max_size=32),
)
PUBLIC = st.from_regex(
    r"(v)?([0-9]!)?[0-9]{1,4}(\.[0-9]{1,4}){0,3}([-._]?(a|b|c|rc|alpha|beta|pre|preview)[-._]?[0-9]{0,3})?"
    r"(-[0-9]|[-._]?(post|rev|r)[-._]?[0-9]{0,3})?([-._]?dev[-._]?[0-9]{0,3})?",
    fullmatch=True,
)
LOCAL = st.lists(
    st.one_of(
        st.from_regex(r"[a-zA-Z0-9]{1,14}", fullmatch=True),
        st.sampled_from(["g1a2b3c4", "d20240101", "dirty", "s0123456789ab", "cu128", "000123"]),
    ),
    max_size=4,
)
BASES = st.builds(
    lambda public, local, separator: f"{public}+{separator.join(local)}" if local else public,
    PUBLIC,
    LOCAL,
    st.sampled_from(".-_"),
)


@given(BASES, DIGESTS)
def test_any_version_with_any_label(base, digest):
    """It is its own normal form, ends in the label, matches what the base did, and joined again it is the same."""
    label = mark.label(digest)
    full = mark.joined(base, label)
    assert str(Version(full)) == full
    assert full.endswith(label)
    assert Version(full).public == Version(base).public
    assert Version(full) in SpecifierSet(f"=={Version(base).public}", prereleases=True)
    assert mark.joined(full, label) == full


@given(BASES, DIGESTS, DIGESTS)
def test_any_label_replaced_by_another(base, earlier, later):
    """Only the last label stays, and without it both are one version."""
    one, other = (mark.joined(base, mark.label(digest)) for digest in (earlier, later))
    assert mark.joined(one, mark.label(later)) == other
    assert mark.base(one) == mark.base(other)
    assert str(Version(mark.base(one))) == mark.base(one)


@given(BASES)
def test_any_version_and_its_base(base):
    """All but a label at the end of it, in normal form."""
    last = re.split("[+.]", mark.normal(base))[-1]
    labelled = re.fullmatch("s[0-9a-f]{12}", last)
    assert mark.base(base) == (mark.normal(base)[:-14] if labelled else mark.normal(base))


def test_a_hundred_thousand_digests():
    """Not one is rewritten by normalising, be it all digits or zeros in front, and each names its digest."""
    hexadecimal = (hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest() for number in range(90_000))
    decimal = (f"{number * 104_729:012d}" + "7" * 20 for number in range(10_000))
    bases = itertools.cycle(["1.0", "2!1.0rc1", "0.1.dev3+cu128"])
    for digest, base in zip(itertools.chain(hexadecimal, decimal), bases, strict=False):
        full = mark.joined(base, mark.label(digest))
        assert str(Version(full)) == full
        assert full.rpartition("s")[2] == digest[:12]


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("1.2.3", "1.2.3+"),
        ("1.2.3+cu128", "1.2.3+cu128."),
        ("1.2.3+CU-128_x", "1.2.3+cu.128.x."),
        ("1.2.3+gcc12.gpu", "1.2.3+gcc12.gpu."),
        ("1.2.4.dev3+g1a2b3c.d20240101", "1.2.4.dev3+"),
        ("1.2.4.dev3+cpu.g1a2b3c4d5.dirty", "1.2.4.dev3+cpu."),
        ("1.2.3+d2024", "1.2.3+d2024."),
        ("1.2.3+cpu.s0123456789ab", "1.2.3+cpu."),
        ("1.2.3+s0123456789ab.cpu", "1.2.3+s0123456789ab.cpu."),
        ("1.2.3+s0123456789abc", "1.2.3+s0123456789abc."),
        ("0.23.2-dev.0", "0.23.2.dev0+"),
        ("0.38.0-beta.4", "0.38.0b4+"),
        ("1.0.0-rc.1", "1.0.0rc1+"),
        ("2!1.0.post1", "2!1.0.post1+"),
        ("v01.0-1", "1.0.post1+"),
    ],
)
def test_a_label_joined_to(base, expected):
    """The public part in normal form, the local part kept but for commits, days and earlier labels, then the label."""
    assert mark.joined(base, LABEL) == expected + LABEL


@pytest.mark.parametrize(
    ("full", "base"),
    [
        (f"1.0+{LABEL}", "1.0"),
        (f"1!1.0rc1+cpu.{LABEL}", "1!1.0rc1+cpu"),
        ("1.0+g1a2b3c4", "1.0+g1a2b3c4"),
        ("1.0-rc.1", "1.0rc1"),
    ],
)
def test_the_base_of(full, base):
    """All but the label, which alone is freshwheel's."""
    assert mark.base(full) == base


def test_a_label():
    """A letter and the first twelve digits of the digest."""
    assert mark.label(DIGEST) == LABEL


@pytest.mark.parametrize(
    "text", ["", "one", "1.0+", "1.0+a..b", "1.0 beta one", "1.0+\u017f", "1.0.po\u017ft1", "\u0661.0", "9" * 5000]
)
@pytest.mark.parametrize("read", [mark.normal, mark.base, lambda text: mark.joined(text, LABEL)])
def test_no_version(read, text):
    """An error that shows the text, or the start of a long one."""
    with pytest.raises(WheelError, match=r"is not a version \(PEP 440\)") as caught:
        read(text)
    assert text[:60] in caught.value.message
    assert len(caught.value.message) < 120


SIDES = st.none() | st.sampled_from(["", DIGEST, "1" * 32])


@given(*[st.tuples(SIDES, SIDES, st.sampled_from(["", "a" * 64, "b" * 64, DIGEST]))] * 2)
def test_the_digest_of_a_tree_that_moved(one, other):
    """It depends on what stood before, what stood after and the wheel, and on which was which."""
    digests = mark.unsettled(*one), mark.unsettled(*other)
    assert all(len(digest) == 32 and set(digest) <= set("0123456789abcdef") for digest in digests)
    assert (digests[0] == digests[1]) == (one == other)
    assert digests[0] not in (*one, *other)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(DIGEST, None, "a851cb5f6df63a3330d69e7704d66297"), (None, "1" * 32, "73da3c8c4be06027449e4fa7790d410c")],
)
def test_the_documented_digest_of_a_tree_that_moved(before, after, expected):
    """Other programs can compute it, as the page about the mark says."""
    fields = [
        b"freshwheel: a tree that moved during the build",
        *(b"" if side is None else struct.pack("<Q", 32) + side.encode() for side in (before, after)),
        b"a" * 64,
    ]
    data = b"".join(struct.pack("<Q", len(field)) + field for field in fields)
    assert mark.unsettled(before, after, "a" * 64) == xxhash.xxh3_128_hexdigest(data) == expected
