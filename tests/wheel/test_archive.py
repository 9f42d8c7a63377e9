"""A wheel is read as a whole and rewritten without touching what need not change."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import subprocess
import sys
import zipfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freshwheel.base.errors import WheelError
from freshwheel.base.model import Mark
from freshwheel.wheel import archive
from freshwheel.wheel import mark as marks

OLD, NEW = "1.0", "2.5.dev1+s5e1fa9c03b7d"
STAMP = Mark(
    digest="5e1fa9c03b7d" + "0" * 20,
    settled=True,
    label="s5e1fa9c03b7d",
    base="2.5.dev1",
    backend="maturin",
    inner_wheel="demo-1.0-py3-none-any.whl",
    freshwheel="0.1.0",
)
MARK = marks.dump(STAMP)


@pytest.fixture
def made(tmp_path, forge):
    """Writes a wheel with further members into a folder of its own and gives its path."""

    def make(*entries, file_name=forge.file_name, turned=False, **fields):
        folder = tmp_path / f"inner{len(os.listdir(tmp_path))}"
        folder.mkdir()
        path = folder / file_name
        path.write_bytes(forge.zipped(forge.entries(*entries, **fields), turned=turned))
        return str(path)

    return make


@pytest.fixture
def target(tmp_path):
    """An empty folder for finished wheels."""
    folder = tmp_path / "target"
    folder.mkdir()
    return str(folder)


def rewritten(path, target, version=NEW, mark=MARK):
    """The path of the rewritten wheel."""
    return os.path.join(target, archive.rewrite(archive.read(path), target, version=version, mark=mark))


def content(path):
    """The bytes of a file."""
    with open(path, "rb") as file:
        return file.read()


def facts(path):
    """What another reader says of each member, in order: name, content, mode, time, method, system, comment, extra."""
    with zipfile.ZipFile(path) as found:
        assert found.testzip() is None
        return [
            (
                info.filename,
                found.read(info),
                info.external_attr,
                info.date_time,
                info.compress_type,
                info.create_system,
                info.comment,
                info.extra,
            )
            for info in found.infolist()
        ]


def rows(path):
    """RECORD's lines."""
    return next(data for name, data, *_ in facts(path) if name.endswith("/RECORD")).decode().splitlines()


# Lower case without the letters that fold, so that no two names are one on some file systems; never a device's name.
LETTERS = st.text("abcdefghijklmnopqrstuvwxyz_0123456789 äöü日本語ж", min_size=1, max_size=8).map(
    lambda text: f"x{text}y"
)
PLACES = st.sampled_from(
    [
        "demo/{}.py",
        "demo/{}.so",
        "{}.pth",
        "demo-1.0.data/scripts/{}",
        "demo-1.0.data/purelib/lib_{}/mod.py",
        "demo-1.0.dist-info/licenses/{}.txt",
        "demo-1.0.dist-info/licenses/vendored/{}",
        "demo-1.0.dist-info/sboms/{}.json",
        "demo-1.0.dist-info/{}",
        "other/demo-1.0.dist-info/{}",
        "dir_{}/",
        "demo-1.0.data/dir_{}/",
    ]
)


