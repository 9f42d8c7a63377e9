"""What stood around a build and decided about its key, as rows that a later run compares without asking anything."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from freshwheel.base import rows
from freshwheel.base.frame import stamp
from freshwheel.base.rows import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """While all this holds, the components that are no inputs of the tree are what they were. Paths are absolute."""

    places: Mapping[bytes, Row] = field(default_factory=dict)
    """Programs, folders and files: the rows of what the path leads to."""
    absent: frozenset[bytes] = frozenset()
    """What was asked for and leads nowhere."""
    devices: frozenset[int] = frozenset()
    """The file systems that all this is on."""
    names: Mapping[str, bytes | None] = field(default_factory=dict)
    """Environment variable -> `stamp` of its value; None: it is not set."""
    families: tuple[str, ...] = ()
    """All variables that are set and shape the wheel, sorted: another one changes the key."""
    path: bytes = b""
    """`stamp` of the folders where programs are looked for."""
    untrusted: tuple[str, ...] = ()
    """Why all this proves nothing, in words: then everything must be asked again, every time."""


class Lookout:
    """Looks at what lies outside of the tree, and keeps what it saw: the first row of each path, and what is absent."""

    def __init__(self) -> None:
        self.places: dict[bytes, Row] = {}
        self.absent: set[bytes] = set()
        self.devices: set[int] = set()
        self.names: set[str] = set()
        """Variables that decided something, whether they are set or not."""
        self.untrusted: dict[str, None] = {}

    def look(self, path: str) -> Row | None:
        """The row of what the path leads to, None for nothing. A path that can't be asked for is distrusted."""
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            self.absent.add(os.fsencode(path))
            return None
        except (OSError, ValueError) as error:
            # Without the path, which the environment may have given.
            self.distrust(f"a place can't be looked at: {getattr(error, 'strerror', None) or 'its path is none'}")
            return None
        self.devices.add(status.st_dev)
        found = rows.row(status)
        self.places.setdefault(os.fsencode(path), found)
        return found

    def distrust(self, reason: str) -> None:
        """Nothing that was seen proves anything, for this reason."""
        self.untrusted[reason] = None

    def watch(self, environ: Mapping[str, str], families: Iterable[str], *, path: bytes, salt: bytes) -> Watch:
        """All that was seen."""
        shaping = sorted(set(families))
        return Watch(
            places=dict(self.places),
            absent=frozenset(self.absent),
            devices=frozenset(self.devices),
            names={
                name: stamp(salt, name, environ[name]) if name in environ else None
                for name in sorted(self.names.union(shaping))
            },
            families=tuple(shaping),
            path=path,
            untrusted=tuple(self.untrusted),
        )
