"""One build, decided: whether the store has its wheel, and whether that may be handed out.

A hit leaves requirements out of its environment, so nobody asks an index for them. After `requires-age` one run asks
once more: what an installer then takes is held against what it took for the stored wheel.

Nothing here can fail a build. Whatever is in doubt is a miss, with the reason.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import xxhash

from freshwheel.base import files, requirements, toml_access
from freshwheel.base.errors import InputError, few
from freshwheel.base.model import Snapshot
from freshwheel.build import discovery
from freshwheel.build.context import Context
from freshwheel.inner import build_key, distributions, machine
from freshwheel.inner.build_key import Component
from freshwheel.inner.distributions import extras
from freshwheel.inner.machine import Facts, Subject
from freshwheel.memory import lease
from freshwheel.sources import digest, selection
from freshwheel.store.shelf import Entry
from freshwheel.store.store import Store

SOURCES = "source digest"
"""The component of a key that is made from the inputs."""
OVER = "its requirements are resolved once more, as requires-age is over"
_UNREAD = "the inputs can't be read"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One call that the store may answer."""

    context: Context
    snapshot: Snapshot
    store: Store
    facts: Facts
    key: str
    """The build key: 64 hex digits."""
    salt: bytes
    """16 bytes that are the store's own, so that what it shows of variables can't be looked up elsewhere."""
    writes: bool
    lean: tuple[str, ...] = ()
    """The requirements that are asked for on a miss only."""
    withheld: tuple[str, ...] | None = None
    """What a hit leaves out of the environment, as far as it is known; None: it leaves nothing out."""
    locks: Mapping[bytes, tuple[str, bytes]] = field(default_factory=dict)
    """What is in those locks that are no inputs, and decide all the same."""

    def entry(self) -> Entry | None:
        """What the store has for this key in this tree, all that a build had discovered being as it was."""
        return next(self.entries(), None)

    def entries(self) -> Iterator[Entry]:
        """All of that; where requirements are withheld, those first that were resolved last."""
        entries: Iterable[Entry] = self.store.candidates(self.key, tree=self.tree)
        if self.withheld is not None:
            entries = sorted(entries, key=lambda entry: -lease.resolved(self.context.cache, entry.key))
        return filter(self.holds, entries)

    @property
    def tree(self) -> bytes:
        """16 bytes that name the tree, for wheels that belong to one."""
        return xxhash.xxh3_128_digest(self.context.real)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else builds this key or in this tree meanwhile, as far as that can be had."""
        tree = os.path.realpath(self.context.call.tree)
        with self.store.lock("key", self.key), self.store.lock("tree", tree):
            yield

    @property
    def about(self) -> discovery.Surroundings:
        """What the things that builds take are looked at with."""
        return discovery.about(self.context, self.salt)

    def holds(self, entry: Entry) -> bool:
        """Whether all is as it was that the build of an entry had discovered."""
        return not entry.discovered or discovery.held(self.about, entry.discovered)

    def current(self) -> Entry | None:
        """What the store has that may be handed out, in a hook before which requirements may have been installed."""
        entry = self.entry()
        if entry is None or not self.expired(entry) or not self._has_requirements():
            return entry
        same = next((entry for entry in self.entries() if not self.moved(entry)), None)
        if same is not None:
            self.renew(same)
        return same

    def expired(self, entry: Entry) -> bool:
        """Whether what an entry withholds must be resolved once more before it is handed out."""
        start, end = self._span(entry)
        return end is not None and not start <= self.context.call.now() < end

    def until(self, entry: Entry) -> bytes:
        """The end of the time for which an entry may be handed out as it is, as an answer keeps it; nothing: no end."""
        end = self._span(entry)[1]
        return b"" if end is None else end.to_bytes(8, "little")

    def renew(self, entry: Entry) -> None:
        """What an entry withholds is resolved, and the same as for its build."""
        if self.withheld is not None:
            lease.renew(self.context.cache, entry.key, self.context.call.now())

    def aged(self) -> str:
        """Why what the store has is not handed out, in words; nothing: its age is no reason."""
        entry = self.entry()
        if entry is None or not self.expired(entry):
            return ""
        return few(self.moved(entry)) if self._has_requirements() else OVER

    def moved(self, entry: Entry) -> list[str]:
        """What an installer takes by now instead of what it took for an entry, in words; ours shapes no wheel."""
        known = self._distributions()
        ours = distributions.closure(["freshwheel"], known) - distributions.closure(self.withheld or (), known)
        before, now = dict(entry.installed), self.installed()
        names = sorted((before.keys() | now.keys()) - ours)
        return [
            f"{name} {before.get(name, '(none)')} → {now.get(name, '(none)')}"
            for name in names
            if before.get(name) != now.get(name)
        ]

    def installed(self) -> dict[str, str]:
        """Name -> version of what an installer had put into the environment for this one build."""
        return {name: distribution.version for name, distribution in self._distributions().items()}

    def _distributions(self) -> dict[str, distributions.Distribution]:
        roots = tuple(os.path.join(root, "") for root in self.context.private or ())
        return distributions.installed([folder for folder in sys.path if folder.startswith(roots)])

    def _span(self, entry: Entry) -> tuple[int, int | None]:
        """From when to when an entry may be handed out as it is, in ns; None: for ever."""
        age = self.context.config.requires_age
        start = lease.resolved(self.context.cache, entry.key)
        return start, None if self.withheld is None or age is None else start + age * 10**9

    def _has_requirements(self) -> bool:
        """Whether the requirements were installed for this run; one that was told to leave them out can't be asked."""
        return not distributions.absent(self.context.config.requires)


