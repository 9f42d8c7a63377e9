"""What editable builds put into one tree, on record: their extension modules, and the wheels that go with them.

Part of the light column, so that an import can ask whether a module is what the tree says. Nothing of this is shared
between trees, and nothing is ever read that another user may have written.
"""

import errno
import os

import xxhash

from freshwheel.base import frame, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal

    from freshwheel.store.entry import Discovered

    State = Literal["intact", "missing", "known", "foreign"]
    Finding = Literal[State, "first", "left", "read", "ways", "whole"]
    Found = tuple[bytes, Finding]

FILE = "records"
"""The name of the file, beside which the copies lie."""
READ = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_BINARY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOINHERIT")
)
"""How a file is opened that is not believed to be one."""
_LARGEST = 1 << 24
_MAGIC = b"FWPLACE\4"
_HEAD = 24
"""Where the fields begin."""
_SHARED = (b".abi3.so", b".abi3t.so")
"""How modules end that are one for all versions of Python."""
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


class Module:
    """A value: one extension module that a build put into the tree."""

    __slots__ = ("content", "mode", "path", "stamp")

    path: bytes
    """Relative to the tree, with `/`."""
    content: bytes
    """16 bytes of XXH3-128."""
    mode: int
    """Its permissions."""
    stamp: bytes
    """The hash of the row that stands for this content; `rows.UNTRUSTED`: none does."""

    def __init__(self, *, path: bytes, content: bytes, mode: int, stamp: bytes = rows.UNTRUSTED) -> None:
        self.path = path
        self.content = content
        self.mode = mode
        self.stamp = stamp


class Wheel:
    """A value: the editable wheel that the inner backend made with the modules."""

    __slots__ = ("content", "name")

    name: str
    """Its file name."""
    content: bytes

    def __init__(self, *, name: str, content: bytes) -> None:
        self.name = name
        self.content = content


class Record:
    """A value: what one editable build of a tree was made from, and what it made."""

    __slots__ = ("abi", "digest", "free", "key", "kin", "modules", "native", "rests", "took", "ways", "wheel", "whole")

    abi: str
    """The ending of extension modules of the Python that it was made for."""
    native: str
    """The native digest: 32 hex digits."""
    digest: str
    """The source digest."""
    key: str
    """The key of the native part."""
    kin: str
    """The same without what is the interpreter's own: modules that are for all Pythons have this in common."""
    whole: bool
    """Whether it may have read any pure Python, so that the source digest must be the same."""
    rests: "tuple[Discovered, ...]"
    """What it took beside the native inputs, Python that it read among it; sorted."""
    ways: "tuple[bytes, ...]"
    """Packages, and modules in none, that what leads to the tree may list."""
    free: "tuple[bytes, ...]"
    """Packages in which another one need not be listed; `.`, if no module that is in none need be."""
    modules: "tuple[Module, ...]"
    wheel: Wheel
    took: int
    """ms of the build."""

    def __init__(  # noqa: PLR0913 - a value
        self,
        *,
        abi: str,
        native: str,
        digest: str,
        key: str,
        kin: str,
        whole: bool,
        rests: "Iterable[Discovered]",
        ways: "Iterable[bytes]",
        free: "Iterable[bytes]",
        modules: "Iterable[Module]",
        wheel: Wheel,
        took: int = 0,
    ) -> None:
        self.abi = abi
        self.native = native
        self.digest = digest
        self.key = key
        self.kin = kin
        self.whole = whole
        self.rests = tuple(sorted(rests))
        self.ways = tuple(ways)
        self.free = tuple(free)
        self.modules = tuple(modules)
        self.wheel = wheel
        self.took = took

    def tells(self, native: str, digest: str) -> bool:
        """Whether it is of a tree with these digests, as far as they can tell."""
        return self.native == native and (not self.whole or self.digest == digest)


def dump(tree: bytes, records: "Iterable[Record]") -> bytes:
    """The bytes of the file with the records of a tree."""
    return frame.dumped(_MAGIC, tree, *map(_dumped, records))


def parsed(data: bytes, tree: bytes) -> "list[Record]":
    """The records that were dumped for a tree; none for those of another. Raises ValueError and IndexError."""
    fields = frame.parsed(_MAGIC, data)
    return list(map(_record, fields[1:])) if fields[0] == tree else []


def top(cache: str) -> str:
    """The folder in the cache directory for what is kept of all trees."""
    return os.path.join(cache, "inplace")


def place(cache: str, tree: bytes) -> str:
    """The folder in the cache directory for what is kept of a tree, which is a real path."""
    return os.path.join(top(cache), xxhash.xxh3_128_hexdigest(tree))


def load(cache: str, tree: bytes) -> "list[Record]":
    """The records of a tree, a real path, the last used first; none where they can't be read or believed."""
    try:
        handle = os.open(os.path.join(place(cache, tree), FILE), READ)
        with open(handle, "rb") as file:
            if not frame.is_own(os.fstat(handle)):
                return []
            return parsed(file.read(_LARGEST), tree)
    except (OSError, ValueError, IndexError):
        return []


