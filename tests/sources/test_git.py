"""What git ignores and tracks, told from bytes alone and compared with git itself."""

import os
import re
import shutil
import subprocess
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freshwheel.base import backends
from freshwheel.sources import boundary, selection
from freshwheel.sources.disk import Disk

FOLDERS = ("a", "a/ab", "a/ab/[", "b-", "b-/a")
NAMES = ("a", "b", "ab", "ba", "aab", "A", "-", "!a", "#a", " ", "a ", "a\\", "[", "]", "a]", "*", "\x0b", "ä", "1^")
PATHS = tuple(name for folder in ("", *FOLDERS) for one in NAMES if (name := f"{folder}/{one}".strip("/")))
_BEFORE_2_52 = re.compile(rb"!?[^*?\[\\]*[^/!*?\[\\]\*\*", re.DOTALL)
"""Patterns like `a**/b`, which these versions of git read as `a/**/b` and `ab`."""


def one(pattern, path):
    """Whether a `.gitignore` in the root, with one pattern, ignores the path."""
    names = path.split("/")
    return boundary.ignores(names, [pattern, *([None] * (len(names) - 1))])


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (b"Cargo.lock", "Cargo.lock"),
        (b"Cargo.lock", "crates/a/Cargo.lock"),
        (b"*.lock", "a/Cargo.lock"),
        (b"/Cargo.lock", "Cargo.lock"),
        (b"a/Cargo.lock", "a/Cargo.lock"),
        (b"**/Cargo.lock", "Cargo.lock"),
        (b"**/Cargo.lock", "a/b/Cargo.lock"),
        (b"a/**/Cargo.lock", "a/Cargo.lock"),
        (b"a/**/Cargo.lock", "a/b/c/Cargo.lock"),
        (b"a/**", "a/b/Cargo.lock"),
        (b"a**/c", "ab/c"),
        (b"crates/", "crates/a/Cargo.lock"),
        (b"crates", "crates/a/Cargo.lock"),
        (b"*", "a/b"),
        (b"[!a-b]argo.lock", "Cargo.lock"),
        (b"[^a-b]argo.lock", "Cargo.lock"),
        (b"[]C]argo.lock", "Cargo.lock"),
        (rb"\Cargo.lock", "Cargo.lock"),
        (rb"\!a", "!a"),
        (rb"\#a", "#a"),
        (rb"a\ ", "a "),
        (b"a  ", "a"),
        (b"a\r\n", "a"),
        (b"\xef\xbb\xbfa\n", "a"),
        (b"a\n\n!b\n# c\n", "a"),
        (b"!a\na", "a"),
        ("ä".encode(), "ä"),
        (b"??", "ä"),
    ],
)
def test_ignored(pattern, path):
    """The pattern says so."""
    assert one(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (b"", "a"),
        (b"/", "a"),
        (b"//", "a/b"),
        (b"!", "!"),
        (b"cargo.lock", "Cargo.lock"),
        (b"/Cargo.lock", "a/Cargo.lock"),
        (b"b/Cargo.lock", "a/b/Cargo.lock"),
        (b"Cargo.lock/", "Cargo.lock"),
        (b"a/*", "b/a/c"),
        (b"a/*/c", "a/b/b/c"),
        (b"a?c", "a/c"),
        (b"a[/]c", "a/c"),
        (b"a[!b]c", "a/c"),
        (b"x/a[!b]c", "x/a/c"),
        (b"a**/c", "ac"),
        (b"a**/c", "a/b/c"),
        (b"#a", "#a"),
        (b" a", "a"),
        (b"a\t", "a"),
        (b"a\r\r\n", "a"),
        (b"\n\xef\xbb\xbfa", "a"),
        (b"[a", "a"),
        (b"[a", "[a"),
        (b"[", "["),
        (b"[]", "]"),
        (b"a\\", "a"),
        (b"a\\", "a\\"),
        (b"[b-a]", "a"),
        (b"a\n!a", "a"),
        (b"*\n!*/\n!a/b", "a/b"),
    ],
)
def test_not_ignored(pattern, path):
    """The pattern is about something else, or can't be parsed."""
    assert not one(pattern, path)


