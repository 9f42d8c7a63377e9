"""The scratch folder of the trial: what is installed with, and what can be had there."""

from __future__ import annotations

import glob
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["FailedError", "Workshop", "replace"]

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
OUTSIDE = (
    *("FRESHWHEEL_", "CIBUILDWHEEL", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "CARGO_TARGET_DIR"),
    *("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"),
)
"""Variables, or beginnings of them, that would change what is measured."""


class FailedError(Exception):
    """A check or a command failed; the text says which."""


class Workshop:
    """The scratch folder, with a wheel of freshwheel in it, and the programs that work there."""

    def __init__(self, scratch: str) -> None:
        self.scratch = scratch
        self.uv = os.path.join(os.path.dirname(sys.executable), "uv")
        self.environ = {**_environ(os.environ), "FRESHWHEEL_CACHE_DIR": os.path.join(scratch, "cache")}
        wheels = self.folder("wheels")
        self.run(self.uv, "build", "--quiet", "--wheel", "--out-dir", wheels, REPOSITORY)
        [wheel] = [name for name in os.listdir(wheels) if name.endswith(".whl")]
        self.freshwheel = "freshwheel=={}".format(wheel.split("-")[1])
        self.python = self.venv("tools")
        path = os.path.join(wheels, wheel)
        # The wheel that is tried may have the version of the one before.
        refreshed = ("--refresh-package", "freshwheel")
        self.run(self.uv, "pip", "install", "--quiet", "--python", self.python, *refreshed, "pip", path)
        self.download(wheels, path)
        self.alone = self.only(wheels)
        """Variables with which nothing can be installed but freshwheel and what it needs."""
        self.environ |= _find_links(self.environ, wheels)

    def folder(self, name: str) -> str:
        """The path of a new folder."""
        path = os.path.join(self.scratch, name)
        os.mkdir(path)
        return path

    def download(self, folder: str, *requirements: str) -> None:
        """Fills a folder with the wheels of some requirements and of all that they need."""
        command = (self.python, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", folder)
        self.run(*command, *requirements)

    def venv(self, name: str, *requirements: str) -> str:
        """The interpreter of a new environment, with the requirements in it."""
        path = os.path.join(self.scratch, name)
        self.run(self.uv, "venv", "--quiet", "--python", sys.executable, path)
        python = os.path.join(path, SCRIPTS, "python")
        if requirements:
            self.run(self.uv, "pip", "install", "--quiet", "--python", python, *requirements)
        return python

    def tools(self) -> str:
        """The versions of what is measured with."""
        pip = self.run(self.python, "-m", "pip", "--version").split(" from ")[0]
        return f"{self.run(self.uv, '--version')}, {pip}, {self.run('cargo', '--version')}"

    def require(self, libraries: Iterable[str]) -> None:
        """Raises FailedError where pkg-config does not know of a library."""
        for library in libraries:
            known = shutil.which("pkg-config") and subprocess.run(["pkg-config", "--exists", library], check=False)
            if not known or known.returncode:
                raise FailedError(
                    f"pkg-config and the headers of {library} are needed; name other projects, or see --help"
                )

    def only(self, wheels: str) -> dict[str, str]:
        """Variables with which isolated builds find what is in a folder, and nothing else."""
        settings = os.path.join(wheels, "uv.toml")
        with open(settings, "w", encoding="utf-8") as file:
            # No variable says so to uv.
            file.write(f"no-index = true\nfind-links = [{json.dumps(wheels)}]\n")
        return {**_find_links({}, wheels), "PIP_NO_INDEX": "1", "UV_CONFIG_FILE": settings}

    def forget(self) -> None:
        """From now on freshwheel remembers nothing of what was built."""
        self.environ["FRESHWHEEL_CACHE_DIR"] = tempfile.mkdtemp(prefix="cache-", dir=self.scratch)

    def ask(self, verb: str, tree: str) -> str:
        """The JSON that a verb of freshwheel prints about a tree; whatever is wrong with that is in there."""
        return self.run(self.python, "-m", "freshwheel", verb, "--json", tree, codes=(0, 1))

    def installer(self, name: str, python: str) -> list[str]:
        """The command by which uv or pip install a tree, whose path follows, without its dependencies."""
        if name == "uv":
            return [self.uv, "pip", "install", "--quiet", "--python", python, "--no-deps"]
        return [self.python, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]

    def run(
        self,
        *command: str,
        cwd: str | None = None,
        codes: Sequence[int] = (0,),
        more: Mapping[str, str] | None = None,
    ) -> str:
        """The standard output of a program, with `more` variables. Raises FailedError with all its output."""
        done = subprocess.run(
            command,
            check=False,
            cwd=cwd,
            env={**self.environ, **(more or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode not in codes:
            raise FailedError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def checkout(self, name: str, version: str, folder: str) -> str:
        """The tree of a source distribution as a checkout has it: without PKG-INFO, which would make it a release."""
        above, stem = os.path.join(self.scratch, folder), f"{name}-{version}"
        archive = os.path.join(self.scratch, f"{stem}.tar.gz")
        if not os.path.exists(archive):
            command = (self.python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name)
            self.run(*command, "--dest", self.scratch, f"{name}=={version}")
        with tarfile.open(archive) as sdist:
            if hasattr(tarfile, "data_filter"):
                sdist.extractall(above, filter="data")
            else:
                sdist.extractall(above)  # noqa: S202 - Pythons before the filter; the archive is a known one
        tree = os.path.join(above, stem)
        os.unlink(os.path.join(tree, "PKG-INFO"))
        for egg_info in glob.glob(os.path.join(glob.escape(tree), "**", "*.egg-info"), recursive=True):
            shutil.rmtree(egg_info)
        return tree

    def track(self, tree: str) -> None:
        """Makes a checkout a repository of git, whose index has all that is there: some backends ask it."""
        self.run("git", "init", "--quiet", tree)
        self.run("git", "-C", tree, "-c", "core.autocrlf=false", "add", "--all", "--force")


def replace(path: str, edits: Iterable[tuple[str, str]]) -> None:
    """Replaces texts that must be there, once each. Raises FailedError where one is not."""
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    for old, new in edits:
        if text.count(old) != 1:
            raise FailedError(f"{path} has {text.count(old)} times: {old}")
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def _environ(given: Mapping[str, str]) -> dict[str, str]:
    # Bytecode is written, as on most machines: pip and the backends start faster with it.
    without = (*OUTSIDE, "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in given.items() if not name.startswith(without)}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_PYTHON_DOWNLOADS": "never"}


def _find_links(environ: Mapping[str, str], wheels: str) -> dict[str, str]:
    """Variables that let isolated builds find what is in a folder, too."""
    # pip's links are apart by spaces, which a path may have in it and a URL has not.
    pip = " ".join(link for link in (pathlib.Path(wheels).as_uri(), environ.get("PIP_FIND_LINKS", "")) if link)
    uv = ",".join(link for link in (wheels, environ.get("UV_FIND_LINKS", "")) if link)
    return {"PIP_FIND_LINKS": pip, "UV_FIND_LINKS": uv}
