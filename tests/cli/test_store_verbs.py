"""The verb store: what is in it, what is wrong with it, and clearing it away."""

import argparse
import io
import json
import os
import re

import pytest

from freshwheel.cli import interface
from freshwheel.cli.main import main
from freshwheel.store.store import Draft, Store

KEYS = ("ab" * 32, "cd" * 32)
TAG = bytes(range(16))
POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")


class Shop:
    """A store with two wheels in it, and a person who looks after it."""

    def __init__(self, folder, capture):
        self.folder = folder
        self.cache = folder / "cache"
        self.capture = capture

    def fill(self):
        """Two entries, of which one has no finished wheel."""
        store = Store.open(str(self.cache))
        for number, key in enumerate(KEYS):
            inner, finished = (self.folder / f"{name}-{number}-py3-none-any.whl" for name in ("inner", "demo"))
            inner.write_bytes(b"inner" * (number + 1))
            finished.write_bytes(b"finished" * (number + 1))
            draft = Draft(key=key, base="1", milliseconds=1500, installed={"maturin": "1.9"})
            kept = {TAG: str(finished)} if number == 0 else {}
            assert not isinstance(store.put(draft, str(inner), kept), str)
        return self

    def blobs(self):
        """The files that hold wheels."""
        return sorted(path for path in (self.cache / "v1" / "blobs").rglob("*") if path.is_file())

    def age(self, days):
        """As if nothing had been used for so long."""
        for path in (self.cache / "v1").rglob("*"):
            if path.is_file():
                status = path.stat()
                os.utime(path, (status.st_atime, status.st_mtime - days * 86400))

    def __call__(self, *words):
        """Exit code, standard output and standard error of one call."""
        code = main(["store", *words])
        out, err = (data.decode() for data in self.capture.readouterr())
        return code, out, err

    def json(self, *words):
        """Exit code and parsed JSON of one call."""
        code, out, err = self(*words, "--json")
        assert err == ""
        assert out.isascii()
        return code, json.loads(out)


@pytest.fixture
def shop(tmp_path, capsysbinary, monkeypatch):
    """A cache directory that is not there yet."""
    made = Shop(tmp_path, capsysbinary)
    monkeypatch.setenv("FRESHWHEEL_CACHE_DIR", str(made.cache))
    return made


def test_info_of_an_empty_store(shop):
    """There is one, with nothing in it, and its limits are those of the docs."""
    code, found = shop.json("info")
    assert code == 0
    assert found == {
        "place": str(shop.cache / "v1"),
        "entries": 0,
        "blobs": 0,
        "bytes": 0,
        "bad": 0,
        "editables": {"trees": 0, "bytes": 0},
        "limits": {"bytes": 5 << 30, "seconds": 30 * 86400},
    }
    code, out, err = shop("info")
    assert (code, err) == (0, "")
    assert out == f"{shop.cache / 'v1'}\n0 entries, 0 blobs, 0 B\nlimits: 5.0 GiB, unused for 30 days\n"


def test_info_counts(shop):
    """Entries, blobs and bytes, as they lie there."""
    found = shop.fill().json("info")[1]
    assert (found["entries"], found["blobs"]) == (2, len(shop.blobs()))
    index = [path for path in (shop.cache / "v1" / "index").rglob("*") if path.is_file()]
    assert found["bytes"] == sum(path.stat().st_size for path in [*index, *shop.blobs()])


def test_info_of_what_was_put_away(shop):
    """It is counted, and said."""
    shop.fill()
    bad = shop.cache / "v1" / "bad"
    bad.mkdir(exist_ok=True)
    (bad / "x").write_text("x")
    assert shop.json("info")[1]["bad"] == 1
    assert "1 file put away as damaged" in shop("info")[1]


