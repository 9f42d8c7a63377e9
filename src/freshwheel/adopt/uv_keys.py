"""The cache keys of a project: the files, variables and commits by which uv decides whether to ask its backend.

uv knows no negation, and walks whatever lies below the first wildcard. So a glob is used for a folder of which all is
an input, or all of one suffix, and where no build leaves anything; elsewhere each file has its name.
"""

from __future__ import annotations

import itertools
import json
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from freshwheel.adopt.uv_globs import Pattern, is_dots, is_spellable, spelled

__all__ = ["Key", "Layout", "keys", "lines"]

_GROUNDS = ("Cargo.toml", "Cargo.lock", "pyproject.toml", "setup.py", "package.json", "go.mod")
"""A folder with one of these is one where build tools leave their own."""
_TOPMOST = ("CMakeLists.txt", "meson.build")
"""As those, unless a folder above has one."""
_REPOSITORIES = (".bzr", ".git", ".hg", ".jj", ".svn")
"""In such a folder each command may change any file."""
_LOADED = (".py", ".pyi", ".pyx", ".pxd")
"""Beside these, imports leave bytecode and builds leave modules."""
_SOURCES = (".c", ".cc", ".cpp", ".cxx", ".f90", ".go", ".h", ".hpp", ".proto", ".rs", *_LOADED)
_BUILT = (".a", ".dll", ".dylib", ".lib", ".o", ".pyd", ".so", ".whl")
_FEW = 3
"""Folders that are named one by one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """What lies where, as far as cache keys are concerned. Paths as those of inputs."""

    inputs: frozenset[str] = frozenset()
    """The files that uv must watch."""
    others: Mapping[str, str] = field(default_factory=dict)
    """Files that it must not watch, whether they are there or not, and why."""
    folders: frozenset[str] = frozenset()
    """Folders that are there."""
    linked: frozenset[str] = frozenset()
    """Symbolic links to folders, behind which no glob reaches."""
    locks: frozenset[str] = frozenset()
    """Locks that git ignores: inputs of the build, though not of the digest. They need not be there."""
    exclude: tuple[Pattern, ...] = ()
    """What is no input whatever its name, as far as it can be said as uv would."""
    env: frozenset[str] = frozenset()
    """The environment names that the build is known to read."""
    harmless: frozenset[str] = frozenset()
    """Environment names that may be watched."""
    versioned: str = ""
    """What takes the version from git; nothing where nothing does."""

    @property
    def watched(self) -> frozenset[str]:
        """Inputs and locks."""
        return self.inputs | self.locks


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Key:
    """One element of `cache-keys`."""

    kind: Literal["file", "dir", "env", "git"]
    text: str
    """A path, a pattern or a name; of `git`, what is watched of it, as `commit tags`."""

    def render(self) -> str:
        """The element in TOML."""
        if self.kind == "git":
            return f"{{ git = {{ {', '.join(f'{word} = true' for word in self.text.split())} }} }}"
        return f"{{ {self.kind} = {_quoted(self.text)} }}"

    def value(self) -> dict[str, object]:
        """The element as a parser gives it."""
        return {self.kind: dict.fromkeys(self.text.split(), True) if self.kind == "git" else self.text}


def keys(layout: Layout, *, names: bool = False) -> tuple[Key, ...]:
    """The keys of a project; `names`: files outside of it are named one by one, which each uv understands."""
    found = _joined_folders(_Planner(layout, names=names).globs(), layout, names=names)
    files = sorted(found, key=lambda text: (text != "pyproject.toml", text.count("../"), text))
    git = [Key(kind="git", text="commit tags")] if layout.versioned else []
    variables = [Key(kind="env", text=name) for name in sorted(layout.env)]
    return (*(Key(kind="file", text=text) for text in files), *variables, *git)


def lines(found: Sequence[Key], *, newline: str = "\n") -> str:
    """The array in TOML."""
    return newline.join(["[", *(f"    {key.render()}," for key in found), "]"])


class _Planner:
    """One layout, folder by folder."""

    def __init__(self, layout: Layout, *, names: bool) -> None:
        self.layout = layout
        self.names = names
        self.below: dict[str, list[str]] = defaultdict(list)
        """Inputs below each folder, without those that no glob reaches."""
        self.direct: dict[str, list[str]] = defaultdict(list)
        self.children: dict[str, set[str]] = defaultdict(set)
        self.strange: dict[str, list[str]] = defaultdict(list)
        """Files below each folder that are no inputs."""
        self.behind: list[str] = []
        for path in sorted(layout.watched):
            if any(folder in layout.linked for folder in _above(path)):
                self.behind.append(path)
            else:
                self._add(path)
        for path in layout.others:
            for folder in _above(path):
                self.strange[folder].append(path)
        self.grounds = self._grounds()

    def globs(self) -> Iterator[str]:
        """Paths and patterns that cover all inputs, and nothing of which it is known that it is none."""
        yield from (spelled(path) for path in self.behind)
        for root in [folder for folder in self.below if is_dots(folder)]:
            yield from self._folder(root)

    def _add(self, path: str) -> None:
        above = _above(path)
        self.direct[above[0]].append(path)
        for folder in above:
            self.below[folder].append(path)
        for folder, parent in itertools.pairwise(above):
            self.children[parent].add(folder)

    def _grounds(self) -> set[str]:
        """Folders in which no glob may go deep: those of `_GROUNDS` and of version control, and all above them."""
        found: set[str] = set()
        for folder, paths in self.direct.items():
            held = {posixpath.basename(path) for path in paths}
            topmost = not held.isdisjoint(_TOPMOST) and not any(
                _joined(above, name) in self.layout.inputs for above in _up(folder)[1:] for name in _TOPMOST
            )
            kept = not frozenset(_REPOSITORIES).isdisjoint(folder.split("/"))
            if topmost or kept or is_dots(folder) or not held.isdisjoint(_GROUNDS):
                found.update(_up(folder))
        return found | {folder for folder in self.below if is_dots(folder)}

    def _folder(self, folder: str) -> Iterator[str]:
        if folder in self.grounds:
            yield from (spelled(path) for path in self.direct[folder])
            for child in sorted(self.children[folder]):
                yield from self._folder(child)
        elif self._is_tidy(folder):
            yield f"{spelled(folder, in_glob=True)}/**"
        else:
            groups: dict[str, list[str]] = defaultdict(list)
            for path in self.below[folder]:
                groups[posixpath.splitext(path)[1]].append(path)
            for suffix, group in groups.items():
                yield from self._suffixed(folder, suffix, group)

    def _suffixed(self, folder: str, suffix: str, group: Sequence[str]) -> Iterator[str]:
        """As `_folder`, for the files of one suffix."""
        is_odd = not suffix or suffix in _BUILT or (len(group) == 1 and suffix not in _SOURCES)
        pattern = f"{spelled(folder, in_glob=True)}/**/*{spelled(suffix, in_glob=True)}"
        if is_odd or self._by_name(folder):
            yield from (spelled(path) for path in group)
        elif self._is_free(folder, pattern):
            yield pattern
        else:
            yield from (spelled(path) for path in group if posixpath.dirname(path) == folder)
            for child in sorted(self.children[folder]):
                below = [path for path in group if path.startswith(f"{child}/")]
                if below:
                    yield from self._suffixed(child, suffix, below)

    def _is_tidy(self, folder: str) -> bool:
        """Whether all in a folder is an input, and will be."""
        loaded = any(posixpath.splitext(path)[1] in _LOADED for path in self.below[folder])
        return not (loaded or self._by_name(folder)) and self._is_free(folder, f"{spelled(folder, in_glob=True)}/**")

    def _is_free(self, folder: str, text: str) -> bool:
        """Whether a pattern that goes deep in a folder covers no file that is none of the inputs."""
        pattern = Pattern.of(text)
        if any(pattern.may_match(path) for path in self.strange[folder]):
            return False
        return not any(_may_meet(one, folder, text) for one in self.layout.exclude)

    def _by_name(self, folder: str) -> bool:
        """Whether all files in a folder are to be named."""
        return (self.names and folder.startswith("..")) or not is_spellable(folder)


def _may_meet(exclude: Pattern, folder: str, text: str) -> bool:
    """Whether what is excluded may be covered by a pattern that goes deep in a folder, now or some day."""
    if not exclude.is_glob:
        return Pattern.of(text).may_match(exclude.base) or exclude.base in _up(folder)
    ending, other = (posixpath.splitext(one)[1] for one in (text, exclude.text))
    if ending and other and "*" not in other + ending and ending != other:
        return False
    base = exclude.base
    return not base or base in _up(folder) or folder in _up(base)


def _joined_folders(found: Iterable[str], layout: Layout, *, names: bool) -> list[str]:
    """The patterns, those that differ in one folder alone made one where that covers nothing else."""
    texts = list(dict.fromkeys(found))
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for text in texts:
        parts = text.split("/") if not (names and text.startswith("..")) else []
        for place in range(1, len(parts) - 1):
            head = "/".join(parts[:place])
            if not is_dots(head) and not _wild(head) and not _wild(parts[place]):
                groups[head, "/".join(parts[place + 1 :])].append(text)
    taken: set[str] = set()
    for (head, rest), group in sorted(groups.items(), key=lambda one: (-len(one[1]), one[0])):
        joined = f"{head}/*/{rest}"
        left = [text for text in group if text not in taken]
        if len(left) > _FEW and _is_ground_free(head, layout) and _covers_inputs_only(joined, layout):
            taken.update(left)
            texts.append(joined)
    return [text for text in texts if text not in taken]


def _is_ground_free(folder: str, layout: Layout) -> bool:
    return not any(_joined(folder, name) in layout.inputs for name in (*_GROUNDS, *_TOPMOST))


def _covers_inputs_only(text: str, layout: Layout) -> bool:
    pattern = Pattern.of(text)
    if any(pattern.may_match(path) for path in layout.others):
        return False
    return not any(_may_meet(one, pattern.base, text) for one in layout.exclude)


def _above(path: str) -> list[str]:
    """The folders that hold a path, the innermost first; `..` is held by nothing."""
    return _up(posixpath.dirname(path))


def _up(folder: str) -> list[str]:
    """A folder and those that hold it."""
    found = [folder]
    while not is_dots(folder):
        folder = posixpath.dirname(folder)
        found.append(folder)
    return found


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _wild(text: str) -> bool:
    return Pattern.of(text).is_glob


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
