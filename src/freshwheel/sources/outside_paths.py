"""Paths in the files of a build that climb out of the project and name something there: known before any build.

The texts are searched for what looks like such a path; nobody's language is read.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_BUILDING = re.compile(r"(?:.*/)?(?:setup\.(?:py|cfg)|build\.rs|meson\.build|CMakeLists\.txt|[^/]+\.cmake)")
_PATH = re.compile(
    r"""(?:^|(?<=[\s"'(=;,:])|(?<=[}"']/)|(?<=-[IL]))"""  # not behind `src/`, nor behind `$ORIGIN/`
    r"""(\.\.(?:/\.\.)*(?:/[\w.+@-]+)*)(?=[\s"'()\];,>/]|$)"""
    r"""((?:/?["']\s*[,/]\s*["'][\w./+@-]+(?=["']))*)"""
)
"""A path, and the strings that are joined to it, as in `join(here, "..", "core")` and `root / '..' / 'core'`."""
_JOINT = re.compile(r"""/?["']\s*[,/]\s*["']""")
_COMMENT = re.compile(r"(?:^|\s)(?:#|//).*")


class Climb(NamedTuple):
    """One path that leads out of the project."""

    where: str
    """The file and the line in which it stands, as `path:line`."""
    path: str
    """From the project directory; it begins with `..`."""
    pattern: str
    """The pattern of `include` that declares it."""


def is_building(path: str) -> bool:
    """Whether a file is one that says what is built."""
    return _BUILDING.fullmatch(path) is not None


def outside(tree: str, repository: str, texts: Mapping[str, str]) -> list[Climb]:
    """The paths in some files, by their paths in the project, that lead to something else in the repository."""
    return sorted({one for name, text in texts.items() for one in _climbs(tree, repository, name, text)})


def _climbs(tree: str, repository: str, name: str, text: str) -> Iterator[Climb]:
    for number, line in enumerate(text.splitlines() if ".." in text else (), 1):
        said = _COMMENT.sub("", line)
        for match in _PATH.finditer(said):
            # Behind a name, a comma is that of a list.
            joined = match[1] + _JOINT.sub("/", match[2] if match[1].endswith("..") else match[2].partition(",")[0])
            folders = [posixpath.dirname(name)]
            folders += (
                [""] if said[: match.start()].endswith("/") else []
            )  # behind a variable, which may be the project
            paths = [posixpath.normpath(posixpath.join(one, path)) for path in (joined, match[1]) for one in folders]
            found = next((path for path in paths if _leads_out(tree, repository, path)), None)
            if found is not None:
                is_folder = os.path.isdir(os.path.join(tree, found))
                yield Climb(f"{name}:{number}", found, f"{found}/**" if is_folder else found)


def _leads_out(tree: str, repository: str, path: str) -> bool:
    """Whether there is something at a path, in the repository and not in the project."""
    place = os.path.realpath(os.path.join(tree, path))
    within = os.path.join(os.path.realpath(repository), "")
    return (
        path.partition("/")[0] == ".."
        and os.path.exists(place)
        and os.path.join(place, "").startswith(within)
        and not os.path.join(place, "").startswith(os.path.join(os.path.realpath(tree), ""))
    )
