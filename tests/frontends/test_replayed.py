"""A whole hit with a real inner backend, hook by hook in processes of their own."""

import dataclasses
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from freshwheel.memory import outcome
from freshwheel.sources import disk

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="no row is trusted there")]

PROGRAM = """
import json, sys
import freshwheel
made = freshwheel.prepare_metadata_for_build_wheel(sys.argv[1]), freshwheel.build_wheel(sys.argv[1])
print(json.dumps([*made, "freshwheel.build.recipes" in sys.modules]))
"""


def test_unchanged_crate_is_answered_without_the_recipes(project, uv, venv, tmp_path):
    """Then an edit is built, and the earlier wheel comes back with the earlier text."""
    tree = project("maturin-nodeps")
    if disk.slack(str(tree.path)) is None:
        pytest.skip("no row is trusted here")
    uv.install(venv, "freshwheel", "maturin")  # what comes from a path is not known by its version
    path = os.pathsep.join([str(Path(venv.python).parent), uv.environ["PATH"]])
    environ = {**uv.environ, "PATH": path, "FRESHWHEEL_CACHE_DIR": str(tmp_path / "cache")}

    def ask():
        folder = tmp_path / str(time.time_ns())
        folder.mkdir()
        command = [venv.python, "-c", PROGRAM, str(folder)]
        done = subprocess.run(
            command, check=False, cwd=tree.path, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        info, wheel, heavy = json.loads(done.stdout.splitlines()[-1])
        return info, wheel, (folder / wheel).read_bytes(), heavy

    *first, _ = ask()
    time.sleep(3)  # until the rows of what was just written are old enough
    *second, _ = ask()
    *third, heavy = ask()
    assert first == second == third
    assert not heavy
    tree.edit("src/main.rs", "one", "two")
    *edited, heavy = ask()
    assert heavy
    assert edited[1] != first[1]
    tree.edit("src/main.rs", "two", "one")
    *again, _ = ask()
    assert again == first


@pytest.mark.parametrize("name", ["pip", "uv", "build"])
def test_unchanged_lean_project_is_installed_without_the_recipes(project, frontends, venv, tmp_path, name):
    """From the third time on at the latest, when all that was written is old enough to prove something.

    What they decide is on record apart from what was answered again.
    """
    tree, cache = project("maturin-nodeps"), tmp_path / "cache"
    if disk.slack(str(tree.path)) is None:
        pytest.skip("no row is trusted here")
    tree.configure('"freshwheel", "maturin>=1.9,<2"', '"freshwheel"')
    tree.configure('backend = "maturin"', 'backend = "maturin"\nrequires = ["maturin>=1.9,<2"]')
    frontend = frontends[name]
    frontend = dataclasses.replace(frontend, environ={**frontend.environ, "FRESHWHEEL_CACHE_DIR": str(cache)})
    seen = []
    for _ in range(3):
        frontend.install(venv, tree.path)
        seen.append((venv.version(tree.name), [one.decided for one in outcome._decided(str(cache), str(tree.path))]))
        time.sleep(3)  # until the rows of what was just written are old enough
    assert len({version for version, _ in seen}) == 1
    assert seen[2] == seen[1]
    assert seen[2][1].count("built") == 1
    assert len(outcome.load(str(cache), str(tree.path))) > len(seen[2][1])
    assert os.listdir(cache / "leases") == []
