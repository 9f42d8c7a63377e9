"""The pages that people follow, followed: each command is run, and says what the page says it says.

In an empty home, and in one shell from the first command of a page to the last. Blocks with a title are files, a `diff`
with a title is an edit; in a `console`, what stands below a command is found in its output, in that order, with other
lines between where the page has `...`. Labels, digests and times are others each time; where the page has one of them
twice, so have the commands.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from uv import find_uv_bin

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="the pages are for a POSIX shell")]

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"\+s[0-9a-f]{12}|\b[0-9a-f]{32}\b")
"""What names sources: a label, a digest."""
TOOK = re.compile(r"(?:, saved )?\b\d+(?:\.\d)? (?:s|min)\b")
"""How long something took, or what it has saved, which may not be worth a word."""

UNWRAPPED = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "demo-new"
version = "1.2.3"
requires-python = ">=3.10"

[tool.setuptools]
package-dir = { "" = "src" }
packages = ["demo"]
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory, outside):
    """A folder with freshwheel's own wheel."""
    folder = tmp_path_factory.mktemp("wheels")
    command = (find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(REPOSITORY))
    subprocess.run(command, check=True, env=outside, stdin=subprocess.DEVNULL)
    return folder


@pytest.fixture
def home(tmp_path):
    """An empty home."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def environ(outside, wheels, home):
    """The environment of somebody who has just come: Python, cargo and an index, and nothing else."""
    rustup = outside.get("RUSTUP_HOME") or str(Path.home() / ".rustup")
    gone = ("CARGO_", "FRESHWHEEL", "UV_", "XDG_")
    kept = {name: value for name, value in outside.items() if not name.startswith(gone)}
    return {**kept, "HOME": str(home), "RUSTUP_HOME": rustup, "PIP_FIND_LINKS": str(wheels), "PIP_NO_INPUT": "1"}


class Shell:
    """One shell, which keeps its folder and its variables from command to command."""

    def __init__(self, folder, environ):
        self.process = subprocess.Popen(
            ("bash",),
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def run(self, command):
        """The output of a command that must succeed, line by line."""
        end = f"end of a command in {self.process.pid}"
        self.process.stdin.write(f"{command} </dev/null\necho; echo {shlex.quote(end)} $? $PWD\n")
        self.process.stdin.flush()
        lines = []
        while not (line := self.process.stdout.readline()).startswith(end):
            assert line, f"{command!r} has ended the shell:\n{''.join(lines)}"
            lines.append(line)
        code, self.folder = line.removeprefix(end).strip().split(maxsplit=1)
        output = "".join(lines)
        assert code == "0", f"{command!r} ended with {code}\n{output}"
        return output.splitlines()

    def close(self):
        """The shell is gone."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Reader:
    """Somebody who does what a page says."""

    def __init__(self, page, shell):
        self.text = (DOCS / page).read_text("utf-8")
        self.shell = shell
        self.names = {}
        """Labels and digests of the page -> those that came out."""

    def follow(self):
        """Everything was done, and came out as the page says."""
        for language, title, body in BLOCK.findall(self.text):
            if language == "console":
                for command, expected in commands(body):
                    self.compare(command, expected, self.shell.run(command))
            elif title:
                self.write(language, Path(self.shell.folder) / title, body)
        assert len(set(self.names.values())) == len(self.names), self.names

    def write(self, language, path, body):
        """A file is there, or was edited."""
        if language != "diff":
            path.write_text(body, encoding="utf-8")
            return
        old, new = ("".join(line[1:] for line in body.splitlines(keepends=True) if line[0] == sign) for sign in "-+")
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")

    def compare(self, command, expected, output):
        """Each expected line is there, behind the one before."""
        place = 0
        skips = False
        for line in expected:
            if line == "...":
                skips = True
                continue
            found = [at for at in range(place, len(output)) if self.matches(line, output[at])]
            assert found, f"{command!r} does not say {line!r}:\n" + "\n".join(output[place:])
            assert skips or found[0] == place, f"{command!r} says more than the page before {line!r}: {output[place]!r}"
            place, skips = found[0] + 1, False

    def matches(self, line, said):
        """Whether a line of the page and one of the output are the same, but for names of sources and times."""
        pattern = NAMED.sub("\0", TOOK.sub("", line))
        pattern = re.escape(pattern).replace(re.escape("\0"), f"({NAMED.pattern})")
        pattern = re.sub(r"\d{4}\\-\d\d\\-\d\d\\ \d\d:\d\d", r"\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d", pattern)
        match = re.fullmatch(pattern, TOOK.sub("", said))
        if match is None:
            return False
        there = dict(zip(NAMED.findall(line), match.groups(), strict=True))
        return all(self.names.setdefault(name, other) == other for name, other in there.items())


def commands(body):
    """The commands of a block, each with the lines below it."""
    parts = re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]
    return [(part.splitlines()[0], part.splitlines()[1:]) for part in parts]