def opened(context: Context, snapshot: Snapshot | InputError, *, ask: bool = True) -> Case | str:
    """The case of a call, or why the store has no say in it. Without `ask` nothing is started that a tree may name."""
    if isinstance(snapshot, InputError):
        return _UNREAD
    reason = _closed(context, snapshot)
    if reason:
        return reason
    store = Store.open(context.cache)
    if isinstance(store, str):
        return store
    withheld, salt = lean(context), _salt(store)
    subject = Subject(
        project=context.project,
        config=context.config,
        snapshot=snapshot,
        hook=context.call.hook,
        backend=context.backend,
        requires=tuple(context.requires) if withheld else (*context.requires, *context.config.requires),
        # Not there yet in the first hook of a run, and there in the last one: the key is to be the same.
        lean=tuple(withheld or _extras(context)),
        private=context.private,
    )
    facts = machine.gather(subject, context.call.environ, ask=ask)
    locks = selection.contents(context.call.tree, [os.fsencode(path) for path in snapshot.locks])
    return Case(
        context=context,
        snapshot=snapshot,
        store=store,
        facts=facts,
        key=build_key.key([*facts.components, *locked(snapshot.locks, locks)]),
        salt=salt,
        writes=context.config.store != "read",
        lean=tuple(withheld),
        withheld=tuple(subject.lean) if context.passing and (subject.lean or not context.backend.modules) else None,
        locks=locks,
    )


def lean(context: Context) -> list[str]:
    """The requirements that are installed on a miss only, with what the inner backend would ask for; else nothing."""
    if not context.passing or not context.config.requires or not context.backend.modules:
        return []
    if any(_is_placed(context, text) for text in context.config.requires):
        return []
    return [*context.config.requires, *_extras(context)]


def _is_placed(context: Context, text: str) -> bool:
    """Whether a requirement is found at a place and not on an index, so that its text says nothing of what it is."""
    sources = toml_access.table(context.project.pyproject, "tool.uv.sources")
    name = requirements.named(text)[0]
    return "@" in text.partition(";")[0] or any(requirements.normal(source) == name for source in sources)


def _salt(store: Store) -> bytes:
    """The salt of a store, which is made if there is none."""
    path = os.path.join(store.shelf.root, "salt")
    with contextlib.suppress(OSError):
        if not os.path.exists(path):
            files.write(path, os.urandom(16), mode=0o600)
        with open(path, "rb") as file:
            salt = file.read(17)
        if len(salt) == 16:  # noqa: PLR2004
            return salt
    return os.urandom(16)


def _extras(context: Context) -> list[str]:
    """What the inner backend would ask for beside what is written, if it is one that we know."""
    if context.private is None:
        return []
    build = distributions.Build(
        project=context.project,
        hook=context.call.hook,
        environ=context.call.environ,
        private=context.private,
    )
    return extras(context.backend, build)


def locked(paths: Sequence[str], contents: Mapping[bytes, tuple[str, bytes]]) -> list[Component]:
    """What locks that are no inputs hold, as components of a key."""
    held = {path: contents.get(os.fsencode(path)) for path in paths}
    return build_key.facts("lock file", {path: None if lock is None else lock[1].hex() for path, lock in held.items()})


def _closed(context: Context, snapshot: Snapshot) -> str:
    """Why the store has no say, before anything is looked at."""
    if context.call.hook != "build_wheel" and not context.in_place:
        return "editable wheels are not stored"
    if context.kind == "release":
        return "this is a release"
    if snapshot.unread:
        return f"{snapshot.unread[0]} can't be read as TOML, so what it leads to is not known"
    mode = context.config.store or context.backend.store
    if mode == "off":
        return "the store is off" if context.config.store else f"the store is off for {context.backend.name} unless set"
    compiles = any(file.path.endswith(digest.COMPILED) for file in snapshot.inputs)
    compiles = compiles or context.backend.may_compile([*context.requires, *context.config.requires])
    if mode == "extensions" and not compiles:
        return "nothing is compiled here"
    return ""
