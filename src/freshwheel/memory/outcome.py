"""What was decided for one tree, kept beside its memory: the last outcomes, and the inputs of the last wheels.

Nothing goes by it and nothing watches it: it is for people. It is lost with the cache directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import xxhash

from freshwheel.base import records
from freshwheel.base.frame import decoded
from freshwheel.base.model import Snapshot
from freshwheel.memory import journal, memory
from freshwheel.sources import digest

MOST = 20
"""Installations that are kept."""

Decided = Literal["hit", "miss", "lease", "built", "failed"]
"""From the store; not in the store, and left to a later hook; what the run was promised; by a real build, or not."""

_UNMOVED = "nothing that needs a build has changed"
_MAGIC, _INPUTS = b"FWOUT\0\0\3", b"FWINPUT\2"
_WITH_PARTS = 4
"""Outcomes whose key is kept with all its parts."""
_MOST_INPUTS = 4
"""States of the sources whose inputs are kept."""
_WHEELS = ("wheel", "editable")
"""Hooks that deliver."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one hook decided, and why. No value of a variable is in it."""

    hook: str
    """`requires`, `metadata`, `wheel` or `editable`."""
    decided: Decided
    why: str
    wheel: str = ""
    """The file name of the wheel; nothing where there is none yet."""
    digest: str = ""
    """The source digest before the build; nothing where it could not be told."""
    key: str = ""
    """The build key; nothing where the store had no say."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """The components of the key by name, as they may be shown."""
    isolated: bool = False
    """Whether an installer had made an environment for this one build."""
    missed: tuple[str, ...] = ()
    """Files that the build has read, and that were no inputs."""
    written: tuple[str, ...] = ()
    """Inputs that the build has made or changed."""
    unstored: str = ""
    """Why the wheel of a build is not in the store, where that had a say; how a build failed."""
    took: int = 0
    """ms that it has taken: a build of the inner backend, or a look at what is known."""
    saved: int = 0
    """ms that the build has taken whose wheel need not be built again."""
    when: int = 0
    """Seconds since the epoch, for people only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What makes the inputs other than they were, by path, sorted."""

    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.changed or self.added or self.removed)


def place(cache: str, tree: str, digest: str | None = None) -> str:
    """Where the record of a tree lies in the cache directory: its outcomes, or its inputs with this digest."""
    of = "outcomes" if digest is None else f"{xxhash.xxh3_64_hexdigest(digest.encode())}.inputs"
    return records.place(cache, memory.real(tree), of)


def load(cache: str | None, tree: str) -> list[Outcome]:
    """The last outcomes of a tree, also those that were given again, the newest first; none where they can't be read.

    One that was given again stands before another of the same second.
    """
    if cache is None:
        return []
    decided, own = _decided(cache, tree), journal.identity(memory.real(tree))
    isolated = {outcome.key for outcome in decided if outcome.isolated}
    again = [
        Outcome(
            hook=hook,
            decided="hit",
            why=_UNMOVED,
            wheel=name,
            digest=digest,
            key=key,
            isolated=key in isolated,
            took=took,
            saved=saved,
            when=when,
        )
        for when, kind, hook, where, name, digest, key, took, saved in journal.load(cache)
        if (kind, where) == ("again", own)
    ]
    return sorted([*again, *decided], key=lambda outcome: -outcome.when)[:MOST]


def _decided(cache: str, tree: str) -> list[Outcome]:
    """Those that the recipes have decided."""
    return [Outcome(**fields) for fields in records.load(place(cache, tree), _MAGIC, memory.real(tree)) or ()]


def add(cache: str | None, tree: str, outcome: Outcome, snapshot: Snapshot | None = None) -> bool:
    """Whether an outcome is on record now, and, for a hook that delivers or has a hit, the inputs of its wheel."""
    if cache is None:
        return False
    before = _decided(cache, tree)
    outcome = replace(outcome, parts=outcome.parts or parts(before, outcome.key))
    # One of an earlier hook is for as long as its installation has not ended.
    lasting = (*_WHEELS, "requires") if outcome.hook == "metadata" else _WHEELS
    outcomes = _slimmed([outcome, *(earlier for earlier in before if earlier.hook in lasting)][:MOST])
    # What was found for an earlier hook may be given again to those that deliver, without another look.
    if snapshot is not None and (outcome.hook in _WHEELS or outcome.decided == "hit"):
        _keep(place(cache, tree, snapshot.digest), snapshot)
    if not records.save(place(cache, tree), _MAGIC, list(map(asdict, outcomes)), memory.real(tree)):
        return False
    if outcome.hook in _WHEELS:
        _count(cache, tree, outcomes)
    return True


def _count(cache: str, tree: str, outcomes: Sequence[Outcome]) -> None:
    """The newest installation has its line in the journal; what was built for its metadata has had it then."""
    outcome = outcomes[0]
    if outcome.decided == "lease" and not outcome.key:
        return
    kind = outcome.decided if outcome.decided in ("built", "failed") else "hit"
    folder, where = os.path.basename(os.path.realpath(tree)), journal.identity(memory.real(tree))
    name = next((known.wheel for known in outcomes if known.wheel), folder.replace("-", "_"))
    told = (outcome.hook, where, name, outcome.digest, outcome.key, outcome.took, outcome.saved)
    journal.add(cache, (outcome.when, kind, *told))


def base(outcomes: Sequence[Outcome], *hooks: str) -> Outcome | None:
    """The last outcome that delivered something by one of the hooks; None: there is none on record."""
    delivered = (outcome for outcome in outcomes if outcome.decided not in ("miss", "failed"))
    return next((outcome for outcome in delivered if outcome.hook in hooks), None)


def parts(outcomes: Sequence[Outcome], key: str) -> Mapping[str, str]:
    """The components of a key; nothing where they are not on record any more."""
    return next((outcome.parts for outcome in outcomes if key and outcome.key == key and outcome.parts), {})


def cost(outcomes: Sequence[Outcome], key: str) -> int:
    """The ms that the build of a key has taken, as far as that is on record."""
    builds = (outcome for outcome in outcomes if outcome.key == key)
    return max((outcome.saved or outcome.took * (outcome.decided == "built") for outcome in builds), default=0)


def inputs(cache: str | None, tree: str, digest: str) -> dict[bytes, bytes] | None:
    """Path -> kind and content of the inputs with this digest; None where they are not on record."""
    known = records.load(place(cache, tree, digest), _INPUTS, digest) if cache is not None and digest else None
    if known is None:
        return None
    return memory.contents(*known)


def changes(before: Mapping[bytes, bytes], after: Mapping[bytes, bytes]) -> Changes:
    """What two states of the inputs, path -> kind and content, differ in."""
    return Changes(
        changed=_texts(path for path in before.keys() & after.keys() if before[path] != after[path]),
        added=_texts(after.keys() - before.keys()),
        removed=_texts(before.keys() - after.keys()),
    )


def _keep(path: str, snapshot: Snapshot) -> None:
    """The inputs are on record, if they can be."""
    if records.load(path, _INPUTS, snapshot.digest) is None:
        records.save(path, _INPUTS, digest.columns(snapshot.inputs), snapshot.digest, most=_MOST_INPUTS)


def _slimmed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes, with the parts of the last few keys alone, each once."""
    slim: list[Outcome] = []
    known: set[str] = set()
    for outcome in outcomes:
        keeps = bool(outcome.parts) and outcome.key not in known and len(known) < _WITH_PARTS
        if keeps:
            known.add(outcome.key)
        slim.append(outcome if keeps else replace(outcome, parts={}))
    return slim


def _texts(paths: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(map(decoded, sorted(paths)))
