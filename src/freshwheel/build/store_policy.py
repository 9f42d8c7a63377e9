"""Whether a new wheel may be handed out again, and what of its build is kept in the store.

Nothing here can fail a build. Whatever is in doubt is not kept, with the reason.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from freshwheel.base.errors import InputError
from freshwheel.base.model import Snapshot
from freshwheel.build import adapt, discovery, finish, lookup, rehearsal
from freshwheel.build.finish import Name
from freshwheel.build.inner_build import Built
from freshwheel.build.lookup import Case
from freshwheel.inner import build_key, machine, programs
from freshwheel.inner.machine import NEW_EVERY_TIME
from freshwheel.inner.programs import Lookout
from freshwheel.sources import selection
from freshwheel.store import upkeep
from freshwheel.store.shelf import Discovered, Entry
from freshwheel.store.store import Draft
from freshwheel.wheel import archive


def keep(case: Case, built: Built, name: Name, path: str) -> str:
    """Why a build, of which `path` is the finished wheel, is not in the store now; nothing: it is."""
    reason = doubt(case, built) or _put(case, built, name, path)
    if not reason and (entry := case.entry()) is not None:
        rehearsal.keep(case, entry, name.tag, path)
    upkeep.prune(case.store.shelf, now=time.time_ns())
    return reason


def _put(case: Case, built: Built, name: Name, path: str) -> str:
    if case.context.call.hook != "build_wheel":
        return "editable wheels are not stored"
    if not case.writes:
        return "the store is only read"
    if isinstance(built.later, InputError):
        return str(built.later)
    rests = discovered(case, built)
    if rests is None:
        return "something that was read outside of the repository can't be read again"
    # A lock that the build has made is what it was built from: the next build will find it there.
    made = build_key.key([*case.facts.components, *lookup.locked(built.later.locks, _locks(case, built))])
    # What an earlier entry had discovered is no more, so that it would never be a hit again.
    stale = [old for old in case.store.candidates(made, tree=case.tree) if not case.holds(old) or _is_old(case, old)]
    draft = Draft(
        key=made,
        base=name.stated,
        built=case.snapshot.digest,
        parts=build_key.parts(case.facts.components, salt=case.salt),
        discovered=rests,
        tree=case.tree if _is_bound(case, built) else None,
        installed=case.installed(),
        milliseconds=built.milliseconds,
    )
    is_large = os.path.getsize(built.path) >= finish.LARGE
    put = case.store.put(draft, built.path, {} if is_large else {name.tag: path}, stale=stale)
    if isinstance(put, str):
        return put
    case.renew(put)
    adapt.note(case, built, put, _locks(case, built))
    return ""


def doubt(case: Case, built: Built) -> str:
    """Why a wheel must not be handed out again; nothing: it may be."""
    if not built.settled or not isinstance(built.later, Snapshot) or built.later.digest != case.snapshot.digest:
        return "the inputs moved during the build"
    if built.missed:
        return "files were read that were no inputs before"
    if built.findings is None and case.context.config.store != "on":
        unseen = f"nobody has seen what the build read: {built.unobserved or 'it was not to be observed'}"
        return unseen if built.unobserved else built.doubt or unseen
    if any(_locks(case, built).get(path) != lock for path, lock in case.locks.items()):
        return "a lock file changed during the build"
    if not _stands(case, built.later):
        return "a tool, a variable or a requirement changed during the build"
    return built.doubt


def discovered(case: Case, built: Built, *, more: Sequence[str] = ()) -> list[Discovered] | None:
    """What a build has taken that is not in the key, and `more` files; None where that can't be read again."""
    context, about, seen = case.context, case.about, built.findings
    paths = [(os.fsencode(path), discovery.kind_of(about, path)) for path in [*built.system, *more]]
    names = set(built.names)
    if seen is not None:
        names |= {name for name in seen.names if not context.never_counts(name)}
    if seen is None:
        paths += _unseen(case)
    items = discovery.taken(about, dict.fromkeys(paths))
    if items is None:
        return None
    known = () if seen is None else seen.items
    named = discovery.variables(about, names - NEW_EVERY_TIME.union(case.facts.families))
    every = discovery.every(about) if seen is None or seen.every else ()
    return list({item[:2]: item for item in [*known, *items, *named, *every]}.values())


def _unseen(case: Case) -> list[tuple[bytes, str]]:
    """What a build rests on for all that anybody knows, where nobody has seen what it took, and the user vouches."""
    context, items = case.context, list[tuple[bytes, str]]()
    if "rustc" in context.backend.tools:
        compilers = machine.toolchain(context.call.tree, context.call.environ)
        items += [(os.fsencode(path), discovery.FILE) for path in compilers]
    if context.project.version_is_dynamic and context.config.version is None and _control_decides(case):
        items.append((b".", discovery.CONTROL))
    return items


def _control_decides(case: Case) -> bool:
    """Whether the version may come from version control."""
    context = case.context
    requires = [*context.requires, *context.config.requires, *case.lean]
    recipes = machine.recipes(context.call.tree, [file.path for file in case.snapshot.inputs])
    return programs.git_decides_version(context.backend, context.project.pyproject, requires, recipes)


def _is_bound(case: Case, built: Built) -> bool:
    """Whether the wheel is for its tree alone: it names it, rests on what lies beside it, or was told where it lies."""
    beside = built.findings is None or built.findings.judged.bound
    return beside or _is_told(case, built) or archive.names(built.path, _places(case))


def _is_told(case: Case, built: Built) -> bool:
    """Whether a variable or a setting names the tree, in which a build of another tree would look as well."""
    environ, seen = case.context.call.environ, built.findings
    names = discovery.shaping(case.about) if seen is None or seen.every else case.facts.families | seen.names
    values = [*(environ.get(name, "") for name in names), repr(case.context.config.inner_settings)]
    return any(place in os.fsencode(value) for place in _places(case) for value in values)


def _places(case: Case) -> list[bytes]:
    """The absolute paths that bind a wheel to its tree: of each root, spelled and resolved."""
    tree = case.context.call.tree
    outside = [path for path, kind in case.snapshot.roots if kind in ("crate", "folder") and path.startswith("..")]
    folders = [tree, *(os.path.normpath(os.path.join(tree, path)) for path in outside)]
    return sorted({os.fsencode(place) for path in folders for place in (path, os.path.realpath(path))})


def _is_old(case: Case, entry: Entry) -> bool:
    """Whether an installer took something else for an entry than it does now."""
    return case.withheld is not None and bool(case.moved(entry))


def _stands(case: Case, later: Snapshot) -> bool:
    """Whether the key is that of the build's end as well; all is asked again only where something moved."""
    if _is_unmoved(case.facts.lookout):
        return True
    again = lookup.opened(case.context, later)
    return isinstance(again, Case) and build_key.key(again.facts.components) == build_key.key(case.facts.components)


def _locks(case: Case, built: Built) -> dict[bytes, tuple[str, bytes]]:
    """What is in the locks after a build."""
    paths = built.later.locks if isinstance(built.later, Snapshot) else ()
    return selection.contents(case.context.call.tree, [os.fsencode(path) for path in paths])


def _is_unmoved(seen: Lookout) -> bool:
    """Whether all that was looked at is as it was, so that nothing need be asked again."""
    now = Lookout()
    return (
        not seen.untrusted
        and all(now.look(os.fsdecode(path)) == row for path, row in seen.places.items())
        and all(now.look(os.fsdecode(path)) is None for path in seen.absent)
    )
