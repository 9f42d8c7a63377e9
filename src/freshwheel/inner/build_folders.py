"""The folders that builds keep from one to the next: where they are, in what state, and what must look newer in them.

Cargo works in a build folder, one profile beside the other. CMake and Meson work in a temporary folder unless they are
told of one; both configure again in every build, so what a `GLOB` finds is always of now. Setuptools packs whatever
earlier builds left in `build/lib`, compares an extension with its sources and not with the headers that were included,
and keeps what `MANIFEST.in` once named in the list in its `.egg-info`: so it is told to work in a fresh folder.

Cargo holds a source for unchanged unless its mtime is newer than the start of the compilation that last read it. A copy
that keeps times, an unpacked archive or a restored build folder all bring other contents under older times. What is
kept true here, for every unit in the build folders: *a source whose content is not what the unit was made from has an
mtime newer than the unit*. A record says for which profiles that is known to hold, and for which contents and mtimes.
Whatever else worked in a profile since, it makes the profile foreign, and then no input is trusted to look new.
"""

from __future__ import annotations

import configparser
import errno
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import xxhash

from freshwheel.base import toml_access
from freshwheel.base.backends import Backend
from freshwheel.base.frame import framed
from freshwheel.base.records import dumped, parsed
from freshwheel.inner import programs

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
_CONFIG = "DIST_EXTRA_CONFIG"
_BASE = "base"
_BUILD = {"build_base": _BASE, "build_lib": os.path.join(_BASE, "lib"), "build_temp": os.path.join(_BASE, "temp")}
_MAGIC = b"FORCE5\0\0"
_COARSE = 2_000_000_000
"""The coarsest step of mtimes that a file system has, in nanoseconds."""
_RECIPES = 16
"""How many are remembered."""
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """The state of one profile of a build folder: `target/release`, `target/TRIPLE/debug`."""

    stamp: bytes
    """16 bytes over what cargo wrote there; nothing where it can't be read, which never fits."""
    newest: int
    """The newest mtime that cargo may compare a source with."""


_EMPTY = Profile(stamp=xxhash.xxh3_128_digest(b""), newest=0)
"""Of a folder in which nothing was built."""
_UNREADABLE = Profile(stamp=b"", newest=0)
"""What never fits."""


def look(folders: Sequence[str], kept: str | None = None) -> dict[str, Profile]:
    """The state of each profile in the build folders of cargo, by its path; none where nothing was built.

    With that of the folder that CMake or Meson keep, over all in it: what is stale there ninja finds by times, too.

    The stamp is over paths, sizes and mtimes of all files below `.fingerprint`, and of what build scripts left to be
    compared with. Measured: a build that does nothing leaves all of these alone, and each compilation, each run of a
    build script and each failure moves some of them. `.cargo-lock` never moves, the `*.d` files beside the artefacts
    even when nothing is done, and the contents of `.fingerprint` are the same for different sources. There are no
    change times in it: a folder restored exactly, mtimes in nanoseconds included, fits the record of that moment.
    """
    state = {path: profile for folder in folders for path, profile in _state(os.path.abspath(folder)).items()}
    if kept is not None and (profile := _profile(kept)) != _EMPTY:
        state[kept] = profile
    return state


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
    folder = next((value for value in values if value), None)
    if folder is None:
        return None
    whole, brace, _ = (folder if isinstance(folder, str) else "").partition("{")
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
    return backend.setuptools == "runs" or (backend.setuptools == "in its module" and ".setuptools." in module)


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
        return {folder: _UNREADABLE}


def _profiles(folder: str) -> Iterator[str]:
    """The paths of the profiles in a build folder, with or without a target triple above them. Raises OSError."""
    for path in _folders(folder):
        if _is_profile(path):
            yield path
        else:
            yield from filter(_is_profile, _folders(path))


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
            scripts = files(os.path.join(path, "build"), 2)
            entries = [*files(units, 2), *(entry for entry in scripts if entry.name in _COMPARED)]
        else:
            entries = list(files(path))
        rows = sorted((entry.path[len(path) :], entry.stat(follow_symlinks=False)) for entry in entries)
    except OSError:
        return _UNREADABLE
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
    done = programs.run(command, cwd=tree, environ=environ)
    try:
        answer = json.loads(done.output) if done.status == 0 else None
    except ValueError:
        return None
    return toml_access.text(answer, "build_directory") or toml_access.text(answer, "target_directory")


