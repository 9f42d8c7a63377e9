"""The second opinion: on planted records, and after real builds."""

import os
import shutil
import subprocess

import pytest

from freshwheel.base.model import Input
from freshwheel.build import opinion
from freshwheel.build.tree_view import Scope
from freshwheel.sources import digest
from freshwheel.sources.cargo import Closure, Crate

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

OLD = 1_700_000_000_000_000_000
NEW = OLD + 60_000_000_000


def crate(folder, name):
    """One crate of a closure."""
    return Crate(folder=folder, name=name, reason="")


def closure(*crates, locks=("Cargo.lock",)):
    """A closure of crates."""
    return Closure(crates=crates, files={}, locks=locks)


class Ground:
    """A repository with a project in it, and what cargo left there."""

    def __init__(self, folder):
        self.repository = str(folder / "repo")
        self.tree = os.path.join(self.repository, "py")
        self.target = os.path.join(self.tree, "target")
        os.makedirs(self.tree)
        self.crates = closure(crate("", "demo"))
        self.inputs = []
        self.sources("Cargo.toml", "src/lib.rs")

    def write(self, path, text="", stamp=OLD):
        """Makes one file, relative to the project."""
        where = os.path.join(self.tree, path)
        os.makedirs(os.path.dirname(where), exist_ok=True)
        with open(where, "wb") as file:
            file.write(text.encode())
        os.utime(where, ns=(stamp, stamp))
        return where

    def sources(self, *paths, text=""):
        """Makes inputs."""
        for path in paths:
            self.write(path, text)
            self.inputs.append(Input(path=path.encode(), kind=b"f", content=digest.of(text.encode())))

    def compiled(self, *reads, name="demo", profile="release", stamp=OLD, lists=False):
        """Plants the dep-info of one compilation, or cargo's own list."""
        files = " ".join(one.replace(" ", "\\ ") for one in reads)
        record = f"{name}.d" if lists else f"deps/{name}-0123.d"
        return self.write(f"target/{profile}/{record}", f"out: {files}\n", stamp)

    def listed(self, *paths, **more):
        """Plants cargo's own list of the sources of an artefact."""
        self.compiled(*(os.path.join(self.tree, path) for path in paths), lists=True, **more)

    def script(self, *lines, package="demo", stamp=OLD):
        """Plants the output of a build script."""
        folder = f"target/release/build/{package}-0123"
        self.write(f"{folder}/root-output", "")
        return self.write(f"{folder}/output", "".join(f"cargo:rerun-if-{line}\n" for line in lines), stamp)

    def scope(self, **more):
        """What opinions are held against."""
        return Scope(**{"tree": self.tree, "repository": self.repository, "inputs": self.inputs, **more})

    def second(self, since=None, **more):
        """The second opinion."""
        return opinion.second(self.scope(**more), self.crates, [self.target], since=since)

    def missed(self, since=None, **more):
        """The paths that it finds missed."""
        found = self.second(since, **more)
        assert not found.reason
        return [read.path for read in found.missed]


@pytest.fixture
def ground(tmp_path):
    """A project with one crate."""
    return Ground(tmp_path)


def test_included_file_outside_is_missed(ground):
    """A file that rustc read beside the inputs is named, and who read it."""
    ground.write("../a b#.txt")
    ground.compiled("src/lib.rs", os.path.join(ground.tree, "src/../../a b#.txt"))
    (read,) = ground.second().missed
    assert (read.path, read.by) == ("../a b#.txt", "src/lib.rs of demo")


def test_nothing_missed(ground):
    """Where all that was read is an input, or was built, there is an opinion and nothing in it."""
    ground.compiled("src/lib.rs", ground.write("target/release/build/demo-0123/out/gen.rs"))
    assert ground.second() == opinion.Opinion()


def test_file_that_is_gone_is_not_missed(ground):
    """A record of an earlier build may name what is not there any more."""
    ground.compiled("src/lib.rs", "src/gone.rs")
    assert ground.missed() == []


@pytest.mark.parametrize(("stamp", "more"), [(OLD, {}), (NEW, {"outputs": ["src/gone.rs"]}), (NEW, {"apart": True})])
def test_file_that_is_gone_is_no_doubt(ground, stamp, more):
    """What an earlier build read may be gone, and so may what nobody counts."""
    if more.get("apart"):
        more = {"apart": [os.path.join(ground.tree, "src")]}
    ground.compiled("src/lib.rs", "src/gone.rs", stamp=stamp)
    assert ground.missed(since=NEW, **more) == []


