"""Whether what is installed is what its tree says, as far as that is known at once. Part of the light column."""

import os

from freshwheel.base import files, rows
from freshwheel.memory import editables, memory, replay
from freshwheel.sources import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from freshwheel.memory.editables import Finding, Record
    from freshwheel.memory.installs import Install

    Standing = tuple[Literal["current", "stale", "unknown"], str, tuple[str, ...]]
    """How what is installed stands to its tree. Why, in words; of what is current: nothing, or what need not concern
    anybody. And the files in the tree that must be removed, where that is all that is wrong."""

_IN_PLACE = ("maturin", "setuptools.build_meta")
"""Backends whose editable builds put modules into the tree."""
_APART = (
    *("scikit_build_core.build", "mesonpy"),
    *("hatchling.build", "flit_core.buildapi", "flit.buildapi", "uv_build"),
)
"""Those whose modules lie where they were installed, or are built when they are imported; and those without any."""
_STALE = {
    "missing": "is missing",
    "known": "is that of other sources",
    "foreign": "is not one that is on record",
    "read": "is other now, and the build of its modules has read it",
    "first": "is imported instead of the module that was built",
    "left": "is of other sources, and is not built any more",
}
_UNKNOWN = {
    "whole": "nobody observed its build, which may have read what was edited",
    "ways": "there are other packages now, and what leads to the tree may have to list them",
}
_SUPERFLUOUS = ("first", "left")
_LOOSE = b"."
_WIDTH = 17
"""Bytes of kind and content."""


class Digests:
    """A value: those of a tree as it is now, and what of the inputs they are made from."""

    __slots__ = ("column", "native", "paths", "source")

    def __init__(self, *, source: str, native: str, paths: "list[bytes]", column: bytes) -> None:
        self.source = source
        self.native = native
        self.paths = paths
        self.column = column
        """Kind and content, 17 bytes for each path."""

    def held(self) -> "dict[bytes, bytes]":
        """Path -> kind and content."""
        return {path: self.column[_WIDTH * number :][:_WIDTH] for number, path in enumerate(self.paths)}


def digests(tree: str, environ: "Mapping[str, str]") -> Digests | None:
    """The digests of a tree that the memory of it still knows; None where it does not."""
    source, cache = replay.source_digest(tree, environ, None), files.cache_directory(environ)
    known = memory.load(cache, memory.real(tree)) if source is not None and cache is not None else None
    if source is None or known is None or known.digest.hex() != source:
        return None
    return Digests(
        source=source,
        native=digest.native(known.rules, known.inputs, known.column),
        paths=memory.split(known.inputs),
        column=known.column,
    )


def judged(install: "Install", now: Digests, environ: "Mapping[str, str]", suffix: str) -> "Standing":
    """How an installed distribution with a mark stands to its tree; `suffix` ends extension modules of its Python."""
    then = install.marked("digest")
    if not then:
        return "stale", "the sources moved while it was built", ()
    if not install.editable:
        return ("current", "", ()) if then == now.source else ("stale", "the sources are others now", ())
    if install.marked("native") != now.native:
        return "stale", "the sources of its extension modules are others now", ()
    standing = _of_modules(install, now, environ, suffix)
    if standing[0] == "current" and then != now.source:
        return "current", "only Python was edited, which is live; the version is of the sources before", ()
    return standing


def others(record: "Record", held: "Mapping[bytes, bytes]", tree: bytes) -> "list[tuple[bytes, Finding]]":
    """Why a build would not do for a tree with these inputs, path -> kind and content, and the native digest of it.

    `read` is a file that it has read and that is other now; `ways`, with no path, says that there are other packages.
    What was read in `tree` and is no input is looked at there. Variables and what lies outside are left out.
    """
    read: list[tuple[bytes, Finding]] = [
        (path, "read")
        for path, kind, content, _ in record.rests
        if kind == "f" and not os.path.isabs(path) and (held.get(path) or _now(tree, path)) != content
    ]
    return read or ([] if _leads(record, list(held)) else [(b"", "ways")])


def _now(tree: bytes, path: bytes) -> bytes:
    """Kind and content of a file; nothing where none can be read."""
    try:
        known = rows.read(os.path.join(tree, path), follow=True)
    except (OSError, ValueError, rows.RestlessError):
        return b""
    return b"" if known is None else known[0] + known[1]


def _leads(record: "Record", paths: "list[bytes]") -> bool:
    """Whether what leads to a tree with these inputs lists all that it must, and nothing that is gone."""
    folders, ways, free = digest.packages(paths), set(record.ways), set(record.free)
    loose = [] if _LOOSE in free else digest.loose(paths)
    for folder in sorted(folders.difference(ways)):
        above = folder.rpartition(b"/")[0]
        if above not in folders or above not in free:
            return False
        free.add(folder)
    return ways.issuperset(loose) and ways <= folders.union(loose)


def _of_modules(install: "Install", now: Digests, environ: "Mapping[str, str]", suffix: str) -> "Standing":
    """As `judged`, of an editable one whose native sources are those of its mark."""
    cache, backend = files.cache_directory(environ), install.backend()
    compiles = any(path.endswith(digest.COMPILED) for path in now.paths)
    if backend in _APART or (backend not in _IN_PLACE and not compiles):
        return "current", "", ()
    if backend not in _IN_PLACE:
        return "unknown", f"where the builds of {backend} put its modules is not known", ()
    tree, held, findings = memory.real(install.tree), now.held(), None
    if cache is not None:
        findings = editables.check(
            cache, tree, now.native, now.source, abi=suffix, others=lambda record: others(record, held, tree)
        )
    if findings is None:
        return ("unknown", "no build of its modules is on record", ()) if compiles else ("current", "", ())
    wrong = [(os.fsdecode(path), finding) for path, finding in findings if finding in _STALE]
    if wrong:
        superfluous = all(finding in _SUPERFLUOUS for _, finding in wrong)
        why = "; ".join([f"{path} {_STALE[finding]}" for path, finding in wrong])
        return "stale", why, tuple([path for path, _ in wrong]) if superfluous else ()
    for _, finding in findings:
        if finding in _UNKNOWN:
            return "unknown", _UNKNOWN[finding], ()
    return "current", "", ()
