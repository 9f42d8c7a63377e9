"""What random builds take in random ways: no wheel is ever wrong, and what has not changed is not built again.

CHANCE_SEED plays the one project of that seed, to the end. ABUSE plays so many times as many projects, and longer.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ABUSE = int(os.environ.get("ABUSE", "1"))
CHANCE_SEED = os.environ.get("CHANCE_SEED", "")
GAME = Path(__file__).with_name("game.py")
TABLES = 12
"""Projects that are played together; one of each kind, the cheap ones more often."""
FITTED = 50
"""Wheels of earlier builds that were made to fit, of one play."""
ROUNDS = 5 if ABUSE == 1 and not CHANCE_SEED else 9
SEEDS = (
    [[int(CHANCE_SEED)]]
    if CHANCE_SEED
    else [range(first, first + TABLES) for first in range(0, TABLES * ABUSE, TABLES)]
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="builds are observed on Linux alone"),
]


@pytest.mark.parametrize("seeds", SEEDS, ids=lambda seeds: f"seed{seeds[0]}")
def test_no_chance_makes_a_wrong_wheel(python, tmp_path, capsys, seeds):
    """Each wheel has what a clean build would have; at least 95 % of those that nothing has changed are hits."""
    command = [sys.executable, str(GAME), python, str(tmp_path / "game"), str(ROUNDS), *map(str, seeds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    wrong, unstored = found.pop("wrong"), found.pop("unstored")
    if ABUSE > 1:
        with capsys.disabled():
            sys.stdout.write(f"\nseeds {seeds[0]} to {seeds[-1]}: {found}\n")
    assert not wrong, "\n\n".join([str(found), *wrong])
    assert found["hits"] >= 0.95 * found["tries"], "\n\n".join([str(found), *unstored])
    assert found["fitted"] >= FITTED or CHANCE_SEED, f"few wheels were made to fit: {found}"
    assert found["shown"] > found["rounds"] / 4, f"few changes make another wheel: {found}"
