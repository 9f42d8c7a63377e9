"""Reports as text for people, and as JSON and bytes for programs."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from freshwheel.memory import journal

if TYPE_CHECKING:
    from freshwheel.base.model import Finding
    from freshwheel.build.explanation import Comparison
    from freshwheel.explain.history import Why
    from freshwheel.explain.report import Check, Inputs
    from freshwheel.inner.build_key import Difference
    from freshwheel.memory.outcome import Outcome

_STYLES = {"head": "bold", "good": "green", "bad": "bold red", "note": "yellow", "do": "cyan", "text": ""}
_MOST = 20
"""Paths below one head."""


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


def inputs(found: Inputs, *, verbose: bool) -> Answer:
    """The inputs, each with its reason, and what is none; `verbose` lists the pruned folders as well."""
    listed = [
        {"path": _text(one.path), "kind": one.kind.decode(), "digest": one.content.hex(), "reason": reason}
        for one, reason in zip(found.inputs, found.reasons, strict=True)
    ]
    value = {
        "digest": found.digest,
        "inputs": listed,
        "left_out": dict(found.left_out),
        "pruned": dict(found.pruned),
        "env": list(found.env),
    }
    return Answer(lines=_inputs(found, verbose=verbose), value=value)


def paths(found: Inputs) -> bytes:
    """The paths of the inputs, exactly their bytes, with a NUL behind each."""
    return b"".join([one.path + b"\0" for one in found.inputs])


def check(found: Check) -> Answer:
    """The findings, each with what to do, the notes, and the settings with all of that done."""
    lines = told(found.findings, found.notes)
    if found.lines:
        lines += [Line("[tool.freshwheel] with all of that in it:", "head")]
        lines += [Line(f"  {line}", "do") for line in found.lines]
    return Answer(lines=[*lines, verdict(found.findings)], value=asdict(found), wrong=bool(found.findings))


def told(findings: Sequence[Finding], notes: Sequence[str]) -> list[Line]:
    """The findings, each with what to do, and the notes."""
    lines: list[Line] = []
    for one in findings:
        lines += [Line(one.where, "bad"), Line(f"  {one.what}"), Line(f"  {one.todo}", "do")]
    return [*lines, *(Line(f"note: {note}", "note") for note in notes)]


def verdict(findings: Sequence[Finding]) -> Line:
    """How many there are."""
    total = len(findings)
    return Line(count(total, "finding") if total else "no findings", "bad" if total else "good")


def why(found: Why) -> Answer:
    """What comes next, what differs from the last wheel, and what became of earlier installations.

    A value that nobody may see is null.
    """
    differing, inputs, parts = found.found, None, None
    if differing is not None and differing.inputs is not None:
        inputs = {verb: list(getattr(differing.inputs, verb)) for verb in ("changed", "added", "removed")}
    if differing is not None and differing.parts is not None:
        parts = [
            {"name": one.name, "what": one.what, "before": _shown(one.before), "after": _shown(one.after)}
            for one in differing.parts
        ]
    value = {
        "digest": found.digest,
        "store": found.store,
        "next": found.next,
        "cause": found.cause,
        "last": _outcome_value(found.last) if found.last is not None else None,
        "sources": differing.sources if differing is not None else None,
        "inputs": inputs,
        "parts": parts,
        "apart": list(differing.apart) if differing is not None else [],
        "unasked": list(differing.unasked) if differing is not None else [],
        "outcomes": [_outcome_value(one) for one in found.outcomes],
    }
    return Answer(lines=_why(found), value=value)


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


def moment(when: int) -> str:
    """A time, in seconds since the epoch, for people; the number itself where no calendar has it."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
    except (OverflowError, OSError, ValueError):
        return str(when)


def count(number: int, noun: str, many: str = "") -> str:
    """A number and its noun."""
    return f"{number} {noun if number == 1 else many or noun + 's'}"


