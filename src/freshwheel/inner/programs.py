"""What lies around a build: programs, looked for and asked, and all paths by rows that a later run compares."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from freshwheel.base import rows
from freshwheel.base.frame import stamp
from freshwheel.base.rows import Row

_PATIENCE = 20
"""Seconds that a program has to answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """How a program ended, and what it wrote to its standard output."""

    status: int | None
    """Its exit status; None: it could not be started, or did not end in time."""
    output: bytes = b""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """While all this holds, the components that are no inputs of the tree are what they were. Paths are absolute."""

    places: Mapping[bytes, Row] = field(default_factory=dict)
    """Programs, folders and files: the rows of what the path leads to."""
    absent: frozenset[bytes] = frozenset()
    """What was asked for and leads nowhere."""
    names: Mapping[str, bytes | None] = field(default_factory=dict)
    """Environment variable -> `stamp` of its value; None: it is not set."""
    families: tuple[str, ...] = ()
    """All variables that are set and shape the wheel, sorted: another one changes the key."""
    path: bytes = b""
    """`stamp` of the folders where programs are looked for."""
    untrusted: tuple[str, ...] = ()
    """Why all this proves nothing, in words: then everything must be asked again, every time."""


class Lookout:
    """Looks at what lies outside of the tree, and keeps what it saw: the first row of each path, and what is absent."""

    def __init__(self) -> None:
        self.places: dict[bytes, Row] = {}
        self.absent: set[bytes] = set()
        self.names: set[str] = set()
        """Variables that decided something, whether they are set or not."""
        self.untrusted: dict[str, None] = {}

    def look(self, path: str) -> Row | None:
        """The row of what the path leads to, None for nothing. A path that can't be asked for is distrusted."""
        try:
            found = rows.row(os.stat(path))
        except (FileNotFoundError, NotADirectoryError):
            self.absent.add(os.fsencode(path))
            return None
        except (OSError, ValueError) as error:
            # Without the path, which the environment may have given.
            self.distrust(f"a place can't be looked at: {getattr(error, 'strerror', None) or 'its path is none'}")
            return None
        self.places.setdefault(os.fsencode(path), found)
        return found

    def distrust(self, reason: str) -> None:
        """Nothing that was seen proves anything, for this reason."""
        self.untrusted[reason] = None

    def watch(self, environ: Mapping[str, str], families: Iterable[str], *, path: bytes, salt: bytes) -> Watch:
        """All that was seen."""
        shaping = sorted(set(families))
        return Watch(
            places=dict(self.places),
            absent=frozenset(self.absent),
            names={
                name: stamp(salt, name, environ[name]) if name in environ else None
                for name in sorted(self.names.union(shaping))
            },
            families=tuple(shaping),
            path=path,
            untrusted=tuple(self.untrusted),
        )


def run(command: Sequence[str], *, cwd: str, environ: Mapping[str, str]) -> Answer:
    """The answer of a program that has no input and 20 seconds."""
    import subprocess  # noqa: PLC0415 - most lookups start none

    try:
        done = subprocess.run(  # noqa: S603 - a tool of the build, or a command that pyproject.toml gives
            command,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return Answer(status=None, failure=f"no answer in {_PATIENCE} seconds")
    except (OSError, ValueError) as error:
        return Answer(status=None, failure=getattr(error, "strerror", None) or "it can't be started")
    return Answer(status=done.returncode, output=done.stdout)


def which(name: str, folders: Sequence[str], lookout: Lookout, *, cwd: str, environ: Mapping[str, str]) -> str | None:
    """The path of a program, None where there is none; all places that were asked for it are looked at.

    A name with a folder is a path, relative to `cwd`, as entries of PATH may be.
    """
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
