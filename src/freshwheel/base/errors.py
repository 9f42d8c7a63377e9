"""What can go wrong: one root, few leaves, an exit code each.

A message says what happened and where, and names a few of many; a hint says what to do next. The doors render them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class FreshwheelError(Exception):
    """The root of all failures that freshwheel explains to a person."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def render(self) -> str:
        """The text for a person: the message, and the hint on a line of its own."""
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class Problem(NamedTuple):
    """One thing that is wrong with the configuration."""

    where: str
    """The key path or the name of a variable: `tool.freshwheel.backend`, `FRESHWHEEL_LABEL`."""
    what: str
    hint: str = ""

    def render(self) -> str:
        """One line: where, what, and what to do."""
        return f"{self.where}: {self.what}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(FreshwheelError):
    """The settings of the project, of the call or of the environment are wrong; all problems at once."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [problem.render() for problem in self.problems]
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        super().__init__("\n".join([f"{count} in the configuration:", *(f"  - {line}" for line in lines)]))


class InnerError(FreshwheelError):
    """The inner backend failed, or did not keep to PEP 517."""

    exit_code = 3


class HookMissingError(InnerError):
    """The inner backend does not have the hook that was asked for."""


class UnsupportedError(InnerError):
    """The inner backend raised its own `UnsupportedOperation` (PEP 517)."""


class InputError(FreshwheelError):
    """An input can't be read, or does not keep still: the tree has no digest now."""

    exit_code = 4


class WheelError(FreshwheelError):
    """A wheel or source distribution is broken, or its parts contradict each other."""

    exit_code = 5


class WheelUnfamiliarError(WheelError):
    """A wheel is of a form that freshwheel does not rewrite; it may still be a good wheel."""


class DifferenceError(FreshwheelError):
    """A clean build gives another wheel than the stored one, although all that is known to decide is the same."""

    exit_code = 6


def few(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
