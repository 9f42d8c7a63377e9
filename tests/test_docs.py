"""The pages: what they name exists, and what they show works."""

import argparse
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from freshwheel.base import backends, config, errors
from freshwheel.base.model import Project
from freshwheel.cli import interface
from freshwheel.store import shelf

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[1]
PAGES = sorted({*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("fixtures/*/README.md")})
DOCS = REPOSITORY / "docs"
README = (REPOSITORY / "README.md").read_text("utf-8")
MAKEFILE = (REPOSITORY / "Makefile").read_text("utf-8")
COMMANDS = (DOCS / "reference" / "cli.md").read_text("utf-8")
HOOKS = (REPOSITORY / ".pre-commit-hooks.yaml").read_text("utf-8")

OURS = r'(?:uvx "freshwheel\[cli\]"|freshwheel)'
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)(?: [^\n]*)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


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


def loaded(path):
    """A module that lies beside the package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    assert [key for key in config.KEYS if not re.search(rf"(?:^|`){key}(?:`| =)", README, re.MULTILINE)] == []


def test_the_front_page_starts_with_two_commands():
    """The first block of the README holds exactly two commands, and both are targets of the Makefile."""
    commands = [line.removeprefix("$ ") for line in blocks(README, "console")[0].splitlines()]
    assert commands == ["make demo", "make test"]
    targets = re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE)
    assert {command.removeprefix("make ") for command in commands} <= set(targets)


def test_the_front_page_says_first_what_one_wants_to_know():
    """What it is, what it saves, how to install it, the demonstration, and then all else."""
    assert re.findall(r"^## (.*)$", README, re.MULTILINE)[:3] == ["What it saves", "Install", "Demo"]


def test_the_front_page_has_the_figures_of_the_page_about_them():
    """Both columns of its table are of one row of measurements each."""
    measured = (DOCS / "explanation" / "performance.md").read_text("utf-8").partition("## Real projects")[2]
    [alone, wrapped] = [row[1:] for row in rows(measured, "The source distributions.*")[:2]]
    for page in (README, (DOCS / "index.md").read_text("utf-8")):
        shown = [[cell.strip("* s") for cell in row] for row in rows(page, "## What it saves")]
        assert [row[1:] for row in shown] == [[alone[place], wrapped[place]] for place in (0, 1, 4, 5)]


def test_the_drawing_of_real_projects_is_that_of_their_table():
    """Each figure is a bar, and nothing else is drawn: `python benchmarks/plot.py` makes it so."""
    plot = loaded(REPOSITORY / "benchmarks" / "plot.py")
    measured = plot.projects((DOCS / "explanation" / "performance.md").read_text("utf-8"))
    text = (DOCS / "assets" / "real-projects.svg").read_text("utf-8")
    assert text == plot.drawing(measured)
    figures = [pair for _, alone, ours in measured for pair in zip(alone, ours, strict=True)]
    assert re.findall(r'class="figure">([\d.]+)<', text) == [str(value) for pair in figures for value in pair]


@pytest.mark.skipif(os.name == "nt", reason="files have no such owners there")
def test_reasons_on_the_page_about_other_users(tmp_path, monkeypatch):
    """What it lists is what the store says of folders that it does not use."""
    page = rows((DOCS / "how-to" / "sudo.md").read_text("utf-8"), "## Other users")
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    us, reasons = os.geteuid(), []
    for name, user in (("open", us + 1), ("open", us), ("file", us)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        reasons.append(shelf.at(str(tmp_path / name)))
    assert [cell.strip("` .") in reason for [cell, _], reason in zip(page, reasons, strict=True)] == [True] * 3


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


def own_table(text):
    """The table of freshwheel in a TOML text; None where it has none."""
    return tomllib.loads(text).get("tool", {}).get("freshwheel")


SNIPPETS = [
    pytest.param(block, id=f"{page.relative_to(REPOSITORY).as_posix()}-{number}")
    for page in PAGES
    if page != REPOSITORY / "README.md"
    for number, block in enumerate(blocks(page.read_text("utf-8"), "toml"))
    if own_table(block) is not None
]


@pytest.mark.parametrize("block", SNIPPETS)
def test_settings_on_other_pages_are_accepted(block):
    """So is what the other pages tell people to write, in a project with a dynamic version."""
    table = tomllib.loads(block)
    table.setdefault("project", {"name": "demo", "dynamic": ["version"]})
    project = Project(tree=str(REPOSITORY), pyproject=table, sdist_version=None)
    found = config.parse(project, None, {}, importable=lambda _: True)
    assert found.backend == table["tool"]["freshwheel"]["backend"]


def rows(text, heading):
    """The cells of the first table behind a heading, row by row, without its head."""
    part = re.split(rf"^{heading}$", text, maxsplit=1, flags=re.MULTILINE)[1]
    lines = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)[0].splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_the_page_of_settings_is_that_of_the_code():
    """Its tables have each key, each switch from outside, and nothing else."""
    text = (DOCS / "reference" / "configuration.md").read_text("utf-8")
    assert [row[0] for row in rows(text, "## Keys of the table")] == [f"`{key}`" for key in config.KEYS]
    for key in config.KEYS:
        assert f"\n### {key}\n" in text
    outside = [[f"`FRESHWHEEL_{key.upper()}`", f"`freshwheel.{key}`"] for key in config.OUTSIDE]
    outside += [[f"`{name}`", ""] for name in config.ENVIRONMENT_ONLY]
    assert [row[:2] for row in rows(text, "## Variables")] == outside


def test_the_page_of_settings_has_the_default_of_the_store():
    """For each known inner backend, and for all others, it says whether the store is on."""
    text = (DOCS / "reference" / "configuration.md").read_text("utf-8")
    said = {"on": "on", "off": "off", "extensions": "on if the project has extension modules, else off"}
    wanted = [[known.name, said[known.store]] for known in (*backends.KNOWN, backends.Backend(name="any other"))]
    table = re.search(r"^\| inner backend \|.*\n(?:^\|.*\n)+", text, re.MULTILINE)[0]
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]] == wanted


def leaves(root):
    """An error and all that are below it."""
    return [root, *(below for one in root.__subclasses__() for below in leaves(one))]


def test_the_page_of_errors_is_that_of_the_code():
    """It has each error that a person may see, with its exit code; the page of commands has each code."""
    ours = [one for one in leaves(errors.FreshwheelError) if one.__module__ == errors.__name__]
    page = rows((DOCS / "reference" / "errors.md").read_text("utf-8"), "# Errors and exit codes")
    assert {(row[0], row[1]) for row in page} == {(f"`{one.__name__}`", str(one.exit_code)) for one in ours}
    codes = {row[0] for row in rows(COMMANDS, "## Exit codes")}
    assert {str(one.exit_code) for one in ours} | {"0"} <= codes


def verbs():
    """The parser of each verb, and of each action of a verb as `verb action`."""
    found = {}
    for name, one in subparsers(interface.parser()).items():
        found.update({f"{name} {action}": below for action, below in subparsers(one).items()} or {name: one})
    return found


def subparsers(parser):
    """The parsers below a parser, by name."""
    found = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found[0]) if found else {}


@pytest.mark.parametrize("verb", sorted(subparsers(interface.parser())))
def test_each_verb_has_its_part_of_the_page(verb):
    """The page of commands has a heading for each verb, and a row for each action."""
    assert re.search(rf"^## {verb}$", COMMANDS, re.MULTILINE)
    part = re.split(r"^## ", COMMANDS.split(f"\n## {verb}\n", 1)[1], flags=re.MULTILINE)[0]
    for action in subparsers(subparsers(interface.parser())[verb]):
        assert f"| `{action}` |" in part


def options():
    """Each option with the verb that it is of, without those that all have."""
    return [
        (verb, list(action.option_strings))
        for verb, parser in sorted(verbs().items())
        for action in parser._actions
        if action.option_strings and not {"--help", "--json"}.intersection(action.option_strings)
    ]


@pytest.mark.parametrize(("verb", "names"), options(), ids=lambda value: value if isinstance(value, str) else value[0])
def test_each_option_is_on_the_page(verb, names):
    """The table of options has each, with its verb."""
    spelled = ", ".join(f"`{name}`" for name in names)
    page = rows(COMMANDS, "# The command line")
    assert [row for row in page if row[0] == spelled and f"`{verb}`" in row[1].split(", ")]


def test_no_option_is_on_the_page_that_is_none():
    """What the table of options names can be written."""
    known = {(name, verb) for verb, names in options() for name in names}
    for row in rows(COMMANDS, "# The command line"):
        for name in re.findall(r"`(-[^`]*)`", row[0]):
            for verb in re.findall(r"`([^`]*)`", row[1]):
                assert verb in ("freshwheel", "store") or (name, verb) in known


def commands():
    """What the pages show of the command line, each once: from blocks, from recipes for CI, from running text.

    A verb that is only named, in running text, stands for itself.
    """
    found = set()
    for page in PAGES:
        text = page.read_text("utf-8")
        found.update(re.findall(rf"^\s*(?:\$ |- run: |- )(?:[A-Z_]+=\S+ )*{OURS} (.*)$", text, re.MULTILINE))
        found.update(re.findall(rf"`(?:[A-Z_]+=\S+ )*{OURS} ([a-z][^`]*)`", text))
    found.update(re.findall(r"^ *entry: freshwheel (.*)$", HOOKS, re.MULTILINE))
    return sorted(found)


@pytest.mark.parametrize("command", commands())
def test_commands_on_the_pages_can_be_written(command):
    """The command line understands each."""
    if command in subparsers(interface.parser()):
        return
    try:
        interface.parser().parse_args(shlex.split(command))
    except SystemExit as stop:
        if stop.code:
            pytest.fail(f"`freshwheel {command}` is not understood")


def test_each_page_is_in_the_menu():
    """The menu of the site has every page once, and nothing else but what is added from elsewhere."""
    menu = re.findall(r"^ +- (\S+\.md)$", (REPOSITORY / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.glob("**/*.md")]
    added = [place for place in site().SHOWN.values() if place.endswith(".md")]
    assert sorted(menu) == sorted([*pages, *added])


def test_the_site_can_be_searched_where_it_is_read_as_files():
    """The theme is told to make it so, and what it would load from elsewhere for that is here."""
    text = (REPOSITORY / "mkdocs.yml").read_text("utf-8")
    assert re.search(r"^  - offline\b", text, re.MULTILINE)
    [script] = re.findall(r"^    - (\S*iframe-worker\S*)", text, re.MULTILINE)
    assert "Permission is hereby granted" in (DOCS / script).read_text("utf-8")


def site():
    """The module that adds pages to the site."""
    return loaded(REPOSITORY / ".ci" / "pages.py")


@pytest.mark.parametrize(
    ("place", "link", "moved"),
    [
        ("reference/digest.md", "../../fixtures/digest-vectors/vectors.json", "vectors.json"),
        ("development/contributing.md", "docs/development/architecture.md", "architecture.md"),
        ("development/contributing.md", "CHANGELOG.md", "changelog.md"),
        ("index.md", "reference/cli.md#uv", "reference/cli.md#uv"),
        ("how-to/ci.md", "https://pypi.org/a#b", "https://pypi.org/a#b"),
        ("how-to/ci.md", "#releases", "#releases"),
    ],
)
def test_links_lead_to_the_same_place_on_the_site(place, link, moved):
    """What is elsewhere in the repository is found where the site has it; all else stays."""
    assert site().moved(f"see [it]({link}), and", place) == f"see [it]({moved}), and"


def test_hooks_of_pre_commit_are_on_the_page():
    """Each hook that the repository offers is named where people look for it."""
    page = (DOCS / "how-to" / "ci.md").read_text("utf-8")
    ids = re.findall(r"^- id: (\S+)$", HOOKS, re.MULTILINE)
    assert ids == ["freshwheel-uv-keys", "freshwheel-check"]
    assert [name for name in ids if f"- id: {name}\n" not in page] == []
