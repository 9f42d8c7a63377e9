"""What was decided for a call, and why: held against the last time, in words, and put on record.

Nothing here can fail a build.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from freshwheel.base.errors import FreshwheelError, few
from freshwheel.base.model import Snapshot
from freshwheel.build import discovery, lookup
from freshwheel.build.context import Context
from freshwheel.build.lookup import Case
from freshwheel.inner import build_key
from freshwheel.inner.build_key import Difference
from freshwheel.memory import outcome
from freshwheel.memory.outcome import Changes, Outcome

if TYPE_CHECKING:
    from freshwheel.build.inner_build import Built

_QUIET = ("editable wheels", "this is a release", "the store is off", "nothing is compiled", "no cache directory")
"""How the reasons begin for which the store has no say, and about which nobody need do anything."""
_STORE = "store"
"""The part that says which store has shown the others."""
_OF_BUILDS = ("distribution ", "requirements")
"""How the parts begin that differ between the environment of a build and any other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A tree and what shapes its wheel now, held against an outcome."""

    inputs: Changes | None
    """None: the inputs of then are not on record."""
    sources: bool
    """Whether the sources are others."""
    parts: tuple[Difference, ...] | None
    """Of the build key, but for the sources; None: one of the two has no key."""
    apart: tuple[str, ...] = ()
    """Parts that were not compared: one of the two is not of an environment that was made for a build."""
    unasked: tuple[str, ...] = ()
    """Parts that were not compared: who knows them was not asked."""


def reason(context: Context, case: Case | str) -> str:
    """Why a wheel must be built, in words."""
    return case if isinstance(case, str) else _of_entry(case) or _of_last(context, case)


def compared(
    last: Outcome,
    parts: Mapping[str, str],
    before: Mapping[bytes, bytes] | None,
    snapshot: Snapshot,
    case: Case | str,
) -> Comparison:
    """What is now against an outcome, the parts of its key, and its inputs."""
    now = {file.path: file.kind + file.content for file in snapshot.inputs}
    inputs = None if before is None else outcome.changes(before, now)
    sources = last.digest != snapshot.digest
    if isinstance(case, str) or not parts:
        return Comparison(inputs=inputs, sources=sources, parts=None)
    kept, apart, silent = differing(parts, case, isolated=last.isolated)
    return Comparison(inputs=inputs, sources=sources, parts=kept, apart=apart, unasked=silent)


def differing(
    parts: Mapping[str, str], case: Case, *, isolated: bool
) -> tuple[tuple[Difference, ...], tuple[str, ...], tuple[str, ...]]:
    """What the parts of a key differ in from those of a case, but for the sources.

    And those that were not compared: of an environment that was made for a build, which one of the two is not; and
    those that nobody was asked for.
    """
    differences = [
        difference for difference in build_key.difference(parts, lasting(case)) if difference.name != lookup.SOURCES
    ]
    if any(difference.name == _STORE for difference in differences):
        # Another salt: what is shown of a secret differs whatever it is.
        differences = [
            difference for difference in differences if difference.name != _STORE and not _is_hidden(difference)
        ]
    fresh = (name for name in case.facts.unasked - parts.keys() if name.startswith("command "))
    differences += [Difference(name=name, before=None, after="") for name in sorted(fresh)]
    silent, apart = case.facts.unasked & parts.keys(), list[str]()
    if isolated != (case.context.private is not None):
        apart = [difference.name for difference in differences if difference.name.startswith(_OF_BUILDS)]
    said = {*apart, *silent}
    return (
        tuple(difference for difference in differences if difference.name not in said),
        tuple(apart),
        tuple(sorted(silent)),
    )


def words(comparison: Comparison) -> list[str]:
    """What differs, a phrase each, names only."""
    phrases = []
    if comparison.inputs:
        for verb in ("changed", "added", "removed"):
            names = getattr(comparison.inputs, verb)
            if names:
                phrases.append(f"{len(names)} input{'' if len(names) == 1 else 's'} {verb}: {few(names)}")
    elif comparison.sources:
        phrases.append("the sources changed" if comparison.inputs is None else "what selects the inputs changed")
    kinds: dict[str, list[str]] = {"changed": [], "new": [], "gone": []}
    for part in comparison.parts or ():
        if part.moved:
            phrases.append(part.moved)
        else:
            kinds[part.what].append(part.name)
    for kind, names in kinds.items():
        if names:
            verb = kind if kind == "changed" else f"{'is' if len(names) == 1 else 'are'} {kind}"
            phrases.append(f"{few(names)} {verb}")
    return phrases


def lasting(case: Case) -> dict[str, str]:
    """The parts of the key of a case, and which store has shown them."""
    shown = build_key.parts(case.facts.components, salt=case.salt)
    return {**shown, _STORE: f"#{hashlib.sha256(b'store' + case.salt).hexdigest()[:16]}"}


def note(context: Context, case: Case | str | None, result: Outcome, snapshot: Snapshot | None) -> None:
    """Puts an outcome on record, with what is known of the case and the inputs.

    An unpacked source distribution is built once, and its folder is gone then: nothing is kept of it.
    """
    if context.project.sdist_version is not None:
        return
    if isinstance(case, Case):
        result = replace(result, key=case.key, parts=lasting(case))
    digest = snapshot.digest if snapshot is not None else result.digest
    took = result.took
    if not took and snapshot is not None and snapshot.started:
        took = max(0, context.call.now() - snapshot.started) // 10**6
    full = replace(result, digest=digest, isolated=context.private is not None, when=int(time.time()), took=took)
    outcome.add(context.cache, context.call.tree, full, snapshot)


@contextlib.contextmanager
def failing(context: Context, case: Case | str, why: str) -> Iterator[None]:
    """Puts on record that a build fails, if it does, and why it was needed."""
    started = time.time_ns()
    try:
        yield
    except FreshwheelError as error:
        hook = "editable" if context.call.hook == "build_editable" else "wheel"
        digest = case.snapshot.digest if isinstance(case, Case) else ""
        took = (time.time_ns() - started) // 10**6
        # What stands in front of more lines may be the words of somebody else, which are not for a record.
        how = build_key.without_userinfo(error.message.partition(":" if "\n" in error.message else "\n")[0])
        failed = Outcome(hook=hook, decided="failed", why=why, unstored=how, digest=digest, took=took)
        note(context, case, failed, None)
        raise


def built(context: Context, case: Case | str, made: Built, result: Outcome) -> None:
    """Puts a real build on record, and tells a person in one line where it was not to be expected."""
    snapshot = made.earlier if isinstance(made.earlier, Snapshot) else None
    missed = tuple(read.path for read in made.missed)
    result = replace(result, missed=missed, written=tuple(sorted(made.written)), took=made.milliseconds)
    note(context, case, result, snapshot)
    if isinstance(case, str) and case.startswith(_QUIET):
        return
    more = (
        f"; it is not stored: {result.unstored}" if result.unstored and isinstance(case, Case) and case.writes else ""
    )
    context.call.say(f"{result.wheel} was built: {result.why}{more}")


def _of_entry(case: Case) -> str:
    """Why what the store has for the key is of no use; nothing: it has nothing."""
    if case.store.remarks:
        return case.store.remarks[0]
    if case.store.find(case.key, tree=case.tree) is None:
        return ""
    if aged := case.aged():
        return aged
    if case.entry() is not None:
        return "its wheel can't be used"
    known = case.store.find(case.key, tree=case.tree)
    return "" if known is None else discovery.difference(case.about, known.discovered)


def _of_last(context: Context, case: Case) -> str:
    """Why the store has nothing, by what was built the last time."""
    cache, tree = context.cache, context.call.tree
    outcomes = outcome.load(cache, tree)
    last = outcome.base(outcomes, "wheel")
    if last is None:
        return "first build here"
    before = outcome.inputs(cache, tree, last.digest)
    differing = words(compared(last, outcome.parts(outcomes, last.key), before, case.snapshot, case))
    if differing:
        return "; ".join(differing)
    if last.unstored:
        return f"the last one was not stored: {last.unstored}"
    return "the store does not have it" if last.key else "the store had no say the last time"


def _is_hidden(difference: Difference) -> bool:
    return (difference.before or "").startswith("#") and (difference.after or "").startswith("#")
