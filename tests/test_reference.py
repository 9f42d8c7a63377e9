"""The reference pages: what they list is what the code goes by, name by name."""

import inspect
import re
import sys
from pathlib import Path

import pytest

from freshwheel.base import backends, files, globs, rows
from freshwheel.sources import boundary, cargo, disk, project, walk

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
DIGEST = (REFERENCE / "digest.md").read_text("utf-8")
PATTERNS = (REFERENCE / "patterns.md").read_text("utf-8")
CODE = re.compile(r"`([^`]+)`")
UNKNOWN = backends.Backend(name="any")

OUTPUTS = {
    "tool.setuptools_scm.version_file": ('[tool.setuptools_scm]\nversion_file = "a/b.py"', "a/b.py"),
    "tool.vcs-versioning.version_file": (
        '[tool.vcs-versioning]\nversion_file = "b.py"',
        "b.py",
    ),
    "tool.setuptools_scm.write_to": ('[tool.setuptools_scm]\nroot = ".."\nwrite_to = "b.py"', "../b.py"),
    "tool.vcs-versioning.write_to": ('[tool.vcs-versioning]\nwrite_to = "b.py"', "b.py"),
    "tool.versioningit.write.file": ('[tool.versioningit.write]\nfile = "b.py"', "b.py"),
    "tool.hatch.build.hooks.vcs.version-file": ('[tool.hatch.build.hooks.vcs]\nversion-file = "b.py"', "b.py"),
    "tool.hatch.build.hooks.version.path": (
        '[tool.hatch.build.targets.wheel.hooks.version]\npath = "b.py"',
        "b.py",
    ),
    "tool.scikit-build.generate": ('[[tool.scikit-build.generate]]\npath = "b.py"\nlocation = "source"', "b.py"),
    "tool.pdm.version.write_to": ('[tool.pdm.version]\nwrite_to = "b.py"', "src/b.py"),
    "tool.poetry-dynamic-versioning.files": (
        '[tool.poetry-dynamic-versioning.files."b.py"]\ninitial-content = "x"',
        "b.py",
    ),
}
"""A key -> a pyproject with it, and a file that is an output then."""


def section(page, title):
    """The text below a heading."""
    return re.split(r"^#+ ", page.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def block(name):
    """The lines of a fenced block."""
    return re.search(rf"^```{name}\n(.*?)\n```$", DIGEST, re.DOTALL | re.MULTILINE)[1].split("\n")


def cells(text):
    """The rows of the tables in a text, each a list of cells; without those that head a table."""
    lines = text.splitlines()
    heads = {number for number, line in enumerate(lines, 1) if re.fullmatch(r"[|-]+", line)}
    found = [line for number, line in enumerate(lines) if line.startswith("| ") and number + 2 not in heads]
    return [line.strip("| ").split(" | ") for line in found]


def listed(beginning):
    """What is set as code behind the one place with these words, up to the end of the line."""
    [_, rest] = DIGEST.split(beginning)
    return {code.encode() for code in CODE.findall(re.split(r"[;\n]|\. ", rest)[0])}


def test_tables_that_are_left_out():
    """The page lists exactly the tables that do not count."""
    assert block("ignored") == list(project.IGNORED)


@pytest.mark.parametrize(
    ("beginning", "names"),
    [
        ("is never pruned: ", boundary._PROTECTORS),
        ("wherever they are: ", boundary._BARE),
        ("* one of ", boundary._DROPPED_FILES),
        ("* with one of these at the end: ", boundary._DROPPED_ENDINGS),
        ("* with one of these at the start: ", boundary._DROPPED_STARTS),
        ("| `node_modules` | one of ", boundary._NODE),
        ("at least one file, and each ends with one of ", boundary.DISTRIBUTIONS),
        ("never left out: what ", [name.encode() for name in (*project._READ, "input", "tool.dynamic-metadata")]),
        ("without `license-files`, the patterns ", [name.encode() for name in project._LICENSES]),
    ],
)
def test_names_on_the_page(beginning, names):
    """The page lists exactly the names that the code goes by."""
    assert listed(beginning) == set(names)


def test_names_of_folders_that_are_litter():
    """The page lists exactly the names of folders that tools leave."""
    found = [set(CODE.findall(row[1])) for row in cells(section(DIGEST, "What is pruned")) if row[2] == "the name"]
    assert found == [{name.decode() for name in boundary._DROPPED_FOLDERS}]
    assert all(f"| `{name.decode()}`" in DIGEST or f", `{name.decode()}`" in DIGEST for name in boundary._OUTPUTS)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("I", boundary._SELF_IGNORING),
        ("S", boundary._SETUPTOOLS),
        ("D", boundary._DISTRIBUTION),
        ("H", boundary._HIDDEN),
        ("A", boundary._ABI),
        ("F", boundary._FRONTENDS),
    ],
)
def test_expressions_on_the_page(name, pattern):
    """The page has the regular expressions that the code goes by, and says which match a line break."""
    assert "".join(block(name)) == pattern.pattern.decode()
    assert bool(pattern.flags & re.DOTALL) == (name in "SHA")


