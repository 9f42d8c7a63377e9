"""Which files are inputs: patterns, symbolic links, what lies outside, and what is no file at all."""

import os
import socket

import pytest

from freshwheel.base.errors import InputError
from freshwheel.sources import disk, walk

TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n"


@pytest.fixture
def built(grove):
    """A tree with a build folder, in which lies something that is wanted, and with droppings."""
    grove.write("target/CACHEDIR.TAG", TAG)
    return grove.plant("a.py", "target/gen/a.rs", "target/gen/sub/b.rs", "target/other.rs", "pkg/m.abi3.so", "pkg/x~")


# --- patterns


@pytest.mark.parametrize(
    ("pattern", "added"),
    [
        ("target/gen/**", ["target/gen/a.rs", "target/gen/sub/b.rs"]),
        ("target/gen", ["target/gen/a.rs", "target/gen/sub/b.rs"]),
        ("target/gen/", ["target/gen/a.rs", "target/gen/sub/b.rs"]),
        ("target/*.rs", ["target/other.rs"]),
        ("target/**/b.rs", ["target/gen/sub/b.rs"]),
        ("*/other.rs", ["target/other.rs"]),
        ("target/gen/a.rs", ["target/gen/a.rs"]),
        ("target/**", ["target/CACHEDIR.TAG", "target/gen/a.rs", "target/gen/sub/b.rs", "target/other.rs"]),
        ("pkg/*.so", ["pkg/m.abi3.so"]),
        ("**/m.abi3.so", ["pkg/m.abi3.so"]),
        ("pkg/x~", ["pkg/x~"]),
    ],
)
def test_include_overrides_pruning_and_litter(built, pattern, added):
    """What a pattern names is an input, wherever it lies."""
    assert built.names(include=[pattern]) == sorted(["a.py", *added])


@pytest.mark.parametrize("pattern", ["**", "**/*.rs", "pkg/**", "pkg"])
def test_include_does_not_name_what_it_only_passes_over(built, pattern):
    """`**` is about sources: it does not bring in build folders, droppings and version control."""
    assert built.names(include=[pattern]) == ["a.py"]


def test_include_names_bytecode_folders_and_version_control(grove):
    """Nothing is so much litter that it can't be named."""
    grove.plant("a.py", ".git/HEAD", ".git/index", ".git/refs/heads/main", "pkg/__pycache__/a.pyc")
    assert grove.names(include=[".git/HEAD", "**/__pycache__/*.pyc"]) == [".git/HEAD", "a.py", "pkg/__pycache__/a.pyc"]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("docs", ["a.py", "src/docs/b.md"]),
        ("docs/", ["a.py", "src/docs/b.md"]),
        ("docs/**", ["a.py", "src/docs/b.md"]),
        ("**/docs", ["a.py"]),
        ("**/*.md", ["a.py"]),
        ("*.py", ["docs/a.md", "src/docs/b.md"]),
        ("*", []),
        ("**", []),
    ],
)
def test_exclude_removes(grove, pattern, left):
    """What is excluded is no input."""
    grove.plant("a.py", "docs/a.md", "src/docs/b.md")
    assert grove.names(exclude=[pattern]) == left


def test_exclude_wins_over_include(built):
    """Both name it: it is out."""
    assert built.names(include=["target/gen"], exclude=["target/gen/sub"]) == ["a.py", "target/gen/a.rs"]


def test_always_wins_over_exclude_and_litter(built):
    """A file that a build surely reads is an input; one that is not there is not made up."""
    assert built.names(exclude=["**"], always=["a.py", "./target//other.rs", "gone.py"]) == ["a.py", "target/other.rs"]


def test_always_may_lead_out_or_be_a_link(grove):
    """The own version may stand in a file beside the project."""
    grove.plant("../about.py").link("b.py", "../about.py").link("c", "..")
    assert grove.kinds(exclude=["**"], always=["../about.py", "b.py", "c"]) == {"../about.py": "f", "b.py": "l"}


