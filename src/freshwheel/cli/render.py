"""Reports as text for people, and as JSON and bytes for programs."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from freshwheel.report import Check, Inputs

__all__ = [
    "Line",
    "as_json",
    "check_lines",
    "check_value",
    "coloured",
    "inputs_lines",
    "inputs_value",
    "paths",
    "plain",
    "visible",
]

_STYLES = {"head": "bold", "good": "green", "bad": "bold red", "note": "yellow", "do": "cyan", "text": ""}


class Line(NamedTuple):
    """One line, and what it is: `head`, `good`, `bad`, `note`, `do` or `text`."""

    text: str
    role: str = "text"


def inputs_lines(found: Inputs, *, verbose: bool = False) -> list[Line]:
    """The inputs, grouped by their reasons, and what is none; `verbose` lists the pruned folders as well."""
    groups: dict[str, list[str]] = {}
    for one, reason in zip(found.inputs, found.reasons, strict=True):
        groups.setdefault(reason, []).append(_text(one.path))
    lines = [Line(f"{found.digest}: {_count(len(found.inputs), 'input')}", "good")]
    for reason in sorted(groups):
        lines += [Line(reason, "head"), *(Line(f"  {path}") for path in groups[reason])]
    lines += _table("left out", found.left_out)
    if verbose:
        lines += _table("not looked into", found.pruned)
    elif found.pruned:
        lines.append(Line(f"{_count(len(found.pruned), 'folder')} not looked into; -v lists them", "note"))
    if found.env:
        lines += [Line("[tool.freshwheel] env", "head"), *(Line(f"  {name}") for name in found.env)]
    return lines


def inputs_value(found: Inputs) -> dict[str, Any]:
    """The inputs for JSON."""
    return {
        "digest": found.digest,
        "inputs": [
            {
                "path": _text(one.path),
                "kind": one.kind.decode(),
                "digest": one.content.hex(),
                "reason": reason,
            }
            for one, reason in zip(found.inputs, found.reasons, strict=True)
        ],
        "left_out": dict(found.left_out),
        "pruned": dict(found.pruned),
        "env": list(found.env),
    }


def paths(found: Inputs) -> bytes:
    """The paths of the inputs, exactly their bytes, with a NUL behind each."""
    return b"".join([one.path + b"\0" for one in found.inputs])


def check_lines(found: Check) -> list[Line]:
    """The findings, each with what to do, the notes, and the settings with all of that done."""
    lines: list[Line] = []
    for one in found.findings:
        lines += [Line(one.where, "bad"), Line(f"  {one.what}"), Line(f"  {one.todo}", "do")]
    lines += [Line(f"note: {note}", "note") for note in found.notes]
    if found.lines:
        lines += [Line("[tool.freshwheel] with all of that in it:", "head")]
        lines += [Line(f"  {line}", "do") for line in found.lines]
    total = len(found.findings)
    return [*lines, Line(_count(total, "finding") if total else "no findings", "bad" if total else "good")]


def check_value(found: Check) -> dict[str, Any]:
    """The findings for JSON."""
    return {
        "built": found.built,
        "findings": [
            {"kind": one.kind, "where": one.where, "what": one.what, "todo": one.todo} for one in found.findings
        ],
        "notes": list(found.notes),
        "lines": list(found.lines),
    }


def as_json(value: Mapping[str, Any]) -> str:
    """JSON in ASCII: bytes of a name that are no UTF-8 are escaped, each as U+DC00 and its value."""
    return json.dumps(value, indent=2) + "\n"


def plain(lines: Sequence[Line]) -> str:
    """The lines without colours."""
    return "".join(f"{visible(line.text)}\n" for line in lines)


def coloured(lines: Sequence[Line]) -> str:
    """The lines for a terminal, with colours if rich is installed."""
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra
        from rich.text import Text  # noqa: PLC0415
    except ImportError:
        return plain(lines)
    console = Console(file=io.StringIO(), force_terminal=True, highlight=False)
    if console.legacy_windows:
        return plain(lines)
    with console.capture() as capture:
        for line in lines:
            console.print(Text(visible(line.text), style=_STYLES[line.role]), soft_wrap=True)
    return capture.get()


def visible(text: str) -> str:
    """One line in which nothing is hidden and nothing moves the cursor: such characters are escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _table(title: str, rows: Mapping[str, str]) -> list[Line]:
    """What is left out, and why."""
    return [Line(title, "head"), *(Line(f"  {path}: {why}") for path, why in sorted(rows.items()))] if rows else []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