def test_file_that_this_build_read_and_is_gone(ground):
    """Nobody knows what it was; what else was read is told all the same."""
    ground.compiled("src/lib.rs", "src/gone.rs", ground.write("../x.txt"), stamp=NEW)
    found = ground.second(since=NEW)
    assert found.reason == "src/gone.rs was read by src/lib.rs of demo, and is not there"
    assert [read.path for read in found.missed] == ["../x.txt"]


@pytest.mark.skipif(os.name == "nt", reason="the system goes by the text there")
def test_crate_behind_a_link(ground):
    """What lies above it lies above where the link leads, also as cargo lists it."""
    for name in ("Cargo.toml", "src/lib.rs"):
        ground.sources(f"real/deep/core/{name}")
    os.symlink("real/deep/core", os.path.join(ground.tree, "core"))
    ground.crates = closure(crate("", "demo"), crate("core", "core"))
    ground.write("real/deep/a.txt")
    ground.write("real/deep/b.txt")
    ground.compiled("core/src/lib.rs", "core/src/../../a.txt", name="core", stamp=NEW)
    ground.listed("core/src/lib.rs", "core/src/../../a.txt", "core/../b.txt", stamp=NEW)
    ground.script("changed=../b.txt", package="core")
    assert ground.missed(since=NEW) == ["real/deep/a.txt", "real/deep/b.txt"]


@pytest.mark.skipif(os.name == "nt", reason="the system goes by the text there")
def test_climbing_in_a_tree_behind_a_link(ground, tmp_path):
    """Where the link to the tree stands, nothing is read."""
    ground.write("../x.txt")
    ground.compiled("src/lib.rs", "src/../../x.txt")
    os.symlink(ground.tree, tmp_path / "py")
    ground.tree = str(tmp_path / "py")
    assert ground.missed() == ["../x.txt"]


def test_record_whose_crate_is_gone(ground):
    """A record whose own source is gone belongs to no crate."""
    ground.write("../x.txt")
    ground.compiled("src/gone.rs", os.path.join(ground.repository, "x.txt"))
    assert ground.missed() == []


def test_crate_outside_of_the_closure(ground):
    """What other crates in the same target folder read is none of this project's business."""
    ground.write("../other/Cargo.toml")
    ground.write("../x.txt")
    source = ground.write("../other/src/lib.rs")
    ground.compiled(source, os.path.join(ground.repository, "x.txt"), name="other")
    ground.script("changed=../x.txt", f"changed={ground.repository}/x.txt", package="other")
    assert ground.missed() == []
    ground.crates = closure(crate("", "demo"), crate("../other", "other"))
    assert ground.missed() == ["../other/src/lib.rs", "../x.txt"]


def test_crate_with_its_source_elsewhere(ground):
    """A crate whose `[lib] path` leads out of its folder is known by its name."""
    ground.compiled(ground.write("../common/lib.rs"))
    assert ground.missed() == ["../common/lib.rs"]


def test_workspace_above(ground):
    """Relative paths are those of the workspace, not of the project."""
    ground.crates = closure(crate("", "demo"), locks=("../Cargo.lock",))
    ground.write("../x.txt")
    ground.compiled("py/src/lib.rs", "x.txt")
    assert ground.missed() == ["../x.txt"]


def test_cargo_knows_which_records_are_left(ground):
    """A file that cargo's own list lacks was read by an earlier build."""
    ground.write("../old.txt")
    ground.write("../new.txt")
    paths = [os.path.join(ground.repository, name) for name in ("old.txt", "new.txt")]
    ground.compiled("src/lib.rs", *paths)
    assert ground.missed() == ["../new.txt", "../old.txt"]
    ground.listed("src/lib.rs", "../new.txt")
    assert ground.missed() == ["../new.txt"]


def test_crate_that_cargo_does_not_list(ground):
    """A list of artefacts without the crate says nothing of it; then the time decides."""
    ground.write("../x.txt")
    ground.compiled("src/lib.rs", os.path.join(ground.repository, "x.txt"))
    ground.listed("../elsewhere/lib.rs", stamp=NEW)
    assert ground.missed() == ["../x.txt"]
    assert ground.missed(since=NEW) == []


