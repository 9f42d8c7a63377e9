"""The headers of METADATA and PKG-INFO (core metadata): two are read, one is changed, not a byte else.

The lines are those that `email` sees, which is how pip and `importlib.metadata` read them: the headers end at the first
empty line, or at one that is no header.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from freshwheel.base.errors import WheelError

_LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n|\Z)")
_NAME = re.compile(rb"([!-9;-~]*):")
_BLANK = b" \t"
_GOES_ON = re.compile(rb"[ \t]*(?:\r\n|\r|\n)[ \t]")


def version_of(text: bytes) -> str:
    """The version, as it is spelled; WheelError unless there is exactly one, on one line."""
    return _value(text, "Version")


def name_of(text: bytes) -> str:
    """The name of the distribution, as it is spelled; WheelError unless there is exactly one, on one line."""
    return _value(text, "Name")


def with_version(text: bytes, version: str) -> bytes:
    """`text` with another version; WheelError unless there is exactly one, on one line."""
    start, stop = _place(text, "Version")
    return text[:start] + version.encode() + text[stop:]


def _value(text: bytes, field: str) -> str:
    start, stop = _place(text, field)
    try:
        return text[start:stop].decode()
    except UnicodeDecodeError:
        raise WheelError(f"the metadata has a {field} that is not UTF-8: {text[start:stop]!r}") from None


def _place(text: bytes, field: str) -> tuple[int, int]:
    """Where in `text` the value of the one header `field` starts and stops."""
    found = [(start, stop) for name, start, stop in _headers(text) if name == field.lower().encode()]
    if len(found) != 1:
        raise WheelError(f"the metadata has {len(found)} lines for {field} instead of one")
    start, stop = found[0]
    if start == stop:
        raise WheelError(f"the metadata has an empty {field}")
    if _GOES_ON.match(text, stop):
        raise WheelError(f"the metadata has a {field} that goes over more than one line")
    return start, stop


def _headers(text: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each header: its name in lower case, and where the value on its first line starts and stops."""
    for line in _LINE.finditer(text):
        if line.start() and line[1][:1] in (b" ", b"\t"):
            continue
        name = _NAME.match(line[1])
        if name is None:
            return
        value = line[1][name.end() :]
        start = line.end(1) - len(value.lstrip(_BLANK))
        yield name[1].lower(), start, start + len(value.strip(_BLANK))
