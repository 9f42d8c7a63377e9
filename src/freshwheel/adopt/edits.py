"""Changes to a TOML text, each a piece that takes the place of another; what is between them stays byte for byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from freshwheel.adopt.statements import Document, Header, Span, Statement, UnreadableError, elements, value_of
from freshwheel.backends import names

__all__ = ["Edits"]

_COMMENTS = re.compile(r"(?:[ \t]*#[^\n]*(?:\n|\Z))+")
_EMPTY = re.compile(r"[ \t]*\r?(?:\n|\Z)")
_EMPTY_BEFORE = re.compile(r"(?:\A|\n)([ \t]*\r?\n)\Z")
_BRACKET_LINE = re.compile(r"\[[ \t]*(?:#[^\n]*|\r)?\n")
_TO_NEXT = re.compile(r"[ \t]*,[ \t]*(?:\r?\n|)")
_COMMA = re.compile(r"[ \t\r\n]*,[ \t]*")
_COMMA_BEFORE = re.compile(r",[ \t\r\n]*\Z")


class Edits:
    """The changes to one document, gathered; `text` carries them out."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.newline = document.newline()
        self._changes: list[tuple[Span, str]] = []

    def text(self) -> str:
        """The text with all changes. It ends with a line end if the one before did."""
        before = self.document.text
        pieces, place = [], 0
        for span, new in sorted(self._changes, key=lambda one: one[0]):
            if span.start < place:
                raise UnreadableError("two changes of one place")
            pieces += [before[place : span.start], new]
            place = span.end
        after = "".join([*pieces, before[place:]])
        if not before.endswith("\n") and after.endswith("\n"):
            return after.removesuffix("\n").removesuffix("\r")
        return after

    def replace(self, span: Span, new: str) -> None:
        """`new` stands where `span` is."""
        self._changes.append((span, new))

    def supersede(self, statement: Statement, new: str) -> None:
        """`new` is the value of a statement, and the comments on the former one are gone."""
        above, behind = self.document.comments(statement)
        self.replace(above, "")
        self.replace(Span(statement.value.start, behind.end), new)

    def bring_back(self, moved: Statement, statement: Statement, spell: Callable[[str], str] = lambda raw: raw) -> None:
        """A statement has the value of another one, as `spell` spells it, and the comments on that."""
        above, value, behind = self._said(moved)
        self._insert(statement.line.start if above else statement.value.start, above)
        self.replace(statement.value, f"{spell(value)}{behind}")

    def follow(self, moved: Statement, statement: Statement, name: str) -> None:
        """A statement about another key of the same table, behind one, gets the value and comments of a third one."""
        above, value, behind = self._said(moved)
        self.behind(statement, name, f"{value}{behind}", above=above)

    def _said(self, one: Statement) -> tuple[str, str, str]:
        """The comments above a value, the value, and the comment behind it."""
        source = self.document.text
        above, behind = self.document.comments(one)
        return above.of(source), one.value.of(source), behind.of(source)

    def prepend(self, array: Span, text: str) -> None:
        """The string `text` is the first element of an array, written as the one behind it."""
        source = self.document.text
        found = elements(source, array)
        if not found:
            self._insert(array.start + 1, f'"{text}"')
            return
        first = found[0].start
        quote = "'" if source[first] == "'" else '"'
        start = source.rfind("\n", 0, first) + 1
        opening = _BRACKET_LINE.match(source, array.start)
        if opening is not None and start > array.start and not source[start:first].strip():
            # Above the comments of the element that was the first.
            end = "\r\n" if opening[0].endswith("\r\n") else "\n"
            self._insert(opening.end(), f"{source[start:first]}{quote}{text}{quote},{end}")
        else:
            self._insert(first, f"{quote}{text}{quote}, ")

    def discard(self, array: Span, name: str) -> None:
        """No requirement on a distribution is in an array."""
        source = self.document.text
        found = elements(source, array)
        for number, one in enumerate(found):
            value = value_of(one.of(source))
            if isinstance(value, str) and name in names([value]):
                self.drop(array, found, number)

    def drop(self, array: Span, found: Sequence[Span], number: int) -> None:
        """The element of that number is gone, its comma as well, and its line if nothing else stands there."""
        source, one = self.document.text, found[number]
        start = source.rfind("\n", 0, one.start) + 1
        comma = _TO_NEXT.match(source, one.end)
        alone = start > array.start and not source[start : one.start].strip()
        if alone and comma is not None and comma[0].endswith("\n"):
            self.replace(Span(start, comma.end()), "")
        elif number + 1 < len(found) and "#" not in source[one.end : found[number + 1].start]:
            self.replace(Span(one.start, found[number + 1].start), "")
        elif comma is not None:
            self.replace(Span(one.start, source.index(",", one.end) + 1), "")
        else:
            before = _COMMA_BEFORE.search(source, array.start, one.start)
            self.replace(Span(before.start() if before is not None else one.start, one.end), "")

    def remove(self, statement: Statement, *, remarks: bool = False) -> None:
        """A statement is gone; with `remarks` so are the comments on it, else one behind it stays."""
        source, value = self.document.text, statement.value
        if remarks and not statement.inline:
            self.replace(Span(self.document.comments(statement)[0].start, statement.line.end), "")
            return
        if not statement.inline:
            self.clear(Span(statement.key.start, value.end), statement.line)
            return
        after = _COMMA.match(source, value.end)
        before = _COMMA_BEFORE.search(source, 0, statement.key.start)
        if after is not None:
            self.replace(Span(statement.key.start, after.end()), "")
        else:
            self.replace(Span(before.start() if before is not None else statement.key.start, value.end), "")

    def clear(self, what: Span, line: Span) -> None:
        """What stands in a line is gone, and so is the line unless a comment is in it."""
        comment = self.document.text[what.end : line.end].lstrip(" \t")
        if comment.startswith("#"):
            self.replace(Span(what.start, line.end - len(comment)), "")
        else:
            self.replace(line, "")

    def behind(self, statement: Statement, name: str, raw: str, *, above: str = "") -> None:
        """A statement about another key of the same table stands behind one."""
        source = self.document.text
        stem = source[statement.key.start : statement.last.start]
        if statement.inline:
            self._insert(statement.value.end, f", {stem}{name} = {raw}")
            return
        indent = source[statement.line.start : statement.key.start]
        self._line(statement.line.end, f"{above}{indent}{stem}{name} = {raw}")

    def below(self, header: Header, lines: Sequence[str]) -> None:
        """Statements stand right below a header."""
        for line in lines:
            self._line(header.line.end, line)

    def table(self, lines: Sequence[str], after: Header | None) -> None:
        """A new table, a blank line above it, stands behind another one, or at the end."""
        source = self.document.text
        place = self._behind(after) if after is not None else len(source)
        body = self.newline.join(lines)
        if source[:place].endswith("\n"):
            self._insert(place, f"{self.newline}{body}{self.newline}")
        else:
            self._insert(place, f"{self.newline * 2 if place else ''}{body}{'' if place else self.newline}")

    def drop_header(self, header: Header) -> None:
        """A header is gone, and so is the blank line above it."""
        source = self.document.text
        self.clear(header.name, header.line)
        blank = _EMPTY_BEFORE.search(source, 0, header.line.start)
        if blank is not None:
            self.replace(Span(blank.start(1), blank.end(1)), "")

    def _behind(self, header: Header) -> int:
        """Where the table of a header ends: behind its last statement, and behind comments that belong to that."""
        source = self.document.text
        ends = [one.line.end for one in self.document.statements if one.header == header]
        end = max([header.line.end, *ends])
        comments = _COMMENTS.match(source, end)
        if comments is not None and _EMPTY.match(source, comments.end()):
            return comments.end()
        return end

    def _line(self, place: int, line: str) -> None:
        """A line of its own at the start of a line, or at the end of a text."""
        ended = self.document.text[:place].endswith("\n")
        self._insert(place, f"{line}{self.newline}" if ended else f"{self.newline}{line}")

    def _insert(self, place: int, new: str) -> None:
        self.replace(Span(place, place), new)
