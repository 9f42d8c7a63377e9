"""The recipes: what each hook does, step by step.

It decides nothing that a room can decide alone; it knows the order. A recipe
takes a `Call`, which is all that the door saw of the process, and returns what the hook returns.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from freshwheel import frame, real
from freshwheel.about import __version__
from freshwheel.errors import FreshwheelError, HookMissingError, InputError, WheelUnfamiliarError
from freshwheel.inner import interpreter
from freshwheel.model import Mark, Snapshot
from freshwheel.plan import Call, Plan
from freshwheel.wheel import archive, folder, info, mark, version
from freshwheel.wheel import sdist as source_distribution

_MOST = 5
"""Files that are named one by one."""

__all__ = ["Call", "build_inputs", "metadata", "requires", "sdist", "source_digest", "wheel"]


def requires(call: Call) -> list[str]:
    """The requirements that the frontend installs before it builds: those of the table and the inner backend's own."""
    plan = Plan.of(call)
    wanted = list(plan.config.requires)
    if plan.config.backend_path or interpreter.importable(_package(plan.config.backend)):
        with real.opened(plan) as inner:
            wanted += inner.requires(call.hook, plan.config.inner_settings)
    return list(dict.fromkeys(wanted))


def metadata(call: Call, directory: str) -> str:
    """The name of the `.dist-info` folder written into `directory`."""
    plan = Plan.of(call)
    with real.opened(plan) as inner, _private() as private:
        try:
            found = inner.metadata(call.hook, private, plan.config.inner_settings)
            # Taken last: the inner backend may write a lock file here, and the build that follows will see it.
            digest = plan.snapshot().digest if plan.kind == "labelled" else None
        except (HookMissingError, InputError):
            return _metadata_by_building(plan, directory)
        stated = info.version_of(found)
        full = _version(plan, stated, digest)
        with _written(directory):
            return info.with_version(found, directory, version=full)


def wheel(call: Call, directory: str) -> str:
    """The file name of the wheel, or editable wheel, written into `directory`."""
    plan = Plan.of(call)
    return _wheel(plan, directory)


def sdist(call: Call, directory: str) -> str:
    """The file name of the source distribution written into `directory`: the inner backend's, never labelled."""
    plan = Plan.of(call)
    base = plan.base()
    with real.opened(plan) as inner, _private() as private:
        path = inner.build(call.hook, private, plan.config.inner_settings)
        with _written(directory):
            if base is None or _same(source_distribution.version_of(path), base):
                return _place(path, directory)
            return source_distribution.rewrite(path, directory, version=base)


def source_digest(call: Call) -> str:
    """The source digest of the tree: 32 hex digits."""
    return Plan.of(call).snapshot().digest


def build_inputs(call: Call) -> dict[str, Any]:
    """The digest, the files it is made from, globs that cover them, and the environment names that count."""
    plan = Plan.of(call)
    snapshot = plan.snapshot()
    return {
        "digest": snapshot.digest,
        "files": [os.fsdecode(found.path) for found in snapshot.inputs],
        "globs": sorted({*plan.globs(), *plan.config.include}),
        "env": sorted(plan.environment(snapshot).names),
    }


def _package(backend: str) -> str:
    return backend.partition(":")[0].partition(".")[0]


@contextlib.contextmanager
def _private() -> Iterator[str]:
    """A folder for the inner backend alone: what it leaves there can't be taken for ours by a frontend."""
    with tempfile.TemporaryDirectory(prefix="freshwheel-", ignore_cleanup_errors=True) as directory:
        yield directory


@contextlib.contextmanager
def _written(directory: str) -> Iterator[None]:
    try:
        os.makedirs(directory, exist_ok=True)
        yield
    except OSError as error:
        raise FreshwheelError(f"can't write to {directory}: {error.strerror or error}") from error


def _place(path: str, directory: str) -> str:
    name = os.path.basename(path)
    frame.copy(path, os.path.join(directory, name))
    return name


def _version(plan: Plan, stated: str, digest: str | None) -> str:
    """The version to write, where the inner backend stated one; `digest` is given for a labelled build only."""
    base = plan.base()
    if base is None or _same(base, stated):
        base = stated
    return base if digest is None else version.joined(base, version.label(digest))


