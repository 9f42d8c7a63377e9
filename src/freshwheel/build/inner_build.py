"""One real build: what must be forced before it, and what it shows afterwards.

Before: cargo must notice what we noticed (law 7), else it packs an old object under a new name. After: what was really
read, packed and written is held against the inputs. Nothing of this can fail a build.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from freshwheel.base import backends
from freshwheel.base.errors import InputError, few
from freshwheel.base.model import Snapshot
from freshwheel.build import discovery, notice, observation, opinion
from freshwheel.build.context import Context
from freshwheel.build.notice import Workplace
from freshwheel.build.observation import Findings, Watch
from freshwheel.build.opinion import Read, Records
from freshwheel.inner import build_folders, process
from freshwheel.inner.build_folders import Record, Seen
from freshwheel.memory import discoveries
from freshwheel.memory.discoveries import Page, State
from freshwheel.observe.account import Account
from freshwheel.observe.judgement import Taken
from freshwheel.sources import boundary, project, selection
from freshwheel.sources.boundary import Scope
from freshwheel.sources.cargo import Closure

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


@contextlib.contextmanager
def opened(
    context: Context, more: Mapping[str, str] | None = None, *, watch: Watch | None = None
) -> Iterator[process.Inner]:
    """The inner backend, in an environment that is the caller's but for the interpreter it is told to build for."""
    environ = {**context.backend.variables, **context.call.environ, **(more or {})}
    variables = backends.BASE_PYTHON_VARIABLES if context.config.stable_python else None
    notes = None if watch is None else watch.folder
    files = watch is not None and watch.records
    with process.stable(environ, variables=variables, witness=notes, files=files) as stable:
        if watch is not None:
            watch.private += [watch.folder, *stable.get("PYTHONPATH", "").split(os.pathsep)[:1]]
        yield process.Inner(
            backend=context.config.backend,
            backend_path=context.config.backend_path,
            tree=context.call.tree,
            python=sys.executable,
            environ=stable,
            start=None if watch is None else watch.run,
        )


def build(context: Context, private: str, *, clean: bool = False, watched: bool = False) -> Built:
    """A wheel of the inner backend, in the folder `private`. Raises InnerError where that fails.

    A `clean` one takes nothing from earlier builds, and leaves their folders and the times in the tree alone. Of a
    `watched` one is known what it has taken, as far as that can be had.
    """
    before = context.attempt()
    if isinstance(before, InputError) or context.project.sdist_version is not None:
        with notice.fresh(context, private) as (variables, _), opened(context, variables) as inner:
            path = inner.build(context.call.hook, private, context.config.inner_settings)
        return Built(path=path, earlier=before, later=context.attempt(again=True))
    site = Site.of(context, before)
    with contextlib.ExitStack() as stack:
        stack.enter_context(site.work.alone())
        watch = Watch.of(context, _temporary(stack, "watch")) if watched else None
        ready = _cleaned(site, private) if clean else _forced(site, watch, _temporary(stack, "target"))
        variables, empty = stack.enter_context(notice.fresh(context, private))
        inner = stack.enter_context(opened(context, {**ready.variables, **variables}, watch=watch))
        started, seen = time.time_ns(), None
        try:
            path = inner.build(context.call.hook, private, ready.settings)
        finally:
            if not clean:
                # After a failure as well: only what broke need be compiled again.
                seen = _looked(site, ready, watch, [private, empty] if empty else [private])
        ready = replace(ready, doubt=ready.doubt or notice.used(context, empty, path))
        seen = seen or Look(earlier=before, later=context.attempt(again=True))
        return _judged(site, ready, seen, path, started)