def _inputs(found: Inputs, *, verbose: bool) -> list[Line]:
    """The inputs, grouped by their reasons, and what is none; `verbose` lists the pruned folders as well."""
    groups: dict[str, list[str]] = {}
    for one, reason in zip(found.inputs, found.reasons, strict=True):
        groups.setdefault(reason, []).append(_text(one.path))
    lines = [Line(f"{found.digest}: {count(len(found.inputs), 'input')}", "good")]
    for reason in sorted(groups):
        lines += [Line(reason, "head"), *(Line(f"  {path}") for path in groups[reason])]
    lines += _table("left out", found.left_out)
    if verbose:
        lines += _table("not looked into", found.pruned)
    elif found.pruned:
        lines.append(Line(f"{count(len(found.pruned), 'folder')} not looked into; -v lists them", "note"))
    if found.env:
        lines += [Line("[tool.freshwheel] env", "head"), *(Line(f"  {name}") for name in found.env)]
    return lines


def _why(found: Why) -> list[Line]:
    """What comes next, what differs from the last wheel, and what became of earlier installations."""
    unsure = found.found is not None and (found.found.apart or found.found.unasked)
    hit = "next: hit, as far as that can be told from here" if unsure else "next: hit"
    lines = [Line(f"next: build, {found.cause}", "note") if found.cause else Line(hit, "good")]
    if found.last is None or found.found is None:
        lines.append(Line("nothing is on record of this tree: it was not built here", "note"))
    else:
        name = found.last.wheel or "the last wheel"
        lines.append(Line(f"this tree now, against {name} of {moment(found.last.when)}", "head"))
        lines += _differences(found.found)
    if found.store:
        lines.append(Line(f"the store has no say: {found.store}", "note"))
    rows = [one for at, one in enumerate(found.outcomes) if at == 0 or one.hook in ("wheel", "editable")]
    if rows:
        lines += [Line("installations, the newest first", "head"), *(Line(f"  {_outcome(one)}") for one in rows)]
    return lines


def _table(title: str, rows: Mapping[str, str]) -> list[Line]:
    """What is left out, and why."""
    return [Line(title, "head"), *(Line(f"  {path}: {why}") for path, why in sorted(rows.items()))] if rows else []


def _differences(found: Comparison) -> list[Line]:
    """What differs, each under what it is."""
    lines: list[Line] = []
    if found.inputs is None and found.sources:
        lines.append(Line("the sources changed; which of them is not on record", "bad"))
    elif found.inputs is not None and found.sources and not found.inputs:
        lines.append(Line("what selects the inputs changed", "bad"))
    for verb in ("changed", "added", "removed"):
        paths = getattr(found.inputs, verb) if found.inputs is not None else ()
        if paths:
            lines.append(Line(f"{count(len(paths), 'input')} {verb}", "bad"))
            lines += [Line(f"  {path}") for path in paths[:_MOST]]
        if len(paths) > _MOST:
            lines.append(Line(f"  and {len(paths) - _MOST} more; --json lists them", "note"))
    if found.parts:
        lines += [Line("beside the inputs", "bad"), *(Line(f"  {_difference(one)}") for one in found.parts)]
    if not lines:
        lines.append(Line("nothing that it is made from has changed", "good"))
    if found.apart:
        lines.append(Line(f"not compared outside of a build: {', '.join(found.apart)}", "note"))
    if found.unasked:
        names = [one for one in found.unasked if not one.startswith("output ")]
        lines.append(Line(f"not asked, as nothing is started to explain: {', '.join(names)}", "note"))
    return lines


def _difference(one: Difference) -> str:
    if one.moved:
        return one.moved
    before, after = _shown(one.before), _shown(one.after)
    values = f" ({before} -> {after})" if before is not None and after is not None else ""
    return f"{one.name}: {one.what}{values}"


def _shown(value: str | None) -> str | None:
    """A value that everybody may see; of any other there is only a digest."""
    return None if value is None or value.startswith("#") else value


def _outcome(one: Outcome) -> str:
    """One installation: what it was, what it has cost or saved, and why."""
    took = journal.span(one.took)
    if one.decided == "failed":
        what, more = f"failed after {took}", f"; {one.unstored}" if one.unstored else ""
    elif one.decided == "built":
        what, more = f"built in {took}", f"; it is not stored: {one.unstored}" if one.unstored else ""
    else:
        what, more = ("miss" if one.decided == "miss" else f"hit in {took}{journal.saved(one.saved)}"), ""
    hook = "" if one.hook == "wheel" else f"{one.hook}, "
    return f"{moment(one.when)}  {hook}{what}: {one.why}{more}"


def _outcome_value(one: Outcome) -> dict[str, Any]:
    value = asdict(one)
    del value["parts"]  # those of this machine's installers, which nobody can compare
    return value


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
