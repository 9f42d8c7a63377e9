"""One real build: what must be forced before it, and what it shows afterwards.

Before: cargo must notice what we noticed (law 7), else it packs an old object under a new name. After: what was really
read, packed and written is held against the inputs. Nothing of this can fail a build.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from freshwheel.base import requirements
from freshwheel.base.errors import InputError, few
from freshwheel.base.model import Snapshot
from freshwheel.build import discovery, notice, observation, opinion, preparation
from freshwheel.build.context import Context, fresh, opened
from freshwheel.build.observation import Findings, Watch
from freshwheel.build.opinion import Read, Records
from freshwheel.build.preparation import Ready, Site
from freshwheel.inner import build_folders
from freshwheel.memory import discoveries
from freshwheel.memory.discoveries import Page, State
from freshwheel.observe.account import Account, Taken

_SLACK = 2 * 10**9
"""Nanoseconds: as exact as times are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """What one real build was made from, and what it made."""

    path: str
    """Of the inner backend's wheel."""
    earlier: Snapshot | InputError
    """The inputs before it, after all that was forced."""
    later: Snapshot | InputError
    missed: tuple[Read, ...] = ()
    """What it read or packed, and what is no input yet."""
    written: Mapping[str, str] = field(default_factory=dict)
    """Inputs that it made or changed itself."""
    doubt: str = ""
    """Why the wheel may hold what the sources are not, so that it must not be stored; nothing where it can't."""
    findings: Findings | None = None
    """What it has taken, with all that earlier builds in the same folders have; None: nobody observed it."""
    unobserved: str = ""
    """Why nobody did."""
    system: Mapping[str, str] = field(default_factory=dict)
    """Absolute paths outside of the repository that cargo's records name, and who has read them."""
    names: frozenset[str] = frozenset()
    """Variables that cargo's records name."""
    milliseconds: int = 0

    @property
    def settled(self) -> bool:
        """Whether the tree stood still during the build."""
        return _stood_still(self.earlier, self.later)


def build(
    context: Context, private: str, *, clean: bool = False, watched: bool = False, packed: Collection[bytes] | None = ()
) -> Built:
    """A wheel of the inner backend, in the folder `private`. Raises InnerError where that fails.

    A `clean` one takes nothing from earlier builds, and leaves their folders and the times in the tree alone. Of a
    `watched` one is known what it has taken, as far as that can be had. `packed` are the inputs that the last one has
    only packed; None: nothing of that one may be used.
    """
    before = context.attempt()
    if isinstance(before, InputError) or context.project.sdist_version is not None:
        with fresh(context, private) as (variables, _), opened(context, variables) as inner:
            path = inner.build(context.call.hook, private, context.config.inner_settings)
        return Built(path=path, earlier=before, later=context.attempt(again=True))
    with contextlib.ExitStack() as stack:
        watch = Watch.of(context, _temporary(stack, "watch")) if watched else None
        may_resume = watch is not None and not watch.reason and packed is not None
        site = Site.of(context, before, preparation.own_folder(context) if may_resume else None)
        is_alone = stack.enter_context(site.work.alone(None if site.own is None else site.own.above))
        site = site if is_alone or site.own is None else Site.of(context, before, None)
        outdated = "" if clean else site.outdated()
        if clean or outdated:
            ready = replace(preparation.cleaned(site, private), doubt=outdated)
        elif site.own is not None:
            ready = preparation.resumed(site, site.own, packed or ())
        else:
            ready = preparation.forced(site, watch, _temporary(stack, "target"))
        built = _built(site, ready, private, watch, is_clean=clean or bool(outdated))
        if site.own is not None and site.own.shows(built.path):
            site.own.refuse()
        elif outdated or packed is None or not site.outdated():
            return built
        os.unlink(built.path)
    return build(context, private, watched=watched, packed=None)


def _built(site: Site, ready: Ready, private: str, watch: Watch | None, *, is_clean: bool) -> Built:
    """The wheel of a site that is ready, in the folder `private`, and what it was made from."""
    context, before = site.context, site.before
    environment = None if site.own is None else site.own.environment
    with contextlib.ExitStack() as stack:
        variables, empty = stack.enter_context(fresh(context, private))
        more = {**ready.variables, **variables}
        inner = stack.enter_context(opened(context, more, watch=watch, environment=environment))
        started, seen = time.time_ns(), None
        try:
            path = inner.build(context.call.hook, private, ready.settings)
        finally:
            if site.own is not None:
                site.own.put_away()
            if not is_clean:
                # After a failure as well: only what broke need be compiled again.
                seen = _looked(site, ready, watch, [private, empty] if empty else [private])
        ready = replace(ready, doubt=ready.doubt or _doubt_of_setuptools(context, empty, path))
        seen = seen or Look(earlier=before, later=context.attempt(again=True))
        return _judged(site, ready, seen, path, started)


