"""The verbs about a project or a wheel: each asks a recipe, shows what that says, and writes if a person agrees."""

from __future__ import annotations

import argparse
import difflib
import glob
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from freshwheel.adopt import init as adoption
from freshwheel.adopt import uv as cache_keys
from freshwheel.adopt.switch import Remark
from freshwheel.base import backends
from freshwheel.base import toml_access as tables
from freshwheel.base.frame import decoded
from freshwheel.build.context import Call, Context
from freshwheel.build.explanation import Comparison
from freshwheel.cli import console, interface
from freshwheel.cli.interface import Answer, Line, UsageError, count, listed
from freshwheel.explain import distributions, report
from freshwheel.explain.report import Why
from freshwheel.inner.build_key import Difference
from freshwheel.memory import discoveries, journal
from freshwheel.memory.outcome import Outcome
from freshwheel.sources import project as projects

_MOST = 20
"""Paths below one head."""
_NEVER_BUILT = (
    "no build of this tree is on record, so there is nothing to compare its inputs with; "
    "build it once, for example with `pip wheel --no-deps .` or `uv build --wheel`"
)
_NAME = "pyproject.toml"
_MOST_PLACES = 10
"""Places of one remark that are shown to people."""
_SAME = "the project was built both ways, and the wheels are the same but for version, mark and RECORD"
_OTHER = "the project was built both ways, and after the switch its wheel is another one"
_UNKEPT = "the former file could not be kept, so --undo can't give it back; git can"
_HOLES = (
    "no list sees everything: uv goes by the newest time, so a deleted file may go unseen; a file behind a symbolic "
    'link is seen only if it is named. [tool.uv] reinstall-package = ["NAME"] has uv ask each time instead'
)
_FIRST = (
    ", which names the build backend; a project that has setup.py alone is built by setuptools, so write there:\n"
    '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta:__legacy__"'
)


def project(path: str) -> str:
    """The directory of a project. Raises UsageError where there is none."""
    tree = console.tree_of(path)
    if not os.path.isdir(tree):
        more = "; it is a file, so name its folder" if os.path.isfile(tree) else ""
        raise UsageError(f"{path}: there is no such directory{more}")
    if not os.path.lexists(os.path.join(tree, "pyproject.toml")):
        more = _FIRST if os.path.lexists(os.path.join(tree, "setup.py")) else "; name the folder that has it"
        raise UsageError(f"{path or os.curdir}: there is no pyproject.toml in it{more}")
    return tree


def call(path: str) -> Call:
    """What a recipe is asked about. A person is told if nobody reads the settings. Raises FreshwheelError."""
    tree = project(path)
    pyproject = projects.read(tree).pyproject
    if tables.table(pyproject, "tool.freshwheel") and (why := backends.idle(pyproject)):
        console.say(f"nobody reads [tool.freshwheel]: {why}; `freshwheel init` completes the switch")
    return Call(tree=tree, environ=dict(os.environ), hook="build_wheel", settings=None, say=console.say)


def digest(options: argparse.Namespace) -> Answer:
    """The source digest."""
    text = report.digest(call(options.path))
    return Answer(lines=[Line(text)], value={"digest": text})


def inputs(options: argparse.Namespace) -> Answer:
    """The inputs, each with its reason, and what is none; or what the last build took beside them."""
    if options.account:
        return _account(call(options.path))
    told = report.inputs(call(options.path))
    groups: dict[str, list[str]] = {}
    rows = []
    for item, reason in zip(told.inputs, told.reasons, strict=True):
        path = decoded(item.path)
        groups.setdefault(reason, []).append(path)
        rows.append({"path": path, "kind": item.kind.decode(), "digest": item.content.hex(), "reason": reason})
    lines = [Line(f"{told.digest}: {count(len(told.inputs), 'input')}", "good")]
    for reason in sorted(groups):
        lines += listed(reason, groups[reason])
    lines += listed("left out", [f"{path}: {why}" for path, why in sorted(told.left_out.items())])
    if options.verbose:
        lines += listed("not looked into", [f"{path}: {why}" for path, why in sorted(told.pruned.items())])
    elif told.pruned:
        lines.append(Line(f"{count(len(told.pruned), 'folder')} not looked into; -v lists them", "note"))
    lines += listed("[tool.freshwheel] env", told.env)
    value = {
        "digest": told.digest,
        "inputs": rows,
        "left_out": dict(told.left_out),
        "pruned": dict(told.pruned),
        "env": told.env,
    }
    return Answer(lines=lines, value=value)


