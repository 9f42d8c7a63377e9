"""What a build has taken beside its inputs and its key, as it is kept with its wheel, and whether it is as it was.

Files that nobody declared, names that were looked for in vain, folders that were listed, variables that were asked for.
Nobody knows of them before a build, so they can't be in its key.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from importlib import machinery

from freshwheel.base import backends, files, frame, requirements, rows
from freshwheel.base.environment import folders, isolation
from freshwheel.base.errors import few
from freshwheel.build.context import Context
from freshwheel.inner import distributions as installations
from freshwheel.inner import programs
from freshwheel.inner.machine import NEW_EVERY_TIME
from freshwheel.inner.programs import Lookout
from freshwheel.memory import answers
from freshwheel.sources import boundary, digest, disk, selection
from freshwheel.store.shelf import Discovered

FILE, FOLDER, PRESENT, ABSENT, MADE = "f", "d", "p", "a", "n"
"""Kinds: what a file holds, which names a folder has, whether something is there, or nothing.

The last one: what a file holds that a build makes where it is missing.
"""
MODULES = "o"
"""Which modules could be imported from a folder."""
VARIABLE = "v"
"""In place of the kind of a file. The content is a hash of the value, salted; nothing where it was not set."""
EVERY = "e"
"""All variables that may shape a wheel: the content is over their names, each of which is kept as well."""

PROGRAM = "w"
"""A name, and where on PATH it leads to."""
PREFIXES = "x"
"""The folders of PATH in their order, beside which CMake looks for packages, headers and libraries."""
MODULE, DISTRIBUTION = "m", "i"
"""What was looked for in vain among what outlives a build: one module, all distributions together. `*`: any."""
CONTROL = "g"
"""What git says of the repository; of all its references, if the path is `REFERENCES`."""
REFERENCES = b"refs"

_WORDS = {
    FILE: "{} changed, which a build has read",
    FOLDER: "what is in {} changed, which a build has listed",
    MODULES: "what can be imported from {} changed, from which a build has imported",
    PRESENT: "{} changed, which a build has asked for",
    ABSENT: "{} is there now, which a build has looked for in vain",
    MADE: "{} changed, which a build has made and read",
    PROGRAM: "another {} is first on PATH",
    PREFIXES: "{} has other folders now, beside which CMake has looked for packages",
    MODULE: "what Python can import changed, of which a build has tried {} in vain",
    DISTRIBUTION: "what is installed changed, of which a build has looked for {}",
    CONTROL: "what git says of the repository changed",
}
GONE = b"gone"
"""In place of the content of what is not there any more, or is of another kind."""

_FOLDERS = (FOLDER, MODULES)
_NOTHING = (b"", b"")
_SIGN = b"$"
"""Before the name of a variable, that it is no path."""
_DIGEST = 16
"""Bytes."""
_LARGE = 64 << 20
"""Bytes: larger files outside of the repository are known by their row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What the things that a build takes are looked at with."""

    tree: str
    environ: Mapping[str, str]
    salt: bytes
    """Of the stamps of variables."""
    ignored: Sequence[str] = ()
    """Names and families of variables that the settings call harmless."""
    folders: Sequence[str] = ()
    """Those of PATH, in which programs are looked for."""
    names: frozenset[str] = frozenset()
    """Those of the project, normalised."""
    libraries: Sequence[str] = ()
    """Folders of packages that outlive a build."""
    requires: Sequence[str] = ()
    """The requirements, whose distributions the key has."""


def about(context: Context, salt: bytes) -> Surroundings:
    """What the things that builds take are looked at with."""
    return Surroundings(
        tree=context.call.tree,
        environ=context.call.environ,
        salt=salt,
        ignored=context.config.ignore_env,
        folders=searched(context),
        names=selection.names(context.project.pyproject),
        libraries=folders(os.pathsep.join(filter(boundary.is_installed, sys.path)), context.private or ()),
        requires=(*context.requires, *context.config.requires, "freshwheel"),
    )


def sought(about: Surroundings, modules: Iterable[str], distributions: Iterable[str]) -> list[tuple[bytes, str]]:
    """Of the names that a build has looked for in vain, those that may be found one day."""
    if not about.libraries:
        return []
    tops = {name for name in modules if "." not in name}
    items = [(os.fsencode(name), MODULE) for name in sorted({*tops, "*"} if tops else ())]
    names = ", ".join(sorted(distributions))
    return [*items, (os.fsencode(names), DISTRIBUTION)] if names else items


def looked_for(tree: str, folders: Sequence[bytes], modules: Iterable[str]) -> list[tuple[bytes, str]]:
    """Where modules would lie that were looked for in these folders in vain, and that a listing does not show."""
    endings = [ending for ending in machinery.all_suffixes() if boundary.is_dropping(os.fsencode(f"module{ending}"))]
    names = [os.fsencode(name.rpartition(".")[2] + ending) for name in sorted(modules) for ending in ("", *endings)]
    return _absent(tree, (os.path.join(folder, name) for name in names for folder in folders))


def nearer(tree: str, folders: Sequence[bytes], listed: Iterable[bytes]) -> list[tuple[bytes, str]]:
    """Where a nearer part of a namespace package would lie, in these folders, which were searched for modules alone.

    Each of its parts was `listed`, in a folder that was, and has no `__init__.py`.
    """
    known = set(listed) if folders else set()
    parts = {os.path.basename(path) for path in known if os.path.dirname(path) in known and _is_part(path)}
    return _absent(tree, (os.path.join(folder, name) for name in sorted(parts) for folder in folders))


def _is_part(folder: bytes) -> bool:
    starts = (os.path.join(folder, b"__init__" + os.fsencode(ending)) for ending in machinery.all_suffixes())
    return os.fsdecode(os.path.basename(folder)).isidentifier() and not any(map(os.path.exists, starts))


def _absent(tree: str, paths: Iterable[bytes]) -> list[tuple[bytes, str]]:
    """Those at which nothing is."""
    return [(path, ABSENT) for path in paths if not os.path.exists(disk.at(os.fsencode(tree), path))]


def searched(context: Context) -> list[str]:
    """The folders of PATH, but for those of the environment that builds: the key has what is installed there."""
    environ = context.call.environ
    own = [*(isolation(environ) or ()), *([sys.prefix] if sys.prefix != sys.base_prefix else [])]
    return folders(environ.get("PATH", ""), own)


def taken(
    about: Surroundings,
    paths: Iterable[tuple[bytes, str]],
    *,
    known: Iterable[Discovered] = (),
    made: AbstractSet[bytes] = frozenset(),
) -> list[Discovered] | None:
    """Paths with their kinds as they are now; None where one of them is not of its kind.

    What is `known` need not be read again while its row stays. What the build has `made` itself in a folder of
    the project, real paths, is no part of what it has found there, so that another tree need not have it.
    """
    before = {(path, kind): (content, row) for path, kind, content, row in known}
    items: list[Discovered] = []
    for path, kind in paths:
        held = before.get((path, kind))
        if held is not None and held[1] and _row(about, path) == held[1]:
            items.append((path, kind, *held))
            continue
        is_own = held is None and kind in _FOLDERS and not os.path.isabs(path)
        own = _own(about, path, kind, made) if is_own else ()
        now = _looked(about, path, kind, _without(kind, held[0]) if held is not None else own)
        if now is None:
            return None
        items.append((path, kind, *now))
    return items


def variables(about: Surroundings, names: Iterable[str]) -> list[Discovered]:
    """Variables as they are set now, or that they are not."""
    return [_variable(about, name) for name in sorted(names)]


def every(about: Surroundings) -> list[Discovered]:
    """All variables that are set and may shape a wheel, and that there is no other one."""
    names = shaping(about)
    return [(_SIGN, EVERY, _over(names), b""), *(_variable(about, name) for name in names)]


def named(discovered: Iterable[Discovered]) -> list[str]:
    """The names of the variables among it."""
    return [os.fsdecode(path.removeprefix(_SIGN)) for path, kind, *_ in discovered if kind == VARIABLE]


def refreshed(about: Surroundings, discovered: Iterable[Discovered]) -> list[Discovered]:
    """Paths as they are now; what is gone, or of another kind, with a content that says so."""
    items = []
    for item in discovered:
        now = taken(about, [item[:2]], known=[item])
        items.append(now[0] if now else (*item[:2], GONE, b""))
    return items


def held(about: Surroundings, discovered: Sequence[Discovered]) -> bool:
    """Whether all of it is as it was."""
    return next(iter(failing(about, discovered)), None) is None


def failing(about: Surroundings, discovered: Sequence[Discovered]) -> Iterable[Discovered]:
    """What is not as it was, one by one."""
    for item in discovered:
        path, kind, content, row = item
        if kind == VARIABLE:
            same = _variable(about, os.fsdecode(path.removeprefix(_SIGN)))[2] == content
        elif kind == EVERY:
            same = _over(shaping(about)) == content
        else:
            same = bool(row) and _row(about, path) == row
            same = same or _is_same(_looked(about, path, kind, _without(kind, content)), content, kind)
        if not same:
            yield item


def kind_of(about: Surroundings, path: str) -> str:
    """The kind of a path that was read: that of a folder, or of a file."""
    return FOLDER if os.path.isdir(os.path.join(about.tree, path)) else FILE


def difference(about: Surroundings, discovered: Sequence[Discovered]) -> str:
    """The first thing that is not as it was, in words; nothing: all is. Variables are named, and never shown."""
    for path, kind, *_ in failing(about, discovered):
        name = os.fsdecode(path)
        if kind == VARIABLE:
            return _of_variables([name.removeprefix(os.fsdecode(_SIGN))])
        if kind == EVERY:
            known = {
                os.fsdecode(variable.removeprefix(_SIGN))
                for variable, sort, content, _ in discovered
                if sort == VARIABLE and content
            }
            gone = known.difference(about.environ)
            return _of_variables(sorted(gone.union(set(shaping(about)).difference(known))))
        return _WORDS[kind].format(name)
    return ""


def _of_variables(names: Sequence[str]) -> str:
    known = few(names) if names else "another one"
    first = names[0] if names else "NAME"
    return f'the variable {known} changed; if it shapes nothing: [tool.freshwheel] ignore-env = ["{first}"]'


def _is_same(now: tuple[bytes, bytes] | None, content: bytes, kind: str) -> bool:
    return now is not None and (now[0] == content or (kind == MADE and now == _NOTHING))


def _own(about: Surroundings, path: bytes, kind: str, made: AbstractSet[bytes]) -> list[bytes]:
    """The names in a folder that a build has made there, and that would count."""
    where = disk.at(os.fsencode(about.tree), path)
    folder = os.path.realpath(where)
    with contextlib.suppress(OSError, ValueError):
        if any(os.path.join(folder, name) in made for name in os.listdir(folder)):
            return [name for name in _names(about, where, path, kind) if os.path.join(folder, name) in made]
    return []


def _without(kind: str, content: bytes) -> list[bytes]:
    """The names that were left out of what a folder holds; they stand behind that."""
    return content[_DIGEST:].split(b"\0") if kind in _FOLDERS and content[_DIGEST:] else []


def _looked(about: Surroundings, path: bytes, kind: str, without: Collection[bytes] = ()) -> tuple[bytes, bytes] | None:
    """The content, and the stamp of the row that stands for it; None where it is not of the kind."""
    where = disk.at(os.fsencode(about.tree), path)
    look: Callable[[], bytes | None] | None = {
        CONTROL: lambda: _control(about, everything=path == REFERENCES),
        PROGRAM: lambda: _program(about, os.fsdecode(path)),
        PREFIXES: lambda: _prefixes(about),
        MODULE: lambda: _module(about, os.fsdecode(path)),
        DISTRIBUTION: lambda: _distributions(about, os.fsdecode(path).split(", ")),
        PRESENT: lambda: answers.presence(where),
    }.get(kind)
    if look is None:
        return _held(about, where, path, kind, without)
    try:
        content = look()
    except (OSError, ValueError):
        return None
    return None if content is None else (content, b"")


def _held(
    about: Surroundings, where: bytes, path: bytes, kind: str, without: Collection[bytes]
) -> tuple[bytes, bytes] | None:
    """The same of a file, a folder, or what is absent."""
    try:
        status = os.stat(where)
    except ValueError:
        return None
    except OSError as error:
        is_gone = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
        is_gone = is_gone or (error.errno == errno.EACCES and kind == ABSENT)  # whoever builds sees as little
        return _NOTHING if is_gone and kind in (ABSENT, MADE) else None
    try:
        if kind in (FILE, MADE):
            content = _file(where, path, status)
        else:
            is_folder = kind in _FOLDERS and stat.S_ISDIR(status.st_mode)
            content = _listed(about, where, path, kind, without) if is_folder else None
    except (OSError, ValueError, rows.RestlessError):
        if os.access(where, os.R_OK):
            return None
        content = b""  # whoever builds may not read it, and has not
    return None if content is None else (content, answers.row_of(status))


def _control(about: Surroundings, *, everything: bool) -> bytes | None:
    """What git says now, and what it is told by the environment."""
    facts = programs.ask_git(about.tree, about.environ, about.folders, programs.run, everything=everything)
    if facts is None:
        return None
    texts = [part for name, value in sorted(facts.items()) for part in (name, str(value))]
    told = answers.family(about.environ, ("GIT_*",), backends.NOT_OF_GIT)
    stamps = [frame.stamp(b"", name, about.environ[name]) for name in told]
    return digest.of(frame.framed(*(text.encode("utf-8", "surrogatepass") for text in texts), *stamps))


def _program(about: Surroundings, name: str) -> bytes:
    """Where a program is found; behind a sign, what of its name can't be executed; nothing: there is none."""
    program = programs.which(name, about.folders, Lookout(), cwd=about.tree, environ=about.environ)
    if program is None:
        places = (os.path.join(about.tree, folder, name) for folder in about.folders)
        program = next((f"-{place}" for place in places if os.path.exists(place)), "")
    return os.fsencode(program)


