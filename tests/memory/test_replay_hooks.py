"""The last wheel again: the same as the recipes would give, without them, and only while all it rests on holds."""

import dataclasses
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from freshwheel.base import backends, records
from freshwheel.build import inner_build, lookup, recipes, rehearsal
from freshwheel.explain import report
from freshwheel.inner import distributions, machine
from freshwheel.memory import answers, journal, lease, memory, outcome, replay
from freshwheel.sources import disk
from freshwheel.store import shelf

FIXTURES = Path(__file__).parents[2] / "fixtures"
HOUR = 3600 * 10**9
LIGHT = {"sys", "os", "time", "errno", "stat", "struct", "fcntl", "msvcrt", "xxhash", "_imp", "_struct"}
OWN = (
    "about",
    "base",
    "base.environment",
    "base.files",
    "base.frame",
    "base.records",
    "base.rows",
    "hooks",
    "memory",
    "memory.answers",
    "memory.bytecode",
    "memory.journal",
    "memory.lease",
    "memory.memory",
    "memory.replay",
    "sources",
    "store",
    "store.shelf",
)

pytestmark = pytest.mark.skipif(
    os.name == "nt" or disk.slack(tempfile.gettempdir()) is None,
    reason="no row is trusted here",
)


def later():
    """The clock an hour from now: what lies there was written long ago."""
    return time.time_ns() + HOUR


class Tree:
    """A copy of the recording fixture with the store on, a few programs, and a cache."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "tree"
        shutil.copytree(FIXTURES / "recording-backend", self.path, ignore=shutil.ignore_patterns("__pycache__"))
        self.cache, self.dist, self.log = folder / "cache", folder / "dist", folder / "calls.jsonl"
        self.bin, self.said = folder / "bin", []
        for name in ("dist", "home", "bin", "earlier"):
            (folder / name).mkdir()
        self.program("ninja")
        self.environ = {
            "LANG": "C.UTF-8",  # else Python sets LC_CTYPE
            "HOME": str(folder / "home"),
            "PATH": os.pathsep.join([str(folder / "earlier"), str(self.bin)]),
            "RECORDING_LOG": str(self.log),
            "FRESHWHEEL_CACHE_DIR": str(self.cache),
            "DEMO_FAST": "1",
        }
        self.configure('backend = "recording"', 'backend = "recording"\nstore = "on"\nenv = ["DEMO_FAST", "DEMO_SLOW"]')

    def program(self, name, folder="bin"):
        """A program that is no script."""
        shutil.copy(shutil.which("true"), self.folder / folder / name)

    def configure(self, old, new):
        """Another `pyproject.toml`."""
        file = self.path / "pyproject.toml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def call(self, settings=None, clock=later, **environ):
        """One call, as the door would make it."""
        return recipes.Call(
            tree=str(self.path),
            environ={**self.environ, **environ},
            hook="build_wheel",
            settings=settings,
            say=self.said.append,
            now=clock,
        )

    def heavy(self, settings=None, clock=later, **environ):
        """The wheel as the recipes give it: its name and its bytes."""
        shutil.rmtree(self.dist)
        self.dist.mkdir()
        name = recipes.wheel(self.call(settings, clock, **environ), str(self.dist))
        return name, (self.dist / name).read_bytes()

    def learn(self, **how):
        """A build, and what it left is seen once more."""
        first = self.heavy(**how)
        assert self.heavy(**how) == first
        return first

    def wheel(self, settings=None, clock=later, **environ):
        """The wheel as it is handed out once more; None where that can't be."""
        given = replay.wheel(
            replay.Call(str(self.path), {**self.environ, **environ}, settings, now=clock), str(self.dist)
        )
        return None if given is None else (given[0], (self.dist / given[0]).read_bytes())

    def there_and_back(self):
        """Another state of the sources is built, and the first one stands there once more."""
        file = self.path / "src" / "recorded.py"
        text = file.read_text()
        file.write_text("ANSWER = 2\n")
        self.learn()
        file.write_text(text)

    def sweep(self):
        """Installers hand over an empty folder each time."""
        shutil.rmtree(self.dist)
        self.dist.mkdir()

    def calls(self):
        """How often the inner backend was asked anything."""
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    @property
    def answer(self):
        """The one answer that is kept."""
        [path] = (self.cache / "answers").iterdir()
        return answers.Answer.of(records.read(str(path), answers._MAGIC)[1])

    @property
    def blob(self):
        """Where the finished wheel lies in the store."""
        return Path(shelf.at(str(self.cache)).blob_place(self.answer.blob.sha256))


