"""The verb `init`: what it shows, what it writes and when, and how it is taken back."""

import json
import os
import stat

import pytest

from freshwheel.adopt import init
from freshwheel.cli import console

BEFORE = """[build-system]
requires = ["maturin>=1.9,<2"]
build-backend = "maturin"

[project]
name = "demo"
version = "0.1.0" # as Cargo.toml has it
requires-python = ">=3.10"
"""
AFTER = """[build-system]
requires = ["freshwheel"]
build-backend = "freshwheel"

[tool.freshwheel]
requires = ["maturin>=1.9,<2"]
backend = "maturin"

[project]
name = "demo"
dynamic = ["version"] # as Cargo.toml has it
requires-python = ">=3.10"
"""


@pytest.fixture
def crate(desk):
    """A maturin project that repeats the version of its crate."""
    desk.files("demo/Cargo.toml", of='[package]\nname = "demo"\nversion = "0.1.0"\n')
    return desk.files("demo/src/lib.rs").files("demo/pyproject.toml", of=BEFORE)


def text(desk):
    """What the file holds."""
    return (desk.project / "pyproject.toml").read_bytes().decode()


def answering(monkeypatch, word):
    """A person who is asked, and types a word."""
    monkeypatch.setattr(console, "is_watched", lambda: True)
    monkeypatch.setattr(console.sys.stdin, "readline", lambda: f"{word}\n", raising=False)


def test_nobody_to_ask_means_that_it_is_only_shown(crate):
    """The difference and the reasons, and how to write it."""
    code, out, err = crate("init")
    assert (code, err, text(crate)) == (0, "", BEFORE)
    assert '\n-build-backend = "maturin"\n' in out
    assert '\n+backend = "maturin"\n' in out
    assert "Cargo.toml states the version 0.1.0 too" in out
    assert out.endswith("not written; --yes writes it\n")


def test_yes_writes_and_again_there_is_nothing_to_do(crate):
    """And what is there then is not asked about."""
    code, out, _ = crate("init", "--yes")
    assert (code, text(crate)) == (0, AFTER)
    assert "wrote pyproject.toml" in out
    code, out, _ = crate("init", "--yes")
    assert (code, out, text(crate)) == (0, "freshwheel is in place already; nothing is to be done\n", AFTER)


@pytest.mark.parametrize(("word", "code", "expected"), [("y", 0, AFTER), ("n", 1, BEFORE), ("", 1, BEFORE)])
def test_a_person_is_asked(crate, monkeypatch, word, code, expected):
    """After the difference was shown, once; anything but yes is no."""
    answering(monkeypatch, word)
    found, out, err = crate("init")
    assert (found, text(crate)) == (code, expected)
    assert err == "freshwheel: write pyproject.toml? [y/N] "
    assert out.count("+backend") == 1


def test_undo_gives_the_same_bytes_back(crate):
    """After it was shown, and only while the file is as it was written."""
    crate("init", "--yes")
    code, out, _ = crate("init", "--undo")
    assert (code, text(crate)) == (0, AFTER)
    assert "byte for byte" in out
    code, _, _ = crate("init", "--undo", "--yes")
    assert (code, text(crate)) == (0, BEFORE)
    code, out, _ = crate("init", "--undo", "--yes")
    assert (code, out) == (0, "freshwheel is not in place; nothing is to be undone\n")


def test_undo_of_an_edited_file_leaves_it(crate):
    """It is said how git gives it back."""
    crate("init", "--yes")
    edited = AFTER + "\n[tool.ruff]\nline-length = 99\n"
    crate.files("demo/pyproject.toml", of=edited)
    code, _, err = crate("init", "--undo", "--yes")
    assert (code, text(crate)) == (1, edited)
    assert "pyproject.toml was edited since `freshwheel init`" in err
    assert "git checkout pyproject.toml" in err


@pytest.mark.parametrize("damage", [b"", b"FWUNDO\0\1", None])
def test_undo_believes_nothing_damaged(crate, damage):
    """A file in the cache directory whose digest does not fit is no way back."""
    crate("init", "--yes")
    [kept] = (crate.cache / "adopted").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1] if damage is None else damage)
    assert crate("init", "--undo", "--yes")[0] == 1
    assert text(crate) == AFTER


def test_without_a_cache_directory_it_is_said_that_the_bytes_are_not_kept(crate, monkeypatch):
    """It is written all the same: the file is the person's, and they were told."""
    monkeypatch.setenv("FRESHWHEEL_CACHE_DIR", "relative")
    code, out, _ = crate("init", "--yes")
    assert (code, text(crate)) == (0, AFTER)
    assert "could not be kept" in out


def test_without_labels(crate):
    """A static version stays."""
    assert crate("init", "--yes", "--no-label")[0] == 0
    assert 'version = "0.1.0" # as' in text(crate)
    assert "label" not in text(crate)


