"""What a build takes, and what it leaves in the tree, where nobody has declared it.

The first build says so, with the line that settles it; from the next one on the label tells; `freshwheel check` fails
until it is settled.
"""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from freshwheel.observe import observer
from freshwheel.wheel import archive

OBSERVED = pytest.mark.skipif(bool(observer.unavailable(None)), reason="no build can be observed here")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo"),
]

LONG_AGO = 1_600_000_000
FAST = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0"}
DECIDED = re.compile(r"freshwheel: \S+\.whl (was built|is from the store): ").match
"""What each build says, whatever is declared."""
BUILD = "import sys, freshwheel; print(freshwheel.build_wheel(sys.argv[1]))"
READING = """\
fn main() {
    println!("cargo:rerun-if-changed=../shared/x.txt");
    println!("cargo:rustc-env=WORD={}", std::fs::read_to_string("../shared/x.txt").unwrap());
}
"""
WRITING = (
    'fn main() { std::fs::write("src/generated.rs", "pub const WORD: &str = \\"compiled one\\";\\n").unwrap(); }\n'
)


@dataclasses.dataclass(frozen=True)
class Desk:
    """A repository with one project in it, and a cache directory for it alone."""

    project: object

    @property
    def tree(self):
        """The project."""
        return self.project.path

    @property
    def cache(self):
        """The cache directory."""
        return Path(self.project.environ["FRESHWHEEL_CACHE_DIR"])

    def write(self, name, text, when=None):
        """A file, by its path from the project."""
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        if when is not None:
            os.utime(path, (when, when))

    def settle(self, line):
        """Write a line into the table of freshwheel."""
        self.project.configure("[tool.freshwheel]\n", f"[tool.freshwheel]\n{line}\n")

    def run(self, *words):
        """A program of the workshop, in the project."""
        command = [self.project.workshop.python, *words]
        return subprocess.run(
            command, cwd=self.tree, env=self.project.environ, capture_output=True, text=True, check=False
        )

    def build(self):
        """The mark of a new wheel, what it holds, and what freshwheel says meanwhile."""
        dist = self.tree.parent / "dist"
        shutil.rmtree(dist, ignore_errors=True)
        dist.mkdir()
        done = self.run("-c", BUILD, str(dist))
        assert done.returncode == 0, done.stderr
        (path,) = dist.glob("*.whl")
        assert done.stdout.splitlines()[-1] == path.name
        mark = archive.mark_of(str(path))
        assert path.name.split("-")[1].endswith(f"+{mark.label}")
        with zipfile.ZipFile(path) as file:
            held = b"".join(file.read(name) for name in file.namelist())
        said = [line for line in done.stderr.splitlines() if line.startswith("freshwheel: ") and not DECIDED(line)]
        return mark, held, "\n".join(said)

    def check(self):
        """The findings of `freshwheel check` by path, and the lines that it proposes."""
        done = self.run("-m", "freshwheel", "check", "--json")
        found = json.loads(done.stdout)
        assert done.returncode == (1 if found["findings"] else 0), done.stderr
        plain = self.run("-m", "freshwheel", "check")
        assert plain.returncode == done.returncode
        assert all(line in plain.stdout for line in found["lines"])
        return {one["where"]: one for one in found["findings"]}, found["lines"]

    def label(self):
        """The label of the tree now."""
        return self.project.label()


@pytest.fixture
def desk(project, tmp_path):
    """Makes a desk from a fixture: `desk(name)`."""

    def make(name):
        (tmp_path / ".git").mkdir()
        one = project(name)
        environ = {**one.environ, **FAST, "FRESHWHEEL_CACHE_DIR": str(tmp_path / "cache")}
        del environ["CARGO_TARGET_DIR"]
        return Desk(dataclasses.replace(one, environ=environ))

    return make


def script(desk):
    """A build script reads a file beside the project."""
    desk.write("build.rs", READING)
    desk.write("src/main.rs", 'fn main() { println!("{}", env!("WORD")); }\n')
    return "../shared/x.txt"


def include(desk):
    """A source includes a file beside the project."""
    desk.write("src/main.rs", 'fn main() { println!("{}", include_str!("../../outside.txt")); }\n')
    return "../outside.txt"


