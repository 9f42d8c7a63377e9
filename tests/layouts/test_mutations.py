"""Every file of some workspaces is changed in turn, and the digest judged by what a clean rebuild says.

The truth is a wheel that the inner backend builds by itself, with nothing left over from an earlier build: whenever a
change of one file makes another wheel, the digest must move. Inputs that make no other wheel however they are changed
are what is paid for that; each is named with the rule that takes it in, and there may not be many.
"""

import concurrent.futures
import dataclasses
import os
import re
import shutil
import subprocess
import textwrap
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from freshwheel import report
from freshwheel.errors import FreshwheelError

SLOW = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="links need a right that few have, and programs hold times there"),
]
pytestmark = SLOW

LANES = 2
CHANGES = ("edit", "delete", "rename")
PROFILE = """
[profile.release]
opt-level = 0
codegen-units = 1
incremental = false
strip = true
"""
BUILD = "import sys, maturin; print(maturin.build_wheel(sys.argv[1]))"
NUMBER = "pub fn number() -> u32 {\n    7\n}\n"
VERSION = re.compile(rb"(?m)^(Version: [^\s+]+)\+\S+")


def toolchain():
    """The text of a toolchain file that names what would be taken anyway."""
    program, name = shutil.which("rustup"), "stable"
    if program is not None:
        shown = subprocess.run((program, "show", "active-toolchain"), check=False, capture_output=True, text=True)
        found = re.match(r"(?:stable|beta|nightly|[0-9.]+)(?:-[0-9]{4}-[0-9]{2}-[0-9]{2})?(?=[-\s])", shown.stdout)
        name = name if found is None else found[0]
    return f'[toolchain]\nchannel = "{name}"\n'


def with_profile(text):
    """A root manifest whose builds are quick and hold nothing of the place."""
    return textwrap.dedent(text) + PROFILE


def lay_around(layout):
    """What lies in any repository and is in no wheel."""
    layout.files(
        {
            "docs/guide.md": "How to use it.\n",
            "CHANGELOG.md": "Nothing yet.\n",
            ".github/workflows/ci.yml": "on: push\n",
            ".gitignore": "target/\n",
        }
    )


def lay_binding_crate(layout, name="mutated1"):
    """A program and a package in a member of a workspace, and above it crates that it is built from, and others."""
    lay_around(layout)
    layout.files(
        {
            "Cargo.toml": with_profile(f"""\
                [workspace]
                members = ["crates/*", "python"]
                resolver = "2"

                [workspace.package]
                version = "0.1.0"
                description = "one"

                [workspace.dependencies]
                {name}-core = {{ path = "crates/core" }}
                """),
            ".cargo/config.toml": '[env]\nMUTATED_WORD = "one"\n',
            "rust-toolchain.toml": toolchain(),
            "README.md": "About all of it.\n",
            "LICENSE": "Take it.\n",
            "crates/core/README.md": "About the core.\n",
            "crates/core/tests/all.rs": "#[test]\nfn all() {}\n",
            "crates/core/benches/speed.rs": "fn main() {}\n",
            "crates/core/examples/show.rs": "fn main() {}\n",
            "crates/core/words/one.txt": "one\n",
            "crates/core/words/two.txt": "two\n",
            "crates/core/build.rs": """\
                use std::{env, fs, path::Path};

                fn main() {
                    let mut words: Vec<_> = fs::read_dir("words").unwrap().map(|one| one.unwrap().path()).collect();
                    words.sort();
                    let text: String = words.iter().map(|one| fs::read_to_string(one).unwrap()).collect();
                    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("words.txt"), text).unwrap();
                }
                """,
            "python/mutated1/__init__.py": "",
            "python/mutated1/api.pyi": "def number() -> int: ...\n",
            "python/mutated1/data/table.json": "{}\n",
            "python/tests/test_number.py": "",
        }
    )
    tables = f"""
        [features]
        default = ["seven"]
        seven = []

        [dependencies]
        {name}-macros = {{ path = "../macros" }}

        [target.'cfg(windows)'.dependencies]
        {name}-windows = {{ path = "../windows" }}

        [dev-dependencies]
        {name}-testkit = {{ path = "../testkit" }}
        """
    layout.crate("crates/core", f"{name}-core", tables)
    layout.crate("crates/macros", f"{name}-macros", "\n[lib]\nproc-macro = true\n")
    for other in ("windows", "testkit", "other"):
        layout.crate(f"crates/{other}", f"{name}-{other}")
    layout.files(
        {
            "crates/core/src/lib.rs": """\
                mod word;

                pub fn number() -> u32 {
                    if cfg!(feature = "seven") { mutated1_macros::number!() } else { 8 }
                }

                pub fn words() -> String {
                    format!("{} {}", word::word(), include_str!(concat!(env!("OUT_DIR"), "/words.txt")))
                }
                """,
            "crates/core/src/word.rs": 'pub fn word() -> &\'static str {\n    "one"\n}\n',
            "crates/macros/src/lib.rs": """\
                use proc_macro::TokenStream;

                #[proc_macro]
                pub fn number(_: TokenStream) -> TokenStream {
                    "7u32".parse().unwrap()
                }
                """,
        }
    )
    code = f'println!("{{}} {{}} {{}}", {name}_core::number(), {name}_core::words(), env!("MUTATED_WORD"));'
    inherited = "version.workspace = true\ndescription.workspace = true"
    tables = f"\n[dependencies]\n{name}-core = {{ workspace = true }}\n"
    layout.crate("python", f"{name}-python", tables, version=inherited, main=code)
    project = 'dynamic = ["version", "description"]\nreadme = "README.md"'
    layout.pyproject(name, '[tool.maturin]\nbindings = "bin"\n\n[tool.ruff]\nline-length = 100\n', project=project)
    for path in ("README.md", "LICENSE"):
        (layout.project / path).symlink_to(f"../{path}")
    return {
        "Cargo.toml": ('description = "one"', 'description = "two"'),
        "crates/core/Cargo.toml": ('default = ["seven"]', "default = []"),
        "crates/core/src/lib.rs": ('"{} {}"', '"{}, {}"'),
        "crates/core/build.rs": ("fn main() {", 'fn main() {\n    println!("cargo:rustc-cfg=edited");'),
        "crates/macros/src/lib.rs": ("7u32", "9u32"),
        "python/Cargo.toml": ('edition = "2021"', 'edition = "2021"\nauthors = ["A <a@b.c>"]'),
        "python/pyproject.toml": ('readme = "README.md"', 'readme = "README.md"\nkeywords = ["one"]'),
        "python/src/main.rs": ("{} {} {}", "{}, {} {}"),
    }


