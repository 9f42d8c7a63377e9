"""Whether what is installed is what its tree says, as far as that is known at once. Part of the light column."""

import os

from freshwheel import frame, inplace, memory, native, replay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from freshwheel.installs import Install

    State = Literal["current", "stale", "unknown"]

__all__ = ["Digests", "Standing", "digests", "judged"]

_IN_PLACE = (b'"backend": "maturin', b'"backend": "setuptools')
"""Marks of backends whose editable builds put modules into the tree; those of others build when they are imported."""
_REASONS = {
    "missing": "is missing",
    "known": "is that of other sources",
    "foreign": "is none that a build of freshwheel put there",
}


class Digests:
    """A value: those of a tree as it is now."""

    __slots__ = ("native", "source")

    source: str
    native: str

    def __init__(self, *, source: str, native: str) -> None:
        self.source = source
        self.native = native


class Standing:
    """A value: how what is installed stands to its tree."""

    __slots__ = ("state", "why")

    state: "State"
    why: str
    """In words; of what is current: nothing, or what need not concern anybody."""

    def __init__(self, state: "State", why: str = "") -> None:
        self.state = state
        self.why = why


def digests(tree: str, environ: "Mapping[str, str]") -> Digests | None:
    """The digests of a tree that the memory of it still knows; None where it does not."""
    source, cache = replay.source_digest(tree, environ, None), frame.cache_directory(environ)
    known = memory.load(cache, memory.real(tree)) if source is not None and cache is not None else None
    if source is None or known is None or known.digest.hex() != source:
        return None
    return Digests(source=source, native=native.digest(known.rules, known.inputs, known.column))


def judged(install: "Install", now: Digests, environ: "Mapping[str, str]", suffix: str) -> Standing:
    """How an installed distribution with a mark stands to its tree; `suffix` ends extension modules of its Python."""
    then = install.marked("digest")
    if not then:
        return Standing("stale", "the sources moved while it was built")
    if not install.editable:
        return Standing("current") if then == now.source else Standing("stale", "the sources are others now")
    if install.marked("native") != now.native:
        return Standing("stale", "the sources of its extension modules are others now")
    standing = _of_modules(install, now, environ, suffix)
    if standing.state == "current" and then != now.source:
        return Standing("current", "only Python was edited, which is live; the version is of the sources before")
    return standing


def _of_modules(install: "Install", now: Digests, environ: "Mapping[str, str]", suffix: str) -> Standing:
    """As `judged`, of an editable one whose native sources are those of its mark."""
    cache, mark = frame.cache_directory(environ), install.mark() or b""
    if not any(one in mark for one in _IN_PLACE):
        return Standing("current")
    tree = memory.real(install.tree)
    found = inplace.check(cache, tree, now.native, now.source, suffix) if cache is not None else None
    if found is None:
        return Standing("unknown", "no build of its modules is on record")
    wrong = [f"{os.fsdecode(path)} {_REASONS[state]}" for path, state in found if state in _REASONS]
    return Standing("stale", "; ".join(wrong)) if wrong else Standing("current")
