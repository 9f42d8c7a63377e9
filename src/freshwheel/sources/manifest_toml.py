"""TOML of manifests, as cargo takes it: 1.1, of which the `tomllib` of today knows all but a few spellings."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_TOKEN = re.compile(
    r'''
    (?P<basic>"""(?:\\.|[^\\])*?"""(?:"{0,2})|"(?:\\.|[^"\\\n])*")
    |(?P<literal>\'\'\'.*?\'\'\'(?:'{0,2})|'[^'\n]*')
    |(?P<comment>\#[^\n]*)
    |(?P<line>\r?\n)
    |.
    ''',
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:(?P<e>e)|x(?P<hex>[0-9A-Fa-f]{2})|.)", re.DOTALL)


def loads(text: str) -> dict[str, Any]:
    """The tables of a text. Raises ValueError or RecursionError where it is no TOML."""
    try:
        return tomllib.loads(text)
    except ValueError:
        return tomllib.loads("".join(_older(text)))


def _older(text: str) -> Iterator[str]:
    """The same text as TOML 1.0 has it: an inline table on one line, without a comma at its end; longer escapes."""
    depth, comma = 0, ""
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if match["basic"]:
            piece = _ESCAPE.sub(_escape, piece)
        elif depth and (match["comment"] or match["line"]):
            piece = " "
        elif not match["literal"] and not match["comment"]:
            depth = max(0, depth + (piece == "{") - (piece == "}"))
        if comma and not piece.isspace():
            yield "" if piece == "}" else comma
            comma = ""
        if piece == "," and depth:
            comma = piece
        else:
            yield piece
    yield comma


def _escape(match: re.Match[str]) -> str:
    if match["e"]:
        return "\\u001b"
    return f"\\u00{match['hex']}" if match["hex"] else match[0]
