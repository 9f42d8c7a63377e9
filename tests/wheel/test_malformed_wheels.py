"""Wheels that are broken, hostile or merely odd: each is refused or passed on, and none does any harm."""

from __future__ import annotations

import dataclasses
import os
import re
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freshwheel.base.errors import WheelError, WheelUnfamiliarError
from freshwheel.wheel import archive

REFUSED, PASSED = WheelError, WheelUnfamiliarError
CASES: dict[str, tuple[type[WheelError], object]] = {}
"""Name -> what is expected, and a function of the forge that gives the bytes, or the file name and the bytes."""


def case(name, expected, make):
    """Add a case; a name that is there already would hide one."""
    assert name not in CASES, name
    CASES[name] = (expected, make)


def extra_member(**fields):
    """A wheel with one more member, which RECORD lists."""
    return lambda forge: forge.zipped(
        forge.entries(forge.Entry(**{"name": "demo/more.py", "data": b"more\n"} | fields))
    )


def changed(which, **fields):
    """A wheel in which the member whose name ends with `which` is another, behind RECORD's back."""

    def make(forge):
        entries = forge.entries()
        place = next(place for place, entry in enumerate(entries) if entry.name.endswith(which))
        entries[place] = dataclasses.replace(entries[place], **fields)
        return forge.zipped(entries)

    return make


def container(**fields):
    """A good list of members in a container that is not good."""
    return lambda forge: forge.zipped(forge.entries(), **fields)


def bytes_changed(change):
    """A good wheel with its bytes changed as a whole."""
    return lambda forge: change(forge.zipped(forge.entries()))


def described(**fields):
    """A wheel made by other words: other metadata, RECORD, folders."""
    return lambda forge: forge.zipped(forge.entries(**fields))


def called(file_name):
    """A good wheel under another file name."""
    return lambda forge: (file_name, forge.zipped(forge.entries()))


def extra_file(name, data=b"{}"):
    """A wheel with one more file of this name, listed in RECORD."""
    return lambda forge: forge.zipped(forge.entries(forge.Entry(name=name, data=data)))


def falsified(which, **fields):
    """A wheel in which the member whose name ends with `which` is another, and RECORD says so too."""
    return described(falsify={which: fields})


def repacked(forge, which, pack):
    """A wheel in which the right bytes of one text are packed in another way."""
    entries = forge.entries()
    for entry in entries:
        if entry.name.endswith(which):
            entry.packed = pack(entry.data)
    return forge.zipped(entries)


def endless(data):
    """A raw stream that holds all of the bytes, but does not say that it is over."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)


def other_bytes(which, text, old, new):
    """A wheel in which one text is another of the same length, behind RECORD's back."""
    return changed(which, data=text.replace(old, new))


def changed_record(change):
    """A wheel in which the good bytes of RECORD are changed."""

    def make(forge):
        entries = forge.entries()
        entries[-1].data = change(entries[-1].data)
        return forge.zipped(entries)

    return make


