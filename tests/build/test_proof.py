"""Verify mode: what the store has is built once more, clean, before it is handed out."""

import json
import os
import shutil
import sys
import time
import zipfile
from pathlib import Path

import pytest

from freshwheel.base.errors import DifferenceError, InnerError
from freshwheel.build import inner_build, make, recipes
from freshwheel.inner import build_folders
from freshwheel.memory import memory, outcome, replay
from freshwheel.store import upkeep
from freshwheel.store.store import Store

FIXTURE = Path(__file__).parents[2] / "fixtures" / "recording-backend"
VERIFY = {"FRESHWHEEL_STORE": "verify"}
PLANTED = "members['recorded.py'] = b'ANSWER = 3\\n'; members['more.py'] = b''"
ONE_RUN = {"PYTHONPATH": "/elsewhere/pip-build-env-one/site"}


class Whim:
    """Python that a build runs: a variable that it does not ask for by the front door, so that no account has it."""

    def __init__(self, environ):
        self.environ = environ
        self.write_text("")

    def write_text(self, text):
        """Other Python."""
        self.environ["WHIM"] = text


class Tree:
    """A copy of the recording fixture, which builds by a whim that no observer sees."""

    def __init__(self, folder):
        foreign = ("FRESHWHEEL_", "CIBUILD", "RECORDING_", "TOX_", "PYTHONPATH")
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.path, self.dist, self.cache = folder / "tree", folder / "dist", folder / "cache"
        self.log, self.whim, self.said = folder / "calls.jsonl", Whim(self.environ), []
        self.environ |= {
            "RECORDING_LOG": str(self.log),
            "FRESHWHEEL_CACHE_DIR": str(self.cache),
            "RECORDING_DURING": "exec(os.fsdecode(os.environ._data[os.environ.encodekey('WHIM')]))",
        }
        shutil.copytree(FIXTURE, self.path, ignore=shutil.ignore_patterns("__pycache__"))
        self.set('store = "on"')

    def set(self, line, instead=""):
        """A line of the table of freshwheel, beside the others or instead of one."""
        file = self.path / "pyproject.toml"
        text = file.read_text()
        old = instead or 'backend = "recording"'
        assert old in text
        file.write_text(text.replace(old, line if instead else f"{old}\n{line}"))

    def call(self, **environ):
        """One call, as the door would make it, an hour from now: what lies there was written long ago."""
        return recipes.Call(
            tree=str(self.path),
            environ={**self.environ, **environ},
            hook="build_wheel",
            settings=None,
            say=self.said.append,
            now=lambda: time.time_ns() + 3600 * 10**9,
        )

    def wheel(self, **environ):
        """The wheel of the tree: its name, and its bytes."""
        shutil.rmtree(self.dist, ignore_errors=True)
        name = recipes.wheel(self.call(**environ), str(self.dist))
        return name, (self.dist / name).read_bytes()

    def builds(self):
        """How often the inner backend has built."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sum(json.loads(line)["hook"] == "build_wheel" for line in lines)

    def kept(self, side):
        """The one wheel that is kept as `stored` or as `built`."""
        [path] = self.cache.glob(f"{make.FOLDER}/*/{side}/*.whl")
        return path


@pytest.fixture
def tree(tmp_path):
    """A tree, and a cache directory of its own."""
    return Tree(tmp_path)


def replayed(tree, **environ):
    """What the light side answers."""
    shutil.rmtree(tree.dist, ignore_errors=True)
    tree.dist.mkdir()
    settled = time.time_ns() + 3600 * 10**9
    return replay.wheel(
        replay.Call(str(tree.path), {**tree.environ, **environ}, None, now=lambda: settled), str(tree.dist)
    )


def test_ten_honest_hits_are_handed_out_after_ten_builds(tree):
    """Each is built, and each time it is the stored one that is handed out, byte for byte."""
    first = tree.wheel()
    for _ in range(10):
        assert tree.wheel(**VERIFY) == first
    assert tree.builds() == 11
    assert tree.said[-1].endswith("is from the store: a clean build gives the same")
    assert not (tree.cache / make.FOLDER).exists()


def test_planted_difference_is_an_error_that_names_each_member(tree):
    """Both wheels are kept, and nothing is handed out."""
    name, data = tree.wheel()
    tree.whim.write_text(PLANTED)
    with pytest.raises(DifferenceError) as caught:
        tree.wheel(**VERIFY)
    text = caught.value.render()
    assert "  - more.py: only in the built one\n  - recorded.py: other content\n" in text
    assert str(tree.kept("stored").parent.parent) in text
    assert tree.kept("stored").read_bytes() == data
    assert zipfile.ZipFile(tree.kept("built")).read("recorded.py") == b"ANSWER = 3\n"
    assert tree.kept("built").name == name
    assert list(tree.dist.glob("*")) == []
    assert DifferenceError.exit_code == 6


def test_difference_is_on_record(tree):
    """Installers may not show what a build says."""
    tree.wheel()
    tree.whim.write_text(PLANTED)
    with pytest.raises(DifferenceError):
        tree.wheel(**VERIFY)
    newest = outcome.load(str(tree.cache), str(tree.path))[0]
    assert (newest.hook, newest.decided) == ("wheel", "failed")
    assert newest.why == "a clean build gives another wheel: more.py, recorded.py"


@pytest.mark.parametrize(
    "whim",
    [
        "STAMP = (2021, 1, 1, 0, 0, 0); globals().update(STAMP=STAMP)",
        "items = sorted(members.items(), reverse=True); members.clear(); members.update(items)",
    ],
)
def test_times_and_order_of_members_are_no_difference(tree, whim):
    """An installer makes the same of both."""
    first = tree.wheel()
    tree.whim.write_text(whim)
    assert tree.wheel(**VERIFY) == first


def test_bill_of_materials_of_the_build_is_no_difference(tree):
    """That of maturin has a random number and a time; that there is one counts."""
    bill = "members[f'recorded-{_version()}.dist-info/sboms/recorded.cyclonedx.json'] = os.urandom(8)"
    tree.whim.write_text(bill)
    first = tree.wheel()
    assert tree.wheel(**VERIFY) == first
    tree.whim.write_text("")
    with pytest.raises(DifferenceError, match=r"sboms/recorded.cyclonedx.json: only in the stored one"):
        tree.wheel(**VERIFY)


def test_member_that_only_one_build_lets_run_is_a_difference(tree):
    """What can be executed is a part of what is installed."""
    tree.wheel()
    tree.whim.write_text(
        "class Running(zipfile.ZipInfo):\n"
        "    def __init__(self, *words):\n"
        "        super().__init__(*words)\n"
        "        self.external_attr = 0o100755 << 16\n"
        "zipfile = type('Z', (), dict(ZipFile=zipfile.ZipFile, ZIP_DEFLATED=zipfile.ZIP_DEFLATED, ZipInfo=Running))\n"
        "globals().update(zipfile=zipfile)\n"
    )
    with pytest.raises(DifferenceError, match=r"recorded.py: can be executed in the built one only"):
        tree.wheel(**VERIFY)


def test_miss_is_an_ordinary_build_that_is_stored(tree):
    """There is nothing to prove, and the next one is a hit."""
    first = tree.wheel(**VERIFY)
    assert tree.builds() == 1
    assert tree.wheel() == first
    assert tree.builds() == 1


def test_tree_that_moves_meanwhile_proves_nothing_and_is_built(tree):
    """What is handed out then is of the tree as it is now, and no wheel claims what it is not."""
    first = tree.wheel()
    tree.whim.write_text("open('src/recorded.py', 'w').write('ANSWER = 2\\n')")
    assert tree.wheel(**VERIFY)[0] != first[0]
    assert "the inputs moved meanwhile, so nothing is proved" in tree.said
    assert not (tree.cache / make.FOLDER).exists()


def test_backend_that_fails_is_its_own_error(tree):
    """A stored wheel that can't be built any more is not proved."""
    tree.wheel()
    tree.whim.write_text("raise SystemExit(3)")
    with pytest.raises(InnerError):
        tree.wheel(**VERIFY)


