"""Projects in Rust workspaces, where most of what a wheel is made from lies beside or above the project."""

import pytest


def lay_binding_crate(layout):
    """A binding crate, and the workspace above it: crates it is built from, and others."""
    layout.files(
        {
            "Cargo.toml": """\
                [workspace]
                members = ["crates/*", "python"]
                resolver = "2"

                [workspace.dependencies]
                case1-core = { path = "crates/core" }
                """,
            "README.md": "About all of it.\n",
            "docs/guide.md": "How to use it.\n",
            "crates/core/tests/all.rs": "#[test]\nfn all() {}\n",
            "crates/core/benches/speed.rs": "fn main() {}\n",
            "crates/core/examples/show.rs": "fn main() {}\n",
            "crates/core/data/words.txt": "one two\n",
            "crates/core/build.rs": "fn main() {\n    assert_eq!(case1_gen::number(), 7);\n}\n",
            "python/demo/__init__.py": "",
        }
    )
    layout.crate(
        "crates/core",
        "case1-core",
        """
        [build-dependencies]
        case1-gen = { path = "../gen" }

        [target.'cfg(windows)'.dependencies]
        case1-windows = { path = "../windows" }

        [dev-dependencies]
        case1-testkit = { path = "../testkit" }
        """,
    )
    for name in ("gen", "windows", "testkit", "other"):
        layout.crate(f"crates/{name}", f"case1-{name}")
    tables = "\n[dependencies]\ncase1-core = { workspace = true }\n"
    layout.crate("python", "case1-python", tables, main='println!("{}", case1_core::number());')
    layout.pyproject("case1")
    layout.lock()
    layout.files({".gitignore": "target/\n"})
    layout.commit()
    return layout


@pytest.fixture
def binding_crate(layout):
    """A project whose directory is one member of a workspace."""
    return lay_binding_crate(layout("python"))


BINDING_INPUTS = (
    "Cargo.toml",
    "Cargo.lock",
    "crates/core/Cargo.toml",
    "crates/core/build.rs",
    "crates/core/data/words.txt",
    "crates/core/src/lib.rs",
    "crates/gen/Cargo.toml",
    "crates/gen/src/lib.rs",
    "crates/windows/src/lib.rs",
    "python/Cargo.toml",
    "python/pyproject.toml",
    "python/src/main.rs",
)


def test_binding_crate_in_a_workspace_counts_what_it_is_built_from(binding_crate):
    """Path dependencies of every sort but those for development count, and the root's manifest and lock."""
    assert binding_crate.moving(*BINDING_INPUTS) == list(BINDING_INPUTS)


def test_binding_crate_in_a_workspace_counts_nothing_else(binding_crate):
    """Documents, other members, crates for development, and tests, benches and examples of a crate don't count."""
    others = ("README.md", "docs/guide.md", "crates/other/src/lib.rs", "crates/other/Cargo.toml")
    others += ("crates/testkit/src/lib.rs",)
    others += tuple(f"crates/core/{path}" for path in ("tests/all.rs", "benches/speed.rs", "examples/show.rs"))
    assert binding_crate.moving(*others) == []


def test_inputs_that_are_listed_are_those_that_count(binding_crate):
    """For each file of the repository the list says what an edit of it shows."""
    assert binding_crate.moving(*binding_crate.git("ls-files").splitlines()) == binding_crate.inputs()


def test_new_member_of_the_workspace_that_is_not_built_does_not_count(binding_crate):
    """`members` is a pattern: a crate that appears there is none of the project's business until it is used."""
    before = binding_crate.digest()
    binding_crate.crate("crates/new", "case1-new")
    assert binding_crate.digest() == before


@pytest.mark.parametrize("path", ["crates/core/src/lib.rs", "python/src/main.rs"])
def test_binding_crate_in_a_workspace_keeps_the_invariants(binding_crate, path):
    """Place, time and permissions don't matter; content and names do."""
    binding_crate.keeps_invariants(path)


@pytest.mark.slow
def test_build_of_a_binding_crate_leaves_the_digest(binding_crate, workshop):
    """The label is that of the tree before and after."""
    assert workshop.fixpoint(binding_crate).version == f"0.1.0+{binding_crate.label()}"


