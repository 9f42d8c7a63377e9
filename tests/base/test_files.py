"""Folders of our own, and who may have them."""

import os

import pytest
import xxhash

from freshwheel.base import files


@pytest.mark.skipif(os.name == "nt", reason="the folder of a user is private by what it inherits there")
def test_folder_is_made_for_its_owner_alone(tmp_path):
    """All of it that had to be made, whatever the umask; what was there stays as it was."""
    tmp_path.chmod(0o755)
    before = os.umask(0)
    try:
        files.settle(str(tmp_path / "a" / "b"))
        files.settle(str(tmp_path / "a" / "b"))
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")] == [
        0o755,
        0o700,
        0o700,
    ]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("below", ["", "cache", "cache/deep"])
def test_nothing_is_made_in_a_place_of_another_user(tmp_path, below):
    """Root leaves nothing in somebody's home that this person could not remove."""
    os.chown(tmp_path, 1234, 1234)
    with pytest.raises(PermissionError, match="another user"):
        files.settle(str(tmp_path / below))
    assert list(tmp_path.iterdir()) == []


def test_file_in_the_way_is_an_error(tmp_path):
    """It is left alone."""
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match=r"exists|directory|[Pp]ath"):
        files.settle(str(tmp_path / "a" / "b"))


def test_files_that_were_written_last_stay(tmp_path):
    """As many as are wanted, of those with such a name; all others are left alone."""
    for number, name in enumerate(("a.1.bin", "a.2.bin", "a.3.bin", "b.0.bin", "a.0.txt")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (number, number))
    files.thin(str(tmp_path / "a.3.bin"), 2)
    assert sorted(os.listdir(tmp_path)) == ["a.0.txt", "a.2.bin", "a.3.bin", "b.0.bin"]


def test_file_that_somebody_else_removes_meanwhile(tmp_path, monkeypatch):
    """Two processes that clear away at once do not fail each other."""
    (tmp_path / "a.1.bin").touch()
    monkeypatch.setattr(os, "listdir", lambda _: ["a.1.bin", "a.gone.bin"])
    files.thin(str(tmp_path / "a.1.bin"), 1)
    assert (tmp_path / "a.1.bin").exists()


def test_a_copy_is_what_was_kept_or_there_is_none(tmp_path):
    """A file that was damaged, or that others may have written, takes the place of nothing."""
    source, target = tmp_path / "kept", tmp_path / "target"
    source.write_bytes(b"wheel")
    source.chmod(0o600)
    target.write_bytes(b"earlier")
    content = xxhash.xxh3_128_digest(b"wheel")
    for data, mode in (
        (b"whale", 0o600),
        (b"wheel!", 0o600),
        (b"", 0o600),
        *([(b"wheel", 0o622)] if os.name != "nt" else []),
    ):
        source.write_bytes(data)
        source.chmod(mode)
        with pytest.raises(files.DamagedError):
            files.copy(str(source), str(target), content)
        assert target.read_bytes() == b"earlier"
        source.chmod(0o600)
    source.write_bytes(b"wheel")
    files.copy(str(source), str(target), content)
    assert (target.read_bytes(), sorted(os.listdir(tmp_path))) == (b"wheel", ["kept", "target"])
