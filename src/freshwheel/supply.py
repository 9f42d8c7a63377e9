"""Where the wheel of a call comes from: what its run was promised, the store, or a real build, which may be stored."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator

from freshwheel import decision, finish, frame, lease, memory, real
from freshwheel.decision import Case
from freshwheel.entry import Entry
from freshwheel.errors import FreshwheelError, WheelError
from freshwheel.inner import interpreter
from freshwheel.lease import Lease
from freshwheel.model import Snapshot
from freshwheel.plan import Plan
from freshwheel.store.store import Finished
from freshwheel.wheel import archive

__all__ = ["private", "promise", "ready", "wheel", "written"]


def wheel(plan: Plan, directory: str) -> tuple[str, str]:
    """The file name of the wheel written into `directory`, and that of the inner wheel it was made from."""
    held, found = _held(plan), real.attempt(plan)
    if held is not None:
        answer = _leased(plan, held, found, directory)
        if answer is not None:
            return answer
    case = decision.opened(plan, found) if isinstance(found, Snapshot) else "the inputs can't be read"
    if isinstance(case, str):
        return _built(plan, directory, None)
    answer = _stored(case, directory)
    if answer is not None:
        return answer
    with case.alone():
        # Somebody else may have built it while this one waited.
        return _stored(case, directory) or _built(plan, directory, case)


def promise(plan: Plan) -> bool:
    """Whether this run of a frontend has the wheel already, so that nothing need be installed to build it."""
    if not decision.lean(plan):
        return False
    cache, identity = frame.cache_directory(plan.call.environ), _identity(plan)
    found = real.attempt(plan)
    case = decision.opened(plan, found) if isinstance(found, Snapshot) else ""
    entry = case.entry() if isinstance(case, Case) else None
    if cache is None or identity is None or entry is None or not isinstance(case, Case):
        return False
    lease.sweep(cache, time.time())
    with private() as folder:
        answer = _delivered(case, entry, folder)
        if answer is None:
            return False
        path = os.path.join(folder, answer[0])
        return lease.grant(cache, identity, key=case.key, digest=case.found.digest, wheel=(path, answer[0])) is not None


@contextlib.contextmanager
def ready(plan: Plan) -> Iterator[str | None]:
    """The path of the wheel of this call, while the context lasts; None where it must be built first."""
    held, found = _held(plan), real.attempt(plan)
    with private() as folder:
        if held is not None and isinstance(found, Snapshot) and found.digest == held.digest:
            path = os.path.join(folder, held.name)
            frame.copy(held.wheel, path)
            yield path
            return
        case = decision.opened(plan, found) if isinstance(found, Snapshot) else ""
        entry = case.entry() if isinstance(case, Case) else None
        answer = _delivered(case, entry, folder) if isinstance(case, Case) and entry is not None else None
        yield None if answer is None else os.path.join(folder, answer[0])


@contextlib.contextmanager
def private() -> Iterator[str]:
    """A folder for the inner backend alone: what it leaves there can't be taken for ours by a frontend."""
    with tempfile.TemporaryDirectory(prefix="freshwheel-", ignore_cleanup_errors=True) as directory:
        yield directory


@contextlib.contextmanager
def written(directory: str) -> Iterator[None]:
    """Turns what can't be written into `directory`, which is made, into an error for people."""
    try:
        os.makedirs(directory, exist_ok=True)
        yield
    except OSError as error:
        raise FreshwheelError(f"can't write to {directory}: {error.strerror or error}") from error


def _identity(plan: Plan) -> bytes | None:
    """What this run is known by."""
    asked = memory.question(plan.call.settings, plan.call.environ)
    inner = sorted((plan.config.inner_settings or {}).items())
    if asked is None:
        return None
    abi = (sys.implementation.cache_tag or "", *getattr(sys, "abiflags", ""))
    texts = [plan.call.hook, *abi, *map(repr, inner)]
    what = frame.framed(asked, *(text.encode("utf-8", "surrogatepass") for text in texts))
    return lease.run(memory.real(plan.call.tree), plan.call.environ, what)


def _held(plan: Plan) -> Lease | None:
    """What this run was promised."""
    cache = frame.cache_directory(plan.call.environ)
    if cache is None or plan.call.hook != "build_wheel" or (identity := _identity(plan)) is None:
        return None
    return lease.find(cache, identity)


def _leased(plan: Plan, held: Lease, found: object, directory: str) -> tuple[str, str] | None:
    """What was promised, if it is still true, or if nothing else can be had."""
    moved = not isinstance(found, Snapshot) or found.digest != held.digest
    if moved and interpreter.importable(plan.config.backend.partition(":")[0].partition(".")[0]):
        lease.drop(held)
        return None
    target = os.path.join(directory, held.name)
    with written(directory):
        frame.copy(held.wheel, target)
    mark = archive.mark_of(target)
    lease.drop(held)
    if moved:
        plan.call.say("the sources changed after it was asked what to install: this wheel is of those before")
    return held.name, mark.inner_wheel if mark is not None else held.name


def _stored(case: Case, directory: str) -> tuple[str, str] | None:
    """The wheel of the case from the store."""
    entry = case.entry()
    if entry is None:
        return None
    with written(directory):
        answer = _delivered(case, entry, directory)
    if answer is not None:
        case.plan.call.say(f"{answer[0]} is from the store: nothing that it is made from has changed")
    return answer


def _delivered(case: Case, entry: Entry, directory: str) -> tuple[str, str] | None:
    """The finished wheel of an entry, now in `directory`; made from the inner one where it is not kept."""
    name = finish.named(case.plan, case.found.digest, settled=True, stated=entry.base, inner=entry.inner.name)
    ready = entry.finished.get(name.tag)
    if ready is not None and case.store.hand_out(ready.blob, os.path.join(directory, ready.name)):
        return ready.name, entry.inner.name
    with private() as folder:
        path = os.path.join(folder, entry.inner.name)
        if not case.store.hand_out(entry.inner.blob, path):
            return None
        try:
            made = archive.rewrite(archive.read(path), directory, version=name.version, mark=name.mark)
        except WheelError:
            return None
    if case.writes:
        finished = Finished(path=os.path.join(directory, made), label=name.label)
        case.store.add_finished(entry, name.tag, finished)
    return made, entry.inner.name


def _built(plan: Plan, directory: str, case: Case | None) -> tuple[str, str]:
    """The wheel of a real build, which is stored if it may be."""
    with private() as folder:
        built = real.build(plan, folder)
        finish.tell(plan, built)
        with written(directory):
            made, name = finish.finish(plan, built, directory)
        if case is not None and name is not None:
            finished = {name.tag: Finished(path=os.path.join(directory, made), label=name.label)}
            case.keep(built, {}, name.stated, finished)
            case.store.prune(time.time_ns())
        return made, os.path.basename(built.path)
