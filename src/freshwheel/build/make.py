"""A wheel made by a real build, which is kept if it may be, and what such a build needs to be there."""

from __future__ import annotations

import os

from freshwheel.base import files
from freshwheel.base.errors import FreshwheelError, InnerError
from freshwheel.base.model import Snapshot
from freshwheel.build import editable, explanation, finish, inner_build, lookup, store_policy, verify
from freshwheel.build.context import Context
from freshwheel.build.inner_build import Built
from freshwheel.build.kept import Kept, Wheel
from freshwheel.build.lookup import Case
from freshwheel.build.output import private, written
from freshwheel.inner import distributions
from freshwheel.inner.build_key import Component
from freshwheel.memory.outcome import Outcome

_INSTALL = "[tool.freshwheel] requires it: without build isolation, install it; else run the same command again"


def check(context: Context) -> None:
    """Raises InnerError where something is not installed that a build needs."""
    if gone := distributions.absent(context.config.requires):
        # Setuptools without setuptools-rust would make a wheel, and leave out what is Rust.
        raise InnerError(f"not installed: {', '.join(gone)}", hint=_INSTALL)


def withheld(context: Context) -> bool:
    """Whether a real build would miss something here, as after a hit; the inner backend is asked, if it is there."""
    package = context.config.backend.partition(":")[0].partition(".")[0]
    if distributions.unmet(context.config.requires) or not (
        context.config.backend_path or distributions.importable(package)
    ):
        return True
    try:
        with inner_build.opened(context) as inner:
            return bool(distributions.unmet(inner.requires(context.call.hook, context.config.inner_settings)))
    except FreshwheelError:
        return True


def proved(case: Case, kept: Kept, directory: str) -> Wheel | str:
    """The kept wheel of the case, after a clean build has given the same; raises DifferenceError if it has not."""
    with private(directory) as folder:
        wheel = kept.fetch("wheel", folder)
        if isinstance(wheel, str):
            return wheel
        check(case.context)
        with private(directory) as apart:
            if not verify.proved(case, os.path.join(folder, wheel.name), apart):
                return ""
        with written(directory):
            files.copy(os.path.join(folder, wheel.name), os.path.join(directory, wheel.name))
    return wheel


def make(context: Context, case: Case | str, directory: str, why: str) -> Wheel:
    """The wheel of a real build in `directory`, which is kept if it may be; `why` it is needed, in words."""
    unstored = "it is of an unfamiliar form" if isinstance(case, Case) else ""
    with explanation.failing(context, case, why), private(directory) as folder:
        check(context)
        before = editable.searched(context, case.found) if isinstance(case, Case) and context.in_place else None
        built = inner_build.build(context, folder, watched=isinstance(case, Case) and case.writes)
        finish.tell(context, built)
        case = followed(case, built) if isinstance(case, Case) else case
        with written(directory):
            made, name = finish.finish(context, built, directory)
        if isinstance(case, Case) and name is not None:
            if context.in_place:
                unstored = editable.Placement.of(case).keep(built, before)
            else:
                unstored = store_policy.keep(case, built, name, os.path.join(directory, made))
        hook = "editable" if context.call.hook == "build_editable" else "wheel"
        known = Outcome(hook=hook, decided="built", why=why, wheel=made, unstored=unstored)
        explanation.built(context, case, built, known)
        return Wheel(name=made, inner=os.path.basename(built.path), decided="built", why=why)


def followed(case: Case, built: Built) -> Case:
    """The case of the inputs that the wheel was made from: of more than before, where the build has made a lock."""
    later = built.later
    if not built.settled or not isinstance(later, Snapshot) or later.digest == case.found.digest:
        return case
    again = lookup.opened(case.context, later)
    same = isinstance(again, Case) and _surroundings(again) == _surroundings(case)
    return again if isinstance(again, Case) and same else case


def _surroundings(case: Case) -> list[Component]:
    return [part for part in case.facts.components if part.name != lookup.SOURCES]
