"""Pure Python that shapes more of an editable installation than itself: what a build of it reads or runs.

Maturin runs none, and what cargo reads is seen in its records. Setuptools may run anything: so all counts, unless what
it runs is known to read nothing. What the project names as a file counts with either.
"""

from __future__ import annotations

import ast
import contextlib
import fnmatch
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from freshwheel import backends, native, parsed
from freshwheel.model import Input
from freshwheel.sources import disk, usual

__all__ = ["reaching", "shaping"]

_LARGEST = 1 << 20
_LONGEST = 1024
"""Characters of a path."""
_KNOWN = frozenset(
    (
        *("freshwheel", "nanobind", "numpy", "oldest-supported-numpy", "packaging", "pybind11", "setuptools"),
        *("setuptools-rust", "setuptools-scm", "tomli", "vcs-versioning", "wheel"),
    )
)
"""Requirements that compile no Python, and read none of a project."""
_MAGIC = re.compile(r"[*?\]]")
_REFERENCE = re.compile(r"\s*[\w.]+\s*:\s*[\w.]+\s*")
_PREFIX = re.compile(r"\w+\*")
_TOOL = re.compile(r"""(?:linker|wrapper|rustc)["']?\s*=\s*\[?\s*["']?[^"'\n]*[/\\]""")
_QUOTED = re.compile(r"""["']([^"'\n]+\.pyi?)["']""")
_NETWORK = ("//", "\\\\")
_LICENCE = re.compile(rb"(?:licen[cs]e|copying|notice|authors)[^/]*", re.IGNORECASE)
_OPEN = ("attr:", "cmdclass", "command_packages", "distutils.", "file:", "setup_hooks", "setup_requires", "setuptools.")
"""Words of a `setup.cfg` by which it may name something to read or to run."""


def reaching(
    tree: str, inputs: Sequence[Input], pyproject: Mapping[str, Any], *, name: str, requires: Sequence[str]
) -> list[Input]:
    """The pure inputs that count like native ones, for the backend called `name` and all requirements of the build."""
    column = b"".join([one.kind + one.content for one in inputs])
    pure = [inputs[number] for number in native.pure([one.path for one in inputs], column)]
    paths = {one.path for one in inputs}
    in_tree = (parsed.at(pyproject, f"{place}.backend-path") for place in ("build-system", "tool.freshwheel"))
    if any(in_tree) or _runs_tools(tree, paths):
        return pure
    free = {one.path for one in pure}
    found = _named(tree, free, _texts(tree, paths, pyproject)) | _licences(free, pyproject)
    if name != "maturin":
        plain = name in ("setuptools", "setuptools-rust") and backends.names(requires) <= _KNOWN
        if not plain or _runs_own(pyproject) or not _reads_nothing(tree, free):
            return pure
        for text in _below(parsed.table(pyproject, "tool.setuptools.dynamic"), "attr"):
            one = _stating(tree, paths, pyproject, text)
            if one is None:
                return pure  # setuptools imports the module, which may import any other
            found.add(one)
    return [one for one in pure if one.path in found]


def shaping(paths: Sequence[bytes], pyproject: Mapping[str, Any], *, name: str) -> list[bytes]:
    """The packages, and the modules in none, of which a way into the tree may be made.

    What lies in a package is imported by that one. But setuptools can be told of each by its name.
    """
    known, folders = frozenset(paths), native.packages(list(paths))
    if name == "maturin":
        return sorted(one for one in folders if one.rpartition(b"/")[0] + b"/__init__.py" not in known)
    where = None if known & {b"setup.py", b"setup.cfg"} else _where(parsed.table(pyproject, "tool.setuptools"))
    nested = [one for one in folders if where is not None and _is_nested(one, where, known)]
    return sorted([*folders.difference(nested), *native.loose(list(paths))])


