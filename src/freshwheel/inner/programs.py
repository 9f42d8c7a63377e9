"""What lies around a build: programs, looked for and asked, git among them, and all paths by rows.

Of git it is asked what a build may ask about its repository, and whether one may ask it for the version. No program is
started but git then, and git starts none: hooks, monitors, filters, helpers and transports that the configuration of
the repository names are left out. A file that a filter would clean counts as changed once git takes a look at it, which
costs a build and no more.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from freshwheel.base import requirements, rows
from freshwheel.base.backends import Backend
from freshwheel.base.rows import Row
from freshwheel.base.toml_access import at

_PATIENCE = 20
"""Seconds that a program has to answer."""
_OTHERS = (".hg", ".svn", ".bzr", ".fslckout", ".jj")
_QUIET = ("--no-optional-locks", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
_VARIABLES = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
_OF_ONE = ("GIT_DIR", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_WORK_TREE")
"""Variables that say where one repository is; its submodules are elsewhere."""
_STATUS = ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--ignore-submodules=dirty")
_SUBMODULE = b"160000"
_VERSIONERS = re.compile(r"scm|vcs|git|mercurial|version|dunamai|\bpbr\b|setupmeta")
"""In the names of distributions that may ask version control for the version, such as hatch-vcs and versioningit."""
_READERS = {
    "tool.hatch.version.source": (None, "regex"),
    "tool.scikit-build.metadata.version.provider": (None, "scikit_build_core.metadata.regex"),
}
"""Keys that say who reads it, and those who do no more."""
_ASKS_GIT = re.compile(rb"\bvcs_tag\b|[\"']git[\"']|\bfind_package\s*\(\s*Git\b|\bvergen|\bgit2\b|\bgix\b")
"""In what tells how to build, of Meson, CMake, a setup.py or a build script."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """How a program ended, and what it wrote to its standard output."""

    status: int | None
    """Its exit status; None: it could not be started, or did not end in time."""
    output: bytes = b""
    failure: str = ""
    """Why there is no status, in words."""

    @property
    def ending(self) -> str:
        """`ok`, or how it failed."""
        if self.status is None:
            return f"failed: {self.failure}"
        return f"failed: exit {self.status}" if self.status else "ok"


class Run(Protocol):
    """Runs a program."""

    def __call__(self, command: Sequence[str], *, cwd: str, environ: Mapping[str, str]) -> Answer:
        """Its answer; whatever goes wrong is one too."""


class Lookout:
    """Looks at what lies outside of the tree, and keeps what it saw: the first row of each path, and what is absent."""

    def __init__(self) -> None:
        self.places: dict[bytes, Row] = {}
        self.absent: set[bytes] = set()
        self.names: set[str] = set()
        """Variables that decided something, whether they are set or not."""
        self.untrusted: dict[str, None] = {}

    def look(self, path: str) -> Row | None:
        """The row of what the path leads to, None for nothing. A path that can't be asked for is distrusted."""
        try:
            row = rows.row(os.stat(path))
        except (FileNotFoundError, NotADirectoryError):
            self.absent.add(os.fsencode(path))
            return None
        except (OSError, ValueError) as error:
            # Without the path, which the environment may have given.
            self.distrust(f"a place can't be looked at: {getattr(error, 'strerror', None) or 'its path is none'}")
            return None
        self.places.setdefault(os.fsencode(path), row)
        return row

    def distrust(self, reason: str) -> None:
        """Nothing that was seen proves anything, for this reason."""
        self.untrusted[reason] = None


