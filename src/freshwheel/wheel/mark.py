"""The mark: what `freshwheel.json` in a wheel's `.dist-info` says about the sources the wheel was built from.

It is the same on every machine: it has no path, host, user or time in it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

from freshwheel.base.model import Mark
from freshwheel.wheel import version

NAME = "freshwheel.json"
_FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{32}")


def dump(mark: Mark) -> bytes:
    """The text of `freshwheel.json`: ASCII, keys sorted, so that equal marks are equal bytes."""
    fields = {"format": _FORMAT, **dataclasses.asdict(mark)}
    return (json.dumps(fields, indent=2, sort_keys=True) + "\n").encode("ascii")


def parse(data: bytes) -> Mark:
    """The mark that `data` holds; keys it does not know are ignored. ValueError, with a reason, if it is not a mark."""
    try:
        found = json.loads(data.decode(), object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if type(found) is not dict:
        raise ValueError("it is not a JSON object")
    if (stated := _value(found, "format", int)) != _FORMAT:
        raise ValueError(f"its format is {stated}; only {_FORMAT} is known")
    digest = _text(found, "digest")
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"its digest is not 32 hex digits: {digest!r}")
    label = _value(found, "label", str, NoneType)
    if label not in (None, version.label(digest)):
        raise ValueError(f"its label is not that of its digest: {label!r}")
    return Mark(
        digest=digest,
        settled=_value(found, "settled", bool),
        label=label,
        base=_text(found, "base"),
        backend=_text(found, "backend"),
        inner_wheel=_text(found, "inner_wheel"),
        freshwheel=_text(found, "freshwheel"),
        native=_native(found),
    )


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it has a key twice")
    return found


def _value(found: Mapping[str, Any], key: str, *kinds: type) -> Any:
    """The value at `key`, of exactly one of these types: JSON's `true` is no number here."""
    if key not in found:
        raise ValueError(f"it has no {key}")
    if type(found[key]) not in kinds:
        raise ValueError(f"its {key} has the wrong type")
    return found[key]


def _native(found: Mapping[str, Any]) -> str | None:
    """The native digest; earlier versions wrote none."""
    native = found.get("native")
    if native is not None and not (isinstance(native, str) and _DIGEST.fullmatch(native)):
        raise ValueError(f"its native digest is not 32 hex digits: {native!r}")
    return native


def _text(found: Mapping[str, Any], key: str) -> str:
    text: str = _value(found, key, str)
    if not text:
        raise ValueError(f"its {key} is empty")
    return text
