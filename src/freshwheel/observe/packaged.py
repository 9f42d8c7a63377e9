"""What the package manager of the system stands for: files that it has installed, by its own lists.

One row of its database then stands for all of them. Where there is no such list each file has a row of its own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

__all__ = ["databases", "test"]

_STATUS = "/var/lib/dpkg/status"
_LISTS = "/var/lib/dpkg/info"
_MERGED = (b"/bin/", b"/lib/", b"/lib32/", b"/lib64/", b"/sbin/")
"""Folders of the root that are links into `/usr`, and that packages still name."""
_SYSTEM = (b"/usr/", *_MERGED)
_LOCAL = b"/usr/local/"
_STORE = b"/nix/store/"
"""Nothing below it ever changes."""


def databases() -> list[str]:
    """The files that change with each change of the system's packages."""
    return [_STATUS] if os.path.isfile(_STATUS) else []


def test() -> Callable[[bytes], bool]:
    """Whether the package manager stands for an absolute path; its lists are read when the first is asked for."""
    known: set[bytes] = set()

    def is_packaged(path: bytes) -> bool:
        if path.startswith(_STORE):
            return True
        if not path.startswith(_SYSTEM) or path.startswith(_LOCAL):
            return False
        if not known:
            known.update(_listed())
        return _merged(path) in known

    return is_packaged


def _listed() -> set[bytes]:
    paths = {b""}
    try:
        with os.scandir(_LISTS) as listing:
            names = [entry.path for entry in listing if entry.name.endswith(".list")]
    except OSError:
        return paths
    for name in names:
        with contextlib.suppress(OSError), open(name, "rb") as file:
            paths.update(map(_merged, file.read().split(b"\n")))
    return paths


def _merged(path: bytes) -> bytes:
    return b"/usr" + path if path.startswith(_MERGED) else path