def lay_no_rust_here(layout, name="mutated2"):
    """A package whose crate, a patched crate, readme and licence lie elsewhere."""
    lay_around(layout)
    layout.files(
        {
            "Cargo.toml": with_profile(f"""\
                [workspace]
                members = ["uniffi", "core", "other"]
                resolver = "2"

                [workspace.package]
                version = "0.1.0"

                [patch.crates-io]
                {name}-patched = {{ path = "vendored/patched" }}
                """),
            "README.md": "About the bindings.\n",
            "LICENSE": "Take it.\n",
            "uniffi/README.md": "About the crate.\n",
            "uniffi/.cargo/config.toml": "[env]\nNOBODY_ASKS = 'one'\n",
            "uniffi/tests/all.rs": "",
            "python/.cargo/config.toml": '[env]\nMUTATED_WORD = "one"\n',
            "python/notes.txt": "Not packed.\n",
            "python/.ignore": "left_out.py\n",
            f"python/src/{name}/__init__.py": "ANSWER = 42\n",
            f"python/src/{name}/left_out.py": "ANSWER = 42\n",
            f"python/src/{name}/deep/__init__.py": "",
            f"python/src/{name}/deep/table.csv": "a,b\n",
            f"python/src/{name}/api.pyi": "",
            f"python/src/{name}/py.typed": "",
            "python/tests/test_answer.py": "",
        }
    )
    layout.crate("vendored/patched", f"{name}-patched")
    layout.crate("core", f"{name}-core")
    layout.crate("other", f"{name}-other")
    tables = f"""
        [dependencies]
        {name}-patched = "0.1"
        {name}-core = {{ path = "../core" }}

        [lib]
        name = "{name}"
        crate-type = ["cdylib"]
        """
    layout.crate("uniffi", f"{name}-uniffi", tables, version="version.workspace = true")
    layout.files(
        {
            "uniffi/src/lib.rs": f"""\
                #[no_mangle]
                pub extern "C" fn number() -> u32 {{
                    {name}_patched::number() + {name}_core::number()
                }}

                #[no_mangle]
                pub extern "C" fn word() -> *const u8 {{
                    env!("MUTATED_WORD").as_ptr()
                }}
                """
        }
    )
    project = 'dynamic = ["version"]\nreadme = "../README.md"\nlicense = { file = "../LICENSE" }'
    maturin = '[tool.maturin]\nbindings = "cffi"\nmanifest-path = "../uniffi/Cargo.toml"\n'
    layout.pyproject(name, f'{maturin}python-source = "src"\nmodule-name = "{name}"\n', project=project)
    return {
        "Cargo.toml": ("opt-level = 0", "opt-level = 1"),
        "uniffi/Cargo.toml": ('edition = "2021"', 'edition = "2021"\nhomepage = "https://example.org"'),
        "uniffi/src/lib.rs": ("fn number", "fn other_number"),
        "python/pyproject.toml": ("[project]", '[project]\ndescription = "two"'),
        "python/.ignore": ("left_out.py", "deep"),
    }