def _account(asked: Call) -> Answer:
    """What is on record of the last build of a tree, by program."""
    page = discoveries.account(Context.of(asked).cache, asked.tree)
    value = {
        "observed": page.observed,
        "reason": page.reason,
        "account": [asdict(row) for row in page.lines],
        "variables": page.names,
        "every_variable": page.every,
    }
    if not page.observed:
        why = page.reason or "no build of this tree that could be stored is on record"
        return Answer(lines=[Line(f"not observed: {why}", "note")], value=value)
    counting: dict[str, list[str]] = {}
    others: dict[str, int] = {}
    for row in page.lines:
        if row.counts:
            counting.setdefault(", ".join(row.by) or "the build", []).append(f"{row.path} ({row.kind}, {row.why})")
        else:
            others[row.why] = others.get(row.why, 0) + 1
    total = sum(map(len, counting.values()))
    lines = [Line(f"{count(total, 'path')} beside the inputs must stay as they are", "good")]
    for program in sorted(counting):
        lines += listed(program, counting[program])
    lines += listed("does not count", [f"{count(others[why], 'path')}: {why}" for why in sorted(others)])
    if page.every:
        lines.append(Line(f"all variables count but harmless ones: {page.every}", "note"))
    else:
        lines += listed("variables", page.names)
    return Answer(lines=lines, value=value)


def check(options: argparse.Namespace) -> Answer:
    """What is wrong with how the inputs of a project are declared, or with distributions."""
    paths = options.path
    try:
        files = distributions.distributions(paths)
    except OSError:  # a folder that can't be listed
        files = []
    is_project = [os.path.lexists(os.path.join(path, "pyproject.toml")) for path in paths]
    if len(paths) > 1 and any(is_project):
        raise UsageError(f"{paths[is_project.index(True)]}: it is a project; those are checked one at a time")
    if is_project == [True] or not (paths[1:] or files):
        return _check(paths[0] if paths else ".")
    for path in paths:
        if not os.path.lexists(path) and not glob.glob(path):
            raise UsageError(f"{path}: there is no such file")
        if os.path.isfile(path) and not distributions.is_one(path):
            console.say(f"{path} is not looked at: it is neither a wheel nor a source distribution")
    if not files:
        raise UsageError("there is neither a wheel nor a source distribution")
    upload = distributions.check(files)
    lines = [*interface.told(upload.findings, upload.notes), interface.verdict(upload.findings)]
    return Answer(lines=lines, value=asdict(upload), wrong=bool(upload.findings))


def _check(path: str) -> Answer:
    """What is wrong with how the inputs of a project are declared, and the settings with all of that done."""
    told = report.check(call(path))
    if not told.built:
        console.say(_NEVER_BUILT)
    lines = interface.told(told.findings, told.notes)
    lines += listed("[tool.freshwheel] with all of that in it:", told.lines)
    return Answer(lines=[*lines, interface.verdict(told.findings)], value=asdict(told), wrong=bool(told.findings))


def verify(options: argparse.Namespace) -> Answer:
    """What is wrong with one wheel, alone or held against a tree."""
    if not os.path.isfile(options.wheel):
        raise UsageError(f"{options.wheel}: there is no such file")
    told = distributions.inspect(options.wheel, None if options.path is None else call(options.path))
    value = {
        "wheel": told.name.filename,
        **{name: getattr(told.mark, name, None) for name in ("digest", "label", "base", "backend", "settled")},
        "tree": told.tree or None,
        "same": told.is_of_tree,
        "findings": [asdict(finding) for finding in told.findings],
        "notes": told.notes,
    }
    lines = [Line(told.name.filename, "head")]
    if told.mark is not None:
        lines.append(Line(f"  built from {told.mark.digest} by {told.mark.backend}"))
    lines += interface.told(told.findings, told.notes)
    if told.is_of_tree:
        lines.append(Line("it is what the tree says", "good"))
    return Answer(lines=[*lines, interface.verdict(told.findings)], value=value, wrong=bool(told.findings))