@pytest.fixture
def tree(tmp_path):
    """A tree that nobody has built."""
    return Tree(tmp_path)


@pytest.fixture
def known(tree):
    """A tree whose answer is known."""
    tree.learn()
    assert tree.wheel() is not None
    return tree


# --- the same answer


def test_wheel_is_the_first_one_again(tree):
    """Byte for byte what the build and the store gave, as often as one asks, and nobody asks the inner backend."""
    first = tree.heavy()
    assert tree.heavy() == first
    asked = tree.calls()
    shutil.rmtree(tree.dist)
    tree.dist.mkdir()
    assert [tree.wheel(), tree.wheel()] == [first, first]
    assert os.listdir(tree.dist) == [first[0]]
    assert tree.calls() == asked


def test_metadata_is_that_of_the_recipes(known, tmp_path):
    """The same files with the same bytes; neither RECORD nor mark."""
    name = replay.metadata(replay.Call(str(known.path), known.environ, None, now=later), str(tmp_path / "light"))
    assert recipes.metadata(known.call(), str(tmp_path / "heavy")) == name
    light, heavy = (
        {path.relative_to(top): path.read_bytes() for path in top.rglob("*") if path.is_file()}
        for top in (tmp_path / "light", tmp_path / "heavy")
    )
    assert light == heavy
    assert {path.name for path in light} == {"METADATA", "WHEEL"}


def test_edit_and_its_taking_back_are_followed(known):
    """Another content is for the recipes, and the earlier one is known still, whatever its times."""
    first, file = known.wheel(), known.path / "src" / "recorded.py"
    text = file.read_bytes()
    file.write_text("ANSWER = 2\n")
    assert known.wheel() is None
    file.write_bytes(text)
    assert known.wheel() == first


def test_there_and_back_is_answered_without_the_recipes(known):
    """Two states of the sources, each built once: each is known as soon as it stands there, in turn."""
    first, file = known.wheel(), known.path / "src" / "recorded.py"
    text = file.read_text()
    file.write_text("ANSWER = 2\n")
    second = known.learn()
    assert second[1] != first[1]
    asked = known.calls()
    for state, expected in 2 * ((text, first), ("ANSWER = 2\n", second)):
        file.write_text(state)
        known.sweep()
        assert known.wheel() == expected
    file.write_text("ANSWER = 3\n")
    assert known.wheel() is None
    assert known.calls() == asked


def test_reason_after_there_and_back(known):
    """The state that stood there last, and was answered without the recipes, is what an edit is told against."""
    known.there_and_back()
    known.sweep()
    assert known.wheel() is not None
    (known.path / "src" / "other.py").write_text("")
    found = report.why(known.call())
    assert found.compared.inputs.added == ("src/other.py",)
    assert not found.compared.inputs.changed


def test_each_question_has_its_own_answer(known):
    """Settings of the inner backend are in the key, so they never share an answer."""
    assert known.wheel({"a": "1"}) is None
    first = known.wheel()
    known.heavy({"a": "1"})
    assert known.wheel({"a": "1"}) is not None
    assert known.wheel({}) == first


def test_answers_that_are_given_again_are_on_record(known, tmp_path):
    """`why` names each installation before those of the recipes, with the same wheel, and the time it has saved."""
    assert replay.metadata(replay.Call(str(known.path), known.environ, None, now=later), str(tmp_path / "info"))
    name, _ = known.wheel()
    found = report.why(known.call()).outcomes
    assert (found[0].hook, found[0].decided, found[0].wheel) == ("wheel", "hit", name)
    assert found[0].saved == int.from_bytes(known.answer.took, "little")
    assert found[0].why == "nothing that needs a build has changed"
    assert (found[0].digest, found[0].key) == (known.answer.digest.decode(), known.answer.key.decode())
    assert found[1].decided in ("hit", "built")
    for _ in range(100):
        known.wheel()
    assert len(report.why(known.call()).outcomes) <= outcome.MOST


