"""What was answered once, as bytes: whatever is wrong with them, nothing was answered."""

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.base import backends, environment, rows
from freshwheel.memory import answers
from freshwheel.memory.answers import Answer

ASKED = bytes(range(16))
DIGEST = "d" * 32
INFO = {"demo-1.0.dist-info/METADATA": b"Name: demo\n", "demo-1.0.dist-info/licenses/LICENSE": b"free"}
NAMES = st.text("ABCM_*", min_size=1, max_size=9)


def answer(**fields):
    """An answer to a question that nobody asked."""
    parts = {
        "asked": ASKED,
        "digest": b"d" * 32,
        "key": b"a" * 64,
        "entry": b"b" * 64,
        "places": b"/usr/bin/cc\0/usr/lib",
        "stamps": b"12345678abcdefgh",
        "absent": b"/nowhere",
        "present": b"d/usr",
        "salt": b"salt",
        "names": b"CC\0CXX",
        "values": rows.UNTRUSTED + b"12345678",
        "patterns": b"CC\0CARGO_*",
        "harmless": b"CARGO_HOME",
        "families": b"CXX",
        "path": b"12345678",
        "distributions": b"",
        "name": b"demo-1.0-py3-none-any.whl",
        "sha256": b"c" * 64,
        "size": (7).to_bytes(8, "little"),
        "xxh3": bytes(16),
        "lean": b"1",
        "until": b"",
        "info": INFO,
        "data": b"",
        "took": (41_000).to_bytes(8, "little"),
    }
    return Answer(**{**parts, **fields})


def test_answer_is_read_as_it_was_written(tmp_path):
    """For its owner alone, and by its question."""
    assert answers.save(str(tmp_path / "cache"), answer())
    found = answers.load(str(tmp_path / "cache"), ASKED, DIGEST)
    assert found == answer()
    assert (found.wheel, found.blob.size) == ("demo-1.0-py3-none-any.whl", 7)
    [path] = (tmp_path / "cache" / "answers").iterdir()
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600
    assert answers.load(str(tmp_path / "cache"), bytes(16), DIGEST) is None
    assert answers.load(str(tmp_path / "cache"), ASKED, "e" * 32) is None


def test_answer_under_another_name_is_none(tmp_path):
    """A file that was renamed answers another question, or speaks of other sources."""
    for asked, digest in ((bytes(16), DIGEST), (ASKED, "e" * 32)):
        answers.save(str(tmp_path), answer())
        [path] = (tmp_path / "answers").iterdir()
        path.rename(path.with_name(f"{asked.hex()}.{digest}.bin"))
        assert answers.load(str(tmp_path), asked, digest) is None
        path.with_name(f"{asked.hex()}.{digest}.bin").unlink()


def test_the_last_states_of_the_sources_have_answers(tmp_path):
    """As many as are enough to go there and back, and the oldest goes; those to another question stay."""
    cache, states = str(tmp_path), [f"{number:032x}" for number in range(answers.MOST + 2)]
    other = answer(asked=bytes(16))
    answers.save(cache, other)
    for number, digest in enumerate(states):
        answers.save(cache, answer(digest=digest.encode()))
        os.utime(tmp_path / "answers" / f"{ASKED.hex()}.{digest}.bin", (number, number))
    found = [digest for digest in states if answers.load(cache, ASKED, digest) is not None]
    assert found == states[2:]
    assert answers.load(cache, bytes(16), DIGEST) is not None


def test_cache_that_can_not_be_written_keeps_nothing(tmp_path):
    """And nobody is told."""
    (tmp_path / "file").touch()
    assert not answers.save(str(tmp_path / "file" / "cache"), answer())


def fits(name, patterns):
    """Whether a name is one of the patterns, or of a family among them: said once more, one by one."""
    for pattern in patterns:
        start, star, end = pattern.partition("*")
        if name == pattern or (
            star and len(name) >= len(pattern) - 1 and name.startswith(start) and name.endswith(end)
        ):
            return True
    return False


@given(st.lists(NAMES), st.lists(NAMES), st.lists(NAMES))
def test_family_is_what_shapes_a_wheel(names, patterns, harmless):
    """The light road and the heavy one mean the same by a name, a family and an exception."""
    said = answers.family(names, patterns, harmless)
    assert said == sorted(name for name in names if fits(name, patterns) and not fits(name, harmless))


