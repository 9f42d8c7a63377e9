"""The cache keys of a project: the files, variables and commits by which uv decides whether to ask its backend.

uv knows no negation, and walks whatever lies below the first wildcard. So a glob is one folder and one suffix, and only
where it covers no file that is known to be no input. Any other file has its name.
"""

from __future__ import annotations

import itertools
import os
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from freshwheel.adopt import toml_statements
from freshwheel.base import files, requirements
from freshwheel.base import toml_access as tables
from freshwheel.base.errors import InputError
from freshwheel.base.frame import decoded
from freshwheel.build.context import Call, Context
from freshwheel.memory import discoveries
from freshwheel.sources import boundary
from freshwheel.sources.disk import Disk, MovedError

_MOST = 100_000
"""Files that are looked at."""
_FEW = 100
"""Files in one folder that no input is in: they only show that a glob would cover some."""
_OF_VERSION_CONTROL = re.compile(
    r"scm|vcs|git-versioning|versioneer|versioningit|dunamai|dynamic-versioning|pbr|setupmeta"
)
"""In the names of what does that."""
_FLAGS = {"maturin": ("MATURIN_PEP517_ARGS",)}
"""Variables that say how to build, by the backend that reads them."""
_DEFAULTS = ("pyproject.toml", "setup.cfg", "setup.py")
"""What uv looks at where there is no list."""
_GROUNDS = ("Cargo.toml", "package.json", "pyproject.toml", "setup.py")
"""A folder with one of these is one where build tools leave their own."""
_BUILT = (".a", ".dll", ".dylib", ".lib", ".o", ".pyd", ".so", ".whl")
_MANY = 4
"""Folders that share a pattern."""
_MAGIC = re.compile(r"[*?\[\]{}]")
_UNSPELLABLE = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]|(?:(?<=/)|\A)[!#]|[ ](?=/|\Z)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """What lies where, as far as cache keys are concerned. Paths are relative to the project, with `/`."""

    watched: frozenset[str]
    """The files that uv must watch, whether they are there or not."""
    others: frozenset[str] = frozenset()
    """Files that it must not watch, whether they are there or not."""
    linked: frozenset[str] = frozenset()
    """Symbolic links to folders, behind which no glob of uv looks."""
    env: frozenset[str] = frozenset()
    """The environment names that the settings declare; what builds have asked for is another on each machine."""
    versioned: bool = False
    """Whether something takes the version from git."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """The cache keys of a project, as elements of the list."""

    wanted: list[dict[str, Any]]
    missing: list[dict[str, Any]]
    """Those that do not stand there."""
    superfluous: list[Any]
    """What stands there, and is none of them."""
    after: bytes
    """The bytes of `pyproject.toml` with them in it; the same where these stand there."""


def look(call: Call, before: bytes) -> Keys:
    """The keys of a project beside those in `before`, its `pyproject.toml`.

    Raises what `Context` raises, InputError where the tree does not keep still, and FreshwheelError where the file
    can't be changed safely.
    """
    context = Context.of(call)
    wanted = keys(_layout(context))
    present = listed(context.project.pyproject, wanted)
    missing = [key for key in wanted if key not in present]
    superfluous = [key for key in present if key not in wanted]
    after = written(before, wanted) if missing or superfluous else before
    return Keys(wanted=wanted, missing=missing, superfluous=superfluous, after=after)


def listed(pyproject: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The elements that stand there, in their long form; without a list `wanted`, if uv looks at these by itself."""
    present = tables.at(pyproject, "tool.uv.cache-keys")
    if present is None:
        return [*wanted] if all(key.get("file") in _DEFAULTS for key in wanted) else []
    return (
        [{"file": key} if isinstance(key, str) else key for key in present] if isinstance(present, list) else [present]
    )


def written(data: bytes, wanted: Sequence[Mapping[str, Any]]) -> bytes:
    """`data` with these keys in `[tool.uv]`. Raises FreshwheelError where it can't be changed safely."""
    lines = "".join(["cache-keys = [\n", *(f"    {shown(key)},\n" for key in wanted), "]\n"])

    def edit(text: str) -> str:
        head, statements, rest = toml_statements.parted(text, "tool.uv", add=True)
        others = [statement for statement in statements if statement.key != "cache-keys"]
        return head + toml_statements.joined(others) + lines + rest

    def expect(pyproject: dict[str, Any]) -> None:
        pyproject.setdefault("tool", {}).setdefault("uv", {})["cache-keys"] = [*wanted]

    return toml_statements.changed(data, edit, expect, hint=f"write by hand, in [tool.uv]:\n{lines}")


def _layout(context: Context) -> Layout:
    context.snapshot()  # an include that matches nothing is an error
    try:
        selection = context.select(Disk(context.call.tree))
    except MovedError as error:
        raise InputError(f"{error} keeps changing while it is read", hint="wait for what writes there") from None
    links = {decoded(path): link.kind for path, link in selection.tree.links.items()}
    made = discoveries.load(files.cache_directory(context.call.environ), context.call.tree).written
    inputs = {*map(decoded, selection.tree.files), *(path for path, kind in links.items() if kind == b"f")}
    watched = inputs.difference(made).union(selection.locks)
    tops = sorted({folders[-1] for path in watched if (folders := above(path))})
    pruned = {decoded(path) for path in selection.tree.pruned}
    lying = itertools.chain.from_iterable(_lying(context.call.tree, top, pruned) for top in tops)
    others = {*made, *selection.left_out, *context.config.exclude, *itertools.islice(lying, _MOST)}
    variables = {*context.config.env, *_FLAGS.get(context.backend.name, ())}
    if any(os.path.basename(path) == b"Cargo.toml" for path in selection.tree.files):
        variables.add("RUSTFLAGS")
    return Layout(
        watched=frozenset(watched),
        others=frozenset(others - watched),
        linked=frozenset(path for path, kind in links.items() if kind == b"d"),
        env=frozenset(name for name in variables if "*" not in name),
        versioned=versioned(context.project.pyproject, context.requires),
    )


def versioned(pyproject: Mapping[str, Any], requires: Iterable[str]) -> bool:
    """Whether something is named that takes the version from version control; it may do nothing of the kind."""
    texts = [*requirements.names(requires), *tables.table(pyproject, "tool")]
    for path in ("hatch.version", "pdm.version", "scikit-build.metadata"):
        texts += tables.strings(tables.at(pyproject, f"tool.{path}"))
    return any(_OF_VERSION_CONTROL.search(requirements.normal(text)) for text in texts)


def _lying(tree: str, top: str, pruned: AbstractSet[str]) -> Iterator[str]:
    """The files in a folder, as a walk of uv meets them; of a pruned one the first few."""
    for folder, folders, names in os.walk(os.path.join(tree, top)):
        stem = os.path.relpath(folder, tree).replace(os.sep, "/")
        for name in [name for name in folders if f"{stem}/{name}" in pruned]:
            folders.remove(name)
            yield from itertools.islice(_lying(tree, f"{stem}/{name}", frozenset()), _FEW)
        yield from (f"{stem}/{name}" for name in names if not boundary.is_dropping(os.fsencode(name)))


def keys(layout: Layout) -> list[dict[str, Any]]:
    """The elements of `cache-keys`."""
    grounds = {folder for path in layout.watched if posixpath.basename(path) in _GROUNDS for folder in above(path)}
    taken = {(folder, f".{path.rpartition('.')[2]}") for path in layout.others for folder in above(path)}
    patterns = _joined({_covering(path, layout, grounds, taken) for path in layout.watched}, layout)
    files = sorted(patterns, key=lambda text: (text != "pyproject.toml", text.count("../"), text))
    git = [{"git": {"commit": True, "tags": True}}] if layout.versioned else []
    return [*({"file": text} for text in files), *({"env": name} for name in sorted(layout.env)), *git]


def shown(element: Any) -> str:
    """One element in TOML, whatever it is."""
    if isinstance(element, Mapping):
        return f"{{ {', '.join(f'{name} = {shown(value)}' for name, value in element.items())} }}"
    return tables.written(element) if isinstance(element, str | bool) else str(element)


def above(path: str) -> list[str]:
    """The folders that hold a path, the innermost first; without the project directory and those above it."""
    folders = []
    while not _is_dots(path := posixpath.dirname(path)):
        folders.append(path)
    return folders


def spelled(path: str, *, in_glob: bool = False) -> str:
    """What matches `path` and, but for names that no glob can spell, nothing else; as a part of a glob where asked."""
    unspellable = any("\ud800" <= char <= "\udfff" for char in path)
    if not (in_glob or unspellable or _MAGIC.search(path)):
        return path
    return re.sub(r"[*?\[\]{}]", r"[\g<0>]", _UNSPELLABLE.sub("\0", path)).replace("\0", "?")


def _is_dots(folder: str) -> bool:
    """Whether a folder is the project directory, or one above it."""
    return set(folder.split("/")) <= {"", ".", ".."}


def _covering(path: str, layout: Layout, grounds: set[str], taken: set[tuple[str, str]]) -> str:
    """The name of a file, or the glob for all files of its suffix in the outermost folder where that may be."""
    folders, suffix = above(path), posixpath.splitext(path)[1]
    if not suffix or suffix in _BUILT or not layout.linked.isdisjoint(folders):
        return spelled(path)
    for folder in reversed(folders):
        if not (folder in grounds or (folder, suffix) in taken or _UNSPELLABLE.search(f"{folder}/{suffix}")):
            return f"{spelled(folder, in_glob=True)}/**/*{spelled(suffix, in_glob=True)}"
    return spelled(path)


def _joined(patterns: set[str], layout: Layout) -> set[str]:
    """The patterns, those that differ in one folder alone made one where that covers nothing else."""
    groups: dict[tuple[str, str], set[str]] = defaultdict(set)
    for text in patterns:
        parts = [] if _UNSPELLABLE.search(text) else text.split("/")
        for place in range(1, len(parts) - 1):
            head = "/".join(parts[:place])
            if not (_is_dots(head) or _MAGIC.search(f"{head}/{parts[place]}")):
                groups[head, "/".join(parts[place + 1 :])].add(text)
    for (head, rest), group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(group & patterns) >= _MANY and _is_free(head, rest, layout):
            patterns = (patterns - group) | {f"{head}/*/{rest}"}
    return patterns


def _is_free(head: str, rest: str, layout: Layout) -> bool:
    """Whether no tool builds in the folder `head`, and `rest` covers nothing but inputs in any folder of it."""
    names = [path.removeprefix(f"{head}/") for path in layout.others if path.startswith(f"{head}/")]
    grounds = [f"{head}/{name}" for name in _GROUNDS]
    return layout.watched.isdisjoint(grounds) and not any(_covers(rest, name.partition("/")[2]) for name in names)


def _covers(text: str, path: str) -> bool:
    """Whether a name or a glob of this module matches a path."""
    start, deep, end = text.partition("**/*")
    name = spelled(path, in_glob=True)
    return name.startswith(start) and name.endswith(end) if deep else name == text
