"""What was installed from a folder of this machine, as `direct_url.json` says (PEP 610). Part of the light column.

Only the folders of an environment are read. A file that says something odd says nothing.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Literal

    Origin = Literal["folder", "elsewhere"]

_INFO = ".dist-info"
_DIRECT = "direct_url.json"
_MARK = "freshwheel.json"
_LARGEST = 1 << 16


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
