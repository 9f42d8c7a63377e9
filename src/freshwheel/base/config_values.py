"""How one value of the settings is read: what it may hold, and what to say where it holds something else.

A *reading* is a generator that yields the problems it meets and returns what it read, None where that is of no use.
So every reader is pure, knows the key path of what it reads, and its caller gets all problems at once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from freshwheel.base import backends, requirements, versions
from freshwheel.base.errors import Problem
from freshwheel.base.model import OwnVersion

T = TypeVar("T")
Reading: TypeAlias = Generator[Problem, None, T]
Reader: TypeAlias = Callable[[Any, str], Reading[T | None]]
"""Reads a value that stands at a key path."""

_DRIVE = re.compile(r"[A-Za-z]:")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.()-]*")  # Windows has ProgramFiles(x86)
_FAMILY = re.compile(r"[A-Za-z0-9_.()-]*\*[A-Za-z0-9_.()-]*")
_AGE = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TYPES = {"bool": "a boolean", "dict": "a table", "int": "an integer", "NoneType": "nothing", "str": "a string"}
_LONGEST = 60
"""Characters of a wrong text that a message repeats."""


def finish(reading: Reading[T]) -> tuple[T, list[Problem]]:
    """What `reading` returns, and the problems it yields on the way."""
    returned: list[T] = []

    def run() -> Reading[None]:
        returned.append((yield from reading))

    problems = list(run())
    return returned[0], problems


def whole(reading: Reading[T | None]) -> Reading[T | None]:
    """What `reading` returns, None if it yields a problem: what depends on it has nothing to say then."""
    found, problems = finish(reading)
    yield from problems
    return None if problems else found


def string(value: Any, where: str) -> Reading[str | None]:
    """Any string."""
    if isinstance(value, str):
        return value
    yield Problem(where, f"must be a string, not {type_of(value)}")
    return None


def list_of(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """A reader of lists whose entries `read` reads."""

    def reader(value: Any, where: str) -> Reading[tuple[T, ...] | None]:
        if not isinstance(value, list):
            hint = 'put it into brackets: ["..."]' if isinstance(value, str) else ""
            yield Problem(where, f"must be a list, not {type_of(value)}", hint)
            return None
        entries: list[T] = []
        for place, entry in enumerate(value):
            found = yield from read(entry, f"{where}[{place}]")
            if found is not None:
                entries.append(found)
        return tuple(entries)

    return reader


def choice(*choices: str) -> Reader[str]:
    """A reader of one of `choices`; it never repeats a wrong string, which may come from the environment."""
    expected = either([f'"{one}"' for one in choices])

    def reader(value: Any, where: str) -> Reading[str | None]:
        if isinstance(value, str) and value in choices:
            return value
        if isinstance(value, str):
            near = close(value.strip().lower(), choices)
            yield Problem(where, f"must be {expected}", f'did you mean "{near}"?' if near else "")
        elif isinstance(value, bool):
            yield Problem(where, f"must be {expected}, not a boolean", 'write "on"' if value else 'write "off"')
        else:
            hint = "give it once" if isinstance(value, list) else ""
            yield Problem(where, f"must be {expected}, not {type_of(value)}", hint)
        return None

    return reader


def switch(value: Any, where: str) -> Reading[bool | None]:
    """A boolean."""
    if isinstance(value, bool):
        return value
    hint = "write it without quotes" if value in ("true", "false") else ""
    hint = {"on": "write true", "off": "write false"}.get(value, hint) if isinstance(value, str) else hint
    yield Problem(where, f"must be true or false, not {type_of(value)}", hint)
    return None


def switch_word(value: Any, where: str) -> Reading[bool | None]:
    """A boolean as it is written outside of TOML, "on" or "off"."""
    found = yield from choice("on", "off")(value, where)
    return None if found is None else found == "on"


def age(value: Any, where: str) -> Reading[int | None]:
    """A time in seconds; None: forever."""
    if value == "forever":
        return None
    found = _AGE.fullmatch(value) if isinstance(value, str) else None
    if found is not None:
        return int(found[1]) * _SECONDS[found[2]]
    what = f"not {type_of(value)}" if not isinstance(value, str) else "with s, m, h or d for seconds to days"
    yield Problem(where, f'must be "forever" or a number and a unit, {what}', 'write it as "1d" or "12h"')
    return None


def backend(value: Any, where: str) -> Reading[str | None]:
    """An object with hooks: "module" or "module:object" (PEP 517), and not our own."""
    found = yield from text(value, where)
    if found is None:
        return None
    meant = backends.misnamed(found)
    if meant is not None:
        yield Problem(where, f"{shown(found)} has no hooks", f'write "{meant.modules[0]}"')
    elif not all(part.isidentifier() for dotted in found.split(":", 1) for part in dotted.split(".")):
        yield Problem(where, f'{shown(found)} is not of the form "module" or "module:object"')
    elif found.partition(":")[0].partition(".")[0] == "freshwheel":
        yield Problem(where, "freshwheel can't wrap itself", 'name the backend that builds the wheel, as "maturin"')
    else:
        return found
    return None


def requirement(value: Any, where: str) -> Reading[str | None]:
    """A requirement (PEP 508) on anything but freshwheel."""
    found = yield from text(value, where)
    if found is None:
        return None
    if not requirements.is_valid(found):
        what = "this" if "://" in found else shown(found)  # a URL may hold a password
        yield Problem(where, f"{what} is not a requirement (PEP 508)", 'write it as "maturin>=1.9,<2"')
        return None
    if requirements.named(found)[0] == "freshwheel":
        yield Problem(where, "freshwheel can't be asked for here", "it must stand in [build-system] requires")
        return None
    return found


def input_path(value: Any, where: str) -> Reading[str | None]:
    """A relative path or glob with `/`, which may lead out of the project by `../` at its start."""
    found = yield from _relative(value, where)
    if found is not None and ".." in itertools.dropwhile(lambda part: part == "..", found.split("/")):
        hint = 'a path can climb at its start only: "../other/**"'
        yield Problem(where, f'{shown(found)} has ".." in the middle', hint)
        return None
    return found


def backend_path(value: Any, where: str) -> Reading[tuple[str, ...] | None]:
    """Folders of the project where an in-tree backend is looked for (PEP 517)."""
    if value == []:
        yield Problem(where, "is empty", "leave the key out, unless the inner backend is in the tree")
    return (yield from list_of(_inside)(value, where))


def variable_name(value: Any, where: str) -> Reading[str | None]:
    """The name of an environment variable; a wrong one is not repeated, since it may hold a value."""
    found = yield from text(value, where)
    if found is None or _VARIABLE_NAME.fullmatch(found):
        return found
    hint = "write the name without the value" if "=" in found else ""
    yield Problem(where, "is not the name of an environment variable", hint)
    return None


def names(value: Any, where: str) -> Reading[str | None]:
    """As `variable_name`, or a family of them with one `*`."""
    if isinstance(value, str) and len(value) > 1 and _FAMILY.fullmatch(value):
        return value
    return (yield from variable_name(value, where))


def commands(value: Any, where: str) -> Reading[tuple[tuple[str, ...], ...] | None]:
    """Programs with their arguments."""
    if isinstance(value, list) and value and all(isinstance(entry, str) for entry in value):
        hint = 'put each command into brackets: [["pkg-config", "--modversion", "openssl"]]'
        yield Problem(where, "must be a list of lists, not a list of strings", hint)
        return None
    return (yield from list_of(_command)(value, where))


def unknown(names: Iterable[str], known: Sequence[str], where: str, stem: str = "") -> Reading[None]:
    """Yields a problem for each of `names` that is not `known`; `stem` is what all of them begin with."""
    for name in names:
        if name not in known:
            near = close(name.removeprefix(stem), [other.removeprefix(stem) for other in known])
            hint = f"did you mean {stem}{near}?" if near else f"known: {', '.join(known)}"
            yield Problem(where + _plain(name), "is not a setting of freshwheel", hint)


def close(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` is most likely a misspelling of."""
    import difflib  # noqa: PLC0415 - needed where something is wrong only

    return next(iter(difflib.get_close_matches(name[:_LONGEST], known, 1)), None)