def why(options: argparse.Namespace) -> Answer:
    """What comes next, what differs from the last wheel, and what became of earlier installations."""
    told = report.why(call(options.path))
    parts = told.compared.parts
    value = {
        "digest": told.digest,
        "store": told.store,
        "next": told.next,
        "cause": told.cause,
        "adapted": told.adapted,
        "last": None if told.last is None else _row(told.last),
        **asdict(told.compared),
        "parts": None if parts is None else [_part(part) for part in parts],
        "outcomes": [_row(outcome) for outcome in told.outcomes],
    }
    return Answer(lines=_why(told), value=value)


def _why(told: Why) -> list[Line]:
    unsure = told.compared.apart or told.compared.unasked
    how = ", for its build has at most packed what changed" if told.adapted else ""
    hit = f"next: hit{how}, as far as that can be told from here" if unsure else f"next: hit{how}"
    lines = [Line(f"next: build, {told.cause}", "note") if told.cause else Line(hit, "good")]
    if told.last is None:
        lines.append(Line("nothing is on record of this tree: it was not built here", "note"))
    else:
        name = told.last.wheel or "the last wheel"
        lines.append(Line(f"this tree now, against {name} of {interface.moment(told.last.when)}", "head"))
        lines += _compared(told.compared)
    if told.store:
        lines.append(Line(f"the store has no say: {told.store}", "note"))
    rows = [outcome for at, outcome in enumerate(told.outcomes) if at == 0 or outcome.hook in ("wheel", "editable")]
    return lines + listed("installations, the newest first", [_installation(outcome) for outcome in rows])


def _compared(told: Comparison) -> list[Line]:
    """What differs, each under what it is."""
    lines: list[Line] = []
    if told.sources and not told.inputs:
        lost = "the sources changed; which of them is not on record"
        lines.append(Line(lost if told.inputs is None else "what selects the inputs changed", "bad"))
    for verb in ("changed", "added", "removed"):
        paths = getattr(told.inputs, verb, ())
        lines += listed(f"{count(len(paths), 'input')} {verb}", paths[:_MOST], "bad")
        if len(paths) > _MOST:
            lines.append(Line(f"  and {len(paths) - _MOST} more; --json lists them", "note"))
    lines += listed("beside the inputs", [difference(part) for part in told.parts or ()], "bad")
    if not lines:
        lines.append(Line("nothing that needs a build has changed", "good"))
    if told.apart:
        lines.append(Line(f"not compared outside of a build: {', '.join(told.apart)}", "note"))
    if told.unasked:
        first = [name for name in told.unasked if not name.startswith("output ") and not name.endswith(", all")]
        names = dict.fromkeys("git" if name.startswith("repository ") else name for name in first)
        lines.append(Line(f"not asked, as nothing is started to explain: {', '.join(names)}", "note"))
    return lines


def difference(part: Difference) -> str:
    """What became of a part of a build key, in words."""
    before, after = _shown(part.before), _shown(part.after)
    values = f" ({before} -> {after})" if before is not None and after is not None else ""
    return part.moved or f"{part.name}: {part.what}{values}"


def _part(part: Difference) -> dict[str, Any]:
    return {"name": part.name, "what": part.what, "before": _shown(part.before), "after": _shown(part.after)}


def _shown(value: str | None) -> str | None:
    """A value that everybody may see; of any other there is only a digest."""
    return None if value is None or value.startswith("#") else value