def test_excluded_folder_is_not_looked_into(grove, monkeypatch):
    """What can't be read or is huge can be excluded."""
    grove.plant("a.py", "huge/x")
    scandir = os.scandir

    def fail(path):
        assert not path.endswith(b"huge")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fail)
    assert grove.names(exclude=["huge"]) == ["a.py"]


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
def test_patterns_are_utf8_whatever_the_locale(grove):
    """A name is matched by its characters."""
    grove.plant("protös/a", "protös/b".encode("latin-1"))
    assert grove.names(exclude=["prot?s"]) == []


def test_patterns_that_match_nothing_are_known(built):
    """A person can be told about a pattern that does nothing."""
    include = ["gone/**", "*.py", "../gone", "../gone/**", "target/gen/*.rs", "../*/gone"]
    assert list(built.snapshot(include=include).idle) == ["../*/gone", "../gone", "../gone/**", "gone/**"]


def test_pattern_outside_of_the_dialect_is_refused(grove):
    """It would silently match nothing."""
    with pytest.raises(ValueError, match="absolute"):
        grove.names(include=["/etc/passwd"])


# --- outside


@pytest.mark.parametrize(
    ("pattern", "added"),
    [
        ("../protos/**", ["../protos/a.proto", "../protos/sub/b.proto"]),
        ("../protos", ["../protos/a.proto", "../protos/sub/b.proto"]),
        ("../protos/*.proto", ["../protos/a.proto"]),
        ("../*/a.proto", ["../protos/a.proto"]),
        ("../**/b.proto", ["../protos/sub/b.proto"]),
        ("../LICENSE", ["../LICENSE"]),
        ("../LIC*", ["../LICENSE"]),
        ("../**", ["../LICENSE", "../protos/a.proto", "../protos/sub/b.proto"]),
        ("../../*/protos/a.proto", ["../../ground/protos/a.proto"]),
        ("../protos/target/*", ["../protos/target/CACHEDIR.TAG", "../protos/target/c.proto"]),
        ("../gone/**", []),
        ("../LICENSE/**", []),
    ],
)
def test_include_may_lead_out(grove, pattern, added):
    """What lies beside the project is an input under the name that it is given; pruning holds there too."""
    grove.plant("a.py", "../LICENSE", "../protos/a.proto", "../protos/sub/b.proto", "../protos/target/c.proto")
    grove.plant("../protos/.git", "../protos/x~").write("../protos/target/CACHEDIR.TAG", TAG)
    assert grove.names(include=[pattern]) == sorted(["a.py", *added])


def test_tree_itself_is_not_outside(grove):
    """Its files have one name, even where a pattern leads out and in again."""
    grove.plant("a.py", "sub/b.py", "../c.py")
    assert grove.names(include=["../**", "../tree/sub/**"]) == ["../c.py", "a.py", "sub/b.py"]


def test_several_patterns_outside_give_each_file_once(grove):
    """Patterns may overlap."""
    grove.plant("../p/a", "../p/sub/b", "../p/c~")
    include = ["../p/*", "../*/a", "../p/sub/**", "../**/b", "../p/c~"]
    assert grove.names(include=include) == ["../p/a", "../p/c~", "../p/sub/b"]


def test_exclude_may_lead_out(grove):
    """What is included can be narrowed."""
    grove.plant("../protos/a.proto", "../protos/old/b.proto")
    assert grove.names(include=["../protos/**"], exclude=["../protos/old"]) == ["../protos/a.proto"]
    assert grove.names(include=["../protos/old/**"], exclude=["../protos"]) == []


# --- links


def test_link_to_a_file_counts_with_its_text_and_its_target(grove):
    """An edit of the target is seen wherever it lies, and so is another target."""
    grove.plant("../LICENSE", "../OTHER", of=b"MIT").link("LICENSE", "../LICENSE")
    first = grove.digest()
    grove.write("../LICENSE", b"BSD")
    second = grove.digest()
    (grove.path / "LICENSE").unlink()
    grove.link("LICENSE", "../OTHER")
    assert grove.kinds() == {"LICENSE": "l"}
    assert len({first, second, grove.digest()}) == 3


