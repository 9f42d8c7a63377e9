"""The last answer again, while everything it observed still holds. Part of the light column.

It steps aside, which is None, wherever it can't be sure, and whatever goes wrong: the recipes then answer.
"""

import os
import time

from freshwheel.base import environment, files
from freshwheel.memory import answers, lease, memory
from freshwheel.store import shelf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import ParamSpec, TypeVar

    from freshwheel.memory.answers import Answer
    from freshwheel.memory.lease import Lease
    from freshwheel.store.shelf import Shelf

    P = ParamSpec("P")
    T = TypeVar("T")

_HOOK = "build_wheel"
_LEASES = 16
"""With more than these some are of runs that are over."""


class Call:
    """What is asked: tree, environment, settings, `build_wheel` or `build_editable`; and a clock, in ns."""

    __slots__ = ("environ", "hook", "now", "settings", "tree")

    def __init__(
        self,
        tree: str,
        environ: "Mapping[str, str]",
        settings: object,
        hook: str = _HOOK,
        now: "Callable[[], int]" = time.time_ns,
    ) -> None:
        self.tree, self.environ, self.settings, self.hook, self.now = tree, environ, settings, hook, now


def _unless_odd(answer: "Callable[P, T | None]") -> "Callable[P, T | None]":
    """The same function, with None where anything is wrong: what is remembered must never be in the way."""

    def answered(*args: "P.args", **kwargs: "P.kwargs") -> "T | None":
        try:
            return answer(*args, **kwargs)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever it is
            return None

    return answered


class _AsideError(Exception):
    """It can't be sure: the recipes answer."""


class _Case:
    """One call that was answered before, all that the answer rests on being as it was. Raises where it is not."""

    __slots__ = ("answer", "cache", "call", "run", "shelf", "started", "tree")

    answer: "Answer"
    cache: str
    call: Call
    run: bytes | None
    """What this run of a frontend is known by."""
    shelf: "Shelf"
    started: int
    """In ns."""
    tree: bytes

    def __init__(self, call: Call) -> None:
        self.call, self.started, environ = call, call.now(), call.environ
        where, cache = memory.real(call.tree), files.cache_directory(environ)
        asked = answers.question(where, call.hook, call.settings, environ)
        digest = _source_digest(call, self.started) if cache is not None and asked is not None else None
        if cache is None or asked is None or digest is None:
            raise _AsideError
        answer, store = answers.load(cache, asked, digest), shelf.at(cache)
        if answer is None or isinstance(store, str) or not answers.holds(answer, environ):
            raise _AsideError
        if not answer.data:
            os.lstat(store.entry_place(answer.entry.decode()))  # whoever removes an entry wants a build
        self.answer, self.cache, self.shelf, self.tree = answer, cache, store, where
        self.run = lease.run(where, environ, asked) if environment.isolation(environ) is not None else None
        over = bool(answer.until) and call.now() >= int.from_bytes(answer.until, "little")
        if over and (self.run is None or lease.find(cache, self.run) is None):
            raise _AsideError  # its requirements are to be resolved, and what they are now decides

    def held(self) -> "Lease | None":
        """What this run was promised, if anything: this very wheel, or it is for the recipes to decide."""
        held = lease.find(self.cache, self.run) if self.run is not None else None
        same = (self.answer.wheel, self.answer.key.decode(), self.answer.digest.decode())
        if held is not None and (held.name, held.key, held.digest) != same:
            raise _AsideError
        return held

    def told(self) -> str:
        """What is saved, in words; that the wheel is given again is on record."""
        from freshwheel.memory import journal  # noqa: PLC0415 - for the last hook of a run alone

        answer, now, saved = self.answer, self.call.now(), int.from_bytes(self.answer.took, "little")
        names = (journal.identity(self.tree), answer.wheel, answer.digest.decode(), answer.key.decode())
        took = max(0, now - self.started) // 10**6
        kind = "wheel" if self.call.hook == _HOOK else "editable"
        journal.add(self.cache, (now // 10**9, "again", kind, *names, took, saved))
        return journal.saved(saved)

    def hand_out(self, target: str) -> None:
        """`target` holds the wheel."""
        if self.answer.data:
            files.write(target, self.answer.data)
            return
        if self.shelf.hand_out(self.answer.blob, target):
            raise _AsideError
        self.shelf.used(self.answer.entry.decode())


@_unless_odd
def wheel(call: Call, directory: str) -> tuple[str, str] | None:
    """The file name of the wheel, handed out into `directory` once more, and what to tell a person of it."""
    case = _Case(call)
    name = case.answer.wheel
    if any(other.endswith(".whl") and other != name for other in os.listdir(directory)):
        return None  # it may be an earlier one, which would have to go
    held = case.held()
    case.hand_out(os.path.join(directory, name))
    if held is not None:
        lease.drop(held)
    how = "is from the store: nothing that needs a build has changed"
    if call.hook != _HOOK:
        how = "was made without a build: nothing that is compiled has changed"
    return name, f"{name} {how}{case.told()}"


@_unless_odd
def metadata(call: Call, directory: str) -> str | None:
    """The name of the `.dist-info` folder, written into `directory` once more."""
    case = _Case(call)
    info = case.answer.info
    case.held()
    if not info:
        return None
    for name, data in info.items():
        path = os.path.join(directory, *name.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
    return next(iter(info)).partition("/")[0]


@_unless_odd
def requires(call: Call) -> list[str] | None:
    """No requirement, where this run of a frontend now has a lease of the wheel."""
    case = _Case(call)
    answer = case.answer
    if not answer.lean or case.run is None:
        return None
    leases = os.path.join(case.cache, "leases")
    files.settle(leases)
    if len(os.listdir(leases)) > _LEASES:
        lease.sweep(case.cache, call.now() / 1e9)
    path = files.beside(os.path.join(case.cache, "wheel"))
    try:
        case.hand_out(path)
        kept = (path, answer.wheel)
        held = lease.grant(case.cache, case.run, key=answer.key.decode(), digest=answer.digest.decode(), wheel=kept)
    finally:
        files.discard(path)
    return None if held is None else []


@_unless_odd
def source_digest(call: Call) -> str | None:
    """The source digest of the tree, if the memory of it still knows."""
    return _source_digest(call, call.now())


def _source_digest(call: Call, started: int) -> str | None:
    where = memory.real(call.tree)
    asked = memory.question(call.settings, call.environ, where)
    cache = files.cache_directory(call.environ)
    if asked is None or cache is None:
        return None
    known = memory.load(cache, where)
    home = os.stat(where)
    if known is None or known.question != asked or known.slack is None or known.device != home.st_dev:
        return None
    # The kernel walks to a relative path in less time.
    mended = memory.checked(known, b"" if os.path.samestat(home, os.stat(b".")) else where + b"/", started)
    if mended is None:
        return None
    if any(getattr(mended, name) != getattr(known, name) for name in ("column", "stamps")):
        memory.save(cache, mended)
    return mended.digest.hex()
