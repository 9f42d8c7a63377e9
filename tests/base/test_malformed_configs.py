"""Every wrong configuration that we could think of is refused by one clear message that names the key."""

import os
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from freshwheel.base import config
from freshwheel.base.errors import ConfigError
from freshwheel.base.model import Project

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BUILD = '[build-system]\nrequires = ["freshwheel", "maturin"]\nbuild-backend = "freshwheel"\n'
PROJECT = '[project]\nname = "demo"\ndynamic = ["version"]\n'
GOOD = 'backend = "maturin"\n'


class Case(NamedTuple):
    """One wrong configuration: the lines of `[tool.freshwheel]`, and what may stand around them."""

    name: str
    table: str
    where: str
    says: str
    project: str = PROJECT
    build: str = BUILD
    settings: Any = None
    environ: Mapping[str, str] = MappingProxyType({})
    installed: bool = True

    def text(self) -> str:
        """The whole pyproject.toml; a `table` that begins with a header stands as it is."""
        header = "" if self.table.startswith(("[", "tool")) else "[tool.freshwheel]\n"
        return f"{header}{self.table}\n{self.project}{self.build}"


def of_key(name: str, lines: str, where: str, says: str, **around: Any) -> Case:
    """A case whose `[tool.freshwheel]` is right but for `lines`."""
    return Case(name, f"{GOOD}{lines}", f"tool.freshwheel.{where}", says, **around)


def of_backend(value: str, says: str) -> Case:
    """A case whose backend is `value`."""
    return Case(f"backend {value}", f"backend = {value}", "tool.freshwheel.backend", says)


STATIC = '[project]\nname = "demo"\nversion = "1.0"\n'
NO_VERSION = '[project]\nname = "demo"\n'
PLAIN_BUILD = '[build-system]\nrequires = ["freshwheel"]\nbuild-backend = "freshwheel"\n'

