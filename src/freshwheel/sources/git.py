"""Whether git ignores or tracks a file, told from bytes alone: `.gitignore` files, and the index of the repository.

What `core.excludesFile`, `.git/info/exclude` and `core.ignoreCase` say on some machine does not count, so upper and
lower case differ everywhere. A name is matched as bytes, each of which is one character here.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from freshwheel.base import globs
from freshwheel.base.globs import Globs

_BOM = b"\xef\xbb\xbf"
_SPACES = re.compile(r"(?<!\\) +\Z")
_DEEP = re.compile(r"\*\*+")
_UNLIKE = re.compile(r"\\(.)|\[\^|\*\*+", re.DOTALL)
"""What the dialect of globs spells in another way: a character that stands for itself, `[^...]`, several stars."""
_LENGTH = 0xFFF
"""The length of a path in an index, as far as it fits."""
_FLAGS = (0, 0x8000)
"""What may stand with it: nothing, or that the file is assumed to be unchanged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    """One line of a `.gitignore`."""

    pattern: Globs
    negative: bool
    folders_only: bool
    anchored: bool
    """Whether the path from the folder of the `.gitignore` must match, else the name alone."""


def ignores(path: Sequence[str], texts: Sequence[bytes | None]) -> bool:
    """Whether git ignores the file `path`, given as names from the top of the repository down.

    `texts[i]` is the `.gitignore` in the folder `path[:i]`, None where there is none. What git calls a class, such as
    `[[:alpha:]]`, is not known.
    """
    names = [name.encode("utf-8", "surrogatepass").decode("latin-1") for name in path]
    rules = [_rules(text or b"") for text in texts[: len(names)]]
    return any(_excludes(rules, names[:depth], is_folder=depth < len(names)) for depth in range(1, len(names) + 1))


def tracks(index: bytes, path: bytes) -> bool:
    """Whether the file `path`, from the top of the repository down, is in an index that does not shorten paths."""
    length = min(len(path), _LENGTH)
    entries = (struct.pack(">H", flags | length) + path + b"\0" for flags in _FLAGS)
    return index.startswith(b"DIRC") and any(entry in index for entry in entries)


def _excludes(rules: Sequence[Sequence[_Rule]], names: Sequence[str], *, is_folder: bool) -> bool:
    """Whether the last rule that matches excludes a file or folder; those of deeper folders come later."""
    for level in reversed(range(min(len(names), len(rules)))):
        path = "/".join(names[level:])
        for rule in rules[level]:
            fits = is_folder or not rule.folders_only
            if fits and rule.pattern.match(path if rule.anchored else names[-1], below=False):
                return not rule.negative
    return False


def _rules(text: bytes) -> list[_Rule]:
    """The lines of a `.gitignore`, the last one first, for it wins; without those that can match nothing."""
    lines = text.removeprefix(_BOM).decode("latin-1").split("\n")
    rules = (_rule(_SPACES.sub("", line.removesuffix("\r"))) for line in reversed(lines) if not line.startswith("#"))
    return [rule for rule in rules if rule is not None]


def _rule(line: str) -> _Rule | None:
    pattern = line.removeprefix("!").removesuffix("/")
    segments = pattern.removeprefix("/").split("/")
    spelled = ["**" if _DEEP.fullmatch(one) else _UNLIKE.sub(_spelled, one) for one in segments]
    glob = "/".join(spelled) + ("/*" if spelled[-1] == "**" else "")  # what lies in a folder, not the folder itself
    if globs.check(glob) is not None:
        return None
    return _Rule(
        pattern=globs.parse([glob]),
        negative=line.startswith("!"),
        folders_only=line.endswith("/"),
        anchored="/" in pattern,
    )


def _spelled(match: re.Match[str]) -> str:
    if match[1] is None:
        return "[!" if match[0] == "[^" else "*"
    return globs.escaped(match[1])
