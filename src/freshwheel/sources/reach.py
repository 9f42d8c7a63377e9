"""Pure Python that shapes more of an editable installation than itself: what a build of it reads of a package.

Maturin reads none, and what cargo reads is seen in its records. Setuptools may run anything: so all counts, unless what
it runs is known to read nothing.
"""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from freshwheel import backends, native, parsed
from freshwheel.model import Input
from freshwheel.sources import disk

__all__ = ["reaching"]

_LARGEST = 1 << 20
_KNOWN = frozenset(
    (
        *("freshwheel", "nanobind", "numpy", "oldest-supported-numpy", "packaging", "pybind11", "setuptools"),
        *("setuptools-rust", "setuptools-scm", "tomli", "vcs-versioning", "wheel"),
    )
)
"""Requirements that compile no Python, and read none of a project."""
_MODULES = frozenset(
    (
        *("__future__", "distutils", "glob", "nanobind", "numpy", "os", "pathlib", "platform", "pybind11", "re"),
        *("setuptools", "setuptools_rust", "shutil", "sys", "sysconfig", "typing"),
    )
)
"""What a `setup.py` may import."""
_READERS = frozenset(
    (
        *("__import__", "cffi_modules", "check_call", "check_output", "compile", "eval", "exec", "fdopen"),
        *("getattr", "globals", "open", "popen", "read", "read_bytes", "read_text", "readlines", "run", "spawn"),
        *("startfile", "system", "use_2to3", "vars"),
    )
)
"""Names and keywords by which it may read or run anything."""


def reaching(
    tree: str, inputs: Sequence[Input], pyproject: Mapping[str, Any], *, name: str, requires: Sequence[str]
) -> list[Input]:
    """The pure inputs that count like native ones, for the backend called `name` and all requirements of the build."""
    column = b"".join([one.kind + one.content for one in inputs])
    pure = [inputs[number] for number in native.pure([one.path for one in inputs], column)]
    if name == "maturin":
        return []
    paths = frozenset(one.path for one in inputs)
    plain = name in ("setuptools", "setuptools-rust") and backends.names(requires) <= _KNOWN
    if not plain or parsed.at(pyproject, "tool.setuptools.cmdclass") is not None or not _reads_nothing(tree, paths):
        return pure
    found: list[Input] = []
    for kind, text in _named(parsed.table(pyproject, "tool.setuptools.dynamic")):
        wanted = [one for one in pure if _is_meant(os.fsdecode(one.path), kind, text)]
        if kind == "attr" and not any(_states(tree, one.path, text.rpartition(".")[2]) for one in wanted):
            return pure  # setuptools imports the module, which may import any other
        found += wanted
    return sorted({one.path: one for one in found}.values(), key=lambda one: one.path)


def _named(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Kind and text of what the dynamic metadata is taken from."""
    for value in table.values():
        for kind in ("attr", "file"):
            yield from ((kind, text) for text in parsed.texts(value, kind))


def _is_meant(path: str, kind: str, text: str) -> bool:
    if kind == "file":
        return os.path.normpath(text).replace(os.sep, "/") == path
    module = text.rpartition(".")[0].replace(".", "/")
    return any(f"/{path}".endswith(f"/{module}{ending}") for ending in (".py", "/__init__.py"))


def _states(tree: str, path: bytes, name: str) -> bool:
    """Whether a module says the value of a name literally, so that setuptools need not import it."""
    try:
        body = _parsed(tree, path).body
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    for node in body:
        match node:
            case ast.Assign(targets=targets, value=value) if any(map(partial(_is_called, name), targets)):
                return isinstance(value, ast.Constant)
            case ast.AnnAssign(target=target, value=value) if _is_called(name, target):
                return isinstance(value, ast.Constant)
    return False


def _is_called(name: str, node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _reads_nothing(tree: str, paths: frozenset[bytes]) -> bool:
    """Whether the scripts of a build, in an own text or in `setup.cfg`, are known to read no Python of the project."""
    if b"setup.cfg" in paths and _configured(tree):
        return False
    if b"setup.py" not in paths:
        return True
    try:
        return not any(map(_may_read, ast.walk(_parsed(tree, b"setup.py"))))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return False


def _configured(tree: str) -> bool:
    """Whether `setup.cfg` may name something to read or to run."""
    try:
        with open(os.path.join(tree, "setup.cfg"), "rb") as file:
            text = file.read(_LARGEST + 1)
    except OSError:
        return True
    return len(text) > _LARGEST or any(word in text for word in (b"attr:", b"file:", b"cmdclass", b"setup_hooks"))


def _may_read(node: ast.AST) -> bool:
    """Whether a piece of a `setup.py` may read Python of the project."""
    match node:
        case ast.Import(names=names):
            return any(one.name.partition(".")[0] not in _MODULES for one in names)
        case ast.ImportFrom(module=module, level=level, names=names):
            known = not level and (module or "").partition(".")[0] in _MODULES
            return not known or any(one.name in _READERS for one in names)
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
            return name in _READERS
        case ast.Constant(value=str(text)):
            return ".py" in text and not text.endswith((".pyx", ".pyd"))
        case _:
            return False


def _parsed(tree: str, path: bytes) -> ast.Module:
    with open(disk.at(os.fsencode(tree), path), "rb") as file:
        text = file.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise ValueError("too long")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the text of somebody else, who will see them when it runs
        return ast.parse(text)
