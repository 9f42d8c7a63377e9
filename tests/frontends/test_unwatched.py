"""Inputs that the inner tool does not watch: what is built is what they say, and an unchanged tree stays alone.

Each test shows first that the inner backend by itself, in a twin of the tree, hands out what the sources are not; a
test without that could not fail.
"""

import dataclasses
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pyproject_hooks
import pytest

from freshwheel.inner.build_folders import Record
from freshwheel.observe import observer

pytestmark = pytest.mark.slow
CARGO = pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo")

OBSERVED = pytest.mark.skipif(bool(observer.unavailable(None)), reason="no build can be observed here")
"""With the store off nothing is."""

LONG_AGO = 1_600_000_000
FAST = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0", "CARGO_INCREMENTAL": "0"}
NAME = {"maturin-nodeps": "maturin", "setuptools-c": "setuptools.build_meta"}
NAME |= {"scikit-build-core": "scikit_build_core.build", "meson-python": "mesonpy"}

MAIN = 'fn main() {\n    println!("{}", env!("WORD"));\n}\n'
SCRIPT = """\
fn main() {{
    {asks}
    let word = {word};
    println!("cargo:rustc-env=WORD={{}}", word.trim());
}}
"""
BUILD_RS = 'println!("cargo:rerun-if-changed=build.rs");'
MANIFEST = '[package]\nname = "{name}"\nversion = "1.2.3"\nedition = "2021"\n'
MACRO = """\
#[proc_macro]
pub fn word(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let text = std::fs::read_to_string(format!("{folder}/templates/word.html")).unwrap();
    format!("{:?}", text.trim()).parse().unwrap()
}
"""
PYTHON = """\
String::from_utf8(std::process::Command::new("python").arg("-c")
        .arg("import demo_words; print(demo_words.WORD)").output().unwrap().stdout).unwrap()"""


def reads(path):
    """A build script's expression for the text in a file."""
    return f'std::fs::read_to_string("{path}").unwrap()'


@dataclasses.dataclass(frozen=True)
class Desk:
    """A tree with its build folder inside, as people have it, and a cache directory of its own."""

    folder: Path
    project: object

    @property
    def tree(self):
        """The tree."""
        return self.project.path

    def write(self, path, text, when=LONG_AGO):
        """A file; its time is long ago."""
        file = self.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
        if when is not None:
            os.utime(file, (when, when))

    def depend(self, *crates, kind="dependencies"):
        """Crates beside the sources, and the lock file."""
        lines = "".join(f'{name} = {{ path = "{name}" }}\n' for name in crates)
        manifest = (self.tree / "Cargo.toml").read_text(encoding="utf-8")
        self.write("Cargo.toml", f"{manifest}\n[{kind}]\n{lines}" if crates else manifest)
        command = ["cargo", "generate-lockfile", "--offline"]
        subprocess.run(command, cwd=self.tree, check=True, env=self.project.environ, capture_output=True)

    def build(self):
        """The wheel that is built through freshwheel."""
        return self.made(self.project.hooks.wheel)

    def plain(self):
        """The wheel of the inner backend by itself."""
        hooks = self.project.hooks
        backend = NAME[self.project.fixture]
        caller = pyproject_hooks.BuildBackendHookCaller(
            str(self.tree), backend, runner=hooks._run, python_executable=self.project.workshop.python
        )
        return self.made(lambda dist: dist / caller.build_wheel(str(dist)))

    def twin(self):
        """The wheel that the inner backend would hand out; the tree is left as it is."""
        aside = self.folder / "aside"
        self.tree.rename(aside)
        shutil.copytree(aside, self.tree, symlinks=True)
        try:
            return self.plain()
        finally:
            shutil.rmtree(self.tree)
            aside.rename(self.tree)

    def made(self, wheel):
        """A new wheel."""
        dist = self.folder / "dist"
        shutil.rmtree(dist, ignore_errors=True)
        dist.mkdir()
        return Made(wheel(dist))

    def times(self):
        """The time of each source, and of each unit that is compiled."""
        sources = [path for path in self.tree.rglob("*") if path.is_file() and self.tree / "target" not in path.parents]
        sources = [path for path in sources if "build" not in path.parts and ".egg-info" not in str(path)]
        units = list((self.tree / "target" / "release" / ".fingerprint").rglob("*"))
        return {path: path.stat().st_mtime_ns for path in [*sources, *units]}

    def doubt(self):
        """What the record of the last build says can't be forced."""
        (path,) = Path(self.project.environ["FRESHWHEEL_CACHE_DIR"], "builds").iterdir()
        return Record.parse(path.read_bytes()).doubt


