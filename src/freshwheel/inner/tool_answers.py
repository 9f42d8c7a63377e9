"""What tools said of themselves, in one file in the cache directory.

Whatever is wrong with that file, nothing is known then.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

from freshwheel.base import records

_NAME = "tools"
_MAGIC = b"FWTOOLS\2"
_MOST = 200
"""Answers; the oldest go first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """One answer."""

    output: str
    target: str
    """The program that really answered, if it is another one than was asked; else empty."""
    stamp: str
    """Its row."""


class Answers:
    """The answers of one cache directory; without one, those of this run."""

    def __init__(self, cache: str | None) -> None:
        self._path = os.path.join(cache, _NAME) if cache is not None else None
        self._known = _read(self._path) if self._path is not None else {}
        self._changed = False

    def get(self, about: str) -> Known | None:
        """The answer to the question `about`."""
        return self._known.get(about)

    def put(self, about: str, *, output: str, target: str, stamp: str) -> None:
        """The answer is known from now on."""
        self._known.pop(about, None)
        self._known[about] = Known(output=output, target=target, stamp=stamp)
        self._changed = True

    def save(self) -> None:
        """What is new is written; a cache that can't be written is no reason to fail."""
        if self._path is None or not self._changed:
            return
        newest = dict(list(self._known.items())[-_MOST:])
        records.save(self._path, _MAGIC, {about: asdict(one) for about, one in newest.items()})


def _read(path: str) -> dict[str, Known]:
    return {about: Known(**answer) for about, answer in (records.load(path, _MAGIC) or {}).items()}
