"""Statements in the text of a `pyproject.toml`, of which some are changed and all others stay byte for byte.

A parser says where a statement ends. What is written must say exactly what was meant, or the file is left alone. So
nothing here need understand tables in one line, or dotted keys at the top: those are not found.

tomlkit is no help: it gives a new table line ends of its own, leaves the comments on a key behind when that is moved,
and can't add to `[tool]` where its tables stand apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from freshwheel.base.errors import FreshwheelError

try:
    import tomllib  # type: ignore[import-not-found]
except ImportError:  # Python 3.10
    import tomli as tomllib

_HEADER = re.compile(r"[ \t]*\[([^\[\]\n]+)\]")
_CLOSING = re.compile(r"""[\]}]|\"{3}|'{3}""")
"""What is in the last line of a value with several."""
_OPENING = re.compile(r"\[(?:([ \t]*\n[ \t]*)|[ \t]*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A key and its value."""

    key: str
    above: str
    """The comments and blank lines above it."""
    text: str


def parted(text: str, table: str, *, add: bool = False) -> tuple[str, list[Statement], str]:
    """A text: all up to the header of a table, the statements in that, and the rest.

    Where there is no such header, one is added at the end if `add`; else raises ValueError.
    """
    pieces = list(_pieces(text))
    if add and table not in map(_named, pieces):
        pieces += ["\n", f"[{table}]\n"]
    names = [_named(piece) for piece in pieces]
    start = names.index(table) + 1
    end = next((place for place in range(start, len(pieces)) if names[place] is not None), len(pieces))
    statements, above = [], ""
    for piece in pieces[start:end]:
        if said := read(piece):
            statements.append(Statement(key=next(iter(said)), above=above, text=piece))
            above = ""
        else:
            above += piece
    return "".join(pieces[:start]), statements, above + "".join(pieces[end:])


def joined(statements: Iterable[Statement]) -> str:
    """The text of statements, with what is above each."""
    return "".join([statement.above + statement.text for statement in statements])


def prepended(statement: str, element: str) -> str:
    """A statement whose value is an array, with one more string at its beginning."""
    return _OPENING.sub(lambda match: f'[{match[1] or ""}"{element}",{match[1] or " "}', statement, count=1)


def changed(data: bytes, edit: Callable[[str], str], expect: Callable[[dict[str, Any]], None], *, hint: str) -> bytes:
    """A file after `edit` of its text; line ends stay as they are, and `edit` need know of those of Unix alone.

    `expect` changes the tables into those that the file must have then. Raises FreshwheelError where it has others.
    """
    text = data.decode()
    newline = "\r\n" if 0 < text.count("\n") == text.count("\r\n") else "\n"
    missing = "" if text.endswith("\n") else "\n"
    try:
        tables = parsed(text)
        expect(tables)
        after = edit(text.replace(newline, "\n") + missing)
        if parsed(after) == tables:
            return after.removesuffix(missing).replace("\n", newline).encode()
    except (AttributeError, KeyError, TypeError, ValueError):  # of tables that are no tables, above all
        pass
    raise FreshwheelError(
        "pyproject.toml is written in a way that can't be changed safely; it was left alone", hint=hint
    )


def parsed(text: str) -> dict[str, Any]:
    """What a text of TOML says. Raises ValueError for any other text."""
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return tables


def read(text: str) -> dict[str, Any] | None:
    """What a text says; None for one that is no TOML."""
    try:
        return parsed(text)
    except ValueError:
        return None


def _pieces(text: str) -> Iterator[str]:
    """Headers, statements, comments and blank lines, each as short as a parser takes it. Raises ValueError."""
    waiting = ""
    for line in re.findall(r"[^\n]*\n", text):
        is_first, waiting = not waiting, waiting + line
        if (is_first or _CLOSING.search(line)) and read(waiting) is not None:
            yield waiting
            waiting = ""
    if waiting:
        raise ValueError(waiting)


def _named(piece: str) -> str | None:
    """The table whose header a piece is; None for any other piece."""
    match = _HEADER.match(piece)
    return re.sub(r"[\s\"']", "", match[1]) if match else "" if piece.lstrip().startswith("[[") else None
