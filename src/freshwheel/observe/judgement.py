"""What of an account counts: each path that a build used is an input, or is known by something else, or must stay.

An account names everything. What is left of it, when all is taken away that the build key or the build itself stands
for, is what nobody declared: that is kept with the wheel.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from freshwheel.base import rows
from freshwheel.base.rows import Row
from freshwheel.observe.account import (
    VERSION_CONTROL,
    Account,
    Kind,
    Taken,
    Use,
    folders_above,
    folders_read,
    is_kernel,
    is_linked,
    is_network,
    is_python,
    is_told,
    is_version_control,
    lies_in_version_control,
    silent,
    source_of,
    within,
)

__all__ = ["ASKING", "MAKES", "Judged", "Places", "judge"]

_CERTIFICATES = (b"/etc/ssl", b"/etc/pki", b"/usr/share/ca-certificates", b"/etc/ca-certificates")
_PACKAGES = re.compile(rb"/(?:site|dist)-packages(?:/|$)")
_PACKAGE_FOLDERS = (b"/site-packages", b"/dist-packages")
_IGNORING = (b".gitignore", b".ignore", b"CACHEDIR.TAG")
_PACKS = "maturin"
"""The program that packs all that lies in a package, whatever it is."""
_WALKS = ("cargo", _PACKS)
"""Programs that list whole trees, and take of them what is an input anyway, outside of such packages."""
ASKING = ("cargo", "git")
"""Programs that ask for every file of a project, whatever it is, to see whether it is new."""
MAKES = ("gmake", "make")
_PARSING = ("python", "pypy", "maturin", "cargo", "git")
"""Beginnings of programs that read `pyproject.toml` by its tables, or ask whether it has changed at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where things lie. All paths are absolute, without symbolic links in them."""

    tree: bytes
    spelled: bytes
    """The tree as the frontend calls it."""
    repository: bytes
    """What is cloned as a whole."""
    inputs: frozenset[bytes]
    """Relative to the tree."""
    locks: frozenset[bytes] = frozenset()
    """Lock files that are no inputs, and that the build key has, relative to the tree."""
    apart: tuple[bytes, ...] = ()
    """Folders of which nothing counts: the run's own, cargo's registry, build folders, what the key stands for."""
    libraries: tuple[bytes, ...] = ()
    """Folders of Python packages, which are listed by each import."""
    standard: tuple[bytes, ...] = ()
    """The standard library of the interpreter, which the key has."""
    temporary: bytes = b""
    """Where temporary files are made."""
    searched: tuple[bytes, ...] = ()
    """Folders in which programs are looked for."""
    given: tuple[bytes, ...] = ()
    """Folders of the repository that the environment gives to tools: whoever walks the tree lists them, too."""
    shared: tuple[bytes, ...] = ()
    """Folders that all trees of this machine have in common: the system, toolchains, what is hidden in a home."""
    trusted: tuple[bytes, ...] = ()
    """Folders in which a program is what its name says; elsewhere on PATH it may be anybody's of that name."""
    outputs: frozenset[bytes] = frozenset()
    """Files that the build is declared to write, relative to the tree."""
    crates: bool = False
    """Whether crates are inputs, with what cargo takes of them: what it looks for in their workspace is no more."""
    reads_settings: bool = False
    """Whether code of the project may go by all that stands in `pyproject.toml`, and not by its tables alone."""
    declared: Callable[[bytes], bool] = field(default=lambda _: False)
    """Whether a path relative to the tree was said to be no input."""
    packaged: Callable[[bytes], bool] = field(default=lambda _: False)
    """Whether the package manager of the system stands for a path."""
    look: Callable[[bytes], os.stat_result] = os.stat
    folders: frozenset[bytes] = field(init=False)
    """Those that hold inputs, relative to the tree."""
    beside: Mapping[bytes, bytes] = field(init=False)
    """The inputs outside of the tree, and the folders that hold them: absolute path -> relative to the tree."""

    def __post_init__(self) -> None:
        """Finds out what follows from the inputs: there may be many."""
        object.__setattr__(self, "folders", folders_above(self.inputs))
        outside = [path for path in (*self.inputs, *self.folders) if path.startswith(b"../")]
        object.__setattr__(self, "beside", {os.path.normpath(os.path.join(self.tree, path)): path for path in outside})


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What is left of an account."""

    taken: tuple[Taken, ...] = ()
    """Sorted by path."""
    names: frozenset[bytes] = frozenset()
    """Programs that were looked for on PATH."""
    packages: bool = False
    """Whether something was taken that the package manager of the system stands for."""
    bound: bool = False
    """Whether the wheel rests on something that lies beside its tree."""
    control: bool = False
    """Whether version control was asked."""
    made: frozenset[bytes] = frozenset()
    """Paths at which nothing was before the build has made something there."""
    doubt: str = ""
    """Why the account can't be trusted; nothing: it can."""


