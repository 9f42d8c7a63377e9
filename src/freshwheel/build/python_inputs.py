"""What an editable wheel rests on: packages and modules that it may list, extension modules that lie in the tree."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from freshwheel.base import rows, toml_access
from freshwheel.base.rows import Row
from freshwheel.sources import boundary, digest, disk

_PREFIX = re.compile(r"\w+\*")


def shaping(paths: Sequence[bytes], pyproject: Mapping[str, Any], *, name: str) -> list[bytes]:
    """The packages, and the modules in none, of which a way into the tree may be made.

    What lies in a package is imported by that one. But setuptools can be told of each by its name.
    """
    known, folders = frozenset(paths), digest.packages(list(paths))
    if name == "maturin":
        return sorted(one for one in folders if one.rpartition(b"/")[0] + b"/__init__.py" not in known)
    where = None if known & {b"setup.py", b"setup.cfg"} else _where(toml_access.table(pyproject, "tool.setuptools"))
    nested = [one for one in folders if where is not None and _is_nested(one, where, known)]
    return sorted([*folders.difference(nested), *digest.loose(list(paths))])


def _where(settings: Mapping[str, Any]) -> str | None:
    """The folder in which setuptools looks for all packages; None where one in another may be singled out."""
    found = settings.get("packages")
    if settings.keys() & {"namespace-packages", "package-dir", "py-modules"}:
        return None
    if found is None or isinstance(found, list):
        listed = [str(one) for one in found or ()]
        return "src" if all(one.partition(".")[0] in listed for one in listed) else None
    table, where = toml_access.table(found, "find"), toml_access.texts(found, "find.where")
    patterns = [*toml_access.texts(table, "include"), *toml_access.texts(table, "exclude")]
    if len(where) > 1 or not all(map(_PREFIX.fullmatch, patterns)):
        return None
    return _path(where[0]) if where else "."


def _is_nested(folder: bytes, where: str, paths: AbstractSet[bytes]) -> bool:
    """Whether a package lies in a package, and so on, up to where packages are looked for."""
    parts = folder.split(b"/")
    first = where.count("/") + 2 if os.fsdecode(folder).startswith(f"{where}/") else 1
    above = (b"/".join([*parts[:number], b"__init__.py"]) for number in range(first, len(parts)))
    return len(parts) > first and all(one in paths for one in above)


def _path(text: str) -> str:
    """A text as inputs are called."""
    return os.path.normpath(text).replace(os.sep, "/")


_MOST = 20_000
"""Folders that are looked into."""
_EVIDENCE = frozenset((b"CACHEDIR.TAG", b"pyvenv.cfg", b"conda-meta", b".rustc_info.json", b"CMakeCache.txt"))


class CrowdedError(Exception):
    """There are too many folders to look into."""


def extension_modules(
    tree: str, roots: Iterable[str], endings: tuple[str, ...], apart: Iterable[str] = ()
) -> dict[bytes, Row]:
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
