"""A system that refuses, at every point where the store asks it for something."""

import errno
import itertools
import os
import shutil
import subprocess
import time

import pytest

from freshwheel.store import upkeep
from freshwheel.store.store import Refusal, Store

ERRNOS = (
    *("ENOSPC", "EDQUOT", "EIO", "EACCES", "EROFS", "EMFILE", "ENFILE", "EINTR", "ESTALE", "ENOLCK", "ELOOP"),
    *("ENAMETOOLONG", "ETXTBSY"),
)
KEY = "ab" * 32
TAG = bytes(range(16))
FEWEST = 25
DISKS = (1, 2, 4, 8, 16, 32, 48, 64) if os.environ.get("ABUSE", "1") != "1" else (1,)
MOST = 500
SOON = 0.02
TWO_HOURS = 7200 * 10**9


def cold(bench):
    """The first build of a key, and what is made of it later."""
    store = bench.opened()
    if isinstance(store, Refusal):
        return
    with store.lock("key", KEY, SOON), store.lock("tree", str(bench.folder), SOON):
        entry = store.find(KEY)
        put = store.put(bench.draft(), bench.made[b"wheel"], {TAG: bench.made[b"finished"]})
        if not isinstance(put, str):
            store.add_finished(put, TAG[::-1], bench.made[b"plain"])
    assert entry is None
    assert put


def hit(bench):
    """A key that is known, handed out."""
    store = bench.opened()
    entry = None if isinstance(store, Refusal) else store.find(KEY)
    if entry is not None:
        for blob, content in ((entry.inner.blob, b"wheel"), (entry.finished[TAG].blob, b"finished")):
            target = bench.target.with_name(f"{content.decode()}.whl")
            bench.claims.append((store.hand_out(blob, str(target)), target, content))


def damaged(bench):
    """A key whose entry, and one whose blob, is put away and written anew."""
    store = bench.opened()
    if not isinstance(store, Refusal) and store.find(KEY) is None:
        assert store.put(bench.draft(), bench.made[b"wheel"])


def swept(bench):
    """What nobody uses any longer."""
    store = bench.opened()
    if isinstance(store, Refusal):
        return
    upkeep.info(store.shelf)
    upkeep.flaws(store.shelf)
    upkeep.prune(store.shelf, now=time.time_ns() + TWO_HOURS, size=0, force=True)
    upkeep.clear(store.shelf, now=time.time_ns())


SCENES = {"cold": (cold, False), "hit": (hit, True), "damaged": (damaged, True), "swept": (swept, True)}


@pytest.fixture
def scene(memory_path, bench_at, faults):
    """Runs a scene with one fault, on a store of its own; gives whether the fault was reached."""
    (memory_path / "kept").mkdir()
    kept = bench_at(memory_path / "kept")
    numbers = itertools.count()
    kept.put(b"wheel", finished={TAG: b"finished"})
    (kept.cache / "v1" / "index" / ".left.tmp").touch()
    made = {content: kept.wheel(content) for content in (b"wheel", b"finished", b"plain")}

    def run(name, fault, at, *, last=False):
        play, is_filled = SCENES[name]
        folder = memory_path / f"{next(numbers)}"
        (folder / "dist").mkdir(parents=True)
        if is_filled:
            shutil.copytree(kept.cache, folder / "cache")
        bench = kept.moved(folder)
        bench.made = made
        bench.claims = []
        if name == "damaged":
            bench.index.chmod(0o600)
            bench.index.write_bytes(b"damaged")

        def refuse(_call):
            raise OSError(getattr(errno, fault), os.strerror(getattr(errno, fault)))

        watched = (bench.cache, bench.target.parent)
        system = faults(watched, at, refuse, last=last)
        with system.active():
            play(bench)
        for given, path, content in bench.claims:
            assert path.exists() == given
            assert not given or path.read_bytes() == content
        with faults(watched, -1, None).active():
            usable(bench)
        return system.count > at

    return run


def usable(bench):
    """Afterwards the next call succeeds, and nothing in the store is wrong."""
    store = bench.opened()
    assert not isinstance(store.put(bench.draft(), bench.made[b"wheel"]), str)
    assert bench.taken() == b"wheel"
    assert bench.flaws() == []
    with bench.store.lock("key", KEY, SOON) as held:
        assert held


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("fault", ERRNOS)
def test_no_refusal_at_any_point_breaks_a_build(scene, name, fault):
    """No exception, no wrong bytes; the next call succeeds, and the store verifies clean."""
    if not hasattr(errno, fault):
        pytest.skip("unknown here")
    points = 0
    while scene(name, fault, points):
        points += 1
        assert points < MOST
    assert points > FEWEST


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("fault", ["ENOSPC", "EROFS", "EMFILE"])
def test_no_lasting_refusal_breaks_a_build(scene, name, fault):
    """A disk that is full stays full."""
    points = 0
    while scene(name, fault, points, last=True):
        points += 7


@pytest.fixture(params=DISKS)
def disk(request, tmp_path):
    """A file system of so many MiB, and the number."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={request.param}m", "tmpfs", folder]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder, request.param
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_no_failed_build(disk, bench):
    """What does not fit is not stored, leaves nothing behind, and what fits is a hit."""
    folder, scale = disk
    store = Store.open(str(folder / "cache"))
    stored = []
    for number, size in enumerate([100_000, 2_000_000, 300_000, 400_000, 500_000, 100_000]):
        draft = bench.draft(key=f"{number:064x}")
        if not isinstance(store.put(draft, bench.wheel(os.urandom(size * scale))), str):
            stored.append(size)
        assert list(folder.rglob("*.tmp")) == []
    assert stored == [100_000, 300_000, 400_000, 100_000]
    assert [remark for remark in store.remarks if "No space left" in remark] == store.remarks
    assert upkeep.flaws(store.shelf) == []
    assert all(store.hand_out(one.entry.inner.blob, str(bench.target)) for one in upkeep.entries(store.shelf))
