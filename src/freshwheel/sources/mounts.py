"""How exact the times of a file system are, as far as the system says what it is."""

from __future__ import annotations

import os
import re

_EXACT = frozenset((b"bcachefs", b"btrfs", b"ext2", b"ext3", b"ext4", b"f2fs", b"overlay", b"tmpfs", b"xfs", b"zfs"))
"""Local ones: they give every change a new time, and no other machine makes changes."""
_SLACK = 2 * 10**9
"""The coarsest of them count in whole seconds."""
_MOUNTS = "/proc/self/mountinfo"
_ESCAPE = re.compile(rb"\\([0-7]{3})")


def slack(path: str, *, mounts: str = _MOUNTS) -> int | None:
    """Nanoseconds after a change within which another one may get the same times, where `path` is.

    None where that can't be told: network and virtual file systems, unknown ones, one that is mounted below the path,
    and systems without the file `mounts`.
    """
    try:
        device = os.stat(path).st_dev
        real = os.fsencode(os.path.realpath(path))
        with open(mounts, "rb") as file:
            kinds = _kinds(file.read(), b"%d:%d" % (os.major(device), os.minor(device)), real)
    except (OSError, ValueError, AttributeError):  # Windows has no device numbers
        return None
    return _SLACK if kinds and kinds <= _EXACT else None


def _kinds(text: bytes, device: bytes, path: bytes) -> set[bytes]:
    """The types of the file systems that a folder and all below it may be on.

    Its own is the one that has this number; else, as btrfs gives out others, the one mounted nearest above.
    """
    own: list[tuple[bool, int, int, bytes]] = []
    below = set()
    for number, line in enumerate(text.splitlines()):
        fields = line.split(b" ")
        if b"-" not in fields[6:-1]:
            continue
        point = _ESCAPE.sub(_byte, fields[4])
        kind = fields[fields.index(b"-", 6) + 1]
        holds = path == point or path.startswith(point.rstrip(b"/") + b"/")
        if holds or fields[2] == device:
            # Of two on the same place the later one hides the earlier.
            own.append((fields[2] == device, len(point) if holds else -1, number, kind))
        elif point.startswith(path.rstrip(b"/") + b"/"):
            below.add(kind)
    return {max(own)[3]} | below if own else set()


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8) & 0xFF])
