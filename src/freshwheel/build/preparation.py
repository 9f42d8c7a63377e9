"""One real build made ready: where it works, and what must be forced before it, for the inner tool must notice all.

In a folder that a project has chosen, inputs get new times. In one of our own, for a project that has chosen none, what
compilers have made stays, and only where an observed build has shown that ninja finds by itself what is not right.

Meson calls sources by their way from its folder, and compilers write that into what they make. So its folder lies in
the tree during a build, where meson-python makes one too, and in the cache directory between builds.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import xxhash

from freshwheel.base import files, frame
from freshwheel.base.errors import InputError, WheelError
from freshwheel.base.model import Snapshot
from freshwheel.build import notice
from freshwheel.build.context import Context
from freshwheel.build.notice import Workplace, Workrooms
from freshwheel.build.observation import Watch
from freshwheel.build.opinion import Read
from freshwheel.inner import build_folders, process
from freshwheel.inner.build_folders import Record, Seen
from freshwheel.inner.process import EnvironmentCopy
from freshwheel.memory.discoveries import Page
from freshwheel.sources import boundary, project, selection
from freshwheel.sources.boundary import Scope
from freshwheel.sources.cargo import Closure
from freshwheel.wheel import archive

KEPT = "kept"
"""In the cache directory: what was compiled, a folder for each tree, and in that one for each environment."""
_REFUSED = "not used"
"""A folder in that of a tree that is left alone."""
_OF_NINJA = (b".ninja_deps", b".ninja_log")
_ROOM = 1 << 30
"""Bytes that must be free there."""
_CMAKE, _MESON = "scikit_build_core.build", "mesonpy"
"""Inner backends that can be told where to work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnFolder:
    """What CMake or Meson keep of their work on one tree, which has not chosen a folder for it."""

    place: str
    """Where it lies between builds."""
    path: str
    """Where it lies while it is worked on."""
    environment: EnvironmentCopy | None
    """What stands for the environment of a build; None: that stays where it is."""

    @property
    def variables(self) -> dict[str, str]:
        """Those by which CMake finds it."""
        return {} if self.is_moved else {"SKBUILD_BUILD_DIR": self.path}

    @property
    def settings(self) -> dict[str, str]:
        """The config settings by which Meson finds it."""
        return {"builddir": self.path} if self.is_moved else {}

    @property
    def above(self) -> str:
        """What is kept of the tree as a whole."""
        return os.path.dirname(self.place)

    @property
    def is_moved(self) -> bool:
        """Whether it lies elsewhere while it is worked on."""
        return self.path != self.place

    def take_out(self) -> bool:
        """Whether it lies where it is worked on now."""
        try:
            if self.is_moved:
                os.rename(self.place, self.path)
        except OSError:
            return False
        return True

    def put_away(self) -> None:
        """It lies where it is kept, or is gone."""
        if self.is_moved and os.path.lexists(self.path):
            try:
                files.settle(self.above)
                os.rename(self.path, self.place)
            except OSError:
                shutil.rmtree(self.path, ignore_errors=True)

    def shows(self, wheel: str) -> bool:
        """Whether the wheel at a path names the folder, or the environment, as no other one does.

        Texts that name the copy of the environment name that of the build from now on, as without a copy. In the tree,
        the folder is called as meson-python would call it.
        """
        places = [self.above, *([self.environment.prefix] if self.environment else [])]
        marks = [os.fsencode(os.path.basename(place)) for place in places]
        if not archive.names(wheel, marks):
            return False
        with contextlib.suppress(WheelError, OSError):
            if self.environment is not None:
                archive.rename_place(wheel, *map(os.fsencode, (self.environment.prefix, self.environment.origin)))
        return archive.names(wheel, marks)

    def empty(self) -> None:
        """Nothing is there, nor in the folders for other environments, as far as they can be removed."""
        shutil.rmtree(self.above, ignore_errors=True)
        if self.is_moved:  # from a build that was killed
            shutil.rmtree(self.path, ignore_errors=True)

    def leave(self, paths: Collection[bytes]) -> None:
        """Nothing is there but these files, and what ninja knows of them; where that can't be, nothing at all.

        What CMake and Meson find out they find out again: they do not say what that rests on.
        """
        above, left = os.fsencode(self.place), {*paths, *_OF_NINJA}
        if not paths:
            self.empty()
            return
        try:
            for folder, folders, names in os.walk(above, topdown=False, onerror=_raised):
                for name in (*names, *folders):
                    path = os.path.join(folder, name)
                    if os.path.isdir(path) and not os.path.islink(path):
                        with contextlib.suppress(OSError):  # it holds something
                            os.rmdir(path)
                    elif os.path.relpath(path, above) not in left:
                        os.unlink(path)
        except OSError:
            self.empty()

    def refuse(self) -> None:
        """The folder is not used any more, if that can be left there."""
        self.empty()
        with contextlib.suppress(OSError):
            files.settle(os.path.join(self.above, _REFUSED))


