"""The build key: a digest over the named components that shape a wheel, and what may be shown of them.

A component with a secret value never holds the value itself, only its SHA-256, and shows no more than a salted digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from freshwheel.base.frame import framed

Value: TypeAlias = "bool | int | str | bytes | tuple[Value, ...] | None"

EDITION = 2
"""Of what a key holds. It goes up with every change of that, and of how inner wheels are rewritten."""

_MAGIC = b"freshwheel build key\0"
_LONGEST = 120
"""Characters of a value that is shown as it is."""
_USERINFO = re.compile(r"(://)[^\s/?#]*@")
_DISTRIBUTION = "distribution "


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
    fields = [(_text(name), _canonical(part.value)) for name, part in sorted(named.items())]
    return hashlib.sha256(_MAGIC + framed(*[part for both in fields for part in both])).hexdigest()


def parts(components: Iterable[Component], *, salt: bytes) -> dict[str, str]:
    """Name -> what may be kept and shown: a short value as it is, a long one as `#` and a digest.

    A secret one is `#` and a digest with `salt`, which is random and belongs to one store: without it short values
    could be guessed. Equal texts mean equal values, but for the 64 bits of a digest.
    """
    return {name: _shown(part, salt) for name, part in sorted(_named(components).items())}


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """What two answers of `parts` with the same salt differ in, by name."""
    return [
        Difference(name=name, before=before.get(name), after=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def facts(about: str, known: Mapping[str, Value]) -> list[Component]:
    """What anyone may see of the interpreter, the platform and the like, each under its own name."""
    return [component(f"{about} {name}", value) for name, value in known.items()]


def secrets(about: str, known: Mapping[str, Value]) -> list[Component]:
    """As `facts`, of what nobody may see: variables, files that may hold tokens."""
    return [secret(f"{about} {name}", value) for name, value in known.items()]


def settings(given: Mapping[str, Any] | None) -> list[Component]:
    """The config settings of the inner backend, ours taken out; they may hold anything, so nobody sees their values."""
    texts = {name: json.dumps(value, sort_keys=True, default=_odd) for name, value in (given or {}).items()}
    return secrets("setting", texts)


def requirements(texts: Iterable[str]) -> list[Component]:
    """What the frontend is asked to install, in any order, without user names and passwords."""
    clean = sorted({without_userinfo(text.strip()) for text in texts})
    # What stands behind a `?` may be a token as well.
    return [(secret if any("://" in text for text in clean) else component)("requirements", tuple(clean))]


def distributions(installed: Mapping[str, tuple[str, str]]) -> list[Component]:
    """What is installed beside freshwheel: name -> version, digest of the files."""
    return [
        component(f"{_DISTRIBUTION}{name}", f"{version} ({digest[:32]})")
        for name, (version, digest) in installed.items()
    ]


def without_userinfo(text: str) -> str:
    """The text without what stands before an `@` in the host of a URL."""
    return _USERINFO.sub(r"\1", text)


def _named(components: Iterable[Component]) -> dict[str, Component]:
    named: dict[str, Component] = {}
    for part in components:
        if named.setdefault(part.name, part) is not part:
            raise ValueError(f"two components are named {part.name}")
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


def _shown(part: Component, salt: bytes) -> str:
    if part.secret:
        return _digest(framed(salt, _canonical(part.value)))
    text = _plain(part.value)
    return text if text is not None else _digest(_canonical(part.value))


def _plain(value: Value) -> str | None:
    """One short line that no other value has, None where there is none: text as it is, unless that looks otherwise."""
    if isinstance(value, str):
        literal = value in ("null", "true", "false") or value.lstrip("-").isdigit()
        fits = value.isprintable() and not literal and value[:1] not in ("", "#", '"', "[")
        text = value if fits else json.dumps(value)
    elif isinstance(value, bytes) or (isinstance(value, tuple) and not all(isinstance(part, str) for part in value)):
        return None
    else:
        text = json.dumps(value)
    return text if len(text) <= _LONGEST else None


def _digest(data: bytes) -> str:
    return f"#{hashlib.sha256(data).hexdigest()[:16]}"


def _odd(value: object) -> list[str]:
    """What stands in JSON for a value that it has no word for, and for no text."""
    return [type(value).__name__, repr(value)]
