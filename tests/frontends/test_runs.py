"""Runs that go on at once, are stopped half-way, or see their sources move; and what none of them compiles again.

Each moment is the test's to choose: a program that takes part in the run says where it is, and waits to be let go.
"""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

from freshwheel.wheel import archive

from .conftest import SCRIPTS, make_venv, pyproject, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo"),
    pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no run can be told from another here"),
]

ABUSE = int(os.environ.get("ABUSE", "1"))
MISSES = 10 if ABUSE > 1 else 6
LONG = 300
"""Seconds. What takes longer is stuck."""
FAST = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0"}
MATURIN = ["maturin>=1.9,<2"]
NOBODY = {f"GIT_{role}_{key}": "a@b" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}


def make_lean(tree):
    """The requirements of the inner backend, asked for on a miss only."""
    tree.configure(json.dumps(pyproject(tree.path)["build-system"]["requires"]), '["freshwheel"]')
    tree.configure("[tool.freshwheel]", f"[tool.freshwheel]\nrequires = {json.dumps(MATURIN)}")


def word_of(path):
    """What the one program of a wheel says."""
    with zipfile.ZipFile(path) as file:
        held = b"".join(file.read(name) for name in file.namelist())
    return re.findall(rb"compiled (?:one|two|three)", held)[0].decode()


def only(folder):
    """The one wheel in a folder."""
    (path,) = Path(folder).glob("*.whl")
    return path


def commands(pip, build, tree, dist, python=sys.executable):
    """How each installer is told to write the wheel of a tree into a folder; `python` is for uv to choose."""
    return {
        "pip": (pip, "-m", "pip", "wheel", "--verbose", "--no-deps", "--wheel-dir", str(dist), str(tree)),
        "uv": (find_uv_bin(), "build", "--python", str(python), "--wheel", "--out-dir", str(dist), str(tree)),
        "build": (build, "-m", "build", "--wheel", "--outdir", str(dist), str(tree)),
    }


@pytest.fixture
def alone(environ, tmp_path):
    """The environment of installers with a cache directory of its own, and cargo's folder in the tree as usual."""
    kept = {name: text for name, text in environ.items() if name != "CARGO_TARGET_DIR"}
    return {**kept, **FAST, "FRESHWHEEL_CACHE_DIR": str(tmp_path / "cache")}


@dataclasses.dataclass(frozen=True)
class Gate:
    """A place where a program says that it has come there, and waits until it is let go."""

    folder: Path

    def reached(self, name, running):
        """Waits until the program is at this place."""
        deadline = time.monotonic() + LONG
        while not (self.folder / f"{name}.reached").exists():
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < deadline, f"never came to {name}"
            time.sleep(0.02)

    def open(self, *names):
        """Lets it go on."""
        for name in names:
            (self.folder / f"{name}.open").touch()

    def shut(self):
        """Nobody has come anywhere yet."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()


@pytest.fixture
def gate(tmp_path):
    """The gate of a test."""
    made = Gate(tmp_path / "gate")
    made.shut()
    return made


@contextlib.contextmanager
def started(*command, environ, cwd=None):
    """A program that runs meanwhile, with all that it starts; nothing of it is left."""
    running = subprocess.Popen(
        command,
        env=environ,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()


# --- two at once

TOX = """\
[tox]
env_list = one, two

[testenv]
package = wheel
wheel_build_env = .pkg-{env_name}
pass_env = *
commands = demo-nodeps

