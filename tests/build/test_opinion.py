"""What cargo's records say of a build: planted ones, and those of real builds."""

import os
import shutil
import subprocess
import time

import pytest

from freshwheel.base.model import Input
from freshwheel.build import opinion
from freshwheel.sources import digest
from freshwheel.sources.boundary import Scope
from freshwheel.sources.cargo import Closure, Crate

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

    def compiled(self, *reads, name="demo", profile="release", stamp=NEW):
        """Plants the record of one compilation."""
        files = " ".join(one.replace(" ", "\\ ") for one in reads)
        return self.write(f"target/{profile}/deps/{name}-0123.d", f"out: {files}\n\n# env-dep:X\n", stamp)

    def script(self, *paths, package="demo", stamp=NEW):
        """Plants what a build script asks to be run again for."""
        folder = f"target/release/build/{package}-0123"
        self.write(f"{folder}/root-output", "")
        return self.write(f"{folder}/output", "".join(f"cargo:rerun-if-changed={one}\n" for one in paths), stamp)

    def reads(self, *, target=None, **more):
        """What a build that began at `NEW` has missed."""
        scope = Scope(**{"tree": self.tree, "repository": self.repository, "inputs": self.inputs, **more})
        return opinion.records(scope, self.crates, [target or self.target], since=NEW).missed

    def system(self, **more):
        """The absolute paths elsewhere on the machine that such a build has read."""
        scope = Scope(**{"tree": self.tree, "repository": self.repository, "inputs": self.inputs, **more})
        return [read.path for read in opinion.records(scope, self.crates, [self.target], since=NEW).system]

    def missed(self, **more):
        """The paths of that."""
        return [read.path for read in self.reads(**more)]


@pytest.fixture
def ground(tmp_path):
    """A project with one crate."""
    return Ground(tmp_path)


def test_file_outside_is_missed(ground):
    """A file that was taken beside the inputs is named, and who has taken it."""
    ground.write("../a b#.txt")
    ground.compiled("src/lib.rs", os.path.join(ground.tree, "src/../../a b#.txt"))
    (read,) = ground.reads()
    assert (read.path, read.by) == ("../a b#.txt", "demo")


def test_system_header(ground, tmp_path):
    """What lies outside of the repository has an absolute path, whichever crate asked for it."""
    header = tmp_path / "include" / "z.h"
    header.parent.mkdir()
    header.touch()
    ground.script(header, header.parent / "gone.h", package="libz-sys")
    assert (ground.system(), ground.missed()) == ([str(header)], [])
    assert ground.system(apart=[str(header.parent)]) == []


def test_nothing_missed(ground):
    """What is an input, is gone, or lies elsewhere on the machine is not missed, and neither is what was built."""
    header = ground.write("../../include/z.h")
    built = ground.write("target/release/build/demo-0123/out/gen.rs")
    ground.compiled("src/lib.rs", "src/gone.rs", header, built)
    assert ground.missed() == []


@pytest.mark.parametrize("profile", ["debug", "release", "x86_64-unknown-linux-gnu/release"])
def test_every_profile_counts(ground, profile):
    """With a target triple and without."""
    ground.compiled("src/lib.rs", ground.write("../x.txt"), profile=profile)
    assert ground.missed() == ["../x.txt"]


def test_record_of_an_earlier_build_does_not_count(ground):
    """What that one took is known since then, or is read no more."""
    ground.compiled("src/lib.rs", ground.write("../x.txt"), stamp=OLD)
    ground.script("../x.txt", stamp=OLD)
    assert ground.missed() == []


def test_crate_outside_of_the_closure(ground):
    """What other crates in the same build folder read is none of this project's business."""
    ground.write("../other/Cargo.toml")
    source, text = ground.write("../other/src/lib.rs"), ground.write("../x.txt")
    ground.compiled(source, text, name="other")
    ground.script(text, package="other")
    assert ground.missed() == []
    ground.crates = closure(crate("", "demo"), crate("../other", "other"))
    assert ground.missed() == ["../other/src/lib.rs", "../x.txt"]


def test_workspace_above(ground):
    """Relative paths are those of the workspace, not of the project."""
    ground.crates = closure(crate("", "demo"), locks=("../Cargo.lock",))
    ground.write("../x.txt")
    ground.compiled("py/src/lib.rs", "x.txt")
    assert ground.missed() == ["../x.txt"]


def test_newer_layout(ground):
    """Records are found as well where cargo keeps one folder for each unit of a package."""
    ground.write("../a.txt")
    ground.write("../b.txt")
    stem = "target/release/build/demo"
    ground.write(f"{stem}/01/out/demo-01.d", "out: src/lib.rs ../b.txt", NEW)
    ground.write(f"{stem}/02/run/root-output")
    ground.write(f"{stem}/02/run/stdout", "cargo::rerun-if-changed=../a.txt \n", NEW)
    assert ground.missed() == ["../a.txt", "../b.txt"]


