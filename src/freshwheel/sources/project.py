"""What a source tree says of itself: `pyproject.toml`, what of that is an input, `PKG-INFO`, the own base version.

And where its tables and manifests say that inputs are: what a walk starts from, and what is left out. For that nothing
is read here: `read` gives the tables of a manifest, and `exists` says whether there is a file or folder. Every path is
relative to the project directory, as in `cargo`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from freshwheel.base import config, requirements
from freshwheel.base.config import wrong
from freshwheel.base.errors import InputError
from freshwheel.base.frame import framed
from freshwheel.base.model import OwnVersion, Project
from freshwheel.sources.disk import Disk

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib
from dataclasses import dataclass
from typing import Literal, TypeAlias

from freshwheel.base import globs
from freshwheel.base.backends import KNOWN, Backend
from freshwheel.base.toml_access import at, entries, members, strings, table, text, texts
from freshwheel.sources import cargo
from freshwheel.sources.cargo import FOR_TESTS, Closure, Read, lies_in, normal, relative

_BOM = b"\xef\xbb\xbf"
_KEY = "tool.freshwheel.version"
_USUAL = r"""^(?:__version__|VERSION)[ \t]*(?::[^=\n]+)?=[ \t]*(['"])v?(?P<version>[^'"\n]+)\1"""

IGNORED = (
    "dependency-groups",  # PEP 735: a build backend must not put them into what it builds
    # Linters, formatters and type checkers. Not mypy: mypyc reads its table, and `always_false` compiles other code.
    *("tool.autopep8", "tool.bandit", "tool.basedpyright", "tool.black", "tool.codespell", "tool.deptry"),
    *("tool.djhtml", "tool.djlint", "tool.flake8", "tool.interrogate", "tool.isort", "tool.mdformat"),
    *("tool.pydocstyle", "tool.pylint", "tool.pyrefly", "tool.pyright", "tool.ruff", "tool.ty", "tool.typos"),
    *("tool.vulture", "tool.yapf"),
    # Tests, tasks and the environments they run in. What these set for a build reaches it as environment variables,
    # config settings or tools, which are looked at by themselves. Not cibuildwheel, which is there for wheels alone.
    *("tool.coverage", "tool.hatch.envs", "tool.nox", "tool.pdm.dev-dependencies", "tool.pdm.scripts", "tool.pixi"),
    *("tool.poe", "tool.pytest", "tool.rye", "tool.taskipy", "tool.tox"),
    # Of uv's table neither what its build backend reads nor what decides about build requirements.
    *("tool.uv.cache-keys", "tool.uv.conflicts", "tool.uv.default-groups", "tool.uv.dependency-groups"),
    *("tool.uv.dev-dependencies", "tool.uv.environments", "tool.uv.required-environments"),
    # Releases, and what looks at distributions that are there already.
    *("tool.check-manifest", "tool.check-wheel-contents"),
    *("tool.hatch.publish", "tool.repo-review", "tool.semantic_release", "tool.towncrier"),
    *("tool.uv.check-url", "tool.uv.publish-url", "tool.uv.trusted-publishing"),
    # Our own keys that change no source: whether there is a label and a store, and what else the build key looks at.
    *("tool.freshwheel.commands", "tool.freshwheel.env", "tool.freshwheel.label", "tool.freshwheel.store"),
)
"""Tables and keys known never to shape a wheel. The list is closed: what is not on it counts, and so does any doubt."""

_IGNORED = frozenset(tuple(name.split(".")) for name in IGNORED)
_ABOVE = frozenset(path[:length] for path in _IGNORED for length in range(1, len(path)))
"""The tables that an ignored one stands in; they vanish with it where they hold nothing else."""

_SCALARS: tuple[tuple[type, bytes, Callable[[Any], str]], ...] = (
    (str, b"s", str),
    (bool, b"b", str),  # before int, of which it is one
    (int, b"i", hex),  # in decimal Python refuses the longest ones, which TOML can hold as hexadecimals
    (float, b"f", repr),
    (dt.datetime, b"T", dt.datetime.isoformat),  # before date, of which it is one
    (dt.date, b"D", dt.date.isoformat),
    (dt.time, b"t", dt.time.isoformat),
)
_Exists: TypeAlias = Callable[[str], bool]

_LICENSES = ("LICEN[CS]E*", "COPYING*", "NOTICE*", "AUTHORS*")
"""What maturin, setuptools and others take for licence files, if none are named."""
IGNORING = (".gitignore", ".ignore")
"""Files by which maturin leaves out what lies in a Python package; those in the package itself count anyway."""
READMES = ("README", "README.md", "README.rst", "README.txt")
"""What cargo and maturin take for the description of a crate that names none."""
_OF_MATURIN = ("Cargo.toml", "rust/Cargo.toml")
"""Where it looks for its manifest."""
_REPOSITORIES = {".gitignore": ".git", ".hgignore": ".hg"}
"""Files by which hatchling leaves out others, and what makes a folder the last that it looks for them in."""
_LEVELS = 10
_LONGEST = 1024
_REPOSITORY = ("raw-options", "root")
"""Where tools that ask git for the version are told which folder to ask in: no file of it is read."""
_SCM = ("setuptools", "setuptools-rust", "scikit-build-core")
_VERSIONINGIT = ("setuptools", "setuptools-rust", "hatchling")
_HATCH = ("hatchling",)
_SCIKIT_BUILD = ("scikit-build-core",)
_READ = (
    *("tool.freshwheel.version.path", "tool.pdm.version.path", "tool.setuptools-git-versioning.version_file"),
    *(known.version_key for known in KNOWN if known.version_key),
)
"""Where pyproject says that a version is read from a file."""


def read(tree: str, *, now: Callable[[], int] = time.time_ns) -> Project:
    """The project whose directory is `tree`. Raises ConfigError where `pyproject.toml` or `PKG-INFO` can't be used."""
    started, look = now(), Disk(tree)
    for name in (b"pyproject.toml", b"PKG-INFO"):
        with contextlib.suppress(InputError):  # what can't be looked at can't be read either, which is said below
            look.kind(name)
    return Project(
        tree=tree,
        pyproject=_pyproject(tree),
        sdist_version=_sdist_version(tree),
        looks=look.looks(),
        started=started,
    )


def own_version(project: Project, own: OwnVersion) -> str:
    """The own base version, as it is spelled. Raises ConfigError unless its file has one (PEP 440) without a label."""
    if own.path is None:
        return own.text or ""
    name = f"{_KEY}.path"
    data = _bytes(project.tree, own.path, name)
    if data is None:
        raise wrong(name, f"{own.path} is missing")
    text = _decoded(data.removeprefix(_BOM), name, f"{own.path} ").replace("\r\n", "\n")
    match = re.compile(own.pattern or _USUAL, re.MULTILINE).search(text)
    if match is not None and match["version"] is not None:
        return config.base_version(match["version"], name, f"in {own.path}, ")
    if own.pattern is not None:
        raise wrong(f"{_KEY}.pattern", f"matches nothing in {own.path}")
    hint = "say how to find it: version = { path = ..., pattern = '...(?P<version>...)...' }"
    raise wrong(name, f'{own.path} has no line __version__ = "..." or VERSION = "..."', hint)


def content(data: bytes) -> bytes:
    """What of a `pyproject.toml` with these bytes is an input. Raises ValueError or RecursionError where it is none."""
    return canonical(tomllib.loads(data.decode()))


def canonical(pyproject: Mapping[str, Any]) -> bytes:
    """The canonical bytes of a parsed `pyproject.toml`, without `IGNORED`; equal ones for equal values and only those.

    A scalar is framed behind its type, a table or list behind the number of its members, which follow: so no value can
    be read as another one. Nothing recurses, because a header like `[a.a.a]` can be deeper than Python's stack.
    """
    fields: list[bytes] = []
    waiting: list[Any] = [_counting(pyproject, ())]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            fields += b"{", str(len(value)).encode()
            waiting += [part for key in sorted(value, reverse=True) for part in (value[key], key)]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            fields += b"[", str(len(value)).encode()
            waiting += reversed(value)
        else:
            tag, spell = next((tag, spell) for kind, tag, spell in _SCALARS if isinstance(value, kind))
            fields += tag, spell(value).encode("utf-8", "surrogatepass")
    return framed(*fields)


def _counting(table: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """What of the table at `path` counts."""
    counting: dict[str, Any] = {}
    for key, value in table.items():
        here = (*path, key)
        is_above = here in _ABOVE and isinstance(value, Mapping)
        left = _counting(value, here) if is_above else value
        if here not in _IGNORED and (left or not is_above):
            counting[key] = left
    return counting


def manifest(text: str) -> dict[str, Any]:
    """The tables of a Cargo.toml, or of cargo's configuration. Raises ValueError or RecursionError where it is no TOML.

    Cargo takes TOML 1.1; of what the `tomllib` of today does not know, inline tables over several lines are read.
    """
    try:
        return tomllib.loads(text)
    except ValueError:
        return tomllib.loads(cargo.downgrade(text))


def _pyproject(tree: str) -> dict[str, Any]:
    name = "pyproject.toml"
    data = _bytes(tree, name, name)
    if data is None:
        raise wrong(name, "is missing", "freshwheel is set up there, in [build-system] and [tool.freshwheel]")
    if data.startswith(_BOM):
        raise wrong(name, "begins with a byte order mark, in line 1", "save it as UTF-8 without one")
    try:
        return tomllib.loads(_decoded(data, name))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and numbers longer than Python converts
        raise wrong(name, f"is not TOML: {error}") from None


def _sdist_version(tree: str) -> str | None:
    """The version in a root `PKG-INFO`; None where there is no such file."""
    name = "PKG-INFO"
    data = _bytes(tree, name, name)
    if data is None:
        return None
    for line in data.removeprefix(_BOM).splitlines():
        if not line:
            break
        field, _, value = line.partition(b":")
        if field.lower() == b"version":
            text = value.decode("utf-8", "replace").strip()
            if requirements.version(text) is None:
                raise wrong(name, f"{config.shown(text)} is not a version (PEP 440)")
            return text
    raise wrong(name, "has no Version", "an unpacked source distribution has one; remove the file if this is none")


def _bytes(tree: str, path: str, name: str) -> bytes | None:
    """The bytes of a file, None where there is none; `name` is what a message calls it."""
    place = os.path.join(tree, path)
    try:
        if os.path.exists(place) and not os.path.isfile(place):
            raise wrong(name, "can't be read: it is not a regular file")
        with open(place, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        if isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise wrong(name, f"can't be read: {getattr(error, 'strerror', None) or error}") from error


def _decoded(data: bytes, name: str, file: str = "") -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise wrong(name, f"{file}is not UTF-8, in line {line}") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """One place where inputs are."""

    path: str
    """The empty one is the project directory. Of a glob: the pattern, in the dialect of `globs`."""
    reason: str
    """Why there are inputs: a short phrase."""
    kind: Literal["folder", "crate", "file", "glob"]
    """Of a crate neither tests, benches and examples count, nor other crates in its folder."""


def manifests(pyproject: Mapping[str, Any], backend: Backend, exists: _Exists, inside: Sequence[str] = ()) -> list[str]:
    """The Cargo manifests that the project builds; `inside` are those that lie in it."""
    if backend.name == "maturin":
        named = below("", at(pyproject, "tool.maturin.manifest-path"))
        return [named] if named else list(filter(exists, _OF_MATURIN)) or [_OF_MATURIN[0]]  # releases differ
    if backend.name == "setuptools-rust":
        tables = table(pyproject, "tool.setuptools-rust")
        if written := [*entries(tables, "ext-modules"), *entries(tables, "bins")]:
            return sorted({path for crate in written if (path := below("", crate.get("path", "Cargo.toml")))})
    return sorted({normal(path) for path in inside})


def roots(pyproject: Mapping[str, Any], backend: Backend, closure: Closure, read: Read, exists: _Exists) -> list[Root]:
    """The roots, some of them several times; `closure` is that of `manifests`.

    Left out are folders and files that do not exist.
    """
    whole = backend.inputs == "whole"
    if whole:
        named = [*_of_project(pyproject), *_of_tables(pyproject, backend, exists)]
        some = [Root(path="", reason="the project directory", kind="folder")]
        some += [root for root in named if is_outside(root.path)]
        some += _above(exists) if backend.name == "hatchling" else []
    else:
        built = manifests(pyproject, backend, exists)
        some = [*_of_project(pyproject, licenses=_LICENSES), *_of_maturin(pyproject, built, closure, read, exists)]
    crates = [crate for crate in closure.crates if not whole or is_outside(crate.folder)]
    some += [Root(path=crate.folder, reason=f"crate {crate.name}: {crate.reason}", kind="crate") for crate in crates]
    some += _beside(closure, read, exists)
    some = [root for root in some if root.kind in {"crate", "glob"} or not root.path or exists(root.path)]
    return [*some, *(Root(path=path, reason=reason, kind="file") for path, reason in closure.files.items())]


def outputs(pyproject: Mapping[str, Any], backend: Backend) -> dict[str, str]:
    """The files that `pyproject` declares as written whole when `backend` builds, and why they are no inputs.

    A backend that nobody knows may run any of the tools. What is configured for another backend than the known one is
    not written any more, and may be a source by now. So is a file in which a tool replaces a line, or that a version is
    read from.
    """
    read = {below("", path) for key in _READ for path in texts(pyproject, key)}
    read |= {below("", provider.get("input")) for provider in entries(pyproject, "tool.dynamic-metadata")}
    files: dict[str, str] = {}
    for names, tool, folder, value in _written(pyproject):
        path = below(folder, value)
        if path and path not in read and (not backend.modules or backend.name in names):
            files.setdefault(path, f"written by {tool}")
    return dict(sorted(files.items()))


def _written(pyproject: Mapping[str, Any]) -> Iterator[tuple[Sequence[str], str, Any, Any]]:
    """The known backends that a tool works in, its name, and what it writes: a folder, and the path in there."""
    for tool in ("setuptools_scm", "vcs-versioning"):
        scm = table(pyproject, f"tool.{tool}")
        yield _SCM, tool, "", scm.get("version_file")
        yield _SCM, tool, scm.get("root", "."), scm.get("write_to")
    versioningit = table(pyproject, "tool.versioningit.write")
    if versioningit.get("method", "basic") == "basic":
        yield _VERSIONINGIT, "versioningit", "", versioningit.get("file")
    hatch = table(pyproject, "tool.hatch.build")
    for hooks in [at(place, "hooks") for place in (hatch, *members(hatch, "targets"))]:
        yield _HATCH, "hatch-vcs", "", at(hooks, "vcs.version-file")
        if not at(hooks, "version.pattern"):
            yield _HATCH, "tool.hatch.build.hooks.version", "", at(hooks, "version.path")
    for file in entries(pyproject, "tool.scikit-build.generate"):
        if file.get("location") == "source":
            yield _SCIKIT_BUILD, "tool.scikit-build.generate", "", file.get("path")
    for folder in texts(pyproject, "tool.pdm.build.package-dir") or ["", "src"]:
        yield (), "tool.pdm.version", folder, at(pyproject, "tool.pdm.version.write_to")
    for path, file in table(pyproject, "tool.poetry-dynamic-versioning.files").items():
        if text(file, "initial-content") or text(file, "initial-content-jinja"):
            yield (), "poetry-dynamic-versioning", "", path


def mains(crate: str, read: Read) -> list[str]:
    """The files that the manifest of the crate in the folder `crate` names to be compiled, or the usual ones."""
    manifest = read(normal(f"{crate}/Cargo.toml"))
    named = map(relative, [*_targets(manifest), *texts(cargo.package(manifest), "build")])
    return ["src/lib.rs", "build.rs", *filter(None, named)]


def _targets(manifest: Any) -> list[str]:
    """The main files that a manifest names for library and programs."""
    return [
        *texts(manifest, "lib.path"),
        *(path for program in entries(manifest, "bin") for path in texts(program, "path")),
    ]


def _beside(closure: Closure, read: Read, exists: _Exists) -> Iterator[Root]:
    """What crates are made from that is not walked with them. Beside the main file of a target lie its modules."""
    for crate in closure.crates:
        manifest = read(normal(f"{crate.folder}/Cargo.toml"))
        for path in texts(cargo.package(manifest), "build"):
            if (file := below(crate.folder, path)) and not _is_walked(file, crate.folder, exists):
                yield Root(path=file, reason=f"build script of {crate.name}", kind="file")
        for path in _targets(manifest):
            if (file := below(crate.folder, path)) and not _is_walked(file, crate.folder, exists):
                yield Root(path=normal(f"{file}/.."), reason=f"beside the main file of {crate.name}", kind="folder")


def _is_walked(file: str, crate: str, exists: _Exists) -> bool:
    """Whether a file is found with the crate in the folder `crate`: neither its tests nor another crate are."""
    if not lies_in(file, crate):
        return False
    folders = normal(f"{file}/..")[len(crate) :].strip("/").split("/")
    between = (normal(f"{crate}/{'/'.join(folders[:depth])}/Cargo.toml") for depth in range(1, len(folders) + 1))
    return not folders[0] or not (folders[0] in FOR_TESTS or any(map(exists, between)))


def _above(exists: _Exists) -> Iterator[Root]:
    """The nearest files by which hatchling leaves others out of wheels, if they lie above the project directory."""
    for name, top in _REPOSITORIES.items():
        for folder in ["../" * level for level in range(_LEVELS)]:
            if exists(folder + name):
                yield Root(path=folder + name, reason="decides what is packed", kind="file")
            if exists(folder + name) or exists(folder + top):
                break


def _of_project(pyproject: Mapping[str, Any], licenses: Sequence[str] = ()) -> Iterator[Root]:
    """The files that `[project]` names; `licenses` are those to look for if it names none."""
    project = table(pyproject, "project")
    yield from _places([*texts(project, "readme"), *texts(project, "readme.file")], "readme")
    yield from _places(texts(project, "license.file"), "licence")
    for pattern in texts(project, "license-files") if "license-files" in project else licenses:
        yield from _globs("", pattern, "licence")


def _of_tables(pyproject: Mapping[str, Any], backend: Backend, exists: _Exists) -> Iterator[Root]:
    """What the tables of the backend name outside of the project: any string, key or value, that can be such a path."""
    for name in backend.tables:
        for string in strings(at(pyproject, name), without=_REPOSITORY):
            path = below("", string.rpartition("=")[2])  # as in --native-file=../linux.ini
            if path is None or not is_outside(path):
                continue
            if not path.strip("./"):
                yield Root(path=path, reason=f"named in {name}", kind="folder")
            elif exists(path) or globs.MAGIC.search(path):
                yield from _globs("", globs.escaped(path) if exists(path) else path, f"named in {name}")


def _of_maturin(
    pyproject: Mapping[str, Any], built: Sequence[str], closure: Closure, read: Read, exists: _Exists
) -> Iterator[Root]:
    """What maturin packs and reads, besides crates and what `[project]` names."""
    maturin = table(pyproject, "tool.maturin")
    modules = _modules(pyproject, [read(path) for path in built])
    packages = sorted({module.partition(".")[0] for module in modules})
    bases = _python_folders(maturin, packages, exists)
    for base in bases:
        for package in [normal(f"{base}/{name}") for name in packages]:
            # A crate may be named like the module.
            if exists(f"{package}/__init__.py") or not exists(f"{package}/Cargo.toml"):
                yield Root(path=package, reason="Python package", kind="folder")
                yield from _sparing(package, exists)
        for package in texts(maturin, "python-packages"):
            yield from _globs(base, globs.escaped(package), "tool.maturin.python-packages")
            yield from _sparing(below(base, package), exists)
    for base in dict.fromkeys(("", *bases)):
        for pattern in _included(maturin):
            yield from _globs(base, pattern, "tool.maturin.include")
    data = texts(maturin, "data") or [f"{module}.data" for module in modules]
    yield from _places(data, "wheel data", "folder")
    yield from _places([f"{module.rpartition('.')[2]}.pyi" for module in modules], "type stubs")
    yield from _places(texts(maturin, "sbom.include"), "tool.maturin.sbom")
    yield from _places(texts(maturin, "config"), "tool.maturin.config")  # a path, or a key and a value
    yield from _of_manifests(pyproject, built, closure, read)


def _python_folders(maturin: Mapping[str, Any], packages: Sequence[str], exists: _Exists) -> list[str]:
    """The folders that Python packages may lie in; releases differ about a `src` without `rust` beside it."""
    if (source := below("", maturin.get("python-source"))) is not None:
        return [source]
    if not any(exists(f"src/{package}") for package in packages):
        return [""]
    return ["src"] if exists(_OF_MATURIN[1]) else ["", "src"]


def _sparing(package: str | None, exists: _Exists) -> Iterator[Root]:
    """The files outside of a Python package that keep some of it out of the wheel, from the project directory down."""
    names = package.split("/") if package and not is_outside(package) and exists(package) else []
    for folder in ["/".join(names[:depth]) for depth in range(len(names))]:
        yield from _places([f"{folder}/{name}".lstrip("/") for name in IGNORING], "decides what of a package is packed")


def _of_manifests(pyproject: Mapping[str, Any], built: Sequence[str], closure: Closure, read: Read) -> Iterator[Root]:
    """The readme and licence that manifests that are built name, or the workspaces that these may inherit from."""
    keys = ["license-file"] if at(pyproject, "project.readme") else ["license-file", "readme"]
    places = [(path, cargo.package(read(path))) for path in built]
    others = [path for path in closure.files if path.endswith("Cargo.toml")]
    places += [(path, table(read(path), "workspace.package")) for path in (*built, *others)]
    for path, named in places:
        for key in keys:
            if file := below(normal(f"{path}/.."), named.get(key)):
                yield Root(path=file, reason=f"{key} of {path}", kind="file")


def _modules(pyproject: Mapping[str, Any], built: Sequence[Any]) -> list[str]:
    """The names that the extension module may have: what is set first, as maturin looks for it."""
    if (name := text(pyproject, "tool.maturin.module-name")) is not None:
        return [name]
    if names := [name for manifest in built if (name := text(manifest, "lib.name"))]:
        return names
    names = [text(pyproject, "project.name") or text(cargo.package(manifest), "name") or "" for manifest in built]
    return [name.replace("-", "_") for name in names if name]


def _included(maturin: Mapping[str, Any]) -> list[str]:
    """The patterns of what goes into the wheel; what a build script makes (`from = "out-dir"`) is no input."""
    files = [file for file in entries(maturin, "include") if "from" not in file]
    packed = [file for file in files if "format" not in file or "wheel" in texts(file, "format")]
    return [*texts(maturin, "include"), *(path for file in packed for path in texts(file, "path"))]


def _places(paths: Sequence[str], reason: str, kind: Literal["folder", "file"] = "file") -> list[Root]:
    """A root for each of `paths`."""
    return [Root(path=path, reason=reason, kind=kind) for name in paths if (path := below("", name))]


def _globs(base: str, pattern: str, reason: str) -> list[Root]:
    """The root for a pattern below `base`, if it is one of the dialect: others match nothing anywhere."""
    written = relative(pattern)
    path = "" if written is None else normal(f"{globs.escaped(base)}/{written}")
    return [] if globs.check(path) else [Root(path=path, reason=reason, kind="glob")]


def below(folder: Any, path: Any) -> str | None:
    """`path`, relative to `folder`, normalised; None for what is no such path, or the folder itself."""
    parts = [relative(folder), relative(path)]
    if any(part is None or len(part) > _LONGEST or "\n" in part for part in parts) or not parts[1]:
        return None
    return normal(f"{parts[0]}/{parts[1]}")


def is_outside(path: str) -> bool:
    """Whether a normalised path leaves the project directory."""
    return path == ".." or path.startswith("../")
