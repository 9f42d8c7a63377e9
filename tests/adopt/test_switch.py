"""The switch, on pyproject.toml files as projects have them: what each becomes."""

import pytest

from freshwheel.adopt import switch
from freshwheel.adopt.toml_statements import parsed
from freshwheel.base.errors import ConfigError, FreshwheelError

CRATE = '[package]\nname = "demo"\nversion = "1.2.3"\n'

SHAPES = {
    "maturin, the version of Cargo repeated": (
        """[build-system]
requires = ["maturin>=1.9,<2"]
build-backend = "maturin"

[project]
name = "demo"
version = "1.2.3" # keep in step with Cargo.toml
requires-python = ">=3.10"

[tool.maturin]
module-name = "demo._demo"
""",
        {"Cargo.toml": CRATE},
        """[build-system]
requires = ["freshwheel"]
build-backend = "freshwheel"

[tool.freshwheel]
requires = ["maturin>=1.9,<2"]
backend = "maturin"

[project]
name = "demo"
dynamic = ["version"] # keep in step with Cargo.toml
requires-python = ">=3.10"

[tool.maturin]
module-name = "demo._demo"
""",
    ),
    "maturin, Cargo says 0.1.0 for ever": (
        """[build-system]
# These requirements must be kept sync with the requirements files.
requires = [
    "maturin>=1.9.4,<2",
    "cffi>=1.12; platform_python_implementation != 'PyPy'", # for the build script
    "setuptools!=74.0.0"
]
build-backend = "maturin"

[project]
name = "demo"
version = "46.0.0.dev1"
requires-python = ">=3.10"

[tool.maturin]
manifest-path = "src/rust/Cargo.toml"
""",
        {"src/rust/Cargo.toml": '[package]\nname = "demo"\nversion = "0.1.0"\n'},
        """[build-system]
requires = ["freshwheel"]
build-backend = "freshwheel"

[tool.freshwheel]
# These requirements must be kept sync with the requirements files.
requires = [
    "maturin>=1.9.4,<2",
    "cffi>=1.12; platform_python_implementation != 'PyPy'", # for the build script
    "setuptools!=74.0.0"
]
backend = "maturin"
version = "46.0.0.dev1"

[project]
name = "demo"
dynamic = ["version"]
requires-python = ">=3.10"

[tool.maturin]
manifest-path = "src/rust/Cargo.toml"
""",
    ),
    "maturin in a workspace, the version inherited": (
        """[project]
name = "demo"
dynamic = ["version"]
requires-python = ">=3.11"

[build-system]
requires = ['maturin>=1,<2']
build-backend = 'maturin'
""",
        {
            "Cargo.toml": '[package]\nname = "demo"\nversion = { workspace = true }\n',
            "../Cargo.toml": '[workspace.package]\nversion = "1.2.3"\n',
        },
        """[project]
name = "demo"
dynamic = ["version"]
requires-python = ">=3.11"

[build-system]
requires = ["freshwheel"]
build-backend = "freshwheel"

[tool.freshwheel]
requires = ['maturin>=1,<2']
backend = 'maturin'
""",
    ),
    "setuptools-rust, Cargo says something else": (
        """[build-system]
requires = [
    "setuptools>=42.0.0",
    "setuptools-rust>=1.7.0",
]
build-backend = "setuptools.build_meta"

[project]
name = "demo"
# When updating this, also update demo/__about__.py!
version = "5.0.0"
requires-python = ">=3.10"
dynamic = ["readme"]

[[tool.setuptools-rust.ext-modules]]
target = "demo._demo"
""",
        {"src/_demo/Cargo.toml": CRATE, "src/_demo/src/lib.rs": ""},
        """[build-system]
requires = ["freshwheel"]
build-backend = "freshwheel"

[tool.freshwheel]
requires = [
    "setuptools>=42.0.0",
    "setuptools-rust>=1.7.0",
]
backend = "setuptools.build_meta"
# When updating this, also update demo/__about__.py!
version = "5.0.0"

[project]
name = "demo"
requires-python = ">=3.10"
dynamic = ["version", "readme"]

[[tool.setuptools-rust.ext-modules]]
target = "demo._demo"
""",
    ),
    "setuptools, pure, the version an attribute": (
        """[build-system]
requires = ["setuptools>=77", "wheel"]
build-backend = "setuptools.build_meta"
[project]
name = "demo"
dynamic = ["version"]
requires-python = ">=3.10"
[tool.setuptools.dynamic]
version = { attr = "demo.__version__" }
""",
        {"demo/__init__.py": '__version__ = "1.2.3"\n'},
        """[build-system]
requires = ["freshwheel", "setuptools>=77", "wheel"]
build-backend = "freshwheel"

[tool.freshwheel]
backend = "setuptools.build_meta"
[project]
name = "demo"
dynamic = ["version"]
requires-python = ">=3.10"
[tool.setuptools.dynamic]
version = { attr = "demo.__version__" }
""",
    ),
    "setuptools with a C extension in setup.py, no backend named": (
        """[build-system]
requires = ["setuptools", "Cython>=3"]

[tool.black]
line-length = 100
""",
        {"setup.py": "from setuptools import setup\nsetup()\n", "demo/fast.c": ""},
        """[build-system]
requires = ["freshwheel"]
build-backend = "freshwheel"

[tool.freshwheel]
requires = ["setuptools", "Cython>=3"]
backend = "setuptools.build_meta:__legacy__"

[tool.black]
line-length = 100
""",
    ),
    "no build-system at all": (
        """[project]
name = "demo"
dynamic = ["version"]
requires-python = ">=3.10"
""",
        {"setup.cfg": "[metadata]\nversion = 1.2.3\n"},
        """[project]
name = "demo"
dynamic = ["version"]
requires-python = ">=3.10"

[build-system]
requires = ["freshwheel", "setuptools>=40.8.0"]
build-backend = "freshwheel"

[tool.freshwheel]
backend = "setuptools.build_meta"
""",
    ),
    "hatchling, the version static": (
        """[project]
name = "demo"
version = "1.2.3"
requires-python = ">=3.10"

[build-system]
requires = [
  # the backend, and how it asks git
  "hatchling>=1.27",
  "hatch-vcs",
]
build-backend = "hatchling.build"

# what is packed
[tool.hatch.build.targets.wheel]
packages = ["src/demo"]""",
        {"src/demo/__init__.py": ""},
        """[project]
name = "demo"
version = "1.2.3"
requires-python = ">=3.10"

[build-system]
requires = [
  "freshwheel",
  # the backend, and how it asks git
  "hatchling>=1.27",
  "hatch-vcs",
]
build-backend = "freshwheel"

[tool.freshwheel]
backend = "hatchling.build"

# what is packed
[tool.hatch.build.targets.wheel]
packages = ["src/demo"]""",
    ),
    "scikit-build-core, dotted keys below": (
        """[build-system]
requires = ["scikit-build-core >=0.10", "pybind11"]
build-backend = "scikit_build_core.build"
# do not pin these

[project]
name = "demo"
dynamic = ["version"]
requires-python = ">=3.10"

[tool.scikit-build]
metadata.version.provider = "scikit_build_core.metadata.setuptools_scm"
wheel.packages = []
""",
        {"CMakeLists.txt": ""},
        """[build-system]
requires = ["freshwheel"]
build-backend = "freshwheel"

[tool.freshwheel]
requires = ["scikit-build-core >=0.10", "pybind11"]
backend = "scikit_build_core.build"
# do not pin these

[project]
name = "demo"
dynamic = ["version"]
requires-python = ">=3.10"

[tool.scikit-build]
metadata.version.provider = "scikit_build_core.metadata.setuptools_scm"
wheel.packages = []
""",
    ),
    "meson-python, the version static": (
        """[build-system]
build-backend = 'mesonpy'
requires = [
  'meson-python>=0.17', 'meson', 'numpy' ]

[project]
name = 'demo'
version = '1.2.3'
""",
        {"meson.build": "project(\n  'demo',\n  'c',\n  version: '1.2.3',\n)\n"},
        """[build-system]
requires = ["freshwheel"]
build-backend = "freshwheel"

[tool.freshwheel]
backend = 'mesonpy'
requires = [
  'meson-python>=0.17', 'meson', 'numpy' ]

[project]
name = 'demo'
version = '1.2.3'
""",
    ),
    "a wrapper in the tree": (
        """[build-system]
requires = ["setuptools>=77"]
backend-path = ["_build"] # ours
build-backend = "wrapped"

[project]
name = "demo"
version = "1.2.3"
requires-python = ">=3.10"
""",
        {"_build/wrapped.py": ""},
        """[build-system]
requires = ["freshwheel", "setuptools>=77"]
build-backend = "freshwheel"

[tool.freshwheel]
backend-path = ["_build"] # ours
backend = "wrapped"

[project]
name = "demo"
version = "1.2.3"
requires-python = ">=3.10"
""",
    ),
    "setuptools, the version a dotted key": (
        """[build-system]
requires = ["setuptools"] # and nothing else
build-backend = "setuptools.build_meta"

[project]
name = "demo"
requires-python = ">=3.10"
version = '2.0'
""",
        {"demo/__init__.py": ""},
        """[build-system]
requires = ["freshwheel", "setuptools"] # and nothing else
build-backend = "freshwheel"

[tool.freshwheel]
backend = "setuptools.build_meta"
version = '2.0'

[project]
name = "demo"
requires-python = ">=3.10"
dynamic = ["version"]
""",
    ),
}
"""Before, what else is in the tree, after."""


