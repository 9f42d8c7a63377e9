"""The recipe of `why`: this tree as it is now, held against the last wheel of it, and what was decided before.

It says what the next installation will do, too. Nothing is started for that which the tree may name.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from freshwheel.base import files
from freshwheel.build import discovery, explanation, lookup
from freshwheel.build.context import Call, Context
from freshwheel.build.explanation import Comparison
from freshwheel.build.lookup import Case
from freshwheel.memory import editables, memory, outcome
from freshwheel.memory.outcome import Outcome
from freshwheel.store import upkeep
from freshwheel.store.shelf import Discovered


@dataclass(frozen=True, kw_only=True, slots=True)
class Why:
    """What would make the next wheel another one, and what made the earlier ones."""

    digest: str
    """The source digest now."""
    store: str
    """Why the store would have no say now; nothing: it would."""
    last: Outcome | None
    """What the tree is held against; None: nothing is on record."""
    compared: Comparison
    """What differs; nothing where nothing is on record."""
    next: str
    """What the next installation will do: `hit` or `build`."""
    cause: str
    """Why it will build."""
    outcomes: tuple[Outcome, ...]
    """The newest first."""


def why(call: Call) -> Why:
    """The tree now against its last wheel, or against its last editable one if that is newer."""
    cache = files.cache_directory(call.environ)
    outcomes = outcome.load(cache, call.tree)
    last = outcome.base(outcomes, "wheel", "editable")
    context = Context.of(call if last is None or last.hook == "wheel" else replace(call, hook="build_editable"))
    snapshot = context.snapshot()
    case = lookup.opened(context, snapshot, ask=False)
    compared = Comparison(inputs=None, sources=False, parts=None)
    if last is not None:
        before = outcome.inputs(cache, call.tree, last.digest)
        compared = explanation.compared(last, outcome.parts(outcomes, last.key), before, snapshot, case)
    cause = case if isinstance(case, str) else _cause(case, last, compared)
    return Why(
        digest=snapshot.digest,
        store=case if isinstance(case, str) else "",
        last=last,
        compared=compared,
        next="build" if cause else "hit",
        cause=cause,
        outcomes=tuple(outcomes),
    )


def _cause(case: Case, last: Outcome | None, compared: Comparison) -> str:
    """Why the next installation will build, as far as that can be told from here; nothing: it need not."""
    if case.context.proves:
        return "a stored wheel is to be verified"
    unfit = _unfit_editable(case, compared) if case.context.in_place else _unfit_wheel(case)
    if unfit is not None:
        return unfit
    if last is None:
        return "first build here"
    if differing := explanation.words(compared):
        return "; ".join(differing)
    if last.unstored:
        return f"the last one was not stored: {last.unstored}"
    return "what was kept is gone" if case.context.in_place else "the store does not have it"


def _unfit_wheel(case: Case) -> str | None:
    """Why what the store has will not do; nothing: it will. None: it has nothing of this key."""
    reasons: list[str] = []
    for listed in upkeep.entries(case.store.shelf):
        entry = listed.entry
        if entry.parts.get(lookup.SOURCES) != case.found.digest or entry.tree not in (None, case.tree):
            continue
        parts = {**entry.parts, "store": explanation.lasting(case)["store"]}
        differing, *_ = explanation.differing(parts, case, isolated=bool(entry.installed))
        if not differing:
            reasons.append(discovery.difference(case.about, _known(entry.discovered)))
    return "" if "" in reasons else next(iter(reasons), None)


def _unfit_editable(case: Case, compared: Comparison) -> str | None:
    """Why an editable build that is kept will not do; nothing: it will. None: none of such a tree is kept."""
    if compared.parts != ():
        return None
    tree, cache = memory.real(case.context.call.tree), files.cache_directory(case.context.call.environ)
    records = editables.load(cache or "", tree)
    for record in records:
        if record.tells(case.found.native, case.found.digest) and discovery.held(case.about, _known(record.rests)):
            for module in record.modules:
                if editables.state(tree, module, record, records) == "foreign":
                    return f"{os.fsdecode(module.path)} is not what a build of freshwheel left there"
            return ""
    return None


def _known(rests: Sequence[Discovered]) -> list[Discovered]:
    """What a build has taken, but for what git says: that is not asked here."""
    return [item for item in rests if item[1] != discovery.CONTROL]