def test_what_is_needed_to_build_is_asked_for(tree):
    """A hit leaves the environment empty; one that must be proved may not."""
    tree.wheel(**ONE_RUN)
    assert recipes.requires(tree.call(**ONE_RUN, **VERIFY)) == ["recorded-requirement"]
    assert not (tree.cache / "leases").exists()


def test_metadata_of_a_hit_are_those_of_the_stored_wheel(tree, tmp_path):
    """Nothing is built for them; the wheel that follows is proved."""
    name, _ = tree.wheel()
    prepared = recipes.metadata(tree.call(**VERIFY), str(tmp_path / "prepared"))
    assert name.startswith(prepared.removesuffix(".dist-info"))
    assert tree.builds() == 1


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="no row may be trusted here")
@pytest.mark.parametrize("where", ["environment", "table"])
def test_replay_steps_aside(tree, where):
    """It would hand out without a build; before a proof, and after one."""
    tree.wheel()
    tree.wheel()
    if replayed(tree) is None:
        pytest.skip("no row is trusted here")
    environ = VERIFY if where == "environment" else {}
    if where == "table":
        tree.set('store = "verify"', instead='store = "on"')
    assert replayed(tree, **environ) is None
    tree.wheel(**environ)
    tree.wheel(**environ)
    assert replayed(tree, **environ) is None
    assert tree.builds() == 3


