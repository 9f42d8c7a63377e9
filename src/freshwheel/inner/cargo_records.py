"""The records that cargo leaves in its target folders: one for each compilation, for each run of a build script."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_OUTPUTS = ("output", "stdout")
"""Where the output of a build script is kept, beside `root-output`; newer versions of cargo call it stdout."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One record."""

    kind: Literal["compiled", "script", "list"]
    """dep-info of rustc; output of a build script; all sources of an artefact, path crates only, as cargo lists them.

    The last one is always of the latest build that made the artefact, the others may be left from an earlier one.
    """
    name: str
    """That of the package for a build script, else that of the crate or artefact, with `_` for `-`."""
    profile: str
    """`release`, `debug`; the same for the host and for a target triple."""
    folder: str
    """The target folder."""
    stamp: int
    """Its mtime in ns."""
    text: str


def units(folder: str) -> list[Unit]:
    """The records in one target folder; none where there is no such folder. Raises OSError where one can't be read."""
    found: list[Unit] = []
    for profile in _profiles(folder):
        for path, kind, name in _records(profile):
            try:
                with open(path, "rb") as file:
                    stamp, data = os.fstat(file.fileno()).st_mtime_ns, file.read()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
            text = data.decode(sys.getfilesystemencoding(), "surrogateescape")
            title = os.path.basename(profile)
            found.append(Unit(kind=kind, name=name, profile=title, folder=folder, stamp=stamp, text=text))
    return found


def _profiles(folder: str) -> Iterator[str]:
    """The folders of profiles, with or without a target triple above them."""
    for path in _folders(folder):
        if _is_profile(path):
            yield path
        else:
            yield from (below for below in _folders(path) if _is_profile(below))


def _is_profile(path: str) -> bool:
    return any(os.path.isdir(os.path.join(path, name)) for name in ("deps", "build"))


def _records(profile: str) -> Iterator[tuple[str, Literal["compiled", "script", "list"], str]]:
    """The path, the kind and the name of each record of a profile, in either layout of cargo."""
    for path in _dep_infos(profile):
        yield path, "list", _crate(path, hashed=False)
    for path in _dep_infos(os.path.join(profile, "deps")):
        yield path, "compiled", _crate(path)
    for unit in _folders(os.path.join(profile, "build")):
        yield from _of_unit(unit, os.path.basename(unit).rpartition("-")[0])
        for below in _folders(unit):
            for one in (os.path.join(below, name) for name in ("out", "run")):
                if os.path.isdir(os.path.join(below, "fingerprint")):
                    yield from _of_unit(one, os.path.basename(unit))


def _of_unit(unit: str, package: str) -> Iterator[tuple[str, Literal["compiled", "script"], str]]:
    """The records in the folder of one unit."""
    for path in _dep_infos(unit):
        yield path, "compiled", _crate(path)
    if os.path.isfile(os.path.join(unit, "root-output")):
        yield from ((os.path.join(unit, name), "script", package) for name in _OUTPUTS)


def _crate(path: str, *, hashed: bool = True) -> str:
    stem = os.path.basename(path).removesuffix(".d")
    return (stem.rpartition("-")[0] or stem).replace("-", "_") if hashed else stem


def _dep_infos(folder: str) -> list[str]:
    return [entry.path for entry in _entries(folder) if entry.name.endswith(".d")]


def _folders(folder: str) -> list[str]:
    return [entry.path for entry in _entries(folder) if entry.is_dir()]


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder, sorted by name; nothing where there is no folder."""
    try:
        with os.scandir(folder) as listing:
            return sorted(listing, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
