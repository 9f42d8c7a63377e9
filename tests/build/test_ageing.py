"""For how long a hit withholds requirements, and what becomes of it then, over an inner backend that records."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from freshwheel.build import recipes
from freshwheel.memory import outcome

FIXTURES = Path(__file__).parents[2] / "fixtures"
DAY = 24 * 3600 * 10**9
ASKED = ["flit_core>=3", "idna"]

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no run can be told from another here")


class Tree:
    """A project whose backend is called flit, and the runs of an installer."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.patch = monkeypatch
        self.path = folder / "tree"
        self.runs = 0
        self.days = 0
        (self.path / "src").mkdir(parents=True)
        (self.path / "src" / "recorded.py").write_text("ANSWER = 1\n")
        self.configure("1d")
        home = {"HOME": str(folder), "FRESHWHEEL_CACHE_DIR": str(folder / "cache")}
        self.environ = {**home, "PATH": os.environ["PATH"], "RECORDING_LOG": str(folder / "calls.jsonl")}

    def configure(self, age):
        """Another `requires-age`."""
        table = (
            f'[tool.freshwheel]\nbackend = "flit_core.buildapi"\nstore = "on"\nobserve = false\nrequires = {ASKED}\n'
        )
        (self.path / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["freshwheel"]\nbuild-backend = "freshwheel"\n'
            f'[project]\nname = "recorded"\ndynamic = ["version"]\n{table}requires-age = "{age}"\n'
        )

    def run(self, idna="3.7", *, deaf=False):
        """What one run was asked to install, and the wheel that it got; a `deaf` installer installs nothing."""
        self.runs += 1
        site = self.folder / f"pip-build-env-{self.runs}" / "site"
        site.mkdir(parents=True)
        self.environ["PYTHONPATH"] = str(site)
        asked = recipes.requires(self.call())
        if asked and not deaf:
            self.install(site, "flit_core", "3.9")
            self.install(site, "idna", idna)
            backend = FIXTURES / "recording-backend" / "_backend" / "recording.py"
            (site / "flit_core" / "__init__.py").write_text("")
            shutil.copy(backend, site / "flit_core" / "buildapi.py")
        with self.patch.context() as patch:
            patch.syspath_prepend(str(site))
            return asked, recipes.wheel(self.call(), str(self.folder / "dist"))

    def install(self, site, name, version):
        """A distribution."""
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text(f"{name}/__init__.py,sha256=x,1\n")
        (site / name).mkdir()

    def call(self):
        """One call, as the door would make it."""
        return recipes.Call(
            tree=str(self.path),
            environ=dict(self.environ),
            hook="build_wheel",
            settings=None,
            say=lambda _: None,
            now=lambda: time.time_ns() + int(self.days * DAY),
        )

    def builds(self):
        """How often the inner backend has built."""
        log = self.folder / "calls.jsonl"
        return sum(json.loads(line)["hook"] == "build_wheel" for line in log.read_text().splitlines())

    def why(self):
        """Why what was done last was done."""
        return outcome.load(str(self.folder / "cache"), str(self.path))[0].why


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree whose wheel is in the store."""
    made = Tree(tmp_path, monkeypatch)
    asked, _ = made.run()
    assert asked[:2] == ASKED
    assert made.builds() == 1
    return made


def test_a_hit_withholds_requirements_for_a_day(tree):
    """Nobody asks the index meanwhile, whatever is there by now."""
    tree.days = 0.9
    assert tree.run("3.10")[0] == []
    assert tree.builds() == 1


def test_after_a_day_they_are_asked_for_once(tree):
    """What is resolved is the same: still a hit, and the day starts again."""
    tree.days = 1.1
    asked, _ = tree.run()
    assert asked[:2] == ASKED
    assert tree.builds() == 1
    tree.days = 2
    assert tree.run("3.10")[0] == []
    tree.days = 2.2
    assert tree.run()[0] != []


def test_another_version_is_built_with(tree):
    """And named; from then on that wheel is the hit."""
    tree.days = 1.1
    tree.run("3.10")
    assert tree.builds() == 2
    assert tree.why() == "idna 3.7 → 3.10"
    tree.days = 2
    assert tree.run()[0] == []
    assert tree.builds() == 2


def test_the_earlier_version_again_is_no_build(tree):
    """Each resolution keeps its wheel."""
    for days, version in ((1.1, "3.10"), (2.2, "3.7"), (3.3, "3.10")):
        tree.days = days
        assert tree.run(version)[0] != []
    assert tree.builds() == 2


def test_for_ever_is_for_ever(tree):
    """Where the table says so."""
    tree.configure("forever")
    tree.run()
    tree.days = 5000
    assert tree.run("3.10")[0] == []


def test_no_time_at_all_asks_each_time(tree):
    """And builds only where something else was resolved."""
    tree.configure("0s")
    before = tree.builds()
    assert tree.run()[0] != []
    assert tree.run()[0] != []
    assert tree.builds() == before + 1
    tree.run("3.10")
    assert tree.builds() == before + 2


@pytest.mark.parametrize("harm", ["gone", "odd", "of others", "of the future"])
def test_a_time_that_nobody_can_believe(tree, harm):
    """It is asked once more."""
    [path] = (tree.folder / "cache" / "resolved").iterdir()
    if harm == "gone":
        path.unlink()
    elif harm == "odd":
        path.write_text("yesterday")
    elif harm == "of others":
        path.chmod(0o666)
    else:
        path.write_text(str(time.time_ns() + 9 * DAY))
    assert tree.run()[0] != []
    assert tree.builds() == 1
    assert tree.run()[0] == []


def test_an_installer_that_does_not_listen(tree):
    """With nothing there to build with, the wheel that is known is better than none."""
    tree.days = 1.1
    _, name = tree.run(deaf=True)
    assert (tree.folder / "dist" / name).exists()
    assert tree.builds() == 1
