"""A site: one copy of the project, and of all that lies around it, for one cell of the matrix."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .bench import SCRIPTS, Bench, Done, FailedError, run

__all__ = ["BASE_VERSION", "NAME", "Command", "Seen", "Site"]

SUBJECT = Path(__file__).parent / "subject"
NAME = "demo-matrix"
BASE_VERSION = "1.2.3"
SHOW = "import demo_matrix, importlib.metadata as m; print(m.version('demo-matrix'), demo_matrix.says())"
SDIST = "import sys, freshwheel; freshwheel.build_sdist(sys.argv[1])"
WHEEL = "import sys, freshwheel; freshwheel.build_wheel(sys.argv[1])"
DIGEST = "import freshwheel; print(freshwheel.get_source_digest())"
OBEDIENT = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
"""Before a command of root's: what may not be written can't be written then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What a person types, where, and with which variables."""

    words: tuple[str, ...]
    cwd: Path | None = None
    environ: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What there is after a step."""

    code: int
    text: str
    version: str
    """Of what is installed; nothing where nothing can be imported."""
    says: str
    builds: int
    """Inner builds during this step."""


class Site:
    """The tree `tree`, the crate `core` outside of it, a neighbour `other`, a folder `app` that uses them."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        # With new times: uv and cargo go by them.
        shutil.copytree(SUBJECT, folder, copy_function=shutil.copy, ignore=shutil.ignore_patterns("__pycache__"))
        self.bench = bench
        self.folder = folder
        self.tree = folder / "tree"
        self.app = folder / "app"
        self.dist = folder / "dist"
        self.home = folder / "home"
        for path in (self.app, self.dist, self.home):
            path.mkdir()
        self.environ = bench.environ(self.home, bench.cargo(folder))
        self.edit("tree/pyproject.toml", '["freshwheel"]', f'["{bench.freshwheel}"]')
        self.obeys = False

    # What lies there

    @functools.cached_property
    def python(self) -> str:
        """The interpreter of an empty environment to install into."""
        return str(self.bench.venv(self.folder / "venv"))

    @property
    def activated(self) -> tuple[tuple[str, str], ...]:
        """The variables of a person who has activated that environment: maturin looks for itself on PATH."""
        path = os.pathsep.join([str(Path(self.python).parent), self.environ["PATH"]])
        return (("PATH", path), ("VIRTUAL_ENV", str(self.folder / "venv")))

    @property
    def direct(self) -> str:
        """`name @ file://`."""
        return f"{NAME} @ {self.tree.as_uri()}"

    @property
    def other(self) -> str:
        """The neighbour that pins the base version, as `name @ file://`."""
        return f"other @ {(self.folder / 'other').as_uri()}"

    def write(self, name: str, text: str) -> str:
        """The path of a file, which holds `text` then; it is left alone where it does already."""
        path = self.folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        return str(path)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replaces a text that must be there."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise FailedError(f"{name} does not hold {old}")
        path.write_text(text.replace(old, new), encoding="utf-8", newline="\n")

    def prepare(self, *requirements: str) -> None:
        """Installs into the environment from the wheelhouse."""
        command = (self.bench.uv, "pip", "install", "--quiet", "--python", self.python, *requirements)
        self.bench.demand(*command, environ=self.environ, cwd=self.folder)

    # What is made from it without an installer

    def wheel(self) -> Path:
        """The wheel of the tree as it is now, as a file."""
        self._ask(WHEEL, str(self.dist))
        [path] = self.dist.glob("*.whl")
        return path

    def sdist(self) -> Path:
        """The source distribution of the tree as it is now."""
        self._ask(SDIST, str(self.dist))
        [path] = self.dist.glob("*.tar.gz")
        return path

    def pinned(self) -> str:
        """The path of requirements that pin the base version, with the hash of the labelled wheel."""
        digest = hashlib.sha256(self.wheel().read_bytes()).hexdigest()
        return self.write("app/pinned.txt", f"{NAME}=={BASE_VERSION} --hash=sha256:{digest}\n")

    def label(self) -> str:
        """The label of the tree as it is now; the memory of the person is not touched by the question."""
        judge = {**self.environ, "HOME": str(self.folder / "judge")}
        return "s" + self._ask(DIGEST, environ=judge).split()[-1][:12]

    def truth(self) -> str:
        """What the tree says of itself, read from its sources."""
        native = (self.tree / "rust/src/lib.rs").read_text(encoding="utf-8")
        outside = (self.folder / "core/src/lib.rs").read_text(encoding="utf-8")
        package = self.tree / "python/demo_matrix"
        python = (package / "__init__.py").read_text(encoding="utf-8")
        words = [re.findall(r"(?:rust|outside|python)-\w+", text)[0] for text in (native, outside, python)]
        return " ".join([*words, *sorted(path.name for path in package.glob("spare*"))])

    def builds(self) -> int:
        """Inner builds so far."""
        log = self.folder / "cargo.log"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return sum(line.startswith(("rustc", "build")) for line in lines)

    def _ask(self, code: str, *words: str, environ: dict[str, str] | None = None) -> str:
        workshop = str(self.bench.workshop)
        path = os.pathsep.join([str(Path(workshop).parent), self.environ["PATH"]])
        chosen = {**(environ or self.environ), "PATH": path}
        return self.bench.demand(workshop, "-c", code, *words, environ=chosen, cwd=self.tree)

    # A step

    def step(self, commands: Iterator[Command], python: str) -> Seen:
        """What there is after the commands; the first that fails is the last."""
        before = self.builds()
        done = Done(code=0, text="")
        for command in commands:
            words = (*OBEDIENT, *command.words) if self.obeys else command.words
            done = run(words, environ={**self.environ, **dict(command.environ)}, cwd=command.cwd or self.app)
            if done.code:
                break
        shown = run([python, "-c", SHOW], environ=self.environ, cwd=self.home) if os.path.exists(python) else None
        version, _, says = shown.text.strip().partition(" ") if shown and not shown.code else ("", "", "")
        return Seen(code=done.code, text=done.text, version=version, says=says, builds=self.builds() - before)

    def lock_up(self) -> None:
        """Takes away the right to write into the tree; cargo builds elsewhere, as it must then."""
        self.write("home/.cargo/config.toml", f'[build]\ntarget-dir = "{(self.folder / "target").as_posix()}"\n')
        for path in (*self.tree.rglob("*"), self.tree):
            path.chmod(path.stat().st_mode & ~0o222)
        self.obeys = sys.platform == "linux" and os.geteuid() == 0

    def unlock(self) -> None:
        """Gives the right back, so that the site can be removed."""
        for path in (self.tree, *self.tree.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o200)

    def clear(self) -> None:
        """Removes the site."""
        self.unlock()
        shutil.rmtree(self.folder, ignore_errors=True)


def scripts(venv: Path) -> str:
    """The interpreter of an environment that an installer has made."""
    return str(venv / SCRIPTS / "python")
