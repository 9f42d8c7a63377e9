"""The recipe of `check` for distributions: what is wrong with files that are about to be uploaded, or handed on.

Values in, values out: nothing here is printed, and nothing is built.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from freshwheel.base import versions
from freshwheel.base.errors import WheelError
from freshwheel.base.model import Finding
from freshwheel.base.phrases import few
from freshwheel.explain import wheel_check
from freshwheel.explain.wheel_check import Inspection
from freshwheel.wheel import sdist, version
from freshwheel.wheel.names import FileName

_WHEEL, _SDIST = ".whl", ".tar.gz"
_RELEASE = (
    "build it as a release, with FRESHWHEEL_LABEL=off or the config setting freshwheel.label=off, "
    "or build the wheel from the source distribution, as `python -m build` and `uv build` do"
)
_MOST = 5
"""Names in one phrase."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """Distributions that lie together, and what is wrong with them."""

    files: tuple[str, ...]
    """Their file names, sorted."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Distribution:
    """One of them, and what it says of itself."""

    filename: str
    project: str
    """The name in its normal form."""
    base: str
    """The version in its normal form, without a label."""
    label: str | None
    local: bool
    """Whether the version has a local part beside the label."""
    inspected: Inspection | None = None
    """None for a source distribution."""

    @property
    def digest(self) -> str | None:
        """The source digest of a wheel that freshwheel has made."""
        mark = self.inspected.mark if self.inspected is not None else None
        return mark.digest if mark is not None else None


def is_one(path: str) -> bool:
    """Whether this is the name of a wheel or a source distribution."""
    return path.endswith((_WHEEL, _SDIST))


def distributions(paths: Iterable[str]) -> list[str]:
    """The paths of all wheels and source distributions among files, in folders, and by patterns that no shell spelled.

    Raises OSError where a folder can't be listed.
    """
    found: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            found += [os.path.join(path, name) for name in sorted(os.listdir(path)) if is_one(name)]
        elif not os.path.lexists(path) and glob.has_magic(path):
            found += sorted(one for one in glob.glob(path) if is_one(one))
        elif is_one(path):
            found.append(path)
    return list(dict.fromkeys(found))


def check(paths: Sequence[str]) -> Upload:
    """What is wrong with the distributions at these paths, one by one and side by side."""
    findings: list[Finding] = []
    notes: list[str] = []
    known: list[_Distribution] = []
    for path in sorted(paths, key=os.path.basename):
        try:
            one = _wheel(path) if path.endswith(_WHEEL) else _sdist(path)
        except WheelError as error:
            filename = os.path.basename(path)
            what = error.message.removeprefix(f"{filename}: ")
            findings.append(Finding(kind="broken", where=filename, what=what, todo="build it again"))
            continue
        known.append(one)
        findings += _told(one, notes)
    findings += [*_labels(known), *_labelled(known), *_versions(known)]
    notes += [*_locals(known), *_trees(known)]
    names = tuple(sorted(os.path.basename(path) for path in paths))
    return Upload(files=names, findings=tuple(findings), notes=tuple(notes))


def _wheel(path: str) -> _Distribution:
    found = wheel_check.inspect(path)
    return _distribution(os.path.basename(path), found.name.distribution, found.name.version, found)


def _sdist(path: str) -> _Distribution:
    filename = os.path.basename(path)
    name = FileName.sdist(filename)
    stated = sdist.version_of(path)
    if version.normal(stated) != version.normal(name.version):
        raise WheelError(f"PKG-INFO says version {stated}, the file name {name.version}")
    return _distribution(filename, name.distribution, name.version, None)


def _distribution(filename: str, name: str, spelled: str, inspected: Inspection | None) -> _Distribution:
    full = version.normal(spelled)
    found = versions.parsed(full)
    parts = versions.segments(found) if found is not None else []
    label = parts[-1] if parts and versions.LABEL.fullmatch(parts[-1]) else None
    return _Distribution(
        filename=filename,
        project=str(canonicalize_name(name)),
        base=version.base(full),
        label=label,
        local=len(parts) > (label is not None),
        inspected=inspected,
    )


def _told(one: _Distribution, notes: list[str]) -> Iterator[Finding]:
    """What a wheel says of itself alone; a form that is not known here is no fault."""
    for found in one.inspected.findings if one.inspected is not None else ():
        if found.kind == "unfamiliar":
            notes.append(f"{one.filename}: {found.what}")
        else:
            what = found.what if found.where == one.filename else f"{found.where}: {found.what}"
            yield Finding(kind=found.kind, where=one.filename, what=what, todo="build it again")


def _labels(known: Sequence[_Distribution]) -> Iterator[Finding]:
    """Wheels of one release that were built from different sources: an installer takes any of them."""
    for (project, base), wheels in _releases(known):
        labels = sorted({one.label or "none" for one in wheels})
        if len(labels) > 1:
            many = f"{len(labels)} labels: {few(labels, _MOST)}"
            what = f"wheels of {base} have {many}; those of one release are of one tree"
            todo = "remove them all, and build again from the tree as it is now"
            yield Finding(kind="labels", where=project, what=what, todo=todo)


def _labelled(known: Sequence[_Distribution]) -> Iterator[Finding]:
    """What an index refuses because it has a label."""
    for one in known:
        if one.label is not None:
            what = f"its version has the label {one.label}, and an index refuses local versions"
            todo = _RELEASE if one.inspected is not None else "build it again: freshwheel gives it no label"
            yield Finding(kind="label", where=one.filename, what=what, todo=todo)


def _versions(known: Sequence[_Distribution]) -> Iterator[Finding]:
    """Wheels of freshwheel beside source distributions of other versions only."""
    for one in known:
        beside = {other.base for other in known if other.inspected is None and other.project == one.project}
        if one.digest is not None and beside and one.base not in beside:
            what = f"it is of version {one.base}, and the source distribution beside it of {few(sorted(beside), _MOST)}"
            todo = "remove the older one, or build both again"
            yield Finding(kind="versions", where=one.filename, what=what, todo=todo)


def _locals(known: Sequence[_Distribution]) -> Iterator[str]:
    for one in known:
        if one.local:
            yield f"{one.filename} has a local version that is no label; PyPI refuses that, other indexes may not"


def _trees(known: Sequence[_Distribution]) -> Iterator[str]:
    for (project, base), wheels in _releases(known):
        digests = {one.digest for one in wheels if one.digest is not None and one.label is None}
        if len(digests) > 1:
            yield (
                f"the wheels of {project} {base} are of {len(digests)} trees by their marks; "
                "right only if some were built from a checkout and some from its source distribution"
            )


def _releases(known: Sequence[_Distribution]) -> list[tuple[tuple[str, str], list[_Distribution]]]:
    """The wheels of one name and base version, together."""
    found: dict[tuple[str, str], list[_Distribution]] = {}
    for one in known:
        if one.inspected is not None:
            found.setdefault((one.project, one.base), []).append(one)
    return sorted(found.items())
