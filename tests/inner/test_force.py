"""Inputs made newer than what cargo made from others: decided over values, and held against cargo itself."""

import dataclasses
import errno
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.inner import build_folders
from freshwheel.inner.build_folders import Profile, Record, Seen

FIXTURES = Path(__file__).parents[2] / "fixtures"
RECIPE = b"recipe"
LONG_AGO = 1_600_000_000_000_000_000
NOW = 2_000_000_000_000_000_000


def content(text, kind=b"f"):
    """Kind and content digest of an input."""
    return kind + xxhash.xxh3_128_digest(text)


def seen(*, recipe=RECIPE, **inputs):
    """What a build is made from: name = (text, mtime)."""
    facts = {name.encode(): fact for name, fact in inputs.items()}
    return Seen(
        recipe=recipe,
        inputs={path: content(text) for path, (text, _) in facts.items()},
        mtimes={path: mtime for path, (_, mtime) in facts.items()},
    )


def profile(stamp=b"s" * 16, newest=100):
    """The state of one profile."""
    return Profile(stamp=stamp, newest=newest)


def record(was, *, used=("release",), **profiles):
    """What is known after a build that used a profile."""
    return Record(seen=was, profiles=profiles or {"release": b"s" * 16}, used={was.recipe: frozenset(used)})


FITS = {"release": profile()}
NAMES = st.sampled_from((b"a", b"b", b"../c", b"d/e", b"\xff"))
FACTS = st.tuples(st.sampled_from((b"one", b"two", b"three")), st.integers(0, 200))
TREES = st.dictionaries(NAMES, FACTS)


def of(tree, recipe=RECIPE):
    """`Seen` of a drawn tree."""
    return Seen(
        recipe=recipe,
        inputs={path: content(text) for path, (text, _) in tree.items()},
        mtimes={path: mtime for path, (_, mtime) in tree.items()},
    )


@given(was=TREES, now=TREES)
def test_what_differs_from_a_fitting_record_looks_new(was, now):
    """Every input with another content ends newer than all that cargo made; one as recorded never gets a new time."""
    old = record(of(was))
    times = build_folders.pending(old, FITS, of(now), now=NOW)
    for path, (text, mtime) in now.items():
        if path not in was or was[path][0] != text:
            assert times.get(path, mtime) > 100
        else:
            assert times.get(path, mtime) == max(mtime, was[path][1])


@given(was=TREES, now=TREES, stamp=st.sampled_from((b"t" * 16, b"")))
def test_a_foreign_profile_makes_everything_look_new(was, now, stamp):
    """Where somebody else worked, or nothing can be read, every input ends newer than what is there."""
    state = {"release": profile(stamp)}
    for old in (None, record(of(was))):
        times = build_folders.pending(old, state, of(now), now=NOW)
        assert all(times.get(path, mtime) > 100 for path, (_, mtime) in now.items())
        assert stamp or times.keys() == now.keys()


def test_nothing_built_yet():
    """Without anything that was built, nothing is touched."""
    assert build_folders.pending(None, {}, seen(a=(b"one", 5)), now=NOW) == {}


def test_clock_behind_the_build_folder():
    """A build folder from the future still gets sources that are newer."""
    state = {"release": profile(newest=NOW + 7)}
    assert build_folders.pending(None, state, seen(a=(b"one", 5)), now=NOW) == {b"a": NOW + 8}


def test_profile_of_others():
    """What a person builds in a profile that this recipe does not use costs nothing, and is not trusted later."""
    was = seen(a=(b"one", 5))
    old = record(was, release=b"s" * 16, debug=b"d" * 16)
    state = {"release": profile(), "debug": profile(b"e" * 16, newest=900)}
    assert build_folders.pending(old, state, was, now=NOW) == {}
    after = build_folders.recorded(old, state, state, was)
    assert (after.profiles, after.used) == ({"release": b"s" * 16}, {RECIPE: {"release"}})


