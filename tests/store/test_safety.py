"""Where a store may be, and where it is refused."""

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from freshwheel.base.files import cache_directory
from freshwheel.store import upkeep
from freshwheel.store.store import Draft, Refusal, Store

KEY = "ab" * 32
pytestmark = pytest.mark.skipif(os.name == "nt", reason="owners and permissions are those of POSIX")
ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")


def refused(cache):
    """Why there is no store."""
    found = Store.open(None if cache is None else str(cache))
    assert isinstance(found, Refusal), "it was opened"
    return found.reason


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "relative"}, {"FRESHWHEEL_CACHE_DIR": "relative"}])
def test_without_a_place_there_is_no_store(environ):
    """A shared folder for temporary files is no place either."""
    assert "FRESHWHEEL_CACHE_DIR" in refused(cache_directory(environ, platform="linux"))


def test_a_new_store_is_for_its_owner_alone(tmp_path):
    """With all folders above it that were missing."""
    before = os.umask(0)
    try:
        assert isinstance(Store.open(str(tmp_path / "a" / "b")), Store)
    finally:
        os.umask(before)
    for path in ("a", "a/b", "a/b/v1"):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o702, 0o720])
@pytest.mark.parametrize("place", ["cache", "cache/v1"])
def test_where_others_may_write_there_is_no_store(bench, mode, place):
    """The reason names the folder and the fix."""
    bench.put()
    (bench.folder / place).chmod(mode)
    reason = refused(bench.cache)
    assert str(bench.folder / place) in reason
    assert "chmod go-w" in reason


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o500, 0o555])
def test_where_others_may_only_read_there_is_one(bench, mode):
    """Also where nothing can be written any more."""
    bench.put()
    (bench.cache / "v1").chmod(mode)
    assert bench.taken() == b"wheel"
    assert isinstance(Store.open(str(bench.cache)), Store)
    (bench.cache / "v1").chmod(0o700)


def test_a_store_behind_a_link_is_refused(bench):
    """Whoever made the link may lead it elsewhere."""
    (bench.cache / "v1").rename(bench.folder / "elsewhere")
    (bench.cache / "v1").symlink_to(bench.folder / "elsewhere")
    assert "v1" in refused(bench.cache)
    assert os.listdir(bench.folder / "elsewhere") == []


def test_a_cache_directory_behind_a_link_is_used(bench):
    """People move it to another disk; whose it is counts."""
    bench.put()
    (bench.folder / "link").symlink_to(bench.cache)
    store = Store.open(str(bench.folder / "link"))
    assert store.find(KEY) is not None
    bench.cache.chmod(0o777)
    assert "chmod" in refused(bench.folder / "link")


@pytest.mark.parametrize("place", ["cache", "cache/v1"])
@pytest.mark.parametrize("kind", ["file", "dangling", "fifo"])
def test_what_is_no_folder_is_refused(tmp_path, place, kind):
    """And left as it is."""
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.parent.chmod(0o700)
    if kind == "file":
        path.touch()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("nothing")
    before = os.lstat(path)
    assert str(path) in refused(tmp_path / "cache")
    assert os.lstat(path) == before


@ROOT
@pytest.mark.parametrize("place", ["cache", "cache/v1"])
def test_what_others_own_is_refused(bench, place):
    """Also by root: sudo keeps HOME."""
    os.chown(bench.folder / place, 65534, 65534)
    reason = refused(bench.cache)
    assert "65534" in reason
    assert "sudo" in reason


@ROOT
def test_root_makes_nothing_in_the_home_of_a_user(tmp_path):
    """A folder of root's there would be in the user's way."""
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    assert "another user" in refused(home / ".cache" / "freshwheel")
    assert os.listdir(home) == []


def test_another_user_is_refused(bench, monkeypatch):
    """Whoever asks."""
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    assert "belongs to" in refused(bench.cache)


def test_an_impossible_place_is_refused(tmp_path):
    """Whatever the system says of it."""
    (tmp_path / "file").touch()
    for cache in (tmp_path / "file" / "cache", tmp_path / ("x" * 300), f"{tmp_path}/a\0b"):
        assert refused(cache)


@pytest.fixture
def open_folder():
    """A folder that every user can reach, unlike those for tests."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)  # noqa: S103 - others may look
    yield Path(folder)
    shutil.rmtree(folder)


@contextlib.contextmanager
def somebody():
    """Root may do anything, so it acts as another user for a while."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.parametrize("closed", ["cache", "v1", "all", "target"])
def test_a_read_only_place_is_no_failed_build(bench, open_folder, closed):
    """What is there is a hit, what is new is not stored, and no lock is held."""
    bench.put(b"known")
    with bench.store.lock("key", KEY):
        pass  # so that the library is loaded
    cache, target = open_folder / "cache", open_folder / "out" / "demo.whl"
    cache.mkdir() if closed == "cache" else shutil.copytree(bench.cache, cache)
    target.parent.mkdir()
    wheel = shutil.copy(bench.wheel(b"new"), open_folder / "demo-1.0-py3-none-any.whl")
    shutil.rmtree(cache / "v1" / "locks", ignore_errors=True)
    for folder, folders, names in os.walk(open_folder):
        for name in (*folders, *names) if os.geteuid() == 0 else ():
            os.chown(os.path.join(folder, name), 65534, 65534)
    shut = {"cache": [cache], "v1": [cache / "v1"], "all": [Path(path) for path, _, _ in os.walk(cache)]}
    for folder in shut.get(closed, [target.parent]):
        folder.chmod(0o555)
    with somebody():
        if closed == "cache":
            assert "can't make" in refused(cache)
        else:
            store = Store.open(str(cache))
            entry = store.find(KEY)
            with store.lock("key", KEY, 1) as held:
                put = store.put(Draft(key="cd" * 32, base="1"), wheel, {bytes(16): wheel})
            assert store.hand_out(entry.inner.blob, str(target)) == (closed != "target")
            assert isinstance(put, str) == (closed == "all")
            assert held == (closed == "target")
            assert bool(store.remarks)
            assert upkeep.flaws(store.shelf) == []
            assert upkeep.prune(store.shelf, now=0, force=True).reason or closed in ("all", "target")
    for folder in shut.get(closed, [target.parent]):
        folder.chmod(0o755)