CASES = [
    # the tables around
    Case(
        "no table",
        "[tool.other]",
        "tool.freshwheel",
        'maturin is among the build requirements: write [tool.freshwheel] backend = "maturin"',
    ),
    Case("no tool at all", "[other]", "tool.freshwheel", "is missing"),
    Case("no table, no known requirement", "[other]", "tool.freshwheel", 'backend = "..."', build=PLAIN_BUILD),
    Case(
        "the table is misspelled",
        "[tool.fresh-wheel]\n" + GOOD,
        "tool.freshwheel",
        "[tool.fresh-wheel] must be spelled [tool.freshwheel]",
    ),
    Case(
        "the table is capitalised",
        "[tool.FreshWheel]\n" + GOOD,
        "tool.freshwheel",
        "[tool.FreshWheel] must be spelled [tool.freshwheel]",
    ),
    Case("the table is a string", 'tool.freshwheel = "maturin"', "tool.freshwheel", "must be a table, not a string"),
    Case(
        "the table is a list of tables",
        "[[tool.freshwheel]]\n" + GOOD,
        "tool.freshwheel",
        "must be a table, not a list",
    ),
    Case("tool is a number", "tool = 1", "tool", "must be a table, not an integer"),
    Case("tool is a list", "[[tool]]\nfreshwheel = {}", "tool", "must be a table, not a list"),
    Case(
        "project is a list",
        "[tool.freshwheel]\n" + GOOD,
        "project",
        "must be a table, not a list",
        project="[[project]]\n",
    ),
    Case(
        "dynamic is a string",
        GOOD,
        "project.dynamic",
        'must be a list, not a string (put it into brackets: ["..."])',
        project='[project]\ndynamic = "version"\n',
    ),
    Case(
        "dynamic is a boolean",
        GOOD,
        "project.dynamic",
        "must be a list, not a boolean",
        project="[project]\ndynamic = true\n",
    ),
    Case(
        "dynamic is a table",
        GOOD,
        "project.dynamic",
        "must be a list, not a table",
        project="[project.dynamic]\nversion = 1\n",
    ),
    Case(
        "dynamic has a number",
        GOOD,
        "project.dynamic[1]",
        "must be a string, not an integer",
        project='[project]\ndynamic = ["version", 1]\n',
    ),
    Case(
        "version is static and dynamic",
        GOOD,
        "project.dynamic",
        'lists "version", which [project] states too',
        project=STATIC + 'dynamic = ["version"]\n',
    ),
    Case("build-system is a list", GOOD, "build-system", "must be a table, not a list", build="[[build-system]]\n"),
    Case(
        "build requirements are a string",
        GOOD,
        "build-system.requires",
        "must be a list, not a string",
        build='[build-system]\nrequires = "maturin"\n',
    ),
    Case(
        "a build requirement is a number",
        GOOD,
        "build-system.requires[0]",
        "must be a string, not an integer",
        build="[build-system]\nrequires = [1]\n",
    ),
    # backend
    Case(
        "no backend", "label = 'on'", "tool.freshwheel.backend", "is missing (maturin is among the build requirements"
    ),
    Case("an empty table", "[tool.freshwheel]", "tool.freshwheel.backend", "is missing"),
    of_backend("1", "must be a string, not an integer"),
    of_backend("true", "must be a string, not a boolean"),
    of_backend('["maturin"]', "must be a string, not a list"),
    of_backend("{ name = 'maturin' }", "must be a string, not a table"),
    of_backend("2024-01-01", "must be a string, not a date"),
    of_backend('""', "is empty"),
    of_backend('"  "', "is empty"),
    of_backend('"freshwheel"', "freshwheel can't wrap itself"),
    of_backend('"freshwheel:hooks"', "freshwheel can't wrap itself"),
    of_backend('"freshwheel.hooks"', "freshwheel can't wrap itself"),
    of_backend('".maturin"', "is not of the form"),
    of_backend('"maturin."', "is not of the form"),
    of_backend('"my backend"', "is not of the form"),
    of_backend('"a:b:c"', "is not of the form"),
    of_backend('"a:"', "is not of the form"),
    of_backend('":a"', "is not of the form"),
    of_backend('"a..b"', "is not of the form"),
    of_backend('"maturin>=1"', "is not of the form"),
    of_backend('"build/backend.py"', "is not of the form"),
    of_backend('"🦀"', "is not of the form"),
    of_backend(r'"mat\u0000urin"', "has a control character"),
    of_backend('"hatchling"', 'has no hooks (write "hatchling.build")'),
    of_backend('"setuptools"', 'write "setuptools.build_meta"'),
    of_backend('"scikit-build-core"', 'write "scikit_build_core.build"'),
    of_backend('"meson-python"', 'write "mesonpy"'),
    of_backend('"flit_core"', 'write "flit_core.buildapi"'),
    of_backend('"setuptools_rust"', 'write "setuptools.build_meta"'),
    of_backend(f'"{"x" * 500}!"', f'"{"x" * 60}..." is not of the form'),
    # backend-path
    of_key("backend-path is a string", 'backend-path = "_build"', "backend-path", "must be a list, not a string"),
    of_key("backend-path has an empty entry", 'backend-path = [""]', "backend-path[0]", "is empty"),
    of_key("backend-path is absolute", 'backend-path = ["/opt"]', "backend-path[0]", '"/opt" is absolute'),
    of_key("backend-path has a drive", 'backend-path = ["C:/opt"]', "backend-path[0]", "is absolute"),
    of_key("backend-path leads out", 'backend-path = ["../b"]', "backend-path[0]", "leads out of the project"),
    of_key("backend-path leads out later", 'backend-path = [".", "a/../../b"]', "backend-path[1]", "leads out"),
    of_key("backend_path with an underscore", 'backend_path = ["b"]', "backend_path", "did you mean backend-path?"),
    # requires
    of_key("requires is a string", 'requires = "maturin"', "requires", "must be a list, not a string"),
    of_key("requires is a table", 'requires = { maturin = ">=1" }', "requires", "must be a list, not a table"),
    of_key("requires has a number", "requires = [1]", "requires[0]", "must be a string, not an integer"),
    of_key("requires has an empty entry", 'requires = ["maturin", ""]', "requires[1]", "is empty"),
    of_key("requires has one =", 'requires = ["maturin=1.9"]', "requires[0]", '"maturin=1.9" is not a requirement'),
    of_key("requires has an option", 'requires = ["-r requirements.txt"]', "requires[0]", "is not a requirement"),
    of_key("requires has a bare URL", 'requires = ["git+https://x"]', "requires[0]", "this is not a requirement"),
    of_key(
        "requires has freshwheel",
        'requires = ["maturin", "FreshWheel>=0.1"]',
        "requires[1]",
        "it must stand in [build-system] requires",
    ),
    of_key("require without s", 'require = ["maturin"]', "require", "did you mean requires?"),
    # include, exclude
    of_key("include is a string", 'include = "*.proto"', "include", "must be a list, not a string"),
    of_key("include is a boolean", "include = false", "include", "must be a list, not a boolean"),
    of_key("include has a table", 'include = [{ path = "x" }]', "include[0]", "must be a string, not a table"),
    of_key("include has an empty entry", 'include = [""]', "include[0]", "is empty"),
    of_key("include is absolute", 'include = ["/usr/include/**"]', "include[0]", "is absolute"),
    of_key("include has a drive", 'include = ["c:protos"]', "include[0]", "is absolute"),
    of_key("include has backslashes", "include = ['..\\protos\\*']", "include[0]", "has a backslash"),
    of_key("include climbs in the middle", 'include = ["a/../b"]', "include[0]", "has .. in the middle"),
    of_key("include climbs at the end", 'include = ["../a/.."]', "include[0]", "has .. in the middle"),
    of_key("include climbs after dots", 'include = [".../../b"]', "include[0]", "has .. in the middle"),
    of_key("include has a NUL", r'include = ["a\u0000"]', "include[0]", "has a control character"),
    of_key("include has a line break", r'include = ["a\n"]', "include[0]", "has a control character"),
    of_key("exclude is a number", "exclude = 0", "exclude", "must be a list, not an integer"),
    of_key("exclude is absolute", 'exclude = ["x", "/y"]', "exclude[1]", "is absolute"),
    of_key("exclude climbs in the middle", 'exclude = ["a/../../b"]', "exclude[0]", "has .. in the middle"),
    of_key("includes", 'includes = ["x"]', "includes", "did you mean include?"),
    # version
    of_key("version is a float", "version = 5.0", "version", "not a float (put it into quotes)"),
    of_key("version is a boolean", "version = true", "version", "must be a string or a table with path, not a boolean"),
    of_key("version is a list", "version = [5, 0]", "version", "must be a string or a table with path, not a list"),
    of_key("version is empty", 'version = ""', "version", "is empty"),
    of_key("version is no version", 'version = "five"', "version", '"five" is not a version (PEP 440)'),
    of_key("version is a specifier", 'version = ">=5"', "version", "is not a version"),
    of_key("version is longer than numbers can be", f'version = "{"1" * 5000}"', "version", "is not a version"),
    of_key("version has a label", 'version = "5.0+s5e1fa9c03b7d"', "version", "has a label of freshwheel in it"),
    of_key("version has a label among others", 'version = "5.0+cu128.S5E1FA9C03B7D"', "version", "has a label"),
    of_key("version table is empty", "version = {}", "version.path", "is missing"),
    of_key("version path is a number", "version = { path = 1 }", "version.path", "must be a string, not an integer"),
    of_key("version path is absolute", 'version = { path = "/v" }', "version.path", "is absolute"),
    of_key("version path is empty", 'version = { path = "" }', "version.path", "is empty"),
    of_key(
        "version pattern is a list", 'version = { path = "v", pattern = [] }', "version.pattern", "must be a string"
    ),
    of_key(
        "version pattern is broken",
        "version = { path = 'v', pattern = '(' }",
        "version.pattern",
        "is not a regular expression",
    ),
    of_key(
        "version pattern is huge",
        "version = { path = 'v', pattern = 'a{99999999999}' }",
        "version.pattern",
        "is not a regular expression",
    ),
    of_key(
        "version pattern nests deeply",
        f"version = {{ path = 'v', pattern = '{'(' * 9000}' }}",
        "version.pattern",
        "is not a regular expression",
    ),
    of_key(
        "version pattern has no group",
        "version = { path = 'v', pattern = '(.*)' }",
        "version.pattern",
        "has no group named version",
    ),
    of_key(
        "version has an unknown key",
        "version = { path = 'v', patern = 'x' }",
        "version.patern",
        "did you mean pattern?",
    ),
    of_key("version is static too", 'version = "5.0"', "version", "[project] states a version too", project=STATIC),
    of_key("version is not open", 'version = "5.0"', "version", 'add dynamic = ["version"]', project=NO_VERSION),
    Case(
        "version with hatchling",
        'backend = "hatchling.build"\nversion = "5.0"',
        "tool.freshwheel.version",
        "hatchling finds the version by itself",
    ),
    Case(
        "version with an unknown backend",
        'backend = "other.api"\nversion = "5.0"',
        "tool.freshwheel.version",
        "this key is for maturin, setuptools-rust or setuptools",
    ),
    Case(
        "version with an in-tree backend",
        'backend = "own"\nbackend-path = ["b"]\nversion = "5.0"',
        "tool.freshwheel.version",
        "own finds the version by itself",
    ),
    # label, store
    of_key("label is false", "label = false", "label", 'must be "on" or "off", not a boolean (write "off")'),
    of_key("label is a number", "label = 0", "label", 'must be "on" or "off", not an integer'),
    of_key("label is capitalised", 'label = "Off"', "label", 'did you mean "off"?'),
    of_key("label is empty", 'label = ""', "label", 'must be "on" or "off"'),
    of_key("label is another word", 'label = "never"', "label", 'must be "on" or "off"'),
    of_key("lable", 'lable = "off"', "lable", "did you mean label?"),
    of_key("store is true", "store = true", "store", 'write "on"'),
    of_key("store is misspelled", 'store = "verfy"', "store", 'did you mean "verify"?'),
    of_key("store is a path", 'store = "/tmp/store"', "store", 'must be "on", "read", "off" or "verify"'),
    of_key("store is a list", 'store = ["on"]', "store", "not a list (give it once)"),
    # env, commands, stable-python
    of_key("env is a string", 'env = "DEMO"', "env", "must be a list, not a string"),
    of_key("env is a table", 'env = { DEMO = "1" }', "env", "must be a list, not a table"),
    of_key("env has a value", 'env = ["DEMO=1"]', "env[0]", "write the name without the value"),
    of_key("env has an empty name", 'env = ["DEMO", ""]', "env[1]", "is empty"),
    of_key("env has a pattern", 'env = ["DEMO_*"]', "env[0]", "is not the name of an environment variable"),
    of_key("env begins with a digit", 'env = ["1DEMO"]', "env[0]", "is not the name of an environment variable"),
    of_key("commands is a string", 'commands = "pkg-config"', "commands", "must be a list, not a string"),
    of_key("commands is flat", 'commands = ["pkg-config"]', "commands[0]", "must be a list, not a string"),
    of_key("commands has an empty command", "commands = [[]]", "commands[0]", "is empty"),
    of_key("commands has a number", 'commands = [["x", 1]]', "commands[0][1]", "must be a string, not an integer"),
    of_key("commands has an empty word", 'commands = [["x"], [""]]', "commands[1][0]", "is empty"),
    of_key("stable-python is a string", 'stable-python = "true"', "stable-python", "without quotes"),
    of_key("stable-python is a number", "stable-python = 1", "stable-python", "must be true or false, not an integer"),
    of_key("stable_python", "stable_python = false", "stable_python", "did you mean stable-python?"),
    # observe, ignore-env, requires-age
    of_key("observe is a word", 'observe = "off"', "observe", "not a string (write true or false, without quotes)"),
    of_key("observe is a number", "observe = 0", "observe", "must be true or false, not an integer"),
    of_key("ignore-env is a string", 'ignore-env = "DIRENV_*"', "ignore-env", "must be a list, not a string"),
    of_key("ignore-env has a value", 'ignore-env = ["A=1"]', "ignore-env[0]", "write the name without the value"),
    of_key("ignore-env has all names", 'ignore-env = ["*"]', "ignore-env[0]", "is not the name of an environment"),
    of_key("ignore-env has two stars", 'ignore-env = ["*A*"]', "ignore-env[0]", "is not the name of an environment"),
    of_key("ignore-env has a number", 'ignore-env = ["A", 1]', "ignore-env[1]", "must be a string, not an integer"),
    of_key("ignore_env", 'ignore_env = ["A"]', "ignore_env", "did you mean ignore-env?"),
    of_key("requires-age is a number", "requires-age = 1", "requires-age", "a unit, not an integer"),
    of_key("requires-age has no unit", 'requires-age = "7"', "requires-age", "with s, m, h or d"),
    of_key("requires-age has no number", 'requires-age = "d"', "requires-age", 'write it as "1d" or "12h"'),
    of_key("requires-age is negative", 'requires-age = "-1d"', "requires-age", "with s, m, h or d"),
    of_key("requires-age is a fraction", 'requires-age = "1.5d"', "requires-age", "with s, m, h or d"),
    of_key("requires-age is in weeks", 'requires-age = "1w"', "requires-age", "with s, m, h or d"),
    of_key("requires-age is never", 'requires-age = "never"', "requires-age", '"forever"'),
    of_key("requires-age has other digits", r'requires-age = "\u0661d"', "requires-age", "with s, m, h or d"),
    # unknown keys
    of_key("an unknown key", "zzz = 1", "zzz", "known: backend, backend-path, requires"),
    of_key("an unknown table", "[tool.freshwheel.zzz]", "zzz", "is not a setting of freshwheel"),
    of_key("an empty key", '"" = 1', "", "is not a setting of freshwheel"),
    of_key("a key that can't be printed", r'"a\u0007" = 1', r"a\x07", "is not a setting of freshwheel"),
    # from outside
    Case(
        "setting with a wrong word",
        GOOD,
        "config setting freshwheel.label",
        'did you mean "off"?',
        settings={"freshwheel.label": "OFF"},
    ),
    Case(
        "setting without a word",
        GOOD,
        "config setting freshwheel.label",
        'must be "on" or "off"',
        settings={"freshwheel.label": ""},
    ),
    Case(
        "setting given twice",
        GOOD,
        "config setting freshwheel.store",
        "give it once",
        settings={"freshwheel.store": ["on", "off"]},
    ),
    Case(
        "setting that is a boolean",
        GOOD,
        "config setting freshwheel.store",
        'write "off"',
        settings={"freshwheel.store": False},
    ),
    Case(
        "setting that is misspelled",
        GOOD,
        "config setting freshwheel.lable",
        "did you mean freshwheel.label?",
        settings={"freshwheel.lable": "off"},
    ),
    Case(
        "setting that is unknown",
        GOOD,
        "config setting freshwheel.xyz",
        "known: freshwheel.label, freshwheel.store, freshwheel.observe",
        settings={"freshwheel.xyz": "1"},
    ),
    Case(
        "setting without a name", GOOD, "config setting freshwheel.", "is not a setting", settings={"freshwheel.": "1"}
    ),
    Case(
        "setting for the table only",
        GOOD,
        "config setting freshwheel.include",
        "can be set in [tool.freshwheel] only",
        settings={"freshwheel.include": "x"},
    ),
    Case(
        "variable with a wrong word",
        GOOD,
        "FRESHWHEEL_LABEL",
        'must be "on" or "off"',
        environ={"FRESHWHEEL_LABEL": "0"},
    ),
    Case(
        "variable that is misspelled",
        GOOD,
        "FRESHWHEEL_LABLE",
        "did you mean FRESHWHEEL_LABEL?",
        environ={"FRESHWHEEL_LABLE": "off"},
    ),
    Case(
        "variable that is unknown",
        GOOD,
        "FRESHWHEEL_XYZ",
        "known: FRESHWHEEL_LABEL, FRESHWHEEL_STORE, FRESHWHEEL_OBSERVE, FRESHWHEEL_CACHE_DIR",
        environ={"FRESHWHEEL_XYZ": "1"},
    ),
    Case(
        "variable for the table only",
        GOOD,
        "FRESHWHEEL_BACKEND",
        "can be set in [tool.freshwheel] only",
        environ={"FRESHWHEEL_BACKEND": "x"},
    ),
    Case(
        "observe in the environment as TOML has it",
        GOOD,
        "FRESHWHEEL_OBSERVE",
        'must be "on" or "off"',
        environ={"FRESHWHEEL_OBSERVE": "false"},
    ),
    Case(
        "ignore-env in the environment",
        GOOD,
        "FRESHWHEEL_IGNORE_ENV",
        "can be set in [tool.freshwheel] only",
        environ={"FRESHWHEEL_IGNORE_ENV": "A"},
    ),
    Case(
        "requires-age as a config setting",
        GOOD,
        "config setting freshwheel.requires-age",
        "can be set in [tool.freshwheel] only",
        settings={"freshwheel.requires-age": "1d"},
    ),
    # the inner backend is not there
    Case(
        "a known backend that nothing brings",
        GOOD,
        "tool.freshwheel.backend",
        'add "maturin" to [tool.freshwheel] requires or to [build-system] requires',
        build=PLAIN_BUILD,
        installed=False,
    ),
    Case(
        "another backend is brought",
        'backend = "mesonpy"',
        "tool.freshwheel.backend",
        'add "meson-python"',
        installed=False,
    ),
    Case(
        "an unknown backend that nothing brings",
        'backend = "other.api"',
        "tool.freshwheel.backend",
        "add the distribution that brings it",
        build=PLAIN_BUILD,
        installed=False,
    ),
    Case(
        "an unknown backend among requires",
        'backend = "other.api"\nrequires = ["other"]',
        "tool.freshwheel.requires",
        "move these to [build-system] requires",
        installed=False,
    ),
    Case(
        "a misspelled backend among requires",
        'backend = "setuptools.buildmeta"\nrequires = ["setuptools"]',
        "tool.freshwheel.backend",
        'did you mean "setuptools.build_meta"?',
        installed=False,
    ),
    Case("no [build-system] at all", GOOD, "tool.freshwheel.backend", 'add "maturin"', build="", installed=False),
]


