"""The wheel of a case out of the store: the finished one, or one that is made from the inner wheel."""

from __future__ import annotations

import os

from freshwheel.base.errors import WheelError
from freshwheel.build import explanation, finish, lookup, rehearsal
from freshwheel.build.finish import Name
from freshwheel.build.lookup import Case
from freshwheel.build.output import PACKED, SAME, Purpose, Wheel, private, written
from freshwheel.memory import journal
from freshwheel.store.shelf import Entry

LARGE = 100 << 20
"""Bytes from which on a wheel is kept in one form only: the finished one is made anew for each hit."""


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
        name = finish.named(
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
