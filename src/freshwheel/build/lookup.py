"""One build, decided: whether the store has its wheel, and whether that may be handed out.

Nothing here can fail a build. Whatever is in doubt is a miss, with the reason.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import xxhash

from freshwheel.base import files, isolation, requirements, toml_access
from freshwheel.base.model import Snapshot
from freshwheel.build import discovery
from freshwheel.build.plan import Plan
from freshwheel.inner import build_key, machine, programs
from freshwheel.inner.build_key import Component
from freshwheel.inner.extras import extras
from freshwheel.inner.machine import Facts, Subject
from freshwheel.memory import memory, resolved
from freshwheel.sources import content, pure_python
from freshwheel.store.entry import Entry
from freshwheel.store.store import Store

SOURCES = "source digest"
"""The component of a key that is made from the inputs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One call that the store may answer."""

    plan: Plan
    found: Snapshot
    store: Store
    facts: Facts
    key: str
    """The build key: 64 hex digits."""
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
        found: Iterable[Entry] = self.store.candidates(self.key, tree=self.tree)
        if self.withheld is not None:
            cache = files.cache_directory(self.plan.call.environ)
            found = sorted(found, key=lambda one: -resolved.latest(cache, one.key))
        return filter(self.holds, found)

    @property
    def tree(self) -> bytes:
        """16 bytes that name the tree, for wheels that belong to one."""
        return xxhash.xxh3_128_digest(memory.real(self.plan.call.tree))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else builds this key or in this tree meanwhile, as far as that can be had."""
        tree = os.path.realpath(self.plan.call.tree)
        with self.store.lock("key", self.key), self.store.lock("tree", tree):
            yield

    @property
    def about(self) -> discovery.Surroundings:
        """What the things that builds take are looked at with."""
        return discovery.about(self.plan, salt(self.store))

    def holds(self, entry: Entry) -> bool:
        """Whether all is as it was that the build of an entry had discovered."""
        return not entry.discovered or discovery.held(self.about, entry.discovered)


def opened(plan: Plan, found: Snapshot, *, ask: bool = True) -> Case | str:
    """The case of a call, or why the store has no say in it. Without `ask` nothing is started that a tree may name."""
    reason = _closed(plan, found)
    if reason:
        return reason
    store = Store.open(files.cache_directory(plan.call.environ))
    if isinstance(store, str):
        return store
    private, withheld = isolation.isolation(plan.call.environ), lean(plan, ask=ask)
    subject = Subject(
        tree=plan.call.tree,
        digest=found.digest,
        hook=plan.call.hook,
        backend=plan.backend,
        module=plan.config.backend,
        backend_path=plan.config.backend_path,
        settings=plan.config.inner_settings,
        env=frozenset(plan.config.env),
        commands=plan.config.commands,
        requires=tuple(plan.requires) if withheld else (*plan.requires, *plan.config.requires),
        # Not there yet in the first hook of a run, and there in the last one: the key is to be the same.
        lean=tuple(withheld or (_extras(plan, private, ask=ask) if private is not None else ())),
        private=private,
        pyproject=plan.project.pyproject,
        inputs=[one.path for one in found.inputs],
    )
    cache = files.cache_directory(plan.call.environ)
    facts = machine.gather(subject, plan.call.environ, cache=cache, salt=salt(store), ask=ask)
    locks = content.contents(plan.call.tree, [os.fsencode(path) for path in found.locks])
    return Case(
        plan=plan,
        found=found,
        store=store,
        facts=facts,
        key=build_key.key([*facts.components, *locked(found.locks, locks)]),
        writes=plan.config.store != "read",
        lean=tuple(withheld),
        withheld=tuple(subject.lean) if passing(plan) and (subject.lean or not plan.backend.modules) else None,
        locks=locks,
    )


def lean(plan: Plan, *, ask: bool = True) -> list[str]:
    """The requirements that are installed on a miss only, with what the inner backend would ask for; else nothing."""
    private = isolation.isolation(plan.call.environ)
    if private is None or not plan.config.requires or not plan.backend.modules or not passing(plan):
        return []
    if any(_is_placed(plan, text) for text in plan.config.requires):
        return []
    return [*plan.config.requires, *_extras(plan, private, ask=ask)]


def _is_placed(plan: Plan, text: str) -> bool:
    """Whether a requirement is found at a place and not on an index, so that its text says nothing of what it is."""
    sources = toml_access.table(plan.project.pyproject, "tool.uv.sources")
    found = requirements.read(text)
    name = "" if found is None else requirements.normal(found.name)
    return "@" in text.partition(";")[0] or any(requirements.normal(source) == name for source in sources)


def passing(plan: Plan) -> bool:
    """Whether the environment was made for this one build, so that a hit may leave it without what a build needs.

    Elsewhere what is there stays there. tox makes its environment anew when fewer are asked for than the last time, so
    there they are always asked for.
    """
    environ = plan.call.environ
    return isolation.isolation(environ) is not None and not (environ.get("TOX_ENV_NAME") or environ.get("TOX_PACKAGE"))


def salt(store: Store) -> bytes:
    """16 bytes that are the store's own, so that what it shows of variables can't be looked up elsewhere."""
    path = os.path.join(store.shelf.root, "salt")
    with contextlib.suppress(OSError):
        if not os.path.exists(path):
            files.write(path, os.urandom(16), mode=0o600)
        with open(path, "rb") as file:
            found = file.read(17)
        if len(found) == 16:  # noqa: PLR2004
            return found
    return os.urandom(16)


def _extras(plan: Plan, private: Sequence[str], *, ask: bool) -> list[str]:
    """What the inner backend would ask for beside what is written, if it is one that we know."""
    return extras(
        plan.backend,
        plan.call.environ,
        tree=plan.call.tree,
        pyproject=plan.project.pyproject,
        hook=plan.call.hook,
        private=private,
        cache=files.cache_directory(plan.call.environ),
        run=programs.run if ask else programs.mute,
    )


def locked(paths: Sequence[str], found: Mapping[bytes, tuple[str, bytes]]) -> list[Component]:
    """What locks that are no inputs hold, as components of a key."""
    held = {path: found.get(os.fsencode(path)) for path in paths}
    return build_key.facts("lock file", {path: None if one is None else one[1].hex() for path, one in held.items()})


def _closed(plan: Plan, found: Snapshot) -> str:
    """Why the store has no say, before anything is looked at."""
    if plan.call.hook != "build_wheel" and not plan.in_place:
        return "editable wheels are not stored"
    if plan.kind == "release":
        return "this is a release"
    if found.unread:
        return f"{found.unread[0]} can't be read as TOML, so what it leads to is not known"
    mode = plan.config.store or plan.backend.store
    if mode == "off":
        return "the store is off" if plan.config.store else f"the store is off for {plan.backend.name} unless it is set"
    if mode == "extensions" and not any(one.path.endswith(pure_python.COMPILED) for one in found.inputs):
        return "nothing is compiled here"
    return ""
