"""Many processes and one store."""

import os
import subprocess
import sys

from freshwheel.store import upkeep

KEY = "ab" * 32
ABUSE = int(os.environ.get("ABUSE", "1"))
BUILDERS = 64 if ABUSE > 1 else 8

BUILD = """
import hashlib, os, sys
from freshwheel.store.store import Draft, Store
cache, folder, key = sys.argv[1:]
store = Store.open(cache)
path = os.path.join(folder, f"{os.getpid()}", "demo-1.0-py3-none-any.whl")
os.mkdir(os.path.dirname(path))
sys.stdin.readline()
with store.lock("key", key, 60):
    entry = store.find(key)
    if entry is None:
        print("built")
        with open(path, "wb") as file:
            file.write(os.urandom(300_000))
        entry = store.put(Draft(key=key, base="1.0"), path)
    assert store.hand_out(entry.inner.blob, path), store.remarks
    print(hashlib.sha256(open(path, "rb").read()).hexdigest())
"""

MIX = """
import hashlib, os, random, sys, time
from freshwheel.store import upkeep
from freshwheel.store.store import Draft, Store
cache, folder, number, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
chance = random.Random(number)
store = Store.open(cache)
folder = os.path.join(folder, str(number))
os.mkdir(folder)
done = {"hit": 0, "miss": 0}
for turn in range(rounds):
    seed = chance.randrange(6)
    key = hashlib.sha256(b"%d" % seed).hexdigest()
    content = b"%d" % seed * 40_000
    path = os.path.join(folder, f"demo-1.{seed}-py3-none-any.whl")
    kind = chance.randrange(10)
    if kind == 0:
        now = time.time_ns() + chance.choice((0, 7200)) * 10**9
        upkeep.prune(store.shelf, now=now, size=chance.choice((0, 60_000)), force=True)
    elif kind == 1:
        for _, what in upkeep.flaws(store.shelf):
            assert what == "is not there"
    elif kind == 2 and not chance.randrange(5):
        upkeep.clear(store.shelf, now=time.time_ns())
    else:
        entry = store.find(key)
        if entry is not None and store.hand_out(entry.inner.blob, path):
            done["hit"] += 1
        else:
            done["miss"] += 1
            with open(path, "wb") as file:
                file.write(content)
            put = store.put(Draft(key=key, base="1.0"), path)
            assert put != "the store has another result for the same build key, and keeps it"
            if not isinstance(put, str):
                store.add_finished(put, bytes(16), path)
        with open(path, "rb") as file:
            assert file.read() == content
print(done["hit"], done["miss"])
"""


def together(code, arguments, count):
    """What so many processes print that run the code at once."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments(number))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    for one in running:
        one.stdin.write("\n")
        one.stdin.flush()
    ended = [(*one.communicate(timeout=600), one.returncode) for one in running]
    assert [error for _, error, status in ended if status] == []
    return [out.split() for out, _, _ in ended]


def test_builders_of_one_key_have_one_wheel(bench):
    """It is built once, and handed out to all."""
    words = together(BUILD, lambda _: (bench.cache, bench.folder, KEY), BUILDERS)
    assert len({line[-1] for line in words}) == 1
    assert sum("built" in line for line in words) == 1
    assert (len(upkeep.entries(bench.store.shelf)), bench.flaws()) == (1, [])
    assert not list(bench.cache.rglob("*.tmp"))


def test_everything_at_once_ends_in_right_wheels(bench):
    """Puts, hits, sweeps, checks and clearings: no failure, no wrong wheel, and the store is whole afterwards."""
    count, rounds = (16, 500) if ABUSE > 1 else (4, 80)
    words = together(MIX, lambda number: (bench.cache, bench.folder, number, rounds), count)
    assert sum(int(hits) for hits, _ in words) > 0
    assert sum(int(misses) for _, misses in words) > 0
    for one in upkeep.entries(bench.store.shelf):
        bench.store.put(bench.draft(key=one.entry.key), bench.wheel(b"x"))
        assert bench.taken(one.entry.key) is not None
    assert not list(bench.cache.rglob("*.tmp"))
