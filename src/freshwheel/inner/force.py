"""What cargo must notice, made newer: it compares times and not contents.

Cargo holds a source for unchanged unless its mtime is newer than the start of the compilation that last read it. A copy
that keeps times, an unpacked archive or a restored build folder all bring other contents under older times. What is
kept true here, for every unit in the build folders: *a source whose content is not what the unit was made from has an
mtime newer than the unit*. A record says for which profiles that is known to hold, and for which contents and mtimes.
Whatever else worked in a profile since, it makes the profile foreign, and then no input is trusted to look new.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from freshwheel.base.frame import framed, unframed
from freshwheel.base.records import dumped, parsed
from freshwheel.inner.build_folders import Profile

_MAGIC = b"FORCE4\0\0"
_KIND_AND_CONTENT = 17
_TIME = struct.Struct("<q")
_COARSE = 2_000_000_000
"""The coarsest step of mtimes that a file system has, in nanoseconds."""
_RECIPES = 16
"""How many are remembered."""
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What one build is made from, and how."""

    recipe: bytes
    """What chooses how the tool is called, digested by the caller: hook, settings, environment, build files."""
    inputs: Mapping[bytes, bytes]
    """Kind and content digest, 17 bytes, of each input that the tool may watch."""
    mtimes: Mapping[bytes, int]
    """Of the same inputs; of a link to a file, that of the file."""
    around: bytes = b""
    """What else the build may take something from, digested by the caller: requirements, tools, variables."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What is known of some build folders after a build of ours."""

    seen: Seen
    """What that build was made from."""
    profiles: Mapping[str, bytes]
    """The stamps of those profiles for which all units keep to what stands at the top of this module."""
    used: Mapping[bytes, frozenset[str]]
    """The profiles that a recipe works in, for those of which that is known."""
    doubt: str = ""
    """What may be stale in them all the same, in words, until they are built anew."""

    def dump(self) -> bytes:
        """The record as bytes that `parse` reads."""
        profiles, paths = sorted(self.profiles), sorted(self.seen.inputs)
        fields = (
            self.seen.recipe,
            framed(*map(os.fsencode, profiles)),
            framed(*(self.profiles[name] for name in profiles)),
            framed(*(framed(one, *map(os.fsencode, sorted(names))) for one, names in sorted(self.used.items()))),
            self.seen.around,
            self.doubt.encode("utf-8", "surrogateescape"),
            framed(*paths),
            b"".join([self.seen.inputs[path] + _TIME.pack(self.seen.mtimes[path]) for path in paths]),
        )
        return dumped(_MAGIC, fields)

    @classmethod
    def parse(cls, data: bytes) -> Record | None:
        """The record that `dump` wrote; None for anything else."""
        try:
            recipe, names, stamps, used, around, doubt, paths, facts = parsed(_MAGIC, data)
            each = _KIND_AND_CONTENT + _TIME.size
            cut = [facts[at : at + each] for at in range(0, len(facts), each)]
            keys = unframed(paths)
            pairs = list(zip(keys, cut, strict=True))
            inputs = {path: fact[:_KIND_AND_CONTENT] for path, fact in pairs}
            mtimes = {path: _TIME.unpack(fact[_KIND_AND_CONTENT:])[0] for path, fact in pairs}
            return cls(
                seen=Seen(recipe=recipe, inputs=inputs, mtimes=mtimes, around=around),
                profiles=dict(zip(map(os.fsdecode, unframed(names)), unframed(stamps), strict=True)),
                used={one: frozenset(map(os.fsdecode, known)) for one, *known in map(unframed, unframed(used))},
                doubt=doubt.decode("utf-8", "surrogateescape"),
            )
        except (ValueError, struct.error):
            return None


def changed(record: Record, seen: Seen) -> dict[bytes, Literal["added", "changed", "deleted"]]:
    """The inputs that are not what was recorded, and how."""
    old, new = record.seen.inputs, seen.inputs
    moved = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    return {path: "added" if path not in old else "changed" if path in new else "deleted" for path in moved}


def profiles(record: Record | None, state: Mapping[str, Profile], recipe: bytes) -> set[str]:
    """The profiles that the next build may work in: all, unless an earlier one by the same recipe tells."""
    known = frozenset() if record is None else record.used.get(recipe, frozenset())
    return set(state) & known if known else set(state)


def is_ours(record: Record | None, state: Mapping[str, Profile], recipe: bytes) -> bool:
    """Whether nobody else has worked in the profiles that the next build may work in."""
    return profiles(record, state, recipe) <= _fitting(record, state)


def newest(record: Record | None, state: Mapping[str, Profile], recipe: bytes) -> int:
    """The newest mtime that cargo may compare a source with, in all profiles that the record is to hold for."""
    return max((state[name].newest for name in _held(record, state, recipe)), default=0)


