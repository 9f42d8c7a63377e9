"""A wheel finished: what it is called, what its mark says, and how it comes to the frontend that waits for it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xxhash

from freshwheel.about import __version__
from freshwheel.base import files, frame
from freshwheel.base.errors import InputError, WheelUnfamiliarError, few
from freshwheel.base.model import Mark, Snapshot
from freshwheel.build.context import Context
from freshwheel.wheel import mark

if TYPE_CHECKING:
    from freshwheel.build.inner_build import Built

_MOST = 5
"""Files that are named one by one."""


def place(path: str, directory: str) -> str:
    """The name under which a file was copied into `directory`: its own."""
    name = os.path.basename(path)
    files.copy(path, os.path.join(directory, name))
    return name


def tell(context: Context, built: Built) -> None:
    """Names what the build used and what is no input; the label can't name it before the next build."""
    for read in built.missed[:_MOST]:
        todo = f'[tool.freshwheel] include = ["{read.path}"] makes it one'
        context.call.say(f"{read.by} read {read.path}, which is no input; {todo}")
    if len(built.missed) > _MOST:
        context.call.say(f"{len(built.missed) - _MOST} more were read and are no inputs; `freshwheel check` lists them")


def finish(context: Context, built: Built, directory: str) -> tuple[str, Name | None]:
    """The file name of the wheel in `directory` that was made of a built one, and its name; None: it has none."""
    from freshwheel.wheel import archive  # noqa: PLC0415 - what is kept is finished

    try:
        inner = archive.read(built.path)
    except WheelUnfamiliarError as error:
        return _pass_on(context, built.path, directory, error), None
    digest, native = _digest(context, built.path, built.earlier, built.later)
    name = named(context, digest, native=native, stated=inner.version, inner=os.path.basename(built.path))
    return archive.rewrite(inner, directory, version=name.version, mark=name.mark), name


def _digest(
    context: Context, path: str, earlier: Snapshot | InputError, later: Snapshot | InputError
) -> tuple[str, str | None]:
    """The digest that names what was built, and the native digest; None: the first one is that of no tree.

    Bytes that are equal before and after prove nothing about the time between: a row that moved means that some other
    content may have been compiled. Such a wheel gets a digest that no tree has, and so the next build replaces it.
    """
    if isinstance(earlier, Snapshot) and isinstance(later, Snapshot):
        if (earlier.digest, earlier.rows) == (later.digest, later.rows):
            return later.digest, later.native
        moved = _moved(earlier, later)
        locks = [path for path in moved if os.path.basename(path) == "Cargo.lock"]
        todo = "commit it, or have git ignore it" if locks == moved else "list it in [tool.freshwheel] exclude"
        context.call.say(
            f"{few(moved)} changed during the build; if the build itself writes there, {todo}. "
            "The next build gets another label."
        )
    else:
        failure = earlier if isinstance(earlier, InputError) else later
        context.call.say(f"the sources have no digest, so the label names this one wheel only: {failure}")
    known = [side.digest if isinstance(side, Snapshot) else None for side in (earlier, later)]
    with open(path, "rb") as file:
        inner = hashlib.sha256(file.read()).hexdigest()
    return mark.unsettled(known[0], known[1], inner), None


def _moved(earlier: Snapshot, later: Snapshot) -> list[str]:
    """The paths of the inputs that are not exactly what they were."""
    sides = [
        {file.path: (file, row) for file, row in zip(side.inputs, side.rows, strict=True)} for side in (earlier, later)
    ]
    paths = sorted(sides[0].keys() | sides[1].keys())
    return [os.fsdecode(path) for path in paths if sides[0].get(path) != sides[1].get(path)]


def _pass_on(context: Context, path: str, directory: str, reason: WheelUnfamiliarError) -> str:
    """The name of the inner wheel, handed on as it is, unless that would give it a wrong version."""
    if context.base() is not None:
        raise reason
    context.call.say(f"this wheel is handed on as the inner backend made it, without label and mark: {reason}")
    return place(path, directory)


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """What a finished wheel is called, and what its mark says."""

    stated: str
    """The version that the inner wheel states."""
    version: str
    label: str
    """Nothing where there is none."""
    mark: bytes

    @property
    def tag(self) -> bytes:
        """16 bytes that are the same for the same name and mark."""
        return xxhash.xxh3_128_digest(frame.framed(self.version.encode(), self.mark))


def named(  # noqa: PLR0913 - what a mark says
    context: Context, digest: str, *, native: str | None, stated: str, inner: str, built: str = ""
) -> Name:
    """The name for the wheel with the file name `inner`, in which the inner backend has stated a version.

    Without a native digest the tree moved during the build; `built` is the source digest that it was built from.
    """
    label = mark.label(digest) if context.kind == "labelled" else None
    stamp = Mark(
        digest=digest,
        settled=native is not None,
        native=native,
        label=label,
        base=version_of(context, stated, None),
        backend=context.config.backend,
        built=built if built not in ("", digest) else None,
        inner_wheel=inner,
        freshwheel=__version__,
    )
    full = version_of(context, stated, digest if label else None)
    return Name(stated=stated, version=full, label=label or "", mark=mark.dump(stamp))


def version_of(context: Context, stated: str, digest: str | None) -> str:
    """The version to write, where the inner backend stated one; `digest` is given for a labelled build only."""
    base = context.base()
    if base is None or same(base, stated):
        base = stated
    return base if digest is None else mark.joined(base, mark.label(digest))


def same(first: str, other: str) -> bool:
    """Whether two spellings are one version."""
    return mark.normal(first) == mark.normal(other)
