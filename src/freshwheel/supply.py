"""Where the wheel of a call comes from: what its run was promised, the store, or a real build, which may be stored."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator

from freshwheel import account, answers, decision, finish, frame, lease, memory, proof, real, rehearsal
from freshwheel.decision import Case
from freshwheel.entry import Entry
from freshwheel.errors import FreshwheelError, InnerError, InputError, WheelError
from freshwheel.inner import interpreter
from freshwheel.lease import Lease
from freshwheel.model import Snapshot
from freshwheel.outcome import Outcome
from freshwheel.plan import Plan
from freshwheel.store.store import Finished, Store
from freshwheel.wheel import archive

__all__ = [
    "check",
    "leased",
    "lend",
    "lent",
    "opened",
    "private",
    "promise",
    "ready",
    "run",
    "wheel",
    "withheld",
    "written",
]

_SAME = "nothing that it is made from has changed"
_PROMISED = "this run was promised it"
_PREPARED = "this run has built it for its metadata"
_MOVED = "the sources changed after it was asked what to install"
_COMPILED = ", and what is compiled may be too; install again"
_UNREAD = "the inputs can't be read"
_INSTALL = "[tool.freshwheel] requires it: without build isolation, install it; else run the same command again"


def wheel(plan: Plan, directory: str) -> tuple[str, str]:
    """The file name of the wheel written into `directory`, and that of the inner wheel it was made from."""
    held, found = _held(plan), real.attempt(plan)
    if held is not None and _is_of(held, found):
        return leased(plan, held, found, directory)
    case = opened(plan, found)
    # What must be proved is proved behind the locks.
    answer = _stored(case, directory) if isinstance(case, Case) and not plan.proves else None
    if answer is None and held is not None and held.key and withheld(plan):
        return leased(plan, held, found, directory)
    if held is not None:
        lease.drop(held)
    if answer is not None:
        return answer
    with _alone(plan, case):
        # Somebody else may have built it while this one waited.
        again = _stored(case, directory) if isinstance(case, Case) else None
        return again or _built(plan, directory, case)


def promise(plan: Plan) -> bool:
    """Whether this run of a frontend has the wheel already, so that nothing need be installed to build it."""
    if not decision.passing(plan) or plan.proves:
        return False
    found = real.attempt(plan)
    case = opened(plan, found)
    identity = run(plan)
    name = _promised(case, identity) if isinstance(case, Case) and identity is not None else ""
    if name:
        one = Outcome(hook="requires", decided="hit", why=_SAME, wheel=name)
    else:
        why = account.reason(plan, case) if identity is not None else "this run can't be told from others"
        one = Outcome(hook="requires", decided="miss", why=why)
    account.note(plan, case, one, found if isinstance(found, Snapshot) else None)
    return bool(name)


def _promised(case: Case, identity: bytes) -> str:
    """The name of the wheel that is kept for this run; nothing: there is none."""
    cache, entry = frame.cache_directory(case.plan.call.environ), case.entry()
    if cache is None or entry is None:
        return ""
    lease.sweep(cache, time.time())
    with contextlib.suppress(OSError), private() as folder:
        answer = _delivered(case, entry, folder)
        if answer is None:
            return ""
        wheel = (os.path.join(folder, answer[0]), answer[0])
        granted = lease.grant(cache, identity, key=case.key, digest=case.found.digest, wheel=wheel)
        return answer[0] if granted is not None else ""
    return ""


def lend(plan: Plan, path: str) -> None:
    """The wheel at `path`, built for its metadata, is kept for the later hooks of this run, if it is of the tree."""
    cache, mark, identity = frame.cache_directory(plan.call.environ), archive.mark_of(path), run(plan)
    if plan.call.hook == "build_wheel" and cache and identity and mark is not None and mark.settled:
        lease.sweep(cache, time.time())
        lease.grant(cache, identity, key="", digest=mark.digest, wheel=(path, os.path.basename(path)))


@contextlib.contextmanager
def ready(plan: Plan) -> Iterator[str | None]:
    """The path of the wheel of this call, while the context lasts; None where it must be built first."""
    held, found = _held(plan), real.attempt(plan)
    with private() as folder:
        if held is not None and isinstance(found, Snapshot) and _is_of(held, found):
            why = _PROMISED if held.key else _PREPARED
            one = Outcome(hook="metadata", decided="lease", why=why, wheel=held.name, key=held.key)
            account.note(plan, None, one, found)
            yield _taken(held, folder)
            return
        case = opened(plan, found)
        entry = case.entry() if isinstance(case, Case) else None
        answer = _delivered(case, entry, folder) if isinstance(case, Case) and entry is not None else None
        if answer is None and held is not None and held.key and withheld(plan):
            one = Outcome(hook="metadata", decided="lease", why=_MOVED, wheel=held.name, key=held.key)
            account.note(plan, None, one, None)
            yield _taken(held, folder)
            return
        if isinstance(case, str):
            yield None
            return
        if answer is None:
            one = Outcome(hook="metadata", decided="miss", why=account.reason(plan, case))
        else:
            one = Outcome(hook="metadata", decided="hit", why=_SAME, wheel=answer[0])
        account.note(plan, case, one, case.found)
        yield None if answer is None else os.path.join(folder, answer[0])


def check(plan: Plan) -> None:
    """Raises InnerError where something is not installed that a build needs."""
    if gone := decision.absent(plan.config.requires):
        # Setuptools without setuptools-rust would make a wheel, and leave out what is Rust.
        raise InnerError(f"not installed: {', '.join(gone)}", hint=_INSTALL)


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


def run(plan: Plan) -> bytes | None:
    """What this run is known by; None where nobody made an environment for it."""
    if decision.isolation(plan.call.environ) is None:
        return None
    call, tree = plan.call, memory.real(plan.call.tree)
    asked = answers.question(tree, call.hook, call.settings, call.environ)
    return None if asked is None else lease.run(tree, call.environ, asked)


def opened(plan: Plan, found: Snapshot | InputError) -> Case | str:
    """The case of a call with these inputs, or why nothing that is kept has a say."""
    return decision.opened(plan, found) if isinstance(found, Snapshot) else _UNREAD


def lent(plan: Plan) -> Lease | None:
    """What this run was promised."""
    cache, own = frame.cache_directory(plan.call.environ), run(plan)
    return lease.find(cache, own) if cache is not None and own is not None else None


def _held(plan: Plan) -> Lease | None:
    """As `lent`; of an editable wheel it is not for this module to say."""
    return lent(plan) if plan.call.hook == "build_wheel" else None


def _is_of(held: Lease, found: object) -> bool:
    """Whether the inputs are what they were when the lease was granted."""
    return isinstance(found, Snapshot) and found.digest == held.digest


def withheld(plan: Plan) -> bool:
    """Whether a real build would miss something here, as after a hit; the inner backend is asked, if it is there."""
    package = plan.config.backend.partition(":")[0].partition(".")[0]
    if decision.unmet(plan.config.requires) or not (plan.config.backend_path or interpreter.importable(package)):
        return True
    try:
        with real.opened(plan) as inner:
            return bool(decision.unmet(inner.requires(plan.call.hook, plan.config.inner_settings)))
    except FreshwheelError:
        return True


def _taken(held: Lease, folder: str) -> str:
    """The path of a copy of the wheel that was promised, under its own name."""
    path = os.path.join(folder, held.name)
    with written(folder):
        frame.copy(held.wheel, path)
    return path


def leased(plan: Plan, held: Lease, found: object, directory: str) -> tuple[str, str]:
    """What was promised: its name, and that of its inner wheel; `found` are the inputs now, if they are known."""
    moved, editable = not _is_of(held, found), plan.call.hook == "build_editable"
    target = os.path.join(directory, held.name)
    with written(directory):
        frame.copy(held.wheel, target)
    mark = archive.mark_of(target)
    lease.drop(held)
    source, why = ("from the store", _PROMISED) if held.key else ("not built again", _PREPARED)
    why = _MOVED if moved else why
    hook = "editable" if editable else "wheel"
    one = Outcome(hook=hook, decided="lease", why=why, wheel=held.name, digest=held.digest, key=held.key)
    account.note(plan, None, one, found if isinstance(found, Snapshot) and not moved else None)
    late = f"{_MOVED}: this wheel is of those before" + (_COMPILED if editable else "")
    plan.call.say(late if moved else f"{held.name} is {source}: {_SAME}")
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
            store = Store.open(frame.cache_directory(plan.call.environ))
            if isinstance(store, Store):
                stack.enter_context(store.tree_lock(plan.call.tree))
        yield


def _stored(case: Case, directory: str) -> tuple[str, str] | None:
    """The wheel of the case from the store."""
    entry = case.entry()
    if entry is None:
        return None
    if case.plan.proves:
        return _proved(case, entry, directory)
    with written(directory):
        answer = _delivered(case, entry, directory)
    if answer is not None:
        one = Outcome(hook="wheel", decided="hit", why=_SAME, wheel=answer[0])
        account.note(case.plan, case, one, case.found)
        case.plan.call.say(f"{answer[0]} is from the store: {_SAME}")
    return answer


def _proved(case: Case, entry: Entry, directory: str) -> tuple[str, str] | None:
    """As `_stored`, after a clean build has given the same; raises DifferenceError if it has not."""
    with private() as folder:
        answer = _delivered(case, entry, folder)
        if answer is None:
            return None
        check(case.plan)
        with private() as apart:
            if not proof.proved(case, os.path.join(folder, answer[0]), apart):
                return None
        with written(directory):
            frame.copy(os.path.join(folder, answer[0]), os.path.join(directory, answer[0]))
    return answer


def _delivered(case: Case, entry: Entry, directory: str) -> tuple[str, str] | None:
    """The finished wheel of an entry, now in `directory`; made from the inner one where it is not kept."""
    name = finish.named(
        case.plan, case.found.digest, native=case.found.native, stated=entry.base, inner=entry.inner.name
    )
    ready = entry.finished.get(name.tag)
    if ready is not None and case.store.hand_out(ready.blob, os.path.join(directory, ready.name)):
        rehearsal.keep(case, entry, name.tag, os.path.join(directory, ready.name))
        return ready.name, entry.inner.name
    with private() as folder:
        path = os.path.join(folder, entry.inner.name)
        if not case.store.hand_out(entry.inner.blob, path):
            return None
        try:
            made = archive.rewrite(archive.read(path), directory, version=name.version, mark=name.mark)
        except (WheelError, OSError):
            # A build will say it, if it is the folder of the frontend that can't be written to.
            return None
    if case.writes:
        finished = Finished(path=os.path.join(directory, made), label=name.label)
        added = case.store.add_finished(entry, name.tag, finished)
        if added is not None:
            rehearsal.keep(case, added, name.tag, finished.path)
    return made, entry.inner.name


def _built(plan: Plan, directory: str, case: Case | str) -> tuple[str, str]:
    """The wheel of a real build, which is stored if it may be."""
    check(plan)
    why, unstored = account.reason(plan, case), ""
    with private() as folder:
        built = real.build(plan, folder)
        finish.tell(plan, built)
        with written(directory):
            made, name = finish.finish(plan, built, directory)
        if isinstance(case, Case):
            unstored = "it is of an unfamiliar form"
            if name is not None:
                finished = {name.tag: Finished(path=os.path.join(directory, made), label=name.label)}
                unstored = case.keep(built, {}, name.stated, finished)
                if not unstored and (entry := case.entry()) is not None:
                    rehearsal.keep(case, entry, name.tag, finished[name.tag].path)
                case.store.prune(time.time_ns())
        hook = "editable" if plan.call.hook == "build_editable" else "wheel"
        one = Outcome(hook=hook, decided="built", why=why, wheel=made, unstored=unstored)
        account.built(plan, case, built, one)
        return made, os.path.basename(built.path)
