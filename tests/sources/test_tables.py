"""What of `pyproject.toml` counts."""

import datetime as dt
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from freshwheel.sources import project

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
SCALARS = st.one_of(
    st.text(max_size=3),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.datetimes(timezones=st.none() | ZONES),
    st.dates(),
    st.times(),
)
NAMES = st.sampled_from(["a", "b", "tool", "ruff", "hatch", "envs", "version"]) | st.text(max_size=2)
VALUES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3), max_leaves=8
)
TABLES = st.dictionaries(NAMES, VALUES, max_size=3)
COUNTING = st.sampled_from(["", "a", "ruf", "mypy", "hatch", "setuptools", "freshwheel", "cibuildwheel"])
FILES = st.fixed_dictionaries(
    {}, optional={"project": TABLES, "build-system": TABLES, "tool": st.dictionaries(COUNTING, TABLES, max_size=3)}
)
CONFIG = """
[project]
name = "demo"  # a comment
dynamic = ["version"]

[tool.setuptools]
packages = ["demo"]
"""


def canonical(text):
    """The canonical bytes of a text."""
    return project.canonical(tomllib.loads(text))


def spelled(value):
    """A value with its types, in one order: what equality should be, said once more."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{spelled(value[key])}" for key in sorted(value)) + "}"
    return "[" + ",".join(map(spelled, value)) + "]" if isinstance(value, list) else repr(value)


def shuffled(value, order):
    """A value whose tables have their keys in another order."""
    if isinstance(value, dict):
        keys = order.sample(sorted(value), len(value))
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(one, order) for one in value] if isinstance(value, list) else value


def planted(pyproject, name, value):
    """A copy with `value` at the dotted `name`."""
    first, _, rest = name.partition(".")
    return {**pyproject, first: planted(pyproject.get(first, {}), rest, value) if rest else value}


@given(FILES, st.randoms())
def test_order_of_keys_does_not_count(pyproject, order):
    """For every file: the same keys in another order are the same bytes."""
    assert project.canonical(shuffled(pyproject, order)) == project.canonical(pyproject)


@given(TABLES, TABLES)
def test_two_values_have_two_spellings(one, other):
    """For every two tables: equal bytes mean equal values, types included, and the other way round."""
    same = project.canonical({"project": one}) == project.canonical({"project": other})
    assert same == (spelled(one) == spelled(other))


@given(FILES, st.sampled_from(["project.a", "build-system.a", "tool.mypy", "tool.hatch.build"]), VALUES, VALUES)
def test_counted_value_that_changes(pyproject, name, before, after):
    """For every file: another value in a place that counts is other bytes."""
    assume(spelled(before) != spelled(after))
    assert project.canonical(planted(pyproject, name, before)) != project.canonical(planted(pyproject, name, after))


@given(FILES, st.sampled_from(["build-system.x y", "project.x y", "tool.x y", "tool.hatch.x y"]), VALUES)
def test_counted_value_that_comes(pyproject, name, value):
    """For every file: a new value in a place that counts is other bytes."""
    assert project.canonical(planted(pyproject, name, value)) != project.canonical(pyproject)


@given(FILES, st.sampled_from(project.IGNORED), VALUES)
def test_ignored_table_that_changes(pyproject, name, value):
    """For every file: an ignored table may come and change, whatever it holds."""
    assert project.canonical(planted(pyproject, name, value)) == project.canonical(pyproject)


@pytest.mark.parametrize(
    "text",
    [
        CONFIG.replace("# a comment", "").replace("\n\n", "\n"),
        CONFIG.replace("\n", "\r\n"),
        CONFIG.replace('"demo"', "'demo'"),
        CONFIG.replace('["version"]', '[\n  "version",\n]'),
        'tool = { setuptools.packages = ["\\u0064emo"] }\nproject.dynamic = ["version"]\nproject.name = "demo"',
        '[tool.setuptools]\npackages = ["demo"]\n[project]\ndynamic = ["version"]\nname = "demo"',
    ],
)
def test_other_layout(text):
    """Comments, white space, quotes, line ends and the order of tables do not count."""
    assert text != CONFIG
    assert canonical(text) == canonical(CONFIG)


@pytest.mark.parametrize(
    "table",
    [
        "tool.ruff",
        "tool.ruff.lint",
        "tool.pytest.ini_options",
        "tool.hatch.envs.test",
        "tool.hatch.publish.index",
        "tool.pdm.scripts",
        "tool.pdm.dev-dependencies",
        "tool.uv.dependency-groups.x",
        "dependency-groups",
        "tool.towncrier",
    ],
)
def test_table_about_other_things(table):
    """It is no input; also not as the first of its kind, which makes the tables above it."""
    assert canonical(f"{CONFIG}\n[{table}]\nx = 1") == canonical(CONFIG)
    assert canonical(f"[{table}]\nx = 1") == canonical("")


@pytest.mark.parametrize("key", ["label", "store", "env", "commands"])
def test_own_key_that_changes_no_source(key):
    """What else the build key looks at is not in the digest as well."""
    table = '[tool.freshwheel]\nbackend = "maturin"\n'
    assert canonical(f'{table}{key} = "x"') == canonical(table)


@pytest.mark.parametrize(
    "table",
    [
        "tool.pk",
        "tool.mypy",
        "tool.cibuildwheel",
        "tool.hatch.build",
        "tool.hatch.build.envs",
        "tool.hatch.version",
        "tool.hatch.metadata",
        "tool.pdm.build",
        "tool.pdm.version",
        "tool.pdm.options",
        "tool.uv.build-backend",
        "tool.uv.sources",
        "tool.freshwheel",
        "tool.ruff-like",
        "tool.RUFF",
        'tool."hatch.envs"',
        "tool.x.ruff",
        "ruff",
        "project",
        "project.dependency-groups",
        "build-system",
    ],
)
def test_table_that_may_shape_a_wheel(table):
    """What is not on the list counts, whatever it is near to."""
    texts = ["", f"[{table}]\nx = 1", f"[{table}]\nx = 2", f"[{table}]\ny = 1", f"[[{table}]]\nx = 1"]
    assert len({canonical(text) for text in texts}) == 5


def test_empty_tables():
    """An empty table counts, as `[tool.setuptools_scm]` is a switch, but where it only led to ignored ones."""
    assert canonical("[tool.setuptools_scm]") != canonical("")
    assert canonical("[tool.hatch]\n[tool.hatch.envs]") == canonical("[tool.hatch]") == canonical("")


def test_values_that_look_alike():
    """Types are told apart, and what belongs to one value can't move into the next."""
    values = [
        *("1", "1.0", "true", '"1"', '"true"', '"1.0"', '"nan"', "nan", "inf", "-inf", "-0.0", "0.0", "0", "false"),
        *("1979-05-27", "1979-05-27T00:00:00", "1979-05-27T00:00:00Z", "1979-05-27T01:00:00+01:00", "00:00:00"),
        *('"1979-05-27"', "[]", "{}", '""', "[[]]", "[{}]", "[[], []]", "[1, 2]", "[2, 1]", "[12]", "[[1], 2]"),
        *("[[1, 2]]", '["a", "b"]', '["ab"]', '["", "ab"]', '{ a = "b" }', '{ ab = "" }', "{ a = {}, b = {} }"),
        *("{ a = { b = {} } }", '["{", "0"]', '"{"'),
    ]
    assert len({canonical(f"x = {value}") for value in values}) == len(values)