def test_another_recipe_trusts_no_profile_of_others():
    """A recipe that has not built yet may use any profile, so a foreign one counts."""
    was = seen(a=(b"one", 5))
    state = {"release": profile(), "debug": profile(b"e" * 16)}
    other = dataclasses.replace(was, recipe=b"another")
    assert build_folders.pending(record(was), state, other, now=NOW) == {b"a": NOW}
    assert build_folders.pending(record(was), FITS, other, now=NOW) == {}


def test_used_profiles_are_known_only_when_everything_was_compiled():
    """A build that may have compiled nothing says nothing about the profiles that it used."""
    was = seen(a=(b"one", 5))
    moved = {"release": profile(), "debug": profile(b"e" * 16)}
    assert build_folders.recorded(None, FITS, moved, was).used == {}
    assert build_folders.recorded(None, FITS, moved, seen(a=(b"one", 101))).used == {RECIPE: {"debug"}}
    assert build_folders.recorded(record(was), FITS, moved, was).used == {RECIPE: {"release", "debug"}}


def test_profile_that_fits_and_is_not_used():
    """Inputs are newer than all profiles that the record keeps, not only than the one that is built in."""
    old = record(seen(a=(b"one", 5)), release=b"s" * 16, debug=b"d" * 16)
    state = {"release": profile(), "debug": profile(b"d" * 16, newest=900)}
    assert build_folders.pending(old, state, seen(a=(b"two", 500)), now=NOW) == {b"a": NOW}


@pytest.mark.parametrize(("was", "now"), [(b"l", b"l"), (b"l", b"f"), (b"f", b"l"), (b"l", b""), (b"", b"l")])
def test_link_that_changes(was, now):
    """Around a link that is born, changed, replaced or deleted, everything is made to look new."""
    before, after = seen(a=(b"one", 5), b=(b"one", 5)), seen(a=(b"one", 5), b=(b"two", 500))
    kinds = ((before, was), (after, now))
    before, after = (
        dataclasses.replace(
            one, inputs={**one.inputs, b"b": kind + one.inputs[b"b"][1:]} if kind else {b"a": one.inputs[b"a"]}
        )
        for one, kind in kinds
    )
    assert build_folders.pending(record(before), FITS, after, now=NOW) == {b"a": NOW}
    assert build_folders.pending(record(before), FITS, before, now=NOW) == {}


@given(tree=TREES, recipe=st.binary(max_size=9), used=st.frozensets(st.text("ab/é\udcff", min_size=1)))
def test_record_there_and_back(tree, recipe, used):
    """A record is read as it was written."""
    one = Record(seen=of(tree, recipe), profiles=dict.fromkeys(used, b"x" * 16), used={recipe: used})
    assert Record.parse(one.dump()) == one


def test_damaged_record():
    """A record that is cut anywhere, or has any bit flipped, is none."""
    data = record(seen(a=(b"one", 5), b=(b"two", -1))).dump()
    assert Record.parse(data) is not None
    assert [end for end in range(len(data)) if Record.parse(data[:end]) is not None] == []
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            assert Record.parse(bytes(flipped)) is None
    assert Record.parse(data + b"\0") is None


# Touching files.


