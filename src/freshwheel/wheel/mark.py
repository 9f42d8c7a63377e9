"""The mark: what `freshwheel.json` in a wheel's `.dist-info` says about the sources the wheel was built from.

It is the same on every machine: it has no path, host, user or time in it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from freshwheel.base.model import Mark
from freshwheel.wheel import version

NAME = "freshwheel.json"
_FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{32}")
_OPTIONAL = ("label", "native")
"""`null` for a build without a label; earlier versions wrote no native digest."""


def dump(mark: Mark) -> bytes:
    """The text of `freshwheel.json`: ASCII, keys sorted, so that equal marks are equal bytes."""
    fields = {"format": _FORMAT, **dataclasses.asdict(mark)}
    return (json.dumps(fields, indent=2, sort_keys=True) + "\n").encode("ascii")


def parse(data: bytes) -> Mark:
    """The mark that `data` holds; keys it does not know are ignored. ValueError, with a reason, if it is not a mark."""
    try:
        table = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(table, dict) or table.get("format") != _FORMAT:
        raise ValueError(f"it is no table of format {_FORMAT}")
    fields: dict[str, Any] = {field.name: table.get(field.name) for field in dataclasses.fields(Mark)}
    for name, value in fields.items():
        is_fine = isinstance(value, bool) if name == "settled" else isinstance(value, str) and bool(value)
        if not is_fine and (name not in _OPTIONAL or value is not None):
            raise ValueError(f"its {name} can't be {value!r}")
    mark = Mark(**fields)
    if not _DIGEST.fullmatch(mark.digest) or mark.label not in (None, version.label(mark.digest)):
        raise ValueError(f"its digest is not 32 hex digits, or its label not of it: {mark.digest}, {mark.label}")
    return mark
