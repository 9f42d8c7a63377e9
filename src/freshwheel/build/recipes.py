"""The recipes: what each hook does, step by step, and what it hands to the frontend.

A recipe takes a `Call`, which is all that the door saw of the process, and returns what the hook returns. It decides
nothing that a room can decide alone; it knows the order. What only some answers take is loaded for them: the first hook
of a run is answered in an environment that has no bytecode yet.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

from freshwheel.base.errors import HookMissingError, InputError
from freshwheel.build import lookup, obtain, output
from freshwheel.build.context import Call, Context, fresh, opened
from freshwheel.build.output import Wheel, private, written
from freshwheel.inner import distributions
from freshwheel.memory import lease

__all__ = ["Call", "build_inputs", "metadata", "requires", "sdist", "source_digest", "wheel"]


def requires(call: Call) -> list[str]:
    """The requirements that the frontend installs before it builds: those of the table and the inner backend's own."""
    context = Context.of(call)
    if _promised(context):
        return []
    wanted = lookup.lean(context) or list(context.config.requires)
    if context.config.backend_path or distributions.importable(_package(context.config.backend)):
        with opened(context) as inner:
            wanted += inner.requires(call.hook, context.config.inner_settings)
    return list(dict.fromkeys(wanted))


def _package(backend: str) -> str:
    return backend.partition(":")[0].partition(".")[0]


def _promised(context: Context) -> bool:
    """Whether this run of a frontend has its wheel now, so that nothing need be installed to build it."""
    if not context.passing or context.proves or not (context.call.hook == "build_wheel" or context.in_place):
        return False
    with private() as folder:
        wheel = obtain.obtain(context, "requires", folder)
        return wheel is not None and _lent(context, wheel, folder)


def _lent(context: Context, wheel: Wheel, folder: str) -> bool:
    """Whether a wheel in `folder` is kept for the later hooks of this run."""
    identity = obtain.run(context)
    if context.cache is None or identity is None:
        return False
    lease.sweep(context.cache, time.time())
    kept = (os.path.join(folder, wheel.name), wheel.name)
    return lease.grant(context.cache, identity, key=wheel.key, digest=wheel.digest, wheel=kept) is not None


def metadata(call: Call, directory: str) -> str:
    """The name of the `.dist-info` folder written into `directory`."""
    context = Context.of(call)
    if context.call.hook == "build_wheel" or context.in_place:
        with private(directory) as folder:
            wheel = obtain.obtain(context, "metadata", folder)
            if wheel is not None:
                return _extracted(os.path.join(folder, wheel.name), directory)
    from freshwheel.build import finish  # noqa: PLC0415 - needed where nothing is at hand only
    from freshwheel.wheel import metadata as headers  # noqa: PLC0415 - as above

    with private() as apart, fresh(context, apart) as (variables, _), opened(context, variables) as inner:
        try:
            info = inner.metadata(context.call.hook, apart, context.config.inner_settings)
            # Taken last: the inner backend may write a lock file here, and the build that follows will see it.
            digest = context.snapshot().digest if context.kind == "labelled" else None
        except (HookMissingError, InputError):
            return _metadata_by_building(context, directory)
        stated = headers.version_of(info)
        full = finish.version_of(context, stated, digest)
        with written(directory):
            return headers.copy(info, directory, version=full)


def _extracted(path: str, directory: str) -> str:
    """The name of the `.dist-info` folder of the wheel at `path`, copied into `directory`."""
    from freshwheel.wheel import metadata as headers  # noqa: PLC0415 - a promise needs none

    with written(directory):
        return headers.unpack(path, directory)


def _metadata_by_building(context: Context, directory: str) -> str:
    """As `metadata`, for an inner backend that has no hook for it, or a tree whose digest can't be told.

    The wheel is kept for the later hooks of this run, if it is of the tree.
    """
    from freshwheel.wheel import archive  # noqa: PLC0415 - where a wheel was built

    with private(directory) as apart:
        wheel = obtain.obtain(context, "wheel", apart)
        assert wheel is not None
        mark = archive.mark_of(os.path.join(apart, wheel.name))
        if context.call.hook == "build_wheel" and mark is not None and mark.settled:
            _lent(context, replace(wheel, digest=mark.digest), apart)
        return _extracted(os.path.join(apart, wheel.name), directory)


def wheel(call: Call, directory: str) -> str:
    """The file name of the wheel, or editable wheel, in `directory`: from what is kept, or from a real build."""
    before = output.standing(directory)
    made = obtain.obtain(Context.of(call), "wheel", directory)
    assert made is not None
    output.clear(directory, before, new=made.name, inner=made.inner)
    return made.name


def sdist(call: Call, directory: str) -> str:
    """The file name of the source distribution written into `directory`: the inner backend's, never labelled."""
    from freshwheel.build import finish  # noqa: PLC0415 - for these alone, as the next
    from freshwheel.wheel import sdist as source_distribution  # noqa: PLC0415

    context = Context.of(call)
    base = context.base()
    with private(directory) as apart, fresh(context, apart) as (variables, _), opened(context, variables) as inner:
        path = inner.build(context.call.hook, apart, context.config.inner_settings)
        with written(directory):
            if base is None or finish.same(source_distribution.version_of(path), base):
                return finish.place(path, directory)
            return source_distribution.rewrite(path, directory, version=base)


def source_digest(call: Call) -> str:
    """The source digest of the tree: 32 hex digits."""
    return Context.of(call).snapshot().digest


def build_inputs(call: Call) -> dict[str, Any]:
    """The digest, the files it is made from, globs that cover them, and the environment names that count."""
    context = Context.of(call)
    snapshot = context.snapshot()
    return {
        "digest": snapshot.digest,
        "files": [os.fsdecode(file.path) for file in snapshot.inputs],
        "globs": sorted({*context.globs(snapshot), *context.config.include}),
        "env": sorted(context.variables),
    }
