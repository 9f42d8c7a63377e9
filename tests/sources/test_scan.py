"""The environment names that a Python text reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.sources import scan


def found(text):
    """The names, sorted, and whether there may be others."""
    seen = scan.names(text)
    return sorted(seen.names), seen.unknown


@pytest.mark.parametrize(
    "text",
    [
        'import os\nos.environ["X"]',
        'import os\nos.environ.get("X")',
        'import os\nos.environ.get("X", "default")',
        'import os\nos.environ.get(key="X")',
        'import os\nos.environ.setdefault("X", "1")',
        'import os\nos.environ.pop("X", None)',
        'import os\nos.getenv("X")',
        'import os\nos.getenv("X", default=name)',
        'import os\nos.getenv(key="X")',
        'import os as o\no.environ["X"]',
        'import os as o\no.getenv("X")',
        'import os.path\nos.environ["X"]',
        'from os import environ\nenviron["X"]',
        'from os import environ as e\ne.get("X")',
        'from os import getenv\ngetenv("X")',
        'from os import path, getenv as g\ng("X")',
        'from os import *\ngetenv("X")',
        'def f():\n from os import getenv\n return getenv("X")',
        'import os\nif "X" in os.environ: pass',
        'import os\nif "X" not in os.environ: pass',
        'import os\nos.environb[b"X"]',
        'import os\nos.environb.get(b"X")',
        'import os\nos.getenvb(b"X")',
        'from os import environb as e\ne[b"X"]',
        'from os import getenvb\ngetenvb(b"X")',
        'import os\nos.environ["X"] += " -O2"',
        'import os\nlambda: {1: [os.environ["X"]]}',
        'import os\nos.environ["Y"] = os.environ["X"]',
        'import os\nos.environ.update({"Y": os.environ["X"]})',
        '__import__("os").environ["X"]',
        "import os\nf\"{os.environ['X']}\"",
        'import os\nos.environ["X" ""]',
    ],
)
def test_literal_name(text):
    """It is found, and nothing else is feared."""
    assert found(text) == (["X"], False)


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.environ[name]",
        "import os\nos.environ.get(name)",
        "import os\nos.environ.get(*names)",
        "import os\nos.environ.get(**names)",
        'import os\nos.environ["X" + name]',
        'import os\nos.getenv(f"{x}")',
        "import os\nos.getenv()",
        "import os\nname in os.environ",
        "import os\nos.environ[name] += 'x'",
        "import os\ndict(os.environ)",
        "import os\nos.environ.copy()",
        "import os\nos.environ.items()",
        "import os\nfor name in os.environ: pass",
        "import os\n{**os.environ}",
        "import os\nf(**os.environ)",
        "import os\nf(env=os.environ)",
        "import os\nenviron = os.environ",
        "import os\nget = os.environ.get",
        "import os\nmap(os.getenv, names)",
        "import os\nos.environ == {}",
        "import os\n{} == os.environ",
        "import os\n'X' in os.environ == x",
        "import os\nos.environ in x",
        "import os\nx[os.environ]",
        "import os\nx = os.environ | {}",
        "import os\nos.environ |= names",
        "import os\nos.environ.update(names)",
        "import os\nos.environ.update({name: '1'})",
        "import os\nos.environ.update({**names})",
        "import os\nos.environ.update(**names)",
        "from os import environ as e\ndict(e)",
        "from os import getenv as g\ng(name)",
        "from os import *\ndict(environ)",
        'import os\ngetattr(os, "environ")',
        'import os\nos.__dict__["getenv"]',
        "import os\nos.path.expandvars(text)",
        "from os.path import expandvars\nexpandvars(text)",
    ],
)
def test_access_that_names_nothing(text):
    """What it reads can't be told, and the scan says so."""
    assert found(text) == ([], True)


@pytest.mark.parametrize(
    "text",
    [
        'import os\nos.environ["X"] = "1"',
        "import os\nos.environ[name] = '1'",
        'import os\ndel os.environ["X"]',
        'import os\nos.environ.update({"X": "1", "Y": name})',
        'import os\nos.environ.update(X="1")',
        'import os\nos.environ |= {"X": "1"}',
        "import os\nos.environ.clear()",
        'import os\nos.putenv("X", "1")',
        'from os import environ as e\ne["X"] = "1"',
    ],
)
def test_write(text):
    """What a build sets itself is no input."""
    assert found(text) == ([], False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "import os\nos.path.join('a', os.getcwd())",
        "import os\nhasattr(os, 'sched_getaffinity')",
        "import os",
        "from os import environ",
        "def f(environ): return environ['X']",
        "# os.environ['X']",
        '"""Reads os.environ["X"]."""',
        "environ = {}\nenviron.get(name)",
        "import environ\nenviron.Env()",
        "class A:\n    environ = 1",
    ],
)
def test_text_that_reads_nothing(text):
    """Neither names nor fears."""
    assert found(text) == ([], False)


def test_several_places():
    """All names are found, also beside an access that can't be told."""
    text = 'import os\nos.environ["A"], os.getenv("B", os.environ.get("C")), os.environ[os.environ["D"]]'
    assert found(text) == (["A", "B", "C", "D"], True)


@pytest.mark.parametrize(
    "text",
    [
        "def",
        "os.environ['X'",
        "a\0b",
        b"a\0b",
        b"\xff",
        b"# coding: nonsense\n'\xe4'",
        "\ud800",
        "(" * 5000 + ")" * 5000,
        "-" * 100_000 + "1",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_text_that_python_can_not_parse(text):
    """It may read anything; it does not end in an exception."""
    assert found(text) == ([], True)


@pytest.mark.parametrize("level", [".a", "+x", "()", "[0]", "<x", "\nx"])
@pytest.mark.parametrize("length", [100_000, 10_000_000])
def test_text_that_is_deep_or_long(level, length):
    """It ends neither in an exception nor in a crash; one that was not read may read anything."""
    seen = scan.names("import os\nx" + level * (length // len(level)) + "\nos.getenv('X')")
    assert seen.names == {"X"} or (seen.unknown and not seen.names)
    assert seen.unknown or length == 100_000


def test_text_in_another_encoding():
    """Bytes are decoded as Python does it."""
    text = "# coding: latin-1\nimport os\nos.environ['Ä']"
    assert found(text.encode("latin-1")) == (["Ä"], False)
    assert found(text.replace("latin-1", "utf-8").encode("utf-8-sig")) == (["Ä"], False)


@given(st.text(alphabet="os.environget[]()'X=:\n ,*", max_size=30) | st.binary(max_size=20))
def test_any_text(text):
    """No text makes the scan fail."""
    scan.names(text)


TEXTS = st.text(min_size=1, max_size=8, alphabet=st.characters(exclude_categories=["Cs"]))


@given(TEXTS.filter(lambda name: name not in scan._WORDS))
def test_any_name(name):
    """For every name: as a literal it is found as it is. One that names a function may be used to find that one."""
    assert found(f"import os\nos.getenv({name!r})") == ([name], False)
