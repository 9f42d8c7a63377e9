"""The hooks of one tree under kills, edits, crowds and curious readers, each figure printed.

ABUSE scales what is random; what can be enumerated is enumerated each time.
"""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ABUSE = int(os.environ.get("ABUSE", "1"))
RIG = Path(__file__).with_name("rig.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no run can be told from another here"),
]


@pytest.fixture
def play(memory_folder, capsys):
    """Plays a scene of the rig; gives its figures, which are shown where the suite is abused."""
    numbers = itertools.count()

    def played(scene, *words):
        folder = memory_folder / f"{scene}-{next(numbers)}"
        command = [sys.executable, str(RIG), scene, str(folder), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        if ABUSE > 1:
            with capsys.disabled():
                sys.stdout.write(f"\n{scene} {words}: {done.stdout}")
        return json.loads(done.stdout)

    return played


@pytest.mark.parametrize(
    ("state", "hook", "fewest"),
    [
        pytest.param("cold", "requires", 20, marks=pytest.mark.nightly),
        pytest.param("cold", "metadata", 25, marks=pytest.mark.nightly),
        pytest.param("cold", "wheel", 70, marks=pytest.mark.nightly),
        ("stored", "requires", 20),
        pytest.param("stored", "metadata", 10, marks=pytest.mark.nightly),
        ("stored", "wheel", 10),
        ("promised", "metadata", 4),
        ("promised", "wheel", 5),
        ("replayed", "requires", 20),
        ("replayed", "metadata", 3),
        ("replayed", "wheel", 3),
    ],
)
def test_no_kill_at_any_point_breaks_a_build(play, state, hook, fewest):
    """Killed before each thing that it writes: the next call has the right wheel, soon, and the one after is a hit."""
    for _ in range(ABUSE):
        found = play("points", state, hook)
        assert found["points"] >= fewest


def test_no_kill_at_any_time_breaks_a_build(play):
    """Alone or with its inner backend, whatever is in the store: no wrong wheel, no failure, nothing is stuck."""
    kills = 250 * ABUSE if ABUSE > 1 else 60
    found = play("kills", kills, 7)
    assert found["kills"] == kills
    assert found["in time"] > found["kills"] / 3


def test_no_edit_at_any_time_makes_a_wrong_wheel(play):
    """Changed, born, gone, renamed, and edited and restored during a build: each wheel holds what it names."""
    edits = 100 * ABUSE if ABUSE > 1 else 40
    found = play("edits", edits, 7)
    assert found["edits"] == edits
    assert found["restored"] > found["edits"] / 5
    assert found["unsettled"] > found["edits"] / 10


@pytest.mark.nightly
def test_no_drift_between_two_hooks_makes_a_wrong_wheel(play):
    """Sources edited, metadata altered, gone, another's, or a link: the wheel has its own, of what was built."""
    assert play("drift", max(1, ABUSE // 4))["cases"] >= 40


def test_no_secret_is_seen_anywhere(play):
    """Not in the store, the memory, outcomes, marks, file names, arguments, answers or messages."""
    found = play("secrets", 10 * ABUSE)
    assert found["runs"] >= 50 * ABUSE
    assert found["canaries"] >= 60


def test_crowd_in_one_tree_builds_once(play):
    """Eight whole runs at once: none fails, all have the same bytes, and one of them has built."""
    rounds = 50 if ABUSE > 1 else 3
    assert play("crowd", rounds) == {"runs": 8 * rounds, "builds": rounds, "seconds": pytest.approx(0, abs=10**6)}
