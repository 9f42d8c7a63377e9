"""What the programs of a build may have asked for that no kernel shows: it goes by what they are, and are told."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Sequence

from freshwheel.observe.account import Account, Program, is_python, silent, source_of, within
from freshwheel.observe.judgement import MAKES, Places

__all__ = [
    "always_asked",
    "asks_for_sizes",
    "asks_references",
    "is_server",
    "open_ended",
    "project_code",
    "reads_settings",
    "unrecorded",
]

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
_OF_GIT = frozenset((b"-C", b"-c", b"--git-dir", b"--work-tree"))
"""Options before the command that the next word belongs to; behind it, some mean something else and take none."""
_OF_COMMANDS = frozenset((b"-n", b"--format", b"--match", b"--max-count", b"--prefix"))
"""Options behind the command that the next word belongs to."""
_FAMILIAR = frozenset(
    b"""archive cat-file check-attr check-ignore describe diff diff-files diff-index for-each-ref log ls-files ls-tree
    remote rev-list rev-parse show status symbolic-ref tag update-index version
    """.split()
)
"""Commands of git that go by `HEAD` and tags, unless they are told otherwise."""
_OF_PATHS = frozenset((b"check-attr", b"check-ignore", b"ls-files"))
"""Commands of git whose other words are paths and attributes."""
_PLAIN_OPTION = re.compile(
    rb"""
    -[ac-zA-Z0-9]*
    |--(?:abbrev|abbrev-ref|absolute-git-dir|always|cached|candidates|count|date|dirty|exact-match|exclude-standard
        |first-parent|format|full-name|get|git-dir|ignore-submodules|is-[a-z-]+|left-right|list|literal-pathspecs|long
        |match|max-count|merged|name-only|no-[a-z-]+|others|points-at|porcelain|prefix|pretty|quiet|refresh|short
        |show-[a-z-]+|sort|stage|tags|untracked-files|verify|version|work-tree)(?:=.*)?
    """,
    re.VERBOSE | re.DOTALL,
).fullmatch
_NO_BRANCH = re.compile(rb"HEAD[@^~{}0-9]*|refs/tags(?:(?!\.\.).)*|\.{0,2}/.*|\.{1,2}", re.DOTALL).fullmatch
"""`HEAD`, tags and paths; a range with two dots names a branch as well."""
_NAMES_BRANCHES = re.compile(rb"--(?:format|pretty)=.*%(?:[dDNS]|\(decorate)", re.DOTALL).match
"""What has git name all branches that lead to a commit, or the notes about it."""
_OWN_FORMAT = re.compile(rb"--(?:format|pretty)=.*%", re.DOTALL).match
_SIZES = re.compile(rb"getsize|st_size|\bl?stat\b|\.size\s*\(").search
"""By which words code asks for the size of a file, which whoever packs that asks for as well."""
_LARGEST = 1 << 20
"""Bytes of a file of code that is looked into."""


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
    """Whether git may have been asked for more references than `HEAD` and tags; what is not known counts as that."""
    return any(_asks_for_more(program.words[1:]) for program in account.programs if program.name == "git")


def _asks_for_more(words: Sequence[bytes]) -> bool:
    options, names = _options_and_names(words)
    command, *named = names or [b""]
    if command in (b"", b"config"):
        return False
    if command in _OF_PATHS:
        options, named = [option for option in options if option != b"--stdin"], []
    if command == b"for-each-ref" and not any(word.startswith(b"refs/tags") for word in named):
        return True
    if command == b"status" and not any(word.startswith(b"--porcelain") for word in options):
        return True  # it may say how far the branch is from the one that it follows
    if command in (b"log", b"show") and not any(map(_OWN_FORMAT, options)):
        return True  # a setting may have it name branches
    plain = command in _FAMILIAR and all(map(_PLAIN_OPTION, options)) and all(map(_NO_BRANCH, named))
    return not plain or any(map(_NAMES_BRANCHES, options))


def _options_and_names(words: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The options that git was given, and the other words: the command, and what is no path behind `--`."""
    options: list[bytes] = []
    names: list[bytes] = []
    left = iter(words)
    for word in left:
        if word == b"--":
            break
        if word in (_OF_COMMANDS if names else _OF_GIT):
            next(left, None)
        (options if word.startswith(b"-") else names).append(word)
    return options, names


def project_code(account: Account, places: Places) -> Iterator[bytes]:
    """What stands in files that Pythons have read, and that nobody only packs: code of the project is among them."""
    others = (*places.apart, *places.standard, *places.libraries, *places.trusted)
    pythons = frozenset(number for number, program in enumerate(account.programs) if is_python(program))
    read = {source_of(path) or path for path, use in account.uses.items() if not pythons.isdisjoint(use.read)}
    packed = {path for path in account.copied if os.path.basename(path) != b"setup.py"}  # setuptools opens it to run it
    for path in sorted(read - packed):
        if within(os.path.realpath(path), others):
            continue
        with contextlib.suppress(OSError):
            if os.path.isfile(path) and os.path.getsize(path) <= _LARGEST:
                with open(path, "rb") as file:
                    yield file.read()


def asks_for_sizes(code: Sequence[bytes]) -> bool:
    """Whether code may go by the size of a file."""
    return any(map(_SIZES, code))


def reads_settings(code: Sequence[bytes]) -> bool:
    """Whether code may read `pyproject.toml` for itself."""
    return any(b"pyproject" in text for text in code)


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
