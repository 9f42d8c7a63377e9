"""The switch itself: the text with its pieces in their new places, and the tables that it must say then."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from freshwheel.adopt.change import Aim
from freshwheel.adopt.toml_statements import Document, parsed
from freshwheel.base.requirements import names


def written(document: Document, aim: Aim) -> str:
    """The text after the switch."""
    if any(one.path[:1] == ("build-system",) for one in document.pieces):
        _build_system(document, aim)
    else:
        document.table(["[build-system]", f"requires = {_requires(aim)}", 'build-backend = "freshwheel"'])
    ours = document.find("tool", "freshwheel", is_header=True)
    if ours is not None:
        document.insert(ours + 1, *aim.lines.values())
    else:
        document.table(["[tool.freshwheel]", *aim.lines.values()], "build-system")
    if aim.opens:
        _open_version(document, moved="version" in aim.lines)
    return document.text()


def expected(pyproject: Mapping[str, Any], aim: Aim) -> dict[str, Any]:
    """What the text must say after the switch."""
    tables = copy.deepcopy(dict(pyproject))
    system = tables.setdefault("build-system", {})
    system["requires"] = json.loads(_requires(aim))
    system["build-backend"] = "freshwheel"
    system.pop("backend-path", None)
    tables.setdefault("tool", {}).setdefault("freshwheel", {}).update(parsed("\n".join(aim.lines.values())))
    if aim.opens:
        project = tables["project"]
        del project["version"]
        project["dynamic"] = ["version", *project.get("dynamic", [])]
    return tables


def by_hand(aim: Aim) -> str:
    """What to write, for a person."""
    lines = ["[build-system]", f"requires = {_requires(aim)}", 'build-backend = "freshwheel"', "[tool.freshwheel]"]
    lines += aim.lines.values()
    lines += ["[project]", 'dynamic = ["version"]'] if aim.opens else []
    return "\n    ".join(["write by hand:", *"\n".join(lines).splitlines()])


def _requires(aim: Aim) -> str:
    """The requirements that stay in `[build-system]`, in TOML."""
    others = [] if aim.lean else aim.requires
    return json.dumps([*([] if "freshwheel" in names(others) else ["freshwheel"]), *others], ensure_ascii=False)


def _build_system(document: Document, aim: Aim) -> None:
    requires = document.place("build-system", "requires")
    if aim.lean:
        requires = document.set(requires, '["freshwheel"]', alone=True)
    elif "freshwheel" not in names(aim.requires):
        document.prepend(requires, "freshwheel")
    backend = document.find("build-system", "build-backend")
    if backend is None:
        document.insert(requires + 1, 'build-backend = "freshwheel"')
    else:
        document.set(backend, '"freshwheel"', alone="backend" in aim.lines)
    path = document.find("build-system", "backend-path")
    if path is not None:
        document.remove(path, remarks=True)


def _open_version(document: Document, *, moved: bool) -> None:
    """The version is listed as dynamic, where it stood if nothing else is; `moved`: it stands elsewhere now."""
    version, dynamic = document.place("project", "version"), document.find("project", "dynamic")
    if dynamic is None:
        document.rename(version, "dynamic")
        document.set(version, '["version"]', alone=moved)
        return
    document.prepend(dynamic, "version")
    document.remove(version, remarks=moved)
