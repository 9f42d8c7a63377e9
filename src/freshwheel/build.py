"""The recipes: what each hook does, step by step.

It decides nothing that a room can decide alone; it knows the order. A recipe
takes a `Call`, which is all that the door saw of the process, and returns what the hook returns.
"""

from __future__ import annotations

import os
from typing import Any

from freshwheel import decision, editable, finish, real, supply
from freshwheel.errors import HookMissingError, InputError
from freshwheel.inner import interpreter
from freshwheel.plan import Call, Plan
from freshwheel.wheel import folder, info
from freshwheel.wheel import sdist as source_distribution

__all__ = ["Call", "build_inputs", "metadata", "requires", "sdist", "source_digest", "wheel"]


def requires(call: Call) -> list[str]:
    """The requirements that the frontend installs before it builds: those of the table and the inner backend's own."""
    plan = Plan.of(call)
    if (plan.in_place and editable.promise(plan)) or (call.hook == "build_wheel" and supply.promise(plan)):
        return []
    wanted = decision.lean(plan) or list(plan.config.requires)
    if plan.config.backend_path or interpreter.importable(_package(plan.config.backend)):
        with real.opened(plan) as inner:
            wanted += inner.requires(call.hook, plan.config.inner_settings)
    return list(dict.fromkeys(wanted))


def metadata(call: Call, directory: str) -> str:
    """The name of the `.dist-info` folder written into `directory`."""
    plan = Plan.of(call)
    if call.hook == "build_wheel" or plan.in_place:
        ready = editable.ready if plan.in_place else supply.ready
        with ready(plan) as path:
            if path is not None:
                with supply.written(directory):
                    return info.from_wheel(path, directory)
    with real.opened(plan) as inner, supply.private() as private:
        try:
            found = inner.metadata(call.hook, private, plan.config.inner_settings)
            # Taken last: the inner backend may write a lock file here, and the build that follows will see it.
            digest = plan.snapshot().digest if plan.kind == "labelled" else None
        except (HookMissingError, InputError):
            return _metadata_by_building(plan, directory)
        stated = info.version_of(found)
        full = finish.version_of(plan, stated, digest)
        with supply.written(directory):
            return info.with_version(found, directory, version=full)


def wheel(call: Call, directory: str) -> str:
    """The file name of the wheel, or editable wheel, written into `directory`."""
    plan = Plan.of(call)
    return _wheel(plan, directory)


def sdist(call: Call, directory: str) -> str:
    """The file name of the source distribution written into `directory`: the inner backend's, never labelled."""
    plan = Plan.of(call)
    base = plan.base()
    with real.opened(plan) as inner, supply.private() as private:
        path = inner.build(call.hook, private, plan.config.inner_settings)
        with supply.written(directory):
            if base is None or finish.same(source_distribution.version_of(path), base):
                return finish.place(path, directory)
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
        "globs": sorted({*plan.globs(snapshot), *plan.config.include}),
        "env": sorted(plan.environment(snapshot).names),
    }


def _package(backend: str) -> str:
    return backend.partition(":")[0].partition(".")[0]


def _wheel(plan: Plan, directory: str) -> str:
    """As `wheel`: from what is kept, or from a real build."""
    before = folder.standing(directory)
    supplied = editable.wheel if plan.in_place else supply.wheel
    name, inner = supplied(plan, directory)
    folder.clear(directory, before, new=name, inner=inner)
    return name


def _metadata_by_building(plan: Plan, directory: str) -> str:
    """As `metadata`, for an inner backend that has no hook for it, or a tree whose digest can't be told."""
    with supply.private() as private:
        name = _wheel(plan, private)
        supply.lend(plan, os.path.join(private, name))
        with supply.written(directory):
            return info.from_wheel(os.path.join(private, name), directory)
