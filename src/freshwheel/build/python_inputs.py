"""The packages and modules of which an editable wheel may have to list each, so that a new one makes it another."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from freshwheel.base import toml_access
from freshwheel.sources import digest

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
