"""What the store knows of one build, and the bytes of that. Part of the light column, and pure.

An entry is nothing but bytes that a build left: whatever is wrong with them, there is no entry then.
"""

import struct

from freshwheel.base.frame import dumped, framed, parsed, unframed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MAGIC = b"FWENT\0\0\2"
"""The last byte is the edition of this format."""
_NUMBER = struct.Struct("<Q")
_HEX = frozenset("0123456789abcdef")
_LONGEST_NAME = 255

Discovered = tuple[bytes, str, bytes, bytes]
"""What only a build has shown: path, relative to the tree or absolute; kind; content; stamp of the row it had then."""


class Blob:
    """A value: bytes that lie in the store under their SHA-256."""

    __slots__ = ("sha256", "size", "xxh3")

    sha256: str
    """64 hex digits."""
    size: int
    xxh3: bytes
    """16 bytes of XXH3-128."""

    def __init__(self, sha256: str, size: int, xxh3: bytes) -> None:
        self.sha256 = sha256
        self.size = size
        self.xxh3 = xxh3

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal."""
        return isinstance(other, Blob) and _blob(self) == _blob(other)

    def __hash__(self) -> int:
        """As `__eq__`."""
        return hash(self.sha256)


class Wheel:
    """A value: a wheel, its file name, and what is said of it: the label, or the kind of build that has none."""

    __slots__ = ("blob", "label", "name")

    name: str
    blob: Blob
    label: str

    def __init__(self, name: str, blob: Blob, label: str = "") -> None:
        self.name = name
        self.blob = blob
        self.label = label

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal."""
        return isinstance(other, Wheel) and _wheel(self) == _wheel(other)

    def __hash__(self) -> int:
        """As `__eq__`."""
        return hash((self.name, self.blob))


class Entry:
    """A value: nobody changes one."""

    __slots__ = (
        *("base", "created", "discovered", "finished", "info", "inner", "installed", "key", "milliseconds", "parts"),
        "tree",
    )

    key: str
    """The build key: 64 hex digits."""
    inner: Wheel
    """As the inner backend made it."""
    info: Blob
    """Its `.dist-info` without RECORD, packed."""
    base: str
    """The version that the inner wheel states."""
    finished: "Mapping[bytes, Wheel]"
    """What was made from the inner wheel and can be made again: 16 bytes that name version and mark -> the wheel."""
    parts: "Mapping[str, str]"
    """The components of the key, by name."""
    discovered: "Sequence[Discovered]"
    """What must be as it was for the entry to be a hit; sorted."""
    tree: bytes | None
    """16 bytes that name the only tree it may be handed out in; None: any."""
    installed: "Mapping[str, str]"
    """What an installer had put into the environment for this one build, name -> version: for people."""
    milliseconds: int
    """What the build took."""
    created: int
    """In ns since the epoch: for people, never compared."""

    def __init__(  # noqa: PLR0913 - the fields
        self,
        *,
        key: str,
        inner: Wheel,
        info: Blob,
        base: str,
        finished: "Mapping[bytes, Wheel]",
        parts: "Mapping[str, str]",
        discovered: "Sequence[Discovered]",
        tree: bytes | None,
        installed: "Mapping[str, str]",
        milliseconds: int,
        created: int,
    ) -> None:
        self.key = key
        self.inner = inner
        self.info = info
        self.base = base
        self.finished = finished
        self.parts = parts
        self.discovered = tuple(sorted(discovered))
        self.tree = tree
        self.installed = installed
        self.milliseconds = milliseconds
        self.created = created

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal."""
        return isinstance(other, Entry) and dump(self) == dump(other)

    def __hash__(self) -> int:
        """As `__eq__`."""
        return hash(dump(self))

    def with_finished(self, finished: "Mapping[bytes, Wheel]") -> "Entry":
        """The same entry with these finished wheels besides its own."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return Entry(**{**fields, "finished": {**self.finished, **finished}})

    def blobs(self) -> "list[Blob]":
        """All that it names: the inner wheel, its metadata, and the finished wheels."""
        return [self.inner.blob, self.info, *[wheel.blob for wheel in self.finished.values()]]


def dump(entry: Entry) -> bytes:
    """The bytes of an entry: equal entries have equal bytes."""
    return dumped(
        _MAGIC,
        *(entry.key.encode(), _wheel(entry.inner), _blob(entry.info), _bytes(entry.base), entry.tree or b""),
        *(_NUMBER.pack(entry.milliseconds), _NUMBER.pack(entry.created), _table(entry.parts), _table(entry.installed)),
        framed(*[field for path, kind, *rest in entry.discovered for field in (path, _bytes(kind), *rest)]),
        framed(*[field for tag, wheel in sorted(entry.finished.items()) for field in (tag, _wheel(wheel))]),
    )


