"""The recipe of `why`: this tree as it is now, held against the last wheel of it, and what was decided before."""

from __future__ import annotations

from dataclasses import dataclass, replace

from freshwheel import account, decision, frame, outcome
from freshwheel.account import Comparison
from freshwheel.outcome import Outcome
from freshwheel.plan import Call, Plan

__all__ = ["Why", "why"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Why:
    """What would make the next wheel another one, and what made the earlier ones."""

    digest: str
    """The source digest now."""
    store: str
    """Why the store would have no say now; nothing: it would."""
    last: Outcome | None
    """What the tree is held against; None: nothing is on record."""
    found: Comparison | None
    """What differs; None where nothing is on record."""
    outcomes: tuple[Outcome, ...]
    """The newest first."""


def why(call: Call) -> Why:
    """The tree now against its last wheel, or against its last editable one if that is newer."""
    cache = frame.cache_directory(call.environ)
    outcomes = outcome.load(cache, call.tree)
    last = outcome.base(outcomes, "wheel", "editable")
    plan = Plan.of(call if last is None or last.hook == "wheel" else replace(call, hook="build_editable"))
    snapshot = plan.snapshot()
    case = decision.opened(plan, snapshot, ask=False)
    found = None
    if last is not None:
        before = outcome.inputs(cache, call.tree, last.digest)
        found = account.compared(last, outcome.parts(outcomes, last.key), before, snapshot, case)
    return Why(
        digest=snapshot.digest,
        store=case if isinstance(case, str) else "",
        last=last,
        found=found,
        outcomes=tuple(outcomes),
    )
