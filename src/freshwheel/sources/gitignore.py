"""Whether git ignores a file, judged from nothing but the `.gitignore` files above it.

As git reads them: what `core.excludesFile`, `.git/info/exclude` and `core.ignoreCase` say on some machine does not
count, so upper and lower case differ everywhere. A pattern is matched byte by byte, along with the set of all places in
the name that it can have come to: the cost grows with the length of both, never faster.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass

_BOM = b"\xef\xbb\xbf"
_SLASH = ord("/")
_NO_SLASH = frozenset(range(256)) - {_SLASH}
_MAGIC = re.compile(rb"[*?\[\\]")
_DEEP = re.compile(rb"(?<![^/])\*\*+(?:(/)|(?=\\/|\Z))")
"""A whole segment of two stars; with the slash behind it, no folder at all will do."""
_WIDE = re.compile(rb"\*+")

_ALNUM = (string.ascii_letters + string.digits).encode()
_PUNCT = string.punctuation.encode()
_CLASSES = {
    b"alnum": _ALNUM,
    b"alpha": string.ascii_letters.encode(),
    b"blank": b" \t",
    b"cntrl": bytes(range(32)) + b"\x7f",
    b"digit": string.digits.encode(),
    b"graph": _ALNUM + _PUNCT,
    b"lower": string.ascii_lowercase.encode(),
    b"print": _ALNUM + _PUNCT + b" ",
    b"punct": _PUNCT,
    b"space": b" \t\n\r",
    b"upper": string.ascii_uppercase.encode(),
    b"xdigit": string.hexdigits.encode(),
}
"""As git has them, in each locale."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    """One line of a `.gitignore`."""

    pattern: bytes
    negative: bool
    folders_only: bool
    anchored: bool
    """Whether the path from the folder of the `.gitignore` must match, else the name alone."""


def ignored(path: Sequence[str], texts: Sequence[bytes | None]) -> bool:
    """Whether git ignores the file `path`, given as names from the top of the repository down.

    `texts[i]` is the `.gitignore` in the folder `path[:i]`, None where there is none.
    """
    names = [_encoded(name) for name in path]
    rules = [_rules(text or b"") for text in texts[: len(names)]]
    return any(_excluded(names[:depth], rules, is_folder=depth < len(names)) for depth in range(1, len(names) + 1))


def _encoded(name: str) -> bytes:
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a pair, which a name on Windows may have
        return name.encode("utf-8", "surrogatepass")


def _rules(text: bytes) -> list[_Rule]:
    """The lines of a `.gitignore`, the last one first, for it wins."""
    lines = text.removeprefix(_BOM).split(b"\n")
    return [_rule(line.removesuffix(b"\r")) for line in reversed(lines) if not line.startswith(b"#")]


def _rule(line: bytes) -> _Rule:
    pattern = _without_spaces(line.partition(b"\0")[0])
    negative = pattern.startswith(b"!")
    pattern = pattern[negative:]
    folders_only = pattern.endswith(b"/")
    pattern = pattern.removesuffix(b"/")
    anchored = b"/" in pattern
    return _Rule(pattern=pattern.removeprefix(b"/"), negative=negative, folders_only=folders_only, anchored=anchored)


def _without_spaces(line: bytes) -> bytes:
    """`line` without the spaces that it ends with; one behind a backslash stays."""
    bare = line.rstrip(b" ")
    backslashes = len(bare) - len(bare.rstrip(b"\\"))
    return line[: len(bare) + 1] if backslashes % 2 else bare


def _excluded(names: Sequence[bytes], rules: Sequence[Sequence[_Rule]], *, is_folder: bool) -> bool:
    """Whether the last rule that matches excludes a file or folder; those of deeper folders come later."""
    for level in reversed(range(min(len(names), len(rules)))):
        path = b"/".join(names[level:])
        for rule in rules[level]:
            if (is_folder or not rule.folders_only) and _matches(rule.pattern, path if rule.anchored else names[-1]):
                return not rule.negative
    return False


def _matches(pattern: bytes, text: bytes) -> bool:
    """Whether all of `text` matches; nothing matches a pattern that can't be parsed."""
    if not _MAGIC.search(pattern):
        return pattern == text
    places = _Places(text)
    at = 0
    while at < len(pattern) and places.reached:
        if found := _DEEP.match(pattern, at):
            places.deep(with_slash=found[1] is not None)
            at = found.end()
        elif found := _WIDE.match(pattern, at):
            places.wide()
            at = found.end()
        else:
            try:
                members, at = _one(pattern, at)
            except LookupError:
                return False
            places.step(members)
    return places.at_end()


class _Places:
    """The places in a text that the beginning of a pattern can have come to: the bits of one number."""

    def __init__(self, text: bytes) -> None:
        self.reached = 1
        self.end = len(text)
        self.bytes: dict[int, int] = {}
        """The places before each byte."""
        for place, byte in enumerate(text):
            self.bytes[byte] = self.bytes.get(byte, 0) | 1 << place
        self.slashes = self.bytes.get(_SLASH, 0)

    def at_end(self) -> bool:
        """Whether the whole text was matched."""
        return bool(self.reached >> self.end)

    def step(self, members: frozenset[int]) -> None:
        """Goes over one byte out of `members`."""
        before = sum(places for byte, places in self.bytes.items() if byte in members)
        self.reached = (self.reached & before) << 1

    def wide(self) -> None:
        """Goes over any bytes up to a slash: an addition carries each place through the ones above it."""
        inner = ((1 << self.end) - 1) ^ self.slashes
        self.reached |= ((self.reached & inner) + inner) ^ inner

    def deep(self, *, with_slash: bool) -> None:
        """Goes over anything; `with_slash`: over nothing, or anything that ends with one."""
        first = self.reached & -self.reached
        beyond = (1 << (self.end + 1)) - first
        self.reached = self.reached | (beyond & self.slashes) << 1 if with_slash else beyond


def _one(pattern: bytes, at: int) -> tuple[frozenset[int], int]:
    """What one byte may be by the pattern at `at`, and where that ends. LookupError if it can't be parsed."""
    byte = pattern[at : at + 1]
    if byte == b"?":
        return _NO_SLASH, at + 1
    if byte == b"[":
        return _bracket(pattern, at + 1)
    at += byte == b"\\"
    return frozenset((pattern[at],)), at + 1


def _bracket(pattern: bytes, at: int) -> tuple[frozenset[int], int]:
    """As `_one`, of a `[...]`, behind its first byte."""
    negative = pattern[at] in b"!^"
    at += negative
    members: set[int] = set()
    before: int | None = None
    first = at
    while at == first or pattern[at] != ord("]"):
        if pattern[at] == ord("-") and before is not None and pattern[at + 1] != ord("]"):
            at += 1 + (pattern[at + 1] == ord("\\"))
            members.update(range(before, pattern[at] + 1))
            before = None
        elif (found := _class(pattern, at)) is not None:
            members.update(_CLASSES[found])
            at += len(found) + 3
            before = None
        else:
            at += pattern[at] == ord("\\")
            before = pattern[at]
            members.add(before)
        at += 1
    return (_NO_SLASH - members if negative else frozenset(members) & _NO_SLASH), at + 1


def _class(pattern: bytes, at: int) -> bytes | None:
    """The name in the `[:name:]` at `at`, None if there stands something else."""
    if not pattern.startswith(b"[:", at):
        return None
    end = pattern.find(b"]", at + 2)
    if end < 0:
        raise LookupError
    name = pattern[at + 2 : end]
    return name[:-1] if name.endswith(b":") else None
