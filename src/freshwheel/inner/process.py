"""The inner backend in a process of its own: asked one hook at a time, its answers held against PEP 517.

Each hook is asked in the child, every time: which hooks a backend has may depend on the tree and on the environment.

It builds for the same interpreter every time. Frontends make a new virtual environment for each build, and its path
reaches the compilers, which then start from nothing. Its base interpreter stays where it is, and gets its packages.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from pyproject_hooks import BackendUnavailable, BuildBackendHookCaller, HookMissing, UnsupportedOperation

from freshwheel.base import backends, files
from freshwheel.base.errors import ConfigError, HookMissingError, InnerError, Problem, UnsupportedError
from freshwheel.inner import _sitecustomize, distributions

Start = Callable[[Sequence[str], str | None, Mapping[str, str]], int]
"""Runs a command in a folder and an environment; its exit status, negative for a signal."""
Settings = Mapping[str, str | Sequence[str]] | None

ENVIRONMENTS = "environments"
"""In the cache directory: copies of the environments of builds."""
_LONGEST = 114
"""Bytes of its path: the kernel reads so much of the first line of a script, and no blank in it."""
_KEY = "tool.freshwheel.backend-path"
_SUFFIXES = {"build_wheel": ".whl", "build_editable": ".whl", "build_sdist": ".tar.gz"}
_OUTER = ("_PYPROJECT_HOOKS_", "PEP517_BUILD_BACKEND", "PEP517_BACKEND_PATH")
"""How variables begin that tell of the backend that a frontend runs: of freshwheel, not of the inner one."""
_ABOVE = "what it printed, above, says why"
_LACKING = 79
"""The exit status of the probe for a backend that has not what it must have."""
_PROBE = f"""\
import importlib, os, sys
backend, hooks, path = sys.argv[1:]
sys.path[:0] = path.split(os.pathsep) if path else []
module, _, names = backend.partition(":")
found = importlib.import_module(module)
for name in names.split(".") if names else []:
    found = getattr(found, name, None)
    if found is None:
        os.write(1, name.encode()), os._exit({_LACKING})
if not any(callable(getattr(found, name, None)) for name in hooks.split()):
    os.write(1, hooks.split()[-1].encode()), os._exit({_LACKING})