def pruned(desk):
    """A package has data from a folder that is no source by all evidence."""
    desk.project.configure("[tool.setuptools]\n", '[tool.setuptools]\npackage-data = { demo = ["node_modules/**"] }\n')
    desk.write("src/demo/node_modules/.package-lock.json", "{}")
    return "src/demo/node_modules/x/index.txt"


def bare(desk):
    """The Rust part of the project is away: it has no part in this."""
    text = (desk.tree / "pyproject.toml").read_text(encoding="utf-8")
    desk.write("pyproject.toml", text.partition("[[tool.setuptools-rust")[0])
    shutil.rmtree(desk.tree / "rust")
    desk.write("src/demo/__init__.py", "")


@pytest.mark.parametrize("reads", [script, include, pruned])
def test_file_that_is_no_input(desk, reads):
    """It is named, joins the label of the next build, is seen in old copies, and is settled by `include`."""
    # setuptools itself does not see old copies; see the tests of old times.
    when = None if reads is pruned else LONG_AGO
    one = desk("maturin-nodeps" if reads is not pruned else "setuptools-rust-pyo3")
    if reads is pruned:
        bare(one)
    path = reads(one)
    one.write(path, "the word one")
    assert {found["kind"] for found in one.check()[0].values()} <= {"outside"}  # a text names it, and that is a guess
    unknown = one.label()

    first, held, said = one.build()
    assert b"the word one" in held
    assert path in said
    assert "[tool.freshwheel] include" in said
    findings, lines = one.check()
    assert findings[path]["kind"] == "missed"
    assert f'include = ["{path}"]' in lines or (reads is pruned and len(lines) == 1)

    second, held, said = one.build()
    assert (second.settled, said) == (True, "")
    assert f"s{second.digest[:12]}" == second.label == one.label()
    assert second.label not in (first.label, unknown)

    one.write(path, "the word two", when)
    assert one.label() != second.label
    third, held, said = one.build()
    assert b"the word two" in held
    assert (third.label, third.settled, said) == (one.label(), True, "")
    one.write(path, "the word one", when)
    assert one.label() == second.label
    one.write(path, "the word two", when)

    assert set(one.check()[0]) == set(findings)
    one.settle(lines[0])
    assert one.check() == ({}, [])
    settled, held, said = one.build()
    assert (settled.settled, said) == (True, "")
    assert one.check() == ({}, [])
    shutil.rmtree(one.cache)
    assert one.label() == settled.label


def test_lost_cache_directory(desk):
    """What was found is found again, and the labels are those from before."""
    one = desk("maturin-nodeps")
    path = include(one)
    one.write(path, "the word one")
    first, _, said = one.build()
    second, _, _ = one.build()
    shutil.rmtree(one.cache)
    again, _, said_again = one.build()
    assert (again.label, said_again) == (first.label, said)
    assert set(one.check()[0]) == {path}
    assert one.label() == second.label


def test_source_that_the_build_writes(desk):
    """It is named, it is in the label of the built tree, and `exclude` makes that the label of a fresh clone."""
    one = desk("maturin-nodeps")
    one.write("build.rs", WRITING)
    one.write("src/main.rs", 'mod generated;\nfn main() { println!("{}", generated::WORD); }\n')
    fresh = one.label()

    first, held, said = one.build()
    assert b"compiled one" in held
    assert not first.settled
    assert "src/generated.rs" in said
    assert "[tool.freshwheel] exclude" in said
    findings, lines = one.check()
    assert findings["src/generated.rs"]["kind"] == "written"
    assert lines == ['exclude = ["src/generated.rs"]']

    assert one.label() not in (fresh, first.label)
    now = (one.tree / "src" / "generated.rs").read_text()
    built = one.label()
    one.write("src/generated.rs", now + "// edited\n")
    assert one.label() != built

    one.settle(lines[0])
    assert one.check() == ({}, [])
    settled, _, said = one.build()
    assert (settled.settled, said) == (True, "")
    assert one.check() == ({}, [])
    (one.tree / "src" / "generated.rs").unlink()
    assert one.label() == settled.label


