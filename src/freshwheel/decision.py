"""One build, decided: whether the store has its wheel, whether that may be handed out, and whether to keep a new one.

Nothing here can fail a build. Whatever is in doubt is a miss, with the reason.
"""

from __future__ import annotations

import contextlib
import os
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import xxhash

from freshwheel import frame, memory
from freshwheel.entry import Entry
from freshwheel.inner import key, machine
from freshwheel.inner.extras import extras
from freshwheel.inner.machine import Facts, Subject
from freshwheel.model import Snapshot
from freshwheel.plan import Plan
from freshwheel.real import Built
from freshwheel.sources import content
from freshwheel.store.store import Draft, Finished, Refusal, Store

__all__ = ["Case", "isolation", "lean", "opened"]

_COMPILED = (".c", ".cc", ".cpp", ".cxx", ".pyx", ".rs", ".f", ".f90", ".m", ".mm", ".cu", ".cmake", ".go")
"""Endings of sources of extension modules."""
_ROOMS = ("pip-build-env-", "build-env-", "pdm-build-env-")
"""How the folders begin that installers make for one build."""
_BUILDS = "builds-v0"
"""Where uv makes them."""
_REFUSALS = (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)
_CHUNK = 1 << 20


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

    def entry(self) -> Entry | None:
        """What the store has for this key in this tree, all that a build had discovered being as it was."""
        entry = self.store.find(self.key, tree=self.tree)
        if entry is None:
            return None
        now = content.contents(self.plan.call.tree, [path for path, _, _ in entry.discovered])
        same = all(now.get(path) == (kind, content) for path, kind, content in entry.discovered)
        return entry if same else None

    def keep(self, built: Built, info: Mapping[str, bytes], base: str, finished: Mapping[bytes, Finished]) -> str:
        """Why a build is not in the store now; nothing: it is."""
        reason = self.doubt(built)
        if reason or not self.writes:
            return reason or "the store is only read"
        system = content.contents(self.plan.call.tree, [os.fsencode(path) for path in built.system])
        if len(system) < len(built.system):
            return "something that was read outside of the repository can't be read again"
        draft = Draft(
            key=self.key,
            base=base,
            info=info,
            parts=key.parts(self.facts.components, salt=salt(self.store)),
            discovered=[(path, kind, content) for path, (kind, content) in system.items()],
            tree=self.tree if _names(built.path, self.places()) else None,
            milliseconds=built.milliseconds,
        )
        return self.store.put(draft, built.path, finished).reason

    def doubt(self, built: Built) -> str:
        """Why a wheel must not be handed out again; nothing: it may be."""
        if not built.settled or not isinstance(built.later, Snapshot) or built.later.digest != self.found.digest:
            return "the inputs moved during the build"
        if built.missed:
            return "files were read that were no inputs before"
        return built.doubt or next(iter(self.facts.unknown), "")

    @property
    def tree(self) -> bytes:
        """16 bytes that name the tree, for wheels that belong to one."""
        return xxhash.xxh3_128_digest(memory.real(self.plan.call.tree))

    def places(self) -> list[bytes]:
        """The absolute paths that bind a wheel to its tree: of each root, spelled and resolved."""
        tree = self.plan.call.tree
        folders = [tree, *(os.path.normpath(os.path.join(tree, path)) for path in self.plan.outside())]
        return sorted({os.fsencode(one) for path in folders for one in (path, os.path.realpath(path))})

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else builds this key or in this tree meanwhile, as far as that can be had."""
        with self.store.single_flight(self.key), self.store.tree_lock(self.plan.call.tree):
            yield


def opened(plan: Plan, found: Snapshot) -> Case | str:
    """The case of a call, or why the store has no say in it."""
    reason = _closed(plan, found)
    if reason:
        return reason
    store = Store.open(frame.cache_directory(plan.call.environ))
    if isinstance(store, Refusal):
        return store.reason
    scanned = plan.environment(found)
    if scanned.unknown and plan.config.store is None:
        return 'its build scripts may read any variable: [tool.freshwheel] store = "on" says that they do not'
    withheld = lean(plan)
    subject = Subject(
        tree=plan.call.tree,
        digest=found.digest,
        hook=plan.call.hook,
        backend=plan.backend,
        module=plan.config.backend,
        backend_path=plan.config.backend_path,
        settings=plan.config.inner_settings,
        env=frozenset(plan.config.env),
        scanned=scanned.names,
        commands=plan.config.commands,
        requires=tuple(plan.requires) if withheld else (*plan.requires, *plan.config.requires),
        lean=tuple(withheld),
        private=isolation(plan.call.environ),
        pyproject=plan.project.pyproject,
    )
    cache = frame.cache_directory(plan.call.environ)
    facts = machine.gather(subject, plan.call.environ, cache=cache, salt=salt(store))
    return Case(
        plan=plan,
        found=found,
        store=store,
        facts=facts,
        key=key.key(facts.components),
        writes=plan.config.store != "read",
    )


def lean(plan: Plan) -> list[str]:
    """The requirements that are installed on a miss only, with what the inner backend would ask for; else nothing.

    Only where the environment is known to have been made for this build: elsewhere what is there stays there. tox makes
    its environment anew when fewer are asked for than the last time, so there they are always asked for.
    """
    private = isolation(plan.call.environ)
    wanted = list(plan.config.requires)
    if not wanted or private is None or plan.call.environ.get("TOX_ENV_NAME"):
        return []
    if plan.call.environ.get("TOX_PACKAGE") or not plan.backend.modules:
        return []
    more = extras(
        plan.backend,
        plan.call.environ,
        tree=plan.call.tree,
        pyproject=plan.project.pyproject,
        hook=plan.call.hook,
        private=private,
    )
    return [*wanted, *more]


def isolation(environ: Mapping[str, str]) -> tuple[str, ...] | None:
    """The root folders of the environment that an installer made for this one build; None: there is none that we know.

    pip adds folders to the path of its own interpreter; uv, build and pdm make a virtual environment.
    """
    if sys.prefix != sys.base_prefix:
        names = os.path.normpath(sys.prefix).split(os.sep)
        if _BUILDS in names[:-1] or names[-1].startswith(_ROOMS):
            return (sys.prefix,)
    for path in environ.get("PYTHONPATH", "").split(os.pathsep):
        names = path.split(os.sep)
        for place, name in enumerate(names):
            if name.startswith(_ROOMS[0]):
                return (os.sep.join(names[: place + 1]),)
    return None


def salt(store: Store) -> bytes:
    """16 bytes that are the store's own, so that what it shows of variables can't be looked up elsewhere."""
    path = os.path.join(store.shelf.root, "salt")
    with contextlib.suppress(OSError):
        if not os.path.exists(path):
            frame.write(path, os.urandom(16), mode=0o600)
        with open(path, "rb") as file:
            found = file.read(17)
        if len(found) == 16:  # noqa: PLR2004
            return found
    return os.urandom(16)


def _closed(plan: Plan, found: Snapshot) -> str:
    """Why the store has no say, before anything is looked at."""
    if plan.call.hook != "build_wheel":
        return "editable wheels are not stored"
    if plan.kind == "release":
        return "this is a release"
    mode = plan.config.store or plan.backend.store
    if mode == "off":
        return "the store is off" if plan.config.store else f"the store is off for {plan.backend.name} unless it is set"
    if mode == "extensions" and not any(os.fsdecode(one.path).endswith(_COMPILED) for one in found.inputs):
        return "nothing is compiled here"
    return ""


def _names(wheel: str, places: Sequence[bytes]) -> bool:
    """Whether a member of the wheel has one of these paths in it; where that can't be told, it may."""
    longest = max(map(len, places))
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                with archive.open(member) as file:
                    tail = b""
                    while chunk := file.read(_CHUNK):
                        tail = tail[-longest:] + chunk
                        if any(place in tail for place in places):
                            return True
    except _REFUSALS:
        return True
    return False
