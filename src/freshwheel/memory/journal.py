"""What became of installations, for people: a line each, of all trees in one file. Part of the light column.

The recipes put on record what they decided, and why. An answer that is given again has no new reason: its line here is
all there is of it. `stats` counts the lines. Nothing goes by them.
"""

import os

import xxhash

TYPE_CHECKING = False
if TYPE_CHECKING:
    Line = tuple[int, str, str, str, str, str, str, int, int]
    """When, in seconds since the epoch. What it was: `again` an answer once more, `hit` any other one, `built` or
    `failed`. The hook. What the tree is known by. The file name of the wheel, or of the project where there is none.
    The source digest and the build key, as far as they are known. ms that it took; ms of the build that was saved."""

_LARGEST = 1 << 24
"""Bytes; a longer record begins anew, if nobody has counted what is in it before."""
_DIGITS = 12
"""Of the largest number that is one: what is damaged may have more than can be read."""
_KINDS = ("again", "hit", "built", "failed")
_FIELDS = 9
_NOTHING = "-"


def identity(tree: bytes) -> str:
    """What a tree, a real path, is known by: its path can't be found from that."""
    return xxhash.xxh3_128_hexdigest(tree)


def place(cache: str) -> str:
    """Where the record lies in the cache directory."""
    return os.path.join(cache, "journal")


def add(cache: str, line: "Line") -> None:
    """One more line is on record, if it can be."""
    words = ["".join([sign for sign in str(word) if sign.isprintable() and sign != " "]) or _NOTHING for word in line]
    flags = [getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY")]
    try:
        handle = os.open(place(cache), os.O_WRONLY | os.O_APPEND | os.O_CREAT | sum(flags), 0o600)
        try:
            if os.fstat(handle).st_size > _LARGEST:
                os.ftruncate(handle, 0)
            os.write(handle, f"{' '.join(words)}\n".encode("utf-8", "replace"))
        finally:
            os.close(handle)
    except OSError:
        return


def load(path: str) -> "list[Line]":
    """The lines of a record, the newest first; what is damaged is passed over."""
    try:
        with open(path, "rb") as file:
            lines = file.read(2 * _LARGEST).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    found: list[Line] = []
    for line in reversed(lines):
        words = line.split(" ")
        numbers = [words[0], *words[-2:]]
        if (
            len(words) == _FIELDS
            and words[1] in _KINDS
            and all(one.isdecimal() and len(one) <= _DIGITS for one in numbers)
        ):
            hook, tree, name, digest, key = ("" if word == _NOTHING else word for word in words[2:7])
            when, took, spared = map(int, numbers)
            found.append((when, words[1], hook, tree, name, digest, key, took, spared))
    return found


def saved(milliseconds: int) -> str:
    """What a hit has saved, behind a sentence; nothing where that is not worth a word."""
    return f", saved {span(milliseconds)}" if milliseconds >= 1000 else ""  # noqa: PLR2004 - a second


def span(milliseconds: int) -> str:
    """A time for people, as `4.1 s`, `41 s`, `12 min` or `30 h`."""
    seconds = milliseconds / 1000
    for limit, unit, text in ((10, 1, "{:.1f} s"), (600, 1, "{:.0f} s"), (36_000, 60, "{:.0f} min")):
        if seconds < limit:
            return text.format(seconds / unit)
    return f"{seconds / 3600:.0f} h"