def owner(folder: str) -> bytes | None:
    """The tree that a folder in the cache directory is for; None where that can't be told."""
    try:
        with open(os.path.join(folder, FILE), "rb") as file:
            return frame.unframed(file.read(_LARGEST)[_HEAD:])[0]
    except (OSError, ValueError, IndexError):
        return None


def state(tree: bytes, module: Module, record: Record, records: "Iterable[Record]") -> "State":
    """What lies in `tree`, a real path, where a module of `record` should.

    `intact`: the module; one that is for all Pythons also as another one left it, for the same sources. `known`: what
    another of the `records` has there. `missing`: nothing. `foreign`: anything else.
    """
    where = os.path.join(tree, module.path)
    try:
        if module.stamp != rows.UNTRUSTED and rows.stamp(rows.packed(rows.row(os.lstat(where)))) == module.stamp:
            return "intact"
        found = rows.read(where, follow=False)
    except OSError as error:
        return "missing" if error.errno in _ABSENT else "foreign"
    except rows.RestlessError:
        return "foreign"
    return "foreign" if found is None else _known(module, found[1], record, records)


def check(  # noqa: PLR0913 - the digests of a tree, and where to look
    cache: str, tree: bytes, native: str, digest: str, *, abi: str, others: "Callable[[Record], list[Found]]"
) -> "list[Found] | None":
    """What lies in a tree with these digests, a path and a finding each; None where no build of it is on record.

    `tree` is a real path, `abi` the ending of extension modules of a Python; `others` are the findings because of which
    a build would not do. Where one would, the state of each of its modules is found; `first` is what an import finds
    before one of them, `left` what is not built any more. With no path `whole`: it may have read what was edited.
    """
    records = load(cache, tree)
    akin = [one for one in records if one.abi == abi and one.native == native]
    told = [one for one in akin if one.tells(native, digest)]
    if not told:
        return [(b"", "whole")] if akin else None
    against = [others(one) for one in told]
    if all(against):
        return against[0]
    record = told[against.index([])]
    found: list[Found] = [(one.path, state(tree, one, record, records)) for one in record.modules]
    first = _first(tree, record)
    left = [path for path in _left(tree, record, records) if path not in first]
    return [*found, *((path, "first") for path in first), *((path, "left") for path in left)]


def _first(tree: bytes, record: Record) -> list[bytes]:
    """The files that an import finds before a module of a record, which have the most special ending."""
    own = {one.path for one in record.modules}
    parts = [path.rpartition(b"/") for path in sorted(own)]
    found = [folder + slash + name.partition(b".")[0] + os.fsencode(record.abi) for folder, slash, name in parts]
    return [path for path in found if path not in own and os.path.lexists(os.path.join(tree, path))]


def _left(tree: bytes, record: Record, records: "Iterable[Record]") -> list[bytes]:
    """The modules in the tree that builds of other sources alone have put there, and that can be imported."""
    own = {it.path for one in records if one.native == record.native for it in one.modules}
    endings = (os.fsencode(record.abi), *_SHARED)
    found = {
        it.path
        for one in records
        for it in one.modules
        if it.path not in own and it.path.endswith(endings) and state(tree, it, one, records) in ("intact", "known")
    }
    return sorted(found)


def _known(module: Module, content: bytes, record: Record, records: "Iterable[Record]") -> "State":
    """As `state`, of a file with this content."""
    if content == module.content:
        return "intact"
    owners = [one for one in records if any((it.path, it.content) == (module.path, content) for it in one.modules)]
    if module.path.endswith(_SHARED):
        kin = (record.kin, record.rests, record.whole)
        if any(one.tells(record.native, record.digest) and (one.kin, one.rests, one.whole) == kin for one in owners):
            return "intact"
    return "known" if owners else "foreign"


def _dumped(record: Record) -> bytes:
    texts = (record.abi, record.native, record.digest, record.key, record.kin, record.wheel.name)
    rests = [part for path, kind, *more in record.rests for part in (path, kind.encode(), *more)]
    modules = [part for one in record.modules for part in (one.path, one.content, b"%d" % one.mode, one.stamp)]
    return frame.framed(
        *(text.encode("utf-8", "surrogateescape") for text in texts),
        record.wheel.content,
        b"1" if record.whole else b"",
        frame.framed(*rests),
        frame.framed(*modules),
        frame.framed(*record.ways),
        frame.framed(*record.free),
        b"%d" % record.took,
    )


def _record(data: bytes) -> Record:
    fields = frame.unframed(data)
    abi, native, digest, key, kin, name = (field.decode("utf-8", "surrogateescape") for field in fields[:6])
    rests, modules = frame.unframed(fields[8]), frame.unframed(fields[9])
    return Record(
        abi=abi,
        native=native,
        digest=digest,
        key=key,
        kin=kin,
        whole=bool(fields[7]),
        rests=[
            (path, kind.decode(), content, row)
            for path, kind, content, row in zip(rests[::4], rests[1::4], rests[2::4], rests[3::4], strict=True)
        ],
        ways=frame.unframed(fields[10]),
        free=frame.unframed(fields[11]),
        modules=[
            Module(path=modules[at], content=modules[at + 1], mode=int(modules[at + 2]), stamp=modules[at + 3])
            for at in range(0, len(modules), 4)
        ],
        wheel=Wheel(name=name, content=fields[6]),
        took=int(fields[12]),
    )