@dataclasses.dataclass(frozen=True)
class Made:
    """A wheel."""

    path: Path

    @property
    def names(self):
        """Its members but for the metadata."""
        with zipfile.ZipFile(self.path) as archive:
            return {name for name in archive.namelist() if ".dist-info/" not in name}

    def holds(self, *words):
        """Those of `words` that its one binary holds."""
        with zipfile.ZipFile(self.path) as archive:
            (name,) = [one for one in archive.namelist() if "/scripts/" in one or one.endswith((".so", ".pyd"))]
            data = archive.read(name)
        return [word for word in words if word.encode() in data]

    def says(self):
        """What its one program prints."""
        with zipfile.ZipFile(self.path) as archive:
            (name,) = [one for one in archive.namelist() if "/scripts/" in one]
            file = Path(archive.extract(name, self.path.parent))
        file.chmod(0o755)
        return subprocess.run([file], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def desk(copy, tmp_path):
    """Makes a desk for a copy of a fixture: `desk(name)`."""

    def make(name):
        project = copy(name, tmp_path)
        # Every build is a real one: what the store has needs no cargo.
        aside = {"FRESHWHEEL_CACHE_DIR": str(tmp_path / "cache"), "FRESHWHEEL_STORE": "off"}
        environ = {**project.environ, **FAST, **aside}
        del environ["CARGO_TARGET_DIR"]
        return Desk(tmp_path, dataclasses.replace(project, environ=environ))

    return make


def narrowed(desk):
    """A build script reads a file that it does not ask to be run again for."""
    desk.write("build.rs", SCRIPT.format(asks=BUILD_RS, word=reads("protos/a.proto")))
    desk.write("protos/a.proto", "one")
    desk.write("src/main.rs", MAIN)


def deletion(desk):
    """A build script that asks for nothing lists a folder."""
    word = 'if std::fs::read_dir("words").unwrap().count() == 2 { "one".to_string() } else { "two".to_string() }'
    desk.write("build.rs", SCRIPT.format(asks="", word=word))
    desk.write("words/a.txt", "")
    desk.write("words/b.txt", "", LONG_AGO + 9)
    desk.write("src/main.rs", MAIN)


def macro(desk):
    """A procedural macro reads a file of the crate that uses it."""
    desk.write("words/Cargo.toml", MANIFEST.format(name="words") + "[lib]\nproc-macro = true\n")
    desk.write("words/src/lib.rs", MACRO)
    desk.write("templates/word.html", "one")
    desk.write("src/main.rs", 'fn main() {\n    println!("{}", words::word!());\n}\n')
    desk.depend("words")


def other_crate(desk):
    """One crate watches a file of its own, and the build script of another one reads it too."""
    desk.write("a/Cargo.toml", MANIFEST.format(name="a"))
    desk.write("a/src/lib.rs", 'pub const WORD: &str = include_str!("../protos/x.proto");\n')
    desk.write("a/protos/x.proto", "one")
    desk.write("b/Cargo.toml", MANIFEST.format(name="b"))
    desk.write("b/src/lib.rs", 'pub const WORD: &str = env!("WORD");\n')
    desk.write("b/build.rs", SCRIPT.format(asks=BUILD_RS, word=reads("../a/protos/x.proto")))
    desk.write("src/main.rs", 'fn main() {\n    println!("{} {}", a::WORD, b::WORD);\n}\n')
    desk.depend("a", "b")


def asking_for_nothing(desk):
    """As `other_crate`, with a build script that asks for nothing: cargo looks at the files of its own crate alone."""
    other_crate(desk)
    desk.write("b/build.rs", SCRIPT.format(asks="", word=reads("../a/protos/x.proto")))


def program(desk):
    """A build script runs Python for a text that Python makes from a file."""
    desk.write(
        "build.rs",
        SCRIPT.format(
            asks=BUILD_RS,
            word=PYTHON.replace("import demo_words; print(demo_words.WORD)", "exec(open('tools/words.py').read())"),
        ),
    )
    desk.write("tools/words.py", "print('one')\n")
    desk.write("src/main.rs", MAIN)


def requirement(desk):
    """A build script runs Python for a requirement of the build."""
    desk.write("build.rs", SCRIPT.format(asks=BUILD_RS, word=PYTHON))
    desk.write("src/main.rs", MAIN)
    installed(desk, "one", "1")


def installed(desk, word, version):
    """Install a version of the requirement."""
    site = Path(desk.project.environ["PYTHONPATH"])
    shutil.rmtree(site, ignore_errors=True)
    (site / "demo_words").mkdir(parents=True)
    (site / "demo_words" / "__init__.py").write_text(f"WORD = {word!r}\n")
    info = site / f"demo_words-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: demo-words\nVersion: {version}\n")


