"""What the last run for one tree observed, and whether that is as it was. Part of the light column.

One file for each tree, in the cache directory of the user. Whatever is wrong with it, there is no memory then, and a
run without memory has the same answers. Nothing is locked: the last writer wins, and each wrote what it observed.
"""

import errno
import os

import xxhash

from freshwheel.about import __version__
from freshwheel.base import files, frame, records, rows
from freshwheel.base.records import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from freshwheel.base.model import Looks
    from freshwheel.base.rows import Row


WATCHED, KIND = b".k"
"""A place whose row must not move; one of which nothing but the type was asked: its row is that of `rows.kind`."""

_SETTING = "freshwheel."
_VARIABLE = "FRESHWHEEL_"
_NO_SETTING = "FRESHWHEEL_CACHE_DIR"
_MAGIC = b"FWMEM\0\0\7"
"""The last byte is the edition of this format."""
_STRICT_SLACK = 60 * 10**9
"""Of the rows of files on a file system that is not known to keep exact times."""
_WIDTH = 17
"""Bytes of a kind and a content."""

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_ROW, _STAMP, _SEAL = 40, 8, 16
"""Bytes of a packed row; of a row hash; of a seal."""


class Ground(Value):
    """What a memory is of."""

    __slots__ = ("device", "question", "rules", "slack", "tree")

    tree: bytes
    """The real path of the tree."""
    device: int
    """Of the file system that the tree is on."""
    slack: int | None
    """In ns: how exact its times are; None: not known."""
    question: bytes
    """What must be equal for the answers to hold, whatever was observed."""
    rules: bytes
    """What selected the inputs, in 16 bytes."""


class Memory(Value):
    """What a run observed, of a ground as above. Paths have a NUL between two; they are relative to it, or absolute."""

    __slots__ = (
        *("absent", "column", "device", "digest", "flags", "inputs", "links", "locks", "places"),
        *("question", "roots", "rules", "seal", "slack", "stamps", "tree", "unread"),
    )

    tree: bytes
    device: int
    slack: int | None
    question: bytes
    rules: bytes
    digest: bytes
    """The source digest: 16 bytes."""
    inputs: bytes
    """Sorted paths."""
    column: bytes
    """Kind and content, 17 bytes for each input."""
    stamps: bytes
    """The row hash, 8 bytes for each input: of what `lstat` says, also for a link."""
    links: bytes
    """Other things that decided something, and were looked at by `lstat`."""
    places: bytes
    """The same, by `stat`: folders that were listed, what links lead to."""
    flags: bytes
    """How much of each place counts: `WATCHED` or `KIND`."""
    absent: bytes
    """What was asked for and was not there; one that is among `links` or `inputs` is a link that leads nowhere."""
    roots: "Sequence[tuple[str, str]]"
    """As a snapshot has them, and both below."""
    locks: "Sequence[str]"
    unread: "Sequence[str]"
    seal: bytes
    """What `rows.seal` says of links and places, then of the inputs, those of each block of `frame.blocks` together."""


def observed(  # noqa: PLR0913 - what a run has seen
    about: Ground,
    started: int,
    inputs: "Sequence[tuple[bytes, bytes, bytes, Row]]",
    looks: "Looks",
    *,
    roots: "Sequence[tuple[str, str]]" = (),
    locks: "Sequence[str]" = (),
    unread: "Sequence[str]" = (),
) -> Memory:
    """The memory of a run that began to look at `started`, a time in ns. Inputs are path, kind, content and row.

    Each row was taken before what it speaks of was read or listed. A folder is among the places, the tree itself as
    `.`. A link that is an input has its own row there, and is among the places with that of its target, or absent; else
    it is not trusted.
    """
    inputs, links, places = sorted(inputs), sorted(looks.links.items()), sorted(looks.places.items())
    file_rows, other_rows = [row for *_, row in inputs], [row for _, row in (*links, *places)]
    stamps = _stamped(file_rows, started, _STRICT_SLACK if about.slack is None else about.slack)
    for number, (path, kind, *_) in enumerate(inputs):
        if kind == b"l" and path not in looks.places and path not in looks.absent:
            stamps[number] = rows.UNTRUSTED
    others = _stamped(other_rows, started, about.slack)
    names = b"\0".join([path for path, *_ in inputs])
    column = b"".join([kind + content for _, kind, content, _ in inputs])
    return Memory(
        **about.named(),
        digest=bytes.fromhex(rows.digest(about.rules, names, column)),
        inputs=names,
        column=column,
        stamps=b"".join(stamps),
        links=b"\0".join([path for path, _ in links]),
        places=b"\0".join([path for path, _ in places]),
        flags=bytes([KIND if path in looks.kinds else WATCHED for path, _ in places]),
        absent=b"\0".join(sorted(looks.absent)),
        roots=roots,
        locks=locks,
        unread=unread,
        seal=rows.seal(other_rows, others) + _seals(names, file_rows, stamps),
    )


