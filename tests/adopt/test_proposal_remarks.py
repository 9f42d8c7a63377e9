"""What is said before the switch: what would hurt, where it stands, and what to do."""

import pytest

from freshwheel.adopt import proposal
from freshwheel.adopt.facts import Facts

LABELLED = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "My.Demo"
dynamic = ["version"]
requires-python = ">=3.10"
"""


def remarks(text, kind, texts=None, **options):
    """The remarks of one kind."""
    texts = texts or {}
    found = proposal.propose(text.encode(), Facts(files=tuple(texts), texts=texts), **options)
    return [one for one in found.remarks if one.kind == kind]


def compared(code, **more):
    """Where a test file compares the version."""
    texts = {"my_demo/__init__.py": more.pop("package", ""), "tests/test_it.py": code}
    return [place for one in remarks(LABELLED, "comparison", texts, **more) for place in one.where]


FROM_METADATA = "from importlib.metadata import version\n__version__ = version('my-demo')\n"


@pytest.mark.parametrize(
    "code",
    [
        "from importlib.metadata import version\nassert version('my_demo') == '1.2.3'",
        "import importlib.metadata\nassert importlib.metadata.version('My-Demo') != x",
        "import importlib.metadata as m\nassert m.version(__package__) == x",
        "from importlib.metadata import distribution\nassert distribution('my-demo').version == x",
        "from importlib.metadata import metadata\nassert metadata('my-demo')['Version'] == x",
        "import pkg_resources\nassert pkg_resources.get_distribution('my-demo').version == x",
        "from importlib.metadata import version\nself.assertEqual(version('my.demo'), x)",
        "from my_demo import __version__\nassert __version__ == '1.2.3'",
        "import my_demo\nassert my_demo.__version__ == '1.2.3'",
        "import my_demo\nif '1.2.3' != my_demo.__version__: raise ImportError",
    ],
)
def test_a_comparison_of_the_installed_version_is_named(code):
    """However it is imported and spelled, with path and line."""
    [place] = compared(code, package=FROM_METADATA)
    assert place == f"tests/test_it.py:{len(code.splitlines())}"


@pytest.mark.parametrize(
    "code",
    [
        "from importlib.metadata import version\nassert version('numpy') == '1.2.3'",
        "from importlib.metadata import version\nassert version('my-demo').startswith('1.2.3')",
        "from importlib.metadata import version\nassert version('my-demo').split('+')[0] == '1.2.3'",
        "from importlib.metadata import version\nassert Version(version('my-demo')).public == '1.2.3'",
        "from importlib.metadata import version\nassert Version(version('my-demo')) >= Version('1')",
        "import my_demo\nfrom importlib.metadata import version\nassert my_demo.__version__ == version('my-demo')",
        "import numpy\nassert numpy.__version__ == '1.2.3'",
        "assert version == '1.2.3'",
        "assert (",
        "\0",
        "(" * 5000,
    ],
)
def test_other_comparisons_are_not_named(code):
    """Those of other projects, of the part before the label, of two installed versions, and no Python at all."""
    assert compared(code, package=FROM_METADATA) == []


def test_a_version_that_is_written_in_the_package_has_no_label():
    """It may be compared with a literal, not with the installed one."""
    package = "__version__ = '1.2.3'"
    assert compared("import my_demo\nassert my_demo.__version__ == '1.2.3'", package=package) == []
    code = "import my_demo\nfrom importlib.metadata import version\nassert version('my-demo') == my_demo.__version__"
    assert compared(code, package=package) == ["tests/test_it.py:3"]


def test_without_labels_nothing_is_compared():
    """A version without a label equals what it did."""
    code = "from importlib.metadata import version\nassert version('my-demo') == '1.2.3'"
    assert compared(code, label=False) == []


@pytest.mark.parametrize(
    ("asked", "old"),
    [
        (">=3.10", False),
        (">=3.11,<4", False),
        ("~=3.12", False),
        (">3.9", True),
        (">=3.9", True),
        (">=3.8, !=3.9.0", True),
        (">=2.7", True),
        ("<4", True),
        ("==3.*", True),
        ("^3.9", True),
        ("^3.10", False),
    ],
)
def test_old_pythons_are_named(asked, old):
    """A wheel is built with Python 3.10 at least, so a project for older ones could not be built there any more."""
    found = remarks(LABELLED.replace(">=3.10", asked), "python")
    assert [(one.weight, one.where) for one in found] == ([("harm", ("pyproject.toml:8",))] if old else [])


def test_pythons_are_also_asked_for_in_setup_files():
    """Where pyproject says nothing, setup.cfg and setup.py may; where nobody does, that is noted."""
    text = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    [found] = remarks(text, "python", {"setup.cfg": "[options]\npython_requires = >=3.8\n"})
    assert (found.weight, found.where) == ("harm", ("setup.cfg:2",))
    [found] = remarks(text, "python", {"setup.py": "setup(\n    python_requires='>=3.7',\n)\n"})
    assert (found.weight, found.where) == ("harm", ("setup.py:2",))
    assert [one.weight for one in remarks(text, "python")] == ["note"]


def test_pins_that_a_label_breaks_are_named():
    """Local versions and wheel files; a pin of the base version takes a labelled one."""
    texts = {
        "requirements.txt": "numpy==1.0+x\nmy_demo==1.2.3+cu128\nmy-demo==1.2.3\n",
        "requirements/dev.txt": "my.demo[x] === 1.2.3+cu\n./dist/my_demo-1.2.3-py3-none-any.whl --hash=sha256:0\n",
    }
    local, wheels = remarks(LABELLED, "pin", texts)
    assert local.where == ("requirements.txt:2", "requirements/dev.txt:1")
    assert wheels.where == ("requirements/dev.txt:2",)


def test_sources_that_cython_writes_are_named():
    """Beside its own ones, as C++ where such a file is there; a setup.py compiles them in place."""
    texts = dict.fromkeys(("setup.py", "demo/a.pyx", "demo/b.pyx", "demo/b.cpp"), "")
    [found] = remarks(LABELLED, "exclude", texts)
    assert (found.where, found.todo) == (
        ("demo/a.c", "demo/b.cpp"),
        'add to [tool.freshwheel]: exclude = ["demo/a.c", "demo/b.cpp"]',
    )
    assert remarks(LABELLED, "exclude", {"demo/a.pyx": ""}) == []
    assert remarks(LABELLED + '[tool.freshwheel]\nexclude = ["x"]\n', "exclude", texts) == []
