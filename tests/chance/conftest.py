"""Where a game of chance takes place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

REPOSITORY = Path(__file__).parents[2]
BACKENDS = ("maturin", "meson-python", "scikit-build-core", "setuptools")


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """The interpreter of an environment with freshwheel and the backends."""
    folder = tmp_path_factory.mktemp("chance")
    environ = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    environ["UV_PYTHON_DOWNLOADS"] = "never"

    def uv(*words):
        subprocess.run([find_uv_bin(), *words], check=True, env=environ, capture_output=True)

    uv("build", "--wheel", "--out-dir", str(folder), str(REPOSITORY))
    [wheel] = folder.glob("*.whl")
    uv("venv", "--python", sys.executable, str(folder / "venv"))
    found = str(folder / "venv" / "bin" / "python")
    uv("pip", "install", "--python", found, str(wheel), *BACKENDS)
    return found
