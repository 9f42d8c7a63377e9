"""An earlier wheel that does for other sources: relabelled where no edit reaches it, repacked where one is only packed.

What each stored build has used of its tree is kept in the store, under a key for all that decides beside the inputs.
Nothing here can fail a build. Whatever is in doubt means that one is needed.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freshwheel.base import records, toml_access
from freshwheel.base.errors import FreshwheelError, WheelError
from freshwheel.base.model import Snapshot
from freshwheel.base.records import Value
from freshwheel.build import lookup
from freshwheel.build.lookup import Case
from freshwheel.build.output import private
from freshwheel.inner import build_key
from freshwheel.memory import lease, memory
from freshwheel.observe.account import folders_above
from freshwheel.sources import digest, disk
from freshwheel.store.shelf import USES, Entry
from freshwheel.store.store import Draft

if TYPE_CHECKING:
    from freshwheel.build.inner_build import Built
    from freshwheel.build.observation import Traces

_MAGIC = b"FWUSES\0\3"
_MOST = 8
"""Builds that are kept under one key, those that were made or did last."""
_LARGEST = 16 << 20
"""Bytes of a member that is packed anew."""
_FILES = frozenset(b"fxt")
"""Kinds of inputs that lead nowhere else."""


class _Build(Value):
    """What one stored build has used of its tree."""

    __slots__ = ("column", "created", "entry", "packed", "paths", "rules", "used")

    column: bytes
    created: int
    """Of the entry, for another one may take its place."""
    entry: str
    """The key that its entry lies under."""
    packed: Mapping[bytes, str]
    """The inputs that it has only packed, each with the name of its member."""
    paths: bytes
    """With `column`, all inputs, as `digest.columns` has them."""
    rules: bytes
    used: bytes
    """As `Page.used` has it, with a NUL between two."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """An earlier build whose wheel does for a case."""

    build: _Build
    entry: Entry
    members: Mapping[str, bytes]
    """The inputs that are to be packed anew, by the names of their members."""


def note(case: Case, built: Built, entry: Entry, locks: Mapping[bytes, tuple[str, bytes]]) -> None:
    """Puts on record what the build of an entry has used, if all of that is known."""
    findings, snapshot = built.findings, built.later
    if findings is None or built.unobserved or not isinstance(snapshot, Snapshot) or not _is_known(case):
        return
    place, about = _place(case, snapshot, locks)
    paths, column = digest.columns(snapshot.inputs)
    always = {b"pyproject.toml", *map(os.fsencode, case.context.own_path)}
    packed = _packed(case, built, snapshot, findings.traces)
    build = _Build(
        column=column,
        created=entry.created,
        entry=entry.key,
        packed={path: name for path, name in packed.items() if path not in always},
        paths=paths,
        rules=snapshot.rules,
        used=b"\0".join(sorted(findings.traces.used | always)),
    )
    _keep(place, about, build, _builds(place, about))


def _keep(place: str, about: str, first: _Build, builds: Sequence[_Build]) -> None:
    others = [build for build in builds if (build.entry, build.created) != (first.entry, first.created)]
    records.save(place, _MAGIC, [first, *others][:_MOST], about)


def packed(case: Case) -> AbstractSet[bytes]:
    """The inputs that the last stored build has only packed; nothing where none is on record."""
    builds = _builds(*_place(case, case.snapshot, case.locks)) if _is_known(case) else []
    return max(builds, key=lambda build: build.created).packed.keys() if builds else frozenset()


def candidate(case: Case) -> Candidate | None:
    """The last build that has at most packed what differs now; None: there is none."""
    builds = _builds(*_place(case, case.snapshot, case.locks))
    return next((known for known in _fitting(case, builds) if case.holds(known.entry)), None)


def entries(case: Case) -> Iterator[Entry]:
    """The entries of all builds that have at most packed what differs now, whatever else they rest on."""
    for folder, _, names in os.walk(os.path.join(case.store.shelf.root, USES)):
        for name in sorted(names):
            yield from (known.entry for known in _fitting(case, _builds(os.path.join(folder, name), name)))


def stored(case: Case) -> bool:
    """Whether the store has an entry for the case now: that of an earlier build whose wheel does."""
    if not case.writes or case.entry() is not None:
        return False
    known = candidate(case)
    if known is None:
        return False
    parts = build_key.parts(case.facts.components, salt=case.salt)
    entry = _repacked(case, known, parts) if known.members else case.store.copy(known.entry, case.key, parts, case.tree)
    if entry is None:
        return False
    lease.renew(case.context.cache, entry.key, lease.resolved(case.context.cache, known.entry.key))
    place, about = _place(case, case.snapshot, case.locks)
    builds = _builds(place, about)
    if builds and (builds[0].entry, builds[0].created) != (known.build.entry, known.build.created):
        _keep(place, about, known.build, builds)
    return True


def _fitting(case: Case, builds: Iterable[_Build]) -> Iterator[Candidate]:
    """Those of the builds that have at most packed what differs now, as far as the store has their wheels."""
    if not _is_known(case):
        return
    now = {file.path: file.kind + file.content for file in case.snapshot.inputs}
    for build in builds:
        members = _members(build, now) if build.rules == case.snapshot.rules else None
        entry = None if members is None else case.store.shelf.find(build.entry)
        if entry is None or members is None or entry.created != build.created:
            continue
        if entry.tree in (None, case.tree):
            yield Candidate(build=build, entry=entry, members=members)


def _repacked(case: Case, known: Candidate, parts: Mapping[str, str]) -> Entry | None:
    """The entry of the earlier wheel with other members, now stored; None where that can't be."""
    from freshwheel.wheel import archive  # noqa: PLC0415 - most earlier wheels are only copied

    entry = known.entry
    contents: dict[str, bytes] = {}
    for name, path in known.members.items():
        data = _content(case.context.call.tree, path, case.snapshot)
        if data is None:
            return None
        contents[name] = data
    draft = Draft(
        key=case.key,
        base=entry.base,
        built=entry.built,
        parts=parts,
        discovered=entry.discovered,
        tree=entry.tree,
        installed=entry.installed,
        milliseconds=entry.milliseconds,
    )
    with private() as apart, contextlib.suppress(WheelError, OSError):
        source, target = os.path.join(apart, entry.inner.name), os.path.join(apart, "repacked")
        if case.store.hand_out(entry.inner.blob, source):
            os.mkdir(target)
            name = archive.repack(archive.read(source), target, contents)
            put = case.store.put(draft, os.path.join(target, name))
            return None if isinstance(put, str) else put
    return None