def _prefixes(about: Surroundings) -> bytes:
    """The folders of PATH that are there, but for those of virtual environments: these hold nothing for CMake."""
    folders = dict.fromkeys(os.path.join(about.tree, folder) for folder in about.folders)
    there = (folder for folder in folders if os.path.isdir(folder))
    return b"\0".join(
        os.fsencode(folder)
        for folder in there
        if not os.path.exists(os.path.join(os.path.dirname(folder), "pyvenv.cfg"))
    )


def _module(about: Surroundings, name: str) -> bytes:
    """Where a top-level module lies, or which files put other projects on the path of Python."""
    if name != "*":
        endings = ("", *machinery.all_suffixes())
        places = (os.path.join(folder, name + ending) for folder in about.libraries for ending in endings)
        return b"\0".join(map(os.fsencode, filter(os.path.exists, places)))
    links: list[str] = []
    for folder in about.libraries:
        with contextlib.suppress(FileNotFoundError):
            links += [name for name in os.listdir(folder) if name.endswith(".pth")]
    others = (name for name in links if not any(own in requirements.normal(name) for own in about.names))
    return b"\0".join(map(os.fsencode, sorted(others)))


def _distributions(about: Surroundings, names: Sequence[str]) -> bytes:
    """The versions of distributions; for `*`, by what those extend others that are neither required nor the project."""
    known = installations.installed(about.libraries)
    texts = [known[name].version if name in known else "" for name in map(requirements.normal, names)]
    if "*" in names:
        left_out = installations.closure(about.requires, known) | about.names
        texts += installations.plugins(about.libraries, known, left_out)
    return digest.of(frame.framed(*map(os.fsencode, texts)))