def question(settings: object, environ: "Mapping[str, str]", tree: bytes) -> bytes | None:
    """What must be equal for an answer about a tree, a real path, to hold; None if `settings` can't be understood.

    That are our own settings, and the folders in it that tools are given. The settings of the inner backend have no
    part in a source digest.
    """
    ours = framed_settings(settings, ours=True)
    if ours is None:
        return None
    names = [name for name, value in environ.items() if name.startswith(_VARIABLE) and value and name != _NO_SETTING]
    variables = frame.framed(*[frame.texts(name, environ[name]) for name in sorted(names)])
    top = os.path.join(os.fsdecode(tree), "")
    apart = [path for path in files.set_apart(os.fsdecode(tree), environ) if path.startswith(top)]
    return frame.framed(frame.texts(__version__, str(rows.EDITION)), variables, ours, frame.texts(*apart))


def framed_settings(settings: object, *, ours: bool) -> bytes | None:
    """The settings that are our own, or all others, whatever their order; None if they can't be understood."""
    if settings is not None and not isinstance(settings, dict):
        return None
    chosen = []
    for name, value in (settings or {}).items():
        if not isinstance(name, str):
            return None
        if name.startswith(_SETTING) == ours:
            values = [value] if isinstance(value, str) else value
            if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
                return None
            chosen.append(frame.texts(name, type(value).__name__, *values))
    return frame.framed(*sorted(chosen))


def remembered(memory: Memory) -> dict[bytes, tuple[bytes, bytes, bytes]]:
    """Path -> row hash, kind and content, of the regular files whose rows are trusted.

    A file with this row hash, on the same device, still has this content.
    """
    known = {}
    for number, (path, held) in enumerate(contents(memory.inputs, memory.column).items()):
        stamp = memory.stamps[_STAMP * number : _STAMP * (number + 1)]
        if stamp != rows.UNTRUSTED and held[:1] in (b"f", b"x"):
            known[path] = stamp, held[:1], held[1:]
    return known


def contents(inputs: bytes, column: bytes) -> dict[bytes, bytes]:
    """Path -> kind and content of inputs."""
    return {path: column[_WIDTH * number : _WIDTH * (number + 1)] for number, path in enumerate(split(inputs))}


def split(paths: bytes) -> list[bytes]:
    """The paths of a field."""
    return paths.split(b"\0") if paths else []


def real(tree: str) -> bytes:
    """The real path of a tree, as a memory names it."""
    return os.fsencode(os.path.realpath(tree))


