"""What the build tools say they read, set against the inputs: the second opinion.

Texts in, values out; `opinion` reads them. Every path is relative to the project directory, `/`-separated and
normalised; `..` stands at its start only. What lies on another drive, and what only this machine has, is absolute.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"(?:\\ |[^ ])+")
_DRIVE = re.compile(r"(?:[\\/]{2}[?.][\\/])?([A-Za-z]:)(?=[\\/]|$)")
_SHARE = re.compile(r"[\\/]{2}(?:[?.][\\/]UNC[\\/])?(?=[^\\/?.])")
_SCRIPT = re.compile(r"cargo::?rerun-if-(changed|env-changed)=(.*)", re.DOTALL)
_CARGOS_OWN = re.compile(
    r"CARGO|OUT_DIR|CARGO_(?:MANIFEST_.*|PKG_.*|CRATE_NAME|BIN_.*|PRIMARY_PACKAGE|TARGET_TMPDIR|MAKEFLAGS)", re.DOTALL
)
"""Variables that cargo itself sets for what it runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """What one compilation has read, or what one build script asks to be run again for."""

    files: tuple[str, ...]
    """As the tool spells them, from the folder it ran in. The first one of a compilation is the root of the crate."""
    names: tuple[str, ...]
    """Environment variables."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """One file or folder that went into a build."""

    path: str
    by: str
    """Who read it, and who says so, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Missed:
    """What was read and is no input."""

    files: tuple[Read, ...]
    """In the project or its repository: of the same content wherever this is cloned."""
    system: tuple[Read, ...]
    """Elsewhere, with absolute paths: facts about this machine."""


def dep_info(text: str) -> Named:
    """What a `.d` file of rustc or cargo says; a relative path is relative to the workspace.

    Of all characters rustc escapes the space alone, unlike make: `#`, `$` and a backslash stand for themselves.
    """
    files: dict[str, None] = {}
    names: dict[str, None] = {}
    for line in text.split("\n"):
        if line.startswith("#"):
            kind, _, variable = line.partition(":")
            if kind == "# env-dep":
                names[variable.partition("=")[0].rstrip("\r")] = None
            continue
        _, colon, rest = line.removesuffix("\r").partition(": ")
        if colon:
            files.update((word.replace("\\ ", " "), None) for word in _WORD.findall(rest))
    return Named(files=tuple(files), names=_named(names))


def script_output(text: str) -> Named:
    """What the output of a build script says; without files, cargo watches the folder of its manifest."""
    found = [match.groups() for line in text.split("\n") if (match := _SCRIPT.fullmatch(line.strip()))]
    return Named(
        files=tuple(dict.fromkeys(value for key, value in found if key == "changed")),
        names=_named(value for key, value in found if key == "env-changed"),
    )


def placed(path: str, tree: str) -> str:
    """Where the absolute `path` is as seen from `tree`; absolute, but normalised, if it is on another drive."""
    root, names = _split(path)
    top, above = _split(tree)
    if root.casefold() != top.casefold():
        return root + "/".join(names)
    common = _common(names, above, windows=root != "/")
    return "/".join([".."] * (len(above) - common) + names[common:])


def within(path: str, folder: str, tree: str) -> bool:
    """Whether `path` is `folder` or below it, both absolute or relative to `tree`."""
    root, names = _split(_joined(tree, path))
    top, above = _split(_joined(tree, folder))
    return root.casefold() == top.casefold() and _common(names, above, windows=root != "/") == len(above)


def missed(
    reads: Iterable[Read], *, tree: str, repository: str, inputs: Collection[str], apart: Sequence[str]
) -> Missed:
    """Those of `reads` that are no input, each path once.

    `inputs` may hold absolute paths as well: what is known of this machine. Nothing below the folders `apart` counts:
    those of the tools, of their caches and of what was built. `repository` and `apart` are absolute, or relative to
    `tree`.
    """
    once = {read.path: read for read in sorted(reads, key=lambda read: (read.path, read.by), reverse=True)}
    files: list[Read] = []
    system: list[Read] = []
    for path, read in sorted(once.items()):
        if path in inputs or any(within(path, folder, tree) for folder in apart):
            continue
        if within(path, repository, tree):
            files.append(read)
        elif (absolute := _absolute(tree, path)) not in inputs and "/lib/rustlib/" not in absolute:
            system.append(Read(path=absolute, by=read.by))
    return Missed(files=tuple(files), system=tuple(system))


def _named(names: Iterable[str]) -> tuple[str, ...]:
    """Those variables that come from outside of cargo."""
    return tuple(dict.fromkeys(name for name in names if name and not _CARGOS_OWN.fullmatch(name)))


def _joined(tree: str, path: str) -> str:
    """`path`, made absolute, not normalised."""
    return path if _root(path) else f"{tree}/{path}"


def _absolute(tree: str, path: str) -> str:
    root, names = _split(_joined(tree, path))
    return root + "/".join(names)


def _root(path: str) -> str:
    """The root of an absolute path: `/`, `C:/` or `//`; nothing where the path is relative."""
    if drive := _DRIVE.match(path):
        return f"{drive[1].upper()}/"
    if _SHARE.match(path) and path.startswith("\\"):
        return "//"
    return "/" if path.startswith("/") else ""


def _split(path: str) -> tuple[str, list[str]]:
    """The root of an absolute path, and the names below it, normalised."""
    root = _root(path)
    if root not in {"", "/"}:
        path = (_DRIVE if root != "//" else _SHARE).sub("", path, count=1).replace("\\", "/")
    names: list[str] = []
    for name in path.split("/"):
        if name == "..":
            del names[-1:]
        elif name not in {"", "."}:
            names.append(name)
    return root, names


def _common(left: Sequence[str], right: Sequence[str], *, windows: bool) -> int:
    """How many names are the same from the start on; Windows does not tell cases apart."""
    for count, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other and not (windows and one.casefold() == other.casefold()):
            return count
    return min(len(left), len(right))