def _raised(error: OSError) -> None:
    raise error


def own_folder(context: Context) -> OwnFolder | None:
    """Such a folder; None where there is none, or each build has an environment at another path."""
    cache, settings = context.cache, (context.config.inner_settings or {}).items()
    if cache is None or not _may_keep(context) or not _has_room(cache):
        return None
    texts = [os.fsdecode(context.real), sys.version, *map(repr, sorted(settings))]
    name = xxhash.xxh3_128_hexdigest(frame.framed(*(text.encode("utf-8", "surrogatepass") for text in texts)))
    folder = os.path.join(cache, KEPT, name)
    if not _is_ours(folder):
        return None
    environment = None if context.private is None else process.copied(cache, context.private)
    if context.private is not None and environment is None:
        return None
    prefix = environment.prefix if environment else sys.prefix
    place = path = os.path.join(folder, xxhash.xxh3_64_hexdigest(os.fsencode(prefix)))
    if context.config.backend == _MESON:
        path = os.path.join(os.fsdecode(context.real), f".mesonpy-{xxhash.xxh32_hexdigest(os.fsencode(place))}")
        with contextlib.suppress(OSError):
            is_near = os.stat(cache).st_dev == os.stat(context.real).st_dev
            return OwnFolder(place=place, path=path, environment=environment) if is_near else None
        return None
    return OwnFolder(place=place, path=path, environment=environment)


def _may_keep(context: Context) -> bool:
    """Whether CMake or Meson may work in a folder of our own, in an environment that is a copy."""
    config = context.config
    is_known = config.backend in (_CMAKE, _MESON) and not config.backend_path
    is_asked = config.incremental and (config.stable_python or context.private is None)
    is_free = context.call.hook == "build_wheel" and notice.kept_folder(context) is None
    if config.backend == _CMAKE and boundary.under_control(os.path.realpath(context.cache or "")) is not None:
        return False  # whoever asks git in the folder would be told of that
    # A cache that a job has restored must not bring a program.
    return is_known and is_asked and is_free and not context.call.environ.get("CI")


def _is_ours(folder: str) -> bool:
    """Whether the folder of a tree is not there, or may be believed and used."""
    try:
        return files.is_own(os.lstat(folder)) and _REFUSED not in os.listdir(folder)
    except OSError as error:
        return isinstance(error, FileNotFoundError)


