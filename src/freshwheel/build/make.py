"""A wheel made by a real build, which is kept if it may be, and what such a build needs to be there."""

from __future__ import annotations

import os

from freshwheel.base import files
from freshwheel.base.errors import FreshwheelError, InnerError
from freshwheel.base.model import Snapshot
from freshwheel.build import editable, explanation, finish, inner_build, lookup, store_policy, verify
from freshwheel.build.inner_build import Built
from freshwheel.build.kept import Kept, Wheel
from freshwheel.build.lookup import Case
from freshwheel.build.output import private, written
from freshwheel.build.plan import Plan
from freshwheel.inner import distributions, interpreter
from freshwheel.inner.build_key import Component
from freshwheel.memory.outcome import Outcome

_INSTALL = "[tool.freshwheel] requires it: without build isolation, install it; else run the same command again"


def check(plan: Plan) -> None:
    """Raises InnerError where something is not installed that a build needs."""
    if gone := distributions.absent(plan.config.requires):
        # Setuptools without setuptools-rust would make a wheel, and leave out what is Rust.
        raise InnerError(f"not installed: {', '.join(gone)}", hint=_INSTALL)


def withheld(plan: Plan) -> bool:
    """Whether a real build would miss something here, as after a hit; the inner backend is asked, if it is there."""
    package = plan.config.backend.partition(":")[0].partition(".")[0]
    if distributions.unmet(plan.config.requires) or not (plan.config.backend_path or interpreter.importable(package)):
        return True
    try:
        with inner_build.opened(plan) as inner:
            return bool(distributions.unmet(inner.requires(plan.call.hook, plan.config.inner_settings)))
    except FreshwheelError:
        return True


def proved(case: Case, kept: Kept, directory: str) -> Wheel | str:
    """The kept wheel of the case, after a clean build has given the same; raises DifferenceError if it has not."""
    with private(directory) as folder:
        wheel = kept.fetch("wheel", folder)
        if isinstance(wheel, str):
            return wheel
        check(case.plan)
        with private(directory) as apart:
            if not verify.proved(case, os.path.join(folder, wheel.name), apart):
                return ""
        with written(directory):
            files.copy(os.path.join(folder, wheel.name), os.path.join(directory, wheel.name))
    return wheel


def make(plan: Plan, case: Case | str, directory: str, why: str) -> Wheel:
    """The wheel of a real build in `directory`, which is kept if it may be; `why` it is needed, in words."""
    unstored = "it is of an unfamiliar form" if isinstance(case, Case) else ""
    with explanation.failing(plan, case, why), private(directory) as folder:
        check(plan)
        before = editable.searched(plan, case.found) if isinstance(case, Case) and plan.in_place else None
        built = inner_build.build(plan, folder, watched=isinstance(case, Case) and case.writes)
        finish.tell(plan, built)
        case = followed(case, built) if isinstance(case, Case) else case
        with written(directory):
            made, name = finish.finish(plan, built, directory)
        if isinstance(case, Case) and name is not None:
            if plan.in_place:
                unstored = editable.Placement.of(case).keep(built, before)
            else:
                unstored = store_policy.keep(case, built, name, os.path.join(directory, made))
        hook = "editable" if plan.call.hook == "build_editable" else "wheel"
        known = Outcome(hook=hook, decided="built", why=why, wheel=made, unstored=unstored)
        explanation.built(plan, case, built, known)
        return Wheel(name=made, inner=os.path.basename(built.path), decided="built", why=why)


def followed(case: Case, built: Built) -> Case:
    """The case of the inputs that the wheel was made from: of more than before, where the build has made a lock."""
    later = built.later
    if not built.settled or not isinstance(later, Snapshot) or later.digest == case.found.digest:
        return case
    again = lookup.opened(case.plan, later)
    same = isinstance(again, Case) and _surroundings(again) == _surroundings(case)
    return again if isinstance(again, Case) and same else case


def _surroundings(case: Case) -> list[Component]:
    return [part for part in case.facts.components if part.name != lookup.SOURCES]