def test_list(shop):
    """Sorted by the name of the wheel: the finished one, or the inner one where there is no other."""
    assert shop("list") == (0, "no entries\n", "")
    assert shop.json("list") == (0, {"entries": []})
    found = shop.fill().json("list")[1]["entries"]
    assert all(one["built_with"] == {"maturin": "1.9"} for one in found)
    assert [(one["wheel"], one["key"], one["milliseconds"]) for one in found] == [
        ("demo-0-py3-none-any.whl", KEYS[0], 1500),
        ("inner-1-py3-none-any.whl", KEYS[1], 1500),
    ]
    one, other = shop("list")[1].splitlines()
    pattern = r"demo-0-py3-none-any.whl  [0-9.]+ (B|KiB)  used \d{4}-\d\d-\d\d \d\d:\d\d  abababababab"
    assert re.fullmatch(pattern, one)
    assert other.endswith("  cdcdcdcdcdcd")


def test_verify(shop):
    """A store in order has no flaws; a damaged wheel is one, by its path."""
    assert shop.fill()("verify") == (0, "no flaws\n", "")
    path = shop.blobs()[0]
    path.chmod(0o600)
    path.write_bytes(b"other")
    code, found = shop.json("verify")
    assert code == 1
    assert [one["path"] for one in found["flaws"]] == [path.relative_to(shop.cache / "v1").as_posix()]
    code, out, _ = shop("verify")
    assert code == 1
    assert out.endswith("1 flaw\n")


def test_prune_keeps_what_is_used(shop):
    """What was used in the last hour is never too much, and it is said that this is why nothing went."""
    code, found = shop.fill().json("prune", "--size", "10")
    assert (code, found["entries"], found["reason"], found["recent"]) == (0, 0, "", 2)
    assert shop.json("info")[1]["entries"] == 2
    assert found["over"] == shop.json("info")[1]["bytes"] - 10
    out = shop("prune", "--size", "10")[1]
    assert "kept 2 entries, used in the last hour: the store has " in out
    assert "last hour" not in shop("prune")[1]


def test_prune_by_the_limits_that_are_given(shop):
    """By age, and by size; without either, the limits are those of the store."""
    shop.fill().age(3)
    assert shop.json("prune")[1]["entries"] == 0
    assert shop.json("prune", "--age", "4d")[1]["entries"] == 0
    code, out, err = shop("prune", "--age", "2d")
    assert (code, err) == (0, "")
    assert out.startswith("removed 2 entries, ")
    shop.fill().age(3)
    assert shop.json("prune", "--size", "0")[1]["entries"] == 2


@pytest.mark.parametrize("words", [["--size", "much"], ["--age", "1x"], ["--size", "-1"], ["--age", ""]])
def test_prune_by_what_is_no_amount(shop, words):
    """It is a usage error, and nothing is removed."""
    code, out, err = shop.fill()("prune", *words)
    assert (code, out) == (2, "")
    assert "error: " in err
    assert shop.json("info")[1]["entries"] == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("7", 7), ("1K", 1 << 10), ("500M", 500 << 20), ("2g", 2 << 30), ("1.5GiB", 3 << 29), ("1 TB", 1 << 40)],
)
def test_sizes(text, expected):
    """In powers of 1024, however they are spelled."""
    assert interface.size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("90s", 90), ("1m", 60), ("12h", 43200), ("30d", 2592000), ("4W", 2419200)]
)
def test_ages(text, expected):
    """In seconds, minutes, hours, days and weeks."""
    assert interface.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "x", "1y", "--", "1e9", "nan", "inf", "1_0", "\u0661"])
def test_no_amounts(text):
    """Nothing is guessed."""
    for parse in (interface.size, interface.seconds):
        with pytest.raises(argparse.ArgumentTypeError):
            parse(text)


