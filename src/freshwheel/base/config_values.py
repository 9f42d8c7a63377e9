"""How one value of the settings is read: what it may hold, and what to say where it holds something else.

A reader takes a value and its key path; it returns what it read, or raises ConfigError. `Problems` gathers these.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

from freshwheel.base import backends, globs, requirements
from freshwheel.base.errors import ConfigError, Problem
from freshwheel.base.model import OwnVersion

P = ParamSpec("P")
T = TypeVar("T")
Reader: TypeAlias = Callable[[Any, str], T]

_DRIVE = re.compile(r"[A-Za-z]:")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.()-]*")  # Windows has ProgramFiles(x86)
_FAMILY = re.compile(r"[A-Za-z0-9_.()-]+\*[A-Za-z0-9_.()-]*|\*[A-Za-z0-9_.()-]+")
_AGE = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TYPES = {"bool": "a boolean", "dict": "a table", "int": "an integer", "NoneType": "nothing", "str": "a string"}
_LONGEST = 60
"""Characters of a wrong text that a message repeats."""


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
