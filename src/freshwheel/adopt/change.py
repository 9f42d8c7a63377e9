"""What is to stand in a `pyproject.toml` after the switch, and why: decided from what it says now and from the tree."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freshwheel.adopt import readers
from freshwheel.adopt.facts import Facts
from freshwheel.adopt.toml_statements import Document
from freshwheel.base import backends, config_values, versions
from freshwheel.base import toml_access as tables
from freshwheel.base.backends import Backend
from freshwheel.base.errors import ConfigError, Problem

_BACKEND = "setuptools.build_meta"
_LEGACY = "setuptools.build_meta:__legacy__"
_DEFAULT = ["setuptools>=40.8.0"]
"""What frontends require where pyproject says nothing (PEP 518)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Aim:
    """What is to stand in the file."""

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


def aimed(document: Document, facts: Facts, *, label: bool) -> Aim:
    """The aim for one project. Raises ConfigError where the file makes no sense as it is."""
    pyproject = document.tables
    system, ours = _sound(pyproject), tables.table(pyproject, "tool.freshwheel")
    requires: list[str] = system.get("requires", _DEFAULT)
    module = _module(system.get("build-backend"), ours.get("backend"), facts)
    known = backends.find(module, requires, in_tree="backend-path" in system)
    stays = readers.of_list(requires, pyproject, facts)
    lean = not (stays or "requires" in ours or "freshwheel" in backends.names(requires))
    lean = lean and _may_be_lean(known, requires, facts)
    lines = {"backend": f'backend = "{module}"'}
    moving = {"backend": "build-backend", "backend-path": "backend-path", **({"requires": "requires"} if lean else {})}
    lines |= {key: document.moved(key, "build-system", name) for key, name in moving.items() if name in system}
    if lean and not system:
        lines["requires"] = f"requires = {json.dumps(_DEFAULT)}"
    own, opens, step = _version(document, facts, known, label=label)
    steps = [f"{module} stays the backend that builds, and freshwheel calls it"]
    if "build-backend" not in system and "backend" not in ours:
        steps[0] = f"no backend was named, which means setuptools: {steps[0]}"
    if lean:
        steps.append("its requirements are installed for a real build only; a wheel from the store needs none of them")
    elif stays and known.store != "off":
        steps.append(f"its requirements stay in [build-system]: {stays}")
    return Aim(
        lines={key: line for key, line in {**lines, **own}.items() if key not in ours},
        requires=requires,
        lean=lean,
        opens=opens,
        steps=(*steps, step),
    )


def _sound(pyproject: Mapping[str, Any]) -> Mapping[str, Any]:
    """`[build-system]`. Raises ConfigError where no frontend takes it."""
    system, wrong = config_values.table(pyproject.get("build-system", {}), "build-system"), config_values.Problems()
    wrong.met(config_values.list_of(config_values.string), system.get("requires", []), "build-system.requires")
    wrong.met(config_values.string, system.get("build-backend", ""), "build-system.build-backend")
    if system and "requires" not in system:
        wrong.append(Problem("build-system.requires", "is missing"))
    if "backend-path" in system and "build-backend" not in system:
        wrong.append(Problem("build-system.backend-path", "stands there without build-backend"))
    wrong.check()
    return system


def _module(named: str | None, stated: Any, facts: Facts) -> str:
    """The inner backend. Raises ConfigError where two are named."""
    if isinstance(stated, str):
        if named not in (stated, None):
            what, hint = f"is {stated}, and [build-system] has {named}", "name the one that builds in both places"
            raise ConfigError([Problem("tool.freshwheel.backend", what, f"{hint}, and try again")])
        return stated
    # The older way of setuptools lets a setup.py import what lies beside it.
    return named or (_LEGACY if "setup.py" in facts.files else _BACKEND)


def _may_be_lean(known: Backend, requires: Sequence[str], facts: Facts) -> bool:
    """Whether the requirements may be left out on a hit: freshwheel must know what else the backend would ask for."""
    if not (known.store == "on" or (known.store == "extensions" and facts.has_extensions())):
        return False
    problems = config_values.Problems()
    problems.met(config_values.list_of(config_values.requirement), [*requires], "build-system.requires")
    if problems or not backends.names(requires).intersection(known.distributions):
        return False
    return not any("setup_requires" in facts.texts.get(name, "") for name in ("setup.py", "setup.cfg"))


def _version(document: Document, facts: Facts, known: Backend, *, label: bool) -> tuple[dict[str, str], bool, str]:
    """What becomes of the version: lines of ours, whether it becomes dynamic, and all that in a sentence."""
    static = tables.at(document.tables, "project.version")
    if not isinstance(static, str):
        if "project" in document.tables and "version" not in tables.texts(document.tables, "project.dynamic"):
            return {}, False, "[project] has no version and does not list it as dynamic, so there is no label"
        if not label:
            step = "no labels, as asked for: the version stays as it is in every wheel"
            return {"label": 'label = "off"'}, False, step
        return {}, False, "the version is dynamic, so it stays where the backend reads it, and wheels get a label"
    stated, where = facts.stated(known.name, document.tables)
    repeats = versions.parsed(stated) is not None and versions.parsed(stated) == versions.parsed(static)
    why = _why_static(document, facts, known, stated, repeats=repeats) if label else "as asked for"
    if why:
        step = f"the version {static} stays static: wheels have the mark, and the store, but no label; {why}"
        return {}, False, step
    if repeats:
        return {}, True, f"{where} states the version {static} too, so it is left to that"
    states = (
        f"{where} states {stated} and the distribution {static}" if stated else f"the version {static} becomes dynamic"
    )
    step = f"{states}: it is [tool.freshwheel] version now, and wheels get a label; --no-label leaves it static"
    return {"version": document.moved("version", "project", "version")}, True, step


def _why_static(document: Document, facts: Facts, known: Backend, stated: str, *, repeats: bool) -> str:
    """Why a static version stays so, in words; `repeats`: it is that which the backend would find, as `stated`."""
    if not (repeats or known.own_version):
        return f"for labels, list it as dynamic and let {known.name} read it from a file"
    for why in readers.of_version(known, document.tables, facts):
        return why
    if versions.parsed(tables.text(document.tables, "project.version") or "") is None:
        return "since it is no version of PEP 440"
    if not stated and known.name == "maturin":
        return "since the Cargo.toml that maturin takes, or its version, was not found"
    return ""
