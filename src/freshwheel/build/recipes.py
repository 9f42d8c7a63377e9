"""The recipes: what each hook does, step by step.

It decides nothing that a room can decide alone; it knows the order. A recipe takes a `Call`, which is all that the door
saw of the process, and returns what the hook returns. What only some answers take is loaded for them: the first hook of
a run is answered in an environment that has no bytecode yet.
"""

from __future__ import annotations

import os
from typing import Any

from freshwheel.build import deliver, lookup
from freshwheel.build.context import Call, Context
from freshwheel.inner import distributions

__all__ = ["Call", "build_inputs", "metadata", "requires", "sdist", "source_digest", "wheel"]


def requires(call: Call) -> list[str]:
    """The requirements that the frontend installs before it builds: those of the table and the inner backend's own."""
    context = Context.of(call)
    if deliver.promise(context):
        return []
    wanted = lookup.lean(context) or list(context.config.requires)
    if context.config.backend_path or distributions.importable(_package(context.config.backend)):
        from freshwheel.build import inner_build  # noqa: PLC0415 - a hit asks nobody

        with inner_build.opened(context) as inner:
            wanted += inner.requires(call.hook, context.config.inner_settings)
    return list(dict.fromkeys(wanted))


def metadata(call: Call, directory: str) -> str:
    """The name of the `.dist-info` folder written into `directory`."""
    return deliver.metadata(Context.of(call), directory)


def wheel(call: Call, directory: str) -> str:
    """The file name of the wheel, or editable wheel, written into `directory`."""
    return deliver.wheel(Context.of(call), directory)


def sdist(call: Call, directory: str) -> str:
    """The file name of the source distribution written into `directory`: the inner backend's, never labelled."""
    return deliver.sdist(Context.of(call), directory)


def source_digest(call: Call) -> str:
    """The source digest of the tree: 32 hex digits."""
    return Context.of(call).snapshot().digest


def build_inputs(call: Call) -> dict[str, Any]:
    """The digest, the files it is made from, globs that cover them, and the environment names that count."""
    context = Context.of(call)
    snapshot = context.snapshot()
    return {
        "digest": snapshot.digest,
        "files": [os.fsdecode(found.path) for found in snapshot.inputs],
        "globs": sorted({*context.globs(snapshot), *context.config.include}),
        "env": sorted(context.variables),
    }


def _package(backend: str) -> str:
    return backend.partition(":")[0].partition(".")[0]