def proposed(before, texts=None, **options):
    """What is proposed for a text."""
    return switch.propose(before.encode(), texts or {}, **options)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_becomes_what_is_expected(name):
    """The pieces are in their new places, and not a byte between them has changed."""
    before, texts, after = SHAPES[name]
    assert proposed(before, texts).after.decode() == after


@pytest.mark.parametrize("name", SHAPES)
def test_a_second_time_nothing_is_to_be_done(name):
    """Whatever was written is recognised."""
    _, texts, after = SHAPES[name]
    found = proposed(after, texts)
    assert (found.before, found.remarks) == (found.after, ())
    assert "already" in found.steps[0]


def test_without_labels_a_dynamic_version_is_plain():
    """`label = "off"` is written."""
    before, texts, after = SHAPES["maturin in a workspace, the version inherited"]
    expected = after.replace("backend = 'maturin'\n", "backend = 'maturin'\nlabel = \"off\"\n")
    assert proposed(before, texts, label=False).after.decode() == expected


def test_without_labels_a_static_version_stays():
    """Nothing about it is changed, and the store is there all the same."""
    before, texts, _ = SHAPES["maturin, Cargo says 0.1.0 for ever"]
    after = proposed(before, texts, label=False).after.decode()
    assert 'version = "46.0.0.dev1"\nrequires-python' in after


