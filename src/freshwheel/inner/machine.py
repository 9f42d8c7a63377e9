"""The facts of this machine that shape a wheel, as components of the build key, and what keeps them true."""

from __future__ import annotations

import os
import re
import shlex
import struct
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from freshwheel.base import backends
from freshwheel.base.backends import Backend
from freshwheel.base.frame import stamp
from freshwheel.base.isolation import folders
from freshwheel.inner import _sitecustomize, build_key, packages, platforms, processor, programs, repository
from freshwheel.inner.build_key import Component, Value
from freshwheel.inner.programs import Run, which
from freshwheel.inner.tool_answers import Answers
from freshwheel.inner.tools import Tools
from freshwheel.inner.watch import Lookout, Watch

_CONSTRAINTS = ("PIP_BUILD_CONSTRAINT", "PIP_CONSTRAINT", "UV_BUILD_CONSTRAINT", "UV_CONSTRAINT")
NEW_EVERY_TIME = frozenset(("PATH", "PWD", "PYTHONPATH", "TEMP", "TMP", "TMPDIR", "VIRTUAL_ENV"))
"""Variables that installers set anew for each build. What is found by them counts, not where it lies."""
_NESTED = re.compile(rb"^\s*(?:-c|-r|--constraint|--requirement)[\s=]+(\S+)", re.MULTILINE)
_DEEPEST = 50
"""Files that one constraint file may lead to."""
_NAMED = ("CMAKE_TOOLCHAIN_FILE", "DIST_EXTRA_CONFIG", "PYO3_CONFIG_FILE")
"""Variables that name a file outside of every tree that tells tools how to build."""
_SAYING = ("CARGO_HOME", "HOME", "USERPROFILE", *_NAMED)
"""Variables that say where such files are."""
_SETUPTOOLS = ("setuptools", "setuptools-rust")


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What is to be built."""

    tree: str
    digest: str
    """The source digest."""
    hook: str
    """`build_wheel` or `build_editable`."""
    backend: Backend
    module: str
    """"module" or "module:object"."""
    backend_path: tuple[str, ...] = ()
    settings: Mapping[str, Any] | None = None
    """The config settings of the inner backend."""
    env: frozenset[str] = frozenset()
    """Variables that the settings name."""
    commands: tuple[tuple[str, ...], ...] = ()
    requires: tuple[str, ...] = ()
    """The requirements that are installed whatever is decided: those of `[build-system]`."""
    lean: tuple[str, ...] = ()
    """The requirements that are asked for on a miss only, extras included."""
    private: tuple[str, ...] | None = None
    """The root folders of the environment that was made for this build; None: there is no isolation."""
    pyproject: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[bytes] = ()
    """The paths of the inputs, relative to the tree."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the build key is made from, and what keeps it true."""

    components: tuple[Component, ...]
    watch: Watch
    distributions: tuple[str, ...]
    """The `.dist-info` folders on `sys.path` that are there whether or not anything is built, sorted."""
    resolved: Mapping[str, str]
    """Name -> version of the distributions that count."""
    unknown: tuple[str, ...] = ()
    """What shapes the wheel and is not in the key, in words: with any of these nothing may be stored."""
    unasked: frozenset[str] = frozenset()
    """Components that are not there because nothing may be started, by name."""


def gather(  # noqa: PLR0913 - what a test replaces
    subject: Subject,
    environ: Mapping[str, str],
    *,
    cache: str | None,
    salt: bytes,
    run: Run = programs.run,
    ask: bool = True,
    path: Sequence[str] | None = None,
    platform: str = sys.platform,
    now: Callable[[], int] = time.time_ns,
) -> Facts:
    """The facts for one build. `cache` is the cache directory, `salt` that of the store, `path` is `sys.path`.

    Without `ask` nothing is started that the tree may name: no command, no git, and no tool.

    Nothing that the machine says or refuses to say is an error: what can't be known is in `unknown`, or not trusted.
    """
    about = _Gathering(subject=subject, environ=environ, run=run, ask=ask, salt=salt, platform=platform)
    configurations = about.configurations()
    components = [
        *build_key.source(subject.digest, hook=subject.hook),
        *build_key.inner(subject.backend.name, subject.module, backend_path=subject.backend_path),
        *build_key.settings(subject.settings),
        *build_key.facts("interpreter", interpreter(about.lookout)),
        *build_key.facts("platform", platforms.facts(environ, about.lookout, run=run, platform=platform)),
        *build_key.requirements([*subject.requires, *subject.lean]),
        *build_key.constraints(about.constraints()),
        *build_key.configurations(configurations),
        *about.processor(configurations),
        *build_key.environment(about.environment()),
        *build_key.commands(about.commands()),
        *build_key.tools(about.tools(Answers(cache), started=now())),
        *build_key.facts("repository", about.repository()),
    ]
    shaping, staying = about.packages(sys.path if path is None else path)
    components += build_key.distributions({name: (one.version, one.digest or "") for name, one in shaping.items()})
    return Facts(
        components=tuple(components),
        watch=about.watch(),
        distributions=tuple(sorted(one.folder for one in staying.values())),
        resolved={name: one.version for name, one in shaping.items()},
        unknown=tuple(about.unknown),
        unasked=frozenset(about.unasked),
    )


