"""The verb stats: what is counted, for how long, and that counting costs and keeps little."""

import json
import os
import time

import pytest

from freshwheel.cli.main import main
from freshwheel.memory import journal, stats

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


def test_counting_begins_anew(book):
    """What was before does not count, and stays for those who ask why."""
    book.add(days=1)
    book("--zero")
    assert book.json()["all"] == {"total": vars_of(stats.Counts()), "projects": {}}
    assert len(journal.load(journal.place(book.cache))) == 1
    book.add()
    assert book.json()["all"]["total"]["hits"] == 1


def vars_of(counts):
    """Its fields."""
    return {name: getattr(counts, name) for name in counts.__slots__}


def test_a_long_journal_is_summed_up(book, monkeypatch):
    """All counts stay, and the newest lines; what is left is short."""
    monkeypatch.setattr(stats, "_LONG", 1000)
    monkeypatch.setattr(stats, "_MOST", 10)
    for days in range(40, 0, -1):
        book.add(saved=1000, days=days)
    before = book.json()
    stats.fold(book.cache, now=time.time())
    after = book.json()
    assert (after["all"], after["since"]) == (before["all"], before["since"])
    assert after["week"] == before["week"]
    assert len(journal.load(journal.place(book.cache))) == 10
    stats.fold(book.cache, now=time.time())
    book.add(saved=1000)
    assert book.json()["all"]["total"]["hits"] == 41
    assert sorted(os.listdir(book.cache)) == ["counted", "journal"]


@pytest.mark.parametrize("data", [b"", b"{", b"FWCNT\0\0\2"])
def test_damage_costs_counts_alone(book, data):
    """Nothing else goes by them."""
    book.add()
    with open(os.path.join(book.cache, "counted"), "wb") as file:
        file.write(data)
    assert book.json()["all"]["total"]["hits"] == 1


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
