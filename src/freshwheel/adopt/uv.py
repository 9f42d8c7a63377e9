"""The recipe of `uv`: what a project is made from becomes the keys by which uv decides whether to ask its backend."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from freshwheel.adopt import uv_keys, uv_table
from freshwheel.adopt.uv_keys import Layout
from freshwheel.base import frame, requirements, toml_access
from freshwheel.base.errors import InputError
from freshwheel.build.plan import Call, Plan
from freshwheel.memory import discoveries
from freshwheel.sources import not_sources
from freshwheel.sources.disk import Disk, MovedError

_MOST = 100_000
"""Files that are looked at."""
_FEW = 100
"""Files in one folder that no input is in: they only show that a glob would cover some."""
_OF_VERSION_CONTROL = re.compile(
    r"scm|vcs|git-versioning|versioneer|versioningit|dunamai|dynamic-versioning|pbr|setupmeta"
)
"""In the names of what does that."""
_FLAGS = {"maturin": ("MATURIN_PEP517_ARGS",)}
"""Variables that say how to build, by the backend that reads them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The cache keys of a project, as elements of the list."""

    keys: list[dict[str, Any]]
    missing: list[dict[str, Any]]
    """Keys that do not stand there."""
    others: list[Any]
    """What stands there, and is none of the keys."""
    before: bytes
    """The bytes of `pyproject.toml`."""
    after: bytes
    """Those with the keys in it; the same where these stand there."""


def look(call: Call, before: bytes, *, names: bool = False) -> Found:
    """The keys of a project beside those in `before`, its `pyproject.toml`; `names`: without globs outside of it.

    Raises what `Plan` raises, InputError where the tree does not keep still, and FreshwheelError where the file can't
    be changed safely.
    """
    plan = Plan.of(call)
    keys = uv_keys.keys(_layout(plan), names=names)
    present = uv_table.present(plan.project.pyproject, keys)
    missing = [one for one in keys if one not in present]
    others = [one for one in present if one not in keys]
    after = uv_table.written(before, keys) if missing or others else before
    return Found(keys=keys, missing=missing, others=others, before=before, after=after)


def _layout(plan: Plan) -> Layout:
    plan.snapshot()  # an include that matches nothing is an error
    try:
        found = plan.select(Disk(plan.call.tree))
    except MovedError as error:
        raise InputError(f"{error} keeps changing while it is read", hint="wait for what writes there") from None
    links = {_text(path): link.kind for path, link in found.tree.links.items()}
    written = discoveries.load(frame.cache_directory(plan.call.environ), plan.call.tree).written
    inputs = {*map(_text, found.tree.files), *(path for path, kind in links.items() if kind == b"f")}
    watched = inputs.difference(written).union(found.locks)
    tops = sorted({folders[-1] for path in watched if (folders := uv_keys.above(path))})
    pruned = {_text(path) for path in found.tree.pruned}
    lying = itertools.chain.from_iterable(_lying(plan.call.tree, top, pruned) for top in tops)
    others = {*written, *found.left_out, *plan.config.exclude, *itertools.islice(lying, _MOST)}
    variables = {*plan.variables, *_FLAGS.get(plan.backend.name, ())}
    if any(os.path.basename(path) == b"Cargo.toml" for path in found.tree.files):
        variables.add("RUSTFLAGS")
    return Layout(
        watched=frozenset(watched),
        others=frozenset(others - watched),
        linked=frozenset(path for path, kind in links.items() if kind == b"d"),
        env=frozenset(name for name in variables if "*" not in name),
        versioned=versioned(plan.project.pyproject, plan.requires),
    )


def versioned(pyproject: Mapping[str, Any], requires: Iterable[str]) -> bool:
    """Whether something is named that takes the version from version control; it may do nothing of the kind."""
    texts = [*requirements.names(requires), *toml_access.table(pyproject, "tool")]
    for path in ("hatch.version", "pdm.version", "scikit-build.metadata"):
        texts += toml_access.strings(toml_access.at(pyproject, f"tool.{path}"))
    return any(_OF_VERSION_CONTROL.search(requirements.normal(text)) for text in texts)


def _lying(tree: str, top: str, pruned: AbstractSet[str]) -> Iterator[str]:
    """The files in a folder, as a walk of uv meets them; of a pruned one the first few."""
    for folder, folders, names in os.walk(os.path.join(tree, top)):
        stem = os.path.relpath(folder, tree).replace(os.sep, "/")
        for name in [name for name in folders if f"{stem}/{name}" in pruned]:
            folders.remove(name)
            yield from itertools.islice(_lying(tree, f"{stem}/{name}", frozenset()), _FEW)
        yield from (f"{stem}/{name}" for name in names if not not_sources.is_dropping(os.fsencode(name)))


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