def _where(settings: Mapping[str, Any]) -> str | None:
    """The folder in which setuptools looks for all packages; None where one in another may be singled out."""
    found = settings.get("packages")
    if settings.keys() & {"namespace-packages", "package-dir", "py-modules"}:
        return None
    if found is None or isinstance(found, list):
        listed = [str(one) for one in found or ()]
        return "src" if all(one.partition(".")[0] in listed for one in listed) else None
    table, where = parsed.table(found, "find"), parsed.texts(found, "find.where")
    patterns = [*parsed.texts(table, "include"), *parsed.texts(table, "exclude")]
    if len(where) > 1 or not all(map(_PREFIX.fullmatch, patterns)):
        return None
    return _path(where[0]) if where else "."


def _is_nested(folder: bytes, where: str, paths: AbstractSet[bytes]) -> bool:
    """Whether a package lies in a package, and so on, up to where packages are looked for."""
    parts = folder.split(b"/")
    first = where.count("/") + 2 if os.fsdecode(folder).startswith(f"{where}/") else 1
    above = (b"/".join([*parts[:number], b"__init__.py"]) for number in range(first, len(parts)))
    return len(parts) > first and all(one in paths for one in above)


def _below(value: Any, key: str) -> Iterator[str]:
    """The texts at a key, or in a list there, however deep; those at any key for no key."""
    waiting = [(value, not key)]
    while waiting:
        one, wanted = waiting.pop()
        if isinstance(one, Mapping):
            waiting += ((below, not key or called == key) for called, below in one.items())
        elif isinstance(one, list):
            waiting += ((below, wanted) for below in one)
        elif wanted and isinstance(one, str):
            yield one


def _texts(tree: str, paths: AbstractSet[bytes], pyproject: Mapping[str, Any]) -> Iterator[str]:
    """All that may name a file: the texts of `pyproject.toml`, words of `setup.cfg`, texts of manifests of crates."""
    yield from _below(pyproject, "")
    if b"setup.cfg" in paths:
        yield from re.split(r"[\s,;:=]+", _read(tree, b"setup.cfg") or "")
    for path in paths:
        folder, _, name = os.fsdecode(path).rpartition("/")
        if name == "Cargo.toml":
            yield from (f"{folder or '.'}/{text}" for text in _QUOTED.findall(_read(tree, path) or ""))


def _named(tree: str, pure: AbstractSet[bytes], texts: Iterator[str]) -> set[bytes]:
    """The inputs that texts name, by whatever links."""
    called: dict[str, list[bytes]] = {}
    for path in pure:
        called.setdefault(os.path.basename(os.fsdecode(path)).casefold(), []).append(path)
    likely = {one for one in texts if len(one) <= _LONGEST and one.isprintable() and one[:2] not in _NETWORK}
    return {path for text in likely for path in _meant(tree, pure, called, text)}


def _meant(tree: str, pure: AbstractSet[bytes], called: Mapping[str, Sequence[bytes]], text: str) -> set[bytes]:
    """The inputs that one text means; `called` has them by their last name."""
    found: set[bytes] = set()
    with contextlib.suppress(OSError, ValueError):  # the text is no path here
        found |= pure & {os.fsencode(_path(text))}
        real = os.path.realpath(os.path.join(tree, text))
        likely = called.get(os.path.basename(real).casefold(), ())
        found |= {path for path in likely if os.path.samefile(real, disk.at(os.fsencode(tree), path))}
    return found


def _licences(pure: AbstractSet[bytes], pyproject: Mapping[str, Any]) -> set[bytes]:
    """The inputs that may be licences, which become a part of the metadata."""
    tables = (parsed.at(pyproject, place) for place in ("project", "tool.setuptools"))
    texts = [text for table in tables for text in _below(table, "license-files")]
    patterns = [text.replace("**/", "*").casefold() for text in texts if _MAGIC.search(text)]
    return {path for path in pure if _LICENCE.fullmatch(path) or _fits(os.fsdecode(path).casefold(), patterns)}