def test_answer_given_again_is_of_an_environment_as_the_first_one(known):
    """So that what an installer has put there is compared with it, as with the build."""
    first = report.why(known.call()).outcomes[0]
    outcome.add(str(known.cache), str(known.path), dataclasses.replace(first, decided="built", isolated=True, when=1))
    known.wheel()
    again = report.why(known.call()).outcomes[0]
    assert (again.decided, again.key, again.isolated) == ("hit", first.key, True)


def test_wheel_that_was_given_again_is_what_the_tree_is_held_against(known):
    """An edit and its taking back: the last wheel is the first one once more, and nothing differs."""
    known.there_and_back()
    name, _ = known.heavy()
    known.learn()
    assert known.wheel()[0] == name
    found = report.why(known.call())
    assert (found.last.wheel, found.compared.sources, found.last.why) == (name, False, found.outcomes[0].why)


@pytest.mark.parametrize("record", [b"", b"\xff\n\n1 2 3\n", b"1 none wheel t a b c 1 2\n", b"1 again wheel a b c d\n"])
def test_damaged_record_of_answers_is_passed_over(known, record):
    """It is for people; an answer needs none of it."""
    first = known.wheel()
    Path(journal.places(str(known.cache))[0]).write_bytes(record)
    assert journal.load(str(known.cache)) == []
    assert known.wheel() == first
    assert report.why(known.call()).outcomes[0].hook == "wheel"


def test_variable_that_a_build_has_asked_for_is_observed(tree, monkeypatch):
    """It is in no key, and all the same the answer rests on it."""
    original = inner_build.build

    def asking(context, private, **options):
        return dataclasses.replace(original(context, private, **options), names=frozenset(("OPENSSL_DIR",)))

    monkeypatch.setattr(inner_build, "build", asking)
    first = tree.learn(OPENSSL_DIR="/one")
    assert tree.wheel(OPENSSL_DIR="/one") == first
    assert tree.wheel(OPENSSL_DIR="/two") is None
    assert tree.wheel() is None


def test_an_entry_that_is_used_is_not_old(known):
    """What is handed out without a look at its entry is kept as well."""
    path = shelf.at(str(known.cache)).entry_place(known.answer.entry.decode())
    os.utime(path, (1, 1))
    assert known.wheel() is not None
    assert time.time() - os.stat(path).st_mtime < 60


def test_no_variable_can_be_read_in_the_answer(known):
    """Neither a value nor the place of the private files of a user."""
    known.heavy(DEMO_SLOW="canary")
    assert all(b"canary" not in path.read_bytes() for path in (known.cache / "answers").iterdir())


# --- whatever moves


def test_whatever_moves_is_for_the_recipes(known):
    """Each variable that shapes the wheel, set, changed or gone; each family; PATH with other folders."""
    environ = known.environ
    assert known.wheel(DEMO_FAST="2") is None
    assert known.wheel(DEMO_SLOW="1") is None
    assert known.wheel(CARGO_PROFILE_RELEASE_LTO="true") is None
    assert known.wheel(CMAKE_NEW="1") is None
    assert known.wheel(PATH=os.pathsep.join(reversed(environ["PATH"].split(os.pathsep)))) is None
    assert known.wheel(PATH=str(known.bin)) is None
    del environ["DEMO_FAST"]
    assert known.wheel() is None
    environ["DEMO_FAST"] = "1"
    assert known.wheel(CARGO_HTTP_TIMEOUT="3", UNRELATED="1") is not None


def appear(tree):
    """The same program in an earlier folder of PATH."""
    tree.program("ninja", "earlier")


def change(tree):
    """A program with another content."""
    with open(tree.bin / "ninja", "ab") as file:
        file.write(b"\0")


def vanish(tree):
    """A program that is gone."""
    (tree.bin / "ninja").unlink()


