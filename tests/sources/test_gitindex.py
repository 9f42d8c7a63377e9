"""Whether a file is tracked, compared with git itself."""

import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freshwheel.sources import gitindex

TRACKED = ("Cargo.lock", "Cargo.lick", "Cargo.toml", "a/Cargo.lock", "a/b c/ü/Cargo.lock", "z" * 300, f"{'d/' * 2100}x")
OTHERS = ("b/Cargo.lock", "a/Cargo", "lock", "a")


def git(folder, *command):
    """Runs git in a folder, where no configuration but its own has a say."""
    environ = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(folder)}
    subprocess.run(["git", "-C", str(folder), *command], check=True, env=environ, capture_output=True)


def index(folder, version, form, names=TRACKED):
    """The bytes of an index in which these names are."""
    git(folder, "init", "--quiet", f"--object-format={form}")
    (folder / "empty").write_bytes(b"")
    done = subprocess.run(
        ["git", "-C", str(folder), "hash-object", "-w", "empty"], check=True, capture_output=True, text=True
    )
    for name in names:
        git(folder, "update-index", "--add", "--cacheinfo", f"100644,{done.stdout.strip()},{name}")
    git(folder, "update-index", "--index-version", str(version))
    return (folder / ".git" / "index").read_bytes()


@pytest.mark.parametrize("form", ["sha1", "sha256"])
@pytest.mark.parametrize("version", [2, 4])
def test_index_of_git_is_read(tmp_path, version, form):
    """In each form that git writes: what is tracked is found, and nothing else."""
    data = index(tmp_path, version, form)
    assert [name for name in TRACKED if not gitindex.tracks(data, name.encode())] == []
    assert [name for name in OTHERS if gitindex.tracks(data, name.encode())] == []


def test_entry_with_more_flags_is_read(tmp_path):
    """Those of a file that is about to be added are in version 3."""
    index(tmp_path, 2, "sha1", ["a"])
    git(tmp_path, "add", "--intent-to-add", "empty")
    data = (tmp_path / ".git" / "index").read_bytes()
    assert data[7] == 3
    assert gitindex.tracks(data, b"empty")
    assert gitindex.tracks(data, b"a")


@given(st.binary() | st.binary().map(b"DIRC\0\0\0\2".__add__) | st.binary().map(b"DIRC\0\0\0\4\0\0\0\2".__add__))
def test_what_is_no_index_tracks_nothing(data):
    """No bytes are an error."""
    assert not gitindex.tracks(data, b"Cargo.lock")


def test_index_that_is_cut_off_tracks_what_is_left(tmp_path):
    """A writer may be at it."""
    data = index(tmp_path, 2, "sha1", ["Cargo.lock", "z"])
    assert gitindex.tracks(data[:100], b"Cargo.lock")
    assert not gitindex.tracks(data[:50], b"Cargo.lock")