def test_deeper_files_win():
    """What one `.gitignore` says is overruled by those in folders below, both ways."""
    path = ("a", "b", "Cargo.lock")
    assert not boundary.ignores(path, [b"Cargo.lock", b"!Cargo.lock", None])
    assert boundary.ignores(path, [b"Cargo.lock", b"!Cargo.lock", b"*"])
    assert boundary.ignores(path, [b"!Cargo.lock", b"/b/*.lock", b"!other"])


def test_folder_that_is_ignored_takes_everything_along():
    """Nothing in an excluded folder comes back, and no `.gitignore` in there is heard."""
    assert boundary.ignores(("a", "Cargo.lock"), [b"a\n!a/Cargo.lock", b"!Cargo.lock"])
    assert not boundary.ignores(("a", "Cargo.lock"), [b"a/*\n!a/Cargo.lock", None])


def test_too_few_or_too_many_texts():
    """Folders without a text have no `.gitignore`; texts without a folder are not heard."""
    assert boundary.ignores(("a", "b"), [b"b"])
    assert not boundary.ignores(("a", "b"), [])
    assert not boundary.ignores(("b",), [None, b"b"])


def test_name_that_is_no_unicode():
    """Half of a pair, as Windows has it in names, can be asked for."""
    assert boundary.ignores(("\ud800",), [b"*"])


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (b"*a" * 2000 + b"b", "a" * 250),
        (b"**/a/" * 1000 + b"b", "a/" * 120 + "a"),
        (b"[[:" * 20_000 + b"]", "a" * 250),
        (b"*" * 100_000 + b"b", "a" * 250),
        (b"a*b\n" * 2000, "a/" * 100 + "a"),
    ],
)
def test_hostile_pattern(pattern, path):
    """The cost is a product of lengths; a matcher that tries again and again would never end."""
    started = time.monotonic()
    assert not one(pattern, path)
    assert time.monotonic() - started < 10


@given(st.binary(), st.binary(), st.text(min_size=1))
def test_any_bytes(first, second, name):
    """No text and no name is an error."""
    assert boundary.ignores((name, name), [first, second]) in {True, False}


PIECES = r"""
a b ab A 1 - ^ * ** *** / / **/ /** ? [ab] [!a] [^ab] [a-b] ! # ä
""".encode().split()
PATTERNS = st.lists(st.sampled_from([*PIECES, b"\\*", b" ", b"\x0b", b"\r", b"\xef\xbb\xbf"]), max_size=6).map(b"".join)
TEXTS = st.lists(PATTERNS.filter(lambda pattern: not _BEFORE_2_52.match(pattern)), max_size=4).map(b"\n".join)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A git repository with some folders, in which nothing but its own files decides."""
    path = tmp_path_factory.mktemp("repository")
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    environ = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(path)}
    subprocess.run(["git", "init", "--quiet", "--template=", str(path)], check=True, env=environ)
    subprocess.run(["git", "-C", str(path), "config", "core.ignoreCase", "false"], check=True, env=environ)
    for folder in FOLDERS:
        (path / folder).mkdir(parents=True)
    return path, environ


def told_by_git(repository, texts):
    """What of PATHS git ignores where the folders have these texts."""
    path, environ = repository
    for folder, text in texts.items():
        (path / folder / ".gitignore").write_bytes(text)
    command = ["git", "-c", f"core.excludesFile={os.devnull}", "check-ignore", "--no-index", "-z", "--stdin"]
    asked = "\0".join(files()).encode()
    done = subprocess.run(command, check=False, cwd=path, env=environ, input=asked, capture_output=True)
    assert done.returncode in {0, 1}, done.stderr
    return set(done.stdout.decode().split("\0")) - {""}


def files():
    """PATHS that are no folders."""
    return [path for path in PATHS if path not in FOLDERS]


def ours(texts):
    """The same from texts alone."""
    found = set()
    for path in files():
        names = path.split("/")
        above = ["/".join(names[:depth]) for depth in range(len(names))]
        if boundary.ignores(names, [texts.get(folder) for folder in above]):
            found.add(path)
    return found


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
@settings(max_examples=600)
@given(texts=st.fixed_dictionaries({"": TEXTS, "a": TEXTS, "a/ab": TEXTS}))
def test_same_as_git(repository, texts):
    """Whatever stands in the files: git ignores the same."""
    assert ours(texts) == told_by_git(repository, texts)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
@settings(max_examples=600)
@given(text=TEXTS)
def test_same_as_git_in_the_root(repository, text):
    """As before, with nothing but the one file that most repositories have."""
    texts = {"": text, "a": b"", "a/ab": b""}
    assert ours(texts) == told_by_git(repository, texts)


TRACKED = ("Cargo.lock", "Cargo.lick", "Cargo.toml", "a/Cargo.lock", "a/b c/ü/Cargo.lock", "z" * 300, f"{'d/' * 2100}x")
OTHERS = ("b/Cargo.lock", "a/Cargo", "lock", "a")


def run(folder, *command):
    """Runs git in a folder, where no configuration but its own has a say."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    environ = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(folder)}
    subprocess.run(["git", "-C", str(folder), *command], check=True, env=environ, capture_output=True)