def file(path, text=b"text", mtime=LONG_AGO):
    """A file with an old time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    os.utime(path, ns=(LONG_AGO, mtime))
    return path


def touch(tree, *paths, time=NOW, newest=100):
    """Touches, and the names of those that could not be."""
    return build_folders.touch(os.fsencode(tree), dict.fromkeys(paths, time), newest=newest)


def test_touched_file(tmp_path):
    """A file gets the time; it keeps its content and the time of its last reading."""
    path = file(tmp_path / "a")
    assert touch(tmp_path, b"a") == []
    found = path.stat()
    assert found.st_mtime_ns // 10**6 == NOW // 10**6
    assert os.name == "nt" or found.st_atime_ns == LONG_AGO
    assert path.read_bytes() == b"text"


def test_file_that_is_gone(tmp_path):
    """What is not there needs no time."""
    file(tmp_path / "a")
    assert touch(tmp_path, b"b", b"a/b", b"no/b") == []


def test_file_beside_the_project(tmp_path):
    """An input above the project directory is touched as well."""
    path = file(tmp_path / "b" / "x")
    (tmp_path / "a").mkdir()
    assert touch(tmp_path / "a", b"../b/x") == []
    assert path.stat().st_mtime_ns > LONG_AGO


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_links(tmp_path):
    """A link passes the time on to its file, but not out of the tree, and not to a folder."""
    tree, outside = tmp_path / "tree", file(tmp_path / "outside" / "x")
    inside, below = file(tree / "x"), file(tree / "d" / "e" / "y")
    for name, target in (
        ("to_x", "x"),
        ("to_d", "d"),
        ("out", "../outside/x"),
        ("lost", "nowhere"),
        ("round", "round"),
    ):
        (tree / name).symlink_to(target)
    assert touch(tree, b"to_x", b"to_d", b"lost", b"out") == [b"out"]
    assert outside.stat().st_mtime_ns == LONG_AGO
    assert inside.stat().st_mtime_ns > LONG_AGO
    assert below.stat().st_mtime_ns == LONG_AGO
    assert touch(tree, b"to_d/e/y") == []
    assert below.stat().st_mtime_ns > LONG_AGO


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_links_in_a_circle(tmp_path):
    """A link to itself is like nothing at all."""
    (tmp_path / "round").symlink_to("round")
    assert touch(tmp_path, b"round") == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EROFS])
def test_file_that_refuses(tmp_path, monkeypatch, number):
    """A file that may not be touched is named, and the others are touched all the same."""
    mine, other = file(tmp_path / "mine"), os.fsencode(file(tmp_path / "other"))
    real = os.utime

    def refusing(path, **options):
        if os.path.samefile(path, other):
            raise OSError(number, os.strerror(number))
        real(path, **options)

    monkeypatch.setattr(os, "utime", refusing)
    assert touch(tmp_path, b"other", b"mine") == [b"other"]
    assert mine.stat().st_mtime_ns > LONG_AGO


@pytest.mark.parametrize("step", [10**9, 2 * 10**9])
def test_coarse_times(tmp_path, monkeypatch, step):
    """On a file system that cuts times down, a file still ends newer than what was built."""
    path, real = file(tmp_path / "a"), os.utime
    monkeypatch.setattr(os, "utime", lambda path, ns: real(path, ns=(ns[0], ns[1] // step * step)))
    assert touch(tmp_path, b"a", time=NOW + 5, newest=NOW) == []
    assert path.stat().st_mtime_ns > NOW


# Build folders.


def built(folder, *, mtime=LONG_AGO, text=b"hash"):
    """A build folder with one profile."""
    file(folder / "release" / ".cargo-lock", b"")
    file(folder / "release" / "demo.d", mtime=mtime + 1)
    file(folder / "release" / "build" / "demo-1" / "output", mtime=mtime)
    return file(folder / "release" / ".fingerprint" / "demo-1" / "dep-lib-demo", text, mtime=mtime)


def test_missing_and_empty_build_folders(tmp_path):
    """Where nothing was built, there is no profile."""
    (tmp_path / "empty").mkdir()
    folders = [str(tmp_path / "no"), str(tmp_path / "empty")]
    folders += [str(file(tmp_path / "file"))] if os.name != "nt" else []  # wine has another word for it than Windows
    assert build_folders.look(folders) == {}


def test_profiles_of_a_build_folder(tmp_path):
    """Profiles are found with a target triple and without."""
    built(tmp_path)
    built(tmp_path / "x86_64-pc-windows-gnu")
    file(tmp_path / "doc" / "demo" / "index.html")
    found = build_folders.look([str(tmp_path)])
    names = [tmp_path / "release", tmp_path / "x86_64-pc-windows-gnu" / "release"]
    assert sorted(found) == sorted(map(str, names))
    assert found[str(names[0])].newest == LONG_AGO


@pytest.mark.parametrize(
    "change",
    [
        lambda path: os.utime(path, ns=(0, LONG_AGO - 1000)),
        lambda path: os.utime(path, ns=(0, LONG_AGO + 1000)),
        lambda path: file(path, b"longer"),
        lambda path: path.unlink(),
        lambda path: path.rename(path.with_name("other")),
        lambda path: file(path.with_name("more")),
        lambda path: file(path.parents[2] / "build" / "demo-1" / "output", b"longer"),
    ],
    ids=["older", "newer", "longer", "deleted", "renamed", "added", "run"],
)
def test_stamp(tmp_path, change):
    """A stamp moves with every file that cargo compares with, and with nothing else."""
    path = built(tmp_path)
    before = build_folders.look([str(tmp_path)])
    file(tmp_path / "release" / "demo.d", mtime=NOW)
    file(tmp_path / "debug.txt")
    assert build_folders.look([str(tmp_path)]) == before
    change(path)
    assert build_folders.look([str(tmp_path)]).keys() == before.keys()
    assert build_folders.look([str(tmp_path)]) != before


def test_profile_of_an_unfamiliar_form(tmp_path):
    """A profile without fingerprints is taken whole."""
    file(tmp_path / "release" / ".cargo-lock", b"")
    deep = file(tmp_path / "release" / "build" / "demo" / "1" / "fingerprint" / "dep")
    before = build_folders.look([str(tmp_path)])
    os.utime(deep, ns=(0, NOW))
    after = build_folders.look([str(tmp_path)])
    (one,) = after.values()
    assert (after != before, one.newest) == (True, NOW)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything is readable here")
def test_unreadable_build_folder(tmp_path):
    """What can't be read never fits a record."""
    built(tmp_path)
    (tmp_path / "release" / ".fingerprint").chmod(0)
    (one,) = build_folders.look([str(tmp_path)]).values()
    (tmp_path / "release" / ".fingerprint").chmod(0o755)
    assert one.stamp == b""