SHAPES = {
    "narrowed": (narrowed, lambda desk: desk.write("protos/a.proto", "two"), "one", "two"),
    "deletion": (deletion, lambda desk: (desk.tree / "words" / "a.txt").unlink(), "one", "two"),
    "macro": (macro, lambda desk: desk.write("templates/word.html", "two"), "one", "two"),
    "other crate": (other_crate, lambda desk: desk.write("a/protos/x.proto", "two", None), "two one", "two two"),
    "asking for nothing": (
        asking_for_nothing,
        lambda desk: desk.write("a/protos/x.proto", "two", None),
        "two one",
        "two two",
    ),
    "program": (program, lambda desk: desk.write("tools/words.py", "print('two')\n"), "one", "two"),
    "requirement": (requirement, lambda desk: installed(desk, "two", "2"), "one", "two"),
}


@CARGO
@pytest.mark.parametrize("store", ["off", pytest.param("on", marks=OBSERVED)])
@pytest.mark.parametrize("shape", SHAPES)
def test_cargo(desk, shape, store, tmp_path):
    """What cargo does not watch is forced; afterwards nothing is touched or compiled again. Observed is who read it."""
    prepare, change, stale, right = SHAPES[shape]
    desk = desk("maturin-nodeps")
    desk = Desk(desk.folder, desk.project.with_environ(FRESHWHEEL_STORE=store))
    if shape == "requirement":
        site = str(tmp_path / "site")
        desk = Desk(desk.folder, desk.project.with_environ(PYTHONPATH=site))
    prepare(desk)
    assert set(desk.build().says().split()) == {"one"}
    change(desk)
    assert desk.twin().says() == stale
    assert desk.build().says() == right
    before = desk.times()
    assert len(before) > 8
    assert desk.build().says() == right
    assert desk.times() == before


@CARGO
def test_lost_record(desk):
    """Without a record all inputs are touched, build scripts and the roots of crates among them: that forces all."""
    desk = desk("maturin-nodeps")
    narrowed(desk)
    assert desk.build().says() == "one"
    shutil.rmtree(desk.project.environ["FRESHWHEEL_CACHE_DIR"])
    desk.write("protos/a.proto", "two")
    assert desk.twin().says() == "one"
    assert desk.build().says() == "two"


@CARGO
def test_declared_variable(desk):
    """A variable that a build script reads without a word is forced where the project declares it."""
    desk = desk("maturin-nodeps")
    desk.write("build.rs", SCRIPT.format(asks=BUILD_RS, word='std::env::var("DEMO_WORD").unwrap()'))
    desk.write("src/main.rs", MAIN)
    desk.project.configure('backend = "maturin"', 'backend = "maturin"\nenv = ["DEMO_WORD"]')
    one = Desk(desk.folder, desk.project.with_environ(DEMO_WORD="one"))
    two = Desk(desk.folder, desk.project.with_environ(DEMO_WORD="two"))
    assert one.build().says() == "one"
    assert two.twin().says() == "one"
    assert two.build().says() == "two"


@CARGO
@OBSERVED
def test_watched_edit_touches_nothing_more(desk):
    """After an observed build an ordinary edit, in Rust or in Python, has cargo compile what it would by itself."""
    desk = desk("maturin-nodeps")
    desk = Desk(desk.folder, desk.project.with_environ(FRESHWHEEL_STORE="on"))  # else nothing is observed
    # A target that is called otherwise than its package stands for any crate.
    desk.project.edit("Cargo.toml", 'name = "demo-nodeps"', 'name = "demo-maturin-nodeps"')
    desk.write("a/Cargo.toml", MANIFEST.format(name="a"))
    desk.write("a/src/lib.rs", 'pub const WORD: &str = "one";\n')
    desk.write("src/main.rs", 'fn main() {\n    println!("{}", a::WORD);\n}\n')
    desk.write("tools.py", "")
    desk.depend("a")
    desk.build()
    for path, text in (("src/main.rs", 'fn main() {\n    println!("two");\n}\n'), ("tools.py", "two = 2\n")):
        before = desk.times()
        desk.write(path, text, None)
        desk.build()
        after = desk.times()
        moved = {path.name for path, time in after.items() if before.get(path) != time}
        assert "lib.rs" not in moved
        assert not any(name.startswith("a-") for name in moved)
        assert ("main.rs" in moved) == (path == "src/main.rs")


