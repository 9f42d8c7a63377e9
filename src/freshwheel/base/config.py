"""The settings: `[tool.freshwheel]`, the config settings of a call and the environment, merged into one `Config`.

`KEYS` drives it: which keys there are, what each may hold, and whether it may also be set from outside. Where a key is
set in several places the environment wins over the config setting, and that over the table; all of them are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from freshwheel.base import backends, config_values, requirements
from freshwheel.base import toml_access as tables
from freshwheel.base.errors import Problem
from freshwheel.base.model import Config, OwnVersion, Project

Settings: TypeAlias = Mapping[str, str | Sequence[str]]

_TABLE = "tool.freshwheel"
_SETTING = "freshwheel."
_VARIABLE = "FRESHWHEEL_"
ENVIRONMENT_ONLY = ("FRESHWHEEL_CACHE_DIR",)
"""Variables that are no settings of a project: a source tree must not choose where to write."""


_REQUIRES = config_values.list_of(config_values.requirement)
_GLOBS = config_values.list_of(config_values.glob)
_LABEL = config_values.choice("on", "off")
_STORE = config_values.choice("on", "read", "off", "verify")

KEYS: Mapping[str, config_values.Reader[Any]] = {
    "backend": config_values.backend,
    "backend-path": config_values.list_of(config_values.inside),
    "requires": _REQUIRES,
    "include": _GLOBS,
    "exclude": _GLOBS,
    "version": config_values.own_version,
    "label": _LABEL,
    "store": _STORE,
    "env": config_values.list_of(config_values.variable),
    "commands": config_values.list_of(config_values.command),
    "stable-python": config_values.switch,
    "observe": config_values.switch,
    "ignore-env": config_values.list_of(config_values.variables),
    "requires-age": config_values.age,
}
"""How each key of the table is read; its field in `Config` has the same name, with underscores."""
OUTSIDE: Mapping[str, config_values.Reader[Any]] = {
    "label": _LABEL,
    "store": _STORE,
    "observe": config_values.switch_word,
}
"""The keys that a config setting and a variable may set too, and how these are read: as strings."""


def idle(pyproject: Mapping[str, Any]) -> str:
    """Why nobody reads `[tool.freshwheel]`, in words; nothing where the backend is freshwheel, or may call it."""
    system, ours = tables.table(pyproject, "build-system"), tables.text(pyproject, f"{_TABLE}.backend")
    module = tables.text(system, "build-backend")
    if _may_be_ours(system):
        return ""
    if module not in (None, ours) and not backends.find(module or "", ()).distributions:
        return ""
    return f"[build-system] build-backend {f'is {module}' if module else 'is not stated'}, and not freshwheel"


def _may_be_ours(system: Mapping[str, Any]) -> bool:
    """Whether `[build-system]` names freshwheel, or a backend of the project that may call it."""
    return "backend-path" in system or (tables.text(system, "build-backend") or "").partition(":")[0] == "freshwheel"


def parse(
    project: Project, settings: Settings | None, environ: Mapping[str, str], *, importable: Callable[[str], bool]
) -> Config:
    """The settings for one call. Raises ConfigError with all problems.

    `importable` says whether a top-level module can be imported here. `settings` is not changed; what of it is not ours
    is the inner backend's, None stays None.
    """
    problems, pyproject = config_values.Problems(), project.pyproject
    build_requires = problems.met(_build_requires, pyproject)
    stated = problems.met(_project, pyproject)
    ours = problems.met(_table, pyproject, build_requires or ())
    outside = {name: value for name, value in (settings or {}).items() if name.startswith(_SETTING)}
    inner = None if settings is None else {name: settings[name] for name in settings if name not in outside}
    values, origins = _values(ours or {}, outside, environ, problems)
    if ours is not None:
        problems += config_values.unknown(ours, [*KEYS], f"{_TABLE}.")
        if "backend" not in ours:
            problems.append(Problem(f"{_TABLE}.backend", "is missing", _advice(pyproject, build_requires or ())))
    problems += _strangers(outside, environ)
    if values.get("backend") is not None and build_requires is not None and values.get("requires", ()) is not None:
        problems += _between(values, stated or {}, build_requires, importable)
    problems.check()
    return Config(**values, inner_settings=inner, origins=origins)


def _build_requires(pyproject: Mapping[str, Any]) -> tuple[str, ...]:
    system = config_values.table(pyproject.get("build-system", {}), "build-system")
    return config_values.list_of(config_values.string)(system.get("requires", []), "build-system.requires")


def _project(pyproject: Mapping[str, Any]) -> Mapping[str, Any]:
    """`[project]`, which must say clearly if the version is static or dynamic (PEP 621)."""
    project = config_values.table(pyproject.get("project", {}), "project")
    if (
        "version" in config_values.list_of(config_values.string)(project.get("dynamic", []), "project.dynamic")
        and "version" in project
    ):
        hint = "one of both must go: freshwheel labels a dynamic version only"
        raise config_values.wrong("project.dynamic", 'lists "version", which [project] states too', hint)
    return project


def _table(pyproject: Mapping[str, Any], build_requires: Sequence[str]) -> Mapping[str, Any]:
    tool = config_values.table(pyproject.get("tool", {}), "tool")
    if (ours := tool.get("freshwheel")) is not None:
        return config_values.table(ours, _TABLE)
    near = config_values.close("freshwheel", tool)
    hint = f"[tool.{near}] must be spelled [{_TABLE}]" if near else _advice(pyproject, build_requires)
    raise config_values.wrong(_TABLE, "is missing", hint)


def _advice(pyproject: Mapping[str, Any], build_requires: Sequence[str]) -> str:
    """What to do where the inner backend is not named."""
    if not _may_be_ours(tables.table(pyproject, "build-system")):
        return "`freshwheel init` switches this project to freshwheel"
    known = backends.guess(build_requires)
    if known is None:
        return f'name the backend that builds the wheel: [{_TABLE}] backend = "..."'
    return f'{known.name} is among the build requirements: write [{_TABLE}] backend = "{known.modules[0]}"'


def _values(
    ours: Mapping[str, Any], outside: Mapping[str, Any], environ: Mapping[str, str], problems: config_values.Problems
) -> tuple[dict[str, Any], dict[str, str]]:
    """Fields of `Config` and where each comes from, the strongest place last; a field that has a problem is None."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, read in KEYS.items():
        field, setting, variable = name.replace("-", "_"), _SETTING + name, _variable(name)
        if name in ours:
            values[field] = problems.met(read, ours[name], f"{_TABLE}.{name}")
            origins[name] = f"[{_TABLE}] {name}"
        if name in OUTSIDE and setting in outside:
            origins[name] = f"config setting {setting}"
            values[field] = problems.met(OUTSIDE[name], outside[setting], origins[name])
        if name in OUTSIDE and environ.get(variable):
            values[field] = problems.met(OUTSIDE[name], environ[variable], variable)
            origins[name] = f"environment {variable}"
    return values, origins