def test_profile_of_another_build(ground):
    """A profile where nothing is new counts only if that is so everywhere."""
    for profile, name in (("debug", "a"), ("release", "b"), ("x86_64-unknown-linux-gnu/release", "c")):
        ground.compiled("src/lib.rs", ground.write(f"../{name}.txt"), profile=profile)
    assert ground.missed() == ["../a.txt", "../b.txt", "../c.txt"]
    assert ground.missed(since=NEW) == []
    ground.listed("src/lib.rs", "../a.txt", "../b.txt", "../c.txt", profile="debug")
    ground.listed("src/lib.rs", "../a.txt", "../b.txt", "../c.txt", profile="release", stamp=NEW)
    assert ground.missed(since=NEW) == ["../b.txt", "../c.txt"]


def test_build_that_did_nothing(ground):
    """Where cargo had nothing to do, what it read earlier still counts."""
    ground.write("../x.txt")
    ground.compiled("src/lib.rs", os.path.join(ground.repository, "x.txt"))
    ground.listed("src/lib.rs", "../x.txt")
    assert ground.missed(since=NEW) == ["../x.txt"]


def test_build_script_names_a_folder(ground):
    """A folder stands for all files below it: missed are those that are no inputs, litter aside."""
    ground.sources("../shared/known.txt")
    for name in ("a/x.txt", "x.pyc", ".git/HEAD", "node_modules/.package-lock.json", "crate/Cargo.toml", "crate/y.rs"):
        ground.write(f"../shared/{name}")
    ground.script("changed=../shared", "env-changed=FOO", "changed=nowhere")
    found = ground.second()
    assert [(read.path, read.by) for read in found.missed] == [("../shared/a/x.txt", "the build script of demo")]
    assert found.names == ("FOO",)


def test_variables_are_those_of_all_profiles(ground):
    """Where cargo had nothing to do, it does not ask again, and the variable decides all the same."""
    ground.script("env-changed=OPENSSL_DIR")
    ground.compiled("src/lib.rs", profile="debug")
    ground.listed("src/lib.rs", profile="debug", stamp=NEW)
    assert ground.second(since=NEW).names == ("OPENSSL_DIR",)


def test_build_script_names_its_own_crate(ground):
    """Tests of a crate are no inputs, even where a build script names the folder of the crate."""
    ground.write("tests/a.rs")
    ground.write("examples/b.rs")
    ground.script("changed=")
    assert ground.missed() == []
    ground.script("changed=", "changed=tests")
    assert ground.missed() == ["tests"]


def test_folder_of_which_nothing_is_an_input_stays_a_folder(ground):
    """A file that is born there later counts as well, because the build script would be run again for it."""
    ground.write("../shared/a/x.txt")
    ground.write("../shared/y.txt")
    ground.script("changed=../shared", "changed=../shared/y.txt")
    assert ground.missed() == ["../shared"]


def test_system_header(ground, tmp_path):
    """What lies outside of the repository has an absolute path, whichever crate asked for it."""
    header = tmp_path / "include" / "z.h"
    header.parent.mkdir()
    header.touch()
    ground.script(f"changed={header}", f"changed={header.parent}/gone.h", package="libz-sys")
    found = ground.second()
    assert ([read.path for read in found.system], found.missed) == ([header.as_posix()], ())
    assert ground.second(known=[header.as_posix()]).system == ()
    assert ground.second(apart=[str(tmp_path / "include")]).system == ()


def test_excluded_and_declared_files(ground):
    """What somebody said is no input was not missed."""
    for name in ("gen/a.rs", "gen/b.rs", "gen/c.rs"):
        ground.write(name)
    ground.script("changed=gen")
    assert ground.missed(exclude=["gen/a.*"], outputs=["gen/b.rs"]) == ["gen/c.rs"]
    assert ground.missed(exclude=["**/gen"]) == []


