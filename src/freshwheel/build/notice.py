"""What an inner tool must be made to notice: what changed, held against what its own records watch.

Cargo looks at what it has on record for a unit: a build script says what it reads as far as it likes, a macro says
nothing. An observed build has shown who has read what; what nobody has shown may have been read by any unit. There is
always something to touch: sources, and packages whose build scripts must run again. Setuptools gets a fresh folder. In
a folder that CMake or Meson keep there may be commands that nothing can force; what they made stays in doubt until the
folder is removed.

Members of one workspace share a folder, and each must know what the builds of the others did there. So what is known of
it has absolute paths, which are handed to each tree as it calls them.
"""

from __future__ import annotations

import contextlib
import os
import platform
import posixpath
import re
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import xxhash

from freshwheel.base import backends, files, frame, requirements, toml_access
from freshwheel.base.model import Input, Snapshot
from freshwheel.build import discovery
from freshwheel.build.context import Context
from freshwheel.inner import build_folders, distributions
from freshwheel.inner.build_folders import Profile, Record, Seen
from freshwheel.inner.machine import NEW_EVERY_TIME
from freshwheel.inner.programs import NinjaRecords
from freshwheel.memory import discoveries
from freshwheel.memory.discoveries import Page
from freshwheel.observe.account import Account, Use, is_python, within
from freshwheel.sources.cargo import Closure, lies_in
from freshwheel.store.shelf import Discovered
from freshwheel.store.store import Store


def arguments(context: Context) -> list[str]:
    """What the user hands on to cargo, where maturin looks for it."""
    texts = [context.call.environ.get("MATURIN_PEP517_ARGS", "")]
    for name in ("build-args", "maturin.build-args"):
        value = (context.config.inner_settings or {}).get(name, ())
        texts += [value] if isinstance(value, str) else value
    try:
        return [word for text in texts for word in shlex.split(text)]
    except ValueError:
        return []


def around(context: Context, work: Workplace, page: Page) -> bytes:
    """What the build may take something from beside its inputs, in 16 bytes: Python, packages, variables, and files.

    Those files, names and variables on the `page` of what builds in the same folders have taken, as they are now.

    Not cargo's own tools, which cargo watches itself; nor the project, and what installers bring for their own use.
    """
    environ = context.call.environ
    names = context.config.env
    values = [f"{name}={environ[name]}" for name in sorted(environ) if name in names or backends.shapes(name)]
    ours = requirements.names(["freshwheel", "pip", toml_access.text(context.project.pyproject, "project.name") or ""])
    known = distributions.installed(sys.path)
    others = [
        f"{name} {distribution.version} {distribution.digest}"
        for name, distribution in sorted(known.items())
        if name not in ours
    ]
    texts = [platform.python_implementation(), sys.version, *values, "", *others]
    said = [text.encode("utf-8", "surrogatepass") for text in texts]
    return xxhash.xxh3_128_digest(frame.framed(*said, *_taken(context, work, page)))


def _taken(context: Context, work: Workplace, page: Page) -> list[bytes]:
    """What earlier builds have taken beside their inputs, path by path, as it is now."""
    about = discovery.about(context, page.salt)
    unknown = bool(page.every) or not page.complete
    names = {name for name in page.names if name not in NEW_EVERY_TIME and not context.never_counts(name)}
    items = [
        *((work.common(item)[0], item[2]) for item in discovery.refreshed(about, page.items)),
        *((path, content) for path, _, content, _ in discovery.variables(about, names)),
        *((path, content) for path, _, content, _ in (discovery.every(about) if unknown else ())),
    ]
    return [part for pair in sorted(items) for part in pair]


def looked(context: Context, paths: Iterable[str]) -> Iterator[tuple[bytes, bytes, int]]:
    """Of each path that is a file: kind and content as of an input, and the time that it was changed, in ns."""
    about = discovery.about(context, b"")
    for path in map(os.fsencode, paths):
        items = discovery.taken(about, [(path, discovery.FILE)])
        with contextlib.suppress(OSError):
            if items:
                yield path, items[0][2], os.stat(os.path.join(os.fsencode(context.call.tree), path)).st_mtime_ns


