"""The recipe of `status`: what is installed from a folder of this machine, held against that folder.

Values in, values out: nothing is printed, and no inner backend is needed. What is right is told from what is
remembered alone, so the recipes are loaded where more must be looked at.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from freshwheel.base import files
from freshwheel.base.errors import FreshwheelError
from freshwheel.base.phrases import few
from freshwheel.memory import discoveries, installed_state, installs, memory
from freshwheel.memory.installed_state import Digests
from freshwheel.memory.installs import Install

if TYPE_CHECKING:
    from freshwheel.base.model import Snapshot
    from freshwheel.build.plan import Call

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
    """The command that mends it; nothing where there is none, or no need."""
    digest: str = ""
    """The source digest of its mark."""
    tree_digest: str = ""
    """That of the tree now."""
    undeclared: tuple[str, ...] = ()
    """Files that a build has read, and that the settings do not name; `freshwheel check` fails for them."""

    @property
    def wrong(self) -> bool:
        """Whether somebody has to do something."""
        return self.state in ("stale", "unknown") or bool(self.undeclared)


def statuses(
    path: Sequence[str], environ: Mapping[str, str], *, suffix: str, names: Sequence[str] = ()
) -> list[Status]:
    """All that was installed from a folder into the environment whose modules are looked for in `path`, by name.

    `suffix` ends extension modules of its Python. With `names` only these, and whatever came from elsewhere too.
    """
    wanted = {installs.normal(name) for name in names}
    found = [one for one in installs.found(path) if not wanted or installs.normal(one.name) in wanted]
    return [_status(one, environ, suffix) for one in sorted(found, key=lambda one: installs.normal(one.name))]


def digests(tree: str, environ: Mapping[str, str]) -> Digests | None:
    """The digests of a tree, by the full road; None where they can't be told."""
    try:
        return _looked(tree, environ)
    except FreshwheelError:
        return None


def other(install: Install) -> str:
    """The name of the project in the folder, where it is not that of the distribution; else nothing."""
    name = _project(install.tree).get("project", {}).get("name", "")
    is_other = isinstance(name, str) and name and installs.normal(name) != installs.normal(install.name)
    return str(name) if is_other else ""


def _looked(tree: str, environ: Mapping[str, str]) -> Digests:
    """As `digests`; raises FreshwheelError."""
    from freshwheel.sources import digest  # noqa: PLC0415 - see the module's docstring

    found = _snapshot(tree, environ)
    names, column = digest.columns(found.inputs)
    return Digests(source=found.digest, native=found.native, paths=memory.split(names), column=column)


def _status(install: Install, environ: Mapping[str, str], suffix: str) -> Status:
    """How one stands."""
    if install.origin != "folder":
        return _said(install, "skipped", "it did not come from a folder of this machine")
    if not os.path.isfile(os.path.join(install.tree, "pyproject.toml")):
        gone = "there is no project any more" if os.path.isdir(install.tree) else "the folder is gone"
        return _said(install, "stale", gone, mend=f"install it from where it is now, or uninstall {install.name}")
    if install.mark is None:
        if not _is_wrapped(install.tree):
            return _said(install, "skipped", "its project does not use freshwheel; `freshwheel init` there switches it")
        return _said(install, "stale", "it was built without freshwheel", mend=_mend(install))
    now = installed_state.digests(install.tree, environ)
    if now is None:
        try:
            now = _looked(install.tree, environ)
        except FreshwheelError as error:
            return _said(install, "unknown", error.render().replace("\n", "; "))
    return _judged(install, now, environ, suffix)


def _judged(install: Install, now: Digests, environ: Mapping[str, str], suffix: str) -> Status:
    """How one with a mark stands to a tree with these digests."""
    found = installed_state.judged(install, now, environ, suffix)
    why, mend = found.why, "" if found.state == "current" else _mend(install)
    if found.state == "stale" and (name := other(install)):
        why, mend = f"the folder has another project now: {name}", f"uninstall {install.name}"
    elif found.superfluous:
        mend = f"remove {' '.join(shlex.quote(os.path.join(install.tree, path)) for path in found.superfluous)}"
    elif found.state == "stale":
        why = "; ".join([why, *_changes(install, environ)])
    one = _said(install, found.state, why, mend=mend)
    return replace(one, tree_digest=now.source, undeclared=_undeclared(install, environ))


def _said(install: Install, what: State, why: str, *, mend: str = "") -> Status:
    """A status that needs no digest."""
    return Status(
        name=install.name,
        version=install.version,
        tree=install.tree,
        editable=install.editable,
        state=what,
        why=why,
        mend=mend,
        digest=install.marked("digest"),
    )


def _mend(install: Install) -> str:
    """The command that installs it again, with the program that did it."""
    where = ("-e " if install.editable else "") + shlex.quote(install.tree)
    if install.installer() != "uv":
        return f"python -m pip install {where}"
    if os.path.exists(os.path.join(install.tree, "uv.lock")):
        return f"uv sync --project {shlex.quote(install.tree)} --reinstall-package {install.name}"
    return f"uv pip install {where}"


def _changes(install: Install, environ: Mapping[str, str]) -> Iterator[str]:
    """Which inputs are not what they were when it was built, where that is on record."""
    from freshwheel.memory import outcome  # noqa: PLC0415 - see the module's docstring

    before = outcome.inputs(files.cache_directory(environ), install.tree, install.marked("digest"))
    if before is None:
        return
    try:
        found = outcome.changes(before, _snapshot(install.tree, environ).inputs)
    except FreshwheelError:
        return
    for verb in ("changed", "added", "removed"):
        names: tuple[str, ...] = getattr(found, verb)
        if names:
            yield f"{verb}: {few(names)}"


def _undeclared(install: Install, environ: Mapping[str, str]) -> tuple[str, ...]:
    """What `check` would name as missed; nothing where that can't be told: a build will say why."""
    if not discoveries.load(files.cache_directory(environ), install.tree).discovered:
        return ()
    from freshwheel.explain import report  # noqa: PLC0415 - see the module's docstring

    try:
        return tuple(report.undeclared(_call(install.tree, environ)))
    except FreshwheelError:
        return ()


def _is_wrapped(tree: str) -> bool:
    return _project(tree).get("build-system", {}).get("build-backend") == "freshwheel"


def _project(tree: str) -> Mapping[str, dict[str, object]]:
    """The tables of pyproject.toml; none where it can't be read."""
    from freshwheel.sources import project  # noqa: PLC0415 - see the module's docstring

    try:
        found = project.read(tree, now=time.time_ns).pyproject
    except FreshwheelError:
        return {}
    return {name: table for name, table in found.items() if isinstance(table, dict)}


def _snapshot(tree: str, environ: Mapping[str, str]) -> Snapshot:
    """The inputs of a tree, by the full road; raises FreshwheelError."""
    from freshwheel.build.plan import Plan  # noqa: PLC0415 - see the module's docstring

    return Plan.of(_call(tree, environ)).snapshot()


def _call(tree: str, environ: Mapping[str, str]) -> Call:
    from freshwheel.build.plan import Call  # noqa: PLC0415 - see the module's docstring

    return Call(tree=tree, environ=environ, hook="build_wheel", settings=None, say=_silent)


def _silent(_: str) -> None:
    """Nobody is told anything."""
