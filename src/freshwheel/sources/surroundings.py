"""What lies around a project: the repository that it is part of, and folders of tools, in which nothing is a source."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence

from freshwheel.base import files

KEPT = (".git", ".hg", ".jj", ".svn")
"""What version control keeps in the folder that is cloned as a whole."""


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