@pytest.fixture
def shell(tmp_path, environ):
    """A shell in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    one = Shell(folder, environ)
    one.run("true")
    yield one
    one.close()


def test_the_tutorial_can_be_followed(shell, home):
    """From an empty folder to a hit, an edit, and back; and what lies in the cache then has its place on the page."""
    Reader("tutorial/first-hit.md", shell).follow()
    page = (DOCS / "reference" / "store.md").read_text("utf-8")
    cache = home / ".cache" / "freshwheel"
    if cache.is_dir():  # elsewhere than on Linux it has another place
        assert [name for name in os.listdir(cache) if not re.search(rf"^\| `{name}/?` \|", page, re.MULTILINE)] == []
        inside = os.listdir(cache / "v1")
        assert [name for name in inside if not re.search(rf"^\| `{name}[/`]", page, re.MULTILINE)] == []


def test_three_commands_adopt_a_project(shell, tmp_path):
    """A project that has never heard of freshwheel is wrapped and installed with a label; one more takes it back."""
    work = tmp_path / "work"
    unwrapped(work)
    shell.run(f"{shlex.quote(find_uv_bin())} venv --quiet --seed ../env")
    shell.run(". ../env/bin/activate")
    text = (DOCS / "how-to" / "adopt.md").read_text("utf-8")
    first, back = [
        [command for command, _ in commands(body)] for language, _, body in BLOCK.findall(text) if language == "console"
    ]
    assert len(first) == 3
    for command in first:
        shell.run(command)
    assert 'build-backend = "freshwheel"' in (work / "pyproject.toml").read_text(encoding="utf-8")
    says = "import demo, importlib.metadata as m; print(m.version('demo-new'))"
    assert re.fullmatch(r"1\.2\.3\+s[0-9a-f]{12}", shell.run(f"python -c {shlex.quote(says)}")[0])
    for command in back:
        shell.run(command)
    assert (work / "pyproject.toml").read_text(encoding="utf-8") == UNWRAPPED


def consoles(page):
    """The commands of all consoles of a page."""
    text = (REPOSITORY / page).read_text("utf-8")
    return [
        command for language, _, body in BLOCK.findall(text) if language == "console" for command, _ in commands(body)
    ]


def equipped(shell, environ, *, sudo=""):
    """The shell in an environment with pip, and with uv, the tools that it installs and a `sudo` at hand."""
    tools = Path(environ["HOME"], ".local", "bin")
    tools.mkdir(parents=True)
    (tools / "sudo").write_text(f'#!/bin/sh\n{sudo}exec "$@"\n')
    (tools / "sudo").chmod(0o755)
    shell.run(f"export PATH={shlex.quote(os.path.dirname(find_uv_bin()))}:{shlex.quote(str(tools))}:$PATH")
    shell.run("export UV_FIND_LINKS=$PIP_FIND_LINKS")
    shell.run("uv venv --quiet --seed ../env")
    shell.run(". ../env/bin/activate")
    return shell


def unwrapped(work):
    """A C project that has never heard of freshwheel."""
    shutil.copytree(REPOSITORY / "fixtures" / "setuptools-c" / "src", work / "src")
    shutil.copy(REPOSITORY / "fixtures" / "setuptools-c" / "setup.py", work)
    (work / "pyproject.toml").write_text(UNWRAPPED, encoding="utf-8")


def test_each_way_to_install_works(shell, environ, tmp_path):
    """The commands of the page work one after the other; the first shows the change that it would make."""
    unwrapped(tmp_path / "work")
    equipped(shell, environ)
    first, *others = consoles("docs/how-to/install.md")
    assert f"\n```sh\n{first}\n```\n" in (REPOSITORY / "README.md").read_text("utf-8")
    assert '+build-backend = "freshwheel"' in shell.run(first)
    for other in others:
        shell.run(other)


def test_commands_about_sudo_work(shell, environ, tmp_path):
    """They build, install, and say what is in the store; what was built with nobody looking is not there."""
    shutil.copytree(REPOSITORY / "fixtures" / "setuptools-c", tmp_path / "work", dirs_exist_ok=True)
    equipped(shell, environ, sudo='[ "$1" = python ] || exit 1\n')
    build, install, unobserved, info = consoles("docs/how-to/sudo.md")
    shell.run(build)
    shell.run(install)
    assert shell.run("python -c 'import demo; print(demo.compiled())'")[0] == "compiled one"
    before = shell.run(f"uvx --quiet {info}")
    shell.run("echo >> src/demo/text.h")
    shell.run(unobserved)
    assert shell.run(f"uvx --quiet {info}") == before


def test_a_page_that_is_wrong_is_found():
    """The reader sees a missing line, a line too many, and two labels where the page has one."""
    reader = Reader("tutorial/first-hit.md", None)
    output = ["one", "made 1.0+s0123456789ab", "made 1.0+sba9876543210"]
    reader.compare("x", ["one", "made 1.0+saaaaaaaaaaaa"], output)
    for expected in (["two"], ["made 1.0+saaaaaaaaaaaa"], ["...", "made 1.0+saaaaaaaaaaaa", "made 1.0+saaaaaaaaaaaa"]):
        with pytest.raises(AssertionError):
            reader.compare("x", expected, output)
