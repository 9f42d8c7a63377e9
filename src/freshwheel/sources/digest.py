"""The canonical digest of inputs: a pure function of their names, kinds and contents. See docs/reference/digest.md."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import xxhash

from freshwheel.base.frame import framed
from freshwheel.base.model import Input
from freshwheel.base.rows import EDITION
from freshwheel.base.rows import digest as digest_of_columns

_RULES = b"freshwheel inputs"

of = xxhash.xxh3_128_digest
"""The content digest of bytes: 16 bytes."""


def digest(inputs: Sequence[Input], rules: bytes) -> str:
    """The source digest, 32 hex digits, of inputs in any order; `rules` are the 16 bytes that `rules` returns."""
    return digest_of_columns(rules, *columns(inputs))


def columns(inputs: Sequence[Input]) -> tuple[bytes, bytes]:
    """The sorted paths of inputs with a NUL between two, and kind and content of each."""
    ordered = sorted(inputs, key=attrgetter("path"))
    return b"\0".join([one.path for one in ordered]), b"".join([one.kind + one.content for one in ordered])


def rules(*, include: Sequence[str], exclude: Sequence[str], always: Sequence[str]) -> bytes:
    """What selected the inputs, in 16 bytes; neither the order nor a repetition of patterns counts."""
    lists = [framed(*sorted({text.encode() for text in texts})) for texts in (include, exclude, always)]
    return of(framed(_RULES, str(EDITION).encode(), *lists))


def link(text: bytes, kind: bytes, target: bytes) -> bytes:
    """The content digest of a symbolic link: its text, and the kind of what it leads to with what tells that apart."""
    return of(framed(text, kind, target))
