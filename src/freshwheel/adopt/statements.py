"""The statements of a TOML text and where each part of them stands, so that one can be changed and nothing else.

For texts that a parser accepts; it is not asked whether they are TOML. Places are offsets into the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

try:
    import tomllib  # type: ignore[import-not-found]
except ImportError:  # Python 3.10
    import tomli as tomllib

__all__ = ["Document", "Header", "Span", "Statement", "UnreadableError", "elements", "parsed", "value_of"]

_NAME = re.compile(r""""(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+""")
_SPACE = re.compile(r"[ \t]*")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_REST = re.compile(r"[^\n]*(?:\n|\Z)")
_ABOVE = re.compile(r"(?:^[ \t]*#[^\n]*\n)+\Z", re.MULTILINE)
_BEHIND = re.compile(r"[ \t]*#[^\r\n]*")
_SCALAR = re.compile(
    r'"""(?:[^\\]|\\[\s\S])*?"{3,5}'
    r"|'''[\s\S]*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|[^\s,\]}#]+(?: \d\d:[^\s,\]}#]+)?"
)


class UnreadableError(ValueError):
    """A text is not read as a parser reads it."""


class Span(NamedTuple):
    """A part of a text."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """What stands there."""
        return text[self.start : self.end]


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """A line with the name of a table."""

    path: tuple[str, ...]
    array: bool
    """Whether it begins one of several tables."""
    name: Span
    """With its brackets."""
    line: Span
    """With its comment and its line end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A key and its value."""

    path: tuple[str, ...]
    """All keys from the top."""
    key: Span
    """As it is written, dots and all."""
    last: Span
    """The last of its segments."""
    value: Span
    line: Span
    """From the start of the line with the key to the end of the line in which the value ends."""
    header: Header | None
    """That of the table in which it stands; None above all tables."""
    inline: bool
    """Whether it stands between braces."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A text, and what it consists of."""

    text: str
    headers: tuple[Header, ...]
    statements: tuple[Statement, ...]

    @classmethod
    def of(cls, text: str) -> Document:
        """The parts of `text`. Raises UnreadableError where they are not found."""
        scanner = _Scanner(text)
        try:
            scanner.run()
        except (RecursionError, ValueError):
            raise UnreadableError(f"in line {text.count(chr(10), 0, scanner.place) + 1}") from None
        return cls(text=text, headers=tuple(scanner.headers), statements=tuple(scanner.statements))

    def statement(self, *path: str) -> Statement | None:
        """The one statement about a key; None where there is none, or it is not said in one."""
        found = [one for one in self.statements if one.path == path]
        return found[0] if len(found) == 1 else None

    def header(self, *path: str) -> Header | None:
        """The header of one table."""
        found = [one for one in self.headers if one.path == path and not one.array]
        return found[0] if len(found) == 1 else None

    def comments(self, one: Statement) -> tuple[Span, Span]:
        """Where the comments on a statement stand: the lines right above it, and what is behind its value."""
        start, end = one.line.start, one.value.end
        if one.inline:
            return Span(start, start), Span(end, end)
        above = _ABOVE.search(self.text, 0, start)
        behind = _BEHIND.match(self.text, end)
        return (Span(above.start() if above else start, start), Span(end, behind.end() if behind else end))

    def newline(self) -> str:
        """How this text ends its lines."""
        end = self.text.find("\n")
        return "\r\n" if end > 0 and self.text[end - 1] == "\r" else "\n"

    def number(self, place: int) -> int:
        """The number of a line."""
        return self.text.count("\n", 0, place) + 1


def parsed(text: str) -> dict[str, Any]:
    """What a text of TOML says. Raises ValueError for any other text."""
    try:
        found: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return found


def value_of(raw: str) -> Any:
    """The value that a piece of TOML spells. Raises ValueError where it spells none."""
    return parsed(f"x = {raw}")["x"]


def elements(text: str, array: Span) -> list[Span]:
    """Where the elements of an array stand. Raises UnreadableError for what is no array."""
    if not text.startswith("[", array.start):
        raise UnreadableError("no array")
    return list(_Scanner(text, array.start).elements())