@OBSERVED
def test_lock_file_that_an_observed_build_makes(desk):
    """The wheel is made from it: it is in the first label, and the next call is a hit."""
    one = desk("maturin-nodeps")
    (one.tree / "Cargo.lock").unlink()
    fresh = one.label()
    first, _, said = one.build()
    assert "Cargo.lock was made by this build, and is an input now: commit it" in said
    assert (first.settled, first.label) == (True, one.label())
    assert first.label != fresh
    assert one.check() == ({}, [])
    done = one.run("-c", BUILD, str(one.tree.parent / "dist"))
    assert "is from the store" in done.stderr


@OBSERVED
def test_file_that_each_build_writes_anew(desk):
    """As it was: that is no edit, and the next call is a hit. It stays a finding, since a fresh clone has none."""
    one = desk("setuptools-c")
    one.write("../.gitignore", "dist\ncache\n")
    subprocess.run(["git", "init", "-q", str(one.tree.parent)], check=True)  # some plug-ins of setuptools ask git
    script = (one.tree / "setup.py").read_text()
    one.write("setup.py", f"open('src/demo/made.py', 'w').write('WORD = 1\\n')\n{script}")
    first = one.build()[0]
    second = one.build()[0]
    assert (first.settled, second.settled) == (False, True)
    assert second.label == one.label()
    assert "is from the store" in one.run("-c", BUILD, str(one.tree.parent / "dist")).stderr
    assert one.check()[1] == ['exclude = ["src/demo/made.py"]']
    one.write(
        "setup.py", f"open('src/demo/made.py').read()\nopen('src/demo/made.py', 'w').write('WORD = 1\\n')\n{script}"
    )
    assert not one.build()[0].settled


def test_lock_file_that_the_build_makes(desk):
    """Where nobody observes that, and git does not ignore it, it is named, and in the label from the next build on."""
    one = desk("maturin-nodeps")
    one.settle("observe = false")
    (one.tree / "Cargo.lock").unlink()
    fresh = one.label()
    first, _, said = one.build()
    assert "Cargo.lock" in said
    assert not first.settled
    findings, _ = one.check()
    assert findings["Cargo.lock"]["kind"] == "written"
    assert ".gitignore" in findings["Cargo.lock"]["todo"]
    second, _, said = one.build()
    assert (second.settled, said) == (True, "")
    assert second.label not in (fresh, first.label)
    one.write("Cargo.lock", (one.tree / "Cargo.lock").read_text() + "# edited\n")
    assert one.label() != second.label


@pytest.mark.parametrize("place", [".gitignore", "../.gitignore"])
def test_ignored_lock_file_that_the_build_makes(desk, place):
    """Where git ignores it, the label is one before, in and after the build, and there is nothing to say."""
    one = desk("maturin-nodeps")
    (one.tree / "Cargo.lock").unlink()
    one.write(place, "Cargo.lock\n")
    fresh = one.label()
    first, _, said = one.build()
    assert (first.label, first.settled, said) == (fresh, True, "")
    assert (one.tree / "Cargo.lock").exists()
    assert one.label() == fresh
    assert one.check() == ({}, [])
    assert one.build()[0].label == fresh


@OBSERVED
def test_folder_that_nobody_who_builds_may_read(desk):
    """Such as the data of a database: it was tried, and is a hit all the same, until it may be read."""
    one = desk("setuptools-c")
    one.write("../.gitignore", "dist\ncache\n")
    subprocess.run(["git", "init", "-q", str(one.tree.parent)], check=True)
    folder = one.tree / "database"
    folder.mkdir(mode=0o700)
    script = (one.tree / "setup.py").read_text()
    one.write("setup.py", f"import os\ntry:\n    os.listdir('database')\nexcept PermissionError:\n    pass\n{script}")
    words = [one.project.workshop.python, "-c", BUILD, str(one.tree.parent / "dist")]
    if os.geteuid() == 0:
        os.chown(folder, 12345, 12345)
        words = ["unshare", "--user", "--map-root-user", *words]
    else:
        folder.chmod(0)

    def said():
        done = subprocess.run(words, cwd=one.tree, env=one.project.environ, capture_output=True, text=True, check=False)
        if "unshare failed" in done.stderr:
            pytest.skip("root has a say everywhere here")
        return done.stderr

    assert "was built: first build here" in said()
    assert "is from the store" in said()
    if os.geteuid() == 0:
        os.chown(folder, 0, 0)
    folder.chmod(0o700)
    assert "was built" in said()