def interpreter(lookout: Lookout) -> dict[str, Value]:
    """What wheels are built for: this interpreter, or the base of this environment, which is the same one."""
    variables = sysconfig.get_config_vars()
    names = ("EXT_SUFFIX", "MULTIARCH", "Py_DEBUG", "Py_GIL_DISABLED", "SOABI")
    lookout.look(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable or sys.prefix))
    if (library := variables.get("LDLIBRARY")) and variables.get("Py_ENABLE_SHARED"):
        lookout.look(os.path.join(str(variables.get("LIBDIR") or os.sep), str(library)))
    for name in sorted(sys.modules):
        # What `sysconfig` has the variables from, where it has them from a module.
        if name.startswith("_sysconfigdata_") and (path := getattr(sys.modules[name], "__file__", None)):
            lookout.look(path)
    return {
        "implementation": sys.implementation.name,
        "version": sys.version,
        "cache tag": sys.implementation.cache_tag,
        "pointer bits": 8 * struct.calcsize("P"),
        "platform": sysconfig.get_platform(),
        **{name: _simple(variables.get(name)) for name in names},
    }


class _Gathering:
    """One run of `gather`: the parts that ask something, and what they saw."""

    def __init__(  # noqa: PLR0913 - as for `gather`
        self, *, subject: Subject, environ: Mapping[str, str], run: Run, ask: bool, salt: bytes, platform: str
    ) -> None:
        self.lookout = Lookout()
        self.unknown: dict[str, None] = {}
        self._subject = subject
        self._environ = environ
        self._run = run
        self._ask = ask
        self.unasked: list[str] = []
        self._salt = salt
        self._platform = platform
        self._folders = folders(environ.get("PATH", ""), subject.private or ())
        self._modules = folders(environ.get("PYTHONPATH", ""), subject.private or ())
        self._named = subject.env
        self._shaping = sorted(
            name for name in environ if name in self._named or backends.shapes(subject.backend, name)
        )

    def environment(self) -> dict[str, str]:
        """The variables that are set and shape the wheel; those of PYTHONPATH that are no installer's own."""
        self.lookout.names.update(self._named)
        found = {name: self._environ[name] for name in self._shaping}
        above = os.path.join(self._subject.tree, "")
        path = [one.removeprefix(above) for one in self._modules if one]
        return {**found, "PYTHONPATH": os.pathsep.join(path)} if path else found

    def watch(self) -> Watch:
        """What was seen."""
        path = stamp(self._salt, "PATH", *self._folders)
        return self.lookout.watch(self._environ, self._shaping, path=path, salt=self._salt)

    def tools(self, answers: Answers, *, started: int) -> dict[str, str]:
        """What the tools of the backend say of themselves; new answers are kept."""
        in_environment = self._subject.private is None and sys.prefix != sys.base_prefix
        asked = Tools(
            tree=self._subject.tree,
            environ=self._environ,
            folders=self._folders,
            scripts=[sysconfig.get_path("scripts")] if in_environment else [],
            lookout=self.lookout,
            answers=answers,
            run=self._run if self._ask else programs.mute,
            platform=self._platform,
            started=started,
        )
        named = {name: self._environ[name] for name in self._shaping}
        python = sysconfig.get_config_var("CC")
        found = asked.identities(self._subject.backend.tools, named=named, python=str(python) if python else None)
        answers.save()
        silent = [name for name, said in found.items() if programs.UNASKED in said]
        self.unasked += [part for name in silent for part in (f"tool {name}", f"tool {name}, all")]
        return found

    def packages(
        self, path: Iterable[str]
    ) -> tuple[dict[str, packages.Distribution], dict[str, packages.Distribution]]:
        """What `packages.counted` says of `sys.path`; folders that outlive this build are looked at."""
        home = os.path.dirname(os.__file__)
        used = [one for one in path if os.path.isabs(one) and not _sitecustomize.is_standard(one, home)]
        private = set(folders(os.pathsep.join(used), self._subject.private or ()))
        for folder in used:
            if folder in private:
                self.lookout.look(folder)
        project = self._subject.pyproject.get("project")
        name = project.get("name") if isinstance(project, Mapping) else None
        shaping, staying = packages.counted(
            packages.installed(used),
            requires=self._subject.requires,
            lean=self._subject.lean,
            isolated=self._subject.private is not None,
            project=name if isinstance(name, str) else "",
        )
        for one in shaping.values():
            if one.digest is None:
                what = f"what is in {one.name} {one.version}"
                self.unknown[f"{what}: no record lists its files, or they lie elsewhere"] = None
            elif one.direct:
                self.lookout.distrust(f"{one.name} does not come from an index: its version says little")
        return shaping, staying

    def constraints(self) -> dict[str, bytes | None]:
        """What the constraint files hold, by the variable that names them."""
        self.lookout.names.update(_CONSTRAINTS)
        found: dict[str, bytes | None] = {}
        for name in _CONSTRAINTS:
            contents = [self._constraint(name, one, []) for one in self._environ.get(name, "").split()]
            if contents:
                found[name] = None if None in contents else b"\0".join(one for one in contents if one is not None)
        return found

    def _constraint(self, name: str, path: str, seen: list[str]) -> bytes | None:
        path = os.path.join(self._subject.tree, path)
        if path in seen or len(seen) > _DEEPEST:
            return b""
        seen.append(path)
        data = None
        if "://" not in path and self.lookout.look(path) is not None:
            data = _bytes(path)
        if data is None:
            self.unknown[f"what {name} names: it can't be read"] = None
            return None
        nested = [os.fsdecode(one) for one in _NESTED.findall(data)]
        below = [self._constraint(name, os.path.join(os.path.dirname(path), one), seen) for one in nested]
        return b"\0".join([data, *[one or b"" for one in below]])

    def configurations(self) -> dict[str, bytes]:
        """What is in the files by which a person tells tools how to build, as far as they are there."""
        found: dict[str, bytes] = {}
        self.lookout.names.update(_SAYING)
        for name, path in _personal(self._subject.backend, self._environ, tree=self._subject.tree).items():
            if self.lookout.look(path) is None or os.path.isdir(path):
                continue
            data = _bytes(path)
            if data is None:
                self.unknown[f"what is in {name}: it can't be read"] = None
            elif b"include" in data and "cargo" in name:
                self.unknown[f"what {name} includes"] = None
            found[name] = data or b""
        return found

    def processor(self, configurations: Mapping[str, bytes]) -> list[Component]:
        """The processor, where something asks the compilers to build for the one at hand."""
        texts = [
            *(self._environ[name].encode("utf-8", "surrogatepass") for name in self._shaping),
            repr(self._subject.settings).encode("utf-8", "surrogatepass"),
            *configurations.values(),
            *processor.recipes(self._subject.tree, self._subject.inputs),
        ]
        if not processor.wanted(texts):
            return []
        self.lookout.distrust("the processor has no row, and this is built for the one at hand")
        found = processor.features(self._environ, run=self._run, platform=self._platform)
        if found is None:
            self.unknown["what this processor can do, which it is built for"] = None
        return [build_key.component("processor features", found)]

    def commands(self) -> dict[str, tuple[str, bytes]]:
        """How the commands of the project ended, and what they wrote."""
        found = {}
        for words in self._subject.commands:
            name = shlex.join(words)
            if not self._ask:
                self.unasked += [f"command {name}", f"output {name}"]
                continue
            self.lookout.distrust(f"only {words[0] if words else 'the command'} itself can say what it says")
            tree = self._subject.tree
            program = which(words[:1], self._folders, Lookout(), cwd=tree, environ=self._environ)
            if program is None:
                found[name] = "absent", b""
                continue
            answer = self._run([program, *words[1:]], cwd=tree, environ=self._environ)
            found[name] = answer.ending, b"" if answer.status else answer.output
        return found

    def repository(self) -> dict[str, Value]:
        """What the base version is taken from, where it is taken from version control."""
        subject = self._subject
        reader = build_key.versioned(subject.pyproject, [*subject.requires, *subject.lean])
        if reader is None:
            return {}
        # A changed file that is no input makes a repository dirty, and nothing shows it.
        self.lookout.distrust(f"{reader} takes the version from version control")
        if not self._ask:
            self.unasked += [f"repository {name}" for name in repository.NAMES]
            return {"reader": reader}
        found, gap = repository.facts(subject.tree, self._environ, self._folders, self._run)
        if gap:
            self.unknown[gap] = None
        return {"reader": reader, **found}