def test_excluded_file_outside(ground):
    """A pattern may climb."""
    ground.compiled("src/lib.rs", ground.write("../x/a.txt"), ground.write("../b.txt"))
    assert ground.missed(exclude=["../x/**"]) == ["../b.txt"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_input_under_another_name(ground):
    """A file that is an input through a link was not missed, nor one that tools reach without it."""
    os.makedirs(os.path.join(ground.repository, "protos"))
    os.symlink("../protos", os.path.join(ground.tree, "protos"))
    ground.sources("protos/a.proto")
    ground.compiled("src/lib.rs", os.path.join(ground.repository, "protos/a.proto"))
    assert ground.missed() == []


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_tree_behind_a_link(ground, tmp_path):
    """Tools may spell the tree as it really is, while it was opened through a link; or the other way round."""
    ground.sources("src/a.rs")
    ground.compiled("src/lib.rs", os.path.join(ground.tree, "src/a.rs"), ground.write("../x.txt"))
    ground.script(f"changed={ground.write('target/y.txt')}", package="foreign")
    os.symlink(ground.repository, tmp_path / "link")
    ground.tree = str(tmp_path / "link" / "py")
    assert [read.path for read in ground.second().missed] == ["../x.txt"]
    assert ground.second().system == ()


def test_newer_layout(ground):
    """Records are found as well where cargo keeps one folder for each unit of a package."""
    ground.write("../a.txt")
    ground.write("../b.txt")
    stem = "target/release/build/demo"
    ground.write(f"{stem}/01/fingerprint/x")
    ground.write(f"{stem}/01/out/demo-01.d", "out: src/lib.rs ../b.txt")
    ground.write(f"{stem}/02/fingerprint/x")
    ground.write(f"{stem}/02/run/root-output")
    ground.write(f"{stem}/02/run/stdout", "cargo:rerun-if-changed=../a.txt")
    assert ground.missed() == ["../a.txt", "../b.txt"]


def test_no_records(ground):
    """Without records there is no opinion, and a reason."""
    assert ground.second() == opinion.Opinion(reason="cargo left no records in its target folder")


@pytest.mark.parametrize("text", ["", "\0", "out: \0 a\0b\n", "out: a" + "\udcff\n", "out: src/lib.rs src/\0/x /\n"])
def test_odd_records(ground, text):
    """No record makes an opinion fail."""
    where = ground.compiled()
    with open(where, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
    with open(ground.script(), "wb") as file:
        file.write(
            b"cargo:rerun-if-changed=\0\ncargo:rerun-if-changed=\xff\n" + b"cargo:rerun-if-changed=" + b"x" * 9000
        )
    assert ground.second().missed == ()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the system refuses nothing")
def test_unreadable_records(ground):
    """What the system refuses ends in no opinion, and a reason."""
    os.chmod(ground.compiled("src/lib.rs"), 0)
    assert ground.second().reason.startswith("the records of cargo can't be read: ")


def test_refusals_end_in_a_reason(ground, monkeypatch):
    """Any error of the system is the reason why there is no opinion."""

    def refused(folder):
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(opinion, "units", refused)
    assert ground.second() == opinion.Opinion(reason="the records of cargo can't be read: Permission denied")


# What cargo really does. Each test builds crates without dependencies, so nothing comes from a network.


def build(folder, *arguments):
    """Runs cargo."""
    command = ["cargo", "build", "--release", "--offline", "--quiet", *arguments]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CARGO_")}
    subprocess.run(command, cwd=folder, env=environ, check=True)


def manifest(name, more=""):
    """The text of a Cargo.toml."""
    return f'[package]\nname = "{name}"\nversion = "1.0.0"\nedition = "2021"\n{more}'


@pytest.fixture
def cargo(ground):
    """A crate with a path dependency beside it, both with all their files as inputs."""
    if shutil.which("cargo") is None:
        pytest.skip("there is no cargo")
    ground.inputs.clear()
    ground.sources("Cargo.toml", text=manifest("demo", '[dependencies]\nthe-other = { path = "../other" }\n'))
    ground.sources("src/lib.rs", text="pub use the_other::X;")
    ground.sources("../other/Cargo.toml", text=manifest("the-other"))
    ground.sources("../other/src/lib.rs", text='pub const X: &str = "";')
    ground.crates = closure(crate("", "demo"), crate("../other", "the-other"))
    return ground


@pytest.mark.slow
def test_includes_of_cargo(cargo):
    """What macros include from outside is found, with odd names too, and so is a variable of the environment."""
    cargo.sources(
        "../other/src/lib.rs",
        text="""
            pub const X: &str = include_str!("../../outside.txt");
            pub const Y: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../odd d #$x/fi le#$.bin"));
            pub const Z: Option<&str> = option_env!("ODD_NAME");
            #[path = "../../shared/part.rs"] pub mod part;
        """,
    )
    for name in ("outside.txt", "odd d #$x/fi le#$.bin", "shared/part.rs", "shared/unread.rs"):
        cargo.write(f"../{name}")
    build(cargo.tree)
    found = cargo.second()
    assert [read.path for read in found.missed] == ["../odd d #$x/fi le#$.bin", "../outside.txt", "../shared/part.rs"]
    assert {read.by for read in found.missed} == {"src/lib.rs of the-other"}
    assert found.names == ("ODD_NAME",)


@pytest.mark.slow
def test_file_that_is_not_included_any_more(cargo):
    """Records that cargo leaves of another build with the same target folder name nothing as missed."""
    cargo.write("../old.txt")
    cargo.sources("../other/Cargo.toml", text=manifest("the-other", "[features]\nold = []\n"))
    cargo.sources(
        "../other/src/lib.rs",
        text='#[cfg(feature = "old")] pub const O: &str = include_str!("../../old.txt"); pub const X: &str = "";',
    )
    build(cargo.tree, "--features", "the-other/old")
    assert cargo.missed() == ["../old.txt"]
    build(cargo.tree)
    records = [name for name in os.listdir(os.path.join(cargo.target, "release", "deps")) if name.endswith(".d")]
    assert len([name for name in records if name.startswith("the_other-")]) == 2
    assert cargo.missed() == []


SCRIPT = 'fn main() {{ std::fs::read("../shared/x.txt").unwrap(); {} }}'


@pytest.mark.slow
def test_build_script_that_says_what_it_reads(cargo):
    """What a build script asks to be run again for is found; what it includes itself as well."""
    cargo.write("../shared/x.txt")
    cargo.write("../shared/part.rs", "fn part() {}")
    lines = 'println!("cargo:rerun-if-changed=../shared/x.txt"); println!("cargo::rerun-if-env-changed=FOO"); part();'
    cargo.sources("../other/build.rs", text='include!("../shared/part.rs");' + SCRIPT.format(lines))
    build(cargo.tree)
    found = cargo.second()
    assert [(read.path, read.by) for read in found.missed] == [
        ("../shared/part.rs", "build.rs of the-other"),
        ("../shared/x.txt", "the build script of the-other"),
    ]
    assert found.names == ("FOO",)


@pytest.mark.slow
def test_build_script_that_says_nothing(cargo):
    """What a build script reads without a word is beyond an opinion: cargo does not know of it either."""
    cargo.write("../shared/x.txt")
    cargo.sources("../other/build.rs", text=SCRIPT.format(""))
    build(cargo.tree)
    assert cargo.missed() == []


@pytest.mark.slow
def test_opinion_holds_where_cargo_does_nothing(cargo):
    """A file that was missed is found again by a build that compiles nothing."""
    cargo.write("../outside.txt")
    cargo.sources("src/lib.rs", text='pub const X: &str = include_str!("../../outside.txt");')
    build(cargo.tree)
    build(cargo.tree)
    record = os.path.join(cargo.target, "release", "deps")
    newest = max(os.stat(os.path.join(record, name)).st_mtime_ns for name in os.listdir(record))
    assert cargo.missed(since=newest + 1) == ["../outside.txt"]


@pytest.mark.slow
def test_other_member_of_the_workspace(cargo):
    """Of a workspace, what the project does not build is not looked at."""
    cargo.write("../Cargo.toml", '[workspace]\nmembers = ["py", "apart"]\nresolver = "2"\n')
    cargo.write("../apart/Cargo.toml", manifest("apart", '[dependencies]\nthe-other = { path = "../other" }\n'))
    for name in ("x.txt", "y.txt"):
        cargo.write(f"../{name}")
    cargo.write("../apart/src/lib.rs", 'pub const X: &str = include_str!("../../x.txt");')
    cargo.write("../apart/build.rs", 'fn main() { println!("cargo:rerun-if-changed=../x.txt"); }')
    cargo.sources("src/lib.rs", text='pub const X: &str = include_str!("../../y.txt");')
    cargo.crates = closure(*cargo.crates.crates, locks=("../Cargo.lock",))
    cargo.target = os.path.join(cargo.repository, "target")
    build(cargo.repository, "--workspace")
    assert cargo.missed() == ["../y.txt"]


FIXTURES = os.path.join(os.path.dirname(__file__), "..", "..", "fixtures")


@pytest.mark.slow
def test_fixture_without_dependencies(ground):
    """A real project, built, misses nothing."""
    if shutil.which("cargo") is None:
        pytest.skip("there is no cargo")
    shutil.rmtree(ground.tree)
    shutil.copytree(os.path.join(FIXTURES, "maturin-nodeps"), ground.tree)
    with open(os.path.join(ground.tree, "Cargo.toml"), "rb") as file:
        name = tomllib.load(file)["package"]["name"]
    ground.crates = closure(crate("", name))
    ground.inputs.clear()
    ground.inputs += [Input(path=one, kind=b"f", content=b"") for one in (b"Cargo.toml", b"src/main.rs")]
    build(ground.tree)
    assert ground.second() == opinion.Opinion()
    ground.inputs.pop()
    assert ground.missed() == ["src/main.rs"]