@st.composite
def members(draw, forge):
    """Members of a wheel beside the necessary ones, in the forms that honest tools write."""
    names = draw(st.lists(st.tuples(PLACES, LETTERS), max_size=8, unique=True))
    found = []
    for place, letters in names:
        name = place.format(letters)
        folder = name.endswith("/")
        found.append(
            forge.Entry(
                name=name,
                data=b"" if folder else draw(st.binary(max_size=200)) * draw(st.sampled_from([1, 1, 900])),
                method=0 if folder else draw(st.sampled_from([0, 8])),
                mode=0o040755 if folder else draw(st.sampled_from([0, 0o100644, 0o100755, 0o644, 0o100600])),
                descriptor=False if folder else draw(st.booleans()),
                extra=draw(st.sampled_from([b"", b"UT\x05\0\x01abcd"])),
                local_extra=draw(st.sampled_from([b"", b"UT\x09\0\x03abcdefgh", b"\xfe\xca\0\0"])),
                comment=draw(st.sampled_from([b"", b"a comment"])),
            )
        )
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_wheel_rewritten(data, forge, tmp_path_factory):
    """All members are as they were, but for the names that carry the version, METADATA, RECORD and the mark.

    And there and back again gives the bytes that the direct way gives.
    """
    folder = tmp_path_factory.mktemp("any")
    own = st.fixed_dictionaries({"method": st.sampled_from([0, 8]), "descriptor": st.booleans()})
    falsify = {name: data.draw(own) for name in ("METADATA", "WHEEL", "RECORD")}
    entries = forge.entries(*data.draw(members(forge)), falsify=falsify)
    path = folder / forge.file_name
    path.write_bytes(forge.zipped(entries, turned=data.draw(st.booleans())))
    targets = [str(folder / name) for name in ("first", "back", "direct")]
    for name in targets:
        os.mkdir(name)

    new = rewritten(str(path), targets[0])
    before, after = facts(path), facts(new)

    assert os.path.basename(new) == f"demo-{NEW}-py3-none-any.whl"
    mark = next(place for place, fact in enumerate(after) if fact[0].endswith("/" + marks.NAME))
    assert after[mark + 1][0] == f"demo-{NEW}.dist-info/RECORD"
    stamp = after.pop(mark)
    like = next(fact for fact in after if fact[0].endswith("/METADATA"))
    assert stamp == (f"demo-{NEW}.dist-info/{marks.NAME}", MARK, 0o100644 << 16, like[3], like[4], 3, b"", b"")
    assert [fact[0] for fact in after] == [renamed(fact[0]) for fact in before]
    for old, fresh in zip(before, after, strict=True):
        assert fresh[2:] == old[2:]
        if fresh[0] == f"demo-{NEW}.dist-info/METADATA":
            assert fresh[1] == old[1].replace(b"Version: 1.0", f"Version: {NEW}".encode())
        elif fresh[0] != f"demo-{NEW}.dist-info/RECORD":
            assert fresh[1] == old[1]

    back, direct = rewritten(new, targets[1], "3.1"), rewritten(str(path), targets[2], "3.1")
    assert content(back) == content(direct)


def renamed(name):
    """The name that a member has in the rewritten wheel."""
    top, slash, rest = name.partition("/")
    return top.replace("demo-1.0.d", f"demo-{NEW}.d") + slash + rest


def test_another_installer_accepts_the_rewritten_wheel(forge, made, target):
    """RECORD lists exactly what is there, with the right hashes."""
    sources = pytest.importorskip("installer.sources")
    path = rewritten(
        made(
            forge.Entry(name="demo-1.0.data/scripts/run", data=b"#!python\n", mode=0o100755, descriptor=True),
            forge.Entry(name="demo-1.0.dist-info/licenses/deep/LICENSE", data=b"free"),
            forge.Entry(name='demo/größe,"x".txt', data=b"1"),
        ),
        target,
    )
    with sources.WheelFile.open(path) as wheel:
        wheel.validate_record()
        schemes = {record[0]: stream for record, stream, _ in wheel.get_contents()}
    assert f"demo-{NEW}.data/scripts/run" in schemes


def test_the_wheel_command_unpacks_the_rewritten_wheel(forge, made, target, tmp_path):
    """`wheel unpack` checks all hashes, and the script is executable."""
    pytest.importorskip("wheel")
    script = forge.Entry(name="demo-1.0.data/scripts/run", data=b"#!python\n", mode=0o100755)
    path = rewritten(made(script), target)
    subprocess.run([sys.executable, "-m", "wheel", "unpack", "-d", tmp_path / "out", path], check=True)
    unpacked = tmp_path / "out" / f"demo-{NEW}" / f"demo-{NEW}.data" / "scripts" / "run"
    if os.name == "posix":
        assert unpacked.stat().st_mode & stat.S_IXUSR