def _variable(key: str) -> str:
    """The environment variable of a key."""
    return _VARIABLE + key.replace("-", "_").upper()


def _strangers(outside: Iterable[str], environ: Mapping[str, str]) -> list[Problem]:
    """What looks like a setting from outside and is none: a misspelled switch must not be silently ignored."""
    problems = []
    variables = sorted(name for name, value in environ.items() if name.startswith(_VARIABLE) and value)
    for stem, where, names in ((_SETTING, "config setting ", outside), (_VARIABLE, "", variables)):
        spelled = {_SETTING + key if stem == _SETTING else _variable(key): key for key in KEYS}
        known = [name for name, key in spelled.items() if key in OUTSIDE]
        known += [name for name in ENVIRONMENT_ONLY if name.startswith(stem)]
        for name in names:
            if name in spelled and name not in known:
                problems.append(Problem(f"{where}{name}", f"can be set in [{_TABLE}] only"))
            else:
                problems += config_values.unknown([name], known, where, stem)
    return problems


def _between(
    values: Mapping[str, Any],
    stated: Mapping[str, Any],
    build_requires: Sequence[str],
    importable: Callable[[str], bool],
) -> list[Problem]:
    """What is wrong between keys that are right by themselves; `stated` is `[project]`."""
    requires = values.get("requires", ())
    in_tree = "backend_path" in values
    known = backends.find(values["backend"], [*build_requires, *requires], in_tree=in_tree)
    problems = [_version_fits(known, stated)] if isinstance(values.get("version"), OwnVersion) else []
    if not in_tree and not importable(values["backend"].partition(":")[0].partition(".")[0]):
        problems.append(_brought(known, values["backend"], requires, build_requires))
    return [problem for problem in problems if problem is not None]


def _version_fits(known: backends.Backend, stated: Mapping[str, Any]) -> Problem | None:
    """What speaks against an own version."""
    where = f"{_TABLE}.version"
    if not known.own_version:
        able = config_values.either([other.name for other in backends.KNOWN if other.own_version])
        hint = f"write the version where it looks; this key is for {able}"
        return Problem(where, f"{known.name} finds the version by itself", hint)
    if "version" in stated:
        hint = 'one of both must go: dynamic = ["version"] keeps this one'
        return Problem(where, "[project] states a version too", hint)
    if stated and "version" not in stated.get("dynamic", ()):
        return Problem(where, "[project] does not leave the version open", 'add dynamic = ["version"] to [project]')
    return None


def _brought(
    known: backends.Backend, backend: str, requires: Sequence[str], build_requires: Sequence[str]
) -> Problem | None:
    """What is wrong where the backend is not installed."""
    module = backend.partition(":")[0].partition(".")[0]
    if known.distributions:
        if requirements.names([*requires, *build_requires]).intersection(known.distributions):
            return None
        hint = f'add "{known.distributions[0]}" to [{_TABLE}] requires or to [build-system] requires'
        return Problem(f"{_TABLE}.backend", f"{known.name} is not installed, and no requirement asks for it", hint)
    if requires:
        # What such a backend asks for beside these can only be asked of itself, before these are installed.
        what = f"{module} is not installed, and freshwheel does not know its own requirements"
        return Problem(f"{_TABLE}.requires", what, "move these to [build-system] requires")
    if requirements.names(build_requires) - {"freshwheel"}:
        return None
    hint = "add the distribution that brings it to [build-system] requires"
    return Problem(f"{_TABLE}.backend", f"{module} is not installed, and no requirement asks for it", hint)
