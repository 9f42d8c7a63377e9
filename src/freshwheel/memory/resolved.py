"""When the requirements of a stored wheel were last resolved: one small file for each entry, in the cache directory.

Where it is lost, nobody knows, and they are asked for once more.
"""

from __future__ import annotations

import os

from freshwheel.base import frame

_MOST = 1000
"""Files; the oldest go first."""


def latest(cache: str | None, key: str) -> int:
    """When the requirements of the entry under this key were last resolved, in ns; 0: nobody knows."""
    try:
        with open(_place(cache or "", key), "rb") as file:
            return int(file.read(24)) if frame.is_own(os.fstat(file.fileno())) else 0
    except (OSError, ValueError):
        return 0


def renew(cache: str | None, key: str, now: int) -> None:
    """They were resolved `now`, in ns; if that can't be written, they will be asked for again."""
    path = _place(cache or "", key)
    try:
        frame.settle(os.path.dirname(path))
        frame.write(path, b"%d" % now, mode=0o600)
        frame.thin(path, _MOST)
    except OSError:
        return


def _place(cache: str, key: str) -> str:
    return os.path.join(cache, "resolved", f"of.{key}.txt")
