"""What a source tree says of itself: `pyproject.toml` and what of it is an input, `PKG-INFO`, the own base version."""

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

_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(
    r'''
    (?P<basic>"""(?:\\.|[^\\])*?"""(?:"{0,2})|"(?:\\.|[^"\\\n])*")
    |(?P<literal>\'\'\'.*?\'\'\'(?:'{0,2})|'[^'\n]*')
    |(?P<comment>\#[^\n]*)
    |(?P<line>\r?\n)
    |.
    ''',
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:(?P<e>e)|x(?P<hex>[0-9A-Fa-f]{2})|.)", re.DOTALL)
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
            waiting += [one for key in sorted(value, reverse=True) for one in (value[key], key)]
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

    Cargo takes TOML 1.1, of which the `tomllib` of today knows all but a few spellings.
    """
    try:
        return tomllib.loads(text)
    except ValueError:
        return tomllib.loads("".join(_older(text)))


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


def _older(text: str) -> Iterator[str]:
    """The same text as TOML 1.0 has it: an inline table on one line, without a comma at its end; longer escapes."""
    depth, comma = 0, ""
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if match["basic"]:
            piece = _ESCAPE.sub(_escape, piece)
        elif depth and (match["comment"] or match["line"]):
            piece = " "
        elif not match["literal"] and not match["comment"]:
            depth = max(0, depth + (piece == "{") - (piece == "}"))
        if comma and not piece.isspace():
            yield "" if piece == "}" else comma
            comma = ""
        if piece == "," and depth:
            comma = piece
        else:
            yield piece
    yield comma


def _escape(match: re.Match[str]) -> str:
    if match["e"]:
        return "\\u001b"
    return f"\\u00{match['hex']}" if match["hex"] else match[0]