def test_what_would_hurt_is_found_in_the_tree(crate):
    """Tests and requirements of the project, but not what tools have put into it."""
    code = "import demo\n\nassert demo.__version__ == '0.1.0'\n"
    crate.files("demo/tests/test_a.py", "demo/.venv/x.py", "demo/target/x.py", "demo/env/x.py", of=code)
    crate.files("demo/env/pyvenv.cfg", of="home = /usr/bin\n")
    crate.files("demo/target/CACHEDIR.TAG", of="Signature: 8a477f597d28d172789f06886806bc55")
    crate.files("demo/requirements.txt", "demo/notes.txt", of="demo==0.1.0+cpu\n")
    remarks = crate.json("init")[1]["remarks"]
    assert [remark["where"] for remark in remarks] == [["tests/test_a.py:3"], ["requirements.txt:1"]]


def test_json(crate):
    """Shows, and writes only if it is told to."""
    code, found = crate.json("init")
    assert (code, found["changed"], found["written"], text(crate)) == (0, True, False, BEFORE)
    assert found["difference"].startswith("--- pyproject.toml\n+++ pyproject.toml\n@@")
    assert (found["remarks"], found["different"]) == ([], [])
    crate.files("demo/requirements.txt", of="demo==0.1.0+cpu\n")
    [remark] = crate.json("init")[1]["remarks"]
    assert sorted(remark) == ["todo", "what", "where"]
    _, out, _ = crate("init", "--json", "--yes")
    assert (json.loads(out)["written"], text(crate)) == (True, AFTER)


def test_a_wheel_that_would_be_another_one_is_a_reason_to_stop(crate, monkeypatch):
    """What differs is named, and `--yes` writes nothing; where nothing does, that is a step like others."""
    monkeypatch.setattr(init, "differences", lambda *_: {"demo.py": "is missing"})
    code, out, _ = crate("init", "--check-build", "--yes")
    assert (code, text(crate)) == (1, BEFORE)
    assert out.endswith("  demo.py: is missing\nnot written\n")
    monkeypatch.setattr(init, "differences", lambda *_: {})
    code, out, _ = crate("init", "--check-build", "--yes")
    assert (code, text(crate), "the wheels are the same" in out) == (0, AFTER, True)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_permissions_stay(crate):
    """Those of the file, whatever the umask."""
    path = crate.project / "pyproject.toml"
    path.chmod(0o664)
    crate("init", "--yes")
    assert stat.S_IMODE(path.stat().st_mode) == 0o664
    assert sorted(crate.project.iterdir()) == [crate.project / name for name in ("Cargo.toml", "pyproject.toml", "src")]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_link_is_followed(crate):
    """The file behind it is written, and the link stays."""
    path = crate.project / "pyproject.toml"
    path.rename(crate.root / "real.toml")
    path.symlink_to("../real.toml")
    assert crate("init", "--yes")[0] == 0
    assert path.is_symlink()
    assert (crate.root / "real.toml").read_text() == AFTER


def test_a_file_that_changes_meanwhile_is_left_alone(crate, monkeypatch):
    """While a person thinks about it, another program may write."""
    answering(monkeypatch, "y")
    monkeypatch.setattr(console, "asked", lambda _: bool(crate.files("demo/pyproject.toml", of=f"{BEFORE}# x\n")))
    code, _, err = crate("init")
    assert (code, text(crate)) == (1, f"{BEFORE}# x\n")
    assert "changed meanwhile" in err


def test_a_failing_write_leaves_the_file(crate, monkeypatch):
    """And nothing beside it."""

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(init.os, "replace", fails)
    code, _, err = crate("init", "--yes", "--no-label")
    assert (code, text(crate)) == (1, BEFORE)
    assert "No space left" in err
    assert len(list(crate.project.iterdir())) == 3


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"\xff", 2), (b"[", 2), (b"build-system.requires = []\n", 1), (b"x = 1\n" * 300_000, 2), (b"\xef\xbb\xbf", 2)],
)
def test_what_can_not_be_read_is_an_error(desk, data, code):
    """A line that says what is wrong, and no traceback."""
    desk.pyproject()
    (desk.project / "pyproject.toml").write_bytes(data)
    found, out, err = desk("init", "--yes")
    assert (found, out) == (code, "")
    assert err.startswith("freshwheel: error: ")
    assert (desk.project / "pyproject.toml").read_bytes() == data


def test_without_a_file_there_is_nothing_to_switch(desk):
    """The error says so."""
    desk.files("demo/setup.py")
    code, _, err = desk("init", "--yes")
    assert (code, "no pyproject.toml" in err) == (2, True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no fifos")
def test_odd_files_in_the_tree_are_passed_by(crate):
    """A fifo would never end, a link may lead nowhere, a text may be none."""
    os.mkfifo(crate.project / "a.py")
    (crate.project / "b.py").symlink_to("nowhere")
    (crate.project / "c.py").write_bytes(b"\xff\x00")
    (crate.project / "setup.py").mkdir()
    assert crate("init")[0] == 0