class _Scanner:
    """One walk through a text."""

    def __init__(self, text: str, place: int = 0) -> None:
        self.text = text
        self.place = place
        self.headers: list[Header] = []
        self.statements: list[Statement] = []

    def run(self) -> None:
        """Finds all headers and statements."""
        header: Header | None = None
        while self.skip(_GAP).end < len(self.text):
            if self.text.startswith("[", self.place):
                header = self.named()
                self.headers.append(header)
            else:
                self.said(header.path if header is not None else (), header)

    def named(self) -> Header:
        """The header that begins here."""
        start, array = self.place, self.text.startswith("[[", self.place)
        self.place += 2 if array else 1
        path, _, _ = self.key()
        self.expect("]]" if array else "]")
        name = Span(start, self.place)
        return Header(path=path, array=array, name=name, line=Span(self.line_start(start), self.skip(_REST).end))

    def said(self, above: tuple[str, ...], header: Header | None, line: Span | None = None) -> None:
        """Finds the statement that begins here, and those between its braces; `line` is that of braces around it."""
        number = len(self.statements)
        path, key, last = self.key()
        self.skip(_EQUALS)
        value = Span(self.place, self.value())
        whole = line or Span(self.line_start(key.start), _match(_REST, self.text, value.end).end)
        if self.text.startswith("{", value.start):
            self.place = value.start
            self.braces((*above, *path), header, whole)
        one = Statement(
            path=(*above, *path),
            key=key,
            last=last,
            value=value,
            line=whole,
            header=header,
            inline=line is not None,
        )
        self.statements.insert(number, one)

    def braces(self, above: tuple[str, ...], header: Header | None, line: Span) -> None:
        """Finds the statements of the inline table that begins here."""
        self.expect("{")
        while not self.ends("}"):
            self.said(above, header, line)
            self.comma("}")
        self.expect("}")

    def key(self) -> tuple[tuple[str, ...], Span, Span]:
        """The key that begins here: its segments, where it stands, where its last segment stands."""
        self.skip(_SPACE)
        start = self.place
        last = self.need(_NAME)
        while (dot := _DOT.match(self.text, self.place)) is not None:
            self.place = dot.end()
            last = self.need(_NAME)
        span = Span(start, last.end)
        value: Any = parsed(f"{span.of(self.text)} = 0")
        path = []
        while isinstance(value, Mapping):
            [(name, value)] = value.items()
            path.append(name)
        self.skip(_SPACE)
        return tuple(path), span, last

    def value(self) -> int:
        """Where the value that begins here ends."""
        if self.text.startswith("[", self.place):
            for _ in self.elements():
                pass
        elif self.text.startswith("{", self.place):
            self.expect("{")
            while not self.ends("}"):
                self.key()
                self.skip(_EQUALS)
                self.value()
                self.comma("}")
            self.expect("}")
        else:
            self.need(_SCALAR)
        return self.place

    def elements(self) -> Iterator[Span]:
        """The elements of the array that begins here."""
        self.expect("[")
        while not self.ends("]"):
            start = self.place
            yield Span(start, self.value())
            self.comma("]")
        self.expect("]")

    def comma(self, end: str) -> None:
        """Passes what stands between two elements."""
        if not self.ends(end):
            self.expect(",")

    def ends(self, text: str) -> bool:
        """Whether `text` comes next, behind blanks and comments, which are passed."""
        self.skip(_GAP)
        return self.text.startswith(text, self.place)

    def expect(self, text: str) -> None:
        """Passes `text`."""
        if not self.text.startswith(text, self.place):
            raise UnreadableError
        self.place += len(text)

    def skip(self, pattern: re.Pattern[str]) -> Span:
        """Passes what `pattern` matches, which may be nothing."""
        found = _match(pattern, self.text, self.place)
        self.place = found.end
        return found

    def need(self, pattern: re.Pattern[str]) -> Span:
        """Passes what `pattern` matches."""
        match = pattern.match(self.text, self.place)
        if match is None:
            raise UnreadableError
        self.place = match.end()
        return Span(*match.span())

    def line_start(self, place: int) -> int:
        """Where the line of a place begins."""
        return self.text.rfind("\n", 0, place) + 1


def _match(pattern: re.Pattern[str], text: str, place: int) -> Span:
    match = pattern.match(text, place)
    return Span(*match.span()) if match is not None else Span(place, place)