def _installation(outcome: Outcome) -> str:
    """One installation: what it was, what it has cost or saved, and why."""
    took, more = journal.span(outcome.took), ""
    if outcome.decided == "failed":
        what, more = f"failed after {took}", f"; {outcome.unstored}" if outcome.unstored else ""
    elif outcome.decided == "built":
        what, more = f"built in {took}", f"; it is not stored: {outcome.unstored}" if outcome.unstored else ""
    else:
        what = "miss" if outcome.decided == "miss" else f"hit in {took}{journal.saved(outcome.saved)}"
    hook = "" if outcome.hook == "wheel" else f"{outcome.hook}, "
    return f"{interface.moment(outcome.when)}  {hook}{what}: {outcome.why}{more}"


def _row(outcome: Outcome) -> dict[str, Any]:
    """An outcome without the parts of its key: they are of the installers of this machine."""
    return {name: value for name, value in asdict(outcome).items() if name != "parts"}


def init(options: argparse.Namespace) -> Answer:
    """The switch of a project, or the way back: shown, tried out if that was asked for, and written."""
    tree = project(options.path)
    proposal = adoption.retract(tree, os.environ) if options.undo else adoption.propose(tree, label=options.label)
    is_changed, steps, different = proposal.before != proposal.after, [*proposal.steps], list[str]()
    if options.check_build and is_changed:
        members = adoption.differences(tree, proposal.before, proposal.after, os.environ)
        different = [f"{name}: {how}" if name else how for name, how in members.items()]
        steps += [] if different else [_SAME]
    difference = _diff(proposal.before, proposal.after)
    lines = [*_painted(difference), *(Line(step, "good") for step in steps)]
    lines += [line for remark in proposal.remarks for line in _remark(remark)]
    lines += listed(_OTHER, different, "bad")
    agreed = False if different else options.yes or None
    if is_changed and agreed is None and console.is_watched() and not options.json:
        console.write(interface.painted(lines))
        lines, agreed = [], console.asked(f"write {_NAME}?")
    if is_changed and agreed:
        is_kept = not options.undo and adoption.keep(proposal, os.environ)
        lines += [] if options.undo or is_kept else [Line(_UNKEPT, "note")]
        adoption.write(tree, proposal.before, proposal.after)
        lines.append(Line(f"wrote {_NAME}" + ("; `freshwheel init --undo` takes it back" if is_kept else ""), "good"))
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
    tree = project(options.path)
    before = adoption.read(tree)
    keys = cache_keys.look(call(tree), before)
    differs = keys.after != before
    if options.yes and differs:
        adoption.write(tree, before, keys.after)
    missing, superfluous = ([cache_keys.shown(key) for key in some] for some in (keys.missing, keys.superfluous))
    if options.check:
        lines = [Line(f"missing: {key}", "bad") for key in missing]
        lines += [Line(f"superfluous: {key} is not generated", "bad") for key in superfluous]
    else:
        lines = _painted(_diff(before, keys.after))
    many = count(len(keys.wanted), "key")
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
    lines = listed(remark.what, remark.where[:_MOST_PLACES], "note")
    if len(remark.where) > _MOST_PLACES:
        lines.append(Line(f"  and {len(remark.where) - _MOST_PLACES} more; --json lists them", "note"))
    return [*lines, Line(f"  -> {remark.todo}", "do")]


def _diff(before: bytes, after: bytes) -> list[str]:
    """The lines of a unified difference; the end of a line, if that alone differs, is not shown."""
    old, new = (data.decode("utf-8", "replace").split("\n") for data in (before, after))
    return [line.rstrip("\r\n") for line in difflib.unified_diff(old, new, _NAME, _NAME)]


def _painted(texts: list[str]) -> list[Line]:
    """The lines of a difference for people."""
    roles = {"+": "good", "-": "bad", "@": "head"}
    return [Line(text, "head" if text.startswith(("+++", "---")) else roles.get(text[:1], "text")) for text in texts]


VERBS: Mapping[str, Callable[[argparse.Namespace], Answer]] = {
    "digest": digest,
    "inputs": inputs,
    "check": check,
    "why": why,
    "verify": verify,
    "init": init,
    "uv": uv,
}