@given(st.text("ABC_", max_size=5), st.data())
def test_family_of_builds_is_its_own(tail, data):
    """With all names that a pattern of it can give."""
    pattern = data.draw(st.sampled_from((*backends.ENV, *backends.NOT_IN_KEY)))
    name = pattern.replace("*", tail)
    assert answers.family([name], backends.ENV, backends.NOT_IN_KEY) == [name] * backends.shapes(name)


@given(st.lists(st.sampled_from(("/a", "/a/b", "/ab", "", "c")), max_size=5), st.sampled_from(((), ("/a",), ("/ab",))))
def test_folders_of_path_leave_out_the_private_ones(entries, private):
    """What lies in an environment that was made for one build, and nothing that is only called like it."""
    path = os.pathsep.join(entries)
    inside = [f"{root}/" for root in private]
    assert environment.folders(path, private) == [
        entry for entry in path.split(os.pathsep) if not f"{entry}/".startswith(tuple(inside))
    ]


def asked(settings=None, tree=b"/tree", hook="build_wheel", **environ):
    """A question."""
    return answers.question(tree, hook, settings, environ)


def test_question_is_the_same_with_none_and_empty_settings():
    """In whatever order they come; what only names the cache says nothing, neither does an empty variable."""
    assert asked() == asked({}) == asked(FRESHWHEEL_CACHE_DIR="/c") == asked(FRESHWHEEL_STORE="") is not None
    assert asked({"a": "1", "b": ["2"]}) == asked({"b": ["2"], "a": "1"})


def test_question_differs_with_all_that_is_said():
    """Tree, hook, each setting and its type, each variable of ours, and what makes other decisions."""
    questions = [
        asked(),
        asked(tree=b"/other"),
        asked(hook="build_editable"),
        asked({"a": "1"}),
        asked({"a": "2"}),
        asked({"a": ["1"]}),
        asked({"a": ["1", "2"]}),
        asked({"a": "1", "b": ""}),
        asked({"freshwheel.store": "on"}),
        asked(FRESHWHEEL_STORE="on"),
        asked(FRESHWHEEL_LABEL="off"),
        asked(CIBUILDWHEEL="1"),
        asked(TOX_ENV_NAME="x"),
        asked(TOX_PACKAGE="x"),
        asked(PYTHONPATH="/t/pip-build-env-x/overlay"),
    ]
    assert len(set(questions)) == len(questions)


@pytest.mark.parametrize("settings", [1, "a", [("a", "1")], {"a": 1}, {"a": ["1", 2]}, {1: "a"}, {"a": None}])
def test_settings_of_an_odd_type_are_no_question(settings):
    """Whatever they mean is for the recipes."""
    assert asked(settings) is None


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        (sys, "version", "3.99"),
        (sys, "_base_executable", "/other/python"),
        (sys, "prefix", "/other"),
        (sys, "maxsize", 7),
    ],
)
def test_question_of_another_interpreter_is_another(monkeypatch, where, name, value):
    """Or of another environment, where it was not made for one build."""
    before = asked()
    monkeypatch.setattr(where, name, value)
    assert asked() != before


def test_question_is_the_same_in_each_environment_made_for_one_build(monkeypatch):
    """Installers make a new one every time."""
    said = []
    for name in ("build-env-a", "build-env-b"):
        monkeypatch.setattr(sys, "prefix", f"/elsewhere/{name}")
        said.append(asked())
    assert said[0] == said[1]


def test_distributions_are_listed_folder_by_folder(tmp_path):
    """In the order of `sys.path`; what is no folder, relative, or without any says nothing."""
    for folder, name in (("a", "x-1.dist-info"), ("a", "b-2.egg-info"), ("b", "y-1.dist-info"), ("c", "module")):
        (tmp_path / folder / name).mkdir(parents=True)
    a, b, c = (str(tmp_path / name) for name in "abc")
    both = answers.distributions([a, b])
    assert both == answers.distributions(["", c, a, str(tmp_path / "gone"), os.path.dirname(os.__file__), b])
    assert len({both, answers.distributions([b, a]), answers.distributions([a]), answers.distributions([])}) == 4
    assert answers.distributions([a, b], lambda _, name: name[0] in "xb") == answers.distributions([a])
