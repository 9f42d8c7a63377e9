"""What a tree says of itself, and what it is told when it says it wrongly."""

import os

import pytest

from freshwheel.base.errors import ConfigError
from freshwheel.base.model import OwnVersion
from freshwheel.sources import project

GOOD = b"[project]\nname = 'demo'\ndynamic = ['version']\n"


def read(grove, pyproject=GOOD, pkg_info=None):
    """The project with these files; None: no such file is made."""
    if pyproject is not None:
        grove.write("pyproject.toml", pyproject)
    if pkg_info is not None:
        grove.write("PKG-INFO", pkg_info)
    return project.read(str(grove.path))


def own(grove, file, **fields):
    """The own version; `file` is what `about.py` holds, which it is then read from."""
    if file is not None:
        grove.write("about.py", file.encode() if isinstance(file, str) else file)
        fields = {"path": "about.py", **fields}
    return project.own_version(read(grove), OwnVersion(**fields))


# --- pyproject.toml


def test_pyproject_is_read(grove):
    """Its tables as they are, and no version where there is no PKG-INFO."""
    found = read(grove)
    assert found.tree == str(grove.path)
    assert found.pyproject == {"project": {"name": "demo", "dynamic": ["version"]}}
    assert found.sdist_version is None


def test_empty_pyproject_is_read(grove):
    """What is missing in it is not said here."""
    assert read(grove, b"").pyproject == {}


def test_windows_line_ends_are_read(grove):
    """A checkout may have them."""
    assert read(grove, GOOD.replace(b"\n", b"\r\n")).pyproject["project"]["name"] == "demo"


def test_link_to_pyproject_is_followed(grove):
    """Monorepos share files so."""
    grove.write("../shared.toml", GOOD).link("pyproject.toml", "../shared.toml")
    assert read(grove, None).pyproject["project"]["name"] == "demo"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "is missing"),
        (b"\xef\xbb\xbf" + GOOD, "byte order mark, in line 1"),
        (GOOD.decode().encode("utf-16"), "is not UTF-8, in line 1"),
        (GOOD + b"# caf\xe9\n", "is not UTF-8, in line 4"),
        (b"[project\n", "is not TOML:"),
        (GOOD + b"x = \n", "line 4"),
        (b"a = 1\na = 2\n", "line 2"),
        (b"[a]\n[b]\n[a]\n", "line 3"),
        (b"a = " + b"9" * 5000, "is not TOML:"),
        (b"a = " + b"[" * 20000 + b"]" * 20000, ""),
        (b"a = " + b"{b=" * 20000 + b"1" + b"}" * 20000, ""),
        (b"a = '\0'", "is not TOML:"),
    ],
)
def test_pyproject_that_can_not_be_used_is_one_clear_problem(grove, data, says):
    """It names the file, and the line where there is one."""
    with pytest.raises(ConfigError) as caught:
        read(grove, data)
    assert [problem.where for problem in caught.value.problems] == ["pyproject.toml"]
    assert says in caught.value.problems[0].what


@pytest.mark.parametrize("name", ["pyproject.toml", "PKG-INFO"])
@pytest.mark.parametrize("make", [os.mkdir, getattr(os, "mkfifo", os.mkdir)])
def test_what_is_no_file_is_refused(grove, name, make):
    """Nobody waits for the other end of a fifo."""
    if name == "PKG-INFO":
        grove.write("pyproject.toml", GOOD)
    make(grove.path / name)
    with pytest.raises(ConfigError, match=f"{name}: can't be read"):
        read(grove, None)


def test_file_that_can_not_be_read_is_refused(grove, monkeypatch):
    """With the reason that the system gives."""
    grove.write("pyproject.toml", GOOD)

    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ConfigError, match=r"pyproject\.toml: can't be read: Permission denied"):
        read(grove, None)


