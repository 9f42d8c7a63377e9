"""Locks that save work, and going on where they can't be had."""

import errno
import os
import subprocess
import sys
import time

import pytest

from freshwheel.store import store

KEY = "ab" * 32


@pytest.mark.unlike_wine("a lock that is held is an error without a number")
def test_one_waits_for_another(bench):
    """And goes on after a while, with a remark."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(bench.cache), KEY], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "True\n"
    started = time.monotonic()
    with bench.store.lock("key", KEY, 0.2) as held:
        assert not held
    assert 0.15 < time.monotonic() - started < 20
    with bench.store.lock("key", "cd" * 32, 0.2) as held:
        assert held
    child.communicate("\n")
    with bench.store.lock("key", KEY, 5) as held:
        assert held
    assert bench.store.remarks == ["another process held the lock for 0.2 seconds"]


HOLDS = """
import sys
from freshwheel.store.store import Store
with Store.open(sys.argv[1]).lock("key", sys.argv[2]) as held:
    print(held, flush=True)
    sys.stdin.readline()
"""


def test_a_killed_process_holds_no_lock(bench):
    """However it was killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(bench.cache), KEY], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    child.stdout.readline()
    child.kill()
    child.communicate()
    with bench.store.lock("key", KEY, 5) as held:
        assert held


def test_a_child_does_not_keep_the_lock(bench):
    """A compiler daemon that was started under it may live for hours."""
    with bench.store.lock("key", KEY):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    with bench.store.lock("key", KEY, 1) as held:
        assert held
    child.communicate(b"\n")


def test_an_error_under_the_lock_releases_it(bench):
    """And is the caller's."""
    with pytest.raises(ZeroDivisionError), bench.store.lock("key", KEY):
        raise ZeroDivisionError
    with bench.store.lock("tree", str(bench.folder)), bench.store.lock("key", KEY, 0.2) as held:
        assert held


def test_lock_files_stay_and_are_few(bench):
    """To remove one would split those who wait; their names say nothing."""
    with bench.store.lock("key", KEY), bench.store.lock("tree", str(bench.folder)):
        names = os.listdir(bench.cache / "v1" / "locks")
    assert os.listdir(bench.cache / "v1" / "locks") == names
    assert [len(name.partition("-")[2]) for name in names] == [4, 4]


@pytest.mark.skipif(os.name == "nt", reason="no flock there")
@pytest.mark.parametrize("name", ["ENOLCK", "ENOSYS", "EIO", "EOPNOTSUPP", "EINTR"])
def test_without_locks_one_goes_on(bench, monkeypatch, name):
    """The reason is said once, and no marker stays that a kill would leave behind."""
    fcntl = pytest.importorskip("fcntl")

    def flock(*_):
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    monkeypatch.setattr(fcntl, "flock", flock)
    for _ in range(2):
        with bench.store.lock("key", KEY, 0.2) as held:
            assert not held
            assert not isinstance(bench.put(), str)
    assert len(bench.store.remarks) == 1
    assert "no locks" in bench.store.remarks[0]


MOUNT = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - {} server:/home rw\n"


@pytest.mark.skipif(not hasattr(os, "major"), reason="no device numbers there")
@pytest.mark.parametrize(
    ("kind", "remote"), [("nfs4", True), ("nfs", True), ("cifs", True), ("ext4", False), ("tmpfs", False)]
)
def test_a_network_file_system_is_known(tmp_path, kind, remote):
    """There, to ask for a lock may take for ever."""
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    line = MOUNT.format(kind).replace("98:0", f"{os.major(device)}:{os.minor(device)}")
    mounts.write_text("odd\n" + MOUNT.format("nfs4").replace("98:0", "9999:1") + line)
    assert store.is_remote(str(tmp_path), mounts=str(mounts)) == remote


def test_on_a_network_file_system_one_goes_on(bench, monkeypatch):
    """Without asking."""
    monkeypatch.setattr(store, "is_remote", lambda _: True)
    with bench.store.lock("tree", str(bench.folder)) as held:
        assert not held
    assert bench.store.remarks == ["locks are not used on a network file system"]
