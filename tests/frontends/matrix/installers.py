"""Installers that are told what to install: pip, uv, build, pipx, pip-tools.

Each one says, for each way to name a project, what a person types, and what makes it ask where it does not by itself.
The commands are generators: what comes later is only looked at when the earlier command has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from .bench import BASE
from .site import BASE_VERSION, NAME, Command, Site, scripts

__all__ = ["MATURIN", "Build", "Installer", "Pip", "PipTools", "Pipx", "Plain", "Uv", "words"]

MATURIN = "maturin>=1.9,<2"


class Installer(Protocol):
    """One installer. Ways: tree editable isolation requirements direct constraint workspace hashes lock sdist wheel."""

    title: str
    distribution: str
    requirements: tuple[str, ...]

    def prepare(self, site: Site, way: str) -> None:
        """Makes what must be there before the first command."""

    def install(self, site: Site, way: str) -> Iterator[Command]:
        """What a person types."""

    def ask(self, site: Site, way: str) -> Iterator[Command]:
        """What a person types instead, where `install` does not ask freshwheel."""

    def python(self, site: Site) -> str:
        """The interpreter that it is installed for."""


def words(site: Site, way: str) -> tuple[str, ...]:
    """How pip, and who is like pip, are told what to install."""
    tree = str(site.tree)
    ways: dict[str, Callable[[], tuple[str, ...]]] = {
        "tree": lambda: (tree,),
        "editable": lambda: ("--editable", tree),
        "isolation": lambda: ("--no-build-isolation", tree),
        "requirements": lambda: ("-r", site.write("app/requirements.txt", f"{tree}\n")),
        "direct": lambda: (site.direct,),
        "constraint": lambda: ("-c", site.write("app/constraints.txt", f"{NAME}=={BASE_VERSION}\n"), tree),
        "workspace": lambda: (tree, str(site.folder / "other")),
        "hashes": lambda: ("--no-index", "--find-links", str(site.dist), "--require-hashes", "-r", site.pinned()),
        "sdist": lambda: (str(site.sdist()),),
        "wheel": lambda: (str(site.wheel()),),
    }
    return ways[way]()


class Plain:
    """What most have in common: an empty environment beside the tree."""

    title: str
    distribution: str
    requirements: tuple[str, ...]

    def prepare(self, site: Site, way: str) -> None:
        """Makes the environment; without isolation, with what a build needs."""
        assert site.python
        if way == "isolation":
            site.prepare(site.bench.freshwheel, MATURIN)

    def python(self, site: Site) -> str:
        """The interpreter of that environment."""
        return site.python

    def program(self, site: Site, name: str) -> str:
        """The path of one of its programs."""
        return str(site.bench.tool(self.title.replace(" ", "-"), *self.requirements) / name)


class Pip(Plain):
    """pip, which installs into another environment than its own."""

    def __init__(self, version: str = "") -> None:
        self.title = f"pip {version}" if version else "pip"
        self.distribution = "pip"
        self.requirements = (f"pip=={version}" if version else "pip",)

    def install(self, site: Site, way: str) -> Iterator[Command]:
        """`pip install`; without isolation the environment is activated."""
        pip = (self.program(site, "python"), "-m", "pip", "--python", site.python, "install")
        yield Command(words=(*pip, *words(site, way)), environ=site.activated if way == "isolation" else ())

    def ask(self, site: Site, way: str) -> Iterator[Command]:
        """It always asks."""
        return self.install(site, way)


class Uv(Plain):
    """`uv pip`."""

    def __init__(self, version: str = "") -> None:
        self.title = f"uv {version}" if version else "uv"
        self.distribution = "uv"
        self.requirements = (f"uv=={version}" if version else "uv",)
        self.compares = not version
        """Whether `--upgrade` looks at the version of a folder: since 0.9."""

    def install(self, site: Site, way: str) -> Iterator[Command]:
        """`uv pip install`; of a lock, `uv pip sync`."""
        uv = (self.program(site, "uv"), "pip")
        if way != "lock":
            yield Command(words=(*uv, "install", "--python", site.python, *words(site, way)))
            return
        lock = site.app / "locked.txt"
        if not lock.exists():
            wanted = site.write("app/requirements.in", f"{site.direct}\n")
            compiled = ("compile", "--quiet", "--python", site.python, wanted, "-o", str(lock))
            yield Command(words=(*uv, *compiled))
        yield Command(words=(*uv, "sync", "--python", site.python, str(lock)))

    def ask(self, site: Site, way: str) -> Iterator[Command]:
        """Versions are compared, or it is told to install again."""
        uv = (self.program(site, "uv"), "pip")
        if way == "lock":
            option = "--refresh-package" if self.compares else "--reinstall-package"
            yield Command(words=(*uv, "sync", "--python", site.python, option, NAME, str(site.app / "locked.txt")))
        else:
            option = "--upgrade-package" if self.compares else "--reinstall-package"
            yield Command(words=(*uv, "install", "--python", site.python, option, NAME, *words(site, way)))


class Build(Plain):
    """build, which leaves the installation to pip."""

    title = "build"
    distribution = "build"
    requirements = ("build", "pip")

    def prepare(self, site: Site, way: str) -> None:
        """Without isolation build itself must be where freshwheel is."""
        super().prepare(site, way)
        if way == "isolation":
            # The wheelhouse has no build in it: PyPI has.
            site.bench.demand(site.bench.uv, "pip", "install", "--quiet", "--python", site.python, "build")

    def install(self, site: Site, way: str) -> Iterator[Command]:
        """`python -m build`, then pip."""
        yield self._build(site, way)
        yield self._pip(site)

    def ask(self, site: Site, way: str) -> Iterator[Command]:
        """The file is installed even if one of the same version is."""
        yield self._build(site, way)
        yield self._pip(site, "--force-reinstall", "--no-deps")

    def _build(self, site: Site, way: str) -> Command:
        alone = way == "isolation"
        python = site.python if alone else self.program(site, "python")
        options = (*(() if way == "sdist" else ("--wheel",)), *(("--no-isolation",) if alone else ()))
        command = (python, "-m", "build", *options, "--outdir", str(site.dist), str(site.tree))
        return Command(words=command, environ=site.activated if alone else ())

    def _pip(self, site: Site, *options: str) -> Command:
        [wheel] = site.dist.glob("*.whl")
        pip = (self.program(site, "python"), "-m", "pip", "--python", site.python, "install")
        return Command(words=(*pip, *options, str(wheel)))


class Pipx(Plain):
    """pipx, which makes the environment itself."""

    title = "pipx"
    distribution = "pipx"
    requirements = ("pipx",)

    def prepare(self, site: Site, way: str) -> None:
        """Nothing must be there."""

    def install(self, site: Site, way: str) -> Iterator[Command]:
        """`pipx install --force`."""
        pipx = (self.program(site, "pipx"), "install", "--force", "--backend", "pip", "--python", BASE)
        home = site.folder / "pipx"
        places = {"PIPX_HOME": home, "PIPX_BIN_DIR": home / "bin", "PIPX_MAN_DIR": home / "man"}
        yield Command(
            words=(*pipx, *self._words(site, way)),
            environ=tuple((name, str(path)) for name, path in places.items()),
        )

    def ask(self, site: Site, way: str) -> Iterator[Command]:
        """It always asks."""
        return self.install(site, way)

    def python(self, site: Site) -> str:
        """The interpreter of pipx' environment."""
        return scripts(site.folder / "pipx" / "venvs" / NAME)

    def _words(self, site: Site, way: str) -> tuple[str, ...]:
        if way not in {"constraint", "isolation"}:
            return words(site, way)
        *options, tree = words(site, way)
        return (f"--pip-args={' '.join(options)}", tree)


