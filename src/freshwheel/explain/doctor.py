"""The recipe of `doctor`: what keeps builds on this machine, and of one project, from being observed, stored and found.

Values in, values out. It builds nothing; to see whether locks work, and how much room there is, it makes the cache
directory as a build would.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from freshwheel.about import __version__
from freshwheel.base import backends, files
from freshwheel.base import toml_access as tables
from freshwheel.base.environment import folders
from freshwheel.base.errors import ConfigError, FreshwheelError, few
from freshwheel.base.model import Project
from freshwheel.build.context import Call, Context
from freshwheel.explain import report
from freshwheel.inner import distributions, programs
from freshwheel.inner.programs import Lookout
from freshwheel.memory import discoveries, outcome
from freshwheel.observe import observer
from freshwheel.sources import boundary, project
from freshwheel.store import upkeep
from freshwheel.store.store import Store

State: TypeAlias = Literal["fine", "note", "wrong"]

_ROOM = 256 << 20
"""Bytes below which a disk is nearly full."""
_TOOLS = ("cargo", "cc", "cmake", "git", "ninja", "pip", "uv")
_ISOLATION = {"PIP_NO_BUILD_ISOLATION": "pip", "UV_NO_BUILD_ISOLATION": "uv"}
_OFF = {"pip": ("0", "false", "no", "off", "n", "f"), "uv": ("1", "true", "yes", "on", "y", "t")}
"""What switches isolation off: pip takes the value for that of `--build-isolation`, and uv for that of the negation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """One thing that was looked at."""

    about: str
    """One word."""
    state: State
    """`note`: it costs something, and may be meant so."""
    what: str
    todo: str = ""
    """What mends it; nothing where there is no need."""


def examined(call: Call) -> list[Diagnosis]:
    """What is right and what is wrong, on this machine and with the project at `call.tree`, if one is there."""
    tree, environ = call.tree, call.environ
    is_project = os.path.lexists(os.path.join(tree, "pyproject.toml"))
    found = [_version(), *_cache(files.cache_directory(environ)), _tools(tree, environ)]
    return [*found, *(_project(call) if is_project else [_observed(environ, None)])]


def _version() -> Diagnosis:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    where = f"{sys.platform} {platform.machine()}"
    return Diagnosis(about="freshwheel", state="fine", what=f"{__version__}, {python} on {where}")


def _cache(cache: str | None) -> Iterator[Diagnosis]:
    """The cache directory and the store in it: whether they can be used, and whether there is room."""
    opened = Store.open(cache)
    if isinstance(opened, str):
        todo = "name an absolute folder of your own in FRESHWHEEL_CACHE_DIR"
        yield Diagnosis(about="store", state="wrong", what=f"nothing is stored: {opened}", todo=todo)
    elif not os.access(opened.shelf.root, os.W_OK):
        todo = "let this user write there, or name another folder in FRESHWHEEL_CACHE_DIR"
        what = f"nothing is stored: this user can't write in {opened.shelf.root}"
        yield Diagnosis(about="store", state="wrong", what=what, todo=todo)
    else:
        yield _store(opened)
        yield _locks(opened)
        yield _room(opened.shelf.root)


def _store(opened: Store) -> Diagnosis:
    info = upkeep.info(opened.shelf)
    if not info.bad:
        return Diagnosis(about="store", state="fine", what=f"{info.root}; builds in it: {info.entries}")
    what = f"{info.root} had damaged files, which were put away: {info.bad}"
    return Diagnosis(about="store", state="note", what=what, todo="`freshwheel store verify` reads all the others")


def _locks(opened: Store) -> Diagnosis:
    with opened.lock("doctor", "", timeout=1):
        reason = next(iter(opened.remarks), "")
    if not reason:
        return Diagnosis(about="locks", state="fine", what="two builds at once wait for each other")
    todo = "name a folder of a local disk in FRESHWHEEL_CACHE_DIR; else two builds at once are both made"
    return Diagnosis(about="locks", state="note", what=reason, todo=todo)


def _room(folder: str) -> Diagnosis:
    free = shutil.disk_usage(folder).free
    what = f"{free >> 20} MiB are free on the disk of the store"
    if free >= _ROOM:
        return Diagnosis(about="room", state="fine", what=what)
    todo = "make room, for example by `freshwheel store prune --size 1G`; what does not fit is built, and not stored"
    return Diagnosis(about="room", state="wrong", what=what, todo=todo)


def _tools(tree: str, environ: Mapping[str, str]) -> Diagnosis:
    """The programs that are there; git must be where the tree is a clone."""
    there = [name for name in _TOOLS if _which(name, tree, environ)]
    if "git" not in there and os.path.lexists(os.path.join(boundary.under_control(tree) or tree, ".git")):
        return Diagnosis(
            about="tools",
            state="wrong",
            what="this is a clone, and git is not on PATH: a build that asks it is never stored",
            todo="install git, or put its folder on PATH",
        )
    return Diagnosis(about="tools", state="fine", what=f"on PATH: {', '.join(there) or 'none'}")


def _which(name: str, tree: str, environ: Mapping[str, str]) -> str | None:
    searched = folders(environ.get("PATH", ""), ())
    return programs.which(name, searched, Lookout(), cwd=tree, environ=environ)


