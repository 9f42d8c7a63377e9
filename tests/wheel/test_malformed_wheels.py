"""Wheels that are broken or merely odd: each is refused or passed on, and none does any harm."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import sys
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freshwheel.base.errors import WheelError, WheelUnfamiliarError
from freshwheel.wheel import archive


def extra_member(**fields):
    """A wheel with one more member, which RECORD lists."""
    return lambda forge: forge.zipped(
        forge.entries(forge.Entry(**{"name": "demo/more.py", "data": b"more\n"} | fields))
    )


def changed(which, **fields):
    """A wheel in which the member whose name ends with `which` is another."""

    def make(forge):
        entries = forge.entries()
        place = next(place for place, entry in enumerate(entries) if entry.name.endswith(which))
        entries[place] = dataclasses.replace(entries[place], **fields)
        return forge.zipped(entries)

    return make


def cut(change):
    """A good wheel with its bytes changed as a whole."""
    return lambda forge: change(forge.zipped(forge.entries()))


def described(**fields):
    """A wheel made by other words: other metadata, RECORD, folders."""
    return lambda forge: forge.zipped(forge.entries(**fields))


def called(file_name):
    """A good wheel under another file name."""
    return lambda forge: (file_name, forge.zipped(forge.entries()))


def packed(method, **options):
    """A good wheel, all members written by the standard library in another form."""

    def make(forge):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as wheel:
            for entry in forge.entries():
                with wheel.open(entry.name, "w", **options) as member:
                    member.write(entry.data)
        return file.getvalue()

    return make


def record(change):
    """A wheel with other rows in RECORD."""
    return described(rows=change)


def info(name, version):
    """METADATA of a name and a version."""
    return described(metadata=b"Name: " + name + b"\nVersion: " + version + b"\n\n")


REFUSED = {
    "an empty file": lambda _: b"",
    "a text": lambda _: b"This is not a wheel.\n" * 9,
    "cut by one byte": cut(lambda data: data[:-1]),
    "cut in half": cut(lambda data: data[: len(data) // 2]),
    "only the second half": cut(lambda data: data[len(data) // 2 :]),
    "a member that lies inside another": extra_member(central={"offset": 40}),
    "a member that lies nowhere": extra_member(central={"offset": 0x7FFFFFFF}),
    "a member longer than the file": extra_member(central={"packed": 0x7FFFFFF}),
    "one name twice": lambda forge: forge.zipped([*forge.entries(), forge.Entry(name="demo/__init__.py")]),
    "METADATA is encrypted": changed("METADATA", flags=1),
    **{f"{name} is missing": described(leave_out=(name,)) for name in ("METADATA", "WHEEL", "RECORD")},
    **{f"{name} has another CRC": changed(name, crc=1) for name in ("METADATA", "WHEEL", "RECORD")},
    **{f"{name} is no stream": changed(name, packed=b"\xff" * 9) for name in ("METADATA", "WHEEL", "RECORD")},
    "no dist-info": lambda forge: forge.zipped(forge.entries(info="demo")),
    "dist-info not at the top": lambda forge: forge.zipped(forge.entries(info="lib/demo-1.0.dist-info")),
    "dist-info of another name": described(info="other-1.0.dist-info"),
    "dist-info of another version": described(info="demo-1.1.dist-info"),
    "dist-info without version": described(info="demo.dist-info"),
    "a file name with another name": called("other-1.0-py3-none-any.whl"),
    "a file name with another version": called("demo-1.1-py3-none-any.whl"),
    "METADATA with another version": info(b"demo", b"1.1"),
    "METADATA with a local version more": info(b"demo", b"1.0+x"),
    "METADATA with no PEP 440 version": info(b"demo", b"one"),
    "METADATA with too many digits": info(b"demo", b"9" * 5000),
    "METADATA with another name": info(b"other", b"1.0"),
    "METADATA without version": described(metadata=b"Name: demo\n\nVersion: 1.0\n"),
    "METADATA with two versions": info(b"demo", b"1.0\nVersion: 1.0"),
    "METADATA without name": described(metadata=b"Version: 1.0\n\n"),
    "METADATA is empty": described(metadata=b""),
    "METADATA is not UTF-8": info(b"d\xffmo", b"1.0"),
    "WHEEL without format": described(wheel=b"Generator: forge\nTag: py3-none-any\n"),
    "RECORD without a file": record(lambda rows: rows[1:]),
    "RECORD with a file that is not there": record(lambda rows: [["demo/gone.py", rows[0][1], "6"], *rows]),
    "RECORD with backslashes": record(lambda rows: [[row[0].replace("/", "\\"), *row[1:]] for row in rows]),
    "RECORD with two columns": record(lambda rows: [row[:2] for row in rows]),
    "RECORD with four columns": record(lambda rows: [[*row, ""] for row in rows]),
    "RECORD is empty": described(record=b""),
    "RECORD is not UTF-8": described(record=b"demo/\xff.py,,\n"),
    "RECORD with NUL": described(record=b"demo/\0__init__.py,,\n"),
    "RECORD with a field without end": described(record=b"x" * 200_000),
}
PASSED = {
    # Before 3.11 `zipfile` leaves them out where they are not needed.
    **({"64-bit fields": packed(zipfile.ZIP_DEFLATED, force_zip64=True)} if sys.version_info >= (3, 11) else {}),
    "bzip2": packed(zipfile.ZIP_BZIP2),
    "LZMA": packed(zipfile.ZIP_LZMA),
    "two dist-infos": extra_member(name="other-2.0.dist-info/METADATA"),
    "format 2.0": described(wheel=b"Wheel-Version: 2.0\nTag: py3-none-any\n"),
    **{
        name: called(name)
        for name in (
            "demo.whl",
            "demo-1.0-py3-none-any.zip",
            "demo-one-py3-none-any.whl",
            "demo-1.0-1-py3-none-x-y.whl",
        )
    },
}
CASES = {
    **{title: (WheelError, make) for title, make in REFUSED.items()},
    **{title: (WheelUnfamiliarError, make) for title, make in PASSED.items()},
}


def placed(forge, folder, make):
    """The path of the wheel that one case makes."""
    made = make(forge)
    name, data = made if isinstance(made, tuple) else (forge.file_name, made)
    os.mkdir(folder)
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


@pytest.mark.parametrize("title", CASES)
def test_a_malformed_or_odd_wheel(title, forge, tmp_path):
    """It is refused or passed on, with a message that names the wheel, and nothing is left behind."""
    expected, make = CASES[title]
    path = placed(forge, tmp_path / "made", make)
    (tmp_path / "target").mkdir()
    with pytest.raises(WheelError) as caught:
        archive.rewrite(archive.read(path), str(tmp_path / "target"), version="1.0+s0", mark=b"{}")
    assert type(caught.value) is expected, caught.value.message
    assert os.path.basename(path) in caught.value.message
    assert not re.search(r"[\x00-\x1f\x7f]", caught.value.message)
    assert archive.mark_of(path) is None
    assert os.listdir(tmp_path / "target") == []


def test_the_wheel_that_all_cases_spoil(forge, tmp_path):
    """It is a good one, so that each case fails for its own reason."""
    path = placed(forge, tmp_path / "made", lambda forge: forge.zipped(forge.entries()))
    assert archive.read(path).version == "1.0"


@settings(max_examples=200)
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
