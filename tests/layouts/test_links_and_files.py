"""Inputs that no list of suffixes finds: behind links, of any kind, read by build scripts, ignored by git."""

import os

import pytest

LINKS = pytest.mark.skipif(os.name == "nt", reason="symbolic links need a right that few have")


@pytest.fixture
def linked(layout):
    """A project with links to folders and files outside, to itself, and to nothing."""
    found = layout("python")
    found.files(
        {
            "protos/deep/a.proto": "message A {}\n",
            "others/deep/a.proto": "message A {}\n",
            "typings/case4.pyi": "def number() -> int: ...\n",
            "README.md": "About it.\n",
            "toolchain/rust-toolchain.toml": '[toolchain]\nchannel = "stable"\n',
            "python/case4/__init__.py": "",
            ".gitignore": "target/\n",
        }
    )
    found.crate("python", "case4", main='println!("{}", include_str!("../protos/deep/a.proto"));')
    found.pyproject("case4", project='dynamic = ["version"]\nreadme = "README.md"')
    found.lock("python")
    for name, target in (
        ("protos", "../protos"),
        ("README.md", "../README.md"),
        ("rust-toolchain.toml", "../toolchain/rust-toolchain.toml"),
        ("case4/case4.pyi", "../../typings/case4.pyi"),
        ("src/loop", ".."),
        ("src/dangling", "nowhere"),
    ):
        (found.project / name).symlink_to(target)
    found.commit()
    return found


@LINKS
def test_content_behind_links_counts(linked):
    """For git a link is a text that never changes; here what lies behind it counts, be it a folder or a file."""
    paths = ("protos/deep/a.proto", "README.md", "toolchain/rust-toolchain.toml", "typings/case4.pyi")
    assert linked.moving(*paths) == list(paths)
    assert linked.moving("others/deep/a.proto") == []


@LINKS
def test_where_a_link_leads_counts(linked):
    """Equal content behind another link is another tree, and so is a link that leads nowhere no more."""
    before = linked.digest()
    (linked.project / "protos").unlink()
    (linked.project / "protos").symlink_to("../others")
    other = linked.digest()
    (linked.project / "src" / "nowhere").touch()
    assert len({before, other, linked.digest()}) == 3


@LINKS
def test_checkout_without_links_has_another_digest(linked):
    """Where git writes texts in the place of links, the wheel is made from these."""
    options = ("-c", "core.symlinks=false")
    plain = linked.clone("without links", *options)
    assert (plain.project / "protos").is_file()
    assert plain.digest() != linked.digest()


@LINKS
@pytest.mark.parametrize("path", ["protos/deep/a.proto", "python/src/main.rs"])
def test_project_with_links_keeps_the_invariants(linked, path):
    """Place, time and permissions don't matter; content and names do, behind links as well."""
    linked.keeps_invariants(path)


SUFFIXES = {
    "data/blob.bin": "blob",
    "data/tool.exe": "tool",
    "data/table.json": '{"a": "table"}',
    "grammar/demo.pest": "rule = { demo }",
    "schema/demo.proto": "message demo {}",
    "schema/demo.capnp": "struct demo {}",
    "schema/demo.thrift": "struct demo {}",
    "templates/page.html": "<p>page</p>",
    "README.md": "readme one",
    "no_suffix": "no suffix",
}


@pytest.fixture
def any_suffix(layout):
    """A crate that takes files of any kind into its program, and one from outside of the project."""
    found = layout("python")
    found.files({f"python/rust/{path}": text for path, text in SUFFIXES.items()})
    found.files({"CHANGELOG.md": "changelog one\n", "NEWS.md": "\n", "python/notes.md": "\n"})
    outside = 'include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../CHANGELOG.md"))'
    includes = [outside, *(f'include_str!("../{path}")' for path in SUFFIXES)]
    found.crate("python/rust", "case5", main="\n    ".join(f'print!("{{}}", {one});' for one in includes))
    maturin = '[tool.maturin]\nbindings = "bin"\nmanifest-path = "rust/Cargo.toml"\n'
    found.pyproject("case5", maturin, ours='include = ["../CHANGELOG.md"]')
    found.lock("python/rust")
    found.files({".gitignore": "target/\n"})
    found.commit()
    return found


