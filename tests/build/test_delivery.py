"""What a hit in the first hook of a run loads: a frontend waits for it, in an environment that has no bytecode yet."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from freshwheel.build import output

REPOSITORY = Path(__file__).parents[2]
FIXTURE = REPOSITORY / "fixtures" / "recording-backend"
REQUIRED = ("freshwheel", "packaging", "pyproject-hooks", "tomli", "xxhash")
OWN = (
    "build.editable",
    "build.inner_build",
    "build.make",
    "build.module_copies",
    "build.notice",
    "build.opinion",
    "build.store_policy",
    "inner.build_folders",
    "inner.process",
    "memory.editables",
    "store.upkeep",
    "wheel.archive",
    "wheel.sdist",
)
"""Modules of freshwheel that only a build, an editable, a source distribution, or a wheel made anew needs."""
OTHERS = (
    *("difflib", "importlib.resources", "logging", "packaging", "pathlib", "pyproject_hooks", "tarfile"),
    "zipfile",
)

PROGRAM = """
import sys
before = set(sys.modules)
import freshwheel
answer = {call}
loaded = sorted(set(sys.modules) - before)
import json
print(json.dumps([answer, loaded]))
"""


class Room:
    """An environment that an installer made for one build: freshwheel, and what it requires."""

    def __init__(self, folder):
        self.site = folder / "pip-build-env-one" / "site"
        self.site.mkdir(parents=True)
        for name in REQUIRED:
            self.install(name)
        self.environ = {
            **{name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ},
            "FRESHWHEEL_CACHE_DIR": str(folder / "cache"),
            "HOME": str(folder),
            "PYTHONPATH": str(self.site),
            "PYTHONDONTWRITEBYTECODE": "1",
            "RECORDING_LOG": str(folder / "calls.jsonl"),
        }

    def install(self, name):
        """A copy of a distribution that is installed here, if it is."""
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            return
        package = REPOSITORY / "src" / name
        if not package.exists():
            package = Path(str(found.locate_file(name.replace("-", "_"))))
        info = self.site / f"{name.replace('-', '_')}-{found.version}.dist-info"
        info.mkdir()
        for part in ("METADATA", "RECORD"):
            (info / part).write_text(found.read_text(part), encoding="utf-8")
        shutil.copytree(package, self.site / package.name, ignore=shutil.ignore_patterns("__pycache__"))

    def call(self, tree, call):
        """What a hook answers in a process of its own, and what that loads beside a bare interpreter."""
        done = subprocess.run(
            [os.path.realpath(sys._base_executable), "-S", "-c", PROGRAM.format(call=call)],
            check=True,
            cwd=tree,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        answer, loaded = json.loads(done.stdout)
        return answer, set(loaded)


@pytest.fixture
def room(tmp_path):
    """A room, and a tree in it whose wheel is in the store."""
    made = Room(tmp_path)
    shutil.copytree(FIXTURE, tmp_path / "tree", ignore=shutil.ignore_patterns("__pycache__"))
    table = tmp_path / "tree" / "pyproject.toml"
    lines = 'backend = "recording"\nstore = "on"\nrequires = ["xxhash>=3,<9"]'
    table.write_text(table.read_text("utf-8").replace('backend = "recording"', lines), encoding="utf-8")
    made.call(tmp_path / "tree", f"freshwheel.build_wheel({str(tmp_path / 'dist')!r})")
    shutil.copytree(tmp_path / "tree", tmp_path / "clone", ignore=shutil.ignore_patterns("__pycache__"))
    return made


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no run can be told from others here")
def test_hit_in_a_new_clone_loads_what_it_uses_alone(room, tmp_path):
    """The promise of a finished wheel loads nothing that only a build, a rewriting or an error needs."""
    answer, loaded = room.call(tmp_path / "clone", "freshwheel.get_requires_for_build_wheel()")
    assert answer == []
    assert "freshwheel.build.output" in loaded  # the memory of another tree would have answered without it
    heavy = {*OTHERS, *(f"freshwheel.{name}" for name in OWN)}
    assert sorted(loaded & heavy) == []


@pytest.mark.parametrize("name", OWN)
def test_module_that_no_hit_may_load_exists(name):
    """The list has no name that a module had once."""
    assert (REPOSITORY / "src" / "freshwheel" / f"{name.replace('.', '/')}.py").exists()


@pytest.mark.parametrize(
    ("temporary", "here", "inside"), [(4 << 20, 1 << 40, True), (4 << 20, 1 << 20, False), (2 << 30, 1 << 40, False)]
)
def test_private_folder_is_where_there_is_room(tmp_path, monkeypatch, temporary, here, inside):
    """A folder for temporary files that is smaller than a wheel is no reason for a build to fail."""
    dist = tmp_path / "dist"
    room = {str(dist): here}
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=room.get(path, temporary)))
    with output.private(str(dist)) as folder:
        assert (Path(folder).parent == dist) == inside
    assert list(dist.iterdir()) == []
    with output.private() as folder:
        assert Path(folder).parent != dist


def test_private_folder_beside_a_place_that_is_none(tmp_path):
    """Who can't be written to is named by those who write there."""
    (tmp_path / "file").write_text("")
    with output.private(str(tmp_path / "file" / "dist")) as folder:
        assert Path(folder).is_dir()