def _observed(environ: Mapping[str, str], context: Context | None) -> Diagnosis:
    """Whether builds are observed."""
    todo, reason = "", observer.unavailable(files.cache_directory(environ))
    if context is not None and not context.config.observe:
        origin = context.config.origins.get("observe", "")
        reason, todo = f"{origin} says no", f"take {origin} out, if that is not what you mean"
    if not reason:
        return Diagnosis(about="observation", state="fine", what="builds are observed")
    stored = context is not None and context.config.store == "on"
    costs = 'store = "on" has them stored all the same' if stored else "their wheels are stored only where that is safe"
    return Diagnosis(about="observation", state="note", what=f"builds are not observed: {reason}; {costs}", todo=todo)


def _project(call: Call) -> Iterator[Diagnosis]:
    """What is to be said of a project."""
    try:
        subject = project.read(call.tree)
    except FreshwheelError as error:
        yield _failed("project", error)
        yield _observed(call.environ, None)
        return
    yield _switch(subject)
    try:
        context = Context.of(call)
    except ConfigError as error:
        for problem in error.problems:
            what = f"{problem.where}: {problem.what}"
            yield Diagnosis(about="settings", state="wrong", what=what, todo=problem.hint or "mend it there")
        yield _observed(call.environ, None)
        return
    yield _observed(call.environ, context)
    yield from _switched_off(context)
    yield from _isolation(context)
    yield from _last(context)
    try:
        yield _inputs(call)
    except FreshwheelError as error:
        yield _failed("inputs", error)


def _failed(about: str, error: FreshwheelError) -> Diagnosis:
    return Diagnosis(
        about=about,
        state="wrong",
        what=error.message,
        todo=error.hint or "mend that first; nothing can be built before",
    )


def _switch(subject: Project) -> Diagnosis:
    """Whom frontends ask."""
    system = tables.table(subject.pyproject, "build-system")
    module = tables.text(system, "build-backend")
    ours = tables.table(subject.pyproject, "tool.freshwheel")
    idle = backends.idle(subject.pyproject) if ours or backends.is_own(module) else ""
    if idle:
        return Diagnosis(
            about="switch",
            state="wrong",
            what=f"the switch is half made: {idle}",
            todo="`freshwheel init` completes it",
        )
    if not ours and not backends.may_be_own(system):
        what = f"pip and uv ask {module or 'setuptools'}, and not freshwheel"
        return Diagnosis(about="switch", state="note", what=what, todo="`freshwheel init` switches the project")
    inner = tables.text(ours, "backend") or "no other backend"
    return Diagnosis(about="switch", state="fine", what=f"pip and uv ask {module}, which asks {inner}")


def _switched_off(context: Context) -> Iterator[Diagnosis]:
    """What keeps wheels from the store, or labels from wheels."""
    config = context.config
    for name, value, costs in (
        ("store", config.store, {"off": "nothing is stored or found", "read": "nothing is stored"}),
        ("label", config.label, {"off": "wheels have no label, so that installers see no difference"}),
    ):
        if value in costs:
            origin = config.origins.get(name, name)
            what = f'{origin} is "{value}": {costs[value]}'
            yield Diagnosis(
                about=name, state="note", what=what, todo=f"take {origin} out, if that is not what you mean"
            )


def _isolation(context: Context) -> Iterator[Diagnosis]:
    """Whether what a build needs is there, where the environment says that builds are not isolated."""
    for name, installer in _ISOLATION.items():
        if context.call.environ.get(name, "").lower() not in _OFF[installer]:
            continue
        module = context.config.backend.partition(":")[0].partition(".")[0]
        if context.config.backend_path or distributions.importable(module):
            what = f"{name} has {installer} build in its environment, which has {module}"
            yield Diagnosis(about="isolation", state="fine", what=what)
        else:
            what = f"{name} has {installer} build in its environment, and {module} is not in the one of this command"
            todo = f"install what the project requires to be built, or unset {name}"
            yield Diagnosis(about="isolation", state="wrong", what=what, todo=todo)


def _last(context: Context) -> Iterator[Diagnosis]:
    """What became of the last build."""
    last = outcome.base(outcome.load(context.cache, context.call.tree), "wheel", "editable")
    if last is None:
        yield Diagnosis(about="last", state="note", what="nothing of this tree is on record: it was not built here")
        return
    page = discoveries.account(context.cache, context.call.tree)
    if last.unstored:
        todo = "`freshwheel why` says more, and `freshwheel inputs --account` shows what the build took"
        yield Diagnosis(about="last", state="note", what=f"its wheel was not stored: {last.unstored}", todo=todo)
    elif page.reason:
        yield Diagnosis(about="last", state="note", what=f"the last build was not observed: {page.reason}")
    else:
        yield Diagnosis(about="last", state="fine", what=f"{last.wheel or 'the last wheel'}: {last.why}")


def _inputs(call: Call) -> Diagnosis:
    """How the inputs are declared."""
    findings = report.check(call).findings
    if not findings:
        return Diagnosis(about="inputs", state="fine", what="declared as builds have shown them")
    what = f"something is wrong with how these are declared: {few([finding.where for finding in findings])}"
    return Diagnosis(about="inputs", state="wrong", what=what, todo="`freshwheel check` says what to do")