def recipe(context: Context, snapshot: Snapshot) -> bytes:
    """What may choose another profile of cargo: hook, settings, environment, files of settings."""
    environ = context.call.environ
    names = sorted(name for name in environ if backends.shapes(name))
    settings = sorted((context.config.inner_settings or {}).items())
    texts = [context.call.hook, *map(repr, settings), *(f"{name}={environ[name]}" for name in names)]
    chosen = [file.content for file in snapshot.inputs if _chooses(os.path.basename(file.path))]
    return xxhash.xxh3_128_digest(frame.framed(*(text.encode("utf-8", "surrogatepass") for text in texts), *chosen))


def unseen(  # noqa: PLR0913 - what a build may have read, and what it may have changed
    inputs: Sequence[Input], closure: Closure, record: Record | None, seen: Seen, page: Page | None, *, anew: bool
) -> Forced:
    """What must be made to look new because cargo may not watch what changed since `record`; nothing without one.

    Without one every input is touched as it is. `page` has what all builds in the same folders have read; None: some
    were not observed. `anew`: all is to be compiled under observation.
    """
    if record is None or not closure.crates:
        return Forced()
    return forced(
        {os.fsdecode(path): how for path, how in build_folders.changed(record, seen).items()},
        {crate.folder: crate.name for crate in closure.crates},
        [os.fsdecode(file.path) for file in inputs],
        None if page is None else page.readers,
        around=anew or record.seen.around != seen.around,
    )


def kept_folder(context: Context) -> str | None:
    """The folder that CMake or Meson keep, absolute; None where each build has a new one."""
    settings = context.config.inner_settings
    folder = build_folders.kept(context.backend, context.project.pyproject, settings, context.call.environ)
    return None if folder is None else os.path.normpath(os.path.join(context.call.tree, folder))


def doubt(folder: str | None, record: Record | None, state: Mapping[str, Profile], seen: Seen) -> str:
    """What may be stale in a kept folder, in words, whatever was touched; nothing in a new one."""
    if folder is None or folder not in state:
        return ""
    if record is None or record.profiles.get(folder) != state[folder].stamp:
        return f"{folder} was not left by the last build of freshwheel; remove it"
    if record.doubt:
        return record.doubt
    path = build_folders.unwatched(build_folders.changed(record, seen))
    if path or record.seen.around != seen.around:
        what = path or "a requirement, a tool or a variable"
        return f"{what} changed, and a command of the build in {folder} may not know; remove that folder"
    return ""


def outdated(account: Account, folder: str, page: Page) -> tuple[dict[bytes, tuple[bytes, ...]], str]:
    """What in a kept folder was used for what there; and what was not made again though it had to be, in words.

    Ninja makes again what it was told of. A library that is linked by its name may be none of that.
    """
    used, made = _of_processes(account, folder)
    written = {path for paths in made.values() for path in paths}
    fresh = {path: tuple(sorted(used[pid] - {path})) for pid, paths in made.items() if pid in used for path in paths}
    known = {**page.made_from, **fresh}.items()
    there = {path: on for path, on in known if os.path.lexists(os.path.join(os.fsencode(folder), path))}
    for path, on in sorted(there.items()):
        if path not in written and not written.isdisjoint(on):
            why = f"{os.fsdecode(path)} in {folder} was not made again, though {os.fsdecode(min(written & {*on}))} was"
            return there, f"{why}: nothing tells ninja or make so; remove that folder"
    return there, ""


def objects(  # noqa: PLR0913, PLR0917 - what is known of a folder
    account: Account,
    rooms: Workrooms,
    ninja: NinjaRecords,
    outputs: Mapping[int, bytes],
    makers: Collection[int],
    place: Callable[[bytes], bytes],
) -> frozenset[bytes]:
    """What compilers have made in the own folder, relative to it, if it rests on nothing but what ninja has on record.

    `outputs` is what each compiler has made, `makers` have made the wheel, and `place` finds a path's real one. There
    is nothing where more may be made of what was compiled, for the next compiler: where such a program has run, where
    others than linkers have read it, or where ninja makes something elsewhere.
    """
    above = os.path.join(os.path.realpath(os.fsencode(rooms.own)), b"")
    written: dict[bytes, set[int]] = {}
    for path, use in account.uses.items():
        if use.written:
            written.setdefault(place(path), set()).update(use.written)
    linking = {number for number, item in enumerate(account.programs) if _LINKING(item.name)}.union(makers)
    pythons = {number for number, item in enumerate(account.programs) if is_python(item)}

    def is_used_further(path: bytes, use: Use) -> bool:
        where = place(path)
        writers = written.get(where, set())
        if not where.startswith(above) or not (where in ninja.outputs or writers & outputs.keys()):
            return False
        told = {number for number in use.read if where in ninja.opened.get(outputs.get(number, b""), ())}
        # Meson looks at what was linked, to see whether its symbols are others.
        looking = linking | pythons if writers and writers <= linking else linking
        return not use.read <= told | looking

    is_open = any(item.path in ninja.outputs for item in account.programs) or not _are_below(ninja, above, rooms.place)
    if is_open or any(is_used_further(path, use) for path, use in account.uses.items()):
        return frozenset()
    noted = frozenset(outputs.values())
    known = (path for path in ninja.opened if path in noted or path not in written)
    return frozenset(path[len(above) :] for path in known if path.startswith(above))


