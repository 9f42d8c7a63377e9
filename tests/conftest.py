"""What every test shares."""

import os
import signal
import tarfile
from collections import Counter

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_xdist_auto_num_workers():
    """One process more than there are processors: a third of the long tests' time is waiting for rest."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Files with slow tests come first, the fullest before all, so that no process is left alone with them."""
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


@pytest.fixture
def unpack():
    """Unpacks a tar archive into a folder, by the safest filter that this Python's standard library has."""
    options = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

    def unpacked(path, folder):
        with tarfile.open(path) as archive:
            archive.extractall(folder, **options)  # noqa: S202 - archives that a test just made

    return unpacked
