"""Installers that work in a project and keep an environment for it: uv sync, pdm, poetry, tox, nox, hatch."""

from __future__ import annotations

from collections.abc import Iterator

from .bench import BASE
from .installers import MATURIN, Plain, words
from .site import BASE_VERSION, NAME, Command, Site, scripts

__all__ = ["Hatch", "Nox", "Pdm", "Poetry", "Tox", "UvSync"]

APP = '[project]\nname = "app"\nversion = "0"\nrequires-python = ">=3.10"\ndependencies = [{dependencies}]\n'


def quoted(*texts: str) -> str:
    """Members of a TOML or Python list."""
    return ", ".join(f'"{text}"' for text in texts)


class UvSync(Plain):
    """`uv sync` in the tree, whose cache keys `freshwheel uv` has written."""

    title = "uv sync"
    distribution = "uv"
    requirements = ("uv",)

    def prepare(self, site: Site, way: str) -> None:
        """The cache keys, and the projects around the tree."""
        super().prepare(site, way)
        command = (str(site.bench.workshop), "-m", "freshwheel", "uv", "--yes")
        site.bench.demand(*command, cwd=site.tree, environ={**site.environ, "HOME": str(site.folder / "judge")})
        package = "\n[tool.uv]\npackage = false\n"
        if way == "workspace":
            table = f'\n[tool.uv.sources]\n{NAME} = {{ workspace = true }}\n\n[tool.uv.workspace]\nmembers = ["tree"]\n'
            app = APP.format(dependencies=quoted(f"{NAME}=={BASE_VERSION}"))
            site.write("pyproject.toml", app + package + table)
        elif way == "direct":
            site.write("app/pyproject.toml", APP.format(dependencies=quoted(site.direct)) + package)

    def install(self, site: Site, way: str) -> Iterator[Command]:
        """`uv sync`; not editable, but where that is the question."""
        return self._sync(site, way)

    def ask(self, site: Site, way: str) -> Iterator[Command]:
        """It is told to install again."""
        return self._sync(site, way, "--reinstall-package", NAME)

    def _sync(self, site: Site, way: str, *options: str) -> Iterator[Command]:
        uv = self.program(site, "uv")
        cwd = {"workspace": site.folder, "direct": site.app}.get(way, site.tree)
        environ = (("UV_PROJECT_ENVIRONMENT", str(site.folder / "venv")),)
        if way == "lock":
            if not (cwd / "uv.lock").exists():
                yield Command(words=(uv, "lock", "--python", BASE), cwd=cwd, environ=environ)
            options = ("--locked", *options)
        if way == "isolation":
            options = ("--no-build-isolation-package", NAME, "--inexact", *options)
        if way != "editable":
            options = ("--no-editable", *options)
        yield Command(words=(uv, "sync", "--python", BASE, *options), cwd=cwd, environ=environ)


class Pdm(Plain):
    """pdm in the tree, or in a project beside it."""

    title = "pdm"
    distribution = "pdm"
    requirements = ("pdm[locked]",)

    def prepare(self, site: Site, way: str) -> None:
        """The project beside the tree."""
        super().prepare(site, way)
        dependencies = {"direct": (site.direct,), "workspace": (site.direct, site.other)}.get(way, ())
        site.write("app/pyproject.toml", APP.format(dependencies=quoted(*dependencies)))

    def install(self, site: Site, way: str) -> Iterator[Command]:
        """`pdm install`, or `pdm add` of a file; with a lock, `pdm lock --check` and `pdm sync`."""
        in_tree = way not in {"direct", "workspace", "sdist", "wheel"}
        if way in {"sdist", "wheel"}:
            [path] = words(site, way)
            yield self._pdm(site, "add", "--no-editable", path, in_tree=False)
        elif way == "lock":
            verb = ("lock", "--check") if (site.tree / "pdm.lock").exists() else ("lock",)
            yield self._pdm(site, *verb, in_tree=True)
            yield self._pdm(site, "sync", "--no-editable", in_tree=True)
        else:
            options = {"editable": (), "isolation": ("--no-editable", "--no-isolation")}.get(way, ("--no-editable",))
            yield self._pdm(site, "install", *options, in_tree=in_tree)

    def ask(self, site: Site, way: str) -> Iterator[Command]:
        """It is told to install again; a file without its cache of wheels."""
        options = ("--no-cache",) if way in {"sdist", "wheel"} else ()
        in_tree = way not in {"direct", "workspace", "sdist", "wheel"}
        yield self._pdm(site, *options, "sync", "--no-editable", "--reinstall", in_tree=in_tree)

    def _pdm(self, site: Site, *more: str, in_tree: bool) -> Command:
        environ = (
            ("VIRTUAL_ENV", str(site.folder / "venv")),
            ("PDM_IGNORE_SAVED_PYTHON", "1"),
            ("PDM_CHECK_UPDATE", "0"),
        )
        return Command(
            words=(self.program(site, "pdm"), *more),
            cwd=site.tree if in_tree else site.app,
            environ=environ,
        )