def _fits(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _runs_tools(tree: str, paths: AbstractSet[bytes]) -> bool:
    """Whether settings of cargo name a tool by its place, which may be a script that runs another."""
    texts = [_read(tree, one) for one in paths if one.endswith((b".cargo/config.toml", b".cargo/config"))]
    return any(text is None or _TOOL.search(text) for text in texts)


def _runs_own(pyproject: Mapping[str, Any]) -> bool:
    """Whether tables of `pyproject.toml` make modules of the project a part of the build."""
    groups = parsed.table(pyproject, "project.entry-points")
    schemes = [parsed.at(pyproject, f"tool.{name}") for name in ("setuptools_scm", "setuptools-scm", "vcs-versioning")]
    return (
        parsed.at(pyproject, "tool.setuptools.cmdclass") is not None
        or any(group.startswith(("distutils.", "setuptools.", "setuptools_scm.")) for group in groups)
        or any(_REFERENCE.fullmatch(text) for table in schemes for text in _below(table, ""))
    )


def _stating(tree: str, paths: AbstractSet[bytes], pyproject: Mapping[str, Any], attribute: str) -> bytes | None:
    """The one module that says the value of an attribute literally, so that setuptools need not import it."""
    module, _, name = attribute.strip().rpartition(".")
    endings = tuple(f"{module.replace('.', '/')}{ending}" for ending in (".py", "/__init__.py"))
    meant = [path for path in paths if f"/{os.fsdecode(path)}".endswith(tuple(f"/{one}" for one in endings))]
    if len(meant) != 1 or any("package_dir" in (_read(tree, path) or "") for path in (b"setup.py", b"setup.cfg")):
        return None
    placed = parsed.table(pyproject, "tool.setuptools").get("package-dir", {})
    if placed != {}:
        base = placed[""] if isinstance(placed, Mapping) and list(placed) == [""] else None
        if not isinstance(base, str) or os.fsdecode(meant[0]) not in {_path(f"{base}/{one}") for one in endings}:
            return None
    return meant[0] if _states(tree, meant[0], name) else None


def _path(text: str) -> str:
    """A text as inputs are called."""
    return os.path.normpath(text).replace(os.sep, "/")


def _states(tree: str, path: bytes, name: str) -> bool:
    text = _parsed(tree, path)
    for node in text.body if text else ():
        match node:
            case ast.Assign(targets=targets, value=value) if any(map(partial(_is_called, name), targets)):
                return isinstance(value, ast.Constant)
            case ast.AnnAssign(target=target, value=value) if _is_called(name, target):
                return isinstance(value, ast.Constant)
    return False


def _is_called(name: str, node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _reads_nothing(tree: str, pure: AbstractSet[bytes]) -> bool:
    """Whether the scripts of a build, in an own text or in `setup.cfg`, are known to read no Python of the project."""
    if os.path.lexists(os.path.join(tree, "setup.cfg")):
        text = _read(tree, b"setup.cfg")
        if text is None or any(word in text.casefold().replace("-", "_") for word in _OPEN):
            return False
    if not os.path.lexists(os.path.join(tree, "setup.py")):
        return True
    script = _parsed(tree, b"setup.py")
    if script is None:
        return False
    near = {os.fsdecode(path).partition("/")[0].removesuffix(".py") for path in pure}
    return usual.reads_nothing(script, near)


def _parsed(tree: str, path: bytes) -> ast.Module | None:
    """A Python text; None where it can't be read as one."""
    try:
        with open(disk.at(os.fsencode(tree), path), "rb") as file:
            text = file.read(_LARGEST + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the text of somebody else, who will see them when it runs
            return ast.parse(text) if len(text) <= _LARGEST else None
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _read(tree: str, path: bytes) -> str | None:
    """A text; None where it is too long, or can't be read."""
    try:
        with open(disk.at(os.fsencode(tree), path), encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(_LARGEST + 1)
    except OSError:
        return None
    return text if len(text) <= _LARGEST else None
