"""The settings: `[tool.freshwheel]`, the config settings of a call and the environment, merged into one `Config`.

`KEYS` drives it: which keys there are, what each may hold, and whether it may also be set from outside. Where a key is
set in several places the environment wins over the config setting, and that over the table; all of them are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from freshwheel.base import backends, config_values, requirements
from freshwheel.base import toml_access as tables
from freshwheel.base.config_values import Reading
from freshwheel.base.errors import ConfigError, Problem
from freshwheel.base.model import Config, OwnVersion, Project

Settings: TypeAlias = Mapping[str, str | Sequence[str]]

_TABLE = "tool.freshwheel"
_SETTING = "freshwheel."
_VARIABLE = "FRESHWHEEL_"


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One key of `[tool.freshwheel]`."""

    name: str
    holds: str
    """Its type, in words."""
    read: Callable[[Any, str], Reading[Any]]
    default: str
    """What holds without it, as TOML or in words."""
    anywhere: bool = False
    """Whether a config setting and an environment variable may set it too."""
    outside: Callable[[Any, str], Reading[Any]] | None = None
    """How it is read there, where strings are all there is; None: as in the table."""

    @property
    def field(self) -> str:
        """The field of `Config`."""
        return self.name.replace("-", "_")

    @property
    def setting(self) -> str:
        """The config setting."""
        return _SETTING + self.name

    @property
    def variable(self) -> str:
        """The environment variable."""
        return _VARIABLE + self.field.upper()


_inputs = config_values.list_of(config_values.input_path)

KEYS = (
    Key(name="backend", holds='string: "module" or "module:object"', read=config_values.backend, default="required"),
    Key(name="backend-path", holds="list of paths", read=config_values.backend_path, default="[]"),
    Key(
        name="requires",
        holds="list of requirements",
        read=config_values.list_of(config_values.requirement),
        default="[]",
    ),
    Key(name="include", holds="list of globs", read=_inputs, default="[]"),
    Key(name="exclude", holds="list of globs", read=_inputs, default="[]"),
    Key(
        name="version",
        holds="string, or table of path and pattern",
        read=config_values.own_version,
        default="the inner backend's own",
    ),
    Key(name="label", holds='"on" or "off"', read=config_values.choice("on", "off"), default='"on"', anywhere=True),
    Key(
        name="store",
        holds='"on", "read", "off" or "verify"',
        read=config_values.choice("on", "read", "off", "verify"),
        default="by inner backend",
        anywhere=True,
    ),
    Key(name="env", holds="list of names", read=config_values.list_of(config_values.variable_name), default="[]"),
    Key(name="commands", holds="list of lists of strings", read=config_values.commands, default="[]"),
    Key(name="stable-python", holds="boolean", read=config_values.switch, default="true"),
    Key(
        name="observe",
        holds="boolean",
        read=config_values.switch,
        default="true",
        anywhere=True,
        outside=config_values.switch_word,
    ),
    Key(
        name="ignore-env",
        holds="list of names and families",
        read=config_values.list_of(config_values.names),
        default="[]",
    ),
    Key(name="requires-age", holds='string: "forever", or a number and a unit', read=config_values.age, default='"1d"'),
)

ENVIRONMENT_ONLY = ("FRESHWHEEL_CACHE_DIR",)
"""Variables that are no settings of a project: a source tree must not choose where to write."""


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
    found, problems = config_values.finish(_config(project, settings, environ, importable))
    if problems:
        raise ConfigError(problems)
    return found


def _config(
    project: Project, settings: Settings | None, environ: Mapping[str, str], importable: Callable[[str], bool]
) -> Reading[Config]:
    build_requires = yield from _build_requires(project.pyproject)
    sound = yield from _sound(project.pyproject)
    table = yield from _table(project.pyproject, build_requires)
    ours, inner = yield from _split(settings)
    values, origins = yield from _values(table or {}, ours, environ)
    if table is not None:
        yield from config_values.unknown(table, [key.name for key in KEYS], f"{_TABLE}.")
        if "backend" not in table:
            yield Problem(f"{_TABLE}.backend", "is missing", _advice(project.pyproject, build_requires))
    yield from _strangers(ours, environ)
    if values.get("backend") is not None:
        yield from _agree(values, project.pyproject if sound else {}, build_requires, importable)
    return Config(**{"backend": "", **values}, inner_settings=inner, origins=origins)


