"""The verb `uv`: the cache keys of a project, shown, checked or written."""

from __future__ import annotations

import difflib
from dataclasses import asdict

from freshwheel import adoption, cache_keys
from freshwheel.adopt.proposal import Proposal
from freshwheel.adopt.uv_check import ALTERNATIVE, HOLES
from freshwheel.cache_keys import Found
from freshwheel.cli import render
from freshwheel.cli.render import Answer, Line
from freshwheel.plan import Call

__all__ = ["answer"]

_NAME = "pyproject.toml"
_ROLES = {"+": "good", "-": "bad", "@": "head"}


def answer(call: Call, *, check: bool = False, write: bool = False, names: bool = False) -> Answer:
    """The answer: what is wrong with the keys if `check`, else how the file changes, which `write` carries out."""
    found = cache_keys.look(call, names=names)
    checked = found.checked
    said: list[str] = []
    if write and found.after != found.before:
        wanted = Proposal(before=found.before, after=found.after, steps=())
        said = adoption.write(call.tree, wanted, call.environ, back=True)
    value = {
        "keys": [key.value() for key in checked.keys],
        "findings": [asdict(one) for one in checked.findings],
        "notes": [*checked.notes, *said],
        "holes": list(HOLES),
        "alternative": ALTERNATIVE,
        "written": write and found.after != found.before,
    }
    lines = _findings(found) if check else _changes(found, write=write)
    lines += [Line(f"note: {note}", "note") for note in (*checked.notes, *said)]
    return Answer(
        lines=[*lines, _verdict(found, check=check, write=write)], value=value, wrong=_is_wrong(found, check=check)
    )


def _is_wrong(found: Found, *, check: bool) -> bool:
    return check and bool(found.checked.findings)


def _findings(found: Found) -> list[Line]:
    lines = []
    for one in found.checked.findings:
        lines += [Line(f"{one.kind}: {one.where}", "bad"), Line(f"  {one.what}"), Line(f"  {one.todo}", "do")]
    return lines


def _changes(found: Found, *, write: bool) -> list[Line]:
    """The difference, and what a list of keys can't do."""
    if found.after == found.before:
        return []
    before, after = (data.decode("utf-8-sig").splitlines() for data in (found.before, found.after))
    lines = [
        Line(text.rstrip("\n"), _ROLES.get(text[:1], "text"))
        for text in difflib.unified_diff(before, after, _NAME, f"{_NAME}, with the keys", lineterm="")
    ]
    if not write:
        lines += [Line("what no list of keys can do:", "head"), *(Line(f"  {hole}") for hole in HOLES)]
        lines += [Line("the other way:", "head"), Line(f"  {ALTERNATIVE}")]
    return lines


def _verdict(found: Found, *, check: bool, write: bool) -> Line:
    number = len(found.checked.findings)
    if not number:
        return Line(f"{render.count(len(found.checked.present), 'key')}, complete and exact", "good")
    if check:
        return Line(f"{render.count(number, 'finding')}; freshwheel uv --yes writes the list", "bad")
    if write:
        return Line(f"{_NAME} has {render.count(len(found.checked.keys), 'key')} now", "good")
    return Line("nothing is written yet; --yes does that", "note")