def run(command: Sequence[str], *, cwd: str, environ: Mapping[str, str]) -> Answer:
    """The answer of a program that has no input and 20 seconds."""
    import subprocess  # noqa: PLC0415 - most lookups start none

    try:
        done = subprocess.run(  # noqa: S603 - a tool of the build, or a command that pyproject.toml gives
            command,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return Answer(status=None, failure=f"no answer in {_PATIENCE} seconds")
    except (OSError, ValueError) as error:
        return Answer(status=None, failure=getattr(error, "strerror", None) or "it can't be started")
    return Answer(status=done.returncode, output=done.stdout)


@dataclass(frozen=True, kw_only=True, slots=True)
class NinjaRecords:
    """What ninja knows of the folder that it works in; all paths are real ones."""

    opened: Mapping[bytes, set[bytes]]
    """What was opened for an output, as its compiler has said."""
    outputs: frozenset[bytes]
    """All that it makes there, but for what tells itself what to make."""


def ask_ninja(ninja: str, folder: str, place: str) -> NinjaRecords | None:
    """What it goes by the next time; None where it does not say all of that.

    `folder` is where it has worked, and `place` where that lies now.
    """
    start = os.path.realpath(os.fsencode(folder))
    targets, deps = [run([ninja, "-t", *words], cwd=place, environ={}) for words in (("targets", "all"), ("deps",))]
    if targets.status != 0 or deps.status != 0:
        return None
    rules = dict(line.rpartition(b": ")[::2] for line in targets.output.splitlines())
    known = {b"phony", rules.get(b"build.ninja", b"phony")}
    outputs = {os.path.normpath(os.path.join(start, name)) for name, rule in rules.items() if rule not in known}
    return NinjaRecords(opened=_opened(deps.output.splitlines(), start), outputs=frozenset(outputs))


def _opened(lines: Iterable[bytes], start: bytes) -> dict[bytes, set[bytes]]:
    opened: dict[bytes, set[bytes]] = {}
    real: dict[bytes, bytes] = {}
    files = set[bytes]()
    for line in lines:
        if line.startswith(b"    "):
            path = line[4:]
            if path not in real:
                real[path] = os.path.realpath(os.path.join(start, path))
            files.add(real[path])
        elif line:
            files = opened[os.path.normpath(os.path.join(start, line.rpartition(b": #deps ")[0]))] = set()
    return opened


def which(name: str, folders: Sequence[str], lookout: Lookout, *, cwd: str, environ: Mapping[str, str]) -> str | None:
    """The path of a program, None where there is none; all places that were asked for it are looked at.

    A name with a folder is a path, relative to `cwd`, as entries of PATH may be.
    """
    for folder in [""] if os.path.dirname(name) else folders:
        for ending in _endings(name, environ):
            path = os.path.normpath(os.path.join(cwd, folder, name + ending))
            if lookout.look(path) is not None and os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    return None


def _endings(name: str, environ: Mapping[str, str]) -> Sequence[str]:
    if os.name != "nt":
        return ("",)
    endings = [ending.lower() for ending in environ.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";") if ending]
    return ("",) if os.path.splitext(name)[1].lower() in endings else endings


def git_decides_version(
    backend: Backend, pyproject: Mapping[str, Any], requires: Iterable[str], recipes: Iterable[bytes]
) -> bool:
    """Whether a build may ask version control for the version of the project.

    It may if a requirement is a tool that asks, or one of the `recipes` does, which are the files that tell how to
    build; and unless the version is known to be read from a file.
    """
    texts = b"\n".join(recipes)
    if any(map(_VERSIONERS.search, requirements.names(requires))) or _ASKS_GIT.search(texts):
        return True
    if backend.name == "maturin":  # Cargo.toml
        return False
    is_read = all(at(pyproject, key) in readers for key, readers in _READERS.items())
    return not (is_read and at(pyproject, backend.version_key))


def ask_git(
    tree: str, environ: Mapping[str, str], folders: Sequence[str], run: Run, *, everything: bool = False
) -> dict[str, str | None] | None:
    """All that git can be asked about a repository; None where there is one of which that can't be known.

    That are HEAD, the branch, the tags, whether the history is cut off, the index, and the state of the tree; with
    `everything` all other branches and references, too. Nothing where there is no repository: then what a build wants
    to know comes from a file, which is an input.
    """
    kept, folder = _kept(tree)
    if not kept:
        return {}
    program = which("git", folders, Lookout(), cwd=tree, environ=environ) if kept == ".git" else None
    if program is None:
        return None
    try:
        return _Git(program, folder, environ, run).facts(everything=everything)
    except _SilentError:
        return None


class _SilentError(Exception):
    """Git gives no answer, or one that can't be followed."""


