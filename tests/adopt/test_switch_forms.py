"""Odd forms of TOML: nothing but what is meant changes, in whatever way it is written."""

import difflib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.adopt import switch
from freshwheel.base.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PLAIN = """[build-system]
requires = [
    # first
    "hatchling>=1", # second
    "hatch-vcs",
] # third
build-backend = "hatchling.build" # fourth

# fifth
[project]
name = "demo"
version = "1.0"
requires-python = ">=3.10"
"""


def switched(data):
    """The bytes after the switch."""
    return switch.propose(data, {}).after


def test_line_ends_of_windows_stay():
    """Each new line ends as the others do."""
    before = PLAIN.replace("\n", "\r\n").encode()
    after = switched(before)
    assert after.count(b"\n") == after.count(b"\r\n") > before.count(b"\r\n")
    assert after.replace(b"\r\n", b"\n") == switched(PLAIN.encode())


@pytest.mark.parametrize(
    "lines",
    [
        '    # first\n    "hatchling>=1", # second\n    "hatch-vcs",\n] # third\n',
        '\nbackend = "hatchling.build" # fourth\n',
        "\n\n# fifth\n[project]\n",
    ],
)
def test_comments_stay_with_what_they_are_about(lines):
    """What stands beside a comment, or below it, is what it was."""
    assert lines in switched(PLAIN.encode()).decode()


@pytest.mark.parametrize(
    ("requires", "expected"),
    [
        ("['x']", "[\"freshwheel\", 'x']"),
        ('[ "x" , ]', '["freshwheel", "x" , ]'),
        ('["x",\n  "y"]', '["freshwheel", "x",\n  "y"]'),
        ('[ # why\n\t"x"\n]', '["freshwheel", # why\n\t"x"\n]'),
        ('[\n  # why\n  "x",]', '[\n  "freshwheel",\n  # why\n  "x",]'),
        ("[\"\"\"x\"\"\", '''y''']", '["freshwheel", """x""", \'\'\'y\'\'\']'),
        ("[\"x; os_name == 'a]#'\"]", '["freshwheel", "x; os_name == \'a]#\'"]'),
    ],
)
def test_lists_keep_their_form(requires, expected):
    """The new requirement is the first, in a line of its own if the others have such."""
    after = switched(f'[build-system]\nrequires = {requires}\nbuild-backend = "y"\n'.encode()).decode()
    assert f"requires = {expected}\n" in after


def test_values_that_look_like_statements_are_none():
    """Multi-line strings may hold anything."""
    text = 'x = """\n[build-system]\nrequires = ["a"]\n"""\ny = \'\'\'\nbuild-backend = "b"\'\'\'\n'
    text += '[build-system]\nrequires = ["c"]\nbuild-backend = "d"\n[z]\nwhen = [1979-05-27 07:32:00, {a = "}"}]\n'
    after = switched(text.encode()).decode()
    changed = [line for line in difflib.ndiff(text.splitlines(), after.splitlines()) if line[0] == "-"]
    assert changed == ['- requires = ["c"]', '- build-backend = "d"']


@pytest.mark.parametrize(
    "header", ['["build-system"]', "[ build-system ]", "['build-system'] # why", "\t[build-system]"]
)
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_names_may_be_quoted(header, quote):
    """A key is what it says, and stays as it is spelled."""
    text = f'{header}\nrequires = ["x"]\n{quote}build-backend{quote}="y"\n'
    expected = f'{header}\nrequires = ["freshwheel", "x"]\nbuild-backend = "freshwheel"\n'
    assert switched(text.encode()).decode() == f'{expected}\n[tool.freshwheel]\n{quote}backend{quote}="y"\n'


@pytest.mark.parametrize(
    "more",
    [
        '"a=b" = 1\n',
        "'a=b'.c = '''\n]'''\n",
        "x = [1, -2.5e3, true, 'a,b', [1, 2], { k = ['v'] }, 1979-05-27T07:32:00Z, # c\n inf]\n",
        "x = [\n" + "  'a',\n" * 900 + "]\n",
    ],
)
def test_all_other_statements_stay(more):
    """Whatever is in their keys and values."""
    assert switched(f"{more}{PLAIN}[tool.x]\n{more}".encode()).decode().count(more) == 2


BACKENDS = {
    "hatchling.build": "hatchling>=1.27",
    "maturin": "maturin>=1,<2",
    "mesonpy": "meson_python",
    "flit_core.buildapi": "flit-core",
    "any.thing:x": "anything",
}
REQUIREMENTS = ("hatch-vcs", "x[y]>=1; python_version < '4'", "z @ file:///a#b")


@st.composite
def arrays(draw, needed):
    """A list of requirements with the needed one among them, laid out in some way."""
    found = draw(st.permutations([needed, *draw(st.lists(st.sampled_from(REQUIREMENTS), max_size=2, unique=True))]))
    gap = st.sampled_from(("", " ", "\n", "\n  ", " # [a]\n    ", '\n\t# "b",\n\t'))
    text = "["
    for number, one in enumerate(found):
        quote = "'" if "'" not in one and draw(st.booleans()) else '"'
        last = number == len(found) - 1
        text += draw(gap) + quote + one + quote + draw(gap) + ("," if not last or draw(st.booleans()) else "")
    return text + draw(gap) + "]"