def parse(data: bytes) -> Entry | None:
    """The entry that was dumped, None for anything else."""
    try:
        entry = _parsed(*parsed(_MAGIC, data))
        return entry if _fits(entry) and dump(entry) == data else None
    except (ValueError, TypeError, struct.error):
        return None


def pack(files: "Mapping[str, bytes]") -> bytes:
    """Small files in one piece, by name."""
    return framed(*[field for name, data in sorted(files.items()) for field in (_bytes(name), data)])


def unpack(data: bytes) -> dict[str, bytes] | None:
    """The files that were packed, None for anything else."""
    try:
        fields = unframed(data)
        files = dict(zip([_text(name) for name in fields[::2]], fields[1::2], strict=True))
    except ValueError:
        return None
    return files if pack(files) == data else None


def is_key(text: str) -> bool:
    """Whether a text can be a key, or the name of a blob: 64 hex digits."""
    return len(text) == 64 and _HEX.issuperset(text)  # noqa: PLR2004


def is_name(name: str) -> bool:
    """Whether a text can be the file name of a wheel, on every system and in every folder."""
    bad = any(sign in '/\\:*?"<>|' or not sign.isprintable() for sign in name)
    return name.endswith(".whl") and not bad and name[0] != "." and len(_bytes(name)) <= _LONGEST_NAME


def _parsed(  # noqa: PLR0913, PLR0917 - the fields, in their order
    key: bytes,
    inner: bytes,
    info: bytes,
    base: bytes,
    tree: bytes,
    milliseconds: bytes,
    created: bytes,
    parts: bytes,
    installed: bytes,
    discovered: bytes,
    finished: bytes,
) -> Entry:
    """The entry with these fields. Raises ValueError, TypeError or struct.error where they are none."""
    found, made = unframed(discovered), unframed(finished)
    return Entry(
        key=key.decode("ascii"),
        inner=_wheel_of(*unframed(inner)),
        info=_blob_of(*unframed(info)),
        base=_text(base),
        finished={tag: _wheel_of(*unframed(wheel)) for tag, wheel in zip(made[::2], made[1::2], strict=True)},
        parts=_table_of(parts),
        discovered=[
            (path, _text(kind), content, row)
            for path, kind, content, row in zip(found[::4], found[1::4], found[2::4], found[3::4], strict=True)
        ],
        tree=tree or None,
        installed=_table_of(installed),
        milliseconds=_NUMBER.unpack(milliseconds)[0],
        created=_NUMBER.unpack(created)[0],
    )


def _fits(entry: Entry) -> bool:
    """Whether the fields are what they must be."""
    names = [entry.inner.name, *[wheel.name for wheel in entry.finished.values()]]
    tags = [*entry.finished, *([entry.tree] if entry.tree is not None else [])]
    return (
        is_key(entry.key)
        and all(map(is_name, names))
        and all(len(tag) == 16 for tag in tags)  # noqa: PLR2004
        and all(len(blob.sha256) == 64 and len(blob.xxh3) == 16 for blob in entry.blobs())  # noqa: PLR2004
        and all(path and b"\0" not in path for path, *_ in entry.discovered)
    )


def _blob(blob: Blob) -> bytes:
    return framed(bytes.fromhex(blob.sha256), _NUMBER.pack(blob.size), blob.xxh3)


def _blob_of(sha256: bytes, size: bytes, xxh3: bytes) -> Blob:
    return Blob(sha256.hex(), _NUMBER.unpack(size)[0], xxh3)


def _wheel(wheel: Wheel) -> bytes:
    return framed(_bytes(wheel.name), _bytes(wheel.label), _blob(wheel.blob))


def _wheel_of(name: bytes, label: bytes, blob: bytes) -> Wheel:
    return Wheel(_text(name), _blob_of(*unframed(blob)), _text(label))


def _table(table: "Mapping[str, str]") -> bytes:
    return framed(*[_bytes(text) for pair in sorted(table.items()) for text in pair])


def _table_of(data: bytes) -> dict[str, str]:
    texts = [_text(field) for field in unframed(data)]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _bytes(text: str) -> bytes:
    """The bytes of a text; the environment may hold what is no text."""
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
