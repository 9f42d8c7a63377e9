"""The verbs about this machine: what is installed, kept and wrong here (`status`, `store`, `stats`, `doctor`)."""

from __future__ import annotations

import argparse
import importlib.machinery
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from freshwheel.base import files
from freshwheel.base.errors import FreshwheelError
from freshwheel.build import module_copies
from freshwheel.cli import console, interface
from freshwheel.cli.interface import Answer, Line, UsageError, count
from freshwheel.explain import installed
from freshwheel.explain.installed import Status
from freshwheel.memory import installs, journal
from freshwheel.store import upkeep
from freshwheel.store.store import Store
from freshwheel.store.upkeep import AGE, SIZE, Listed, Pruned

_ASKED = (
    "import importlib.machinery as m, json, sys; print(json.dumps([m.EXTENSION_SUFFIXES[0], sys.path, sys.prefix]))"
)
_STATES = {"fine": "good", "note": "note", "wrong": "bad"}
_ROLES = {"current": "good", "stale": "bad", "unknown": "bad", "skipped": "note"}
_PYTHONS = ("Scripts/python.exe", "python.exe") if os.name == "nt" else ("bin/python", "bin/python3")
_TIMEOUT = 20
_KEY = 12
"""Digits of a key that are shown to people."""
_WEEK = 7 * 24 * 3600


def status(options: argparse.Namespace) -> Answer:
    """How what is installed stands. Raises FreshwheelError."""
    folder = console.tree_of(".")
    prefix, statuses = looked(options.names, os.environ, folder=folder, python=options.python)
    value = {"environment": prefix, "distributions": [asdict(status) for status in statuses]}
    return Answer(lines=table(statuses, prefix), value=value, wrong=any(status.wrong for status in statuses))


def looked(
    names: Sequence[str], environ: Mapping[str, str], *, folder: str, python: str | None = None
) -> tuple[str, list[Status]]:
    """The folder of an environment, and the statuses in it: that of `python`, or the one that is found from `folder`.

    Raises FreshwheelError where an interpreter gives no answer, or a name is not there.
    """
    named = interpreter(environ, folder, python)
    # How extension modules end there, where modules are looked for, and its folder.
    own = importlib.machinery.EXTENSION_SUFFIXES[0], list(sys.path), sys.prefix
    suffix, path, prefix = own if named is None else _asked(named)
    is_active = named is None or (python is None and bool(environ.get("VIRTUAL_ENV")))
    statuses = installed.statuses(path, environ, suffix=suffix, names=names, python="" if is_active else named or "")
    known = {installs.normal(status.name) for status in statuses}
    if missing := [name for name in names if installs.normal(name) not in known]:
        hint = "`freshwheel status` lists all that is; --python names another environment"
        raise FreshwheelError(f"not installed from a folder or a URL into {prefix}: {', '.join(missing)}", hint=hint)
    return prefix, statuses


def interpreter(environ: Mapping[str, str], folder: str, named: str | None) -> str | None:
    """The interpreter that is `named`, by its path, its folder or its name; else that of the active environment.

    Else that of the `.venv` of the project or workspace around `folder`, as uv finds it. None: the one that runs this.
    Raises FreshwheelError where there is none by that name.
    """
    if named is None:
        nearest = _nearest(folder, environ.get("UV_PROJECT_ENVIRONMENT") or ".venv")
        named = environ.get("VIRTUAL_ENV") or nearest
        if named is None or os.path.realpath(os.path.join(folder, named)) == os.path.realpath(sys.prefix):
            return None
    path = os.path.join(folder, named)
    places = [os.path.join(path, *name.split("/")) for name in _PYTHONS] if os.path.isdir(path) else [path]
    if known := next(filter(os.path.isfile, places), None) or shutil.which(named, path=environ.get("PATH")):
        return known
    hint = "--python takes the folder of an environment, an interpreter, or the name of one, as python3.12"
    raise FreshwheelError(f"there is no Python {named}", hint=hint)


def table(statuses: Sequence[Status], prefix: str) -> list[Line]:
    """A line each, with the reason and what to do below; `prefix` is the folder of the environment."""
    if not statuses:
        return [Line(f"nothing in {prefix} was installed from a folder of this machine", "note")]
    heads = [f"{status.name} {status.version}" for status in statuses]
    width = max(map(len, heads))
    shown: list[Line] = []
    for head, status in zip(heads, statuses, strict=True):
        kind = "editable" if status.editable else "wheel"
        where = f"  {kind:8}  {status.tree}" if status.tree else ""
        shown.append(Line(f"{head:{width}}  {status.state:7}{where}".rstrip(), _ROLES[status.state]))
        shown += [Line(f"  {status.why}")] if status.why else []
        shown += [Line(f"  {status.mend}", "do")] if status.mend else []
    return shown


def _nearest(folder: str, name: str) -> str | None:
    """The environment of that name in a folder, or in the nearest one above it."""
    while not os.path.isfile(os.path.join(folder, name, "pyvenv.cfg")):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return None
    return os.path.join(folder, name)


