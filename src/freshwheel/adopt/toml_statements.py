"""The text of a `pyproject.toml` in pieces of whole lines, so that one statement can be changed and nothing else.

A parser says where pieces end. Keys in inline tables are not found. Whoever changes a text must parse it again.

tomlkit is no help here: it adds tables at the end of the file, with line ends of its own, puts a new key below the
comments on what follows, and leaves the comments on a key behind when that is moved.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from freshwheel.base.errors import FreshwheelError
from freshwheel.base.toml_access import at

try:
    import tomllib  # type: ignore[import-not-found]
except ImportError:  # Python 3.10
    import tomli as tomllib

_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_CLOSING = re.compile(r"""["'\]]""")
_LAST = re.compile(r"""[\]}]|\"{3}|'{3}""")
"""What is in the last line of a value with several."""
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?\r?\n\Z")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_OPENING = re.compile(r"\[[ \t]*(?:#[^\n]*|\r)?\n")
_MOST = 500
"""Lines of one statement."""


class UnreadableError(ValueError):
    """A text is written in a way that can't be changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A comment line, a blank one, a header, or a key and its value."""

    text: str
    path: tuple[str, ...] = ()
    """All keys from the top; nothing for a comment or a blank line."""
    is_header: bool = False

    @property
    def is_comment(self) -> bool:
        """Whether it is a line with nothing but a comment."""
        return self.text.lstrip().startswith("#")

    @property
    def is_statement(self) -> bool:
        """Whether it is anything but a comment or a blank line."""
        return not self.is_comment and bool(self.text.strip())

    def value(self) -> tuple[int, int]:
        """Where the value stands in the text, a string or an array. Raises UnreadableError for any other."""
        equals = _EQUALS.search(self.text)
        start = equals.end() if equals is not None else len(self.text)
        for match in _CLOSING.finditer(self.text, start):
            end = match.end()
            if _REST.match(self.text, end) and read(f"x = {self.text[start:end]}") is not None:
                return start, end
        raise UnreadableError(self.text)


class Document:
    """A text that is changed piece by piece. Raises UnreadableError where the pieces are not found."""

    def __init__(self, text: str) -> None:
        self.tables = parsed(text)
        """What it said at first."""
        self.newline = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
        self.is_ended = not text or text.endswith("\n")
        self.pieces = list(_pieces(text if self.is_ended else text + self.newline))

    def text(self) -> str:
        """The text as it is now. It ends with a line end if the one before did."""
        text = "".join(one.text for one in self.pieces)
        return text if self.is_ended else text.removesuffix("\n").removesuffix("\r")

    def find(self, *path: str, is_header: bool = False) -> int | None:
        """The place of the header of a table, or of the statement about a key."""
        places = (place for place, one in enumerate(self.pieces) if (one.path, one.is_header) == (path, is_header))
        return next(places, None)

    def place(self, *path: str) -> int:
        """The place of the statement about a key. Raises UnreadableError where there is none."""
        place = self.find(*path)
        if place is None:
            raise UnreadableError(".".join(path))
        return place

    def moved(self, name: str, *path: str) -> str:
        """The statement about a key with another name, and with the comments on it if it has lines of its own."""
        place = self.find(*path)
        if place is None:
            return f"{name} = {json.dumps(at(self.tables, '.'.join(path)), ensure_ascii=False)}"
        above = "".join(one.text for one in self.pieces[self.comments(place) : place])
        one = self.pieces[place]
        return f"{above}{name} = {one.text[one.value()[0] :]}".rstrip("\r\n")

    def comments(self, place: int) -> int:
        """The place of the first of the comment lines right above."""
        while place and self.pieces[place - 1].is_comment:
            place -= 1
        return place

    def set(self, place: int, raw: str, *, alone: bool = False) -> int:
        """The value is `raw`; `alone`: the comments on the former one are gone. The place that it has then."""
        one = self.pieces[place]
        start, end = one.value()
        rest = self.newline if alone else one.text[end:]
        self.pieces[place] = replace(one, text=f"{one.text[:start]}{raw}{rest}")
        first = self.comments(place) if alone else place
        del self.pieces[first:place]
        return first

    def rename(self, place: int, name: str) -> None:
        """The last segment of a key is another one."""
        one = self.pieces[place]
        start, _ = one.value()
        self.pieces[place] = replace(one, text=one.text[:start].replace(one.path[-1], name) + one.text[start:])

    def prepend(self, place: int, name: str) -> None:
        """The string `name` is the first element of an array, written as the one behind it."""
        one = self.pieces[place]
        text, start = one.text, one.value()[0]
        gap, opening = _GAP.match(text, start + 1), _OPENING.match(text, start)
        first = gap.end() if gap is not None else start + 1
        quote = "'" if text[first] == "'" else '"'
        if text[first] == "]":
            where, new = start + 1, f'"{name}"'
        elif opening is not None:  # above the comments on the element that was the first
            indent = text[text.rfind("\n", 0, first) + 1 : first]
            where, new = opening.end(), f"{indent}{quote}{name}{quote},{self.newline}"
        else:
            where, new = first, f"{quote}{name}{quote}, "
        self.pieces[place] = replace(one, text=f"{text[:where]}{new}{text[where:]}")

    def remove(self, place: int, *, remarks: bool) -> None:
        """A statement is gone; with `remarks` so are the comments on it, else they stay."""
        one = self.pieces[place]
        rest = one.text[one.value()[1] :].lstrip(" \t")
        kept = [Piece(text=rest)] if rest.startswith("#") and not remarks else []
        self.pieces[self.comments(place) if remarks else place : place + 1] = kept

    def insert(self, place: int, *lines: str) -> None:
        """New lines stand before a piece."""
        self.pieces[place:place] = [Piece(text=f"{line}{self.newline}") for line in lines]

    def table(self, lines: Sequence[str], *after: str) -> None:
        """A new table, a blank line above it, stands behind the one of that name, or at the end."""
        header = self.find(*after, is_header=True)
        place = len(self.pieces) if header is None else self._behind(header)
        self.insert(place, *([""] if place else []), *lines)

    def _behind(self, header: int) -> int:
        """Where a table ends: behind its last statement, and behind comments that belong to that."""
        end = place = header + 1
        while place < len(self.pieces) and not self.pieces[place].is_header:
            place += 1
            end = place if self.pieces[place - 1].is_statement else end
        place = end
        while place < len(self.pieces) and self.pieces[place].is_comment:
            place += 1
        return place if place == len(self.pieces) or not self.pieces[place].text.strip() else end


def parsed(text: str) -> dict[str, Any]:
    """What a text of TOML says. Raises ValueError for any other text."""
    try:
        found: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return found


def read(text: str) -> dict[str, Any] | None:
    """What a text says; None for one that is no TOML."""
    try:
        return parsed(text)
    except ValueError:
        return None


def agreed(write: Callable[[], str], expect: Callable[[], Mapping[str, Any]], *, hint: str) -> str:
    """The text that is written, if it says exactly what is expected. Raises FreshwheelError if not."""
    try:
        text = write()
        if _canonical(parsed(text)) == _canonical(expect()):
            return text
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # of tables that are no tables, above all
        pass
    raise FreshwheelError(
        "pyproject.toml is written in a way that can't be changed safely; it was left alone", hint=hint
    )


def _canonical(tables: Mapping[str, Any]) -> str:
    """One text for equal tables, in whatever order they are."""
    return json.dumps(tables, sort_keys=True, default=repr)


def _pieces(text: str) -> Iterator[Piece]:
    """The pieces of a text, each as short as a parser takes it."""
    table: tuple[str, ...] = ()
    waiting: list[str] = []
    for line in re.findall(r"[^\n]*\n", text):
        waiting.append(line)
        if len(waiting) > 1 and not _LAST.search(line):
            continue
        piece = "".join(waiting)
        said = read(piece)
        if said is None and len(waiting) > _MOST:
            raise UnreadableError("a very long value")
        if said is None:
            continue
        waiting.clear()
        start = piece.lstrip()
        if said and start.startswith("["):
            table = (*_path(said), "[]") if start.startswith("[[") else _path(said)
            yield Piece(text=piece, path=table, is_header=True)
        else:
            yield Piece(text=piece, path=(*table, *_key(piece)) if said else ())
    if waiting:
        raise UnreadableError("".join(waiting))


def _key(piece: str) -> tuple[str, ...]:
    """The segments of the key of a statement; a quoted one may have an equals sign in it."""
    for match in re.finditer("=", piece):
        if (said := read(f"{piece[: match.start()]}= 0")) is not None:
            return _path(said)
    raise UnreadableError(piece)


def _path(said: Any) -> tuple[str, ...]:
    """The keys by which an only value is reached."""
    path = []
    while isinstance(said, Mapping) and said:
        [(name, said)] = said.items()
        path.append(name)
    return tuple(path)
