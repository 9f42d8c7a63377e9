"""What hooks ask for and what they get, and the folders that it is written into: a frontend's, and private ones."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from freshwheel.base.errors import FreshwheelError
from freshwheel.memory.outcome import Decided

Standing = Mapping[str, tuple[int, int, int]]
"""File name -> inode, mtime in ns and size in bytes."""
_ROOM = 1 << 30
"""Bytes that are enough for any wheel, and what it is made from."""


@contextlib.contextmanager
def private(near: str | None = None) -> Iterator[str]:
    """A folder for the inner backend alone: what it leaves there can't be taken for ours by a frontend.

    It is in that for temporary files; where that is small, and there is more room in the folder `near`, in there.
    """
    place = near if near is not None and _is_roomier(near) else None
    with tempfile.TemporaryDirectory(prefix=".freshwheel-", dir=place, ignore_cleanup_errors=True) as directory:
        yield directory


def _is_roomier(near: str) -> bool:
    try:
        os.makedirs(near, exist_ok=True)
        temporary = tempfile.gettempdir()
        room = shutil.disk_usage(temporary).free
        return room < _ROOM and shutil.disk_usage(near).free > room
    except OSError:
        return False


@contextlib.contextmanager
def written(directory: str) -> Iterator[None]:
    """Turns what can't be written into `directory`, which is made, into an error for people."""
    try:
        os.makedirs(directory, exist_ok=True)
        yield
    except OSError as error:
        raise FreshwheelError(f"can't write to {directory}: {error.strerror or error}") from error


def standing(directory: str) -> Standing:
    """The wheels that are in `directory` now."""
    wheels = {}
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(".whl"):
                wheels[entry.name] = _row(entry.path)
    return {name: row for name, row in wheels.items() if row is not None}


def clear(directory: str, before: Standing, *, new: str, inner: str) -> None:
    """Removes the wheels from `directory` that the inner backend would have overwritten.

    Unwrapped, a build overwrites the file of the one before. A label gives each its own name, and labels have no order,
    so an installer that is shown the folder could pick any of them.

    A wheel goes only if it stood there before this build began (`before`) and nobody touched it since, if it carries a
    label, and if its mark names the inner file name of the new wheel. A wheel that can't be removed stays.
    """
    for name, row in sorted(before.items()):
        path = os.path.join(directory, name)
        if name != new and _row(path) == row and _is_earlier(path, inner):
            with contextlib.suppress(OSError):
                os.unlink(path)


def _is_earlier(path: str, inner: str) -> bool:
    from freshwheel.wheel import archive  # noqa: PLC0415 - where another wheel lies beside the new one

    mark = archive.mark_of(path)
    return mark is not None and mark.label is not None and mark.inner_wheel == inner


def _row(path: str) -> tuple[int, int, int] | None:
    try:
        stat = os.lstat(path)
    except OSError:
        return None
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)


Purpose = Literal["requires", "metadata", "wheel"]
"""What is asked for: the promise of a wheel, the metadata of one, the wheel."""

SAME = "nothing that needs a build has changed"
PACKED = "its build has at most packed what has changed since"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A finished wheel, and where it comes from."""

    name: str
    """Its file name."""
    inner: str
    """The file name of the wheel that the inner backend made."""
    decided: Decided
    why: str
    said: str = ""
    """What a person is told, behind the name."""
    saved: int = 0
    """ms of the build that was not needed."""
    key: str = ""
    """The build key of what is kept; nothing: the wheel was built in this run."""
    digest: str = ""
    """The source digest of what is kept."""


class Kept(Protocol):
    """Finished wheels that earlier builds have left for one case: in the store, or for one tree."""

    def fetch(self, purpose: Purpose, folder: str) -> Wheel | str:
        """The wheel, now in `folder`; else why there is none, nothing: by what has changed."""

    def reason(self, problem: str) -> str:
        """Why there is none, in words; `problem` is what `fetch` has said."""
