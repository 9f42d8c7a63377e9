"""What a source tree says of itself: `pyproject.toml`, a root `PKG-INFO`, and the own base version."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import time
from collections.abc import Callable
from typing import Any

from freshwheel.base import versions
from freshwheel.base.errors import ConfigError, InputError, Problem
from freshwheel.base.model import OwnVersion, Project
from freshwheel.sources.disk import Disk

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST = 1 << 20
"""Bytes. A larger `pyproject.toml` would take seconds to parse, and nobody wrote it."""
_LARGEST_OTHER = 1 << 25
_BOM = b"\xef\xbb\xbf"
_KEY = "tool.freshwheel.version"
_USUAL = r"""^(?:__version__|VERSION)[ \t]*(?::[^=\n]+)?=[ \t]*(['"])v?(?P<version>[^'"\n]+)\1"""
_LONGEST = 60
"""Characters of a wrong text that a message repeats."""


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
    """The own base version, as it is spelled. Raises ConfigError unless it is a version (PEP 440) without our label."""
    if own.path is None:
        return _checked(own.text or "", _KEY)
    name = f"{_KEY}.path"
    data = _bytes(project.tree, own.path, name, largest=_LARGEST_OTHER)
    if data is None:
        raise _wrong(name, f"{own.path} is missing")
    text = _decoded(data.removeprefix(_BOM), name, f"{own.path} ")
    found = _searched(own, text.replace("\r\n", "\n"))
    return _checked(found, name, f"in {own.path}, ")


def _pyproject(tree: str) -> dict[str, Any]:
    name = "pyproject.toml"
    data = _bytes(tree, name, name, largest=_LARGEST)
    if data is None:
        raise _wrong(name, "is missing", "freshwheel is set up there, in [build-system] and [tool.freshwheel]")
    if data.startswith(_BOM):
        raise _wrong(name, "begins with a byte order mark, in line 1", "save it as UTF-8 without one")
    try:
        return tomllib.loads(_decoded(data, name))
    except RecursionError:
        raise _wrong(name, "is nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, and numbers longer than Python converts
        raise _wrong(name, f"is not TOML: {error}") from None


def _sdist_version(tree: str) -> str | None:
    """The version in a root `PKG-INFO`; None where there is no such file."""
    name = "PKG-INFO"
    data = _bytes(tree, name, name, largest=_LARGEST_OTHER)
    if data is None:
        return None
    for line in data.removeprefix(_BOM).splitlines():
        if not line:
            break
        field, _, value = line.partition(b":")
        if field.lower() == b"version":
            text = value.decode("utf-8", "replace").strip()
            if versions.parsed(text) is None:
                raise _wrong(name, f"{_shown(text)} is not a version (PEP 440)")
            return text
    raise _wrong(name, "has no Version", "an unpacked source distribution has one; remove the file if this is none")


def _bytes(tree: str, path: str, name: str, *, largest: int) -> bytes | None:
    """The bytes of a file, None where there is none; `name` is what a message calls it."""
    try:
        handle = os.open(
            os.path.join(tree, path), os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        )
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise _wrong(name, "can't be read: it is not a regular file")
            data = file.read(largest + 1)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise _wrong(name, f"can't be read: {error.strerror or error}") from error
    except ValueError as error:  # a path with a NUL
        raise _wrong(name, f"can't be read: {error}") from None
    if len(data) > largest:
        raise _wrong(name, f"is larger than {largest >> 20} MiB")
    return data


def _decoded(data: bytes, name: str, file: str = "") -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _wrong(name, f"{file}is not UTF-8, in line {line}") from None


def _searched(own: OwnVersion, text: str) -> str:
    name = f"{_KEY}.pattern"
    try:
        pattern = re.compile(own.pattern or _USUAL, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise _wrong(name, f"is not a regular expression: {error}") from None
    if "version" not in pattern.groupindex:
        raise _wrong(name, "has no group named version", "put (?P<version>...) around the version")
    match = pattern.search(text)
    found = match["version"] if match else None
    if found is not None:
        return found
    if own.pattern is None:
        hint = "say how to find it: version = { path = ..., pattern = '...(?P<version>...)...' }"
        raise _wrong(f"{_KEY}.path", f'{own.path} has no line __version__ = "..." or VERSION = "..."', hint)
    raise _wrong(name, f"matches nothing in {own.path}")


def _checked(text: str, name: str, where: str = "") -> str:
    version = versions.parsed(text)
    if version is None:
        raise _wrong(name, f"{where}{_shown(text)} is not a version (PEP 440)")
    if versions.has_label(version):
        raise _wrong(
            name, f"{where}{_shown(text)} has a label of freshwheel in it", "write the version without the label"
        )
    return text


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def _wrong(where: str, what: str, hint: str = "") -> ConfigError:
    return ConfigError([Problem(where, what, hint)])
