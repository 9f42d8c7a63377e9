"""A project is installed, edited, installed again, and taken back: version and program follow the sources.

All of it happens in a scratch folder: a copy of a project of fixtures/, a wheel of freshwheel, an environment to
install into. `uv pip install` builds in isolation, as it would for any project.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass

import environment
from environment import REPOSITORY, SCRIPTS

OUTSIDE = ("FRESHWHEEL_", "CIBUILDWHEEL", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "CARGO_TARGET_DIR")
"""Variables, or beginnings of them, that would make this a demonstration of something else."""

SHOW = "import demo, importlib.metadata as m; print(m.version({name!r}), demo.compiled(), sep='\\n')"
INPUTS = "import freshwheel; print(*freshwheel.get_build_inputs()['files'], sep='\\n')"


class FailedError(Exception):
    """A step did not do what it should; the text says what happened instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A project of fixtures/."""

    name: str
    file: str
    """Where the text stands that the program shows."""
    language: str


RUST = Example(name="maturin-pyo3", file="src/lib.rs", language="Rust")
C = Example(name="setuptools-c", file="src/demo/text.h", language="C")


def main() -> int:
    """0 if version and program followed the sources."""
    example = RUST if shutil.which("cargo") else C
    if example is C:
        print("There is no cargo on PATH, so a C project stands in for the Rust one.\n")
    try:
        with tempfile.TemporaryDirectory(prefix="freshwheel-demo-", ignore_cleanup_errors=True) as scratch:
            Demo(example, scratch).play()
    except FailedError as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1
    return 0


class Demo:
    """One example in a scratch folder."""

    def __init__(self, example: Example, scratch: str) -> None:
        self.example = example
        self.tree = os.path.join(scratch, example.name)
        self.python = os.path.join(scratch, "venv", SCRIPTS, "python")
        self.uv = os.path.join(os.path.dirname(sys.executable), "uv")
        self.wheels = os.path.join(scratch, "wheels")
        self.environ = _environ(os.environ, self.wheels)

    def play(self) -> None:
        """Shows the three installs. Raises FailedError where one is not as promised."""
        print(f"{self.example.language} project, `uv pip install .`, isolated builds\n")
        self.prepare()
        first = self.install("1. install")
        files = self.run(sys.executable, "-c", INPUTS, cwd=self.tree).split("\n")
        print(f"   made from  {len(files)} files: {', '.join(files)}\n")
        self.edit("compiled one", "compiled two")
        second = self.install(f'2. edit {self.example.file}, "compiled one" to "compiled two", and install')
        print()
        self.edit("compiled two", "compiled one")
        third = self.install("3. take the edit back, and install")
        print()
        if (first[1], second[1], third[1]) != ("compiled one", "compiled two", "compiled one"):
            raise FailedError("the program did not follow the sources")
        if first[0] == second[0] or first[0] != third[0]:
            raise FailedError("the version did not follow the sources")
        print("Version and program followed the sources, there and back.")

    def prepare(self) -> None:
        """A copy of the project, a folder with freshwheel's wheel, and an empty environment."""
        source = os.path.join(REPOSITORY, "fixtures", self.example.name)
        shutil.copytree(source, self.tree, ignore=shutil.ignore_patterns("target", "build", "__pycache__"))
        os.mkdir(self.wheels)
        self.run(self.uv, "build", "--quiet", "--wheel", "--out-dir", self.wheels, REPOSITORY)
        [wheel] = [name for name in os.listdir(self.wheels) if name.endswith(".whl")]
        self.replace("pyproject.toml", '"freshwheel",', '"freshwheel=={}",'.format(wheel.split("-")[1]))
        self.run(self.uv, "venv", "--quiet", "--python", sys.executable, os.path.dirname(os.path.dirname(self.python)))

    def install(self, heading: str) -> tuple[str, str]:
        """The installed version, and what the program says."""
        print(heading, end="", flush=True)
        start = time.perf_counter()
        # Each run has its own wheel of freshwheel under one version, so uv must not take the last run's.
        self.run(
            self.uv, "pip", "install", "--refresh-package", "freshwheel", "--python", self.python, ".", cwd=self.tree
        )
        print(f"  ({time.perf_counter() - start:.1f} s)")
        version, says = self.run(self.python, "-c", SHOW.format(name=f"demo-{self.example.name}")).split("\n")
        print(f"   version    {version}\n   program    {says}")
        return version, says

    def edit(self, old: str, new: str) -> None:
        """Replaces the text that the program shows."""
        self.replace(self.example.file, old, new)

    def replace(self, name: str, old: str, new: str) -> None:
        """Replaces a text in a file of the project."""
        path = os.path.join(self.tree, name)
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text.replace(old, new))

    def run(self, *command: str, cwd: str | None = None) -> str:
        """The standard output of a program. Raises FailedError with all its output when it fails."""
        done = subprocess.run(
            command,
            check=False,
            cwd=cwd,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode:
            raise FailedError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()


def _environ(given: Mapping[str, str], wheels: str) -> dict[str, str]:
    """The environment of the installers: freshwheel comes from `wheels`, all else from where it always does."""
    kept = environment.environ({name: value for name, value in given.items() if not name.startswith(OUTSIDE)})
    links = ",".join(link for link in (wheels, kept.get("UV_FIND_LINKS", "")) if link)
    return {**kept, "UV_FIND_LINKS": links, "FRESHWHEEL_CACHE_DIR": os.path.join(os.path.dirname(wheels), "cache")}


if __name__ == "__main__":
    raise SystemExit(main())