@pytest.mark.skipif(os.name == "nt", reason="the system goes by the text there")
def test_crate_behind_a_link(ground):
    """What lies above it lies above where the link leads."""
    for name in ("Cargo.toml", "src/lib.rs"):
        ground.sources(f"real/deep/core/{name}")
    os.symlink("real/deep/core", os.path.join(ground.tree, "core"))
    ground.crates = closure(crate("", "demo"), crate("real/deep/core", "core"))
    ground.write("real/deep/a.txt")
    ground.compiled("core/src/lib.rs", "core/src/../../a.txt", name="core")
    assert ground.missed() == ["real/deep/a.txt"]


def test_folder_of_a_build_script(ground):
    """It stands for all files below it: missed are those that are no inputs, litter and other crates aside."""
    ground.sources("../shared/known.txt")
    for name in ("a/x.txt", "x.pyc", ".git/HEAD", "node_modules/.package-lock.json", "crate/Cargo.toml", "crate/y.rs"):
        ground.write(f"../shared/{name}")
    ground.script("../shared", "nowhere")
    assert [(read.path, read.by) for read in ground.reads()] == [("../shared/a/x.txt", "the build script of demo")]


def test_folder_of_the_crate_itself(ground):
    """Tests of a crate are no inputs, unless they are named."""
    ground.write("tests/a.rs")
    ground.write("examples/b.rs")
    ground.script("")
    assert ground.missed() == []
    ground.script("", "tests")
    assert ground.missed() == ["tests"]


def test_folder_of_which_nothing_is_an_input_stays_a_folder(ground):
    """A file that is born there later counts as well, because the build script would be run again for it."""
    ground.write("../shared/a/x.txt")
    ground.write("../shared/y.txt")
    ground.script("../shared", "../shared/y.txt")
    assert ground.missed() == ["../shared"]


def test_excluded_and_declared_files(ground):
    """What somebody said is no input was not missed."""
    for name in ("gen/a.rs", "gen/b.rs", "gen/c.rs", "../x/a.txt"):
        ground.write(name)
    ground.script("gen", "../x/a.txt")
    assert ground.missed(exclude=["gen/a.*", "../x/**"], outputs=["gen/b.rs"]) == ["gen/c.rs"]
    assert ground.missed(exclude=["**/gen", "../x/a.txt"]) == []


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_input_under_another_name(ground):
    """A file that is an input through a link was not missed."""
    os.makedirs(os.path.join(ground.repository, "protos"))
    os.symlink("../protos", os.path.join(ground.tree, "protos"))
    ground.sources("protos/a.proto")
    ground.compiled("src/lib.rs", os.path.join(ground.repository, "protos/a.proto"))
    assert ground.missed() == []


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_tree_behind_a_link(ground, tmp_path):
    """Tools may spell the tree as it really is, while it was opened through a link."""
    ground.sources("src/a.rs")
    ground.compiled("src/lib.rs", "src/a.rs", ground.write("../x.txt"))
    os.symlink(ground.repository, tmp_path / "link")
    ground.tree = str(tmp_path / "link" / "py")
    assert ground.missed() == ["../x.txt"]


