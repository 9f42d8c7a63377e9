"""A wheel made by a real build, which is stored if it may be, and what such a build needs to be there."""

from __future__ import annotations

import os
import time

from freshwheel.base import frame
from freshwheel.base.errors import FreshwheelError, InnerError
from freshwheel.base.model import Snapshot
from freshwheel.build import deliver, explanation, finish, inner_build, lookup, rehearsal, store_policy, verify
from freshwheel.build.deliver import private, written
from freshwheel.build.inner_build import Built
from freshwheel.build.lookup import Case
from freshwheel.build.plan import Plan
from freshwheel.inner import distributions, interpreter
from freshwheel.inner.build_key import Component
from freshwheel.memory.outcome import Outcome
from freshwheel.store.entry import Entry
from freshwheel.store.write import Finished

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


def proved(case: Case, entry: Entry, directory: str) -> tuple[str, str] | None:
    """The stored wheel of the case, after a clean build has given the same; raises DifferenceError if it has not."""
    with private(directory) as folder:
        answer = deliver.delivered(case, entry, folder)
        if answer is None:
            return None
        check(case.plan)
        with private(directory) as apart:
            if not verify.proved(case, os.path.join(folder, answer[0]), apart):
                return None
        with written(directory):
            frame.copy(os.path.join(folder, answer[0]), os.path.join(directory, answer[0]))
    return answer


def followed(case: Case, built: Built) -> Case:
    """The case of the inputs that the wheel was made from: of more than before, where the build has made a lock."""
    later = built.later
    if not built.settled or not isinstance(later, Snapshot) or later.digest == case.found.digest:
        return case
    again = lookup.opened(case.plan, later)
    same = isinstance(again, Case) and _surroundings(again) == _surroundings(case)
    return again if isinstance(again, Case) and same else case


def _surroundings(case: Case) -> list[Component]:
    return [one for one in case.facts.components if one.name != lookup.SOURCES]


def make(plan: Plan, directory: str, case: Case | str) -> tuple[str, str]:
    """The wheel of a real build, which is stored if it may be."""
    why, unstored = explanation.reason(plan, case), ""
    with explanation.failing(plan, case, why), private(directory) as folder:
        check(plan)
        built = inner_build.build(plan, folder, watched=isinstance(case, Case) and case.writes)
        finish.tell(plan, built)
        case = followed(case, built) if isinstance(case, Case) else case
        with written(directory):
            made, name = finish.finish(plan, built, directory)
        if isinstance(case, Case):
            unstored = "it is of an unfamiliar form"
            if name is not None:
                path = os.path.join(directory, made)
                is_large = os.path.getsize(built.path) >= deliver.LARGE
                finished = {} if is_large else {name.tag: Finished(path=path, label=name.label)}
                unstored = store_policy.keep(case, built, {}, name.stated, finished)
                if not unstored and (entry := case.entry()) is not None:
                    rehearsal.keep(case, entry, name.tag, path)
                case.store.prune(time.time_ns())
        hook = "editable" if plan.call.hook == "build_editable" else "wheel"
        one = Outcome(hook=hook, decided="built", why=why, wheel=made, unstored=unstored)
        explanation.built(plan, case, built, one)
        return made, os.path.basename(built.path)
