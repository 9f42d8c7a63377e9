"""The folders that builds keep from one to the next: where they are, and what state they are in.

Cargo works in a build folder, one profile beside the other. CMake and Meson work in a temporary folder unless they are
told of one; both configure again in every build, so what a `GLOB` finds is always of now. Setuptools packs whatever
earlier builds left in `build/lib`, compares an extension with its sources and not with the headers that were included,
and keeps what `MANIFEST.in` once named in the list in its `.egg-info`: so it is told to work in a fresh folder.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xxhash

from freshwheel.base import toml_access
from freshwheel.base.backends import Backend
from freshwheel.base.frame import framed

_TARGET_DIR = "CARGO_TARGET_DIR"
_BUILD_DIR = "CARGO_BUILD_BUILD_DIR"
_UNITS = ".fingerprint"
_COMPARED = frozenset(("output", "invoked.timestamp"))
"""What build scripts leave in their folders that cargo takes the time of."""
_RUN = "run-build-script"
"""How the records begin by which cargo knows what a build script has said."""
_KEYS = ("build-dir", "skbuild.build-dir", "builddir")
"""Config settings of scikit-build-core and meson-python that name such a folder."""
_VARIABLE = "SKBUILD_BUILD_DIR"
_COMPILED = (
    *(".c", ".c++", ".cc", ".cmake", ".cpp", ".cu", ".cuh", ".cxx", ".f", ".f03", ".f90", ".f95", ".for", ".h", ".h++"),
    *(".hh", ".hpp", ".hxx", ".inc", ".inl", ".ipp", ".m", ".mm", ".s", ".tcc", ".tpp"),
)
"""Endings of files that only compilers read, who tell ninja, and of what is read to configure."""
_CONFIGURES = frozenset(("cmakelists.txt", "meson.build", "meson.options", "meson_options.txt", "pyproject.toml"))
_NO_SETUPTOOLS = ("flit", "hatchling", "maturin", "meson-python")
"""Known backends that never run setuptools."""
_CONFIG = "DIST_EXTRA_CONFIG"
_BASE = "base"
_BUILD = {"build_base": _BASE, "build_lib": os.path.join(_BASE, "lib"), "build_temp": os.path.join(_BASE, "temp")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """The state of one profile of a build folder: `target/release`, `target/TRIPLE/debug`."""

    stamp: bytes
    """16 bytes over what cargo wrote there; nothing where it can't be read, which never fits."""
    newest: int
    """The newest mtime that cargo may compare a source with."""


def look(folders: Sequence[str], kept: str | None = None) -> dict[str, Profile]:
    """The state of each profile in the build folders of cargo, by its path; none where nothing was built.

    With that of the folder that CMake or Meson keep, over all in it: what is stale there ninja finds by times, too.

    The stamp is over paths, sizes and mtimes of all files below `.fingerprint`, and of what build scripts left to be
    compared with. Measured: a build that does nothing leaves all of these alone, and each compilation, each run of a
    build script and each failure moves some of them. `.cargo-lock` never moves, the `*.d` files beside the artefacts
    even when nothing is done, and the contents of `.fingerprint` are the same for different sources. There are no
    change times in it: a folder restored exactly, mtimes in nanoseconds included, fits the record of that moment.
    """
    found: dict[str, Profile] = {}
    for folder in folders:
        found.update(_state(os.path.abspath(folder)))
    if kept is not None and (state := _whole(kept)) != _over(kept, ()):
        found[kept] = state
    return found


def cargo(
    manifests: Sequence[str], environ: Mapping[str, str], *, tree: str, arguments: Sequence[str] = ()
) -> list[str] | None:
    """Where cargo keeps what it compiles for the manifests, which are relative to `tree`; None where it does not say.

    cargo is asked, from the folder where maturin and setuptools-rust start it too: variables, configuration files and
    workspaces all have a say in it. `arguments` are those that the inner backend hands on to cargo.
    """
    program = shutil.which("cargo", path=environ.get("PATH", os.defpath))
    options = _options(arguments)
    if program is None or options is None:
        return None
    target, configs = options
    asked = {**environ, **({_TARGET_DIR: target} if target else {})}
    command = [program, "metadata", "--no-deps", "--format-version=1", *configs, "--manifest-path"]
    folders = {_answer([*command, os.path.join(tree, path)], asked, tree) for path in manifests}
    return None if None in folders else sorted(filter(None, folders))


def kept(
    backend: Backend,
    pyproject: Mapping[str, Any],
    settings: Mapping[str, str | Sequence[str]] | None,
    environ: Mapping[str, str],
) -> str | None:
    """The folder that CMake or Meson keep, as it is configured; None: none is kept.

    It is cut off where a name is made up by the backend. That of an editable build of meson-python, in which imports
    compile too, is left to it.
    """
    values: list[object] = [(settings or {}).get(name) for name in _KEYS]
    if backend.name == "scikit-build-core":
        # Whether overrides apply is not known; a folder that is not there is no harm.
        overrides = toml_access.entries(pyproject, "tool.scikit-build.overrides")
        values += [environ.get(_VARIABLE), toml_access.at(pyproject, "tool.scikit-build.build-dir")]
        values += [table.get("build-dir") for table in overrides]
    elif backend.name != "meson-python":
        return None
    found = next((value for value in values if value), None)
    if found is None:
        return None
    whole, brace, _ = (found if isinstance(found, str) else "").partition("{")
    return os.path.dirname(whole) if brace else whole