@pytest.mark.parametrize(
    ("cargo", "static"), [("1.0.0-beta.4", "1.0.0b4"), ("0.23.2-dev.0", "0.23.2.dev0"), ("1.2.3", "1.2.3")]
)
def test_versions_are_compared_as_versions(cargo, static):
    """Cargo's spelling of a version is not Python's."""
    before, _, _ = SHAPES["maturin, the version of Cargo repeated"]
    texts = {"Cargo.toml": CRATE.replace("1.2.3", cargo)}
    found = proposed(before.replace("1.2.3", static), texts)
    assert b"\nversion" not in found.after
    assert any("Cargo.toml states" in step for step in found.steps)


@pytest.mark.parametrize("cargo", ["", '[package]\nname = "demo"\nversion.workspace = true\n'])
def test_a_version_that_the_manifest_does_not_state_moves(cargo):
    """Nothing is left to what may say something else."""
    found = proposed(SHAPES["maturin, the version of Cargo repeated"][0], {"Cargo.toml": cargo})
    assert b'backend = "maturin"\nversion = "1.2.3" # keep in step with Cargo.toml\n' in found.after


SYSTEM = '[build-system]\nrequires = {requires}\nbuild-backend = "{backend}"\n'
SCIKIT = SYSTEM.format(requires='["scikit-build-core>=0.10", "pybind11"]', backend="scikit_build_core.build")
MATURIN = SYSTEM.format(requires='["maturin>=1"]', backend="maturin")


