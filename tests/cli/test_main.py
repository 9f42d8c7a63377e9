"""The door: words, exit codes, pipes, interruptions, and what is loaded for it."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from freshwheel import about
from freshwheel.base import errors
from freshwheel.build import context
from freshwheel.cli import main as door
from freshwheel.cli.interface import parser
from freshwheel.cli.main import main

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text("utf-8")
HEAVY = {
    "argparse",
    "dataclasses",
    "json",
    "tomllib",
    "freshwheel.build.context",
    "freshwheel.base.config",
    "freshwheel.explain.report",
}
LOADED = "import sys; from freshwheel.cli.main import main; code = main(); print(*sys.modules, file=sys.stderr); "
LOADED += "sys.exit(code)"


def run(desk, *words, program=("-m", "freshwheel"), **options):
    """A process of its own."""
    environ = {**os.environ, "FRESHWHEEL_CACHE_DIR": str(desk.cache)}
    command = (sys.executable, *program, *map(str, words))
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, env=environ, text=True, **streams)


def options_of(one):
    """The options of a parser, with those of its verbs."""
    found = {text for action in one._actions for text in action.option_strings}
    verbs = [action.choices for action in one._actions if isinstance(action.choices, dict)]
    return found.union(*(options_of(below) for choices in verbs for below in choices.values()))


def test_the_page_names_every_verb_and_option():
    """And nothing that the parser does not have."""
    [names] = [action.choices for action in parser()._actions if isinstance(action.choices, dict)]
    titles = set(re.findall(r"^## ([a-z]+)$", PAGE, re.MULTILINE))
    assert titles == set(names)
    assert set(re.findall(r"`(--?[a-z0-9][a-z-]*)`", PAGE)) == options_of(parser())


def test_the_page_names_every_exit_code():
    """Those of the errors, and those of the door."""
    leaves = [value for value in vars(errors).values() if isinstance(value, type) and hasattr(value, "exit_code")]
    codes = {leaf.exit_code for leaf in leaves} | {0, 1, door.USAGE, door.INTERRUPTED}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)} == codes


def test_digest_alone_is_printed(desk):
    """32 hex digits and a newline, the same by either road and as a hook says."""
    desk.pyproject().files("demo/a.py")
    code, out, err = desk("digest")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"[0-9a-f]{32}\n", out)
    assert desk("digest") == (0, out, "")
    assert desk.json("digest") == (0, {"digest": out.strip()})
    assert desk.json("inputs")[1]["digest"] == out.strip()


def test_digest_follows_the_tree(desk):
    """There and back."""
    desk.pyproject().files("demo/a.py", of="one")
    one = desk("digest")
    assert desk.files("demo/a.py", of="two")("digest") != one
    assert desk.files("demo/a.py", of="one")("digest") == one


def test_json_of_digest_is_the_same_by_both_roads(desk, monkeypatch):
    """What is known already, and what must be found out, look alike."""
    desk.pyproject()
    digest = desk("digest")[1].strip()
    texts = []
    for known in (None, digest):
        monkeypatch.setattr(door.replay, "source_digest", lambda *_, known=known: known)
        texts.append(desk("digest", "--json")[1])
    assert texts[0] == texts[1]
    assert json.loads(texts[0]) == {"digest": digest}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no row is trusted on Windows")
def test_digest_of_an_unchanged_tree_loads_nothing_heavy(desk):
    """A fresh process that is asked again needs the light column alone."""
    desk.pyproject().files("demo/a.py")
    time.sleep(2.1)  # a row is trusted when it is older than what the clock of the file system may hide
    first = run(desk, "digest", desk.project)
    again = run(desk, "digest", desk.project, program=("-S", "-c", _with_path(LOADED)))
    assert again.stdout == first.stdout
    assert HEAVY & set(again.stderr.split()) == set()


def test_version_loads_nothing_heavy(desk):
    """Neither the parser nor the settings."""
    found = run(desk, "--version", program=("-S", "-c", _with_path(LOADED)))
    assert found.stdout == f"freshwheel {about.__version__}\n"
    assert HEAVY & set(found.stderr.split()) == set()


def _with_path(program):
    """A program that finds what this process finds, without what `site` loads."""
    return f"import sys; sys.path[:] = {sys.path!r}; {program}"


def test_no_verb_is_answered_with_the_help(capsys):
    """As if that was asked for."""
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("usage: freshwheel")


@pytest.mark.parametrize(("words", "meant"), [(["chek", "."], "check"), (["store", "prun"], "store prune")])
def test_a_misspelt_verb(capsys, words, meant):
    """It is answered with the one that is meant."""
    assert main(words) == 2
    assert f"did you mean `freshwheel {meant}`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["bogus"], ["digest", "--bogus"], ["digest", "a", "b"], ["store", "bogus"], ["inputs", "--js"]]
)
def test_wrong_words(capsys, words):
    """They are a usage error, not a traceback, and no abbreviation is taken."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: " in err


