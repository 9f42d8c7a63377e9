"""What an inner tool must be made to notice: what changed, held against what its own records watch.

For cargo there is always something to touch. Setuptools gets a fresh folder. In a folder that CMake or Meson keep,
there may be commands that nothing can force; what they made stays in doubt until the folder is removed.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence

import xxhash

from freshwheel import backends, frame, native
from freshwheel.inner import force, kept, packages, setuptools
from freshwheel.inner.folders import Profile
from freshwheel.inner.force import Record, Seen
from freshwheel.model import Snapshot
from freshwheel.plan import Plan
from freshwheel.sources import unwatched
from freshwheel.sources.cargo import Closure
from freshwheel.sources.ground import Ground, Scope
from freshwheel.sources.watches import watches

__all__ = ["arguments", "around", "doubt", "fresh", "kept_folder", "recipe", "taken", "times", "unseen", "used"]


def arguments(plan: Plan) -> list[str]:
    """What the user hands on to cargo, where maturin looks for it."""
    texts = [plan.call.environ.get("MATURIN_PEP517_ARGS", "")]
    for name in ("build-args", "maturin.build-args"):
        value = (plan.config.inner_settings or {}).get(name, ())
        texts += [value] if isinstance(value, str) else value
    try:
        return [word for text in texts for word in shlex.split(text)]
    except ValueError:
        return []


def around(plan: Plan, found: Snapshot) -> bytes:
    """What the build may take something from beside its inputs, in 16 bytes: Python, packages, variables.

    Not cargo's own tools, which cargo watches itself; nor the project, and what installers bring for their own use.
    """
    environ, backend = plan.call.environ, plan.backend
    names = plan.environment(found).names
    values = [f"{name}={environ[name]}" for name in sorted(environ) if name in names or backends.shapes(backend, name)]
    table = plan.project.pyproject.get("project")
    project = table.get("name") if isinstance(table, Mapping) else None
    ours = backends.names(["freshwheel", "pip", *([project] if isinstance(project, str) else [])])
    known = packages.installed(sys.path)
    others = [f"{name} {one.version} {one.digest}" for name, one in sorted(known.items()) if name not in ours]
    texts = [platform.python_implementation(), sys.version, *values, "", *others]
    return xxhash.xxh3_128_digest(frame.framed(*(text.encode("utf-8", "surrogatepass") for text in texts)))


def recipe(plan: Plan, found: Snapshot) -> bytes:
    """What may choose another profile of cargo: hook, settings, environment, files of settings."""
    environ = plan.call.environ
    names = sorted(name for name in environ if backends.shapes(plan.backend, name))
    settings = sorted((plan.config.inner_settings or {}).items())
    texts = [plan.call.hook, *map(repr, settings), *(f"{name}={environ[name]}" for name in names)]
    chosen = [one.content for one in found.inputs if _chooses(os.path.basename(one.path))]
    return xxhash.xxh3_128_digest(frame.framed(*(text.encode("utf-8", "surrogatepass") for text in texts), *chosen))


def unseen(scope: Scope, closure: Closure, places: Sequence[str], record: Record | None, seen: Seen) -> list[bytes]:
    """The inputs that must be touched because nothing watches what changed since `record`; none without a record.

    Without one every input is touched as it is. Raises OSError where the records of cargo can't be read.
    """
    if record is None or not closure.crates:
        return []
    changes = [unwatched.Change(path=os.fsdecode(path), how=how) for path, how in force.changed(record, seen).items()]
    moved = record.seen.around != seen.around
    if not changes and not moved:
        return []
    folders = [crate.folder for crate in closure.crates]
    present = [os.fsdecode(one.path) for one in scope.inputs]
    found = unwatched.forced(changes, folders, watches(scope, closure, places), present, around=moved)
    return [os.fsencode(path) for path in found if not os.path.isabs(path)]


def times(paths: Sequence[bytes], seen: Seen, *, newest: int, now: int) -> dict[bytes, int]:
    """The mtimes for `unseen` paths: newer than all units and all inputs, for of a crate the newest file counts."""
    later = max(now, newest + 1, *(mtime + 1 for mtime in seen.mtimes.values()))
    return {
        path: later for path in paths if seen.mtimes.get(path, 0) <= newest or os.path.basename(path) == b"Cargo.toml"
    }


def kept_folder(plan: Plan) -> str | None:
    """The folder that CMake or Meson keep, absolute; None where each build has a new one."""
    settings = plan.config.inner_settings
    found = kept.folder(plan.backend, plan.project.pyproject, settings, plan.call.environ)
    return None if found is None else os.path.normpath(os.path.join(plan.call.tree, found))


def doubt(folder: str | None, record: Record | None, state: Mapping[str, Profile], seen: Seen) -> str:
    """What may be stale in a kept folder, in words, whatever was touched; nothing in a new one."""
    if folder is None or folder not in state:
        return ""
    if record is None or record.profiles.get(folder) != state[folder].stamp:
        return f"{folder} was not left by the last build of freshwheel; remove it"
    if record.doubt:
        return record.doubt
    path = kept.unwatched(force.changed(record, seen))
    if path or record.seen.around != seen.around:
        what = path or "a requirement, a tool or a variable"
        return f"{what} changed, and a command of the build in {folder} may not know; remove that folder"
    return ""


def taken(scope: Scope, closure: Closure, places: Sequence[str]) -> frozenset[str] | None:
    """The pure Python that cargo has read, as its records say; None where it may have read any."""
    paths = [one.path for one in scope.inputs]
    column = b"".join([one.kind + one.content for one in scope.inputs])
    pure = frozenset(os.fsdecode(paths[number]) for number in native.pure(paths, column))
    if not pure or not closure.crates:
        return frozenset()
    try:
        found = watches(scope, closure, places)
    except OSError:
        return None
    if not found.compiled or found.ran or not found.macros <= unwatched.HARMLESS:
        return None  # nobody knows which files a build script reads, or a macro
    return Ground(scope).among(pure, found.read)


@contextlib.contextmanager
def fresh(plan: Plan) -> Iterator[tuple[dict[str, str], str]]:
    """The variables that give setuptools an empty folder, and that folder; nothing where it has no part in a build."""
    if not setuptools.concerns(plan.backend, plan.config.backend):
        yield {}, ""
        return
    with tempfile.TemporaryDirectory(prefix="freshwheel-build-", ignore_cleanup_errors=True) as folder:
        yield setuptools.fresh(folder, plan.call.environ, plan.call.hook), folder


def used(plan: Plan, folder: str) -> str:
    """Why a wheel may hold what earlier builds of setuptools left, in words; nothing where it worked in `folder`."""
    return setuptools.left(folder, plan.call.tree, plan.call.hook) if folder else ""


def _chooses(name: bytes) -> bool:
    return name in (b"pyproject.toml", b"setup.py", b"setup.cfg", b"config.toml", b"config")
