"""The verb `uv`: the cache keys of a project, shown, checked or written."""

from __future__ import annotations

from freshwheel.adopt import init, uv
from freshwheel.adopt.proposal import Proposal
from freshwheel.adopt.uv import Found
from freshwheel.adopt.uv_keys import shown
from freshwheel.build.plan import Call
from freshwheel.cli import render
from freshwheel.cli.init import difference, painted
from freshwheel.cli.render import Answer, Line

_NAME = "pyproject.toml"
_HOLES = (
    "no list sees everything: uv goes by the newest time, so a deleted file may go unseen; a file behind a symbolic "
    'link is seen only if it is named. [tool.uv] reinstall-package = ["NAME"] has uv ask each time instead'
)


def answer(call: Call, *, check: bool = False, write: bool = False, names: bool = False) -> Answer:
    """The answer: how the keys differ if `check`, else how the file changes, which `write` carries out."""
    found = uv.look(call, init.read(call.tree), names=names)
    differs = found.after != found.before
    if write and differs:
        wanted = Proposal(before=found.before, after=found.after, steps=())
        init.write(call.tree, wanted, call.environ, keep=False)
    notes = [] if write or check or not differs else [_HOLES]
    if any("../" in str(one.get("file")) and "*" in one["file"] for one in found.keys):
        notes.append("before uv 0.7.21 a glob found nothing outside of the project; --names lists the files")
    value = {
        "keys": found.keys,
        "missing": [shown(one) for one in found.missing],
        "superfluous": [shown(one) for one in found.others],
        "notes": notes,
        "written": write and differs,
    }
    lines = _differences(found) if check else painted(difference(found.before, found.after))
    lines += [Line(f"note: {note}", "note") for note in notes]
    return Answer(lines=[*lines, _verdict(found, check=check, write=write)], value=value, wrong=check and differs)


def _differences(found: Found) -> list[Line]:
    lines = [Line(f"missing: {shown(one)}", "bad") for one in found.missing]
    return [*lines, *(Line(f"superfluous: {shown(one)} is not generated", "bad") for one in found.others)]


def _verdict(found: Found, *, check: bool, write: bool) -> Line:
    many = render.count(len(found.keys), "key")
    if found.after == found.before:
        return Line(f"{many}, as they are generated", "good")
    if check:
        return Line("the list is not the generated one; freshwheel uv --yes writes that", "bad")
    return Line(f"{_NAME} has {many} now", "good") if write else Line("nothing is written yet; --yes does that", "note")
