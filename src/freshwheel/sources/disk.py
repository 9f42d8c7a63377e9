"""What the file system says of a tree: names, types, links, texts, and how exact its times are.

Its refusals become errors here, and nowhere else. Each look is recorded with the row that was there *before* it: what
was seen holds as long as that row does. What is no input and yet decides which files are inputs is noticed that way:
folders, links, manifests, absence.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import unicodedata
from dataclasses import dataclass

from freshwheel.base import rows
from freshwheel.base.errors import InputError
from freshwheel.base.model import Looks
from freshwheel.base.rows import Row

_LARGEST = 1 << 24
"""Bytes. Nobody writes a larger manifest, and parsing it would take minutes; the index of 100,000 files has less."""
_HEAD = 4096
"""Bytes that are read of a file that may be evidence."""
ABSOLUTE = b"/absolute"
"""For the text of an absolute link. It can't be a relative text, and other machines have other paths."""
_NORMALISES = sys.platform == "darwin"
_JUNCTION = 0xA0000003
"""The reparse tag of Windows for a folder that is another one."""
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_EXACT = frozenset((b"bcachefs", b"btrfs", b"ext2", b"ext3", b"ext4", b"f2fs", b"overlay", b"tmpfs", b"xfs", b"zfs"))
"""Local file systems: they give every change a new time, and no other machine makes changes."""
_SLACK = 2 * 10**9
"""The coarsest of them count in whole seconds."""
_MOUNTS = "/proc/self/mountinfo"
_ESCAPE = re.compile(rb"\\([0-7]{3})")
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL)


class MovedError(Exception):
    """Something in the tree is no longer what it was a moment ago: walk again."""

    def __init__(self, path: bytes) -> None:
        super().__init__(os.fsdecode(path))
        self.path = path


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A symbolic link."""

    text: bytes
    """With `/`; `/absolute` for every absolute one."""
    kind: bytes
    """What it leads to: `f` a regular file, `d` a folder, `?` something else, nothing where there is nothing."""
    stands: bytes = b""
    """Under which path the contents of that folder are inputs; nothing where that is the path of the link."""


class Disk:
    """One tree, and every look at it."""

    def __init__(self, tree: str) -> None:
        self.tree = os.fsencode(tree)
        self._links: dict[bytes, Row] = {}
        self._places: dict[bytes, Row] = {}
        self._kinds: dict[bytes, Row] = {}
        self._absent: set[bytes] = set()
        self._devices: set[int] = set()
        self._identities: dict[bytes, tuple[int, int]] = {}

    def looks(self) -> Looks:
        """What was looked at until now."""
        return Looks(
            links=dict(self._links),
            places={**self._kinds, **self._places},
            kinds=frozenset(self._kinds.keys() - self._places.keys()),
            absent=frozenset(self._absent),
            devices=frozenset(self._devices),
        )

    def entries(self, path: bytes) -> dict[bytes, int]:
        """The names in a folder, and the type of each: S_IFREG, S_IFDIR, S_IFLNK, or S_IFIFO for all else.

        None in a folder that may not be read, such as the data of a database: no build of the same user reads it.
        """
        where = at(self.tree, path)
        try:
            status = os.stat(where)
            self._place(path, status)
            self._identities[path] = status.st_dev, status.st_ino
            with os.scandir(where) as listing:
                return {
                    entry.name: stat.S_IFREG if entry.is_file(follow_symlinks=False) else _type(entry)
                    for entry in listing
                }
        except OSError as error:
            if isinstance(error, PermissionError) and path:
                return {}
            raise failure(path, error) from error

    def status(self, path: bytes) -> os.stat_result | None:
        """What `lstat` says; None where there is nothing, which alone is recorded: what is there will be read."""
        try:
            return os.lstat(at(self.tree, path))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                self._absent.add(path)
                return None
            raise failure(path, error) from error

    def kind(self, path: bytes) -> int | None:
        """The type of what `path`, maybe a link, leads to: S_IFREG, S_IFDIR and so on; None where it leads nowhere."""
        status = self._stat(path)
        if status is None:
            return None
        self._place(path, status)
        return stat.S_IFMT(status.st_mode)

    def exists(self, path: bytes) -> bool:
        """Whether `path`, maybe a link, leads somewhere. Whatever else changes there is of no interest."""
        status = self._stat(path)
        if status is None:
            return False
        self._kinds.setdefault(path, rows.kind(rows.row(status)))
        self._on(path, status)
        return True

    def text(self, path: bytes, largest: int = _LARGEST, *, follow: bool = True) -> bytes | None:
        """The first `largest` bytes of a regular file; None where there is none, or where it is refused."""
        try:
            handle = os.open(at(self.tree, path), _FLAGS if follow else _FLAGS | _NOFOLLOW)
        except (OSError, ValueError):
            self._absent.add(path)
            return None
        try:
            status = os.fstat(handle)
            self._place(path, status)
            if not stat.S_ISREG(status.st_mode):
                return None
            with open(handle, "rb", closefd=False) as file:
                return file.read(largest)
        except OSError:
            return None
        finally:
            os.close(handle)

    def head(self, path: bytes) -> bytes:
        """The beginning of a regular file; nothing where there is none."""
        return self.text(path, _HEAD, follow=False) or b""

    def identity(self, path: bytes) -> tuple[int, int]:
        """Device and inode of the folder that `path`, maybe a link, leads to."""
        if (known := self._identities.get(path)) is not None:
            return known
        try:
            status = os.stat(at(self.tree, path))
        except OSError as error:
            raise failure(path, error) from error
        self._place(path, status)
        return status.st_dev, status.st_ino

    def link(self, path: bytes) -> Link:
        """The link at `path`. MovedError if it is none."""
        where = at(self.tree, path)
        try:
            self._links.setdefault(path, rows.row(os.lstat(where)))
            text = os.readlink(where)
        except OSError as error:
            raise failure(path, error) from error
        target = self.kind(path)
        kind = b"" if target is None else b"d" if stat.S_ISDIR(target) else b"f" if stat.S_ISREG(target) else b"?"
        return Link(text=ABSOLUTE if os.path.isabs(text) else text.replace(os.fsencode(os.sep), b"/"), kind=kind)

    def _stat(self, path: bytes) -> os.stat_result | None:
        """What `stat` says; None where `path` leads nowhere."""
        try:
            return os.stat(at(self.tree, path))
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno not in (*_GONE, errno.ENAMETOOLONG):
                raise failure(path, error) from error
            self._absent.add(path)
            return None

    def _place(self, path: bytes, status: os.stat_result) -> None:
        """The first row counts: what was concluded from it is not undone by a later one."""
        self._places.setdefault(path, rows.row(status))
        self._on(path, status)

    def _on(self, path: bytes, status: os.stat_result) -> None:
        if not _is_absolute(path):
            self._devices.add(status.st_dev)


def at(tree: bytes, path: bytes) -> bytes:
    """Where `path`, absolute or relative to the tree, is for the system."""
    if not path:
        return tree
    return path if _is_absolute(path) else tree + b"/" + path


def spelled(path: bytes) -> bytes:
    """`path` as an input is called: on macOS in NFC, because its file systems don't tell the forms apart."""
    if _NORMALISES and not path.isascii():
        return os.fsencode(unicodedata.normalize("NFC", os.fsdecode(path)))
    return path