@pytest.mark.parametrize("place", ["", "release/.fingerprint"])
def test_build_folder_that_refuses(tmp_path, monkeypatch, place):
    """What the system refuses to list never fits a record."""
    built(tmp_path)
    refused = str(tmp_path / place)
    real = os.scandir

    def refusing(path):
        if str(path) == refused:
            raise PermissionError(errno.EACCES, "no")
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    (one,) = build_folders.look([str(tmp_path)]).values()
    assert one == Profile(stamp=b"", newest=0)


# With cargo.

cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")
OLD, OLDER = LONG_AGO, LONG_AGO - 10**15


class World:
    """A crate `a` with a build script and a path dependency `b`, and what is known of its build folder."""

    def __init__(self, folder):
        self.folder = folder
        self.tree = folder / "tree" / "a"
        self.target = self.tree / "target"
        self.record = None
        self.touched = {}
        manifest = '[package]\nname = "{}"\nversion = "1.0.0"\nedition = "2021"\n'
        file(self.tree / "Cargo.toml", (manifest.format("a") + '[dependencies]\nb = { path = "../b" }\n').encode())
        file(self.tree / "../b/Cargo.toml", manifest.format("b").encode())
        file(self.tree / "build.rs", BUILD)
        file(self.tree / "src" / "main.rs", MAIN)
        for number in (1, 2, 3):
            self.write(number, OLDER)

    def write(self, number, mtime=None):
        """One of three sources has another content: a file of the crate, of the dependency, of the build script."""
        text = b'pub const X: &str = "%d";\n' % number
        for name in ("src/x.rs", "../b/src/lib.rs", "value.txt"):
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"%d" % number if name.endswith("txt") else text)
            if mtime is not None:
                os.utime(path, ns=(mtime, mtime))

    def environ(self):
        """The environment of cargo, with no settings of a person's own."""
        return {key: value for key, value in os.environ.items() if not key.startswith("CARGO_") or key == "CARGO_HOME"}

    def seen(self, recipe=RECIPE):
        """The inputs as they are."""
        found = [*self.tree.glob("*.*"), *self.tree.glob("src/*"), *self.tree.glob("../b/**/*.*")]
        paths = {os.fsencode(os.path.relpath(path, self.tree)).replace(b"\\", b"/"): path for path in found}
        paths.pop(b"Cargo.lock", None)
        return Seen(
            recipe=recipe,
            inputs={name: content(path.read_bytes()) for name, path in paths.items()},
            mtimes={name: path.stat().st_mtime_ns for name, path in paths.items()},
        )

    def plain(self, *options, check=True):
        """Builds as a person does, and returns what the program says, and which crates were compiled."""
        command = ["cargo", "build", "--offline", *(options or ("--release",))]
        quiet = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        done = subprocess.run(command, cwd=self.tree, env=self.environ(), check=False, **quiet)
        if check:
            assert done.returncode == 0, done.stderr
        compiled = [line.split()[1] for line in done.stderr.splitlines() if line.strip().startswith("Compiling")]
        program = self.target / ("debug" if "--dev" in options else "release") / ("a.exe" if os.name == "nt" else "a")
        said = subprocess.run([program], check=True, capture_output=True, text=True).stdout.strip() if check else ""
        return said, compiled

    def build(self, *options, recipe=RECIPE, check=True):
        """Builds as freshwheel does."""
        state = build_folders.look([str(self.target)])
        self.touched = build_folders.pending(self.record, state, self.seen(recipe), now=time.time_ns())
        newest = build_folders.newest(self.record, state, recipe)
        assert build_folders.touch(os.fsencode(self.tree), self.touched, newest=newest) == []
        now = self.seen(recipe)
        result = self.plain(*options, check=check)
        self.record = build_folders.recorded(self.record, state, build_folders.look([str(self.target)]), now)
        self.record = Record.parse(self.record.dump())
        return result

    def twin(self):
        """What a person gets; afterwards all is as it was. A copy elsewhere would be compiled anew."""
        tree, aside = self.folder / "tree", self.folder / "aside"
        tree.rename(aside)
        shutil.copytree(aside, tree, symlinks=True)
        said = self.plain()[0]
        shutil.rmtree(tree)
        aside.rename(tree)
        return said

    def keep(self, name):
        """Packs the build folder, times in nanoseconds included, and the record."""
        with tarfile.open(self.folder / name, "w", format=tarfile.PAX_FORMAT) as archive:
            archive.add(self.target, "target")
        return self.record

    def restore(self, name):
        """Unpacks a build folder in the place of the present one; Python's tarfile cuts times, so they are set."""
        shutil.rmtree(self.target)
        with tarfile.open(self.folder / name) as archive:
            options = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
            archive.extractall(self.tree, **options)  # noqa: S202 - made by this test


