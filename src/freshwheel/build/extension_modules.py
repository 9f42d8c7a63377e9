"""The extension modules that lie in a tree, among its sources: those with an ABI tag, which are no inputs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from freshwheel.base import rows
from freshwheel.base.rows import Row
from freshwheel.sources import boundary, disk

_MOST = 20_000
"""Folders that are looked into."""
_EVIDENCE = frozenset((b"CACHEDIR.TAG", b"pyvenv.cfg", b"conda-meta", b".rustc_info.json", b"CMakeCache.txt"))


class CrowdedError(Exception):
    """There are too many folders to look into."""


def found(tree: str, roots: Iterable[str], endings: tuple[str, ...], apart: Iterable[str] = ()) -> dict[bytes, Row]:
    """Path -> row of the modules below `roots`, folders relative to `tree`, that end as this Python loads them.

    `apart` are folders that were given to tools, relative too. Raises OSError, and CrowdedError.
    """
    modules: dict[bytes, Row] = {}
    wanted = tuple(os.fsencode(one) for one in endings if one.count(".") > 1)  # any other says nothing
    top = os.fsencode(tree)
    budget = iter(range(_MOST))
    for root in sorted({disk.spelled(os.fsencode(one)) for one in roots}):
        for folder, names in _folders(top, root, budget, frozenset(map(os.fsencode, apart))):
            for name in names:
                if name.endswith(wanted) and boundary.is_dropping(name):
                    path = folder + b"/" + name if folder else name
                    status = os.lstat(os.path.join(top, path))
                    if stat.S_ISREG(status.st_mode):
                        modules[path] = rows.row(status)
    return modules


def _folders(
    top: bytes, root: bytes, budget: Iterator[int], apart: frozenset[bytes]
) -> Iterator[tuple[bytes, list[bytes]]]:
    """The folders from `root` downwards, relative to `top`, and the names in each; links are not followed."""
    left = [root]
    while left:
        folder = left.pop()
        if next(budget, None) is None:
            raise CrowdedError
        with os.scandir(os.path.join(top, folder)) as listing:
            entries = list(listing)
        names = [entry.name for entry in entries]
        if folder != root and (folder in apart or not _EVIDENCE.isdisjoint(names)):
            continue
        yield folder, names
        below = [one.name for one in entries if not boundary.is_bare(one.name) and one.is_dir(follow_symlinks=False)]
        left += [folder + b"/" + name if folder else name for name in below if not name.startswith(b".")]
