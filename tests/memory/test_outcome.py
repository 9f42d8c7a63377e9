"""Outcomes on record: what comes back is what went in, whatever lies there, and nothing of it can fail a build."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base.model import Input, Snapshot
from freshwheel.memory import outcome
from freshwheel.memory.outcome import Changes, Outcome

TEXT = st.text(max_size=8)
OUTCOMES = st.builds(
    Outcome,
    hook=st.sampled_from(["requires", "metadata", "wheel", "editable"]),
    decided=st.sampled_from(["hit", "miss", "lease", "built", "failed"]),
    why=TEXT,
    wheel=TEXT,
    digest=TEXT,
    key=TEXT,
    parts=st.dictionaries(TEXT, TEXT, max_size=3),
    isolated=st.booleans(),
    missed=st.lists(TEXT, max_size=2).map(tuple),
    written=st.lists(TEXT, max_size=2).map(tuple),
    unstored=TEXT,
    took=st.integers(0, 1 << 40),
    saved=st.integers(0, 1 << 40),
    when=st.integers(0, 1 << 40),
)
PATHS = st.binary(min_size=1, max_size=6).filter(lambda path: b"\0" not in path)


def snapshot(inputs, digest="d" * 32):
    """Inputs, by path and content."""
    found = tuple(Input(path=path, kind=b"f", content=content) for path, content in sorted(inputs.items()))
    return Snapshot(digest=digest, rules=b"", inputs=found, rows=())


def content(number):
    """A content digest."""
    return bytes([number]) * 16


def one(**more):
    """An outcome that delivered a wheel."""
    return Outcome(**{"hook": "wheel", "decided": "built", "why": "first build here", **more})


@pytest.fixture
def kept(tmp_path):
    """A cache directory that is not there yet, and a tree."""
    return str(tmp_path / "cache"), str(tmp_path)


@given(found=OUTCOMES)
def test_an_outcome_comes_back(tmp_path_factory, found):
    """With every field as it was, whatever is in the texts, but for parts that belong to no key."""
    folder = str(tmp_path_factory.mktemp("cache"))
    assert outcome.add(folder, folder, found)
    assert outcome.load(folder, folder) == [found]


def test_the_newest_is_first_and_the_oldest_go(kept):
    """There are 20 at most."""
    for number in range(25):
        assert outcome.add(*kept, one(when=number))
    assert [found.when for found in outcome.load(*kept)] == list(range(24, 4, -1))


def test_parts_of_a_key_are_kept_once(kept):
    """The record stays small, and the parts of the last few keys are found by key."""
    for number in range(6):
        for hook in ("requires", "wheel"):
            outcome.add(*kept, one(hook=hook, key=f"k{number}", parts={"n": str(number)}))
    found = outcome.load(*kept)
    assert sum(bool(one.parts) for one in found) == 4
    assert outcome.parts(found, "k5") == {"n": "5"}
    assert outcome.parts(found, "k0") == outcome.parts(found, "") == {}


def test_the_base_is_the_last_that_delivered(kept):
    """Neither a miss nor another hook."""
    for hook, decided in (("wheel", "built"), ("wheel", "hit"), ("editable", "built"), ("wheel", "miss")):
        outcome.add(*kept, one(hook=hook, decided=decided))
    found = outcome.load(*kept)
    assert outcome.base(found, "wheel").decided == "hit"
    assert outcome.base(found, "editable").decided == "built"
    assert outcome.base(found, "metadata") is None


@given(
    before=st.dictionaries(PATHS, st.integers(0, 3).map(content), max_size=5),
    after=st.dictionaries(PATHS, st.integers(0, 3).map(content), max_size=5),
)
def test_inputs_come_back_and_their_changes_are_named(tmp_path_factory, before, after):
    """Each path is changed, added, removed, or the same."""
    folder = str(tmp_path_factory.mktemp("cache"))
    outcome.add(folder, folder, one(), snapshot(before))
    known = outcome.inputs(folder, folder, "d" * 32)
    assert known == {path: b"f" + found for path, found in before.items()}
    found = outcome.changes(known, {path: b"f" + found for path, found in after.items()})
    expected = Changes(
        changed=tuple(map(text, sorted(path for path in before if path in after and before[path] != after[path]))),
        added=tuple(map(text, sorted(after.keys() - before.keys()))),
        removed=tuple(map(text, sorted(before.keys() - after.keys()))),
    )
    assert found == expected
    assert bool(found) == (before != after)


def text(path):
    """A path as it is shown."""
    return path.decode("utf-8", "surrogateescape")


def test_inputs_of_another_digest_are_not_taken_for_these(kept):
    """What is on record belongs to one digest."""
    outcome.add(*kept, one(), snapshot({b"a": content(1)}))
    assert outcome.inputs(*kept, "e" * 32) is None
    assert outcome.inputs(*kept, "") is None
    outcome.add(*kept, one(), snapshot({b"b": content(1)}, "e" * 32))
    assert list(outcome.inputs(*kept, "d" * 32)) == [b"a"]
    assert list(outcome.inputs(*kept, "e" * 32)) == [b"b"]
    Path(outcome.place(*kept, "d" * 32)).rename(outcome.place(*kept, "f" * 32))
    assert outcome.inputs(*kept, "f" * 32) is None


def test_inputs_of_a_few_states_are_kept(kept):
    """A tree that goes there and back is held against what it was; older ones go."""
    digests = [letter * 32 for letter in "abcdef"]
    for number, digest in enumerate(digests):
        outcome.add(*kept, one(), snapshot({b"a": content(1)}, digest))
        os.utime(outcome.place(*kept, digest), (number, number))
    assert [digest[0] for digest in digests if outcome.inputs(*kept, digest)] == list("cdef")


def test_inputs_are_those_of_wheels(kept):
    """A hook that only asks leaves them as they are."""
    outcome.add(*kept, one(), snapshot({b"a": content(1)}))
    outcome.add(*kept, one(hook="requires", decided="miss"), snapshot({b"b": content(1)}, "e" * 32))
    assert list(outcome.inputs(*kept, "d" * 32)) == [b"a"]
    assert outcome.inputs(*kept, "e" * 32) is None


def test_inputs_of_what_a_hook_that_asks_has_found_are_kept(kept):
    """It may be given again to the hook that delivers, and nobody looks at the tree then."""
    outcome.add(*kept, one(hook="requires", decided="hit"), snapshot({b"a": content(1)}))
    assert list(outcome.inputs(*kept, "d" * 32)) == [b"a"]


def test_equal_inputs_are_not_written_again(kept):
    """A hit costs one small file."""
    outcome.add(*kept, one(), snapshot({b"a": content(1)}))
    path = Path(outcome.place(*kept, "d" * 32))
    os.utime(path, (1, 1))
    outcome.add(*kept, one(), snapshot({b"a": content(1)}))
    assert path.stat().st_mtime == 1


@given(data=st.binary(max_size=60), at=st.integers(0, 400), cut=st.booleans())
def test_damage_is_nothing_on_record(tmp_path_factory, data, at, cut):
    """Any bytes in either file end in no outcomes, in no inputs, or in what was there; the next one mends it."""
    folder = str(tmp_path_factory.mktemp("cache"))
    outcome.add(folder, folder, one(key="k", parts={"a": "b"}), snapshot({b"a": content(1)}))
    before = outcome.load(folder, folder)
    for digest in (None, "d" * 32):
        path = Path(outcome.place(folder, folder, digest))
        held = path.read_bytes()
        path.write_bytes(held[:at] + data + (b"" if cut else held[at:]))
    assert [type(one) for one in outcome.load(folder, folder)] in ([], [Outcome])
    assert outcome.inputs(folder, folder, "d" * 32) in (None, {b"a": b"f" + content(1)})
    assert outcome.add(folder, folder, before[0])
    assert outcome.load(folder, folder)[0] == before[0]


def test_json_that_is_too_deep(kept):
    """It is no outcome."""
    outcome.add(*kept, one())
    Path(outcome.place(*kept)).write_text("[" * 200_000)
    assert outcome.load(*kept) == []


def test_where_nothing_can_be_written(kept):
    """It is said to the caller, and nothing is raised."""
    cache, tree = kept
    Path(cache).write_text("a file in the way")
    assert not outcome.add(cache, tree, one(), snapshot({b"a": content(1)}))
    assert not outcome.add(None, tree, one())
    assert (outcome.load(cache, tree), outcome.load(None, tree), outcome.inputs(None, tree, "d")) == ([], [], None)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_records_are_for_their_owner_alone(kept):
    """Names of files and variables are nobody else's business."""
    outcome.add(*kept, one(), snapshot({b"a": content(1)}))
    modes = [Path(outcome.place(*kept, digest)).stat().st_mode & 0o77 for digest in (None, "d" * 32)]
    assert modes == [0, 0]


def test_two_trees_have_two_records(kept):
    """Each its own."""
    cache, tree = kept
    outcome.add(cache, tree, one(when=1))
    outcome.add(cache, os.path.join(tree, "b"), one(when=2))
    assert [found.when for found in outcome.load(cache, tree)] == [1]
    assert replace(outcome.load(cache, tree)[0], when=2) == outcome.load(cache, os.path.join(tree, "b"))[0]
