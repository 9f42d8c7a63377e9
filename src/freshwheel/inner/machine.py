"""The facts of this machine that shape a wheel, as components of the build key, and what keeps them true.

What an observed build has read is held against the machine before each hit. So the key need not know everything; it
tells apart what builds are told, and says by name what has changed.

What the package manager of the system has installed, by its own lists, one row of its database stands for. Where there
is no such list each file that a build has read has a row of its own.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shlex
import socket
import struct
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import xxhash

from freshwheel.base import backends, toml_access
from freshwheel.base.backends import Backend
from freshwheel.base.environment import folders
from freshwheel.base.model import Config, Project, Snapshot
from freshwheel.inner import _sitecustomize, build_key, distributions, programs
from freshwheel.inner.build_key import Component, Value
from freshwheel.inner.distributions import Distribution
from freshwheel.inner.programs import Lookout, Run, which

_CONSTRAINTS = ("PIP_BUILD_CONSTRAINT", "PIP_CONSTRAINT", "UV_BUILD_CONSTRAINT", "UV_CONSTRAINT")
NEW_EVERY_TIME = frozenset(("PATH", "PWD", "PYTHONPATH", "TEMP", "TMP", "TMPDIR", "VIRTUAL_ENV"))
"""Variables that installers set anew for each build. What is found by them counts, not where it lies."""
_PARTS = re.compile(r"[\s=,;\"']+")
"""What stands between the words of a variable."""
_HEAD = 4 << 20
"""Bytes of a file that tell it from others, with its size: a program has the name that its linker gave it there."""
_TOOLSETS = ("Microsoft Visual Studio/*/*/VC/Tools/MSVC/*", "Windows Kits/10/Lib/*")
_APPLE = (
    "usr/bin/clang",
    "Toolchains/XcodeDefault.xctoolchain/usr/bin/clang",
    "SDKs/MacOSX.sdk/SDKSettings.json",
    "Platforms/MacOSX.platform/Developer/SDKs/MacOSX.sdk/SDKSettings.json",
)
"""In the tools of Apple that are selected, for which the programs in `/usr/bin` only stand."""
_SELECTED = "/var/db/xcode_select_link"
_CARGO_FILES = ("config", "config.toml")
_NATIVE = re.compile(
    rb"(?:(?<!se)arch|cpu|tune|baseline)[\"']?[\s=:,]+[\"']?native\b|-tp[= ](?:host|native)\b|[-/]q?xhost\b",
    re.IGNORECASE,
)
"""As compilers spell it, in a flag or in two words of a list; `link-search=native` of cargo is another word."""
_RECIPE = re.compile(
    rb"(?:.*/)?(?:CMakeLists\.txt|.+\.cmake|CMake(?:User)?Presets\.json|meson\.(?:build|options)|meson_options\.txt"
    rb"|setup\.(?:py|cfg)|pyproject\.toml|(?:GNU)?[Mm]akefile[^/]*|.+\.mk|build\.rs|\.cargo/config(?:\.toml)?)"
)
_LARGEST = 256 << 10
"""Bytes."""
_CPUINFO = "/proc/cpuinfo"
_LINES = re.compile(
    r"(?:vendor_id|cpu family|model|stepping|cache size|[Ff]eatures|flags|CPU \w+|cpu|isa|uarch|m\w+id)\s*:.*"
)
"""What a compiler may go by, of all that Linux says of a processor on one of its architectures."""
_DPKG_STATUS = "/var/lib/dpkg/status"
_DPKG_LISTS = "/var/lib/dpkg/info"
_MERGED = (b"/bin/", b"/lib/", b"/lib32/", b"/lib64/", b"/sbin/")
"""Folders of the root that are links into `/usr`, and that packages still name."""
_PACKAGED = (b"/usr/", *_MERGED)
_UNPACKAGED = b"/usr/local/"
_NIX_STORE = b"/nix/store/"
"""Nothing below it ever changes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What is to be built."""

    project: Project
    config: Config
    snapshot: Snapshot
    """The inputs."""
    hook: str
    """`build_wheel` or `build_editable`."""
    backend: Backend
    requires: tuple[str, ...] = ()
    """The requirements that are installed whatever is decided: those of `[build-system]`."""
    lean: tuple[str, ...] = ()
    """The requirements that are asked for on a miss only, extras included."""
    private: tuple[str, ...] | None = None
    """The root folders of the environment that was made for this build; None: there is no isolation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the build key is made from, and what keeps it true."""

    components: tuple[Component, ...]
    lookout: Lookout
    """All that was looked at beside the inputs."""
    families: frozenset[str]
    """The variables that are set and shape the wheel."""
    distributions: tuple[str, ...]
    """The `.dist-info` folders on `sys.path` that are there whether or not anything is built, sorted."""
    unasked: frozenset[str] = frozenset()
    """Components that are not there because nothing may be started, by name."""


def gather(  # noqa: PLR0913 - what a test replaces
    subject: Subject,
    environ: Mapping[str, str],
    *,
    run: Run = programs.run,
    ask: bool = True,
    path: Sequence[str] | None = None,
    platform: str = sys.platform,
) -> Facts:
    """The facts for one build; `path` is `sys.path`. Nothing that the machine says or refuses to say is an error.

    Without `ask` no command of the project is started.
    """
    about = _Gathering(subject, environ, run=run, ask=ask, platform=platform)
    shaping, staying = about.distributions(sys.path if path is None else path)
    components = [
        build_key.component("source digest", subject.snapshot.digest),
        build_key.component("hook", subject.hook),
        build_key.component("edition", build_key.EDITION),
        build_key.component("backend", subject.backend.name),
        build_key.component("backend module", subject.config.backend),
        build_key.component("backend path", subject.config.backend_path),
        *build_key.settings(subject.config.inner_settings),
        *build_key.facts("interpreter", interpreter(about.lookout)),
        *build_key.facts("platform", about.platform()),
        *build_key.requirements([*subject.requires, *subject.lean]),
        *build_key.secrets("environment", about.variables()),
        *build_key.secrets("file of", about.files()),
        *about.processor(),
        *about.commands(),
        *build_key.facts("tool", about.tools()),
        *build_key.distributions({name: (known.version, known.digest) for name, known in shaping.items()}),
    ]
    about.lookout.names.update(subject.config.env, about.shaping, _CONSTRAINTS)
    return Facts(
        components=tuple(components),
        lookout=about.lookout,
        families=frozenset(about.shaping),
        distributions=tuple(sorted(known.folder for known in staying.values())),
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
        **{name: None if variables.get(name) is None else str(variables[name]) for name in names},
    }


def is_native(texts: Iterable[bytes]) -> bool:
    """Whether one of these texts, flags or files that hold flags, asks for the processor at hand."""
    return any(_NATIVE.search(text) for text in texts)


def recipes(tree: str, inputs: Iterable[bytes]) -> Iterator[bytes]:
    """What stands in those inputs of a tree that tell how to build; of large ones the beginning."""
    for path in filter(_RECIPE.fullmatch, inputs):
        with contextlib.suppress(OSError), open(os.path.join(os.fsencode(tree), path), "rb") as file:
            yield file.read(_LARGEST)


def processor(environ: Mapping[str, str], *, run: Run, platform: str = sys.platform, cpuinfo: str = _CPUINFO) -> str:
    """What a compiler may know of the processor; where nobody says that, the name of this machine."""
    said = ""
    if platform == "win32":
        said = environ.get("PROCESSOR_IDENTIFIER", "")
    elif platform == "darwin":
        said = run(("/usr/sbin/sysctl", "machdep.cpu", "hw.optional"), cwd="/", environ=environ).output.decode()
    else:
        with contextlib.suppress(OSError), open(cpuinfo, encoding="utf-8", errors="replace") as file:
            # There may be several kinds of cores, and as many as there are of each.
            cores = file.read().split("\n\n")
            kinds = {"\n".join(sorted(filter(_LINES.fullmatch, core.splitlines()))) for core in cores}
            said = "\n\n".join(sorted(kinds - {""}))
    return said or socket.gethostname()


def toolchain(tree: str, environ: Mapping[str, str], *, run: Run = programs.run) -> list[str]:
    """The files that decide which compiler of Rust a tree is built with, where a build has not shown it.

    Its rustc is asked: rustup may stand for it, and goes by its settings.
    """
    path = which("rustc", folders(environ.get("PATH", ""), ()), Lookout(), cwd=tree, environ=environ)
    answer = programs.Answer(status=None) if path is None else run([path, "--print=sysroot"], cwd=tree, environ=environ)
    if answer.status != 0:
        return []
    compilers = glob.glob(os.path.join(glob.escape(os.fsdecode(answer.output).strip()), "bin", "rustc*"))
    settings = os.path.join(environ.get("RUSTUP_HOME") or os.path.expanduser("~/.rustup"), "settings.toml")
    return [*sorted(compilers), *([settings] if os.path.exists(settings) else [])]


class _Gathering:
    """One run of `gather`: the parts that ask something, and what they saw."""

    def __init__(self, subject: Subject, environ: Mapping[str, str], *, run: Run, ask: bool, platform: str) -> None:
        self.lookout = Lookout()
        self.unasked: list[str] = []
        self.shaping = sorted(name for name in environ if name in subject.config.env or backends.shapes(name))
        self._subject = subject
        self._tree = subject.project.tree
        self._environ = environ
        self._run = run
        self._ask = ask
        self._platform = platform
        self._folders = folders(environ.get("PATH", ""), subject.private or ())
        self._texts: list[bytes] = []
        """What stands in files that may hold flags."""

    def variables(self) -> dict[str, str]:
        """The variables that are set and shape the wheel; of PYTHONPATH what is no installer's own."""
        above = os.path.join(os.path.abspath(self._tree), "")
        told = self._environ.get("PYTHONPATH", "")
        path = folders(told, self._subject.private or ()) if told else []
        # An empty entry stands for the working directory, which is the tree.
        modules = os.pathsep.join(folder.removeprefix(above) or os.curdir for folder in path)
        values = {name: self._environ[name] for name in self.shaping}
        return {**values, "PYTHONPATH": modules} if modules else values

    def platform(self) -> dict[str, Value]:
        """System, machine and C library; on Windows the toolsets and kits that are there."""
        values: dict[str, Value] = {"system": self._platform}
        if hasattr(os, "uname"):
            values["machine"] = os.uname().machine
        if self._platform == "linux":
            values["libc"] = _glibc() or " ".join(map(self._identity, sorted(glob.glob("/lib/ld-musl-*"))))
        elif self._platform == "darwin":
            values["release"] = os.uname().release.partition(".")[0]
        elif self._platform == "win32":
            values["toolsets"] = tuple(sorted(self._toolsets()))
        return values

    def _toolsets(self) -> Iterator[str]:
        """The folders that Microsoft's compilers and kits lie in, without their place."""
        for variable in ("ProgramFiles", "ProgramFiles(x86)"):
            self.lookout.names.add(variable)
            root = self._environ.get(variable)
            for pattern in _TOOLSETS if root else ():
                for path in glob.glob(os.path.join(glob.escape(root or ""), pattern)):
                    self.lookout.look(os.path.dirname(path))
                    yield os.path.relpath(path, root).replace(os.sep, "/")

    def files(self) -> dict[str, Value]:
        """What is in the files and programs that variables name, and in cargo's own configuration."""
        texts = {name: self._environ[name] for name in self.shaping}
        texts["CC in Python's own build"] = str(sysconfig.get_config_var("CC") or "")
        values: dict[str, Value] = {}
        for name, text in texts.items():
            paths = list(filter(None, map(self._named, dict.fromkeys((text, *_PARTS.split(text))))))
            if paths:
                values[name] = tuple(map(self._identity, paths))
        for name in _CONSTRAINTS:
            words = self._environ.get(name, "").split()
            values[name] = tuple([self._identity(path) if (path := self._named(word)) else word for word in words])
        if "rustc" in self._subject.backend.tools:
            cargo = self._home("CARGO_HOME", ".cargo")
            values |= {f"cargo, {name}": self._identity(os.path.join(cargo, name)) for name in _CARGO_FILES}
        return values

    def _named(self, word: str) -> str | None:
        """The file that a word of a variable may name, by its path or as a program on PATH.

        Only what is there is on record: a word may be a secret.
        """
        if not word or word.startswith("-"):
            return None
        path = os.path.join(self._tree, word)
        if os.path.isfile(path) or os.path.dirname(word):
            return path if os.path.isfile(path) else None
        return which(word, self._folders, Lookout(), cwd=self._tree, environ=self._environ)

    def processor(self) -> list[Component]:
        """The processor, where something asks the compilers to build for the one at hand."""
        values = [*(self._environ[name] for name in self.shaping), repr(self._subject.config.inner_settings)]
        texts = [*(value.encode("utf-8", "surrogatepass") for value in values), *self._texts]
        if not is_native([*texts, *recipes(self._tree, [file.path for file in self._subject.snapshot.inputs])]):
            return []
        self.lookout.distrust("the processor has no row, and this is built for the one at hand")
        said = processor(self._environ, run=self._run, platform=self._platform)
        return [build_key.component("processor features", said)]

    def commands(self) -> list[Component]:
        """How the commands of the project ended, and what they wrote."""
        components: list[Component] = []
        for words in self._subject.config.commands:
            name = shlex.join(words)
            if not self._ask:
                self.unasked += [f"command {name}", f"output {name}"]
                continue
            self.lookout.distrust(f"only {words[0] if words else 'the command'} itself can say what it says")
            answer, program = None, self._which(words[0]) if words else None
            if program is not None:
                answer = self._run([program, *words[1:]], cwd=self._tree, environ=self._environ)
            output = b"" if answer is None or answer.status else answer.output
            components.append(build_key.component(f"command {name}", "absent" if answer is None else answer.ending))
            components.append(build_key.secret(f"output {name}", output))
        return components

    def tools(self) -> dict[str, Value]:
        """The programs that the backend uses, by what is in them; `absent` for one that is not there."""
        paths = {name: self._which(name) for name in self._subject.backend.tools}
        if self._platform == "darwin" and "cc" in paths:
            selected = self._environ.get("DEVELOPER_DIR") or _SELECTED
            paths |= {name: os.path.join(selected, name) for name in _APPLE}
        return {name: self._identity(path) if path else "absent" for name, path in paths.items()}

    def distributions(self, path: Iterable[str]) -> tuple[dict[str, Distribution], dict[str, Distribution]]:
        """What `distributions.counted` says of `sys.path`; folders that outlive this build are looked at."""
        home = os.path.dirname(os.__file__)
        used = [folder for folder in path if os.path.isabs(folder) and not _sitecustomize.is_standard(folder, home)]
        for folder in folders(os.pathsep.join(used), self._subject.private or ()):
            self.lookout.look(folder)
        shaping, staying = distributions.counted(
            distributions.installed(used),
            requires=self._subject.requires,
            lean=self._subject.lean,
            isolated=self._subject.private is not None,
            project=toml_access.text(self._subject.project.pyproject, "project.name") or "",
        )
        for distribution in shaping.values():
            if distribution.direct:
                self.lookout.distrust(f"{distribution.name} does not come from an index: its version says little")
        return shaping, staying

    def _home(self, variable: str, name: str) -> str:
        """Where a tool keeps its own files: the folder that a variable names, or one of the person's home."""
        self.lookout.names.update((variable, "HOME", "USERPROFILE"))
        home = self._environ.get("HOME") or self._environ.get("USERPROFILE") or os.path.expanduser("~")
        return os.path.join(self._tree, self._environ.get(variable) or os.path.join(home, name))

    def _which(self, name: str) -> str | None:
        return which(name, self._folders, self.lookout, cwd=self._tree, environ=self._environ)

    def _identity(self, path: str) -> str:
        """What tells a file from others, wherever it lies; `absent` where there is none."""
        if self.lookout.look(path) is None or not os.path.isfile(path):
            return "absent"
        try:
            with open(path, "rb") as file:
                head, size = file.read(_HEAD), os.fstat(file.fileno()).st_size
        except OSError:
            return "unreadable"
        if b"\0" not in head:
            self._texts.append(head)
        return f"{xxhash.xxh3_128_hexdigest(head)} of {size} bytes"


