"""What every test shares."""

import tarfile

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture
def unpack():
    """Unpacks a tar archive into a folder, by the safest filter that this Python's standard library has."""
    options = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

    def unpacked(path, folder):
        with tarfile.open(path) as archive:
            archive.extractall(folder, **options)  # noqa: S202 - archives that a test just made

    return unpacked
