"""Whether a wheel of the store may still be handed out without its requirements being resolved.

A hit leaves requirements out of its environment, so nobody asks an index for them. After `requires-age` one run asks
once more: what an installer then takes is held against what it took for the stored wheel.
"""

from __future__ import annotations

import os
import sys

from freshwheel.base import frame
from freshwheel.base.isolation import isolation
from freshwheel.base.phrases import few
from freshwheel.build.lookup import Case
from freshwheel.inner import distributions
from freshwheel.memory import resolved
from freshwheel.store.entry import Entry

OVER = "its requirements are resolved once more, as requires-age is over"


def current(case: Case) -> Entry | None:
    """What the store has that may be handed out, in a hook before which requirements may have been installed."""
    entry = case.entry()
    if entry is None or not expired(case, entry) or not _is_there(case):
        return entry
    found = next((one for one in case.entries() if not moved(case, one)), None)
    if found is not None:
        renew(case, found)
    return found


def expired(case: Case, entry: Entry) -> bool:
    """Whether what an entry withholds must be resolved once more before it is handed out."""
    start, end = _span(case, entry)
    return end is not None and not start <= case.plan.call.now() < end


def until(case: Case, entry: Entry) -> bytes:
    """The end of the time for which an entry may be handed out as it is, as an answer keeps it; nothing: no end."""
    end = _span(case, entry)[1]
    return b"" if end is None else end.to_bytes(8, "little")


def renew(case: Case, entry: Entry) -> None:
    """What an entry withholds is resolved, and the same as for its build."""
    if case.withheld is not None:
        resolved.renew(frame.cache_directory(case.plan.call.environ), entry.key, case.plan.call.now())


def reason(case: Case) -> str:
    """Why what the store has is not handed out, in words; nothing: its age is no reason."""
    entry = case.entry()
    if entry is None or not expired(case, entry):
        return ""
    return few(moved(case, entry)) if _is_there(case) else OVER


def moved(case: Case, entry: Entry) -> list[str]:
    """What an installer takes by now instead of what it took for an entry, in words; what is ours shapes no wheel."""
    known = _known(case)
    ours = distributions.closure(["freshwheel"], known) - distributions.closure(case.withheld or (), known)
    before, now = dict(entry.installed), {name: one.version for name, one in known.items()}
    names = sorted((before.keys() | now.keys()) - ours)
    return [
        f"{name} {before.get(name, '(none)')} → {now.get(name, '(none)')}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def installed(case: Case) -> dict[str, str]:
    """Name -> version of what an installer had put into the environment for this one build."""
    return {name: one.version for name, one in _known(case).items()}


def _known(case: Case) -> dict[str, distributions.Distribution]:
    roots = [os.path.join(root, "") for root in isolation(case.plan.call.environ) or ()]
    return distributions.installed([folder for folder in sys.path if folder.startswith(tuple(roots))])


def _span(case: Case, entry: Entry) -> tuple[int, int | None]:
    """From when to when an entry may be handed out as it is, in ns; None: for ever."""
    age = case.plan.config.requires_age
    start = resolved.latest(frame.cache_directory(case.plan.call.environ), entry.key)
    return start, None if case.withheld is None or age is None else start + age * 10**9


def _is_there(case: Case) -> bool:
    """Whether the requirements were installed for this run; one that was told to leave them out can't be asked."""
    return not distributions.absent(case.plan.config.requires)