os._exit(0)
"""
"""Tells what a backend lacks, as its last words; whatever else is wrong with it is for itself to say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner:
    """One inner backend, and the tree it builds.

    `hook` is always what is built in the end: `build_wheel`, `build_editable` or `build_sdist`. Every method raises
    `ConfigError` for a bad `backend_path`, and `InnerError` for a backend that fails or answers what PEP 517 does not
    allow.
    """

    backend: str
    """"module" or "module:object"."""
    backend_path: tuple[str, ...] = ()
    """Folders of the tree, relative to it, that the backend is imported from."""
    tree: str
    python: str
    """Path of the interpreter that runs the backend."""
    environ: Mapping[str, str]
    """The whole environment of the backend, but for what tells it of an outer one."""
    start: Start | None = None
    """What runs the process; None: `start`."""

    def requires(self, hook: str, settings: Settings) -> list[str]:
        """The requirements that the backend asks for, beside those that are written down."""
        name = f"get_requires_for_{hook}"
        answer = self._ask(name, settings)
        if not isinstance(answer, list) or not all(isinstance(text, str) for text in answer):
            self._refuse(name, f"it must return a list of requirements, not {_short(answer)}")
        return answer

    def metadata(self, hook: str, directory: str, settings: Settings) -> str:
        """The absolute path of the `.dist-info` folder that the backend wrote into `directory`.

        Raises `HookMissingError` if it has no hook for that; nothing is built instead.
        """
        name = f"prepare_metadata_for_{hook}"
        answer = self._ask(name, os.path.abspath(directory), settings, _allow_fallback=False)
        path = self._made(name, directory, answer, ".dist-info")
        if not os.path.isfile(os.path.join(path, "METADATA")):
            self._refuse(name, f"it left no METADATA in {answer}")
        return path

    def build(self, hook: str, directory: str, settings: Settings) -> str:
        """The absolute path of the wheel or source distribution that the backend wrote into `directory`.

        Raises `HookMissingError` for an editable if the backend makes none, `UnsupportedError` if it says of itself
        that it can't make a source distribution. Earlier metadata is never handed down: it may be a relabelled one.
        """
        answer = self._ask(hook, os.path.abspath(directory), settings)
        path = self._made(hook, directory, answer, _SUFFIXES[hook])
        if not os.path.isfile(path):
            self._refuse(hook, f"it returned {answer}, but wrote no such file")
        return path

    def _ask(self, name: str, *arguments: Any, **options: Any) -> Any:
        if lacking := self._lacking(name):
            what = f"{self.backend} is no build backend: it has no {lacking}"
            raise InnerError(what, hint='[tool.freshwheel] backend names a "module" or "module:object" with hooks')
        caller = BuildBackendHookCaller(
            self.tree,
            self.backend,
            backend_path=contained(self.tree, self.backend_path) or None,
            runner=functools.partial(self._run, name),
            python_executable=self.python,
        )
        try:
            return getattr(caller, name)(*arguments, **options)
        except HookMissing:
            raise self._missing(name) from None
        except BackendUnavailable as error:
            raise self._unavailable(error) from None
        except UnsupportedOperation as error:
            what = _last_line(error.traceback).partition(": ")[2] or "it gives no reason"
            raise UnsupportedError(f"{self.backend} can't do {name} here: {what}") from None
        except json.JSONDecodeError:
            self._refuse(name, "it ended in the middle of its answer", hint=_ABOVE)
        except OSError as error:
            if os.path.basename(error.filename or "") == "output.json":
                # The backend ended the process from within, as os._exit(0) or sys.exit() do.
                self._refuse(name, "it ended with exit status 0, but without an answer", hint=_ABOVE)
            raise InnerError(f"can't exchange files with {self.backend}: {error}") from error

    def _lacking(self, name: str) -> str:
        """What the backend must have and has not, which pyproject_hooks would show as a traceback; nothing: it has it.

        Those that are known are not asked.
        """
        if any(self.backend in known.modules for known in backends.KNOWN) and not self.backend_path:
            return ""
        hooks = name if name == "build_sdist" else f"{name} build_wheel"
        folders = [os.path.join(self.tree, folder) for folder in contained(self.tree, self.backend_path)]
        command = [self.python, "-B", "-c", _PROBE, self.backend, hooks, os.pathsep.join(folders)]
        with contextlib.suppress(OSError):
            done = subprocess.run(  # noqa: S603 - as the hook itself
                command, cwd=self.tree, env=self._environ(), stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
            return done.stdout.decode().rpartition("\n")[2] if done.returncode == _LACKING else ""
        return ""

    def _environ(self) -> dict[str, str]:
        return {key: value for key, value in self.environ.items() if not key.startswith(_OUTER)}

    def _run(
        self, name: str, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        """Runs the child: its output goes where ours goes, and it has no input."""
        environ = {**self._environ(), **(extra_environ or {})}
        try:
            status = (self.start or start)(cmd, cwd, environ)
        except OSError as error:
            raise InnerError(f"can't run {self.python} in {cwd}: {error.strerror or error}") from error
        if status:
            how, hint = _ending(status)
            raise InnerError(f"{self.backend} failed in {name}: {how}", hint=hint)

    def _made(self, name: str, directory: str, answer: Any, suffix: str) -> str:
        is_name = isinstance(answer, str) and os.path.basename(answer) == answer and "\\" not in answer
        if not is_name or not answer.endswith(suffix):
            self._refuse(name, f"it must return a name without folders that ends in {suffix}, not {_short(answer)}")
        return os.path.join(os.path.abspath(directory), answer)

    def _refuse(self, name: str, reason: str, *, hint: str = "") -> NoReturn:
        raise InnerError(f"{self.backend} did not keep to PEP 517 in {name}: {reason}", hint=hint) from None

    def _missing(self, name: str) -> HookMissingError:
        if name == "build_editable":
            return HookMissingError(
                f"{self.backend} has no build_editable: editable installs need an inner backend with PEP 660",
                hint="install without -e, or require a newer version of the inner backend",
            )
        return HookMissingError(f"{self.backend} has no {name}")

    def _unavailable(self, error: BackendUnavailable) -> InnerError:
        """What to say of a backend that can't be imported: not there at all, or there and broken."""
        module = self.backend.partition(":")[0]
        reason = _last_line(error.traceback or "")  # None in pyproject-hooks 1.2
        wanted = [module[:end] for end, sign in enumerate(f"{module}.") if sign == "."]
        absent = [name for name in wanted if reason.startswith(f"ModuleNotFoundError: No module named {name!r}")]
        if self.backend_path and (absent or not reason):
            return InnerError(
                f"there is no module {module} in {', '.join(self.backend_path)}",
                hint=f"{_KEY} names the folders that the inner backend is imported from",
            )
        if absent:
            known = backends.find(self.backend, ()).distributions
            what = f'"{known[0]}"' if known else f"the distribution that brings {module}"
            return InnerError(
                f"the inner backend {self.backend} is not installed: no module named {absent[0]}",
                hint=f"add {what} to [build-system] requires; without build isolation, install it",
            )
        # pyproject_hooks keeps the traceback of a failed import to itself, so nobody has seen it yet.
        return InnerError(f"the inner backend {self.backend} can't be imported: {reason}\n{error.traceback.rstrip()}")


def start(command: Sequence[str], cwd: str | None, environ: Mapping[str, str]) -> int:
    """Runs a command that has no input, and whose output goes where ours goes; its exit status."""
    return subprocess.run(command, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603


def _ending(status: int) -> tuple[str, str]:
    """How a process ended, and what to do."""
    if status > 0:
        # Windows ends a crashed process with an NTSTATUS, which people know in hexadecimal only.
        return (f"exit status {status}" if status < 1 << 16 else f"exit status {status:#010x}"), _ABOVE
    names = {number.value: number.name for number in signal.Signals}
    name = names.get(-status, f"signal {-status}")
    return f"killed by {name}", "often the sign of too little memory" if name == "SIGKILL" else _ABOVE


def contained(tree: str, backend_path: Sequence[str]) -> list[str]:
    """`backend_path` as it is; raises `ConfigError` unless every entry is a folder of the tree (PEP 517)."""
    problems = [
        Problem(f"{_KEY}[{place}]", f'"{entry}" {reason}')
        for place, entry in enumerate(backend_path)
        if (reason := _outside(tree, entry)) is not None
    ]
    if problems:
        raise ConfigError(problems)
    return list(backend_path)


def _outside(tree: str, entry: str) -> str | None:
    root, path = (os.path.normcase(os.path.realpath(os.path.join(tree, place))) for place in ("", entry))
    if path != root and not path.startswith(os.path.join(root, "")):
        return "leads out of the project"
    return None if os.path.isdir(path) else "is not a folder of the project"


def _last_line(traceback: str) -> str:
    return traceback.strip().rpartition("\n")[2]


def _short(answer: object, most: int = 80) -> str:
    text = repr(answer)
    return text if len(text) <= most else f"{text[:most]}..."


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """What one process knows of the interpreter that it runs in."""

    version: str
    """The whole `sys.version`: two builds of one release are two interpreters."""
    prefix: str
    base_prefix: str
    base_executable: str | None
    home: str
    """The folder of the standard library, which an environment shares with its base."""
    path: tuple[str, ...]
    """`sys.path`."""

    @classmethod
    def here(cls) -> Interpreter:
        """The facts of this process."""
        return cls(
            version=sys.version,
            prefix=sys.prefix,
            base_prefix=sys.base_prefix,
            base_executable=getattr(sys, "_base_executable", None),
            home=os.path.dirname(os.__file__),
            path=tuple(sys.path),
        )

    def has_base(self) -> bool:
        """Whether this is a virtual environment with another interpreter, still there, below it."""
        return self.prefix != self.base_prefix and os.path.exists(self.base_executable or "")

    def packages(self) -> list[str]:
        """The folders that hold the packages of the environment: what `sys.path` has behind the standard library.

        What stands in front of it is on PYTHONPATH, which other processes see by themselves, or was put there by the
        program that runs, which is nobody else's business.
        """
        standard = [_sitecustomize.is_standard(entry, self.home) for entry in self.path]
        first = standard.index(True) if True in standard else 0
        behind = zip(self.path[first:], standard[first:], strict=True)
        return [entry for entry, mine in behind if not mine and os.path.isabs(entry) and os.path.exists(entry)]


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentCopy:
    """A virtual environment with what that of one build has, at a path that later builds find again."""

    prefix: str
    facts: Interpreter
    """Of its interpreter."""
    moved: Mapping[str, str]
    """The folders of the environment of the build, and those that have their files."""
    roots: tuple[str, ...]
    """Where that environment is, as a whole."""

    @property
    def python(self) -> str:
        """Path of its interpreter."""
        return os.path.join(self.prefix, "bin", "python")

    @property
    def origin(self) -> str:
        """The environment that it is a copy of, or the first of them."""
        return next(iter(self.moved))

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables of a build, which lead to the copy where they led to the environment."""
        changed = dict(environ)
        for name in ("PATH", "PYTHONPATH", "VIRTUAL_ENV"):
            if name in environ:
                entries = map(self._entry, environ[name].split(os.pathsep))
                changed[name] = os.pathsep.join(dict.fromkeys(entry for entry in entries if entry is not None))
        return changed

    def _entry(self, path: str) -> str | None:
        """An entry of a path; None for what only the environment has, which finds its packages by that."""
        for old, new in self.moved.items():
            if _is_below(path, [old]):
                return new + path[len(old) :]
        return None if _is_below(path, self.roots) else path


def _is_below(path: str, folders: Iterable[str]) -> bool:
    """Whether a path is one of these folders, or lies in one."""
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


def copied(cache: str, roots: Sequence[str], facts: Interpreter | None = None) -> EnvironmentCopy | None:
    """A copy of the environment of this process, which is below `roots`, in the cache directory; None: there is none.

    It is called by what is in it, made once, and then used by all builds that have the same.
    """
    facts = Interpreter.here() if facts is None else facts
    known, packages = facts.packages(), os.path.join("lib", os.path.basename(facts.home), "site-packages")
    prefixes = [path.removesuffix(os.sep + packages) for path in known if _is_below(path, roots)]
    if os.name == "nt" or not known or [os.path.join(prefix, packages) for prefix in prefixes] != known:
        return None
    try:
        place = _copied(cache, prefixes, packages, facts)
        if place is None or not files.is_own(os.lstat(place)):
            return None
        os.utime(place)
    except OSError:
        return None
    own = replace(facts, prefix=place, path=(facts.home, os.path.join(place, packages)))
    return EnvironmentCopy(prefix=place, facts=own, moved=dict.fromkeys(prefixes, place), roots=tuple(roots))


def _copied(cache: str, prefixes: Sequence[str], packages: str, facts: Interpreter) -> str | None:
    """Where the copy of environments is, as one, whole; None where there can be none. Raises OSError."""
    base, known = facts.base_executable or sys.executable, distributions.files(prefixes, packages)
    name = None if known is None else _called(facts, base, known)
    place = os.path.join(cache, ENVIRONMENTS, name or "")
    if known is None or name is None or len(os.fsencode(place)) > _LONGEST or len(place.split()) > 1:
        return None
    if not _is_whole(place, known):
        moved = {**dict.fromkeys(prefixes, place), sys.executable: os.path.join(place, "bin", "python")}
        _copy(place, known, moved, facts, base)
    return place


def _called(facts: Interpreter, base: str, files_of: Mapping[str, str]) -> str | None:
    """The name of a copy, made of what is in it; None where nobody knows that."""
    packages = facts.packages()
    known = distributions.installed(packages)
    if not all(distribution.digest for distribution in known.values()):
        return None
    texts = [facts.version, base]
    texts += [f"{name} {distribution.version} {distribution.digest}" for name, distribution in sorted(known.items())]
    for relative, path in sorted(files_of.items()):
        size = "" if distributions.is_local(relative) else os.path.getsize(path)
        texts.append(f"{relative} {size}")
        if os.path.dirname(path) in packages:  # in no RECORD, maybe
            with open(path, "rb") as file:
                texts.append(hashlib.sha256(file.read()).hexdigest())
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _is_whole(place: str, files_of: Mapping[str, str]) -> bool:
    """Whether nobody has removed anything of a copy, or added to it; else it is put away."""
    if not os.path.isdir(place):
        return False
    with contextlib.suppress(OSError):
        there = {relative: os.path.getsize(os.path.join(place, relative)) for relative in files_of}
        wrong = (relative for relative, path in files_of.items() if there[relative] != os.path.getsize(path))
        if all(map(distributions.is_local, wrong)) and not _has_more(place, files_of):
            return True
    gone = files.beside(place)
    os.rename(place, gone)
    shutil.rmtree(gone, ignore_errors=True)
    return False


def _has_more(place: str, files_of: Mapping[str, str]) -> bool:
    """Whether a build has written into a copy; the links to the interpreter are none of its files."""
    paths = (os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names)
    new = (path for path in paths if not (path.endswith((".pyc", "pyvenv.cfg")) or os.path.islink(path)))
    return any(os.path.relpath(path, place) not in files_of for path in new)


def _copy(place: str, files_of: Mapping[str, str], moved: Mapping[str, str], facts: Interpreter, base: str) -> None:
    """Makes a copy at a place, wholly or not at all. Raises OSError."""
    files.settle(os.path.dirname(place))
    half = files.beside(place)
    try:
        for relative, path in files_of.items():
            target = os.path.join(half, relative)
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            shutil.copy2(path, target)
            if relative.startswith("bin" + os.sep):
                _relocate(target, moved)
        os.makedirs(os.path.join(half, "bin"), mode=0o700, exist_ok=True)
        for name in ("python", "python3", os.path.basename(facts.home)):
            os.symlink(base, os.path.join(half, "bin", name))
        with open(os.path.join(half, "pyvenv.cfg"), "w", encoding="utf-8") as file:
            file.write(f"home = {os.path.dirname(base)}\ninclude-system-site-packages = false\n")
        try:
            os.rename(half, place)
        except OSError:
            if not os.path.isdir(place):  # somebody else was quicker
                raise
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _relocate(path: str, moved: Mapping[str, str]) -> None:
    """A script leads to a copy where it led to the environment."""
    with open(path, "rb") as file:
        data = file.read()
    if data.startswith(b"#!"):
        for old, new in moved.items():
            data = data.replace(os.fsencode(old), os.fsencode(new))
        with open(path, "wb") as file:
            file.write(data)


@contextlib.contextmanager
def stable(
    environ: Mapping[str, str],
    *,
    variables: Sequence[str] | None,
    facts: Interpreter | None = None,
    witness: str | None = None,
    files: bool = False,
) -> Iterator[dict[str, str]]:
    """The environment of the inner backend's process, while the context lasts.

    From within a virtual environment: `variables`, which tell inner backends to hand the base interpreter to the
    compilers, are set unless they are set already; and the base interpreter has the packages of the environment in the
    place of its own. Otherwise, and if `variables` is None, a copy of `environ`.

    With the private folder `witness` every Python writes down in it what it asks its environment for, and with `files`
    also which files and programs it uses; `observe.witness` reads that.
    """
    facts = Interpreter.here() if facts is None else facts
    changed = dict(environ)
    lent = variables is not None and facts.has_base()
    calls = [] if witness is None else [f"witness({os.path.abspath(witness)!a}, {files})"]
    if lent or calls:
        calls.append(f"main({facts.version!a}, {facts.base_prefix!a}, {facts.packages()!a})" if lent else "main()")
    with contextlib.ExitStack() as stack:
        # One half without the other is worse than none: build scripts run the interpreter that they are told of.
        if calls and (folder := _folder(stack, calls)) is not None:
            for name in variables or () if lent else ():
                changed.setdefault(name, "1")
            # An empty entry means the working directory, so there is none unless it was there before.
            changed["PYTHONPATH"] = os.pathsep.join([folder, *filter(None, [environ.get("PYTHONPATH")])])
        yield changed


def _folder(stack: contextlib.ExitStack, calls: Sequence[str]) -> str | None:
    """A private folder with a `sitecustomize.py` that makes these calls, removed with `stack`."""
    import importlib.resources  # noqa: PLC0415 - for a run of the inner backend alone

    try:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="freshwheel-", ignore_cleanup_errors=True))
        with open(os.path.join(folder, "sitecustomize.py"), "w", encoding="ascii") as file:
            text = importlib.resources.files(__package__).joinpath("_sitecustomize.py").read_text("ascii")
            file.write("\n".join([text, *calls, ""]))
    except OSError:
        return None
    # PYTHONPATH can't spell a folder whose name has the separator in it.
    return None if os.pathsep in folder else os.path.abspath(folder)
