"""The build key: a digest over the named components that shape a wheel, and what may be shown of them.

A component with a secret value never holds the value itself, only its SHA-256, and shows no more than a salted digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from freshwheel.base import toml_access
from freshwheel.base.frame import framed

Value: TypeAlias = "bool | int | str | bytes | tuple[Value, ...] | None"

EDITION = 1
"""Of what a key holds. It goes up with every change of that, and of how inner wheels are rewritten."""

_MAGIC = b"freshwheel build key\0"
_LONGEST = 120
"""Characters of a value that is shown as it is."""
_USERINFO = re.compile(r"(://)[^\s/?#]*@")
_DISTRIBUTION = "distribution "
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_VERSIONED = {
    "dunamai": ("tool.dunamai",),
    "flit-scm": (),
    "hatch-vcs": (),
    "pbr": (),
    "pdm": (),
    "poetry-dynamic-versioning": ("tool.poetry-dynamic-versioning",),
    "scikit-build-core": (),
    "setupmeta": (),
    "setuptools-git-versioning": ("tool.setuptools-git-versioning",),
    "setuptools-scm": ("tool.setuptools_scm", "tool.setuptools-scm"),
    "uv-dynamic-versioning": ("tool.uv-dynamic-versioning",),
    "vcs-versioning": ("tool.vcs-versioning", "tool.vcs_versioning"),
    "versioneer": ("tool.versioneer",),
    "versioningit": ("tool.versioningit",),
}
"""Distributions that take a version from version control, and the tables that turn them on."""
_NOT_BY_REQUIREMENT = frozenset(("pdm", "scikit-build-core"))
"""Backends that do so only where `_PROVIDERS` says so."""
_PROVIDERS = {
    "hatch-vcs": ("tool.hatch.version.source", ("vcs",)),
    "pdm": ("tool.pdm.version.source", ("scm",)),
    "scikit-build-core": (
        "tool.scikit-build.metadata.version.provider",
        ("scikit_build_core.metadata.setuptools_scm", "vcs_versioning"),
    ),
    "uv-dynamic-versioning": ("tool.hatch.version.source", ("uv-dynamic-versioning",)),
    "versioningit": ("tool.hatch.version.source", ("versioningit",)),
}
"""The key of pyproject, dotted, and the values that name a source in version control."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One thing that shapes a wheel."""

    name: str
    value: Value = field(repr=False)
    """None: it is not there, which is not the same as empty."""
    secret: bool = False
    """Whether `value` is a digest of something that nobody may see."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One component that two keys differ in, as `parts` shows it; None: that key does not have it."""

    name: str
    before: str | None
    after: str | None

    @property
    def what(self) -> str:
        """`changed`, `new` or `gone`."""
        if self.before is None:
            return "new"
        return "gone" if self.after is None else "changed"

    @property
    def moved(self) -> str:
        """Between which versions a distribution has moved, in words; nothing for any other component."""
        if not self.name.startswith(_DISTRIBUTION):
            return ""
        name = self.name.removeprefix(_DISTRIBUTION)
        before, after = ((text or "").partition(" (")[0] for text in (self.before, self.after))
        if self.what != "changed":
            return f"{name} {before or after} is {self.what}"
        return f"{name} {before} → {after}" if before != after else f"{name} {after} has other files"


def component(name: str, value: Value) -> Component:
    """A component that anyone may see."""
    return Component(name=name, value=value)


def secret(name: str, value: Value) -> Component:
    """A component whose value nobody may see: only its digest is kept, also in memory."""
    return Component(name=name, value=hashlib.sha256(_canonical(value)).digest(), secret=True)


def key(components: Iterable[Component]) -> str:
    """The build key, 64 hex digits: equal for equal components in any order. Raises ValueError for a name twice."""
    named = _named(components)
    fields = [(_text(name), _canonical(one.value)) for name, one in sorted(named.items())]
    return hashlib.sha256(_MAGIC + framed(*[part for both in fields for part in both])).hexdigest()


def parts(components: Iterable[Component], *, salt: bytes) -> dict[str, str]:
    """Name -> what may be kept and shown: a short value as it is, a long one as `#` and a digest.

    A secret one is `#` and a digest with `salt`, which is random and belongs to one store: without it short values
    could be guessed. Equal texts mean equal values, but for the 64 bits of a digest.
    """
    return {name: _shown(one, salt) for name, one in sorted(_named(components).items())}


