"""A process that is killed in the middle of what it does to the store."""

import os
import subprocess
import sys

import pytest

SCRIPT = '''
import importlib.util, os, pathlib, shutil, signal, sys, time

spec = importlib.util.spec_from_file_location("conftest", sys.argv[1])
conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conftest)
from freshwheel.store import upkeep
from freshwheel.store.store import Store

top, scene, repeats = pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
KEY, TAG = conftest.KEY, conftest.TAG


def kill(_call):
    os.kill(os.getpid(), signal.SIGKILL)


def play(bench):
    store = bench.opened()
    with store.lock("key", KEY, 5), store.lock("tree", str(top), 5):
        if scene == "put":
            store.put(bench.draft(), bench.made, {TAG: bench.made})
        elif scene == "hit":
            entry = store.find(KEY)
            assert store.hand_out(entry.inner.blob, str(bench.target))
            store.add_finished(entry, TAG[::-1], bench.plain)
        else:
            upkeep.prune(store.shelf, now=time.time_ns() + 7200 * 10**9, size=0, force=True)
            upkeep.clear(store.shelf, now=time.time_ns())


def run(at):
    """Whether a process that is killed at this point was killed, and left a store that works."""
    folder = top / f"{scene}-{at}"
    folder.mkdir()
    bench = conftest.Bench(folder)
    bench.made, bench.plain = bench.wheel(b"wheel" * 1000), bench.wheel(b"plain" * 1000)
    if scene != "put":
        bench.store.put(bench.draft(), bench.made, {TAG: bench.made})
    child = os.fork()
    if not child:
        with conftest.Faults((bench.cache, bench.target.parent), at, kill).active():
            play(bench)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    bench.opened()
    assert bench.flaws() == [], (at, bench.flaws())
    for target in bench.target.parent.glob("*.whl"):
        assert target.read_bytes() == b"wheel" * 1000
    started = time.monotonic()
    with bench.store.lock("key", KEY, 1) as one, bench.store.lock("tree", str(top), 1) as two:
        assert one and two, (at, bench.store.remarks)
        assert not isinstance(bench.store.put(bench.draft(), bench.made), str), at
    assert bench.taken() == b"wheel" * 1000
    assert time.monotonic() - started < 5
    assert bench.flaws() == []
    upkeep.prune(bench.store.shelf, now=time.time_ns() + 2 * 86400 * 10**9, force=True)
    assert not list(bench.cache.rglob("*.tmp"))
    shutil.rmtree(folder)
    return os.WIFSIGNALED(status)


for _ in range(repeats):
    points = 0
    while run(points):
        points += 1
print(points)
'''


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills its own copies")
@pytest.mark.parametrize(("scene", "fewest"), [("put", 30), ("hit", 30), ("clear", 30)])
def test_no_kill_at_any_point_breaks_the_store(memory_path, scene, fewest):
    """The next call succeeds at once, nothing in the store is wrong, no lock is stuck, and what was left goes."""
    command = [sys.executable, "-c", SCRIPT, os.path.join(os.path.dirname(__file__), "conftest.py"), memory_path, scene]
    done = subprocess.run([*command, os.environ.get("ABUSE", "1")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= fewest
