"""What doctor finds: each broken situation by its own line, which says what to do; a sound one is all fine."""

import os
import sys

import pytest

from freshwheel.memory import discoveries, outcome
from freshwheel.memory.outcome import Outcome
from freshwheel.observe import observer

OBSERVED = pytest.mark.skipif(bool(observer.unavailable(None)), reason="no build can be observed here")
OURS = """
[build-system]
requires = [{requires}]
build-backend = "{backend}"

[tool.freshwheel]
backend = "flit_core.buildapi"
"""
PLAIN = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'


@pytest.fixture(autouse=True)
def isolated(monkeypatch):
    """No variable of whoever runs the tests is in the way."""
    for name in ("PIP_NO_BUILD_ISOLATION", "UV_NO_BUILD_ISOLATION"):
        monkeypatch.delenv(name, raising=False)


def looked(desk):
    """Exit code, and what was found about each thing: state and words."""
    code, found = desk.json("doctor")
    diagnoses = found["diagnoses"]
    assert code == any(item["state"] == "wrong" for item in diagnoses)
    assert all(item["todo"] for item in diagnoses if item["state"] == "wrong")
    return {item["about"]: (item["state"], item["what"], item["todo"]) for item in diagnoses}


def wrapped(desk, requires='"freshwheel", "flit-core"', backend="freshwheel"):
    """Writes a switch that may be half made."""
    return desk.files("demo/pyproject.toml", of=OURS.format(requires=requires, backend=backend))


def decided(desk, **more):
    """Puts a build on record."""
    made = Outcome(hook="wheel", decided="built", why="first build here", wheel="demo-1.whl", when=1, **more)
    assert outcome.add(str(desk.cache), str(desk.project), made)


@pytest.mark.unlike_wine("a lock that is held is an error without a number")
def test_a_sound_project(desk):
    """Nothing is wrong, and the exit code is 0."""
    found = looked(wrapped(desk))
    assert {state for state, *_ in found.values()} <= {"fine", "note"}
    assert found["switch"][1] == "pip and uv ask freshwheel, which asks flit_core.buildapi"
    assert {"freshwheel", "store", "locks", "room", "tools", "observation", "last", "inputs"} <= found.keys()


def test_a_line_for_each(desk):
    """For people each thing is one line that begins with how it stands; what mends it is below."""
    code, out, _ = wrapped(desk, requires='"flit-core"')("doctor")
    assert code == 1
    lines = out.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("wrong  switch"))
    assert lines[at + 1] == "  `freshwheel init` completes it"


@pytest.mark.parametrize(
    ("requires", "backend"),
    [('"flit-core"', "freshwheel"), ('"freshwheel"', "flit_core.buildapi"), ('"freshwheel"', "Freshwheel")],
)
def test_a_switch_that_is_half_made(desk, requires, backend):
    """It is said what keeps frontends from freshwheel."""
    state, what, todo = looked(wrapped(desk, requires, backend))["switch"]
    assert (state, todo) == ("wrong", "`freshwheel init` completes it")
    assert "build-system" in what


def test_a_project_that_has_not_switched(desk):
    """Nothing is wrong with it, and it is said whom installers ask."""
    desk.files("demo/pyproject.toml", of=PLAIN)
    assert looked(desk)["switch"][:2] == ("note", "pip and uv ask hatchling.build, and not freshwheel")


def test_a_misspelt_setting(desk):
    """It is named by its path, with the one that is meant."""
    state, what, todo = looked(desk.pyproject('exlude = ["docs/**"]'))["settings"]
    assert (state, what.partition(":")[0]) == ("wrong", "tool.freshwheel.exlude")
    assert "exclude" in todo


def test_a_misspelt_variable(desk, monkeypatch):
    """It is named, with the one that is meant."""
    monkeypatch.setenv("FRESHWHEEL_STROE", "off")
    state, what, todo = looked(desk.pyproject())["settings"]
    assert (state, what.partition(":")[0]) == ("wrong", "FRESHWHEEL_STROE")
    assert "FRESHWHEEL_STORE" in todo


def test_a_file_that_is_no_toml(desk):
    """It is said where it breaks, and the machine is looked at all the same."""
    found = looked(desk.files("demo/pyproject.toml", of="[project\n"))
    assert found["project"][0] == "wrong"
    assert "observation" in found