def _doubt_of_setuptools(context: Context, folder: str, path: str) -> str:
    """Why the wheel at `path` may not be that of its sources, in words; nothing where setuptools worked in `folder`."""
    if not folder:
        return ""
    base, stated = context.own_base(), os.path.basename(path).split("-")[1]
    if base is not None and requirements.version(base) != requirements.version(stated):
        why = f"setuptools before 66 can't be told the version {base}: what asked for it was given {stated}"
        context.call.say(f"{why}; require a newer one, or leave the version static")
        return why
    return build_folders.left_by_setuptools(folder, context.call.tree, context.call.hook)


def _temporary(stack: contextlib.ExitStack, name: str) -> str:
    """A new folder, which goes with the stack."""
    return stack.enter_context(tempfile.TemporaryDirectory(prefix=f"freshwheel-{name}-", ignore_cleanup_errors=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What is seen when a build has ended."""

    earlier: Snapshot | InputError
    """The inputs that it was made from."""
    later: Snapshot | InputError
    rewritten: frozenset[str] = frozenset()
    """Inputs that the build has made, or written anew as they were."""
    findings: Findings | None = None
    """What it has taken; None: nobody observed it."""
    unobserved: str = ""
    """Why nobody did."""
    page: Page = field(default_factory=Page)
    """What all builds in its folders have taken."""


def _looked(site: Site, ready: Ready, watch: Watch | None, private: Sequence[str]) -> Look:
    """What is seen when a build has ended, now on record; `private` are the folders that were made for it."""
    later = site.context.attempt(again=True)
    account = _account(site, watch)
    earlier, rewritten = _with_made(site, account, ready.earlier, later)
    findings = None
    if account is not None and watch is not None and isinstance(later, Snapshot):
        rooms = site.rooms([*ready.places, *private, *watch.private])
        scope = site.scope(later, private=private[0])
        findings = observation.findings(site.context, account, scope, later, rooms, ready.page)
    if site.own is not None and findings is not None:
        site.own.leave(findings.traces.stays)
    elif site.kept is not None and account is not None and findings is not None:
        made_from, outdated = notice.outdated(account, site.kept, ready.page)
        findings = replace(findings, made_from=made_from, outdated=outdated, doubt=findings.doubt or outdated)
    after = site.profiles([] if ready.is_apart else ready.places)
    if watch is not None:
        page = Page(reason=watch.reason) if findings is None else findings.page(ready.page, complete=True)
        discoveries.keep_account(site.context.cache, site.context.call.tree, page)
    _take(site, ready, findings)
    return Look(
        earlier=earlier,
        later=later,
        rewritten=rewritten,
        findings=None if findings is None else replace(findings, doubt=findings.doubt or ready.page.doubt),
        unobserved="" if watch is None else watch.reason,
        page=_keep(site, ready, after, earlier, later),
    )


def _account(site: Site, watch: Watch | None) -> Account | None:
    """What a watched build has taken, as it was seen; None where that is not all."""
    account = None if watch is None else watch.account()
    if account is None or watch is None or not (watch.records and site.closure.crates):
        return account
    watch.reason += ", and what build scripts and macros read is on no record"
    return None


def _with_made(
    site: Site, account: Account | None, earlier: Snapshot | InputError, later: Snapshot | InputError
) -> tuple[Snapshot | InputError, frozenset[str]]:
    """The inputs that the build was made from: those before it, and what it was seen to make of them itself; those."""
    if account is None or isinstance(earlier, InputError) or isinstance(later, InputError):
        return earlier, frozenset()
    if _stood_still(earlier, later):
        return later, frozenset()
    made = _made(account, os.fsencode(site.work.tree), earlier, later)
    if made is None:
        return earlier, frozenset()
    locks = [path for path in made if os.fsencode(path) not in {file.path for file in earlier.inputs}]
    if locks:
        what = f"{few(locks)} was made by this build, and is an input now"
        site.context.call.say(f"{what}: commit it, or have git ignore it")
    return later, frozenset(made)


def _made(account: Account, tree: bytes, earlier: Snapshot, later: Snapshot) -> list[str] | None:
    """The inputs in `tree` that a build was seen to write, and that make its wheel no other one.

    They are locks of cargo where none was, and files that have the content of before, and that nobody had read when
    they were written. None where any other input moved.
    """
    before, after = (dict(zip(side.inputs, side.rows, strict=True)) for side in (earlier, later))
    moved = [file for file, row in after.items() if before.get(file) != row]
    written = {os.path.realpath(path) for path, use in account.uses.items() if use.written and not use.read_before}
    explained = before.keys() <= after.keys() and all(
        (file in before or os.path.basename(file.path) == b"Cargo.lock")
        and os.path.realpath(os.path.join(tree, file.path)) in written
        for file in moved
    )
    return sorted(os.fsdecode(file.path) for file in moved) if explained else None


def _take(site: Site, ready: Ready, findings: Findings | None) -> None:
    """Puts on record what the folders that are kept were built from."""
    if findings is not None and not ready.is_apart:
        # What was not observed is compiled again by now, or is about to be.
        site.work.save(findings.page(ready.page, complete=not (findings.doubt or ready.page.doubt)))
    elif ready.page.complete and (not ready.is_apart or site.kept is not None):
        site.work.save(replace(ready.page, complete=False))


def _keep(
    site: Site,
    ready: Ready,
    after: Mapping[str, build_folders.Profile],
    earlier: Snapshot | InputError,
    later: Snapshot | InputError,
) -> Page:
    """What the folders were built from, with the record of it; if anything moved there is none for the next build."""
    page = ready.page
    if not site.work.folders:
        return page
    with contextlib.suppress(OSError):
        is_lost = site.places is None or ready.is_apart
        if is_lost or not isinstance(earlier, Snapshot) or not _stood_still(earlier, later):
            site.work.forget()
            return page
        page = site.work.page()  # what the build has taken is on record by now
        seen = site.seen(earlier, page)
        fresh = build_folders.recorded(ready.record, ready.profiles, after, seen)
        others = build_folders.is_ours(ready.record, ready.profiles, seen.recipe)
        site.work.keep(replace(fresh, doubt=ready.doubt), others=others)
    return page


def _judged(site: Site, ready: Ready, look: Look, path: str, started: int) -> Built:
    """What was built, with what it has taken, which is written into the state of the tree."""
    earlier, later, findings = look.earlier, look.later, look.findings
    if isinstance(later, InputError) or isinstance(earlier, InputError):
        return Built(path=path, earlier=earlier, later=later, doubt=ready.doubt)
    records = Records()
    if findings is None and site.closure.crates:
        scope = site.scope(later, private=os.path.dirname(path))
        records = opinion.records(scope, site.closure, ready.places, since=started)
    reads = [] if findings is None else [*map(_read, findings.missed()), *site.shared(later, look.page)]
    missed = {read.path: read for read in (*records.missed, *reads)}
    known = discoveries.load(site.context.cache, site.context.call.tree).written
    written = {path: word for path, word in known.items() if path in look.rewritten} | _written(earlier, later)
    state = _discovered(site.context, [*missed.values()], records.system, written)
    doubts = [ready.doubt, findings.doubt if findings is not None else ""]
    items = () if findings is None else findings.items
    outside = [
        *(read.path for read in records.system),
        *(os.fsdecode(path) for path, kind, *_ in items if kind == discovery.FILE),
    ]
    restless = _restless(site.context.call.tree, outside, started, observed=findings is not None)
    return Built(
        path=path,
        earlier=earlier,
        later=later,
        missed=tuple(missed.values()),
        written=written,
        doubt=next(filter(None, [*doubts, restless]), ""),
        findings=findings,
        unobserved=look.unobserved,
        # What an earlier build has read is not read again where nothing of it is compiled again.
        system={path: by for path, by in state.system.items() if os.path.lexists(path)},
        names=frozenset(opinion.variables(ready.places)),
        milliseconds=(time.time_ns() - started) // 10**6,
    )


def _discovered(context: Context, missed: Sequence[Read], system: Sequence[Read], written: Mapping[str, str]) -> State:
    """What builds have shown of their tree by now, which is on record."""
    known = discoveries.load(context.cache, context.call.tree)
    fresh = State(
        built=True,
        discovered={**known.discovered, **{read.path: read.by for read in missed}},
        system={**known.system, **{read.path: read.by for read in system}},
        written=written,
    )
    if fresh != known:
        discoveries.save(context.cache, context.call.tree, fresh)
    return fresh


def _read(taken: Taken) -> Read:
    return Read(path=os.fsdecode(taken.relative or taken.path), by=", ".join(taken.by))


def _restless(tree: str, paths: Iterable[str], since: int, *, observed: bool) -> str:
    """Why files that nobody knew before the build may not be what it read; nothing: they were so before it began.

    An observer takes longer to start than a tick of times that are exact.
    """
    for path in paths:
        try:
            status = os.stat(os.path.join(tree, path))
        except OSError:
            return f"{path} was read, and can't be looked at"
        # What uv shares between environments changes with each of them, but for the time of its content.
        shared = "-packages" + os.sep in path
        newest = status.st_mtime_ns if shared else max(status.st_mtime_ns, status.st_ctime_ns)
        if newest >= since - (0 if observed and newest % 10**9 else _SLACK):
            return f"{path} was read, and may have changed during the build"
    return ""


def _stood_still(earlier: Snapshot | InputError, later: Snapshot | InputError) -> bool:
    if isinstance(earlier, InputError) or isinstance(later, InputError):
        return False
    return (earlier.digest, earlier.rows) == (later.digest, later.rows)


def _written(earlier: Snapshot, later: Snapshot) -> dict[str, str]:
    """Inputs that were made or changed between two looks."""
    if _stood_still(earlier, later):
        return {}
    before = {file.path: (file.kind, file.content) for file in earlier.inputs}
    words = {file.path: "changed" if file.path in before else "made" for file in later.inputs}
    moved = [file.path for file in later.inputs if before.get(file.path) != (file.kind, file.content)]
    return {os.fsdecode(path): f"{words[path]} by the build" for path in moved}
