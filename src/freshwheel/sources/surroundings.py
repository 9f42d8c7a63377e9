"""What lies around a project: its repository, folders of tools, in which nothing is a source, and what builds name.

The files of a build are searched for what looks like a path that climbs out; nobody's language is read.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from freshwheel.base import files

KEPT = (".git", ".hg", ".jj", ".svn")
"""What version control keeps in the folder that is cloned as a whole."""
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


def repository(tree: str, crates: Sequence[str]) -> str:
    """The folder that is cloned as a whole, as far as it shows: that with version control, else all that is known."""
    folder = os.path.realpath(tree)
    while True:
        if any(os.path.lexists(os.path.join(folder, name)) for name in KEPT):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    real = os.path.realpath(tree)
    try:
        return os.path.commonpath([real, *(os.path.normpath(os.path.join(real, crate)) for crate in crates)])
    except ValueError:  # on several drives
        return real


def apart(tree: str, environ: Mapping[str, str]) -> list[str]:
    """Folders of which nothing counts: what comes from registries, toolchains, Python and its packages."""
    home = environ.get("HOME") or environ.get("USERPROFILE") or ""
    homes = [
        environ.get("CARGO_HOME") or (os.path.join(home, ".cargo") if home else ""),
        environ.get("RUSTUP_HOME") or (os.path.join(home, ".rustup") if home else ""),
    ]
    real = os.path.join(os.path.realpath(tree), "")
    paths = [*sys.path, *environ.get("PYTHONPATH", "").split(os.pathsep)]
    # People put their own sources on the path too, and so does `backend-path`.
    pythons = [path for path in paths if is_installed(path) or not os.path.realpath(path).startswith(real)]
    if sys.prefix != sys.base_prefix:
        pythons.append(sys.prefix)
    return [
        path
        for path in (*homes, *pythons, *files.set_apart(tree, environ))
        if os.path.isabs(path) and not real.startswith(os.path.join(os.path.realpath(path), ""))
    ]


def set_apart(tree: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The folders that the environment gives to tools, relative to the tree."""
    real = os.path.realpath(tree)
    found = []
    for path in files.set_apart(tree, environ):
        with contextlib.suppress(ValueError):  # on another drive
            found.append(os.path.relpath(path, real).replace(os.sep, "/"))
    return tuple(found)


def is_installed(path: str) -> bool:
    """Whether a folder is one that installers put packages into."""
    return os.path.basename(path) in ("site-packages", "dist-packages")


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
            # Behind a variable, it may begin in the project.
            folders = [posixpath.dirname(name), *([""] if said[: match.start()].endswith("/") else [])]
            paths = [posixpath.normpath(posixpath.join(one, path)) for path in (joined, match[1]) for one in folders]
            found = next((path for path in paths if _leads_out(tree, repository, path)), None)
            if found is not None:
                is_folder = os.path.isdir(os.path.join(tree, found))
                yield Climb(f"{name}:{number}", found, f"{found}/**" if is_folder else found)


def _leads_out(tree: str, repository: str, path: str) -> bool:
    """Whether there is something at a path, in the repository and not in the project."""
    place = os.path.join(os.path.realpath(os.path.join(tree, path)), "")
    own, all_of_it = (os.path.join(os.path.realpath(one), "") for one in (tree, repository))
    is_there = path.partition("/")[0] == ".." and os.path.exists(place.rstrip(os.sep))
    return is_there and place.startswith(all_of_it) and not place.startswith(own)
