"""When the requirements of a stored wheel were last resolved: one small file for each entry, in the cache directory.

Where it is lost, nobody knows, and they are asked for once more.
"""

from __future__ import annotations

import os

from freshwheel.base import records

_MAGIC = b"FWASK\0\0\1"
_MOST = 1000
"""Files; the oldest go first."""


def latest(cache: str | None, key: str) -> int:
    """When the requirements of the entry under this key were last resolved, in ns; 0: nobody knows."""
    return records.load(_place(cache or "", key), _MAGIC, key) or 0


def renew(cache: str | None, key: str, now: int) -> None:
    """They were resolved `now`, in ns; if that can't be written, they will be asked for again."""
    records.save(_place(cache or "", key), _MAGIC, now, key, most=_MOST)


def _place(cache: str, key: str) -> str:
    return os.path.join(cache, "resolved", f"of.{key}.bin")
