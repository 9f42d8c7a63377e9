"""The glob dialect."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base import globs


def matches(pattern, path, unnamed=()):
    """Whether `pattern` matches the file `path`; `unnamed` are names in it that `**` must not pass over."""
    found = globs.parse([pattern])
    climb = path.count("../")
    *folders, name = path.removeprefix("../" * climb).split("/")
    places = found.start(climb)
    for folder in folders:
        places = found.step(places, folder, wild=folder not in unnamed)
    return bool(found.matching(places, name, wild=name not in unnamed))


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("a.py", "a.py"),
        ("*.py", "a.py"),
        ("*.py", ".hidden.py"),
        ("*", ".hidden"),
        ("?.py", "ä.py"),
        ("[ab].py", "b.py"),
        ("[a-c].py", "b.py"),
        ("[!a].py", "b.py"),
        ("[]].py", "].py"),
        ("[!]].py", "a.py"),
        ("[[].py", "[.py"),
        ("[a-].py", "-.py"),
        ("[.^].py", "^.py"),
        ("a+b(1).py", "a+b(1).py"),
        ("a\nb", "a\nb"),
        ("*", "a\nb"),
        ("**", "a"),
        ("**", "a/b"),
        ("**/a", "a"),
        ("**/a", "b/c/a"),
        ("a/**", "a/b"),
        ("a/**", "a/b/c"),
        ("a/**/b", "a/b"),
        ("a/**/b", "a/x/y/b"),
        ("a/**/**/b", "a/x/b"),
        ("**/*.py", "a/b.py"),
        ("a", "a/b/c"),
        ("a/", "a/b"),
        ("*/b", "a/b/c"),
        ("**/b", "a/b/c"),
        ("../a/**", "../a/b"),
        ("../../a", "../../a/b"),
        ("../**", "../a/b"),
        ("..a/b", "..a/b"),
    ],
)
def test_pattern_matches(pattern, path):
    """A file that the pattern names, or that lies below a folder that it names, matches."""
    assert matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("a.py", "A.py"),
        ("a.py", "b/a.py"),
        ("*.py", "b/a.py"),
        ("?", "ab"),
        ("a?b", "a/b"),
        ("a*b", "a/b"),
        ("[a-c]", "d"),
        ("[!a]", "a"),
        ("a.b", "axb"),
        ("a/", "a"),
        ("a/**", "a"),
        ("a/**", "ab/c"),
        ("a/**/b", "a/c"),
        ("**/a", "ba"),
        ("../a/**", "a/b"),
        ("**", "../a"),
        ("a/**", "../a/b"),
        ("../**", "a"),
        ("../**", "../../a"),
    ],
)
def test_pattern_does_not_match(pattern, path):
    """What another name, another folder or another level says is something else."""
    assert not matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path", "named"),
    [
        ("**", "target/a.rs", False),
        ("**/*.rs", "target/a.rs", False),
        ("a/**", "a/target/b", False),
        ("a", "a/target/b", False),
        ("target", "target/a/b", True),
        ("target/**", "target/a/b", True),
        ("**/target/*.rs", "a/target/b.rs", True),
        ("*/a.rs", "target/a.rs", True),
        ("**/a.so", "a/a.so", True),
        ("**/*.so", "a/a.so", True),
        ("a/**", "a/a.so", False),
    ],
)
def test_star_star_does_not_pass_over_what_must_be_named(pattern, path, named):
    """Who asks for everything does not ask for build folders; who writes a segment for them does."""
    assert matches(pattern, path, unnamed=("target", "a.so")) == named


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "is empty"),
        ("/a", "is absolute"),
        ("C:/a", "is absolute"),
        ("c:a", "is absolute"),
        ("a\\b", "backslash"),
        ("a\0b", "NUL"),
        ("./a", "only a dot"),
        ("a/./b", "only a dot"),
        (".", "only a dot"),
        ("a//b", "empty segment"),
        ("a//", "empty segment"),
        ("../../", "names no file or folder"),
        ("..", "names no file or folder; ../** is"),
        ("a/../b", "in the middle"),
        ("../a/..", "in the middle"),
        ("**a", "part of a segment"),
        ("a/b**/c", "part of a segment"),
        ("***", "part of a segment"),
        ("[a", "not closed"),
        ("[]", "not closed"),
        ("[!]", "not closed"),
        ("a[b/c]d", "not closed"),
        ("[c-a]", "backwards"),
    ],
)
def test_pattern_outside_of_the_dialect_is_refused(pattern, reason):
    """A pattern that would silently match nothing is an error that says why."""
    assert reason in globs.check(pattern)
    with pytest.raises(ValueError, match=re.escape(reason)):
        globs.parse([pattern])


@pytest.mark.parametrize("pattern", ["a", "**", "../**", "a/**/b/", "[!a-z]*", "...", "a..b", "..a", "a]", "[[]"])
def test_pattern_of_the_dialect_is_accepted(pattern):
    """There is nothing to say about it."""
    assert globs.check(pattern) is None


def test_folder_that_is_matched_wholly_is_known():
    """A walk need not look into what is excluded, and need not ask again below what is included."""
    found = globs.parse(["a", "b/**", "c/*.py"])
    start = found.start()
    assert found.covers(found.step(start, "a"))
    assert found.covers(found.step(start, "b"))
    assert not found.covers(found.step(start, "c"))
    assert not found.step(start, "d")


SEGMENTS = st.sampled_from(["a", "b", "ab", "*", "?", "a*", "[ab]", "**", "[!a]"])


@given(
    st.lists(SEGMENTS, min_size=1, max_size=4),
    st.lists(st.sampled_from(["a", "b", "ab", "ba"]), min_size=1, max_size=4),
)
def test_one_regular_expression_agrees(segments, names):
    """Going along folder by folder gives what one expression over the whole path gives."""
    parts = {"*": "[^/]*", "?": "[^/]", "a*": "a[^/]*", "[!a]": "[^a/]"}
    expression = "".join("(?:[^/]+/)*" if one == "**" else parts.get(one, one) + "/" for one in segments)
    below = "[^/]+/(?:[^/]+/)*" if segments[-1] == "**" else "(?:[^/]+/)*"
    expected = re.fullmatch(expression + below, "/".join(names) + "/") is not None
    assert matches("/".join(segments), "/".join(names)) == expected


@given(st.text(alphabet="ab*?[]!-/.^\\", max_size=8), st.text(alphabet="ab-.]^", min_size=1, max_size=3))
def test_any_text_is_refused_or_matched(pattern, name):
    """No text makes the dialect fail."""
    if globs.check(pattern) is None:
        found = globs.parse([pattern])
        found.matching(found.start(), name)
