"""What is put into the store comes out of it, or nothing does."""

import os
import stat
import subprocess
import sys
import time

import pytest

from freshwheel.base import records
from freshwheel.store import shelf, upkeep
from freshwheel.store.store import Store

KEY = "ab" * 32
OTHER = "cd" * 32
TAG = bytes(range(16))
HOUR = 3600
POSIX = pytest.mark.skipif(os.name == "nt", reason="permissions and links are those of POSIX")


def test_what_was_put_is_handed_out(bench):
    """Bytes, and all that was said."""
    put = bench.put(b"wheel", finished={TAG: b"finished"}, discovered=[(b"x.h", "f", b"1", b"")], installed={"a": "b"})
    entry = bench.store.find(KEY)
    assert entry == put
    assert (entry.base, entry.parts, entry.milliseconds) == ("1.0", {"abi": "cp311"}, 9)
    assert (entry.discovered, entry.installed) == (((b"x.h", "f", b"1", b""),), {"a": "b"})
    assert bench.taken() == b"wheel"
    assert bench.store.hand_out(entry.finished[TAG].blob, str(bench.target))
    assert bench.target.read_bytes() == b"finished"
    assert (bench.flaws(), bench.store.remarks) == ([], [])


def test_a_key_that_nobody_put_is_a_miss(bench):
    """So is what is no key."""
    assert [bench.store.find(key) for key in (KEY, "", "../../etc/passwd", "AB" * 32)] == [None] * 4
    assert bench.store.remarks == []


def test_a_name_in_the_store_tells_nothing(bench):
    """Only digits of hashes stand in paths, so that no index can be made of it."""
    bench.put(finished={TAG: b"finished"})
    for path in bench.lying():
        assert set(path.rpartition("/")[2]) <= set("0123456789abcdef"), path


def test_the_first_result_of_a_key_stays(bench):
    """Another one is reported, and leaves nothing behind."""
    bench.put(b"one")
    before = bench.lying()
    assert "another result" in bench.put(b"two")
    assert bench.taken() == b"one"
    assert bench.lying() == before


def test_the_same_result_again_is_no_conflict(bench):
    """It is the entry that is there."""
    first = bench.put(b"one")
    assert bench.put(b"one", milliseconds=77) == first


def test_entries_of_other_discoveries_stay_beside(bench):
    """Back in the earlier state there is its wheel; with all slots taken, the oldest that is of no use makes room."""
    known = []
    for number in range(9):
        draft = bench.draft(discovered=[(b"x.h", "f", b"%d" % number, b"")])
        put = bench.store.put(draft, bench.wheel(b"wheel %d" % number), stale=known)
        known = [one for one in known if one.key != put.key] + [put]
    found = {one.discovered[0][2] for one in bench.store.candidates(KEY, tree=None)}
    assert found == {b"%d" % number for number in range(1, 9)}


def test_another_result_where_nothing_else_was_discovered_is_not_written(bench):
    """Equal keys should have led to equal wheels: the first one stays."""
    bench.put(b"one", discovered=[(b"x.h", "f", b"1", b"")])
    late = bench.store.put(bench.draft(discovered=[(b"x.h", "f", b"2", b"")]), bench.wheel(b"two"))
    assert isinstance(late, str)
    assert bench.taken() == b"one"


def test_a_wheel_that_is_not_there_is_not_stored(bench):
    """And no build fails of it."""
    put = bench.store.put(bench.draft(), str(bench.folder / "nothing.whl"))
    assert bench.store.remarks == [put]


def test_a_bound_wheel_is_for_its_tree_only(bench):
    """A binary that holds a path: every tree has its own, and none gets another's."""
    one, two = b"1" * 16, b"2" * 16
    bench.put(b"in one", tree=one)
    assert bench.taken() is None
    assert bench.taken(tree=two) is None
    assert not isinstance(bench.put(b"in two", tree=two), str)
    assert (bench.taken(tree=one), bench.taken(tree=two)) == (b"in one", b"in two")
    assert bench.taken() is None


def test_a_finished_wheel_can_be_added_later(bench):
    """Labelled and plain ones stand side by side."""
    entry = bench.put(finished={TAG: b"labelled"})
    more = bench.store.add_finished(entry, TAG[::-1], bench.wheel(b"plain"))
    assert more.finished.keys() == {TAG, TAG[::-1]}
    assert bench.store.find(KEY) == more
    assert bench.flaws() == []


def test_no_finished_wheel_is_added_to_what_is_gone(bench):
    """An entry that was cleared away does not come back without its wheel."""
    entry = bench.put()
    upkeep.clear(bench.store.shelf, now=0)
    assert bench.store.add_finished(entry, TAG, bench.wheel(b"plain")) is None
    assert bench.store.find(KEY) is None