INCLUDED = ("README.md", "data/blob.bin", "data/tool.exe", "data/table.json", "grammar/demo.pest", "no_suffix")


def lay_any_suffix(layout, name="mutated5"):
    """A project that is a whole repository, and a crate that takes files of any kind into its library."""
    lay_around(layout)
    layout.files({f"rust/{path}": f"{path} one\n" for path in INCLUDED})
    layout.files(
        {
            ".gitignore": "target/\n/python/mutated5/left_out.txt\n",
            ".cargo/config.toml": '[env]\nMUTATED_WORD = "one"\n',
            "rust-toolchain": toolchain(),
            "README.md": "About it.\n",
            "LICENSE-MIT": "Take it.\n",
            "NOTICE": "It is there.\n",
            "protos/a.proto": "message A {}\n",
            "protos/b.proto": "message B {}\n",
            "rust/unused.bin": "nobody reads it\n",
            "rust/src/notes.md": "nobody reads it\n",
            "rust/benches/speed.rs": "fn main() {}\n",
            "rust/fuzz/src/main.rs": "fn main() {}\n",
            "rust/fuzz/Cargo.toml": f'[package]\nname = "{name}-fuzz"\nversion = "0.1.0"\n\n[workspace]\n',
            "rust/build.rs": """\
                use std::{env, fs, path::Path};

                fn main() {
                    println!("cargo:rerun-if-changed=build.rs");
                    let mut text = String::new();
                    for name in ["a.proto", "b.proto"] {
                        text += &fs::read_to_string(Path::new("protos").join(name)).unwrap();
                    }
                    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("protos.txt"), text).unwrap();
                }
                """,
            "python/.gitignore": "ignored_here.py\n",
            f"python/{name}/__init__.py": "ANSWER = 42\n",
            f"python/{name}/ignored_here.py": "ANSWER = 42\n",
            f"python/{name}/left_out.txt": "Not packed.\n",
            f"python/{name}/page.html": "<p>page</p>\n",
            f"{name}.data/data/share/table.csv": "a,b\n",
            "extra/one.txt": "one\n",
            "tests/test_answer.py": "",
        }
    )
    (layout.root / "rust/protos").symlink_to("../protos")
    tables = f'build = "build.rs"\n\n[lib]\nname = "{name}"\ncrate-type = ["cdylib"]\n{PROFILE}\n[workspace]\n'
    layout.crate("rust", f"{name}-rust", tables)
    texts = [f'include_str!("../{path}")' for path in INCLUDED]
    texts += ['include_str!(concat!(env!("OUT_DIR"), "/protos.txt"))', 'env!("MUTATED_WORD")']
    listed = "".join(f"    {one},\n" for one in texts)
    source = f"static TEXTS: [&str; {len(texts)}] = [\n{listed}];\n\n#[no_mangle]\n"
    source += 'pub extern "C" fn text(place: usize) -> *const u8 {\n    TEXTS[place].as_ptr()\n}\n'
    layout.files({"rust/src/lib.rs": source})
    maturin = '[tool.maturin]\nbindings = "cffi"\nmanifest-path = "rust/Cargo.toml"\npython-source = "python"\n'
    maturin += f'module-name = "{name}"\ninclude = [{{ path = "extra/*", format = "wheel" }}]\n'
    layout.pyproject(name, maturin, project='dynamic = ["version"]\nreadme = "README.md"')
    return {
        ".gitignore": ("left_out.txt", "page.html"),
        "python/.gitignore": ("ignored_here.py", "page.html"),
        "pyproject.toml": ("[project]", '[project]\ndescription = "two"'),
        "rust/Cargo.toml": ('version = "0.1.0"', 'version = "0.2.0"'),
        "rust/src/lib.rs": ("fn text", "fn other_text"),
        "rust/build.rs": ("String::new()", 'String::from("more")'),
    }


def edited(path, data, edits):
    """Other bytes for a file, which mean something else to whoever reads it."""
    if path in edits:
        old, new = (text.encode() for text in edits[path])
        assert old in data
        return data.replace(old, new, 1)
    name = path.rpartition("/")[2]
    for end, old, new in (
        ("Cargo.lock", b'version = "0.1.0"', b'version = "0.1.9"'),
        ("Cargo.toml", b'version = "0.1.0"', b'version = "0.2.0"'),
        (".rs", b"    7\n", b"    9\n"),
        ("config.toml", b"one", b"two"),
        (".rs", b'"one"', b'"two"'),
    ):
        if name.endswith(end) and old in data:
            return data.replace(old, new)
    more = {".rs": b"pub fn edited() {}\n", ".py": b"EDITED = 1\n", ".pyi": b"EDITED: int\n", ".json": b" \n"}
    return data + more.get(os.path.splitext(name)[1], b"# edited\n")