BUILD = b"""fn main() {
    println!("cargo:rerun-if-changed=value.txt");
    let value = std::fs::read_to_string("value.txt").unwrap();
    println!("cargo:rustc-env=VALUE={value}");
}
"""
MAIN = b"""mod x;
fn main() {
    println!("{} {} {}", x::X, b::X, env!("VALUE"));
}
"""


@pytest.fixture
def world(tmp_path):
    """Nothing is built yet, and all sources are old."""
    return World(tmp_path)


def exact(path):
    """All mtimes below a folder."""
    return {one: one.stat().st_mtime_ns for one in path.rglob("*")}


def reset(times):
    """Gives the files their mtimes again."""
    for path, mtime in times.items():
        os.utime(path, ns=(mtime, mtime))


@cargo
@pytest.mark.slow
def test_unchanged_tree(world):
    """An unchanged tree is touched nowhere, and nothing is compiled, however often it is built."""
    world.build()
    for _ in range(3):
        assert world.build() == ("3 3 3", [])
        assert world.touched == {}


@cargo
@pytest.mark.slow
def test_older_copies(world):
    """Sources that are older than the build, and other ones, are compiled."""
    world.write(1, OLD)
    world.build()
    world.write(2, OLDER)
    assert world.twin() == "1 1 1"
    assert world.build()[0] == "2 2 2"
    assert sorted(world.touched) == [b"../b/src/lib.rs", b"src/x.rs", b"value.txt"]
    assert world.build() == ("2 2 2", [])


