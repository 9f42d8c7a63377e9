"""One real build: what must be forced before it, and what it shows afterwards.

Before: cargo must notice what we noticed (law 7), else it packs an old object under a new name. After: what was really
read, packed and written is held against the inputs. Nothing of this can fail a build.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from freshwheel.base import backends, frame
from freshwheel.base.errors import InputError
from freshwheel.base.model import Snapshot
from freshwheel.base.phrases import few
from freshwheel.build import discovery, notice, observation, opinion, unwatched
from freshwheel.build.observation import Found, Watch
from freshwheel.build.opinion import Opinion
from freshwheel.build.plan import Plan
from freshwheel.build.tree_view import Scope
from freshwheel.build.workplace import Workplace
from freshwheel.inner import force, interpreter, kept_folders, process, target_folders
from freshwheel.inner.build_records import Read
from freshwheel.inner.force import Record, Seen
from freshwheel.memory import accounts, discoveries
from freshwheel.memory.accounts import Page
from freshwheel.observe.account import Account
from freshwheel.observe.judgement import Taken
from freshwheel.sources import selection, surroundings
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
    found: Found | None = None
    """What it has taken, with all that earlier builds in the same folders have; None: nobody observed it."""
    unobserved: str = ""
    """Why nobody did."""
    system: Mapping[str, str] = field(default_factory=dict)
    """Absolute paths outside of the repository that the records of tools name, and who has read them."""
    names: tuple[str, ...] = ()
    """Variables that the records of tools name, sorted."""
    milliseconds: int = 0

    @property
    def settled(self) -> bool:
        """Whether the tree stood still during the build."""
        return _stood_still(self.earlier, self.later)


@contextlib.contextmanager
def opened(plan: Plan, more: Mapping[str, str] | None = None, *, watch: Watch | None = None) -> Iterator[process.Inner]:
    """The inner backend, in an environment that is the caller's but for the interpreter it is told to build for."""
    environ = {**plan.backend.variables, **plan.call.environ, **(more or {})}
    variables = backends.BASE_PYTHON_VARIABLES if plan.config.stable_python else None
    notes = None if watch is None else watch.folder
    files = watch is not None and watch.records
    with interpreter.stable(environ, variables=variables, witness=notes, files=files) as stable:
        if watch is not None:
            watch.private += [watch.folder, *stable.get("PYTHONPATH", "").split(os.pathsep)[:1]]
        yield process.Inner(
            backend=plan.config.backend,
            backend_path=plan.config.backend_path,
            tree=plan.call.tree,
            python=interpreter.executable(),
            environ=stable,
            start=None if watch is None else watch.run,
        )


def build(plan: Plan, private: str, *, clean: bool = False, watched: bool = False) -> Built:
    """A wheel of the inner backend, in the folder `private`. Raises InnerError where that fails.

    A `clean` one takes nothing from earlier builds, and leaves their folders and the times in the tree alone. Of a
    `watched` one is known what it has taken, as far as that can be had.
    """
    before = plan.attempt()
    if isinstance(before, InputError) or plan.project.sdist_version is not None:
        with notice.fresh(plan, private) as (variables, _), opened(plan, variables) as inner:
            path = inner.build(plan.call.hook, private, plan.config.inner_settings)
        return Built(path=path, earlier=before, later=plan.attempt(again=True))
    with _Bench.of(plan, before) as bench, _watched(plan, watched=watched) as bench.watch:
        return bench.cleanly(private) if clean else bench.build(private)


@contextlib.contextmanager
def _watched(plan: Plan, *, watched: bool) -> Iterator[Watch | None]:
    """An observation, if there is to be one."""
    if not watched:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="freshwheel-watch-", ignore_cleanup_errors=True) as folder:
        yield Watch.of(plan, folder)