def test_link_to_a_file_has_the_row_of_the_file(grove):
    """An edit of the target during a build shows."""
    grove.plant("../LICENSE").link("LICENSE", "../LICENSE")
    status = os.stat(grove.path / "LICENSE")
    assert grove.snapshot().rows == (
        (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino),
    )


def test_link_to_an_executable_differs(grove):
    """The bit of the target is part of it."""
    grove.plant("../run").link("run", "../run")
    before = grove.digest()
    (grove.path.parent / "run").chmod(0o755)
    assert grove.digest() != before


def test_absolute_link_is_the_same_everywhere(grove):
    """Its text is a path of this machine and does not count; its target does."""
    grove.plant("../one", "../two", of=b"same").link("a", grove.path.parent / "one")
    first = grove.digest()
    (grove.path / "a").unlink()
    grove.link("a", grove.path.parent / "two")
    assert grove.digest() == first
    grove.write("../two", b"changed")
    assert grove.digest() != first


def test_absolute_and_relative_links_differ(grove):
    """A relative link can't be spelled so that it looks absolute."""
    grove.plant("../one").link("a", grove.path.parent / "one")
    absolute = grove.digest()
    (grove.path / "a").unlink()
    grove.plant("absolute").link("a", "absolute")
    (grove.path / "absolute").unlink()
    assert grove.digest() != absolute


@pytest.mark.parametrize("target", ["nowhere", "a", "../gone/x", "/gone/for/good", "x" * 4000])
def test_link_to_nothing_is_an_input(grove, target):
    """Dangling, looping, absurd: its text counts, and the walk goes on."""
    grove.plant("b").link("a", target)
    assert grove.kinds() == {"a": "l", "b": "f"}


def test_link_to_a_folder_of_the_tree_is_a_link_only(grove):
    """Its files are inputs already; where it leads counts, even if it is absolute."""
    grove.plant("src/a.py", "lib/a.py", of=b"").link("now", grove.path / "src")
    first = grove.digest()
    assert grove.kinds() == {"lib/a.py": "f", "now": "l", "src/a.py": "f"}
    (grove.path / "now").unlink()
    grove.link("now", grove.path / "lib")
    assert grove.digest() != first


def test_link_to_a_folder_outside_is_walked(grove):
    """Sources are often shared that way."""
    grove.plant("../protos/a.proto", "../protos/sub/b.proto").link("src/protos", "../../protos")
    assert grove.kinds() == {"src/protos": "l", "src/protos/a.proto": "f", "src/protos/sub/b.proto": "f"}
    before = grove.digest()
    grove.plant("../protos/sub/c.proto")
    assert grove.digest() != before


def test_absolute_link_to_a_folder_is_a_place_of_this_machine(grove):
    """What lies there may be more than anybody wants to walk; a pattern leads in all the same."""
    grove.plant("../data/a.bin", "../data/sub/b.bin", "a.py").link("data", grove.path.parent / "data")
    assert grove.kinds() == {"a.py": "f", "data": "l"}
    before = grove.digest()
    grove.plant("../data/c.bin")
    assert grove.digest() == before
    assert "data/a.bin" in grove.names(include=["data/*.bin"])


def test_link_into_a_pruned_folder_is_walked(grove):
    """The folder is not walked under its own path, and the link says that it is wanted."""
    grove.write("target/CACHEDIR.TAG", TAG).plant("target/gen/a.rs").link("gen", "target/gen")
    assert grove.names() == ["gen", "gen/a.rs"]


@pytest.mark.parametrize("name", [".venv", "env", "__pycache__", ".git", ".tox"])
def test_link_to_what_would_be_pruned_is_pruned(grove, name):
    """Where a virtual environment lies makes no difference."""
    grove.plant("a.py", "../venvs/one/lib/x.py").write("../venvs/one/pyvenv.cfg", b"home = /usr/bin\n")
    assert grove.link(name, "../venvs/one").names() == ["a.py"]


def test_link_to_a_pruned_folder_of_the_tree_is_pruned(grove):
    """The same folder is not judged twice in two ways."""
    grove.write("target/CACHEDIR.TAG", TAG).plant("a.py", "target/x").link("out", "target")
    assert grove.names() == ["a.py"]