def _build_requires(pyproject: Mapping[str, Any]) -> Reading[tuple[str, ...] | None]:
    table = pyproject.get("build-system", {})
    if not isinstance(table, dict):
        yield Problem("build-system", f"must be a table, not {config_values.type_of(table)}")
        return None
    return (
        yield from config_values.whole(
            config_values.list_of(config_values.string)(table.get("requires", []), "build-system.requires")
        )
    )


def _sound(pyproject: Mapping[str, Any]) -> Reading[bool]:
    """Whether `[project]` says clearly if the version is static or dynamic (PEP 621)."""
    table = pyproject.get("project", {})
    if not isinstance(table, dict):
        yield Problem("project", f"must be a table, not {config_values.type_of(table)}")
        return False
    dynamic = yield from config_values.whole(
        config_values.list_of(config_values.string)(table.get("dynamic", []), "project.dynamic")
    )
    if dynamic is not None and "version" in dynamic and "version" in table:
        hint = "one of both must go: freshwheel labels a dynamic version only"
        yield Problem("project.dynamic", 'lists "version", which [project] states too', hint)
        return False
    return dynamic is not None


def _table(pyproject: Mapping[str, Any], build_requires: Sequence[str] | None) -> Reading[dict[str, Any] | None]:
    tool = pyproject.get("tool", {})
    if not isinstance(tool, dict):
        yield Problem("tool", f"must be a table, not {config_values.type_of(tool)}")
        return None
    table = tool.get("freshwheel")
    if table is None:
        close = config_values.close("freshwheel", tool)
        hint = f"[tool.{close}] must be spelled [{_TABLE}]" if close else _advice(pyproject, build_requires)
        yield Problem(_TABLE, "is missing", hint)
    elif not isinstance(table, dict):
        yield Problem(_TABLE, f"must be a table, not {config_values.type_of(table)}")
    else:
        return table
    return None


def _advice(pyproject: Mapping[str, Any], build_requires: Sequence[str] | None) -> str:
    """What to do where the inner backend is not named."""
    if not _may_be_ours(tables.table(pyproject, "build-system")):
        return "`freshwheel init` switches this project to freshwheel"
    known = backends.guess(build_requires or ())
    if known is None:
        return f'name the backend that builds the wheel: [{_TABLE}] backend = "..."'
    return f'{known.name} is among the build requirements: write [{_TABLE}] backend = "{known.modules[0]}"'


def _split(settings: Any) -> Reading[tuple[dict[str, Any], Settings | None]]:
    """Our config settings, and those of the inner backend, untouched and in order."""
    if settings is None:
        return {}, None
    if not isinstance(settings, Mapping):
        yield Problem("config settings", f"must be a table of strings, not {config_values.type_of(settings)}")
        return {}, None
    for name in settings:
        if not isinstance(name, str):
            yield Problem("config settings", f"a key must be a string, not {config_values.type_of(name)}")
            return {}, None
    ours = {name: value for name, value in settings.items() if name.startswith(_SETTING)}
    return ours, {name: value for name, value in settings.items() if name not in ours}


