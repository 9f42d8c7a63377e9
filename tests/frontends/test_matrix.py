"""The matrix of installers: each does in each situation what was written down before, or was explained since."""

import os
import shutil
from pathlib import Path

import pytest

from .matrix import expectations, situations
from .matrix.bench import Bench
from .matrix.expectations import Expected
from .matrix.page import page
from .matrix.results import Results
from .matrix.site import Seen
from .matrix.situations import INSTALLERS, SITUATIONS, Happened, happened, judged

EXPECTED = expectations.expected()
OTHERWISE = expectations.unexpected()
SMALL = [("uv", one) for one in ("first", "unchanged", ".py edit", ".rs edit", "delete", "constraint")]
SMALL += [("pip", "unchanged"), ("pip", ".rs edit")]
APPLIES = [cell for cell, one in EXPECTED.items() if one.verdict != "none" or cell in OTHERWISE]
NEEDS = pytest.mark.skipif(shutil.which("cargo") is None or os.name == "nt", reason="needs cargo, and a shell for it")

SAYS = "hash; Cannot import 'freshwheel'; Permission denied"
"""All that a refusal is expected to say."""
TREE = ("1.2.3+sa", "one")
EDITED = ("1.2.3+sb", "two")


def seen(version="1.2.3+sa", says="one", builds=0, code=0):
    """What there is after a step."""
    return Seen(code=code, text="", version=version, says=says, builds=builds)


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """The installers, and what they find; they stay where `MATRIX_DIR` says."""
    kept = os.environ.get("MATRIX_DIR")
    return Bench(Path(kept) if kept else tmp_path_factory.mktemp("matrix"), os.environ)


def check(bench, cell):
    """Runs a cell, and holds it against what is known."""
    title, situation = cell
    found = happened(bench, INSTALLERS[title], SITUATIONS[situation])
    wanted = OTHERWISE.get(cell, EXPECTED[cell])
    against = expectations.disagreement(wanted, found)
    assert not against, f"{title}, {situation}: {against}\n{wanted.why}\n{found.text}"


@NEEDS
@pytest.mark.slow
@pytest.mark.parametrize("cell", SMALL, ids=" ".join)
def test_newest_installers_do_what_is_expected(bench, cell):
    """Pip and uv follow each edit, and an unchanged project is not built again."""
    check(bench, cell)


@NEEDS
@pytest.mark.trial
@pytest.mark.parametrize("cell", [cell for cell in APPLIES if cell not in SMALL], ids=" ".join)
def test_every_installer_does_what_is_expected(bench, cell):
    """What happens is what was written down, or what was explained since."""
    check(bench, cell)


def test_something_is_expected_of_every_cell():
    """Each installer in each situation, once, with a reason."""
    assert set(EXPECTED) == {(title, one) for title in INSTALLERS for one in SITUATIONS}
    assert set(SMALL) <= set(EXPECTED)
    assert {one.verdict for one in EXPECTED.values()} <= set(expectations.VERDICTS)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('installers = ["pip"]\nsituations = ["frist"]\nis = "hit"\nwhy = "w"', "no such cell"),
        ('installers = ["pip", "pip"]\nsituations = ["first"]\nis = "hit"\nwhy = "w"', "twice"),
        ('installers = ["pip"]\nsituations = ["first"]\nis = "hit"\nwhy = ""', "a why always"),
        ('installers = ["pip"]\nsituations = ["first"]\nis = "stale"\nwhy = "w"', "an ask for stale"),
        ('installers = ["pip"]\nsituations = ["first"]\nis = "error"\nwhy = "w"', "a text for error"),
    ],
)
def test_expectation_that_makes_no_sense_is_refused(table, said):
    """A slip in the file is found before anything is run."""
    with pytest.raises(ValueError, match=said):
        expectations.read(f"[[cells]]\n{table}\n")


