"""Where the inputs of a project are: the folders, files and globs that a walk starts from.

Nothing is read: `exists` says whether there is a file or folder, and whoever remembers the answer must watch what was
asked. Every path is relative to the project directory, as in `cargo`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from freshwheel.base import globs
from freshwheel.base.backends import Backend
from freshwheel.base.toml_access import at, entries, table, text, texts
from freshwheel.sources import cargo
from freshwheel.sources.cargo import FOR_TESTS, Closure, lies_in, normal, relative

_Exists: TypeAlias = Callable[[str], bool]
_Known: TypeAlias = Mapping[str, Mapping[str, Any] | None]

_LICENSES = ("LICEN[CS]E*", "COPYING*", "NOTICE*", "AUTHORS*")
"""What maturin, setuptools and others take for licence files, if none are named."""
IGNORING = (".gitignore", ".ignore")
READMES = ("README", "README.md", "README.txt")
"""What cargo takes for the description of a crate that names none."""
"""Files by which maturin leaves out what lies in a Python package; those in the package itself count anyway."""
_REPOSITORIES = {".gitignore": ".git", ".hgignore": ".hg"}
"""Files by which hatchling does, and what makes a folder the last that it looks for them in."""
_LEVELS = 10
_LONGEST = 1024
_REPOSITORY = ("raw-options", "root")
"""Where tools that ask git for the version are told which folder to ask in: no file of it is read."""
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """One place where inputs are."""

    path: str
    """The empty one is the project directory. Of a glob: the pattern, in the dialect of `globs`."""
    reason: str
    """Why there are inputs: a short phrase."""
    kind: Literal["crate", "folder", "file", "glob"]
    """Of a crate neither tests, benches and examples count, nor other crates in its folder."""


def manifests(pyproject: Mapping[str, Any], backend: Backend, exists: _Exists, found: Sequence[str] = ()) -> list[str]:
    """The Cargo manifests that the project builds; `found` are those that lie in it."""
    if backend.name == "maturin":
        return _manifests_of_maturin(pyproject, exists)
    if backend.name == "setuptools-rust":
        below = table(pyproject, "tool.setuptools-rust")
        if written := [*entries(below, "ext-modules"), *entries(below, "bins")]:
            return sorted({path for one in written if (path := _below("", one.get("path", "Cargo.toml"))) is not None})
    return sorted({normal(path) for path in found})


def roots(
    pyproject: Mapping[str, Any], backend: Backend, closure: Closure, known: _Known, exists: _Exists
) -> list[Root]:
    """The roots, sorted; `closure` is that of `manifests`, complete, and `known` is what it was found from.

    Left out are folders and files that do not exist.
    """
    whole = backend.inputs == "whole"
    if whole:
        named = [*_of_project(pyproject), *_of_tables(pyproject, backend, exists)]
        some = [Root(path="", reason="the project directory", kind="folder")]
        some += [root for root in named if _is_outside(root.path)]
        some += _above(exists) if backend.name == "hatchling" else []
    else:
        some = [*_of_project(pyproject, licenses=_LICENSES), *_of_maturin(pyproject, known, exists)]
    crates = [crate for crate in closure.crates if not whole or _is_outside(crate.folder)]
    some += [Root(path=crate.folder, reason=crate.reason, kind="crate") for crate in crates]
    some += _beside(closure, known, exists)
    some = [root for root in some if root.kind in {"crate", "glob"} or not root.path or exists(root.path)]
    some += [Root(path=path, reason=reason, kind="file") for path, reason in closure.files.items()]
    unique: dict[tuple[str, str], Root] = {}
    for root in some:
        unique.setdefault((root.path, root.kind), root)
    return [root for _, root in sorted(unique.items())]


def _above(exists: _Exists) -> Iterator[Root]:
    """The nearest files by which hatchling leaves others out of wheels, if they lie above the project directory."""
    for name, top in _REPOSITORIES.items():
        for folder in ["../" * level for level in range(_LEVELS)]:
            if exists(folder + name):
                yield Root(path=folder + name, reason="decides what is packed", kind="file")
            if exists(folder + name) or exists(folder + top):
                break


def _beside(closure: Closure, known: _Known, exists: _Exists) -> Iterator[Root]:
    """What crates are made from that is not walked with them. Beside the main file of a target lie its modules."""
    for crate in closure.crates:
        manifest = known.get(normal(f"{crate.folder}/Cargo.toml"))
        for path in texts(cargo.package(manifest), "build"):
            file = _below(crate.folder, path)
            if file is not None and not _is_walked(file, crate.folder, exists):
                yield Root(path=file, reason=f"build script of {crate.name}", kind="file")
        for path in [
            *texts(manifest, "lib.path"),
            *(path for one in entries(manifest, "bin") for path in texts(one, "path")),
        ]:
            file = _below(crate.folder, path)
            if file is not None and not _is_walked(file, crate.folder, exists):
                yield Root(path=normal(f"{file}/.."), reason=f"beside the main file of {crate.name}", kind="folder")


def mains(crate: str, known: _Known) -> list[str]:
    """The files that the manifest of the crate in the folder `crate` names to be compiled, or the usual ones."""
    manifest = known.get(normal(f"{crate}/Cargo.toml"))
    named = [*texts(manifest, "lib.path"), *(path for one in entries(manifest, "bin") for path in texts(one, "path"))]
    named += texts(cargo.package(manifest), "build")
    return ["src/lib.rs", "build.rs", *(path for path in map(relative, named) if path is not None)]


def _is_walked(file: str, crate: str, exists: _Exists) -> bool:
    """Whether a file is found with the crate in the folder `crate`: neither its tests nor another crate are."""
    if not lies_in(file, crate):
        return False
    folders = normal(f"{file}/..")[len(crate) :].strip("/").split("/")
    between = (normal(f"{crate}/{'/'.join(folders[:depth])}/Cargo.toml") for depth in range(1, len(folders) + 1))
    return not folders[0] or not (folders[0] in FOR_TESTS or any(map(exists, between)))


def _of_project(pyproject: Mapping[str, Any], licenses: Sequence[str] = ()) -> Iterator[Root]:
    """The files that `[project]` names; `licenses` are those to look for if it names none."""
    project = table(pyproject, "project")
    files = {"readme": ("readme", "readme.file"), "licence": ("license.file",)}
    for word, keys in files.items():
        for path in (path for key in keys for one in texts(project, key) if (path := _below("", one)) is not None):
            yield Root(path=path, reason=word, kind="file")
    named = project.get("license-files", list(licenses))
    # A draft of PEP 639 had them in a table.
    for pattern in [one for key in ("", ".globs", ".paths") for one in texts({"x": named}, f"x{key}")]:
        yield from _globs("", pattern, "licence")


def _of_tables(pyproject: Mapping[str, Any], backend: Backend, exists: _Exists) -> Iterator[Root]:
    """What the tables of the backend name outside of the project: any string, key or value, that can be such a path."""
    for name in backend.tables:
        for found in _strings(at(pyproject, name)):
            path = _below("", found.rpartition("=")[2])  # as in --native-file=../linux.ini
            if path is None or not _is_outside(path):
                continue
            if not path.strip("./"):
                yield Root(path=path, reason=f"named in {name}", kind="folder")
            elif exists(path):
                yield from _globs("", _escaped(path), f"named in {name}")
            elif _MAGIC.search(path):
                yield from _globs("", path, f"named in {name}")


def _manifests_of_maturin(pyproject: Mapping[str, Any], exists: _Exists) -> list[str]:
    """The one that maturin takes, and both where releases differ: for older ones any folder in `src` is a package."""
    if (path := _below("", text(pyproject, "tool.maturin.manifest-path"))) is not None:
        return [path]
    if not exists("rust/Cargo.toml"):
        return ["Cargo.toml"]
    if text(pyproject, "tool.maturin.python-source") or _has_src(pyproject, exists):
        return ["rust/Cargo.toml"]
    return ["Cargo.toml", "rust/Cargo.toml"] if exists(f"src/{_import_name(pyproject)}") else ["Cargo.toml"]


def _of_maturin(pyproject: Mapping[str, Any], known: _Known, exists: _Exists) -> Iterator[Root]:
    """What maturin packs and reads, besides crates and what `[project]` names."""
    maturin = table(pyproject, "tool.maturin")
    built = _manifests_of_maturin(pyproject, exists)
    modules = _modules(pyproject, [known.get(path) for path in built])
    bases = _python_folders(pyproject, exists)
    for base in bases:
        for path in sorted({normal(f"{base}/{module.partition('.')[0]}") for module in modules}):
            # A crate may be named like the module.
            if exists(f"{path}/__init__.py") or not exists(f"{path}/Cargo.toml"):
                yield Root(path=path, reason="Python package", kind="folder")
                yield from _sparing(path, exists)
        for one in texts(maturin, "python-packages"):
            yield from _globs(base, _escaped(one), "tool.maturin.python-packages")
            yield from _sparing(_below(base, one), exists)
        for pattern in _included(maturin):
            yield from _globs(base, pattern, "tool.maturin.include")
    for pattern in _included(maturin):
        yield from _globs("", pattern, "tool.maturin.include")
    data = texts(maturin, "data") or [f"{module}.data" for module in modules]
    stubs = [f"{module.rpartition('.')[2]}.pyi" for module in modules]
    yield from _places(data, "wheel data", "folder")
    yield from _places(stubs, "type stubs", "file")
    yield from _places(texts(maturin, "sbom.include"), "tool.maturin.sbom", "file")
    yield from _places(texts(maturin, "config"), "tool.maturin.config", "file")  # a path, or a key and a value
    for path in built:
        yield from _of_metadata(pyproject, normal(f"{path}/.."), known)


def _sparing(package: str | None, exists: _Exists) -> Iterator[Root]:
    """The files outside of a Python package that keep some of it out of the wheel, from the project directory down."""
    if package is None or _is_outside(package) or not exists(package):
        return
    names = package.split("/")
    for folder in ["/".join(names[:depth]) for depth in range(len(names))]:
        for name in IGNORING:
            yield Root(path=normal(f"{folder}/{name}"), reason="decides what of a package is packed", kind="file")


def _of_metadata(pyproject: Mapping[str, Any], folder: str, known: _Known) -> Iterator[Root]:
    """The readme and licence that the manifest in `folder`, which is built, or its workspace names."""
    package = cargo.package(known.get(normal(f"{folder}/Cargo.toml")))
    keys = ["license-file"] if at(pyproject, "project.readme") else ["license-file", "readme"]
    climb = folder.count("..") + 10
    above = [normal(folder + "/.." * level) for level in range(climb + folder.count("/") + 1)]
    pointer = _below(folder, text(package, "workspace"))
    for key in keys:
        places = [(folder, text(package, key))]
        if at(package, f"{key}.workspace") is True:
            tops = [*above, pointer] if pointer is not None else above
            tables = [(top, known.get(normal(f"{top}/Cargo.toml"))) for top in tops]
            places = [(top, text(one, f"workspace.package.{key}")) for top, one in tables]
        for base, value in places:
            if (path := _below(base, value)) is not None:
                yield Root(path=path, reason=f"{key} of {normal(f'{folder}/Cargo.toml')}", kind="file")


def _modules(pyproject: Mapping[str, Any], built: Sequence[Any]) -> list[str]:
    """The names that the extension module may have: what is set first, as maturin looks for it."""
    if (name := text(pyproject, "tool.maturin.module-name")) is not None:
        return [name]
    if names := [name for one in built if (name := text(one, "lib.name"))]:
        return names
    names = [text(pyproject, "project.name") or text(cargo.package(one), "name") or "" for one in built]
    return [name.replace("-", "_") for name in names if name]


def _python_folders(pyproject: Mapping[str, Any], exists: _Exists) -> list[str]:
    """The folders that Python packages may lie in; releases differ about a `src` without `rust` beside it."""
    if (source := _below("", text(pyproject, "tool.maturin.python-source"))) is not None:
        return [source]
    if exists("rust/Cargo.toml") and _has_src(pyproject, exists):
        return ["src"]
    return ["", "src"] if exists(f"src/{_import_name(pyproject)}") else [""]


def _has_src(pyproject: Mapping[str, Any], exists: _Exists) -> bool:
    """Whether a package of the project lies in `src`."""
    names = [_import_name(pyproject), *texts(pyproject, "tool.maturin.python-packages")]
    return any(exists(path) for name in names if (path := _below("src", f"{name}/__init__.py")) is not None)


def _import_name(pyproject: Mapping[str, Any]) -> str:
    """The name of the project as a module's; a dot where it has none."""
    return (text(pyproject, "project.name") or ".").replace("-", "_")


