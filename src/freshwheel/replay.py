"""The last answer again, while everything it observed still holds. Part of the light column.

It steps aside, which is None, wherever it can't be sure, and whatever goes wrong: the recipes then answer.
"""

import errno
import os
import time

from freshwheel import answers, frame, lease, memory, rows, shelf
from freshwheel.entry import unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeVar

    from freshwheel.answers import Answer
    from freshwheel.lease import Lease
    from freshwheel.memory import Memory
    from freshwheel.shelf import Shelf

    T = TypeVar("T")

__all__ = ["metadata", "requires", "source_digest", "wheel"]

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_GONE = (errno.ENOENT, errno.ENOTDIR)
_WIDTH, _COLUMN, _STAMP, _SEAL = 40, 17, 8, 16
"""Bytes of a packed row; of kind and content; of a row hash; of a seal."""
_BLOCK = 64
"""Rows that are compared at once."""
_HOOK = "build_wheel"
"""Other wheels than these are not stored."""
_LEASES = 16
"""With more than these some are of runs that are over."""


def source_digest(
    tree: str, environ: "Mapping[str, str]", settings: object, *, now: "Callable[[], int]" = time.time_ns
) -> str | None:
    """The source digest of `tree`, if the memory of it still knows; `now` is the time in ns."""
    return _unless_odd(lambda: _source_digest(tree, environ, settings, now()))


def wheel(
    tree: str,
    environ: "Mapping[str, str]",
    settings: object,
    directory: str,
    *,
    now: "Callable[[], int]" = time.time_ns,
) -> str | None:
    """The file name of the wheel, handed out into `directory` once more."""
    return _unless_odd(lambda: _wheel(_Case(tree, environ, settings, now), directory))


def metadata(
    tree: str,
    environ: "Mapping[str, str]",
    settings: object,
    directory: str,
    *,
    now: "Callable[[], int]" = time.time_ns,
) -> str | None:
    """The name of the `.dist-info` folder, written into `directory` once more."""
    return _unless_odd(lambda: _metadata(_Case(tree, environ, settings, now), directory))


def requires(
    tree: str, environ: "Mapping[str, str]", settings: object, *, now: "Callable[[], int]" = time.time_ns
) -> list[str] | None:
    """No requirement, where this run of a frontend now has a lease of the wheel."""
    return _unless_odd(lambda: _requires(_Case(tree, environ, settings, now), now()))


def _unless_odd(answer: "Callable[[], T | None]") -> "T | None":
    """The answer, None where anything is wrong: what is remembered must never be in the way."""
    try:
        return answer()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - whatever it is
        return None


class _AsideError(Exception):
    """It can't be sure: the recipes answer."""


class _Case:
    """One call that was answered before, all that the answer rests on being as it was. Raises where it is not."""

    __slots__ = ("answer", "cache", "environ", "run", "shelf")

    answer: "Answer"
    cache: str
    environ: "Mapping[str, str]"
    run: bytes | None
    """What this run of a frontend is known by."""
    shelf: "Shelf"

    def __init__(self, tree: str, environ: "Mapping[str, str]", settings: object, now: "Callable[[], int]") -> None:
        where, cache = memory.real(tree), frame.cache_directory(environ)
        asked = answers.question(where, _HOOK, settings, environ)
        answer = answers.load(cache, asked) if cache is not None and asked is not None else None
        if cache is None or asked is None or answer is None or not answers.holds(answer, environ):
            raise _AsideError
        found = shelf.at(cache, shelf.identity())
        if isinstance(found, str) or _source_digest(tree, environ, settings, now()) != answer.digest.decode():
            raise _AsideError
        os.lstat(found.entry_place(answer.entry.decode()))  # whoever removes an entry wants a build
        self.answer, self.cache, self.environ, self.shelf = answer, cache, environ, found
        self.run = lease.run(where, environ, asked) if lease.isolation(environ) is not None else None

    def held(self) -> "Lease | None":
        """What this run was promised, if anything: this very wheel, or it is for the recipes to decide."""
        held = lease.find(self.cache, self.run) if self.run is not None else None
        same = (self.answer.wheel, self.answer.key.decode(), self.answer.digest.decode())
        if held is not None and (held.name, held.key, held.digest) != same:
            raise _AsideError
        return held

    def hand_out(self, target: str) -> None:
        """`target` holds the wheel."""
        if self.shelf.hand_out(self.answer.blob, target):
            raise _AsideError
        self.shelf.used(self.answer.entry.decode())


