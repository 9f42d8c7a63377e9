"""What a run observed, on its way into the memory of the tree, and what the memory spares the next run.

The heavy end of `memory`: whoever has walked a tree comes by here. Nothing here can fail a build.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from freshwheel.base import files
from freshwheel.base.model import Looks, Project, Snapshot
from freshwheel.base.rows import Row
from freshwheel.memory import memory
from freshwheel.sources import disk

Settings = Mapping[str, str | Sequence[str]] | None


def contents(tree: str, environ: Mapping[str, str]) -> dict[bytes, tuple[bytes, bytes, bytes]]:
    """Path -> row hash, kind and content digest of the files that need not be read again while their rows stay."""
    cache = files.cache_directory(environ)
    known = memory.load(cache, memory.real(tree)) if cache is not None else None
    if known is None or known.device != _device(tree):
        return {}
    return memory.remembered(known)


def keep(project: Project, found: Snapshot, settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether what was seen is written into the memory of the tree."""
    cache = files.cache_directory(environ)
    question = memory.question(settings, environ, memory.real(project.tree))
    device = _device(project.tree)
    if cache is None or question is None or device is None:
        return False
    places = {**found.looks.places, **project.looks.places}  # the older row of the two counts
    links = dict(found.looks.links)
    inputs: list[tuple[bytes, bytes, bytes, Row]] = []
    for item, row in zip(found.inputs, found.rows, strict=True):
        own = links.pop(item.path, None) if item.kind == b"l" else row
        if own is None:
            return False
        inputs.append((item.path, item.kind, item.content, own))
    slack = disk.slack(project.tree) if found.looks.devices == {device} else None
    tree = memory.real(project.tree)
    ground = memory.Ground(tree=tree, device=device, slack=slack, question=question, rules=found.rules)
    looks = Looks(
        links=links,
        places={path or b".": row for path, row in places.items()},
        kinds=frozenset(path or b"." for path in found.looks.kinds - project.looks.places.keys()),
        absent=found.looks.absent | project.looks.absent,
    )
    return memory.save(cache, memory.observed(ground, min(project.started, found.started), inputs, looks))


def _device(tree: str) -> int | None:
    try:
        return os.stat(tree).st_dev
    except OSError:
        return None