def _asked(python: str) -> tuple[str, list[str], str]:
    """What an interpreter says of its modules and its folder, which may print more before. Raises FreshwheelError."""
    command = [python, "-c", _ASKED]
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that a person names
            command, check=True, capture_output=True, text=True, timeout=_TIMEOUT, stdin=subprocess.DEVNULL
        )
        match json.loads(done.stdout.strip().rpartition("\n")[2]):
            case [str(suffix), list(path), str(prefix)] if all(isinstance(folder, str) for folder in path):
                return suffix, path, prefix
        why = done.stdout.strip()
    except subprocess.CalledProcessError as error:
        why = error.stderr.strip().rpartition("\n")[2] or f"it ended with {error.returncode}"
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = str(error)
    raise FreshwheelError(f"{python} does not say where its modules are: {console.visible(why)}")


def doctor(options: argparse.Namespace) -> Answer:
    """What keeps builds from being observed, stored and found, on this machine and in one project."""
    from freshwheel.build.context import Call  # noqa: PLC0415 - the other verbs do without, and are quicker
    from freshwheel.explain import doctor as examination  # noqa: PLC0415 - the same

    tree = console.tree_of(options.path)
    if not os.path.isdir(tree):
        raise UsageError(f"{options.path}: there is no such directory")
    call = Call(tree=tree, environ=dict(os.environ), hook="build_wheel", settings=None, say=console.say)
    found = examination.examined(call)
    width = max(len(item.about) for item in found)
    lines: list[Line] = []
    for item in found:
        lines.append(Line(f"{item.state:5}  {item.about:{width}}  {item.what}", _STATES[item.state]))
        lines += [Line(f"  {item.todo}", "do")] if item.todo else []
    value = {"diagnoses": [asdict(item) for item in found]}
    return Answer(lines=lines, value=value, wrong=any(item.state == "wrong" for item in found))


def completion(options: argparse.Namespace) -> Answer:
    """The script that has a shell complete words."""
    script = interface.completion(options.shell)
    return Answer(lines=[Line(line) for line in script.splitlines()], value={"shell": options.shell, "script": script})


def stats(_: argparse.Namespace) -> Answer:
    """How many installations were hits, and what that has saved: by project and together, as far as is on record."""
    cache = files.cache_directory(os.environ)
    if cache is None:
        return _refused("nothing is counted: there is no cache directory")
    rows = journal.load(cache)
    since = min((row[0] for row in rows), default=0)
    week = _counted(row for row in rows if row[0] > time.time() - _WEEK)
    every = _counted(rows)
    lines = [*_counts("this week", week), *_counts(f"since {interface.moment(since)}" if since else "so far", every)]
    return Answer(lines=lines, value={"since": since, "week": week, "all": every})


def _counted(rows: Iterable[journal.Line]) -> dict[str, Any]:
    """Installations, and ms that their builds took or would have taken."""
    total = Counter(hits=0, builds=0, failed=0, saved=0, took=0)
    projects: dict[str, Counter[str]] = {}
    for _, kind, _, _, name, _, _, took, saved in rows:
        is_hit = kind not in ("built", "failed")
        numbers = {"hits": int(is_hit), "builds": int(kind == "built"), "failed": int(kind == "failed")}
        numbers |= {"saved": saved if is_hit else 0, "took": 0 if is_hit else took}
        project = name.partition("-")[0].replace("_", "-").lower()
        for counter in (total, projects.setdefault(project, Counter())):
            counter.update(numbers)
    return {"total": total, "projects": dict(sorted(projects.items()))}


def _counts(when: str, counted: dict[str, Any]) -> list[Line]:
    """The counts of some time, together and by project."""
    below = [f"{name}: {_words(counter)}" for name, counter in counted["projects"].items()]
    return [Line(f"{when}: {_words(counted['total'])}", "head"), *(Line(f"  {text}") for text in below)]


def _words(counter: Counter[str]) -> str:
    text = f"{count(counter['hits'], 'hit')}, {count(counter['builds'], 'build')}"
    if decided := counter["hits"] + counter["builds"]:
        saved, took = journal.span(counter["saved"]), journal.span(counter["took"])
        text += f" ({100 * counter['hits'] // decided} % hits), saved {saved}, built for {took}"
    return text + (f"; {count(counter['failed'], 'build')} failed" if counter["failed"] else "")


def store(options: argparse.Namespace) -> Answer:
    """What an action of `store` says. Raises UsageError where a person must agree, and none can be asked."""
    cache = files.cache_directory(os.environ)
    opened = Store.open(cache)
    if isinstance(opened, str) or cache is None:
        return _refused(str(opened))
    actions: dict[str, Callable[[], Answer]] = {
        "info": lambda: _info(opened, cache),
        "list": lambda: _listed(opened),
        "verify": lambda: _verified(opened),
        "prune": lambda: _pruned(_prune(opened, options)),
        "clear": lambda: _cleared(opened, cache, options),
        "changed": lambda: _changed(opened, cache, only_key=options.key),
    }
    return actions[options.action]()


def _prune(opened: Store, options: argparse.Namespace) -> Pruned:
    return upkeep.prune(opened.shelf, now=time.time_ns(), size=options.size, age=options.age, force=True)


