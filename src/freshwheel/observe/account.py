"""What one build took: the paths that its processes used, the programs that ran, the variables that were asked for."""

from __future__ import annotations

import posixpath
import re
import stat
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from freshwheel.base.rows import Row

__all__ = [
    "VERSION_CONTROL",
    "Account",
    "Kind",
    "Program",
    "Taken",
    "Use",
    "folders_above",
    "folders_read",
    "is_kernel",
    "is_linked",
    "is_network",
    "is_python",
    "is_told",
    "is_version_control",
    "lies_in_version_control",
    "merged",
    "silent",
    "source_of",
    "straightened",
    "within",
]


Kind = Literal["file", "folder", "modules", "present", "absent", "made"]
"""What the use of a path rests on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """One program that a build has executed."""

    path: bytes
    """Of the executable, absolute; for a script its interpreter's."""
    words: tuple[bytes, ...] = ()
    """The first words of its command line."""
    pid: int = 0
    forked: bool = False
    """Whether the process has only been split off from another one that runs it."""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.path.replace(b"\\", b"/").rpartition(b"/")[2].decode("utf-8", "surrogateescape")


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """How a build used one path. The numbers are those of programs in `Account.programs`."""

    first: Row | None
    """The row of what the path led to when it was used first; None: nothing was there."""
    read: frozenset[int] = frozenset()
    """Opened it to read, or listed it where it is a folder."""
    asked: frozenset[int] = frozenset()
    """Asked only whether it is there, and what (`stat`, `access`), or tried to open it in vain."""
    run: frozenset[int] = frozenset()
    """Executed it."""
    written: frozenset[int] = frozenset()
    """Opened it to write, made it, removed it, or renamed something to or from it."""
    before: bool = False
    """Whether it was read, or asked for, before the build first wrote it."""
    read_before: bool = False
    """Whether it was read before that."""
    made: frozenset[Row] = frozenset()
    """The rows of what the build has made there, when that was read."""
    often: bool = False
    """Whether it was opened to read more than once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What one build took. Paths are absolute, and may have `..` and symbolic links in them."""

    uses: Mapping[bytes, Use] = field(default_factory=dict)
    programs: tuple[Program, ...] = ()
    variables: frozenset[str] = frozenset()
    """Names that Python programs asked `os.environ` for."""
    modules: frozenset[str] = frozenset()
    """Modules that Python programs looked for in vain, with the names of their packages."""
    distributions: frozenset[str] = frozenset()
    """Distributions that they looked for in vain; `*` means all."""
    loaded: frozenset[bytes] = frozenset()
    """Compiled modules that they loaded."""
    listed: frozenset[bytes] = frozenset()
    """Folders that they listed; an import, which lists for itself, is none of it."""
    copied: frozenset[bytes] = frozenset()
    """Files that a backend has opened to put them into a wheel as they are, without code of anybody else in between."""
    witnessed: tuple[int, ...] = ()
    """Process ids of the Pythons that wrote down which names they ask for: one that executed the next has the same."""
    doubts: tuple[str, ...] = ()
    """What the observer could not see, in words; nothing: it saw all."""
    began: int = 0
    """When the build was started, in nanoseconds; 0 where nobody observed it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """One path that a build used."""

    path: bytes
    """As the build spelled it, absolute; inside of the repository, and beside the folders above it, see `relative`."""
    relative: bytes | None
    """To the tree, where each tree has its own; None: it is the same place for all."""
    kind: Kind
    by: tuple[str, ...]
    """The programs that used it."""
    why: str
    """Why it counts, or why not, in words."""
    counts: bool
    joins: bool = False
    """Whether it is to be an input from the next build on."""


is_kernel = re.compile(rb"/(?:proc|sys|dev(?!/shm/)|(?:var/)?run/(?:nscd|systemd))(?:/|$)").match
"""The running system: its devices and processes, and whom it asks for users and hosts."""
is_network = re.compile(
    rb"/etc/(?:(?:gai|host|nsswitch|resolv)\.conf|hosts|protocols|services|mtab)",
).fullmatch
"""Files by which hosts are found, and others of the moment: what is fetched has a checksum."""
VERSION_CONTROL = (b".git", b".hg", b".svn", b".jj", b".bzr")
_TOLD = frozenset((b"objects", b"refs", b"reftable"))
"""Folders of git that hold nothing else."""
_CACHE = b"/__pycache__/"
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*t?(?:\.exe)?")


def is_python(program: Program) -> bool:
    """Whether a program is Python, by its name."""
    return _PYTHON.fullmatch(program.name) is not None


def silent(account: Account) -> frozenset[int]:
    """The processes in which more Pythons ran, one executing the next, than have written down what they ask for."""
    ran = Counter(program.pid for program in account.programs if not program.forked and is_python(program))
    wrote = Counter(account.witnessed)
    return frozenset(pid for pid, number in ran.items() if number > wrote[pid])


def merged(accounts: Iterable[Account]) -> Account:
    """One account of all that several have seen; of a path's rows and orders the first account's count."""
    uses: dict[bytes, Use] = {}
    programs: list[Program] = []
    variables: set[str] = set()
    modules: set[str] = set()
    distributions: set[str] = set()
    loaded: set[bytes] = set()
    listed: set[bytes] = set()
    copied: set[bytes] = set()
    witnessed: list[int] = []
    doubts: dict[str, None] = {}
    began: list[int] = []
    for account in accounts:
        by = len(programs)
        for path, use in account.uses.items():
            uses[path] = _joined(uses.get(path), _shifted(use, by))
        programs += account.programs
        variables |= account.variables
        modules |= account.modules
        distributions |= account.distributions
        loaded |= account.loaded
        listed |= account.listed
        copied |= account.copied
        witnessed += account.witnessed
        doubts |= dict.fromkeys(account.doubts)
        began += [account.began] if account.began else []
    return Account(
        uses=uses,
        programs=tuple(programs),
        variables=frozenset(variables),
        modules=frozenset(modules),
        distributions=frozenset(distributions),
        loaded=frozenset(loaded),
        listed=frozenset(listed),
        copied=frozenset(copied),
        witnessed=tuple(witnessed),
        doubts=tuple(doubts),
        began=min(began, default=0),
    )


def _shifted(use: Use, by: int) -> Use:
    def moved(numbers: frozenset[int]) -> frozenset[int]:
        return frozenset(number + by for number in numbers)

    if not by:
        return use
    return Use(
        first=use.first,
        read=moved(use.read),
        asked=moved(use.asked),
        run=moved(use.run),
        written=moved(use.written),
        before=use.before,
        read_before=use.read_before,
        made=use.made,
        often=use.often,
    )


def _joined(known: Use | None, other: Use) -> Use:
    if known is None:
        return other
    return Use(
        first=known.first,
        read=known.read | other.read,
        asked=known.asked | other.asked,
        run=known.run | other.run,
        written=known.written | other.written,
        before=known.before,
        read_before=known.read_before,
        made=known.made | other.made,
        often=known.often or other.often or bool(known.read and other.read),
    )


def straightened(account: Account, real: Callable[[bytes], bytes], now: Callable[[bytes], Row | None]) -> Account:
    """The account with one use for a file that the build has written, and has used by a path with `..` as well.

    Whoever has found there what is there `now` has come after it was written.
    """
    uses = dict(account.uses)
    for path, use in account.uses.items():
        place = real(path) if b"/../" in path else path
        known = uses.get(place) if place != path else None
        if known is not None and known.written:
            earlier = use.first != now(place)
            joined = _joined(known, use)
            uses[place] = replace(
                joined,
                before=known.before or earlier,
                read_before=known.read_before or (earlier and bool(use.read)),
            )
            del uses[path]
    return replace(account, uses=uses)


def is_linked(now: Row | None, first: Row | None) -> bool:
    """Whether a file has only come by another name, or lost one, as those that uv shares between environments."""
    return now is not None and first is not None and (now[:3], now[4]) == (first[:3], first[4])


def folders_read(account: Account, ignoring: Container[bytes]) -> frozenset[bytes]:
    """The folders that hold a file that was read, but for those called by a name among `ignoring`."""
    files = (path for path, use in account.uses.items() if use.read and use.first and stat.S_ISREG(use.first[0]))
    return frozenset(posixpath.dirname(path) for path in files if posixpath.basename(path) not in ignoring)


def is_version_control(relative: bytes) -> bool:
    """Whether a path is a part of what git says of a repository as a whole; its configuration is a file as any."""
    last = relative.split(b"/")[-2:]
    files = {b"info", b"config", b"config.worktree", b"logs", b"modules"}
    return lies_in_version_control(relative) and files.isdisjoint(last)


def is_told(parts: Sequence[bytes]) -> bool:
    """Whether git says what stands in a file of its folder when it is asked for commits, tags, branches and changes."""
    names = (b".git", b"HEAD", b"index", b"packed-refs", b"shallow")
    return parts[-1] in names or parts[-1].startswith(b"sharedindex.") or not _TOLD.isdisjoint(parts[:-1])


def lies_in_version_control(relative: bytes) -> bool:
    """Whether a part of a path is the name of a folder that version control keeps."""
    return any(part in VERSION_CONTROL for part in relative.split(b"/"))


def source_of(path: bytes) -> bytes | None:
    """The Python source that bytecode stands for; None for all else."""
    if not path.endswith(b".pyc") or _CACHE not in path:
        return None
    folder, _, name = path.rpartition(_CACHE)
    return folder + b"/" + name.partition(b".")[0] + b".py"


def within(path: bytes, folders: Iterable[bytes]) -> bool:
    """Whether a path is one of these folders, or lies in one."""
    for folder in folders:
        if path.startswith(folder) and (path == folder or path.startswith(folder.rstrip(b"/") + b"/")):
            return True
    return False


def folders_above(paths: Iterable[bytes]) -> frozenset[bytes]:
    """All folders that these paths lie in."""
    folders: set[bytes] = set()
    for start in {path[: path.rfind(b"/") + 1] for path in paths}:  # many lie in few
        folder = posixpath.dirname(start)
        while folder and folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    return frozenset(folders)
