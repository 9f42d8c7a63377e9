"""What the store knows of one build. Part of the light column, and pure."""

from freshwheel.base.records import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

MAGIC = b"FWENT\0\0\3"
"""The last byte is the edition of this format."""
_HEX = frozenset("0123456789abcdef")

Discovered = tuple[bytes, str, bytes, bytes]
"""What only a build has shown: path, relative to the tree or absolute; kind; content; stamp of the row it had then."""


class Blob(Value):
    """Bytes that lie in the store under their SHA-256."""

    __slots__ = ("sha256", "size", "xxh3")

    sha256: str
    """64 hex digits."""
    size: int
    xxh3: bytes
    """16 bytes of XXH3-128."""


class Wheel(Value):
    """A wheel, and its file name."""

    __slots__ = ("blob", "name")

    blob: Blob
    name: str


class Entry(Value):
    """One build."""

    __slots__ = (
        *("base", "created", "discovered", "finished", "inner", "installed", "key", "milliseconds", "parts", "tree"),
    )

    base: str
    """The version that the inner wheel states."""
    created: int
    """In ns since the epoch: for people, never compared."""
    discovered: "Sequence[Discovered]"
    """What must be as it was for the entry to be a hit; sorted."""
    finished: "Mapping[bytes, Wheel]"
    """What was made from the inner wheel and can be made again: 16 bytes that name version and mark -> the wheel."""
    inner: Wheel
    """As the inner backend made it."""
    installed: "Mapping[str, str]"
    """What an installer had put into the environment for this one build, name -> version: for people."""
    key: str
    """The key that it lies under: 64 hex digits."""
    milliseconds: int
    """What the build took."""
    parts: "Mapping[str, str]"
    """The components of the build key, by name."""
    tree: bytes | None
    """16 bytes that name the only tree it may be handed out in; None: any."""

    def blobs(self) -> "list[Blob]":
        """All that it names: the inner wheel, and the finished ones."""
        return [self.inner.blob, *[wheel.blob for wheel in self.finished.values()]]


def of(fields: "Any") -> Entry:
    """The entry that was dumped with these fields."""
    entry = Entry.of(fields)
    return entry.but(inner=_wheel(entry.inner), finished={tag: _wheel(wheel) for tag, wheel in entry.finished.items()})


def is_key(text: str) -> bool:
    """Whether a text can be a key, or the name of a blob: 64 hex digits."""
    return len(text) == 64 and _HEX.issuperset(text)  # noqa: PLR2004


def _wheel(fields: "Any") -> Wheel:
    wheel = Wheel.of(fields)
    return wheel.but(blob=Blob.of(wheel.blob))