def _refused(reason: str) -> Answer:
    return Answer(lines=[Line(reason, "bad")], value={"reason": reason}, wrong=True)


def _changed(opened: Store, cache: str, *, only_key: bool) -> Answer:
    """Whether there is something new since it was last asked: nothing new is what a script fails by."""
    try:
        number, key = upkeep.stored(opened.shelf, module_copies.names(cache))
    except OSError as error:
        return _refused(f"can't write in {opened.shelf.root}: {error.strerror or error}")
    text = key if only_key else f"{count(number, 'build')} stored since this was last asked"
    return Answer(lines=[Line(text)], value={"stored": number, "key": key}, wrong=not number)


def _cleared(opened: Store, cache: str, options: argparse.Namespace) -> Answer:
    """What was removed: all that the store has, and what is kept of editables."""
    if not options.yes:
        if options.json or not console.is_watched():
            raise UsageError("refusing to clear the store without confirmation; pass --yes")
        if not console.asked(f"remove everything in {console.visible(opened.shelf.root)}?"):
            return _pruned(Pruned(reason="nothing was removed"))
    module_copies.clear(cache)
    return _pruned(upkeep.clear(opened.shelf, now=time.time_ns()))


def _info(opened: Store, cache: str) -> Answer:
    info, (trees, size) = upkeep.info(opened.shelf), module_copies.total(cache)
    value = {
        "place": info.root,
        "entries": info.entries,
        "blobs": info.blobs,
        "bytes": info.size,
        "bad": info.bad,
        "editables": {"trees": trees, "bytes": size},
        "limits": {"bytes": SIZE, "seconds": AGE},
    }
    counts = f"{count(info.entries, 'entry', 'entries')}, {count(info.blobs, 'blob')}, {_bytes(info.size)}"
    limits = f"limits: {_bytes(SIZE)}, unused for {AGE // (24 * 3600)} days"
    lines = [Line(info.root, "head"), Line(counts), Line(limits)]
    if trees:
        lines.append(Line(f"kept of editables beside it, of {count(trees, 'tree')}: {_bytes(size)}"))
    if info.bad:
        lines.append(Line(f"{count(info.bad, 'file')} put away as damaged", "note"))
    return Answer(lines=lines, value=value)


def _listed(opened: Store) -> Answer:
    rows = [_row(listed) for listed in upkeep.entries(opened.shelf)]
    rows.sort(key=lambda row: (row["wheel"], -row["used"], row["key"]))
    lines = [
        Line(f"{row['wheel']}  {_bytes(row['bytes'])}  used {interface.moment(row['used'])}  {row['key'][:_KEY]}")
        for row in rows
    ]
    return Answer(lines=lines or [Line("no entries", "good")], value={"entries": rows})


def _row(listed: Listed) -> dict[str, Any]:
    """One entry, under the name that people know: of the finished wheel, or the inner one where that is not kept."""
    entry, item = listed.entry, listed.item
    names = sorted(wheel.name for wheel in entry.finished.values())
    return {
        "wheel": names[0] if names else entry.inner.name,
        "bytes": item.size + sum({blob.sha256: blob.size for blob in entry.blobs()}.values()),
        "used": item.time // 10**9,
        "key": entry.key,
        "milliseconds": entry.milliseconds,
        "built_with": dict(entry.installed),
    }


def _verified(opened: Store) -> Answer:
    flaws = upkeep.flaws(opened.shelf)
    lines = [Line(f"{path}: {what}", "bad") for path, what in flaws]
    lines.append(Line(count(len(flaws), "flaw"), "bad") if flaws else Line("no flaws", "good"))
    return Answer(
        lines=lines, value={"flaws": [{"path": path, "what": what} for path, what in flaws]}, wrong=bool(flaws)
    )


def _pruned(pruned: Pruned) -> Answer:
    value = asdict(pruned)
    value["bytes"] = value.pop("size")
    if pruned.reason:
        return Answer(lines=[Line(pruned.reason, "bad")], value=value, wrong=True)
    entries, blobs = count(pruned.entries, "entry", "entries"), count(pruned.blobs, "blob")
    text = f"removed {entries}, {blobs}, {count(pruned.files, 'other file')}: {_bytes(pruned.size)}"
    lines = [Line(text, "good")]
    if pruned.over:
        kept = f"kept {count(pruned.recent, 'entry', 'entries')}, used in the last hour"
        lines.append(Line(f"{kept}: the store has {_bytes(pruned.over)} more than it should", "note"))
        lines.append(Line("  prune it later, or remove everything by `freshwheel store clear`", "do"))
    return Answer(lines=lines, value=value)


def _bytes(number: int) -> str:
    amount, unit = float(number), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":  # noqa: PLR2004 - the next unit
            break
        amount /= 1024
    return f"{number} B" if unit == "B" else f"{amount:.1f} {unit}"


VERBS: Mapping[str, Callable[[argparse.Namespace], Answer]] = {
    "completion": completion,
    "doctor": doctor,
    "stats": stats,
    "status": status,
    "store": store,
}
