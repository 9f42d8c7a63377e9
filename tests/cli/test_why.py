"""What why says: what differs from the last wheel, by name, what was decided before, and no secret."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from freshwheel.base import environment
from freshwheel.base.errors import InnerError
from freshwheel.build import explanation, recipes
from freshwheel.cli import verbs
from freshwheel.cli.main import main
from freshwheel.inner import build_key
from freshwheel.memory import journal, outcome

FIXTURE = Path(__file__).parents[2] / "fixtures" / "recording-backend"
CANARY = "canary-value"


class Bench:
    """A copy of the recording backend, its hooks, and a person who asks why."""

    def __init__(self, folder, capture, monkeypatch):
        self.path = folder / "tree"
        self.cache = folder / "cache"
        self.dist = folder / "dist"
        self.capture = capture
        self.monkeypatch = monkeypatch
        self.said = []
        shutil.copytree(FIXTURE, self.path, ignore=shutil.ignore_patterns("__pycache__"))
        self.configure('backend = "recording"', 'backend = "recording"\nstore = "on"\nenv = ["SPECIAL"]')

    def configure(self, old, new):
        """Another `pyproject.toml`."""
        file = self.path / "pyproject.toml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def write(self, name, text="# one\n"):
        """A file of the project."""
        (self.path / name).write_text(text)

    def call(self, hook="build_wheel", settings=None):
        """One call of a hook."""
        return recipes.Call(
            tree=str(self.path), environ=dict(os.environ), hook=hook, settings=settings, say=self.said.append
        )

    def build(self, hook="build_wheel", settings=None):
        """What is said while a wheel is built or found."""
        self.said.clear()
        shutil.rmtree(self.dist, ignore_errors=True)
        recipes.wheel(self.call(hook, settings), str(self.dist))
        return list(self.said)

    def outcomes(self):
        """What is on record."""
        return outcome.load(str(self.cache), str(self.path))

    def why(self, *more):
        """Standard output of one call, which is never a failure."""
        code = main(["why", *more, str(self.path)])
        out, err = (data.decode() for data in self.capture.readouterr())
        assert (code, err) == (0, "")
        return out

    def json(self):
        """The same, parsed."""
        return json.loads(self.why("--json"))


@pytest.fixture
def bench(tmp_path, capsysbinary, monkeypatch):
    """A tree that was never built, and a cache directory of its own."""
    for name in [name for name in os.environ if name.startswith(("FRESHWHEEL_", "CIBUILD", "TOX_", "PYTHONPATH"))]:
        monkeypatch.delenv(name)
    made = Bench(tmp_path, capsysbinary, monkeypatch)
    monkeypatch.setenv("FRESHWHEEL_CACHE_DIR", str(made.cache))
    monkeypatch.setenv("RECORDING_LOG", str(tmp_path / "calls.jsonl"))
    return made


def test_a_tree_that_was_never_built(bench):
    """It is said that nothing is on record."""
    assert "nothing is on record" in bench.why()
    found = bench.json()
    assert (found["last"], found["inputs"], found["parts"], found["outcomes"]) == (None, None, None, [])


def test_a_tree_that_is_as_it_was(bench):
    """Nothing differs, and the one outcome is listed."""
    bench.build()
    found = bench.json()
    assert found["inputs"] == {"changed": [], "added": [], "removed": []}
    assert (found["parts"], found["apart"], found["sources"], found["store"]) == ([], [], False, "")
    assert [(one["hook"], one["decided"], one["why"]) for one in found["outcomes"]] == [
        ("wheel", "built", "first build here")
    ]
    assert "nothing that needs a build has changed" in bench.why()


def test_inputs_that_differ_are_named(bench):
    """Changed, added and removed ones, each under its word."""
    bench.write("src/gone.py")
    bench.build()
    bench.write("src/recorded.py", "ANSWER = 2\n")
    bench.write("src/new.py")
    (bench.path / "src" / "gone.py").unlink()
    found = bench.json()
    assert found["inputs"] == {"changed": ["src/recorded.py"], "added": ["src/new.py"], "removed": ["src/gone.py"]}
    assert found["sources"]
    out = bench.why()
    assert "1 input changed\n  src/recorded.py\n" in out
    assert "1 input added\n  src/new.py\n" in out
    assert "1 input removed\n  src/gone.py\n" in out


def test_very_many_inputs_are_counted(bench):
    """People see a few, programs all."""
    bench.build()
    for number in range(30):
        bench.write(f"src/m{number}.py")
    assert "30 inputs added" in bench.why()
    assert "and 10 more" in bench.why()
    assert len(bench.json()["inputs"]["added"]) == 30


def test_a_variable_is_named_and_its_value_is_not(bench):
    """Neither the value before nor the one after is shown, or kept in the record."""
    bench.monkeypatch.setenv("SPECIAL", f"{CANARY}-1")
    bench.build(settings={"token": f"{CANARY}-2"})
    bench.monkeypatch.setenv("SPECIAL", f"{CANARY}-3")
    found = bench.json()
    assert {one["name"]: (one["what"], one["before"], one["after"]) for one in found["parts"]} == {
        "environment SPECIAL": ("changed", None, None),
        "setting token": ("gone", None, None),
    }
    assert "environment SPECIAL: changed\n" in bench.why()
    assert "environment SPECIAL changed" in bench.build(settings={"token": f"{CANARY}-2"})[0]
    texts = [bench.why(), json.dumps(found), *bench.said]
    texts += [path.read_bytes().decode("latin-1") for path in (bench.cache / "trees").iterdir()]
    assert [text for text in texts if CANARY in text] == []


def test_the_reason_of_a_build_is_said_and_kept(bench):
    """First, edited, both in one line, and a hit that has its own."""
    name = "recorded-"
    [first] = bench.build()
    assert first.startswith(name)
    assert first.endswith(".whl was built: first build here")
    [hit] = bench.build()
    assert "is from the store: nothing that needs a build has changed" in hit
    bench.write("src/recorded.py", "ANSWER = 2\n")
    for number in range(4):
        bench.write(f"src/m{number}.py")
    bench.monkeypatch.setenv("SPECIAL", "x")
    [again] = bench.build()
    assert again.endswith(
        "was built: 1 input changed: src/recorded.py; "
        "4 inputs added: src/m0.py, src/m1.py, src/m2.py and 1 more; environment SPECIAL is new"
    )
    assert [(one.decided, bool(one.wheel), len(one.key)) for one in bench.outcomes()] == [
        ("built", True, 64),
        ("hit", True, 64),
        ("built", True, 64),
    ]
    assert again.endswith(bench.outcomes()[0].why)


def test_a_build_that_is_not_stored_says_why(bench):
    """Then and the next time, when nothing differs."""
    flag = bench.cache.parent / "flag"
    during = f"import os; os.path.exists({str(flag)!r}) and open('src/recorded.py', 'a').write('#')"
    bench.monkeypatch.setenv("RECORDING_DURING", during)
    flag.touch()
    *_, said = bench.build()
    assert "first build here; it is not stored: the inputs moved during the build" in said
    assert bench.outcomes()[0].unstored == "the inputs moved during the build"
    assert bench.outcomes()[0].written == ("src/recorded.py",)
    flag.unlink()
    shutil.copy(FIXTURE / "src" / "recorded.py", bench.path / "src" / "recorded.py")
    [said] = bench.build()
    assert "the last one was not stored: the inputs moved during the build" in said


def test_a_store_that_is_off_is_quiet(bench):
    """The build is on record, and nobody is told what is to be expected."""
    bench.monkeypatch.setenv("FRESHWHEEL_STORE", "off")
    assert bench.build() == []
    assert bench.outcomes()[0].why == "the store is off"
    assert bench.json()["store"] == "the store is off"
    assert bench.json()["parts"] is None
    assert "the store has no say: the store is off" in bench.why()


def test_a_release_is_quiet(bench):
    """It is always built."""
    bench.monkeypatch.setenv("FRESHWHEEL_LABEL", "off")
    assert bench.build() == []
    assert bench.outcomes()[0].why == "this is a release"


def test_without_a_cache_directory(bench):
    """Nothing is kept, nothing is said, and why still answers."""
    bench.monkeypatch.setenv("FRESHWHEEL_CACHE_DIR", "relative")
    assert bench.build() == []
    assert "nothing is on record" in bench.why()


def test_a_refused_store_is_said(bench):
    """It is not to be expected, and there is something to do about it."""
    if os.name == "nt":
        pytest.skip("POSIX permissions")
    bench.build()
    bench.cache.chmod(0o777)
    [said] = bench.build()
    assert "was built: others may write in" in said
    assert "chmod go-w" in said


def test_a_store_that_was_cleared(bench):
    """Nothing differs, not even what is shown of secrets with another salt."""
    bench.monkeypatch.setenv("SPECIAL", "x")
    bench.build()
    shutil.rmtree(bench.cache / "v1")
    [said] = bench.build()
    assert said.endswith("was built: the store does not have it")


def test_an_editable_wheel_is_an_outcome(bench):
    """It is what the tree is held against while no other is newer."""
    assert bench.build("build_editable") == []
    bench.write("src/new.py")
    found = bench.json()
    assert (found["last"]["hook"], found["inputs"]["added"], found["parts"]) == ("editable", ["src/new.py"], None)
    bench.build()
    assert bench.json()["last"]["hook"] == "wheel"
    bench.build("build_editable")
    assert bench.json()["last"]["hook"] == "editable"


def test_metadata_is_an_outcome(bench, tmp_path):
    """A miss, then a hit, each for as long as no wheel comes of it; the wheel stays what is compared with."""
    recipes.metadata(bench.call(), str(tmp_path / "a"))
    assert [(one.hook, one.decided) for one in bench.outcomes()] == [("metadata", "miss")]
    bench.build()
    recipes.metadata(bench.call(), str(tmp_path / "b"))
    assert [(one.hook, one.decided) for one in bench.outcomes()] == [
        ("metadata", "hit"),
        ("wheel", "built"),
    ]
    assert bench.json()["last"]["hook"] == "wheel"


def test_outcomes_do_not_move_the_memory(bench):
    """A record that is written is no reason to look at the tree again: nothing watches it."""
    bench.build()
    before = sorted(path.name for path in (bench.cache / "memory").iterdir())
    stamp = recipes.source_digest(bench.call())
    outcome.add(str(bench.cache), str(bench.path), outcome.Outcome(hook="wheel", decided="hit", why="x"))
    assert recipes.source_digest(bench.call()) == stamp
    assert sorted(path.name for path in (bench.cache / "memory").iterdir()) == before
    held = b"".join(path.read_bytes() for path in (bench.cache / "memory").iterdir())
    assert b".outcomes" not in held
    assert b".inputs" not in held


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no run can be told from another here")
def test_a_run_that_was_promised_a_wheel(bench, tmp_path):
    """It is on record once, with the key that its first hook had found; the next run says what was edited."""
    bench.monkeypatch.setenv("PYTHONPATH", "/elsewhere/pip-build-env-one/site")
    bench.build()
    assert recipes.requires(bench.call()) == []
    recipes.metadata(bench.call(), str(tmp_path / "metadata"))
    [said] = bench.build()
    assert "is from the store: nothing that needs a build has changed" in said
    found = bench.outcomes()
    assert [(one.hook, one.decided) for one in found] == [
        ("wheel", "lease"),
        ("wheel", "built"),
    ]
    assert {one.key for one in found} == {found[0].key}
    assert len({one.digest for one in found}) == 1
    assert all(one.isolated for one in found)
    assert found[0].parts
    bench.write("src/recorded.py", "ANSWER = 2\n")
    bench.monkeypatch.setenv("PYTHONPATH", "/elsewhere/pip-build-env-two/site")
    recipes.requires(bench.call())
    assert (bench.outcomes()[0].decided, bench.outcomes()[0].why) == ("miss", "1 input changed: src/recorded.py")
    assert bench.build()[0].endswith("was built: 1 input changed: src/recorded.py")


@pytest.mark.parametrize("harm", [b"", b"{", b"\0" * 99, b'{"edition": 1}'])
def test_a_damaged_record(bench, harm):
    """It is no record, in why and in a build."""
    bench.build()
    for path in (bench.cache / "trees").glob("*.outcomes"):
        path.write_bytes(harm)
    for path in (bench.cache / "trees").glob("*.inputs"):
        path.write_bytes(harm)
    assert "nothing is on record" in bench.why()
    bench.write("src/new.py")
    [said] = bench.build()
    assert said.endswith("first build here")


def test_what_an_environment_for_one_build_has_is_not_compared(bench):
    """Outside of it the requirements are not installed, and that is no difference."""
    with bench.monkeypatch.context() as patch:
        patch.setattr(environment, "isolation", lambda _: ("/somewhere",))
        bench.build()
    found = bench.json()
    assert [one for one in found["parts"] if one["name"].startswith(("distribution ", "requirements"))] == []


def test_recording_is_cheap_and_bounded(bench):
    """A record of twenty outcomes with large keys stays below 64 KiB."""
    for number in range(25):
        parts = {f"distribution d{one}": "1.0 (0123456789abcdef)" for one in range(100)}
        outcome.add(
            str(bench.cache),
            str(bench.path),
            outcome.Outcome(hook="wheel", decided="built", why="x" * 100, key=f"{number}", parts=parts),
        )
    assert Path(outcome.place(str(bench.cache), str(bench.path))).stat().st_size < 1 << 16


def test_nothing_is_started_to_explain(bench, monkeypatch):
    """No command, and no tool: what commands would say is not compared, and named."""
    trace = bench.path.parent / "trace"
    spy = bench.path.parent / "spy.sh"
    spy.write_text(f"#!/bin/sh\necho $0 >> {trace}\n")
    spy.chmod(0o755)
    bench.configure('store = "on"', f'store = "on"\ncommands = [["{spy}"]]')
    monkeypatch.setenv("CC", str(spy))
    bench.build()
    assert trace.exists()
    trace.unlink()
    out, found = bench.why(), bench.json()
    assert not trace.exists()
    assert f"command {spy}" in out.partition("not asked")[2]
    assert {f"command {spy}", f"output {spy}"} == set(found["unasked"])
    bench.configure(f'[["{spy}"]]', f'[["{spy}"], ["{spy}", "two"]]')
    assert f"next: build, command {spy} two is new" in bench.why()
    assert found["parts"] == []


def test_each_installation_is_one_row_with_what_it_took_and_saved(bench, tmp_path):
    """However many hooks it had; a build that failed has its row as well, and how it failed."""
    recipes.requires(bench.call())
    recipes.metadata(bench.call(), str(tmp_path / "a"))
    bench.build()
    recipes.metadata(bench.call(), str(tmp_path / "b"))
    bench.build()
    bench.write("src/recorded.py", "ANSWER = 2\n")
    bench.monkeypatch.setenv("RECORDING_DURING", "raise SystemExit(3)")
    with pytest.raises(InnerError):
        bench.build()
    bench.monkeypatch.delenv("RECORDING_DURING")
    rows = [line[20:] for line in bench.why().partition("the newest first\n")[2].splitlines()]
    patterns = [
        r"failed after \d\.\d s: 1 input changed: src/recorded\.py.*; recording failed in build_wheel: exit status 3",
        r"hit in \d\.\d s(, saved \d\.\d s)?: nothing that needs a build has changed",
        r"built in \d\.\d s: first build here",
    ]
    assert [bool(re.fullmatch(pattern, row)) for pattern, row in zip(patterns, rows, strict=True)] == [True] * 3
    failed, hit, built = bench.json()["outcomes"]
    assert (failed["decided"], hit["saved"], built["saved"]) == ("failed", built["took"], 0)
    lines = journal.load(str(bench.cache))
    assert [(kind, name.partition("-")[0]) for _, kind, _, _, name, *_ in lines] == [
        ("failed", "recorded"),
        ("hit", "recorded"),
        ("built", "recorded"),
    ]
    assert bench.json()["last"]["decided"] == "hit"


def test_the_next_installation_is_foretold(bench):
    """First, unmoved, edited, taken back, and after the store was cleared: as it then goes."""

    def next_time():
        found = bench.json()
        said = bench.why().splitlines()[0]
        assert said == ("next: hit" if found["next"] == "hit" else f"next: build, {found['cause']}")
        return found["next"], found["cause"]

    source = (bench.path / "src" / "recorded.py").read_text()
    assert next_time() == ("build", "first build here")
    bench.build()
    assert next_time() == ("hit", "")
    bench.write("src/recorded.py", "ANSWER = 2\n")
    assert next_time() == ("build", "1 input changed: src/recorded.py")
    assert bench.build()[0].endswith("was built: 1 input changed: src/recorded.py")
    bench.write("src/recorded.py", source)
    assert next_time() == ("hit", "")
    assert "is from the store" in bench.build()[0]
    bench.monkeypatch.setenv("SPECIAL", "x")
    assert next_time() == ("build", "environment SPECIAL is new")
    bench.monkeypatch.delenv("SPECIAL")
    assert next_time() == ("hit", "")
    assert main(["store", "clear", "--yes"]) == 0
    bench.capture.readouterr()
    assert next_time() == ("build", "the store does not have it")
    assert bench.build()[0].endswith("was built: the store does not have it")
    bench.configure('store = "on"', 'store = "off"')
    assert next_time() == ("build", "the store is off")


def test_the_next_installation_is_foretold_by_what_builds_have_read(bench, tmp_path):
    """A file elsewhere that a build has read is named, and nothing is built for its old state."""
    (tmp_path / "word").write_text("one")
    bench.monkeypatch.setenv("RECORDING_DURING", f"open({str(tmp_path / 'word')!r}).read()")
    bench.build()
    (tmp_path / "word").write_text("another")
    found = bench.json()
    if found["last"]["unstored"]:
        pytest.skip("nobody sees here what a build reads")
    assert (found["next"], found["cause"]) == ("build", "../word changed, which a build has read")
    (tmp_path / "word").write_text("one")
    assert bench.json()["next"] == "hit"


def test_versions_of_a_requirement_are_named(bench):
    """Between which it has moved, in the line of a build and in why."""
    bench.build()
    [last] = bench.outcomes()
    before = {**last.parts, "distribution idna": "3.7 (0123)", "distribution old": "1 (0123)"}
    after = {**last.parts, "distribution idna": "3.10 (4567)", "distribution new": "2 (0123)"}
    found = explanation.Comparison(
        inputs=outcome.Changes(), sources=False, parts=tuple(build_key.difference(before, after))
    )
    assert explanation.words(found) == ["idna 3.7 → 3.10", "new 2 is new", "old 1 is gone"]
    assert [verbs.difference(one) for one in found.parts] == explanation.words(found)
    others = build_key.difference(before, {**before, "distribution idna": "3.7 (4567)"})
    assert explanation.words(replace(found, parts=tuple(others))) == ["idna 3.7 has other files"]
