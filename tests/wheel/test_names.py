"""A file name is taken apart and put together without losing how it was spelled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from freshwheel.base.errors import WheelError, WheelUnfamiliarError
from freshwheel.wheel.metadata import FileName

DISTRIBUTIONS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9.]|_(?!_)){0,8}[A-Za-z0-9]", fullmatch=True)
VERSIONS = st.from_regex(
    r"([1-9]!)?[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|b|rc|_rc\.)[0-9])?(\.post[0-9])?(\.dev[0-9])?(\+[a-z0-9]{1,4}([._][a-z0-9]{1,4})?)?",
    fullmatch=True,
)
BUILDS = st.sampled_from(["", "1", "0.editable", "20_local"])
TAGS = st.sampled_from(["py3-none-any", "cp39-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64", "py2.py3-none-any"])


@given(DISTRIBUTIONS, VERSIONS, BUILDS, TAGS)
def test_any_wheel_name(distribution, version, build, tags):
    """What was taken apart makes the same name again, and each part is as it was spelled."""
    filename = "-".join(part for part in (distribution, version, build, tags) if part) + ".whl"
    name = FileName.wheel(filename)
    rest = filename.removeprefix(f"{distribution}-{version}")
    assert name == FileName(distribution=distribution, version=version, rest=rest)
    assert name.filename == filename


@given(DISTRIBUTIONS, VERSIONS, BUILDS, TAGS, VERSIONS.map(lambda version: version.replace("_", "-")))
def test_any_wheel_name_with_any_other_version(distribution, version, build, tags, other):
    """Installers read the new version in it, and name, build and tags as before."""
    name = FileName.wheel("-".join(part for part in (distribution, version, build, tags) if part) + ".whl")
    before, after = (parse_wheel_filename(found.filename) for found in (name, name.with_version(other)))
    assert after == (before[0], Version(other), *before[2:])
    assert FileName.wheel(name.with_version(other).filename) == name.with_version(other)


@given(DISTRIBUTIONS, VERSIONS, VERSIONS.map(lambda version: version.replace("_", "-")))
def test_any_source_distribution_name_with_any_other_version(distribution, version, other):
    """Installers read the new version in it, and the name as before."""
    name = FileName.sdist(f"{distribution}-{version}.tar.gz")
    assert name == FileName(distribution=distribution, version=version, rest=".tar.gz")
    assert name.filename == f"{distribution}-{version}.tar.gz"
    new = name.with_version(other)
    assert parse_sdist_filename(new.filename) == (parse_sdist_filename(name.filename)[0], Version(other))
    assert new.filename == f"{new.stem}.tar.gz"


@pytest.mark.parametrize(
    ("version", "spelled"),
    [
        ("1.2.3+cpu.s5e1fa9c03b7d", "1.2.3+cpu.s5e1fa9c03b7d"),
        ("2!1.0.dev3+s5e1fa9c03b7d", "2!1.0.dev3+s5e1fa9c03b7d"),
        ("1.0.0-rc.1", "1.0.0rc1"),
        ("1.0+a-b", "1.0+a.b"),
        ("1.0-1", "1.0.post1"),
    ],
)
def test_a_version_in_a_wheel_name(version, spelled):
    """It is in normal form, which has no hyphen: those separate the parts of the name."""
    assert FileName.wheel("demo-0-py3-none-any.whl").with_version(version).version == spelled


def test_the_same_version_spelled_otherwise():
    """A wheel that gets no new version gets no new name."""
    name = FileName.wheel("demo-1.0.0rc1-py3-none-any.whl")
    assert name.with_version("1.0.0-rc.1") is name


def test_no_version_for_a_name():
    """A text that is no version can't become part of a name."""
    for name in (FileName.wheel("demo-1.0-py3-none-any.whl"), FileName.sdist("demo-1.0.tar.gz")):
        with pytest.raises(WheelError, match=r"'\.\./1' is not a version"):
            name.with_version("../1")


@pytest.mark.parametrize(
    "filename",
    [
        "",
        "demo.whl",
        "demo-1.0-py3-none-any.zip",
        "demo-1.0-py3-none.whl",
        "demo-1.0--py3-none-any.whl",
        "-1.0-py3-none-any.whl",
        "demo-one-py3-none-any.whl",
        "demo-1.0+src-ab12-py3-none-any.whl",
        "demo-1.0-1-py3-none-any-variant.whl",
        "de__mo-1.0-py3-none-any.whl",
        "demo-1.0+\u017f-py3-none-any.whl",
        "demo-1.0-1\n-py3-none-any.whl",
        "folder/demo-1.0-py3-none-any.whl",
        "demo-1.0-py3-none-any/../x.whl",
        f"demo-{'9' * 5000}-py3-none-any.whl",
    ],
)
def test_not_the_name_of_a_wheel(filename):
    """A form of name that is not known is no reason to fail; the caller can pass the wheel on."""
    with pytest.raises(WheelUnfamiliarError, match="is not the file name of a wheel"):
        FileName.wheel(filename)


def test_an_old_source_distribution_with_hyphens():
    """The version stands behind the last hyphen."""
    assert FileName.sdist("my-old-demo-1.0.tar.gz") == FileName(
        distribution="my-old-demo", version="1.0", rest=".tar.gz"
    )


def test_a_new_version_in_the_name_of_a_source_distribution():
    """It is in normal form, whatever the spelling, so that there is exactly one hyphen."""
    assert FileName.sdist("demo-1.0.tar.gz").with_version("5.0.0-rc.1").filename == "demo-5.0.0rc1.tar.gz"


@pytest.mark.parametrize(
    "filename",
    [
        "demo-1.0.tar.bz2",
        "demo.tar.gz",
        "-1.0.tar.gz",
        "demo-one.tar.gz",
        "demo-1.0-rc1.tar.gz",
        f"demo-{'9' * 5000}.tar.gz",
    ],
)
def test_not_the_name_of_a_source_distribution(filename):
    """There is nothing to give another version to."""
    with pytest.raises(WheelError, match="is not the file name of a source distribution"):
        FileName.sdist(filename)