@pytest.mark.parametrize(("one", "other"), [("0xff", "255"), ("1e3", "1000.0"), ("+1", "1"), ("1_000", "1000")])
def test_two_spellings_of_a_number(one, other):
    """They are one value."""
    assert canonical(f"x = {one}") == canonical(f"x = {other}")


@pytest.mark.parametrize(
    "text",
    [
        f"[{'.'.join('a' * 900)}]",
        f"[tool.hatch.{'.'.join('a' * 900)}]",
        f"x = 0x{'f' * 9000}",
        f"x = {'[' * 50}{']' * 50}",
        "tool = 1",
        "tool = [{ ruff = 1 }]",
        "tool.ruff = 1",
        "tool.towncrier = [1]",
        "tool.hatch = 1",
        "[[tool.hatch]]\nenvs = 1",
        '"" = ""',
        r'x = "\u0000"',
    ],
)
def test_strange_file(text):
    """Whatever TOML can hold has canonical bytes."""
    assert isinstance(canonical(text), bytes)


def test_deep_table():
    """A table may be deeper than the stack: its header is one line, and older parsers have no limit."""
    deep = {}
    for _ in range(50_000):
        deep = {"a": deep}
    assert project.canonical({"tool": {"hatch": deep}}) != project.canonical({"tool": {"hatch": deep["a"]}})


def test_lists_of_tables():
    """Each ignored table is named once and stands in no other."""
    assert len(set(project.IGNORED)) == len(project.IGNORED)
    assert not any(one.startswith(f"{name}.") for name in project.IGNORED for one in project.IGNORED)
