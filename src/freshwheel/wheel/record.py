"""RECORD: which files a wheel has, with a hash and a size of each (binary distribution format specification)."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence

from freshwheel.base.errors import WheelError, WheelUnfamiliarError

Row = tuple[str, str, str]
"""Path, hash (`sha256=...`, base64 without padding) and size, as they are written."""

_HASH = re.compile(r"(?:sha256=[\w-]{43}|sha384=[\w-]{64}|sha512=[\w-]{86})=*", re.ASCII)
_WEAK = ("md5", "sha1", "sha224")
_COLUMNS = 3
_FLOOR = 1 << 16
_ROW_LIMIT = 256
"""Bytes: more than the longest hash and size take, with the commas."""


def parse(data: bytes) -> tuple[Row, ...]:
    """The rows, in their order; WheelError if this is no table of three columns in UTF-8."""
    rows: list[Row] = []
    try:
        for fields in csv.reader(io.StringIO(data.decode(), newline=""), strict=True):
            if len(fields) == _COLUMNS:
                rows.append((fields[0], fields[1], fields[2]))
            elif fields:
                raise WheelError(f"row {len(rows) + 1} of RECORD has {len(fields)} columns instead of path, hash, size")
    except (UnicodeDecodeError, csv.Error) as error:
        raise WheelError(f"RECORD can't be read behind row {len(rows)}: {error}") from None
    return tuple(rows)


def dump(rows: Sequence[Row]) -> bytes:
    """The text of RECORD."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def row(path: str, content: bytes) -> Row:
    """The row for a file that holds `content`."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return (path, f"sha256={digest.decode()}", str(len(content)))


def matches(found: Row, content: bytes) -> bool:
    """Whether the hash in the row, which `check` found to be one, is that of `content`."""
    name, _, digest = found[1].partition("=")
    return base64.urlsafe_b64encode(hashlib.new(name, content).digest()).rstrip(b"=").decode() == digest.rstrip("=")


def limit(names: Sequence[str]) -> int:
    """The size in bytes that no RECORD of these files exceeds: in UTF-8, each character quoted."""
    return _FLOOR + _ROW_LIMIT * len(names) + sum(8 * len(name) for name in names)


def check(rows: Sequence[Row], sizes: Mapping[str, int], *, own: str) -> None:
    """Returns if the rows list exactly the files of the wheel.

    `sizes` gives the size of each member, `own` is the path of RECORD itself. WheelError for a file without a row, a
    row without a file, two different rows for one file, no hash, a weak hash, a wrong size. Hashes are not compared.
    WheelUnfamiliarError for what installers put up with: two equal rows, RECORD without a row for itself, newer hashes.
    """
    listed: dict[str, Row] = {}
    for found in rows:
        path = found[0]
        if path not in sizes:
            raise WheelError(f"RECORD lists {path!r}, which is not in the wheel")
        if path in listed:
            kind = WheelUnfamiliarError if listed[path] == found else WheelError
            raise kind(f"RECORD lists {path} twice")
        listed[path] = found
        if path == own:
            if found[1:] != ("", ""):
                raise WheelError("RECORD gives a hash or a size of itself, which can't be right")
        elif not path.endswith("/"):
            _check_row(found, sizes[path])
    missing = [path for path in sizes if path not in listed and not path.endswith("/")]
    if missing and missing != [own]:
        raise WheelError(f"RECORD does not list {next(path for path in missing if path != own)}")
    if missing:
        raise WheelUnfamiliarError("RECORD does not list itself")


def _check_row(found: Row, size: int) -> None:
    path, digest, stated = found
    if not _HASH.fullmatch(digest):
        name = digest.partition("=")[0].lower()
        if name in hashlib.algorithms_available and name not in _WEAK and name not in ("sha256", "sha384", "sha512"):
            raise WheelUnfamiliarError(f"RECORD has a {name} hash of {path}")
        raise WheelError(f"RECORD has no SHA-256 or better hash of {path}, but {digest!r}")
    if stated not in ("", str(size)):
        raise WheelError(f"RECORD gives {path} {stated} bytes, but it has {size}")