@dataclass(kw_only=True)
class _Bench:
    """The place where one build is made: the tree, and the folders that cargo works in."""

    plan: Plan
    before: Snapshot
    closure: Closure
    places: list[str] | None
    """The build folders of cargo; None where they are not known, or can't be trusted."""
    work: Workplace
    kept: str | None
    """The build folder that CMake or Meson keep, if they do."""
    doubt: str = ""
    """What can't be forced, in words."""
    spare: tempfile.TemporaryDirectory[str] | None = None
    """An empty folder for cargo, instead of those."""
    watch: Watch | None = None
    rewritten: frozenset[str] = frozenset()
    """Inputs that the build has made, or written anew as they were."""
    complete: bool = True
    """Whether all that lies in these folders was built under observation."""
    page: Page = field(default_factory=Page)
    """What earlier builds in the folders that are kept have taken; nothing where these are empty."""

    @classmethod
    @contextlib.contextmanager
    def of(cls, plan: Plan, before: Snapshot) -> Iterator[_Bench]:
        """The bench for a plan and the inputs that it found."""
        manifests, closure = selection.crates(plan.call.tree, plan.project.pyproject, plan.backend, before.inputs)
        places: list[str] | None = []
        if closure.crates:
            arguments = notice.arguments(plan)
            places = target_folders.build_folders(
                manifests, plan.call.environ, tree=plan.call.tree, arguments=arguments
            )
        folder = notice.kept_folder(plan)
        tree = os.path.realpath(plan.call.tree)
        work = Workplace(
            cache=frame.cache_directory(plan.call.environ),
            folders=[*map(os.path.realpath, [*(places or []), *([folder] if folder else [])])],
            tree=tree,
            repository=surroundings.repository(tree, [crate.folder for crate in closure.crates]),
        )
        bench = cls(plan=plan, before=before, closure=closure, places=places, work=work, kept=folder)
        try:
            with work.alone():
                yield bench
        finally:
            if bench.spare is not None:
                bench.spare.cleanup()

    def build(self, private: str) -> Built:
        """Forces what must be noticed, builds, and looks at what that has done."""
        found = self.look()
        self.page = self.work.page() if found else self.page
        shared = [os.fsencode(one.path) for one in self.shared(self.before)]
        record = self.work.record([*(one.path for one in self.before.inputs), *shared])
        if found:
            recipe = notice.recipe(self.plan, self.before)
            self.complete = self.page.complete and force.is_ours(record, found, recipe)
        earlier = self.forced(record, found)
        more = {} if self.spare is None else target_folders.private({}, self.spare.name)
        started = time.time_ns()
        with (
            notice.fresh(self.plan, private) as (variables, empty),
            opened(self.plan, more | variables, watch=self.watch) as inner,
        ):
            try:
                path = inner.build(self.plan.call.hook, private, self.plan.config.inner_settings)
            finally:
                # After a failure as well: only what broke need be compiled again.
                after = self.look()
                later = self.plan.attempt(again=True)
                account = None if self.watch is None else self.watch.account()
                earlier = self.with_made(account, earlier, later)
                taken = self.taken(account, later, [private, empty] if empty else [private])
                self.keep(record, found, after, earlier, later)
            self.doubt = self.doubt or notice.used(self.plan, empty, path)
            return self.judged(path, started, earlier, later, taken)

    def cleanly(self, private: str) -> Built:
        """Builds in empty folders, and looks at what that has done."""
        with tempfile.TemporaryDirectory(prefix="freshwheel-clean-", dir=private, ignore_cleanup_errors=True) as folder:
            settings, more = kept_folders.fresh(self.plan.config.inner_settings, os.path.join(folder, "build"))
            if self.closure.crates:
                self.apart()
            more |= {} if self.spare is None else target_folders.private({}, self.spare.name)
            started = time.time_ns()
            with notice.fresh(self.plan, private) as (variables, empty), opened(self.plan, more | variables) as inner:
                path = inner.build(self.plan.call.hook, private, settings)
                self.doubt = self.doubt or notice.used(self.plan, empty, path)
        return self.judged(path, started, self.before, self.plan.attempt(again=True), None)

    def apart(self) -> None:
        """Gives cargo an empty folder to work in."""
        if any(word.partition("=")[0] == "--target-dir" for word in notice.arguments(self.plan)):
            self.doubt = "an argument chooses the target folder of cargo, where not everything can be forced"
        self.places, self.page = None, Page()
        self.spare = tempfile.TemporaryDirectory(prefix="freshwheel-target-", ignore_cleanup_errors=True)

    def look(self) -> dict[str, target_folders.Profile]:
        """The state of all build folders."""
        found = target_folders.look(self.places or [])
        return found if self.kept is None else found | kept_folders.look(self.kept)

    def forced(self, record: Record | None, found: Mapping[str, target_folders.Profile]) -> Snapshot | InputError:
        """The inputs, when all that cargo must notice has a new mtime; else it gets an empty folder to work in."""
        refused, times = self.places is None, {}
        if found:
            seen, now = self.seen(self.before), time.time_ns()
            times = force.pending(record, found, seen, now=now)
            newest = force.newest(record, found, seen.recipe)
            self.doubt = notice.doubt(self.kept, record, found, seen) or self.unknown(found)
            unseen = notice.unseen(
                self.before.inputs, self.closure, record, seen, self.page if self.complete else None, anew=self.is_all
            )
            profiles = force.profiles(record, found, seen.recipe)
            refused = refused or not self.rerun(profiles, None if self.is_all else unseen.scripts)
            times |= notice.times(map(os.fsencode, unseen.paths), seen, newest=newest, now=now)
            left = force.touch(os.fsencode(self.plan.call.tree), times, newest=newest)
            refused = refused or bool(left)
            if left and self.kept in found:
                self.doubt = f"{os.fsdecode(left[0])} can't be touched, and may be stale in {self.kept}"
        if refused and self.closure.crates:
            self.apart()
        # Where one refused, others were touched all the same.
        return self.plan.attempt(again=True) if times else self.before

    @property
    def is_first(self) -> bool:
        """Whether this build is observed, and something in the folders that are kept was not.

        Where each build is in doubt, nothing is won by one that compiles all.
        """
        return not (self.complete or self.page.doubt or self.watch is None or self.watch.reason)

    @property
    def is_all(self) -> bool:
        """Whether all of the project is compiled again: what is excluded, and who has read it, nobody knows else."""
        return self.is_first or not (self.complete or not self.plan.config.exclude)

    def unknown(self, found: Mapping[str, target_folders.Profile]) -> str:
        """Why nobody knows what went into the folder that CMake or Meson keep, in words."""
        kept = self.kept if self.is_first and self.kept in found else None
        return f"{kept} holds what was built while nobody observed it; remove that folder" if kept else ""

    def rerun(self, profiles: Iterable[str], scripts: Mapping[str, str] | None) -> bool:
        """Whether cargo will run these build scripts again, or all; nothing is to be done for a crate that has none."""
        try:
            target_folders.rerun([one for one in profiles if one != self.kept], scripts)
        except OSError:
            return False
        return True

    def seen(self, found: Snapshot) -> Seen:
        """The inputs, for a build script may read any of them, and what chooses how cargo is called.

        With them stands what is to become an input, since a unit that another tree has built reads it.
        """
        inputs = {one.path: one.kind + one.content for one in found.inputs}
        mtimes = {one.path: row[2] for one, row in zip(found.inputs, found.rows, strict=True)}
        around = b""
        if self.work.folders:
            around = notice.around(self.plan, self.work, self.page)
            for path, content, mtime in notice.looked(self.plan, [one.path for one in self.shared(found)]):
                inputs[path], mtimes[path] = content, mtime
        return Seen(recipe=notice.recipe(self.plan, found), inputs=inputs, mtimes=mtimes, around=around)

    def keep(
        self,
        record: Record | None,
        before: Mapping[str, target_folders.Profile],
        after: Mapping[str, target_folders.Profile],
        earlier: Snapshot | InputError,
        later: Snapshot | InputError,
    ) -> None:
        """Writes the record; if anything moved there is none, and the next build counts everything as changed."""
        if not self.work.folders:
            return
        with contextlib.suppress(OSError):
            if self.places is None or not isinstance(earlier, Snapshot) or not _stood_still(earlier, later):
                self.work.forget()
                return
            self.page = self.work.page()  # what the build has taken is on record by now
            seen = self.seen(earlier)
            fresh = force.recorded(record, before, after, seen)
            self.work.keep(replace(fresh, doubt=self.doubt), others=force.is_ours(record, before, seen.recipe))

    @property
    def used(self) -> list[str]:
        """The folders in which the build does its own work."""
        cargo = [self.spare.name] if self.spare is not None else self.places or []
        return [*cargo, *([self.kept] if self.kept else [])]

    def taken(self, account: Account | None, later: Snapshot | InputError, apart: Sequence[str]) -> Found | None:
        """What an observed build has taken, now on record; None where nobody observed it."""
        found = None if self.watch is None else self.accounted(self.watch, account, later, apart)
        if found is not None and self.spare is None:
            # What was not observed is compiled again by now, or is about to be.
            self.work.save(found.page(self.page, complete=not (found.doubt or self.page.doubt)))
        elif self.page.complete and (self.spare is None or self.kept is not None):
            self.work.save(replace(self.page, complete=False))
        return None if found is None else replace(found, doubt=found.doubt or self.page.doubt)

    def accounted(
        self, watch: Watch, account: Account | None, later: Snapshot | InputError, apart: Sequence[str]
    ) -> Found | None:
        """What a build has taken, now on record for people; None where it has no account."""
        cache, tree = frame.cache_directory(self.plan.call.environ), self.plan.call.tree
        if account is not None and watch.records and self.closure.crates:
            watch.reason += ", and what build scripts and macros read is on no record"
            account = None
        if account is None or isinstance(later, InputError):
            accounts.save(cache, tree, Page(reason=watch.reason))
            return None
        scope = self.scope(later, private=apart[0])
        found = observation.found(self.plan, account, scope, later, [*self.used, *apart, *watch.private], self.page)
        accounts.save(cache, tree, found.page(self.page, complete=True))
        return found

    def with_made(
        self, account: Account | None, earlier: Snapshot | InputError, later: Snapshot | InputError
    ) -> Snapshot | InputError:
        """The inputs that the build was made from: those before it, and what it was seen to make of them itself."""
        if account is None or isinstance(earlier, InputError) or isinstance(later, InputError):
            return earlier
        made = observation.made(account, os.fsencode(self.work.tree), earlier, later)
        if made is None:
            return earlier
        self.rewritten = frozenset(made)
        locks = [path for path in made if os.fsencode(path) not in {one.path for one in earlier.inputs}]
        if locks:
            what = f"{few(locks)} was made by this build, and is an input now"
            self.plan.call.say(f"{what}: commit it, or have git ignore it")
        return later

    def shared(self, found: Snapshot) -> list[Read]:
        """What units of this closure have read when another tree built them, and what is no input here.

        Nothing elsewhere, unless a crate is: other projects may build in the same folder.
        """
        inputs = {os.fsdecode(one.path) for one in found.inputs}
        names = {crate.name for crate in self.closure.crates}
        folders = [self.work.called(self.work.absolute(os.fsencode(crate.folder))) for crate in self.closure.crates]
        elsewhere = any(map(os.path.isabs, folders))
        return [
            Read(path=path, by=by)
            for path, by in self.page.joined.items()
            if (elsewhere or not os.path.isabs(path))
            and path not in inputs
            and unwatched.concerns(self.page.readers.get(path, ()), names, inputs)
        ]

    def judged(
        self,
        path: str,
        started: int,
        earlier: Snapshot | InputError,
        later: Snapshot | InputError,
        found: Found | None,
    ) -> Built:
        """What was built, with what it has taken, which is written into the state of the tree."""
        if isinstance(later, InputError) or isinstance(earlier, InputError):
            return Built(path=path, earlier=earlier, later=later, doubt=self.doubt)
        tree = self.plan.call.tree
        scope = self.scope(later, private=os.path.dirname(path))
        observed = found is not None and (self.complete or self.spare is not None)
        second = self.opinion(scope, started, observed=observed)
        reads = [] if found is None else [*map(_read, found.missed()), *self.shared(later)]
        missed = {one.path: one for one in (*second.missed, *reads)}
        system = {one.path: one.by for one in second.system}
        known = discoveries.load(frame.cache_directory(self.plan.call.environ), tree).written
        written = {path: word for path, word in known.items() if path in self.rewritten} | _written(earlier, later)
        self.note(missed.values(), system, written)
        doubts = [self.doubt, second.reason, found.doubt if found is not None else ""]
        items = () if found is None else found.items
        outside = [*system, *(os.fsdecode(path) for path, kind, *_ in items if kind == discovery.FILE)]
        return Built(
            path=path,
            earlier=earlier,
            later=later,
            missed=tuple(missed.values()),
            written=written,
            doubt=next(filter(None, doubts), "") or _restless(tree, outside, started, observed=found is not None),
            found=found,
            unobserved="" if self.watch is None else self.watch.reason,
            system=system,
            names=second.names,
            milliseconds=(time.time_ns() - started) // 10**6,
        )

    def opinion(self, scope: Scope, started: int, *, observed: bool) -> Opinion:
        """What the records of cargo say; where the build was observed, they say no more than names."""
        if not self.closure.crates:
            return Opinion()
        used = [self.spare.name] if self.spare is not None else self.places or []
        second = opinion.second(scope, self.closure, used, since=started)
        return Opinion(names=second.names) if observed else second

    def note(self, missed: Iterable[Read], system: Mapping[str, str], written: Mapping[str, str]) -> None:
        """Puts on record what the build has shown of its tree."""
        cache, tree = frame.cache_directory(self.plan.call.environ), self.plan.call.tree
        known = discoveries.load(cache, tree)
        fresh = discoveries.State(
            built=True,
            discovered={**known.discovered, **{one.path: one.by for one in missed}},
            system={**known.system, **system},
            written=written,
        )
        if fresh != known:
            discoveries.save(cache, tree, fresh)

    def scope(self, found: Snapshot, private: str) -> Scope:
        """What the opinions are held against."""
        tree, environ = self.plan.call.tree, self.plan.call.environ
        return Scope(
            tree=tree,
            repository=surroundings.repository(tree, [crate.folder for crate in self.closure.crates]),
            inputs=found.inputs,
            exclude=self.plan.config.exclude,
            outputs=list(selection.left_out(self.plan.project.pyproject, self.plan.backend)),
            apart=[private, *surroundings.apart(tree, environ)],
            known=list(discoveries.load(frame.cache_directory(environ), tree).system),
        )