def failure(path: bytes, error: OSError) -> Exception:
    """What to raise where the system refuses `path`: MovedError where it is gone, else InputError."""
    if path and error.errno in _GONE:
        return MovedError(path)
    return InputError(
        f"{os.fsdecode(path) or 'the project directory'} can't be read: {error.strerror or error}",
        hint="if it is no source, list it in [tool.freshwheel] exclude" if path else "",
    )


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
        point = _ESCAPE.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), fields[4])
        kind = fields[fields.index(b"-", 6) + 1]
        holds = path == point or path.startswith(point.rstrip(b"/") + b"/")
        if holds or fields[2] == device:
            # Of two on the same place the later one hides the earlier.
            own.append((fields[2] == device, len(point) if holds else -1, number, kind))
        elif point.startswith(path.rstrip(b"/") + b"/"):
            below.add(kind)
    return {max(own)[3]} | below if own else set()


def _is_absolute(path: bytes) -> bool:
    # Asked for each file: `os.path.isabs` would be a tenth of all that is done for it.
    return os.path.isabs(path) if os.name == "nt" else path.startswith(b"/")


def _type(entry: os.DirEntry[bytes]) -> int:
    """As in `entries`, for what is no regular file."""
    if entry.is_symlink():
        return stat.S_IFLNK
    if not entry.is_dir(follow_symlinks=False):
        return stat.S_IFIFO
    # A junction is a folder to `is_dir`, and may lead in circles like a link.
    if os.name == "nt" and getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) == _JUNCTION:
        return stat.S_IFLNK
    return stat.S_IFDIR
