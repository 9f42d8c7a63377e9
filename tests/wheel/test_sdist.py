"""A source distribution gets another version wholly, or not at all."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tracemalloc
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.utils import parse_sdist_filename
from packaging.version import Version

from freshwheel.base.errors import WheelError
from freshwheel.wheel import sdist

NAME = "demo-1.0.tar.gz"
INFO = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n\nVersion: 1.0\n"
NEW = INFO.replace(b"Version: 1.0", b"Version: 5.0", 1)


@dataclass(kw_only=True)
class File:
    """One member to be made."""

    name: str
    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    link: str = ""
    mode: int = 0o644
    mtime: float = 1_700_000_000
    owner: tuple[str, str] = ("me", "us")
    ids: tuple[int, int] = (1000, 100)
    headers: dict[str, str] = field(default_factory=dict)


def tarred(*files, form=tarfile.PAX_FORMAT, **options):
    """The bytes of a tar file."""
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=form, encoding="utf-8", errors="surrogateescape", **options
    ) as archive:
        for file in files:
            info = tarfile.TarInfo(file.name)
            info.size, info.mode, info.mtime, info.type, info.linkname = (
                len(file.data),
                file.mode,
                file.mtime,
                file.kind,
                file.link,
            )
            (info.uname, info.gname), (info.uid, info.gid) = file.owner, file.ids
            info.pax_headers = dict(file.headers)
            archive.addfile(info, io.BytesIO(file.data))
    return buffer.getvalue()


def demo(*others, top="demo-1.0", info=INFO):
    """The members of a good source distribution, and `others`."""
    return [
        File(name=top, kind=tarfile.DIRTYPE, mode=0o755),
        File(name=f"{top}/src/demo.py", data=b"x = 1\n", mode=0o755),
        *others,
        File(name=f"{top}/PKG-INFO", data=info),
    ]


@pytest.fixture
def placed(tmp_path):
    """Writes the bytes of a tar file, compressed, and gives the path."""

    def place(data, name=NAME, *, packed=True):
        path = tmp_path / "inner" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(data) if packed else data)
        return str(path)

    return place


@pytest.fixture
def dist(tmp_path):
    """The folder to write to."""
    (tmp_path / "dist").mkdir()
    return str(tmp_path / "dist")


def facts(path):
    """What another reader says of each member, in order."""
    with tarfile.open(path, encoding="utf-8", errors="surrogateescape") as archive:
        return {
            member.name: (
                archive.extractfile(member).read() if member.isreg() else None,
                *(member.type, member.linkname, member.mode, member.mtime),
                *(member.uid, member.gid, member.uname, member.gname),
            )
            for member in archive
        }


PARTS = st.from_regex(r"x[a-zé日 ._'-]{0,40}y", fullmatch=True) | st.just("z" * 120) | st.just("raw\udcff")
PLACES = st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: "/".join(["demo-1.0", *parts]))
OWNERS = st.sampled_from(["", "root", "mé", "u" * 40])
FILES = st.builds(
    File,
    name=PLACES,
    data=st.binary(max_size=40).flatmap(lambda data: st.sampled_from([data, data * 512])),
    mode=st.sampled_from([0o644, 0o755, 0o600]),
    mtime=st.sampled_from([0, 1_700_000_000, 1_700_000_000.25, -5.5, 2**34]),
    owner=st.tuples(OWNERS, OWNERS),
    ids=st.sampled_from([(0, 0), (1000, 100), (2**22, 2**30)]),
    headers=st.sampled_from([{}, {"comment": "a header of its own"}]),
)
LINKS = st.builds(
    File,
    name=PLACES,
    kind=st.just(tarfile.SYMTYPE),
    link=st.sampled_from(["src/demo.py", "./gone", "a/../b", "y" * 120]),
)
HARD_LINKS = st.builds(
    File,
    name=PLACES,
    kind=st.just(tarfile.LNKTYPE),
    link=st.sampled_from(["demo-1.0/src/demo.py", "demo-1.0/" + "y" * 120]),
)
FOLDERS = st.builds(File, name=PLACES, kind=st.just(tarfile.DIRTYPE), mode=st.just(0o755))
FORMS = st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
MEMBERS = st.lists(st.one_of(FILES, LINKS, HARD_LINKS, FOLDERS), max_size=6, unique_by=lambda file: file.name)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=MEMBERS, form=FORMS, version=st.sampled_from(["5.0", "5.0.0-rc.1", "1.0", "7" * 90]))
def test_any_source_distribution(files, form, version, tmp_path_factory):
    """Bytes, order, modes, times and owners are as they were, in the folder of the new version; there and back too."""
    folder = tmp_path_factory.mktemp("any")
    for name in ("there", "back"):
        (folder / name).mkdir()
    path = folder / NAME
    path.write_bytes(gzip.compress(tarred(*demo(*files), form=form)))

    name = sdist.rewrite(str(path), str(folder / "there"), version=version)
    back = sdist.rewrite(str(folder / "there" / name), str(folder / "back"), version="1.0")

    assert name == f"demo-{Version(version)}.tar.gz"
    assert sdist.version_of(str(folder / "there" / name)) == version
    before, after = facts(path), facts(folder / "there" / name)
    assert [member.replace(f"demo-{Version(version)}", "demo-1.0") for member in after] == list(before)
    for old, new in zip(before, after, strict=True):
        content, kind, link, *rest = before[old]
        if old == "demo-1.0/PKG-INFO":
            content = content.replace(b"Version: 1.0", f"Version: {version}".encode(), 1)
        if kind == tarfile.LNKTYPE:
            link = link.replace("demo-1.0", f"demo-{Version(version)}")
        assert after[new] == (content, kind, link, *rest)
    assert facts(folder / "back" / back) == before


def test_a_reader_accepts_the_result(placed, dist, tmp_path, unpack):
    """It has one folder, named as the file is, and the safest filter of the standard library unpacks it."""
    link = File(name="demo-1.0/readme", kind=tarfile.SYMTYPE, link="src/../src/demo.py")
    twin = File(name="demo-1.0/twin.py", kind=tarfile.LNKTYPE, link="demo-1.0/src/demo.py")
    name = sdist.rewrite(placed(tarred(*demo(link, twin))), dist, version="5.0.0-rc.1")
    assert parse_sdist_filename(name) == ("demo", Version("5.0.0rc1"))
    unpack(os.path.join(dist, name), tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["demo-5.0.0rc1"]
    root = tmp_path / "out" / "demo-5.0.0rc1"
    assert (root / "PKG-INFO").read_bytes() == INFO.replace(b"Version: 1.0", b"Version: 5.0.0-rc.1", 1)
    assert (root / "twin.py").read_text() == (root / "readme").read_text() == "x = 1\n"
    assert os.listdir(dist) == [name]


def test_metadata_beside_the_root(placed, dist):
    """An `.egg-info` folder of the same distribution and version gets the new one, any other stays as it is."""
    others = {
        "src/demo.egg-info/PKG-INFO": INFO,
        "DEMO.egg-info/PKG-INFO": INFO.replace(b"demo", b"Demo"),
        "tests/other.egg-info/PKG-INFO": INFO.replace(b"demo", b"other"),
        "tests/demo.egg-info/PKG-INFO": INFO.replace(b": 1.0", b": 0.9"),
        "tests/broken.egg-info/PKG-INFO": b"\xff",
        "src/demo.egg-info/SOURCES.txt": b"Version: 1.0",
        "docs/PKG-INFO": INFO,
    }
    files = [File(name=f"demo-1.0/{name}", data=data) for name, data in others.items()]
    found = facts(os.path.join(dist, sdist.rewrite(placed(tarred(*demo(*files))), dist, version="5.0")))
    changed = [name for name, data in others.items() if found[f"demo-5.0/{name}"][0] != data]
    assert changed == ["src/demo.egg-info/PKG-INFO", "DEMO.egg-info/PKG-INFO"]
    assert found["demo-5.0/src/demo.egg-info/PKG-INFO"][0] == found["demo-5.0/PKG-INFO"][0] == NEW


def test_the_bytes_of_the_result(placed, dist):
    """No time, no name and no platform is in them: only the members count."""
    data = tarred(*demo())
    results = []
    for mtime in (0, 1_700_000_000):
        path = placed(gzip.compress(data, mtime=mtime), packed=False)
        with open(os.path.join(dist, sdist.rewrite(path, dist, version="5.0")), "rb") as file:
            results.append(file.read())
    assert results[0] == results[1]
    assert results[0][:9] == b"\x1f\x8b\x08\0\0\0\0\0\0"


def test_an_old_name_with_hyphens(placed, dist):
    """The version stands behind the last one; the name stays as it is spelled."""
    files = demo(top="My-Demo-1.0", info=INFO.replace(b"demo", b"my.demo"))
    assert sdist.rewrite(placed(tarred(*files), "My-Demo-1.0.tar.gz"), dist, version="5.0") == "My-Demo-5.0.tar.gz"


def test_the_result_takes_the_place_of_the_inner_one(placed):
    """Written into its own folder under its own name, it is there once and whole."""
    path = placed(tarred(*demo()))
    before = facts(path)
    assert sdist.rewrite(path, os.path.dirname(path), version="1.0") == NAME
    assert os.listdir(os.path.dirname(path)) == [NAME]
    assert facts(path) == before


def test_a_large_source_distribution(placed, dist):
    """Its members are copied piece by piece: a file of 24 MB does not need 24 MB of memory."""
    path = placed(tarred(*demo(File(name="demo-1.0/large", data=bytes(24 << 20)))))
    tracemalloc.start()
    try:
        sdist.rewrite(path, dist, version="5.0")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


REFUSED = {
    "PKG-INFO without version": (tarred(*demo(info=b"Name: demo\n")), "0 lines for Version"),
    "no tar file": (b"x" * 9000, "not a whole"),
    "nothing": (b"", "not a whole"),
    "a member that is cut off": (tarred(*demo(File(name="demo-1.0/x", data=b"x" * 9000)))[:4000], "not a whole"),
}


@pytest.mark.parametrize("title", REFUSED)
def test_a_malformed_source_distribution(title, placed, dist):
    """It is refused with a message that names it, and nothing is written."""
    data, reason = REFUSED[title]
    with pytest.raises(WheelError, match=reason) as caught:
        sdist.rewrite(placed(data), dist, version="5.0")
    assert caught.value.message.startswith(NAME)
    assert os.listdir(dist) == []


@pytest.mark.parametrize("spoil", [lambda _: b"PK\x03\x04", gzip.decompress, lambda data: data[: len(data) // 2]])
def test_a_damaged_file(spoil, placed, dist):
    """It is refused with a message that names it."""
    path = placed(spoil(gzip.compress(tarred(*demo(File(name="demo-1.0/x", data=os.urandom(9000)))))), packed=False)
    with pytest.raises(WheelError, match=rf"{NAME}: it is not a whole gzip-compressed tar file"):
        sdist.rewrite(path, dist, version="5.0")
    assert os.listdir(dist) == []


def test_a_file_that_is_not_there(tmp_path, dist):
    """A clear error that names it."""
    for read in (lambda path: sdist.rewrite(path, dist, version="5.0"), sdist.version_of):
        with pytest.raises(WheelError, match=rf"{NAME}: it can't be read: "):
            read(str(tmp_path / NAME))


def test_a_wrong_file_name_or_version(placed, dist):
    """A clear error before anything is written."""
    with pytest.raises(WheelError, match=r"'demo\.tar\.gz' is not the file name of a source distribution"):
        sdist.rewrite(placed(tarred(*demo()), "demo.tar.gz"), dist, version="5.0")
    with pytest.raises(WheelError, match="'one' is not a version"):
        sdist.rewrite(placed(tarred(*demo())), dist, version="one")
    assert os.listdir(dist) == []


def test_the_version_of_a_source_distribution(placed):
    """It is the one in the root PKG-INFO, as it is spelled there."""
    deep = File(name="demo-1.0/a/PKG-INFO", data=INFO)
    path = placed(tarred(*demo(deep, info=INFO.replace(b"Version: 1.0", b"Version: 1.0.0-rc.1", 1))))
    assert sdist.version_of(path) == "1.0.0-rc.1"
    with pytest.raises(WheelError, match="no PKG-INFO"):
        sdist.version_of(placed(tarred(deep)))