def _included(maturin: Mapping[str, Any]) -> list[str]:
    """The patterns of what goes into the wheel; what a build script makes (`from = "out-dir"`) is no input."""
    tables = [one for one in entries(maturin, "include") if "from" not in one]
    wheel = [one for one in tables if "format" not in one or "wheel" in texts(one, "format")]
    return [*texts(maturin, "include"), *(path for one in wheel for path in texts(one, "path"))]


def _places(paths: Sequence[str], reason: str, kind: Literal["folder", "file"]) -> list[Root]:
    """A root for each of `paths`."""
    return [Root(path=path, reason=reason, kind=kind) for one in paths if (path := _below("", one)) is not None]


def _globs(base: str, pattern: str, reason: str) -> list[Root]:
    """The root for a pattern below `base`, if it is one of the dialect: others match nothing anywhere."""
    below = relative(pattern)
    path = "" if below is None else normal(f"{_escaped(base)}/{below}")
    return [] if globs.check(path) else [Root(path=path, reason=reason, kind="glob")]


def _escaped(path: str) -> str:
    """The pattern that matches `path` alone."""
    return _MAGIC.sub(r"[\g<0>]", path)


def _strings(value: Any) -> list[str]:
    """All strings in `value`, keys included, but for `_REPOSITORY`.

    Nothing recurses, because TOML can be deeper than Python's stack.
    """
    found: list[str] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, Mapping):
            waiting += [*one, *(below for key, below in one.items() if key not in _REPOSITORY)]
        elif isinstance(one, Sequence):
            waiting += one
    return found


def _below(folder: str, path: Any) -> str | None:
    """`path`, relative to `folder`, normalised; None for what is no such path."""
    below = relative(path)
    is_path = below is not None and below and len(below) <= _LONGEST and "\n" not in below
    return normal(f"{folder}/{below}") if is_path else None


def _is_outside(path: str) -> bool:
    """Whether a normalised path leaves the project directory."""
    return path == ".." or path.startswith("../")
