"""What editable builds put into one tree, on record: their extension modules, and the wheels that go with them.

Part of the light column, so that an import can ask whether a module is what the tree says. Nothing of this is shared
between trees, and nothing is ever read that another user may have written.
"""

import errno
import os

import xxhash

from freshwheel.base import records, rows
from freshwheel.base.records import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Literal

    from freshwheel.store.shelf import Discovered

    State = Literal["intact", "missing", "known", "foreign"]
    Finding = Literal[State, "first", "left", "read", "ways", "whole"]
    Found = tuple[bytes, Finding]

FILE = "records"
"""The name of the file, beside which the copies lie."""
_MAGIC = b"FWPLACE\5"
_SHARED = (b".abi3.so", b".abi3t.so")
"""How modules end that are one for all versions of Python."""
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


class Module(Value):
    """One extension module that a build put into the tree."""

    __slots__ = ("content", "mode", "path", "stamp")

    path: bytes
    """Relative to the tree, with `/`."""
    content: bytes
    """16 bytes of XXH3-128."""
    mode: int
    """Its permissions."""
    stamp: bytes
    """The hash of the row that stands for this content; `rows.UNTRUSTED`: none does."""


class Wheel(Value):
    """The editable wheel that the inner backend made with the modules."""

    __slots__ = ("content", "name")

    name: str
    """Its file name."""
    content: bytes


class Record(Value):
    """What one editable build of a tree was made from, and what it made."""

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

    def tells(self, native: str, digest: str) -> bool:
        """Whether it is of a tree with these digests, as far as they can tell."""
        return self.native == native and (not self.whole or self.digest == digest)


def top(cache: str) -> str:
    """The folder in the cache directory for what is kept of all trees."""
    return os.path.join(cache, "inplace")


def place(cache: str, tree: bytes) -> str:
    """The folder in the cache directory for what is kept of a tree, which is a real path."""
    return os.path.join(top(cache), xxhash.xxh3_128_hexdigest(tree))


def load(cache: str, tree: bytes) -> "list[Record]":
    """The records of a tree, a real path, the last used first; none where they can't be read or believed."""
    return [_record(fields) for fields in records.load(os.path.join(place(cache, tree), FILE), _MAGIC, tree) or ()]


def save(cache: str, tree: bytes, kept: "Iterable[Record]") -> bool:
    """Whether these are the records of a tree now."""
    return records.save(os.path.join(place(cache, tree), FILE), _MAGIC, tuple(kept), tree)


def owner(folder: str) -> bytes | None:
    """The tree that a folder in the cache directory is for; None where that can't be told."""
    try:
        tree: bytes = records.read(os.path.join(folder, FILE), _MAGIC)[0]
    except (OSError, ValueError):
        return None
    return tree


def state(tree: bytes, module: Module, record: Record, records: "Iterable[Record]") -> "State":
    """What lies in `tree`, a real path, where a module of `record` should.

    `intact`: the module; one that is for all Pythons also as another one left it, for the same sources. `known`: what
    another of the `records` has there. `missing`: nothing. `foreign`: anything else.
    """
    where = os.path.join(tree, module.path)
    try:
        if module.stamp != rows.UNTRUSTED and rows.stamp(rows.packed(rows.row(os.lstat(where)))) == module.stamp:
            return "intact"
        file = rows.read(where, follow=False)
    except OSError as error:
        return "missing" if error.errno in _ABSENT else "foreign"
    except rows.RestlessError:
        return "foreign"
    return "foreign" if file is None else _known(module, file[1], record, records)


def check(  # noqa: PLR0913 - the digests of a tree, and where to look
    cache: str, tree: bytes, native: str, digest: str, *, abi: str, others: "Callable[[Record], list[Found]]"
) -> "list[Found] | None":
    """What lies in a tree with these digests, a path and a finding each; None where no build of it is on record.

    `tree` is a real path, `abi` the ending of extension modules of a Python; `others` are the findings because of which
    a build would not do. Where one would, the state of each of its modules is found; `first` is what an import finds
    before one of them, `left` what is not built any more. With no path `whole`: it may have read what was edited.
    """
    records = load(cache, tree)
    akin = [record for record in records if record.abi == abi and record.native == native]
    told = [record for record in akin if record.tells(native, digest)]
    if not told:
        return [(b"", "whole")] if akin else None
    against = [others(record) for record in told]
    if all(against):
        return against[0]
    record = told[against.index([])]
    findings: list[Found] = [(module.path, state(tree, module, record, records)) for module in record.modules]
    first = _first(tree, record)
    left = [path for path in _left(tree, record, records) if path not in first]
    return [*findings, *((path, "first") for path in first), *((path, "left") for path in left)]


def _first(tree: bytes, record: Record) -> list[bytes]:
    """The files that an import finds before a module of a record, which have the most special ending."""
    own = {module.path for module in record.modules}
    parts = [path.rpartition(b"/") for path in sorted(own)]
    special = [folder + slash + name.partition(b".")[0] + os.fsencode(record.abi) for folder, slash, name in parts]
    return [path for path in special if path not in own and os.path.lexists(os.path.join(tree, path))]


def _left(tree: bytes, record: Record, records: "Iterable[Record]") -> list[bytes]:
    """The modules in the tree that builds of other sources alone have put there, and that can be imported."""
    own = {module.path for other in records if other.native == record.native for module in other.modules}
    endings = (os.fsencode(record.abi), *_SHARED)
    left = {
        module.path
        for other in records
        for module in other.modules
        if module.path not in own
        and module.path.endswith(endings)
        and state(tree, module, other, records) in ("intact", "known")
    }
    return sorted(left)


def _known(module: Module, content: bytes, record: Record, records: "Iterable[Record]") -> "State":
    """As `state`, of a file with this content."""
    if content == module.content:
        return "intact"
    made = (module.path, content)
    owners = [other for other in records if any((part.path, part.content) == made for part in other.modules)]
    if module.path.endswith(_SHARED):
        kin = (record.kin, record.rests, record.whole)
        like = [other for other in owners if (other.kin, other.rests, other.whole) == kin]
        if any(other.tells(record.native, record.digest) for other in like):
            return "intact"
    return "known" if owners else "foreign"


def _record(fields: "Any") -> Record:
    record = Record.of(fields)
    return record.but(wheel=Wheel.of(record.wheel), modules=tuple([Module.of(parts) for parts in record.modules]))