@pytest.mark.parametrize(
    ("before", "texts", "said"),
    [
        (
            SYSTEM.format(requires='["setuptools", "setuptools-scm[simple]>=9"]', backend="setuptools.build_meta"),
            {},
            "sim",
        ),
        (SYSTEM.format(requires='["maturin>=1", "some-plugin"]', backend="maturin"), {}, "some-plugin may work by"),
        (SYSTEM.format(requires='["maturin @ file:///home/me/maturin"]', backend="maturin"), {}, "may work by"),
        (f'{SCIKIT}[tool.scikit-build]\nminimum-version = "build-system.requires"\n', {}, "a table of pyproject"),
        (f'{MATURIN}[tool.uv.sources]\nMaturin = {{ path = "../maturin" }}\n', {}, "[tool.uv.sources]"),
        (
            SYSTEM.format(requires='["setuptools"]', backend="setuptools.build_meta"),
            {"setup.py": "setup(setup_requires=['numpy'])"},
            "setup.py asks for more",
        ),
    ],
)
def test_requirements_stay_where_somebody_else_may_read_them(before, texts, said):
    """A plug-in, a setting or a source may go by the list, and setuptools add to it: all of it stands as it did."""
    found = proposed(before, {"demo/fast.c": "", **texts})
    after = parsed(found.after.decode())
    assert after["build-system"]["requires"] == ["freshwheel", *parsed(before)["build-system"]["requires"]]
    assert "requires" not in after["tool"]["freshwheel"]
    assert any(said in step for step in found.steps)


@pytest.mark.parametrize(
    "before", [SCIKIT, MATURIN, SYSTEM.format(requires='["setuptools", "numpy"]', backend="setuptools.build_meta")]
)
def test_requirements_move_where_nobody_else_reads_them(before):
    """Backends that are known, and libraries, do the same wherever they are required."""
    after = parsed(proposed(before, {"demo/fast.c": "", "demo/__init__.py": "# a build-system"}).after.decode())
    assert after["build-system"]["requires"] == ["freshwheel"]
    assert after["tool"]["freshwheel"]["requires"] == parsed(before)["build-system"]["requires"]


STATIC = '[project]\nname = "demo"\nversion = "1.2.3"\nrequires-python = ">=3.10"\n'


@pytest.mark.parametrize(
    ("requires", "more", "texts", "said"),
    [
        ('["setuptools"]', "", {"setup.py": "setup(version='2')"}, "setup.py may set"),
        ('["setuptools"]', "", {"setup.py": "setup(**more())"}, "setup.py may set"),
        ('["setuptools"]', "", {"setup.py": "load('pyproject.toml')"}, "setup.py reads pyproject.toml"),
        ('["setuptools"]', "", {"cmake/x.cmake": "file(READ ../pyproject.toml text)"}, "cmake/x.cmake reads"),
        ('["setuptools", "some-scm"]', "", {}, "some-scm may set"),
        (
            '["setuptools"]',
            '[tool.setuptools.dynamic]\nversion = { attr = "demo.x" }\n',
            {},
            "[tool.setuptools.dynamic]",
        ),
    ],
)
def test_a_version_stays_static_where_setuptools_would_find_another_one(requires, more, texts, said):
    """Whatever asks for the version during the build gets what it got, and it is said why there is no label."""
    before = SYSTEM.format(requires=requires, backend="setuptools.build_meta") + STATIC + more
    found = proposed(before, {"demo/fast.c": "", **texts})
    assert STATIC in found.after.decode()
    assert said in found.steps[-1]


def test_a_version_moves_where_setuptools_can_be_told():
    """A `setup.py` that says nothing of a version is no source of one."""
    before = SYSTEM.format(requires='["setuptools>=61"]', backend="setuptools.build_meta") + STATIC
    script = "import sys\nassert sys.version_info >= (3, 10)\nsetup(ext_modules=[x], python_requires='>=3.10')"
    after = parsed(proposed(before, {"setup.py": script}).after.decode())
    assert after["tool"]["freshwheel"]["version"] == "1.2.3"


def test_a_build_script_that_looks_for_the_version_keeps_it_in_its_place():
    """Also where the manifest of the crate states it too."""
    before = MATURIN + STATIC
    found = proposed(before, {"Cargo.toml": CRATE, "build.rs": 'read("pyproject.toml")'})
    assert STATIC in found.after.decode()
    assert "build.rs reads pyproject.toml" in found.steps[-1]


