"""The recipe of `status`: what is installed from a folder of this machine, held against that folder.

Values in, values out: nothing is printed, and no inner backend is needed. What is right is told from what is
remembered alone, so the recipes are loaded where more must be looked at.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from freshwheel.base import files
from freshwheel.base import toml_access as tables
from freshwheel.base.errors import FreshwheelError, few
from freshwheel.memory import installs, memory, outcome
from freshwheel.memory.installs import Digests, Install
from freshwheel.sources import project

State: TypeAlias = Literal["current", "stale", "unknown", "skipped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """How one installed distribution stands to the folder that it was installed from."""

    name: str
    version: str
    tree: str
    """Nothing where it came from elsewhere."""
    editable: bool
    state: State
    why: str
    mend: str
    """What mends it, a command if there is one; nothing where there is no need."""
    digest: str
    """The source digest of its mark."""
    tree_digest: str = ""
    """That of the tree now."""

    @property
    def wrong(self) -> bool:
        """Whether somebody has to do something."""
        return self.state in ("stale", "unknown")


def statuses(
    path: Sequence[str], environ: Mapping[str, str], *, suffix: str, names: Sequence[str] = (), python: str = ""
) -> list[Status]:
    """All that was installed from a folder into the environment whose modules are looked for in `path`, by name.

    `suffix` ends extension modules of its Python, which is `python`; nothing: the active one. With `names` only these,
    and whatever came from elsewhere too.
    """
    wanted = {installs.normal(name) for name in names}
    known = sorted(installs.listed(path), key=lambda install: installs.normal(install.name))
    return [
        status(install, environ, suffix, python)
        for install in known
        if not wanted or installs.normal(install.name) in wanted
    ]


def status(install: Install, environ: Mapping[str, str], suffix: str, python: str = "") -> Status:
    """How one stands; `suffix` and `python` as above."""
    if install.origin != "folder":
        return _said(install, "skipped", "it did not come from a folder of this machine")
    pyproject = _pyproject(install.tree)
    if install.mark is None and tables.text(pyproject, "build-system.build-backend") != "freshwheel":
        return _said(install, "skipped", "its project does not use freshwheel; `freshwheel init` there switches it")
    if not os.path.isfile(os.path.join(install.tree, "pyproject.toml")):
        gone = "there is no project any more" if os.path.isdir(install.tree) else "the folder is gone"
        return _said(install, "stale", gone, f"install it from where it is now, or uninstall {install.name}")
    if install.mark is None:
        return _said(install, "stale", "it was built without freshwheel", _mend(install, python))
    name = tables.text(pyproject, "project.name") or install.name
    if installs.normal(name) != installs.normal(install.name):
        return _said(install, "unknown", f"the folder has another project now: {name}", f"uninstall {install.name}")
    return _held(install, environ, suffix, python)


def _held(install: Install, environ: Mapping[str, str], suffix: str, python: str) -> Status:
    """One with a mark, held against the tree."""
    try:
        now = installs.digests(install.tree, environ) or digests(install.tree, environ)
    except FreshwheelError as error:
        first, *rest = error.render().split("\n")
        return _said(install, "unknown", " ".join([first, "; ".join(line.strip(" -") for line in rest)]).strip())
    state, why, superfluous = installs.judged(install, now, environ, suffix)
    mend = "" if state == "current" else _mend(install, python)
    if superfluous:
        mend = f"remove {' '.join(shlex.quote(os.path.join(install.tree, path)) for path in superfluous)}"
    elif state == "stale":
        why = "; ".join([why, *_changes(install, now, environ)])
    return replace(_said(install, state, why, mend), tree_digest=now.source)


def digests(tree: str, environ: Mapping[str, str]) -> Digests:
    """The digests of a tree, by the full road. Raises FreshwheelError where it has none."""
    from freshwheel.build.context import Call, Context  # noqa: PLC0415 - see the module's docstring
    from freshwheel.sources import digest  # noqa: PLC0415 - as above

    call = Call(tree=tree, environ=environ, hook="build_wheel", settings=None, say=_silent)
    snapshot = Context.of(call).snapshot()
    held = memory.contents(*digest.columns(snapshot.inputs))
    return Digests(source=snapshot.digest, native=snapshot.native, held=held)


def _said(install: Install, state: State, why: str, mend: str = "") -> Status:
    return Status(
        name=install.name,
        version=install.version,
        tree=install.tree,
        editable=install.editable,
        state=state,
        why=why,
        mend=mend,
        digest=install.marked("digest"),
    )


def _mend(install: Install, python: str) -> str:
    """The command that installs it again, with the program that did it, into its environment."""
    where = ("-e " if install.editable else "") + shlex.quote(install.tree)
    if install.installer() != "uv":
        return f"{shlex.quote(python or 'python')} -m pip install {where}"
    if os.path.exists(os.path.join(install.tree, "uv.lock")):
        return f"uv sync --project {shlex.quote(install.tree)} --reinstall-package {install.name}"
    return f"uv pip install {f'--python {shlex.quote(python)} ' if python else ''}{where}"


def _changes(install: Install, now: Digests, environ: Mapping[str, str]) -> Iterator[str]:
    """Which inputs are not what they were when it was built, where that is on record."""
    before = outcome.inputs(files.cache_directory(environ), install.tree, install.marked("digest"))
    changes = outcome.changes(before, now.held) if before is not None else outcome.Changes()
    for verb in ("changed", "added", "removed"):
        if names := getattr(changes, verb):
            yield f"{verb}: {few(names)}"


def _pyproject(tree: str) -> Mapping[str, Any]:
    """What pyproject.toml says; nothing where it can't be read."""
    try:
        return project.read(tree).pyproject
    except FreshwheelError:
        return {}


def _silent(_: str) -> None:
    """Nobody is told anything."""
