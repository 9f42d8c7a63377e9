"""What became of installations, for people: a line each, of all trees in one file. Part of the light column.

The recipes put on record what they decided, and why. An answer that is given again has no new reason: its line here is
all there is of it. `stats` counts the lines. Nothing goes by them.
"""

import os

import xxhash

__all__ = ["Line", "add", "identity", "load", "place", "saved", "span"]

_LARGEST = 1 << 24
"""Bytes; a longer record begins anew, if nobody has counted what is in it before."""
_DIGITS = 12
"""Of the largest number that is one: what is damaged may have more than can be read."""
_KINDS = ("again", "hit", "built", "failed")
_FIELDS = 9
_NOTHING = "-"
_SECONDS = ((600, 1, "s"), (36_000, 60, "min"))
"""Up to which number of seconds they are shown by which unit, and what that is called."""


class Line:
    """A value: one installation."""

    __slots__ = ("digest", "hook", "key", "kind", "name", "saved", "took", "tree", "when")

    when: int
    """Seconds since the epoch."""
    kind: str
    """`again`, an answer once more, `hit`, any other one, `built` or `failed`."""
    hook: str
    tree: str
    """By which a tree is known: 32 hex digits."""
    name: str
    """The file name of the wheel; that of the project where there is none."""
    digest: str
    """The source digest; nothing where it is not known."""
    key: str
    """The build key; nothing where there is none."""
    took: int
    """ms."""
    saved: int
    """ms that the build had taken which was not needed now."""

    def __init__(  # noqa: PLR0913 - a value
        self,
        *,
        when: int,
        kind: str,
        hook: str,
        tree: str,
        name: str,
        digest: str = "",
        key: str = "",
        took: int = 0,
        saved: int = 0,
    ) -> None:
        self.when = when
        self.kind = kind
        self.hook = hook
        self.tree = tree
        self.name = name
        self.digest = digest
        self.key = key
        self.took = took
        self.saved = saved

    @property
    def project(self) -> str:
        """The name of the distribution."""
        return self.name.partition("-")[0].replace("_", "-").lower()


def identity(tree: bytes) -> str:
    """What a tree, a real path, is known by: its path can't be found from that."""
    return xxhash.xxh3_128_hexdigest(tree)


def place(cache: str) -> str:
    """Where the record lies in the cache directory."""
    return os.path.join(cache, "journal")


def add(cache: str, line: Line) -> None:
    """One more line is on record, if it can be."""
    texts = (line.kind, line.hook, line.tree, line.name, line.digest, line.key)
    words = ["".join([sign for sign in text if sign.isprintable() and sign != " "]) or _NOTHING for text in texts]
    data = f"{line.when} {' '.join(words)} {line.took} {line.saved}\n".encode("utf-8", "replace")
    flags = [getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY")]
    try:
        handle = os.open(place(cache), os.O_WRONLY | os.O_APPEND | os.O_CREAT | sum(flags), 0o600)
        try:
            if os.fstat(handle).st_size > _LARGEST:
                os.ftruncate(handle, 0)
            os.write(handle, data)
        finally:
            os.close(handle)
    except OSError:
        return


def load(path: str) -> list[Line]:
    """The lines of a record, the newest first; what is damaged is passed over."""
    try:
        with open(path, "rb") as file:
            lines = file.read(2 * _LARGEST).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line for line in map(_parsed, reversed(lines)) if line is not None]


def _parsed(text: str) -> Line | None:
    words = text.split(" ")
    numbers = [words[0], *words[-2:]]
    if len(words) != _FIELDS or words[1] not in _KINDS or not all(map(_is_number, numbers)):
        return None
    hook, tree, name, digest, key = ("" if word == _NOTHING else word for word in words[2:7])
    when, took, spared = map(int, numbers)
    return Line(
        when=when, kind=words[1], hook=hook, tree=tree, name=name, digest=digest, key=key, took=took, saved=spared
    )


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _DIGITS


def saved(milliseconds: int) -> str:
    """What a hit has saved, behind a sentence; nothing where that is not worth a word."""
    return f", saved {span(milliseconds)}" if milliseconds >= 1000 else ""  # noqa: PLR2004 - a second


def span(milliseconds: int) -> str:
    """A time for people, as `4.1 s`, `41 s`, `12 min` or `30 h`."""
    seconds = milliseconds / 1000
    if seconds < 10:  # noqa: PLR2004 - one digit before the point
        return f"{seconds:.1f} s"
    for limit, unit, word in _SECONDS:
        if seconds < limit:
            return f"{seconds / unit:.0f} {word}"
    return f"{seconds / 3600:.0f} h"
