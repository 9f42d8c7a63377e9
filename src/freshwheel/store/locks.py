"""Locks that save work. Nothing is wrong without them: where they can't be had, one goes on and says so.

The files are never removed, since that would split those who wait, and there is a bounded number of them: two things
whose names begin alike wait for each other, which is rare and harmless.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from freshwheel.store.shelf import Shelf, why

_MOUNTS = "/proc/self/mountinfo"
_DIGITS = 4
_REMOTE = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ceph", "lustre", "gpfs", "beegfs", "glusterfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.gcsfuse", "fuse.s3fs", "virtiofs"),
    )
)
"""Where to ask for a lock may take for ever, even without waiting for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """Whether a lock is held."""

    reason: str = ""
    """Why it is not held; nothing: it is."""
    is_busy: bool = False
    """Whether another process held it all the time."""


@contextlib.contextmanager
def hold(shelf: Shelf, kind: str, name: str, timeout: float) -> Iterator[Hold]:
    """Holds a lock, as far as it can be had. `name` is a hash; waits at most `timeout` seconds."""
    path = os.path.join(shelf.root, "locks", f"{kind}-{name[:_DIGITS]}")
    with contextlib.ExitStack() as stack:
        yield _held(stack, path, timeout)


def _held(stack: contextlib.ExitStack, path: str, timeout: float) -> Hold:
    try:
        import filelock  # noqa: PLC0415 - it costs 50 ms, and a hit needs none

        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o700, exist_ok=True)
        if is_remote(folder):
            return Hold(reason="locks are not used on a network file system")
        lock = filelock.FileLock(path, timeout=timeout, mode=0o600, fallback_to_soft=False, preserve_lock_file=True)
        lock.acquire()
    except TimeoutError:
        return Hold(reason=f"another process held the lock for {timeout:g} seconds", is_busy=True)
    except (OSError, ImportError, RuntimeError, NotImplementedError) as error:
        return Hold(reason=f"no locks: {why(error)}")
    stack.callback(_released, lock.release)
    return Hold()


def is_remote(folder: str, *, mounts: str = _MOUNTS) -> bool:
    """Whether a folder is known to be on a network file system."""
    try:
        device = os.stat(folder).st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            return any(_kind(line, number) in _REMOTE for line in file)
    except (OSError, ValueError, AttributeError):  # only Linux has this file
        return False


def _kind(line: str, number: str) -> str:
    """The type of the file system that a line of mountinfo is about, if it has this number."""
    fields = line.split(" ")
    if len(fields) < 3 or fields[2] != number or "-" not in fields[6:-1]:  # noqa: PLR2004
        return ""
    return fields[fields.index("-", 6) + 1]


def _released(release: Callable[[], object]) -> None:
    """A lock that can't be released goes with the process."""
    with contextlib.suppress(OSError, RuntimeError):
        release()