def test_one_repository_with_many_wheels_moves_those_that_hold_the_edit(layout):
    """An edit of a shared crate is in both wheels, one of a binding crate in its own alone."""
    one = layout("one")
    one.files({"Cargo.toml": '[workspace]\nmembers = ["shared", "one", "two"]\nresolver = "2"\n'})
    one.crate("shared", "many-shared")
    projects = [one, type(one)(one.home, one.root, "two")]
    for project in projects:
        tables = '\n[dependencies]\nmany-shared = { path = "../shared" }\n'
        project.crate(project.folder, f"many-{project.folder}", tables, main="many_shared::number();")
        project.pyproject(f"many-{project.folder}")
    one.lock()
    paths = ("shared/src/lib.rs", "one/src/main.rs", "two/src/main.rs")
    assert projects[0].moving(*paths) == ["shared/src/lib.rs", "one/src/main.rs"]
    assert projects[1].moving(*paths) == ["shared/src/lib.rs", "two/src/main.rs"]


@pytest.fixture
def no_rust_here(layout):
    """A project with Python only: its crate, a patched crate, readme and licence are elsewhere."""
    found = layout("bindings/python")
    found.files(
        {
            "Cargo.toml": """\
                [workspace]
                members = ["crates/uniffi"]
                resolver = "2"

                [patch.crates-io]
                case2-patched = { path = "vendored/patched" }
                """,
            "CHANGELOG.md": "Nothing yet.\n",
            "bindings/README.md": "About the bindings.\n",
            "LICENSE": "Take it.\n",
            "bindings/python/notes.txt": "Not packed.\n",
            "bindings/python/src/case2/__init__.py": "",
            "bindings/python/src/case2/py.typed": "",
        }
    )
    found.crate("vendored/patched", "case2-patched")
    tables = '\n[dependencies]\ncase2-patched = "0.1"\n\n[lib]\nname = "case2"\ncrate-type = ["cdylib"]\n'
    found.crate("crates/uniffi", "case2-uniffi", tables)
    found.files(
        {"crates/uniffi/src/lib.rs": '#[no_mangle]\npub extern "C" fn number() -> u32 { case2_patched::number() }\n'}
    )
    project = 'dynamic = ["version"]\nreadme = "../README.md"\nlicense = { file = "../../LICENSE" }'
    maturin = '[tool.maturin]\nbindings = "cffi"\nmanifest-path = "../../crates/uniffi/Cargo.toml"\n'
    found.pyproject("case2", maturin + 'python-source = "src"\nmodule-name = "case2"\n', project=project)
    found.lock()
    found.files({".gitignore": "target/\n"})
    found.commit()
    return found


def test_project_without_rust_counts_the_crate_that_it_names(no_rust_here):
    """`manifest-path`, patched crates, the Python package, and readme and licence that lie outside all count."""
    paths = (
        "Cargo.toml",
        "Cargo.lock",
        "crates/uniffi/Cargo.toml",
        "crates/uniffi/src/lib.rs",
        "vendored/patched/Cargo.toml",
        "vendored/patched/src/lib.rs",
        "bindings/README.md",
        "LICENSE",
        "bindings/python/pyproject.toml",
        "bindings/python/src/case2/__init__.py",
        "bindings/python/src/case2/py.typed",
    )
    assert no_rust_here.moving(*paths) == list(paths)


def test_project_without_rust_counts_nothing_else(no_rust_here):
    """What lies beside the Python package, or above and is not named, does not count."""
    assert no_rust_here.moving("CHANGELOG.md", "bindings/python/notes.txt") == []
    assert no_rust_here.moving(*no_rust_here.git("ls-files").splitlines()) == no_rust_here.inputs()


@pytest.mark.parametrize("path", ["vendored/patched/src/lib.rs", "bindings/python/src/case2/py.typed"])
def test_project_without_rust_keeps_the_invariants(no_rust_here, path):
    """Place, time and permissions don't matter; content and names do."""
    no_rust_here.keeps_invariants(path)


@pytest.mark.slow
def test_build_of_a_project_without_rust_leaves_the_digest(no_rust_here, workshop):
    """The label is that of the tree before and after, though all that is compiled lies outside."""
    assert workshop.fixpoint(no_rust_here).version == f"0.1.0+{no_rust_here.label()}"


@pytest.fixture
def version_above(layout):
    """A project whose version stands in the manifest of its workspace."""
    found = layout("python")
    found.files(
        {"Cargo.toml": '[workspace]\nmembers = ["python"]\nresolver = "2"\n\n[workspace.package]\nversion = "0.1.0"\n'}
    )
    found.crate(
        "python", "case3", version="version.workspace = true", main='println!("{}", env!("CARGO_PKG_VERSION"));'
    )
    found.pyproject("case3")
    found.lock()
    found.files({".gitignore": "target/\n"})
    found.commit()
    return found


