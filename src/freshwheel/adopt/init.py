"""The recipe of `init`: a project's files are read, the change is asked for, and it is written, or taken back.

The former bytes are kept in the cache directory, under the digest of the new ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace

from freshwheel.adopt import compare, proposal
from freshwheel.adopt.facts import Facts, Remark
from freshwheel.adopt.proposal import Proposal
from freshwheel.base import frame
from freshwheel.base import toml_access as tables
from freshwheel.base.errors import ConfigError, FreshwheelError, InputError, Problem
from freshwheel.sources import surroundings

_NAME = "pyproject.toml"
_MOST = 20_000
"""Files that are looked at; a tree with more has its data in it."""
_LARGEST = 1 << 20
"""Bytes of a text that is read."""
_LEVELS = 10
_PRUNED = ("__pycache__", "node_modules", "site-packages", "target", "vendor")
_EVIDENCE = ("CACHEDIR.TAG", "pyvenv.cfg")
_TOLD = re.compile(
    r"(?:.*/)?(?:Cargo\.toml|CMakeLists\.txt|meson\.build|build\.rs|setup\.cfg|[^/]+\.(?:cmake|py))"
    r"|(?:.*/)?requirements/[^/]+\.(?:txt|in)|.*(?:requirements|constraints)[^/]*\.(?:txt|in)",
    re.IGNORECASE,
)
_HEAD = b"freshwheel undo 1 "
_UNKEPT = "the former file could not be kept, so --undo can't give it back; git can"
_BY_HAND = """\
`git diff pyproject.toml` shows what changed, `git checkout pyproject.toml` gives back what was committed.
By hand: [build-system] gets the `backend`, `backend-path` and `requires` of [tool.freshwheel], and [project] its
`version`; then [tool.freshwheel] goes"""


def propose(tree: str, *, label: bool = True, raised: bool = False) -> Proposal:
    """The switch of the project in `tree`; `raised`: with a `requires-python` of 3.10 at least.

    Raises FreshwheelError where there is none to propose.
    """
    data = read(tree)
    found = proposal.propose(proposal.raised(data) if raised else data, _facts(tree, data), label=label)
    return replace(found, before=data)


def tried(tree: str, wanted: Proposal, environ: Mapping[str, str], *, raised: bool = False) -> Proposal:
    """The same proposal, with what the wheels of two builds show of it. Raises FreshwheelError where there are none."""
    before = proposal.raised(wanted.before) if raised else wanted.before
    if before == wanted.after:
        return wanted
    found = compare.differences(tree, before, wanted.after, environ)
    if not found:
        step = "the project was built both ways, and the wheels are the same but for version, mark and RECORD"
        return replace(wanted, steps=(*wanted.steps, step))
    where = tuple(f"{name}: {how}" if name else how for name, how in found.items())
    what = "the project was built both ways, and after the switch its wheel is another one"
    todo = "see what reads pyproject.toml; --no-label changes less"
    one = Remark(kind="build", weight="stop", what=what, todo=todo, where=where)
    return replace(wanted, remarks=(one, *wanted.remarks))


def retract(tree: str, environ: Mapping[str, str]) -> Proposal:
    """The way back for the project in `tree`: to the bytes that `init` has kept.

    Raises FreshwheelError where there are none for the file as it is.
    """
    data = read(tree)
    former = _kept(data, environ)
    if former is not None:
        return Proposal(before=data, after=former, steps=("the file becomes what it was, byte for byte",))
    _, pyproject = proposal.decoded(data)
    if not proposal.is_wrapped(pyproject):
        return Proposal(before=data, after=data, steps=("freshwheel is not in place; nothing is to be undone",))
    what = f"{_NAME} was edited since `freshwheel init`, or written on another machine, and was left alone"
    raise FreshwheelError(what, hint=_BY_HAND)


def write(tree: str, wanted: Proposal, environ: Mapping[str, str], *, keep: bool = True) -> list[str]:
    """Writes what is wanted, and says what a person should know then; `keep`: the former bytes can be given back.

    Raises FreshwheelError where it can't be written, or the file is another one than that of the proposal.
    """
    path = os.path.realpath(os.path.join(tree, _NAME))
    if read(tree) != wanted.before:
        raise FreshwheelError(f"{_NAME} was changed meanwhile, so it was left alone", hint="try again")
    said = [_UNKEPT] if keep and not _keep(wanted, environ) else []
    try:
        if not os.access(path, os.W_OK):
            raise FreshwheelError(f"{_NAME} is not writable, so it was left alone")
        _replace(path, wanted.after)
    except OSError as error:
        raise FreshwheelError(f"{_NAME} can't be written: {error.strerror or error}") from error
    return said


def _replace(path: str, data: bytes) -> None:
    """`path` holds `data`, wholly or not at all, with the permissions and, if possible, the owner that it had."""
    status = os.stat(path)
    frame.write(path, data, mode=0o600)
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, stat.S_IMODE(status.st_mode))


def _place(data: bytes, environ: Mapping[str, str]) -> str | None:
    cache = frame.cache_directory(environ)
    return None if cache is None else os.path.join(cache, "adopted", hashlib.sha256(data).hexdigest())


def _keep(wanted: Proposal, environ: Mapping[str, str]) -> bool:
    """Whether the former bytes could be kept."""
    place = _place(wanted.after, environ)
    if place is None:
        return False
    digest = hashlib.sha256(wanted.before).hexdigest().encode()
    try:
        frame.settle(os.path.dirname(place))
        frame.write(place, _HEAD + digest + b"\n" + wanted.before, mode=0o600)
    except OSError:
        return False
    return True


def _kept(data: bytes, environ: Mapping[str, str]) -> bytes | None:
    """The former bytes of a file that was not edited since, if they were kept."""
    place = _place(data, environ)
    if place is None:
        return None
    try:
        with open(place, "rb") as file:
            head, _, former = file.read().partition(b"\n")
    except OSError:
        return None
    return former if head == _HEAD + hashlib.sha256(former).hexdigest().encode() else None


def read(tree: str) -> bytes:
    """The bytes of `pyproject.toml`. Raises ConfigError where there is none, InputError where it can't be read."""
    path = os.path.join(tree, _NAME)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{_NAME} can't be read: it is not a regular file")
        if status.st_size > _LARGEST:
            raise InputError(f"{_NAME} is larger than {_LARGEST >> 20} MiB")
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise ConfigError(
            [Problem(_NAME, "is missing", "a project needs one before freshwheel can build it")]
        ) from None
    except OSError as error:
        raise InputError(f"{_NAME} can't be read: {error.strerror or error}") from error