def _are_below(ninja: NinjaRecords, above: bytes, place: str) -> bool:
    """Whether all that ninja makes lies in its folder, which is at another place now, also where links lead on."""
    real = os.path.realpath(os.fsencode(place))
    folders = {os.path.dirname(path[len(above) :]) for path in ninja.outputs if path.startswith(above)}
    inside = (os.path.realpath(os.path.join(real, folder)) for folder in folders)
    return all(path.startswith(above) for path in ninja.outputs) and all(within(path, (real,)) for path in inside)


def _of_processes(account: Account, folder: str) -> tuple[dict[int, set[bytes]], dict[int, set[bytes]]]:
    """What each process has used in a folder, and what it has made there; not those that configure, and write much."""
    above = os.path.join(os.path.realpath(os.fsencode(folder)), b"")
    used: dict[int, set[bytes]] = {}
    made: dict[int, set[bytes]] = {}
    for path, use in account.uses.items():
        if path.startswith(above):
            for numbers, table in ((use.read | use.run, used), (use.written, made)):
                for number in numbers:
                    table.setdefault(account.programs[number].pid, set()).add(path[len(above) :])
    others = {item.pid for item in account.programs if item.name in _CONFIGURING or is_python(item)}
    return used, {pid: paths for pid, paths in made.items() if pid not in others}


def _chooses(name: bytes) -> bool:
    return name in (b"pyproject.toml", b"setup.py", b"setup.cfg", b"config.toml", b"config")


_LINKING = re.compile(
    r"(?:[\w.]+-)*(?:ar|ld(?:\.\w+)?|nm|objdump|ranlib|readelf|strip)|cmake|collect2|lto1|lto-wrapper|ninja"
).fullmatch
"""Programs that read what was compiled, and make nothing of it that is compiled again."""
_CONFIGURING = ("cmake", "gmake", "make", "ninja")
_RUSTC, _RUST = "rustc", ".rs"
_SCRIPT = "build script"
_PYTHON = "python"
_HOOK = "_in_process.py"
"""The script in which an inner backend runs."""
_BACKEND = "backend in "
PACKING = ("cargo", "maturin", _BACKEND)
"""Beginnings of units that read sources to pack them, or watch them by themselves."""


@dataclass(kw_only=True, slots=True)
class Forced:
    """What must be made to look new."""

    paths: set[str] = field(default_factory=set)
    """Sources."""
    scripts: set[str] = field(default_factory=set)
    """Packages whose build scripts must run again."""


def unit(path: str, words: Sequence[str]) -> str:
    """What a program that read something is called: `rustc SOURCE`, `build script NAME`, or the name of the program.

    The Python in which the inner backend runs is `backend in NAME`; any other one may be started by a build script.
    """
    folder, name = posixpath.split(path.replace("\\", "/"))
    package = posixpath.basename(folder).rpartition("-")[0]
    if name.startswith("build-script-") and package:
        return f"{_SCRIPT} {package}"
    if posixpath.splitext(name)[0] == _RUSTC and "--crate-name" in words:
        return f"{_RUSTC} {next((word for word in words if word.endswith(_RUST)), '')}"
    is_hook = name.startswith(_PYTHON) and any(posixpath.basename(word) == _HOOK for word in words)
    return f"{_BACKEND}{name}" if is_hook else name