@pytest.mark.parametrize(
    ("table", "requires", "expected"),
    [
        ('backend = "maturin"\n', '["maturin>=1"]', ["freshwheel"]),
        ('backend = "maturin"\n', '["maturin>=1", "freshwheel>=0.1"]', ["maturin>=1", "freshwheel>=0.1"]),
        ('backend = "maturin"\nrequires = ["maturin>=1"]\n', '["maturin"]', ["freshwheel", "maturin"]),
        ('exclude = ["gen.py"] # ours\n', '["maturin>=1"]', ["freshwheel"]),
    ],
)
def test_a_half_made_switch_is_completed(table, requires, expected):
    """A table that nobody reads stays as it is, and gets what it lacks."""
    before = SYSTEM.format(requires=requires, backend="maturin") + f"[tool.freshwheel]\n{table}"
    text = proposed(before).after.decode()
    after = parsed(text)
    assert (after["build-system"]["requires"], after["build-system"]["build-backend"]) == (expected, "freshwheel")
    assert after["tool"]["freshwheel"]["backend"] == "maturin"
    assert table in text
    assert proposed(text).before == proposed(text).after


@pytest.mark.parametrize("requires", ['["maturin>=1"]', '["freshwheel", "maturin>=1"]'])
def test_a_switch_without_a_table_gets_the_backend_that_is_required(requires):
    """What builds is what the requirements bring."""
    text = proposed(SYSTEM.format(requires=requires, backend="freshwheel")).after.decode()
    assert parsed(text)["tool"]["freshwheel"]["backend"] == "maturin"
    assert proposed(text).before == proposed(text).after


def test_a_half_that_names_another_backend_is_a_question():
    """Only a person knows which of the two builds the project."""
    with pytest.raises(ConfigError, match=r"is hatchling.build, and \[build-system\] has maturin"):
        proposed(f'{MATURIN}[tool.freshwheel]\nbackend = "hatchling.build"\n')


def test_comments_go_with_what_moves():
    """What was said about requirements, backend and version is not said of freshwheel's own lines."""
    before = """[build-system]
# what Python 3.8 has
requires = ["setuptools<77"]  # the latest version that supports it
build-backend = "setuptools.build_meta"  # no legacy
# behind

[project]
name = "demo" # the name
# bump with the tag
version = "1.2.3"  # and here
requires-python = ">=3.10"
"""
    found = proposed(before, {"demo/fast.c": ""})
    assert (
        found.after.decode()
        == """[build-system]
requires = ["freshwheel"]
build-backend = "freshwheel"

[tool.freshwheel]
# what Python 3.8 has
requires = ["setuptools<77"]  # the latest version that supports it
backend = "setuptools.build_meta"  # no legacy
# bump with the tag
version = "1.2.3"  # and here
# behind

[project]
name = "demo" # the name
dynamic = ["version"]
requires-python = ">=3.10"
"""
    )


@pytest.mark.parametrize(
    "text",
    [
        'build-system = "maturin"\n',
        '[build-system]\nrequires = "maturin"\nbuild-backend = "maturin"\n',
        '[build-system]\nbuild-backend = "maturin"\n',
        '[build-system]\nrequires = ["maturin"]\nbuild-backend = 3\n',
        '[build-system]\nrequires = []\nbuild-backend = "maturin"\n',
        '[build-system]\nrequires = ["x"]\nbuild-backend = "no module"\n',
        '[build-system]\nrequires = ["freshwheel"]\nbuild-backend = "freshwheel"\n',
        '[build-system]\nrequires = ["maturin"]\nbuild-backend = "maturin"\n[project]\ndynamic = "version"\n',
    ],
)
def test_a_file_that_makes_no_sense_is_refused(text):
    """With what is wrong, and never with a traceback."""
    with pytest.raises(FreshwheelError):
        proposed(text)


@pytest.mark.parametrize(
    "text",
    [
        'build-system = { requires = ["x"], build-backend = "y" }\n',
        '[build-system]\nrequires = ["x"]\nbuild-backend = "y"\n[tool]\nfreshwheel = { include = ["a"] }\n',
        'build-system.requires = ["x"]\nbuild-system.build-backend = "y"\n',
    ],
)
def test_what_can_not_be_changed_safely_is_left_alone(text):
    """It is said what to write by hand."""
    with pytest.raises(FreshwheelError) as caught:
        proposed(text)
    assert "left alone" in caught.value.message
    assert 'build-backend = "freshwheel"' in caught.value.hint
    assert caught.value.exit_code == 1
