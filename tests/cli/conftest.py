"""Tiny projects, and the command line called in this process."""

import json
import os

import pytest

from freshwheel.cli.main import main
from freshwheel.memory import discoveries

PYPROJECT = """
[build-system]
requires = ["freshwheel", "{requirement}"]
build-backend = "freshwheel"

[project]
name = "demo"
dynamic = ["version"]

[tool.freshwheel]
backend = "{backend}"
{ours}
"""


class Desk:
    """A repository with a project in it, and a person who asks about that."""

    def __init__(self, folder, capture):
        self.root = folder / "repository"
        self.project = self.root / "demo"
        self.cache = folder / "cache"
        self.capture = capture
        self.files(".git/HEAD")

    def files(self, *names, **texts):
        """Makes files that hold their own names."""
        for name in names:
            path = os.path.join(os.fsencode(self.root), os.fsencode(name))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(texts.get("of", os.fsdecode(name)).encode("utf-8", "surrogateescape"))
        return self

    def pyproject(self, ours="", backend="flit_core.buildapi"):
        """Writes `pyproject.toml`; `ours` are more lines of `[tool.freshwheel]`."""
        requirement = {"flit_core.buildapi": "flit-core", "setuptools.build_meta": "setuptools"}.get(backend, backend)
        text = PYPROJECT.format(ours=ours, backend=backend, requirement=requirement)
        return self.files("demo/pyproject.toml", of=text)

    def rust(self, ours=""):
        """A maturin project in a workspace, with a crate beside it."""
        self.pyproject(ours, backend="maturin")
        self.files("Cargo.toml", of='[workspace]\nmembers = ["demo", "core"]\n')
        self.files("Cargo.lock", of="version = 4\n")
        manifest = '[package]\nname = "{}"\nversion = "0.1.0"\n'
        self.files("demo/Cargo.toml", of=manifest.format("demo") + '[dependencies]\ncore = { path = "../core" }\n')
        self.files("core/Cargo.toml", of=manifest.format("core"))
        return self.files("demo/src/lib.rs", "demo/src/bound.rs", "core/src/lib.rs", "demo/demo/__init__.py")

    def shown(self, **tables):
        """Puts on record what a build has shown."""
        assert discoveries.save(str(self.cache), str(self.project), discoveries.State(built=True, **tables))
        return self

    def __call__(self, *words, path=None):
        """Exit code, standard output and standard error of one call; PATH is the project."""
        verb, *more = words
        code = main([verb, *more, str(self.project if path is None else path)])
        out, err = (data.decode() for data in self.capture.readouterr())
        return code, out, err

    def json(self, verb):
        """Exit code and parsed JSON of one call."""
        code, out, _ = self(verb, "--json")
        assert out.isascii()
        return code, json.loads(out)


@pytest.fixture
def desk(tmp_path, capsysbinary, monkeypatch):
    """An empty repository."""
    for name in [name for name in os.environ if name.startswith("FRESHWHEEL_")]:
        monkeypatch.delenv(name)
    desk = Desk(tmp_path, capsysbinary)
    monkeypatch.setenv("FRESHWHEEL_CACHE_DIR", str(desk.cache))
    return desk
