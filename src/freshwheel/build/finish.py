"""A wheel finished: what it is called, what its mark says, and how it comes out of a build or the store."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xxhash

from freshwheel.about import __version__
from freshwheel.base import files, frame
from freshwheel.base.errors import InputError, WheelError, WheelUnfamiliarError, few
from freshwheel.base.model import Mark, Snapshot
from freshwheel.build import explanation, lookup, rehearsal
from freshwheel.build.context import Context
from freshwheel.build.lookup import Case
from freshwheel.build.output import PACKED, SAME, Purpose, Wheel, private, written
from freshwheel.memory import journal
from freshwheel.store.shelf import Entry
from freshwheel.wheel import mark

if TYPE_CHECKING:
    from freshwheel.build.inner_build import Built

LARGE = 100 << 20
"""Bytes from which on a wheel is kept in one form only: the finished one is made anew for each hit."""
_MOST = 5
"""Files that are named one by one."""


def place(path: str, directory: str) -> str:
    """The name under which a file was copied into `directory`: its own."""
    name = os.path.basename(path)
    files.copy(path, os.path.join(directory, name))
    return name


def tell(context: Context, built: Built) -> None:
    """Names what the build used and what is no input; the label can't name it before the next build."""
    for read in built.missed[:_MOST]:
        todo = f'[tool.freshwheel] include = ["{read.path}"] makes it one'
        context.call.say(f"{read.by} read {read.path}, which is no input; {todo}")
    if len(built.missed) > _MOST:
        context.call.say(f"{len(built.missed) - _MOST} more were read and are no inputs; `freshwheel check` lists them")


def finish(context: Context, built: Built, directory: str) -> tuple[str, Name | None]:
    """The file name of the wheel in `directory` that was made of a built one, and its name; None: it has none."""
    from freshwheel.wheel import archive  # noqa: PLC0415 - what is kept is finished

    try:
        inner = archive.read(built.path)
    except WheelUnfamiliarError as error:
        return _pass_on(context, built.path, directory, error), None
    digest, native = _digest(context, built.path, built.earlier, built.later)
    name = named(context, digest, native=native, stated=inner.version, inner=os.path.basename(built.path))
    return archive.rewrite(inner, directory, version=name.version, mark=name.mark), name


def _digest(
    context: Context, path: str, earlier: Snapshot | InputError, later: Snapshot | InputError
) -> tuple[str, str | None]:
    """The digest that names what was built, and the native digest; None: the first one is that of no tree.

    Bytes that are equal before and after prove nothing about the time between: a row that moved means that some other
    content may have been compiled. Such a wheel gets a digest that no tree has, and so the next build replaces it.
    """
    if isinstance(earlier, Snapshot) and isinstance(later, Snapshot):
        if (earlier.digest, earlier.rows) == (later.digest, later.rows):
            return later.digest, later.native
        moved = _moved(earlier, later)
        locks = [path for path in moved if os.path.basename(path) == "Cargo.lock"]
        todo = "commit it, or have git ignore it" if locks == moved else "list it in [tool.freshwheel] exclude"
        context.call.say(
            f"{few(moved)} changed during the build; if the build itself writes there, {todo}. "
            "The next build gets another label."
        )
    else:
        failure = earlier if isinstance(earlier, InputError) else later
        context.call.say(f"the sources have no digest, so the label names this one wheel only: {failure}")
    known = [side.digest if isinstance(side, Snapshot) else None for side in (earlier, later)]
    with open(path, "rb") as file:
        inner = hashlib.sha256(file.read()).hexdigest()
    return mark.unsettled(known[0], known[1], inner), None


def _moved(earlier: Snapshot, later: Snapshot) -> list[str]:
    """The paths of the inputs that are not exactly what they were."""
    sides = [
        {file.path: (file, row) for file, row in zip(side.inputs, side.rows, strict=True)} for side in (earlier, later)
    ]
    paths = sorted(sides[0].keys() | sides[1].keys())
    return [os.fsdecode(path) for path in paths if sides[0].get(path) != sides[1].get(path)]


def _pass_on(context: Context, path: str, directory: str, reason: WheelUnfamiliarError) -> str:
    """The name of the inner wheel, handed on as it is, unless that would give it a wrong version."""
    if context.base() is not None:
        raise reason
    context.call.say(f"this wheel is handed on as the inner backend made it, without label and mark: {reason}")
    return place(path, directory)


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """What a finished wheel is called, and what its mark says."""

    stated: str
    """The version that the inner wheel states."""
    version: str
    label: str
    """Nothing where there is none."""
    mark: bytes

    @property
    def tag(self) -> bytes:
        """16 bytes that are the same for the same name and mark."""
        return xxhash.xxh3_128_digest(frame.framed(self.version.encode(), self.mark))


