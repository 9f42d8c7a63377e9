"""What cargo may not notice of a change, and what makes it: sources to touch, and build scripts to run again.

Cargo looks at what it has on record for a unit: a build script says what it reads as far as it likes, a macro says
nothing. An observed build has shown who has read what. What nobody has shown may have been read by any unit.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from freshwheel.sources.cargo import lies_in

_RUSTC, _RUST = "rustc", ".rs"
_SCRIPT = "build script"
_PYTHON = "python"
_HOOK = "_in_process.py"
"""The script in which an inner backend runs."""
_BACKEND = "backend in "
_PACKING = ("cargo", "maturin", _BACKEND)
"""Beginnings of units that read sources to pack them, or watch them by themselves."""


@dataclass(kw_only=True, slots=True)
class Forced:
    """What must be made to look new."""

    paths: set[str] = field(default_factory=set)
    """Sources."""
    scripts: set[str] = field(default_factory=set)
    """Packages whose build scripts must run again."""


def unit(path: str, words: Sequence[str]) -> str:
    """What a program that read something is called: `rustc SOURCE`, `build script NAME`, or the name of the program.

    The Python in which the inner backend runs is `backend in NAME`; any other one may be started by a build script.
    """
    folder, name = posixpath.split(path.replace("\\", "/"))
    package = posixpath.basename(folder).rpartition("-")[0]
    if name.startswith("build-script-") and package:
        return f"{_SCRIPT} {package}"
    if posixpath.splitext(name)[0] == _RUSTC and "--crate-name" in words:
        return f"{_RUSTC} {next((word for word in words if word.endswith(_RUST)), '')}"
    is_hook = name.startswith(_PYTHON) and any(posixpath.basename(word) == _HOOK for word in words)
    return f"{_BACKEND}{name}" if is_hook else name


def forced(
    changes: Mapping[str, str],
    crates: Mapping[str, str],
    present: Collection[str],
    readers: Mapping[str, Sequence[str]] | None,
    *,
    around: bool = False,
) -> Forced:
    """What must be made to look new for these changes, a path and `added`, `changed` or `deleted`; nothing without one.

    `crates` are folder and name of the closure, `present` the inputs, `readers` what units have read or looked for in
    all builds in these folders; None: nobody knows. `around` says that something else than an input has changed.
    """
    units: set[str] = set()
    for path, how in changes.items() if readers is not None else ():
        # Who has listed a folder knows which names are in it, and not what they hold.
        places = [path] if how == "changed" else [path, posixpath.dirname(path) or "."]
        units.update(one for place in places for one in (readers or {}).get(place, ()))
    found = Forced()
    if around or (changes and readers is None) or any(_may_be_any(one, present) for one in units):
        found.scripts.update(crates.values())
        found.paths.update(path for path in present if path.endswith(_RUST))
    for one in units:
        kind, _, name = one.rpartition(" ")
        folders: set[str | None] = set()
        if kind == _SCRIPT:
            found.scripts.add(name)
            # Cargo does not compile a crate again because its script has run again and says something else.
            folders.update(folder for folder, own in crates.items() if own == name)
        elif kind == _RUSTC:
            roots = _roots(name, present)
            # The compilation of a build script has no other source.
            found.paths.update(root for root in roots if posixpath.basename(root) == "build.rs")
            folders.update(_owner(root, crates) for root in roots if posixpath.basename(root) != "build.rs")
        found.paths.update(_sources(crates, present, folders))
    return found


def concerns(units: Sequence[str], crates: Collection[str], present: Collection[str]) -> bool:
    """Whether what these units have read concerns a closure, which has these crates, by name, and inputs."""
    for one in units:
        kind, _, name = one.rpartition(" ")
        if kind == _SCRIPT:
            known = name in crates
        elif kind == _RUSTC:
            known = bool(_roots(name, present))
        else:
            known = not one.startswith(_PACKING)
        if known:
            return True
    return False


def _may_be_any(unit: str, present: Collection[str]) -> bool:
    """Whether nobody knows which unit needs what a program has read: one that a unit has started, or one unheard of."""
    kind, _, name = unit.rpartition(" ")
    if kind == _RUSTC:
        return not _roots(name, present)
    return kind != _SCRIPT and not unit.startswith(_PACKING)


def _roots(source: str, present: Collection[str]) -> list[str]:
    """The inputs that rustc may mean by a source, which is relative to a workspace somewhere."""
    if source in present:
        return [source]
    rust = [path for path in present if path.endswith(_RUST)]
    meant = [path for path in rust if f"/{source}".endswith(f"/{path.replace('../', '')}")]
    return [path for path in meant if len(path) == max(map(len, meant))]


def _sources(crates: Collection[str], present: Collection[str], folders: Collection[str | None]) -> set[str]:
    """The sources of the crates in these folders, but for those of build scripts."""
    rust = (path for path in present if path.endswith(_RUST) and posixpath.basename(path) != "build.rs")
    return {path for path in rust if _owner(path, crates) in folders} if folders else set()


def _owner(path: str, crates: Collection[str]) -> str | None:
    """The innermost crate that a path lies in."""
    return max((crate for crate in crates if lies_in(path, crate)), key=_depth, default=None)


def _depth(folder: str) -> tuple[int, int]:
    """How far inside a folder lies: fewer steps up, then more names."""
    names = folder.split("/") if folder else []
    return -names.count(".."), len(names)