class _Git:
    """One repository, or submodule, and git, which is asked about it."""

    def __init__(
        self, program: str, folder: str, environ: Mapping[str, str], run: Run, *, above: tuple[str, ...] = ()
    ) -> None:
        """`above` are the folders of the repositories that it is a submodule of."""
        self._program = program
        self._folder = folder
        self._above = (*above, os.path.realpath(folder))
        self._environ = {**environ, **_VARIABLES}
        self._run = run

    def facts(self, *, everything: bool = False) -> dict[str, str | None]:
        """All of it, by name."""
        index = self._ask("ls-files", "-s", "-z")
        head, branch, changed = self._status()
        named = ["for-each-ref", "--format=%(refname) %(objectname) %(*objectname)"]
        named += [] if everything else ["refs/tags", "refs/replace"]
        shallow = os.fsdecode(self._ask("rev-parse", "--git-path", "shallow").rstrip(b"\n"))
        state = [*self._contents(changed), *self._submodules(index, everything=everything)]
        return {
            "head": head,
            "branch": branch,
            "tags": hashlib.sha256(self._ask(*named)).hexdigest(),
            "shallow": _content(os.path.join(self._folder, shallow)),
            "index": hashlib.sha256(index).hexdigest(),
            "state": hashlib.sha256(b"\0".join(state)).hexdigest() if state else "clean",
        }

    def _ask(self, *words: str, fine: Sequence[int] = (0,)) -> bytes:
        answer = self._run([self._program, *_QUIET, *words], cwd=self._folder, environ=self._environ)
        if answer.status not in fine:
            raise _SilentError
        return answer.output

    def _unfiltered(self) -> Iterator[str]:
        """The words by which git runs no filter of the configuration: some are of the repository's own."""
        keys = self._ask("config", "-z", "--name-only", "--get-regexp", r"^filter\.", fine=(0, 1)).split(b"\0")
        for name in sorted({os.fsdecode(key).rpartition(".")[0] for key in keys if key}):
            if "=" in name:
                raise _SilentError
            for setting in ("clean=", "smudge=", "process=", "required=false"):
                yield from ("-c", f"{name}.{setting}")

    def _status(self) -> tuple[str, str, list[bytes]]:
        """The commit, the branch, and an entry for each file that is not as the commit has it."""
        entries = self._ask(*self._unfiltered(), *_STATUS, "--no-renames").split(b"\0")
        heads = [entry for entry in entries if entry.startswith((b"# branch.oid", b"# branch.head"))]
        about = dict(entry.split(b" ", 2)[1:] for entry in heads)
        said = [about.get(name, b"").decode("utf-8", "replace") for name in (b"branch.oid", b"branch.head")]
        return said[0], said[1], [entry for entry in entries if entry and not entry.startswith(b"# ")]

    def _contents(self, changed: Iterable[bytes]) -> Iterator[bytes]:
        """The entries, and what is in those files of them that git tracks."""
        for entry in changed:
            yield entry
            spaces = {b"1": 8, b"u": 10}.get(entry[:1])
            if spaces is not None:
                path = entry.split(b" ", spaces)[-1]
                yield os.fsencode(_content(os.path.join(self._folder, os.fsdecode(path))) or "")

    def _submodules(self, index: bytes, *, everything: bool) -> Iterator[bytes]:
        """The facts of each submodule that is there: git itself would ask them with filters of their own."""
        environ = {name: value for name, value in self._environ.items() if name not in _OF_ONE}
        for entry in index.split(b"\0"):
            path = entry.partition(b"\t")[2]
            folder = os.path.join(self._folder, os.fsdecode(path))
            if entry.startswith(_SUBMODULE) and os.path.lexists(os.path.join(folder, ".git")):
                if os.path.realpath(folder) in self._above:
                    raise _SilentError
                submodule = _Git(self._program, folder, environ, self._run, above=self._above)
                yield path + b" " + repr(sorted(submodule.facts(everything=everything).items())).encode()


def _content(path: str) -> str | None:
    """A digest of the file at a path, or the text of a link; None: nothing, or a folder. Raises _SilentError."""
    try:
        if os.path.islink(path):
            return os.readlink(path)
        seen = None if os.path.isdir(path) else rows.read(os.fsencode(path), follow=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, rows.RestlessError) as error:
        raise _SilentError from error
    return None if seen is None else seen[1].hex()


def _kept(tree: str) -> tuple[str, str]:
    """What version control keeps for the tree, in it or above, and the folder that it is in."""
    folder = os.path.realpath(tree)
    while True:
        for name in (".git", *_OTHERS):
            if os.path.lexists(os.path.join(folder, name)):
                return name, folder
        above = os.path.dirname(folder)
        if above == folder:
            return "", ""
        folder = above