def _facts(tree: str, data: bytes) -> Facts:
    files = sorted(_files(tree))
    texts = {}
    for path in [*(path for path in files if _TOLD.fullmatch(path)), *_above(data)]:
        text = _text(os.path.join(tree, path))
        if text is not None:
            texts[path] = text
    return Facts(files=tuple(files), texts=texts, outside=_outside(tree, texts))


def _outside(tree: str, texts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What the files of the build refer to outside of the project, each with its pattern."""
    building = {path: text for path, text in texts.items() if surroundings.is_building(path)}
    found = surroundings.outside(tree, surroundings.repository(tree, []), building)
    return tuple((one.where, one.pattern) for one in found)


def _files(tree: str) -> Iterator[str]:
    """The files of a project, without what tools have put there."""
    number = 0
    for folder, folders, names in os.walk(tree):
        stem = os.path.relpath(folder, tree).replace(os.sep, "/")
        stem = "" if stem == "." else f"{stem}/"
        if stem and any(name in names for name in _EVIDENCE):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _PRUNED)
        for name in names:
            yield f"{stem}{name}"
        number += len(names)
        if number > _MOST:
            return


def _above(data: bytes) -> list[str]:
    """What may be said above the project: the Cargo manifest that pyproject names, those above it, and workspaces."""
    _, pyproject = proposal.decoded(data)
    folder = posixpath.dirname((tables.text(pyproject, "tool.maturin.manifest-path") or "").replace("\\", "/"))
    found = []
    for _ in range(_LEVELS):
        paths = [posixpath.normpath(posixpath.join(folder, name)) for name in ("Cargo.toml", "pyproject.toml")]
        found += [path for path in paths if path.startswith("../")]
        folder = posixpath.join(folder, "..")
    return found


def _text(path: str) -> str | None:
    """What a file holds; None for what is no text, or a long one."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # to open a fifo would wait for ever
            return None
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
        return data.decode("utf-8-sig") if len(data) <= _LARGEST else None
    except (OSError, ValueError):
        return None
