"""What a memory keeps, what it does not believe, and where it lies."""

import os
import stat
import sys

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base import files, frame, records, rows
from freshwheel.base.model import Looks
from freshwheel.memory import memory
from freshwheel.memory.memory import Memory

HOUR = 3600 * 10**9
OLD = (0o100644, 3, HOUR, HOUR, 7)
NEW = (0o100644, 3, 2 * HOUR, 2 * HOUR, 7)
BODY = bytes(range(16))
POSIX = pytest.mark.skipif(os.name == "nt", reason="rows are not trusted on Windows")


def seals(known):
    """Of what decides, then of each block of inputs."""
    return [known.seal[start : start + 16] for start in range(0, len(known.seal), 16)]


def learnt(**other):
    """A small memory."""
    fields = {
        "tree": b"/tree",
        "device": 5,
        "slack": 2 * 10**9,
        "started": 2 * HOUR,
        "question": b"q",
        "rules": bytes(16),
        "inputs": [(b"b.py", b"f", BODY, OLD), (b"a.py", b"x", BODY[::-1], OLD)],
        "links": [(b"pyproject.toml", OLD)],
        "places": [(b".", OLD), (b"/usr/bin/cc", OLD)],
        "absent": [b"../Cargo.toml", b"build.rs"],
    }
    fields |= other
    ground = memory.Ground(**{name: fields[name] for name in memory.Ground.__slots__})
    looks = Looks(links=dict(fields["links"]), places=dict(fields["places"]), absent=frozenset(fields["absent"]))
    return memory.observed(ground, fields["started"], fields["inputs"], looks)


def stamp(row):
    """The row hash."""
    return rows.stamp(rows.packed(row))


PATHS = st.binary(min_size=1, max_size=9).filter(lambda path: b"\0" not in path)
NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1)
ROWS = st.tuples(*[NUMBERS] * 5)
INPUTS = st.lists(
    st.tuples(PATHS, st.sampled_from([b"f", b"x", b"l", b"?"]), st.binary(min_size=16, max_size=16), ROWS)
)


@given(
    inputs=INPUTS,
    links=st.lists(st.tuples(PATHS, ROWS)),
    places=st.lists(st.tuples(PATHS, ROWS)),
    absent=st.lists(PATHS),
    slack=st.none() | st.integers(0, 10**12),
    question=st.binary(),
)
def test_what_is_dumped_is_parsed(**fields):
    """Whatever was observed."""
    known = learnt(**fields)
    again = Memory.of(records.parsed(b"FWMEM\0\0\0", records.dumped(b"FWMEM\0\0\0", known)))
    assert again == known
    assert [getattr(again, name) for name in known.__slots__] == [getattr(known, name) for name in known.__slots__]


def test_paths_come_back_as_they_are():
    """Sorted where they are inputs; none is no path, not an empty one."""
    known = learnt()
    assert memory.split(known.inputs) == [b"a.py", b"b.py"]
    assert memory.split(known.places) == [b".", b"/usr/bin/cc"]
    assert memory.split(learnt(links=[]).links) == []


def test_the_digest_is_that_of_the_inputs():
    """By the one definition."""
    expected = rows.digest(bytes(16), b"a.py\0b.py", b"x" + BODY[::-1] + b"f" + BODY)
    assert learnt().digest.hex() == expected


# --- what is believed


@POSIX
def test_old_rows_are_sealed():
    """One sum over what decides, one over each block of inputs."""
    known = learnt()
    assert seals(known) == [xxhash.xxh3_128_digest(rows.packed(OLD) * 3), xxhash.xxh3_128_digest(rows.packed(OLD) * 2)]
    assert known.stamps == stamp(OLD) * 2


