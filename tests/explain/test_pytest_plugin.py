"""What a test run says of local installs, where its ini option asks for that."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import freshwheel
from freshwheel.explain import installed
from freshwheel.sources import disk

from .test_mirror import Place

SOURCE = str(Path(freshwheel.__file__).parents[1])
pytestmark = pytest.mark.skipif(
    os.name == "nt" or disk.slack(tempfile.gettempdir()) is None, reason="no row is trusted here"
)
SAID = "freshwheel: recorded is stale"


class Run:
    """A test run in an environment with an installed project."""

    def __init__(self, folder, place):
        self.folder, self.place = folder, place
        folder.mkdir()
        (folder / "test_it.py").write_text(
            "import sys\n\ndef test_it():\n    assert 'freshwheel.build.context' not in sys.modules\n"
        )

    def __call__(self, mode, *words):
        """Exit code, and all that is printed."""
        (self.folder / "pytest.ini").write_text(f"[pytest]\n{mode}\n")
        path = os.pathsep.join([SOURCE, str(self.place.site)])
        environ = {**os.environ, **self.place.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        command = [sys.executable, "-m", "pytest", "-p", "freshwheel.pytest_plugin", "-q", *words]
        done = subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def run(tmp_path):
    """A run; the project is installed, and as its tree says."""
    place = Place(tmp_path)
    place.install()
    run = Run(tmp_path / "run", place)
    time.sleep(2.5)  # what was just written is not trusted
    installed.digests(str(place.tree), place.environ)
    return run


@pytest.mark.parametrize("mode", ["", "freshwheel = warn", "freshwheel = error"])
def test_a_run_is_silent_where_all_is_right(run, mode):
    """With the option and without it; and nothing heavy is loaded."""
    code, said = run(mode)
    assert (code, "freshwheel" in said.replace("freshwheel.pytest_plugin", "")) == (0, False), said


def test_a_stale_install_is_said_before_the_tests(run):
    """They run all the same."""
    run.place.edit()
    code, said = run("freshwheel = warn")
    assert code == 0, said
    assert said.index(SAID) < said.index("[100%]")
    assert "mend it: python -m pip install" in said


def test_a_stale_install_ends_the_run(run):
    """Before anything is collected."""
    run.place.edit()
    code, said = run("freshwheel = error")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert SAID in said
    assert "test_it" not in said


@pytest.mark.parametrize("mode", ["warn", "error"])
def test_what_is_not_known_ends_no_run(run, mode):
    """It may be right; that is said, and the tests run."""
    run.place.configure('backend = "recording"', 'backend = "recording"\nexclud = []')
    code, said = run(f"freshwheel = {mode}")
    assert code == 1, said  # the one test says that the heavy road was taken
    assert said.index("recorded is unknown") < said.index("test_it")


def test_a_folder_that_no_file_system_can_have_is_none(run):
    """A damaged `direct_url.json` is no reason to fail."""
    [info] = run.place.site.glob("*.dist-info")
    (info / "direct_url.json").write_text('{"url": "file:///tmp/a%00b", "dir_info": {}}')
    (info / "freshwheel.json").unlink()
    assert run("freshwheel = error")[0] == 0


def test_without_the_option_nobody_looks(run):
    """It is opt-in."""
    run.place.edit()
    assert run("")[0] == 0


def test_workers_do_not_say_it_again(run):
    """One look for all of them, with xdist."""
    run.place.edit()
    code, said = run("freshwheel = warn", "-p", "xdist", "-n", "2")
    assert code == 0, said  # the workers have not looked
    assert said.count(SAID) == 1


def test_another_word_is_refused(run):
    """With those that there are."""
    code, said = run("freshwheel = yes")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert '"warn" or "error", and not "yes"' in said
