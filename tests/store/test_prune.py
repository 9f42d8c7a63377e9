"""What is cleared away, and what is not."""

import os
import time

import pytest

from freshwheel.store import upkeep

KEY = "ab" * 32
KEYS = [f"{number:02x}" * 32 for number in range(1, 6)]
TAG = bytes(range(16))
HOUR = 3600
DAY = 24 * HOUR
YEAR = 365 * DAY
NOW = time.time()


def aged(path, seconds):
    """A file that was used so long ago."""
    os.utime(path, (NOW - seconds, NOW - seconds))


def entry(bench, key):
    """The path of an entry."""
    return bench.cache / "v1" / "index" / key[:2] / key


def filled(bench, *ages, size=10_000, finished=()):
    """A store with one wheel for each age, all of its files as old as that."""
    for number, (key, seconds) in enumerate(zip(KEYS, ages, strict=False)):
        before = set(bench.lying("blobs"))
        content = bytes([number + 1]) * size
        bench.put(content, key=key, finished={tag: content + tag for tag in finished})
        for path in set(bench.lying("blobs")) - before:
            aged(bench.cache / "v1" / path, seconds)
        aged(entry(bench, key), seconds)


def swept(bench, **more):
    """What comes of a sweep now."""
    return upkeep.prune(bench.store.shelf, now=int(NOW * 10**9), **{"force": True, **more})


def left(bench):
    """The numbers of the entries that are left."""
    return [number for number, key in enumerate(KEYS) if entry(bench, key).exists()]


def test_what_is_unused_for_long_goes(bench):
    """With its blobs, and nothing else."""
    filled(bench, 31 * DAY, 29 * DAY, 0)
    removed = swept(bench)
    assert left(bench) == [1, 2]
    assert (removed.entries, removed.blobs, removed.reason) == (1, 1, "")
    assert removed.size > 10_000
    assert bench.taken(KEYS[1]) == b"\2" * 10_000
    assert bench.flaws() == []


def test_what_is_too_much_goes(bench):
    """The longest unused first, and no more than needed."""
    filled(bench, 5 * DAY, 4 * DAY, 3 * DAY, 2 * DAY, size=10_000)
    removed = swept(bench, size=25_000)
    assert left(bench) == [2, 3]
    assert (removed.entries, removed.blobs) == (2, 2)
    assert upkeep.info(bench.store.shelf).size <= 25_000
    assert bench.flaws() == []


