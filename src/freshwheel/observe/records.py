"""What the tools of a build write down by themselves about what they read: for systems where nobody observes them.

None of these records is complete. They name what was found, and not where it was looked for in vain; and none names
what a command of the project's own read. So they show inputs that are missing, and `complete` says what may be stored.
Every reader takes what it can from a damaged record, and says so.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Any

from freshwheel import rows
from freshwheel.observe.account import Account, Program, Use

__all__ = ["cmake", "complete", "headers", "meson", "ninja", "query", "variables"]

_NINJA = b"# ninjadeps\n"
_CLANG = "clang"
_GCC = "gcc"
_WORD = re.compile(rb"(?:[^\s\\]|\\.)+", re.DOTALL)
_ESCAPED = re.compile(rb"\\([ #\\])|\$(\$)")
_QUOTED = re.compile(rb"\\([\"\\])")
_QUERIES = ("cmakeFiles-v1", "toolchains-v1")
_CARGO = frozenset(("cargo", "maturin", "rustc", "rustup"))
_EVERYWHERE = frozenset(("git", "hg"))
"""What is known of the repository is known without them."""
_BROKEN = (OSError, ValueError, TypeError, KeyError, AttributeError, struct.error)


def complete(backend: str, account: Account) -> str:
    """Why a build that nobody but its Pythons wrote down may have read what is in no record; nothing: it has not.

    `backend` is the name of one in `backends`, `account` what `witness` read, with files. Compiled modules that are
    loaded into a Python are taken to read by Python's own means; cargo's records are read elsewhere.
    """
    if account.doubts:
        return account.doubts[0]
    if not account.witnessed:
        return "no Python wrote down what it read"
    recorded = _EVERYWHERE | _CARGO if backend in {"maturin", "setuptools-rust"} else _EVERYWHERE
    for program in account.programs:
        name = os.path.splitext(os.path.basename(os.fsdecode(program.path)))[0]
        if program.pid not in account.witnessed and name not in recorded:
            return f"{name} was run, which leaves no record of all that it read"
    return ""


def ninja(folder: str) -> Account:
    """The headers of all compilations in a build folder, by the `.ninja_deps` in it."""
    try:
        with open(os.path.join(folder, ".ninja_deps"), "rb") as file:
            data = file.read()
        paths, whole = _ninja(data)
    except _BROKEN as error:
        return _broken("ninja", error)
    return _account("ninja", folder, paths, () if whole else ("the record of ninja is damaged",))


def _ninja(data: bytes) -> tuple[list[bytes], bool]:
    """The paths that outputs depend on, and whether that is all; the last record of an output counts."""
    version = struct.unpack_from("<i", data, len(_NINJA))[0]
    if not data.startswith(_NINJA) or version not in {3, 4}:
        raise ValueError("another format")
    paths: list[bytes] = []
    needs: dict[int, tuple[int, ...]] = {}
    at, skip = len(_NINJA) + 4, version - 1
    while at + 4 <= len(data):
        (size,) = struct.unpack_from("<I", data, at)
        start, at = at + 4, at + 4 + (size & 0x7FFFFFFF)
        if at > len(data) or size % 4 or at == start:
            return _needed(paths, needs), False
        if size >> 31:
            output, *more = struct.unpack_from(f"<{(at - start) // 4}I", data, start)
            needs[output] = tuple(more[skip - 1 :])
        else:
            paths.append(data[start : at - 4].rstrip(b"\0"))
    return _needed(paths, needs), at == len(data) and all(one < len(paths) for one in itertools.chain(*needs.values()))


def _needed(paths: list[bytes], needs: dict[int, tuple[int, ...]]) -> list[bytes]:
    return [paths[one] for one in sorted(set(itertools.chain(*needs.values()))) if one < len(paths)]


def query(folder: str) -> None:
    """Asks CMake, which will configure in a build folder, to write down what it reads. Raises OSError."""
    place = os.path.join(folder, ".cmake", "api", "v1", "query", "client-freshwheel")
    os.makedirs(place, exist_ok=True)
    for name in _QUERIES:
        with open(os.path.join(place, name), "wb"):
            pass


def cmake(folder: str) -> Account:
    """The files that CMake has read to configure in a build folder, and the compilers, where it was asked before."""
    place = os.path.join(folder, ".cmake", "api", "v1", "reply")
    try:
        index = max(name for name in os.listdir(place) if name.startswith("index-"))
        answers = _json(place, index)["reply"]["client-freshwheel"]
        files, tools = (_json(place, answers[name]["jsonFile"]) for name in _QUERIES)
        inputs = [one["path"] for one in files["inputs"] if not one.get("isGenerated")]
        source = files["paths"]["source"]
        compilers = [one["compiler"].get("path") for one in tools["toolchains"]]
        paths = [os.fsencode(os.path.join(source, path)) for path in inputs]
        programs = tuple(Program(path=os.fsencode(path)) for path in compilers if path)
    except _BROKEN as error:
        return _broken("CMake", error)
    found = _account("cmake", source, paths)
    return Account(uses=found.uses, programs=found.programs + programs)


def meson(folder: str) -> Account:
    """The files that Meson has read to configure in a build folder; not those of machines, nor of dependencies."""
    try:
        names = _json(os.path.join(folder, "meson-info"), "intro-buildsystem_files.json")
        return _account("meson", folder, [os.fsencode(name) for name in names])
    except _BROKEN as error:
        return _broken("Meson", error)


def variables(folder: str) -> dict[str, str]:
    """What makes gcc and clang write into a folder which headers they read; where `-MD` is given, gcc does not."""
    asked = {"CC_PRINT_HEADERS": "1", "CC_PRINT_HEADERS_FILE": os.path.join(folder, _CLANG)}
    # gcc takes what stands behind a space for the name of a target.
    return asked if " " in folder else asked | {"SUNPRO_DEPENDENCIES": os.path.join(folder, _GCC)}


def headers(folder: str, tree: str) -> Account:
    """The headers that were written down there, the relative ones as seen from `tree`."""
    paths: list[bytes] = []
    try:
        for name, read in ((_CLANG, _printed), (_GCC, _rules)):
            if os.path.exists(place := os.path.join(folder, name)):
                with open(place, "rb") as file:
                    paths += read(file.read())
        return _account("cc", tree, paths)
    except _BROKEN as error:
        return _broken("the compilers", error)


def _printed(data: bytes) -> Iterator[bytes]:
    """The headers in lines, as clang spells them: like strings of C, but without quotes."""
    return (_QUOTED.sub(rb"\1", line) for line in data.splitlines() if line)


def _rules(data: bytes) -> Iterator[bytes]:
    """The prerequisites in rules for make."""
    for line in data.replace(b"\\\n", b" ").replace(b"\\\r\n", b" ").splitlines():
        _, colon, names = line.partition(b": ")
        if colon:
            yield from (_ESCAPED.sub(rb"\1\2", word) for word in _WORD.findall(names))


def _json(folder: str, name: str) -> Any:
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return json.load(file)


def _account(tool: str, folder: str, paths: Iterable[bytes], doubts: tuple[str, ...] = ()) -> Account:
    """A tool has read paths, the relative ones as seen from `folder`."""
    places = {os.path.join(os.fsencode(os.path.abspath(folder)), path) for path in paths if b"\0" not in path}
    uses = {place: Use(first=_row(place), read=frozenset((0,)), before=True) for place in places}
    return Account(uses=uses, programs=(Program(path=tool.encode()),), doubts=doubts)


def _row(path: bytes) -> rows.Row | None:
    try:
        return rows.row(os.stat(path))
    except OSError:
        return None


def _broken(tool: str, error: BaseException) -> Account:
    return Account(doubts=(f"the record of {tool} can't be read: {getattr(error, 'strerror', None) or error}",))
