"""The Python texts of a project that run when it is built, and what they read of the environment."""

from __future__ import annotations

import os
import posixpath
import warnings
from collections.abc import Sequence

from freshwheel.model import Input
from freshwheel.sources import disk, scan
from freshwheel.sources.scan import Scan

__all__ = ["scanned"]

_LARGEST = 1 << 20
"""Bytes. A longer text may read anything, as far as `scan` can tell."""


def scanned(tree: str, inputs: Sequence[Input], backend_path: Sequence[str]) -> Scan:
    """What `setup.py` and the modules of an in-tree backend or wrapper, as far as they are inputs, read.

    What they import from elsewhere is not looked at.
    """
    folders = [posixpath.normpath(path).encode("utf-8", "surrogateescape") for path in backend_path]
    texts = [one.path for one in inputs if _runs(one.path, folders)]
    scans = [_scan(tree, path) for path in texts]
    return Scan(names=frozenset(name for one in scans for name in one.names), unknown=any(one.unknown for one in scans))


def _runs(path: bytes, folders: Sequence[bytes]) -> bool:
    if path == b"setup.py":
        return True
    inside = any(folder == b"." or path.startswith(folder + b"/") for folder in folders)
    return inside and path.endswith(b".py") and not path.startswith(b"../")


def _scan(tree: str, path: bytes) -> Scan:
    try:
        with open(disk.at(os.fsencode(tree), path), "rb") as file:
            text = file.read(_LARGEST + 1)
    except OSError:
        return Scan(names=frozenset(), unknown=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the text of somebody else, who will see them when it runs
        return scan.names(text)