def _content(tree: str, path: bytes, snapshot: Snapshot) -> bytes | None:
    """What an input holds, if that is what the snapshot says."""
    [content] = [file.content for file in snapshot.inputs if file.path == path]
    with contextlib.suppress(OSError), open(disk.at(os.fsencode(tree), path), "rb") as file:
        data = file.read()
        return data if digest.of(data) == content else None
    return None


def _packed(case: Case, built: Built, snapshot: Snapshot, traces: Traces) -> dict[bytes, str]:
    """The inputs that the build has only packed, and that are members byte for byte, each with its member.

    What says how files are packed may fill in a text that was not there to be filled in before.
    """
    from freshwheel.wheel import archive  # noqa: PLC0415 - loaded where a wheel was built

    tree, pyproject = case.context.call.tree, case.context.project.pyproject
    settings = toml_access.strings(pyproject.get("tool", {}))
    files = [file.path for file in snapshot.inputs if file.path in traces.once and file.kind in (b"f", b"x")]
    files = [path for path in files if not any(os.fsdecode(path) in text for text in settings)]
    try:
        with zipfile.ZipFile(built.path) as wheel:
            members = [member for member in wheel.infolist() if not _is_made(member.filename)]
            pairs = list(_pairs(tree, wheel, members, snapshot, files))
    except archive.REFUSALS:
        return {}
    paths, names = (Counter(column) for column in zip(*pairs, strict=True)) if pairs else (Counter(), Counter())
    # A member that holds the same, and has no file of its own, may be a copy.
    others = {(member.file_size, member.CRC) for member in members if member.filename not in names}
    copied = {member.filename for member in members if (member.file_size, member.CRC) in others}
    again = {place for path in traces.often for place in _tails(path)}
    return {
        path: name
        for path, name in pairs
        if paths[path] == names[name] == 1 and name not in copied and _installed(name) not in again
    }


