"""Where the wheel of a call comes from: what its run was promised, the store, or a real build, which may be stored."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from freshwheel.base import files
from freshwheel.base.model import Snapshot
from freshwheel.build import deliver, explanation, requires_age
from freshwheel.build.deliver import SAME, opened, private, written
from freshwheel.build.lookup import Case
from freshwheel.build.plan import Plan
from freshwheel.memory import journal, lease, outcome
from freshwheel.memory.lease import Lease
from freshwheel.memory.outcome import Outcome
from freshwheel.store.store import Store
from freshwheel.wheel import archive

_PROMISED = "found when this run began"
_PREPARED = "this run has built it for its metadata"
_MOVED = "the sources changed after it was asked what to install"
_COMPILED = ", and what is compiled may be too; install again"


def wheel(plan: Plan, directory: str) -> tuple[str, str]:
    """The file name of the wheel written into `directory`, and that of the inner wheel it was made from."""
    held, found = _held(plan), plan.attempt()
    if held is not None and _is_of(held, found):
        return leased(plan, held, found, directory)
    case = opened(plan, found)
    # What must be proved is proved behind the locks.
    answer = _stored(case, directory) if isinstance(case, Case) and not plan.proves else None
    if answer is None and held is not None and held.key and _withheld(plan):
        return leased(plan, held, found, directory)
    if held is not None:
        lease.drop(held)
    if answer is not None:
        return answer
    from freshwheel.build import make  # noqa: PLC0415 - a hit builds nothing

    with _alone(plan, case):
        # Somebody else may have built it while this one waited.
        again = _stored(case, directory) if isinstance(case, Case) else None
        return again or make.make(plan, directory, case)


def lend(plan: Plan, path: str) -> None:
    """The wheel at `path`, built for its metadata, is kept for the later hooks of this run, if it is of the tree."""
    cache, mark, identity = files.cache_directory(plan.call.environ), archive.mark_of(path), deliver.run(plan)
    if plan.call.hook == "build_wheel" and cache and identity and mark is not None and mark.settled:
        lease.sweep(cache, time.time())
        lease.grant(cache, identity, key="", digest=mark.digest, wheel=(path, os.path.basename(path)))


@contextlib.contextmanager
def ready(plan: Plan, near: str) -> Iterator[str | None]:
    """The path of the wheel of this call, while the context lasts; None where it must be built first.

    It may lie in the folder `near`.
    """
    held, found = _held(plan), plan.attempt()
    with private(near) as folder:
        if held is not None and isinstance(found, Snapshot) and _is_of(held, found):
            why = _PROMISED if held.key else _PREPARED
            one = Outcome(hook="metadata", decided="lease", why=why, wheel=held.name, key=held.key)
            explanation.note(plan, None, one, found)
            yield _taken(held, folder)
            return
        case = opened(plan, found)
        entry = requires_age.current(case) if isinstance(case, Case) else None
        answer = deliver.delivered(case, entry, folder) if isinstance(case, Case) and entry is not None else None
        if answer is None and held is not None and held.key and _withheld(plan):
            one = Outcome(hook="metadata", decided="lease", why=_MOVED, wheel=held.name, key=held.key)
            explanation.note(plan, None, one, None)
            yield _taken(held, folder)
            return
        if isinstance(case, str):
            yield None
            return
        if answer is None:
            one = Outcome(hook="metadata", decided="miss", why=explanation.reason(plan, case))
        else:
            one = Outcome(hook="metadata", decided="hit", why=SAME, wheel=answer[0])
        explanation.note(plan, case, one, case.found)
        yield None if answer is None else os.path.join(folder, answer[0])


def _held(plan: Plan) -> Lease | None:
    """As `lent`; of an editable wheel it is not for this module to say."""
    return deliver.lent(plan) if plan.call.hook == "build_wheel" else None


def _withheld(plan: Plan) -> bool:
    """As `making.withheld`."""
    from freshwheel.build import make  # noqa: PLC0415 - as above

    return make.withheld(plan)


def _is_of(held: Lease, found: object) -> bool:
    """Whether the inputs are what they were when the lease was granted."""
    return isinstance(found, Snapshot) and found.digest == held.digest


def _taken(held: Lease, folder: str) -> str:
    """The path of a copy of the wheel that was promised, under its own name."""
    path = os.path.join(folder, held.name)
    with written(folder):
        files.copy(held.wheel, path)
    return path


def leased(plan: Plan, held: Lease, found: object, directory: str) -> tuple[str, str]:
    """What was promised: its name, and that of its inner wheel; `found` are the inputs now, if they are known."""
    moved, editable = not _is_of(held, found), plan.call.hook == "build_editable"
    target = os.path.join(directory, held.name)
    with written(directory):
        files.copy(held.wheel, target)
    mark = archive.mark_of(target)
    lease.drop(held)
    source, why = ("from the store", _PROMISED) if held.key else ("not built again", _PREPARED)
    why = _MOVED if moved else why
    hook, saved = "editable" if editable else "wheel", 0
    if held.key:
        outcomes = outcome.load(files.cache_directory(plan.call.environ), plan.call.tree)
        saved = outcome.cost(outcomes, held.key)
    one = Outcome(hook=hook, decided="lease", why=why, wheel=held.name, digest=held.digest, key=held.key, saved=saved)
    explanation.note(plan, None, one, found if isinstance(found, Snapshot) and not moved else None)
    late = f"{_MOVED}: this wheel is of those before" + (_COMPILED if editable else "")
    plan.call.say(late if moved else f"{held.name} is {source}: {SAME}{journal.saved(saved)}")
    return held.name, mark.inner_wheel if mark is not None else held.name


@contextlib.contextmanager
def _alone(plan: Plan, case: Case | str) -> Iterator[None]:
    """Nobody else builds the same, or in this tree, meanwhile, as far as that can be had.

    The lock of a tree lies in the store, also where that has no say; what is known to write nothing there needs none,
    nor does an unpacked source distribution, which is the run's own.
    """
    writes_nothing = plan.backend.store == "off" and bool(plan.backend.modules)
    with contextlib.ExitStack() as stack:
        if isinstance(case, Case):
            stack.enter_context(case.alone())
        elif not writes_nothing and plan.project.sdist_version is None:
            store = Store.open(files.cache_directory(plan.call.environ))
            if isinstance(store, Store):
                stack.enter_context(store.lock("tree", os.path.realpath(plan.call.tree)))
        yield


def _stored(case: Case, directory: str) -> tuple[str, str] | None:
    """The wheel of the case from the store."""
    entry = requires_age.current(case)
    if entry is None:
        return None
    if case.plan.proves:
        from freshwheel.build import make  # noqa: PLC0415 - as above

        return make.proved(case, entry, directory)
    with written(directory):
        answer = deliver.delivered(case, entry, directory)
    if answer is not None:
        one = Outcome(hook="wheel", decided="hit", why=SAME, wheel=answer[0], saved=entry.milliseconds)
        explanation.note(case.plan, case, one, case.found)
        case.plan.call.say(f"{answer[0]} is from the store: {SAME}{journal.saved(entry.milliseconds)}")
    return answer
