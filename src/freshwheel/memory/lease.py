"""What one run of a frontend was promised in its first hook, for its later ones. Part of the light column.

A frontend that was told that nothing need be installed can't build any more. So the wheel that was found then is kept
for that run, whatever happens to the store; and a run that was told what to install keeps the key that this was said
for. A run is known by all that its hooks have in common, never by one thing alone.

How long a promise may withhold requirements goes by when those of an entry of the store were last resolved. Where that
is lost, nobody knows, and they are asked for once more.
"""

import os
import sys

import xxhash

from freshwheel.base import files, frame, records, rows
from freshwheel.base.records import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


_MAGIC = b"FWLEASE\2"
_WHEEL = "wheel"
_AGE = 24 * 3600
"""Seconds. No run lasts longer."""
_YOUNG = 60
"""Seconds. It takes no longer to write a lease."""
_RESOLVED = b"FWASK\0\0\1"
_MOST = 1000
"""Entries of which it is known when their requirements were resolved; the oldest go first."""


class Lease(Value):
    """What one run was promised."""

    __slots__ = ("digest", "folder", "key", "name", "prefix")

    folder: str
    """Where the lease lies."""
    key: str
    """The build key that was decided for; nothing: the wheel was built in this run, which has all that it takes."""
    digest: str
    """The source digest then."""
    name: str
    """The file name of the wheel that is kept here; nothing: it was a miss, and the requirements were given out."""
    prefix: str
    """The environment of the run; once it is gone, so is the run."""

    @property
    def wheel(self) -> str:
        """The path of the wheel."""
        return os.path.join(self.folder, _WHEEL)


def run(tree: bytes, environ: "Mapping[str, str]", asked: bytes) -> bytes | None:
    """What this run of a frontend is known by, 16 bytes; None where it can't be told from others.

    `tree` is the real path, `asked` what tells apart the questions that one run may ask: hook, interpreter, settings.
    Needs a parent process whose start is known, and an environment that is not the interpreter's own.
    """
    started = _started(os.getppid()) if hasattr(os, "getppid") else None
    path = environ.get("PYTHONPATH", "")
    if started is None or not (path or sys.prefix != sys.base_prefix):
        return None
    fields = (tree, started, os.fsencode(sys.prefix), os.fsencode(path), asked)
    return xxhash.xxh3_128_digest(frame.framed(*fields))


def grant(cache: str, identity: bytes, *, key: str, digest: str, wheel: "tuple[str, str] | None") -> "Lease | None":
    """The lease that is now kept for a run; `wheel` is a path and a file name. None where it could not be written."""
    folder = _folder(cache, identity)
    lease = Lease(folder=folder, key=key, digest=digest, name=wheel[1] if wheel else "", prefix=_prefix())
    try:
        drop(lease)
        files.settle(folder)
        if wheel is not None:
            files.copy(wheel[0], lease.wheel)
        if records.save(_terms(folder), _MAGIC, (_content(lease), key, digest, lease.name, lease.prefix), identity):
            return lease
    except (OSError, rows.RestlessError):
        pass
    drop(lease)
    return None


def find(cache: str, identity: bytes) -> "Lease | None":
    """The lease of a run; None where there is none that can be used."""
    return _granted(_folder(cache, identity), identity)


def _granted(folder: str, identity: bytes) -> "Lease | None":
    """The lease that was granted to this run, with the very wheel."""
    terms = records.load(_terms(folder), _MAGIC, identity)
    if terms is None:
        return None
    content, key, digest, name, prefix = terms
    lease = Lease(folder=folder, key=key, digest=digest, name=name, prefix=prefix)
    try:
        return lease if files.is_own(os.lstat(folder)) and _content(lease) == content else None
    except (OSError, rows.RestlessError):
        return None


def drop(lease: "Lease") -> None:
    """Removes a lease."""
    _clear(lease.folder)


def _clear(folder: str) -> None:
    """Nothing is in the folder of a lease, and it is not there."""
    files.discard(_terms(folder))
    try:
        # Somebody may have been killed while the wheel was written.
        for name in os.listdir(folder):
            files.discard(os.path.join(folder, name))
        os.rmdir(folder)
    except OSError:
        return


def sweep(cache: str, now: float) -> None:
    """Removes the leases of runs that are over; `now` in seconds since the epoch."""
    top = os.path.join(cache, "leases")
    try:
        names = os.listdir(top)
    except OSError:
        return
    for name in names:
        folder, age = os.path.join(top, name), 0.0
        try:
            age = abs(now - os.stat(folder).st_mtime)
            lease = _granted(folder, bytes.fromhex(name))
        except (OSError, ValueError):
            lease = None
        # What is none may be one that is being written.
        if age > (_AGE if lease is not None else _YOUNG) or (lease is not None and not os.path.exists(lease.prefix)):
            _clear(folder)


def _folder(cache: str, identity: bytes) -> str:
    return os.path.join(cache, "leases", identity.hex())


def _prefix() -> str:
    return sys.prefix if sys.prefix != sys.base_prefix else os.path.abspath(os.sep)


def _started(process: int) -> bytes | None:
    """When a process started, in ticks since this system did, and which start of the system that was."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            ticks = file.read().rpartition(b")")[2].split()[19]
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return b"%d %s %s" % (process, ticks, file.read().strip())
    except (OSError, IndexError):
        return None


def _content(lease: Lease) -> bytes:
    """The content digest of the wheel; nothing where there is none."""
    wheel = rows.read(os.fsencode(lease.wheel), follow=False) if lease.name else None
    return wheel[1] if wheel is not None else b""


def _terms(folder: str) -> str:
    return os.path.join(folder, "terms")


def resolved(cache: str | None, key: str) -> int:
    """When the requirements of the entry under this key were last resolved, in ns; 0: nobody knows."""
    return records.load(_place_of(cache or "", key), _RESOLVED, key) or 0


def renew(cache: str | None, key: str, now: int) -> None:
    """They were resolved `now`, in ns; if that can't be written, they will be asked for again."""
    records.save(_place_of(cache or "", key), _RESOLVED, now, key, most=_MOST)


def _place_of(cache: str, key: str) -> str:
    return os.path.join(cache, "resolved", f"of.{key}.bin")
