"""Why each file is an input: the deepest of the roots that hold it says so."""

from __future__ import annotations

from collections.abc import Sequence

from freshwheel.base import globs
from freshwheel.base.globs import Globs
from freshwheel.sources.cargo import Closure, lies_in
from freshwheel.sources.selection import Selection

_INCLUDE = "[tool.freshwheel] include"
_NOWHERE = (-1_000, "reached from the project")


class Reasons:
    """The reasons for the inputs of one selection."""

    def __init__(self, found: Selection, closure: Closure, own: Sequence[str] = ()) -> None:
        """`own` are the files that the own version is read from."""
        names = {crate.folder: crate.name for crate in closure.crates}
        discovered = found.rules.discovered
        self._files = {"pyproject.toml": "settings of the project", **dict.fromkeys(own, "[tool.freshwheel] version")}
        self._folders = {crate.folder: f"crate {crate.name}: {crate.reason}" for crate in closure.crates}
        patterns = [(text, _INCLUDE) for text in found.rules.include]
        for root in found.roots:
            reason = root.reason
            if discovered.get(root.path) == reason:
                reason = f"seen by a build: {reason}"
            if root.kind == "file":
                self._files.setdefault(root.path, reason)
            elif root.kind == "glob":
                patterns.append((root.path, reason))
            elif root.kind == "crate":
                self._folders[root.path] = f"crate {names.get(root.path, root.path)}: {reason}"
            else:
                self._folders[root.path] = reason
        self._patterns = [(_deep(text), globs.parse([text]), reason) for text, reason in patterns]
        self._known: dict[str, tuple[int, str]] = {}

    def of(self, path: str) -> str:
        """The reason for one input."""
        if path in self._files:
            return self._files[path]
        depth, reason = self._folder(path.rpartition("/")[0])
        for deep, pattern, why in self._patterns:
            # At the same depth the name of a file says more than its folder, but not what is included beside that.
            if (deep > depth or (deep == depth and why != _INCLUDE)) and matches(pattern, path):
                depth, reason = deep, why
        return reason

    def _folder(self, folder: str) -> tuple[int, str]:
        """How deep the root lies that holds a folder, and its reason."""
        if folder not in self._known:
            found = [(_depth(one), reason) for one, reason in self._folders.items() if lies_in(folder, one)]
            self._known[folder] = max(found, default=_NOWHERE)
        return self._known[folder]


def matches(pattern: Globs, path: str) -> bool:
    """Whether a path is matched, or lies below a folder that is."""
    names = path.split("/")
    climb = names.count("..")
    places = pattern.start(climb)
    for name in names[climb:-1]:
        places = pattern.step(places, name)
    return bool(pattern.matching(places, names[-1]))


def _deep(pattern: str) -> int:
    """As `_depth`, for what a pattern spells out."""
    [glob] = globs.parse([pattern]).patterns
    return len(glob.literal) - glob.climb


def _depth(folder: str) -> int:
    """How far a folder lies below the project directory; less than nothing above it."""
    names = folder.split("/") if folder else []
    return len(names) - 2 * names.count("..")