def _places(folder: str, hook: str, *, known: bool) -> list[tuple[str, str, str]]:
    """Section, name and value of what setuptools must be told."""
    if hook != "build_wheel":
        return [("build", "build_base", os.path.join(folder, _BASE))]
    places = [("build", name, os.path.join(folder, path)) for name, path in _BUILD.items()]
    return [*(places if known else places[:1]), ("egg_info", "egg_base", os.path.join(folder, "info"))]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What one build is made from, and how."""

    recipe: bytes
    """What chooses how the tool is called, digested by the caller: hook, settings, environment, build files."""
    inputs: Mapping[bytes, bytes]
    """Kind and content digest, 17 bytes, of each input that the tool may watch."""
    mtimes: Mapping[bytes, int]
    """Of the same inputs; of a link to a file, that of the file."""
    around: bytes = b""
    """What else the build may take something from, digested by the caller: requirements, tools, variables."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What is known of some build folders after a build of ours."""

    seen: Seen
    """What that build was made from."""
    profiles: Mapping[str, bytes]
    """The stamps of those profiles for which all units keep to what stands at the top of this module."""
    used: Mapping[bytes, frozenset[str]]
    """The profiles that a recipe works in, for those of which that is known."""
    doubt: str = ""
    """What may be stale in them all the same, in words, until they are built anew."""

    def dump(self) -> bytes:
        """The record as bytes that `parse` reads."""
        rows = {path: (content, self.seen.mtimes[path]) for path, content in self.seen.inputs.items()}
        used = {recipe: sorted(names) for recipe, names in self.used.items()}
        return dumped(_MAGIC, (self.seen.recipe, self.seen.around, rows, dict(self.profiles), used, self.doubt))

    @classmethod
    def parse(cls, data: bytes) -> Record | None:
        """The record that `dump` wrote; None for anything else."""
        try:
            recipe, around, rows, profiles, used, doubt = parsed(_MAGIC, data)
        except ValueError:
            return None
        inputs = {path: content for path, (content, _) in rows.items()}
        mtimes = {path: mtime for path, (_, mtime) in rows.items()}
        seen = Seen(recipe=recipe, inputs=inputs, mtimes=mtimes, around=around)
        known = {key: frozenset(names) for key, names in used.items()}
        return cls(seen=seen, profiles=profiles, used=known, doubt=doubt)


def changed(record: Record, seen: Seen) -> dict[bytes, Literal["added", "changed", "deleted"]]:
    """The inputs that are not what was recorded, and how."""
    old, new = record.seen.inputs, seen.inputs
    moved = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    return {path: "added" if path not in old else "changed" if path in new else "deleted" for path in moved}


def profiles(record: Record | None, state: Mapping[str, Profile], recipe: bytes) -> set[str]:
    """The profiles that the next build may work in: all, unless an earlier one by the same recipe tells."""
    known = frozenset() if record is None else record.used.get(recipe, frozenset())
    return set(state) & known if known else set(state)


def is_ours(record: Record | None, state: Mapping[str, Profile], recipe: bytes) -> bool:
    """Whether nobody else has worked in the profiles that the next build may work in."""
    return profiles(record, state, recipe) <= _fitting(record, state)


def newest(record: Record | None, state: Mapping[str, Profile], recipe: bytes) -> int:
    """The newest mtime that cargo may compare a source with, in all profiles that the record is to hold for."""
    return max((state[name].newest for name in _held(record, state, recipe)), default=0)


