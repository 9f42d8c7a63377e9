"""The settings: `[tool.freshwheel]`, the config settings of a call and the environment, merged into one `Config`.

A reader takes a value and its key path; it returns what it read, or raises ConfigError. `Problems` gathers these.
`KEYS` says which keys there are and how each is read, `OUTSIDE` which of them may also be set from outside. Where a key
is set in several places the environment wins over the config setting, and that over the table; all are checked.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

from freshwheel.base import backends, globs, requirements
from freshwheel.base import toml_access as tables
from freshwheel.base.errors import ConfigError, Problem
from freshwheel.base.model import Config, OwnVersion, Project

P = ParamSpec("P")
T = TypeVar("T")
Reader: TypeAlias = Callable[[Any, str], T]
Settings: TypeAlias = Mapping[str, str | Sequence[str]]

_DRIVE = re.compile(r"[A-Za-z]:")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.()-]*")  # Windows has ProgramFiles(x86)
_FAMILY = re.compile(r"[A-Za-z0-9_.()-]+\*[A-Za-z0-9_.()-]*|\*[A-Za-z0-9_.()-]+")
_AGE = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TYPES = {"bool": "a boolean", "dict": "a table", "int": "an integer", "NoneType": "nothing", "str": "a string"}
_LONGEST = 60
"""Characters of a wrong text that a message repeats."""
_TABLE = "tool.freshwheel"
_SETTING = "freshwheel."
_VARIABLE = "FRESHWHEEL_"
ENVIRONMENT_ONLY = ("FRESHWHEEL_CACHE_DIR",)
"""Variables that are no settings of a project: a source tree must not choose where to write."""


class Problems(list[Problem]):
    """Problems that are met one by one, to be raised all at once."""

    def met(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What `read` returns; None where it raises ConfigError, whose problems are kept."""
        try:
            return read(*args, **kwargs)
        except ConfigError as error:
            self += error.problems
            return None

    def check(self) -> None:
        """Raises ConfigError if there is a problem."""
        if self:
            raise ConfigError(self)


def string(value: Any, where: str) -> str:
    """Any string."""
    if not isinstance(value, str):
        raise wrong(where, f"must be a string, not {type_of(value)}")
    return value


def table(value: Any, where: str) -> Mapping[str, Any]:
    """Any table."""
    if not isinstance(value, Mapping):
        raise wrong(where, f"must be a table, not {type_of(value)}")
    return value