@pytest.mark.parametrize("place", ["relative", os.devnull])
def test_a_cache_directory_that_can_not_be(desk, monkeypatch, place):
    """Nothing is stored, and the variable that mends it is named."""
    monkeypatch.setenv("FRESHWHEEL_CACHE_DIR", place)
    state, what, todo = looked(desk.pyproject())["store"]
    assert state == "wrong"
    assert what.startswith("nothing is stored: ")
    assert "FRESHWHEEL_CACHE_DIR" in todo


def test_a_store_with_damaged_files(desk):
    """It is a note: they are out of the way."""
    assert looked(desk.pyproject())["store"][0] == "fine"
    [root] = [entry.path for entry in os.scandir(desk.cache) if entry.name.startswith("v")]
    os.makedirs(os.path.join(root, "bad"), exist_ok=True)
    with open(os.path.join(root, "bad", "entry"), "wb"):
        pass
    state, what, todo = looked(desk)["store"]
    assert (state, what.rpartition(" ")[2]) == ("note", "1")
    assert "freshwheel store verify" in todo


def test_switches_that_are_off(desk, monkeypatch):
    """Each is named with where it stands."""
    monkeypatch.setenv("FRESHWHEEL_STORE", "off")
    monkeypatch.setenv("FRESHWHEEL_OBSERVE", "off")
    found = looked(desk.pyproject('label = "off"'))
    assert found["store"][0] == "note"
    assert "FRESHWHEEL_STORE" in found["store"][1]
    assert "FRESHWHEEL_OBSERVE" in found["observation"][1]
    assert "[tool.freshwheel] label" in found["label"][1]


@OBSERVED
def test_what_is_observed_already(desk, tmp_path):
    """Below another observer no build can be observed, and it is said why."""
    desk.pyproject()
    code = "from freshwheel.cli.main import main; import sys; sys.exit(main())"
    command = [sys.executable, "-c", code, "doctor", "--json", str(desk.project)]
    logs = tmp_path / "logs"
    logs.mkdir()
    out = tmp_path / "out"
    shell = ["sh", "-c", '"$@" > "$0"', str(out), *command]
    assert observer.run(shell, cwd=None, environ=dict(os.environ), folder=str(logs)).status == 0
    assert "another program observes what runs here" in out.read_text()


def test_builds_without_isolation_and_without_the_backend(desk, monkeypatch):
    """What is missing is named, for the installer that the variable is of."""
    monkeypatch.setenv("UV_NO_BUILD_ISOLATION", "1")
    state, what, todo = looked(desk.pyproject(backend="no_such_backend"))["isolation"]
    assert state == "wrong"
    assert "no_such_backend is not in" in what
    assert "UV_NO_BUILD_ISOLATION" in todo
    monkeypatch.setenv("UV_NO_BUILD_ISOLATION", "0")
    assert "isolation" not in looked(desk)


def test_a_clone_without_git(desk, monkeypatch):
    """It is wrong: what git would say can't be known."""
    monkeypatch.setenv("PATH", str(desk.cache))
    state, what, _ = looked(desk.pyproject())["tools"]
    assert state == "wrong"
    assert "git is not on PATH" in what


def test_a_last_wheel_that_was_not_stored(desk):
    """It is said why, and who says more."""
    decided(desk.pyproject(), unstored="a lock file changed during the build")
    state, what, todo = looked(desk)["last"]
    assert (state, what) == ("note", "its wheel was not stored: a lock file changed during the build")
    assert "freshwheel why" in todo


def test_inputs_that_are_declared_nowhere(desk):
    """Check has found something, and is named."""
    desk.pyproject().files("shared/x.txt").shown(discovered={"../shared/x.txt": "build.rs"})
    state, what, todo = looked(desk)["inputs"]
    assert (state, todo) == ("wrong", "`freshwheel check` says what to do")
    assert "../shared/x.txt" in what


def test_a_folder_without_a_project(desk):
    """The machine is looked at alone."""
    desk.files("demo/readme.txt")
    assert "switch" not in looked(desk)


def test_no_folder(desk):
    """It is said so, without a traceback."""
    code, _, err = desk("doctor", path=desk.root / "nowhere")
    assert code == 2
    assert "there is no such directory" in err


def test_the_account_of_the_last_build(desk):
    """A build that nobody has observed is said to be one."""
    decided(desk.pyproject())
    discoveries.keep_account(str(desk.cache), str(desk.project), discoveries.Page(reason="observation is off"))
    assert looked(desk)["last"][:2] == ("note", "the last build was not observed: observation is off")