[pkgenv]
pass_env = *
"""


@pytest.mark.nightly
def test_two_packaging_environments_of_one_tox(tox, project, alone):
    """They build one tree at once, under one parent: both get it as it is, and an edit is in both."""
    tree = project("maturin-nodeps")
    make_lean(tree)
    (tree.path / "tox.ini").write_text(TOX, encoding="utf-8")

    def ran(word, **more):
        told = run(tox.python, "-m", "tox", "-p", "all", "-o", environ={**alone, **more}, cwd=tree.path)
        assert told.count(f"{word}\n") == 2, told

    nothing_compiles = {"CARGO_BUILD_JOBS": "no-such-program"}
    ran("compiled one")
    ran("compiled one", **nothing_compiles)
    tree.edit("src/main.rs", "compiled one", "compiled two")
    ran("compiled two")
    tree.edit("src/main.rs", "compiled two", "compiled one")
    ran("compiled one", **nothing_compiles)
    assert not list((Path(alone["FRESHWHEEL_CACHE_DIR"]) / "leases").glob("*/terms"))


def test_installers_that_build_one_tree_at_once(frontends, project, alone, tmp_path):
    """pip, uv and build in one moment: none fails, and all have the same bytes."""
    tree = project("maturin-nodeps")
    make_lean(tree)
    home = frontends["build"].home.python
    ways = [commands(home, home, tree.path, tmp_path / name)[name] for name in ("pip", "uv", "build")]
    for word in ("compiled one", "compiled two", "compiled one"):
        with contextlib.ExitStack() as stack:
            running = [stack.enter_context(started(*command, environ=alone)) for command in ways]
            ended = [(one.communicate(timeout=LONG)[0], one.returncode) for one in running]
        assert [told for told, status in ended if status] == []
        wheels = [only(tmp_path / name) for name in ("pip", "uv", "build")]
        assert {word_of(wheel) for wheel in wheels} == {word}
        assert len({(wheel.name, wheel.read_bytes()) for wheel in wheels}) == 1
        for wheel in wheels:
            shutil.rmtree(wheel.parent)
        other = "compiled two" if word == "compiled one" else "compiled one"
        tree.edit("src/main.rs", word, other)


def test_installers_share_a_wheel_for_which_every_variable_counts(frontends, project, alone, tmp_path):
    """What an installer sets for its own use makes no other build of a project with a build script."""
    tree = project("maturin-nodeps")
    runs = tmp_path / "runs"
    count = f'std::io::Write::write_all(&mut std::fs::File::options().append(true).open({str(runs)!r}).unwrap(), b"x")'
    (tree.path / "build.rs").write_text(f"fn main() {{ {count.replace(chr(39), chr(34))}.unwrap(); }}\n")
    runs.touch()
    home = frontends["build"].home.python
    time.sleep(2.1)
    ways = commands(home, home, tree.path, tmp_path / "dist")
    again = (*ways["pip"][:3], "--python", str(home), *ways["pip"][3:])  # which starts itself once more
    for command in (ways["uv"], ways["pip"], again, ways["build"]):
        run(*command, environ=alone)
    assert runs.read_text() == "x"
    assert only(tmp_path / "dist")


# --- one that is stopped

STOPPED = """\
import os
import time

import freshwheel
from freshwheel import *


def get_requires_for_build_wheel(config_settings=None):
    wanted = freshwheel.get_requires_for_build_wheel(config_settings)
    if "GATE" in os.environ:
        place = os.path.join(os.environ["GATE"], "asked.reached")
        with open(place + ".part", "w") as file:
            file.write(repr(wanted))
        os.rename(place + ".part", place)
        while not os.path.exists(os.path.join(os.environ["GATE"], "asked.open")):
            time.sleep(0.02)
    return wanted