class Poetry(Plain):
    """poetry in a project that depends on the tree."""

    title = "poetry"
    distribution = "poetry"
    requirements = ("poetry",)

    def prepare(self, site: Site, way: str) -> None:
        """The project beside the tree."""
        super().prepare(site, way)
        sources, dependencies = {NAME: '{ path = "../tree" }'}, [NAME]
        if way == "editable":
            sources[NAME] = '{ path = "../tree", develop = true }'
        elif way == "direct":
            sources, dependencies = {}, [site.direct]
        elif way == "workspace":
            sources["other"] = '{ path = "../other" }'
            dependencies.append("other")
        elif way in {"sdist", "wheel"}:
            sources, dependencies = {}, []
        text = APP.format(dependencies=quoted(*dependencies)) + "\n[tool.poetry]\npackage-mode = false\n"
        # By the simple index, as all others: not every mirror has the JSON that poetry asks PyPI for.
        text += f'\n[[tool.poetry.source]]\nname = "index"\nurl = "{site.bench.index}"\n'
        lines = "".join(f"{name} = {source}\n" for name, source in sources.items())
        site.write("app/pyproject.toml", text + (f"\n[tool.poetry.dependencies]\n{lines}" if lines else ""))

    def install(self, site: Site, way: str) -> Iterator[Command]:
        """`poetry install`, or `poetry add` of a file; with a lock, it is checked before."""
        if way in {"sdist", "wheel"}:
            [path] = words(site, way)
            yield self._poetry(site, "add", path)
            return
        if way == "lock":
            verb = ("check", "--lock") if (site.app / "poetry.lock").exists() else ("lock",)
            yield self._poetry(site, *verb)
        yield self._poetry(site, "install")

    def ask(self, site: Site, way: str) -> Iterator[Command]:
        """A new lock; where no version can tell, it is removed first."""
        pyproject = (site.tree / "pyproject.toml").read_text(encoding="utf-8")
        if way == "sdist":
            yield self._poetry(site, "remove", NAME)
            yield self._poetry(site, "add", *words(site, way))
        elif "dynamic = " not in pyproject:
            yield Command(words=(site.bench.uv, "pip", "uninstall", "--quiet", "--python", site.python, NAME))
            yield self._poetry(site, "install")
        else:
            yield self._poetry(site, "update", NAME)

    def _poetry(self, site: Site, *more: str) -> Command:
        environ = (("VIRTUAL_ENV", str(site.folder / "venv")),)
        return Command(words=(self.program(site, "poetry"), "--no-interaction", *more), environ=environ)