def deflated(data):
    """The raw stream."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush()


# --- names of members

HOSTILE = {
    "parent": "../evil.py",
    "parent inside": "demo/../../evil.py",
    "parent at the end": "demo/..",
    "only parent": "..",
    "parent in dist-info": "demo-1.0.dist-info/../../evil",
    "parent in data": "demo-1.0.data/scripts/../../../evil",
    "absolute": "/etc/evil",
    "absolute with two slashes": "//server/share/evil",
    "drive": "C:/evil.py",
    "drive without slash": "c:evil.py",
    "drive inside": "demo/D:/evil.py",
    "backslash": "demo\\evil.py",
    "parent with backslash": "..\\evil.py",
    "UNC": "\\\\server\\share\\evil",
    "NUL": "demo/evil.py\0.txt",
    "new line": "demo/evil\n.py",
    "carriage return": "demo/evil\r.py",
    "tab": "demo/e\tvil.py",
    "escape": "demo/\x1b[2Jevil.py",
    "delete": "demo/evil\x7f.py",
    "C1 control": "demo/evil\x85.py",
    "dot": "./demo/evil.py",
    "only a dot": ".",
    "dot inside": "demo/./evil.py",
    "two slashes inside": "demo//evil.py",
    "two slashes at the end": "demo/sub//",
    "only a slash": "/",
    "empty": "",
}
for _title, _name in HOSTILE.items():
    case(f"name: {_title}", REFUSED, extra_member(name=_name, data=b"" if _name.endswith("/") else b"evil"))
case("name: not UTF-8", REFUSED, extra_member(raw=b"demo/\xff\xfe.py", flags=1 << 11))
case("name: surrogate as UTF-8", REFUSED, extra_member(raw=b"demo/\xed\xa0\x80.py", flags=1 << 11))
case("name: overlong slash", REFUSED, extra_member(raw=b"demo\xc0\xaf.py", flags=1 << 11))
case("name: encoding not stated", PASSED, extra_member(raw="demo/ä.py".encode(), flags=0))
case("name: very long", PASSED, extra_member(name="demo/" + "x" * 5000))

# --- two names for one file

case("twins: the same name", REFUSED, lambda f: f.zipped([f.Entry(name="demo/__init__.py", data=b"y"), *f.entries()]))
case("twins: METADATA", REFUSED, lambda f: f.zipped([f.Entry(name=f"{f.info}/METADATA", data=b"y"), *f.entries()]))
case("twins: RECORD", REFUSED, lambda f: f.zipped([f.Entry(name=f"{f.info}/RECORD", data=b"y"), *f.entries()]))
case("twins: letter case", PASSED, extra_member(name="demo/__INIT__.py"))
case("twins: letter case of a folder", PASSED, extra_member(name="Demo/more.py"))
case("twins: sharp s", PASSED, lambda f: f.zipped(f.entries(f.Entry(name="stra\xdfe"), f.Entry(name="strasse"))))
case("twins: composed", PASSED, lambda f: f.zipped(f.entries(f.Entry(name="\xe9.py"), f.Entry(name="e\u0301.py"))))
case("twins: file and folder", REFUSED, extra_member(name="demo/__init__.py/more.py"))
case("twins: file and entry of a folder", REFUSED, extra_member(name="demo/native.so/", data=b""))
case("twins: a folder twice", REFUSED, lambda f: f.zipped(f.entries(f.Entry(name="demo/"), f.Entry(name="demo/"))))

# --- kinds of files

MODES = {
    "symbolic link": 0o120777,
    "fifo": 0o010644,
    "socket": 0o140755,
    "character device": 0o020644,
    "block device": 0o060644,
    "whiteout": 0o160644,
    "folder's mode on a file": 0o040755,
    "runs as owner": 0o104755,
    "runs as group": 0o102755,
}
for _title, _mode in MODES.items():
    case(f"mode: {_title}", REFUSED, extra_member(mode=_mode))
case("mode: a link as folder", REFUSED, extra_member(name="demo/sub/", data=b"", mode=0o120777))
case("mode: a file's mode on a folder", REFUSED, extra_member(name="demo/sub/", data=b"", mode=0o100644))
case("mode: folder with bytes", REFUSED, extra_member(name="demo/sub/"))
case("mode: METADATA is a link", REFUSED, changed("METADATA", mode=0o120777))

# --- the end record and the directory

case("end: empty file", REFUSED, lambda _: b"")
case("end: text", REFUSED, lambda _: b"This is not a wheel.\n" * 9)
case("end: zeros", REFUSED, lambda _: bytes(4096))
case("end: a tar file", REFUSED, lambda _: b"demo\0".ljust(257, b"\0") + b"ustar\x0000" + bytes(760))
case("end: cut by one byte", REFUSED, bytes_changed(lambda data: data[:-1]))
case("end: cut in half", REFUSED, bytes_changed(lambda data: data[: len(data) // 2]))
case("end: only the end record", REFUSED, lambda f: f.zipped([]))
case("end: only the second half", REFUSED, bytes_changed(lambda data: data[len(data) // 2 :]))
case("end: bytes in front", REFUSED, bytes_changed(lambda data: b"#!/bin/sh\n" + data))
case("end: bytes in front, known to the directory", REFUSED, container(prefix=b"#!/usr/bin/env python3\n"))
case("end: one byte behind", REFUSED, container(tail=b"\n"))
case("end: a page of zeros behind", REFUSED, container(tail=bytes(4096)))
case("end: far too many bytes behind", REFUSED, container(tail=bytes(70_000)))
case("end: a second wheel behind", REFUSED, bytes_changed(lambda data: data + data))
case("end: a second end record", REFUSED, container(comment=struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, 0, 0, 0)))
case("end: its mark in the comment", REFUSED, container(comment=b"see PK\5\6 there"))
case("end: a comment", PASSED, container(comment=b"made with love"))
case("end: bytes between directory and end", REFUSED, container(locator=b"????"))
case("end: bytes between members and directory", REFUSED, container(gap=b"dead"))
case("end: a dead header before the directory", REFUSED, container(gap=b"PK\3\4" + bytes(26)))
case("end: bytes in the directory", REFUSED, container(directory_tail=b"dead bytes"))
case("end: a signature in the directory", REFUSED, container(directory_tail=b"PK\5\5\4\0sign"))
case("end: one member too few", REFUSED, container(count=4, here=4))
case("end: one member too many", REFUSED, container(count=6, here=6))
case("end: no members", REFUSED, container(count=0, here=0))
case("end: two counts", REFUSED, container(count=5, here=4))
case("end: on another disk", REFUSED, container(disk=1))
case("end: directory on another disk", REFUSED, container(first=1))
case("end: directory too short", REFUSED, container(length=46))
case("end: directory elsewhere", REFUSED, container(start=0))
case("end: directory beyond the file", REFUSED, container(start=1 << 30))
case("zip64: locator", PASSED, container(locator=b"PK\6\7" + bytes(16)))
case("zip64: count", PASSED, container(count=0xFFFF, here=0xFFFF))
case("zip64: length", PASSED, container(length=0xFFFFFFFF))
case("zip64: start", PASSED, container(start=0xFFFFFFFF))
case("zip64: packed size of a member", PASSED, extra_member(central={"packed": 0xFFFFFFFF}))
case("zip64: size of a member", PASSED, extra_member(central={"size": 0xFFFFFFFF}))
case("zip64: extra field in the directory", PASSED, extra_member(extra=struct.pack("<2HQ", 1, 8, 5)))
case("zip64: extra field in the header", PASSED, extra_member(local_extra=struct.pack("<2HQ", 1, 8, 5)))
case(
    "zip64: descriptor",
    PASSED,
    extra_member(descriptor=struct.pack("<4sL2Q", b"PK\7\x08", zlib.crc32(b"more\n"), 7, 5)),
)

# --- records and headers

_HEADERS = "header: "
case(_HEADERS + "no mark in the directory", REFUSED, extra_member(central={"mark": b"PK\1\3"}))
case(_HEADERS + "no mark of its own", REFUSED, extra_member(local={"mark": b"PK\3\5"}))
case(_HEADERS + "another name", REFUSED, extra_member(local={"name": b"demo/evil.py"}))
case(_HEADERS + "a longer name", REFUSED, extra_member(local={"name": b"demo/more.pyc"}))
case(
    _HEADERS + "another name for METADATA", REFUSED, changed("METADATA", local={"name": b"demo-1.0.dist-info/METADATB"})
)
case(_HEADERS + "another method", REFUSED, extra_member(local={"method": 0}))
case(_HEADERS + "another CRC", REFUSED, extra_member(local={"crc": 1}))
case(_HEADERS + "another packed size", REFUSED, extra_member(local={"packed": 1}))
case(_HEADERS + "another size", REFUSED, extra_member(local={"size": 1}))
case(_HEADERS + "sizes of zero without descriptor", REFUSED, extra_member(local={"crc": 0, "packed": 0, "size": 0}))
case(_HEADERS + "other flags", REFUSED, extra_member(local={"flags": 2}))
case(_HEADERS + "descriptor flag in one only", REFUSED, extra_member(local={"flags": 8}))
case(_HEADERS + "UTF-8 flag in one only", REFUSED, extra_member(local={"flags": 1 << 11}))
case(_HEADERS + "extra fields beyond the member", REFUSED, extra_member(local={"extra_length": 60_000}))
case(_HEADERS + "extra fields that cover the bytes", REFUSED, extra_member(local={"extra_length": 3}))
case(_HEADERS + "extra field cut off", REFUSED, extra_member(local_extra=b"UT\x09\0abc"))
case(_HEADERS + "extra field cut off in the directory", REFUSED, extra_member(extra=b"UT\x09\0abc"))
case(_HEADERS + "extra field too short", REFUSED, extra_member(extra=b"UT"))
case(_HEADERS + "a second name", PASSED, extra_member(extra=b"up\x06\0\1abcde"))
case(_HEADERS + "on another disk", REFUSED, extra_member(central={"disk": 1}))
case(_HEADERS + "name beyond the directory", REFUSED, changed("RECORD", central={"name_length": 9_999}))
case(_HEADERS + "comment beyond the directory", REFUSED, changed("RECORD", central={"comment_length": 9_999}))
case(_HEADERS + "comment that hides a member", REFUSED, changed("__init__.py", central={"comment_length": 60}))
case(_HEADERS + "offset of another member", REFUSED, extra_member(central={"offset": 0}))
case(_HEADERS + "offset inside another member", REFUSED, extra_member(central={"offset": 40}))
case(_HEADERS + "offset in the directory", REFUSED, extra_member(central={"offset": 3_000}))
case(_HEADERS + "offset beyond the file", REFUSED, extra_member(central={"offset": 0x7FFFFFFF}))
case(_HEADERS + "bytes between two members", REFUSED, extra_member(before=b"dead"))
case(_HEADERS + "a dead member between two", REFUSED, extra_member(before=b"PK\3\4" + bytes(22) + b"\1\0\0\0x"))
case(_HEADERS + "packed size over the next member", REFUSED, extra_member(central={"packed": 90}, local={"packed": 90}))
case(_HEADERS + "packed size too small", REFUSED, extra_member(central={"packed": 3}, local={"packed": 3}))
case(_HEADERS + "stored with two sizes", REFUSED, extra_member(method=0, size=4))
case(_HEADERS + "a size no compression reaches", REFUSED, extra_member(size=10_000_000))
case(
    _HEADERS + "descriptor with another CRC",
    REFUSED,
    extra_member(descriptor=b"PK\7\x08" + struct.pack("<3L", 1, 7, 5)),
)
case(
    _HEADERS + "descriptor with another size",
    REFUSED,
    extra_member(descriptor=b"PK\7\x08" + struct.pack("<3L", zlib.crc32(b"more\n"), 7, 6)),
)
case(_HEADERS + "descriptor cut off", REFUSED, extra_member(descriptor=b"PK\7\x08\0\0"))
case(_HEADERS + "no descriptor", REFUSED, extra_member(flags=8))
case(_HEADERS + "descriptor with a tail", REFUSED, extra_member(descriptor=bytes(40)))
case(_HEADERS + "encrypted", REFUSED, extra_member(flags=1))
case(_HEADERS + "strongly encrypted", REFUSED, extra_member(flags=1 | 1 << 6))
case(_HEADERS + "directory encrypted", REFUSED, extra_member(flags=1 << 13))
case(_HEADERS + "METADATA encrypted", REFUSED, changed("METADATA", flags=1))
case(_HEADERS + "patched data", PASSED, extra_member(flags=1 << 5))
for _title, _method in {"shrunk": 1, "deflate64": 9, "bzip2": 12, "lzma": 14, "zstd": 93, "unknown": 77}.items():
    case(f"method: {_title}", PASSED, extra_member(method=_method))

# --- bytes of the members that are read

for _name in ("METADATA", "WHEEL", "RECORD"):
    case(f"{_name}: another CRC", REFUSED, falsified(_name, crc=1))
    case(f"{_name}: no stream", REFUSED, falsified(_name, packed=b"\xff" * 9))
    case(f"{_name}: a stream cut off", REFUSED, falsified(_name, packed=deflated(b"Name: demo\n" * 9)[:-4]))
    case(
        f"{_name}: a stream with a tail", REFUSED, lambda f, n=_name: repacked(f, n, lambda data: deflated(data) + b"x")
    )
    case(f"{_name}: a stream without an end", REFUSED, lambda f, n=_name: repacked(f, n, endless))
    case(f"{_name}: a stream longer than stated", REFUSED, falsified(_name, packed=deflated(bytes(9 << 20)), size=60))
    case(f"{_name}: a stream shorter than stated", REFUSED, falsified(_name, packed=deflated(b"Name: x\n"), size=60))
    case(f"{_name}: a bomb", REFUSED, falsified(_name, packed=deflated(bytes(17 << 20)), size=17 << 20))
    case(f"{_name}: large, but not as packed", REFUSED, falsified(_name, method=0, data=b"", packed=b"", size=17 << 20))
    case(f"{_name}: missing", REFUSED, described(leave_out=(_name,)))
    case(f"{_name}: other letter case", REFUSED, lambda f, n=_name: renamed(f, n, n.lower()))
case("METADATA: another size than RECORD says", REFUSED, changed("METADATA", data=b"Name: demo\nVersion: 1.0\n\n"))
case(
    "METADATA: other bytes than RECORD says",
    REFUSED,
    lambda f: other_bytes("METADATA", f.metadata, b"demo", b"Demo")(f),
)
case("WHEEL: another size than RECORD says", REFUSED, changed("WHEEL", data=b"Wheel-Version: 1.0\n"))
case("WHEEL: other bytes than RECORD says", REFUSED, lambda f: other_bytes("WHEEL", f.wheel, b"1.0", b"1.1")(f))
case("bomb: a member of a thousand times its bytes", PASSED, extra_member(packed=bytes(400_000), size=400_000_000))


def renamed(forge, old, new):
    """A wheel in which one file of `.dist-info` has another name, also in RECORD."""
    entries = forge.entries(rows=lambda rows: [[path.replace(old, new), *rest] for path, *rest in rows])
    for entry in entries:
        entry.name = entry.name.replace(old, new)
    return forge.zipped(entries)


# --- folders

case("folders: no dist-info", REFUSED, lambda f: f.zipped(f.entries(info="demo")))
case("folders: dist-info not at the top", REFUSED, lambda f: f.zipped(f.entries(info="lib/demo-1.0.dist-info")))
case("folders: dist-info of another name", REFUSED, described(info="other-1.0.dist-info"))
case("folders: dist-info of another version", REFUSED, described(info="demo-1.1.dist-info"))
case("folders: dist-info without version", REFUSED, described(info="demo.dist-info"))
case("folders: dist-info in capitals", REFUSED, described(info="demo-1.0.DIST-INFO"))
case("folders: dist-info of another local version", REFUSED, described(info="demo-1.0+local.dist-info"))
case("folders: two dist-infos", PASSED, extra_file("other-2.0.dist-info/METADATA"))
case("folders: a second dist-info of the same name", PASSED, extra_file("demo-1.1.dist-info/METADATA"))
case("folders: a file called dist-info", PASSED, extra_file("x.dist-info"))
case("folders: data of another version", REFUSED, extra_file("demo-1.1.data/scripts/run"))
case("folders: data of another name", REFUSED, extra_file("other-1.0.data/scripts/run"))
case("folders: data in capitals", REFUSED, extra_file("demo-1.0.DATA/scripts/run"))
case("folders: data without version", PASSED, extra_file("demo.data/table.csv"))
case(
    "folders: two of data",
    PASSED,
    lambda f: f.zipped(f.entries(f.Entry(name="demo-1.0.data/purelib/a"), f.Entry(name="demo-1.0.0.data/purelib/b"))),
)
for _name in ("RECORD.jws", "RECORD.p7s", "METADATA.json", "WHEEL.json", "variant.json"):
    case(f"folders: {_name}", PASSED, extra_file(f"demo-1.0.dist-info/{_name}"))

# --- file name, METADATA and WHEEL

for _file in (
    "demo.whl",
    "demo-1.0.whl",
    "demo-1.0-py3-none.whl",
    "demo-1.0-py3-none-any.zip",
    "demo-one-py3-none-any.whl",
    "demo-1.0-build-py3-none-any.whl",
    "demo-1.0-1-py3-none-any-x86_64_v3-more.whl",
):
    case(f"file name: {_file}", PASSED, called(_file))
case("file name: another name", REFUSED, called("other-1.0-py3-none-any.whl"))
case("file name: another version", REFUSED, called("demo-1.1-py3-none-any.whl"))
case("METADATA: another version", REFUSED, described(metadata=b"Name: demo\nVersion: 1.1\n\n"))
case("METADATA: a local version more", REFUSED, described(metadata=b"Name: demo\nVersion: 1.0+x\n\n"))
case("METADATA: no version", REFUSED, described(metadata=b"Name: demo\n\nVersion: 1.0\n"))
case("METADATA: two versions", REFUSED, described(metadata=b"Name: demo\nVersion: 1.0\nVersion: 1.0\n\n"))
case("METADATA: no PEP 440 version", REFUSED, described(metadata=b"Name: demo\nVersion: one\n\n"))
case("METADATA: another name", REFUSED, described(metadata=b"Name: other\nVersion: 1.0\n\n"))
case("METADATA: no name", REFUSED, described(metadata=b"Version: 1.0\n\n"))
case("METADATA: two names", REFUSED, described(metadata=b"Name: demo\nName: other\nVersion: 1.0\n\n"))
case("METADATA: empty", REFUSED, described(metadata=b""))
case("METADATA: not UTF-8", REFUSED, described(metadata=b"Name: demo\nVersion: 1.0\nAuthor: \xff\n\n"))
case("WHEEL: format 2.0", PASSED, described(wheel=b"Wheel-Version: 2.0\nTag: py3-none-any\n"))
case("WHEEL: format 0.9", PASSED, described(wheel=b"Wheel-Version: 0.9\nTag: py3-none-any\n"))
case("WHEEL: a format with too many digits", PASSED, described(wheel=b"Wheel-Version: " + b"9" * 5000 + b".0\n"))
case(
    "METADATA: a version with too many digits",
    REFUSED,
    described(metadata=b"Name: demo\nVersion: " + b"9" * 5000 + b"\n"),
)
case("WHEEL: no format", REFUSED, described(wheel=b"Generator: forge\nTag: py3-none-any\n"))
case("WHEEL: a word for the format", REFUSED, described(wheel=b"Wheel-Version: one\n"))
case("WHEEL: two formats", REFUSED, described(wheel=b"Wheel-Version: 1.0\nWheel-Version: 2.0\n"))
case("WHEEL: empty", REFUSED, described(wheel=b""))
case("WHEEL: not UTF-8", REFUSED, described(wheel=b"Wheel-Version: 1.0\nGenerator: \xff\n"))


# --- RECORD

NATIVE = "demo/native.so"


def native_row(digest=None, size=None):
    """Falsifies the row of one file."""

    def change(rows):
        return [
            [path, digest if digest is not None else old, size if size is not None else count]
            if path == NATIVE
            else [path, old, count]
            for path, old, count in rows
        ]

    return described(rows=change)


case("RECORD: a file not listed", REFUSED, described(rows=lambda rows: rows[1:]))
case("RECORD: METADATA not listed", REFUSED, described(rows=lambda rows: [r for r in rows if "METADATA" not in r[0]]))
case(
    "RECORD: a file that is not there", REFUSED, described(rows=lambda rows: [["demo/gone.py", rows[0][1], "6"], *rows])
)
case("RECORD: a file outside", REFUSED, described(rows=lambda rows: [["../../evil.py", rows[0][1], "6"], *rows]))
case("RECORD: an absolute path", REFUSED, described(rows=lambda rows: [["/etc/passwd", rows[0][1], "6"], *rows]))
case("RECORD: a file spelled otherwise", REFUSED, described(rows=lambda rows: [["./" + r[0], *r[1:]] for r in rows]))
case("RECORD: backslashes", REFUSED, described(rows=lambda rows: [[r[0].replace("/", "\\"), *r[1:]] for r in rows]))
case("RECORD: a row twice", PASSED, described(rows=lambda rows: [rows[0], *rows]))
case(
    "RECORD: two rows for one file", REFUSED, described(rows=lambda rows: [[rows[0][0], rows[1][1], rows[0][2]], *rows])
)
case("RECORD: no hash", REFUSED, native_row(digest=""))
case("RECORD: MD5", REFUSED, native_row(digest="md5=1B2M2Y8AsgTpgAmY7PhCfg"))
case("RECORD: SHA-1", REFUSED, native_row(digest="sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk"))
case("RECORD: SHA-224", REFUSED, native_row(digest="sha224=0UoCjCo6K8lHYQK7KII0xBWisB-CjqYqxbPkLw"))
case("RECORD: BLAKE2", PASSED, native_row(digest="blake2b=" + "a" * 86))
case("RECORD: a hash nobody knows", REFUSED, native_row(digest="crc64=abcdefg"))
case("RECORD: xxHash", REFUSED, native_row(digest="xxh3_128=abcdefgabcdefgabcdefg"))
case("RECORD: a hash without a name", REFUSED, native_row(digest="a" * 43))
case("RECORD: a hash cut off", REFUSED, native_row(digest="sha256=" + "a" * 42))
case("RECORD: a hash in hex", REFUSED, native_row(digest="sha256=" + "a" * 64))
case("RECORD: a hash in the other base64", REFUSED, native_row(digest="sha256=" + "a" * 42 + "+"))
case("RECORD: another size", REFUSED, native_row(size="2303"))
case("RECORD: a size below zero", REFUSED, native_row(size="-1"))
case("RECORD: a word for a size", REFUSED, native_row(size="many"))
case("RECORD: a size with a leading zero", REFUSED, native_row(size="02304"))
case("RECORD: a hash of itself", REFUSED, described(rows=lambda rows: [*rows[:-1], [rows[-1][0], rows[0][1], ""]]))
case("RECORD: a size of itself", REFUSED, described(rows=lambda rows: [*rows[:-1], [rows[-1][0], "", "9"]]))
case("RECORD: itself not listed", PASSED, described(rows=lambda rows: rows[:-1]))
case("RECORD: empty", REFUSED, described(record=b""))
case("RECORD: two columns", REFUSED, described(rows=lambda rows: [r[:2] for r in rows]))
case("RECORD: four columns", REFUSED, described(rows=lambda rows: [[*r, ""] for r in rows]))
case("RECORD: a short row more", REFUSED, described(rows=lambda rows: [*rows, ["demo/__init__.py"]]))
case("RECORD: a quote left open at the end", REFUSED, changed_record(lambda data: data + b'"open'))
case("RECORD: semicolons", REFUSED, described(record=b"demo/__init__.py;sha256=a;6\n"))
case("RECORD: JSON", REFUSED, described(record=b'{"demo/__init__.py": 6}\n'))
case("RECORD: not UTF-8", REFUSED, described(record=b"demo/\xff.py,,\n"))
case("RECORD: UTF-16", REFUSED, described(record="demo/__init__.py,,\n".encode("utf-16")))
case("RECORD: a byte order mark", REFUSED, changed_record(lambda data: b"\xef\xbb\xbf" + data))
case("RECORD: a quote left open", REFUSED, described(record=b'"demo/__init__.py,,\n'))
case("RECORD: bytes behind a quote", REFUSED, described(record=b'"demo"x,,\n'))
case("RECORD: NUL", REFUSED, described(record=b"demo/\0__init__.py,,\n"))
case("RECORD: a field without end", REFUSED, described(record=b"x" * 200_000))


def placed(forge, folder, make):
    """The path of the wheel that one case makes."""
    made = make(forge)
    name, data = made if isinstance(made, tuple) else (forge.file_name, made)
    os.mkdir(folder)
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def tree(folder):
    """All that is in a folder, with sizes."""
    return sorted(
        (os.path.join(root, name), os.lstat(os.path.join(root, name)).st_size)
        for root, folders, files in os.walk(folder)
        for name in (*folders, *files)
    )


@pytest.mark.parametrize("title", CASES)
def test_a_malformed_or_odd_wheel(title, forge, tmp_path):
    """It is refused or passed on, with a message that names the wheel, and no file comes or goes anywhere."""
    expected, make = CASES[title]
    path = placed(forge, tmp_path / "made", make)
    (tmp_path / "target").mkdir()
    before = tree(tmp_path)
    with pytest.raises(WheelError) as caught:
        archive.rewrite(archive.read(path), str(tmp_path / "target"), version="1.0+s0", mark=b"{}")
    assert type(caught.value) is expected, caught.value.message
    assert os.path.basename(path) in caught.value.message
    assert not re.search(r"[\x00-\x1f\x7f]", caught.value.message)
    assert archive.mark_of(path) is None
    assert tree(tmp_path) == before


def test_the_wheel_that_all_cases_spoil(forge, tmp_path):
    """It is a good one, so that each case fails for its own reason."""
    path = placed(forge, tmp_path / "made", lambda forge: forge.zipped(forge.entries()))
    assert archive.read(path).version == "1.0"


def test_there_are_many_cases():
    """The list is not cut short by accident."""
    assert len(CASES) >= 120


@settings(max_examples=400)
@given(data=st.data())
def test_a_wheel_with_random_damage(data, forge, tmp_path_factory):
    """It is refused, passed on or rewritten; nothing else can come out, and no other exception."""
    entries = forge.entries(forge.Entry(name="demo-1.0.data/scripts/run", data=b"x" * 40, descriptor=True))
    good = forge.zipped(entries)
    broken = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(good) - 1))
        broken[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / forge.file_name
    path.write_bytes(broken)
    try:
        archive.rewrite(archive.read(str(path)), str(folder), version="1.0+s0", mark=b"{}")
    except WheelError:
        assert os.listdir(folder) == [forge.file_name]
    else:
        assert archive.read(str(folder / "demo-1.0+s0-py3-none-any.whl")).version == "1.0+s0"
    archive.mark_of(str(path))


def test_each_case_is_another_wheel(forge):
    """No two cases make the same bytes under the same name."""
    made = [make(forge) for _, make in CASES.values()]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("title", [title for title in CASES if "bomb" in title or "longer" in title])
def test_a_bomb_is_never_unpacked(title, forge, tmp_path):
    """What a member claims, or really holds, is not taken into memory beyond the limit."""
    path = placed(forge, tmp_path / "made", CASES[title][1])
    tracemalloc.start()
    try:
        with pytest.raises(WheelError):
            archive.read(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
