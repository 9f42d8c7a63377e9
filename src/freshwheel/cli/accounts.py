"""How the account of the last build is shown: what it took from outside of its inputs, and why each counts or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freshwheel.base import files
from freshwheel.cli.render import Answer, Line, count
from freshwheel.memory import accounts

if TYPE_CHECKING:
    from freshwheel.build.plan import Call
    from freshwheel.memory.accounts import Page


def answer(call: Call) -> Answer:
    """What is on record of the last build of a tree, by program."""
    page = accounts.load(files.cache_directory(call.environ), call.tree)
    value = {
        "observed": page.observed,
        "reason": page.reason,
        "account": [
            {"path": one.path, "kind": one.kind, "by": list(one.by), "why": one.why, "counts": one.counts}
            for one in page.lines
        ],
        "variables": list(page.names),
        "every_variable": page.every,
    }
    return Answer(lines=_lines(page), value=value)


def _lines(page: Page) -> list[Line]:
    if not page.observed:
        why = page.reason or "no build of this tree that could be stored is on record"
        return [Line(f"not observed: {why}", "note")]
    counting = [one for one in page.lines if one.counts]
    lines = [Line(f"{count(len(counting), 'path')} beside the inputs must stay as they are", "good")]
    by: dict[str, list[str]] = {}
    for one in counting:
        by.setdefault(", ".join(one.by) or "the build", []).append(f"{one.path} ({one.kind}, {one.why})")
    for program in sorted(by):
        lines += [Line(program, "head"), *(Line(f"  {text}") for text in by[program])]
    others: dict[str, int] = {}
    for one in page.lines:
        if not one.counts:
            others[one.why] = others.get(one.why, 0) + 1
    if others:
        lines.append(Line("does not count", "head"))
        lines += [Line(f"  {count(others[why], 'path')}: {why}") for why in sorted(others)]
    if page.every:
        lines.append(Line(f"all variables count but harmless ones: {page.every}", "note"))
    elif page.names:
        lines += [Line("variables", "head"), *(Line(f"  {name}") for name in page.names)]
    return lines