def pending(
    record: Record | None, state: Mapping[str, Profile], seen: Seen, *, now: int, forced: Collection[bytes] = ()
) -> dict[bytes, int]:
    """The inputs that need another mtime before a build, and which.

    With a foreign profile among those that the build may work in: all that do not look new. Else those alone that are
    not as recorded, and the `forced` ones, whose units must be compiled for another reason. What is as recorded but
    went back in time gets its recorded mtime again, which compiles nothing.
    """
    counting = profiles(record, state, seen.recipe)
    limit = newest(record, state, seen.recipe)
    later = max(now, limit + 1)
    if any(not state[name].stamp for name in counting):
        return dict.fromkeys(sorted(seen.inputs), later)
    old = sorted(path for path in seen.inputs if seen.mtimes[path] <= limit)
    if record is None or not is_ours(record, state, seen.recipe):
        return dict.fromkeys(old, later)
    known, moved = record.seen, changed(record, seen).keys()
    # cargo follows links once, and from then on watches where they led: it sees neither a new text nor a new target.
    if any(_is_link(known, path) or _is_link(seen, path) for path in moved):
        return dict.fromkeys(old, later)
    anew = moved | set(forced)
    times = {path: later for path in old if path in anew}
    same = sorted(seen.inputs.keys() - anew)
    return times | {path: known.mtimes[path] for path in same if seen.mtimes[path] < known.mtimes[path]}


def recorded(record: Record | None, before: Mapping[str, Profile], after: Mapping[str, Profile], seen: Seen) -> Record:
    """The record after a build, a failed one too; `before` is the state, and `seen` has the mtimes, after `touch`.

    Only for a build with all touched that was pending, and during which no input moved, looked at later than `after`.
    After any other the old record is to be forgotten.
    """
    held = _held(record, before, seen.recipe)
    ours = {name: now.stamp for name, now in after.items() if now.stamp and (name in held or name not in before)}
    moved = frozenset(name for name in after if after[name] != before.get(name))
    limit = newest(record, before, seen.recipe)
    used = {} if record is None else dict(record.used)
    known = used.pop(seen.recipe, frozenset())
    if known:
        known |= moved
    elif all(seen.mtimes[path] > limit for path in seen.inputs if not _is_link(seen, path)):
        known = moved  # everything was compiled, so the profiles that this recipe works in are among them
    latest = [(seen.recipe, known)] if known else []
    return Record(seen=seen, profiles=ours, used=dict([*used.items(), *latest][-_RECIPES:]))


def touch(tree: bytes, times: Mapping[bytes, int], *, newest: int) -> list[bytes]:
    """Gives each path its mtime, and returns those that can't have it; what is not there any more needs none.

    A link passes it on to the file that it leads to; one to a folder has no use for it. What lies outside of the tree,
    and of the folders above that `times` reaches, is not touched. An mtime that the file system cut down to `newest` is
    set a step later.
    """
    climb = max((path.split(b"/").count(b"..") for path in times), default=0)
    top = os.path.realpath(os.path.join(tree, *[b".."] * climb))
    return [path for path, time in times.items() if not _touched(os.path.join(tree, path), time, newest, top)]


def _is_link(seen: Seen, path: bytes) -> bool:
    return seen.inputs.get(path, b"")[:1] == b"l"


def _fitting(record: Record | None, state: Mapping[str, Profile]) -> set[str]:
    """The profiles that are exactly what was recorded."""
    known = {} if record is None else record.profiles
    return {name for name, profile in state.items() if profile.stamp and known.get(name) == profile.stamp}


def _held(record: Record | None, state: Mapping[str, Profile], recipe: bytes) -> set[str]:
    """The profiles that are to be right before a build. What others use and we don't is left to them."""
    return profiles(record, state, recipe) | _fitting(record, state)


def _touched(path: bytes, time: int, newest: int, top: bytes) -> bool:
    """Whether a path has its mtime now, or is gone."""
    real = os.path.realpath(path)
    if os.path.isdir(real):
        return True
    if not real.startswith(os.path.join(top, b"")):
        return not os.path.exists(real)
    try:
        _set(real, time)
        if newest < time and os.stat(real).st_mtime_ns <= newest:
            _set(real, newest + _COARSE)
            return os.stat(real).st_mtime_ns > newest
    except OSError as error:
        return error.errno in _GONE
    return True


def _set(path: bytes, time: int) -> None:
    os.utime(path, ns=(os.stat(path).st_atime_ns, time))
