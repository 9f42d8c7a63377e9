"""The way back: `pyproject.toml` without freshwheel, made from what stands in its own table."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from freshwheel import parsed as tables
from freshwheel.adopt.edits import Edits
from freshwheel.adopt.proposal import BOM, Proposal, decoded, is_wrapped
from freshwheel.adopt.statements import Document, Statement, UnreadableError, value_of
from freshwheel.adopt.switch import agreed
from freshwheel.backends import names
from freshwheel.errors import FreshwheelError

__all__ = ["undone"]

_OURS = ("backend", "backend-path", "requires", "version", "label")
"""The keys that `init` writes. Any other is somebody's work, and stays."""
_HINT = "give [build-system] its backend and requirements back by hand; they stand in [tool.freshwheel]"


def undone(data: bytes) -> Proposal:
    """The way back for one file. What freshwheel does not know to be its own stays: comments and other keys.

    Raises ConfigError for a file that is no TOML, FreshwheelError where there is no safe way back.
    """
    text, pyproject = decoded(data)
    if not is_wrapped(pyproject):
        return Proposal(before=data, after=data, steps=("freshwheel is not in place; nothing is to be undone",))
    table = tables.table(pyproject, "tool.freshwheel")
    if isinstance(table.get("version"), Mapping):
        hint = "write the version into [project], take `version` out of [tool.freshwheel], and try again"
        raise FreshwheelError(
            "the version of the wheels is read by [tool.freshwheel] version, which would go", hint=hint
        )
    try:
        document = Document.of(text)
    except UnreadableError:
        raise FreshwheelError("pyproject.toml can't be changed safely; it was left alone", hint=_HINT) from None
    after = agreed(lambda: _written(document, table), lambda: _expected(pyproject), hint=_HINT)
    steps = [f"{table['backend']} is the backend again"]
    others = [key for key in table if key not in _OURS]
    if others:
        steps.append(f"[tool.freshwheel] stays, for what init did not write: {', '.join(others)}")
    if "version" in tables.texts(pyproject, "project.dynamic") and "version" not in table:
        steps.append("the version stays dynamic, as it is now")
    prefix = BOM if data.startswith(BOM) else b""
    return Proposal(before=data, after=prefix + after.encode(), steps=tuple(steps))


def _written(document: Document, table: Mapping[str, Any]) -> str:
    edits = Edits(document)
    ours = {key: _statement(document, "tool", "freshwheel", key) for key in _OURS if key in table}
    requires = _statement(document, "build-system", "requires")
    backend = _statement(document, "build-system", "build-backend")
    if "requires" in ours:
        others = _others(value_of(requires.value.of(document.text)))
        edits.bring_back(ours["requires"], requires, lambda raw: _joined(others, raw))
    else:
        edits.discard(requires.value, "freshwheel")
    edits.bring_back(ours["backend"], backend)
    if "backend-path" in ours:
        edits.follow(ours["backend-path"], backend, "backend-path")
    if "version" in ours:
        _close_version(edits, ours["version"])
    for statement in ours.values():
        edits.remove(statement, remarks=True)
    header = document.header("tool", "freshwheel")
    if header is not None and table.keys() <= set(_OURS):
        edits.drop_header(header)
    return edits.text()


def _expected(pyproject: Mapping[str, Any]) -> dict[str, Any]:
    found = copy.deepcopy(dict(pyproject))
    system, ours = found["build-system"], found["tool"]["freshwheel"]
    system["build-backend"] = ours.pop("backend")
    system["requires"] = [*_others(system["requires"]), *ours.pop("requires", [])]
    if "backend-path" in ours:
        system["backend-path"] = ours.pop("backend-path")
    if "version" in ours:
        found["project"]["version"] = ours.pop("version")
        found["project"]["dynamic"] = [one for one in found["project"]["dynamic"] if one != "version"]
        if not found["project"]["dynamic"]:
            del found["project"]["dynamic"]
    ours.pop("label", None)
    if not ours:
        del found["tool"]["freshwheel"]
    if not found["tool"]:
        del found["tool"]
    return found


def _others(requires: list[Any]) -> list[Any]:
    """The requirements on anything but freshwheel."""
    return [one for one in requires if not isinstance(one, str) or "freshwheel" not in names([one])]


def _joined(others: list[Any], raw: str) -> str:
    """A list of requirements with others at its beginning."""
    if not others:
        return raw
    quoted = ", ".join(f"'{one}'" if '"' in one else f'"{one}"' for one in others)
    return f"[{quoted}, {raw[1:]}" if value_of(raw) else f"[{quoted}]"


def _close_version(edits: Edits, ours: Statement) -> None:
    """The version is static again."""
    document = edits.document
    dynamic = _statement(document, "project", "dynamic")
    if value_of(dynamic.value.of(document.text)) == ["version"]:
        edits.replace(dynamic.last, "version")
        edits.bring_back(ours, dynamic)
    else:
        edits.discard(dynamic.value, "version")
        edits.follow(ours, dynamic, "version")


def _statement(document: Document, *path: str) -> Statement:
    found = document.statement(*path)
    if found is None:
        raise UnreadableError(".".join(path))
    return found