"""


@pytest.fixture
def stopping(project):
    """A project whose first hook waits at a gate when it has its answer."""
    tree = project("maturin-nodeps")
    make_lean(tree)
    (tree.path / "_stopped").mkdir()
    (tree.path / "_stopped" / "stopped.py").write_text(STOPPED)
    tree.configure('build-backend = "freshwheel"', 'build-backend = "stopped"\nbackend-path = ["_stopped"]')
    return tree


@pytest.mark.parametrize("edited", [False, True])
def test_build_without_isolation_that_was_stopped(pip, stopping, alone, gate, wheelhouse, tmp_path, edited):
    """`build -n`, killed after its first question, has promised nothing to the next command in that environment."""
    tree = stopping
    names = ("freshwheel", "maturin")
    here = make_venv(tmp_path / "here", alone, *(next(wheelhouse.glob(f"{name}-*.whl")) for name in names))
    run(find_uv_bin(), "pip", "install", "--quiet", "--python", here.python, "build", environ=os.environ)
    alone = {**alone, "PATH": os.pathsep.join([os.path.dirname(here.python), alone["PATH"]])}
    build = (
        here.python,
        "-m",
        "build",
        "--no-isolation",
        "--wheel",
        "--outdir",
        str(tmp_path / "dist"),
        str(tree.path),
    )
    run(*build, environ=alone)
    assert word_of(only(tmp_path / "dist")) == "compiled one"

    with started(*build, environ={**alone, "GATE": str(gate.folder)}) as running:
        gate.reached("asked", running)
    if edited:
        tree.edit("src/main.rs", "compiled one", "compiled two")
    command = (pip.home.python, "-m", "pip", "--python", here.python, "install", "--no-build-isolation", "--no-deps")
    run(*command, str(tree.path), environ=alone)
    assert here.script("demo-nodeps") == ("compiled two" if edited else "compiled one")
    assert here.version(tree.name) == f"1.2.3+{tree.label()}"


@pytest.mark.parametrize("name", ["uv", "build"])
def test_isolated_run_that_was_stopped(frontends, stopping, alone, gate, tmp_path, name):
    """Killed when it was promised a wheel: after an edit the next run is told to install, and builds what there is."""
    tree, dist = stopping, tmp_path / "dist"
    home = frontends["build"].home.python
    command = commands(home, home, tree.path, dist)[name]
    run(*command, environ=alone)
    with started(*command, environ={**alone, "GATE": str(gate.folder)}) as running:
        gate.reached("asked", running)
        assert (gate.folder / "asked.reached").read_text() == "[]"
    tree.edit("src/main.rs", "compiled one", "compiled two")
    shutil.rmtree(dist)
    run(*command, environ=alone)
    assert word_of(only(dist)) == "compiled two"
    assert only(dist).name.split("-")[1] == f"1.2.3+{tree.label()}"


# --- sources that move meanwhile

WRAPPER = """\
#!/bin/sh
# Stands before and behind the compiler of one crate.
compiler="$1"; shift
wait_at() {
    [ -n "$GATE" ] || return
    : > "$GATE/$1.reached"
    while [ ! -e "$GATE/$1.open" ]; do sleep 0.02; done
}
case " $* " in *" --crate-name demo_nodeps "*) ;; *) exec "$compiler" "$@";; esac
wait_at before
"$compiler" "$@"
status=$?
wait_at behind
exit $status
"""


@pytest.mark.parametrize("back", [True, False])
def test_checkout_of_another_branch_while_it_is_compiled(project, alone, gate, tmp_path, back):
    """The wheel holds the other branch: it names neither, nobody gets it again, and each has its own afterwards."""
    tree, dist = project("maturin-nodeps"), tmp_path / "dist"
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(WRAPPER)
    wrapper.chmod(0o755)
    environ = {**alone, "RUSTC_WRAPPER": str(wrapper)}
    git = {**alone, **NOBODY, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tmp_path)}

    def repository(*words):
        run("git", "-c", "init.defaultBranch=main", *words, environ=git, cwd=tree.path)

    (tree.path / ".gitignore").write_text("target/\n")
    repository("init", "--quiet")
    repository("add", "--all")
    repository("commit", "--quiet", "--message", "one")
    repository("checkout", "--quiet", "-b", "other")
    tree.edit("src/main.rs", "compiled one", "compiled two")
    repository("commit", "--quiet", "--all", "--message", "two")
    other = tree.label()
    repository("checkout", "--quiet", "main")
    main = tree.label()
    assert main != other

    build = commands("", "", tree.path, dist)["uv"]
    with started(*build, environ={**environ, "GATE": str(gate.folder)}) as running:
        gate.reached("before", running)
        repository("checkout", "--quiet", "other")
        gate.open("before")
        gate.reached("behind", running)
        if back:
            repository("checkout", "--quiet", "main")
        gate.open("behind")
        said, _ = running.communicate(timeout=LONG)
    assert running.returncode == 0, said
    assert "changed during the build" in said
    wheel = only(dist)
    mark = archive.mark_of(str(wheel))
    assert word_of(wheel) == "compiled two"
    assert (mark.settled, mark.label in {main, other}) == (False, False)
    assert not list((Path(alone["FRESHWHEEL_CACHE_DIR"]) / "v1" / "index").rglob("*/*"))

    for branch, label, word in (("main", main, "compiled one"), ("other", other, "compiled two")) * 2:
        repository("checkout", "--quiet", branch)
        shutil.rmtree(dist)
        run(*build, environ=environ)
        assert (only(dist).name.split("-")[1], word_of(only(dist))) == (f"1.2.3+{label}", word)


# --- what is compiled again


@pytest.mark.nightly
def test_pyo3_is_compiled_once(frontends, project, alone, tmp_path):
    """A line of Rust is edited each time, and three installers make an environment each time: cargo meets one pyo3."""
    tree, compiled = project("maturin-pyo3"), []
    home = frontends["build"].home.python
    ways = list(commands(home, home, tree.path, tmp_path / "dist").values())
    for number in range(MISSES):
        tree.edit("src/lib.rs", "compiled one" if not number else f"compiled {number - 1}", f"compiled {number}")
        shutil.rmtree(tmp_path / "dist", ignore_errors=True)
        with started(*ways[number % 3], environ=alone) as running:
            said, _ = running.communicate(timeout=LONG)
        assert running.returncode == 0, said
        compiled += re.findall(r"Compiling (\S+) v", said)
        with zipfile.ZipFile(only(tmp_path / "dist")) as file:
            [native] = [name for name in file.namelist() if "_native" in name and not name.endswith(".pyi")]
            assert f"compiled {number}".encode() in file.read(native)
    counts = {name: compiled.count(name) for name in set(compiled)}
    assert counts.pop("demo-maturin-pyo3") == MISSES
    assert counts["pyo3"] == 1
    assert set(counts.values()) == {1}, counts


HOME = Path(os.__file__).parent


def base_interpreter(folder):
    """An interpreter that no other environment is made from, with pip and build but no requirement of a project."""
    python = Path(sys._base_executable).resolve()
    library = folder / "lib" / HOME.name
    (folder / "bin").mkdir(parents=True)
    library.mkdir(parents=True)
    found = Path(shutil.copy2(python, folder / "bin"))
    for entry in HOME.iterdir():
        if entry.name not in {"site-packages", "dist-packages", "sitecustomize.py"}:
            (library / entry.name).symlink_to(entry)
    for entry in HOME.parent.glob("libpython*"):
        (folder / "lib" / entry.name).symlink_to(entry)
    (folder / "include").symlink_to(Path(sys.base_prefix) / "include")
    (library / "site-packages").mkdir()
    told = subprocess.run([found, "-Ic", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=False)
    if told.stdout.strip() != str(folder):
        pytest.skip("this interpreter can't be moved")
    return found, library / "site-packages"


@pytest.mark.nightly
@pytest.mark.parametrize("theirs", ["nothing", "an older one"])
def test_build_script_asks_the_base_interpreter(project, outside, alone, tmp_path, theirs):
    """The base has no copy of the requirement, or an older one: by each installer the build's own is found."""
    tree = project("maturin-buildrs")
    python, site = base_interpreter(tmp_path / "base")
    if theirs == "an older one":
        (site / "tomlkit.py").write_text("def load(file):\n    return {'word': 'compiled by an older one'}\n")
        (site / "tomlkit-0.1.dist-info").mkdir()
        (site / "tomlkit-0.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: tomlkit\nVersion: 0.1\n")
    asked = subprocess.run([python, "-c", "import tomlkit; print(tomlkit.load(0))"], capture_output=True, check=False)
    assert (b"older" in asked.stdout) == (theirs == "an older one") == (asked.returncode == 0)
    home = tmp_path / "home"
    run(find_uv_bin(), "venv", "--quiet", "--python", str(python), str(home), environ=outside)
    mine = str(home / SCRIPTS / "python")
    run(find_uv_bin(), "pip", "install", "--quiet", "--python", mine, "build", "pip", environ=outside)
    for number, command in enumerate(commands(mine, mine, tree.path, tmp_path / "dist", python).values()):
        before = "compiled one" if not number else f"compiled {number}"
        tree.edit("data/words.toml", before, f"compiled {number + 1}")
        shutil.rmtree(tmp_path / "dist", ignore_errors=True)
        run(*command, environ={**alone, "FRESHWHEEL_STORE": "off"})
        with zipfile.ZipFile(only(tmp_path / "dist")) as file:
            held = b"".join(file.read(name) for name in file.namelist())
        assert f"compiled {number + 1}".encode() in held
        assert b"an older one" not in held