def test_every_file_of_a_crate_counts(any_suffix):
    """Any of them may be compiled in, documents too; outside of the crate that which is included counts."""
    paths = ("CHANGELOG.md", *(f"python/rust/{path}" for path in SUFFIXES))
    assert any_suffix.moving(*paths) == list(paths)
    assert any_suffix.moving("NEWS.md", "python/notes.md") == []


@pytest.mark.parametrize("path", ["python/rust/README.md", "python/rust/data/tool.exe"])
def test_crate_with_any_files_keeps_the_invariants(any_suffix, path):
    """Place, time and permissions don't matter; content and names do, whatever the suffix."""
    any_suffix.keeps_invariants(path)


@pytest.mark.slow
def test_edit_of_a_document_reaches_the_wheel_under_another_label(any_suffix, workshop):
    """The label moves, and the program holds the new text."""
    earlier = workshop.fixpoint(any_suffix)
    any_suffix.replace("python/rust/README.md", "one", "two")
    any_suffix.replace("CHANGELOG.md", "one", "two")
    later = workshop.fixpoint(any_suffix)
    assert earlier.version != later.version
    assert (earlier.holds("readme one"), later.holds("readme one")) == (True, False)
    assert (later.holds("readme two"), later.holds("changelog two")) == (True, True)


@pytest.fixture
def reaching_out(layout):
    """A crate whose build script declares one of the files that it reads, and reads one far away."""
    found = layout("python")
    found.files(
        {
            "shared/api/one.txt": "1\n",
            "shared/engine/two.txt": "2\n",
            "unread/three.txt": "3\n",
            "python/rust/grammar/parser.txt": "4\n",
            "python/rust/build.rs": """\
                use std::{env, fs, path::PathBuf};

                fn main() {
                    println!("cargo:rerun-if-changed=build.rs");
                    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
                    let shared = here.join("../..").join("shared");
                    let mut text = fs::read_to_string(here.join("grammar").join("parser.txt")).unwrap();
                    for name in ["api/one.txt", "engine/two.txt"] {
                        text += &fs::read_to_string(shared.join(name)).unwrap();
                    }
                    fs::write(PathBuf::from(env::var("OUT_DIR").unwrap()).join("text.txt"), text).unwrap();
                }
                """,
            ".gitignore": "target/\n",
        }
    )
    code = 'print!("{}", include_str!(concat!(env!("OUT_DIR"), "/text.txt")));'
    found.crate("python/rust", "case6", main=code)
    maturin = '[tool.maturin]\nbindings = "bin"\nmanifest-path = "rust/Cargo.toml"\n'
    found.pyproject("case6", maturin, ours='include = ["../shared/**"]')
    found.lock("python/rust")
    found.commit()
    return found


def test_what_a_build_script_reads_counts_whatever_it_declares(reaching_out):
    """Whole crates count, and what is included; a build script's own list decides nothing."""
    paths = ("python/rust/build.rs", "python/rust/grammar/parser.txt", "shared/api/one.txt", "shared/engine/two.txt")
    assert reaching_out.moving(*paths) == list(paths)
    assert reaching_out.moving("unread/three.txt") == []


@pytest.mark.parametrize("path", ["python/rust/grammar/parser.txt", "shared/engine/two.txt"])
def test_project_with_a_build_script_keeps_the_invariants(reaching_out, path):
    """Place, time and permissions don't matter; content and names do."""
    reaching_out.keeps_invariants(path)


@pytest.mark.slow
def test_build_with_a_build_script_leaves_the_digest(reaching_out, workshop):
    """What the script writes into cargo's own folder is no input."""
    assert workshop.fixpoint(reaching_out).version == f"0.1.0+{reaching_out.label()}"


IGNORED_INPUTS = (
    "python/rust/src/generated.rs",
    "python/rust/kernels.h",
    "python/case8/_static/widget.js",
    "python/frontend/out/index.html",
    ".cargo/config.local.toml",
    "lib/libcase8.so",
)


