"""What tools say they read, in texts as rustc, cargo and build scripts wrote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.inner import build_records
from freshwheel.inner.build_records import Read

TREE = "/home/me/repo/py"
REPOSITORY = "/home/me/repo"

RUSTC = """\
/t/deps/other-e936ad2ea86faeb7.d: src/lib.rs /home/me/a/../odd\\ dir\\ #$x/fi\\ le#$.txt

/t/deps/libother-e936ad2ea86faeb7.rlib: src/lib.rs /home/me/a/../odd\\ dir\\ #$x/fi\\ le#$.txt

src/lib.rs:
/home/me/a/../odd\\ dir\\ #$x/fi\\ le#$.txt:

# env-dep:CARGO_MANIFEST_DIR=/home/me/a
# env-dep:ODD_NAME=a b\\nc=d
# env-dep:UNSET
# checksum:blake3=00 file_len:1 src/lib.rs
"""

WINDOWS = "C:\\a b\\target\\release\\deps\\demo.d: src\\lib.rs C:\\a\\ b\\#x\\$y.txt\r\n\r\nsrc\\lib.rs:\r\n"

SCRIPT = """\
cargo:rerun-if-changed=../shared
cargo::rerun-if-changed=build.rs
   cargo:rerun-if-changed=a = b.txt \t
cargo:rerun-if-env-changed=FOO
cargo::rerun-if-env-changed=OUT_DIR
cargo:rerun-if-changed=../shared
cargo:rustc-link-lib=m
cargo:rerun-if-changed
# cargo:rerun-if-changed=no
hello
"""

names = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), min_size=1)


def escaped(name):
    """A file name as rustc writes it (`escape_dep_filename`)."""
    return name.replace(" ", "\\ ")


def read(path, by="x"):
    """One read."""
    return Read(path=path, by=by)


def missed(*paths, inputs=(), apart=()):
    """What is missed of `paths`: files, and what is of the system."""
    found = build_records.missed(
        [read(path) for path in paths], tree=TREE, repository=REPOSITORY, inputs=inputs, apart=apart
    )
    return [one.path for one in found.files], [one.path for one in found.system]


def test_dep_info_of_rustc():
    """Files come once each and unescaped, variables by their names."""
    found = build_records.dep_info(RUSTC)
    assert found.files == ("src/lib.rs", "/home/me/a/../odd dir #$x/fi le#$.txt")
    assert found.names == ("ODD_NAME", "UNSET")


def test_dep_info_of_windows():
    """Backslashes stand for themselves, but for the one before a space."""
    assert build_records.dep_info(WINDOWS).files == ("src\\lib.rs", "C:\\a b\\#x\\$y.txt")


@given(st.lists(names.filter(lambda name: not name.endswith("\\")), unique=True))
def test_dep_info_is_read_as_it_is_escaped(some):
    """Whatever a file is called, its name comes back; rustc itself can't tell a backslash at the end of one."""
    text = f"out.d: {' '.join(map(escaped, some))}\n"
    assert list(build_records.dep_info(text).files) == some


@given(st.text())
def test_no_text_is_too_odd(text):
    """No text makes a parser raise."""
    for parse in (build_records.dep_info, build_records.script_output):
        parse(text)
        parse(f"# env-dep:{text}\nx: {text}\ncargo:rerun-if-changed={text}")


@given(st.text(), st.text(), st.text())
def test_no_path_is_too_odd(path, tree, folder):
    """No path makes a comparison raise."""
    build_records.placed(path, tree)
    build_records.within(path, folder, tree)
    build_records.missed([read(path)], tree=tree, repository=folder, inputs=(), apart=[folder])


def test_script_output():
    """Both spellings of a rerun line count, in the order of their first appearance; all else does not."""
    found = build_records.script_output(SCRIPT)
    assert found.files == ("../shared", "build.rs", "a = b.txt")
    assert found.names == ("FOO",)


@pytest.mark.parametrize(
    ("path", "tree", "placed"),
    [
        ("/a/b/c", "/a/b", "c"),
        ("/a/b", "/a/b", ""),
        ("/a/b/../x/./y", "/a/b", "../x/y"),
        ("/x", "/a/b", "../../x"),
        ("/../x", "/", "x"),
        ("C:\\a\\B\\c.rs", "c:\\A\\b", "c.rs"),
        ("\\\\?\\C:\\a\\x", "C:\\a\\b", "../x"),
        ("D:\\x\\..\\y", "C:\\a", "D:/y"),
        ("\\\\server\\share\\x", "\\\\server\\share\\a", "../x"),
    ],
)
def test_paths_are_relative_to_the_project(path, tree, placed):
    """A path is normalised, with `..` at its start only; one on another drive stays absolute."""
    assert build_records.placed(path, tree) == placed


def test_input_is_not_missed():
    """What is an input was not missed, wherever it lies."""
    assert missed("src/lib.rs", "../x.txt", inputs={"src/lib.rs", "../x.txt"}) == ([], [])


def test_file_of_the_repository_is_missed():
    """What is cloned along with the project belongs into the label, with a relative path."""
    assert missed("../x.txt", "a.txt", "../x.txt") == (["../x.txt", "a.txt"], [])


def test_file_of_the_machine_is_apart_from_those_of_the_repository():
    """What lies outside of the repository is a fact about this machine, with an absolute path."""
    assert missed("../../../../usr/include/zlib.h", "../../repo2/x") == (
        [],
        ["/usr/include/zlib.h", "/home/me/repo2/x"],
    )


def test_known_file_of_the_machine_is_not_missed():
    """What is in the build key already is not named again."""
    assert missed("../../../../usr/include/zlib.h", inputs={"/usr/include/zlib.h"}) == ([], [])


@pytest.mark.parametrize(
    "path",
    ["target/release/build/x/out/gen.rs", "../../.cargo/registry/src/i/x/lib.rs", "../../../../usr/lib/rustlib/x"],
)
def test_tools_and_outputs_never_count(path):
    """Neither what was built, nor what the tools brought, is a source."""
    assert missed(path, apart=["/home/me/.cargo", f"{TREE}/target"]) == ([], [])


def test_one_reader_is_named():
    """A file that was read by several is named once, always with the same reader."""
    reads = [read("x", "b"), read("x", "a"), read("x", "c")]
    found = build_records.missed(reads, tree=TREE, repository=REPOSITORY, inputs=(), apart=())
    assert found.files == (read("x", "a"),)
