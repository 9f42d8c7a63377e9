"""The last answer again, while everything it observed still holds. Part of the light column.

It steps aside, which is None, wherever it can't be sure, and whatever goes wrong: the recipes then answer.
"""

import os
import time

from freshwheel import answers, echo, frame, isolated, lease, memory, recheck, shelf
from freshwheel.entry import unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from freshwheel.answers import Answer
    from freshwheel.lease import Lease
    from freshwheel.shelf import Shelf

    T = TypeVar("T")

__all__ = ["metadata", "requires", "source_digest", "wheel"]

_HOOK = "build_wheel"
"""Other wheels than these are not stored."""
_LEASES = 16
"""With more than these some are of runs that are over."""


def source_digest(
    tree: str, environ: "Mapping[str, str]", settings: object, *, now: "Callable[[], int]" = time.time_ns
) -> str | None:
    """The source digest of `tree`, if the memory of it still knows; `now` is the time in ns."""
    return _unless_odd(lambda: _source_digest(tree, environ, settings, now()))


def wheel(
    tree: str,
    environ: "Mapping[str, str]",
    settings: object,
    directory: str,
    *,
    now: "Callable[[], int]" = time.time_ns,
) -> str | None:
    """The file name of the wheel, handed out into `directory` once more."""
    return _unless_odd(lambda: _wheel(_Case(tree, environ, settings, now), directory))


def metadata(
    tree: str,
    environ: "Mapping[str, str]",
    settings: object,
    directory: str,
    *,
    now: "Callable[[], int]" = time.time_ns,
) -> str | None:
    """The name of the `.dist-info` folder, written into `directory` once more."""
    return _unless_odd(lambda: _metadata(_Case(tree, environ, settings, now), directory))


def requires(
    tree: str, environ: "Mapping[str, str]", settings: object, *, now: "Callable[[], int]" = time.time_ns
) -> list[str] | None:
    """No requirement, where this run of a frontend now has a lease of the wheel."""
    return _unless_odd(lambda: _requires(_Case(tree, environ, settings, now)))


def _unless_odd(answer: "Callable[[], T | None]") -> "T | None":
    """The answer, None where anything is wrong: what is remembered must never be in the way."""
    try:
        return answer()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - whatever it is
        return None


class _AsideError(Exception):
    """It can't be sure: the recipes answer."""


class _Case:
    """One call that was answered before, all that the answer rests on being as it was. Raises where it is not."""

    __slots__ = ("answer", "cache", "now", "run", "shelf", "tree")

    answer: "Answer"
    cache: str
    now: "Callable[[], int]"
    run: bytes | None
    """What this run of a frontend is known by."""
    shelf: "Shelf"
    tree: bytes

    def __init__(self, tree: str, environ: "Mapping[str, str]", settings: object, now: "Callable[[], int]") -> None:
        where, cache = memory.real(tree), frame.cache_directory(environ)
        asked = answers.question(where, _HOOK, settings, environ)
        digest = _source_digest(tree, environ, settings, now()) if cache is not None and asked is not None else None
        if cache is None or asked is None or digest is None:
            raise _AsideError
        answer, found = answers.load(cache, asked, digest), shelf.at(cache, shelf.identity())
        if answer is None or isinstance(found, str) or not answers.holds(answer, environ):
            raise _AsideError
        os.lstat(found.entry_place(answer.entry.decode()))  # whoever removes an entry wants a build
        self.answer, self.cache, self.now, self.shelf, self.tree = answer, cache, now, found, where
        self.run = lease.run(where, environ, asked) if isolated.isolation(environ) is not None else None
        over = bool(answer.until) and now() >= int.from_bytes(answer.until, "little")
        if over and (self.run is None or lease.find(cache, self.run) is None):
            raise _AsideError  # its requirements are to be resolved, and what they are now decides

    def held(self) -> "Lease | None":
        """What this run was promised, if anything: this very wheel, or it is for the recipes to decide."""
        held = lease.find(self.cache, self.run) if self.run is not None else None
        same = (self.answer.wheel, self.answer.key.decode(), self.answer.digest.decode())
        if held is not None and (held.name, held.key, held.digest) != same:
            raise _AsideError
        return held

    def told(self, hook: str) -> None:
        """The answer to a hook is on record."""
        echo.add(self.cache, self.tree, hook, self.answer, self.now())

    def hand_out(self, target: str) -> None:
        """`target` holds the wheel."""
        if self.shelf.hand_out(self.answer.blob, target):
            raise _AsideError
        self.shelf.used(self.answer.entry.decode())


def _wheel(case: _Case, directory: str) -> str | None:
    name = case.answer.wheel
    if any(one.endswith(".whl") and one != name for one in os.listdir(directory)):
        return None  # it may be an earlier one, which would have to go
    held = case.held()
    case.hand_out(os.path.join(directory, name))
    if held is not None:
        lease.drop(held)
    case.told("wheel")
    return name


def _metadata(case: _Case, directory: str) -> str | None:
    files = unpack(case.answer.info)
    case.held()
    if not files:
        return None
    for name, data in files.items():
        path = os.path.join(directory, *name.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
    case.told("metadata")
    return next(iter(files)).partition("/")[0]


def _requires(case: _Case) -> list[str] | None:
    answer = case.answer
    if not answer.lean or case.run is None:
        return None
    leases = os.path.join(case.cache, "leases")
    frame.settle(leases)
    if len(os.listdir(leases)) > _LEASES:
        lease.sweep(case.cache, case.now() / 1e9)
    path = frame.beside(os.path.join(case.cache, "wheel"))
    try:
        case.hand_out(path)
        kept = (path, answer.wheel)
        held = lease.grant(case.cache, case.run, key=answer.key.decode(), digest=answer.digest.decode(), wheel=kept)
    finally:
        frame.remove(path)
    if held is None:
        return None
    case.told("requires")
    return []


def _source_digest(tree: str, environ: "Mapping[str, str]", settings: object, started: int) -> str | None:
    where = memory.real(tree)
    asked = memory.question(settings, environ, where)
    cache = frame.cache_directory(environ)
    if asked is None or cache is None:
        return None
    known = memory.load(cache, where)
    home = os.stat(where)
    if known is None or known.question != asked or known.slack is None or known.device != home.st_dev:
        return None
    # The kernel walks to a relative path in less time.
    mended = recheck.checked(known, b"" if os.path.samestat(home, os.stat(b".")) else where + b"/", started)
    if mended is None:
        return None
    if any(getattr(mended, name) != getattr(known, name) for name in ("inputs", "column", "stamps", "watched")):
        memory.save(cache, mended)
    return mended.digest.hex()
