"""What of `pyproject.toml` is an input: its tables but those about other things, as bytes that no layout moves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from freshwheel.base.frame import framed

IGNORED = (
    "dependency-groups",  # PEP 735: a build backend must not put them into what it builds
    # Linters, formatters and type checkers. Not mypy: mypyc reads its table, and `always_false` compiles other code.
    "tool.autopep8",
    "tool.bandit",
    "tool.basedpyright",
    "tool.black",
    "tool.codespell",
    "tool.deptry",
    "tool.djhtml",
    "tool.djlint",
    "tool.flake8",
    "tool.interrogate",
    "tool.isort",
    "tool.mdformat",
    "tool.pydocstyle",
    "tool.pylint",
    "tool.pyrefly",
    "tool.pyright",
    "tool.ruff",
    "tool.ty",
    "tool.typos",
    "tool.vulture",
    "tool.yapf",
    # Tests, tasks and the environments they run in. What these set for a build reaches it as environment variables,
    # config settings or tools, which are looked at by themselves. Not cibuildwheel, which is there for wheels alone.
    "tool.coverage",
    "tool.hatch.envs",
    "tool.nox",
    "tool.pdm.dev-dependencies",
    "tool.pdm.scripts",
    "tool.pixi",
    "tool.poe",
    "tool.pytest",
    "tool.rye",
    "tool.taskipy",
    "tool.tox",
    # Of uv's table neither what its build backend reads nor what decides about build requirements.
    "tool.uv.cache-keys",
    "tool.uv.conflicts",
    "tool.uv.default-groups",
    "tool.uv.dependency-groups",
    "tool.uv.dev-dependencies",
    "tool.uv.environments",
    "tool.uv.required-environments",
    # Releases, and what looks at distributions that are there already.
    "tool.bumpver",
    "tool.bumpversion",
    "tool.check-manifest",
    "tool.check-wheel-contents",
    "tool.commitizen",
    "tool.hatch.publish",
    "tool.repo-review",
    "tool.semantic_release",
    "tool.tbump",
    "tool.towncrier",
    "tool.uv.check-url",
    "tool.uv.publish-url",
    "tool.uv.trusted-publishing",
    # Our own keys that change no source: whether there is a label and a store, and what else the build key looks at.
    "tool.freshwheel.commands",
    "tool.freshwheel.env",
    "tool.freshwheel.label",
    "tool.freshwheel.store",
)
"""Tables and keys known never to shape a wheel. The list is closed: what is not on it counts, and so does any doubt."""

KEPT = (
    "tool.bumpver.current_version",
    "tool.bumpversion.current_version",
    "tool.commitizen.version",
    "tool.tbump.version",
)
"""What counts inside of `IGNORED`: a version that stands there is one that a `setup.py` may read there."""

_IGNORED = frozenset(tuple(name.split(".")) for name in IGNORED)
_KEPT = frozenset(tuple(name.split(".")) for name in KEPT)
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
            fields += _scalar(value)
    return framed(*fields)


def _counting(table: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """What of the table at `path` counts."""
    counting: dict[str, Any] = {}
    for key, value in table.items():
        here = (*path, key)
        if here in _IGNORED:
            kept = _kept(value, here)
        elif here in _ABOVE and isinstance(value, Mapping):
            kept = _counting(value, here)
        else:
            counting[key] = value
            continue
        if kept:
            counting[key] = kept
    return counting


def _kept(value: Any, path: tuple[str, ...]) -> dict[str, Any]:
    """What of the ignored `value` counts."""
    if not isinstance(value, Mapping):
        return {}
    return {key: below for key, below in value.items() if (*path, key) in _KEPT}


def _scalar(value: Any) -> tuple[bytes, bytes]:
    """The type and the spelling of a value that holds no others."""
    tag, spell = next((tag, spell) for kind, tag, spell in _SCALARS if isinstance(value, kind))
    return tag, spell(value).encode("utf-8", "surrogatepass")