def _read(taken: Taken) -> Read:
    return Read(path=os.fsdecode(taken.relative or taken.path), by=", ".join(taken.by))


def _restless(tree: str, paths: Iterable[str], since: int, *, observed: bool) -> str:
    """Why files that nobody knew before the build may not be what it read; nothing: they were so before it began.

    An observer takes longer to start than a tick of times that are exact.
    """
    for path in paths:
        try:
            found = os.stat(os.path.join(tree, path))
        except OSError:
            return f"{path} was read, and can't be looked at"
        # What uv shares between environments changes with each of them, but for the time of its content.
        shared = "-packages" + os.sep in path
        newest = found.st_mtime_ns if shared else max(found.st_mtime_ns, found.st_ctime_ns)
        if newest >= since - (0 if observed and newest % 10**9 else _SLACK):
            return f"{path} was read, and may have changed during the build"
    return ""


def _stood_still(earlier: Snapshot | InputError, later: Snapshot | InputError) -> bool:
    if isinstance(earlier, InputError) or isinstance(later, InputError):
        return False
    return (earlier.digest, earlier.rows) == (later.digest, later.rows)


def _written(earlier: Snapshot, later: Snapshot) -> dict[str, str]:
    """Inputs that were made or changed between two looks."""
    before = {one.path: (one.kind, one.content) for one in earlier.inputs}
    words = {one.path: "changed" if one.path in before else "made" for one in later.inputs}
    moved = [one.path for one in later.inputs if before.get(one.path) != (one.kind, one.content)]
    return {os.fsdecode(path): f"{words[path]} by the build" for path in moved}
