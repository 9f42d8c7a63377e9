"""The folders that cargo keeps its work in: where they are, and what state they are in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import xxhash

from freshwheel.base.frame import framed

_TARGET_DIR = "CARGO_TARGET_DIR"
_BUILD_DIR = "CARGO_BUILD_BUILD_DIR"
_UNITS = ".fingerprint"
_COMPARED = frozenset(("output", "invoked.timestamp"))
"""What build scripts leave in their folders that cargo takes the time of."""
_RUN = "run-build-script"
"""How the records begin by which cargo knows what a build script has said."""
_DEEPEST = 20
"""Folders; deeper than any build goes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """The state of one profile of a build folder: `target/release`, `target/TRIPLE/debug`."""

    stamp: bytes
    """16 bytes over what cargo wrote there; nothing where it can't be read, which never fits."""
    newest: int
    """The newest mtime that cargo may compare a source with."""


def look(folders: Sequence[str]) -> dict[str, Profile]:
    """The state of each profile in the build folders, by its path; none where nothing was built.

    The stamp is over paths, sizes and mtimes of all files below `.fingerprint`, and of what build scripts left to be
    compared with. Measured: a build that does nothing leaves all of these alone, and each compilation, each run of a
    build script and each failure moves some of them. `.cargo-lock` never moves, the `*.d` files beside the artefacts
    even when nothing is done, and the contents of `.fingerprint` are the same for different sources. There are no
    change times in it: a folder restored exactly, mtimes in nanoseconds included, fits the record of that moment.
    """
    found: dict[str, Profile] = {}
    for folder in folders:
        found.update(_state(os.path.abspath(folder)))
    return found


def build_folders(
    manifests: Sequence[str], environ: Mapping[str, str], *, tree: str, arguments: Sequence[str] = ()
) -> list[str] | None:
    """Where cargo keeps what it compiles for the manifests, which are relative to `tree`; None where it does not say.

    cargo is asked, from the folder where maturin and setuptools-rust start it too: variables, configuration files and
    workspaces all have a say in it. `arguments` are those that the inner backend hands on to cargo.
    """
    cargo = shutil.which("cargo", path=environ.get("PATH", os.defpath))
    options = _options(arguments)
    if cargo is None or options is None:
        return None
    target, configs = options
    asked = {**environ, **({_TARGET_DIR: target} if target else {})}
    command = [cargo, "metadata", "--no-deps", "--format-version=1", *configs, "--manifest-path"]
    folders = {_answer([*command, os.path.join(tree, path)], asked, tree) for path in manifests}
    return None if None in folders else sorted(folder for folder in folders if folder is not None)


def profile(path: str, entries: Iterable[os.DirEntry[str]]) -> Profile:
    """The state of a folder, over the paths, sizes and mtimes of these entries in it. Raises OSError."""
    rows = sorted((one.path[len(path) :], one.stat(follow_symlinks=False)) for one in entries)
    texts = [b"%d %d %s" % (row.st_size, row.st_mtime_ns, os.fsencode(name)) for name, row in rows]
    stamp = xxhash.xxh3_128_digest(framed(*texts))
    return Profile(stamp=stamp, newest=max((row.st_mtime_ns for _, row in rows), default=0))


def files(path: str, depth: int | None = None) -> Iterator[os.DirEntry[str]]:
    """All that is no folder, so many folders deep; none where there is no folder. Raises OSError."""
    try:
        with os.scandir(path) as listing:
            entries = list(listing)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            yield entry
        elif depth is None or depth > 1:
            yield from files(entry.path, None if depth is None else depth - 1)


def rerun(profiles: Iterable[str], packages: Collection[str] | None) -> set[str]:
    """The packages whose build scripts cargo will run again, since their records are gone now. Raises OSError.

    `profiles` are the paths of such folders. None stands for all packages.
    """
    done: set[str] = set()
    for place in profiles:
        for entry in files(os.path.join(place, _UNITS), 2):
            package = os.path.basename(os.path.dirname(entry.path)).rpartition("-")[0]
            if (packages is None or package in packages) and entry.name.startswith(_RUN):
                os.unlink(entry.path)
                done.add(package)
    return done


def private(environ: Mapping[str, str], folder: str) -> dict[str, str]:
    """The environment for a build in an empty `folder` of its own, where nothing is stale.

    An argument `--target-dir` wins over it.
    """
    return {**environ, _TARGET_DIR: folder, _BUILD_DIR: folder}


def _state(folder: str) -> dict[str, Profile]:
    """As `look`, for one folder; one that can't be read is one profile that never fits."""
    try:
        return {path: _profile(path) for path in _profiles(folder)}
    except OSError:
        return {folder: Profile(stamp=b"", newest=0)}


def _profiles(folder: str) -> Iterator[str]:
    """The paths of the profiles in a build folder, with or without a target triple above them."""
    for path in _folders(folder):
        if _is_profile(path):
            yield path
        else:
            yield from (below for below in _folders(path) if _is_profile(below))


def _is_profile(path: str) -> bool:
    return any(os.path.lexists(os.path.join(path, name)) for name in (_UNITS, ".cargo-lock"))


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as listing:
            return [entry.path for entry in listing if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _profile(path: str) -> Profile:
    """The state of one profile. One of an unfamiliar form is taken whole: too much moves it then, never too little."""
    units = os.path.join(path, _UNITS)
    try:
        if os.path.isdir(units):
            built = files(os.path.join(path, "build"), 2)
            entries = [*files(units, 2), *(one for one in built if one.name in _COMPARED)]
        else:
            entries = list(files(path, _DEEPEST))
        return profile(path, entries)
    except OSError:
        return Profile(stamp=b"", newest=0)


def _options(arguments: Sequence[str]) -> tuple[str, list[str]] | None:
    """The folder that arguments of cargo name, and what they say of the configuration; None for a broken end."""
    target, configs = "", []
    words = iter(arguments)
    for word in words:
        if word == "--":
            break  # what follows is rustc's
        name, sign, value = word.partition("=")
        if name in {"--target-dir", "--config"}:
            text = value if sign else next(words, None)
            if text is None:
                return None
            if name == "--config":
                configs += ["--config", text]
            else:
                target = text
    return target, configs


def _answer(command: Sequence[str], environ: Mapping[str, str], tree: str) -> str | None:
    """The build folder that `cargo metadata` tells; older ones have none apart from the target folder."""
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=tree, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError):
        return None
    found = answer.get("build_directory") or answer.get("target_directory") if isinstance(answer, dict) else None
    return found if isinstance(found, str) else None