class Tox(Plain):
    """tox in a folder beside the tree."""

    title = "tox"
    distribution = "tox"
    requirements = ("tox",)

    def prepare(self, site: Site, way: str) -> None:
        """`tox.ini`; tox makes the environment itself."""
        package = {"editable": "editable", "sdist": "sdist", "requirements": "skip", "direct": "skip"}
        lines = ["[tox]", "env_list = py", f"package_root = {site.tree}", "[testenv]"]
        lines += [f"package = {package.get(way, 'wheel')}", "commands = python -c pass"]
        if way == "requirements":
            lines.append(f"deps = -r {site.write('app/requirements.txt', f'{site.tree}')}")
        elif way == "direct":
            lines.append(f"deps = {site.direct}")
        elif way == "constraint":
            constraints = site.write("app/constraints.txt", f"{NAME}=={BASE_VERSION}\n")
            lines.append(f"set_env = PIP_CONSTRAINT = {constraints}")
        site.write("app/tox.ini", "\n".join(lines) + "\n")

    def install(self, site: Site, way: str) -> Iterator[Command]:
        """`tox run`."""
        return self._tox(site, way)

    def ask(self, site: Site, way: str) -> Iterator[Command]:
        """The environments are made anew."""
        return self._tox(site, way, "--recreate")

    def python(self, site: Site) -> str:
        """The interpreter of tox' environment."""
        return scripts(site.app / ".tox" / "py")

    def _tox(self, site: Site, way: str, *options: str) -> Iterator[Command]:
        if way == "wheel":
            options = (*options, "--installpkg", *words(site, way))
        yield Command(words=(self.program(site, "tox"), "run", *options))


class Nox(Plain):
    """nox in a folder beside the tree; the session is used again."""

    title = "nox"
    distribution = "nox"
    requirements = ("nox",)

    def prepare(self, site: Site, way: str) -> None:
        """Nothing must be there; nox makes the environment itself."""

    def install(self, site: Site, way: str) -> Iterator[Command]:
        """`nox`, whose session installs what it is told to."""
        needs = f"    session.install({quoted(site.bench.freshwheel, MATURIN)})\n" if way == "isolation" else ""
        calls = f"{needs}    session.install({', '.join(map(repr, words(site, way)))})\n"
        head = 'import nox\n\n\n@nox.session(reuse_venv=True, venv_backend="virtualenv")\ndef go(session):\n'
        site.write("app/noxfile.py", head + calls)
        yield Command(words=(self.program(site, "nox"),))

    def ask(self, site: Site, way: str) -> Iterator[Command]:
        """It always asks."""
        return self.install(site, way)

    def python(self, site: Site) -> str:
        """The interpreter of the session."""
        return scripts(site.app / ".nox" / "go")


class Hatch(Plain):
    """hatch in the tree."""

    title = "hatch"
    distribution = "hatch"
    requirements = ("hatch",)

    def prepare(self, site: Site, way: str) -> None:
        """`hatch.toml`; hatch makes the environment itself."""
        lines = ["[envs.default]", f"path = {str(site.folder / 'hatch-env')!r}"]
        if way == "direct":
            lines += ["skip-install = true", f"dependencies = [{quoted(site.direct)}]"]
        elif way != "editable":
            lines.append("dev-mode = false")
        site.write("tree/hatch.toml", "\n".join(lines) + "\n")

    def install(self, site: Site, way: str) -> Iterator[Command]:
        """`hatch run`."""
        yield self._hatch(site, "run", "python", "-c", "pass", constrained=way == "constraint")

    def ask(self, site: Site, way: str) -> Iterator[Command]:
        """The environment is made anew."""
        yield self._hatch(site, "env", "prune")
        yield from self.install(site, way)

    def python(self, site: Site) -> str:
        """The interpreter of hatch's environment."""
        return scripts(site.folder / "hatch-env")

    def _hatch(self, site: Site, *more: str, constrained: bool = False) -> Command:
        environ = [("HATCH_DATA_DIR", str(site.home / "hatch")), ("HATCH_CACHE_DIR", str(site.home / "hatch-cache"))]
        if constrained:
            path = site.write("app/constraints.txt", f"{NAME}=={BASE_VERSION}\n")
            environ.append(("PIP_CONSTRAINT", path))
        return Command(words=(self.program(site, "hatch"), *more), cwd=site.tree, environ=tuple(environ))
