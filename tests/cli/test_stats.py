"""The verb stats: what is counted, for how long, and that counting costs and keeps little."""

import json
import os
import time

import pytest

from freshwheel.cli.main import main
from freshwheel.memory import journal

DAY = 24 * 3600


class Book:
    """A cache directory with installations on record, and a person who asks for their number."""

    def __init__(self, folder, capture):
        self.cache = str(folder)
        self.capture = capture

    def add(self, name="demo-1-py3-none-any.whl", kind="hit", days=0, took=0, saved=0):
        """One installation, so many days ago."""
        when = int(time.time()) - days * DAY
        journal.add(self.cache, (when, kind, "wheel", "0" * 32, name, "", "", took, saved))

    def __call__(self, *words):
        """Standard output of one call."""
        assert main(["stats", *words]) == 0
        out, err = (data.decode() for data in self.capture.readouterr())
        assert err == ""
        return out

    def json(self):
        """The same, parsed."""
        return json.loads(self("--json"))


@pytest.fixture
def book(tmp_path, capsysbinary, monkeypatch):
    """A cache directory in which nothing is counted yet."""
    monkeypatch.setenv("FRESHWHEEL_CACHE_DIR", str(tmp_path))
    return Book(tmp_path, capsysbinary)


def test_installations_are_counted_by_project_and_together(book):
    """Hits of both kinds, builds, and those that failed, with what they have saved and cost."""
    book.add(kind="built", took=41_000)
    book.add(kind="again", saved=41_000)
    book.add(saved=41_000, days=20)
    book.add("other_one-2-py3-none-any.whl", "failed", took=2000)
    found = book.json()
    demo = {"hits": 2, "builds": 1, "failed": 0, "saved": 82_000, "took": 41_000}
    other = {"hits": 0, "builds": 0, "failed": 1, "saved": 0, "took": 2000}
    assert found["all"]["projects"] == {"demo": demo, "other-one": other}
    assert found["all"]["total"] == {"hits": 2, "builds": 1, "failed": 1, "saved": 82_000, "took": 43_000}
    assert found["week"]["projects"]["demo"] == {**demo, "hits": 1, "saved": 41_000}
    assert time.time() - found["since"] >= 20 * DAY
    out = book()
    assert "this week: 1 hit, 1 build (50 % hits), saved 41 s, built for 43 s; 1 build failed\n" in out
    assert "  demo: 2 hits, 1 build (66 % hits), saved 82 s, built for 41 s\n" in out


def test_nothing_is_counted_yet(book):
    """Which is no error."""
    assert book().splitlines() == ["this week: 0 hits, 0 builds", "so far: 0 hits, 0 builds"]
    assert book.json()["since"] == 0


def test_a_long_journal_is_two_files(book, monkeypatch):
    """The newest lines stay, and what is left is short."""
    monkeypatch.setattr(journal, "_LARGEST", 1000)
    for days in range(40, 0, -1):
        book.add(saved=1000, days=days)
    ages = [round((time.time() - line[0]) / DAY) for line in journal.load(book.cache)]
    assert ages == list(range(1, len(ages) + 1))
    assert 10 < len(ages) < 40
    assert book.json()["all"]["total"]["hits"] == len(ages)
    assert sorted(os.listdir(book.cache)) == ["journal", "journal.old"]
    assert all(os.path.getsize(path) <= 1100 for path in journal.places(book.cache))


def test_names_can_not_break_a_line(book):
    """Whatever a project is called."""
    book.add("a b\nc-1.whl")
    assert list(book.json()["all"]["projects"]) == ["abc"]


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [(0, "0.0 s"), (4120, "4.1 s"), (41_400, "41 s"), (599_000, "599 s"), (720_000, "12 min"), (108_000_000, "30 h")],
)
def test_times_are_short(milliseconds, expected):
    """As a person would say them."""
    assert journal.span(milliseconds) == expected
