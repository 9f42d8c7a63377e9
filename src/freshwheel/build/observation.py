"""One real build that is watched: it is run below an observer, and what it took is judged when it has ended.

Nothing here can fail a build. What can't be watched runs as without it, and nobody knows then what it took.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from freshwheel.base import files, rows
from freshwheel.base.environment import isolation
from freshwheel.base.model import Snapshot
from freshwheel.build import discovery, notice
from freshwheel.build.context import Context
from freshwheel.inner import machine, process
from freshwheel.inner.programs import NinjaRecords, ask_ninja
from freshwheel.memory.discoveries import Line, Page
from freshwheel.observe import judgement, observer, programs, witness
from freshwheel.observe.account import (
    Account,
    Taken,
    Use,
    folders_above,
    is_python,
    merged,
    source_of,
    straightened,
    within,
)
from freshwheel.observe.judgement import Judged, Places
from freshwheel.sources import boundary
from freshwheel.sources.boundary import Ground, Scope
from freshwheel.store.shelf import Discovered

_OFF = "observation is off"
_DIED = "the observer died, so the build was run once more without it"
_MOST_LINKS = 20
_SYSTEM = ("/bin", "/lib", "/lib32", "/lib64", "/nix", "/opt", "/sbin", "/snap", "/usr")
_COMPILERS = ("cc1", "cc1plus")
"""Those of GCC that open sources, and neither objects nor what an assembler includes."""
_LOOKING = re.compile(r"cc1(?:plus)?|(?:[\w.]+-)*(?:c\+\+|cc|g\+\+|gcc)(?:-[0-9.]+)?|cmake|ninja").fullmatch
_LISTED = ("folder", "modules")
_KINDS = {
    "file": discovery.FILE,
    "folder": discovery.FOLDER,
    "present": discovery.PRESENT,
    "absent": discovery.ABSENT,
    "made": discovery.MADE,
    "modules": discovery.MODULES,
}


@dataclass(kw_only=True, slots=True)
class Watch:
    """The observation of one build: `run` stands in for the plain start of its process."""

    folder: str
    """For what the observer and the Pythons of the build write down."""
    reason: str = ""
    """Why nothing is observed."""
    records: bool = False
    """Whether the Pythons of the build write down which files and programs they use, since nobody observes them."""
    accounts: list[Account] = field(default_factory=list)
    private: list[str] = field(default_factory=list)
    """Folders that were made for the build."""

    @classmethod
    def of(cls, context: Context, folder: str) -> Watch:
        """An observation that writes into the private `folder`."""
        off = "" if context.config.observe else _OFF
        reason = off or observer.unavailable(files.cache_directory(context.call.environ))
        return cls(folder=folder, reason=reason, records=bool(reason))

    def run(self, command: Sequence[str], cwd: str | None, environ: Mapping[str, str]) -> int:
        """The exit status of a command, which is observed if it can be; its last word is the folder of its messages."""
        self.private.append(command[-1])
        if self.reason:
            return process.start(command, cwd, environ)
        began = time.time_ns()
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as logs:
            seen = observer.run(command, cwd=cwd, environ=environ, folder=logs)
        if seen.status is None:
            self.reason = seen.reason or _DIED
            return process.start(command, cwd, environ)
        if seen.account is None:
            self.reason = seen.reason
        else:
            self.accounts.append(replace(seen.account, began=began))
        return seen.status

    def account(self) -> Account | None:
        """What was observed, or is on record as a whole; None where nothing is, and `reason` says why."""
        try:
            said = witness.read(self.folder)
        except OSError as error:
            self.reason = f"what the Pythons of the build have asked for can't be read: {error.strerror}"
            return None
        if self.accounts and not self.reason:
            return merged([*self.accounts, said])
        if not self.records:
            return None
        gap = programs.unrecorded(said)
        self.reason = f"{self.reason}, and {gap}" if gap else self.reason
        return None if gap else said


@dataclass(frozen=True, kw_only=True, slots=True)
class Traces:
    """What a build has left untouched of its tree, and what it has only packed."""

    used: frozenset[bytes]
    """As `Page.used` has it."""
    once: frozenset[bytes]
    """As `Page.once` has it."""
    compiled: frozenset[bytes] = frozenset()
    """As `Page.compiled` has it."""
    often: frozenset[bytes] = frozenset()
    """Absolute paths of files that the build has made, named as inputs are, and has not only read once to pack them."""
    stays: frozenset[bytes] = frozenset()
    """What the next build may find in the own folder, relative to it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What an observed build has taken."""

    judged: Judged
    items: tuple[Discovered, ...]
    """Paths that are kept of it with the wheel, as they are now."""
    names: frozenset[str]
    """Variables that count by name."""
    every: str
    """Why every variable counts; nothing: those do by name."""
    readers: Mapping[str, tuple[str, ...]]
    traces: Traces
    doubt: str
    made_from: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    """As `Page.made_from` has it."""
    outdated: str = ""
    """As `Page.outdated` has it."""

    def missed(self) -> list[Taken]:
        """What is to be an input from the next build on."""
        return [item for item in self.judged.taken if item.joins]

    def page(self, earlier: Page, *, complete: bool) -> Page:
        """All this, for the record, after an earlier page."""
        lines = [
            Line(path=_said(item), kind=item.kind, by=item.by, why=item.why, counts=item.counts)
            for item in self.judged.taken
        ]
        return Page(
            observed=True,
            complete=complete,
            doubt=self.doubt,
            lines=tuple(lines),
            names=tuple(sorted(self.names)),
            every=self.every,
            items=tuple(self.items),
            salt=earlier.salt or os.urandom(16),
            readers=self.readers,
            used=tuple(sorted(self.traces.used)),
            once=tuple(sorted(self.traces.once)),
            compiled=tuple(sorted(self.traces.compiled)),
            made_from=self.made_from,
            outdated=self.outdated,
            joined={**earlier.joined, **{_said(item): ", ".join(item.by) for item in self.missed()}},
        )


def findings(  # noqa: PLR0913, PLR0917 - what a judgement rests on
    context: Context, account: Account, scope: Scope, later: Snapshot, rooms: notice.Workrooms, page: Page
) -> Findings:
    """What counts of an account, and of what is on the `page` of earlier builds in the same folders."""
    places = _places(context, scope, later, rooms.apart)
    account = straightened(account, os.path.realpath, rows.at)
    code = [*programs.project_code(account, places)]
    places = replace(places, reads_settings=True) if programs.reads_settings(code) else places
    judged = judgement.judge(account, places)
    around = discovery.about(context, b"")
    paths = [(_kept(item), _KINDS[item.kind]) for item in judged.taken if item.counts and not item.joins]
    listed = [item for item in judged.taken if item.counts and item.kind in _LISTED]
    folders = {item.relative: item.kind for item in listed if item.relative is not None}
    paths += discovery.looked_for(around.tree, [*folders], account.modules)
    searched = [folder for folder, kind in folders.items() if kind == "modules"]
    paths += discovery.nearer(around.tree, searched, (item.path for item in judged.taken if item.kind in _LISTED))
    paths += [(os.fsencode(path), discovery.FILE) for path in machine.package_databases()] if judged.packages else []
    if judged.control:
        paths += [(discovery.REFERENCES if programs.asks_references(account) else b".", discovery.CONTROL)]
    paths += [(name, discovery.PROGRAM) for name in sorted(judged.names)]
    if any(item.name == "cmake" for item in account.programs):
        paths.append((b"PATH", discovery.PREFIXES))
    paths += [(link, discovery.PRESENT) for link in _links_beside(judged, places)]
    paths += discovery.sought(around, account.modules, account.distributions)
    server = programs.is_server(account)
    doubt = f"{server} has a server compile, which nobody observes" if server else judged.doubt
    traces = _Tracing(account, places, later, _asked_ninja(account, places, rooms)).traces(page, rooms)
    earlier = [item for item in discovery.refreshed(around, page.items) if item[2] != discovery.GONE]
    items = discovery.taken(around, dict.fromkeys(paths), made=judged.made)
    gone = next((path for path, kind in paths if items is None and not discovery.taken(around, [(path, kind)])), None)
    lost = "" if gone is None else f"{os.fsdecode(gone)} was used by the build, and is gone or can't be read again"
    return Findings(
        judged=judged,
        items=tuple({item[:2]: item for item in [*earlier, *(items or ())]}.values()),
        names=(account.variables - {"*"}).union(page.names, programs.always_asked(account, control=judged.control)),
        every=programs.open_ended(account, places.trusted, places.shared) or page.every,
        readers=_joined(page.readers, _readers(account, places)),
        traces=replace(traces, once=frozenset()) if programs.asks_for_sizes(code) else traces,
        doubt=doubt or lost,
    )


def _links_beside(judged: Judged, places: Places) -> list[bytes]:
    """Links to what counts outside of the repository, or to a folder above it, that lie beside that.

    A program that asks glibc's `realpath` may have come through one, and nobody has seen that.
    """
    counting = [os.path.realpath(item.path) for item in judged.taken if item.counts and item.kind != "absent"]
    used = {path for path in counting if not within(path, (places.repository, places.tree))}
    used |= folders_above(used)
    links: list[bytes] = []
    for folder in {os.path.dirname(path) for path in used}:
        with contextlib.suppress(OSError), os.scandir(folder) as listing:
            links += [entry.path for entry in listing if entry.is_symlink() and os.path.realpath(entry.path) in used]
    return sorted(links)


def _asked_ninja(account: Account, places: Places, rooms: notice.Workrooms) -> NinjaRecords | None:
    """What the ninja that works in the own folder knows; None: there is none, or it does not say."""
    log = os.path.realpath(os.fsencode(os.path.join(rooms.own, ".ninja_deps")))
    use = account.uses.get(log) if rooms.own else None
    users = [account.programs[number] for number in sorted(use.read | use.written)] if use is not None else []
    ninja = next((user.path for user in users if user.name == "ninja" and within(user.path, places.trusted)), None)
    return None if ninja is None else ask_ninja(os.fsdecode(ninja), rooms.own, rooms.place)


def _said(item: Taken) -> str:
    return os.fsdecode(item.path if item.relative is None else item.relative)


def _kept(item: Taken) -> bytes:
    return item.path if item.relative is None else item.relative


def _joined(earlier: Mapping[str, tuple[str, ...]], other: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {path: tuple(sorted({*earlier.get(path, ()), *other.get(path, ())})) for path in sorted({*earlier, *other})}


def _readers(account: Account, places: Places) -> dict[str, tuple[str, ...]]:
    """Path in the repository -> the units that have read it, or asked for it: they may go by its size.

    Who packs, and who only looks whether a file is new, asks for many and goes by none.
    """
    units = [notice.unit(os.fsdecode(program.path), [*map(os.fsdecode, program.words)]) for program in account.programs]
    readers: dict[str, set[str]] = {}
    idle = (*notice.PACKING, *judgement.ASKING)
    for path, use in account.uses.items():
        numbers = use.read | (use.asked if use.first is None else frozenset())
        if use.first is not None and not stat.S_ISDIR(use.first[0]):
            numbers |= {number for number in use.asked if not units[number].startswith(idle)}
        # Bytecode stands for its source, which is then only asked for.
        source = source_of(path) or path
        relative = _relative(source, places) if numbers else b"../"
        if relative != b"../":
            readers.setdefault(os.fsdecode(relative), set()).update(units[number] for number in numbers)
    return {path: tuple(sorted(by)) for path, by in sorted(readers.items())}


class _Tracing:
    """Goes through an account for what was used of the tree, and how: by whatever path, for a file has one inode."""

    def __init__(self, account: Account, places: Places, later: Snapshot, ninja: NinjaRecords | None) -> None:
        self.account = account
        self.places = places
        self.ninja = ninja
        self.inodes = _inodes(places, later)
        self.real: dict[bytes, bytes] = {}
        """Folders, and where links lead from there."""
        self.names = frozenset([path.rpartition(b"/")[2] for path in places.inputs])
        written = (use.written for path, use in account.uses.items() if path.endswith(b".whl"))
        self.makers = frozenset().union(*written)
        """The programs that have made a wheel."""
        known = ((number, item) for number, item in enumerate(account.programs) if within(item.path, places.trusted))
        self.looking = frozenset(number for number, item in known if _LOOKING(item.name) or is_python(item))
        """Those that look whether a file is there, or newer than what was made of it, and at nothing else of it."""
        noted = ((self.place(path), use) for path, use in account.uses.items() if path.endswith(b".d"))
        self.outputs = {number: path.removesuffix(b".d") for path, use in noted for number in use.written}
        """What a program has made, if it has written down the files that it has opened for that."""
        self.copied = frozenset(map(self.place, account.copied))
        self.used = set[bytes]()
        self.packed = set[bytes]()
        self.taken = set[bytes]()
        """Inputs of which something else may have been made."""
        self.often = set[bytes]()
        self.compiled = set[bytes]()
        self.uncompiled = set[bytes]()
        """Files of which something else may have been made."""

    def traces(self, page: Page, rooms: notice.Workrooms) -> Traces:
        """All of it, with what is on the `page` of earlier builds in the same folders."""
        for path, use in self.account.uses.items():
            self.follow(path, use)
        known = frozenset(page.used)
        outputs = {number: output for number, output in self.outputs.items() if self.is_compiler(number)}
        stays = frozenset[bytes]()
        if self.ninja is not None:
            stays = notice.objects(self.account, rooms, self.ninja, outputs, self.makers, self.place)
        return Traces(
            used=known.union(self.used),
            once=frozenset(self.packed) - self.taken - known.difference(page.once),
            compiled=frozenset(page.compiled).union(self.compiled - known) - self.uncompiled,
            often=frozenset(self.often),
            stays=stays,
        )

    def follow(self, path: bytes, use: Use) -> None:
        """One path that was used."""
        called = self.called(path, use)
        is_apart = within(path, self.places.apart)
        # What is no input may be one from the next build on.
        files = called & self.places.inputs if is_apart else called
        askers = {number for number in use.asked if self.account.programs[number].name not in judgement.ASKING}
        if use.read or use.written or use.run or askers:
            self.used |= files
        is_second = bool(use.read) and not files.isdisjoint(self.packed)
        if use.written or is_second or self.is_taken(path, use, askers):
            self.taken |= files
        elif use.read:
            self.packed |= files
        compilers = frozenset(number for number in use.read if files and self.is_noted(number, path))
        others = (use.read - compilers) | (askers - self.looking) | use.written | use.run
        if compilers:
            self.compiled |= files
        if others - self.makers:
            self.uncompiled |= files
        if use.first is None and os.path.basename(path) in self.names and self.is_taken(path, use, ()):
            self.often.add(path)
        if not is_apart and (use.first is None or stat.S_ISDIR(use.first[0])):
            self.used |= called
            self.used.update(name + b"/" for name in called if use.first is not None and use.read)

    def is_taken(self, path: bytes, use: Use, askers: Iterable[int]) -> bool:
        """Whether a file was used for more than to be packed. Pythons, such as Meson, only look whether it is there."""
        others = (self.account.programs[number] for number in askers if number not in self.makers)
        return (
            use.often
            or bool(use.run)
            or not use.read <= self.makers
            or (self.place(path) not in self.copied and any(is_python(self.account.programs[n]) for n in use.read))
            or source_of(path) is not None
            or not all(map(is_python, others))
        )

    def is_noted(self, number: int, path: bytes) -> bool:
        """Whether ninja knows that a program has opened a path: it is a compiler, and has said so."""
        known = () if self.ninja is None else self.ninja.opened.get(self.outputs.get(number, b""), ())
        return self.is_compiler(number) and os.path.realpath(path) in known

    def is_compiler(self, number: int) -> bool:
        """Whether a program is one of those that tell ninja what they have opened."""
        return number in self.looking and self.account.programs[number].name in _COMPILERS

    def place(self, path: bytes) -> bytes:
        """A path whose folder has no links in it."""
        above, name = os.path.split(path)
        if above not in self.real:
            self.real[above] = os.path.realpath(above)
        return os.path.join(self.real[above], name)

    def called(self, path: bytes, use: Use) -> set[bytes]:
        """What a path is called from the tree, as it is spelled and as links lead to it; of bytecode, its source."""
        paths = [source_of(path) or path]
        if use.first is None:
            paths.append(self.place(path))
        called = {_relative(name, self.places) for name in paths} - {b"../"}
        looks = (look for look in (use.first, *use.made) if look is not None)
        return called.union(*(self.inodes.get(look[4], ()) for look in looks))


def _inodes(places: Places, later: Snapshot) -> dict[int, list[bytes]]:
    """The inputs, and the folders that hold them, by inode."""
    inodes: dict[int, list[bytes]] = {}
    for file, row in zip(later.inputs, later.rows, strict=True):
        inodes.setdefault(row[4], []).append(file.path)
    for folder in (b".", *places.folders):
        with contextlib.suppress(OSError):
            inodes.setdefault(os.stat(os.path.join(places.tree, folder)).st_ino, []).append(folder)
    return inodes


def _relative(path: bytes, places: Places) -> bytes:
    """The path from the tree; one that leads out of it for what is nowhere near."""
    path = os.path.realpath(path) if b"/.." in path else path
    for start in (places.spelled, places.tree):
        if path.startswith(start + b"/"):
            return os.path.normpath(path[len(start) + 1 :])
    if path.startswith(places.repository + b"/"):
        return os.path.relpath(path, places.tree)
    return places.beside.get(path, b"../")


def _places(context: Context, scope: Scope, later: Snapshot, apart: Iterable[str]) -> Places:
    """Where things lie for one build."""
    environ, tree = context.call.environ, context.call.tree
    home = environ.get("HOME") or os.path.expanduser("~")
    cargo = environ.get("CARGO_HOME") or os.path.join(home, ".cargo")
    rustup = environ.get("RUSTUP_HOME") or os.path.join(home, ".rustup")
    toolchains = [cargo, rustup, *_interpreter(environ)]
    cache = files.cache_directory(environ)
    private = [*(isolation(environ) or ()), *apart, *([cache] if cache else [])]
    locks = (".package-cache", ".package-cache-mutate", ".global-cache")
    own = [os.path.join(cargo, name) for name in ("registry", "git", *locks)]
    real = os.path.realpath(os.fsencode(tree))
    repository, ground = _repository(scope.repository, real), Ground(scope)
    return Places(
        tree=real,
        spelled=os.fsencode(os.path.abspath(tree)),
        repository=repository,
        inputs=frozenset(file.path for file in later.inputs),
        locks=frozenset(map(os.fsencode, later.locks)),
        apart=_both(place for place in (*private, *own) if not _holds(place, real)),
        libraries=_both(_libraries()),
        standard=_both([os.path.dirname(os.__file__)]),
        temporary=os.path.realpath(os.fsencode(environ.get("TMPDIR") or tempfile.gettempdir())),
        searched=tuple(map(os.fsencode, discovery.searched(context))),
        shared=_shared(real, home, [*toolchains, *discovery.searched(context)]),
        trusted=(*_both(place for place in (*_SYSTEM, *toolchains) if not _holds(place, real)), *_both(private)),
        given=_both(
            place for place in files.set_apart(tree, environ) if within(os.fsencode(place), (real, repository))
        ),
        outputs=frozenset(map(os.fsencode, scope.outputs)),
        crates=any(kind == "crate" for _, kind in later.roots),
        declared=lambda path: ground.is_settled(os.fsdecode(path)),
        packaged=machine.packaged(),
    )


def _links(path: str) -> list[str]:
    """The environments through which an interpreter is found: each has a `bin` with a link to the next."""
    folders: list[str] = []
    while os.path.islink(path) and len(folders) < _MOST_LINKS:
        path = os.path.join(os.path.dirname(path), os.readlink(path))
        folders.append(os.path.dirname(os.path.dirname(path)))
    return folders


def _repository(folder: str, tree: bytes) -> bytes:
    """What is cloned as a whole; the tree where nobody keeps versions: what lies beside it then may be anybody's."""
    kept = any(os.path.lexists(os.path.join(folder, name)) for name in boundary.KEPT)
    return os.path.realpath(os.fsencode(folder)) if kept else tree