def forced(
    changes: Mapping[str, str],
    crates: Mapping[str, str],
    present: Collection[str],
    readers: Mapping[str, Sequence[str]] | None,
    *,
    around: bool = False,
) -> Forced:
    """What must be made to look new for these changes, a path and `added`, `changed` or `deleted`; nothing without one.

    `crates` are folder and name of the closure, `present` the inputs, `readers` what units have read or looked for in
    all builds in these folders; None: nobody knows. `around` says that something else than an input has changed.
    """
    units: set[str] = set()
    for path, how in changes.items() if readers is not None else ():
        # Who has listed a folder knows which names are in it, and not what they hold.
        places = [path] if how == "changed" else [path, posixpath.dirname(path) or "."]
        units.update(reader for place in places for reader in (readers or {}).get(place, ()))
    result = Forced()
    if around or (changes and readers is None) or any(_may_be_any(reader, present) for reader in units):
        result.scripts.update(crates.values())
        result.paths.update(path for path in present if path.endswith(_RUST))
    for reader in units:
        kind, _, name = reader.rpartition(" ")
        folders: set[str | None] = set()
        if kind == _SCRIPT:
            result.scripts.add(name)
            # Cargo does not compile a crate again because its script has run again and says something else.
            folders.update(folder for folder, own in crates.items() if own == name)
        elif kind == _RUSTC:
            roots = _roots(name, present)
            # The compilation of a build script has no other source.
            result.paths.update(root for root in roots if posixpath.basename(root) == "build.rs")
            folders.update(_owner(root, crates) for root in roots if posixpath.basename(root) != "build.rs")
        result.paths.update(_sources(crates, present, folders))
    return result


def concerns(units: Sequence[str], crates: Collection[str], present: Collection[str]) -> bool:
    """Whether what these units have read concerns a closure, which has these crates, by name, and inputs."""
    for reader in units:
        kind, _, name = reader.rpartition(" ")
        if kind == _SCRIPT:
            known = name in crates
        elif kind == _RUSTC:
            known = bool(_roots(name, present))
        else:
            known = not reader.startswith(PACKING)
        if known:
            return True
    return False


def _may_be_any(unit: str, present: Collection[str]) -> bool:
    """Whether nobody knows which unit needs what a program has read: one that a unit has started, or one unheard of."""
    kind, _, name = unit.rpartition(" ")
    if kind == _RUSTC:
        return not _roots(name, present)
    return kind != _SCRIPT and not unit.startswith(PACKING)


def _roots(source: str, present: Collection[str]) -> list[str]:
    """The inputs that rustc may mean by a source, which is relative to a workspace somewhere."""
    if source in present:
        return [source]
    rust = [path for path in present if path.endswith(_RUST)]
    meant = [path for path in rust if f"/{source}".endswith(f"/{path.replace('../', '')}")]
    return [path for path in meant if len(path) == max(map(len, meant))]


def _sources(crates: Collection[str], present: Collection[str], folders: Collection[str | None]) -> set[str]:
    """The sources of the crates in these folders, but for those of build scripts."""
    rust = (path for path in present if path.endswith(_RUST) and posixpath.basename(path) != "build.rs")
    return {path for path in rust if _owner(path, crates) in folders} if folders else set()


def _owner(path: str, crates: Collection[str]) -> str | None:
    """The innermost crate that a path lies in."""
    return max((crate for crate in crates if lies_in(path, crate)), key=_depth, default=None)


def _depth(folder: str) -> tuple[int, int]:
    """How far inside a folder lies: fewer steps up, then more names."""
    names = folder.split("/") if folder else []
    return -names.count(".."), len(names)


