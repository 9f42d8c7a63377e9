"""Which file systems keep exact times, by what the system says of its mounts."""

import os

import pytest

from freshwheel.sources import disk

pytestmark = pytest.mark.skipif(os.name == "nt", reason="device numbers of POSIX")
TWO_SECONDS = 2 * 10**9


@pytest.fixture
def table(tmp_path):
    """Writes a table of mounts; `{me}` is the device of the folder `here`, `{here}` its path."""
    here = tmp_path / "he re"
    here.mkdir()
    device = os.stat(here).st_dev
    me = f"{os.major(device)}:{os.minor(device)}"

    def written(*lines):
        path = tmp_path / "mountinfo"
        real = os.path.realpath(here).replace(" ", "\\040")
        path.write_text("".join(f"{line.format(me=me, here=real)}\n" for line in lines))
        return disk.slack(str(here), mounts=str(path))

    return written


@pytest.mark.parametrize("kind", ["ext4", "ext3", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs", "bcachefs"])
def test_local_file_systems_are_exact(table, kind):
    """Two seconds cover the coarsest of them."""
    assert table(f"22 1 {{me}} / / rw,relatime shared:1 - {kind} /dev/vda rw") == TWO_SECONDS


@pytest.mark.parametrize(
    "kind", ["nfs4", "nfs", "cifs", "9p", "virtiofs", "fuse.sshfs", "fuseblk", "vfat", "ext5", "ext"]
)
def test_others_are_not(table, kind):
    """What another machine or a program serves may change without a new time."""
    assert table(f"22 1 {{me}} / / rw - {kind} host:/x rw") is None


def test_the_device_decides(table):
    """Not what is mounted on the longest path."""
    assert table("1 1 {me} / /elsewhere rw - nfs a rw", "2 1 9:9 / {here} rw - ext4 b rw") is None


def test_without_the_device_the_nearest_mount_decides(table):
    """Subvolumes of btrfs have devices that the table does not know."""
    root = "1 1 9:9 / / rw - nfs a rw"
    assert table(root, "2 1 9:8 / {here} rw shared:5 master:2 - btrfs b rw") == TWO_SECONDS
    assert table("2 1 9:8 / /other rw - btrfs b rw", root) is None


def test_a_mount_with_a_similar_name_is_another(table):
    """`/a/b` holds nothing of `/a/bc`."""
    assert table("1 1 9:9 / / rw - ext4 a rw", "2 1 9:8 / {here}x rw - nfs b rw") == TWO_SECONDS


def test_of_two_mounts_on_one_place_the_later_one_counts(table):
    """It hides the earlier."""
    assert table("1 1 9:9 / {here} rw - ext4 a rw", "2 1 9:8 / {here} rw - nfs b rw") is None


def test_a_mount_below_the_tree_counts(table):
    """A folder of the tree that a network serves is as inexact as if all were."""
    assert table("1 1 {me} / / rw - ext4 a rw", "2 1 9:8 / {here}/data rw - nfs4 b rw") is None
    assert table("1 1 {me} / / rw - ext4 a rw", "2 1 9:8 / {here}/data rw - tmpfs b rw") == TWO_SECONDS


@pytest.mark.parametrize("text", ["", "nonsense", "1 2 3 4 5 - ", "1 1 {me} / / rw ext4 a rw", "- - - - - - -"])
def test_a_table_that_is_none_tells_nothing(table, text):
    """Nor does it end in an error."""
    assert table(text) is None


def test_without_a_table_nothing_is_told(tmp_path):
    """As on macOS."""
    assert disk.slack(str(tmp_path), mounts=str(tmp_path / "none")) is None


@pytest.mark.parametrize("path", ["none", "a\0b"])
def test_of_a_path_that_is_not_there_nothing_is_told(tmp_path, path):
    """Whoever asks finds that out elsewhere."""
    assert disk.slack(str(tmp_path / path)) is None