def test_variables_of_all_units(ground):
    """What rustc has on record in any profile, and what cargo does not set itself, in either layout of its folder."""
    records = {
        "release/deps/demo-01.d": "src/lib.rs:\n\n# env-dep:ODD_NAME=a b\\nc=d\n# env-dep:CARGO_MANIFEST_DIR=/a\n",
        "debug/build/demo-01/build_script_build-01.d": "# env-dep:UNSET\r\n# env-dep:OUT_DIR=/x\n",
        "x86_64-unknown-linux-gnu/release/build/demo/01/out/demo-01.d": "# env-dep:NEWER=\n",
    }
    for path, text in records.items():
        ground.write(f"target/{path}", text)
    assert opinion.variables([ground.target, str(ground.tree)]) == {"ODD_NAME", "UNSET", "NEWER"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "out: \0 a\0b\n",
        "out: a" + "\udcff\n",
        "out: src/lib.rs src/\0/x /\n",
        "cargo:rerun-if-changed=\0\n",
        "cargo:rerun-if-changed=" + "x" * 9000,
    ],
)
def test_odd_records(ground, text):
    """No record makes an opinion fail."""
    for where in (ground.compiled(), ground.script()):
        with open(where, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
        os.utime(where, ns=(NEW, NEW))
    assert ground.missed() == []
    assert opinion.variables([ground.target]) == set()


def test_refusals_are_no_error(ground, monkeypatch):
    """What the system refuses says nothing."""
    ground.compiled("src/lib.rs", ground.write("../x.txt"))

    def refused(folder, _=None):
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(opinion.build_folders, "files", refused)
    assert (ground.missed(), opinion.variables([ground.target])) == ([], set())


# What cargo really does. Each test builds crates without dependencies, so nothing comes from a network.


def build(folder, *arguments):
    """Runs cargo."""
    command = ["cargo", "build", "--release", "--offline", "--quiet", *arguments]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CARGO_")}
    subprocess.run(command, cwd=folder, env=environ, check=True)


def manifest(name, more=""):
    """The text of a Cargo.toml."""
    return f'[package]\nname = "{name}"\nversion = "1.0.0"\nedition = "2021"\n{more}'


def since_now(ground, *arguments):
    """What a build that begins now is told to have missed, as paths."""
    scope = Scope(tree=ground.tree, repository=ground.repository, inputs=ground.inputs)
    started = time.time_ns() - 10**7
    build(ground.tree, *arguments)
    return [read.path for read in opinion.records(scope, ground.crates, [ground.target], since=started).missed]


@pytest.fixture
def cargo(ground):
    """A crate with a path dependency beside it, both with all their files as inputs."""
    if shutil.which("cargo") is None:
        pytest.skip("there is no cargo")
    ground.inputs.clear()
    ground.sources(
        "Cargo.toml",
        text=manifest("demo", '[lib]\ncrate-type = ["cdylib"]\n[dependencies]\nthe-other = { path = "../other" }\n'),
    )
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
    assert since_now(cargo) == ["../odd d #$x/fi le#$.bin", "../outside.txt", "../shared/part.rs"]
    assert opinion.variables([cargo.target]) == {"ODD_NAME"}


@pytest.mark.slow
def test_file_that_is_not_included_any_more(cargo):
    """Records that cargo leaves of another build with the same target folder name nothing as missed."""
    cargo.write("../old.txt")
    cargo.sources("src/lib.rs", text='pub const O: &str = include_str!("../../old.txt");')
    assert since_now(cargo) == ["../old.txt"]
    cargo.write("src/lib.rs", "pub use the_other::X;", time.time_ns())
    assert since_now(cargo) == []


SCRIPT = 'fn main() {{ std::fs::read("../shared/x.txt").unwrap(); {} }}'


@pytest.mark.slow
def test_build_script_that_says_what_it_reads(cargo):
    """What a build script asks to be run again for is found; what it includes itself as well."""
    cargo.write("../shared/x.txt")
    cargo.write("../shared/part.rs", "fn part() {}")
    lines = 'println!("cargo:rerun-if-changed=../shared/x.txt"); part();'
    cargo.sources("../other/build.rs", text='include!("../shared/part.rs");' + SCRIPT.format(lines))
    assert since_now(cargo) == ["../shared/part.rs", "../shared/x.txt"]


@pytest.mark.slow
def test_build_script_that_says_nothing(cargo):
    """What a build script reads without a word is beyond an opinion: cargo does not know of it either."""
    cargo.write("../shared/x.txt")
    cargo.sources("../other/build.rs", text=SCRIPT.format(""))
    assert since_now(cargo) == []


@pytest.mark.slow
def test_other_member_of_the_workspace(cargo):
    """Of a workspace, what the project does not build is not looked at."""
    cargo.write("../Cargo.toml", '[workspace]\nmembers = ["py", "apart"]\nresolver = "2"\n')
    cargo.write("../apart/Cargo.toml", manifest("apart", '[dependencies]\nthe-other = { path = "../other" }\n'))
    for name in ("x.txt", "y.txt"):
        cargo.write(f"../{name}")
    cargo.write("../apart/src/lib.rs", 'pub const X: &str = include_str!("../../x.txt");')
    cargo.sources("src/lib.rs", text='pub const X: &str = include_str!("../../y.txt");')
    cargo.target = os.path.join(cargo.repository, "target")
    cargo.crates = closure(*cargo.crates.crates, locks=("../Cargo.lock",))
    assert since_now(cargo, "--workspace") == ["../y.txt"]


FIXTURES = os.path.join(os.path.dirname(__file__), "..", "..", "fixtures")


@pytest.mark.slow
def test_fixture_without_dependencies(ground):
    """A real project, built, misses nothing; what is no input is found."""
    if shutil.which("cargo") is None:
        pytest.skip("there is no cargo")
    shutil.rmtree(ground.tree)
    shutil.copytree(os.path.join(FIXTURES, "maturin-nodeps"), ground.tree)
    ground.inputs[:] = [Input(path=one, kind=b"f", content=b"") for one in (b"Cargo.toml", b"src/main.rs")]
    assert since_now(ground) == []
    ground.inputs.pop()
    shutil.rmtree(ground.target)
    assert since_now(ground) == ["src/main.rs"]
