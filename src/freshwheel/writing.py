"""What hooks write into a folder of a frontend: metadata, wheels and editables, source distributions."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

from freshwheel import naming, supply
from freshwheel.delivery import private, written
from freshwheel.errors import HookMissingError, InputError
from freshwheel.plan import Plan
from freshwheel.wheel import folder, info


def metadata(plan: Plan, directory: str) -> str:
    """The name of the `.dist-info` folder written into `directory`."""
    if plan.call.hook == "build_wheel" or plan.in_place:
        with _ready(plan, directory) as path:
            if path is not None:
                with written(directory):
                    return info.from_wheel(path, directory)
    from freshwheel import notice, real  # noqa: PLC0415 - needed where nothing is at hand only

    with private() as apart, notice.fresh(plan, apart) as (variables, _), real.opened(plan, variables) as inner:
        try:
            found = inner.metadata(plan.call.hook, apart, plan.config.inner_settings)
            # Taken last: the inner backend may write a lock file here, and the build that follows will see it.
            digest = plan.snapshot().digest if plan.kind == "labelled" else None
        except (HookMissingError, InputError):
            return _metadata_by_building(plan, directory)
        stated = info.version_of(found)
        full = naming.version_of(plan, stated, digest)
        with written(directory):
            return info.with_version(found, directory, version=full)


def wheel(plan: Plan, directory: str) -> str:
    """The file name of the wheel, or editable wheel, in `directory`: from what is kept, or from a real build."""
    before = folder.standing(directory)
    name, inner = _supplied(plan, directory)
    folder.clear(directory, before, new=name, inner=inner)
    return name


def sdist(plan: Plan, directory: str) -> str:
    """The file name of the source distribution written into `directory`: the inner backend's, never labelled."""
    from freshwheel import finish, notice, real  # noqa: PLC0415 - for source distributions alone, as the next one
    from freshwheel.wheel import sdist as source_distribution  # noqa: PLC0415

    base = plan.base()
    with (
        private(directory) as apart,
        notice.fresh(plan, apart) as (variables, _),
        real.opened(plan, variables) as inner,
    ):
        path = inner.build(plan.call.hook, apart, plan.config.inner_settings)
        with written(directory):
            if base is None or naming.same(source_distribution.version_of(path), base):
                return finish.place(path, directory)
            return source_distribution.rewrite(path, directory, version=base)


def _ready(plan: Plan, near: str) -> AbstractContextManager[str | None]:
    """The path of the wheel of this call, while the context lasts; None where it must be built first."""
    if not plan.in_place:
        return supply.ready(plan, near)
    from freshwheel import editable  # noqa: PLC0415 - most calls are about a wheel

    return editable.ready(plan, near)


def _supplied(plan: Plan, directory: str) -> tuple[str, str]:
    """The file name of the wheel in `directory`, and that of the inner wheel it was made from."""
    if not plan.in_place:
        return supply.wheel(plan, directory)
    from freshwheel import editable  # noqa: PLC0415 - as above

    return editable.wheel(plan, directory)


def _metadata_by_building(plan: Plan, directory: str) -> str:
    """As `metadata`, for an inner backend that has no hook for it, or a tree whose digest can't be told."""
    with private(directory) as apart:
        name = wheel(plan, apart)
        supply.lend(plan, os.path.join(apart, name))
        with written(directory):
            return info.from_wheel(os.path.join(apart, name), directory)
