"""Programs that are only asked a question: where they lie, and what they answer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from freshwheel.inner.watch import Lookout

UNASKED = "it was not asked"
_PATIENCE = 20
"""Seconds that a program has to answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """How a program ended, and what it said."""

    status: int | None
    """Its exit status; None: it could not be started, or did not end in time."""
    output: bytes = b""
    errors: bytes = b""
    failure: str = ""
    """Why there is no status, in words."""

    @property
    def ending(self) -> str:
        """`ok`, or how it failed."""
        if self.status is None:
            return f"failed: {self.failure}"
        return f"failed: exit {self.status}" if self.status else "ok"


class Run(Protocol):
    """Runs a program."""

    def __call__(self, command: Sequence[str], *, cwd: str, environ: Mapping[str, str]) -> Answer:
        """Its answer; whatever goes wrong is one too."""


def run(command: Sequence[str], *, cwd: str, environ: Mapping[str, str]) -> Answer:
    """The answer of a program that has no input and 20 seconds."""
    import subprocess  # noqa: PLC0415 - most answers are known from earlier runs

    try:
        done = subprocess.run(  # noqa: S603 - a tool of the build, or a command that pyproject.toml gives
            command,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return Answer(status=None, failure=f"no answer in {_PATIENCE} seconds")
    except (OSError, ValueError) as error:
        return Answer(status=None, failure=getattr(error, "strerror", None) or "it can't be started")
    return Answer(status=done.returncode, output=done.stdout, errors=done.stderr)


def mute(command: Sequence[str], *, cwd: str, environ: Mapping[str, str]) -> Answer:  # noqa: ARG001 - as `run`
    """No answer, since nothing is started."""
    return Answer(status=None, failure=UNASKED)


def which(
    names: Iterable[str], folders: Sequence[str], lookout: Lookout, *, cwd: str, environ: Mapping[str, str]
) -> str | None:
    """The path of the first program that is there; what is in its way, and what is not, is looked at.

    A name with a folder is a path, relative to `cwd`, as entries of PATH may be.
    """
    for name in names:
        for folder in [""] if os.path.dirname(name) else folders:
            for ending in _endings(name, environ):
                path = os.path.normpath(os.path.join(cwd, folder, name + ending))
                if lookout.look(path) is not None and os.path.isfile(path) and os.access(path, os.X_OK):
                    return path
    return None


def _endings(name: str, environ: Mapping[str, str]) -> Sequence[str]:
    if os.name != "nt":
        return ("",)
    endings = [ending.lower() for ending in environ.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";") if ending]
    return ("",) if os.path.splitext(name)[1].lower() in endings else endings
