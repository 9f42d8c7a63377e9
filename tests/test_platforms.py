"""What differs by platform is on one page, and a report of a machine can be had."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "explanation" / "platforms.md").read_text(encoding="utf-8")
DIFFERS = re.compile(r"sys\.platform|\bos\.name\b|hasattr\(os,|startswith\(\"win")
ROWS = re.findall(r"^\| (`.*?) \|.*\| (`tests.*?) \|$", PAGE, re.MULTILINE)
"""Modules, and the tests that hold what differs in them."""


def named(column):
    """The paths that stand in a column of the table."""
    return {path for row in ROWS for path in re.findall(r"`(.*?)`", row[column])}


def test_each_module_that_asks_for_the_platform_is_on_the_page():
    """And no other one."""
    source = REPOSITORY / "src" / "freshwheel"
    asking = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if DIFFERS.search(path.read_text(encoding="utf-8"))
    }
    assert named(0) == asking


def test_the_tests_on_the_page_are_there():
    """A reader who doubts a line finds what holds it."""
    assert [path for path in sorted(named(1)) if not (REPOSITORY / path).is_file()] == []


@pytest.mark.slow
def test_a_report_says_what_happens_on_a_machine(tmp_path):
    """It has what is asked first in an issue, builds two projects twice, and does not say whose machine it is."""
    home = tmp_path / "somebody"
    home.mkdir()
    environ = {**os.environ, "HOME": str(home)}
    environ.pop("FRESHWHEEL_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, REPOSITORY / ".ci" / "platform_report.py"],
        check=False,
        capture_output=True,
        text=True,
        env=environ,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("was built: first build here") == 2
    assert done.stdout.count("is from the store: nothing that needs a build has changed") == 2
    for told in ("CPython 3.", "times of 200 changes", "observation, "):
        assert told in done.stdout
    assert str(home) not in done.stdout
