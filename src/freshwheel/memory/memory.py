"""What the last run for one tree observed, and what it answered. Part of the light column.

One file for each tree, in the cache directory of the user. Whatever is wrong with it, there is no memory then, and a
run without memory has the same answers. Nothing is locked: the last writer wins, and each wrote what it observed.
"""

import os

import xxhash

from freshwheel.about import __version__
from freshwheel.base import files, frame, records, rows
from freshwheel.base.records import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from freshwheel.base.rows import Row

    Seen = Sequence[tuple[bytes, Row]]
    """Paths, and their rows."""

WATCHED, KIND = b".k"
"""A place whose row must not move; one of which nothing but the type was asked: its row is that of `rows.kind`."""

_SETTING = "freshwheel."
_VARIABLE = "FRESHWHEEL_"
_NO_SETTING = "FRESHWHEEL_CACHE_DIR"
_MAGIC = b"FWMEM\0\0\5"
"""The last byte is the edition of this format."""
_STRICT_SLACK = 60 * 10**9
"""Of the rows of files on a file system that is not known to keep exact times."""
_WIDTH = 17
"""Bytes of a kind and a content."""


class Memory(Value):
    """What a run observed. Paths have a NUL between two; they are relative to the tree, or absolute."""

    __slots__ = (
        *("absent", "answers", "column", "device", "digest", "flags", "inputs", "links", "places"),
        *("question", "rules", "seal", "slack", "stamps", "tree"),
    )

    tree: bytes
    """Its real path."""
    device: int
    """Of the file system that the tree is on."""
    slack: int | None
    """In ns: how exact its times are; None: not known."""
    question: bytes
    """What must be equal for the answers to hold, whatever was observed."""
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
    seal: bytes
    """What `rows.seal` says of links and places, then of the inputs, those of each block of `frame.blocks` together."""
    answers: "Mapping[str, bytes]"
    """What else was answered, by name."""


def observed(  # noqa: PLR0913 - one for each thing that was observed
    *,
    tree: bytes,
    device: int,
    slack: int | None,
    started: int,
    question: bytes,
    rules: bytes,
    inputs: "Sequence[tuple[bytes, bytes, bytes, Row]]",
    links: "Seen" = (),
    places: "Seen" = (),
    kinds: "Container[bytes]" = (),
    absent: "Sequence[bytes]" = (),
    answers: "Mapping[str, bytes] | None" = None,
) -> Memory:
    """The memory of a run that began to look at `started`, a time in ns. Inputs are path, kind, content and row.

    Each row was taken before what it speaks of was read or listed. A folder is among `places`, the tree itself as `.`.
    A link that is an input has its own row there, and is among `places` with that of its target, or in `absent`; else
    it is not trusted. `kinds` are the places of which the type alone counts.
    """
    inputs = sorted(inputs)
    file_rows = [row for *_, row in inputs]
    other_rows = [row for _, row in (*links, *places)]
    files = _stamped(file_rows, started, _STRICT_SLACK if slack is None else slack)
    targets = {path for path, _ in places}.union(absent)
    for number, (path, kind, *_) in enumerate(inputs):
        if kind == b"l" and path not in targets:
            files[number] = rows.UNTRUSTED
    others = _stamped(other_rows, started, slack)
    names = b"\0".join([path for path, *_ in inputs])
    column = b"".join([kind + content for _, kind, content, _ in inputs])
    return Memory(
        tree=tree,
        device=device,
        slack=slack,
        question=question,
        rules=rules,
        digest=bytes.fromhex(rows.digest(rules, names, column)),
        inputs=names,
        column=column,
        stamps=b"".join(files),
        links=b"\0".join([path for path, _ in links]),
        places=b"\0".join([path for path, _ in places]),
        flags=bytes([KIND if path in kinds else WATCHED for path, _ in places]),
        absent=b"\0".join(sorted(set(absent))),
        seal=rows.seal(other_rows, others) + _seals(names, file_rows, files),
        answers=dict(answers or {}),
    )


def question(settings: object, environ: "Mapping[str, str]", tree: bytes) -> bytes | None:
    """What must be equal for an answer about a tree, a real path, to hold; None if `settings` can't be understood.

    That are our own settings, and the folders in it that tools are given. The settings of the inner backend have no
    part in a source digest.
    """
    if settings is not None and not isinstance(settings, dict):
        return None
    ours = []
    for name, value in (settings or {}).items():
        if not isinstance(name, str):
            return None
        if name.startswith(_SETTING):
            values = [value] if isinstance(value, str) else value
            if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
                return None
            ours.append(_framed(name, type(value).__name__, *values))
    names = [name for name, value in environ.items() if name.startswith(_VARIABLE) and value and name != _NO_SETTING]
    variables = [_framed(name, environ[name]) for name in sorted(names)]
    about = _framed(__version__, str(rows.EDITION))
    top = os.path.join(os.fsdecode(tree), "")
    apart = [path for path in files.set_apart(os.fsdecode(tree), environ) if path.startswith(top)]
    return frame.framed(about, frame.framed(*variables), frame.framed(*sorted(ours)), _framed(*apart))


def remembered(memory: Memory) -> dict[bytes, tuple[bytes, bytes, bytes]]:
    """Path -> row hash, kind and content, of the regular files whose rows are trusted.

    A file with this row hash, on the same device, still has this content.
    """
    column, stamps = memory.column, memory.stamps
    found = {}
    for number, path in enumerate(split(memory.inputs)):
        stamp = stamps[8 * number : 8 * number + 8]
        kind = column[_WIDTH * number : _WIDTH * number + 1]
        if stamp != rows.UNTRUSTED and kind in (b"f", b"x"):
            found[path] = stamp, kind, column[_WIDTH * number + 1 : _WIDTH * (number + 1)]
    return found


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


def _stamped(found: "Sequence[Row]", started: int, slack: int | None) -> list[bytes]:
    """The row hash of each row; with a slack of None none is trusted."""
    if slack is None:
        return [rows.UNTRUSTED] * len(found)
    return [
        rows.stamp(pack) if rows.trusted(row, started=started, slack=slack) else rows.UNTRUSTED
        for row, pack in zip(found, map(rows.packed, found), strict=True)
    ]


def _seals(names: bytes, found: "Sequence[Row]", stamps: "Sequence[bytes]") -> bytes:
    """The seal of each block of inputs."""
    seals, end = b"", 0
    for paths in frame.blocks(names):
        start, end = end, end + len(paths)
        seals += rows.seal(found[start:end], stamps[start:end])
    return seals


def _framed(*texts: str) -> bytes:
    """Framed texts; the environment may hold what is no text."""
    return frame.framed(*[text.encode("utf-8", "surrogatepass") for text in texts])
