"""The bench of the matrix: a folder with wheels, installers from PyPI, each by itself, and a cargo that counts.

All of it is made once, and stays where `MATRIX_DIR` names a folder.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BASE", "REPOSITORY", "SCRIPTS", "Bench", "Done", "FailedError", "run"]

REPOSITORY = Path(__file__).parents[3]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
BASE = getattr(sys, "_base_executable", sys.executable)
"""The interpreter that everything runs on."""
WHEELS = ("flit_core>=3.9,<4", "maturin>=1.9,<2", "pip", "setuptools", "wheel")
"""What is needed to build, and what pipx wants to have."""
FROM_OUTSIDE = (
    "CARGO",
    "CI",
    "DIST_EXTRA_CONFIG",
    "FRESHWHEEL_",
    "GITHUB_",
    "HATCH_",
    "MATURIN_",
    "NOX",
    "PDM_",
    "PIPX_",
    "PIP_FIND_LINKS",
    "POETRY_",
    "PYENV_",
    "PYO3_",
    "PYTHON",
    "RUST",
    "SOURCE_DATE_EPOCH",
    "TOX_",
    "UV_",
    "VIRTUAL_ENV",
    "XDG_",
)
"""Variables, or beginnings of them, that would make the outcome depend on who runs it."""
LONG = 600
"""Seconds. What takes longer is stuck."""


class FailedError(Exception):
    """The bench itself could not do something; the text says what."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What became of a command."""

    code: int
    text: str
    """All that it said."""


def run(command: Sequence[str], *, environ: Mapping[str, str], cwd: Path | None = None) -> Done:
    """What became of a command; it gets no input."""
    try:
        done = subprocess.run(
            command,
            check=False,
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LONG,
        )
    except subprocess.TimeoutExpired:
        return Done(code=124, text=f"not finished after {LONG} seconds")
    return Done(code=done.returncode, text=done.stdout.decode(errors="replace"))


class Bench:
    """What all cells share. Nothing is made before it is asked for."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.outside = {name: text for name, text in environ.items() if not name.startswith(FROM_OUTSIDE)}
        self.outside |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}
        self.outside |= {name: environ[name] for name in ("UV_DEFAULT_INDEX", "UV_INDEX") if name in environ}
        self._path = environ["PATH"]
        self._environ = environ
        self.index = environ.get("UV_DEFAULT_INDEX") or environ.get("PIP_INDEX_URL") or "https://pypi.org/simple/"
        self.uv = str(Path(sys.executable).parent / "uv")
        folder.mkdir(parents=True, exist_ok=True)

    def demand(self, *command: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None) -> str:
        """What a command says that must succeed. Raises FailedError."""
        done = run(command, environ=self.outside if environ is None else environ, cwd=cwd)
        if done.code:
            raise FailedError(f"{' '.join(command)} ended with {done.code}\n{done.text}")
        return done.text

    def tool(self, name: str, *requirements: str) -> Path:
        """The folder of programs of an environment of its own for one tool, from PyPI."""
        path = self.folder / "tools" / name
        stamp = path / "made-for.json"
        wanted = json.dumps([BASE, *requirements])
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
            shutil.rmtree(path, ignore_errors=True)
            self.venv(path, *requirements)
            stamp.write_text(wanted, encoding="utf-8")
        return path / SCRIPTS

    def venv(self, path: Path, *requirements: str) -> Path:
        """The interpreter of a new environment."""
        self.demand(self.uv, "venv", "--quiet", "--no-project", "--python", BASE, str(path))
        python = path / SCRIPTS / "python"
        if requirements:
            self.demand(self.uv, "pip", "install", "--quiet", "--python", str(python), *requirements, cwd=path)
        return python

    def version(self, name: str, distribution: str) -> str:
        """The version of a tool that is there."""
        code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
        return self.demand(str(self.folder / "tools" / name / SCRIPTS / "python"), "-c", code).strip()

    @functools.cached_property
    def wheelhouse(self) -> Path:
        """A folder with a wheel of freshwheel, and with all that is needed to build."""
        folder = self.folder / "wheelhouse"
        folder.mkdir(exist_ok=True)
        for old in folder.glob("freshwheel-*"):
            old.unlink()
        self.demand(self.uv, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(REPOSITORY))
        [own] = folder.glob("freshwheel-*.whl")
        pip = self.tool("pip", "pip") / "python"
        command = ("-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--find-links", str(folder))
        self.demand(str(pip), *command, "--dest", str(folder), str(own), *WHEELS)
        return folder

    @property
    def freshwheel(self) -> str:
        """The requirement by which every installer finds freshwheel."""
        [own] = self.wheelhouse.glob("freshwheel-*.whl")
        return f"freshwheel @ {own.as_uri()}"

    @functools.cached_property
    def workshop(self) -> Path:
        """An interpreter with freshwheel and maturin, to ask what is right without any installer."""
        path = self.folder / "workshop"
        shutil.rmtree(path, ignore_errors=True)
        [own] = self.wheelhouse.glob("freshwheel-*.whl")
        cli = f"freshwheel[cli] @ {own.as_uri()}"
        return self.venv(path, "--refresh-package", "freshwheel", cli, "maturin>=1.9,<2")

    def cargo(self, folder: Path) -> Path:
        """A new folder with a cargo that writes down what it is told, into `folder`/cargo.log, and a rustc."""
        path = folder / "rust"
        path.mkdir()
        for name in ("cargo", "rustc"):
            note = f'echo "$*" >> "{folder}/cargo.log"\n' if name == "cargo" else ""
            wrapper = path / name
            wrapper.write_text(f'#!/bin/sh\n{note}exec "{self._rust(name)}" "$@"\n', encoding="utf-8")
            wrapper.chmod(0o755)
        return path

    def _rust(self, name: str) -> str:
        """The program itself, which needs no home; rustup's stand-in does."""
        found = run(["rustup", "which", name], environ=self._environ) if shutil.which("rustup") else None
        program = found.text.strip() if found and not found.code else shutil.which(name, path=self._path)
        if not program:
            raise FailedError(f"there is no {name} on PATH")
        return program

    def environ(self, home: Path, *front: Path) -> dict[str, str]:
        """The environment of a person whose home is `home`; pip and uv find everything in the wheelhouse."""
        caches = self.folder / "caches"
        config = home / ".config" / "uv" / "uv.toml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(
            f'no-index = true\nfind-links = ["{self.wheelhouse.as_posix()}"]\n', encoding="utf-8", newline="\n"
        )
        usual = [one for one in self._path.split(os.pathsep) if not one.endswith("shims") and ".cargo" not in one]
        return {
            **self.outside,
            "HOME": str(home),
            "PATH": os.pathsep.join(map(str, [*front, Path(BASE).parent, *usual])),
            "PIP_CACHE_DIR": str(caches / "pip"),
            "PIP_FIND_LINKS": str(self.wheelhouse),
            "PIP_NO_INDEX": "1",
            "PDM_CACHE_DIR": str(caches / "pdm"),
            "POETRY_CACHE_DIR": str(caches / "poetry"),
            "UV_CACHE_DIR": str(caches / "uv"),
        }