def test_what_was_stored_since_it_was_last_asked(shop):
    """It succeeds once for each change, so that CI saves what is new; a clearing, a use and a hit are none."""
    assert shop("changed") == (1, "0 builds stored since this was last asked\n", "")
    code, found = shop.fill().json("changed")
    assert (code, found["stored"]) == (0, 2)
    assert shop.json("changed") == (1, {"stored": 0, "key": found["key"]})
    assert shop("changed", "--key") == (1, f"{found['key']}\n", "")
    Store.open(str(shop.cache)).find(KEYS[0])
    assert shop("changed")[0] == 1
    shop.age(40)
    shop("prune")
    code, fewer = shop.json("changed")
    assert (code, fewer["key"] != found["key"]) == (1, True)
    assert shop.fill().json("changed") == (0, found)
    assert shop.json("verify")[0] == 0


def test_clear_with_yes(shop):
    """Everything goes, and it is said what."""
    code, found = shop.fill().json("clear", "--yes")
    assert (code, found["entries"], found["reason"]) == (0, 2, "")
    assert shop.json("info")[1]["blobs"] == 0
    assert shop("clear", "--yes") == (0, "removed 0 entries, 0 blobs, 0 other files: 0 B\n", "")


def test_what_is_kept_of_editables_goes_with_the_store(shop):
    """It is named as well: nobody else would find it."""
    folder = shop.cache / "inplace" / "00"
    folder.mkdir(parents=True)
    (folder / "records").write_bytes(bytes(100))
    (folder / "copy").write_bytes(bytes(1000))
    assert "kept of editables beside it, of 1 tree: 1.1 KiB" in shop("info")[1]
    assert shop.json("info")[1]["editables"] == {"trees": 1, "bytes": 1100}
    shop("clear", "--yes")
    assert not folder.exists()
    assert shop.json("info")[1]["editables"] == {"trees": 0, "bytes": 0}


@pytest.mark.parametrize("words", [["clear"], ["clear", "--json"]])
def test_clear_where_nobody_can_be_asked(shop, words):
    """Nothing is removed, and it is said how."""
    code, out, err = shop.fill()(*words)
    assert (code, out) == (2, "")
    assert "--yes" in err
    assert shop.json("info")[1]["entries"] == 2


@pytest.mark.parametrize(
    ("typed", "goes"), [("y\n", True), ("yes\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_clear_asks(shop, monkeypatch, typed, goes):
    """Only a yes is one."""
    shop.fill()
    typing = io.StringIO(typed)
    typing.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", typing)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    code, out, err = shop("clear")
    assert f"remove everything in {shop.cache / 'v1'}? [y/N] " in err
    assert (code, out.startswith("removed 2 entries")) == ((0, True) if goes else (1, False))
    assert shop.json("info")[1]["entries"] == (0 if goes else 2)


@POSIX
@pytest.mark.parametrize("words", [["info"], ["list"], ["verify"], ["prune"], ["changed"], ["clear", "--yes"]])
def test_a_refused_store(shop, words):
    """Each action prints the reason and the fix, and fails."""
    shop.fill()
    shop.cache.chmod(0o777)
    code, out, err = shop(*words)
    assert (code, err) == (1, "")
    assert "others may write in" in out
    assert "chmod go-w" in out
    assert shop.json(*words) == (1, {"reason": out.strip()})


def test_no_place_for_a_store(shop, monkeypatch):
    """It is said which variable names one."""
    monkeypatch.setenv("FRESHWHEEL_CACHE_DIR", "relative")
    code, out, _ = shop("info")
    assert code == 1
    assert "FRESHWHEEL_CACHE_DIR" in out


@pytest.mark.parametrize("words", [[], ["bogus"], ["info", "x"], ["list", "--size", "1"], ["prune", "--yes"]])
def test_wrong_words(shop, words):
    """They are a usage error."""
    code, out, err = shop(*words)
    assert (code, out) == (2, "")
    assert "error: " in err


def test_an_entry_used_in_no_calendar(shop):
    """A time that nobody can spell is shown as a number, and is no traceback."""
    shop.fill()
    [path, *_] = [path for path in (shop.cache / "v1" / "index").rglob("*") if path.is_file()]
    try:
        os.utime(path, (1 << 40, 1 << 40))
    except (OSError, OverflowError):
        pytest.skip("such times are refused here")
    assert shop("list")[0] == 0