def difference(one: Mapping[str, str], other: Mapping[str, str]) -> list[Difference]:
    """What two answers of `parts` with the same salt differ in, by name."""
    return [
        Difference(name=name, before=one.get(name), after=other.get(name))
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def source(digest: str, *, hook: str) -> list[Component]:
    """The source digest, what is built from it, and the edition of all this."""
    return [component("source digest", digest), component("hook", hook), component("edition", EDITION)]


def inner(name: str, module: str, *, backend_path: Sequence[str] = ()) -> list[Component]:
    """The inner backend: what people call it, "module" or "module:object", and where in the tree it comes from."""
    return [
        component("backend", name),
        component("backend module", module),
        component("backend in tree", bool(backend_path)),
        component("backend path", tuple(backend_path)),
    ]


def settings(given: Mapping[str, Any] | None) -> list[Component]:
    """The config settings of the inner backend, ours taken out; they may hold anything, so nobody sees their values."""
    return [secret(f"setting {name}", _value(value)) for name, value in (given or {}).items()]


def facts(about: str, known: Mapping[str, Value]) -> list[Component]:
    """Facts of the interpreter or the platform, each under its own name."""
    return [component(f"{about} {name}", value) for name, value in known.items()]


def requirements(texts: Iterable[str]) -> list[Component]:
    """What the frontend is asked to install, in any order, without user names and passwords."""
    clean = sorted({without_userinfo(text.strip()) for text in texts})
    # What stands behind a `?` may be a token as well.
    return [(secret if any("://" in text for text in clean) else component)("requirements", tuple(clean))]


def distributions(found: Mapping[str, tuple[str, str]]) -> list[Component]:
    """What is installed beside freshwheel: name -> version, digest of the files."""
    return [
        component(f"{_DISTRIBUTION}{name}", f"{version} ({digest[:32]})") for name, (version, digest) in found.items()
    ]


def constraints(contents: Mapping[str, bytes | None]) -> list[Component]:
    """What holds the requirements down: variable -> contents of the files it names; None: they can't be read."""
    return [secret(name, value) for name, value in contents.items()]


def configurations(contents: Mapping[str, bytes]) -> list[Component]:
    """Files outside of the tree that tell tools how to build; tokens may stand in them."""
    return [secret(f"configuration {name}", value) for name, value in contents.items()]


def tools(outputs: Mapping[str, str]) -> list[Component]:
    """Programs, by what they say of themselves: the first line for people, and the rest."""
    found = []
    for name, output in outputs.items():
        first, _, rest = output.strip().partition("\n")
        found.append(component(f"tool {name}", first.strip()))
        if rest.strip():
            found.append(component(f"tool {name}, all", rest.strip()))
    return found


def environment(values: Mapping[str, str]) -> list[Component]:
    """The variables that are set and shape the wheel; one that is not set has no component."""
    return [secret(f"environment {name}", value) for name, value in values.items()]


def commands(results: Mapping[str, tuple[str, bytes]]) -> list[Component]:
    """The commands of `[tool.freshwheel]`: command -> how it ended, what it wrote."""
    return [
        one
        for name, (ending, output) in results.items()
        for one in (component(f"command {name}", ending), secret(f"output {name}", output))
    ]


def versioned(pyproject: Mapping[str, Any], requires: Iterable[str]) -> str | None:
    """What takes the base version from version control, None for nothing that is known to.

    `requires` are all requirements of the build. A plugin may be among them and do nothing: that costs a rebuild.
    """
    wanted = {_normal(match[1]) for text in requires if (match := _NAME.match(text))}
    for name, tables in _VERSIONED.items():
        where, values = _PROVIDERS.get(name, ("", ()))
        by_requirement = name in wanted and name not in _NOT_BY_REQUIREMENT
        if by_requirement or any(toml_access.at(pyproject, table) is not None for table in tables):
            return name
        if where and toml_access.at(pyproject, where) in values:
            return name
    return None


def without_userinfo(text: str) -> str:
    """The text without what stands before an `@` in the host of a URL."""
    return _USERINFO.sub(r"\1", text)


def _named(components: Iterable[Component]) -> dict[str, Component]:
    named: dict[str, Component] = {}
    for one in components:
        if named.setdefault(one.name, one) is not one:
            raise ValueError(f"two components are named {one.name}")
    return named


def _canonical(value: Value) -> bytes:
    """Bytes that no other value has, whatever its type; inside of a frame, since they have no end of their own."""
    match value:
        case None:
            return b"n"
        case bool():  # before int, which it is too
            return b"y" if value else b"x"
        case int():
            return b"i%d" % value
        case str():
            return b"s" + _text(value)
        case bytes():
            return b"b" + value
        case tuple():
            return b"t" + framed(*map(_canonical, value))


def _text(text: str) -> bytes:
    # What is no text to the system comes as lone surrogates, and stays apart from all others.
    return text.encode("utf-8", "surrogatepass")


def _shown(one: Component, salt: bytes) -> str:
    if one.secret:
        return _digest(framed(salt, _canonical(one.value)))
    text = _plain(one.value)
    return text if text is not None else _digest(_canonical(one.value))


def _plain(value: Value) -> str | None:
    """One short line that no other value has, None where there is none: text as it is, unless that looks otherwise."""
    if isinstance(value, str):
        literal = value in ("null", "true", "false") or value.lstrip("-").isdigit()
        fits = value.isprintable() and not literal and value[:1] not in ("", "#", '"', "[")
        text = value if fits else json.dumps(value)
    elif isinstance(value, bytes) or (isinstance(value, tuple) and not all(isinstance(one, str) for one in value)):
        return None
    else:
        text = json.dumps(value)
    return text if len(text) <= _LONGEST else None


def _digest(data: bytes) -> str:
    return f"#{hashlib.sha256(data).hexdigest()[:16]}"


def _value(given: Any) -> Value:
    """What a config setting holds, whatever its type."""
    if given is None or isinstance(given, bool | int | str | bytes):
        return given
    if isinstance(given, Mapping):
        pairs = sorted((str(name), _canonical(_value(value))) for name, value in given.items())
        return ("table", tuple(part for pair in pairs for part in pair))
    if isinstance(given, list | tuple):
        return ("list", tuple(_value(one) for one in given))
    return ("other", type(given).__name__, repr(given))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
