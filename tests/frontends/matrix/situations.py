"""The situations of the matrix, and what became of a cell."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .bench import Bench, FailedError
from .installers import Build, Installer, Pip, PipTools, Pipx, Uv
from .managers import Hatch, Nox, Pdm, Poetry, Tox, UvSync
from .site import BASE_VERSION, Seen, Site

__all__ = ["INSTALLERS", "SITUATIONS", "Happened", "Situation", "chosen", "happened", "judged", "versions"]

INSTALLERS: Mapping[str, Installer] = {
    one.title: one
    for one in (
        Pip("23.2.1"),
        Pip(),
        Uv("0.5.31"),
        Uv(),
        UvSync(),
        Build(),
        Pdm(),
        Poetry(),
        Pipx(),
        Tox(),
        Nox(),
        Hatch(),
        PipTools(),
    )
}
"""The installers by title, in the order of the page."""
LONG_AGO = 1_000_000_000
NATIVE = "tree/rust/src/lib.rs"
PYTHON = "tree/python/demo_matrix/__init__.py"


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """How the project is named, and what happens between the first time and the second."""

    title: str
    group: str
    way: str = "tree"
    change: Callable[[Site], None] | None = None
    once: bool = False
    """Whether there is no second time."""
    static: bool = False
    """Whether the version stands in `[project]`."""
    locked_up: bool = False
    """Whether nothing may be written into the tree."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Happened:
    """What became of a cell, in one word, and what a person would look at."""

    verdict: str
    text: str = ""
    """What the installer said last."""
    asked: str = ""
    """The verdict after the installer was made to ask; nothing where that was not needed."""


def edit_python(site: Site) -> None:
    """Another word in Python."""
    site.edit(PYTHON, "python-one", "python-two")


def edit_native(site: Site) -> None:
    """Another word in Rust."""
    site.edit(NATIVE, "rust-one", "rust-two")


def edit_outside(site: Site) -> None:
    """Another word in the crate outside of the folder."""
    site.edit("core/src/lib.rs", "outside-one", "outside-two")


def delete(site: Site) -> None:
    """One file less."""
    (site.tree / "python/demo_matrix/spare.py").unlink()


def rename(site: Site) -> None:
    """Another name for a file."""
    folder = site.tree / "python/demo_matrix"
    (folder / "spare.py").rename(folder / "spare_part.py")


def touch(site: Site) -> None:
    """New times, the same content."""
    for name in (NATIVE, PYTHON, "tree/pyproject.toml"):
        os.utime(site.folder / name)


def edit_in_the_past(site: Site) -> None:
    """Another word in Rust, in a file that looks older than the last build."""
    edit_native(site)
    os.utime(site.folder / NATIVE, (LONG_AGO, LONG_AGO))


SITUATIONS: Mapping[str, Situation] = {
    one.title: one
    for one in (
        Situation(title="first", group="Edits", once=True),
        Situation(title="unchanged", group="Edits"),
        Situation(title=".py edit", group="Edits", change=edit_python),
        Situation(title=".rs edit", group="Edits", change=edit_native),
        Situation(title="delete", group="Edits", change=delete),
        Situation(title="rename", group="Edits", change=rename),
        Situation(title="touch", group="Edits", change=touch),
        Situation(title="old mtime", group="Edits", change=edit_in_the_past),
        Situation(title="outside crate", group="Edits", change=edit_outside),
        Situation(title="editable", group="Ways to name it", way="editable", change=edit_native),
        Situation(title="no isolation", group="Ways to name it", way="isolation", change=edit_native),
        Situation(title="requirements file", group="Ways to name it", way="requirements", change=edit_native),
        Situation(title="name @ file://", group="Ways to name it", way="direct", change=edit_native),
        Situation(title="sdist", group="Ways to name it", way="sdist", change=edit_native),
        Situation(title="wheel file", group="Ways to name it", way="wheel", change=edit_native),
        Situation(title="constraint", group="Versions and places", way="constraint", change=edit_native),
        Situation(title="workspace pin", group="Versions and places", way="workspace", change=edit_native),
        Situation(title="hashes", group="Versions and places", way="hashes", once=True),
        Situation(title="lock files", group="Versions and places", way="lock", change=edit_native),
        Situation(title="static version", group="Versions and places", static=True, change=edit_native),
        Situation(title="read-only tree", group="Versions and places", locked_up=True),
    )
}
"""The situations by title, in the order of the page."""


