"""One build, decided: whether the store has its wheel, whether that may be handed out, and whether to keep a new one.

Nothing here can fail a build. Whatever is in doubt is a miss, with the reason.
"""

from __future__ import annotations

import contextlib
import os
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import xxhash
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from freshwheel import discovery, frame, memory
from freshwheel.entry import Discovered, Entry
from freshwheel.errors import InputError
from freshwheel.inner import interpreter, key, machine, packages
from freshwheel.inner.extras import extras
from freshwheel.inner.key import Component
from freshwheel.inner.machine import Facts, Subject
from freshwheel.inner.watch import Lookout, Watch
from freshwheel.lease import isolation
from freshwheel.model import Snapshot
from freshwheel.plan import Plan
from freshwheel.real import Built
from freshwheel.sources import content
from freshwheel.store.store import Draft, Finished, Refusal, Store

__all__ = ["REFUSALS", "Case", "absent", "isolation", "lean", "locked", "opened", "passing", "unmet"]

_COMPILED = (".c", ".cc", ".cpp", ".cxx", ".pyx", ".rs", ".f", ".f90", ".m", ".mm", ".cu", ".cmake", ".go")
"""Endings of sources of extension modules."""
REFUSALS = (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What a wheel that can't be read ends in."""
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
    lean: tuple[str, ...] = ()
    """The requirements that are asked for on a miss only."""
    locks: Mapping[bytes, tuple[str, bytes]] = field(default_factory=dict)
    """What is in those locks that are no inputs, and decide all the same."""

    def entry(self) -> Entry | None:
        """What the store has for this key in this tree, all that a build had discovered being as it was."""
        return next(filter(self._holds, self.store.candidates(self.key, tree=self.tree)), None)

    def keep(self, built: Built, info: Mapping[str, bytes], base: str, finished: Mapping[bytes, Finished]) -> str:
        """Why a build is not in the store now; nothing: it is."""
        if self.plan.call.hook != "build_wheel":
            return "editable wheels are not stored"
        reason = self.doubt(built)
        if reason or not self.writes:
            return reason or "the store is only read"
        if isinstance(built.later, InputError):
            return str(built.later)
        discovered = self.discovered(built)
        if discovered is None:
            return "something that was read outside of the repository can't be read again"
        # A lock that the build has made is what it was built from: the next build will find it there.
        made = key.key([*self.facts.components, *locked(built.later.locks, self._locks(built))])
        # What an earlier entry had discovered is no more, so that it would never be a hit again.
        stale = [one for one in self.store.candidates(made, tree=self.tree) if not self._holds(one)]
        draft = Draft(
            key=made,
            base=base,
            info=info,
            parts=key.parts(self.facts.components, salt=salt(self.store)),
            discovered=discovered,
            tree=self.tree if _names(built.path, self.places()) else None,
            installed=self._installed(),
            milliseconds=built.milliseconds,
        )
        return self.store.put(draft, built.path, finished, stale=stale).reason

    def doubt(self, built: Built) -> str:
        """Why a wheel must not be handed out again; nothing: it may be."""
        if not built.settled or not isinstance(built.later, Snapshot) or built.later.digest != self.found.digest:
            return "the inputs moved during the build"
        if built.missed:
            return "files were read that were no inputs before"
        if any(self._locks(built).get(path) != lock for path, lock in self.locks.items()):
            return "a lock file changed during the build"
        if not self._stands(built.later):
            return "a tool, a variable or a requirement changed during the build"
        return built.doubt or next(iter(self.facts.unknown), "")

    @property
    def tree(self) -> bytes:
        """16 bytes that name the tree, for wheels that belong to one."""
        return xxhash.xxh3_128_digest(memory.real(self.plan.call.tree))

    def places(self) -> list[bytes]:
        """The absolute paths that bind a wheel to its tree: of each root, spelled and resolved."""
        tree = self.plan.call.tree
        outside = [path for path, kind in self.found.roots if kind in ("crate", "folder") and path.startswith("..")]
        folders = [tree, *(os.path.normpath(os.path.join(tree, path)) for path in outside)]
        return sorted({os.fsencode(one) for path in folders for one in (path, os.path.realpath(path))})

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else builds this key or in this tree meanwhile, as far as that can be had."""
        with self.store.single_flight(self.key), self.store.tree_lock(self.plan.call.tree):
            yield

    def _installed(self) -> dict[str, str]:
        """Name -> version of what an installer had put into the environment for this one build."""
        roots = [os.path.join(root, "") for root in isolation(self.plan.call.environ) or ()]
        path = [folder for folder in sys.path if folder.startswith(tuple(roots))]
        return {name: one.version for name, one in packages.installed(path).items()}

    def discovered(self, built: Built, *, more: Sequence[str] = ()) -> list[Discovered] | None:
        """What a build has taken that is not in the key, and `more` files; None where that can't be read again."""
        plan = self.plan
        names = discovery.counting(built.names, plan.backend, self.facts.watch.names)
        return discovery.taken(plan.call.tree, [*built.system, *more], names, plan.call.environ, salt(self.store))

    def _holds(self, entry: Entry) -> bool:
        """Whether all is as it was that the build of an entry had discovered."""
        call = self.plan.call
        return discovery.hold(entry.discovered, call.tree, call.environ, salt(self.store) if entry.discovered else b"")

    def _stands(self, later: Snapshot) -> bool:
        """Whether the key is that of the build's end as well; all is asked again only where something moved."""
        if _is_unmoved(self.facts.watch):
            return True
        again = opened(self.plan, later)
        return isinstance(again, Case) and key.key(again.facts.components) == key.key(self.facts.components)

    def _locks(self, built: Built) -> dict[bytes, tuple[str, bytes]]:
        """What is in the locks after a build."""
        paths = built.later.locks if isinstance(built.later, Snapshot) else ()
        return content.contents(self.plan.call.tree, [os.fsencode(path) for path in paths])


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
    private, withheld = isolation(plan.call.environ), lean(plan)
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
        # Not there yet in the first hook of a run, and there in the last one: the key is to be the same.
        lean=tuple(withheld or (_extras(plan, private) if private is not None else ())),
        private=private,
        pyproject=plan.project.pyproject,
    )
    cache = frame.cache_directory(plan.call.environ)
    facts = machine.gather(subject, plan.call.environ, cache=cache, salt=salt(store))
    locks = content.contents(plan.call.tree, [os.fsencode(path) for path in found.locks])
    return Case(
        plan=plan,
        found=found,
        store=store,
        facts=facts,
        key=key.key([*facts.components, *locked(found.locks, locks)]),
        writes=plan.config.store != "read",
        lean=tuple(withheld),
        locks=locks,
    )


