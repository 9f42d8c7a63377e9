"""What is to stand in a `pyproject.toml` after the switch, and why: decided from what it says now and from the tree."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freshwheel import backends, pep440, reading
from freshwheel import parsed as tables
from freshwheel.adopt import readers
from freshwheel.adopt.facts import Facts, Stated
from freshwheel.adopt.statements import Document, UnreadableError
from freshwheel.backends import Backend
from freshwheel.errors import ConfigError, Problem

__all__ = ["Aim", "aimed"]

_BACKEND = "setuptools.build_meta"
_LEGACY = "setuptools.build_meta:__legacy__"
_DEFAULT = ["setuptools>=40.8.0"]
"""What frontends require where pyproject says nothing (PEP 518)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Aim:
    """What is to stand in the file."""

    known: Backend
    lines: Mapping[str, str]
    """The keys of `[tool.freshwheel]` that are to be written, each with its line, and with the comments on it."""
    requires: list[str]
    """The former requirements."""
    lean: bool
    """Whether these move, to be installed for a real build only."""
    opens: bool
    """Whether a static version becomes dynamic."""
    steps: tuple[str, ...]
    """All that in sentences, with the reasons."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Version:
    """What becomes of the version."""

    step: str
    own: str | None = None
    """The line with the own base version."""
    opens: bool = False
    plain: bool = False


def aimed(document: Document, pyproject: Mapping[str, Any], facts: Facts, *, label: bool) -> Aim:
    """The aim for one project. Raises ConfigError where the file makes no sense as it is."""
    system = pyproject.get("build-system", {})
    if not isinstance(system, Mapping):
        raise _wrong("build-system", f"must be a table, not {reading.type_of(system)}")
    _demand_sound(system)
    ours = tables.table(pyproject, "tool.freshwheel")
    wanted: list[str] = system.get("requires", _DEFAULT)
    lines, module = _backend(document, pyproject, ours, facts)
    if "backend-path" in system:
        lines["backend-path"] = _line(document, pyproject, "backend-path", "build-system", "backend-path")
    known = backends.find(module, wanted, in_tree="backend-path" in system)
    stays = readers.of_list(wanted, pyproject, facts)
    lean = not (stays or "requires" in ours or "freshwheel" in backends.names(wanted))
    lean = lean and _may_be_lean(known, wanted, facts)
    if lean:
        lines["requires"] = _line(
            document, {"build-system": {"requires": wanted}}, "requires", "build-system", "requires"
        )
    version = _version(document, pyproject, facts, known, label=label)
    lines |= {} if version.own is None else {"version": version.own}
    lines |= {"label": 'label = "off"'} if version.plain else {}
    steps = [f"{module} stays the backend that builds, and freshwheel calls it"]
    if "build-backend" not in system and "backend" not in ours:
        steps[0] = f"no backend was named, which means setuptools: {steps[0]}"
    if lean:
        steps.append("its requirements are installed for a real build only; a wheel from the store needs none of them")
    elif stays and known.store != "off":
        steps.append(f"its requirements stay in [build-system]: {stays}")
    return Aim(
        known=known,
        lines={key: line for key, line in lines.items() if key not in ours},
        requires=wanted,
        lean=lean,
        opens=version.opens,
        steps=(*steps, version.step),
    )


def _backend(
    document: Document, pyproject: Mapping[str, Any], ours: Mapping[str, Any], facts: Facts
) -> tuple[dict[str, str], str]:
    """The line that names the inner backend, and its module. Raises ConfigError where two are named."""
    named, stated = tables.at(pyproject, "build-system.build-backend"), ours.get("backend")
    if isinstance(stated, str):
        if named not in (stated, None):
            hint = "name the one that builds in both places, and try again"
            raise ConfigError(
                [Problem("tool.freshwheel.backend", f"is {stated}, and [build-system] has {named}", hint)]
            )
        return {}, stated
    if named is not None:
        return {"backend": _line(document, pyproject, "backend", "build-system", "build-backend")}, named
    # The older way of setuptools lets a setup.py import what lies beside it.
    module = _LEGACY if "setup.py" in facts.files else _BACKEND
    return {"backend": f'backend = "{module}"'}, module


def _demand_sound(system: Mapping[str, Any]) -> None:
    """Raises ConfigError for a `[build-system]` that no frontend takes."""
    if system and "requires" not in system:
        raise _wrong("build-system.requires", "is missing")
    backend, requires = system.get("build-backend", ""), system.get("requires", [])
    if not isinstance(backend, str):
        raise _wrong("build-system.build-backend", f"must be a string, not {reading.type_of(backend)}")
    if not isinstance(requires, list) or not all(isinstance(one, str) for one in requires):
        raise _wrong("build-system.requires", "must be a list of strings")
    if "backend-path" in system and "build-backend" not in system:
        raise _wrong("build-system.backend-path", "stands there without build-backend")


def _may_be_lean(known: Backend, requires: Sequence[str], facts: Facts) -> bool:
    """Whether the requirements may be left out on a hit: freshwheel must know what else the backend would ask for."""
    if not (known.store == "on" or (known.store == "extensions" and facts.has_extensions())):
        return False
    _, problems = reading.finish(reading.list_of(reading.requirement)([*requires], "build-system.requires"))
    if problems or not backends.names(requires).intersection(known.distributions):
        return False
    return not any("setup_requires" in facts.texts.get(name, "") for name in ("setup.py", "setup.cfg"))


def _version(
    document: Document, pyproject: Mapping[str, Any], facts: Facts, known: Backend, *, label: bool
) -> _Version:
    """What becomes of the version."""
    static = tables.at(pyproject, "project.version")
    if isinstance(static, str):
        stated = _stated(known, facts, pyproject)
        why = "" if label else "as asked for"
        if label and (stated or known.own_version):
            why = next(readers.of_version(known, pyproject, facts), "")
        line = _line(document, pyproject, "version", "project", "version")
        return _of_static(line, static, known, stated, why)
    project = pyproject.get("project")
    if project is not None and "version" not in tables.texts(project, "dynamic"):
        return _Version(step="[project] has no version and does not list it as dynamic, so there is no label")
    if not label:
        return _Version(step="no labels, as asked for: the version stays as it is in every wheel", plain=True)
    return _Version(step="the version is dynamic, so it stays where the backend reads it, and wheels get a label")


def _of_static(line: str, static: str, known: Backend, stated: Stated | None, why: str) -> _Version:
    """What becomes of a static version, beside the one that the backend would find by itself; `why` it must stay."""
    step, own, opens = why, None, False
    if step:
        pass
    elif stated is not None and _equal(stated.version, static):
        opens, step = True, f"{stated.where} states the version {static} too, so it is left to that"
    elif not known.own_version:
        step = f"for labels, list it as dynamic and let {known.name} read it from a file"
    elif pep440.parsed(static) is None:
        step = "since it is no version of PEP 440"
    elif stated is None and known.name == "maturin":
        step = "since the Cargo.toml that maturin takes, or its version, was not found"
    else:
        opens, own = True, line
        states = f"{stated.where} states {stated.version} and the distribution {static}" if stated is not None else ""
        step = f"{states or f'the version {static} becomes dynamic'}: it is [tool.freshwheel] version now, and wheels "
        step += "get a label; --no-label leaves it static"
    if not opens:
        step = f"the version {static} stays static: wheels have the mark, and the store, but no label; {step}"
    return _Version(step=step, own=own, opens=opens)


def _stated(known: Backend, facts: Facts, pyproject: Mapping[str, Any]) -> Stated | None:
    """The version that the backend would find by itself."""
    if known.name == "maturin":
        return facts.of_maturin(pyproject)
    return facts.of_meson() if known.name == "meson-python" else None


def _equal(one: str, other: str) -> bool:
    version = pep440.parsed(one)
    return version is not None and version == pep440.parsed(other)


def _line(document: Document, pyproject: Mapping[str, Any], key: str, *path: str) -> str:
    """The line for a value that moves, with the comments on it where it has a line of its own."""
    try:
        return document.moved(key, *path)
    except UnreadableError:
        return f"{key} = {json.dumps(tables.at(pyproject, '.'.join(path)), ensure_ascii=False)}"


def _wrong(where: str, what: str) -> ConfigError:
    return ConfigError([Problem(where, what)])
