"""The interpreter that the inner backend builds for: the same one every time, with the build requirements.

Frontends make a new virtual environment for each build, and its path reaches the compilers, which then start from
nothing. The base interpreter of the environment stays where it is, but lacks the build requirements; both together are
what a build wants to see.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from freshwheel.inner import _sitecustomize


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What one process knows of the interpreter that it runs in."""

    version: str
    """The whole `sys.version`: two builds of one release are two interpreters."""
    prefix: str
    base_prefix: str
    base_executable: str | None
    home: str
    """The folder of the standard library, which an environment shares with its base."""
    path: tuple[str, ...]
    """`sys.path`."""

    @classmethod
    def here(cls) -> Facts:
        """The facts of this process."""
        return cls(
            version=sys.version,
            prefix=sys.prefix,
            base_prefix=sys.base_prefix,
            base_executable=getattr(sys, "_base_executable", None),
            home=os.path.dirname(os.__file__),
            path=tuple(sys.path),
        )

    def has_base(self) -> bool:
        """Whether this is a virtual environment with another interpreter, still there, below it."""
        return self.prefix != self.base_prefix and os.path.exists(self.base_executable or "")

    def packages(self) -> list[str]:
        """The folders that hold the packages of the environment: what `sys.path` has behind the standard library.

        What stands in front of it is on PYTHONPATH, which other processes see by themselves, or was put there by the
        program that runs, which is nobody else's business.
        """
        standard = [_sitecustomize.is_standard(entry, self.home) for entry in self.path]
        first = standard.index(True) if True in standard else 0
        behind = zip(self.path[first:], standard[first:], strict=True)
        return [entry for entry, mine in behind if not mine and os.path.isabs(entry) and os.path.exists(entry)]


def executable() -> str:
    """The path of the interpreter that the inner backend is run with."""
    return sys.executable


def importable(module: str) -> bool:
    """Whether a top-level module can be imported here; it is looked for, not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


@contextlib.contextmanager
def stable(
    environ: Mapping[str, str],
    *,
    variables: Sequence[str] | None,
    facts: Facts | None = None,
    witness: str | None = None,
    files: bool = False,
) -> Iterator[dict[str, str]]:
    """The environment of the inner backend's process, while the context lasts.

    From within a virtual environment: `variables`, which tell inner backends to hand the base interpreter to the
    compilers, are set unless they are set already; and the base interpreter has the packages of the environment in the
    place of its own. Otherwise, and if `variables` is None, a copy of `environ`.

    With the private folder `witness` every Python writes down in it what it asks its environment for, and with `files`
    also which files and programs it uses; `observe.witness` reads that.
    """
    facts = Facts.here() if facts is None else facts
    changed = dict(environ)
    lent = variables is not None and facts.has_base()
    parts = [] if witness is None else ["_witness.py", f"witness({os.path.abspath(witness)!a}, {files})"]
    if lent or parts:
        parts.append(f"main({facts.version!a}, {facts.base_prefix!a}, {facts.packages()!a})" if lent else "main()")
    with contextlib.ExitStack() as stack:
        # One half without the other is worse than none: build scripts run the interpreter that they are told of.
        if parts and (folder := _folder(stack, parts)) is not None:
            for name in variables or () if lent else ():
                changed.setdefault(name, "1")
            # An empty entry means the working directory, so there is none unless it was there before.
            changed["PYTHONPATH"] = os.pathsep.join([folder, *filter(None, [environ.get("PYTHONPATH")])])
        yield changed


def _folder(stack: contextlib.ExitStack, parts: Sequence[str]) -> str | None:
    """A private folder with a `sitecustomize.py`, removed with `stack`; None if there can't be one."""
    try:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="freshwheel-", ignore_cleanup_errors=True))
        with open(os.path.join(folder, "sitecustomize.py"), "w", encoding="ascii") as file:
            file.write(_text(parts))
    except OSError:
        return None
    # PYTHONPATH can't spell a folder whose name has the separator in it.
    return None if os.pathsep in folder else os.path.abspath(folder)


def _text(parts: Sequence[str]) -> str:
    """The text of `_sitecustomize.py`, and what follows: lines, and other files beside that."""
    import importlib.resources  # noqa: PLC0415 - for a run of the inner backend alone

    here = importlib.resources.files(__package__)
    texts = [
        here.joinpath(one).read_text("ascii") if one.endswith(".py") else one for one in ["_sitecustomize.py", *parts]
    ]
    return "\n".join([*texts, ""])
