"""What a wheel says of the sources it was built from: the label in its version, and the mark.

The label is a local version (PEP 440), the mark is `freshwheel.json` in the `.dist-info`. Both are the same on every
machine: there is no path, host, user or time in them.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import xxhash

from freshwheel.base import requirements
from freshwheel.base.errors import WheelError
from freshwheel.base.frame import framed
from freshwheel.base.model import Mark

if TYPE_CHECKING:
    from packaging.version import Version


_DIGITS = 12
"""Of the 32 that a digest has. With the letter in front a label is never a number, which PEP 440 would rewrite."""
_VCS = re.compile(r"g[0-9a-f]{6,64}|d[0-9]{8}|dirty")
"""A commit, a day, a flag. Six digits at least: `gcc12` names a compiler, not a commit."""
_UNSETTLED = b"freshwheel: a tree that moved during the build"
_LONGEST = 60
"""Characters of a wrong text that a message repeats."""
NAME = "freshwheel.json"
_FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{32}")
_OPTIONAL = ("built", "label", "native")
"""`null` for a wheel of its own build, for one without a label; earlier versions wrote no native digest."""


def label(digest: str) -> str:
    """The local version segment that names the sources with this digest (32 hex digits)."""
    return f"s{digest[:_DIGITS]}"


def normal(text: str) -> str:
    """The normal form of a version; WheelError if `text` is none by PEP 440."""
    return text if requirements.RELEASE.fullmatch(text) else str(_parsed(text))


def joined(base: str, label: str) -> str:
    """The normal form of the version `base` with `label` as its last local segment.

    A local part that `base` has is kept, but for an earlier label and for what version control added (`g1a2b3c4`,
    `d20240101`, `dirty`): the label says all that, exactly. WheelError if `base` is not a version.
    """
    if requirements.RELEASE.fullmatch(base):
        return f"{base}+{label}"
    version = _parsed(base)
    segments = [segment for segment in requirements.segments(version) if not _VCS.fullmatch(segment)]
    return f"{version.public}+{'.'.join([*_unlabelled(segments), label])}"


def base(version: str) -> str:
    """The normal form of `version` without a label; WheelError if it is not a version."""
    parts = _parsed(version)
    local = ".".join(_unlabelled(requirements.segments(parts)))
    return f"{parts.public}+{local}" if local else parts.public


def unsettled(before: str | None, after: str | None, inner_sha256: str) -> str:
    """A digest (32 hex digits) for a wheel whose tree did not keep still, which is the digest of no tree.

    `before` and `after` are the digests of the tree around the build, None where it had none. The wheel that came of it
    (hex digits of its SHA-256) counts too, because the same two digests can stand around two different wheels.
    """
    fields = [framed() if digest is None else framed(digest.encode()) for digest in (before, after)]
    return xxhash.xxh3_128_hexdigest(framed(_UNSETTLED, *fields, inner_sha256.encode()))


def _parsed(text: str) -> Version:
    version = requirements.version(text)
    if version is None:
        shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
        raise WheelError(f"{shown!r} is not a version (PEP 440)")
    return version


def _unlabelled(segments: list[str]) -> list[str]:
    return segments[:-1] if segments and requirements.LABEL.fullmatch(segments[-1]) else segments


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
    if not _DIGEST.fullmatch(mark.digest) or mark.label not in (None, label(mark.digest)):
        raise ValueError(f"its digest is not 32 hex digits, or its label not of it: {mark.digest}, {mark.label}")
    return mark