def _glibc() -> str | None:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, OSError, ValueError):
        return None


def package_databases() -> list[str]:
    """The files that change with each change of the system's packages."""
    return [_DPKG_STATUS] if os.path.isfile(_DPKG_STATUS) else []


def packaged() -> Callable[[bytes], bool]:
    """Whether the package manager stands for an absolute path; its lists are read when the first is asked for."""
    known: set[bytes] = set()

    def is_packaged(path: bytes) -> bool:
        if path.startswith(_NIX_STORE):
            return True
        if not path.startswith(_PACKAGED) or path.startswith(_UNPACKAGED):
            return False
        if not known:
            known.update(_packages())
        return path in known or _merged(path) in known

    return is_packaged


def _packages() -> set[bytes]:
    paths = {b""}
    try:
        with os.scandir(_DPKG_LISTS) as listing:
            names = [entry.path for entry in listing if entry.name.endswith(".list")]
    except OSError:
        return paths
    for name in names:
        with contextlib.suppress(OSError), open(name, "rb") as file:
            paths.update(file.read().split(b"\n"))
    return paths


def _merged(path: bytes) -> bytes:
    """What a path in `/usr` may be called beside it, and the other way round."""
    return path.removeprefix(b"/usr") if path.startswith(b"/usr/") else b"/usr" + path