def place(cache: str, tree: bytes) -> str:
    """Where the memory of the tree, a real path, lies in the cache directory."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    name = xxhash.xxh3_128_hexdigest(frame.framed(tree, b"%d" % user))
    return os.path.join(cache, "memory", f"{name}.bin")


def load(cache: str, tree: bytes) -> Memory | None:
    """The memory of the tree, a real path; None where there is none that can be used."""
    fields = records.load(place(cache, tree), _MAGIC, tree)
    return None if fields is None else Memory.of(fields)


def save(cache: str, memory: Memory) -> bool:
    """Whether the memory could be written into the cache directory, for its owner alone."""
    path = place(cache, memory.tree)
    files.discard(path)  # what is renamed over a file is flushed by some systems, and no loss of a memory matters
    if not records.save(path, _MAGIC, memory, memory.tree):
        return False
    if not os.path.join(memory.tree, b"").startswith(os.path.join(real(cache), b"")):
        files.tag(cache)
    return True


def _stamped(seen: "Sequence[Row]", started: int, slack: int | None) -> list[bytes]:
    """The row hash of each row; with a slack of None none is trusted."""
    if slack is None:
        return [rows.UNTRUSTED] * len(seen)
    return [
        rows.stamp(pack) if rows.trusted(row, started=started, slack=slack) else rows.UNTRUSTED
        for row, pack in zip(seen, map(rows.packed, seen), strict=True)
    ]


def _seals(names: bytes, seen: "Sequence[Row]", stamps: "Sequence[bytes]") -> bytes:
    """The seal of each block of inputs."""
    seals, end = b"", 0
    for paths in frame.blocks(names):
        start, end = end, end + len(paths)
        seals += rows.seal(seen[start:end], stamps[start:end])
    return seals


def standing(known: "Memory", stem: bytes) -> "list[Row] | None":
    """The rows of the inputs, if nothing has moved; None: something has, or may have, or one of them is a link.

    The row of a link is that of its target, which has none here.
    `stem` is what stands before each relative path. Raises OSError where the tree can't be looked at.
    """
    if b"l" in known.column[::_WIDTH] or not _stands(known, stem):
        return None
    inputs: list[bytes] = []
    for number, paths in enumerate(frame.blocks(known.inputs)):
        packs = rows.seen(os.lstat, _at(stem, paths))
        if rows.sealed(b"".join(packs)) != _seal(known, number):
            return None
        inputs += packs
    return list(map(rows.unpacked, inputs))


def _stands(known: "Memory", stem: bytes) -> bool:
    """Whether all that decides beside the inputs is as it was."""
    if not all(_is_absent(path, stem, known) for path in split(known.absent)):
        return False
    others = rows.seen(os.lstat, _at(stem, split(known.links))) + _seen_places(known, stem)
    return rows.sealed(b"".join(others)) == known.seal[:_SEAL]


def checked(known: "Memory", stem: bytes, started: int) -> "Memory | None":
    """The memory as it is now: the same one if nothing moved; None if more moved than what files hold.

    `stem` is what stands before each relative path; `started` the time now, in ns. Raises OSError where the tree can't
    be looked at.
    """
    if not _stands(known, stem):
        return None
    packs = (b"".join(rows.seen(os.lstat, _at(stem, paths))) for paths in frame.blocks(known.inputs))
    blocks = {number: pack for number, pack in enumerate(packs) if rows.sealed(pack) != _seal(known, number)}
    return _mended(known, stem, blocks, started) if blocks else known


def _seal(known: "Memory", block: int) -> bytes:
    """The seal of a block of inputs."""
    return known.seal[_SEAL * (block + 1) : _SEAL * (block + 2)]


def _seen_places(known: "Memory", stem: bytes) -> list[bytes]:
    """The packed rows of all places; of some nothing counts but the type."""
    packs = rows.seen(os.stat, _at(stem, split(known.places)))
    number = known.flags.find(KIND)
    while number >= 0:
        packs[number] = rows.packed(rows.kind(rows.unpacked(packs[number])))
        number = known.flags.find(KIND, number + 1)
    return packs


def _mended(known: "Memory", stem: bytes, blocks: "Mapping[int, bytes]", started: int) -> "Memory | None":
    """The memory with those files read again that moved; None if one of them is no regular file (any more)."""
    column, stamps, seal = bytearray(known.column), bytearray(known.stamps), bytearray(known.seal)
    first = 0
    for block, paths in enumerate(frame.blocks(known.inputs)):
        if block in blocks:
            parts = _read(known, _at(stem, paths), first, blocks[block], started)
            if parts is None:
                return None
            end = first + len(paths)
            column[_WIDTH * first : _WIDTH * end], stamps[_STAMP * first : _STAMP * end] = parts[:2]
            seal[_SEAL * (block + 1) : _SEAL * (block + 2)] = parts[2]
        first += len(paths)
    digest = bytes.fromhex(rows.digest(known.rules, known.inputs, bytes(column)))
    return known.but(column=bytes(column), stamps=bytes(stamps), digest=digest, seal=bytes(seal))


def _read(
    known: "Memory", paths: list[bytes], first: int, packs: bytes, started: int
) -> "tuple[bytes, bytes, bytes] | None":
    """Column, stamps and seal of a block of inputs, those that moved read again; None where one is no regular file.

    `first` is the number of its first input, `packs` are the packed rows.
    """
    end = first + len(paths)
    column, stamps = (
        bytearray(known.column[_WIDTH * first : _WIDTH * end]),
        known.stamps[_STAMP * first : _STAMP * end],
    )
    looks = [packs[start : start + _ROW] for start in range(0, len(packs), _ROW)]
    after = bytearray().join(map(rows.stamp, looks))
    for number in _moved(stamps, bytes(after)):
        was_file = column[_WIDTH * number] in b"fx"
        file = rows.read(paths[number], follow=False) if was_file else None
        if file is None:
            return None
        kind, content, row = file
        looks[number] = rows.packed(row)
        is_trusted = rows.trusted(row, started=started, slack=known.slack or 0)
        column[_WIDTH * number : _WIDTH * (number + 1)] = kind + content
        after[_STAMP * number : _STAMP * (number + 1)] = rows.stamp(looks[number]) if is_trusted else rows.UNTRUSTED
    is_sealed = all(after[start : start + _STAMP] != rows.UNTRUSTED for start in range(0, len(after), _STAMP))
    return bytes(column), bytes(after), rows.sealed(b"".join(looks)) if is_sealed else rows.UNSEALED


def _moved(before: bytes, after: bytes) -> list[int]:
    """The numbers of the row hashes that differ."""
    return [at // _STAMP for at in range(0, len(after), _STAMP) if before[at : at + _STAMP] != after[at : at + _STAMP]]


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
    if path not in split(known.links) and path not in split(known.inputs):
        return False
    try:
        os.stat(where)
    except OSError as error:
        return error.errno in _ABSENT
    return False