@POSIX
def test_what_was_handed_out_can_be_edited(bench):
    """It is a copy: the store keeps its own."""
    bench.put(b"wheel")
    bench.taken()
    assert os.stat(bench.target).st_nlink == 1
    bench.target.write_bytes(b"edited")
    assert bench.taken() == b"wheel"


@POSIX
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_can_write_in_the_store(bench, umask):
    """Under any umask: folders and files are the owner's."""
    before = os.umask(umask)
    try:
        store = Store.open(str(bench.folder / "deep" / "cache"))
        assert not isinstance(store.put(bench.draft(), bench.wheel(), {TAG: bench.wheel(b"2")}), str)
        with store.lock("key", KEY):
            pass
        upkeep.prune(store.shelf, now=time.time_ns())
    finally:
        os.umask(before)
    for folder, _, names in os.walk(bench.folder / "deep"):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
        for name in names:
            mode = stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode)
            assert mode == 0o600, (folder, name)


def test_use_is_recorded_once_an_hour(bench):
    """Also where the entry was used in the future."""
    bench.put()
    for away, moves in ((-2 * HOUR, True), (-HOUR // 2, False), (2 * HOUR, True)):
        then = time.time() + away
        os.utime(bench.index, (then, then))
        bench.store.find(KEY)
        assert (abs(bench.index.stat().st_mtime - then) > 1) == moves
    then = time.time() - 2 * HOUR
    os.utime(bench.index, (then, then))
    bench.store.shelf.used(KEY)
    assert bench.index.stat().st_mtime > then + HOUR


def test_a_target_that_can_not_be_written_is_no_hit(bench):
    """And the blob stays where it is."""
    entry = bench.put()
    assert not bench.store.hand_out(entry.inner.blob, str(bench.folder / "no" / "such" / "folder.whl"))
    assert not bench.store.hand_out(entry.inner.blob, str(bench.target.parent))
    assert not bench.store.hand_out(entry.inner.blob, "a\0b")
    assert len(bench.store.remarks) == 3
    assert os.listdir(bench.target.parent) == []
    assert bench.taken() == b"wheel"


def test_a_lost_blob_is_mended_by_the_next_build(bench):
    """Even if that build has another result."""
    bench.put(b"one")
    bench.blob(b"one").unlink()
    assert bench.flaws() != []
    assert bench.taken() is None
    assert not isinstance(bench.put(b"two"), str)
    assert (bench.taken(), bench.flaws()) == (b"two", [])


def test_numbers_and_entries_are_told(bench):
    """The one that was used last first."""
    bench.put(b"one")
    bench.put(b"two", key=OTHER)
    then = time.time() - HOUR
    os.utime(bench.index, (then, then))
    info = upkeep.info(bench.store.shelf)
    assert (info.entries, info.blobs, info.bad) == (2, 2, 0)
    assert info.size == sum((bench.cache / "v1" / path).stat().st_size for path in bench.lying())
    assert [one.entry.key for one in upkeep.entries(bench.store.shelf)] == [OTHER, KEY]


def test_all_can_be_cleared(bench):
    """Then everything is a miss, and locks stay."""
    bench.put()
    bench.put(key=OTHER)
    bench.index.write_bytes(b"damaged")
    assert bench.store.find(KEY) is None
    with bench.store.lock("key", KEY):
        pass
    removed = upkeep.clear(bench.store.shelf, now=0)
    assert (removed.entries, removed.blobs, removed.files) == (1, 1, 1)
    assert [path.partition("/")[0] for path in bench.lying()] == ["locks"]
    assert bench.store.find(OTHER) is None


def test_a_hit_loads_little():
    """What is used for it is light; the rest of the store is not loaded."""
    code = (
        "import sys; before = set(sys.modules); from freshwheel.store import shelf; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    heavy = {
        "dataclasses",
        "re",
        "json",
        "hashlib",
        "pathlib",
        "typing",
        "contextlib",
        "freshwheel.store.store",
    }
    assert not heavy & set(done.stdout.split())
    assert "freshwheel.store.shelf" in done.stdout.split()


def test_a_bound_entry_under_a_common_key_is_no_hit(bench):
    """Wherever it lies: another tree's path is in it."""
    entry = bench.put(b"one").but(tree=b"1" * 16)
    bench.index.write_bytes(records.dumped(shelf.ENTRY, entry))
    assert bench.store.find(KEY) is None
    assert bench.store.find(KEY, tree=b"2" * 16) is None
    assert bench.store.find(KEY, tree=b"1" * 16) is not None