@pytest.mark.parametrize(
    "fields",
    [
        {"inputs": [(b"a", b"f", BODY, NEW)]},
        {"links": [(b"a", NEW)]},
        {"places": [(b"a", OLD), (b".", NEW)]},
        {"inputs": [(b"a", b"f", BODY, (1, 2, -1, HOUR, 3))]},
        {"started": HOUR + 10**9},
    ],
)
def test_one_new_row_breaks_the_seal(fields):
    """An edit in the same moment would not show in it."""
    assert rows.UNSEALED in seals(learnt(**fields))


@POSIX
def test_only_the_new_row_is_not_trusted():
    """All others keep what they prove."""
    known = learnt(inputs=[(b"a", b"f", BODY, NEW), (b"b", b"f", BODY, OLD)])
    assert known.stamps == rows.UNTRUSTED + stamp(OLD)


@POSIX
def test_where_times_are_not_exact_only_old_files_are_trusted():
    """Folders never: what is in them may be seen late."""
    known = learnt(slack=None, started=HOUR + 61 * 10**9)
    assert known.stamps == stamp(OLD) * 2
    assert seals(known)[0] == rows.UNSEALED
    assert learnt(slack=None, started=HOUR + 59 * 10**9).stamps == rows.UNTRUSTED * 2


def test_nothing_is_trusted_on_windows(monkeypatch):
    """Every time can be set there."""
    monkeypatch.setattr(rows, "_IS_WINDOWS", True)
    known = learnt()
    assert known.stamps == rows.UNTRUSTED * 2
    assert (seals(known), memory.remembered(known)) == ([rows.UNSEALED] * 2, {})


@POSIX
def test_a_link_whose_target_nobody_watches_is_not_trusted():
    """The row of a link says nothing of what it leads to."""
    link = [(b"a", b"l", BODY, OLD)]
    assert rows.UNSEALED in seals(learnt(inputs=link))
    assert rows.UNSEALED not in seals(learnt(inputs=link, places=[(b"a", OLD)]))
    assert rows.UNSEALED not in seals(learnt(inputs=link, absent=[b"a"]))


@POSIX
def test_what_files_hold_is_remembered_by_their_rows():
    """Not that of links, nor of files whose rows prove nothing."""
    inputs = [
        (b"a", b"f", BODY, OLD),
        (b"b", b"x", BODY, OLD),
        (b"c", b"f", BODY, NEW),
        (b"d", b"l", BODY, OLD),
        (b"e", b"?", BODY, OLD),
    ]
    found = memory.remembered(learnt(inputs=inputs, places=[(b"d", OLD)]))
    assert found == {b"a": (stamp(OLD), b"f", BODY), b"b": (stamp(OLD), b"x", BODY)}


# --- where it lies


def test_what_is_saved_is_loaded(tmp_path):
    """In a folder that need not be there yet."""
    cache = str(tmp_path / "not" / "yet")
    assert memory.save(cache, learnt())
    assert memory.load(cache, b"/tree") == learnt()


def test_each_tree_has_its_own(tmp_path):
    """None is there for another tree, even where its file lies under the other's name."""
    assert memory.save(str(tmp_path), learnt())
    assert memory.load(str(tmp_path), b"/other") is None
    os.rename(memory.place(str(tmp_path), b"/tree"), memory.place(str(tmp_path), b"/other"))
    assert memory.load(str(tmp_path), b"/other") is None


def test_the_last_writer_wins(tmp_path):
    """And leaves nothing beside it."""
    memory.save(str(tmp_path), learnt())
    memory.save(str(tmp_path), learnt(question=b"other"))
    assert memory.load(str(tmp_path), b"/tree").question == b"other"
    assert len(os.listdir(tmp_path / "memory")) == 1


@POSIX
def test_it_is_for_its_owner_alone(tmp_path):
    """The file and the folders that are made for it."""
    cache = tmp_path / "cache"
    memory.save(str(cache), learnt())
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (cache, cache / "memory")]
    assert modes == [0o700, 0o700]
    assert stat.S_IMODE(os.stat(memory.place(str(cache), b"/tree")).st_mode) == 0o600


