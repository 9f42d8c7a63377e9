"""What every test shares."""

import contextlib
import ctypes
import os
import signal
import tarfile
from collections import Counter

import pytest
from hypothesis import settings

WINE = os.name == "nt" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_xdist_auto_num_workers():
    """One process more than there are processors: a third of the long tests' time is waiting for rest."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Files with slow tests come first, the fullest before all, so that no process is left alone with them.

    What wine does otherwise than Windows is skipped there.
    """
    for item in items if WINE else ():
        for unlike in item.iter_markers("unlike_wine"):
            item.add_marker(pytest.mark.skip(reason=f"wine: {unlike.args[0]}"))
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session", autouse=True)
def _heeded():
    """What tests start heeds signals, also where whoever started them ignores some, as nohup and scripts do.

    A signal that is ignored would be in them as well; one with a handler is not. These processes go on ignoring it.
    """
    numbers = [getattr(signal, name, None) for name in ("SIGINT", "SIGHUP", "SIGTERM", "SIGQUIT")]
    for number in filter(None, numbers):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


class NoLinksError(OSError):
    """No link, or fifo, can be made on this system: Windows asks for a right, wine has none."""


@pytest.fixture(scope="session", autouse=True)
def _special_files(tmp_path_factory):
    """Where no links or fifos can be made, nobody makes what is neither."""

    def refuse(*_, **__):
        raise NoLinksError

    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("links")
        (folder / "a").touch()
        with contextlib.suppress(OSError):
            os.symlink("a", folder / "b")
            os.symlink(folder, folder / "c", target_is_directory=True)
        if not (os.path.islink(folder / "b") and os.path.exists(folder / "b") and os.path.isdir(folder / "c")):
            patch.setattr(os, "symlink", refuse)
        if not hasattr(os, "mkfifo"):
            patch.setattr(os, "mkfifo", refuse, raising=False)
        yield


@contextlib.contextmanager
def _skipped_without_links():
    """What needs a link, or a fifo, is skipped where none can be made."""
    try:
        yield
    except NoLinksError:
        pytest.skip("links or fifos can't be made here")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup():
    """A fixture may need one."""
    with _skipped_without_links():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    """A test may need one."""
    with _skipped_without_links():
        return (yield)


@pytest.fixture
def unpack():
    """Unpacks a tar archive into a folder, by the safest filter that this Python's standard library has."""
    options = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

    def unpacked(path, folder):
        with tarfile.open(path) as archive:
            archive.extractall(folder, **options)  # noqa: S202 - archives that a test just made

    return unpacked