def list_of(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """A reader of lists whose entries `read` reads."""

    def reader(value: Any, where: str) -> tuple[T, ...]:
        if not isinstance(value, list):
            hint = 'put it into brackets: ["..."]' if isinstance(value, str) else ""
            raise wrong(where, f"must be a list, not {type_of(value)}", hint)
        problems = Problems()
        entries = [problems.met(read, entry, f"{where}[{place}]") for place, entry in enumerate(value)]
        problems.check()
        return cast("tuple[T, ...]", tuple(entries))

    return reader


def requirement(value: Any, where: str) -> str:
    """A requirement (PEP 508) on anything but freshwheel."""
    text = _text(value, where)
    if not requirements.is_valid(text):
        what = "this" if "://" in text else shown(text)  # a URL may hold a password
        raise wrong(where, f"{what} is not a requirement (PEP 508)", 'write it as "maturin>=1.9,<2"')
    if requirements.named(text)[0] == "freshwheel":
        raise wrong(where, "freshwheel can't be asked for here", "it must stand in [build-system] requires")
    return text


def close(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` is most likely a misspelling of."""
    import difflib  # noqa: PLC0415 - needed where something is wrong only

    return next(iter(difflib.get_close_matches(name[:_LONGEST], known, 1)), None)


def type_of(value: Any) -> str:
    """The type of a value from TOML, in words."""
    return _TYPES.get(type(value).__name__, f"a {type(value).__name__}")


def wrong(where: str, what: str, hint: str = "") -> ConfigError:
    """The error with one problem."""
    return ConfigError([Problem(where, what, hint)])


def choice(*choices: str) -> Reader[str]:
    """A reader of one of `choices`; it never repeats a wrong string, which may come from the environment."""
    expected = either([f'"{choice}"' for choice in choices])

    def reader(value: Any, where: str) -> str:
        if value in choices:
            return str(value)
        if isinstance(value, str):
            near = close(value.strip().lower(), choices)
            raise wrong(where, f"must be {expected}", f'did you mean "{near}"?' if near else "")
        hint = "give it once" if isinstance(value, list) else ""
        hint = f'write "{"on" if value else "off"}"' if isinstance(value, bool) else hint
        raise wrong(where, f"must be {expected}, not {type_of(value)}", hint)

    return reader


def switch(value: Any, where: str) -> bool:
    """A boolean."""
    if isinstance(value, bool):
        return value
    hint = "write true or false, without quotes" if isinstance(value, str) else ""
    raise wrong(where, f"must be true or false, not {type_of(value)}", hint)


def switch_word(value: Any, where: str) -> bool:
    """A boolean as it is written outside of TOML, "on" or "off"."""
    return choice("on", "off")(value, where) == "on"


def age(value: Any, where: str) -> int | None:
    """A time in seconds; None: forever."""
    if value == "forever":
        return None
    if isinstance(value, str) and (match := _AGE.fullmatch(value)):
        return int(match[1]) * _SECONDS[match[2]]
    what = "with s, m, h or d for seconds to days" if isinstance(value, str) else f"not {type_of(value)}"
    raise wrong(where, f'must be "forever" or a number and a unit, {what}', 'write it as "1d" or "12h"')


def backend(value: Any, where: str) -> str:
    """An object with hooks: "module" or "module:object" (PEP 517), and not our own."""
    text = _text(value, where)
    if (meant := backends.misnamed(text)) is not None:
        raise wrong(where, f"{shown(text)} has no hooks", f'write "{meant.modules[0]}"')
    if not all(part.isidentifier() for dotted in text.split(":", 1) for part in dotted.split(".")):
        raise wrong(where, f'{shown(text)} is not of the form "module" or "module:object"')
    if text.partition(":")[0].partition(".")[0] == "freshwheel":
        raise wrong(where, "freshwheel can't wrap itself", 'name the backend that builds the wheel, as "maturin"')
    return text


def variable(value: Any, where: str) -> str:
    """The name of an environment variable; a wrong one is not repeated, since it may hold a value."""
    text = _text(value, where)
    if _VARIABLE_NAME.fullmatch(text):
        return text
    hint = "write the name without the value" if "=" in text else ""
    raise wrong(where, "is not the name of an environment variable", hint)


def variables(value: Any, where: str) -> str:
    """As `variable`, or a family of them with one `*`."""
    return value if isinstance(value, str) and _FAMILY.fullmatch(value) else variable(value, where)


def command(value: Any, where: str) -> tuple[str, ...]:
    """A program with its arguments."""
    if value == []:
        raise wrong(where, "is empty", "name the program and its arguments")
    return list_of(_text)(value, where)


def glob(value: Any, where: str) -> str:
    """A pattern of the dialect."""
    pattern = _text(value, where)
    if (reason := globs.check(pattern)) is not None:
        raise wrong(where, reason)
    return pattern


def _relative(value: Any, where: str) -> str:
    """A path relative to the project, with `/`."""
    path = _text(value, where)
    if "\\" in path:
        raise wrong(where, f"{shown(path)} has a backslash in it", 'write "/" between folders, on Windows too')
    if path.startswith("/") or _DRIVE.match(path):
        raise wrong(where, f"{shown(path)} is absolute", "write it relative to the folder of pyproject.toml")
    return path


def inside(value: Any, where: str) -> str:
    """A folder of the project, where an in-tree backend is looked for (PEP 517)."""
    path = _relative(value, where)
    if posixpath.normpath(path).startswith(".."):
        raise wrong(where, f"{shown(path)} leads out of the project", "an in-tree backend lives in the tree")
    return path


def own_version(value: Any, where: str) -> OwnVersion:
    """The own base version: a text, or a table of path and pattern."""
    if isinstance(value, dict):
        return _version_table(value, where)
    if not isinstance(value, str):
        hint = "put it into quotes" if type(value) in (int, float) else ""
        raise wrong(where, f"must be a string or a table with path, not {type_of(value)}", hint)
    return OwnVersion(text=base_version(_text(value, where), where))


def base_version(text: str, where: str, file: str = "") -> str:
    """A version (PEP 440) without a label of ours; `file` is what a message says of where it was found."""
    version = requirements.version(text)
    if version is None:
        raise wrong(where, f"{file}{shown(text)} is not a version (PEP 440)")
    if requirements.has_label(version):
        raise wrong(
            where, f"{file}{shown(text)} has a label of freshwheel in it", "write the version without the label"
        )
    return text


def _version_table(value: Mapping[str, Any], where: str) -> OwnVersion:
    problems, path, pattern = Problems(), None, None
    if "path" in value:
        path = problems.met(_relative, value["path"], f"{where}.path")
    else:
        problems.append(Problem(f"{where}.path", "is missing", "name the file that the version is written in"))
    if "pattern" in value:
        pattern = problems.met(_version_pattern, value["pattern"], f"{where}.pattern")
    problems += unknown(value, ("path", "pattern"), f"{where}.")
    problems.check()
    return OwnVersion(path=path, pattern=pattern)


def _version_pattern(value: Any, where: str) -> str:
    pattern = string(value, where)
    try:
        groups = re.compile(pattern).groupindex
    except (re.error, OverflowError, RecursionError) as error:
        raise wrong(where, f"is not a regular expression: {error}") from None
    if "version" not in groups:
        raise wrong(where, "has no group named version", "put (?P<version>...) around the version")
    return pattern


def _text(value: Any, where: str) -> str:
    """One line that is not empty."""
    text = string(value, where)
    if not text.strip():
        raise wrong(where, "is empty")
    if any(character < " " or character == "\x7f" for character in text):
        raise wrong(where, "has a control character in it")
    return text


def unknown(names: Iterable[str], known: Sequence[str], where: str, stem: str = "") -> list[Problem]:
    """A problem for each of `names` that is not `known`; `stem` is what all of them begin with."""
    problems = []
    for name in names:
        if name not in known:
            near = close(name.removeprefix(stem), [other.removeprefix(stem) for other in known])
            hint = f"did you mean {stem}{near}?" if near else f"known: {', '.join(known)}"
            problems.append(Problem(where + _plain(name), "is not a setting of freshwheel", hint))
    return problems


def either(words: Sequence[str]) -> str:
    """The alternatives as people write them."""
    return f"{', '.join(words[:-1])} or {words[-1]}"


def shown(text: str) -> str:
    """`text` as a message quotes it."""
    return f'"{_plain(text)}"'


def _plain(text: str) -> str:
    """`text` for a message: printable, and not too long."""
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in short)


_REQUIRES = list_of(requirement)
_GLOBS = list_of(glob)
_LABEL = choice("on", "off")
_STORE = choice("on", "read", "off", "verify")

KEYS: Mapping[str, Reader[Any]] = {
    "backend": backend,
    "backend-path": list_of(inside),
    "requires": _REQUIRES,
    "include": _GLOBS,
    "exclude": _GLOBS,
    "version": own_version,
    "label": _LABEL,
    "store": _STORE,
    "env": list_of(variable),
    "commands": list_of(command),
    "stable-python": switch,
    "observe": switch,
    "incremental": switch,
    "ignore-env": list_of(variables),
    "requires-age": age,
}
"""How each key of the table is read; its field in `Config` has the same name, with underscores."""
OUTSIDE: Mapping[str, Reader[Any]] = {
    "label": _LABEL,
    "store": _STORE,
    "observe": switch_word,
}
"""The keys that a config setting and a variable may set too, and how these are read: as strings."""


def parse(
    project: Project, settings: Settings | None, environ: Mapping[str, str], *, importable: Callable[[str], bool]
) -> Config:
    """The settings for one call. Raises ConfigError with all problems.

    `importable` says whether a top-level module can be imported here. `settings` is not changed; what of it is not ours
    is the inner backend's, None stays None.
    """
    problems, pyproject = Problems(), project.pyproject
    build_requires = problems.met(_build_requires, pyproject)
    problems.met(_build_backend, pyproject)
    stated = problems.met(_project, pyproject)
    ours = problems.met(_table, pyproject, build_requires or ())
    outside = {name: value for name, value in (settings or {}).items() if name.startswith(_SETTING)}
    inner = None if settings is None else {name: settings[name] for name in settings if name not in outside}
    values, origins = _values(ours or {}, outside, environ, problems)
    if ours is not None:
        problems += unknown(ours, [*KEYS], f"{_TABLE}.")
        if "backend" not in ours:
            problems.append(Problem(f"{_TABLE}.backend", "is missing", _advice(pyproject, build_requires or ())))
    problems += _strangers(outside, environ)
    if values.get("backend") is not None and build_requires is not None and values.get("requires", ()) is not None:
        problems += _between(values, stated or {}, build_requires, importable)
    problems.check()
    return Config(**values, inner_settings=inner, origins=origins)


def _build_requires(pyproject: Mapping[str, Any]) -> tuple[str, ...]:
    system = table(pyproject.get("build-system", {}), "build-system")
    return list_of(string)(system.get("requires", []), "build-system.requires")


def _build_backend(pyproject: Mapping[str, Any]) -> None:
    """Raises ConfigError where `build-backend` is no string."""
    system = tables.table(pyproject, "build-system")
    string(system.get("build-backend", ""), "build-system.build-backend")


def _project(pyproject: Mapping[str, Any]) -> Mapping[str, Any]:
    """`[project]`, which must say clearly if the version is static or dynamic (PEP 621)."""
    project = table(pyproject.get("project", {}), "project")
    if "version" in list_of(string)(project.get("dynamic", []), "project.dynamic") and "version" in project:
        hint = "one of both must go: freshwheel labels a dynamic version only"
        raise wrong("project.dynamic", 'lists "version", which [project] states too', hint)
    return project


def _table(pyproject: Mapping[str, Any], build_requires: Sequence[str]) -> Mapping[str, Any]:
    tool = table(pyproject.get("tool", {}), "tool")
    if (ours := tool.get("freshwheel")) is not None:
        return table(ours, _TABLE)
    near = close("freshwheel", tool)
    hint = f"[tool.{near}] must be spelled [{_TABLE}]" if near else _advice(pyproject, build_requires)
    raise wrong(_TABLE, "is missing", hint)


def _advice(pyproject: Mapping[str, Any], build_requires: Sequence[str]) -> str:
    """What to do where the inner backend is not named."""
    if not backends.may_be_own(tables.table(pyproject, "build-system")):
        return "`freshwheel init` switches this project to freshwheel"
    known = backends.guess(build_requires)
    if known is None:
        return f'name the backend that builds the wheel: [{_TABLE}] backend = "..."'
    return f'{known.name} is among the build requirements: write [{_TABLE}] backend = "{known.modules[0]}"'


def _values(
    ours: Mapping[str, Any], outside: Mapping[str, Any], environ: Mapping[str, str], problems: Problems
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
                problems += unknown([name], known, where, stem)
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
        able = either([other.name for other in backends.KNOWN if other.own_version])
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
        near = close(backend, [name for other in backends.KNOWN for name in other.modules])
        if near is not None:
            hint = f'did you mean "{near}"? If not, move its requirements to [build-system] requires'
            return Problem(f"{_TABLE}.backend", f"no backend is known by the name {backend}", hint)
        what = f"{module} is not installed, and freshwheel does not know what it requires itself"
        return Problem(f"{_TABLE}.requires", what, "move these to [build-system] requires")
    if requirements.names(build_requires) - {"freshwheel"}:
        return None
    hint = "add the distribution that brings it to [build-system] requires"
    return Problem(f"{_TABLE}.backend", f"{module} is not installed, and no requirement asks for it", hint)
