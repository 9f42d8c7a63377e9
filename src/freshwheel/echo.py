"""What was answered again for one tree, on record for people, a line each. Part of the light column.

The recipes put on record what they decided, and why. An answer that is given again has no new reason: its line says
when, for which hook, and which wheel. Nothing goes by it.
"""

import os

import xxhash

from freshwheel import frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from freshwheel.answers import Answer

__all__ = ["add", "load", "place"]

_LARGEST = 1 << 13
"""Bytes; a longer record begins anew."""
_FIELDS = 5
_DIGITS = 12
"""Of the largest time that is one: what is damaged may have more than can be read."""


def place(cache: str, tree: bytes) -> str:
    """Where the record of the tree, a real path, lies in the cache directory."""
    return os.path.join(cache, "trees", f"{xxhash.xxh3_128_hexdigest(tree)}.again")


def add(cache: str, tree: bytes, hook: str, answer: "Answer", now: int) -> None:
    """One more answer is on record, if it can be; `now` is the time in ns."""
    line = b"%d %s %s %s %s\n" % (now // 10**9, hook.encode(), answer.name, answer.digest, answer.key)
    path = place(cache, tree)
    try:
        frame.settle(os.path.dirname(path))
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            if os.fstat(handle).st_size > _LARGEST:
                os.ftruncate(handle, 0)
            os.write(handle, line)
        finally:
            os.close(handle)
    except OSError:
        return


def load(cache: str, tree: bytes) -> "list[tuple[int, str, str, str, str]]":
    """When (seconds since the epoch), hook, file name of the wheel, source digest and build key; the newest first."""
    try:
        with open(place(cache, tree), "rb") as file:
            lines = file.read(2 * _LARGEST).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    found = [line.split(" ") for line in reversed(lines)]
    fit = [one for one in found if len(one) == _FIELDS and one[0].isdecimal() and len(one[0]) <= _DIGITS]
    return [(int(when), hook, name, digest, key) for when, hook, name, digest, key in fit]