def replace(tree):
    """A program renamed over the one that was there, with its times."""
    tree.program("other")
    os.utime(tree.bin / "other", ns=(0, os.stat(tree.bin / "ninja").st_mtime_ns))
    os.replace(tree.bin / "other", tree.bin / "ninja")


def arrive(tree):
    """A program that was not there."""
    tree.program("cmake", "earlier")


def set_up(tree):
    """A configuration of cargo above the tree."""
    (tree.folder / ".cargo").mkdir()
    (tree.folder / ".cargo" / "config.toml").write_text("[build]\n")


def turn_off(tree):
    """No store for this project."""
    tree.configure('store = "on"', 'store = "off"')


def touch(tree):
    """Settings that were written again."""
    os.utime(tree.path / "pyproject.toml")


def unpack(tree):
    """The tree of a source distribution."""
    (tree.path / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: recorded\nVersion: 1.2.3\n")


def add_source(tree):
    """One more input."""
    (tree.path / "src" / "new.py").touch()


def remove_entry(tree):
    """No entry for this key."""
    os.unlink(shelf.at(str(tree.cache)).entry_place(tree.answer.entry.decode()))


def remove_blob(tree):
    """No wheel."""
    tree.blob.unlink()


def damage_blob(tree):
    """A wheel with one other bit."""
    tree.blob.chmod(0o600)
    data = tree.blob.read_bytes()
    tree.blob.write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])


def open_store(tree):
    """A store that others may write in."""
    tree.cache.chmod(0o777)


def forget(tree):
    """No memory of the tree."""
    shutil.rmtree(tree.cache / "memory")


MOVES = [appear, change, vanish, replace, arrive, set_up, turn_off, touch, unpack, add_source]
FAULTS = [remove_entry, remove_blob, damage_blob, open_store, forget]


@pytest.mark.parametrize("move", [*MOVES, *FAULTS], ids=lambda move: move.__name__)
def test_what_moved_or_is_at_fault_is_for_the_recipes(known, move):
    """Programs, absences, settings, inputs, store and memory; and the recipes have an answer then."""
    name, _ = known.wheel()
    (known.dist / name).unlink()
    move(known)
    assert known.wheel() is None
    assert os.listdir(known.dist) == []
    known.heavy()


def test_damaged_blob_is_built_anew(known):
    """And is known again."""
    first = known.wheel()
    damage_blob(known)
    assert known.wheel() is None
    assert known.learn() == first
    assert known.wheel() == first


def test_store_that_was_turned_off_stays_off(known):
    """Also when the memory of the tree is new: what was answered under other settings is no answer."""
    turn_off(known)
    known.learn()
    assert known.wheel() is None


@pytest.mark.parametrize(
    "environ", [{"FRESHWHEEL_STORE": "off"}, {"FRESHWHEEL_LABEL": "off"}, {"CIBUILDWHEEL": "1"}], ids=str
)
def test_release_and_a_store_that_is_off_are_never_replayed(known, environ):
    """They are built each time."""
    before = known.calls()
    known.learn(**environ)
    assert known.wheel(**environ) is None
    assert known.calls() > before


@pytest.mark.parametrize(
    ("name", "value"), [("version", "3.99"), ("_base_executable", "/other/python"), ("prefix", "/other")]
)
def test_another_interpreter_is_for_the_recipes(known, monkeypatch, name, value):
    """Or another environment."""
    monkeypatch.setattr(sys, name, value)
    assert known.wheel() is None


