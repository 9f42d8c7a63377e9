"""How uv reads the `file` of one cache key: a path, or a glob, which it matches as a line of `.gitignore` is matched.

What differs from version to version is kept apart: `matches` is true where each version matches, `may_match` where some
one does. Both are about paths relative to the project directory, with `/` and normalised.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

__all__ = ["Pattern", "is_dots", "is_spellable", "spelled"]

_MAGIC = re.compile(r"[*?\[{]")
_MAGIC_OF_BASE = re.compile(r"[*?\[\]{}]")
_LITERAL = re.compile(r"\[[*?\[\]{}]\]|\?")
"""How `spelled` writes one character of a name."""
_PIECE = re.compile(r"\*\*(?:/|\Z)|\[[!^]?\]?[^\]]*\]|\\.|[^\[\\]", re.DOTALL)
_REPEATED = re.compile(r"(?:(?<=/)|\A)\*\*(?:/\*\*)+(?=/|\Z)")
_SHORTEST = 3
_DRIVE = re.compile(r"[A-Za-z]:")
_UNSPELLABLE = re.compile(r"[\\\x00-\x1f\x7f]|[\ud800-\udfff]|(?:(?<=/)|\A)[!#]|[ ](?=/|\Z)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """The `file` of one key."""

    text: str
    is_glob: bool
    base: str
    """The folder that uv walks for a glob; of a path, the path."""
    wrong: str
    """What is wrong with it, in words; then it matches nothing."""
    strict: re.Pattern[str] | None
    loose: re.Pattern[str] | None

    @classmethod
    def of(cls, text: str) -> Pattern:
        """The pattern that `text` spells."""
        is_glob = _MAGIC.search(text) is not None
        base, rest = _split(text) if is_glob else (posixpath.normpath(text), "")
        wrong, strict, loose = _wrong(text, is_glob=is_glob), None, None
        if not wrong and is_glob:
            try:
                strict, loose = _compiled(base, rest, deep=False), _compiled(base, rest, deep=True)
            except (ValueError, re.error, RecursionError) as error:
                wrong = f"is no glob: {error}"
        return cls(text=text, is_glob=is_glob, base=base, wrong=wrong, strict=strict, loose=loose)

    @property
    def climbs(self) -> bool:
        """Whether it has a wildcard and leads out of the project directory."""
        return self.base.startswith("..") and _MAGIC.search(_LITERAL.sub("", self.text)) is not None

    @property
    def is_rooted(self) -> bool:
        """Whether uv need not walk the whole project, or all that lies beside it, for this."""
        if not self.is_glob or not is_dots(self.base):
            return True
        first = next((one for one in self.text.split("/") if one not in ("", ".", "..")), "")
        return _MAGIC.search(_LITERAL.sub("", first)) is None

    @property
    def is_deep(self) -> bool:
        """Whether it matches in any folder below its base."""
        return self.is_glob and _split(self.text)[1].startswith("**")

    def matches(self, path: str) -> bool:
        """Whether each version of uv that reads such a key lets it cover a path."""
        if not self.is_glob:
            return not self.wrong and path == self.base
        return self.strict is not None and self.strict.fullmatch(path) is not None

    def may_match(self, path: str) -> bool:
        """Whether some version does."""
        if not self.is_glob:
            return self.matches(path)
        return self.loose is not None and self.loose.fullmatch(path) is not None


def is_dots(folder: str) -> bool:
    """Whether a folder is the project directory, or one above it."""
    return all(name in ("", ".", "..") for name in folder.split("/"))


def is_spellable(path: str) -> bool:
    """Whether a glob can say exactly this path."""
    return _UNSPELLABLE.search(path) is None


def spelled(path: str, *, in_glob: bool = False) -> str:
    """What matches `path` and, but for names that no glob can spell, nothing else; as a part of a glob where asked."""
    unspellable = any("\ud800" <= char <= "\udfff" for char in path)
    if not (in_glob or unspellable or _MAGIC.search(path)):
        return path
    return re.sub(r"[*?\[\]{}]", r"[\g<0>]", _UNSPELLABLE.sub("\0", path)).replace("\0", "?")


def _wrong(text: str, *, is_glob: bool) -> str:
    """What is wrong with a pattern, apart from its syntax as a glob."""
    if not text or "\0" in text:
        return "names nothing"
    if text.startswith("/") or _DRIVE.match(text):
        return "is absolute; other machines have other paths"
    if is_glob and text.startswith("!"):
        return "begins with !, and uv has no negation"
    if is_glob and text.startswith("./"):
        return "begins with ./, and uv before 0.7.21 finds nothing then"
    if not is_glob and is_dots(text):
        return "names a folder, and uv looks at files only"
    return ""


def _split(text: str) -> tuple[str, str]:
    """The folder that a glob starts from, and what is to match below it."""
    names = [name for name in text.split("/") if name not in ("", ".")]
    count = next((number for number, name in enumerate(names) if _MAGIC_OF_BASE.search(name)), len(names) - 1)
    base = posixpath.normpath("/".join(names[:count])) if count else ""
    return "" if base == "." else base, "/".join(names[count:])


def _compiled(base: str, rest: str, *, deep: bool) -> re.Pattern[str]:
    """The expression for whole paths; `deep`: what has no `/` in it matches at any depth, as since uv 0.7.21."""
    anywhere = "/" not in rest and (not base or deep) and rest != "*"
    stem = re.escape(f"{base}/") if base else ""
    outside = "" if base else r"(?!\.\./)"
    return re.compile(f"{outside}{stem}{'(?:.*/)?' if anywhere else ''}{_expression(rest)}", re.DOTALL)


def _expression(glob: str) -> str:
    """The regular expression of a glob. ValueError for what is none."""
    glob = _REPEATED.sub("**", glob)
    parts, place, depth = [], 0, 0
    while place < len(glob):
        piece = _PIECE.match(glob, place)
        if piece is None or (piece[0][0] == "[" and len(piece[0]) < _SHORTEST):
            raise ValueError("a [ that is not closed, or a backslash at the end; a literal [ is written [[]")
        depth += {"{": 1, "}": -1}.get(piece[0], 0)
        if depth < 0:
            raise ValueError("a } without a {; a literal one is written [}]")
        parts.append(_part(piece[0], is_start=place == 0 or glob[place - 1] == "/", inside=depth > 0))
        place = piece.end()
    if depth:
        raise ValueError("a { that is not closed; a literal one is written [{]")
    return "".join(parts)


def _part(piece: str, *, is_start: bool, inside: bool) -> str:
    """The expression of one piece; `is_start`: a segment begins with it; `inside`: it stands between braces."""
    if is_start and piece == "**":
        return ".+"
    if is_start and piece == "**/":
        return "(?:.*/)?"
    if piece.startswith("["):
        members = re.sub(r"[\\\[\]^&~|]", r"\\\g<0>", piece[1:-1].lstrip("!^"))
        return f"(?!/)[{'^' if piece[1] in '!^' else ''}{members}]"
    if piece.startswith("**"):
        return "[^/]*" + piece[2:]
    if piece == ",":
        return "|" if inside else ","
    return {"*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")"}.get(piece) or re.escape(piece[-1])
