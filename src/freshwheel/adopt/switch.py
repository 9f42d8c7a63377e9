"""The switch itself: the text with its pieces in their new places, and the tables that it must say then."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from freshwheel.adopt.aim import Aim
from freshwheel.adopt.edits import Edits
from freshwheel.adopt.statements import Document, UnreadableError, parsed, value_of
from freshwheel.backends import names
from freshwheel.errors import FreshwheelError

__all__ = ["agreed", "by_hand", "expected", "written"]


def written(document: Document, aim: Aim) -> str:
    """The text after the switch."""
    edits = Edits(document)
    lines = list(aim.lines.values())
    if document.header("build-system") or any(one.path[:1] == ("build-system",) for one in document.statements):
        _build_system(edits, aim)
    else:
        requires = '["freshwheel"]' if aim.lean else f'["freshwheel", {aim.requires[1:]}'
        edits.table(["[build-system]", f"requires = {requires}", 'build-backend = "freshwheel"'], None)
    ours = document.header("tool", "freshwheel")
    if ours is not None:
        edits.below(ours, lines)
    else:
        edits.table(["[tool.freshwheel]", *lines], document.header("build-system"))
    if aim.opens:
        _open_version(edits, moved="version" in aim.lines)
    return edits.text()


def expected(pyproject: Mapping[str, Any], aim: Aim) -> dict[str, Any]:
    """What the text must say after the switch."""
    tables = copy.deepcopy(dict(pyproject))
    system = tables.setdefault("build-system", {})
    others = [] if aim.lean else value_of(aim.requires)
    system["requires"] = others if "freshwheel" in names(others) else ["freshwheel", *others]
    system["build-backend"] = "freshwheel"
    system.pop("backend-path", None)
    ours = tables.setdefault("tool", {}).setdefault("freshwheel", {})
    ours.update(parsed("\n".join(aim.lines.values())))
    if aim.opens:
        project = tables["project"]
        del project["version"]
        project["dynamic"] = ["version", *project.get("dynamic", [])]
    return tables


def agreed(write: Callable[[], str], expect: Callable[[], Mapping[str, Any]], *, hint: str) -> str:
    """The text that is written, if it says exactly what is expected. Raises FreshwheelError if not."""
    try:
        text = write()
        if _canonical(parsed(text)) == _canonical(expect()):
            return text
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # of tables that are no tables, above all
        pass
    raise FreshwheelError(
        "pyproject.toml is written in a way that can't be changed safely; it was left alone", hint=hint
    )


def by_hand(aim: Aim) -> str:
    """What to write, for a person."""
    requires = '["freshwheel"]' if aim.lean else f'["freshwheel", {aim.requires[1:].lstrip()}'
    lines = ["[build-system]", f"requires = {requires}", 'build-backend = "freshwheel"', "[tool.freshwheel]"]
    lines += aim.lines.values()
    lines += ["[project]", 'dynamic = ["version"]'] if aim.opens else []
    return "\n    ".join(["write by hand:", *"\n".join(lines).splitlines()])


def _build_system(edits: Edits, aim: Aim) -> None:
    document = edits.document
    requires = document.statement("build-system", "requires")
    backend = document.statement("build-system", "build-backend")
    path = document.statement("build-system", "backend-path")
    if requires is None:
        raise UnreadableError("requires")
    if aim.lean:
        edits.supersede(requires, '["freshwheel"]')
    elif "freshwheel" not in names(value_of(aim.requires)):
        edits.prepend(requires.value, "freshwheel")
    if backend is None:
        edits.behind(requires, "build-backend", '"freshwheel"')
    elif "backend" in aim.lines:
        edits.supersede(backend, '"freshwheel"')
    else:
        edits.replace(backend.value, '"freshwheel"')
    if path is not None:
        edits.remove(path, remarks=True)


def _open_version(edits: Edits, *, moved: bool) -> None:
    """The version is listed as dynamic, where it stood if nothing else is; `moved`: it stands elsewhere now."""
    version = edits.document.statement("project", "version")
    dynamic = edits.document.statement("project", "dynamic")
    if version is None:
        raise UnreadableError("version")
    if dynamic is not None:
        edits.remove(version, remarks=moved)
        edits.prepend(dynamic.value, "version")
        return
    edits.replace(version.last, "dynamic")
    if moved:
        edits.supersede(version, '["version"]')
    else:
        edits.replace(version.value, '["version"]')


def _canonical(tables: Mapping[str, Any]) -> str:
    """One text for equal tables, in whatever order they are."""
    return json.dumps(tables, sort_keys=True, default=repr)