def test_what_was_used_in_the_last_hour_stays(bench):
    """However small the store is to be."""
    filled(bench, HOUR // 2, 2 * HOUR)
    swept(bench, size=0, age=0.001)
    assert left(bench) == []
    filled(bench, HOUR // 2, 2 * HOUR)
    swept(bench, size=0)
    assert left(bench) == [0]
    assert bench.taken(KEYS[0]) == b"\1" * 10_000


def test_a_shared_blob_stays_while_one_entry_names_it(bench):
    """Two keys may have led to one wheel."""
    bench.put(b"same", key=KEYS[0])
    bench.put(b"same", key=KEYS[1])
    for path in bench.lying():
        aged(bench.cache / "v1" / path, 40 * DAY)
    aged(entry(bench, KEYS[1]), DAY)
    swept(bench)
    assert left(bench) == [1]
    assert bench.taken(KEYS[1]) == b"same"


def test_a_blob_without_an_entry_goes_after_an_hour(bench):
    """Before, it may belong to a build that has yet to write its entry."""
    bench.put(b"one")
    bench.put(b"two", key=KEYS[0])
    os.unlink(entry(bench, KEYS[0]))
    os.unlink(bench.index)
    aged(bench.blob(b"one"), 2 * HOUR)
    swept(bench)
    contents = [(bench.cache / "v1" / path).read_bytes() for path in bench.lying("blobs")]
    assert b"one" not in contents
    assert b"two" in contents


def test_what_was_left_half_written_goes_after_a_day(bench):
    """Wherever it lies; younger ones may still be written."""
    bench.put()
    folders = [bench.cache / "v1", bench.cache / "v1" / "blobs", bench.cache / "v1" / "index", bench.index.parent]
    for folder in folders:
        (folder / ".old.tmp").touch()
        (folder / ".new.tmp").touch()
        aged(folder / ".old.tmp", 25 * HOUR)
    assert swept(bench).files == 4
    assert sorted({path.rpartition("/")[2] for path in bench.lying() if path.endswith(".tmp")}) == [".new.tmp"]


def test_what_was_put_away_goes_after_a_week(bench):
    """Counted from when it was put away, whatever its age."""
    bench.put()
    aged(bench.index, 40 * DAY)
    bench.store.shelf.put_away(str(bench.index))
    assert swept(bench).files == 0
    [bad] = bench.lying("bad")
    aged(bench.cache / "v1" / bad, 8 * DAY)
    assert swept(bench).files == 1


def test_what_is_remembered_of_old_trees_goes(bench):
    """Of those that were neither written nor read for as long."""
    for kind in ("answers", "memory", "trees", "builds", "code", "differences/ab/stored"):
        folder, suffix = bench.cache / kind, "bin"
        folder.mkdir(parents=True)
        for name, seconds in (("old", 31 * DAY), ("new", 29 * DAY)):
            (folder / f"{name}.{suffix}").touch()
            aged(folder / f"{name}.{suffix}", seconds)
        (folder / f"read.{suffix}").touch()
        os.utime(folder / f"read.{suffix}", (NOW - DAY, NOW - 40 * DAY))
    assert swept(bench).files == 6
    assert sorted({path.stem for path in bench.cache.rglob("*.bin")}) == ["new", "read"]


def test_whole_folders_go_by_age_and_number(bench):
    """The twenty that were used last stay; what was left half made goes in a day."""
    for kind in ("environments", "kept"):
        for number in range(30):
            folder = bench.cache / kind / f"{number:02}"
            (folder / "bin").mkdir(parents=True)
            (folder / "bin" / "tool").touch()
            aged(folder, {25: 31 * DAY, 26: 0}.get(number, (number + 2) * HOUR))
        half = bench.cache / kind / ".00.1.ab.tmp"
        half.mkdir()
        aged(half, 25 * HOUR)
    assert swept(bench).files == 2 * 10
    for kind in ("environments", "kept"):
        names = sorted(path.name for path in (bench.cache / kind).iterdir())
        assert names == [*(f"{number:02}" for number in range(19)), "26"]


def test_once_a_day_is_enough(bench):
    """Unless forced, or the last time is in the future."""
    filled(bench, 40 * DAY)
    now = int(NOW * 10**9)
    assert upkeep.prune(bench.store.shelf, now=now).entries == 1
    filled(bench, 40 * DAY)
    assert "less than a day" in upkeep.prune(bench.store.shelf, now=now + 23 * HOUR * 10**9).reason
    assert left(bench) == [0]
    assert upkeep.prune(bench.store.shelf, now=now, force=True).entries == 1
    assert upkeep.prune(bench.store.shelf, now=now - DAY * 10**9).reason == ""


def test_an_entry_that_can_not_be_read_keeps_its_blobs(bench, faults):
    """A process without file handles must not clear the store."""
    filled(bench, 2 * DAY, 2 * DAY)

    def refuse(name):
        if name == "open":
            raise OSError(24, "Too many open files")

    with faults((bench.cache / "v1" / "index",), 0, refuse, last=True).active():
        swept(bench, size=0)
    assert bench.taken(KEYS[0]) == b"\1" * 10_000
    assert bench.taken(KEYS[1]) == b"\2" * 10_000


def test_what_is_used_during_a_sweep_stays(bench, monkeypatch):
    """It was old when it was listed, and a build has found it since."""
    filled(bench, 40 * DAY)
    listing = upkeep._listing

    def used_meanwhile(shelf):
        found = listing(shelf)
        assert bench.store.find(KEYS[0]) is not None
        return found

    monkeypatch.setattr(upkeep, "_listing", used_meanwhile)
    assert swept(bench, size=0).entries == 0
    assert bench.taken(KEYS[0]) == b"\1" * 10_000


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_that_jumps_costs_builds_at_most(bench, years):
    """Ten years on or back: no error, no wrong wheel, what is used now stays."""
    filled(bench, 0, 2 * HOUR, finished=[TAG])
    now = int((NOW + years * YEAR) * 10**9)
    upkeep.prune(bench.store.shelf, now=now)
    assert left(bench) == ([] if years > 0 else [0, 1])
    assert bench.flaws() == []
    assert upkeep.prune(bench.store.shelf, now=now).reason != ""
    filled(bench, -years * YEAR)
    assert upkeep.prune(bench.store.shelf, now=now, force=True).entries == 0
    assert bench.taken(KEYS[0]) == b"\1" * 10_000


def test_times_decide_nothing_else(bench):
    """Files from the future, from 1970, without fractions: all are hits."""
    bench.put()
    for seconds in (0, NOW + 10 * YEAR, 86400.0, int(NOW)):
        for path in bench.lying():
            os.utime(bench.cache / "v1" / path, (seconds, seconds))
        assert bench.taken() == b"wheel"
        assert bench.flaws() == []


def test_another_format_is_left_alone(bench):
    """An older or newer freshwheel may still use it."""
    other = bench.cache / "v2" / "index" / "ab"
    other.mkdir(parents=True)
    (other / KEY).write_bytes(b"?")
    aged(other / KEY, YEAR)
    swept(bench)
    upkeep.clear(bench.store.shelf, now=0)
    assert (other / KEY).exists()