@pytest.fixture
def ignored(layout):
    """A project that git ignores half of."""
    found = layout("python")
    found.files(dict.fromkeys(IGNORED_INPUTS, "\n"))
    found.files(
        {
            ".cargo/config.toml": 'include = ["config.local.toml"]\n',
            ".gitignore": "target/\ngenerated.rs\n*.h\n_static/\nout/\n*.local.toml\n*.so\nscratch/\n",
            "python/case8/__init__.py": "",
            "python/scratch/notes.txt": "\n",
            "scratch/notes.txt": "\n",
        }
    )
    found.crate("python/rust", "case8", '\n[lib]\ncrate-type = ["cdylib"]\n')
    maturin = '[tool.maturin]\nbindings = "cffi"\nmanifest-path = "rust/Cargo.toml"\nmodule-name = "case8"\n'
    found.pyproject("case8", maturin + 'include = ["frontend/out/**/*"]\n', ours='include = ["../lib/*.so"]')
    found.lock("python/rust")
    found.commit()
    return found


def test_ignored_files_count_where_they_are_built_or_packed(ignored):
    """Files of the crate, of the Python package, of maturin's and our `include`, and of cargo's configuration."""
    for path in IGNORED_INPUTS:
        assert ignored.git("check-ignore", path) == path
    assert ignored.moving(*IGNORED_INPUTS) == list(IGNORED_INPUTS)


def test_ignored_files_elsewhere_do_not_count(ignored):
    """What is neither built nor packed is no input, in the project and beside it."""
    assert ignored.moving("python/scratch/notes.txt", "scratch/notes.txt") == []


def test_project_with_ignored_inputs_keeps_the_invariants(ignored):
    """Place, time and permissions don't matter; content and names do."""
    assert ignored.copy().digest() == ignored.digest()
    ignored.counts_content_only("python/rust/src/lib.rs")
    for path in IGNORED_INPUTS[:4]:
        ignored.counts_names(path)


def test_ignored_files_of_a_python_project_count(layout):
    """What hatchling packs by `artifacts` counts, though git ignores it."""
    found = layout()
    found.files({"src/demo/__init__.py": "", "src/demo/_bundle.js": "\n", ".gitignore": "*.js\n"})
    tables = '[tool.hatch.version]\npath = "src/demo/__init__.py"\n\n[tool.hatch.build]\nartifacts = ["*.js"]\n'
    found.pyproject("case8-hatch", tables, backend="hatchling.build")
    found.commit()
    assert found.moving("src/demo/_bundle.js") == ["src/demo/_bundle.js"]


@pytest.mark.parametrize(
    ("target", "main", "beside"),
    [
        ('[[bin]]\nname = "run"\npath = "examples/main.rs"\n', "examples/main.rs", "examples/words.txt"),
        ('[[bin]]\nname = "run"\npath = "benches/run/main.rs"\n', "benches/run/main.rs", "benches/run/part.rs"),
        ('[lib]\npath = "tests/lib.rs"\n', "tests/lib.rs", "tests/part.rs"),
        ('[lib]\npath = "inner/src/lib.rs"\n', "inner/src/lib.rs", "inner/src/part.rs"),
    ],
)
@pytest.mark.parametrize("folder", [".", "rust"])
def test_main_file_that_is_not_walked_with_its_crate(layout, folder, target, main, beside):
    """Where a target is in a folder for tests, or in that of another crate, it counts before the first build."""
    found = layout()
    found.files({f"{folder}/{name}": "" for name in (main, beside, "tests/other/a.rs", "Cargo.lock")})
    found.files({f"{folder}/inner/Cargo.toml": '[package]\nname = "inner"\n', f"{folder}/inner/a.rs": ""})
    found.crate(folder, "mains", target)
    manifest = "" if folder == "." else 'manifest-path = "rust/Cargo.toml"\n'
    found.pyproject("mains", f"[tool.maturin]\n{manifest}")
    found.commit()
    prefix = "" if folder == "." else f"{folder}/"
    assert {prefix + main, prefix + beside} <= set(found.inputs())
    assert f"{prefix}inner/a.rs" not in found.inputs()


def test_build_script_among_the_tests_of_its_crate(layout):
    """It is run, wherever it lies."""
    found = layout()
    found.files({"tests/build.rs": "", "tests/a.rs": "", "Cargo.lock": ""})
    found.crate(".", "scripts")
    found.replace("Cargo.toml", 'edition = "2021"\n', 'edition = "2021"\nbuild = "tests/build.rs"\n')
    found.pyproject("scripts")
    found.commit()
    assert [path for path in found.inputs() if path.startswith("tests")] == ["tests/build.rs"]
