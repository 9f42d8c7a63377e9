"""What was installed from a folder of this machine, and whether it is what that says. Part of the light column.

`direct_url.json` says where it came from (PEP 610), its mark what it was made from, and the memory of the tree what it
would be made from now. Only the folders of an environment are read. A file that says something odd says nothing.
"""

import os

from freshwheel.base import files, rows
from freshwheel.base.records import Value
from freshwheel.memory import editables, memory, replay
from freshwheel.sources import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Literal

    from freshwheel.memory.editables import Finding, Record

    Origin = Literal["folder", "elsewhere"]
    Standing = tuple[Literal["current", "stale", "unknown"], str, tuple[str, ...]]
    """How what is installed stands to its tree. Why, in words; of what is current: nothing, or what need not concern
    anybody. And the files in the tree that must be removed, where that is all that is wrong."""


_INFO = ".dist-info"
_DIRECT = "direct_url.json"
_MARK = "freshwheel.json"
_LARGEST = 1 << 16
_IN_PLACE = ("maturin", "setuptools.build_meta")
"""Backends whose editable builds put modules into the tree."""
_APART = (
    *("scikit_build_core.build", "mesonpy"),
    *("hatchling.build", "flit_core.buildapi", "flit.buildapi", "uv_build"),
)
"""Those whose modules lie where they were installed, or are built when they are imported; and those without any."""
_STALE = {
    "missing": "is missing",
    "known": "is that of other sources",
    "foreign": "is not one that is on record",
    "read": "is other now, and the build of its modules has read it",
    "first": "is imported instead of the module that was built",
    "left": "is of other sources, and is not built any more",
}
_UNKNOWN = {
    "whole": "nobody observed its build, which may have read what was edited",
    "ways": "there are other packages now, and what leads to the tree may have to list them",
}
_SUPERFLUOUS = ("first", "left")
_LOOSE = b"."


class Install:
    """A value: one distribution in an environment that came from no index."""

    __slots__ = ("editable", "info", "mark", "name", "origin", "tree", "version")

    def __init__(self, *, info: str, origin: "Origin", tree: str, editable: bool) -> None:
        self.info = info
        """The path of its `.dist-info`."""
        self.name, _, self.version = os.path.basename(info)[: -len(_INFO)].partition("-")
        self.origin = origin
        """A folder; or version control, or an archive."""
        self.tree = tree
        """That folder."""
        self.editable = editable
        self.mark = _read(os.path.join(info, _MARK))
        """What its mark says; None where it has none."""

    def installer(self) -> str:
        """The name of the program that installed it; nothing where that is not said."""
        return (_read(os.path.join(self.info, "INSTALLER")) or b"").decode("utf-8", "replace").strip()

    def backend(self) -> str:
        """The module of the inner backend, as its mark says; nothing where it does not."""
        return self._said("backend").partition(":")[0]

    def marked(self, field: str) -> str:
        """A digest of its mark: `digest` or `native`; nothing where there is none, or where it is of no tree."""
        return self._said(field) if b'"settled": true' in (self.mark or b"") else ""

    def _said(self, field: str) -> str:
        rest = (self.mark or b"").partition(f'"{field}": "'.encode())[2]
        return rest.partition(b'"')[0].decode("utf-8", "replace")


def listed(path: "Iterable[str]", name: str | None = None) -> "Iterator[Install]":
    """The distributions in the folders of `path`, of which the first of a name counts; `name`: only those of it."""
    wanted = None if name is None else normal(name)
    known = set()
    for folder in path:
        for info in _infos(folder):
            called = normal(info.partition("-")[0])
            if called in known or (wanted is not None and called != wanted):
                continue
            known.add(called)
            place = os.path.join(folder, info)
            data = _read(os.path.join(place, _DIRECT))
            if data is not None and (origin := _origin(data)) is not None:
                yield Install(info=place, origin=origin[0], tree=origin[1], editable=origin[2])


def normal(name: str) -> str:
    """A name as it is compared (PEP 503), with underscores."""
    words = name.lower().replace("-", "_").replace(".", "_").split("_")
    return "_".join([word for word in words if word])


def _infos(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder or ".") if name.endswith(_INFO))
    except OSError:
        return []


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return None


def _origin(data: bytes) -> "tuple[Origin, str, bool] | None":
    """Where a distribution came from: its kind, the folder, and whether it is editable; None where that is odd."""
    text = data.decode("utf-8", "replace")
    if '"dir_info"' not in text:
        return ("elsewhere", "", False) if '"url"' in text else None
    _, _, rest = text.partition('"url"')
    url = rest.partition('"')[2].partition('"')[0]
    if not url.startswith("file://") or "\\" in url:
        return None
    editable = "".join(text.partition('"editable"')[2].split())
    return "folder", _path(url[len("file://") :]), editable.startswith(":true")


