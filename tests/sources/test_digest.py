"""The canonical digest, against its vectors and against a second implementation."""

import datetime as dt
import json
import posixpath
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base import rows
from freshwheel.base.model import Input
from freshwheel.sources import digest, project

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VECTORS = json.loads((Path(__file__).parents[2] / "fixtures" / "digest-vectors" / "vectors.json").read_text())
PATHS = st.binary(min_size=1, max_size=6).filter(lambda path: b"\0" not in path)
ENTRIES = st.dictionaries(
    PATHS, st.tuples(st.sampled_from([b"f", b"x", b"t", b"l", b"?"]), st.binary(min_size=16, max_size=16))
)
NATIVE = st.dictionaries(
    st.builds(
        "{}{}".format,
        st.sampled_from(["", "../", "../demo/", "demo/", "demo/sub/", "tests/"]),
        st.sampled_from(["__init__.py", "__init__.pyi", "more.py", "more.pyi", "more.pyx", "py.typed", "setup.py"]),
    ).map(str.encode),
    st.tuples(st.sampled_from([b"f", b"x", b"t", b"l", b"?"]), st.binary(min_size=16, max_size=16)),
)
TEXTS = st.lists(st.text(max_size=5), max_size=3)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
SCALARS = st.one_of(
    *(st.text(max_size=3), st.booleans(), st.integers(), st.floats(), st.dates(), st.times()),
    st.datetimes(timezones=st.none() | ZONES),
)
KEYS = st.sampled_from(sorted({key for name in project.IGNORED for key in name.split(".")} | {"a.b"}))
VALUES = st.recursive(SCALARS, lambda below: st.lists(below, max_size=2) | st.dictionaries(KEYS, below, max_size=2))
NAMED = st.tuples(st.sampled_from(project.IGNORED), VALUES)
FILES = st.tuples(st.dictionaries(st.just("tool") | KEYS, VALUES, max_size=2), st.lists(NAMED, max_size=3)).map(
    lambda found: planted(*found)
)


def planted(pyproject, named):
    """The tables, with values at dotted names."""
    for name, value in named:
        *above, last = name.split(".")
        table = pyproject
        for key in above:
            table[key] = table[key] if isinstance(table.get(key), dict) else {}
            table = table[key]
        table[last] = value
    return pyproject


def inputs(entries):
    """Entries as inputs."""
    return [Input(path=path, kind=kind, content=content) for path, (kind, content) in entries.items()]


def content_of(entry):
    """The content digest of one entry of a vector."""
    if "toml" in entry:
        return digest.of(project.canonical(tomllib.loads(entry["toml"])))
    if "link" in entry:
        link = entry["link"]
        target = digest.of(bytes.fromhex(link["bytes"])) if "bytes" in link else link.get("stands", "").encode()
        return digest.link(link["text"].encode(), link["kind"].encode(), target)
    return digest.of(bytes.fromhex(entry["bytes"]))


@pytest.mark.parametrize("vector", VECTORS["contents"], ids=lambda vector: vector["about"])
def test_vectors_of_contents(vector):
    """The content digests are those that the reference page promises to other implementations."""
    assert content_of(vector).hex() == vector["content"]


@pytest.mark.parametrize("vector", VECTORS["contents"], ids=lambda vector: vector["about"])
def test_second_implementation_agrees_on_contents(vector, naive):
    """The same digests come from the definition alone."""
    if "link" in vector:
        link = vector["link"]
        what = naive.of(bytes.fromhex(link["bytes"])) if "bytes" in link else link.get("stands", "").encode()
        found = naive.link(link["text"].encode(), link["kind"].encode(), what)
    else:
        found = naive.of(bytes.fromhex(vector["bytes"]))
    assert found.hex() == vector["content"]


@pytest.mark.parametrize("vector", VECTORS["tables"], ids=lambda vector: vector["about"])
def test_vectors_of_tables(vector, naive):
    """The canonical bytes of tables are those that the reference page promises to other implementations."""
    parsed = tomllib.loads(vector["toml"])
    assert project.canonical(parsed).hex() == naive.tables(parsed).hex() == vector["canonical"]
    assert digest.of(project.canonical(parsed)).hex() == vector["content"]