def _has_room(cache: str) -> bool:
    """Whether a build may work in the cache directory: what fails there must not fail elsewhere."""
    try:
        files.settle(os.path.join(cache, KEPT))
        system = os.statvfs(cache)
    except OSError:
        return False
    is_writable = os.access(os.path.join(cache, KEPT), os.W_OK) and not system.f_flag & os.ST_NOEXEC
    return is_writable and system.f_bavail * system.f_frsize >= _ROOM


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
    own: OwnFolder | None
    """That, if it is ours."""
    work: Workplace

    @classmethod
    def of(cls, context: Context, before: Snapshot, own: OwnFolder | None) -> Site:
        """The site of a plan with the inputs that it found."""
        manifests, closure = selection.crates(
            context.call.tree, context.project.pyproject, context.backend, before.inputs
        )
        places: list[str] | None = []
        if closure.crates:
            arguments = notice.arguments(context)
            places = build_folders.cargo(manifests, context.call.environ, tree=context.call.tree, arguments=arguments)
        own = None if closure.crates else own
        kept = notice.kept_folder(context) if own is None else own.place
        tree = os.path.realpath(context.call.tree)
        work = Workplace(
            cache=context.cache,
            folders=[*map(os.path.realpath, [*(places or []), *([kept] if kept else [])])],
            tree=tree,
            repository=boundary.repository(tree, [crate.folder for crate in closure.crates]),
        )
        return cls(context=context, before=before, closure=closure, places=places, kept=kept, own=own, work=work)

    def profiles(self, places: Sequence[str]) -> dict[str, build_folders.Profile]:
        """The state of these build folders of cargo, and of the one that is kept."""
        return build_folders.look(places, self.kept)

    def outdated(self) -> str:
        """What was not made again in the folder that the project keeps, in words; nothing: all is as it should be."""
        if self.kept is None or self.own is not None or self.context.call.hook != "build_wheel":
            return ""  # the folder of an editable is built in later, too
        outdated = self.work.page().outdated
        return outdated if outdated and self.profiles([]) else ""

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
        """The files that units of this closure have read in earlier builds, here or of another tree, and no input here.

        Nothing elsewhere, unless a crate is: other projects may build in the same folder.
        """
        if not page.joined:
            return []
        inputs = {os.fsdecode(file.path) for file in snapshot.inputs}
        names = {crate.name for crate in self.closure.crates}
        folders = [self.work.called(self.work.absolute(os.fsencode(crate.folder))) for crate in self.closure.crates]
        elsewhere = any(map(os.path.isabs, folders))
        return [
            Read(path=path, by=by)
            for path, by in page.joined.items()
            if (elsewhere or not os.path.isabs(path))
            and path not in inputs
            and os.path.isfile(os.path.join(self.context.call.tree, path))
            and notice.concerns(page.readers.get(path, ()), names, inputs)
        ]

    def rooms(self, others: Iterable[str]) -> Workrooms:
        """The folders in which a build keeps its own work, with others that were made for it."""
        kept = [] if self.kept is None else [self.kept]
        if self.own is None:
            return Workrooms(apart=(*others, *kept))
        return Workrooms(apart=(*others, *kept, self.own.path), own=self.own.path, place=self.own.place)

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


def cleaned(site: Site, private: str) -> Ready:
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


def resumed(site: Site, own: OwnFolder, packed: Collection[bytes]) -> Ready:
    """A folder of our own, in which only what is right is left, but for what ninja finds older than its sources.

    `packed` are inputs that each build copies into its wheel anew.
    """
    ready = Ready(
        earlier=site.before,
        settings={**(site.context.config.inner_settings or {}), **own.settings} or None,
        variables=own.variables,
        page=site.work.page(),
        record=site.work.record([file.path for file in site.before.inputs]),
        profiles=site.profiles([]),
    )
    if _lasts(site, ready, own.place, packed) and own.take_out():
        with contextlib.suppress(OSError):
            os.utime(own.above)
        return ready
    site.work.forget()
    site.work.save(Page())
    own.empty()
    left = site.profiles([])
    doubt = f"{own.place} can't be emptied; remove it" if left else ""
    return replace(ready, page=Page(), record=None, profiles=left, doubt=doubt)


def _lasts(site: Site, ready: Ready, folder: str, packed: Collection[bytes]) -> bool:
    """Whether ninja finds by itself all that is not right any more in a folder."""
    record, page, now = ready.record, ready.page, ready.profiles.get(folder)
    if now is None or record is None or record.profiles.get(folder) != now.stamp:
        return False
    seen = site.seen(site.before, page)
    if record.seen.around != seen.around or record.doubt or page.doubt or not page.complete:
        return False
    used, compiled, once = (frozenset(paths) for paths in (page.used, page.compiled, page.once))

    def is_noticed(path: bytes, how: str) -> bool:
        is_plain = how == "changed" and b"l" not in (record.seen.inputs[path][:1], seen.inputs[path][:1])
        if not is_plain:
            return False
        is_newer = path in compiled and seen.mtimes[path] > now.newest
        return path not in used or is_newer or (path in once and path in packed)

    return all(is_noticed(path, how) for path, how in build_folders.changed(record, seen).items())


def forced(site: Site, watch: Watch | None, apart: str) -> Ready:
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
