"""The workflows of the repository: sound, and each of their steps is a command that is run here, too."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
LINTER = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7"
TARGETS = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
ELSEWHERE = re.compile(r"sudo apt-get .*|python -m pip install --upgrade pip")
"""Steps that make a machine ready."""


def steps():
    """The `run:` lines of all workflows."""
    return {line for path in WORKFLOWS for line in re.findall(r"^ *- run: (.*)$", path.read_text(), re.MULTILINE)}


def targets(step):
    """The targets of make that a step asks for."""
    named = re.fullmatch(r"make ([a-z]+|\$\{\{ matrix\.target \}\})", step)
    if named is None:
        return set()
    lists = [re.search(r"target: \[(.*)\]", path.read_text()) for path in WORKFLOWS]
    many = {name for found in lists if found for name in found[1].split(", ")}
    return many if named[1].startswith("$") else {named[1]}


def test_steps_are_known():
    """A step is a target of the Makefile, or one of the commands that tests here run, or makes a machine ready."""
    known = {"bash .ci/run", "python .ci/pythons.py --own", ".venv/bin/python .ci/release.py", f"go run {LINTER}"}
    known.add("python -m pip install --group fast .")
    asked = {step: targets(step) for step in steps()}
    assert known < asked.keys()
    assert {name for names in asked.values() for name in names} <= TARGETS
    assert not [step for step, names in asked.items() if not (names or step in known or ELSEWHERE.fullmatch(step))]


def test_nothing_is_granted_that_is_not_used():
    """A workflow may read the repository; only the jobs that publish may do more, and none has a secret."""
    for path in WORKFLOWS:
        text = path.read_text()
        assert "\npermissions:\n  contents: read\n" in text
        assert "secrets." not in text
        granted = set(re.findall(r"^ +([a-z-]+): write$", text, re.MULTILINE))
        assert granted <= {"release.yml": {"id-token", "attestations"}, "docs.yml": {"id-token", "pages"}}.get(
            path.name, set()
        )


def test_one_place_says_where_the_repository_is():
    """Each link to it is one of `[project.urls]`, or begins with the source."""
    [source] = re.findall(r'^Source = "(.*)"$', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    pages = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")]
    links = {
        link
        for page in pages
        for link in re.findall(r"https://github\.com/[\w-]+/freshwheel\b[^\s)`]*", page.read_text())
    }
    assert links
    assert all(link.startswith(source) for link in links)


@pytest.mark.slow
def test_the_distributions_of_a_release(tmp_path):
    """A wheel built from the source distribution, both as an index wants them; a tag must name the version."""
    copy = tmp_path / "repository"
    shutil.copytree(REPOSITORY, copy, ignore=shutil.ignore_patterns(".git", ".venv*", "build", "dist", "__pycache__"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    command = [sys.executable, str(copy / ".ci" / "release.py")]
    done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel], [_] = (copy / "dist").glob("*.whl"), (copy / "dist").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
    tagged = {**environ, "GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v0.0.7"}
    done = subprocess.run(command, check=False, env=tagged, capture_output=True, text=True)
    assert done.returncode == 1
    assert "the tag is v0.0.7" in done.stderr


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
def test_actionlint_has_nothing_to_say():
    """Expressions, contexts, inputs of actions, shell: all are right."""
    done = subprocess.run(
        ["go", "run", LINTER, *map(str, WORKFLOWS)], check=False, cwd="/", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