def judge(account: Account, places: Places) -> Judged:
    """What counts of the account of a build that has just ended."""
    return _Judge(account, places).judged()


class _Judge:
    """One account that is judged."""

    def __init__(self, account: Account, places: Places) -> None:
        self.account = account
        self.places = places
        self.folders: dict[bytes, bytes] = {}
        self.there: set[bytes] = set()
        self.doubt = account.doubts[0] if account.doubts else ""
        self.packages = False
        self.names: set[bytes] = set()
        self.control = any(program.name == "git" for program in account.programs)
        self.common = (*places.shared, *places.given)
        """Where nothing is one tree's own."""
        self.inside = places.folders
        self.silent = silent(account)
        self.opened = folders_read(account, _IGNORING)
        self.listed = frozenset(map(os.path.realpath, account.listed))
        self.made = {self.real(path) for path, use in account.uses.items() if use.written and use.first is None}
        ours = {self.real(path) for path, use in account.uses.items() if use.written}
        self.stirred = {os.path.dirname(path) for path in ours}
        """Folders in which the build itself has made or removed something."""
        self.ours = ours.union(places.apart, folders_above(ours.union(places.apart)))
        """What the build has written, or has to itself, and the folders above."""
        packed = folders_above(self.real(path) for path, use in account.uses.items() if self.is_packing(use))
        self.packed = frozenset(folder for folder in packed if folder.startswith(places.tree + b"/"))
        """Folders of the tree, but for itself, that hold something that maturin has read."""

    def judged(self) -> Judged:
        """The whole judgement."""
        taken: list[Taken] = []
        for path, use in sorted(self.account.uses.items()):
            item = self.weighed(path, use)
            if item is not None:
                taken.append(item)
                if item.counts and item.kind == "file" and use.asked and not item.joins and os.path.islink(item.path):
                    taken.append(replace(item, kind="present"))  # who asked may go by where it leads
        kept = _reduced(taken)
        return Judged(
            taken=tuple(kept),
            names=frozenset(self.names),
            packages=self.packages,
            bound=any(item.counts and self.is_beside(item) for item in kept),
            control=self.control,
            made=frozenset(self.made),
            doubt=self.doubt,
        )

    def weighed(self, path: bytes, use: Use) -> Taken | None:
        """One path, as far as it counts, or might seem to."""
        if b"/.." in path and not self.exists(path) and not os.path.islink(path):
            path = os.path.realpath(path)  # through a folder that is gone
        source = source_of(path)
        if source is not None:
            if not (use.read or use.asked) or not self.exists(source):
                return None
            path, use = source, Use(first=self.row(source), read=use.read or use.asked, before=use.before)
        kind = self.kind(path, use)
        real = self.real(path)
        relative = self.relative(path, real)
        why = self.settled(path, real, relative, kind, use)
        if not why and kind is not None:
            return self.counting(path, real, relative, kind, use)
        return None if kind is None else self.taken(path, None, kind, use, why, counts=False)

    def kind(self, path: bytes, use: Use) -> Kind | None:
        """What the use of a path rests on; None: it was written only."""
        if use.first is None:
            if self.is_default(path, use):
                return "made"
            if use.asked and not use.written and os.path.islink(path):
                return "present"
            return "absent" if (use.read or use.asked or use.run) and (use.before or not use.written) else None
        folder = stat.S_ISDIR(use.first[0])
        if use.read or use.run:
            return "folder" if folder else "file"
        if not use.asked:
            return None
        # A Python that has the bytecode asks for the source alone.
        source = path.endswith(b".py") and not self.is_by(use, *ASKING)
        return "file" if not folder and source else "present"

    def settled(self, path: bytes, real: bytes, relative: bytes | None, kind: Kind | None, use: Use) -> str:
        """Why a path does not count; nothing: it does."""
        return (
            self.elsewhere(path, real, kind, use)
            or self.of_the_build(real, relative, kind, use)
            or self.of_the_system(path, real, kind, use)
        )

    def elsewhere(self, path: bytes, real: bytes, kind: Kind | None, use: Use) -> str:
        """Why nothing counts where a path lies."""
        places = self.places
        special = use.first is not None and stat.S_IFMT(use.first[0]) in _SPECIAL
        if special or is_kernel(path) or is_kernel(real):
            return "of the running system"
        if is_network(path) or within(real, _CERTIFICATES):
            return "for the network"
        above = kind == "present" and any(place.startswith(real + b"/") for place in (*places.apart, places.spelled))
        if above or within(path, places.apart) or within(real, places.apart):
            return "private to the build, or known by its key"
        passed = self.is_walked(path, use) if kind == "folder" else os.path.basename(path) in _IGNORING
        if passed and within(real, places.given):
            return "of a folder that is given to a tool"
        listed = kind == "folder" and (real in places.libraries or self.is_of_python(real))
        if listed or (within(real, places.standard) and not _PACKAGES.search(real)):
            return "of the installed Python, which the key has"
        return ""

    def is_walked(self, path: bytes, use: Use) -> bool:
        """Whether each program that listed a folder has also listed the one above, and none has read a file in it."""
        return self.is_listed_from_above(path, use.read, 1) and path not in self.opened

    def is_listed_from_above(self, path: bytes, programs: AbstractSet[int], levels: int) -> bool:
        """Whether each of the programs has listed the next folders above a path, so many, as who walks there does."""
        above = [path := os.path.dirname(path) for _ in range(levels)]
        return all(programs <= self.account.uses.get(folder, Use(first=None)).read for folder in above)

    def is_of_python(self, real: bytes) -> bool:
        """Whether a folder is where an installed Python has its packages, and not one that is only called so."""
        environment = os.path.join(real, *[b".."] * 3, b"pyvenv.cfg")
        return real.endswith(_PACKAGE_FOLDERS) and (within(real, self.common) or self.exists(environment))

    def of_the_build(self, real: bytes, relative: bytes | None, kind: Kind | None, use: Use) -> str:
        """Why a path comes from the rest: it is an input, or the build has made it."""
        fresh = not use.before or (relative in self.places.outputs and not use.read_before)
        fresh = fresh and not (use.first is not None and stat.S_ISDIR(use.first[0]))
        if (use.written and fresh) or (kind != "made" and self.is_made(real)):
            return "made by the build itself"
        if relative is not None and self.is_input(relative, kind, use):
            return "an input"
        if relative in self.places.locks and kind != "folder":
            return "a lock file, which the build key has"
        if relative is not None and self.ignores_nothing(relative):
            return "says what to leave out where no input is"
        return "a temporary file" if self.is_temporary(real, use) else ""

    def of_the_system(self, path: bytes, real: bytes, kind: Kind | None, use: Use) -> str:
        """Why something else stands for a path, which is noted."""
        if self.is_control(path, self.relative(path, real), kind, use):
            if self.is_by(use, "cargo"):
                return "cargo lists the files of a package, to see which are new"
            if kind != "present" and not use.written and self.is_by(use, *ASKING) and not path.endswith(b"/index"):
                self.watch(path, kind or "absent", use)  # it is asked again when the build is over
            return "version control"
        if os.path.dirname(path) in self.places.searched and (use.run or not use.read):
            self.names.add(os.path.basename(path))
            if not use.run or kind == "absent":
                self.watch(path, kind or "present", use)
                return "looked for on PATH"
        if kind != "folder" and self.is_packaged(path, real):  # anybody may put more into a folder
            self.packages = True
            return "under the hand of the package manager"
        return ""

    def is_control(self, path: bytes, relative: bytes | None, kind: Kind | None, use: Use) -> bool:
        """Whether a path is a part of what git says of the repository; of another one in it each file counts."""
        if relative is None or not is_version_control(relative):
            return False
        parts, asked = relative.split(b"/"), self.is_by(use, "cargo", "git")
        first = next(at for at, part in enumerate(parts) if part in VERSION_CONTROL)
        others = {number for number in use.read if self.account.programs[number].name not in ("cargo", "git")}
        # Who walks through the whole tree lists these folders, too, and reads nothing there.
        walked = kind == "folder" and self.is_listed_from_above(path, others, len(parts) - first)
        if os.path.normpath(os.path.join(self.places.tree, *parts[:first])) != self.places.repository:
            return walked and not asked
        return walked or (kind == "file" and asked and (self.is_by(use, "cargo") or is_told(parts[first:])))

    def counting(self, path: bytes, real: bytes, relative: bytes | None, kind: Kind, use: Use) -> Taken | None:
        """A path that counts, or nothing where the build only asked its own tool for it."""
        ours = within(real, (self.places.repository, self.places.tree)) and not within(real, self.common)
        in_tree = relative is not None and ours
        crate = in_tree or os.path.dirname(real) in self.places.beside
        crate = crate and (self.places.crates or within(real, (self.places.tree,)))
        members = kind == "file" and os.path.basename(real) == b"Cargo.toml"
        if crate and (members or kind in ("absent", "folder", "present")) and self.is_by(use, "cargo"):
            return self.taken(path, relative, kind, use, "cargo looks for members and targets", counts=False)
        declared = relative is not None and self.places.declared(relative)
        walks = [name for name in _WALKS if name != _PACKS or real not in self.packed]
        if in_tree and kind == "folder" and self.is_by(use, *walks) and not declared:
            return self.taken(path, relative, kind, use, "what is packed of it is an input by name", counts=False)
        if not declared:
            self.watch(path, kind, use)
        apart = relative is None or b".egg-info/" in relative or lies_in_version_control(relative)
        apart = apart or (os.path.basename(real) in _IGNORING and not within(real, (self.places.tree,)))
        apart = apart or relative in self.places.inputs
        joins = in_tree and kind == "file" and not declared and not apart and not use.written
        kind = "modules" if in_tree and kind == "folder" and self.is_for_imports(real, use, walks) else kind
        why = "inside of the repository, and no input" if in_tree else "outside of the repository"
        return self.taken(path, relative, kind, use, why, counts=True, joins=joins)

    def is_for_imports(self, real: bytes, use: Use, walks: Sequence[str]) -> bool:
        """Whether Pythons have listed a folder to import from there, and nobody else who goes by all names in it."""
        programs = [self.account.programs[number] for number in use.read]
        # Of the events of PyPy nobody knows.
        known = [item.name in walks or (is_python(item) and not item.name.startswith("pypy")) for item in programs]
        # What is compiled may list without a word.
        return all(known) and not (self.silent or self.account.loaded) and os.path.realpath(real) not in self.listed

    def watch(self, path: bytes, kind: Kind, use: Use) -> None:
        """Doubts the account where a path is not what it was when the build used it first."""
        now = self.row(path)
        if kind == "made":
            same = use.made <= {now}
        elif kind == "present" and not use.written and self.is_other(path, now, use):
            same = False
        elif kind in ("present", "folder") and now is not None and use.first is not None:
            same = rows.kind(now) == rows.kind(use.first)
            stirred = kind == "folder" and now != use.first and (bool(use.written) or self.real(path) in self.stirred)
            same = same and (kind == "present" or now == use.first or (stirred and not self.has_others(path)))
        else:
            same = now == use.first or (is_linked(now, use.first) and self.is_shared(path))
        if not same and not self.doubt:
            who = "changed by the build after it was read" if use.written else "may have changed during the build"
            self.doubt = f"{os.fsdecode(path)} was used, and {who}"

    def is_other(self, path: bytes, now: Row | None, use: Use) -> bool:
        """Whether a file has another size than when it was asked for, or a link is newer than the build."""
        link = rows.at(path, os.lstat)
        if link is not None and stat.S_ISLNK(link[0]) and link[3] >= self.account.began > 0:
            return True
        return now is not None and use.first is not None and stat.S_ISREG(now[0]) and now[1] != use.first[1]

    def is_shared(self, path: bytes) -> bool:
        """Whether a file may have other names, such as one that uv shares between environments."""
        with contextlib.suppress(OSError):
            return _PACKAGES.search(path) is not None or self.places.look(path).st_nlink > 1
        return False

    def has_others(self, path: bytes) -> bool:
        """Whether somebody else has put something into a folder, or changed it there, since the build was started."""
        with contextlib.suppress(OSError), os.scandir(self.real(path)) as listing:
            others = (entry for entry in listing if entry.path not in self.ours)
            return any(entry.stat(follow_symlinks=False).st_ctime_ns >= self.account.began > 0 for entry in others)
        return False

    def taken(  # noqa: PLR0913 - the fields
        self, path: bytes, relative: bytes | None, kind: Kind, use: Use, why: str, *, counts: bool, joins: bool = False
    ) -> Taken:
        """The value."""
        numbers = sorted(use.read | use.run or use.asked)  # who only asks whether something is new has not taken it
        by = tuple(dict.fromkeys(self.account.programs[number].name for number in numbers))
        return Taken(path=path, relative=relative, kind=kind, by=by, why=why, counts=counts, joins=joins)

    def is_input(self, relative: bytes, kind: Kind | None, use: Use) -> bool:
        """Whether the source digest has it: an input, or a folder that holds one and was only asked for."""
        readers = [self.account.programs[number] for number in use.read]
        whole = any(
            not item.name.startswith(_PARSING) or (self.places.reads_settings and is_python(item)) for item in readers
        )
        if relative == b"pyproject.toml" and whole:
            return False  # not all of its text is in the digest
        # A link to a folder is an input, and not what is in there.
        return kind != "folder" and (relative in self.places.inputs or (kind == "present" and relative in self.inside))

    def ignores_nothing(self, relative: bytes) -> bool:
        """Whether a path only says what to leave out, where no input lies beside or below, such as in `dist`."""
        folder, name = os.path.split(relative)
        return name in _IGNORING and folder != b"" and folder not in self.inside and not relative.startswith(b"..")

    def is_made(self, real: bytes) -> bool:
        """Whether the build has made the path, or a folder above it."""
        while real not in self.made:
            above = os.path.dirname(real)
            if real in (above, self.places.tree):
                return False
            real = above
        use = self.account.uses.get(real)
        return use is None or use.first is None or not use.before  # what it found there it has not made

    def is_default(self, path: bytes, use: Use) -> bool:
        """Whether the build has looked for a file, made it where it was missing, and read it: what is there stays."""
        now = self.row(path) if use.before and use.written and use.read else None
        return now is not None and stat.S_ISREG(now[0])

    def is_temporary(self, real: bytes, use: Use) -> bool:
        """Whether a path lies in what the build made among temporary files. Make may list the folder of these."""
        if real == self.places.temporary:
            return 0 < len(use.read) == sum(self.account.programs[number].name in MAKES for number in use.read)
        above = os.path.join(self.places.temporary, b"")
        return real.startswith(above) and above + real[len(above) :].partition(b"/")[0] in self.made

    def is_packaged(self, path: bytes, real: bytes) -> bool:
        """Whether the package manager stands for a path, and for all links that it leads through."""
        return self.places.packaged(real) and self.places.packaged(os.path.realpath(path))

    def is_by(self, use: Use, *names: str) -> bool:
        """Whether nobody but programs with these names has used a path."""
        return all(self.account.programs[number].name in names for number in use.read | use.asked | use.run)

    def is_packing(self, use: Use) -> bool:
        """Whether a file may be packed with all that lies beside it."""
        is_file = use.first is not None and not stat.S_ISDIR(use.first[0])
        return is_file and any(self.account.programs[number].name == _PACKS for number in use.read)

    def is_beside(self, taken: Taken) -> bool:
        """Whether a path may be another one for another tree, though it is not spelled from there."""
        return taken.relative is None and not within(self.real(taken.path), self.places.shared)

    def relative(self, path: bytes, real: bytes) -> bytes | None:
        """The path from the tree, inside of the repository, and for what lies directly in a folder above it."""
        for start in (self.places.spelled, self.places.tree):
            spelled = os.path.normpath(path) if b"/.." not in path else real
            if spelled.startswith(start + b"/"):
                return spelled[len(start) + 1 :]
        if real in self.places.beside:
            return self.places.beside[real]
        if within(real, self.common):
            return None
        places = self.places
        above = self.standing(os.path.dirname(real))
        if within(real, (places.repository,)) or within(places.tree, (above,)):
            return os.path.relpath(real, places.tree)
        return None

    def standing(self, folder: bytes) -> bytes:
        """The folder itself, or the nearest one above that is there."""
        while folder not in self.there:
            if self.exists(folder) or folder == os.path.dirname(folder):
                self.there.add(folder)
                break
            folder = os.path.dirname(folder)
        return folder

    def real(self, path: bytes) -> bytes:
        """A path whose folder has no symbolic links in it."""
        folder, name = os.path.split(path)
        if name in (b"", b".", b".."):
            return os.path.realpath(path)
        if folder not in self.folders:
            self.folders[folder] = os.path.realpath(folder)
        return os.path.join(self.folders[folder], name)

    def row(self, path: bytes) -> Row | None:
        """The row of what is there now."""
        return rows.at(path, self.places.look)

    def exists(self, path: bytes) -> bool:
        """Whether something is there now."""
        return self.row(path) is not None


_SPECIAL = (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK)


def _reduced(taken: Sequence[Taken]) -> list[Taken]:
    """Without names below a folder that is not there itself, and folders that hold something else that counts."""
    absent = {item.path for item in taken if item.counts and item.kind == "absent"}
    holding = {item.path for item in taken if item.counts and item.kind != "absent"}
    above = folders_above(holding)
    return [
        item
        for item in taken
        if not item.counts
        or (item.kind == "absent" and absent.isdisjoint(folders_above([item.path])))
        or (item.kind == "present" and item.path not in above)
        or item.kind in ("file", "folder", "modules", "made")
    ]
