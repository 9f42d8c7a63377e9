"""The canonical digest of inputs: a pure function of names, kinds and contents, as docs/reference/digest.md says it.

Part of the light column: a digest is one over columns, the sorted paths and 17 bytes of kind and content for each.
"""

import xxhash

from freshwheel.base.frame import framed
from freshwheel.base.rows import EDITION
from freshwheel.base.rows import digest as digest_of_columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from freshwheel.base.model import Input

_RULES = b"freshwheel inputs"
_WIDTH = 17
"""Bytes of kind and content."""
COMPILED = (
    *(b".c", b".cc", b".cpp", b".cxx", b".pyx", b".rs", b".f", b".f90", b".m", b".mm", b".cu", b".cmake", b".go"),
)
"""Endings of sources of extension modules."""
_MARKERS = (b"__init__.py", b"__init__.pyi")
_ENDINGS = (b".py", b".pyi")
_TYPED = b"py.typed"
_SCRIPT = b"setup.py"
"""Runs in a build, wherever it lies."""
_FILE = ord("f")
_EXECUTABLE = ord("x")
"""In a package it is a module all the same; elsewhere any tool of a build may be told to run it."""

of = xxhash.xxh3_128_digest
"""The content digest of bytes: 16 bytes."""


def columns(inputs: "Sequence[Input]") -> tuple[bytes, bytes]:
    """The sorted paths of inputs with a NUL between two, and kind and content of each."""
    ordered = sorted([(file.path, file.kind + file.content) for file in inputs])
    return b"\0".join([path for path, _ in ordered]), b"".join([cell for _, cell in ordered])


def rules(*, include: "Sequence[str]", exclude: "Sequence[str]", always: "Sequence[str]") -> bytes:
    """What selected the inputs, in 16 bytes; neither the order nor a repetition of patterns counts."""
    lists = [framed(*sorted({text.encode() for text in texts})) for texts in (include, exclude, always)]
    return of(framed(_RULES, str(EDITION).encode(), *lists))


def link(text: bytes, kind: bytes, target: bytes) -> bytes:
    """The content digest of a symbolic link: its text, and the kind of what it leads to with what tells that apart."""
    return of(framed(text, kind, target))


def native(rules: bytes, names: bytes, column: bytes) -> str:
    """The native digest, 32 hex digits: as the source digest, over the inputs that are not pure Python."""
    paths = names.split(b"\0") if names else []
    left_out = frozenset(pure(paths, column))
    if not left_out:
        return digest_of_columns(rules, names, column)
    kept = [number for number in range(len(paths)) if number not in left_out]
    cells = [column[_WIDTH * number : _WIDTH * number + _WIDTH] for number in kept]
    return digest_of_columns(rules, b"\0".join([paths[number] for number in kept]), b"".join(cells))


def pure(paths: list[bytes], column: bytes) -> list[int]:
    """The numbers of the inputs that are pure Python: modules and stubs wherever they lie, `py.typed` of packages."""
    folders, endings = packages(paths), (*_ENDINGS, _TYPED)
    return [
        number
        for number, path in enumerate(paths)
        if path.endswith(endings) and _is_pure(path, column[_WIDTH * number], folders)
    ]


def packages(paths: list[bytes]) -> frozenset[bytes]:
    """The folders that are packages: those with an `__init__`, but for the project directory and what is outside."""
    folders = {path.rpartition(b"/")[0] for path in paths if path.endswith(_MARKERS) and _name(path) in _MARKERS}
    return frozenset(folder for folder in folders if folder and _name(folder) != b"..")


def loose(paths: list[bytes]) -> list[bytes]:
    """Those of all inputs that are modules and stubs in no package."""
    folders = packages(paths)
    return [path for path in paths if path.endswith(_ENDINGS) and path.rpartition(b"/")[0] not in folders]


def _is_pure(path: bytes, kind: int, folders: frozenset[bytes]) -> bool:
    name = _name(path)
    packed = kind in (_FILE, _EXECUTABLE) and path.rpartition(b"/")[0] in folders
    if path.endswith(_ENDINGS):
        return name != _SCRIPT and (packed or kind == _FILE)
    return packed and name == _TYPED


def _name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]