@st.composite
def files(draw):
    """A pyproject.toml, formatted oddly."""
    equals = draw(st.sampled_from((" = ", "=", "  =\t")))
    indent = draw(st.sampled_from(("", "  ", "\t")))
    after = st.sampled_from(("\n", " # c\n", "\n\n", "\n# d\n", "\n\n# e\n\n"))
    backend = draw(st.sampled_from(sorted(BACKENDS)))
    system = [f"requires{equals}{draw(arrays(BACKENDS[backend]))}", f"build-backend{equals}'{backend}'"]
    system = draw(st.permutations(system))
    if draw(st.booleans()):
        system.insert(draw(st.integers(0, 2)), f'backend-path{equals}["a",\n"b"]')
    project = [f'name{equals}"demo"', f"requires-python{equals}'>=3.10'"]
    project.append(draw(st.sampled_from((f'version{equals}"1.0"', f'dynamic{equals}["version"]'))))
    if "version" in project[-1] and "dynamic" not in project[-1] and draw(st.booleans()):
        project.append(f'dynamic{equals}[\n"readme",\n]')
    tables = [("[build-system]", system), ("[project]", draw(st.permutations(project)))]
    tables.append(("[[tool.x.y]]", [f'a{equals}"""\n[build-system]"""', f"b{equals}{{ c = 1, d = [2, 3] }}"]))
    text = draw(st.sampled_from(("", "# top\n\n", "\n")))
    for header, lines in draw(st.permutations(tables)):
        text += header + draw(after)
        text += "".join(indent + line + draw(after) for line in lines)
    text = text if draw(st.booleans()) else text.rstrip("\n")
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


@given(files(), st.booleans())
def test_whatever_the_form_the_switch_says_what_it_should(text, label):
    """The switched file says what it should and all other lines are there."""
    tomllib.loads(text)
    found = switch.propose(text.encode(), {}, label=label)
    after = tomllib.loads(found.after.decode())
    assert after["build-system"]["build-backend"] == "freshwheel"
    assert after["tool"]["freshwheel"]["backend"] == tomllib.loads(text)["build-system"]["build-backend"]
    assert found.after.decode().count("#") == text.count("#")
    assert found.after.endswith(b"\n") == text.endswith("\n")
    assert switch.propose(found.after, {}).after == found.after


@pytest.mark.parametrize("backend", ["freshwheel", "Freshwheel", "freshwheel:x"])
def test_switch_that_nothing_brings_is_completed(backend):
    """Frontends would not find freshwheel: it is required, and called by its name."""
    system = f'[build-system]\nrequires = ["hatch-vcs"]\nbuild-backend = "{backend}"\n'
    before = f'{system}[project]\nname = "demo"\nversion = "1"\n[tool.freshwheel]\nbackend = "hatchling.build"\n'
    told = tomllib.loads(switched(before.encode()).decode())
    assert told["build-system"] == {"requires": ["freshwheel", "hatch-vcs"], "build-backend": "freshwheel"}
    assert told["tool"]["freshwheel"] == {"backend": "hatchling.build"}


def test_freshwheel_is_not_looked_for_in_the_project():
    """What is wrong is said, and not taken along."""
    system = '[build-system]\nrequires = ["freshwheel"]\nbuild-backend = "freshwheel"\nbackend-path = ["."]\n'
    with pytest.raises(ConfigError, match="does not lie in the project"):
        switched(f'{system}[tool.freshwheel]\nbackend = "hatchling.build"\n'.encode())


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"setup.cfg": "[egg_info]\ntag_build = .dev7\n"}, "tag_build in setup.cfg"),
        ({"setup.cfg": "[egg_info]\ntag_build =\n  .dev7\n"}, "tag_build in setup.cfg"),
        ({"setup.cfg": "[egg_info]\ntag-date = 1"}, "tag-date in setup.cfg"),
        ({"setup.cfg": "[egg_info]\ntag_build = \ntag_date = 0\n\n"}, ""),
        ({"setup.py": "import _tools.ver", "_tools/ver.py": "open('pyproject.toml')"}, "_tools/ver.py reads pyproject"),
        ({"setup.py": "", "docs/conf.py": "open('pyproject.toml')", "native.c": ""}, ""),
    ],
)
def test_static_version_of_setuptools_stays_where_somebody_goes_by_it(files, why):
    """What adds to the version, or reads it, would find none."""
    system = '[build-system]\nrequires = ["setuptools", "freshwheel"]\nbuild-backend = "setuptools.build_meta"\n'
    proposal = switch.propose(f'{system}[project]\nname = "demo"\nversion = "1"\n'.encode(), files)
    assert ("stays static" in " ".join(proposal.steps)) == bool(why)
    assert why in " ".join(proposal.steps)
    assert "freshwheel may" not in " ".join(proposal.steps)
