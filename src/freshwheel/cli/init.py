"""The verb `init`: the change of `pyproject.toml` as a difference, what would hurt, and whether it was written."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from freshwheel.adopt import init
from freshwheel.adopt.facts import Remark
from freshwheel.adopt.proposal import Proposal
from freshwheel.cli.render import Answer, Line

_ROLES = {"stop": "bad", "harm": "note", "note": "text"}
_NAME = "pyproject.toml"
_MOST = 10
"""Places of one remark that are shown to people."""


def answer(
    tree: str,
    environ: Mapping[str, str],
    options: argparse.Namespace,
    agreed: Callable[[list[Line]], bool] | None = None,
) -> Answer:
    """The answer to one call; `agreed` shows lines to a person and asks whether to write, None: nobody can be asked."""
    undo, yes = options.undo, options.yes
    found = init.retract(tree, environ) if undo else _found(tree, environ, options)
    lines = _proposed(found)
    is_changed, is_stopped, written, wrong, said = found.before != found.after, bool(found.stops), False, False, []
    if is_changed and is_stopped and not options.force:
        said, wrong = [Line("not written; --force writes it all the same, with --yes", "bad")], True
    elif is_changed and not yes and agreed is None:
        said = [Line("not written; --yes writes it", "do")]
    elif is_changed:
        if not yes and agreed is not None:
            written = agreed(lines)
            lines = []
        if yes or written:
            notes = init.write(tree, found, environ, keep=not undo)
            said = [*(Line(note, "note") for note in notes), Line(_written(undo=undo), "good")]
            written = True
        else:
            said, wrong = [Line("not written", "bad")], True
    return Answer(lines=[*lines, *said], value=_value(found, written=written), wrong=wrong)


def _found(tree: str, environ: Mapping[str, str], options: argparse.Namespace) -> Proposal:
    """The switch that is proposed, tried out if that was asked for."""
    raised = options.raise_python
    found = init.propose(tree, label=options.label, raised=raised)
    return init.tried(tree, found, environ, raised=raised) if options.check_build else found


def _written(*, undo: bool) -> str:
    return f"wrote {_NAME}" if undo else f"wrote {_NAME}; `freshwheel init --undo` takes it back"


def _proposed(found: Proposal) -> list[Line]:
    """The difference, its reasons, and the remarks."""
    lines = painted(difference(found.before, found.after))
    lines += [Line(step, "good") for step in found.steps]
    for remark in found.remarks:
        lines += _remark(remark)
    return lines


def _remark(remark: Remark) -> list[Line]:
    lines = [Line(remark.what, _ROLES[remark.weight]), *(Line(f"  {place}") for place in remark.where[:_MOST])]
    if len(remark.where) > _MOST:
        lines.append(Line(f"  and {len(remark.where) - _MOST} more; --json lists them", "note"))
    return [*lines, Line(f"  -> {remark.todo}", "do")] if remark.todo else lines


def difference(before: bytes, after: bytes) -> list[str]:
    """The lines of a unified difference; the end of a line, if that alone differs, is not shown."""
    old, new = (data.decode("utf-8", "replace").removeprefix("\ufeff").split("\n") for data in (before, after))
    return [line.rstrip("\r\n") for line in difflib.unified_diff(old, new, _NAME, _NAME)]


def painted(texts: list[str]) -> list[Line]:
    """The lines of a difference for people."""
    roles = {"+": "good", "-": "bad", "@": "head"}
    return [Line(text, "head" if text.startswith(("+++", "---")) else roles.get(text[:1], "text")) for text in texts]


def _value(found: Proposal, *, written: bool) -> dict[str, Any]:
    return {
        "changed": found.before != found.after,
        "written": written,
        "steps": list(found.steps),
        "remarks": [asdict(one) for one in found.remarks],
        "difference": "".join(f"{text}\n" for text in difference(found.before, found.after)),
    }