def test_compressed_bytes_stay_as_they_are(forge, made, target):
    """A stream that zlib would never make is still there: nothing was compressed again."""
    split = zlib.compressobj(1, zlib.DEFLATED, -15)
    odd = split.compress(b"ab") + split.flush(zlib.Z_FULL_FLUSH) + split.compress(b"cd") + split.flush()
    names = ("demo/kept.bin", "demo-1.0.data/data/renamed.bin", "demo-1.0.dist-info/renamed.bin")
    path = made(*(forge.Entry(name=name, data=b"abcd", packed=odd) for name in names))
    assert content(rewritten(path, target)).count(odd) == len(names)


def test_a_streamed_wheel_of_the_standard_library(forge, target, tmp_path):
    """Headers state sizes themselves, so that descriptors behind the bytes go."""

    class Stream(io.RawIOBase):
        """A file that can only be written on."""

        def __init__(self):
            self.data = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.data += data
            return len(data)

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for entry in forge.entries(forge.Entry(name="demo/日本.txt", data=b"text" * 99)):
            made.writestr(entry.name, entry.data)
    path = tmp_path / forge.file_name
    path.write_bytes(stream.data)
    new = rewritten(str(path), target)
    with zipfile.ZipFile(new) as found:
        assert not any(info.flag_bits & 8 for info in found.infolist())
    assert [name for name, *_ in facts(new)][2] == "demo/日本.txt"


def test_the_same_version(made, target):
    """Only the mark and its row come to it."""
    path = made()
    new = rewritten(path, target, OLD)
    assert os.path.basename(new) == os.path.basename(path)
    assert [fact for fact in facts(new) if not fact[0].endswith((marks.NAME, "RECORD"))] == facts(path)[:-1]
    assert [row for row in rows(new) if marks.NAME not in row] == rows(path)


def test_over_itself(made):
    """The folder of the inner wheel may be the target, with the same name."""
    path = made()
    assert rewritten(path, os.path.dirname(path), OLD) == path
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
    assert archive.mark_of(path) == STAMP


def test_a_wheel_that_has_a_mark_already(made, target):
    """A wrapper around a wrapper: the outer mark takes the place of the inner one."""
    inner = rewritten(made(), target, "2.0+x", marks.dump(STAMP).replace(b"maturin", b"another"))
    outer = rewritten(inner, target)
    assert sum(marks.NAME in name for name, *_ in facts(outer)) == 1
    assert sum(marks.NAME in row for row in rows(outer)) == 1
    assert archive.mark_of(outer) == STAMP


def test_twice_the_same(made, target):
    """Equal arguments give equal bytes."""
    path = made()
    first = content(rewritten(path, target))
    assert content(rewritten(path, target)) == first


def test_names_in_mixed_case(forge, made, target):
    """The folder's spelling of the name stays, even where the file name has another."""
    entry = forge.Entry(name="De.Mo-1.0.data/scripts/run", data=b"#!python\n")
    path = made(entry, info="De.Mo-1.0.dist-info", file_name="de_mo-1.0-py3-none-any.whl", metadata=named(b"De.Mo"))
    names = [name for name, *_ in facts(rewritten(path, target))]
    assert f"De.Mo-{NEW}.data/scripts/run" in names
    assert f"De.Mo-{NEW}.dist-info/METADATA" in names


def named(name):
    """METADATA of a project of this name."""
    return b"Metadata-Version: 2.1\nName: " + name + b"\nVersion: 1.0\n\n"


def test_a_version_spelled_in_two_ways(made, target):
    """`1.0` and `1.0.0` are one version; what is written is what was asked for, everywhere."""
    path = made(info="demo-1.0.0.dist-info", metadata=b"Name: demo\nVersion: v1.0.0\n\n")
    names = {name.partition("/")[0] for name, *_ in facts(rewritten(path, target))}
    assert names == {"demo", f"demo-{NEW}.dist-info"}


