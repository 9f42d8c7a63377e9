"""Where the wheel of a call comes from: what its run was promised, what is kept, or a real build.

What only a build, or a wheel that must be made anew, needs is not loaded here: a frontend waits for this.
"""

from __future__ import annotations

import contextlib
import os
from contextlib import AbstractContextManager

from freshwheel.base import files
from freshwheel.base.errors import InputError
from freshwheel.base.model import Snapshot
from freshwheel.build import explanation, lookup
from freshwheel.build.context import Context
from freshwheel.build.lookup import Case
from freshwheel.build.output import SAME, Kept, Purpose, Wheel, written
from freshwheel.memory import answers, journal, lease, outcome
from freshwheel.memory.lease import Lease
from freshwheel.memory.outcome import Outcome
from freshwheel.store.store import Store

_PROMISED = "found when this run began"
_PREPARED = "this run has built it for its metadata"
_MOVED = "the sources changed after it was asked what to install"
_COMPILED = ", and what is compiled may be too; install again"
_NO_RUN = "this run can't be told from others"


def obtain(context: Context, purpose: Purpose, folder: str) -> Wheel | None:
    """The wheel of a call, in `folder`; None where it must be built, and only something else was asked for.

    What was decided is on record.
    """
    held, snapshot = (None if purpose == "requires" else promised(context)), context.attempt()
    if held is not None and not context.in_place and _is_of(held, snapshot):
        return _leased(context, held, purpose, folder, snapshot)
    case = lookup.opened(context, snapshot)
    kept = None if isinstance(case, str) else of(case)
    wheel: Wheel | str = case if isinstance(case, str) else ""
    with _alone(context, case) if context.in_place and purpose != "metadata" else contextlib.nullcontext():
        if purpose == "requires" and run(context) is None:
            wheel = _NO_RUN
        elif kept is not None and not (context.proves and purpose == "wheel"):  # that is proved behind the locks
            wheel = kept.fetch(purpose, folder)
        if isinstance(wheel, str) and held is not None and held.key and _withheld(context):
            return _leased(context, held, purpose, folder, snapshot)
    if purpose == "wheel":
        if held is not None:
            lease.drop(held)
        if isinstance(wheel, str):
            return _built(context, case, folder)
    _note(context, case, purpose, wheel, kept)
    return None if isinstance(wheel, str) else wheel


def _built(context: Context, case: Case | str, folder: str) -> Wheel:
    """The wheel of a real build, unless somebody else has built it while this one waited."""
    from freshwheel.build import make  # noqa: PLC0415 - a hit builds nothing

    with _alone(context, case):
        if isinstance(case, str):
            return make.make(context, case, folder, case)
        kept = of(case)
        wheel = (
            make.proved(case, kept, folder) if context.proves and not context.in_place else kept.fetch("wheel", folder)
        )
        if isinstance(wheel, str):
            return make.make(context, case, folder, kept.reason(wheel))
        if not context.proves:  # else that is on record already
            _note(context, case, "wheel", wheel, kept)
        return wheel


def of(case: Case) -> Kept:
    """What is kept for a case."""
    if case.context.in_place:
        from freshwheel.build.editable import Placement  # noqa: PLC0415 - most calls are about a wheel

        return Placement.of(case)
    from freshwheel.build.finish import Stored  # noqa: PLC0415 - as above

    return Stored(case)


def _note(context: Context, case: Case | str, purpose: Purpose, wheel: Wheel | str, kept: Kept | None) -> None:
    """Puts on record what was decided, and tells a person of a wheel."""
    hook = _hook(context, purpose)
    if isinstance(wheel, str):
        why = kept.reason(wheel) if kept is not None else wheel
        explanation.note(context, case, Outcome(hook=hook, decided="miss", why=why), _inputs(case))
        return
    known = Outcome(hook=hook, decided=wheel.decided, why=wheel.why, wheel=wheel.name, saved=wheel.saved)
    explanation.note(context, case, known, _inputs(case))
    if purpose == "wheel" and wheel.said:
        context.call.say(f"{wheel.name} {wheel.said}")


def _inputs(case: Case | str) -> Snapshot | None:
    return case.snapshot if isinstance(case, Case) else None


def _hook(context: Context, purpose: Purpose) -> str:
    return "editable" if purpose == "wheel" and context.call.hook == "build_editable" else purpose


def run(context: Context) -> bytes | None:
    """What this run is known by; None where nobody made an environment for it."""
    if context.private is None:
        return None
    asked = answers.question(context.real, context.call.hook, context.call.settings, context.call.environ)
    return None if asked is None else lease.run(context.real, context.call.environ, asked)


def promised(context: Context) -> Lease | None:
    """What this run was promised."""
    own = run(context)
    return lease.find(context.cache, own) if context.cache is not None and own is not None else None


def _is_of(held: Lease, snapshot: Snapshot | InputError) -> bool:
    """Whether the inputs are what they were when the lease was granted."""
    return isinstance(snapshot, Snapshot) and snapshot.digest == held.digest


def _withheld(context: Context) -> bool:
    """Whether a real build would miss something here, as after a hit."""
    from freshwheel.build import make  # noqa: PLC0415 - a hit builds nothing

    return make.withheld(context)


def _leased(context: Context, held: Lease, purpose: Purpose, folder: str, snapshot: Snapshot | InputError) -> Wheel:
    """What was promised, in `folder`; `found` are the inputs now."""
    from freshwheel.wheel import archive  # noqa: PLC0415 - where a run was promised something

    moved, target = not _is_of(held, snapshot), os.path.join(folder, held.name)
    with written(folder):
        files.copy(held.wheel, target)
    source, why = ("from the store", _PROMISED) if held.key else ("not built again", _PREPARED)
    why = _MOVED if moved else why
    saved = outcome.cost(outcome.load(context.cache, context.call.tree), held.key) if held.key else 0
    known = Outcome(
        hook=_hook(context, purpose),
        decided="lease",
        why=why,
        wheel=held.name,
        digest=held.digest,
        key=held.key,
        saved=saved,
    )
    explanation.note(context, None, known, snapshot if isinstance(snapshot, Snapshot) and not moved else None)
    mark = archive.mark_of(target)
    if purpose == "wheel":
        lease.drop(held)
        late = f"{_MOVED}: this wheel is of those before" + (_COMPILED if context.in_place else "")
        context.call.say(late if moved else f"{held.name} is {source}: {SAME}{journal.saved(saved)}")
    return Wheel(name=held.name, inner=mark.inner_wheel if mark else held.name, decided="lease", why=why)


def _alone(context: Context, case: Case | str) -> AbstractContextManager[object]:
    """Nobody else builds the same, or in this tree, meanwhile, as far as that can be had.

    The lock of a tree lies in the store, also where that has no say; what is known to write nothing there needs none,
    nor does an unpacked source distribution, which is the run's own.
    """
    if isinstance(case, Case):
        return case.alone()
    writes_nothing = context.backend.store == "off" and bool(context.backend.modules)
    store = None if writes_nothing or context.project.sdist_version is not None else Store.open(context.cache)
    if not isinstance(store, Store):
        return contextlib.nullcontext()
    return store.lock("tree", os.fsdecode(context.real))
