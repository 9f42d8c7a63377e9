"""Requirements, of which most is read without `packaging`: held against what `packaging` says."""

import packaging.requirements
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from freshwheel.base import requirements

SPACES = st.sampled_from(["", "", "", " ", "  "])
NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,6}[A-Za-z0-9])?", fullmatch=True)
RELEASES = st.lists(st.integers(0, 20).map(str) | st.just("007"), min_size=1, max_size=4).map(".".join)
COMPARISONS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["==", "!=", ">=", "<=", "<", ">", "~=", "==="]),
    SPACES,
    RELEASES,
    st.sampled_from(["", "", ".*", "a1", ".post1", "+local"]),
)
VALUES = st.sampled_from(
    ["test", "Test-x", "dev_2", "3.8", "3.11", "3", "3.11.4", "linux", "win32", "v1", "1", "a1", ""]
)
CONDITIONS = st.builds(
    "{0}{4}{1}{4}{3}{2}{3}".format,
    st.sampled_from(["extra", "python_version", "sys_platform", "python_full_version", "os_name"]),
    st.sampled_from(["==", "!=", ">=", "<=", "<", ">", "~=", "in"]),
    VALUES,
    st.sampled_from(['"', "'"]),
    st.sampled_from([" ", "", "  "]),
)
MARKERS = st.builds(
    lambda parts, word: word.join(parts),
    st.lists(CONDITIONS, min_size=1, max_size=3),
    st.sampled_from([" and ", " or ", "  and  "]),
)


@st.composite
def texts(draw):
    """Texts that are requirements, or nearly."""
    extras = draw(st.lists(NAMES, max_size=2))
    comparisons = draw(st.lists(COMPARISONS, max_size=3))
    marker = draw(st.none() | MARKERS)
    comma = draw(SPACES) + "," + draw(SPACES)
    text = draw(NAMES) + draw(SPACES)
    text += f"[{comma.join(extras)}]" if extras or draw(st.integers(0, 9)) == 0 else ""
    text += draw(SPACES) + comma.join(comparisons)
    return text + ("" if marker is None else draw(SPACES) + ";" + draw(SPACES) + marker)


ODD = st.text("aZ0.9-_[],;=<>~!* \"'@\n\t()", max_size=12) | st.text(max_size=6)


def by_packaging(text):
    """What `packaging` reads; None where it refuses."""
    try:
        return packaging.requirements.Requirement(text)
    except ValueError:  # also InvalidSpecifier, by earlier versions
        return None


@given(texts() | ODD)
@example("a;")
@example("a ; ")
@example("a\n")
@example("a>=1,")
@example("a~=1")
@example("a>=1.*")
@example("a==1.2.*")
@example("a[]")
@example("a[b,c] >= 1 , < 2 ; extra == 'x'")
@example("ä>=1")
@example("a>=\u0661")
@example("a-")
@example("a @ https://example.org/a.whl")
@example("a (>=1)")
def test_requirement_is_what_packaging_says(text):
    """What one refuses the other refuses; of what both take, name and extras are the same."""
    expected = by_packaging(text)
    assert requirements.is_valid(text) == (expected is not None)
    if expected is not None:
        extras = {canonicalize_name(one) for one in expected.extras}
        name, found = requirements.named(text)
        assert (name, set(found)) == (canonicalize_name(expected.name), extras)


@pytest.mark.parametrize(
    "text",
    [
        *("maturin>=1.9,<2", "setuptools", "setuptools >= 64, != 71.0.1", "numpy==2.*", "cffi~=1.17"),
        *("Setuptools_Rust", "build[virtualenv]>=1"),
    ],
)
def test_usual_requirement_is_plain(text, monkeypatch):
    """What nearly all projects write is known to be one without `packaging`."""
    monkeypatch.setattr(requirements, "read", lambda _: pytest.fail("it was asked"))
    assert requirements.is_valid(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Foo_bar>=1", "foo-bar"),
        ("foo; python_version > '3'", "foo"),
        ("foo; python_version < '3'", ""),
        ("foo; extra == 'x'", ""),
        ("foo; odd == 'x'", ""),
        (">>", ""),
    ],
)
def test_requirement_applies_where_its_marker_holds(text, name):
    """What is none, or is for other environments, asks for nothing here."""
    assert requirements.applying(text) == name


@pytest.mark.parametrize(
    ("text", "version", "allowed"),
    [
        ("a>=1,<2", "1.5", True),
        ("a>=1,<2", "2", False),
        ("a>=1", "2rc1", True),
        (">>", "1", False),
    ],
)
def test_version_is_allowed_as_packaging_says(text, version, allowed):
    """Pre-releases too, since one that is there was wanted."""
    assert requirements.allows(text, version) == allowed


@given(st.text() | st.text("aB-_. "))
def test_name_is_compared_as_packaging_does(name):
    """Runs of hyphens, underscores and dots are one hyphen."""
    assert requirements.normal(name) == canonicalize_name(name)


@given(st.text("0123456789.", max_size=12) | RELEASES)
@example("1" * 10)
@example("1\n")
def test_release_that_is_normal_is_spelled_as_packaging_does(text):
    """So that a label can be joined to it as it is."""
    if requirements.RELEASE.fullmatch(text):
        assert (str(Version(text)), Version(text).public, Version(text).local) == (text, text, None)
