"""The recipe of `uv`: what a project is made from becomes the keys by which uv decides whether to ask its backend."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from freshwheel import backends, frame, parsed, state
from freshwheel.adopt import uv_check, uv_table
from freshwheel.adopt.uv_check import Checked
from freshwheel.adopt.uv_globs import Pattern
from freshwheel.adopt.uv_keys import Layout
from freshwheel.errors import InputError
from freshwheel.inner import key
from freshwheel.plan import Call, Plan
from freshwheel.sources import litter
from freshwheel.sources.disk import Disk, MovedError
from freshwheel.sources.selection import Selection

__all__ = ["Found", "look"]

_MOST = 100_000
"""Files that are looked at."""
_FEW = 100
"""Files in one folder that no input is in: they only show that it is reached."""
_FLAGS = {"maturin": ("MATURIN_PEP517_ARGS",)}
"""Variables that say how to build, by the backend that reads them."""
_KEPT = (b".pyc", b".pyo", b".so", b".pyd")
"""Litter that builds and imports leave; what an editor drops is gone before anybody reads of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The cache keys of a project."""

    checked: Checked
    before: bytes
    """The bytes of `pyproject.toml`."""
    after: bytes
    """Those with the keys in it that there should be; the same where nothing is wrong."""


def look(call: Call, *, names: bool = False) -> Found:
    """The keys of a project, and what is wrong with those that it has; `names`: without globs outside of it.

    Raises what `Plan` raises, InputError where the tree does not keep still, and FreshwheelError where the file can't
    be changed safely.
    """
    plan = Plan.of(call)
    before = _read(call.tree)
    checked = uv_check.check(_layout(plan), plan.project.pyproject, names=names)
    after = uv_table.written(before, checked.keys) if checked.findings else before
    return Found(checked=checked, before=before, after=after)


def _layout(plan: Plan) -> Layout:
    plan.snapshot()  # an include that matches nothing is an error
    try:
        found = plan.select(Disk(plan.call.tree))
    except MovedError as error:
        raise InputError(f"{error} does not keep still", hint="wait for what writes there") from None
    linked = frozenset(_text(path) for path, link in found.tree.links.items() if link.kind == b"d")
    links = {_text(path) for path, link in found.tree.links.items() if link.kind == b"f"}
    written = state.load(frame.cache_directory(plan.call.environ), plan.call.tree).written
    inputs = ({_text(path) for path in found.tree.files} | links) - set(written)
    others: dict[str, str] = dict.fromkeys(written, "the build writes it")
    others.update({path: why for path, why in found.left_out.items() if path not in found.locks})
    known = frozenset((*inputs, *found.locks))
    starts = _starts(known, plan)
    pruned = {_text(path): why for path, why in found.tree.pruned.items()}
    folders: set[str] = set()
    for path, why in _lying(plan.call.tree, starts, pruned, folders):
        if path not in known:
            others.setdefault(path, why)
    return Layout(
        inputs=frozenset(inputs),
        others=others,
        folders=frozenset(folders),
        linked=linked,
        locks=frozenset(found.locks),
        exclude=tuple(Pattern.of(text.rstrip("/")) for text in plan.config.exclude),
        env=_env(plan, found),
        harmless=frozenset(name for name in _named(plan) if backends.shapes(plan.backend, name)),
        versioned=key.versioned(plan.project.pyproject, plan.requires) or "",
    )


def _env(plan: Plan, found: Selection) -> frozenset[str]:
    """What is known to be read, and can be written as the name of a variable."""
    names = {*plan.variables, *_FLAGS.get(plan.backend.name, ())}
    if any(os.path.basename(path) == b"Cargo.toml" for path in found.tree.files):
        names.add("RUSTFLAGS")
    return frozenset(name for name in names if "*" not in name)


def _named(plan: Plan) -> list[str]:
    """The variables that the present list names."""
    return [
        name
        for one in parsed.entries(plan.project.pyproject, "tool.uv.cache-keys")
        for name in parsed.texts(one, "env")
    ]


def _starts(inputs: AbstractSet[str], plan: Plan) -> list[str]:
    """Folders that are to be looked at: the project, those outside that hold inputs, and those of the present keys."""
    bases = _bases(plan)
    found = {""}
    for path in [*inputs, *(f"{base}/" for base in bases if base)]:
        names = path.split("/")
        climb = names.count("..")
        if climb and len(names) > climb + 1 and names[climb]:
            found.add("/".join(names[: climb + 1]))
    for base in bases:
        if _is_of_version_control(base):
            found.update((base, base.rpartition("/")[0]))
    return sorted(folder for folder in found if os.path.isdir(os.path.join(plan.call.tree, folder)))


def _bases(plan: Plan) -> list[str]:
    """Where the files and folders of the present keys lie, as far as each says."""
    listed = parsed.at(plan.project.pyproject, "tool.uv.cache-keys")
    elements = listed if isinstance(listed, list) else []
    files = [one if isinstance(one, str) else parsed.text(one, "file") for one in elements]
    folders = [parsed.text(one, "dir") for one in elements]
    return [*(Pattern.of(text).base for text in files if text), *(posixpath.normpath(text) for text in folders if text)]


def _lying(tree: str, starts: list[str], pruned: Mapping[str, str], folders: set[str]) -> Iterator[tuple[str, str]]:
    """Files as a walk of uv meets them, each with why it may be none of the inputs; `folders` takes the folders."""
    total = 0
    waiting = [(start, "") for start in starts]
    left: dict[str, int] = {}
    while waiting and total < _MOST:
        folder, top = waiting.pop()
        top = top or (folder if folder in pruned or _is_of_version_control(folder) else "")
        if top and left.setdefault(top, _FEW) <= 0:
            continue
        folders.add(folder)
        for name, is_folder in _entries(os.path.join(tree, folder)):
            path = f"{folder}/{name}" if folder else name
            if is_folder:
                waiting.append((path, top))
                continue
            if _is_fleeting(os.fsencode(name)):
                continue
            total += 1
            if top:
                left[top] -= 1
            yield path, pruned.get(top, "of version control") if top else ""


def _is_of_version_control(path: str) -> bool:
    return any(litter.is_bare(name) and name != b"__pycache__" for name in os.fsencode(path).split(b"/"))


def _is_fleeting(name: bytes) -> bool:
    return litter.is_dropping(name) and not name.endswith(_KEPT)


def _entries(folder: str) -> list[tuple[str, bool]]:
    """The names in a folder and whether each is a folder itself; none where it can't be read."""
    try:
        with os.scandir(folder) as listing:
            return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing if _is_seen(entry))
    except OSError:
        return []


def _is_seen(entry: os.DirEntry[str]) -> bool:
    """Whether a walk of uv goes by it: not a link to a folder."""
    try:
        return not (entry.is_symlink() and stat.S_ISDIR(entry.stat().st_mode))
    except OSError:
        return False


def _read(tree: str) -> bytes:
    try:
        with open(os.path.join(tree, "pyproject.toml"), "rb") as file:
            return file.read()
    except OSError as error:
        raise InputError(f"pyproject.toml can't be read: {error.strerror or error}") from error


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
