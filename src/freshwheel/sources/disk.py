"""What the file system says of a tree: names, types, links. Its refusals become errors here, and nowhere else."""

from __future__ import annotations

import errno
import os
import stat
import sys
import unicodedata
from dataclasses import dataclass

from freshwheel.errors import InputError

__all__ = [
    "Link",
    "MovedError",
    "at",
    "entries",
    "failure",
    "head",
    "identity",
    "link",
    "opened",
    "spelled",
    "status",
]

_HEAD = 4096
"""Bytes that are read of a file that may be evidence."""
_ABSOLUTE = b"/absolute"
"""For the text of an absolute link. It can't be a relative text, and other machines have other paths."""
_NORMALISES = sys.platform == "darwin"
_JUNCTION = 0xA0000003
"""The reparse tag of Windows for a folder that is another one."""
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
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


def at(tree: bytes, path: bytes) -> bytes:
    """Where `path`, relative to the tree, is for the system."""
    return tree + b"/" + path if path else tree


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


def entries(tree: bytes, path: bytes) -> dict[bytes, int]:
    """The names in a folder, and the type of each: S_IFREG, S_IFDIR, S_IFLNK, or S_IFIFO for all else."""
    try:
        with os.scandir(at(tree, path)) as listing:
            return {
                entry.name: stat.S_IFREG if entry.is_file(follow_symlinks=False) else _type(entry) for entry in listing
            }
    except OSError as error:
        raise failure(path, error) from error


def status(tree: bytes, path: bytes) -> os.stat_result | None:
    """The `lstat` of a path, None where there is nothing."""
    try:
        return os.lstat(at(tree, path))
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise failure(path, error) from error


def identity(tree: bytes, path: bytes) -> tuple[int, int]:
    """Device and inode of the folder that `path`, maybe a link, leads to."""
    try:
        found = os.stat(at(tree, path))
    except OSError as error:
        raise failure(path, error) from error
    return found.st_dev, found.st_ino


def link(tree: bytes, path: bytes) -> Link:
    """The link at `path`. MovedError if it is none."""
    where = at(tree, path)
    try:
        text = os.readlink(where)
    except OSError as error:
        raise failure(path, error) from error
    try:
        mode = os.stat(where).st_mode
    except OSError as error:
        if error.errno not in (*_GONE, errno.ENAMETOOLONG):
            raise failure(path, error) from error
        kind = b""
    else:
        kind = b"d" if stat.S_ISDIR(mode) else b"f" if stat.S_ISREG(mode) else b"?"
    return Link(text=_ABSOLUTE if os.path.isabs(text) else text.replace(os.fsencode(os.sep), b"/"), kind=kind)


def opened(tree: bytes, path: bytes, *, follow: bool) -> int:
    """A handle to read from; it never waits for the other end of a fifo. Raises OSError."""
    return os.open(at(tree, path), _FLAGS if follow else _FLAGS | _NOFOLLOW)


def head(tree: bytes, path: bytes) -> bytes:
    """The beginning of a regular file; nothing where there is none."""
    try:
        handle = opened(tree, path, follow=False)
    except OSError:
        return b""
    try:
        return os.read(handle, _HEAD) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(handle)


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
