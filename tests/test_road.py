"""The road of one `build_wheel`: which modules the context of the call goes through."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import freshwheel

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "development" / "architecture.md"
MOST = {"a miss": 12, "a hit": 8}

PROGRAM = """
import json, os, sys
import freshwheel
package, road = os.path.dirname(freshwheel.__file__) + os.sep, []

def follow(frame, event, _):
    code = frame.f_code
    if event == "call" and code.co_filename.startswith(package):
        given = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if any(type(frame.f_locals.get(name)).__name__ == "Context" for name in given):
            road.append(os.path.basename(code.co_filename).partition(".")[0])

sys.setprofile(follow)
freshwheel.build_wheel(sys.argv[1])
sys.setprofile(None)
print(json.dumps(list(dict.fromkeys(road))))
"""


@pytest.fixture(scope="module")
def roads(tmp_path_factory):
    """The modules that the context goes through, of a build and of a hit."""
    folder = tmp_path_factory.mktemp("road")
    tree, dist = folder / "tree", folder / "dist"
    shutil.copytree(REPOSITORY / "fixtures" / "recording-backend", tree)
    dist.mkdir()
    source = str(Path(freshwheel.__file__).parents[1])
    own = {"FRESHWHEEL_CACHE_DIR": str(folder / "cache"), "FRESHWHEEL_STORE": "on", "PYTHONPATH": source}

    def followed():
        command = [sys.executable, "-c", PROGRAM, str(dist)]
        environ = {**os.environ, **own}
        done = subprocess.run(command, cwd=tree, env=environ, check=True, capture_output=True, text=True)
        return json.loads(done.stdout), done.stderr

    miss, before = followed()
    # With another time nothing is answered from memory: that road has no context.
    (tree / "pyproject.toml").touch()
    hit, after = followed()
    assert "is from the store" in after, before + after
    return {"a miss": miss, "a hit": hit}


@pytest.mark.parametrize("name", MOST)
def test_context_goes_through_few_modules(roads, name):
    """Whoever follows one call opens no more than these."""
    assert len(roads[name]) <= MOST[name]


@pytest.mark.parametrize("name", MOST)
def test_page_names_the_road(roads, name):
    """A module that joins the road, or leaves it, does so on the page as well."""
    line = re.search(rf"^\* on {name}: (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"`(\w+)`", line[1]) == roads[name]
