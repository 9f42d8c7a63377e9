"""What a finished wheel is called, and what its mark says."""

from __future__ import annotations

from dataclasses import dataclass

import xxhash

from freshwheel.about import __version__
from freshwheel.base import frame
from freshwheel.base.model import Mark
from freshwheel.build.context import Context
from freshwheel.wheel import mark


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


def named(context: Context, digest: str, *, native: str | None, stated: str, inner: str) -> Name:
    """The name for the wheel with the file name `inner`, in which the inner backend has stated a version.

    Without a native digest the tree moved during the build.
    """
    label = mark.label(digest) if context.kind == "labelled" else None
    stamp = Mark(
        digest=digest,
        settled=native is not None,
        native=native,
        label=label,
        base=version_of(context, stated, None),
        backend=context.config.backend,
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
