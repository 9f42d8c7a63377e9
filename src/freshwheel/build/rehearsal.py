"""An answer that was given, kept together with all that it rests on, so that `replay` can give it again.

Nothing here can fail a build. What can't be proved by rows alone is not kept: then everything is asked again.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freshwheel.base import backends, frame, rows
from freshwheel.base.environment import folders, searched
from freshwheel.base.errors import WheelError
from freshwheel.base.requirements import normal
from freshwheel.base.rows import Row
from freshwheel.build import discovery
from freshwheel.build.lookup import Case
from freshwheel.inner.programs import Lookout, which
from freshwheel.memory import answers
from freshwheel.memory.answers import Answer
from freshwheel.sources import disk, selection
from freshwheel.store.shelf import Discovered, Entry
from freshwheel.wheel import metadata

if TYPE_CHECKING:
    from freshwheel.memory.editables import Record

_REFUSALS = (OSError, ValueError, TypeError, WheelError, RuntimeError, IndexError)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """One place that decided."""

    path: bytes
    row: Row
    device: int
    stamp: bytes


def keep(case: Case, entry: Entry, tag: bytes, wheel: str) -> bool:
    """Whether the answer is kept: the finished wheel that `entry` has by `tag`, and that lies at the path `wheel`."""
    finished = entry.finished.get(tag)
    if finished is None:
        return False
    return _saved(
        case,
        lambda: _answer(
            case,
            entry.discovered,
            wheel,
            entry=entry.key.encode(),
            sha256=finished.blob.sha256.encode(),
            size=finished.blob.size.to_bytes(8, "little"),
            xxh3=finished.blob.xxh3,
            until=case.until(entry),
            took=entry.milliseconds.to_bytes(8, "little"),
        ),
    )


def keep_editable(case: Case, record: Record, wheel: str, *, copy: str) -> bool:
    """The same of an editable wheel at the path `wheel`, made from the inner one at `copy`, its modules being in place.

    An answer has a wheel of at most `answers.LARGEST` bytes.
    """
    with contextlib.suppress(OSError):
        with open(wheel, "rb") as file:
            data = file.read(answers.LARGEST + 1)
        modules, took = [module.path for module in record.modules], record.took.to_bytes(8, "little")
        return len(data) <= answers.LARGEST and _saved(
            case, lambda: _answer(case, record.rests, wheel, modules=modules, copy=copy, data=data, took=took)
        )
    return False


def _saved(case: Case, answer: Callable[[], Answer | None]) -> bool:
    """Whether there is an answer, and it is kept now."""
    with contextlib.suppress(*_REFUSALS):
        made, cache = answer(), case.context.cache
        return made is not None and cache is not None and answers.save(cache, made)
    return False


def _answer(
    case: Case, taken: Sequence[Discovered], wheel: str, *, modules: Sequence[bytes] = (), copy: str = "", **more: bytes
) -> Answer | None:
    """The answer; None where it must not be given again without asking.

    It rests on what the build has `taken`, on `modules` that lie in the tree, and on a `copy` being there.
    """
    call = case.context.call
    if case.context.proves:
        return None  # each one is to be built
    asked = answers.question(case.context.real, call.hook, call.settings, call.environ)
    if asked is None or case.context.kind == "release" or case.facts.lookout.untrusted:
        return None
    lookout = _looked(case, taken)
    for path in modules:
        if lookout.look(os.fsdecode(disk.at(os.fsencode(os.path.abspath(call.tree)), path))) is None:
            lookout.distrust("a module is gone")
    places = _places(lookout.places, case)
    if places is None or lookout.untrusted or not all(map(os.path.isabs, lookout.absent)):
        return None
    salt = os.urandom(16)
    names = sorted(lookout.names)
    environ, patterns, harmless = call.environ, backends.ENV, tuple(backends.NOT_IN_KEY)
    if any(kind == discovery.EVERY for _, kind, *_ in taken):
        patterns, harmless = ("*",), discovery.harmless(case.context.config.ignore_env)
    families = answers.family(environ, patterns, harmless)
    if not case.facts.families <= {*families, *names}:
        return None
    private = case.context.private or ()
    stored = dict.fromkeys(("entry", "sha256", "size", "xxh3", "until", "data"), b"")
    return Answer(
        asked=asked,
        digest=case.snapshot.digest.encode(),
        key=case.key.encode(),
        places=b"\0".join([place.path for place in places]),
        stamps=b"".join([place.stamp for place in places]),
        absent=b"\0".join(sorted(lookout.absent)),
        present=b"\0".join(_present(case, taken, copy)),
        salt=salt,
        names=answers.joined(names),
        values=b"".join(
            frame.stamp(salt, name, environ[name]) if name in environ else rows.UNTRUSTED for name in names
        ),
        patterns=answers.joined(patterns),
        harmless=answers.joined(harmless),
        families=answers.joined(families),
        path=frame.stamp(salt, *searched(environ, private)),
        distributions=_staying(case.facts.distributions, private),
        name=answers.joined([os.path.basename(wheel)]),
        lean=b"1" if case.lean else b"",
        info=_info(wheel),
        **(stored | more),
    )


def _looked(case: Case, taken: Sequence[Discovered]) -> Lookout:
    """All that decided beside the inputs: what the key was made from, the settings, and what the build discovered."""
    call, seen, looks = case.context.call, case.facts.lookout, case.context.project.looks
    tree = os.fsencode(os.path.abspath(call.tree))
    lookout = Lookout()
    lookout.places |= seen.places
    lookout.places |= {disk.at(tree, path): row for path, row in looks.places.items() if path not in looks.kinds}
    lookout.absent |= seen.absent | {disk.at(tree, path) for path in looks.absent}
    lookout.names |= seen.names
    lookout.names |= set(discovery.named(taken))
    _discoveries(lookout, case, taken)
    for name in case.snapshot.locks:
        lookout.look(os.fsdecode(disk.at(tree, os.fsencode(name))))
    # Looked at before it is compared: what is in it now is what the key was made from.
    if selection.contents(call.tree, [os.fsencode(name) for name in case.snapshot.locks]) != case.locks:
        lookout.distrust("a lock file is another one by now")
    if case.lean:
        search = folders(call.environ.get("PATH", ""), case.context.private or ())
        for extra in case.context.backend.lean_extras:
            lookout.names |= {extra.unless} if extra.unless is not None else set()
            for program in extra.programs:
                which(program, search, lookout, cwd=call.tree, environ=call.environ)
    return lookout


def _discoveries(lookout: Lookout, case: Case, taken: Sequence[Discovered]) -> None:
    """Looks at all that a build has taken."""
    call, tree = case.context.call, os.fsencode(os.path.abspath(case.context.call.tree))
    for path, kind, *_ in taken:
        where = disk.at(tree, path)
        if kind == discovery.ABSENT:
            lookout.absent.add(where)
        elif kind == discovery.PROGRAM:
            which(os.fsdecode(path), case.about.folders, lookout, cwd=call.tree, environ=call.environ)
        elif kind == discovery.CONTROL:
            lookout.distrust("git is asked for what the version control of the project says")
        elif kind in (discovery.FILE, discovery.FOLDER, discovery.MODULES, discovery.MADE):
            row = lookout.look(os.fsdecode(where))
            if row is None and kind != discovery.MADE:
                lookout.distrust("what a build discovered is gone")


def _present(case: Case, taken: Sequence[Discovered], copy: str) -> list[bytes]:
    """The places of which it only counts what is there, each behind that; `copy` is one, if it is a path."""
    tree = os.fsencode(os.path.abspath(case.context.call.tree))
    present = [(path, content) for path, kind, content, _ in taken if kind == discovery.PRESENT]
    held = [content + b"\n" + disk.at(tree, path) for path, content in present]
    return sorted([*held, answers.presence(os.fsencode(copy)) + b"\n" + os.fsencode(copy)] if copy else held)


def _places(looked: Mapping[bytes, Row], case: Case) -> Sequence[_Place] | None:
    """The places as they are, sorted; None unless none of them moved, and none could move without its row."""
    started = min(case.snapshot.started, case.context.project.started)
    places = []
    for path, row in sorted(looked.items()):
        status = os.stat(path)
        if rows.row(status) != row or not os.path.isabs(path):
            return None
        places.append(_Place(path=path, row=row, device=status.st_dev, stamp=answers.row_of(status)))
    slacks: dict[int, int | None] = {}
    # Files first: of a folder it counts what is mounted below it, which is no matter here.
    for place in sorted(places, key=lambda place: os.path.isdir(place.path)):
        if place.device not in slacks:
            slacks[place.device] = disk.slack(os.fsdecode(place.path))
    for place in places:
        slack = slacks[place.device]
        if slack is None or not rows.trusted(place.row, started=started, slack=slack):
            return None
    return places


def _staying(staying: Sequence[str], private: Sequence[str]) -> bytes:
    """The distributions that will be there when nothing is built.

    In an environment that was made for this build those that only a build needs will be missing.
    """
    names = {_project(name) for name in staying}

    def stays(folder: str, name: str) -> bool:
        return folder in folders(folder, private) or _project(name) in names

    return answers.distributions(sys.path, stays)


def _project(folder: str) -> str:
    """The name of the distribution that a `.dist-info` is of."""
    return normal(os.path.splitext(folder)[0].partition("-")[0])


def _info(wheel: str) -> Mapping[str, bytes]:
    """The `.dist-info` of a wheel as the metadata hook hands it out; nothing where that is too large."""
    members = metadata.of_wheel(wheel)
    return members if sum(map(len, members.values())) <= answers.LARGEST else {}