def lean(plan: Plan) -> list[str]:
    """The requirements that are installed on a miss only, with what the inner backend would ask for; else nothing."""
    private = isolation(plan.call.environ)
    if private is None or not plan.config.requires or not plan.backend.modules or not passing(plan):
        return []
    return [*plan.config.requires, *_extras(plan, private)]


def passing(plan: Plan) -> bool:
    """Whether the environment was made for this one build, so that a hit may leave it without what a build needs.

    Elsewhere what is there stays there. tox makes its environment anew when fewer are asked for than the last time, so
    there they are always asked for.
    """
    environ = plan.call.environ
    return isolation(environ) is not None and not (environ.get("TOX_ENV_NAME") or environ.get("TOX_PACKAGE"))


def unmet(texts: Iterable[str]) -> list[str]:
    """The requirements that what is installed here does not meet."""
    known = packages.installed(sys.path)
    return [text for text in texts if (one := _applying(text)) is not None and not _meets(one, known)]


def absent(texts: Iterable[str]) -> list[str]:
    """The requirements of which nothing is installed here, in whatever version."""
    known = packages.installed(sys.path) if texts else {}
    wanted = [(text, one.name) for text in texts if (one := _applying(text)) is not None]
    return [
        text
        for text, name in wanted
        # What has no metadata may be there all the same.
        if str(canonicalize_name(name)) not in known and not interpreter.importable(name.replace("-", "_"))
    ]


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


def _extras(plan: Plan, private: Sequence[str]) -> list[str]:
    """What the inner backend would ask for beside what is written, if it is one that we know."""
    return extras(
        plan.backend,
        plan.call.environ,
        tree=plan.call.tree,
        pyproject=plan.project.pyproject,
        hook=plan.call.hook,
        private=private,
    )


def _applying(text: str) -> Requirement | None:
    """The requirement, None where it is none or is not for this environment."""
    try:
        found = Requirement(text)
        return found if found.marker is None or found.marker.evaluate({"extra": ""}) else None
    except Exception:  # noqa: BLE001 - whatever it holds, an installer has the last word
        return None


def _meets(wanted: Requirement, known: Mapping[str, packages.Distribution]) -> bool:
    found = known.get(str(canonicalize_name(wanted.name)))
    try:
        return found is not None and wanted.specifier.contains(found.version, prereleases=True)
    except ValueError:
        return False


def _is_unmoved(watch: Watch) -> bool:
    """Whether all that was looked at is as it was, so that nothing need be asked again."""
    look = Lookout()
    return (
        not watch.untrusted
        and all(look.look(os.fsdecode(path)) == row for path, row in watch.places.items())
        and all(look.look(os.fsdecode(path)) is None for path in watch.absent)
    )


def locked(paths: Sequence[str], found: Mapping[bytes, tuple[str, bytes]]) -> list[Component]:
    """What locks that are no inputs hold, as components of a key."""
    held = {path: found.get(os.fsencode(path)) for path in paths}
    return key.facts("lock file", {path: None if one is None else one[1].hex() for path, one in held.items()})


def _closed(plan: Plan, found: Snapshot) -> str:
    """Why the store has no say, before anything is looked at."""
    if plan.call.hook != "build_wheel" and not plan.in_place:
        return "editable wheels are not stored"
    if plan.kind == "release":
        return "this is a release"
    mode = plan.config.store or plan.backend.store
    if mode == "off":
        return "the store is off" if plan.config.store else f"the store is off for {plan.backend.name} unless it is set"
    if mode == "extensions" and not any(os.fsdecode(one.path).endswith(_COMPILED) for one in found.inputs):
        return "nothing is compiled here"
    return ""


def _is_bill(name: str) -> bool:
    """Whether a member is a bill of materials (PEP 770): it may call a crate by its folder, and nobody goes there."""
    folder, _, below = name.partition("/")
    return folder.endswith(".dist-info") and below.startswith("sboms/")


def _names(wheel: str, places: Sequence[bytes]) -> bool:
    """Whether a member of the wheel has one of these paths in it; where that can't be told, it may."""
    longest = max(map(len, places))
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                if _is_bill(member.filename):
                    continue
                with archive.open(member) as file:
                    tail = b""
                    while chunk := file.read(_CHUNK):
                        tail = tail[-longest:] + chunk
                        if any(place in tail for place in places):
                            return True
    except REFUSALS:
        return True
    return False