@cargo
@pytest.mark.slow
def test_edits_with_new_times(world):
    """What cargo sees by itself is not touched."""
    world.write(1, OLD)
    world.build()
    world.write(2)
    assert world.build()[0] == "2 2 2"
    assert world.touched == {}


@cargo
@pytest.mark.slow
def test_checkout_with_times_of_commits(world):
    """There and back with git, and with a tool that gives files the times of their commits."""

    def git(*words):
        name = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *name, *words], cwd=world.folder / "tree", check=True, capture_output=True)

    def restore():
        for path in world.seen().inputs:
            os.utime(world.tree / os.fsdecode(path), ns=(OLD, OLD))

    (world.folder / "tree" / ".gitignore").write_text("target\n", encoding="utf-8")
    git("init")
    for number in (1, 2):
        world.write(number)
        git("add", ".")
        git("commit", "-m", str(number))
        git("tag", f"v{number}")
    restore()
    world.build()
    git("checkout", "v1")
    restore()
    assert world.twin() == "2 2 2"
    assert world.build()[0] == "1 1 1"
    git("checkout", "v2")
    restore()
    assert world.twin() == "1 1 1"
    assert world.build()[0] == "2 2 2"


@cargo
@pytest.mark.slow
def test_bypass(world):
    """Sources that are as recorded are compiled after a person built others in the same folder."""
    world.write(1, OLD)
    world.build()
    world.write(2)
    assert world.plain()[0] == "2 2 2"
    world.write(1, OLD)
    assert world.twin() == "2 2 2"
    assert world.build()[0] == "1 1 1"
    assert world.build() == ("1 1 1", [])


@cargo
@pytest.mark.slow
def test_bypass_that_does_nothing(world):
    """A person's build that compiles nothing costs nothing."""
    world.build()
    assert world.plain() == ("3 3 3", [])
    assert world.build() == ("3 3 3", [])
    assert world.touched == {}


@cargo
@pytest.mark.slow
def test_bypass_in_another_profile(world):
    """A person's debug builds cost nothing; a recipe that turns to that profile does not trust it."""
    world.write(1, OLD)
    world.build()
    world.write(2)
    world.plain("--profile=dev", check=False)
    world.write(1, OLD)
    assert world.build() == ("1 1 1", [])
    assert world.touched == {}
    world.build("--profile=dev", recipe=b"debug", check=False)
    program = world.target / "debug" / ("a.exe" if os.name == "nt" else "a")
    assert subprocess.run([program], check=True, capture_output=True, text=True).stdout.strip() == "1 1 1"


@cargo
@pytest.mark.slow
def test_time_back_under_two_recipes(world):
    """A unit that only an earlier recipe used does not come back when a file goes back in time."""
    world.write(1, OLDER)
    (world.tree / "Cargo.toml").write_text((world.tree / "Cargo.toml").read_text("utf-8") + "[features]\nf = []\n")
    world.build()
    world.write(2)
    assert world.build("--release", "--features=f", recipe=b"other")[0] == "2 2 2"
    world.write(2, OLD)
    assert world.twin() == "2 2 1"
    assert world.build()[0] == "2 2 2"


@cargo
@pytest.mark.slow
def test_build_folder_without_record(world):
    """A build folder of unknown origin is not believed."""
    world.write(1, OLD)
    world.plain()
    world.write(2, OLDER)
    assert world.twin() == "1 1 1"
    assert world.build()[0] == "2 2 2"


@cargo
@pytest.mark.slow
@pytest.mark.parametrize(("kept", "sources"), [(1, 2), (2, 1)], ids=["older", "newer"])
def test_restored_build_folder(world, kept, sources):
    """A build folder from another time does not fit the record, be it older or newer."""
    records = {}
    for number in (1, 2) if kept == 1 else (1, 2, 1):
        world.write(number, OLD)
        assert world.build()[0] == f"{number} {number} {number}"
        if number not in records:
            records[number] = world.keep(f"{number}.tar"), world.seen()
    world.restore(f"{kept}.tar")
    world.write(sources, OLD)
    assert world.twin() == f"{kept} {kept} {kept}"
    assert world.record.seen.inputs == world.seen().inputs
    assert world.build()[0] == f"{sources} {sources} {sources}"