def _simple(value: object) -> Value:
    return value if value is None or isinstance(value, int | str) else str(value)


def _bytes(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _personal(backend: Backend, environ: Mapping[str, str], *, tree: str) -> dict[str, str]:
    """Where a person tells tools how to build, whether there is a file or not: what people call it -> its path."""
    home = environ.get("HOME") or environ.get("USERPROFILE") or _account()
    found = {f"file of {name}": environ[name] for name in _NAMED if environ.get(name)}
    cargo = environ.get("CARGO_HOME") or (os.path.join(home, ".cargo") if home else "")
    if cargo and "cargo" in backend.tools:
        found |= {f"cargo's own {name}": os.path.join(cargo, name) for name in ("config", "config.toml")}
    if backend.name in _SETUPTOOLS or not backend.modules:
        found["distutils.cfg"] = os.path.join(os.path.dirname(os.__file__), "distutils", "distutils.cfg")
        if home:
            name = ".pydistutils.cfg" if os.name == "posix" else "pydistutils.cfg"
            found["the user's distutils"] = os.path.join(home, name)
    return {name: os.path.join(tree, path) for name, path in found.items()}


def _account() -> str:
    """The home that the system has on record, which tools go by where no variable says another one."""
    try:
        import pwd  # noqa: PLC0415 - not everywhere

        return pwd.getpwuid(os.getuid()).pw_dir
    except (AttributeError, ImportError, KeyError):
        return ""
