"""Records: values that are kept in files of their own. Part of the light column.

Such a file is 8 bytes that say what it is and in which edition, a sum, and what `marshal` makes of the value. It is
believed if nobody else can have written it and the sum is right: then it is what `save` wrote, and its form is known.
Whatever else lies there, there is no record.
"""

import marshal
import os

import xxhash

from freshwheel.base import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self

_FORM = 2
"""Of `marshal`: one that every Python reads."""
_LARGEST = 1 << 28
"""Bytes that are read."""


class Value:
    """Fields by name, which nobody changes: what dataclasses are elsewhere."""

    __slots__: "tuple[str, ...]" = ()

    def __init__(self, **fields: "Any") -> None:
        for name in self.__slots__:
            value = fields[name]
            setattr(self, name, tuple(value) if isinstance(value, list) else value)

    @classmethod
    def of(cls, fields: "Any") -> "Self":
        """The value with these fields, in the order of `fields`."""
        return cls(**dict(zip(cls.__slots__, fields, strict=True)))

    def fields(self) -> "tuple[Any, ...]":
        """The fields, in the order of the slots."""
        return tuple(self.named().values())

    def named(self) -> "dict[str, Any]":
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def but(self, **fields: "Any") -> "Self":
        """The same value with other fields."""
        return type(self)(**{**self.named(), **fields})

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal."""
        return isinstance(other, type(self)) and self.fields() == other.fields()

    def __hash__(self) -> int:
        """As `__eq__`."""
        return hash(self.fields())


def place(cache: str, tree: bytes, kind: str) -> str:
    """Where a record of a tree, a real path, lies in the cache directory."""
    return os.path.join(cache, "trees", f"{xxhash.xxh3_128_hexdigest(tree)}.{kind}")


def dumped(magic: bytes, value: object) -> bytes:
    """The bytes of a record."""
    body = marshal.dumps(_plain(value), _FORM)
    return magic + xxhash.xxh3_128_digest(body) + body


def parsed(magic: bytes, data: bytes) -> "Any":
    """The value that was dumped, its parts as tuples. Raises DamagedError for any other bytes."""
    body = memoryview(data)[24:]
    if data[:8] != magic or data[8:24] != xxhash.xxh3_128_digest(body):
        raise files.DamagedError("not a record of this kind")
    try:
        return marshal.loads(body)  # noqa: S302 - nobody else can have written it, as the sum and the owner say
    except (EOFError, TypeError, ValueError):
        raise files.DamagedError("written by a later Python") from None


def read(path: str, magic: bytes) -> "Any":
    """The value of the record at `path`. Raises OSError where there is none, DamagedError for anything else."""
    with files.opened(path) as file:
        return parsed(magic, file.read(_LARGEST) or b"")


def load(path: str, magic: bytes, about: object = None) -> "Any":
    """The value that was saved about this; None where there is none, or none that can be believed."""
    try:
        said, value = read(path, magic)
    except (OSError, ValueError):
        return None
    return value if said == about else None


def save(path: str, magic: bytes, value: object, about: object = None, *, most: int = 0) -> bool:
    """Whether the value could be written, for its owner alone; of files of its kind beside it only the `most` stay."""
    try:
        files.settle(os.path.dirname(path))
        files.write(path, dumped(magic, (about, value)), mode=0o600)
        if most:
            files.thin(path, most)
    except (OSError, ValueError):
        return False
    return True


def _plain(value: "Any") -> "Any":
    """What `marshal` knows: values as tuples."""
    if isinstance(value, Value):
        value = value.fields()
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return tuple(map(_plain, value)) if isinstance(value, (tuple, list)) else value
