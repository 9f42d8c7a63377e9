"""What builds have taken from beside their inputs and their keys, and whether all that is as it was.

Headers that a compiler has found, variables that Rust sources or the build scripts of foreign crates have asked for:
nobody knows of them before a build, so they can't be in its key. They are kept with its wheel.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from freshwheel import answers, backends, families
from freshwheel.backends import Backend
from freshwheel.entry import Discovered
from freshwheel.inner.machine import NEW_EVERY_TIME
from freshwheel.sources import content

__all__ = ["VARIABLE", "counting", "hold", "taken", "variables"]

VARIABLE = "v"
"""In place of the kind of a file. The content is a hash of the value, salted; nothing where it was not set."""

_SIGN = b"$"
"""Before the name of a variable, that it is no path."""


def counting(names: Iterable[str], backend: Backend, known: Iterable[str]) -> list[str]:
    """Those of the variables that a build has asked for that no key has: neither `known` nor of the backend's own."""
    harmless, others = families.matcher(backends.HARMLESS), NEW_EVERY_TIME.union(known)
    return [name for name in names if name not in others and not harmless(name) and not backends.shapes(backend, name)]


def taken(
    tree: str, paths: Sequence[str], names: Iterable[str], environ: Mapping[str, str], salt: bytes
) -> list[Discovered] | None:
    """Files, folders and variables as they are now; None where one of the paths can't be read."""
    found = content.contents(tree, [os.fsencode(path) for path in paths])
    if len(found) < len(set(paths)):
        return None
    files = [(path, kind, content) for path, (kind, content) in found.items()]
    return [*files, *((_SIGN + os.fsencode(name), VARIABLE, _hash(name, environ, salt)) for name in names)]


def variables(discovered: Sequence[Discovered]) -> list[str]:
    """The names of the variables among it."""
    return [os.fsdecode(path.removeprefix(_SIGN)) for path, kind, _ in discovered if kind == VARIABLE]


def hold(discovered: Sequence[Discovered], tree: str, environ: Mapping[str, str], salt: bytes) -> bool:
    """Whether all of it is as it was."""
    paths = [os.fsdecode(path) for path, kind, _ in discovered if kind != VARIABLE]
    now = taken(tree, paths, variables(discovered), environ, salt)
    return now is not None and set(now) == set(discovered)


def _hash(name: str, environ: Mapping[str, str], salt: bytes) -> bytes:
    return answers.stamp(salt, name, environ[name]) if name in environ else b""