@POSIX
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_what_another_user_may_have_written_is_not_believed(tmp_path, mode):
    """A false memory would be a false label."""
    memory.save(str(tmp_path), learnt())
    os.chmod(memory.place(str(tmp_path), b"/tree"), mode)
    assert memory.load(str(tmp_path), b"/tree") is None


def test_a_cache_that_can_not_be_used_is_no_cache(tmp_path):
    """No error: a file in the place of the folder, a folder in the place of the file, a path that is none."""
    (tmp_path / "file").write_text("")
    for cache in (str(tmp_path / "file"), str(tmp_path / "file" / "below"), str(tmp_path / "a\0b")):
        assert not memory.save(cache, learnt())
        assert memory.load(cache, b"/tree") is None
    os.makedirs(memory.place(str(tmp_path), b"/tree"))
    assert not memory.save(str(tmp_path), learnt())
    assert memory.load(str(tmp_path), b"/tree") is None
    assert len(os.listdir(tmp_path / "memory")) == 1


def test_real_is_the_path_without_links(tmp_path):
    """One tree that is reached by two names has one memory."""
    (tmp_path / "tree").mkdir()
    os.symlink("tree", tmp_path / "link")
    assert memory.real(str(tmp_path / "link")) == memory.real(str(tmp_path / "tree"))


@pytest.mark.skipif(sys.platform != "linux", reason="one place is enough to count")
def test_an_input_costs_at_most_a_hundred_bytes():
    """With realistic names: 45 bytes on average, and a folder for every ten files."""
    folders = [f"crates/demo-{name}/src/{below}".encode() for name in ("core", "lazy", "parser") for below in range(67)]
    names = [
        b"%s/%s_%03d.rs" % (folders[n % 201], b"chunked_array_builder"[: 10 + n % 8], n % 997) for n in range(2000)
    ]
    assert 43 <= sum(map(len, names)) / 2000 <= 47
    found = learnt(inputs=[(name, b"f", BODY, OLD) for name in names], places=[(name, OLD) for name in folders])
    assert len(records.dumped(b"", found)) <= 100 * 2000


# --- the cache directory, and framing


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"HOME": "/h"}, "/h/.cache/freshwheel"),
        ("linux", {"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/freshwheel"),
        ("linux", {"HOME": "/h", "XDG_CACHE_HOME": "x"}, "/h/.cache/freshwheel"),
        ("darwin", {"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/h/Library/Caches/freshwheel"),
        ("win32", {"USERPROFILE": "/h", "HOME": "/no"}, "/h/AppData/Local/freshwheel/Cache"),
        ("win32", {"USERPROFILE": "/h", "LOCALAPPDATA": "/l"}, "/l/freshwheel/Cache"),
        ("linux", {"HOME": "/h", "FRESHWHEEL_CACHE_DIR": "/own"}, "/own"),
        ("linux", {"HOME": "/h", "FRESHWHEEL_CACHE_DIR": ""}, "/h/.cache/freshwheel"),
        ("linux", {"HOME": "/h", "FRESHWHEEL_CACHE_DIR": "own"}, None),
        ("linux", {"HOME": "/h", "FRESHWHEEL_CACHE_DIR": "~/own"}, None),
        ("linux", {"HOME": "h"}, None),
        ("linux", {}, None),
        ("darwin", {}, None),
        ("win32", {}, None),
    ],
)
@POSIX
def test_the_cache_directory_is_where_the_platform_has_it(platform, environ, expected):
    """Or where the user says; never where it would depend on the working directory."""
    assert files.cache_directory(environ, platform=platform) == expected


@given(st.lists(st.binary()), st.lists(st.binary()))
def test_no_two_lists_are_framed_alike(fields, others):
    """Nor is one the beginning of the other's frame, unless its fields are the first of them."""
    whole, other = frame.framed(*fields), frame.framed(*others)
    assert (whole == other) == (fields == others)
    assert whole.startswith(other) == (fields[: len(others)] == others)
