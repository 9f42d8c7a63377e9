"""The cache keys that `freshwheel uv` writes, with real uv: an edit of an input is seen, and nothing else is."""

import json
import os
import subprocess
import sys

import pytest
from uv import find_uv_bin

pytestmark = pytest.mark.slow

SCRIPTS = "Scripts" if os.name == "nt" else "bin"
COMMENTS = {".py": "# {}", ".rs": "// {}", ".toml": "# {}"}
CORE = '[package]\nname = "demo-core"\nversion = "0.1.0"\nedition = "2021"\n'


class Desk:
    """A copy of a project, at which somebody works with one uv."""

    def __init__(self, project, program, *words):
        self.path = project.path
        self.python = project.workshop.python
        self.program = program
        self.words = words
        self.environ = {**project.environ, "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0"}
        del self.environ["CARGO_TARGET_DIR"]  # cargo builds into the tree, as it does for people

    def freshwheel(self, *words):
        """What freshwheel says."""
        command = (self.python, "-m", "freshwheel", *words)
        done = subprocess.run(command, check=False, cwd=self.path, env=self.environ, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def adopt(self):
        """Writes the keys; the check is satisfied then."""
        self.freshwheel("uv", "--yes", *self.words)
        self.freshwheel("uv", "--check", *self.words)

    def is_built(self, *words):
        """Whether uv has the project built, for a command of its own."""
        verb, *more = words
        command = (self.program, verb, "--python", sys.executable, *more)
        done = subprocess.run(command, check=False, cwd=self.path, env=self.environ, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return "Built demo-" in done.stderr

    def inputs(self):
        """The inputs, as freshwheel names them."""
        return [row["path"] for row in json.loads(self.freshwheel("inputs", "--json"))["inputs"]]

    def edit(self, name, word="edited"):
        """Makes a file another one, that means the same."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if path.name == "Cargo.lock":  # cargo would write it anew without the comment
            path.write_text(text, encoding="utf-8", newline="\n")
            return
        comment = COMMENTS.get(path.suffix, "{}").format(word)
        path.write_text(f"{text}\n{comment}\n", encoding="utf-8", newline="\n")

    def told(self, script):
        """What an installed script prints."""
        path = self.path / ".venv" / SCRIPTS / script
        return subprocess.run([str(path)], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="session")
def programs(tmp_path_factory, outside):
    """The newest uv, and the oldest one that freshwheel supports, each with what it needs to be told."""
    old = tmp_path_factory.mktemp("old-uv") / "venv"
    subprocess.run([find_uv_bin(), "venv", "--quiet", str(old)], check=True, env=outside)
    command = (find_uv_bin(), "pip", "install", "--quiet", "--python", str(old / SCRIPTS / "python"), "uv==0.5.31")
    subprocess.run(command, check=True, env=outside)
    return {"newest": (find_uv_bin(),), "0.5.31": (str(old / SCRIPTS / "uv"), "--names")}


@pytest.fixture(params=["newest", pytest.param("0.5.31", marks=pytest.mark.nightly)])
def program(request, programs):
    """Each uv in turn."""
    return programs[request.param]


SYNC = ("sync",)
RUN = ("run", "python", "-c", "import importlib.metadata")


def is_seen(desk, number):
    """Whether uv builds, by `sync` and `run` in turn, and is content then."""
    verbs = (SYNC, RUN) if number % 2 else (RUN, SYNC)
    built = desk.is_built(*verbs[0])
    assert not desk.is_built(*verbs[1]), "it is built again, and nothing has changed"
    return built


def settle(desk):
    """The first build, which asks for no second one."""
    assert desk.is_built(*SYNC)
    assert not desk.is_built(*SYNC)
    assert not desk.is_built(*RUN)


def test_each_input_of_a_python_project(project, program):
    """Its edit is seen by `uv sync` and `uv run`, and so is a new module; what is excluded or dropped is not."""
    desk = Desk(project("hatchling-pure"), *program)
    project_file = desk.path / "pyproject.toml"
    text = project_file.read_text(encoding="utf-8")
    text = text.replace('backend = "hatchling.build"', 'backend = "hatchling.build"\nexclude = ["tests/**"]')
    project_file.write_text(text, encoding="utf-8")
    desk.edit("tests/test_demo.py")
    desk.adopt()
    settle(desk)
    inputs = desk.inputs()
    assert "src/demo/__init__.py" in inputs
    for number, name in enumerate([*inputs, "src/demo/new.py"]):
        desk.edit(name)
        assert is_seen(desk, number), name
    others = (
        "tests/test_demo.py",
        "src/demo/.about.py.swp",
        "src/demo/__pycache__/about.pyc",
        ".coverage",
        "uv.lock.orig~",
    )
    for number, name in enumerate(others):
        assert name not in desk.inputs()
        desk.edit(name)
        assert not is_seen(desk, number), name


@pytest.mark.nightly
def test_each_input_of_a_rust_project(project, program):
    """The same with a crate outside of the folder, and a target folder inside: what is run is what was edited last."""
    desk = Desk(project("maturin-nodeps"), *program)
    for name in ("../core/Cargo.toml", "../core/src/lib.rs", "../core/tests/it.rs"):
        (desk.path / name).parent.mkdir(parents=True, exist_ok=True)
    (desk.path / "../core/Cargo.toml").write_text(CORE, encoding="utf-8")
    library = desk.path / "../core/src/lib.rs"
    library.write_text('pub fn told() -> &\'static str { "core one" }\n', encoding="utf-8")
    (desk.path / "src/main.rs").write_text('fn main() { println!("{}", demo_core::told()); }\n', encoding="utf-8")
    with (desk.path / "Cargo.toml").open("a", encoding="utf-8") as manifest:
        manifest.write('\n[dependencies]\ndemo-core = { path = "../core" }\n')
    subprocess.run(["cargo", "generate-lockfile", "--offline"], check=True, cwd=desk.path, env=desk.environ)
    desk.edit("../core/tests/it.rs")
    desk.adopt()
    settle(desk)
    assert (desk.path / "target").is_dir()
    inputs = desk.inputs()
    assert {"../core/src/lib.rs", "../core/Cargo.toml", "Cargo.lock"} <= set(inputs)
    for number, name in enumerate(inputs):
        desk.edit(name)
        assert is_seen(desk, number), name
    for number, name in enumerate(("../core/tests/it.rs", "docs/a.md", "target/release/build/out/gen.rs")):
        assert name not in desk.inputs()
        desk.edit(name)
        assert not is_seen(desk, number), name
    library.write_text('pub fn told() -> &\'static str { "core two" }\n', encoding="utf-8")
    assert desk.is_built(*SYNC)
    assert desk.told("demo-nodeps") == "core two"


def test_a_variable(project, programs):
    """A variable that the settings name is watched by its value."""
    desk = Desk(project("hatchling-pure"), *programs["newest"])
    project_file = desk.path / "pyproject.toml"
    text = project_file.read_text(encoding="utf-8")
    text = text.replace('backend = "hatchling.build"', 'backend = "hatchling.build"\nenv = ["DEMO_FAST"]')
    project_file.write_text(text, encoding="utf-8")
    desk.adopt()
    settle(desk)
    desk.environ["DEMO_FAST"] = "1"
    assert is_seen(desk, 0)
