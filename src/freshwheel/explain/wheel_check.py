"""The recipe of `verify`: one wheel file, held against its RECORD, its mark, and a tree.

Values in, values out: nothing here is printed, and nothing is built.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from freshwheel.base import versions
from freshwheel.base.errors import WheelError, WheelUnfamiliarError
from freshwheel.base.model import Finding, Mark
from freshwheel.build.plan import Call, Plan
from freshwheel.wheel import archive, version
from freshwheel.wheel import mark as marks
from freshwheel.wheel.archive import Wheel
from freshwheel.wheel.names import FileName

_REPEAT = "get it or build it again"


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What one wheel file says of itself, and what is wrong with that."""

    name: FileName
    mark: Mark | None
    """None: it has none, or none that can be understood."""
    tree: str
    """The source digest of the tree that it was held against; nothing: it was held against none."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def is_of_tree(self) -> bool | None:
        """Whether the tree says what the wheel says; None: that was not asked, or can't be told."""
        if not self.tree or self.mark is None or not self.mark.settled:
            return None
        return self.mark.digest == self.tree


def inspect(path: str, call: Call | None = None) -> Inspection:
    """The wheel at `path`, held against the tree of `call` if there is one.

    Raises WheelError where the file is no wheel at all; a wheel that is broken is a finding.
    """
    filename = os.path.basename(path)
    name = FileName.wheel(filename)
    _check_readable(path, filename)
    tree = "" if call is None else Plan.of(call).snapshot().digest
    try:
        wheel = archive.read(path)
        found = list(_flaws(wheel))
        mark, wrong = _mark(wheel)
    except WheelUnfamiliarError as error:
        what = f"{_own(error, filename)}; what is in it was not compared with RECORD"
        unread = Finding(kind="unfamiliar", where=filename, what=what, todo="look at it with another tool")
        return Inspection(name=name, mark=None, tree=tree, findings=(unread,), notes=())
    except WheelError as error:
        broken = Finding(kind="broken", where=filename, what=_own(error, filename), todo=_REPEAT)
        return Inspection(name=name, mark=None, tree=tree, findings=(broken,), notes=())
    found += wrong
    notes = [_unlabelled(mark)] if not wrong and (mark is None or mark.label is None) else []
    found += _of_tree(filename, mark, tree)
    return Inspection(name=name, mark=mark, tree=tree, findings=tuple(found), notes=tuple(notes))


def _check_readable(path: str, filename: str) -> None:
    """Returns if there is a ZIP file at `path`."""
    try:
        with open(path, "rb") as file:
            is_zip = zipfile.is_zipfile(file)
    except OSError as error:
        raise WheelError(f"{filename}: it can't be read: {error.strerror or error}") from error
    if not is_zip:
        raise WheelError(f"{filename}: it is no wheel: it is no ZIP file, or is cut off")


def _flaws(wheel: Wheel) -> Iterator[Finding]:
    """The members that are not what RECORD says."""
    for member, what in archive.flaws(wheel).items():
        yield Finding(kind="broken", where=member, what=what, todo=_REPEAT)


def _mark(wheel: Wheel) -> tuple[Mark | None, list[Finding]]:
    """The mark, and what is wrong with it, or with there being none."""
    stated = versions.parsed(wheel.version)
    labelled = stated is not None and versions.has_label(stated)
    data = archive.mark_text(wheel.path)
    if data is None:
        return None, [_wrong(f"there is none, and the version {wheel.version} has a label")] if labelled else []
    try:
        mark = marks.parse(data)
        expected = mark.base if mark.label is None else version.joined(mark.base, mark.label)
        fits = version.normal(expected) == version.normal(wheel.version)
    except (ValueError, WheelError) as error:
        return None, [_wrong(f"it is no mark: {error}")]
    if fits:
        return mark, []
    return mark, [_wrong(f"it is that of version {expected}, and the wheel has {wheel.version}")]


def _wrong(what: str) -> Finding:
    return Finding(kind="mark", where=marks.NAME, what=what, todo="build the wheel again")


def _unlabelled(mark: Mark | None) -> str:
    if mark is None:
        return "there is no mark: freshwheel has not made this wheel"
    return "there is no label: this is a plain build, or a release"


def _of_tree(filename: str, mark: Mark | None, tree: str) -> Iterator[Finding]:
    """What is wrong between the mark and a tree with the digest `tree`, or with the mark alone."""
    if mark is not None and not mark.settled:
        what = "the sources changed while it was built, so that it is of no tree"
        yield Finding(kind="moved", where=filename, what=what, todo="build it again")
    elif not tree:
        return
    elif mark is None:
        what = f"nothing says what it was built from; the tree has {tree}"
        yield Finding(kind="tree", where=filename, what=what, todo="build it with freshwheel")
    elif mark.digest != tree:
        what = f"it was built from {mark.digest}, and the tree has {tree}"
        todo = "build it again; what was built from a source distribution is compared with that one, unpacked"
        yield Finding(kind="tree", where=filename, what=what, todo=todo if mark.label is None else "build it again")


def _own(error: WheelError, filename: str) -> str:
    """What is wrong, without the name of the file."""
    return error.message.removeprefix(f"{filename}: ")