def _temporary(stack: contextlib.ExitStack, name: str) -> str:
    """A new folder, which goes with the stack."""
    return stack.enter_context(tempfile.TemporaryDirectory(prefix=f"freshwheel-{name}-", ignore_cleanup_errors=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where one build is made: the tree, and the folders that tools work in."""

    context: Context
    before: Snapshot
    closure: Closure
    places: list[str] | None
    """The build folders of cargo; None where they are not known."""
    kept: str | None
    """The build folder that CMake or Meson keep, if they do."""
    work: Workplace

    @classmethod
    def of(cls, context: Context, before: Snapshot) -> Site:
        """The site of a plan with the inputs that it found."""
        manifests, closure = selection.crates(
            context.call.tree, context.project.pyproject, context.backend, before.inputs
        )
        places: list[str] | None = []
        if closure.crates:
            arguments = notice.arguments(context)
            places = build_folders.cargo(manifests, context.call.environ, tree=context.call.tree, arguments=arguments)
        kept, tree = notice.kept_folder(context), os.path.realpath(context.call.tree)
        work = Workplace(
            cache=context.cache,
            folders=[*map(os.path.realpath, [*(places or []), *([kept] if kept else [])])],
            tree=tree,
            repository=boundary.repository(tree, [crate.folder for crate in closure.crates]),
        )
        return cls(context=context, before=before, closure=closure, places=places, kept=kept, work=work)

    def profiles(self, places: Sequence[str]) -> dict[str, build_folders.Profile]:
        """The state of these build folders of cargo, and of the one that is kept."""
        return build_folders.look(places, self.kept)

    def seen(self, snapshot: Snapshot, page: Page) -> Seen:
        """The inputs, for a build script may read any of them, and what chooses how cargo is called.

        With them stands what is to become an input, since a unit that another tree has built reads it.
        """
        inputs = {file.path: file.kind + file.content for file in snapshot.inputs}
        mtimes = {file.path: row[2] for file, row in zip(snapshot.inputs, snapshot.rows, strict=True)}
        around = b""
        if self.work.folders:
            around = notice.around(self.context, self.work, page)
            for path, content, mtime in notice.looked(
                self.context, [read.path for read in self.shared(snapshot, page)]
            ):
                inputs[path], mtimes[path] = content, mtime
        return Seen(recipe=notice.recipe(self.context, snapshot), inputs=inputs, mtimes=mtimes, around=around)

    def shared(self, snapshot: Snapshot, page: Page) -> list[Read]:
        """What units of this closure have read when another tree built them, and what is no input here.

        Nothing elsewhere, unless a crate is: other projects may build in the same folder.
        """
        inputs = {os.fsdecode(file.path) for file in snapshot.inputs}
        names = {crate.name for crate in self.closure.crates}
        folders = [self.work.called(self.work.absolute(os.fsencode(crate.folder))) for crate in self.closure.crates]
        elsewhere = any(map(os.path.isabs, folders))
        return [
            Read(path=path, by=by)
            for path, by in page.joined.items()
            if (elsewhere or not os.path.isabs(path))
            and path not in inputs
            and not os.path.isdir(os.path.join(self.context.call.tree, path))
            and notice.concerns(page.readers.get(path, ()), names, inputs)
        ]

    def scope(self, snapshot: Snapshot, private: str) -> Scope:
        """What is held against the inputs."""
        tree = self.context.call.tree
        return Scope(
            tree=tree,
            repository=boundary.repository(tree, [crate.folder for crate in self.closure.crates]),
            inputs=snapshot.inputs,
            exclude=self.context.config.exclude,
            outputs=list(project.outputs(self.context.project.pyproject, self.context.backend)),
            apart=[private, *boundary.apart(tree, self.context.call.environ)],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """What was prepared for one build: all that must be noticed looks new, or the folders are empty."""

    earlier: Snapshot | InputError
    """The inputs, after all that was forced."""
    settings: Mapping[str, str | Sequence[str]] | None
    variables: Mapping[str, str] = field(default_factory=dict)
    places: Sequence[str] = ()
    """Where cargo works in this build."""
    is_apart: bool = False
    """Whether that is a folder for this build alone."""
    doubt: str = ""
    """What can't be forced, in words."""
    complete: bool = True
    """Whether all that lies in the folders that are kept was built under observation."""
    page: Page = field(default_factory=Page)
    """What earlier builds in these folders have taken; nothing where they are empty."""
    record: Record | None = None
    profiles: Mapping[str, build_folders.Profile] = field(default_factory=dict)
    """Their state before the build."""


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


def _cleaned(site: Site, private: str) -> Ready:
    """Empty folders, in `private`, for all tools."""
    folder = tempfile.mkdtemp(prefix="freshwheel-clean-", dir=private)
    settings, variables = build_folders.fresh(site.context.config.inner_settings, os.path.join(folder, "build"))
    target = os.path.join(folder, "target")
    if not site.closure.crates:
        return Ready(earlier=site.before, settings=settings, variables=variables)
    return Ready(
        earlier=site.before,
        settings=settings,
        variables={**variables, **build_folders.private(target)},
        places=[target],
        is_apart=True,
        doubt=_chosen(site),
    )


def _chosen(site: Site) -> str:
    """Why cargo may not work in a folder that it is given, in words."""
    chosen = any(word.partition("=")[0] == "--target-dir" for word in notice.arguments(site.context))
    return "an argument chooses the target folder of cargo, where not everything can be forced" if chosen else ""


def _forced(site: Site, watch: Watch | None, apart: str) -> Ready:
    """Gives all that tools must notice a new mtime; where that can't be, cargo works in the empty folder `apart`."""
    context, before = site.context, site.before
    state = site.profiles(site.places or [])
    page = site.work.page() if state else Page()
    record = site.work.record(
        [*(file.path for file in before.inputs), *(os.fsencode(read.path) for read in site.shared(before, page))]
    )
    ready = Ready(
        earlier=before,
        settings=context.config.inner_settings,
        places=site.places or [],
        complete=not state or (page.complete and build_folders.is_ours(record, state, notice.recipe(context, before))),
        page=page,
        record=record,
        profiles=state,
    )
    ready, times, refused = _touched(site, ready, watch) if state else (ready, {}, False)
    if (refused or site.places is None) and site.closure.crates:
        variables = build_folders.private(apart)
        doubt = _chosen(site) or ready.doubt
        ready = replace(ready, variables=variables, places=[apart], is_apart=True, page=Page(), doubt=doubt)
    # Where one refused, others were touched all the same.
    return replace(ready, earlier=context.attempt(again=True)) if times else ready


def _touched(site: Site, ready: Ready, watch: Watch | None) -> tuple[Ready, Mapping[bytes, int], bool]:
    """What is ready now, the new mtimes, and whether something refused: then nobody knows what cargo will notice."""
    context, state, record = site.context, ready.profiles, ready.record
    # Where each build is in doubt, nothing is won by one that compiles all.
    is_first = not (ready.complete or ready.page.doubt or watch is None or watch.reason)
    # What is excluded, and who has read it, nobody knows else.
    is_all = is_first or not (ready.complete or not context.config.exclude)
    seen, now = site.seen(site.before, ready.page), time.time_ns()
    newest = build_folders.newest(record, state, seen.recipe)
    doubt = notice.doubt(site.kept, record, state, seen)
    if not doubt and is_first and site.kept in state:
        doubt = f"{site.kept} holds what was built while nobody observed it; remove that folder"
    readers = ready.page if ready.complete else None
    unseen = notice.unseen(site.before.inputs, site.closure, record, seen, readers, anew=is_all)
    profiles = [name for name in build_folders.profiles(record, state, seen.recipe) if name != site.kept]
    refused = False
    try:
        build_folders.rerun(profiles, None if is_all else unseen.scripts)
    except OSError:
        refused = True
    times = build_folders.pending(record, state, seen, now=now, forced={os.fsencode(path) for path in unseen.paths})
    left = build_folders.touch(os.fsencode(context.call.tree), times, newest=newest)
    if left and site.kept in state:
        doubt = f"{os.fsdecode(left[0])} can't be touched, and may be stale in {site.kept}"
    return replace(ready, doubt=doubt), times, refused or bool(left)


def _looked(site: Site, ready: Ready, watch: Watch | None, private: Sequence[str]) -> Look:
    """What is seen when a build has ended, now on record; `private` are the folders that were made for it."""
    after = site.profiles([] if ready.is_apart else ready.places)
    later = site.context.attempt(again=True)
    account = _account(site, watch)
    earlier, rewritten = _with_made(site, account, ready.earlier, later)
    findings = None
    if account is not None and watch is not None and isinstance(later, Snapshot):
        apart = [*ready.places, *([site.kept] if site.kept else []), *private, *watch.private]
        scope = site.scope(later, private=private[0])
        findings = observation.findings(site.context, account, scope, later, apart, ready.page)
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
    made = observation.made(account, os.fsencode(site.work.tree), earlier, later)
    if made is None:
        return earlier, frozenset()
    locks = [path for path in made if os.fsencode(path) not in {file.path for file in earlier.inputs}]
    if locks:
        what = f"{few(locks)} was made by this build, and is an input now"
        site.context.call.say(f"{what}: commit it, or have git ignore it")
    return later, frozenset(made)


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
    before = {file.path: (file.kind, file.content) for file in earlier.inputs}
    words = {file.path: "changed" if file.path in before else "made" for file in later.inputs}
    moved = [file.path for file in later.inputs if before.get(file.path) != (file.kind, file.content)]
    return {os.fsdecode(path): f"{words[path]} by the build" for path in moved}
