"""Every file of some workspaces is changed in turn, and the digest judged by what a clean rebuild says.

The truth is a wheel that the inner backend builds by itself, with nothing left over from an earlier build: whenever a
change of one file makes another wheel, the digest must move. Inputs that make no other wheel however they are changed
are what is paid for that; each is named with the rule that takes it in, and there may not be many (`-rP` shows them).
"""

import concurrent.futures
import dataclasses
import os
import posixpath
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from freshwheel.base.errors import FreshwheelError
from freshwheel.explain import report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="links need a right that few have, and linkers write times there"),
]

LANES = 2
CHANGES = ("edit", "delete", "rename")
FEW = 1 / 5
"""The largest share of the inputs that may make no other wheel."""
UNNAMED = "reached from the project"
"""What is said of an input that no rule is known for."""
PROFILE = """
[profile.release]
opt-level = 0
codegen-units = 1
incremental = false
strip = true
"""
BUILD = "import sys, maturin; print(maturin.build_wheel(sys.argv[1]))"


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
            ".cargo/config.toml": """\
                [env]
                MUTATED_WORD = "one"
                MUTATED_PLACE = { value = "shared/place.cfg", relative = true }
                """,
            "shared/place.cfg": "one\n",
            "shared/other.cfg": "one\n",
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
                    words.push(env::var("MUTATED_PLACE").unwrap().into());
                    let text: String = words.iter().map(|one| fs::read_to_string(one).unwrap()).collect();
                    let text = format!("{} {}", text, GEN::number());
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

        [build-dependencies]
        {name}-gen = {{ path = "../gen" }}

        [target.'cfg(windows)'.dependencies]
        {name}-windows = {{ path = "../windows" }}

        [dev-dependencies]
        {name}-testkit = {{ path = "../testkit" }}
        """
    layout.crate("crates/core", f"{name}-core", tables)
    layout.crate("crates/macros", f"{name}-macros", "\n[lib]\nproc-macro = true\n")
    for other in ("gen", "windows", "testkit", "other"):
        layout.crate(f"crates/{other}", f"{name}-{other}")
    layout.replace("crates/core/build.rs", "GEN", f"{name}_gen")
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
        "crates/core/build.rs": ('"{} {}"', '"{}, {}"'),
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
            "TERMS.txt": "Keep it.\n",
            "uniffi/README.md": "About the crate.\n",
            "shared/core.rs": "mod seven;\n\npub fn number() -> u32 {\n    seven::number()\n}\n",
            "shared/seven.rs": "pub fn number() -> u32 {\n    7\n}\n",
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
    layout.crate("core", f"{name}-core", '\n[lib]\npath = "../shared/core.rs"\n')
    (layout.root / "core/src/lib.rs").unlink()
    layout.crate("other", f"{name}-other")
    tables = f"""
        [dependencies]
        {name}-patched = "0.1"
        {name}-core = {{ path = "../core" }}

        [lib]
        name = "{name}"
        crate-type = ["cdylib"]
        """
    layout.crate("uniffi", f"{name}-uniffi", tables, version='version.workspace = true\nlicense-file = "../TERMS.txt"')
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
        "shared/core.rs": ("seven::number()", "seven::number() + 1"),
        "vendored/patched/Cargo.toml": ('version = "0.1.0"', 'version = "0.1.5"'),
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
            "NEWS.md": "news one\n",
            "tests/test_answer.py": "",
        }
    )
    (layout.root / "rust/protos").symlink_to("../protos")
    tables = f'build = "build.rs"\n\n[lib]\nname = "{name}"\ncrate-type = ["cdylib"]\n{PROFILE}\n[workspace]\n'
    layout.crate("rust", f"{name}-rust", tables)
    texts = [f'include_str!("../{path}")' for path in INCLUDED]
    texts += ['include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../NEWS.md"))']
    texts += ['include_str!(concat!(env!("OUT_DIR"), "/protos.txt"))', 'env!("MUTATED_WORD")']
    listed = "".join(f"    {one},\n" for one in texts)
    source = f"static TEXTS: [&str; {len(texts)}] = [\n{listed}];\n\n#[no_mangle]\n"
    source += 'pub extern "C" fn text(place: usize) -> *const u8 {\n    TEXTS[place].as_ptr()\n}\n'
    layout.files({"rust/src/lib.rs": source})
    maturin = '[tool.maturin]\nbindings = "cffi"\nmanifest-path = "rust/Cargo.toml"\npython-source = "python"\n'
    maturin += f'module-name = "{name}"\ninclude = [{{ path = "extra/*", format = "wheel" }}]\n'
    project = 'dynamic = ["version"]\nreadme = "README.md"'
    layout.pyproject(name, maturin, project=project, ours='include = ["NEWS.md"]')
    return {
        ".gitignore": ("left_out.txt", "page.html"),
        "python/.gitignore": ("ignored_here.py", "page.html"),
        "pyproject.toml": ("[project]", '[project]\ndescription = "two"'),
        "rust/Cargo.toml": ('version = "0.1.0"', 'version = "0.2.0"'),
        "rust/src/lib.rs": ("fn text", "fn other_text"),
        "rust/build.rs": ("String::new()", 'String::from("more")'),
    }


def edited(path, data, edits):
    """Other bytes for a file, which can still be read as what the file is."""
    if path in edits:
        old, new = (text.encode() for text in edits[path])
        assert old in data, path
        return data.replace(old, new, 1)
    name = path.rpartition("/")[2]
    for end, old, new in (
        ("Cargo.lock", b'version = "0.1.0"', b'version = "0.1.9"'),
        ("Cargo.toml", b'version = "0.1.0"', b'version = "0.2.0"'),
        ("config.toml", b"one", b"two"),
        (".rs", b"    7\n", b"    9\n"),
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
        home = layout.home / f"lane {number}"
        root = shutil.copytree(layout.root, home / "repository", symlinks=True)
        self.layout = dataclasses.replace(layout, home=home, root=root)
        self.workshop = workshop
        self.edits = edits
        self.said = ""
        self.files = {path: self.held(path) for path in self.present()}
        """What each file holds; a text: where a link leads."""
        self.before = self.digest()
        self.wheel = self.built()
        assert self.before is not None
        assert self.wheel is not None, self.said

    def present(self):
        """The paths of all files and links there are."""
        for folder, folders, names in os.walk(self.layout.root):
            folders[:] = [name for name in folders if name != ".git"]
            places = [Path(folder, name) for name in names + folders]
            yield from (
                one.relative_to(self.layout.root).as_posix() for one in places if one.is_symlink() or not one.is_dir()
            )

    def held(self, path):
        """What a file holds, or where a link leads; None where there is nothing."""
        file = self.layout.root / path
        if file.is_symlink():
            return os.readlink(file)
        return file.read_bytes() if file.exists() else None

    def digest(self):
        """The digest of the tree; None where there can be none, so that nothing is claimed of any wheel."""
        try:
            return self.layout.digest()
        except FreshwheelError:
            return None

    def built(self):
        """What is in the wheel that the inner backend builds from nothing but the tree; None: it refuses to."""
        target, dist = self.layout.home / "target", self.layout.home / "dist"
        dist.mkdir()
        environ = {**self.workshop.environ, "CARGO_TARGET_DIR": str(target), "SOURCE_DATE_EPOCH": "1000000000"}
        command = (self.workshop.python, "-c", BUILD, str(dist))
        done = subprocess.run(
            command,
            check=False,
            env=environ,
            cwd=self.layout.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.said = done.stderr
        found = None if done.returncode else contents(*dist.iterdir())
        for folder in (target, dist):
            shutil.rmtree(folder, ignore_errors=True)
        return found

    def write(self, path, data):
        """Makes `path` a file, or a link where `data` is a text."""
        file = self.layout.root / path
        file.unlink(missing_ok=True)
        if isinstance(data, str):
            file.symlink_to(data)
        else:
            file.write_bytes(data)

    def restore(self):
        """Makes the tree what it was, whatever a change or a build did to it."""
        for path in set(self.present()) - self.files.keys():
            (self.layout.root / path).unlink()
        for path, data in self.files.items():
            if self.held(path) != data:
                self.write(path, data)

    def change(self, path, change):
        """Changes one file."""
        file, data = self.layout.root / path, self.files[path]
        if change == "edit":
            self.write(path, "nowhere" if isinstance(data, str) else edited(path, data, self.edits))
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
    """The members of a wheel, and their permissions, but for what lists them."""
    with zipfile.ZipFile(path) as file:
        found = {one.filename: (file.read(one), one.external_attr) for one in file.infolist()}
    return {name: data for name, data in found.items() if not name.endswith(".dist-info/RECORD")}


def all_seen(lanes):
    """What came of all changes of all files; the lanes share the files, and go side by side."""
    paths = sorted(lanes[0].files)

    def part(number):
        return [seen for path in paths[number :: len(lanes)] for seen in lanes[number].tried(path)]

    with concurrent.futures.ThreadPoolExecutor(len(lanes)) as pool:
        return [seen for found in pool.map(part, range(len(lanes))) for seen in found]


def rules_of(layout):
    """The inputs, and for each the rule that takes it in."""
    found = report.inputs(layout.call())
    paths = [posixpath.normpath(posixpath.join(layout.folder, os.fsdecode(one.path))) for one in found.inputs]
    return dict(zip(paths, found.reasons, strict=True))


@pytest.mark.parametrize(
    ("lay", "folder", "locked"),
    [
        pytest.param(lay_binding_crate, "python", ".", marks=pytest.mark.nightly),
        (lay_no_rust_here, "python", "."),
        pytest.param(lay_any_suffix, ".", "rust", marks=pytest.mark.nightly),
    ],
)
def test_whatever_makes_another_wheel_moves_the_digest(layout, workshop, lay, folder, locked):
    """No change goes unseen; inputs that never make another wheel are few, and a rule stands for each."""
    found = layout(folder)
    edits = lay(found)
    found.lock(locked)
    found.commit()
    lanes = [Lane(found, workshop, edits, number) for number in range(LANES)]
    assert [lane.built() == lane.wheel for lane in lanes] == [True] * LANES

    seen = all_seen(lanes)
    other = [one for one in seen if one.other]
    missed = [f"{one.change} of {one.path}" for one in other if not one.moved]
    mattering = {one.path for one in other}
    rules = rules_of(found)
    idle = {one.path: rules[one.path] for one in seen if one.path in rules.keys() - mattering and one.other is False}
    sys.stdout.write(f"\n{len(seen)} changes, {len(other)} with another wheel, {len(missed)} of these unseen\n")
    sys.stdout.write(f"{len(idle)} of {len(rules)} inputs made no other wheel:\n")
    sys.stdout.writelines(f"  {path}: {rule}\n" for path, rule in idle.items())

    assert missed == []
    assert edits.keys() - mattering == set()
    assert [path for path, rule in idle.items() if rule == UNNAMED] == []
    assert len(idle) <= FEW * len(rules), idle
