"""What is said before the switch: what would hurt, where it stands, and what to do."""

import ast
from types import SimpleNamespace

import pytest

from freshwheel.adopt import comparisons, proposal
from freshwheel.adopt.facts import Facts

LABELLED = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "My.Demo"
dynamic = ["version"]
requires-python = ">=3.10"
"""
STATIC = """[build-system]
requires = ["maturin"]
build-backend = "maturin"

[project]
name = "my-demo"
version = "1.2.3"
requires-python = ">=3.10"
"""
CRATE = {"Cargo.toml": '[package]\nversion = "1.2.3"\n'}


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
        "from importlib import metadata\nassert metadata.version(NAME) in x",
        "from importlib.metadata import version as v\nx = v('my-demo')\n\ndef test(): assert x == '1.2.3'",
        "from importlib.metadata import distribution\nassert distribution('my-demo').version == x",
        "from importlib.metadata import metadata\nassert metadata('my-demo')['Version'] == x",
        "import pkg_resources\nassert pkg_resources.get_distribution('my-demo').version == x",
        "from importlib.metadata import version\nself.assertEqual(version('my.demo'), x)",
        "from my_demo import __version__\nassert __version__ == '1.2.3'",
        "import my_demo\nassert my_demo.__version__ == '1.2.3'",
        "import my_demo as d\nif '1.2.3' != d.__version__: raise ImportError",
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
        "from numpy import __version__\nassert __version__ == '1.2.3'",
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
        "notes.txt": "my-demo==1.2.3+cu128\n",
    }
    local, wheels = remarks(LABELLED, "pin", texts)
    assert local.where == ("requirements.txt:2", "requirements/dev.txt:1")
    assert wheels.where == ("requirements/dev.txt:2",)


def test_a_lock_that_states_the_version_is_named_before_it_goes():
    """A dynamic version is left out by uv, so the lock is checked in vain until it is made again."""
    lock = '[[package]]\nname = "a"\nversion = "1"\n\n[[package]]\nname = "my-demo"\nversion = "1.2.3"\n'
    lock += 'source = { editable = "." }\n'
    [found] = remarks(STATIC, "lock", {**CRATE, "uv.lock": lock})
    assert (found.where, "uv lock" in found.todo) == (("uv.lock:6",), True)
    assert remarks(STATIC, "lock", {**CRATE, "uv.lock": lock}, label=False) == []
    assert remarks(STATIC, "lock", {**CRATE, "uv.lock": "no [ TOML"}) == []


@pytest.mark.parametrize(
    ("more", "texts", "where"),
    [
        ('[tool.commitizen]\nversion_provider = "pep621"\n', {}, "pyproject.toml:11"),
        ('[[tool.bumpversion.files]]\nfilename = "pyproject.toml"\n', {}, "pyproject.toml:10"),
        ('[tool.semantic_release]\nversion_toml = ["pyproject.toml:project.version"]\n', {}, "pyproject.toml:11"),
        ("", {".bumpversion.cfg": "[bumpversion]\n[bumpversion:file:pyproject.toml]\n"}, ".bumpversion.cfg:2"),
        ("", {".github/workflows/ci.yml": "a:\n  run: uv version --bump minor\n"}, ".github/workflows/ci.yml:2"),
        ("", {"docs/conf.py": 'x = t["project"]["version"]\n'}, "docs/conf.py:1"),
        (
            "[tool.uv.extra-build-dependencies]\nx = [{ requirement = 'y', match-runtime = true }]\n",
            {},
            "pyproject.toml:11",
        ),
    ],
)
def test_what_writes_or_reads_the_static_version_is_named(more, texts, where):
    """It goes from [project], so these would look in vain."""
    text = f"{STATIC}\n{more}"
    assert [one.where for one in remarks(text, "version", {**CRATE, **texts})] == [(where,)]
    assert remarks(text, "version", {**CRATE, **texts}, label=False) == []


def test_a_workflow_that_publishes_wheels_of_the_tree_is_named():
    """With the line that builds; without one it is noted what to remember."""
    workflow = "steps:\n- run: uv build --wheel\n- uses: pypa/gh-action-pypi-publish@release/v1\n"
    [found] = remarks(LABELLED, "release", {".github/workflows/release.yml": workflow})
    assert (found.weight, found.where) == ("harm", (".github/workflows/release.yml:2",))
    assert "FRESHWHEEL_LABEL=off" in found.todo
    for other in (workflow.replace(" --wheel", ""), workflow.replace("pypi-publish", "other")):
        assert [one.weight for one in remarks(LABELLED, "release", {".github/workflows/release.yml": other})] == [
            "note"
        ]
    assert remarks(LABELLED, "release", label=False) == []


SETUPTOOLS = LABELLED.replace("hatchling.build", "setuptools.build_meta").replace("hatchling", "setuptools")


@pytest.mark.parametrize(
    ("text", "texts", "expected"),
    [
        (LABELLED, {}, ("tests/", "docs/")),
        (f'{LABELLED}readme = "docs/index.md"\n', {}, ("tests/",)),
        (f'{LABELLED}\n[tool.hatch.build.targets.wheel.force-include]\n"tests" = "x"\n', {}, ("docs/",)),
        (LABELLED, {"tests/Cargo.toml": ""}, ("docs/",)),
        (SETUPTOOLS, {}, ("tests/", "docs/")),
        (SETUPTOOLS, {"setup.py": "setup(packages=find_packages())"}, None),
        (SETUPTOOLS, {"setup.py": "open('docs/x.md')"}, ("tests/",)),
        (f"{SETUPTOOLS}\n[tool.setuptools.packages.find]\nexclude = ['x']\n", {}, None),
        (f"{SETUPTOOLS}\n[tool.setuptools.packages.find]\nwhere = ['src']\n", {}, ("tests/", "docs/")),
        (f"{SETUPTOOLS}\n[tool.setuptools]\npackages = ['my_demo', 'tests']\n", {}, ("docs/",)),
        (f"{LABELLED}\n[tool.freshwheel]\nexclude = ['docs']\n", {}, None),
        (LABELLED.replace("hatchling.build", "some.thing"), {}, None),
        (STATIC, {}, None),
        (LABELLED.replace("hatchling.build", "mesonpy").replace("hatchling", "meson-python"), {}, ("tests/", "docs/")),
        (
            LABELLED.replace("hatchling.build", "mesonpy").replace("hatchling", "meson-python"),
            {"meson.build": "subdir('tests')"},
            ("docs/",),
        ),
    ],
)
def test_folders_are_excluded_only_where_nothing_speaks_of_them(text, texts, expected):
    """Where a search may pack them, or a file that decides names them, nothing is suggested."""
    texts = {"src/my_demo/__init__.py": "", "tests/test_a.py": "", "docs/index.md": "", **texts}
    found = remarks(text, "exclude", texts)
    assert [one.where for one in found] == ([expected] if expected else [])


def test_each_text_is_parsed_once_and_its_tree_walked_once(monkeypatch):
    """And one that only hands the version on is not parsed at all; hundreds of files cost no more than that."""
    comparing = (
        "import my_demo\nx = my_demo.__version__\n" + "assert [[[[x == my_demo.__version__]]]] and {x: (x, [x])}\n" * 20
    )
    texts = {f"tests/test_{number}.py": comparing for number in range(50)}
    texts |= {f"demo/m{number}.py": "from demo import __version__\nmetadata = {}\n" * 9 for number in range(50)}
    parsed, asked = [], []
    counting = {
        **vars(ast),
        "parse": lambda text: parsed.append(ast.parse(text)) or parsed[-1],
        "iter_child_nodes": lambda node: asked.append(id(node)) or ast.iter_child_nodes(node),
    }
    monkeypatch.setattr(comparisons, "ast", SimpleNamespace(**counting))
    [found] = remarks(LABELLED, "comparison", texts)
    assert len(found.where) == 1000
    assert len(parsed) == 50
    assert len(asked) == len(set(asked))
