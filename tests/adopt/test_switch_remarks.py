"""What is said before the switch: what would hurt, where it stands, and what to do."""

import pytest

from freshwheel.adopt import switch

LABELLED = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "My.Demo"
dynamic = ["version"]
requires-python = ">=3.10"
"""


def remarks(texts, **options):
    """What is said, but for what to do: in few words, and where."""
    found = switch.propose(LABELLED.encode(), texts, **options).remarks
    return [(remark.what, remark.where) for remark in found]


def compared(code, **more):
    """Where a test file compares the version."""
    texts = {"my_demo/__init__.py": more.pop("package", ""), "tests/test_it.py": code}
    return [place for what, where in remarks(texts, **more) if "is compared here" in what for place in where]


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
        "import my_demo\nassert my_demo.VERSION == my_demo.__version__",
        "def __getattr__(name):\n    if name == '__version__':\n        return version('my-demo')",
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


def test_pins_that_a_label_breaks_are_named():
    """Local versions and wheel files; a pin of the base version takes a labelled one."""
    texts = {
        "requirements.txt": "numpy==1.0+x\nmy_demo==1.2.3+cu128\nmy-demo==1.2.3\n",
        "requirements/dev.txt": "my.demo[x] === 1.2.3+cu\n./dist/my_demo-1.2.3-py3-none-any.whl --hash=sha256:0\n",
    }
    [(local, first), (wheel, second)] = remarks(texts)
    assert ("local version" in local, first) == (True, ("requirements.txt:2", "requirements/dev.txt:1"))
    assert ("wheel file" in wheel, second) == (True, ("requirements/dev.txt:2",))