def _is_made(member: str) -> bool:
    """Whether a member is written, or rewritten, by whoever packs: of a script the first line."""
    folder, _, below = member.partition("/")
    return folder.endswith(".dist-info") or (folder.endswith(".data") and below.startswith("scripts/"))


def _pairs(
    tree: str, wheel: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], snapshot: Snapshot, files: Iterable[bytes]
) -> Iterator[tuple[bytes, str]]:
    """Inputs and members that end alike and hold the same."""
    places: dict[str, list[zipfile.ZipInfo]] = {}
    for member in members:
        places.setdefault(_installed(member.filename), []).append(member)
    for path in files:
        alike = [member for place in _tails(path) for member in places.get(place, ())]
        data = _content(tree, path, snapshot) if alike and max(like.file_size for like in alike) <= _LARGEST else None
        for member in alike:
            if data is not None and zlib.crc32(data) == member.CRC and wheel.read(member) == data:
                yield path, member.filename


def _tails(path: bytes) -> list[str]:
    """A path, and what is left of it without its first folders."""
    parts = os.fsdecode(path).split("/")
    return ["/".join(parts[number:]) for number in range(len(parts))]


def _installed(name: str) -> str:
    """The name of a member as it is installed beside packages."""
    folder, _, below = name.partition("/")
    return below.partition("/")[2] if folder.endswith(".data") else name


def _is_known(case: Case) -> bool:
    """Whether it is known what the inner backend asks for: nobody observes what it reads for that."""
    return bool(case.context.backend.modules) and not case.context.config.backend_path and not case.context.in_place


def _place(case: Case, snapshot: Snapshot, locks: Mapping[bytes, tuple[str, bytes]]) -> tuple[str, str]:
    """Where what builds have used is kept for a case, and the key of all that decides beside the inputs."""
    try:
        base = case.context.base()
    except FreshwheelError as error:
        base = error.message
    parts = [part for part in case.facts.components if part.name != lookup.SOURCES]
    key = build_key.key([*parts, *lookup.locked(snapshot.locks, locks), build_key.component("base version", base)])
    return os.path.join(case.store.shelf.root, USES, key[:2], key), key


def _builds(place: str, about: str) -> list[_Build]:
    """The builds on record, the one that was made or did last first."""
    return [_Build.of(fields) for fields in records.load(place, _MAGIC, about) or ()]


def _members(build: _Build, now: Mapping[bytes, bytes]) -> dict[str, bytes] | None:
    """The inputs that a build has only packed, and that differ now, by member; None where it has used more of those.

    `now` is path -> kind and content.
    """
    before = memory.contents(build.paths, build.column)
    differing = {path: (before.get(path, b""), now.get(path, b"")) for path, _ in before.items() ^ now.items()}
    if not all(cell[0] in _FILES for cells in differing.values() for cell in cells if cell):
        return None
    used = frozenset(build.used.split(b"\0"))
    same = {path for path, (old, new) in differing.items() if old[:1] == new[:1]}
    members = {build.packed[path]: path for path in same if path in build.packed}
    others = differing.keys() - members.values()
    if not used.isdisjoint(others):
        return None
    appearing = others - same
    lasting = folders_above(before).intersection(folders_above(now)) if appearing else frozenset[bytes]()
    return None if any(_is_seen(path, used, lasting) for path in appearing) else members


def _is_seen(path: bytes, used: AbstractSet[bytes], lasting: AbstractSet[bytes]) -> bool:
    """Whether a build comes upon a file that is new or gone, or upon a folder that is so with it."""
    return path.startswith(b"../") or any(
        place in used or (os.path.dirname(place) or b".") + b"/" in used for place in _appearing(path, lasting)
    )


def _appearing(path: bytes, lasting: AbstractSet[bytes]) -> Iterator[bytes]:
    """A path, and the folders above it that hold no other input before or after."""
    while path and path not in lasting:
        yield path
        path = os.path.dirname(path)