def either(words: Sequence[str]) -> str:
    """The alternatives as people write them."""
    return f"{', '.join(words[:-1])} or {words[-1]}"


def type_of(value: Any) -> str:
    """The type of a value from TOML, in words."""
    return _TYPES.get(type(value).__name__, f"a {type(value).__name__}")


def text(value: Any, where: str) -> Reading[str | None]:
    """One line that is not empty."""
    found = yield from string(value, where)
    if found is None:
        return None
    if not found.strip():
        yield Problem(where, "is empty")
    elif any(character < " " or character == "\x7f" for character in found):
        yield Problem(where, "has a control character in it")
    else:
        return found
    return None


def _relative(value: Any, where: str) -> Reading[str | None]:
    found = yield from text(value, where)
    if found is None:
        return None
    if "\\" in found:
        yield Problem(where, f"{shown(found)} has a backslash in it", 'write "/" between folders, on Windows too')
    elif found.startswith("/") or _DRIVE.match(found):
        yield Problem(where, f"{shown(found)} is absolute", "write it relative to the folder of pyproject.toml")
    else:
        return found
    return None


def _inside(value: Any, where: str) -> Reading[str | None]:
    found = yield from _relative(value, where)
    if found is not None and _leads_out(found):
        yield Problem(where, f"{shown(found)} leads out of the project", "an in-tree backend lives in the tree")
        return None
    return found