_LARGEST = 1 << 28
_PATHS = (discovery.FILE, discovery.FOLDER, discovery.MODULES, discovery.PRESENT, discovery.ABSENT, discovery.MADE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workrooms:
    """The folders in which a build keeps its own work."""

    apart: tuple[str, ...]
    """All of them."""
    own: str = ""
    """The one that CMake or Meson have been given; nothing: there is none."""
    place: str = ""
    """Where that lies now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workplace:
    """The folders that a build keeps, as one tree sees them."""

    cache: str | None
    folders: Sequence[str]
    """Absolute; none: nothing is kept from one build to the next."""
    tree: str
    """Where links lead to, as the next one."""
    repository: str
    """The folder that is cloned as a whole: paths in it are relative to the tree, all others are absolute."""

    @contextlib.contextmanager
    def alone(self, above: str | None = None) -> Iterator[bool]:
        """Whether it is known that nobody else builds in these folders meanwhile, nor elsewhere in the one `above`."""
        with contextlib.ExitStack() as stack:
            store = Store.open(self.cache) if self.folders else None
            if isinstance(store, Store):
                yield stack.enter_context(store.lock("folder", above or self.folders[0]))
            else:
                yield False

    def record(self, present: Collection[bytes]) -> Record | None:
        """What is known after the last build of ours: of the inputs `present`, and of what is gone since."""
        raw = self._raw()
        if raw is None:
            return None
        names = {self.absolute(path): path for path in present}
        paths = {place: names.get(place) or self.called(place) for place in raw.seen.inputs}
        kept = [place for place in paths if place in names or not os.path.lexists(place)]
        return _with(
            raw,
            {paths[place]: raw.seen.inputs[place] for place in kept},
            {paths[place]: raw.seen.mtimes[place] for place in kept},
        )

    def keep(self, record: Record, *, others: bool) -> None:
        """Writes the record of a build; with what `others` are known to have built there, unless that is in doubt."""
        place, raw = self._place(), self._raw() if others else None
        inputs = {self.absolute(path): content for path, content in record.seen.inputs.items()}
        mtimes = {self.absolute(path): mtime for path, mtime in record.seen.mtimes.items()}
        if raw is not None:
            there = [path for path in raw.seen.inputs if path not in inputs and os.path.lexists(path)]
            inputs |= {path: raw.seen.inputs[path] for path in there}
            mtimes |= {path: raw.seen.mtimes[path] for path in there}
        if place is not None:
            files.settle(os.path.dirname(place))
            files.write(place, _with(record, inputs, mtimes).dump(), mode=0o600)

    def forget(self) -> None:
        """Drops the record: the next build counts everything as changed."""
        place = self._place()
        if place is not None:
            files.discard(place)

    def page(self) -> Page:
        """What all builds in these folders have taken."""
        if not self.folders:
            return Page()
        return self._translated(discoveries.account(self.cache, self.folders[0]), self.called)

    def save(self, page: Page) -> None:
        """Puts on record what all builds in these folders have taken."""
        if self.folders:
            discoveries.keep_account(
                self.cache, self.folders[0], self._translated(replace(page, lines=()), self.absolute)
            )

    def absolute(self, path: bytes) -> bytes:
        """A path as all trees call it."""
        return os.path.normpath(os.path.join(os.fsencode(self.tree), path))

    def common(self, item: Discovered) -> Discovered:
        """An item as all trees call it."""
        return _item(item, self.absolute)

    def called(self, path: bytes) -> bytes:
        """A path as this tree calls it."""
        repository = os.fsencode(self.repository)
        inside = path == repository or path.startswith(os.path.join(repository, b""))
        return os.path.relpath(path, os.fsencode(self.tree)).replace(os.sep.encode(), b"/") if inside else path

    def _translated(self, page: Page, translate: Callable[[bytes], bytes]) -> Page:
        def named(path: str) -> str:
            return os.fsdecode(translate(os.fsencode(path)))

        return replace(
            page,
            items=tuple(_item(item, translate) for item in page.items),
            readers={named(path): units for path, units in page.readers.items()},
            used=tuple([translate(path.rstrip(b"/")) + b"/" * path.endswith(b"/") for path in page.used]),
            once=tuple(map(translate, page.once)),
            compiled=tuple(map(translate, page.compiled)),
            joined={named(path): by for path, by in page.joined.items()},
        )

    def _raw(self) -> Record | None:
        """The record as it is kept."""
        try:
            with open(self._place() or "", "rb") as file:
                return Record.parse(file.read(_LARGEST)) if files.is_own(os.fstat(file.fileno())) else None
        except OSError:
            return None

    def _place(self) -> str | None:
        if self.cache is None or not self.folders:
            return None
        name = xxhash.xxh3_128_hexdigest(b"\0".join(map(os.fsencode, self.folders)))
        return os.path.join(self.cache, "builds", f"{name}.bin")


def _with(record: Record, inputs: Mapping[bytes, bytes], mtimes: Mapping[bytes, int]) -> Record:
    return replace(record, seen=replace(record.seen, inputs=inputs, mtimes=mtimes))


def _item(item: Discovered, translate: Callable[[bytes], bytes]) -> Discovered:
    path, kind, content, row = item
    return (translate(path) if kind in _PATHS else path), kind, content, row
