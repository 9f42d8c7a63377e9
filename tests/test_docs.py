"""The pages: what they name exists, and what they show works."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from freshwheel import config
from freshwheel.model import Project

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[1]
PAGES = sorted({*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("fixtures/*/README.md")})
README = (REPOSITORY / "README.md").read_text("utf-8")
MAKEFILE = (REPOSITORY / "Makefile").read_text("utf-8")

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(text, language):
    """The fenced blocks of one language."""
    return [body for found, body in FENCE.findall(text) if found == language]


def anchors(text):
    """What a link can name on a page, as GitHub spells it."""
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dangling(page):
    """The links of a page that lead to no file, or to no heading."""
    text = page.read_text("utf-8")
    wrong = []
    for link in LINK.findall(FENCE.sub("", text)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            wrong.append(link)
    return wrong


def project(text):
    """A project whose `pyproject.toml` holds a text."""
    return Project(tree=str(REPOSITORY), pyproject=tomllib.loads(text), sdist_version=None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_between_pages_lead_somewhere(page):
    """A relative link names a file that exists, and a heading that is there."""
    assert dangling(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    """The check of links sees a missing file and a missing heading, and leaves the web alone."""
    page = tmp_path / "page.md"
    page.write_text("# One title\n[a](gone.md) [b](#one-title) [c](page.md#two) [d](https://pypi.org)\n", "utf-8")
    assert dangling(page) == ["gone.md", "page.md#two"]


@pytest.mark.parametrize("block", blocks(README, "toml"))
def test_settings_on_the_front_page_are_accepted(block):
    """What the README tells people to write is parsed without a complaint."""
    found = config.parse(project(block), None, {}, importable=lambda _: True)
    assert found.backend == tomllib.loads(block)["tool"]["freshwheel"]["backend"]


def test_the_front_page_names_every_setting():
    """Each key of the table is on the README."""
    assert [key.name for key in config.KEYS if not re.search(rf"(?:^|`){key.name}(?:`| =)", README, re.MULTILINE)] == []


def test_the_front_page_starts_with_two_commands():
    """The first block of the README holds exactly two commands, and both are targets of the Makefile."""
    commands = [line.removeprefix("$ ") for line in blocks(README, "console")[0].splitlines()]
    assert commands == ["make demo", "make test"]
    targets = re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE)
    assert {command.removeprefix("make ") for command in commands} <= set(targets)


@pytest.mark.slow
def test_the_first_command_of_the_front_page_shows_what_it_promises():
    """The demonstration runs to its end, and says that version and program followed the sources."""
    command = (sys.executable, str(REPOSITORY / ".ci" / "demo.py"))
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("Version and program followed the sources, there and back.\n")


def test_the_front_page_is_short():
    """The README can be read in one go."""
    assert len(README.splitlines()) < 150


def test_commands_in_the_contributors_page_exist():
    """Each `make` command on the page for contributors is a target of the Makefile."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"`make (?:\w+=\S+ )?(\w+)`", text))
    assert named
    assert named <= set(re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE))