def _path(url: str) -> str:
    """The path that the rest of a file URL names."""
    first, *rest = url.partition("#")[0].encode().split(b"%")
    data = first + b"".join([_decoded(part) for part in rest])
    path = os.fsdecode(data)
    if os.name == "nt":
        return os.path.normpath(path.lstrip("/") if path[:1] == "/" else f"//{path}")
    host, slash, below = path.partition("/")
    return os.path.normpath(slash + below) if host in ("", "localhost") else path


def _decoded(part: bytes) -> bytes:
    """What follows a percent sign, which stands for a byte."""
    try:
        return bytes([int(part[:2], 16)]) + part[2:]
    except ValueError:
        return b"%" + part


class Digests(Value):
    """Those of a tree as it is now, and the inputs that they are made from."""

    __slots__ = ("held", "native", "source")

    source: str
    native: str
    held: "Mapping[bytes, bytes]"
    """Path -> kind and content."""


def digests(tree: str, environ: "Mapping[str, str]") -> Digests | None:
    """The digests of a tree that the memory of it still knows; None where it does not."""
    source, cache = replay.source_digest(replay.Call(tree, environ, None)), files.cache_directory(environ)
    known = memory.load(cache, memory.real(tree)) if source is not None and cache is not None else None
    if source is None or known is None or known.digest.hex() != source:
        return None
    native = digest.native(known.rules, known.inputs, known.column)
    return Digests(source=source, native=native, held=memory.contents(known.inputs, known.column))


def judged(install: "Install", now: Digests, environ: "Mapping[str, str]", suffix: str) -> "Standing":
    """How an installed distribution with a mark stands to its tree; `suffix` ends extension modules of its Python."""
    then = install.marked("digest")
    if not then:
        return "stale", "the sources moved while it was built", ()
    if not install.editable:
        return ("current", "", ()) if then == now.source else ("stale", "the sources are others now", ())
    if install.marked("native") != now.native:
        return "stale", "the sources of its extension modules are others now", ()
    standing = _of_modules(install, now, environ, suffix)
    if standing[0] == "current" and then != now.source:
        return "current", "only Python was edited, which is live; the version is of the sources before", ()
    return standing


def others(record: "Record", held: "Mapping[bytes, bytes]", tree: bytes) -> "list[tuple[bytes, Finding]]":
    """Why a build would not do for a tree with these inputs, path -> kind and content, and the native digest of it.

    `read` is a file that it has read and that is other now; `ways`, with no path, says that there are other packages.
    What was read in `tree` and is no input is looked at there. Variables and what lies outside are left out.
    """
    read: list[tuple[bytes, Finding]] = [
        (path, "read")
        for path, kind, content, _ in record.rests
        if kind == "f" and not os.path.isabs(path) and (held.get(path) or _now(tree, path)) != content
    ]
    return read or ([] if _leads(record, list(held)) else [(b"", "ways")])


def _now(tree: bytes, path: bytes) -> bytes:
    """Kind and content of a file; nothing where none can be read."""
    try:
        known = rows.read(os.path.join(tree, path), follow=True)
    except (OSError, ValueError, rows.RestlessError):
        return b""
    return b"" if known is None else known[0] + known[1]


def _leads(record: "Record", paths: "list[bytes]") -> bool:
    """Whether what leads to a tree with these inputs lists all that it must, and nothing that is gone."""
    folders, ways, free = digest.packages(paths), set(record.ways), set(record.free)
    loose = [] if _LOOSE in free else digest.loose(paths)
    for folder in sorted(folders.difference(ways)):
        above = folder.rpartition(b"/")[0]
        if above not in folders or above not in free:
            return False
        free.add(folder)
    return ways.issuperset(loose) and ways <= folders.union(loose)


def _of_modules(install: "Install", now: Digests, environ: "Mapping[str, str]", suffix: str) -> "Standing":
    """As `judged`, of an editable one whose native sources are those of its mark."""
    cache, backend = files.cache_directory(environ), install.backend()
    compiles = any(path.endswith(digest.COMPILED) for path in now.held)
    if backend in _APART or (backend not in _IN_PLACE and not compiles):
        return "current", "", ()
    if backend not in _IN_PLACE:
        return "unknown", f"where the builds of {backend} put its modules is not known", ()
    tree, findings = memory.real(install.tree), None
    if cache is not None:
        findings = editables.check(
            cache, tree, now.native, now.source, abi=suffix, others=lambda record: others(record, now.held, tree)
        )
    if findings is None:
        return ("unknown", "no build of its modules is on record", ()) if compiles else ("current", "", ())
    wrong = [(os.fsdecode(path), finding) for path, finding in findings if finding in _STALE]
    if wrong:
        superfluous = all(finding in _SUPERFLUOUS for _, finding in wrong)
        why = "; ".join([f"{path} {_STALE[finding]}" for path, finding in wrong])
        return "stale", why, tuple([path for path, _ in wrong]) if superfluous else ()
    for _, finding in findings:
        if finding in _UNKNOWN:
            return "unknown", _UNKNOWN[finding], ()
    return "current", "", ()
