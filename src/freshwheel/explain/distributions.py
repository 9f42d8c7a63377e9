"""The recipes of `verify`, and of `check` for distributions: a wheel against RECORD, mark and tree; several together.

Values in, values out: nothing here is printed, and nothing is built.
"""

from __future__ import annotations

import glob
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from freshwheel.base.errors import WheelError, WheelUnfamiliarError, few
from freshwheel.base.model import Finding, Mark
from freshwheel.build.context import Call, Context
from freshwheel.wheel import archive, sdist
from freshwheel.wheel import mark as marks
from freshwheel.wheel.archive import Wheel
from freshwheel.wheel.metadata import FileName

_WHEEL, _SDIST = ".whl", ".tar.gz"
_AGAIN = "build it again"
_RELEASE = (
    "build it as a release, with FRESHWHEEL_LABEL=off or the config setting freshwheel.label=off, "
    "or build the wheel from the source distribution, as `python -m build` and `uv build` do"
)
_MOST = 5
"""Names in one phrase."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What one wheel file says of itself, and what is wrong with that."""

    name: FileName
    mark: Mark | None = None
    """None: it has none, or none that can be understood."""
    tree: str = ""
    """The source digest of the tree that it was held against; nothing: it was held against none."""
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_of_tree(self) -> bool | None:
        """Whether the tree says what the wheel says; None: that was not asked, or can't be told."""
        if not self.tree or self.mark is None or not self.mark.settled:
            return None
        return self.mark.digest == self.tree


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

    name: FileName
    inspected: Inspection | None = None
    """None for a source distribution."""

    @property
    def release(self) -> tuple[str, str]:
        """The name of the project and the version, without a label, in their normal forms."""
        return str(canonicalize_name(self.name.distribution)), marks.base(self.name.version)

    @property
    def label(self) -> str:
        """Nothing where there is none."""
        full = marks.normal(self.name.version)
        return full.rpartition("+")[2].rpartition(".")[2] if full != self.release[1] else ""


def is_one(path: str) -> bool:
    """Whether this is the name of a wheel or a source distribution."""
    return path.endswith((_WHEEL, _SDIST))


def distributions(paths: Iterable[str]) -> list[str]:
    """The paths of all wheels and source distributions among files, in folders, and by patterns that no shell spelled.

    Raises OSError where a folder can't be listed.
    """
    known: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            known += [os.path.join(path, name) for name in sorted(os.listdir(path))]
        else:
            known += [path] if os.path.lexists(path) else sorted(glob.glob(path)) or [path]
    return list(filter(is_one, dict.fromkeys(known)))


def inspect(path: str, call: Call | None = None) -> Inspection:
    """The wheel at `path`, held against the tree of `call` if there is one.

    Raises WheelError where the file is no wheel at all; a wheel that is broken is a finding.
    """
    filename = os.path.basename(path)
    name = FileName.wheel(filename)
    if not zipfile.is_zipfile(path):
        raise WheelError(f"{filename}: it is no wheel: it is no ZIP file, is cut off, or can't be read")
    tree = "" if call is None else Context.of(call).snapshot().digest
    try:
        wheel = archive.read(path)
        mark, wrong = _mark(wheel)
    except WheelError as error:
        what, kind, todo = error.message.removeprefix(f"{filename}: "), "broken", _AGAIN
        if isinstance(error, WheelUnfamiliarError):
            what, kind, todo = f"{what}; nothing was compared", "unfamiliar", "look at it with another tool"
        return Inspection(name=name, tree=tree, findings=(Finding(kind=kind, where=filename, what=what, todo=todo),))
    flaws = [
        Finding(kind="broken", where=member, what=what, todo=_AGAIN) for member, what in archive.flaws(wheel).items()
    ]
    notes = []
    if not wrong and mark is None:
        notes = ["there is no mark: freshwheel has not made this wheel"]
    elif not wrong and mark is not None and mark.label is None:
        notes = ["there is no label: this is a plain build, or a release"]
    findings = (*flaws, *wrong, *_of_tree(filename, mark, tree))
    return Inspection(name=name, mark=mark, tree=tree, findings=findings, notes=tuple(notes))


def _mark(wheel: Wheel) -> tuple[Mark | None, list[Finding]]:
    """The mark, and what is wrong with it, or with there being none."""
    mark, wrong = None, ""
    data = archive.mark_text(wheel.path)
    try:
        if data is not None:
            mark = marks.parse(data)
            expected = mark.base if mark.label is None else marks.joined(mark.base, mark.label)
            if marks.normal(expected) != marks.normal(wheel.version):
                wrong = f"it is that of version {expected}, and the wheel has {wheel.version}"
        elif marks.normal(wheel.version) != marks.base(wheel.version):
            wrong = f"there is none, and the version {wheel.version} has a label"
    except (ValueError, WheelError) as error:
        wrong = f"it is no mark: {error}"
    return mark, [Finding(kind="mark", where=marks.NAME, what=wrong, todo=_AGAIN)] if wrong else []


