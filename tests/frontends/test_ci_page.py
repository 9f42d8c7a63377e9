"""The page for CI, run as it stands: its steps, in an empty home, with caches that are kept from run to run."""

import os
import re
import shutil
import subprocess

import pytest
from uv import find_uv_bin

from .conftest import REPOSITORY, run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="the page is for a POSIX shell")]

PAGE = REPOSITORY / "docs" / "how-to" / "ci.md"
STEP = re.compile(r"^- (.*?)(?=^- |\Z)", re.DOTALL | re.MULTILINE)
FIELD = re.compile(r"^ *([\w-]+): (.+)$", re.MULTILINE)


class Runner:
    """A machine that is new for each run, but for the caches of earlier ones."""

    def __init__(self, folder, environ):
        self.folder = folder
        self.environ = environ
        self.saved = []
        """Keys of caches, the newest last."""

    def __call__(self, block, *, edit=""):
        """What the steps of a block of the page print, in a new clone of the project, maybe with an edit."""
        home, work = self.folder / "home", self.folder / "work"
        for place in (home, work):
            shutil.rmtree(place, ignore_errors=True)
        home.mkdir()
        ignored = shutil.ignore_patterns("build", "*.egg-info")
        shutil.copytree(REPOSITORY / "fixtures" / "setuptools-c", work, copy_function=shutil.copy, ignore=ignored)
        with (work / "src" / "demo" / "_native.c").open("a") as source:
            source.write(edit)
        self.outputs = {"runner.os": "Linux", "runner.arch": "X64"}
        return "".join([self.step(step, home, work) for step in steps(block)])

    def step(self, fields, home, work):
        """What a step prints."""
        if self.resolved(fields.get("if", "yes")) == "":
            return ""
        cache, uses = home / ".cache" / "freshwheel", fields.get("uses", "").partition("@")[0]
        if uses.startswith("actions/cache"):
            self.cached(uses, fields, cache)
        if "run" not in fields:
            return ""
        output = self.folder / "output"
        output.write_text("")
        more = {name: value for name, value in fields.items() if name.isupper()}
        environ = {**self.environ, **more, "HOME": str(home), "GITHUB_OUTPUT": str(output)}
        done = subprocess.run(
            ("bash", "-e", "-c", fields["run"]), cwd=work, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            self.outputs[f"steps.{fields['id']}.outputs.{name}"] = value
        return done.stdout + done.stderr

    def cached(self, uses, fields, cache):
        """A cache is saved under its key, or restored by the beginning of one."""
        assert fields["path"] == "~/.cache/freshwheel"
        key = self.resolved(fields["key"])
        if uses.endswith("save"):
            assert key not in self.saved, "a key that is there is refused"
            self.saved.append(key)
            shutil.copytree(cache, self.folder / key)
        elif known := [one for one in self.saved if one.startswith(self.resolved(fields["restore-keys"]))]:
            shutil.copytree(self.folder / known[-1], cache)

    def resolved(self, text):
        """A text with the values of its expressions, or of one that stands alone."""
        if text.startswith("steps."):
            return self.outputs.get(text, "")
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda match: self.outputs[match[1]], text)


def steps(heading):
    """The steps of the first block below a heading, each as its fields."""
    text = PAGE.read_text("utf-8").partition(f"## {heading}\n")[2]
    block = re.search(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[1]
    return [dict(FIELD.findall(step.replace("\n", "\n  "))) for step in STEP.findall(block)]


@pytest.fixture
def runner(tmp_path, outside):
    """A machine with uv and an index, which has freshwheel too."""
    wheels = tmp_path / "wheels"
    run(find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", str(wheels), str(REPOSITORY), environ=outside)
    gone = ("FRESHWHEEL", "UV_", "XDG_", "VIRTUAL_ENV", "GITHUB_")
    environ = {name: value for name, value in outside.items() if not name.startswith(gone)}
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("uv", "uvx"):
        (folder / name).symlink_to(os.path.join(os.path.dirname(find_uv_bin()), name))
    path = os.pathsep.join([str(folder), environ["PATH"]])
    shared = {"UV_FIND_LINKS": str(wheels), "UV_CACHE_DIR": str(tmp_path / "uv"), "UV_PYTHON_DOWNLOADS": "never"}
    return Runner(tmp_path, {**environ, **shared, "PATH": path, "UV_LINK_MODE": "copy"})


def test_a_cache_is_saved_by_those_runs_that_have_stored_something(runner):
    """The first run, and each with an edit; a run in between takes the wheel from the cache, and saves nothing."""
    page = "Keep the store between runs"
    said = runner(page)
    assert len(runner.saved) == 1, said
    runner(page)
    assert len(runner.saved) == 1
    runner(page, edit="int answer = 42;\n")
    assert len(runner.saved) == 2
    runner(page)
    runner(page, edit="int answer = 42;\n")
    assert len(runner.saved) == 2


def test_the_other_steps_of_the_page_can_be_run(runner):
    """A project that is as it should be passes the checks; the store is proved."""
    pyproject = REPOSITORY / "fixtures" / "setuptools-c" / "pyproject.toml"
    assert "cache-keys" not in pyproject.read_text("utf-8")
    with pytest.raises(AssertionError, match="missing: "):
        runner("Check the project")
    assert "verify" in {fields.get("FRESHWHEEL_STORE") for fields in steps("Prove the store")}
    runner("Prove the store")