def test_evidence_on_the_page():
    """The page has each file that gives a folder away, how it begins, and what the folder then is."""
    found = {
        (row[0], *CODE.findall(row[1]), *CODE.findall(row[2]))
        for row in cells(section(DIGEST, "What is pruned"))
        if " begins with " in row[2] and len(CODE.findall(row[2])) == 2 and row[1].count("`") == 2
    }
    evidence = {
        (reason, mark.decode(), (mark + ending).decode(), beginning.decode())
        for mark, ending, beginning, reason in boundary._EVIDENCE
    }
    assert found - {row for row in found if row[1] == ".egg-info"} == evidence


def test_outputs_on_the_page_are_those_that_are_tried():
    """Each key that declares an output is on the page, and has a case here."""
    rows_of_page = cells(section(DIGEST, "Declared outputs"))
    assert {key for row in rows_of_page for key in CODE.findall(row[0]) if key in OUTPUTS} == set(OUTPUTS)
    found = set(re.findall(r'"(tool\.[^"{]+)"', inspect.getsource(project._written)))
    assert [name for name in found if name not in DIGEST] == []


@pytest.mark.parametrize("backend", [*backends.KNOWN, UNKNOWN], ids=lambda backend: backend.name)
@pytest.mark.parametrize("key", OUTPUTS)
def test_outputs_on_the_page(key, backend):
    """A declared output is one for exactly the backends that the page names."""
    text, path = OUTPUTS[key]
    [said] = [row[1] for row in cells(section(DIGEST, "Declared outputs")) if f"`{key}`" in row[0]]
    expected = backend is UNKNOWN or backend.name in said.split(", ")
    assert (path in project.outputs(tomllib.loads(text), backend)) == expected


@pytest.mark.parametrize("backend", [*backends.KNOWN, UNKNOWN], ids=lambda backend: backend.name)
def test_tables_of_backends_on_the_page(backend):
    """The page names the tables that can lead outside, and maturin alone has no whole directory."""
    said = re.search(r"^The tables are those: (.*)$", DIGEST, re.MULTILINE)[1]
    assert [name for name in backend.tables if f"`{name}`" not in said] == []
    assert (backend.inputs == "closure") == (backend.name == "maturin")


def test_what_the_closure_reads():
    """The page names each table and file that decides about crates, and each key that is not looked at."""
    said = section(DIGEST, "The Rust closure")
    names = (*cargo._DEPENDENCIES, *cargo._CONFIGS, *cargo._TOOLCHAINS, *(f"build.{one}" for one in cargo._PROGRAMS))
    assert [name for name in (*names, *(one.decode() for one in walk._FOR_TESTS)) if f"`{name}`" not in said] == []
    names = (*project.IGNORING, *project._REPOSITORY, *project._REPOSITORIES, *project._REPOSITORIES.values())
    assert [name for name in names if f"`{name}`" not in section(DIGEST, "Roots")] == []


def test_folders_of_tools_on_the_page():
    """The page names each variable, and each place, that a folder is given to a tool by."""
    said = section(DIGEST, "Given to tools")
    assert [name for name in (*files._FOLDERS, *files._CACHES, *files._OF_HOME) if f"`{name}`" not in said] == []
    assert [name for name in cargo._BUILT if f"`build.{name}`" not in said] == []


def test_numbers_on_the_page():
    """The edition and the limits are those of the code."""
    assert f"This is edition {rows.EDITION}." in DIGEST
    assert f'H(frame("freshwheel inputs", "{rows.EDITION}", ' in DIGEST
    assert (cargo._LEVELS, "at most ten levels above" in DIGEST) == (10, True)
    assert (project._LEVELS, "up to nine levels above" in DIGEST) == (10, True)
    assert f"the first {disk._HEAD} bytes" in DIGEST
    assert f"more than {walk._MOST:,} files" in DIGEST
    assert (disk._LARGEST, "the first 16 MiB" in DIGEST) == (1 << 24, True)


EXAMPLES = [row for row in cells(section(PATTERNS, "What a pattern names")) if len(row) == 3]
WRONG = [code for row in cells(section(PATTERNS, "What is not a pattern")) for code in CODE.findall(row[0])]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda row: row[0].strip("`"))
def test_patterns_on_the_page(example):
    """Each example of a pattern matches what the page says, and nothing that it says is not matched."""
    pattern, matched, others = (CODE.findall(cell) for cell in example)
    found = globs.parse(pattern)
    assert [path for path in matched if not found.match(path)] == []
    assert [path for path in others if found.match(path)] == []


def test_there_are_examples_of_patterns():
    """The table of examples is found, from its first row to its last."""
    assert (EXAMPLES[0][0], EXAMPLES[-1][0]) == ("`protos`", "`data/[[]a].txt`")


@pytest.mark.parametrize("pattern", ["", "a\0", *WRONG])
def test_what_is_no_pattern(pattern):
    """What the page calls wrong is refused, with a reason."""
    assert globs.check(pattern)
