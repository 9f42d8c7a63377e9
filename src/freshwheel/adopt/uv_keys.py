"""The cache keys of a project: the files, variables and commits by which uv decides whether to ask its backend.

uv knows no negation, and walks whatever lies below the first wildcard. So a glob is one folder and one suffix, and only
where it covers no file that is known to be no input. Any other file has its name.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_GROUNDS = ("Cargo.toml", "package.json", "pyproject.toml", "setup.py")
"""A folder with one of these is one where build tools leave their own."""
_BUILT = (".a", ".dll", ".dylib", ".lib", ".o", ".pyd", ".so", ".whl")
_MANY = 4
"""Folders that share a pattern."""
_MAGIC = re.compile(r"[*?\[\]{}]")
_UNSPELLABLE = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]|(?:(?<=/)|\A)[!#]|[ ](?=/|\Z)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """What lies where, as far as cache keys are concerned. Paths are relative to the project, with `/`."""

    watched: frozenset[str]
    """The files that uv must watch, whether they are there or not."""
    others: frozenset[str] = frozenset()
    """Files that it must not watch, whether they are there or not."""
    linked: frozenset[str] = frozenset()
    """Symbolic links to folders, behind which no glob of uv looks."""
    env: frozenset[str] = frozenset()
    """The environment names that the build is known to read."""
    versioned: bool = False
    """Whether something takes the version from git."""


def keys(layout: Layout, *, names: bool = False) -> list[dict[str, Any]]:
    """The elements of `cache-keys`; `names`: files outside of the project are named one by one."""
    grounds = {folder for path in layout.watched if posixpath.basename(path) in _GROUNDS for folder in above(path)}
    taken = {(folder, f".{path.rpartition('.')[2]}") for path in layout.others for folder in above(path)}
    found = {_covering(path, layout, grounds, taken, names=names) for path in layout.watched}
    files = sorted(
        _joined(found, layout, names=names), key=lambda one: (one != "pyproject.toml", one.count("../"), one)
    )
    git = [{"git": {"commit": True, "tags": True}}] if layout.versioned else []
    return [*({"file": text} for text in files), *({"env": name} for name in sorted(layout.env)), *git]


def lines(found: Sequence[Mapping[str, Any]], *, newline: str = "\n") -> str:
    """The array in TOML."""
    return newline.join(["[", *(f"    {shown(one)}," for one in found), "]"])


def shown(element: Any) -> str:
    """One element in TOML, whatever it is."""
    if isinstance(element, Mapping):
        return f"{{ {', '.join(f'{name} = {shown(value)}' for name, value in element.items())} }}"
    if isinstance(element, bool):
        return str(element).lower()
    return (
        json.dumps(element, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(element, str) else str(element)
    )


def above(path: str) -> list[str]:
    """The folders that hold a path, the innermost first; without the project directory and those above it."""
    found = []
    while not _is_dots(path := posixpath.dirname(path)):
        found.append(path)
    return found


def spelled(path: str, *, in_glob: bool = False) -> str:
    """What matches `path` and, but for names that no glob can spell, nothing else; as a part of a glob where asked."""
    unspellable = any("\ud800" <= char <= "\udfff" for char in path)
    if not (in_glob or unspellable or _MAGIC.search(path)):
        return path
    return re.sub(r"[*?\[\]{}]", r"[\g<0>]", _UNSPELLABLE.sub("\0", path)).replace("\0", "?")


def _is_dots(folder: str) -> bool:
    """Whether a folder is the project directory, or one above it."""
    return set(folder.split("/")) <= {"", ".", ".."}


def _covering(path: str, layout: Layout, grounds: set[str], taken: set[tuple[str, str]], *, names: bool) -> str:
    """The name of a file, or the glob for all files of its suffix in the outermost folder where that may be."""
    folders, suffix = above(path), posixpath.splitext(path)[1]
    is_named = names and path.startswith("..")
    if not suffix or suffix in _BUILT or is_named or not layout.linked.isdisjoint(folders):
        return spelled(path)
    for folder in reversed(folders):
        if not (folder in grounds or (folder, suffix) in taken or _UNSPELLABLE.search(f"{folder}/{suffix}")):
            return f"{spelled(folder, in_glob=True)}/**/*{spelled(suffix, in_glob=True)}"
    return spelled(path)


def _joined(found: Iterable[str], layout: Layout, *, names: bool) -> set[str]:
    """The patterns, those that differ in one folder alone made one where that covers nothing else."""
    left = set(found)
    groups: dict[tuple[str, str], set[str]] = defaultdict(set)
    for text in left:
        parts = [] if (names and text.startswith("..")) or _UNSPELLABLE.search(text) else text.split("/")
        for place in range(1, len(parts) - 1):
            head = "/".join(parts[:place])
            if not (_is_dots(head) or _MAGIC.search(f"{head}/{parts[place]}")):
                groups[head, "/".join(parts[place + 1 :])].add(text)
    for (head, rest), group in sorted(groups.items(), key=lambda one: (-len(one[1]), one[0])):
        if len(group & left) >= _MANY and _is_free(head, rest, layout):
            left = (left - group) | {f"{head}/*/{rest}"}
    return left


def _is_free(head: str, rest: str, layout: Layout) -> bool:
    """Whether no tool builds in the folder `head`, and `rest` covers nothing but inputs in any folder of it."""
    names = [path.removeprefix(f"{head}/") for path in layout.others if path.startswith(f"{head}/")]
    grounds = [f"{head}/{name}" for name in _GROUNDS]
    return layout.watched.isdisjoint(grounds) and not any(_covers(rest, one.partition("/")[2]) for one in names)


def _covers(text: str, path: str) -> bool:
    """Whether a name or a glob of this module matches a path."""
    start, deep, end = text.partition("**/*")
    name = spelled(path, in_glob=True)
    return name.startswith(start) and name.endswith(end) if deep else name == text
