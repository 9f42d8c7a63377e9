"""A folder that wheels are written to: a new wheel takes the place of its own earlier ones.

Unwrapped, a build overwrites the file of the build before, because both have one name. A label gives each its own name,
and labels have no order, so an installer that is shown the folder could pick any of them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from freshwheel.wheel import archive

Standing = Mapping[str, tuple[int, int, int]]
"""File name -> inode, mtime in ns and size in bytes."""


def standing(directory: str) -> Standing:
    """The wheels that are in `directory` now."""
    wheels = {}
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(".whl"):
                wheels[entry.name] = _row(entry.path)
    return {name: row for name, row in wheels.items() if row is not None}


def clear(directory: str, before: Standing, *, new: str, inner: str) -> list[str]:
    """The names of the wheels removed from `directory`: those that the inner backend would have overwritten.

    A wheel goes only if it stood there before this build began (`before`) and nobody touched it since, if it carries a
    label, and if its mark names the inner file name of the new wheel. A wheel that can't be removed stays.
    """
    removed = []
    for name, row in sorted(before.items()):
        path = os.path.join(directory, name)
        if name == new or _row(path) != row or not _is_earlier(path, inner):
            continue
        with contextlib.suppress(OSError):
            os.unlink(path)
            removed.append(name)
    return removed


def _is_earlier(path: str, inner: str) -> bool:
    mark = archive.mark_of(path)
    return mark is not None and mark.label is not None and mark.inner_wheel == inner


def _row(path: str) -> tuple[int, int, int] | None:
    try:
        stat = os.lstat(path)
    except OSError:
        return None
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)