def test_a_build_tag(made, target):
    """All of the file name but the version stays."""
    path = made(file_name="demo-1.0-7local-cp310.cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
    name = os.path.basename(rewritten(path, target))
    assert name == f"demo-{NEW}-7local-cp310.cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


def test_the_order_of_the_rows(forge, made, target):
    """RECORD keeps the order and the hashes of its rows; last stand the mark and RECORD itself."""
    path = made(forge.Entry(name="demo/more.py", data=b""), rows=lambda rows: rows[::-1])
    before, after = rows(path), rows(rewritten(path, target))
    assert after[-2].startswith(f"demo-{NEW}.dist-info/{marks.NAME},sha256=")
    assert after[-1] == f"demo-{NEW}.dist-info/RECORD,,"
    changed = f"demo-{NEW}.dist-info/METADATA"
    kept = [row.replace("demo-1.0.", f"demo-{NEW}.") for row in before[1:]]
    assert [row for row in after[:-2] if changed not in row] == [row for row in kept if changed not in row]


def test_folders_in_record(forge, made, target):
    """Some tools list folders too; such rows are renamed like all others."""
    path = made(forge.Entry(name="demo-1.0.data/"), rows=lambda rows: [["demo-1.0.data/", "", ""], *rows])
    assert rows(rewritten(path, target))[0] == f"demo-{NEW}.data/,,"


def test_large_members(forge, made, target):
    """What is too large for one chunk arrives whole."""
    noise = b"".join(struct.pack("<Q", number * 0x9E3779B97F4A7C15 % 2**64) for number in range(400_000))
    path = made(forge.Entry(name="demo/large.bin", data=noise, method=0, descriptor=True))
    assert (found := {name: data for name, data, *_ in facts(rewritten(path, target))})["demo/large.bin"] == noise
    assert len(found) == 7


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_the_mode_of_the_file(made, target):
    """It is what any new file gets, not executable."""
    before = os.umask(0o027)
    try:
        path = rewritten(made(), target)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


def test_a_wheel_cut_off_after_it_was_read(made, target):
    """The rewrite fails, and nothing is left in the target."""
    path = made()
    wheel = archive.read(path)
    with open(path, "r+b") as file:
        file.truncate(60)
    with pytest.raises(WheelError, match="or is cut off"):
        archive.rewrite(wheel, target, version=NEW, mark=MARK)
    assert os.listdir(target) == []


def test_a_disk_that_is_full(made, target, monkeypatch):
    """The failure comes through as it is, and nothing is left in the target."""

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    wheel = archive.read(made())
    monkeypatch.setattr(archive._Writer, "copy", full)
    with pytest.raises(OSError, match="No space left"):
        archive.rewrite(wheel, target, version=NEW, mark=MARK)
    assert os.listdir(target) == []


def test_what_is_read(forge, made):
    """The facts of a good wheel."""
    path = made(forge.Entry(name="demo-1.0.data/scripts/run", data=b"x"))
    wheel = archive.read(path)
    assert (wheel.path, wheel.version, wheel.metadata) == (path, OLD, forge.metadata)
    assert wheel.stem == "demo-1.0"
    assert [member.filename for member in wheel.members] == [name for name, *_ in facts(path)]


def test_a_file_that_is_not_there(tmp_path, forge):
    """A clear error that names the file."""
    with pytest.raises(WheelError, match=r"demo-1\.0-py3-none-any\.whl: it can't be read"):
        archive.read(str(tmp_path / forge.file_name))


def test_the_mark_of_a_wheel(made, target):
    """It is what was written."""
    assert archive.mark_of(rewritten(made(), target)) == STAMP


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b"\xff", b'{"digest": 1}', b"[" * 100_000], ids=lambda data: repr(data[:20])
)
def test_a_mark_that_is_none(data, forge, made):
    """Whatever stands there instead of a mark is not one."""
    assert archive.mark_of(made(forge.Entry(name=f"{forge.info}/{marks.NAME}", data=data))) is None


def test_a_wheel_without_a_mark(made, tmp_path):
    """No mark, be it a wheel, a folder or nothing at all."""
    assert archive.mark_of(made()) is None
    assert archive.mark_of(str(tmp_path)) is None
    assert archive.mark_of(str(tmp_path / "gone.whl")) is None