def _of_tree(filename: str, mark: Mark | None, tree: str) -> Iterator[Finding]:
    """What is wrong between the mark and a tree with the digest `tree`, or with the mark alone."""
    if mark is not None and not mark.settled:
        what = "the sources changed while it was built, so that it is of no tree"
        yield Finding(kind="moved", where=filename, what=what, todo=_AGAIN)
    elif tree and mark is None:
        what = f"nothing says what it was built from; the tree has {tree}"
        yield Finding(kind="tree", where=filename, what=what, todo="build it with freshwheel")
    elif tree and mark is not None and mark.digest != tree:
        what = f"it was built from {mark.digest}, and the tree has {tree}"
        todo = f"{_AGAIN}; what was built from a source distribution is compared with that one, unpacked"
        yield Finding(kind="tree", where=filename, what=what, todo=todo if mark.label is None else _AGAIN)


def check(paths: Sequence[str]) -> Upload:
    """What is wrong with the distributions at these paths, one by one and side by side."""
    findings: list[Finding] = []
    notes: list[str] = []
    known: list[_Distribution] = []
    for path in sorted(paths, key=os.path.basename):
        filename = os.path.basename(path)
        try:
            distribution = _distribution(path)
        except WheelError as error:
            what = error.message.removeprefix(f"{filename}: ")
            findings.append(Finding(kind="broken", where=filename, what=what, todo=_AGAIN))
            continue
        known.append(distribution)
        for finding in distribution.inspected.findings if distribution.inspected is not None else ():
            what = finding.what if finding.where == filename else f"{finding.where}: {finding.what}"
            if finding.kind == "unfamiliar":
                notes.append(f"{filename}: {what}")
            else:
                findings.append(Finding(kind=finding.kind, where=filename, what=what, todo=_AGAIN))
    findings += [*_labels(known), *_labelled(known), *_versions(known)]
    names = tuple(sorted(map(os.path.basename, paths)))
    return Upload(files=names, findings=tuple(findings), notes=tuple(notes))


def _distribution(path: str) -> _Distribution:
    """Raises WheelError."""
    if path.endswith(_WHEEL):
        inspected = inspect(path)
        return _Distribution(name=inspected.name, inspected=inspected)
    name, stated = FileName.sdist(os.path.basename(path)), sdist.version_of(path)
    if marks.normal(stated) != marks.normal(name.version):
        raise WheelError(f"PKG-INFO says version {stated}, the file name {name.version}")
    return _Distribution(name=name)


def _labels(known: Sequence[_Distribution]) -> Iterator[Finding]:
    """Wheels of one release that were built from different sources: an installer takes any of them."""
    wheels = [wheel for wheel in known if wheel.inspected is not None]
    for project, base in sorted({wheel.release for wheel in wheels}):
        labels = sorted({wheel.label or "none" for wheel in wheels if wheel.release == (project, base)})
        if len(labels) > 1:
            many = f"{len(labels)} labels: {few(labels, _MOST)}"
            what = f"wheels of {base} have {many}; those of one release are of one tree"
            todo = "remove them all, and build again from the tree as it is now"
            yield Finding(kind="labels", where=project, what=what, todo=todo)


def _labelled(known: Sequence[_Distribution]) -> Iterator[Finding]:
    """What an index refuses because it has a label."""
    for distribution in known:
        if distribution.label:
            what = f"its version has the label {distribution.label}, and an index refuses local versions"
            todo = _RELEASE if distribution.inspected is not None else f"{_AGAIN}: freshwheel gives it no label"
            yield Finding(kind="label", where=distribution.name.filename, what=what, todo=todo)


def _versions(known: Sequence[_Distribution]) -> Iterator[Finding]:
    """Wheels of freshwheel beside source distributions of other versions only."""
    for distribution in known:
        project, base = distribution.release
        beside = {other.release[1] for other in known if other.inspected is None and other.release[0] == project}
        if (
            distribution.inspected is not None
            and distribution.inspected.mark is not None
            and beside
            and base not in beside
        ):
            what = f"it is of version {base}, and the source distribution beside it of {few(sorted(beside), _MOST)}"
            yield Finding(
                kind="versions",
                where=distribution.name.filename,
                what=what,
                todo="remove the older one, or build both again",
            )
