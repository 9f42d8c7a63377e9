"""A wrapped wheel is the inner backend's own wheel, but for version, mark, RECORD and names."""

import base64
import csv
import dataclasses
import hashlib
import io
import shutil
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MARK = "freshwheel.json"


@dataclasses.dataclass(frozen=True)
class Wheel:
    """A wheel file, read without any code of freshwheel's."""

    path: Path

    @property
    def stem(self):
        """What `.dist-info` and `.data` folders begin with."""
        return "-".join(self.path.name.split("-")[:2])

    @property
    def info(self):
        """The name of its `.dist-info` folder."""
        return f"{self.stem}.dist-info"

    @property
    def members(self):
        """Name, with `STEM` for what holds the version -> what makes the member, and its bytes."""
        with zipfile.ZipFile(self.path) as archive:
            return {
                entry.filename.replace(f"{self.stem}.", "STEM.", 1): (
                    (entry.date_time, entry.external_attr, entry.compress_type),
                    archive.read(entry),
                )
                for entry in archive.infolist()
            }

    def read(self, name):
        """The bytes of one file of the `.dist-info` folder."""
        return self.members[f"STEM.dist-info/{name}"][1]


@dataclasses.dataclass(frozen=True)
class Pair:
    """One project built by its inner backend, and by freshwheel around it."""

    name: str
    label: str
    inner: Wheel
    wrapped: Wheel
    prepared: Path


@pytest.fixture(scope="session")
def pair(any_fixture, copy, tmp_path_factory):
    """Both wheels of each project, from the same path: compilers write paths into what they make."""
    folder = tmp_path_factory.mktemp(any_fixture)

    def tree():
        shutil.rmtree(folder / any_fixture, ignore_errors=True)
        return copy(any_fixture, folder).with_environ(SOURCE_DATE_EPOCH="1700000000")

    bare = tree()
    bare.unwrap()
    inner = Wheel(bare.hooks.wheel(folder / "inner"))
    project = tree()
    prepared = project.hooks.metadata(folder / "prepared")
    wrapped = Wheel(project.hooks.wheel(folder / "wrapped"))
    return Pair(project.name, project.label(), inner, wrapped, prepared)


def rows(wheel):
    """RECORD: path -> digest and size, as they are written there."""
    table = csv.reader(io.StringIO(wheel.read("RECORD").decode()))
    return {path.replace(f"{wheel.stem}.", "STEM.", 1): (digest, size) for path, digest, size in table}


def changed(name):
    """Whether a member may differ from the inner backend's."""
    return name in {f"STEM.dist-info/{file}" for file in ("METADATA", "RECORD", MARK)}


def test_members_are_those_of_the_inner_backend(pair):
    """Same members in the same order, with the same bytes, times, modes and compression; the mark is the one more."""
    inner, wrapped = pair.inner.members, pair.wrapped.members
    assert [name for name in wrapped if not name.endswith(MARK)] == list(inner)
    assert set(wrapped) - set(inner) == {f"STEM.dist-info/{MARK}"}
    assert [name for name, member in inner.items() if not changed(name) and wrapped[name] != member] == []


def test_version_is_the_only_change_of_the_metadata(pair):
    """Not a byte of METADATA beside the version line is another one."""
    old, new = (wheel.read("METADATA").splitlines(keepends=True) for wheel in (pair.inner, pair.wrapped))
    label = "" if pair.name == "demo-static-version" else f"+{pair.label}"
    assert [line.replace(b"Version: 1.2.3", f"Version: 1.2.3{label}".encode(), 1) if line.startswith(b"Version:")
            else line for line in old] == new  # fmt: skip
    assert pair.wrapped.stem == f"{pair.inner.stem}{label}"


def test_record_names_every_member_with_its_digest(pair):
    """RECORD of the wrapped wheel says of each member what is true, and signs all but itself."""
    told = rows(pair.wrapped)
    members = {name: data for name, (_, data) in pair.wrapped.members.items() if not name.endswith("/")}
    assert set(told) == set(members)
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        signed = (f"sha256={digest}", str(len(data)))
        assert told[name] == (("", "") if name == "STEM.dist-info/RECORD" else signed)


def test_prepared_metadata_is_that_of_the_wheel(pair):
    """What a resolver was told before the build is what the build delivers."""
    assert pair.prepared.name == pair.wrapped.info
    assert (pair.prepared / "METADATA").read_bytes() == pair.wrapped.read("METADATA")


def test_readers_of_wheels_accept_it(pair, pip, uv, venv, tools, tmp_path):
    """pip, uv, installer, wheel and twine find nothing wrong; each is strict about something else."""
    path = str(pair.wrapped.path)
    pip.install(venv, "--dry-run", path)
    uv.install(venv, path)
    assert venv.version(pair.name) == pair.wrapped.stem.rpartition("-")[2]
    for command in (
        ("installer", "--validate-record", "all", "--destdir", str(tmp_path / "installed"), path),
        ("wheel", "unpack", "--dest", str(tmp_path / "unpacked"), path),
        ("twine", "check", "--strict", path),
    ):
        tools.module(*command)


def test_scripts_and_data_are_installed(pip, uv, copy, venv, tmp_path):
    """The folder of scripts and data files is renamed with the version, so that installers still find it."""
    project = copy("data-scripts", tmp_path)
    wheel = project.hooks.wheel(tmp_path / "dist")
    for installer in (pip, uv):
        installer.install(venv, "--force-reinstall", wheel)
        assert venv.script("demo-script") == "script one"
        assert (venv.path / "share" / "demo" / "words.txt").read_text() == "data one\n"
