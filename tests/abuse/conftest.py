"""Where abuse takes place."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def memory_folder():
    """A folder in memory where there is one."""
    memory = "/dev/shm"  # noqa: S108 - a folder of a random name in it
    folder = tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None)
    yield Path(folder)
    shutil.rmtree(folder)
