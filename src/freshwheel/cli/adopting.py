"""The verbs that change `pyproject.toml`, `init` and `uv`: the difference, and whether it was written."""

from __future__ import annotations

import argparse
import difflib
import os
from dataclasses import asdict

from freshwheel.adopt import init as adoption
from freshwheel.adopt import uv as cache_keys
from freshwheel.adopt.switch import Remark
from freshwheel.cli import console, render, verbs
from freshwheel.cli.render import Answer, Line

_NAME = "pyproject.toml"
_MOST = 10
"""Places of one remark that are shown to people."""
_SAME = "the project was built both ways, and the wheels are the same but for version, mark and RECORD"
_OTHER = "the project was built both ways, and after the switch its wheel is another one"
_UNKEPT = "the former file could not be kept, so --undo can't give it back; git can"
_HOLES = (
    "no list sees everything: uv goes by the newest time, so a deleted file may go unseen; a file behind a symbolic "
    'link is seen only if it is named. [tool.uv] reinstall-package = ["NAME"] has uv ask each time instead'
)


def init(options: argparse.Namespace) -> Answer:
    """The switch of a project, or the way back: shown, tried out if that was asked for, and written."""
    tree = verbs.project(options.path)
    proposal = adoption.retract(tree, os.environ) if options.undo else adoption.propose(tree, label=options.label)
    is_changed, steps, different = proposal.before != proposal.after, [*proposal.steps], list[str]()
    if options.check_build and is_changed:
        members = adoption.differences(tree, proposal.before, proposal.after, os.environ)
        different = [f"{name}: {how}" if name else how for name, how in members.items()]
        steps += [] if different else [_SAME]
    difference = _difference(proposal.before, proposal.after)
    lines = [*_painted(difference), *(Line(step, "good") for step in steps)]
    lines += [line for remark in proposal.remarks for line in _remark(remark)]
    lines += render.listed(_OTHER, different, "bad")
    agreed = False if different else options.yes or None
    if is_changed and agreed is None and console.is_watched() and not options.json:
        console.write(render.painted(lines))
        lines, agreed = [], console.asked(f"write {_NAME}?")
    if is_changed and agreed:
        lines += [] if options.undo or adoption.keep(proposal, os.environ) else [Line(_UNKEPT, "note")]
        adoption.write(tree, proposal.before, proposal.after)
        lines.append(
            Line(f"wrote {_NAME}" + ("" if options.undo else "; `freshwheel init --undo` takes it back"), "good")
        )
    elif is_changed:
        lines.append(Line("not written; --yes writes it", "do") if agreed is None else Line("not written", "bad"))
    value = {
        "changed": is_changed,
        "written": bool(is_changed and agreed),
        "steps": steps,
        "remarks": [asdict(remark) for remark in proposal.remarks],
        "different": different,
        "difference": "".join(f"{text}\n" for text in difference),
    }
    return Answer(lines=lines, value=value, wrong=is_changed and agreed is False)


def uv(options: argparse.Namespace) -> Answer:
    """The cache keys of a project: how they differ if `--check`, else how the file changes, which `--yes` writes."""
    tree = verbs.project(options.path)
    before = adoption.read(tree)
    keys = cache_keys.look(verbs.call(tree), before)
    differs = keys.after != before
    if options.yes and differs:
        adoption.write(tree, before, keys.after)
    missing, superfluous = ([cache_keys.shown(key) for key in some] for some in (keys.missing, keys.superfluous))
    if options.check:
        lines = [Line(f"missing: {key}", "bad") for key in missing]
        lines += [Line(f"superfluous: {key} is not generated", "bad") for key in superfluous]
    else:
        lines = _painted(_difference(before, keys.after))
    many = render.count(len(keys.wanted), "key")
    if not differs:
        lines.append(Line(f"{many}, as they are generated", "good"))
    elif options.yes:
        lines.append(Line(f"{_NAME} has {many} now", "good"))
    elif options.check:
        lines.append(Line("the list is not the generated one; freshwheel uv --yes writes that", "bad"))
    else:
        lines += [Line(f"note: {_HOLES}", "note"), Line("nothing is written yet; --yes does that", "note")]
    value = {
        "keys": keys.wanted,
        "missing": missing,
        "superfluous": superfluous,
        "written": bool(options.yes and differs),
    }
    return Answer(lines=lines, value=value, wrong=options.check and differs)


def _remark(remark: Remark) -> list[Line]:
    """What would hurt, some of the places, and what to do."""
    lines = render.listed(remark.what, remark.where[:_MOST], "note")
    if len(remark.where) > _MOST:
        lines.append(Line(f"  and {len(remark.where) - _MOST} more; --json lists them", "note"))
    return [*lines, Line(f"  -> {remark.todo}", "do")]


def _difference(before: bytes, after: bytes) -> list[str]:
    """The lines of a unified difference; the end of a line, if that alone differs, is not shown."""
    old, new = (data.decode("utf-8", "replace").split("\n") for data in (before, after))
    return [line.rstrip("\r\n") for line in difflib.unified_diff(old, new, _NAME, _NAME)]


def _painted(texts: list[str]) -> list[Line]:
    """The lines of a difference for people."""
    roles = {"+": "good", "-": "bad", "@": "head"}
    return [Line(text, "head" if text.startswith(("+++", "---")) else roles.get(text[:1], "text")) for text in texts]