def index(folder, form, names=TRACKED):
    """The bytes of an index in which these names are."""
    run(folder, "init", "--quiet", f"--object-format={form}")
    (folder / "empty").write_bytes(b"")
    done = subprocess.run(
        ["git", "-C", str(folder), "hash-object", "-w", "empty"], check=True, capture_output=True, text=True
    )
    for name in names:
        run(folder, "update-index", "--add", "--cacheinfo", f"100644,{done.stdout.strip()},{name}")
    return (folder / ".git" / "index").read_bytes()


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_index_of_git_is_read(tmp_path, form):
    """What is tracked is found, and nothing else."""
    data = index(tmp_path, form)
    assert [name for name in TRACKED if not boundary.tracks(data, name.encode())] == []
    assert [name for name in OTHERS if boundary.tracks(data, name.encode())] == []


def test_file_that_is_assumed_to_be_unchanged_is_tracked(tmp_path):
    """Git looks at it no more, and has it all the same."""
    index(tmp_path, "sha1", ["a", "b"])
    run(tmp_path, "update-index", "--assume-unchanged", "a")
    assert boundary.tracks((tmp_path / ".git" / "index").read_bytes(), b"a")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["config", "index.version", "4"], ["update-index", "--index-version", "4"]),
        ([], ["update-index", "--skip-worktree", "a/Cargo.lock"]),
        ([], ["update-index", "--split-index"]),
    ],
    ids=["short", "more flags", "split"],
)
def test_index_of_another_form_is_read(tmp_path, before, after):
    """Paths that are shortened, more flags, and entries in another file: the lock is tracked all the same."""
    run(tmp_path, "init", "--quiet")
    run(tmp_path, *(before or ["status"]))
    (tmp_path / ".gitignore").write_text("Cargo.lock\n")
    for path in ("a/Cargo.lock", "a/Cargo.toml", "b/Cargo.lock"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("")
    run(tmp_path, "add", "--force", "a", ".gitignore")
    run(tmp_path, *after)
    search = selection._Search(Disk(str(tmp_path / "a")), {}, backends.find("maturin", ()), selection.Rules())
    assert [search.is_tracked(path) for path in ("Cargo.lock", "../b/Cargo.lock")] == [True, False]
    assert search.ignored(["Cargo.lock", "../b/Cargo.lock"]).keys() == {"../b/Cargo.lock"}


@given(st.binary() | st.binary().map(b"DIRC\0\0\0\2".__add__))
def test_what_is_no_index_tracks_nothing(data):
    """No bytes are an error."""
    assert not boundary.tracks(data, b"Cargo.lock")


def test_index_that_is_cut_off_tracks_what_is_left(tmp_path):
    """A writer may be at it."""
    data = index(tmp_path, "sha1", ["Cargo.lock", "z"])
    assert boundary.tracks(data[:100], b"Cargo.lock")
    assert not boundary.tracks(data[:50], b"Cargo.lock")