def _leads_out(path: str) -> bool:
    depth = 0
    for part in path.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


def _command(value: Any, where: str) -> Reading[tuple[str, ...] | None]:
    if value == []:
        yield Problem(where, "is empty", "name the program and its arguments")
    return (yield from list_of(text)(value, where))


def shown(text: str) -> str:
    """`text` as a message quotes it."""
    return f'"{_plain(text)}"'


def _plain(text: str) -> str:
    """`text` for a message: printable, and not too long."""
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in short)


def own_version(value: Any, where: str) -> Reading[OwnVersion | None]:
    """The own base version: a text, or a table of path and pattern."""
    if isinstance(value, str):
        return (yield from _version_text(value, where))
    if isinstance(value, dict):
        return (yield from _version_table(value, where))
    hint = "put it into quotes" if type(value) in (int, float) else ""
    yield Problem(where, f"must be a string or a table with path, not {type_of(value)}", hint)
    return None


def _version_text(value: str, where: str) -> Reading[OwnVersion | None]:
    found = yield from text(value, where)
    if found is None:
        return None
    if (parsed := versions.parsed(found)) is None:
        yield Problem(where, f"{shown(found)} is not a version (PEP 440)")
        return None
    if versions.has_label(parsed):
        yield Problem(where, f"{shown(found)} has a label of freshwheel in it", "write the version without the label")
        return None
    return OwnVersion(text=found)


def _version_table(table: Mapping[str, Any], where: str) -> Reading[OwnVersion | None]:
    path = pattern = None
    if "path" in table:
        path = yield from input_path(table["path"], f"{where}.path")
    else:
        yield Problem(f"{where}.path", "is missing", "name the file that the version is written in")
    if "pattern" in table:
        pattern = yield from _regular_expression(table["pattern"], f"{where}.pattern")
    yield from unknown(table, ("path", "pattern"), f"{where}.")
    return OwnVersion(path=path, pattern=pattern)


def _regular_expression(value: Any, where: str) -> Reading[str | None]:
    found = yield from string(value, where)
    if found is None:
        return None
    try:
        groups = re.compile(found).groupindex
    except (re.error, OverflowError, RecursionError) as error:
        yield Problem(where, f"is not a regular expression: {error}")
        return None
    if "version" not in groups:
        yield Problem(where, "has no group named version", "put (?P<version>...) around the version")
        return None
    return found