def test_distributions_that_came_or_went_are_for_the_recipes(known, monkeypatch):
    """A folder on the path without any says nothing."""
    monkeypatch.setattr(sys, "path", [str(known.bin), *sys.path])
    assert known.wheel() is not None
    (known.folder / "site" / "numpy-2.0.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(known.folder / "site"), *sys.path])
    assert known.wheel() is None
    monkeypatch.setattr(sys, "path", [])
    assert known.wheel() is None


def test_rows_that_are_too_young_are_asked_again(tree):
    """Until they are old enough that no later edit could leave them as they are."""
    tree.learn(clock=time.time_ns)
    assert not (tree.cache / "answers").exists()
    assert tree.wheel(clock=time.time_ns) is None
    tree.learn()
    assert tree.wheel() is not None


def test_file_system_without_exact_times_is_not_believed(tree, monkeypatch):
    """Rows of a network prove nothing."""
    monkeypatch.setattr(rehearsal.disk, "slack", lambda _: None)
    tree.learn()
    assert not (tree.cache / "answers").exists()


def test_what_can_not_be_known_is_not_kept(tree, monkeypatch):
    """A hit of the store may be proved by asking again, and not by rows."""
    gather = machine.gather

    def doubted(*arguments, **options):
        found = gather(*arguments, **options)
        found.lookout.distrust("it")
        return found

    monkeypatch.setattr(machine, "gather", doubted)
    tree.heavy()
    tree.heavy()
    assert not (tree.cache / "answers").exists()


def test_what_decides_about_lean_requirements_is_watched(tree, monkeypatch):
    """Programs and variables that make one of them needless, present or not."""
    seen = []
    monkeypatch.setattr(rehearsal, "keep", lambda case, entry, *_: seen.append((case, entry)))
    tree.heavy()
    [(case, entry)] = seen
    extra = backends.Extra(requirement="samurai", programs=("samu", "ninja"), unless="NO_SAMURAI")
    context = dataclasses.replace(case.context, backend=dataclasses.replace(case.context.backend, lean_extras=(extra,)))
    found = rehearsal._looked(dataclasses.replace(case, context=context, lean=("samurai",)), entry.discovered)
    assert "NO_SAMURAI" in found.names
    assert {os.fsencode(tree.bin / "samu"), os.fsencode(tree.folder / "earlier" / "samu")} <= found.absent
    assert os.fsencode(tree.bin / "ninja") in found.places


def test_distributions_that_only_a_build_needs_are_not_expected(tmp_path, monkeypatch):
    """In an environment made for one build they will be missing; elsewhere everything stays."""
    rooms = [tmp_path / "pip-build-env-x", tmp_path / "site"]
    for room in rooms:
        for name in ("maturin-1.0.dist-info", "fresh_wheel-0.1.dist-info"):
            (room / name).mkdir(parents=True)
    monkeypatch.setattr(sys, "path", list(map(str, rooms)))
    found = rehearsal._staying(("fresh_wheel-0.1.dist-info",), [str(rooms[0])])
    (rooms[0] / "maturin-1.0.dist-info").rmdir()
    assert found == answers.distributions(sys.path)


# --- the folder of the frontend, and the cache


def test_folder_with_another_wheel_is_for_the_recipes(known):
    """It may be an earlier one, and those go when the new one is in place."""
    name, _ = known.wheel()
    earlier = "recorded-1.2.3+s000000000000-py3-none-any.whl"
    os.rename(known.dist / name, known.dist / earlier)
    assert known.wheel() is None
    assert recipes.wheel(known.call(), str(known.dist)) == name
    assert os.listdir(known.dist) == [name]
    assert known.wheel() is not None


def test_folder_that_is_missing_is_for_the_recipes(known):
    """They make it."""
    shutil.rmtree(known.dist)
    assert replay.wheel(replay.Call(str(known.path), known.environ, None, now=later), str(known.dist)) is None


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions that bind nobody")
def test_cache_that_can_only_be_read_is_read(known):
    """Nothing need be written for a hit."""
    folders = [path for path in (known.cache, *known.cache.rglob("*")) if path.is_dir()]
    for path in folders:
        path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert known.wheel() is not None
    finally:
        for path in folders:
            path.chmod(0o700)


def test_no_cache_is_no_answer(known):
    """Neither is a place in the tree."""
    assert known.wheel(FRESHWHEEL_CACHE_DIR="cache") is None
    assert known.wheel(FRESHWHEEL_CACHE_DIR=str(known.folder / "other")) is None


def test_whatever_goes_wrong_is_for_the_recipes(known, monkeypatch):
    """But for a memory that is full."""
    monkeypatch.setattr(replay.answers, "load", lambda *_: 1 / 0)
    assert known.wheel() is None

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(replay.answers, "load", full)
    with pytest.raises(MemoryError):
        known.wheel()


# --- lean


@pytest.fixture
def lean(tree, monkeypatch):
    """A tree with lean requirements, in an environment that is made for each build."""
    tree.configure('store = "on"', 'store = "on"\nrequires = ["recorded-requirement"]')
    tree.environ["PYTHONPATH"] = str(tree.folder / "pip-build-env-x" / "overlay")
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(lookup, "lean", lambda context, **_: list(context.config.requires))
    for name in ("absent", "unmet"):  # it is an in-tree backend, which needs none
        monkeypatch.setattr(distributions, name, lambda _: [])
    tree.learn()
    return tree


needs_runs = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no run can be told from another here")


def promised(tree):
    """What this run was promised."""
    where = memory.real(str(tree.path))
    asked = answers.question(where, "build_wheel", None, tree.environ)
    return lease.find(str(tree.cache), lease.run(where, tree.environ, asked))


@needs_runs
def test_lean_requires_promise_the_wheel(lean):
    """Nothing is to be installed, for the wheel is kept for this run; its delivery is the end of that."""
    first = lean.heavy()
    assert replay.requires(replay.Call(str(lean.path), lean.environ, None, now=later)) == []
    held = promised(lean)
    assert (held.name, Path(held.wheel).read_bytes()) == first
    assert replay.metadata(replay.Call(str(lean.path), lean.environ, None, now=later), str(lean.dist)) is not None
    assert promised(lean) is not None
    assert lean.wheel() == first
    assert promised(lean) is None
    assert [path for path in lean.cache.iterdir() if path.name.endswith(".tmp")] == []


@needs_runs
def test_promise_of_the_recipes_is_kept_by_the_replay(lean):
    """One run has one name on both roads."""
    assert recipes.requires(lean.call()) == []
    assert promised(lean) is not None
    assert lean.wheel() is not None
    assert promised(lean) is None


@needs_runs
def test_promise_of_the_replay_is_kept_by_the_recipes(lean):
    """Also when the store is lost meanwhile."""
    first = lean.heavy()
    assert replay.requires(replay.Call(str(lean.path), lean.environ, None, now=later)) == []
    shutil.rmtree(lean.cache / "v1")
    assert lean.wheel() is None
    asked = lean.calls()
    assert lean.heavy() == first
    assert lean.calls() == asked


@needs_runs
def test_promise_of_something_else_is_for_the_recipes(lean):
    """A run that was promised another wheel, or told what to install, is theirs."""
    where = memory.real(str(lean.path))
    run = lease.run(where, lean.environ, answers.question(where, "build_wheel", None, lean.environ))
    for wheel in (None, (str(lean.path / "pyproject.toml"), "other-1.0-py3-none-any.whl")):
        lease.grant(str(lean.cache), run, key="k" * 64, digest="d" * 32, wheel=wheel)
        assert lean.wheel() is None
        assert promised(lean) is not None


@needs_runs
def test_leases_do_not_pile_up(lean):
    """Who only asks never fetches what was kept."""
    for number in range(20):
        run = number.to_bytes(16, "big")
        lease.grant(str(lean.cache), run, key="k" * 64, digest="d" * 32, wheel=None)
    old = time.time() - 2 * 86400
    for path in (lean.cache / "leases").iterdir():
        os.utime(path, (old, old))
    assert replay.requires(replay.Call(str(lean.path), lean.environ, None, now=later)) == []
    assert len(list((lean.cache / "leases").iterdir())) == 1


def test_requirements_are_withheld_where_that_was_decided_alone(lean):
    """Not without lean requirements, not in an environment that stays, not where tox asks."""
    assert replay.requires(replay.Call(str(lean.path), {**lean.environ, "TOX_ENV_NAME": "x"}, None, now=later)) is None
    assert replay.requires(replay.Call(str(lean.path), {**lean.environ, "PYTHONPATH": ""}, None, now=later)) is None


@needs_runs
def test_requirements_that_are_too_old_are_for_the_recipes(lean):
    """After a day what is resolved then decides; a run that was promised its wheel has it all the same."""
    first = lean.heavy()

    def tomorrow():
        return later() + 24 * HOUR

    assert replay.requires(replay.Call(str(lean.path), lean.environ, None, now=tomorrow)) is None
    assert lean.wheel(clock=tomorrow) is None
    assert replay.requires(replay.Call(str(lean.path), lean.environ, None, now=later)) == []
    assert lean.wheel(clock=tomorrow) == first


def test_requirements_of_a_build_that_is_not_lean_are_asked_for(known):
    """They are the inner backend's to say."""
    assert replay.requires(replay.Call(str(known.path), known.environ, None, now=later)) is None
    known.environ["PYTHONPATH"] = str(known.folder / "pip-build-env-x" / "overlay")
    known.learn()
    assert known.wheel() is not None
    assert replay.requires(replay.Call(str(known.path), known.environ, None, now=later)) is None


# --- what a hit costs

PROGRAM = """
import sys
before = set(sys.modules)
import freshwheel
answer = {call}
loaded = sorted(set(sys.modules) - before)
import json
print(json.dumps([answer, loaded]))
"""
CALLS = {
    "wheel": "freshwheel.build_wheel(sys.argv[1])",
    "metadata": "freshwheel.prepare_metadata_for_build_wheel(sys.argv[1])",
    "requires": "freshwheel.get_requires_for_build_wheel()",
}


def loaded(tree, hook):
    """What a hook answers in a fresh process, and what it loads beside a bare interpreter."""
    command = [sys.executable, "-c", PROGRAM.format(call=CALLS[hook]), str(tree.dist)]
    done = subprocess.run(
        command, check=True, cwd=tree.path, env=tree.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    answer, names = json.loads(done.stdout)
    own = {"freshwheel", *(f"freshwheel.{name}" for name in OWN)}
    return answer, [name for name in names if name not in own and name.partition(".")[0] not in LIGHT], done.stderr


@pytest.mark.parametrize("hook", ["wheel", "metadata"])
def test_hit_loads_the_light_column_only(known, hook):
    """No recipe, no TOML, no zip; and one line says what was done."""
    name, data = known.wheel()
    (known.dist / name).unlink()
    asked = known.calls()
    answer, others, said = loaded(known, hook)
    assert others == []
    assert known.calls() == asked
    if hook == "wheel":
        assert (answer, (known.dist / name).read_bytes()) == (name, data)
        assert said.startswith(f"freshwheel: {name} is from the store: nothing that needs a build has changed")
    else:
        assert (known.dist / answer / "METADATA").exists()


def test_line_of_a_hit_says_what_it_has_saved(known):
    """The time of the build that was not needed."""
    answer = known.answer
    answer.took = (41_000).to_bytes(8, "little")
    assert answers.save(str(known.cache), answer)
    said = loaded(known, "wheel")[2]
    assert said.endswith("nothing that needs a build has changed, saved 41 s\n")


@needs_runs
def test_lean_requires_load_the_light_column_only(lean):
    """The wheel is kept for the run without a look into it."""
    answer, others, _ = loaded(lean, "requires")
    assert (answer, others) == ([], [])


def test_miss_loads_the_recipes(known):
    """The watch over what is loaded can see them."""
    (known.path / "src" / "recorded.py").write_text("ANSWER = 2\n")
    answer, others, _ = loaded(known, "wheel")
    assert "zipfile" in others
    assert (known.dist / answer).exists()


def test_lock_that_git_ignores_is_observed(tree, monkeypatch):
    """It is no input, so that no digest tells that it moved, and was born or went."""
    monkeypatch.setattr(inner_build.opinion, "records", lambda *_, **__: inner_build.opinion.Records())
    lock = tree.path / "Cargo.lock"
    (tree.path / ".gitignore").write_text("Cargo.lock\n")
    (tree.path / "Cargo.toml").write_text('[package]\nname = "locked"\nversion = "1.0.0"\n')
    (tree.path / "lib.rs").write_text("")
    bare = tree.learn()
    assert tree.wheel() == bare
    lock.write_text("one")
    assert tree.wheel() is None
    first = tree.learn()
    assert tree.wheel() == first
    lock.write_text("two")
    assert tree.wheel() is None