def pending(
    record: Record | None, state: Mapping[str, Profile], seen: Seen, *, now: int, forced: Collection[bytes] = ()
) -> dict[bytes, int]:
    """The inputs that need another mtime before a build, and which.

    With a foreign profile among those that the build may work in: all that do not look new. Else those alone that are
    not as recorded, and the `forced` ones, whose units must be compiled for another reason. What is as recorded but
    went back in time gets its recorded mtime again, which compiles nothing.
    """
    counting = profiles(record, state, seen.recipe)
    limit = newest(record, state, seen.recipe)
    later = max(now, limit + 1)
    if any(not state[name].stamp for name in counting):
        return dict.fromkeys(sorted(seen.inputs), later)
    old = sorted(path for path in seen.inputs if seen.mtimes[path] <= limit)
    if record is None or not is_ours(record, state, seen.recipe):
        return dict.fromkeys(old, later)
    known = record.seen
    names = known.inputs.keys() | seen.inputs.keys()
    changed = {path for path in names if known.inputs.get(path) != seen.inputs.get(path)}
    # cargo follows links once, and from then on watches where they led: it sees neither a new text nor a new target.
    if any(_is_link(known, path) or _is_link(seen, path) for path in changed):
        return dict.fromkeys(old, later)
    changed |= {path for path in forced if path in seen.inputs}
    times = {path: later for path in old if path in changed}
    same = sorted(seen.inputs.keys() - changed)
    return times | {path: known.mtimes[path] for path in same if seen.mtimes[path] < known.mtimes[path]}


def recorded(record: Record | None, before: Mapping[str, Profile], after: Mapping[str, Profile], seen: Seen) -> Record:
    """The record after a build, a failed one too; `before` is the state, and `seen` has the mtimes, after `touch`.

    Only for a build with all touched that was pending, and during which no input moved, looked at later than `after`.
    After any other the old record is to be forgotten.
    """
    held = _held(record, before, seen.recipe)
    ours = {name: one.stamp for name, one in after.items() if one.stamp and (name in held or name not in before)}
    moved = frozenset(name for name in after if after[name] != before.get(name))
    limit = newest(record, before, seen.recipe)
    used = {} if record is None else dict(record.used)
    known = used.pop(seen.recipe, frozenset())
    if known:
        known |= moved
    elif all(seen.mtimes[path] > limit for path in seen.inputs if not _is_link(seen, path)):
        known = moved  # everything was compiled, so the profiles that this recipe works in are among them
    latest = [(seen.recipe, known)] if known else []
    return Record(seen=seen, profiles=ours, used=dict([*used.items(), *latest][-_RECIPES:]))


def touch(tree: bytes, times: Mapping[bytes, int], *, newest: int) -> list[bytes]:
    """Gives each path its mtime, and returns those that can't have it; what is not there any more needs none.

    A link passes it on to the file that it leads to; one to a folder has no use for it. What lies outside of the tree,
    and of the folders above that `times` reaches, is not touched. An mtime that the file system cut down to `newest` is
    set a step later.
    """
    top = os.path.realpath(_at(tree, b"/".join([b".."] * max(map(_climb, times), default=0))))
    return [path for path, time in times.items() if not _touched(_at(tree, path), time, newest, top)]


def _is_link(seen: Seen, path: bytes) -> bool:
    return seen.inputs.get(path, b"")[:1] == b"l"


def _fitting(record: Record | None, state: Mapping[str, Profile]) -> set[str]:
    """The profiles that are exactly what was recorded."""
    known = {} if record is None else record.profiles
    return {name for name, one in state.items() if one.stamp and known.get(name) == one.stamp}


def _held(record: Record | None, state: Mapping[str, Profile], recipe: bytes) -> set[str]:
    """The profiles that are to be right before a build. What others use and we don't is left to them."""
    return profiles(record, state, recipe) | _fitting(record, state)


def _touched(path: bytes, time: int, newest: int, top: bytes) -> bool:
    """Whether a path has its mtime now, or is gone."""
    real = os.path.realpath(path)
    if os.path.isdir(real):
        return True
    if not real.startswith(os.path.join(top, b"")):
        return not os.path.exists(real)
    try:
        _set(real, time)
        if newest < time and os.stat(real).st_mtime_ns <= newest:
            _set(real, newest + _COARSE)
            return os.stat(real).st_mtime_ns > newest
    except OSError as error:
        return error.errno in _GONE
    return True


def _set(path: bytes, time: int) -> None:
    os.utime(path, ns=(os.stat(path).st_atime_ns, time))


def _at(tree: bytes, path: bytes) -> bytes:
    return os.path.join(tree, path) if path else tree


def _climb(path: bytes) -> int:
    return path.split(b"/").count(b"..")
