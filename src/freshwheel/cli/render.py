"""What a verb has to say, and how that looks: for people, and as JSON for programs."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from freshwheel.base.errors import FreshwheelError
from freshwheel.base.model import Finding
from freshwheel.cli.console import visible

_STYLES = {"head": "bold", "good": "green", "bad": "bold red", "note": "yellow", "do": "cyan", "text": ""}


class UsageError(FreshwheelError):
    """The words of a command are wrong."""

    exit_code = 2


class Line(NamedTuple):
    """One line, and what it is: `head`, `good`, `bad`, `note`, `do` or `text`."""

    text: str
    role: str = "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What there is to say: for people, for programs, and whether something is wrong."""

    lines: list[Line]
    value: Mapping[str, Any]
    wrong: bool = False


def text(answer: Answer, *, as_json: bool) -> str:
    """An answer as it is written. In JSON, a byte of a name that is no UTF-8 is escaped, as U+DC00 and its value."""
    return json.dumps(answer.value, indent=2) + "\n" if as_json else painted(answer.lines)


def painted(lines: Sequence[Line]) -> str:
    """The lines, in colours where a terminal shows them and rich is installed."""
    plain = "".join([f"{visible(line.text)}\n" for line in lines])
    if sys.stdout is None or not sys.stdout.isatty():
        return plain
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra
        from rich.text import Text  # noqa: PLC0415
    except ImportError:
        return plain
    console = Console(file=io.StringIO(), force_terminal=True, highlight=False)
    if console.legacy_windows:
        return plain
    with console.capture() as capture:
        for line in lines:
            console.print(Text(visible(line.text), style=_STYLES[line.role]), soft_wrap=True)
    return capture.get()


def listed(title: str, texts: Sequence[str], role: str = "head") -> list[Line]:
    """A title, and a line below it for each text; nothing where there is none."""
    return [Line(title, role), *(Line(f"  {text}") for text in texts)] if texts else []


def told(findings: Sequence[Finding], notes: Sequence[str]) -> list[Line]:
    """The findings, each with what to do, and the notes."""
    lines: list[Line] = []
    for finding in findings:
        lines += [Line(finding.where, "bad"), Line(f"  {finding.what}"), Line(f"  {finding.todo}", "do")]
    return [*lines, *(Line(f"note: {note}", "note") for note in notes)]


def verdict(findings: Sequence[Finding]) -> Line:
    """How many there are."""
    return Line(count(len(findings), "finding"), "bad") if findings else Line("no findings", "good")


def moment(when: int) -> str:
    """A time, in seconds since the epoch, for people; the number itself where no calendar has it."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
    except (OverflowError, OSError, ValueError):
        return str(when)


def count(number: int, noun: str, many: str = "") -> str:
    """A number and its noun."""
    return f"{number} {noun if number == 1 else many or noun + 's'}"
