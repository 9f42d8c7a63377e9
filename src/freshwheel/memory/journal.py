"""What became of installations, for people: a line each, of all trees in one file. Part of the light column.

The recipes put on record what they decided, and why. An answer that is given again has no new reason: its line here is
all there is of it. `stats` counts the lines. Nothing goes by them. Those of a long file go into another one beside it.
"""

import os

import xxhash

TYPE_CHECKING = False
if TYPE_CHECKING:
    Line = tuple[int, str, str, str, str, str, str, int, int]
    """When, in seconds since the epoch. What it was: `again` an answer once more, `hit` any other one, `built` or
    `failed`. The hook. What the tree is known by. The file name of the wheel, or of the project where there is none.
    The source digest and the build key, as far as they are known. ms that it took; ms of the build that was saved."""

_LARGEST = 1 << 19
"""Bytes of one file, some thousand lines."""
_DIGITS = 12
"""Of the largest number that is one: what is damaged may have more than can be read."""
_KINDS = ("again", "hit", "built", "failed")
_FIELDS = 9
_NOTHING = "-"


def identity(tree: bytes) -> str:
    """What a tree, a real path, is known by: its path can't be found from that."""
    return xxhash.xxh3_128_hexdigest(tree)


def places(cache: str) -> tuple[str, str]:
    """Where the record lies in the cache directory: the lines of today, and older ones."""
    return os.path.join(cache, "journal"), os.path.join(cache, "journal.old")


def add(cache: str, line: "Line") -> None:
    """One more line is on record, if it can be."""
    words = ["".join([sign for sign in str(word) if sign.isprintable() and sign != " "]) or _NOTHING for word in line]
    flags = [getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY")]
    path, older = places(cache)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | sum(flags), 0o600)
        try:
            os.write(handle, f"{' '.join(words)}\n".encode("utf-8", "replace"))
        finally:
            os.close(handle)
        if os.stat(path).st_size > _LARGEST:
            os.replace(path, older)
    except OSError:
        return


def load(cache: str) -> "list[Line]":
    """The lines on record, the newest first; what is damaged is passed over."""
    lines: list[Line] = []
    for path in places(cache):
        try:
            with open(path, "rb") as file:
                texts = file.read(2 * _LARGEST).decode("utf-8", "replace").splitlines()
        except OSError:
            continue
        lines += [line for text in reversed(texts) if (line := _parsed(text)) is not None]
    return lines


def _parsed(text: str) -> "Line | None":
    words = text.split(" ")
    numbers = [words[0], *words[-2:]]
    if len(words) != _FIELDS or words[1] not in _KINDS:
        return None
    if any(not word.isdecimal() or len(word) > _DIGITS for word in numbers):
        return None
    hook, tree, name, digest, key = ["" if word == _NOTHING else word for word in words[2:7]]
    when, took, spared = map(int, numbers)
    return when, words[1], hook, tree, name, digest, key, took, spared


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