def test_pair_that_cannot_be_kept_is_an_error_all_the_same(tree):
    """The members are named in any case."""
    tree.wheel()
    tree.whim.write_text(PLANTED)
    (tree.cache / make.FOLDER).write_text("")
    with pytest.raises(DifferenceError, match=r"(?s)recorded.py: other content.*they could not be kept"):
        tree.wheel(**VERIFY)


def test_proof_leaves_the_times_in_the_tree_alone(tree):
    """A clean build needs no file to be newer."""
    tree.wheel()
    before = {path: path.stat().st_mtime_ns for path in tree.path.rglob("*") if "__pycache__" not in path.parts}
    tree.wheel(**VERIFY)
    after = {path: path.stat().st_mtime_ns for path in tree.path.rglob("*") if "__pycache__" not in path.parts}
    assert {path: after[path] for path in before if path.is_file()} == {
        path: time for path, time in before.items() if path.is_file()
    }


def test_clean_build_of_a_crate_works_in_an_empty_folder(tree, monkeypatch):
    """Whatever cargo has kept elsewhere; and the record of that folder stays for the next ordinary build."""
    monkeypatch.setattr(inner_build.opinion, "records", lambda *_, **__: inner_build.opinion.Records())
    (tree.path / "Cargo.toml").write_text('[package]\nname = "crate"\nversion = "1.0.0"\n')
    (tree.path / "lib.rs").write_text("")
    (tree.path / "Cargo.lock").write_text("version = 4\n")
    tree.wheel()
    records = sorted((tree.cache / "builds").glob("*"))
    tree.wheel(**VERIFY)
    assert sorted((tree.cache / "builds").glob("*")) == records
    folders = [json.loads(line)["environ"].get("CARGO_TARGET_DIR") for line in tree.log.read_text().splitlines()]
    assert "freshwheel-clean-" in folders[-1]
    assert folders[-1] not in folders[:-1]
    assert not os.path.exists(folders[-1])


def test_kept_build_folder_is_left_alone():
    """Neither a setting nor a variable leads a clean build there."""
    settings = {"build-dir": "kept", "builddir": "kept", "skbuild.build-dir": "kept", "other": "stays"}
    assert build_folders.fresh(settings, "empty") == ({"other": "stays"}, {"SKBUILD_BUILD_DIR": "empty"})
    assert build_folders.fresh(None, "empty")[0] is None


def test_mode_is_a_part_of_what_is_asked():
    """Answers that were given without a proof are not found with it."""
    assert memory.question(None, VERIFY, b"/tree") != memory.question(None, {}, b"/tree")
    assert memory.question(None, VERIFY, b"/tree") != memory.question(None, {"FRESHWHEEL_STORE": "on"}, b"/tree")


def test_store_that_is_gone_is_an_ordinary_build(tree):
    """There is nothing to hold a build against."""
    first = tree.wheel()
    assert upkeep.clear(Store.open(str(tree.cache)).shelf, now=0).entries == 1
    assert tree.wheel(**VERIFY) == first
    assert tree.builds() == 2