def _values(
    table: Mapping[str, Any], ours: Mapping[str, Any], environ: Mapping[str, str]
) -> Reading[tuple[dict[str, Any], dict[str, str]]]:
    """Fields of `Config` and where each comes from; a field that has a problem is None."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key in KEYS:
        for origin, where, value in _places(key, table, ours, environ):
            read = key.read if origin.startswith("[") else key.outside or key.read
            values[key.field] = yield from config_values.whole(read(value, where))
            origins[key.name] = origin
    return values, origins


def _places(
    key: Key, table: Mapping[str, Any], ours: Mapping[str, Any], environ: Mapping[str, str]
) -> list[tuple[str, str, Any]]:
    """Where `key` is set, the strongest last: origin, name for messages, value."""
    places = []
    if key.name in table:
        places.append((f"[{_TABLE}] {key.name}", f"{_TABLE}.{key.name}", table[key.name]))
    if key.anywhere and key.setting in ours:
        origin = f"config setting {key.setting}"
        places.append((origin, origin, ours[key.setting]))
    if key.anywhere and environ.get(key.variable):
        places.append((f"environment {key.variable}", key.variable, environ[key.variable]))
    return places


def _strangers(ours: Iterable[str], environ: Mapping[str, str]) -> Reading[None]:
    """Yields what looks like a setting from outside and is none: a misspelled switch must not be silently ignored."""
    variables = sorted(name for name, value in environ.items() if name.startswith(_VARIABLE) and value)
    for stem, where, names in ((_SETTING, "config setting ", ours), (_VARIABLE, "", variables)):
        spelled = {key: key.setting if stem == _SETTING else key.variable for key in KEYS}
        table_only = {name for key, name in spelled.items() if not key.anywhere}
        known = [name for key, name in spelled.items() if key.anywhere]
        known += [name for name in ENVIRONMENT_ONLY if name.startswith(stem)]
        for name in names:
            if name in table_only:
                yield Problem(f"{where}{name}", f"can be set in [{_TABLE}] only")
            else:
                yield from config_values.unknown([name], known, where, stem)


def _agree(
    values: Mapping[str, Any],
    pyproject: Mapping[str, Any],
    build_requires: Sequence[str] | None,
    importable: Callable[[str], bool],
) -> Reading[None]:
    """Yields what is wrong between keys; a key that is wrong by itself is not spoken of twice."""
    requires = values.get("requires", ())
    in_tree = "backend_path" in values
    known = backends.find(values["backend"], [*(build_requires or ()), *(requires or ())], in_tree=in_tree)
    if isinstance(values.get("version"), OwnVersion):
        yield from _version_fits(known, pyproject)
    if not in_tree and requires is not None and build_requires is not None:
        yield from _reachable(known, values["backend"], requires, build_requires, importable)


def _version_fits(known: backends.Backend, pyproject: Mapping[str, Any]) -> Reading[None]:
    where = f"{_TABLE}.version"
    project = pyproject.get("project")
    if not known.own_version:
        able = config_values.either([other.name for other in backends.KNOWN if other.own_version])
        hint = f"write the version where it looks; this key is for {able}"
        yield Problem(where, f"{known.name} finds the version by itself", hint)
    elif project is not None and "version" in project:
        yield Problem(
            where, "[project] states a version too", 'one of both must go: dynamic = ["version"] keeps this one'
        )
    elif project is not None and "version" not in project.get("dynamic", ()):
        yield Problem(where, "[project] does not leave the version open", 'add dynamic = ["version"] to [project]')


def _reachable(
    known: backends.Backend,
    backend: str,
    requires: Sequence[str],
    build_requires: Sequence[str],
    importable: Callable[[str], bool],
) -> Reading[None]:
    module = backend.partition(":")[0].partition(".")[0]
    if importable(module):
        return
    if known.distributions:
        if not requirements.names([*requires, *build_requires]).intersection(known.distributions):
            hint = f'add "{known.distributions[0]}" to [{_TABLE}] requires or to [build-system] requires'
            yield Problem(f"{_TABLE}.backend", f"{known.name} is not installed, and no requirement asks for it", hint)
    elif requires:
        # What such a backend asks for beside these can only be asked of itself, before these are installed.
        what = f"{module} is not installed, and freshwheel does not know its own requirements"
        yield Problem(f"{_TABLE}.requires", what, "move these to [build-system] requires")
    elif not requirements.names(build_requires) - {"freshwheel"}:
        hint = "add the distribution that brings it to [build-system] requires"
        yield Problem(f"{_TABLE}.backend", f"{module} is not installed, and no requirement asks for it", hint)
