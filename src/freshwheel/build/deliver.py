"""A finished wheel out of the store, and the promise of one to a run: all that a hit takes.

What only a build, or a wheel that must be made anew, needs is not loaded here: a frontend waits for this.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator

from freshwheel.base import files, isolation
from freshwheel.base.errors import FreshwheelError, InputError, WheelError
from freshwheel.base.model import Snapshot
from freshwheel.build import explanation, lookup, rehearsal, requires_age, wheel_name
from freshwheel.build.lookup import Case
from freshwheel.build.plan import Plan
from freshwheel.build.wheel_name import Name
from freshwheel.memory import answers, lease, memory
from freshwheel.memory.lease import Lease
from freshwheel.memory.outcome import Outcome
from freshwheel.store.entry import Entry

SAME = "nothing that it is made from has changed"
LARGE = 100 << 20
"""Bytes from which on a wheel is kept in one form only: the finished one is made anew for each hit."""
_UNREAD = "the inputs can't be read"
_ROOM = 1 << 30
"""Bytes that are enough for any wheel, and what it is made from."""


def promise(plan: Plan) -> bool:
    """Whether this run of a frontend has the wheel already, so that nothing need be installed to build it."""
    if not lookup.passing(plan) or plan.proves:
        return False
    found = plan.attempt()
    case = opened(plan, found)
    identity = run(plan)
    name = _promised(case, identity) if isinstance(case, Case) and identity is not None else ""
    if name:
        one = Outcome(hook="requires", decided="hit", why=SAME, wheel=name)
    else:
        why = explanation.reason(plan, case) if identity is not None else "this run can't be told from others"
        if isinstance(case, Case) and (entry := case.entry()) is not None and requires_age.expired(case, entry):
            why = requires_age.OVER
        one = Outcome(hook="requires", decided="miss", why=why)
    explanation.note(plan, case, one, found if isinstance(found, Snapshot) else None)
    return bool(name)


def _promised(case: Case, identity: bytes) -> str:
    """The name of the wheel that is kept for this run; nothing: there is none."""
    cache, entry = files.cache_directory(case.plan.call.environ), case.entry()
    if cache is None or entry is None or requires_age.expired(case, entry):
        return ""
    lease.sweep(cache, time.time())
    with contextlib.suppress(OSError), private() as folder:
        answer = delivered(case, entry, folder)
        if answer is None:
            return ""
        wheel = (os.path.join(folder, answer[0]), answer[0])
        granted = lease.grant(cache, identity, key=case.key, digest=case.found.digest, wheel=wheel)
        return answer[0] if granted is not None else ""
    return ""


def delivered(case: Case, entry: Entry, directory: str) -> tuple[str, str] | None:
    """The finished wheel of an entry, now in `directory`; made from the inner one where it is not kept."""
    name = wheel_name.named(
        case.plan, case.found.digest, native=case.found.native, stated=entry.base, inner=entry.inner.name
    )
    ready = entry.finished.get(name.tag)
    if ready is not None and case.store.hand_out(ready.blob, os.path.join(directory, ready.name)):
        rehearsal.keep(case, entry, name.tag, os.path.join(directory, ready.name))
        return ready.name, entry.inner.name
    return _made(case, entry, name, directory)


def _made(case: Case, entry: Entry, name: Name, directory: str) -> tuple[str, str] | None:
    """As `delivered`, from the inner wheel; what comes of it is kept."""
    from freshwheel.wheel import archive  # noqa: PLC0415 - most hits have the finished wheel

    with private(directory) as folder:
        path = os.path.join(folder, entry.inner.name)
        if not case.store.hand_out(entry.inner.blob, path):
            return None
        try:
            made = archive.rewrite(archive.read(path), directory, version=name.version, mark=name.mark)
        except (WheelError, OSError):
            # A build will say it, if it is the folder of the frontend that can't be written to.
            return None
    if case.writes and entry.inner.blob.size < LARGE:
        path = os.path.join(directory, made)
        added = case.store.add_finished(entry, name.tag, path)
        if added is not None:
            rehearsal.keep(case, added, name.tag, path)
    return made, entry.inner.name


@contextlib.contextmanager
def private(near: str | None = None) -> Iterator[str]:
    """A folder for the inner backend alone: what it leaves there can't be taken for ours by a frontend.

    It is in that for temporary files; where that is small, and there is more room in the folder `near`, in there.
    """
    place = near if near is not None and _is_roomier(near) else None
    with tempfile.TemporaryDirectory(prefix=".freshwheel-", dir=place, ignore_cleanup_errors=True) as directory:
        yield directory


def _is_roomier(near: str) -> bool:
    try:
        os.makedirs(near, exist_ok=True)
        temporary = tempfile.gettempdir()
        room = shutil.disk_usage(temporary).free
        return room < _ROOM and shutil.disk_usage(near).free > room
    except OSError:
        return False


@contextlib.contextmanager
def written(directory: str) -> Iterator[None]:
    """Turns what can't be written into `directory`, which is made, into an error for people."""
    try:
        os.makedirs(directory, exist_ok=True)
        yield
    except OSError as error:
        raise FreshwheelError(f"can't write to {directory}: {error.strerror or error}") from error


def run(plan: Plan) -> bytes | None:
    """What this run is known by; None where nobody made an environment for it."""
    if isolation.isolation(plan.call.environ) is None:
        return None
    call, tree = plan.call, memory.real(plan.call.tree)
    asked = answers.question(tree, call.hook, call.settings, call.environ)
    return None if asked is None else lease.run(tree, call.environ, asked)


def opened(plan: Plan, found: Snapshot | InputError) -> Case | str:
    """The case of a call with these inputs, or why nothing that is kept has a say."""
    return lookup.opened(plan, found) if isinstance(found, Snapshot) else _UNREAD


def lent(plan: Plan) -> Lease | None:
    """What this run was promised."""
    cache, own = files.cache_directory(plan.call.environ), run(plan)
    return lease.find(cache, own) if cache is not None and own is not None else None
