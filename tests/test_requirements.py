"""Requirements, of which the plain ones are read without `packaging`: held against what `packaging` says."""

import packaging.requirements
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from freshwheel.base import requirements, versions
from freshwheel.inner import packages

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
    """Name, extras and comparisons are the same, and what one refuses the other refuses."""
    expected, found = by_packaging(text), requirements.read(text)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert (found.text, found.name, found.extras) == (text, expected.name, expected.extras)
        assert SpecifierSet(",".join(map("".join, found.comparisons))) == expected.specifier


@given(texts(), st.sampled_from(["", "test", "test-X", "dev-2", "v1", "a1", "linux"]))
@example("a; extra == 'v1'", "v1")
@example("a; extra == 'Test_x'", "test-X")
@example("a; sys_platform != 'cygwin' and extra == 'test'", "test")
def test_marker_is_evaluated_as_packaging_does(text, extra):
    """Whether a requirement applies does not depend on how it was read; what can't be told may apply."""
    expected, found = by_packaging(text), requirements.read(text)
    if expected is None or found is None:
        return
    try:
        applies = expected.marker is None or expected.marker.evaluate({"extra": extra})
    except Exception:  # noqa: BLE001 - whatever a marker holds
        applies = True
    assert packages._applies(found, extra) == applies


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 11), (3, 14), (4, 0)])
@given(
    order=st.sampled_from(list(requirements.ORDERS)), value=st.from_regex(r"[34](\.(0|[1-9][0-9]?))?", fullmatch=True)
)
def test_version_of_python_is_compared_as_packaging_does(version, order, value):
    """3.9 is before 3.10, and 4 is 4.0."""
    text = f"a; python_version {order} '{value}'"
    marker = by_packaging(text).marker
    expected = marker.evaluate({"python_version": f"{version[0]}.{version[1]}"})
    major, _, minor = value.partition(".")
    assert requirements.read(text).conditions == (("python_version", order, value),)
    assert requirements.ORDERS[order](version, (int(major), int(minor or 0))) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "maturin>=1.9,<2",
            "setuptools",
            "setuptools >= 64, != 71.0.1",
            "numpy==2.*",
            "cffi~=1.17",
            "Setuptools_Rust",
        ),
        *("tomli>=2.0; python_version < '3.11'", "rich>=13; extra == 'cli'", 'pytest!=8.1.*,>=6; extra == "test"'),
        *('ruff>=0.13; sys_platform != "cygwin" and extra == "check"', "build[virtualenv]>=1 ; extra == 'test'"),
    ],
)
def test_usual_requirement_is_plain(text, monkeypatch):
    """What nearly all projects write is read without `packaging`, marker and all."""
    monkeypatch.setattr(requirements, "_by_packaging", lambda _: pytest.fail("it was asked"))
    assert requirements.read(text).conditions is not None


@given(st.text() | st.text("aB-_. "))
def test_name_is_compared_as_packaging_does(name):
    """Runs of hyphens, underscores and dots are one hyphen."""
    assert requirements.normal(name) == canonicalize_name(name)


@given(RELEASES, RELEASES)
def test_releases_are_ordered_as_packaging_does(one, other):
    """Zeros at the end count for nothing."""
    found = requirements.release(one), requirements.release(other)
    assert (found[0] < found[1], found[0] == found[1]) == (
        Version(one) < Version(other),
        Version(one) == Version(other),
    )


@pytest.mark.parametrize("text", ["", "1.", "1a", "1.*", "v1", "1!2", "1+s", " 1", "1\n", "१", "1" * 10])
def test_what_is_more_than_a_release_is_none(text):
    """Its order is for `packaging` to say."""
    assert requirements.release(text) is None


@given(st.text("0123456789.", max_size=12) | RELEASES)
@example("1" * 10)
@example("1\n")
def test_release_that_is_normal_is_spelled_as_packaging_does(text):
    """So that a label can be joined to it as it is."""
    if versions.RELEASE.fullmatch(text):
        assert (str(Version(text)), Version(text).public, Version(text).local) == (text, text, None)
