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
        return sorted(folder for folder in folders if folder.rpartition(b"/")[0] + b"/__init__.py" not in known)
    where = None if known & {b"setup.py", b"setup.cfg"} else _where(toml_access.table(pyproject, "tool.setuptools"))
    nested = [folder for folder in folders if where is not None and _is_nested(folder, where, known)]
    return sorted([*folders.difference(nested), *digest.loose(list(paths))])


def _where(settings: Mapping[str, Any]) -> str | None:
    """The folder in which setuptools looks for all packages; None where one in another may be singled out."""
    packages = settings.get("packages")
    if settings.keys() & {"namespace-packages", "package-dir", "py-modules"}:
        return None
    if packages is None or isinstance(packages, list):
        listed = [str(name) for name in packages or ()]
        return "src" if all(name.partition(".")[0] in listed for name in listed) else None
    table, where = toml_access.table(packages, "find"), toml_access.texts(packages, "find.where")
    patterns = [*toml_access.texts(table, "include"), *toml_access.texts(table, "exclude")]
    if len(where) > 1 or not all(map(_PREFIX.fullmatch, patterns)):
        return None
    return _path(where[0]) if where else "."


def _is_nested(folder: bytes, where: str, paths: AbstractSet[bytes]) -> bool:
    """Whether a package lies in a package, and so on, up to where packages are looked for."""
    parts = folder.split(b"/")
    first = where.count("/") + 2 if os.fsdecode(folder).startswith(f"{where}/") else 1
    above = (b"/".join([*parts[:number], b"__init__.py"]) for number in range(first, len(parts)))
    return len(parts) > first and all(path in paths for path in above)


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
    wanted = tuple(os.fsencode(ending) for ending in endings if ending.count(".") > 1)  # any other says nothing
    top = os.fsencode(tree)
    budget = iter(range(_MOST))
    for root in sorted({disk.spelled(os.fsencode(text)) for text in roots}):
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
        below = [
            entry.name for entry in entries if not boundary.is_bare(entry.name) and entry.is_dir(follow_symlinks=False)
        ]
        left += [folder + b"/" + name if folder else name for name in below if not name.startswith(b".")]