@pytest.mark.parametrize(
    ("before", "after", "now", "verdict"),
    [
        (None, seen(builds=1), TREE, "built"),
        (None, seen(builds=2), TREE, "redundant"),
        (None, seen(builds=0), TREE, "redundant"),
        (None, seen(version="1.2.3", builds=1), TREE, "wrong"),
        (seen(), seen(), TREE, "hit"),
        (seen(), seen(builds=1), TREE, "redundant"),
        (seen(), seen("1.2.3+sb", "two", builds=1), EDITED, "follows"),
        (seen(), seen("1.2.3+sb", "two", builds=2), EDITED, "redundant"),
        (seen(), seen(), EDITED, "stale"),
        (seen(), seen(says="two"), EDITED, "half"),
        (seen(), seen("1.2.3+sb", "one", builds=1), EDITED, "wrong"),
        (seen(), seen(code=1), EDITED, "error"),
    ],
)
def test_verdict_follows_from_what_is_installed(before, after, now, verdict):
    """Version, behaviour, inner builds and exit code decide, and nothing that an installer says."""
    assert judged(before, after, TREE, now) == verdict


@pytest.mark.parametrize(
    ("wanted", "found", "against"),
    [
        (Expected(verdict="hit", why="w"), Happened(verdict="hit"), ""),
        (Expected(verdict="hit", why="w"), Happened(verdict="stale"), "stale instead of hit"),
        (Expected(verdict="stale", why="w", ask="a"), Happened(verdict="stale", asked="follows"), ""),
        (Expected(verdict="stale", why="w", ask="a"), Happened(verdict="stale", asked="stale"), "made to ask"),
        (Expected(verdict="error", why="w", text="no"), Happened(verdict="error", text="oh no"), ""),
        (Expected(verdict="error", why="w", text="no"), Happened(verdict="error", text="oh"), "does not say no"),
    ],
)
def test_cell_agrees_in_all_that_is_expected(wanted, found, against):
    """The word, what happens when the installer is made to ask, and what it says."""
    said = expectations.disagreement(wanted, found)
    assert against in said
    assert bool(said) == bool(against)


def test_page_has_every_cell_and_a_note_for_what_is_not_plain():
    """Nothing on the page but the cells, their reasons and the versions: the same each time."""
    as_expected = {
        cell: Happened(verdict=one.verdict, asked="follows" if one.ask else "", text=SAYS)
        for cell, one in EXPECTED.items()
    }
    versions = dict.fromkeys(INSTALLERS, "1.0")
    choices = expectations.choices()
    text = page(EXPECTED, {}, choices, as_expected, versions)
    assert text == page(EXPECTED, {}, choices, dict(reversed(as_expected.items())), versions)
    assert text.count("not tried (") == len(choices)
    assert "not run" not in text
    assert ". An environment that exists" in text
    assert ". uv pip sync takes" in text
    assert "Not explained" not in text
    one = ("pip", "unchanged")
    assert "**built again** (1)" in page(
        EXPECTED, {}, {}, {**as_expected, one: Happened(verdict="redundant")}, versions
    )
    explained = {one: Expected(verdict="redundant", why="because", version="9")}
    text = page(EXPECTED, explained, {}, {**as_expected, one: Happened(verdict="redundant")}, versions)
    assert "Because. Not as expected (hit); seen with 9." in text


def test_results_are_kept_for_as_long_as_the_installer_is_the_same(tmp_path):
    """The matrix can be run installer by installer, and no page shows what another version did."""
    cell, other = ("pip", "first"), ("uv", "first")
    results = Results(tmp_path)
    results.begin({"pip": "26.3", "uv": "0.13.9"})
    results.add(cell, Happened(verdict="built", text="much " * 10_000))
    results.add(other, Happened(verdict="stale", asked="follows"))
    again = Results(tmp_path)
    assert again.seen == results.seen
    assert again.versions == {"pip": "26.3", "uv": "0.13.9"}
    again.begin({"pip": "27.0"})
    assert list(again.seen) == [other]


def test_installer_that_is_not_known_is_named():
    """A slip on the command line does not run nothing."""
    with pytest.raises(situations.FailedError, match="no such installer: pipp"):
        situations.chosen(["pipp"])