def named(  # noqa: PLR0913 - what a mark says
    context: Context, digest: str, *, native: str | None, stated: str, inner: str, built: str = ""
) -> Name:
    """The name for the wheel with the file name `inner`, in which the inner backend has stated a version.

    Without a native digest the tree moved during the build; `built` is the source digest that it was built from.
    """
    label = mark.label(digest) if context.kind == "labelled" else None
    stamp = Mark(
        digest=digest,
        settled=native is not None,
        native=native,
        label=label,
        base=version_of(context, stated, None),
        backend=context.config.backend,
        built=built if built not in ("", digest) else None,
        inner_wheel=inner,
        freshwheel=__version__,
    )
    full = version_of(context, stated, digest if label else None)
    return Name(stated=stated, version=full, label=label or "", mark=mark.dump(stamp))


def version_of(context: Context, stated: str, digest: str | None) -> str:
    """The version to write, where the inner backend stated one; `digest` is given for a labelled build only."""
    base = context.base()
    if base is None or same(base, stated):
        base = stated
    return base if digest is None else mark.joined(base, mark.label(digest))


def same(first: str, other: str) -> bool:
    """Whether two spellings are one version."""
    return mark.normal(first) == mark.normal(other)


class Stored:
    """What the store has for one case."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def fetch(self, purpose: Purpose, folder: str) -> Wheel | str:
        """The wheel, now in `folder`; else why there is none, nothing: by what has changed."""
        case = self.case
        entry = self._entry(purpose)
        if entry is None:
            return ""
        if purpose == "requires" and case.expired(entry):
            return lookup.OVER
        with written(folder):
            name = self._finished(entry, folder)
        if not name:
            return ""
        is_new = entry.built != case.snapshot.digest
        how, why = ("from the store, made to fit", PACKED) if is_new else ("from the store", SAME)
        return Wheel(
            name=name,
            inner=entry.inner.name,
            decided="hit",
            why=why,
            said=f"is {how}: {why}{journal.saved(entry.milliseconds)}",
            saved=entry.milliseconds,
            key=case.key,
            digest=case.snapshot.digest,
        )

    def _entry(self, purpose: Purpose) -> Entry | None:
        """What the store has for the case, or has of an earlier build that does for it."""
        case = self.case
        entry = case.entry() if purpose == "requires" else case.current()
        if entry is None:
            from freshwheel.build import adapt  # noqa: PLC0415 - most hits have an entry

            if adapt.stored(case):
                return case.entry() if purpose == "requires" else case.current()
        return entry

    def reason(self, problem: str) -> str:
        """Why there is none, in words; `problem` is what `fetch` has said."""
        return problem or explanation.reason(self.case.context, self.case)

    def _finished(self, entry: Entry, folder: str) -> str:
        """The file name of the finished wheel of an entry, now in `folder`; nothing: it can't be had."""
        case = self.case
        name = named(
            case.context,
            case.snapshot.digest,
            native=case.snapshot.native,
            stated=entry.base,
            inner=entry.inner.name,
            built=entry.built,
        )
        ready = entry.finished.get(name.tag)
        if ready is not None and case.store.hand_out(ready.blob, os.path.join(folder, ready.name)):
            rehearsal.keep(case, entry, name.tag, os.path.join(folder, ready.name))
            return ready.name
        return self._made(entry, name, folder)

    def _made(self, entry: Entry, name: Name, folder: str) -> str:
        """As `_finished`, from the inner wheel; what comes of it is kept."""
        from freshwheel.wheel import archive  # noqa: PLC0415 - most hits have the finished wheel

        case = self.case
        with private(folder) as apart:
            path = os.path.join(apart, entry.inner.name)
            if not case.store.hand_out(entry.inner.blob, path):
                return ""
            try:
                made = archive.rewrite(archive.read(path), folder, version=name.version, mark=name.mark)
            except (WheelError, OSError):
                # A build will say it, if it is the folder of the frontend that can't be written to.
                return ""
        if case.writes and entry.inner.blob.size < LARGE:
            path = os.path.join(folder, made)
            added = case.store.add_finished(entry, name.tag, path)
            if added is not None:
                rehearsal.keep(case, added, name.tag, path)
        return made