# --- PKG-INFO


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (b"Metadata-Version: 2.1\nName: demo\nVersion: 1.2.3\n", "1.2.3"),
        (b"Metadata-Version: 2.1\r\nname: demo\r\nVERSION:\t1.2.3 \r\n\r\nVersion: 9", "1.2.3"),
        (b"Description: a\n  Version: 9\nVersion: 1.2.3+cu128", "1.2.3+cu128"),
        (b"Version: 1.0-Beta\n", "1.0-Beta"),
        (b"Author: \xff\nVersion: 1.2.3\n", "1.2.3"),
    ],
)
def test_unpacked_source_distribution_says_its_version(grove, text, version):
    """As it is spelled there, from the headers only."""
    assert read(grove, pkg_info=text).sdist_version == version


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "has no Version"),
        (b"Name: demo\n\nVersion: 1.0\n", "has no Version"),
        (b"Versions: 1.0\n", "has no Version"),
        (b"Version:\n", '"" is not a version'),
        (b"Version: new\n", '"new" is not a version'),
        (b"Version: 1.\xff\n", "is not a version"),
        (b"Version: " + b"9" * 10000 + b"\n", "is not a version"),
    ],
)
def test_pkg_info_without_a_version_is_refused(grove, text, says):
    """A guess would give a release another version than its source distribution."""
    with pytest.raises(ConfigError) as caught:
        read(grove, pkg_info=text)
    assert caught.value.problems[0].where == "PKG-INFO"
    assert says in caught.value.problems[0].what
    assert len(str(caught.value)) < 300


# --- the own base version


@pytest.mark.parametrize("version", ["1.2.3", "1!2.0rc1.post2.dev3", "v1.0", "1.0+cu128"])
def test_own_version_may_be_a_text(grove, version):
    """As it is spelled."""
    assert own(grove, None, text=version) == version


@pytest.mark.parametrize(
    "text",
    [
        '__version__ = "1.2.3"',
        "__version__ = '1.2.3'",
        "__version__='1.2.3'",
        'VERSION = "1.2.3"',
        'VERSION = "v1.2.3"  # the version',
        '__version__: str = "1.2.3"',
        '__version__ : Final[str] = "1.2.3"',
        '"""A module."""\r\n\r\n__version__ = "1.2.3"\r\n',
        '\ufeff__version__ = "1.2.3"',
        'x__version__ = "9"\n # __version__ = "8"\n__version__ = "1.2.3"\n__version__ = "7"\n',
    ],
)
def test_own_version_is_found_where_people_write_it(grove, text):
    """The first line that assigns it, without a leading v."""
    assert own(grove, text) == "1.2.3"


def test_own_version_may_have_a_pattern(grove):
    """Lines are lines: ^ and $ match at each."""
    assert own(grove, '[package]\nversion = "1.2.3"\n', pattern='^version = "(?P<version>[^"]+)"$') == "1.2.3"


def test_own_version_may_lie_outside(grove):
    """As in a repository with one version for several packages."""
    grove.write("../about.py", b"VERSION = '5.0'")
    assert own(grove, None, path="../about.py") == "5.0"


@pytest.mark.parametrize(
    ("text", "fields", "where", "says"),
    [
        (None, {"path": "gone.py"}, "version.path", "gone.py is missing"),
        (None, {"path": "pyproject.toml/x"}, "version.path", "is missing"),
        (None, {"path": "."}, "version.path", "can't be read"),
        (None, {"path": "a\0b"}, "version.path", "can't be read"),
        (b"# caf\xe9\n", {}, "version.path", "about.py is not UTF-8, in line 1"),
        ("", {}, "version.path", "about.py has no line __version__"),
        ("__version__ = get()", {}, "version.path", "has no line"),
        ("def f():\n    __version__ = '1'", {}, "version.path", "has no line"),
        ("__version__ = 'soon'", {}, "version.path", 'in about.py, "soon" is not a version'),
        ("__version__ = '1.0+s0123456789ab'", {}, "version.path", "has a label of freshwheel in it"),
        ("__version__ = '1.0'", {"pattern": "(?P<version>x)"}, "version.pattern", "matches nothing in about.py"),
        ("a = '1.0'", {"pattern": "a|(?P<version>x)"}, "version.pattern", "matches nothing in about.py"),
    ],
)
def test_own_version_that_can_not_be_used_is_one_clear_problem(grove, text, fields, where, says):
    """It names the key."""
    with pytest.raises(ConfigError) as caught:
        own(grove, text, **fields)
    assert [problem.where for problem in caught.value.problems] == [f"tool.freshwheel.{where}"]
    assert says in caught.value.problems[0].what
    assert len(str(caught.value)) < 300