class PipTools(Plain):
    """pip-compile and pip-sync."""

    title = "pip-tools"
    distribution = "pip-tools"
    requirements = ("pip-tools", "pip")

    def prepare(self, site: Site, way: str) -> None:
        """pip-sync has the pip of the environment install."""
        super().prepare(site, way)
        site.prepare("pip")

    def install(self, site: Site, way: str) -> Iterator[Command]:
        """`pip-compile`, then `pip-sync`; with a lock, pip-sync alone from the second time on."""
        locked = site.app / "locked.txt"
        if way != "lock" or not locked.exists():
            wanted = site.write("app/requirements.in", "\n".join(self._wanted(site, way)) + "\n")
            options = (*self._find(site, way), *(("--generate-hashes",) if way == "hashes" else ()))
            compiled = (self.program(site, "pip-compile"), "--quiet", *options, "--output-file", str(locked), wanted)
            yield Command(words=compiled)
        yield self._sync(site, way)

    def ask(self, site: Site, way: str) -> Iterator[Command]:
        """The pip below it has no cache to look into."""
        yield self._sync(site, way, "--pip-args", "--no-cache-dir")

    def _sync(self, site: Site, way: str, *options: str) -> Command:
        sync = (self.program(site, "pip-sync"), "--quiet", "--python-executable", site.python)
        return Command(words=(*sync, *self._find(site, way), *options, str(site.app / "locked.txt")))

    def _find(self, site: Site, way: str) -> tuple[str, ...]:
        return ("--no-index", "--find-links", str(site.dist)) if way == "hashes" else ()

    def _wanted(self, site: Site, way: str) -> list[str]:
        """The lines of `requirements.in`."""
        constraints = (
            f"-c {site.write('app/constraints.txt', f'{NAME}=={BASE_VERSION}')}" if way == "constraint" else ""
        )
        lines: dict[str, Callable[[], list[str]]] = {
            "editable": lambda: [f"-e {site.tree.as_uri()}"],
            "constraint": lambda: [constraints, site.direct],
            "workspace": lambda: [site.direct, site.other],
            "hashes": lambda: [NAME] if site.wheel() else [],
            "requirements": lambda: [str(site.tree)],
            "sdist": lambda: [f"{NAME} @ {site.sdist().as_uri()}"],
            "wheel": lambda: [f"{NAME} @ {site.wheel().as_uri()}"],
        }
        return lines.get(way, lambda: [site.direct])()
