"""Which variables the programs of a build may have asked for: no kernel shows that, so it goes by what a program is."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence

from freshwheel.observe.account import Account, Program, is_python, silent, within
from freshwheel.observe.judgement import MAKES

__all__ = ["always_asked", "asks_references", "is_server", "open_ended", "unrecorded"]

_TARGET = r"(?:[a-z0-9_]+-)+"
"""The machine that a tool compiles for: `x86_64-linux-gnu-`."""
_SILENT = re.compile(
    rf"""
    (?:{_TARGET})?(?:addr2line|ar|as|c\+\+|cc|cpp|dwp|elfedit|g\+\+|gcc|gcc-ar|gcc-nm|gcc-ranlib|gcov|gfortran|gold|gprof
        |ld|ld\.(?:bfd|gold|lld|mold)|nm|objcopy|objdump|ranlib|readelf|size|strings|strip)(?:-[0-9.]+)?
    |cc1|cc1obj|cc1plus|collect2|f951|lto1|lto-wrapper|lld|rust-lld|mold|wasm-ld
    |clang(?:\+\+|-cpp)?(?:-[0-9.]+)?|llvm-[a-z]+(?:-[0-9.]+)?|dsymutil|install_name_tool|libtool|lipo|otool|codesign
    |cl\.exe|link\.exe|lib\.exe|rc\.exe|mt\.exe|cvtres\.exe|mspdbsrv\.exe
    |cargo(?:\.exe)?|rustc(?:\.exe)?|rustup(?:\.exe)?|maturin(?:\.exe)?|ninja(?:\.exe)?|samu|patchelf
    |git|git-[a-z-]+|pkg-config|pkgconf
    |basename|cat|chmod|cmp|cp|cut|dirname|echo|expr|false|head|ldconfig|ldconfig\.real|ln|mkdir|mv|pwd|readlink
    |realpath|rm|rmdir|sed|sleep|tail|test|touch|tr|true|uname|wc
    """,
    re.VERBOSE,
)
"""Programs whose variables are documented, and in each key, or that ask for none."""
_LIBRARY = re.compile(rb".*\.(?:so|dylib|dll)(?:\.[0-9.]*)?").fullmatch
_SERVERS = frozenset(("distcc", "docker", "icecc", "podman", "sccache", "recc", "reclient", "gomacc", "rewrapper"))
"""Clients of servers that compile: what those read, nobody below the client has read."""
_RECORDED = frozenset(("cargo", "maturin", "rustc", "rustup"))
"""What cargo reads is in its records."""
_NO_REFERENCE = re.compile(rb"[-/.].*|.*[*=].*|[0-9]*|HEAD[@^~{}0-9]*|refs/tags.*", re.DOTALL).fullmatch
_LISTING = frozenset(
    (b"branch", b"for-each-ref", b"name-rev", b"notes", b"reflog", b"show-branch", b"show-ref", b"stash")
)
_MORE = (b"--all", b"--branches", b"--notes", b"--reflog", b"--remotes")
"""What git is told when it is to look at more than `HEAD` and tags."""
_DECORATES = re.compile(rb"--decorate|--(?:format|pretty)=.*%(?:[dD]|\(decorate)", re.DOTALL).match
"""What has git name all branches that lead to a commit."""


def open_ended(account: Account, trusted: Sequence[bytes], shared: Sequence[bytes]) -> str:
    """Which program may have asked for any variable; nothing: none has.

    `trusted` folders hold what its name says. What is loaded into a program from outside of the `shared` ones, as a
    macro of Rust or a plug-in of gcc, is not the program that is known.
    """
    if "*" in account.variables:
        return "a Python program has taken all variables"
    unheard = silent(account)
    for program in account.programs:
        if not program.forked and not _is_known(program, unheard, trusted):
            return f"{program.name} may ask for any variable"
    for path in sorted(account.loaded):
        if not within(os.path.realpath(path), trusted):
            return f"{os.fsdecode(path)} was loaded by Python, and may ask for any variable"
    for path in filter(_LIBRARY, account.uses):
        names = [account.programs[number].name for number in sorted(account.uses[path].read)]
        loaders = [] if within(path, shared) else list(filter(_SILENT.fullmatch, names))
        if loaders:
            return f"{loaders[0]} may have loaded {os.path.basename(os.fsdecode(path))}, which may ask for any variable"
    return ""


def always_asked(account: Account, *, control: bool) -> set[str]:
    """The variables that programs ask for wherever they run, and that count nowhere else: of git, and of make."""
    makes = any(program.name in MAKES for program in account.programs)
    return {*(("HOME",) if control else ()), *(("MAKEFLAGS", "MFLAGS") if makes else ())}


def asks_references(account: Account) -> bool:
    """Whether git was asked for a branch by its name, or for more references than `HEAD` and tags."""
    return any(_asks_for_more(program.words[1:]) for program in account.programs if program.name == "git")


def _asks_for_more(words: Sequence[bytes]) -> bool:
    command, *named = [word for word in words if not _NO_REFERENCE(word)] or [b""]
    listing = command in _LISTING and not any(word.startswith(b"refs/tags") for word in words)
    more = any(word.startswith(_MORE) or _DECORATES(word) for word in words)
    return listing or more or (command != b"config" and bool(named))


def is_server(account: Account) -> str:
    """The client of a compile server that ran; nothing: none."""
    return next((program.name for program in account.programs if program.name in _SERVERS), "")


def unrecorded(account: Account) -> str:
    """Why the Pythons of a build, which alone wrote down what they read, may not have read all; nothing: they have.

    Compiled modules that a Python loads are taken to read by Python's own means. Records of compilers, ninja, CMake and
    Meson name what was found, and never where it was looked for in vain: no such program is accounted for by them.
    """
    if not account.witnessed:
        return "no Python wrote down what it has read"
    for program in account.programs:
        name = os.path.splitext(program.name)[0]
        if program.pid not in account.witnessed and name not in _RECORDED:
            return f"{name} ran, which leaves no record of all that it reads"
    return account.doubts[0] if account.doubts else ""


def _is_known(program: Program, unheard: Collection[int], trusted: Sequence[bytes]) -> bool:
    if is_python(program):
        return program.pid not in unheard
    return within(program.path, trusted) and _SILENT.fullmatch(program.name) is not None