def _same(one: str, other: str) -> bool:
    return version.normal(one) == version.normal(other)


def _wheel(plan: Plan, directory: str) -> str:
    before = folder.standing(directory)
    with _private() as private:
        built = real.build(plan, private)
        _tell(plan, built)
        with _written(directory):
            name = _finish(plan, built.path, directory, built.earlier, built.later)
            folder.clear(directory, before, new=name, inner=os.path.basename(built.path))
    return name


def _tell(plan: Plan, built: real.Built) -> None:
    """Names what the build used and what is no input; the label can't name it before the next build."""
    for one in built.missed[:_MOST]:
        plan.call.say(f"{one.by} read {one.path}, which is no input: list it in [tool.freshwheel] include")
    if len(built.missed) > _MOST:
        plan.call.say(f"{len(built.missed) - _MOST} more were read and are no inputs; `freshwheel check` lists them")


def _finish(plan: Plan, path: str, directory: str, earlier: Snapshot | InputError, later: Snapshot | InputError) -> str:
    """The name of the finished wheel: the inner one at `path` with its version and its mark."""
    try:
        inner = archive.read(path)
    except WheelUnfamiliarError as error:
        return _pass_on(plan, path, directory, error)
    digest, settled = _digest(plan, path, earlier, later)
    labelled = plan.kind == "labelled"
    full = _version(plan, inner.version, digest if labelled else None)
    stamp = Mark(
        digest=digest,
        settled=settled,
        label=version.label(digest) if labelled else None,
        base=_version(plan, inner.version, None),
        backend=plan.config.backend,
        inner_wheel=os.path.basename(path),
        freshwheel=__version__,
    )
    return archive.rewrite(inner, directory, version=full, mark=mark.dump(stamp))


def _digest(plan: Plan, path: str, earlier: Snapshot | InputError, later: Snapshot | InputError) -> tuple[str, bool]:
    """The digest that names what was built, and whether it is that of a tree.

    Bytes that are equal before and after prove nothing about the time between: a row that moved means that some other
    content may have been compiled. Such a wheel gets a digest that no tree has, and so the next build replaces it.
    """
    if isinstance(earlier, Snapshot) and isinstance(later, Snapshot):
        if (earlier.digest, earlier.rows) == (later.digest, later.rows):
            return later.digest, True
        moved = _moved(earlier, later)
        plan.call.say(
            f"{_list(moved)} changed during the build; if the build itself writes there, list it in "
            "[tool.freshwheel] exclude. The next build gets another label."
        )
    else:
        failure = earlier if isinstance(earlier, InputError) else later
        plan.call.say(f"the sources have no digest, so the label names this one wheel only: {failure}")
    known = [found.digest if isinstance(found, Snapshot) else None for found in (earlier, later)]
    with open(path, "rb") as file:
        inner = hashlib.sha256(file.read()).hexdigest()
    return version.unsettled(known[0], known[1], inner), False


def _moved(earlier: Snapshot, later: Snapshot) -> list[str]:
    """The paths of the inputs that are not exactly what they were."""
    sides = [
        {found.path: (found, row) for found, row in zip(side.inputs, side.rows, strict=True)}
        for side in (earlier, later)
    ]
    paths = sorted(sides[0].keys() | sides[1].keys())
    return [os.fsdecode(path) for path in paths if sides[0].get(path) != sides[1].get(path)]


def _list(names: Sequence[str], most: int = 3) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _pass_on(plan: Plan, path: str, directory: str, reason: WheelUnfamiliarError) -> str:
    """The name of the inner wheel, handed on as it is, unless that would give it a wrong version."""
    if plan.base() is not None:
        raise reason
    plan.call.say(f"this wheel is handed on as the inner backend made it, without label and mark: {reason}")
    return _place(path, directory)


def _metadata_by_building(plan: Plan, directory: str) -> str:
    """As `metadata`, for an inner backend that has no hook for it, or a tree whose digest can't be told."""
    with _private() as private:
        name = _wheel(plan, private)
        with _written(directory):
            return info.from_wheel(os.path.join(private, name), directory)