@pytest.mark.parametrize("vector", VECTORS["rules"], ids=lambda vector: vector["about"])
def test_vectors_of_rules(vector, naive):
    """The fingerprints of rules are those that the reference page promises to other implementations."""
    lists = {name: vector[name] for name in ("include", "exclude", "always")}
    assert digest.rules(**lists).hex() == naive.rules(**lists).hex() == vector["fingerprint"]


@pytest.mark.parametrize("vector", VECTORS["trees"], ids=lambda vector: vector["about"])
def test_vectors_of_trees(vector, naive):
    """The digests are those that the reference page promises to other implementations."""
    rules = digest.rules(include=vector["include"], exclude=vector["exclude"], always=vector["always"])
    entries = {bytes.fromhex(one["path"]): (one["kind"].encode(), content_of(one)) for one in vector["entries"]}
    assert rows.digest(rules, *digest.columns(inputs(entries))) == naive.digest(entries, rules) == vector["digest"]
    left = {path: entry for path, entry in entries.items() if not is_pure(path, entry[0], entries)}
    assert digest.native(rules, *digest.columns(inputs(entries))) == naive.digest(left, rules) == vector["native"]


def is_pure(path, kind, paths):
    """Whether an input is pure Python, as the reference page says it."""
    folder, name = posixpath.split(path.decode("utf-8", "surrogateescape"))
    marked = any(
        posixpath.join(folder, one).encode("utf-8", "surrogateescape") in paths
        for one in ("__init__.py", "__init__.pyi")
    )
    package = marked and folder not in ("", "..") and not folder.endswith("/..")
    if name.endswith((".py", ".pyi")):
        return name != "setup.py" and (kind == b"f" or (kind == b"x" and package))
    return name == "py.typed" and package and kind in (b"f", b"x")


@given(ENTRIES, st.binary(min_size=16, max_size=16))
def test_second_implementation_agrees(naive, entries, rules):
    """One definition, two implementations, one answer; in whatever order the inputs come."""
    forwards = rows.digest(rules, *digest.columns(inputs(entries)))
    assert forwards == naive.digest(entries, rules)
    assert forwards == rows.digest(rules, *digest.columns(inputs(entries)[::-1]))


@given(NATIVE, st.binary(min_size=16, max_size=16))
def test_second_implementation_agrees_on_native_digests(naive, entries, rules):
    """As above, without pure Python."""
    left = {path: entry for path, entry in entries.items() if not is_pure(path, entry[0], entries)}
    assert digest.native(rules, *digest.columns(inputs(entries))) == naive.digest(left, rules)


@given(TEXTS, TEXTS, TEXTS)
def test_second_implementation_agrees_on_rules(naive, include, exclude, always):
    """As above, for what selected the inputs."""
    assert digest.rules(include=include, exclude=exclude, always=always) == naive.rules(include, exclude, always)


@given(FILES)
def test_second_implementation_agrees_on_tables(naive, pyproject):
    """As above, for what counts of `pyproject.toml`, whatever stands in it and wherever that is."""
    assert project.canonical(pyproject) == naive.tables(pyproject)


@given(ENTRIES, ENTRIES)
def test_two_sets_of_inputs_have_two_digests(one, other):
    """Neither names nor contents can be shifted into each other."""
    first, second = (rows.digest(bytes(16), *digest.columns(inputs(found))) for found in (one, other))
    same = first == second
    assert same == (one == other)


def test_rules_count():
    """The same files under other rules are another tree: the rules say what would have been an input."""
    fingerprints = {
        digest.rules(include=["a"], exclude=[], always=[]),
        digest.rules(include=[], exclude=["a"], always=[]),
        digest.rules(include=[], exclude=[], always=["a"]),
        digest.rules(include=["a", "b"], exclude=[], always=[]),
        digest.rules(include=["ab"], exclude=[], always=[]),
    }
    assert len(fingerprints) == 5


def test_order_of_patterns_does_not_count():
    """A list that is sorted or says a thing twice selects the same."""
    assert digest.rules(include=["b", "a", "b"], exclude=(), always=()) == digest.rules(
        include=["a", "b"], exclude=(), always=()
    )
