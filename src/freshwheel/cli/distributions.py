"""The verb `verify`, and `check` for distributions: what is asked about, and how the answers look."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict

from freshwheel.build.plan import Call
from freshwheel.cli import render
from freshwheel.cli.render import Answer, Line
from freshwheel.explain import distributions


def are_distributions(paths: Sequence[str]) -> bool:
    """Whether these are files, or folders of them, and not one project.

    A directory with `pyproject.toml` is a project, whatever else lies in it.
    """
    if len(paths) != 1:
        return bool(paths)
    if os.path.isdir(paths[0]):
        return not _is_project(paths[0]) and bool(_listed(paths))
    return distributions.is_one(paths[0]) or bool(_listed(paths))


def refused(paths: Sequence[str]) -> str | None:
    """Why there is nothing to check, in words; None: there is."""
    projects = [path for path in paths if _is_project(path)]
    if projects:
        return f"{projects[0]}: it is a project; those are checked one at a time, and apart from distributions"
    found = _listed(paths)
    missing = [path for path in paths if not os.path.lexists(path) and not glob.glob(path)]
    if missing:
        return f"{missing[0]}: there is no such file"
    return None if found else "there is neither a wheel nor a source distribution"


def checked(paths: Sequence[str], say: Callable[[str], None]) -> Answer:
    """What is wrong with distributions; a file that is none is only named."""
    for path in paths:
        if os.path.isfile(path) and not distributions.is_one(path):
            say(f"{path} is not looked at: it is neither a wheel nor a source distribution")
    found = distributions.check(_listed(paths))
    lines = [*render.told(found.findings, found.notes), render.verdict(found.findings)]
    return Answer(lines=lines, value=asdict(found), wrong=bool(found.findings))


def verified(path: str, call: Call | None) -> Answer:
    """What is wrong with one wheel, alone or held against a tree."""
    found = distributions.inspect(path, call)
    mark = found.mark
    value = {
        "wheel": found.name.filename,
        "digest": mark.digest if mark is not None else None,
        "label": mark.label if mark is not None else None,
        "base": mark.base if mark is not None else None,
        "backend": mark.backend if mark is not None else None,
        "settled": mark.settled if mark is not None else None,
        "tree": found.tree or None,
        "same": found.is_of_tree,
        "findings": [asdict(one) for one in found.findings],
        "notes": list(found.notes),
    }
    lines = [Line(found.name.filename, "head")]
    if mark is not None:
        lines.append(Line(f"  built from {mark.digest} by {mark.backend}"))
    lines += render.told(found.findings, found.notes)
    if found.is_of_tree:
        lines.append(Line("it is what the tree says", "good"))
    return Answer(lines=[*lines, render.verdict(found.findings)], value=value, wrong=bool(found.findings))


def _is_project(path: str) -> bool:
    return os.path.lexists(os.path.join(path, "pyproject.toml"))


def _listed(paths: Sequence[str]) -> list[str]:
    """The distributions; none in a folder that can't be listed."""
    try:
        return distributions.distributions(paths)
    except OSError:
        return []
