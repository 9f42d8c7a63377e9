"""Declared outputs: files that the build itself writes into the tree, as `pyproject.toml` says, and so no inputs of it.

Only files that are written whole are such: one in which a tool replaces a line is a source, and so is one that a
version is read from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from freshwheel.base.backends import Backend
from freshwheel.base.toml_access import at, entries, table, text, texts
from freshwheel.sources.cargo import normal, relative

_LONGEST = 1024
_SOURCES = (
    "tool.freshwheel.version.path",
    "tool.hatch.version.path",
    "tool.pdm.version.path",
    "tool.scikit-build.metadata.version.input",
    "tool.setuptools.dynamic.version.file",
    "tool.setuptools-git-versioning.version_file",
)
"""Where pyproject says that a version is read from a file."""


def outputs(pyproject: Mapping[str, Any], backend: Backend) -> dict[str, str]:
    """The files that `pyproject` declares as written when `backend` builds, and why they are.

    A backend that nobody knows may run any of the tools. What is configured for another backend than the known one is
    not written any more, and may be a source by now.
    """
    read = {_joined("", path) for key in _SOURCES for path in texts(pyproject, key)}
    read |= {_joined("", text(one, "input")) for one in entries(pyproject, "tool.dynamic-metadata")}
    found: dict[str, str] = {}
    for path, reason in _written(pyproject, backend):
        if path is not None and path not in read:
            found.setdefault(path, f"written by {reason}")
    return dict(sorted(found.items()))


def _written(pyproject: Mapping[str, Any], backend: Backend) -> Iterator[tuple[str | None, str]]:
    """What each tool writes."""
    for names, found in _TOOLS:
        if not backend.modules or backend.name in names:
            yield from found(pyproject)


def _of_setuptools_scm(pyproject: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """`version_file` is relative to the folder of pyproject, and `write_to` to the root of the repository."""
    for name in ("setuptools_scm", "vcs-versioning"):
        here = table(pyproject, f"tool.{name}")
        base = _joined(text(here, "relative_to") or "pyproject.toml", "..")
        root = here.get("root", ".")
        yield _joined(base, text(here, "version_file")), name
        if (top := _joined(base, root)) is not None:
            yield _joined(top, text(here, "write_to")), name


def _of_hatch(pyproject: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """A build hook is configured for all targets or for one; that named `version` may only replace a line."""
    build = table(pyproject, "tool.hatch.build")
    for place in (build, *table(build, "targets").values()):
        yield _joined("", text(place, "hooks.vcs.version-file")), "hatch-vcs"
        if not at(place, "hooks.version.pattern"):
            yield _joined("", text(place, "hooks.version.path")), "tool.hatch.build.hooks.version"


def _of_pdm(pyproject: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """An editable build writes below the folder of the packages, which is `src` where there is one."""
    folder = at(pyproject, "tool.pdm.build.package-dir")
    for base in ("", "src") if folder is None else (folder,):
        yield _joined(base, text(pyproject, "tool.pdm.version.write_to")), "tool.pdm.version"


def _of_versioningit(pyproject: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Its own method; what another one does with `file` is not known."""
    write = table(pyproject, "tool.versioningit.write")
    if write.get("method", "basic") == "basic":
        yield _joined("", text(write, "file")), "versioningit"


def _of_scikit_build(pyproject: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Files for other places than the source tree are written elsewhere."""
    for one in entries(pyproject, "tool.scikit-build.generate"):
        if one.get("location") == "source":
            yield _joined("", text(one, "path")), "tool.scikit-build.generate"


def _of_poetry(pyproject: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Files that are written anew before the version is put into them; in all others it is put into a source."""
    for path, one in table(pyproject, "tool.poetry-dynamic-versioning.files").items():
        if text(one, "initial-content") or text(one, "initial-content-jinja"):
            yield _joined("", path), "poetry-dynamic-versioning"


def _joined(folder: Any, path: Any) -> str | None:
    """`path` below `folder`, normalised; None where one is no path relative to something. The project is empty."""
    parts = [relative(one) for one in (folder, path)]
    if any(part is None or len(part) > _LONGEST or "\n" in part for part in parts):
        return None
    return normal("/".join(part for part in parts if part))


_TOOLS: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Iterator[tuple[str | None, str]]]], ...] = (
    (("setuptools", "setuptools-rust", "scikit-build-core"), _of_setuptools_scm),
    (("setuptools", "setuptools-rust", "hatchling"), _of_versioningit),
    (("hatchling",), _of_hatch),
    (("scikit-build-core",), _of_scikit_build),
    ((), _of_pdm),
    ((), _of_poetry),
)
"""The known backends that each tool works in, and what it writes."""