def test_version_of_the_workspace_counts(version_above):
    """The root manifest is an input, and a member that inherits from it keeps the invariants."""
    assert version_above.moving("Cargo.toml", "Cargo.lock") == ["Cargo.toml", "Cargo.lock"]
    version_above.keeps_invariants("python/src/main.rs")


@pytest.mark.slow
def test_new_version_of_the_workspace_is_in_metadata_and_wheel(version_above, workshop):
    """A bump at the root moves base version and label of both, and they agree."""
    earlier = workshop.fixpoint(version_above)
    version_above.replace("Cargo.toml", 'version = "0.1.0"', 'version = "0.2.0"')
    prepared = workshop.metadata(version_above)
    later = workshop.wheel(version_above)
    assert later.version == f"0.2.0+{version_above.label()}"
    assert prepared.name == f"case3-{later.version}.dist-info"
    assert later.mark.digest != earlier.mark.digest
    assert later.holds("0.2.0")


def test_workspace_that_lies_inside_of_another_crate(layout):
    """A crate at the top, the workspace in a folder of it, the project in one of that: all that decides counts."""
    found = layout("bindings/python")
    found.crate(".", "inside-core")
    found.crate(
        "bindings/python",
        "inside",
        '[dependencies]\ninside-core = { path = "../.." }\n',
        version="version.workspace = true",
    )
    found.files(
        {
            "bindings/Cargo.toml": '[workspace]\nmembers = ["python"]\n[workspace.package]\nversion = "0.1.0"\n',
            "bindings/.cargo/config.toml": "[build]\n",
        }
    )
    found.pyproject("inside")
    found.lock("bindings")
    found.files({"bindings/rust-toolchain.toml": '[toolchain]\nchannel = "stable"\n'})
    found.commit()
    deciding = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", "rust-toolchain.toml"]
    assert {f"bindings/{name}" for name in deciding} <= set(found.inputs())
    found.is_free_of_places()
    before = found.digest()
    found.replace("bindings/Cargo.toml", "0.1.0", "0.2.0")
    assert found.digest() != before


def test_configuration_that_lies_among_the_tests_of_a_crate(layout):
    """The project in `tests` of the crate that it is made from: what lies beside it is read all the same."""
    found = layout("tests/python")
    found.crate(".", "among-core")
    found.crate("tests/python", "among", '[workspace]\n[dependencies]\namong-core = { path = "../.." }\n')
    found.files({"tests/.cargo/config.toml": "[build]\n", "tests/rust-toolchain": "stable\n", "tests/a.rs": ""})
    found.pyproject("among")
    found.lock("tests/python")
    found.commit()
    assert {"tests/.cargo/config.toml", "tests/rust-toolchain"} <= set(found.inputs())
    assert "tests/a.rs" not in found.inputs()


@pytest.fixture(params=[".", "python"])
def at_the_root(layout, request):
    """A crate at the root of a repository, which the project is, or is made from."""
    found = layout(request.param)
    found.files(
        {
            "build.rs": 'fn main() { println!("cargo:rerun-if-changed=proto/a.proto"); }',
            "proto/a.proto": "",
            "words/list.txt": "",
            "shared/more.rs": 'pub const DEEP: &str = include_str!("../deeper/x");',
            "deeper/x": "",
            "assets/logo.svg": "",
            "CHANGELOG.md": "",
            "tests/data.txt": "",
            "golden/of_tests.csv": "",
            "Cargo.lock": "",
        }
    )
    found.crate(".", "rooted")
    found.files(
        {
            "src/lib.rs": """\
                #![doc = include_str!("../CHANGELOG.md")]
                // Not https://docs.rs, nor TODO.md.
                pub const WORDS: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/words/list.txt"));
                #[path = "../shared/more.rs"]
                pub mod more;
                """,
            "src/folder.rs": """\
                fn folder() { root().join("assets") }
                #[cfg(test)]
                mod tests {
                    const OF_TESTS: &str = include_str!("../golden/of_tests.csv");
                }
                """,
        }
    )
    if request.param != ".":
        found.crate(request.param, "rooted-python", '[workspace]\n[dependencies]\nrooted = { path = ".." }\n')
        found.files({f"{request.param}/Cargo.lock": ""})
    found.pyproject("rooted")
    found.commit()
    return found


SPOKEN_OF = (
    *("CHANGELOG.md", "Cargo.toml", "assets/logo.svg", "build.rs", "deeper/x", "proto/a.proto", "shared/more.rs"),
    *("src/folder.rs", "src/lib.rs", "words/list.txt"),
)


