"""How `pyproject.toml` changes when freshwheel takes its place in it: the new bytes, the reasons, and what would hurt.

The text is changed in pieces. The tables that it must say afterwards are found apart from that, and the new text must
say exactly them, or nothing is proposed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freshwheel.adopt import change as aims
from freshwheel.adopt import pythons, switch
from freshwheel.adopt.facts import Facts, Remark
from freshwheel.adopt.remarks import remarks
from freshwheel.adopt.toml_statements import Document, UnreadableError, agreed, parsed
from freshwheel.base import config
from freshwheel.base import toml_access as tables
from freshwheel.base.errors import ConfigError, FreshwheelError, Problem
from freshwheel.base.model import Project

BOM = b"\xef\xbb\xbf"
_NAME = "pyproject.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A change of `pyproject.toml`; none if both texts are one."""

    before: bytes
    after: bytes
    steps: tuple[str, ...]
    """What is done, and why, in sentences."""
    remarks: tuple[Remark, ...] = ()

    @property
    def stops(self) -> tuple[Remark, ...]:
        """The remarks for which the change must be forced."""
        return tuple(one for one in self.remarks if one.weight == "stop")


def propose(data: bytes, facts: Facts, *, label: bool = True) -> Proposal:
    """The switch of a project to freshwheel; without `label`, its version stays as it is in every wheel.

    Raises ConfigError for a file that is no TOML or makes no sense, FreshwheelError where it can't be changed safely.
    """
    text, pyproject = decoded(data)
    if is_wrapped(pyproject):
        return Proposal(before=data, after=data, steps=("freshwheel is in place already; nothing is to be done",))
    try:
        document = Document(text)
    except UnreadableError as error:
        raise FreshwheelError(f"{_NAME} can't be changed safely, so it was left alone: {error}") from None
    aim = aims.aimed(document, facts, label=label)
    hint = switch.by_hand(aim)
    after = agreed(lambda: switch.written(document, aim), lambda: switch.expected(pyproject, aim), hint=hint)
    is_labelled = _settled(parsed(after)).version_is_dynamic and label
    found = remarks(text, pyproject, facts, labelled=is_labelled)
    prefix = BOM if data.startswith(BOM) else b""
    if prefix:
        what = "the file begins with a byte order mark, which pip and freshwheel do not read"
        one = Remark(kind="form", weight="stop", what=what, todo="save it as UTF-8 without one", where=(_NAME,))
        found = [one, *found]
    return Proposal(before=data, after=prefix + after.encode(), steps=aim.steps, remarks=tuple(found))


def raised(data: bytes) -> bytes:
    """The file with a `requires-python` that begins at 3.10. Raises ConfigError for a file that is no TOML."""
    text, pyproject = decoded(data)
    try:
        return data[: len(data) - len(text.encode())] + pythons.raised(text, pyproject).encode()
    except UnreadableError:
        return data


def decoded(data: bytes) -> tuple[str, dict[str, Any]]:
    """The text of `pyproject.toml` without a byte order mark, and what it says. Raises ConfigError."""
    try:
        text = data.removeprefix(BOM).decode()
        return text, parsed(text)
    except UnicodeDecodeError:
        raise ConfigError([Problem(_NAME, "is not UTF-8")]) from None
    except ValueError as error:
        raise ConfigError([Problem(_NAME, f"is not TOML: {error}")]) from None


def is_wrapped(pyproject: Mapping[str, Any]) -> bool:
    """Whether freshwheel is the backend. Raises ConfigError where it is and no inner backend is named."""
    backend = tables.text(pyproject, "build-system.build-backend") or ""
    if backend.partition(":")[0] != "freshwheel" or tables.at(pyproject, "build-system.backend-path"):
        return False
    if not tables.text(pyproject, "tool.freshwheel.backend"):
        _settled(pyproject)
        raise ConfigError([Problem("tool.freshwheel.backend", "is missing")])
    return True


def _settled(pyproject: Mapping[str, Any]) -> Project:
    """The project, whose settings are in order. Raises ConfigError with all that is not."""
    project = Project(tree="", pyproject=pyproject, sdist_version=None)
    config.parse(project, None, {}, importable=lambda _: False)
    return project