def test_include_overrides_pruning_behind_a_link(grove):
    """What is named is wanted."""
    grove.write("../cache/CACHEDIR.TAG", TAG).plant("../cache/gen/a.rs", "../cache/x").link("out", "../cache")
    assert grove.names(include=["out/gen/**"]) == ["out/gen/a.rs"]


def test_link_behind_a_pruned_folder_can_be_named(grove):
    """A pattern goes through folders and links alike."""
    grove.write("target/CACHEDIR.TAG", TAG).plant("../gen/a.rs").link("target/gen", "../../gen")
    assert grove.names(include=["target/gen/**"]) == ["target/gen", "target/gen/a.rs"]
    assert grove.names() == []


@pytest.mark.parametrize("pattern", ["protos", "protos/", "protos/**"])
def test_link_to_a_folder_can_be_excluded(grove, pattern):
    """It goes with all that it leads to."""
    grove.plant("a.py", "../protos/a.proto").link("protos", "../protos")
    assert grove.names(exclude=[pattern]) == ["a.py"]


def test_folder_outside_is_walked_under_one_link(grove):
    """Two links to one folder: the first by name has its files, the second says so."""
    grove.plant("../p/a").link("b", "../p").link("a", "../p")
    assert grove.names() == ["a", "a/a", "b"]


@pytest.mark.parametrize("target", [".", "..", "sub", "../tree", "../tree/sub"])
def test_loops_end(grove, target):
    """A folder is walked once, wherever links lead."""
    grove.plant("sub/a.py").link("sub/loop", target).link("loop", target)
    assert {"sub/a.py", "sub/loop", "loop"} <= set(grove.names())


def test_loop_outside_ends(grove):
    """Links between folders outside lead back to what was walked."""
    grove.plant("../one/a", "../two/b").link("../one/two", "../two").link("../two/one", "../one").link("x", "../one")
    assert grove.names() == ["x", "x/a", "x/two", "x/two/b", "x/two/one"]


def test_link_to_the_parent_does_not_bring_the_tree_in_again(grove):
    """The tree has its own names."""
    grove.plant("a.py", "../b.py").link("up", "..")
    assert grove.names() == ["a.py", "up", "up/b.py"]


def test_link_to_far_too_much_is_refused(grove, monkeypatch):
    """A link to the root of a disk is named, with the line that settles it."""
    monkeypatch.setattr(walk, "_MOST", 3)
    grove.plant(*(f"../p/{number}/a" for number in range(9))).link("far", "../p")
    with pytest.raises(InputError, match="far is a link that leads to more than 3 files") as caught:
        grove.names()
    assert "exclude" in caught.value.hint
    assert grove.names(exclude=["far"]) == []


# --- no files


def test_fifo_and_socket_are_never_opened(grove):
    """They count by name, and nobody waits for their other end."""
    grove.plant("a.py").link("b", "pipe")
    os.mkfifo(grove.path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(grove.path / "sock"))
        assert grove.kinds() == {"a.py": "f", "b": "l", "pipe": "?", "sock": "?"}


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
def test_odd_names_are_names(grove):
    """Not UTF-8, spaces, line breaks, wildcards: bytes are bytes."""
    names = [b"caf\xe9", b"a b", b"a\nb", b"*", b"[x]", b"-rf", b"\x01", "ä".encode(), b"s\xff/t\xfe"]
    grove.plant(*names)
    assert [one.path for one in grove.snapshot().inputs] == sorted(names)


def test_empty_folder_does_not_count(grove):
    """As in version control."""
    before = grove.plant("a.py").digest()
    assert grove.plant("empty/deep/").digest() == before


def test_macos_names_are_in_one_form(grove, monkeypatch):
    """There a name may come back in another Unicode form than it was written in."""
    monkeypatch.setattr(disk, "_NORMALISES", True)
    grove.plant("u\u0308.py")
    assert grove.names() == ["\u00fc.py"]
    assert grove.names(exclude=["\u00fc.py"]) == []