def _libraries() -> list[str]:
    return [path for path in (*sys.path, os.path.dirname(os.__file__)) if boundary.is_installed(path)] + [
        os.path.dirname(os.__file__),
        os.path.join(os.path.dirname(os.__file__), "lib-dynload"),
    ]


def _interpreter(environ: Mapping[str, str]) -> list[str]:
    """Where this Python looks whatever tree it is started for: its folders, what is on its path, and in vain above it.

    It asks each folder above its own for a library in one file.
    """
    named = environ.get("PYTHONPATH", "").split(os.pathsep)
    path = [folder for folder in sys.path if folder not in named]
    above = [sys.base_prefix]
    while os.path.dirname(above[-1]) != above[-1]:
        above.append(os.path.dirname(above[-1]))
    name = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
    archives = [os.path.join(folder, lib, name) for folder in above for lib in dict.fromkeys(("lib", sys.platlibdir))]
    return [sys.base_prefix, sys.prefix, *path, *archives, *_links(sys.executable)]


def _shared(tree: bytes, home: str, more: Sequence[str]) -> tuple[bytes, ...]:
    """Folders that all trees of this machine have in common."""
    # What is there, and what is looked for in vain in a home that is new.
    names = {".cache", ".config", ".gitconfig", ".local", ".netrc", ".pydistutils.cfg"}
    with contextlib.suppress(OSError):
        names.update(name for name in os.listdir(home) if name.startswith("."))
    hidden = [os.path.join(home, name) for name in sorted(names)]
    return _both(path for path in (*_SYSTEM, "/etc", "/var", *hidden, *more) if not _holds(path, tree))


def _holds(folder: str, path: bytes) -> bool:
    return os.path.join(path, b"").startswith(os.path.join(os.path.realpath(os.fsencode(folder)), b""))


def _both(paths: Iterable[str]) -> tuple[bytes, ...]:
    """Absolute paths as they are spelled, and as links lead to them."""
    named = [os.fsencode(path) for path in paths if os.path.isabs(path)]
    return tuple(dict.fromkeys([*named, *map(os.path.realpath, named)]))