def test_what_sources_of_a_crate_at_the_root_speak_of_counts(at_the_root):
    """By an include, a build script, a module, and what these speak of in turn; not by its tests."""
    found = set(at_the_root.inputs())
    assert set(SPOKEN_OF) <= found
    assert "golden/of_tests.csv" not in found
    at_the_root.is_free_of_places()


@pytest.mark.parametrize(
    "path",
    [
        *(
            "TODO.md",
            ".envrc",
            "flamegraph.svg",
            "docs/index.md",
            "docs/src/a.rs",
            ".github/workflows/ci.yml",
            "Makefile",
        ),
        *("mkdocs.yml", "scripts/release.py", "tests/data.txt", "benchmarks/one.rs", "noxfile.py", ".vale/a.yml"),
    ],
)
def test_what_no_source_of_a_crate_at_the_root_speaks_of_does_not_count(at_the_root, path):
    """It moves no label, whether it comes, changes or goes."""
    before = at_the_root.digest()
    at_the_root.files({path: "one"})
    assert at_the_root.digest() == before
    at_the_root.files({path: "other"})
    assert at_the_root.digest() == before


def test_what_a_source_begins_to_speak_of_counts_from_then_on(at_the_root):
    """And no longer once no source does."""
    at_the_root.files({"docs/guide.md": "one"})
    before = at_the_root.digest()
    at_the_root.replace("src/folder.rs", "fn", '#[doc = include_str!("../docs/guide.md")]\nfn')
    assert at_the_root.moving("docs/guide.md") == ["docs/guide.md"]
    at_the_root.replace("src/folder.rs", '#[doc = include_str!("../docs/guide.md")]\n', "")
    assert at_the_root.digest() == before
    assert at_the_root.moving("docs/guide.md") == []


def test_include_names_what_no_source_of_a_crate_at_the_root_speaks_of(at_the_root):
    """As everywhere."""
    climb = "../" * (at_the_root.folder != ".")
    at_the_root.files({"docs/a/b.md": "", "Makefile": "", "docs/c.txt": ""})
    file = f"{at_the_root.folder}/pyproject.toml"
    patterns = [f"{climb}docs/**/*.md", f"{climb}Makefile"]
    at_the_root.replace(file, "[tool.freshwheel]\n", f"[tool.freshwheel]\ninclude = {patterns}\n")
    assert {"docs/a/b.md", "Makefile"} <= set(at_the_root.inputs())
    assert "docs/c.txt" not in at_the_root.inputs()


def test_crate_elsewhere_counts_with_all_its_files(layout):
    """Little else lies beside it."""
    found = layout()
    found.crate("rust", "elsewhere")
    found.files({"rust/notes.txt": "", "rust/Cargo.lock": ""})
    found.pyproject("elsewhere", '[tool.maturin]\nmanifest-path = "rust/Cargo.toml"\n')
    found.commit()
    assert "rust/notes.txt" in found.inputs()


@pytest.mark.slow
def test_what_a_build_reads_and_no_source_speaks_of_joins_the_inputs(layout, workshop):
    """A name that is put together: the first wheel is not stored, and the next label has it."""
    found = layout()
    found.crate(".", "joining", main='println!("{}", include_str!(concat!("../da", "ta.txt")));')
    found.files({"data.txt": "one\n", "TODO.md": "", "docs/a.md": ""})
    found.pyproject("joining")
    found.lock()
    found.files({".gitignore": "target/\n"})
    found.commit()
    assert "data.txt" not in found.inputs()
    workshop.wheel(found)
    assert "data.txt" in found.inputs()
    assert "TODO.md" not in found.inputs()
    second = workshop.wheel(found)
    found.files({"TODO.md": "other", "docs/b.md": ""})
    again = workshop.wheel(found)
    assert (again.version, "from the store" in again.said) == (second.version, True), again.said
    found.files({"data.txt": "two\n"})
    third = workshop.wheel(found)
    assert third.version != second.version
    assert third.holds("two\n")


@pytest.mark.parametrize("name", ["README.md", "README.rst", "README.txt", "README"])
def test_a_readme_that_nobody_names_counts_at_the_root(layout, name):
    """Cargo takes one for the description, and maturin does with one more ending."""
    found = layout(".")
    found.files({name: "", "TODO.rst": ""})
    found.crate(".", "rooted")
    found.pyproject("rooted")
    assert name in found.inputs()
    assert "TODO.rst" not in found.inputs()