def fresh(
    settings: Mapping[str, str | Sequence[str]] | None, folder: str
) -> tuple[Mapping[str, str | Sequence[str]] | None, dict[str, str]]:
    """Config settings and variables with which CMake and Meson work in the empty `folder`, or one of their own."""
    rest = None if settings is None else {name: value for name, value in settings.items() if name not in _KEYS}
    return rest, {_VARIABLE: folder}


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


def rerun(profiles: Iterable[str], packages: Collection[str] | None) -> None:
    """Has cargo run the build scripts of these packages again, by removing their records. Raises OSError.

    `profiles` are the paths of such folders. None stands for all packages.
    """
    for place in profiles:
        for entry in files(os.path.join(place, _UNITS), 2):
            package = os.path.basename(os.path.dirname(entry.path)).rpartition("-")[0]
            if (packages is None or package in packages) and entry.name.startswith(_RUN):
                os.unlink(entry.path)


def private(folder: str) -> dict[str, str]:
    """The variables with which cargo works in an empty `folder`; an argument `--target-dir` wins over them."""
    return {_TARGET_DIR: folder, _BUILD_DIR: folder}


def unwatched(changes: Iterable[bytes]) -> str:
    """Which of the changed inputs may go into the build by a command that does not say so; nothing where none may."""
    for path in changes:
        name = os.fsdecode(path).rpartition("/")[2].lower()
        if not name.endswith(_COMPILED) and name not in _CONFIGURES:
            return os.fsdecode(path)
    return ""


def runs_setuptools(backend: Backend, module: str) -> bool:
    """Whether a backend may run setuptools; any may that nobody knows. `module` is what the settings call it."""
    if backend.name == "scikit-build-core":
        return module.startswith("scikit_build_core.setuptools")
    return backend.name not in _NO_SETUPTOOLS


def setuptools(
    folder: str, environ: Mapping[str, str], hook: str, *, known: bool = True, version: str | None = None
) -> dict[str, str]:
    """The variables that make setuptools work in the empty `folder`; nothing where that can't be said.

    The configuration that the user has in that variable stays in force beside ours. An editable build has folders of
    its own, but for `.egg-info`, which must stay where it is. A `version` is that of the distribution for all that
    runs in the build, where pyproject leaves it open. A backend that is not `known` may call setuptools with a folder
    to build in, and look for the modules there.
    """
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    path = os.path.join(folder, "setuptools.cfg")
    try:
        if user := environ.get(_CONFIG):
            parser.read(user, encoding="utf-8")
        stated = [] if version is None else [("metadata", "version", version)]
        for section, name, value in [*_places(folder, hook, known=known), *stated]:
            if not parser.has_section(section):
                parser.add_section(section)
            for old in (name, name.replace("_", "-")):
                parser.remove_option(section, old)
            parser.set(section, name, value.replace("%", "%%"))  # setuptools interpolates
        if hook == "build_wheel":
            os.makedirs(os.path.join(folder, "info"))
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            parser.write(file)
    except (OSError, ValueError, configparser.Error):
        return {}
    return {_CONFIG: path}


def left_by_setuptools(folder: str, tree: str, hook: str) -> str:
    """Why a wheel may hold what an earlier build left; nothing where setuptools worked in `folder`, or not at all.

    Older versions, and settings in pyproject, take other folders.
    """
    place = os.path.join(tree, "build")
    if hook != "build_wheel" or _has_modules(os.path.join(folder, _BASE)) or not _has_modules(place):
        return ""
    return f"setuptools worked in {place}, where earlier builds did, and not in a fresh folder"


def _has_modules(place: str) -> bool:
    """Whether setuptools has put modules into a folder to build in."""
    try:
        with os.scandir(place) as listing:
            return any(entry.name.startswith("lib") and entry.is_dir() for entry in listing)
    except OSError:
        return False


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
    if not os.path.isdir(units):
        return _whole(path)
    try:
        built = files(os.path.join(path, "build"), 2)
        return _over(path, [*files(units, 2), *(one for one in built if one.name in _COMPARED)])
    except OSError:
        return Profile(stamp=b"", newest=0)


def _whole(path: str) -> Profile:
    """The state of a folder, over all in it; one that can't be read never fits."""
    try:
        return _over(path, files(path))
    except OSError:
        return Profile(stamp=b"", newest=0)


def _over(path: str, entries: Iterable[os.DirEntry[str]]) -> Profile:
    """The state of a folder, over the paths, sizes and mtimes of these entries in it. Raises OSError."""
    rows = sorted((one.path[len(path) :], one.stat(follow_symlinks=False)) for one in entries)
    texts = [b"%d %d %s" % (row.st_size, row.st_mtime_ns, os.fsencode(name)) for name, row in rows]
    stamp = xxhash.xxh3_128_digest(framed(*texts))
    return Profile(stamp=stamp, newest=max((row.st_mtime_ns for _, row in rows), default=0))


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
    return toml_access.text(answer, "build_directory") or toml_access.text(answer, "target_directory")


def _places(folder: str, hook: str, *, known: bool) -> list[tuple[str, str, str]]:
    """Section, name and value of what setuptools must be told."""
    if hook != "build_wheel":
        return [("build", "build_base", os.path.join(folder, _BASE))]
    found = [("build", name, os.path.join(folder, path)) for name, path in _BUILD.items()]
    return [*(found if known else found[:1]), ("egg_info", "egg_base", os.path.join(folder, "info"))]
