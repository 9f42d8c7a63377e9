"""What lies in the store and is not what was put there."""

import os
import random
import socket

import pytest

KEY = "ab" * 32
OTHER = "cd" * 32
TIMES = 250 * int(os.environ.get("ABUSE", "1"))
"""How many entries, and as many blobs, are damaged."""


def damaged(chance, data, other):
    """Bytes that are not `data`: as a disk, a crash or a person may leave them."""
    kind = chance.randrange(9)
    place = chance.randrange(len(data))
    if kind == 0:
        found = b""
    elif kind == 1:
        found = data[:place]
    elif kind == 2:
        found = data + chance.randbytes(chance.randrange(1, 99))
    elif kind == 3:
        found = bytes(len(data))
    elif kind == 4:
        found = other
    elif kind == 5:
        found = data[: len(data) // 2] + bytes(len(data) - len(data) // 2)
    elif kind == 6:
        found = data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]
    elif kind == 7:
        end = min(len(data), place + chance.randrange(1, 64))
        found = data[:place] + chance.randbytes(end - place) + data[end:]
    else:
        found = data[place:] + data[:place]
    return found if found != data else damaged(chance, data, other)


def written(path, data):
    """A file that is read-only holds this now."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def test_no_damaged_entry_is_believed(bench):
    """It is a miss, it is put away, and the next build writes it anew."""
    chance = random.Random(1)  # noqa: S311 - it only has to be odd
    bench.put(b"wheel")
    bench.put(b"other", key=OTHER)
    whole = bench.index.read_bytes()
    other = (bench.index.parents[1] / OTHER[:2] / OTHER).read_bytes()
    for _ in range(TIMES):
        written(bench.index, damaged(chance, whole, other))
        assert bench.flaws() != []
        assert bench.store.find(KEY) is None
        assert not bench.index.exists()
        written(bench.index, whole)
    assert len(bench.lying("bad")) == TIMES
    assert (bench.taken(), bench.flaws()) == (b"wheel", [])


def test_no_damaged_blob_is_handed_out(bench):
    """Not even for a moment: a target that was there stays as it was."""
    chance = random.Random(2)  # noqa: S311 - as above
    data = chance.randbytes(3000)
    entry = bench.put(data)
    blob = bench.blob(data)
    bench.target.write_bytes(b"earlier")
    for _ in range(TIMES):
        written(blob, damaged(chance, data, b"other"))
        assert bench.flaws() != []
        assert not bench.store.hand_out(entry.inner.blob, str(bench.target))
        assert not blob.exists()
        assert os.listdir(bench.target.parent) == [bench.target.name]
        assert bench.target.read_bytes() == b"earlier"
        written(blob, data)
    assert (bench.taken(), bench.flaws()) == (data, [])


def test_a_damaged_blob_is_mended_by_the_next_build(bench):
    """Also if nobody has tried to hand it out before."""
    bench.put(b"wheel")
    written(bench.blob(b"wheel"), b"whale")
    assert not isinstance(bench.put(b"wheel"), str)
    assert (bench.taken(), bench.flaws()) == (b"wheel", [])


def test_an_entry_of_another_key_is_not_believed(bench):
    """Two that were swapped are both misses."""
    bench.put(b"wheel")
    bench.put(b"other", key=OTHER)
    other = bench.index.parents[1] / OTHER[:2] / OTHER
    one, two = bench.index.read_bytes(), other.read_bytes()
    written(bench.index, two)
    written(other, one)
    assert (bench.store.find(KEY), bench.store.find(OTHER)) == (None, None)


@pytest.mark.skipif(os.name == "nt", reason="no such files there")
@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "fifo", "socket", "loop"])
@pytest.mark.parametrize("part", ["entry", "blob"])
def test_what_is_no_file_is_not_followed(bench, kind, part):
    """A link, even to the right bytes, a pipe that would block for ever: a miss, and the next build mends it."""
    bench.put(b"wheel")
    path = bench.index if part == "entry" else bench.blob(b"wheel")
    path.rename(bench.folder / "moved")
    if kind in ("link", "dangling", "loop"):
        path.symlink_to({"link": bench.folder / "moved", "dangling": "nothing", "loop": path.name}[kind])
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        here = os.getcwd()
        os.chdir(path.parent)  # the path of a socket must be short
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
        os.chdir(here)
    assert bench.taken() is None
    assert not isinstance(bench.put(b"wheel"), str)
    assert (bench.taken(), bench.flaws()) == (b"wheel", [])


@pytest.mark.skipif(os.name == "nt", reason="no such permissions there")
@pytest.mark.parametrize("part", ["entry", "blob"])
def test_what_others_could_write_is_not_believed(bench, part):
    """Whatever its digest is: a person can make bytes that have it."""
    bench.put(b"wheel")
    (bench.index if part == "entry" else bench.blob(b"wheel")).chmod(0o666)
    assert bench.taken() is None
    assert not isinstance(bench.put(b"wheel"), str)
    assert bench.taken() == b"wheel"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("part", ["entry", "blob"])
def test_what_others_own_is_not_believed(bench, part):
    """They could have written anything."""
    bench.put(b"wheel")
    os.chown(bench.index if part == "entry" else bench.blob(b"wheel"), 65534, 65534)
    assert bench.taken() is None


def test_an_entry_that_was_gone_for_a_moment_is_no_flaw(bench, monkeypatch):
    """Somebody has cleared it away, and somebody else has stored the same again."""
    bench.put()

    def gone(*_):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("freshwheel.store.shelf.records.read", gone)
    assert bench.index.exists()
    assert bench.flaws() == []