@cargo
@pytest.mark.slow
def test_build_folder_restored_exactly(world):
    """A build folder restored together with its record, times and sources is believed."""
    world.write(1)
    world.build()
    kept, sources, target = world.keep("1.tar"), world.seen().mtimes, exact(world.target)
    world.write(2)
    world.build()
    world.restore("1.tar")
    reset(target)
    world.write(1)
    reset({world.tree / os.fsdecode(path): mtime for path, mtime in sources.items()})
    world.record = kept
    assert world.build() == ("1 1 1", [])
    assert world.touched == {}


@cargo
@pytest.mark.slow
def test_failed_build(world):
    """After a failure, what did compile is not compiled again."""
    world.write(1)
    world.build()
    file(world.tree / "src" / "main.rs", b"fn main() { oops }", mtime=time.time_ns())
    world.build(check=False)
    file(world.tree / "src" / "main.rs", MAIN, mtime=OLDER)
    assert world.build() == ("1 1 1", ["a"])
    assert list(world.touched) == [b"src/main.rs"]


@cargo
@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
@pytest.mark.parametrize("kind", ["folder", "file", "file instead"])
def test_link_that_leads_elsewhere(world, kind):
    """A link that leads to another file or folder is followed, though cargo watches only where it led before."""
    texts = {number: b'pub const X: &str = "%d";' % number for number in (1, 2)}
    for number, text in texts.items():
        file(world.tree / f"gen{number}" / "g.rs", text)
    link = world.tree / ("gen" if kind == "folder" else "g.rs")
    file(world.tree / "src" / "main.rs", MAIN.replace(b"mod x;", b'#[path = "../%s"]\nmod x;' % b"gen/g.rs"))
    if kind != "folder":
        file(world.tree / "src" / "main.rs", MAIN.replace(b"mod x;", b'#[path = "../g.rs"]\nmod x;'))

    def lead(number):
        link.unlink(missing_ok=True)
        if kind == "file instead" and number == 2:
            file(link, texts[2], mtime=time.time_ns())
        else:
            link.symlink_to(f"gen{number}" + ("" if kind == "folder" else "/g.rs"))

    def linked(recipe=RECIPE):
        found = World.seen(world, recipe)
        name = os.fsencode(link.name)
        text = os.readlink(link).encode() if link.is_symlink() else None
        fact = content(link.read_bytes()) if text is None else content(text, kind=b"l")
        return Seen(
            recipe=recipe, inputs={**found.inputs, name: fact}, mtimes={**found.mtimes, name: link.stat().st_mtime_ns}
        )

    world.seen = linked
    lead(1)
    assert world.build()[0] == "1 3 3"
    lead(2)
    assert world.twin() == "1 3 3"
    assert world.build()[0] == "2 3 3"
    assert world.build() == ("2 3 3", [])


@cargo
@pytest.mark.slow
@pytest.mark.parametrize("how", ["plain", "target", "short", "build", "config", "argument", "private"])
def test_where_cargo_works(world, how):
    """The build folders are those that cargo really fills, whoever chose them."""
    elsewhere = str(world.folder / "elsewhere")
    environ, arguments = world.environ(), []
    if how == "target":
        environ["CARGO_TARGET_DIR"] = "../elsewhere"
    elif how == "short":
        environ["CARGO_BUILD_TARGET_DIR"] = elsewhere
    elif how == "build":
        environ["CARGO_BUILD_BUILD_DIR"] = elsewhere
    elif how == "config":
        file(world.folder / "tree" / ".cargo" / "config.toml", b'[build]\ntarget-dir = "mine"\n')
    elif how == "argument":
        arguments = ["--config", "build.jobs=1", "--target-dir", elsewhere]
    elif how == "private":
        environ = {**environ, "CARGO_BUILD_BUILD_DIR": "other", **build_folders.private(elsewhere)}
    found = build_folders.cargo(["Cargo.toml"], environ, tree=str(world.tree), arguments=arguments)
    assert build_folders.look(found) == {}
    command = ["cargo", "build", "--offline", "--release", *arguments]
    subprocess.run(command, cwd=world.tree, env=environ, check=True, capture_output=True)
    (name,) = build_folders.look(found)
    assert os.path.isdir(os.path.join(name, ".fingerprint"))