def _wheel(case: _Case, directory: str) -> str | None:
    name = case.answer.wheel
    if any(one.endswith(".whl") and one != name for one in os.listdir(directory)):
        return None  # it may be an earlier one, which would have to go
    held = case.held()
    case.hand_out(os.path.join(directory, name))
    if held is not None:
        lease.drop(held)
    return name


def _metadata(case: _Case, directory: str) -> str | None:
    files = unpack(case.answer.info)
    case.held()
    if not files:
        return None
    for name, data in files.items():
        path = os.path.join(directory, *name.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
    return next(iter(files)).partition("/")[0]


def _requires(case: _Case, now: int) -> list[str] | None:
    answer = case.answer
    if not answer.lean or case.run is None:
        return None
    leases = os.path.join(case.cache, "leases")
    frame.settle(leases)
    if len(os.listdir(leases)) > _LEASES:
        lease.sweep(case.cache, now / 1e9)
    path = frame.beside(os.path.join(case.cache, "wheel"))
    try:
        case.hand_out(path)
        kept = (path, answer.wheel)
        held = lease.grant(case.cache, case.run, key=answer.key.decode(), digest=answer.digest.decode(), wheel=kept)
    finally:
        frame.remove(path)
    return None if held is None else []


def _source_digest(tree: str, environ: "Mapping[str, str]", settings: object, started: int) -> str | None:
    asked = memory.question(settings, environ)
    cache = frame.cache_directory(environ)
    if asked is None or cache is None:
        return None
    where = memory.real(tree)
    known = memory.load(cache, where)
    home = os.stat(where)
    if known is None or known.question != asked or known.slack is None or known.device != home.st_dev:
        return None
    # The kernel walks to a relative path in less time.
    mended = _looked(known, b"" if os.path.samestat(home, os.stat(b".")) else where + b"/", started)
    if mended is None:
        return None
    if any(getattr(mended, name) != getattr(known, name) for name in ("inputs", "column", "stamps", "watched")):
        memory.save(cache, mended)
    return mended.digest.hex()


def _looked(known: "Memory", stem: bytes, started: int) -> "Memory | None":
    """The memory as it is now: the same one if nothing moved; None if more moved than what files hold."""
    if not all(_is_absent(path, stem, known) for path in memory.split(known.absent)):
        return None
    others = rows.seen(os.lstat, _at(stem, memory.split(known.links))) + _seen_places(known, stem)
    calm = rows.sealed(b"".join(others)) == known.seal[:_SEAL]
    moved = [] if calm else list(_moved(known.watched, b"".join(map(rows.stamp, others))))
    if moved:
        known, packs = _spliced(known, stem, others, moved, started)
    else:
        packs = (b"".join(rows.seen(os.lstat, _at(stem, paths), gone=_GONE)) for paths in frame.blocks(known.inputs))
    blocks = {number: pack for number, pack in enumerate(packs) if rows.sealed(pack) != _seal(known, number)}
    return _mended(known, stem, blocks, others, started) if blocks or not calm else known


def _seal(known: "Memory", block: int) -> bytes:
    """The seal of a block of inputs."""
    return known.seal[_SEAL * (block + 1) : _SEAL * (block + 2)]


def _seen_places(known: "Memory", stem: bytes) -> list[bytes]:
    """The packed rows of all places; of some nothing counts but the type."""
    found = rows.seen(os.stat, _at(stem, memory.split(known.places)))
    number = known.flags.find(memory.KIND)
    while number >= 0:
        found[number] = rows.packed(rows.kind(rows.unpacked(found[number])))
        number = known.flags.find(memory.KIND, number + 1)
    return found


def _spliced(
    known: "Memory", stem: bytes, others: list[bytes], moved: list[int], started: int
) -> "tuple[Memory, Iterable[bytes]]":
    """The memory with the files that came and without those that went, and the packed rows of each block of inputs.

    Raises where it can't. No input is sealed any more.
    """
    from freshwheel.sources import splice  # noqa: PLC0415 - heavy, and needed where a file came or went only

    links = len(others) - len(known.flags)
    if moved[0] < links:
        raise splice.RefusedError
    packs = [pack for paths in frame.blocks(known.inputs) for pack in rows.seen(os.lstat, _at(stem, paths), gone=_GONE)]
    known, packs = splice.spliced(known, packs, others[links:], [number - links for number in moved])
    watched = bytearray(known.watched)
    for number in moved:
        is_trusted = rows.trusted(rows.unpacked(others[number]), started=started, slack=known.slack or 0)
        watched[8 * number : 8 * number + 8] = rows.stamp(others[number]) if is_trusted else rows.UNTRUSTED
    looks = iter(packs)
    blocks = [b"".join([next(looks) for _ in paths]) for paths in frame.blocks(known.inputs)]
    return known.but(watched=bytes(watched), seal=bytes(_SEAL * (1 + len(blocks)))), blocks


def _mended(
    known: "Memory", stem: bytes, blocks: "Mapping[int, bytes]", others: list[bytes], started: int
) -> "Memory | None":
    """The memory with those files read again that moved; None if one of them is no regular file (any more)."""
    column, stamps, seal = bytearray(known.column), bytearray(known.stamps), bytearray(known.seal)
    seal[:_SEAL] = rows.UNSEALED if rows.UNTRUSTED in known.watched else rows.sealed(b"".join(others))
    first = 0
    for block, paths in enumerate(frame.blocks(known.inputs)):
        if block in blocks:
            found = _read(known, _at(stem, paths), first, blocks[block], started)
            if found is None:
                return None
            end = first + len(paths)
            column[_COLUMN * first : _COLUMN * end], stamps[_STAMP * first : _STAMP * end] = found[:2]
            seal[_SEAL * (block + 1) : _SEAL * (block + 2)] = found[2]
        first += len(paths)
    digest = bytes.fromhex(rows.digest(known.rules, known.inputs, bytes(column)))
    return known.but(
        column=bytes(column),
        stamps=bytes(stamps),
        digest=digest,
        seal=bytes(seal),
        answers=known.answers if digest == known.digest else {},
    )


def _read(
    known: "Memory", paths: list[bytes], first: int, packs: bytes, started: int
) -> "tuple[bytes, bytes, bytes] | None":
    """Column, stamps and seal of a block of inputs, those that moved read again; None where one is no regular file.

    `first` is the number of its first input, `packs` are the packed rows.
    """
    end = first + len(paths)
    column, stamps = (
        bytearray(known.column[_COLUMN * first : _COLUMN * end]),
        known.stamps[_STAMP * first : _STAMP * end],
    )
    looks = [packs[start : start + _WIDTH] for start in range(0, len(packs), _WIDTH)]
    after = bytearray().join(map(rows.stamp, looks))
    for number in _moved(stamps, after):
        was_file = column[_COLUMN * number] in b"fx"
        found = rows.read(paths[number], follow=False) if was_file else None
        if found is None:
            return None
        kind, content, row = found
        looks[number] = rows.packed(row)
        is_trusted = rows.trusted(row, started=started, slack=known.slack or 0)
        column[_COLUMN * number : _COLUMN * (number + 1)] = kind + content
        after[_STAMP * number : _STAMP * (number + 1)] = rows.stamp(looks[number]) if is_trusted else rows.UNTRUSTED
    is_sealed = all(after[start : start + _STAMP] != rows.UNTRUSTED for start in range(0, len(after), _STAMP))
    return bytes(column), bytes(after), rows.sealed(b"".join(looks)) if is_sealed else rows.UNSEALED


def _moved(before: bytes, after: bytes) -> "Iterator[int]":
    """The numbers of the row hashes that differ."""
    for block in range(0, len(before), 8 * _BLOCK):
        end = block + 8 * _BLOCK
        if before[block:end] != after[block:end]:
            for place in range(block, min(end, len(before)), 8):
                if before[place : place + 8] != after[place : place + 8]:
                    yield place // 8


def _at(stem: bytes, paths: list[bytes]) -> list[bytes]:
    """The paths as the system finds them."""
    return [path if os.path.isabs(path) else stem + path for path in paths] if stem else paths


def _is_absent(path: bytes, stem: bytes, known: "Memory") -> bool:
    """Whether there still is nothing; a link that was there, and led nowhere, may be there."""
    [where] = _at(stem, [path])
    try:
        os.lstat(where)
    except OSError as error:
        return error.errno in _ABSENT
    if path not in memory.split(known.links) and path not in memory.split(known.inputs):
        return False
    try:
        os.stat(where)
    except OSError as error:
        return error.errno in _ABSENT
    return False