def happened(bench: Bench, installer: Installer, situation: Situation) -> Happened:
    """What becomes of a cell; its site is removed then."""
    name = f"{installer.title}-{situation.title}".replace(" ", "-").replace("/", "").replace(":", "").replace("@", "at")
    (bench.folder / "sites").mkdir(exist_ok=True)
    # Never the same path twice: pdm, for one, keeps what it has built by the address of a file.
    site = Site(bench, Path(tempfile.mkdtemp(prefix=f"{name}-", dir=bench.folder / "sites")))
    try:
        return _played(site, installer, situation)
    finally:
        site.clear()


def versions(bench: Bench, titles: Iterable[str] = INSTALLERS) -> dict[str, str]:
    """The versions of installers, by title; those that are not there are made."""
    found = {}
    for title in titles:
        one = INSTALLERS[title]
        folder = title.replace(" ", "-")
        bench.tool(folder, *one.requirements)
        found[title] = bench.version(folder, one.distribution)
    return found


def _played(site: Site, installer: Installer, situation: Situation) -> Happened:
    way = situation.way
    if situation.static:
        site.edit("tree/pyproject.toml", 'dynamic = ["version"]', f'version = "{BASE_VERSION}"')
    installer.prepare(site, way)
    if situation.locked_up:
        site.lock_up()
    plain = situation.static or way == "sdist"
    wanted = _wanted(site, plain=plain)
    first = site.step(installer.install(site, way), installer.python(site))
    begun = judged(None, first, wanted, wanted)
    if situation.once or begun == "error":
        return Happened(verdict=begun, text=first.text)
    if begun not in {"built", "redundant"}:
        return Happened(verdict=f"first {begun}", text=first.text)
    if situation.change:
        situation.change(site)
    before, wanted = wanted, _wanted(site, plain=plain)
    second = site.step(installer.install(site, way), installer.python(site))
    verdict = judged(first, second, before, wanted)
    if begun == "redundant" and verdict != begun:
        return Happened(verdict=f"first {begun}, then {verdict}", text=first.text)
    if verdict != "stale":
        return Happened(verdict=verdict, text=second.text)
    third = site.step(installer.ask(site, way), installer.python(site))
    return Happened(verdict=verdict, text=third.text, asked=judged(second, third, before, wanted))


def judged(before: Seen | None, seen: Seen, then: tuple[str, str], now: tuple[str, str]) -> str:
    """The verdict about one step; `then` and `now` are what the tree was and is, as version and words.

    `built`: the first time, one inner build. `hit`: the same, no inner build. `follows`: the tree has changed, and what
    is installed with it, by one inner build at most. `redundant`: right, by more inner builds than that. `stale`: what
    is installed is that of before. `error`: the installer says so. `half`: new words, the version of before. `wrong`:
    anything else.
    """
    if seen.code:
        return "error"
    if (seen.version, seen.says) != now:
        if before and (seen.version, seen.says) == (before.version, before.says):
            return "stale"
        return "half" if before and seen.says == now[1] and seen.version == before.version else "wrong"
    if before is None:
        return "built" if seen.builds == 1 else "redundant"
    if then == now:
        return "redundant" if seen.builds else "hit"
    return "follows" if seen.builds <= 1 else "redundant"


def _wanted(site: Site, *, plain: bool) -> tuple[str, str]:
    version = BASE_VERSION if plain else f"{BASE_VERSION}+{site.label()}"
    return version, site.truth()


def chosen(names: Sequence[str]) -> list[str]:
    """The installers of some names; all if there are none. Raises FailedError for a name that is unknown."""
    unknown = sorted(set(names) - set(INSTALLERS))
    if unknown:
        raise FailedError(f"no such installer: {', '.join(unknown)}; there are {', '.join(INSTALLERS)}")
    return [title for title in INSTALLERS if not names or title in names]
