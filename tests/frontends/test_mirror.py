"""A stale editable in a real environment: what the guard says at its import, and the plugin before a test run."""

import os
import shutil
import subprocess

import pytest
from uv import find_uv_bin

from .conftest import run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo")]

GUARDED = """\
try:
    from freshwheel import guard
except ImportError:
    pass
else:
    guard.check("{name}")
"""
IMPORT = "import demo; print(demo.compiled())"


class Desk:
    """An editable project that guards its import, in an environment with freshwheel and pytest."""

    def __init__(self, tree, venv, folder):
        self.tree, self.venv, self.folder = tree, venv, folder
        folder.mkdir()
        (folder / "test_it.py").write_text("import demo\n\n\ndef test_it():\n    assert demo.interpreted()\n")
        (folder / "pytest.ini").write_text("[pytest]\nfreshwheel = error\nfilterwarnings = error\n")

    def imported(self):
        """What an import prints, on both streams together."""
        command = [self.venv.python, "-c", IMPORT]
        done = subprocess.run(
            command, env=self.venv.environ, cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout + done.stderr

    def tested(self):
        """Exit code of a test run, and what it prints."""
        command = [self.venv.python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(
            command, env=self.venv.environ, cwd=self.folder, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def desk(project, venv, wheelhouse, outside, tmp_path):
    """One with nothing installed but the tools."""
    [own] = wheelhouse.glob("freshwheel-*.whl")
    command = ("pip", "install", "--quiet", "--python", venv.python, "--find-links", str(wheelhouse))
    run(find_uv_bin(), *command, "pytest", str(own), environ=outside)
    tree = project("maturin-pyo3")
    package = tree.path / "python" / "demo" / "__init__.py"
    package.write_text(GUARDED.format(name=tree.name) + package.read_text())
    return Desk(tree, venv, tmp_path / "tests")


def test_a_stale_editable_is_said_at_its_import_and_before_a_test_run(desk, uv, tmp_path):
    """Both are silent while it is right, and an edit of Python is no reason to speak."""
    uv.install(desk.venv, desk.tree.path, editable=True)
    assert desk.imported() == "compiled one\n"
    assert desk.tested()[0] == 0, desk.tested()[1]
    desk.tree.edit("python/demo/__init__.py", "interpreted one", "interpreted two")
    assert desk.imported() == "compiled one\n"
    assert desk.tested()[0] == 0
    desk.tree.edit("src/lib.rs", "compiled one", "compiled two")
    said = desk.imported()
    assert "StaleWarning" in said
    assert f"uv pip install -e {desk.tree.path}" in said
    code, said = desk.tested()
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "demo_maturin_pyo3 is stale" in said
    assert "changed: python/demo/__init__.py, src/lib.rs" in said
    assert f"uv pip install -e {desk.tree.path}" in said
    uv.install(desk.venv, desk.tree.path, editable=True)
    assert desk.imported() == "compiled two\n"
    assert desk.tested()[0] == 0
    [module] = (desk.tree.path / "python" / "demo").glob("_native*")
    os.rename(module, tmp_path / module.name)
    assert desk.tested()[0] == pytest.ExitCode.USAGE_ERROR
    os.rename(tmp_path / module.name, module)
    shutil.rmtree(desk.tree.path)
    assert desk.tested()[0] != 0  # the folder is gone, and the import with it