@pytest.mark.parametrize("settings", ["none", "of the user"])
def test_setuptools(desk, settings):
    """A header that nobody names, a module that is gone, a line of MANIFEST.in: nothing of earlier builds is packed."""
    desk = desk("setuptools-c")
    if settings == "of the user":
        (desk.folder / "user.cfg").write_text("[build]\nbuild_base = kept\n[build_ext]\ndefine = OF_THE_USER\n")
        desk = Desk(desk.folder, desk.project.with_environ(DIST_EXTRA_CONFIG=str(desk.folder / "user.cfg")))
        desk.project.edit(
            "src/demo/text.h", '"compiled one"', 'WORD\n#ifdef OF_THE_USER\n#define WORD "compiled one"\n#endif'
        )
    desk.project.edit("setup.py", ', depends=["src/demo/text.h"]', "")
    desk.write("src/demo/gone.py", "")
    desk.write("src/demo/words.txt", "")
    desk.project.edit("MANIFEST.in", "include", "include src/demo/words.txt\ninclude")
    desk.plain()  # leaves a build folder and a list of files
    (desk.tree / "src" / "demo" / "gone.py").unlink()
    desk.project.edit("MANIFEST.in", "include src/demo/words.txt\n", "")
    desk.project.edit("src/demo/text.h", "compiled one", "compiled two")
    twin, ours = desk.twin(), desk.build
    assert twin.holds("compiled one", "compiled two") == ["compiled one"]
    assert twin.names >= {"demo/gone.py", "demo/words.txt"}
    made = ours()
    assert made.holds("compiled one", "compiled two") == ["compiled two"]
    assert not made.names & {"demo/gone.py", "demo/words.txt"}
    assert desk.build().path.name == made.path.name


def test_kept_folder_of_cmake(desk):
    """An older header is noticed, a `GLOB` is of now; what a command reads without a word leaves a doubt that stays."""
    desk = desk("scikit-build-core")
    desk.project.configure("[tool.scikit-build]", '[tool.scikit-build]\nbuild-dir = "kept"')
    desk.write("words/a.txt", "")
    desk.project.edit(
        "CMakeLists.txt",
        "install(",
        "file(GLOB words words/*.txt)\nlist(LENGTH words count)\n"
        'target_compile_definitions(_native PRIVATE COUNT="counted ${count}")\ninstall(',
    )
    desk.project.edit("native/text.h", '"compiled one"', '"compiled one " COUNT')
    assert desk.build().holds("compiled one counted 1")
    assert desk.doubt() == ""
    assert desk.build().holds("compiled one counted 1")
    text = (desk.tree / "native" / "text.h").read_text()
    desk.write("native/text.h", text.replace("one", "two"))
    assert desk.twin().holds("compiled one", "compiled two") == ["compiled one"]
    assert desk.build().holds("compiled one", "compiled two") == ["compiled two"]
    assert desk.doubt() == ""
    desk.write("words/b.txt", "")
    assert desk.build().holds("counted 2")
    assert "words/b.txt" in desk.doubt()
    desk.build()
    assert "words/b.txt" in desk.doubt()
    shutil.rmtree(desk.tree / "kept")
    desk.build()
    assert desk.doubt() == ""


def test_kept_folder_of_meson(desk):
    """A build folder that config settings name is looked after as well."""
    desk = desk("meson-python")
    settings = {"build-dir": "kept"}
    hooks = desk.project.hooks

    def wheel():
        return desk.made(lambda dist: dist / hooks.caller.build_wheel(str(dist), settings))

    assert wheel().holds("compiled one", "compiled two") == ["compiled one"]
    text = (desk.tree / "native" / "text.h").read_text()
    desk.write("native/text.h", text.replace("one", "two"))
    assert wheel().holds("compiled one", "compiled two") == ["compiled two"]
    assert desk.doubt() == ""
