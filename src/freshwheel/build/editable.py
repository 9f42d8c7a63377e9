"""Where an editable wheel comes from: the last inner one of this tree, made anew, or a real build, which is kept here.

An editable wheel leads to the tree. What is compiled for it lies there, and need not be compiled again while all that
it is made from is as it was: then only what leads there is made anew, under the label of the tree as it is now.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from freshwheel.base import files
from freshwheel.build import deliver, explanation, finish, inner_build, lookup, make, obtain
from freshwheel.build.editable_match import SAME, Placement, searched
from freshwheel.build.lookup import Case
from freshwheel.build.plan import Plan
from freshwheel.memory import lease
from freshwheel.memory.editables import Record
from freshwheel.memory.outcome import Outcome


def wheel(plan: Plan, directory: str) -> tuple[str, str]:
    """The file name of the editable wheel in `directory`, and that of the inner wheel it was made from."""
    held, case = deliver.lent(plan), deliver.opened(plan, plan.attempt())
    if isinstance(case, str):
        if held is not None and make.withheld(plan):
            return obtain.leased(plan, held, None, directory)
        return obtain.wheel(plan, directory)
    with case.alone():
        place = Placement.of(case)
        answer, why = place.answer(directory)
        if answer is None and held is not None and make.withheld(plan):
            return obtain.leased(plan, held, None, directory)
        if held is not None:
            lease.drop(held)
        return answer or _built(place, directory, why)


def promise(plan: Plan) -> bool:
    """Whether the wheel of this run can be had without a build, so that nothing need be installed for it."""
    if not lookup.passing(plan) or (run := deliver.run(plan)) is None:
        return False
    case = deliver.opened(plan, plan.attempt())
    if isinstance(case, str):
        return False
    with case.alone(), deliver.private() as folder:
        place = Placement.of(case)
        found = place.fitting()
        if isinstance(found, Record) and place.restored(found) is None:  # later there may be nothing to build with
            found = ""
        name = _made(place, found, folder, hook="requires")
        if not name:
            return False
        lease.sweep(place.cache, time.time())
        kept = (os.path.join(folder, name), name)
        return lease.grant(place.cache, run, key=case.key, digest=case.found.digest, wheel=kept) is not None


@contextlib.contextmanager
def ready(plan: Plan, near: str) -> Iterator[str | None]:
    """As `supply.ready`, of the editable wheel."""
    held, case = deliver.lent(plan), deliver.opened(plan, plan.attempt())
    with deliver.private(near) as folder:
        name = ""
        if isinstance(case, Case):
            place = Placement.of(case)
            name = _made(place, place.fitting(), folder, hook="metadata")
        if not name and held is not None and make.withheld(plan):
            name = held.name
            with deliver.written(folder):
                files.copy(held.wheel, os.path.join(folder, name))
        yield os.path.join(folder, name) if name else None


def _made(place: Placement, found: Record | str, folder: str, *, hook: str) -> str:
    """The file name of the wheel, made in `folder` for a hook that delivers none; nothing: it must be built."""
    made = place.made(found, folder) if isinstance(found, Record) else None
    name = made[0] if made is not None else ""
    why = SAME if name else place.reason(found if isinstance(found, str) else "")
    one = Outcome(hook=hook, decided="hit" if name else "miss", why=why, wheel=name)
    explanation.note(place.case.plan, place.case, one, place.case.found)
    return name


def _built(place: Placement, directory: str, found: str) -> tuple[str, str]:
    """The wheel of a real build, which is kept for this tree if it may be."""
    case, unstored = place.case, "it is of an unfamiliar form"
    why, before = place.reason(found), searched(case, case.found)
    with explanation.failing(case.plan, case, why), deliver.private(directory) as folder:
        make.check(case.plan)
        built = inner_build.build(case.plan, folder, watched=case.writes)
        finish.tell(case.plan, built)
        place = Placement.of(case := make.followed(case, built))
        with deliver.written(directory):
            made, name = finish.finish(case.plan, built, directory)
        if name is not None:
            unstored = place.keep(built, before)
        one = Outcome(hook="editable", decided="built", why=why, wheel=made, unstored=unstored)
        explanation.built(case.plan, case, built, one)
        return made, os.path.basename(built.path)