@dataclasses.dataclass(frozen=True)
class Seen:
    """What one change of a file did."""

    path: str
    change: str
    moved: bool
    """Whether the digest did."""
    other: bool | None
    """Whether there is another wheel; None: nobody asked, or there is none at all."""


class Lane:
    """A copy of a workspace in which one change after the other is made, and taken back."""

    def __init__(self, layout, workshop, edits, number):
        home = layout.home / f"lane{number}"
        shutil.copytree(layout.root, home / "repository", symlinks=True)
        self.layout = dataclasses.replace(layout, home=home, root=home / "repository")
        self.workshop = workshop
        self.edits = edits
        self.files = {path: (self.layout.root / path).read_bytes() for path in self.present() if not self.link(path)}
        self.before = self.digest()
        self.builds = 0
        self.wheel = self.built()

    def digest(self):
        """The digest of the tree; None where nobody can tell, so that nothing is claimed of a wheel."""
        try:
            return self.layout.digest()
        except FreshwheelError:
            return None

    def link(self, path):
        """Whether a path is a link."""
        return (self.layout.root / path).is_symlink()

    def present(self):
        """The paths of all files there are."""
        for folder, folders, names in os.walk(self.layout.root):
            folders[:] = [name for name in folders if name != ".git"]
            yield from (Path(folder, name).relative_to(self.layout.root).as_posix() for name in names)

    def built(self):
        """What is in the wheel that the inner backend builds from nothing but the tree; None: it refuses to."""
        self.builds += 1
        target, dist = self.layout.home / "target", self.layout.home / "dist"
        environ = {**self.workshop.environ, "CARGO_TARGET_DIR": str(target), "SOURCE_DATE_EPOCH": "1000000000"}
        command = (self.workshop.python, "-c", BUILD, str(dist))
        done = subprocess.run(
            command, check=False, env=environ, cwd=self.layout.project, stdin=subprocess.DEVNULL, capture_output=True
        )
        try:
            if done.returncode:
                self.said = done.stderr
                return None
            [path] = dist.iterdir()
            return contents(path)
        finally:
            shutil.rmtree(target, ignore_errors=True)
            shutil.rmtree(dist, ignore_errors=True)

    def restore(self):
        """Makes the tree what it was, whatever a change or a build did to it."""
        for path in set(self.present()) - self.files.keys():
            if not self.link(path):
                (self.layout.root / path).unlink()
        for path, data in self.files.items():
            file = self.layout.root / path
            if not file.exists() or file.read_bytes() != data:
                file.write_bytes(data)

    def change(self, path, change):
        """Changes one file."""
        file = self.layout.root / path
        if change == "edit":
            file.write_bytes(edited(path, self.files[path], self.edits))
        elif change == "delete":
            file.unlink()
        else:
            file.rename(file.with_name(f"renamed_{file.name.lstrip('.')}"))

    def tried(self, path):
        """What came of all changes of one file. A build is only made where it may tell something new."""
        matters = False
        for change in CHANGES:
            self.change(path, change)
            moved = self.digest() != self.before
            other = None
            if not (moved and matters):
                wheel = self.built()
                other = None if wheel is None else wheel != self.wheel
                matters = matters or bool(other)
            self.restore()
            yield Seen(path, change, moved, other)
        assert self.digest() == self.before


def contents(path):
    """The members of a wheel, but for what lists them; whatever the version is in their names."""
    with zipfile.ZipFile(path) as file:
        found = {name: (file.read(name), file.getinfo(name).external_attr) for name in file.namelist()}
    return {name: data for name, data in found.items() if not name.endswith(".dist-info/RECORD")}


@pytest.mark.parametrize("lay, folder", [(lay_binding_crate, "python"), (lay_no_rust_here, "python"), (lay_any_suffix, ".")])
def test_whatever_makes_another_wheel_moves_the_digest(layout, workshop, record_property, lay, folder):
    """No change goes unseen; inputs that never make another wheel are few, and a rule stands for each."""
    found = layout(folder)
    edits = lay(found)
    found.lock("rust" if folder == "." else ".")
    found.commit()
    with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
        lanes = list(pool.map(lambda number: Lane(found, workshop, edits, number), range(LANES)))
        paths = sorted(lanes[0].files)
        parts = pool.map(lambda one: [seen for path in paths[one::LANES] for seen in lanes[one].tried(path)], range(LANES))
        seen = [one for part in parts for one in part]
    why = report.inputs(found.call())
    import pprint
    for lane in lanes: print("again", lane.builds, lane.built() == lane.wheel, sorted(lane.wheel))
    pprint.pprint(seen, width=200)
