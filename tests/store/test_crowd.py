"""Many processes and one store."""

import os
import subprocess
import sys

import pytest

KEY = "ab" * 32
ABUSE = int(os.environ.get("ABUSE", "1"))
BUILDERS = 64 if ABUSE > 1 else 8

BUILD = """
import contextlib, hashlib, os, sys
from freshwheel.store.write import Draft
from freshwheel.store.store import Store
cache, folder, key, locked = sys.argv[1:]
store = Store.open(cache)
path = os.path.join(folder, f"{os.getpid()}", "demo-1.0-py3-none-any.whl")
os.mkdir(os.path.dirname(path))
sys.stdin.readline()
with store.single_flight(key, 60) if locked == "yes" else contextlib.nullcontext():
    entry = store.find(key)
    if entry is None:
        print("built")
        with open(path, "wb") as file:
            file.write(os.urandom(300_000))
        put = store.put(Draft(key=key, base="1.0", info={"METADATA": b"x"}), path)
        entry = put.entry or put.other
    assert store.hand_out(entry.inner.blob, path), store.remarks
    print(hashlib.sha256(open(path, "rb").read()).hexdigest())
"""

MIX = """
import hashlib, os, random, sys, time
from freshwheel.store.write import Draft, Finished
from freshwheel.store.store import Store
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
        store.prune(time.time_ns() + chance.choice((0, 7200)) * 10**9, size=chance.choice((0, 60_000)), force=True)
    elif kind == 1:
        for flaw in store.verify():
            assert "is not there" in flaw.what, flaw
    elif kind == 2 and not chance.randrange(5):
        store.clear()
    else:
        entry = store.find(key)
        if entry is not None and store.hand_out(entry.inner.blob, path):
            done["hit"] += 1
        else:
            done["miss"] += 1
            with open(path, "wb") as file:
                file.write(content)
            put = store.put(Draft(key=key, base="1.0", info={"METADATA": b"x"}), path)
            assert put.other is None, put.reason
            if put.entry is not None:
                store.add_finished(put.entry, bytes(16), Finished(path=path, label="s0"))
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


@pytest.mark.parametrize("locked", ["yes", "no"])
def test_builders_of_one_key_have_one_wheel(bench, locked):
    """With locks it is built once; without, everybody gets the one that was stored first."""
    words = together(BUILD, lambda _: (bench.cache, bench.folder, KEY, locked), BUILDERS)
    assert len({line[-1] for line in words}) == 1
    builds = sum("built" in line for line in words)
    assert builds == 1 if locked == "yes" else 1 <= builds <= BUILDERS
    assert (len(bench.store.entries()), bench.store.verify()) == (1, [])
    assert not list(bench.cache.rglob("*.tmp"))


def test_everything_at_once_ends_in_right_wheels(bench):
    """Puts, hits, sweeps, checks and clearings: no failure, no wrong wheel, and the store is whole afterwards."""
    count, rounds = (16, 500) if ABUSE > 1 else (4, 80)
    words = together(MIX, lambda number: (bench.cache, bench.folder, number, rounds), count)
    assert sum(int(hits) for hits, _ in words) > 0
    assert sum(int(misses) for _, misses in words) > 0
    for one in bench.store.entries():
        bench.store.put(bench.draft(key=one.entry.key), bench.wheel(b"x"))
        assert bench.taken(one.entry.key) is not None
    assert not list(bench.cache.rglob("*.tmp"))