def test_where_nobody_can_tell(tmp_path):
    """Without cargo, with a broken manifest or with half an argument, there is no answer."""
    file(tmp_path / "Cargo.toml", b"[")
    environ = dict(os.environ)
    for change, arguments in (({"PATH": ""}, ()), ({}, ()), ({}, ("--target-dir",))):
        asked = {**environ, **change}
        assert build_folders.cargo(["Cargo.toml"], asked, tree=str(tmp_path), arguments=arguments) is None


# With maturin.


@pytest.fixture(scope="module")
def maturin(tmp_path_factory):
    """The path of a maturin."""
    folder = tmp_path_factory.mktemp("maturin")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([scripts / "python", "-m", "pip", "install", "-q", "maturin>=1.9,<2"], check=True)
    return scripts / "maturin"


@cargo
@pytest.mark.slow
@pytest.mark.parametrize("stale", ["older copy", "bypass"])
def test_wheel_by_maturin(tmp_path, maturin, stale):
    """The program in a wheel that maturin builds is made from the sources, whatever their times."""
    tree = tmp_path / "tree"
    shutil.copytree(FIXTURES / "maturin-nodeps", tree, ignore=shutil.ignore_patterns("target"))
    source, one = tree / "src" / "main.rs", (tree / "src" / "main.rs").read_bytes()
    two = one.replace(b"compiled one", b"compiled two")
    target, known, environ = tree / "target", None, World.environ(None)

    def wheel(folder):
        out = tmp_path / "dist" / folder.name
        shutil.rmtree(out, ignore_errors=True)
        command = [maturin, "build", "--release", "--offline", "-q", "-o", out]
        subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
        with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
            data = b"".join(archive.read(name) for name in archive.namelist() if "/scripts/" in name)
        return [word for word in (b"compiled one", b"compiled two") if word in data]

    def now():
        paths = (b"src/main.rs", b"Cargo.toml", b"Cargo.lock")
        real = {path: tree / os.fsdecode(path) for path in paths}
        inputs = {path: content(where.read_bytes()) for path, where in real.items()}
        return Seen(recipe=RECIPE, inputs=inputs, mtimes={path: at.stat().st_mtime_ns for path, at in real.items()})

    def forced():
        found = build_folders.cargo(["Cargo.toml"], environ, tree=str(tree))
        assert found == [str(target)]
        state = build_folders.look(found)
        times = build_folders.pending(known, state, now(), now=time.time_ns())
        assert build_folders.touch(os.fsencode(tree), times, newest=build_folders.newest(known, state, RECIPE)) == []
        was, words = now(), wheel(tree)
        return words, times, build_folders.recorded(known, state, build_folders.look(found), was)

    def twin():
        tree.rename(tmp_path / "aside")
        shutil.copytree(tmp_path / "aside", tree, symlinks=True)
        words = wheel(tree)
        shutil.rmtree(tree)
        (tmp_path / "aside").rename(tree)
        return words

    file(source, one, mtime=OLD)
    words, _, known = forced()
    assert words == [b"compiled one"]
    if stale == "bypass":
        file(source, two, mtime=time.time_ns())
        assert wheel(tree) == [b"compiled two"]
        file(source, one, mtime=OLD)
        wanted, wrong = [b"compiled one"], [b"compiled two"]
    else:
        file(source, two, mtime=OLDER)
        wanted, wrong = [b"compiled two"], [b"compiled one"]
    assert twin() == wrong
    words, times, known = forced()
    assert (words, b"src/main.rs" in times) == (wanted, True)
    assert forced()[:2] == (wanted, {})