def problems(tree: str, case: Case) -> list[str]:
    """What `config.parse` says of the pyproject.toml in `tree`, a line per problem."""
    with open(os.path.join(tree, "pyproject.toml"), "rb") as file:
        project = Project(tree=tree, pyproject=tomllib.load(file), sdist_version=None)
    with pytest.raises(ConfigError) as caught:
        config.parse(project, case.settings, case.environ, importable=lambda _: case.installed)
    return [problem.render() for problem in caught.value.problems]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name[:60])
def test_a_wrong_configuration(tmp_path, case):
    """A wrong configuration is refused within a second, by one line that names the key and what is wrong with it."""
    (tmp_path / "pyproject.toml").write_text(case.text(), encoding="utf-8")
    start = time.monotonic()
    found = problems(str(tmp_path), case)
    assert time.monotonic() - start < 1
    assert len(found) == 1, found
    assert found[0].startswith(f"{case.where}: ")
    assert case.says in found[0]
    assert "\n" not in found[0]
    assert len(found[0]) < 400


@pytest.mark.parametrize(
    ("text", "seconds"), [("forever", None), ("0s", 0), ("90s", 90), ("5m", 300), ("12h", 43200), ("7d", 604800)]
)
def test_an_age_is_read_as_seconds(text, seconds):
    """Each unit counts; forever has no end."""
    assert right(f'requires-age = "{text}"').requires_age == seconds


def test_observing_can_be_switched_from_everywhere():
    """The environment wins over the config setting, and that over the table; without all of them it is on."""
    assert right("").observe
    assert not right("observe = false").observe
    assert right("observe = false", {"freshwheel.observe": "on"}).observe
    assert not right("", {"freshwheel.observe": "on"}, {"FRESHWHEEL_OBSERVE": "off"}).observe


def test_names_that_shape_nothing():
    """Names and families with one star are kept as they are written."""
    assert right('ignore-env = ["SHLVL", "DIRENV_*", "*_SOCK"]').ignore_env == ("SHLVL", "DIRENV_*", "*_SOCK")


def right(lines, settings=None, environ=MappingProxyType({})):
    """The settings of a table that is right."""
    table = tomllib.loads(Case("", f"{GOOD}{lines}", "", "").text())
    project = Project(tree="/", pyproject=table, sdist_version=None)
    return config.parse(project, settings, environ, importable=lambda _: True)


def test_the_names_of_the_cases():
    """No two cases have one name, so a failure names its case."""
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