def _file(where: bytes, path: bytes, status: os.stat_result) -> bytes | None:
    """What a file holds, and whether it may be executed."""
    if not stat.S_ISREG(status.st_mode):
        return None
    if status.st_size > _LARGE and os.path.isabs(path):
        return answers.row_of(status)
    seen = rows.read(where, follow=True)
    return None if seen is None else seen[0] + seen[1]


def _listed(about: Surroundings, where: bytes, path: bytes, kind: str, without: Collection[bytes]) -> bytes:
    """Which names a folder has, but for some, which follow."""
    kinds = _names(about, where, path, kind)
    names = [name + b"/" if is_folder else name for name, is_folder in kinds.items() if name not in without]
    return digest.of(b"\0".join(names)) + b"\0".join(without)


def _names(about: Surroundings, where: bytes, path: bytes, kind: str) -> dict[bytes, bool]:
    """The names that a folder has, sorted, and which of them are folders, as who lists it is told.

    Of one that belongs to the project without what tools and editors drop there; of `MODULES` those of modules.
    """
    with os.scandir(where) as listing:
        kinds = {entry.name: _is_folder(entry) for entry in listing}
    names = sorted(kinds)
    if kind == MODULES:
        endings = tuple(map(os.fsencode, machinery.all_suffixes()))
        starts = [b"__init__" + ending for ending in endings]
        names = [
            name
            for name in names
            if name.endswith(endings) or any(os.path.exists(os.path.join(where, name, start)) for start in starts)
        ]
    if not os.path.isabs(path):
        names = [name for name in names if _stays(about, path, name)]
        folders = [name for name in names if kinds[name]]
        left_out = _left_out(about, where, path, folders) if folders else frozenset()
        names = [name for name in names if name not in left_out]
    return {name: kinds[name] for name in names}


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    """Whether a name leads to a folder; one that leads in a circle does not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _stays(about: Surroundings, path: bytes, name: bytes) -> bool:
    """Whether a name in the folder `path` may be that of a source."""
    dropped = (
        boundary.is_dropping(name) or boundary.is_bare(name) or (path in (b"", b".") and boundary.is_frontends(name))
    )
    return not dropped and boundary.project_of(name) not in about.names and not _is_egg_info(about, name)


def _is_egg_info(about: Surroundings, name: bytes) -> bool:
    """Whether setuptools has left a folder of this name for the project itself, beside its packages."""
    stem, ending = os.path.splitext(os.fsdecode(name))
    return ending == ".egg-info" and requirements.normal(stem.partition("-")[0]) in about.names


def _left_out(about: Surroundings, where: bytes, path: bytes, folders: Iterable[bytes]) -> frozenset[bytes]:
    """Those of the folders in a folder in which nothing is a source; what tools make only in the project directory."""
    is_root = path in (b"", b".")
    apart = files.set_apart(about.tree, about.environ)
    ground = boundary.Ground(boundary.Scope(tree=about.tree, repository=about.tree, inputs=(), apart=apart))

    def is_left_out(folder: bytes) -> bool:
        """Whether it is pruned, or holds something, however deep, and nothing but what tools have left."""
        inside: dict[bytes, bool] = {}
        with contextlib.suppress(PermissionError), os.scandir(disk.at(os.fsencode(about.tree), folder)) as listing:
            inside = {entry.name: entry.is_dir(follow_symlinks=False) for entry in listing}
        below = frozenset(os.fsdecode(name) for name, is_folder in inside.items() if is_folder)
        relative = os.fsdecode(folder)
        if ground.is_apart(relative) or (
            is_root and ground.pruned(relative, frozenset(map(os.fsdecode, inside)), below) is not None
        ):
            return True
        return bool(inside) and all(
            is_left_out(os.path.join(folder, name)) if is_folder else not _stays(about, folder, name)
            for name, is_folder in inside.items()
        )

    places = {name: os.path.normpath(os.path.join(path, name)) for name in folders}
    links = {name for name in folders if os.path.islink(os.path.join(where, name))}
    return frozenset(name for name, place in places.items() if name not in links and is_left_out(place))


def _row(about: Surroundings, path: bytes) -> bytes:
    try:
        return answers.row_of(os.stat(disk.at(os.fsencode(about.tree), path)))
    except (OSError, ValueError):
        return b""


def _variable(about: Surroundings, name: str) -> Discovered:
    value = frame.stamp(about.salt, name, about.environ[name]) if name in about.environ else b""
    return _SIGN + os.fsencode(name), VARIABLE, value, b""


def shaping(about: Surroundings) -> list[str]:
    """The names of all variables that are set and may shape a wheel, sorted."""
    return answers.family(about.environ, ("*",), harmless(about.ignored))


def harmless(ignored: Sequence[str]) -> tuple[str, ...]:
    """Names and families of variables that shape nothing, where an unknown program may have asked for them."""
    return (*backends.NOT_IN_KEY, *backends.NEVER_COUNT, *backends.ONLY_BY_NAME, *NEW_EVERY_TIME, *ignored)


def _over(names: Sequence[str]) -> bytes:
    return digest.of(frame.framed(*(os.fsencode(name) for name in names)))
