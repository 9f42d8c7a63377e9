"""What a build script reads beside its crate, and no table names: shown with the line that declares it, and without.

With the line, nothing that cargo and the build scripts name is missed, and an edit moves the digest. Without it, the
first build names what it read, and from then on the label moves with that, too.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edits import Edit

__all__ = ["Hidden", "Showing"]

_CHANGED = re.compile(r"cargo::?rerun-if-changed=(.*)")
_NAME = re.compile(r'^name = "(.*)"', re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hidden:
    """One folder of a project that a build script reads."""

    folder: str
    line: str
    """The line of `[tool.freshwheel]` that declares it."""

    def missed(self, check: str) -> bool:
        """Whether `check`, the JSON of `freshwheel check`, names something of this folder, and nothing else."""
        places = [finding["where"] for finding in json.loads(check)["findings"]]
        return bool(places) and all(f"{place}/".startswith(f"{self.folder}/") for place in places)


def named(tree: str) -> set[str]:
    """The files of a tree that cargo's dep-info names, and files and folders that the build scripts name."""
    work = os.path.join(glob.escape(tree), "target", "release")
    found = {os.path.join(tree, path) for path in _compiled(work)} | set(_asked(tree, work))
    spelled = {os.path.relpath(path, tree).replace(os.sep, "/") for path in found}
    return {path for path in spelled if not path.startswith(("../", "target/"))}


def unknown(paths: set[str], inputs: set[str]) -> list[str]:
    """Those of `paths` that are no inputs; a folder is one if something in it is."""
    return sorted(path for path in paths - inputs if not any(one.startswith(f"{path}/") for one in inputs))


def _compiled(work: str) -> Iterator[str]:
    """What was read to compile crates and their build scripts, relative to the tree or absolute."""
    for place in (*glob.glob(f"{work}/deps/*.d"), *glob.glob(f"{work}/build/*/*.d")):
        with open(place, encoding="utf-8") as file:
            lines = [line for line in file if not line.startswith("#")]
        for line in lines:
            yield from shlex.split(line.partition(": ")[2]) if os.name != "nt" else line.partition(": ")[2].split()


def _asked(tree: str, work: str) -> Iterator[str]:
    """What the build scripts of the tree's own crates ask to be run again for, absolute."""
    for manifest in glob.glob(os.path.join(glob.escape(tree), "**", "Cargo.toml"), recursive=True):
        with open(manifest, encoding="utf-8") as file:
            name = _NAME.search(file.read())
        for place in glob.glob(f"{work}/build/{name[1]}-*/output") if name else ():
            with open(place, encoding="utf-8", errors="replace") as file:
                paths = [found[1] for line in file if (found := _CHANGED.fullmatch(line.strip()))]
            yield from (os.path.join(os.path.dirname(manifest), path) for path in paths)


@dataclass(frozen=True, kw_only=True, slots=True)
class Showing:
    """One wrapped tree in which something is hidden, and what asks and builds it."""

    hidden: Hidden
    edit: Edit
    """Of a file there."""
    tree: str
    ask: Callable[[str], str]
    """The standard output of a verb of freshwheel, whatever its exit code."""
    install: Callable[[], tuple[str, str]]
    """Installs: the version, and what the edit shows."""
    again: Callable[[], tuple[str, str]]
    """The same, when there is nothing to build with."""
    replace: Callable[[str, str, str], None]
    """In a file, one text by another."""

    def declared(self) -> str:
        """What is true of the tree with the line, after a build. Raises AssertionError where it is not so."""
        hidden, edit = self.hidden, self.edit
        findings = json.loads(self.ask("check"))["findings"]
        assert not findings, f"missed in spite of {hidden.line}: {findings}"
        inputs = {one["path"] for one in json.loads(self.ask("inputs"))["inputs"]}
        paths = named(self.tree)
        assert paths, "cargo left no records"
        left = unknown(paths, inputs)
        assert not left, f"named by cargo or a build script, and no inputs: {left}"
        before = self.ask("digest")
        self.replace(edit.file, edit.old, edit.new)
        edited = self.ask("digest")
        self.replace(edit.file, edit.new, edit.old)
        assert edited != before == self.ask("digest"), f"the digest does not follow {edit.file}"
        return f"{len(inputs)} inputs; all {len(paths)} that cargo and the build scripts name are among them"

    def undeclared(self) -> str:
        """What is true without the line, and without any memory. Raises AssertionError where it is not so."""
        hidden, edit = self.hidden, self.edit
        self.replace("pyproject.toml", hidden.line, "")
        self.install()
        check = self.ask("check")
        assert hidden.missed(check), f"not exactly {hidden.folder} is named: {check}"
        known = self.install()
        assert known == self.again(), "what was discovered makes no hit"
        self.replace(edit.file, edit.old, edit.new)
        edited = self.install()
        self.replace(edit.file, edit.new, edit.old)
        assert known[0] != edited[0], f"the label does not follow {edit.file}: {known}, {edited}"
        assert (known[1], edited[1]) == edit.prints, f"the program does not follow {edit.file}"
        assert known == self.again(), "taken back, it is no hit"
        count = len(json.loads(check)["findings"])
        return f"the first build names {count} of {hidden.folder}; then {known[0]}, and {edited[0]} for an edit there"
