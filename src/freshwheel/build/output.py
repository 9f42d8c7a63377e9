"""What hooks write into a folder of a frontend: metadata, wheels and editables, source distributions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager

from freshwheel.base.errors import HookMissingError, InputError
from freshwheel.build import obtain, wheel_name
from freshwheel.build.deliver import private, written
from freshwheel.build.plan import Plan
from freshwheel.wheel import archive
from freshwheel.wheel import metadata as headers

_Standing = Mapping[str, tuple[int, int, int]]
"""File name -> inode, mtime in ns and size in bytes."""


def metadata(plan: Plan, directory: str) -> str:
    """The name of the `.dist-info` folder written into `directory`."""
    if plan.call.hook == "build_wheel" or plan.in_place:
        with _ready(plan, directory) as path:
            if path is not None:
                with written(directory):
                    return headers.unpack(path, directory)
    from freshwheel.build import inner_build, notice  # noqa: PLC0415 - needed where nothing is at hand only

    with private() as apart, notice.fresh(plan, apart) as (variables, _), inner_build.opened(plan, variables) as inner:
        try:
            found = inner.metadata(plan.call.hook, apart, plan.config.inner_settings)
            # Taken last: the inner backend may write a lock file here, and the build that follows will see it.
            digest = plan.snapshot().digest if plan.kind == "labelled" else None
        except (HookMissingError, InputError):
            return _metadata_by_building(plan, directory)
        stated = headers.version_of(found)
        full = wheel_name.version_of(plan, stated, digest)
        with written(directory):
            return headers.copy(found, directory, version=full)


def wheel(plan: Plan, directory: str) -> str:
    """The file name of the wheel, or editable wheel, in `directory`: from what is kept, or from a real build."""
    before = _standing(directory)
    name, inner = _supplied(plan, directory)
    _clear(directory, before, new=name, inner=inner)
    return name


def sdist(plan: Plan, directory: str) -> str:
    """The file name of the source distribution written into `directory`: the inner backend's, never labelled."""
    from freshwheel.build import finish, inner_build, notice  # noqa: PLC0415 - for source distributions alone, as the next one
    from freshwheel.wheel import sdist as source_distribution  # noqa: PLC0415

    base = plan.base()
    with (
        private(directory) as apart,
        notice.fresh(plan, apart) as (variables, _),
        inner_build.opened(plan, variables) as inner,
    ):
        path = inner.build(plan.call.hook, apart, plan.config.inner_settings)
        with written(directory):
            if base is None or wheel_name.same(source_distribution.version_of(path), base):
                return finish.place(path, directory)
            return source_distribution.rewrite(path, directory, version=base)


def _ready(plan: Plan, near: str) -> AbstractContextManager[str | None]:
    """The path of the wheel of this call, while the context lasts; None where it must be built first."""
    if not plan.in_place:
        return obtain.ready(plan, near)
    from freshwheel.build import editable  # noqa: PLC0415 - most calls are about a wheel

    return editable.ready(plan, near)


def _supplied(plan: Plan, directory: str) -> tuple[str, str]:
    """The file name of the wheel in `directory`, and that of the inner wheel it was made from."""
    if not plan.in_place:
        return obtain.wheel(plan, directory)
    from freshwheel.build import editable  # noqa: PLC0415 - as above

    return editable.wheel(plan, directory)


def _metadata_by_building(plan: Plan, directory: str) -> str:
    """As `metadata`, for an inner backend that has no hook for it, or a tree whose digest can't be told."""
    with private(directory) as apart:
        name = wheel(plan, apart)
        obtain.lend(plan, os.path.join(apart, name))
        with written(directory):
            return headers.unpack(os.path.join(apart, name), directory)


def _standing(directory: str) -> _Standing:
    """The wheels that are in `directory` now."""
    wheels = {}
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(".whl"):
                wheels[entry.name] = _row(entry.path)
    return {name: row for name, row in wheels.items() if row is not None}


def _clear(directory: str, before: _Standing, *, new: str, inner: str) -> list[str]:
    """The names of the wheels removed from `directory`: those that the inner backend would have overwritten.

    Unwrapped, a build overwrites the file of the one before. A label gives each its own name, and labels have no order,
    so an installer that is shown the folder could pick any of them.

    A wheel goes only if it stood there before this build began (`before`) and nobody touched it since, if it carries a
    label, and if its mark names the inner file name of the new wheel. A wheel that can't be removed stays.
    """
    removed = []
    for name, row in sorted(before.items()):
        path = os.path.join(directory, name)
        if name == new or _row(path) != row or not _is_earlier(path, inner):
            continue
        with contextlib.suppress(OSError):
            os.unlink(path)
            removed.append(name)
    return removed


def _is_earlier(path: str, inner: str) -> bool:
    mark = archive.mark_of(path)
    return mark is not None and mark.label is not None and mark.inner_wheel == inner


def _row(path: str) -> tuple[int, int, int] | None:
    try:
        stat = os.lstat(path)
    except OSError:
        return None
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)