@pytest.mark.parametrize("verb", ["digest", "inputs", "check", "init"])
def test_a_path_that_is_no_project(desk, verb):
    """No directory, a file, a directory without pyproject, with `setup.py` or not: each is said clearly."""
    desk.pyproject()
    (desk.root / "old").mkdir()
    (desk.root / "old/setup.py").write_text("from setuptools import setup\n\nsetup()\n")
    for path, text in (
        (desk.root / "gone", "there is no such directory"),
        (desk.project / "pyproject.toml", "there is no such directory"),
        (desk.root, "there is no pyproject.toml in it; name the folder that has it"),
        (
            desk.root / "old",
            "there is no pyproject.toml in it, which names the build backend; a project that has setup",
        ),
    ):
        code, out, err = desk(verb, path=path)
        assert (code, out) == (2, "")
        assert err.startswith(f"freshwheel: error: {path}: ")
        assert text in err


def test_the_working_directory_is_the_project(desk, monkeypatch):
    """Without PATH, and with one that is relative."""
    desk.pyproject()
    expected = desk("digest")
    monkeypatch.chdir(desk.project)
    assert main(["digest"]) == 0
    assert desk.capture.readouterr()[0].decode() == expected[1]
    monkeypatch.chdir(desk.root)
    assert desk("digest", path="demo") == expected


@pytest.mark.parametrize("verb", ["digest", "inputs", "check"])
def test_settings_that_are_wrong(desk, verb):
    """Exit code 2, with all problems."""
    code, out, err = desk.pyproject('include = "x"\nlabel = "maybe"')(verb)
    assert (code, out) == (2, "")
    assert "2 problems in the configuration" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [("check",), ("uv", "--check"), ("check", "--json")])
def test_a_quiet_verb_tells_by_its_exit_code_alone(desk, words):
    """The same code as aloud, and no answer; what goes to standard error is told as ever."""
    desk.pyproject().files("demo/a.py")
    code, answer, hints = desk(*words)
    assert answer
    assert desk(*words, "-q") == (code, "", hints)
    code, answer, mistake = desk.pyproject("label = 1")(*words, "--quiet")
    assert (code, answer) == (2, "")
    assert "label" in mistake


def test_an_include_that_matches_nothing(desk):
    """It is an error of the settings, as in a build."""
    code, _, err = desk.pyproject('include = ["../gone/**"]')("check")
    assert code == 2
    assert "matches no file" in err


def test_each_error_ends_with_its_code(desk, monkeypatch):
    """A failure of any kind is rendered with its hint."""
    desk.pyproject()
    for kind in (errors.InnerError, errors.InputError, errors.WheelError, errors.FreshwheelError):

        def fail(_, kind=kind):
            raise kind("what", hint="do\x1b")

        monkeypatch.setattr(context.Context, "of", fail)
        assert desk("check") == (kind.exit_code, "", "freshwheel: error: what\n  hint: do\\x1b\n")


def test_an_interruption_ends_quietly(desk, monkeypatch):
    """Ctrl-C is no failure to be explained."""

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(context.Context, "of", interrupt)
    assert desk.pyproject()("inputs") == (130, "", "")


@pytest.mark.skipif(os.name == "nt", reason="the message of Windows is another one")
@pytest.mark.parametrize("words", [("--help",), ("--version",), ("inputs",), ("digest",)])
def test_a_reader_that_has_gone(desk, words):
    """A closed pipe ends the program quietly, and changes nothing about its code."""
    desk.pyproject().files(*(f"demo/{'name' * 30}{number}" for number in range(900)))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(desk, *words, cwd=desk.project, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is full")
def test_a_full_disk(desk):
    """It is said, and is a failure."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = run(desk.pyproject(), "inputs", desk.project, stdout=full)
    assert done.returncode == 1
    assert re.fullmatch(r"freshwheel: error: the answer can't be written: .*\n", done.stderr)


def test_a_name_that_the_terminal_cannot_show(desk, monkeypatch):
    """It is escaped, where the encoding of standard output does not have it."""
    done = run(
        desk.pyproject().files("demo/\u017e.py"), "inputs", desk.project, program=("-X", "utf8=0", "-m", "freshwheel")
    )
    assert done.returncode == 0
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = run(desk, "inputs", desk.project)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  \\u017e.py\n" in done.stdout
