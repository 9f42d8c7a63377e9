"""The environment of a call: where programs are looked for, whether it is of one build. Part of the light column."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


_ROOMS = ("pip-build-env-", "build-env-", "pdm-build-env-")
"""How the folders begin that installers make for one build."""
_BUILDS = "builds-v0"
"""Where uv makes them."""


def isolation(environ: "Mapping[str, str]") -> "tuple[str, ...] | None":
    """The root folders of the environment that an installer made for this one build; None: there is none that we know.

    pip adds folders to the path of its own interpreter; uv, build and pdm make a virtual environment.
    """
    if sys.prefix != sys.base_prefix:
        names = os.path.normpath(sys.prefix).split(os.sep)
        if _BUILDS in names[:-1] or names[-1].startswith(_ROOMS):
            return (sys.prefix,)
    for path in environ.get("PYTHONPATH", "").split(os.pathsep):
        names = path.split(os.sep)
        for place, name in enumerate(names):
            if name.startswith(_ROOMS[0]):
                return (os.sep.join(names[: place + 1]),)
    return None


def folders(path: str, private: "Iterable[str]") -> "list[str]":
    """The entries of PATH that count: those in the `private` environment of one build are left out.

    Their places are new every time, and what is in them was brought by the requirements.
    """
    roots = [os.path.normcase(os.path.join(root, "")) for root in private]
    return [
        entry
        for entry in path.split(os.pathsep)
        if not any(os.path.normcase(os.path.join(entry, "")).startswith(root) for root in roots)
    ]


def searched(environ: "Mapping[str, str]", private: "Iterable[str]") -> "list[str]":
    """The folders in which programs and modules are looked for, each behind the name of its variable."""
    return [text for name in ("PATH", "PYTHONPATH") for text in (name, *folders(environ.get(name, ""), private))]


def matcher(patterns: "Iterable[str]") -> "Callable[[str], bool]":
    """What says of a name whether it is one of the patterns, or of a family among them."""
    whole, starts, ends, both = set(), [], [], []
    for pattern in patterns:
        start, star, end = pattern.partition("*")
        if not star:
            whole.add(pattern)
        elif start and end:
            both.append((start, end, len(pattern) - 1))
        elif end:
            ends.append(end)
        else:
            starts.append(start)
    first, last = tuple(starts), tuple(ends)

    def fits(name: str) -> bool:
        return (
            name in whole
            or name.startswith(first)
            or name.endswith(last)
            or any(len(name) >= least and name.startswith(start) and name.endswith(end) for start, end, least in both)
        )

    return fits
