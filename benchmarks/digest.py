"""What a source digest costs: nothing changed, one file changed, nothing known; against what the system itself needs.

    python benchmarks/digest.py [--sizes 1000,10000] [--rounds N] [--json]

Each size is planted twice, with junk beside the sources: a project of a backend that nothing is known of, and a Rust
workspace. All that is compared runs in one process, in turns and in a new order each round, with everything in the
page cache; a figure is the median of the ratios of the rounds. It ends with 1 where a budget is not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freshwheel.base import frame, rows
from freshwheel.build.context import Call, Context
from freshwheel.memory import memory, replay

BUDGETS = {
    "unchanged / lstat": 1.25,
    "unchanged / git status": 0.8,
    "edited / unchanged": 1.25,
    "cold / xxh128sum": 0.8,
    "us per file": 3.5,
    "memory file, bytes per input": 100.0,
    "process, bytes per file": 150.0,
    "import, ms": 2.5,
}
FROM = {"process, bytes per file": 100_000, "us per file": 100_000}
"""Files, below which a budget says nothing: the fixed cost counts."""
SMALL = 400
"""Files of the tree on which a whole process is measured."""
JUNK = {"target": 5000, ".venv": 2000, "node_modules": 6000}
SIGNS = {
    "target/CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n",
    ".venv/pyvenv.cfg": "home = /usr/bin\nversion = 3.11.2\n",
    "node_modules/.package-lock.json": '{"lockfileVersion": 3}\n',
}
CRATES = 12
DEEPEST = 3
"""Folders below that of the package; a path has 49 to 66 bytes then, the more files the more."""
WORDS = (
    *("adapter", "aggregate", "backend", "buffer", "catalog", "channel", "compile", "context", "convert", "cursor"),
    *("decode", "dispatch", "encode", "engine", "execute", "expression", "filter", "format", "function", "handler"),
    *("index", "interpolate", "iterator", "kernel", "layout", "literal", "manifest", "metadata", "object", "optimizer"),
    *(
        "parser",
        "partition",
        "pipeline",
        "predicate",
        "projection",
        "protocol",
        "query",
        "reader",
        "registry",
        "schema",
    ),
)
PYPROJECT = """\
[build-system]
requires = ["freshwheel", "{backend}"]
build-backend = "freshwheel"

[project]
name = "bench"
dynamic = ["version"]

[tool.freshwheel]
backend = "{backend}"
"""
CRATE = """\
[package]
name = "{name}"
version = "1.0.0"
edition = "2021"

[dependencies]
{dependencies}
"""
FIND = r"find {roots} \( {names} \) -prune -o -type f -print0 | xargs -0 xxh128sum > /dev/null 2>&1"


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One tree, and what it consists of."""

    kind: str
    tree: str
    top: str
    """What holds the tree and all that it is made from."""
    roots: tuple[str, ...]
    """These, as `find` is told."""
    files: int


def main(arguments: Sequence[str]) -> int:
    """0 if every figure keeps to its budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000", help="numbers of files, with commas between")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found = []
    for size in [SMALL, *map(int, options.sizes.split(","))]:
        for plant in (any_project, rust_project):
            with tempfile.TemporaryDirectory(prefix="freshwheel-benchmark-") as folder:
                planted = plant(folder, size)
                cache = os.path.join(folder, "cache")
                if size != SMALL:
                    found.append(measured(planted, cache, options.rounds))
                elif planted.kind == "any":
                    found.append(processes(planted, cache, options.rounds))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for row in found:
            print("".join(f"{name:32}{value:>14}\n" for name, value in shown(row)))
    over = [f"{row['tree']}: {name}" for row in found for name in row if not keeps(row, name)]
    print("".join(f"over budget: {one}\n" for one in over), end="", file=sys.stderr)
    return int(bool(over))


def keeps(row: Mapping[str, Any], name: str) -> bool:
    """Whether a figure keeps to its budget, if it has one."""
    return name not in BUDGETS or row["files"] < FROM.get(name, 0) or row[name] <= BUDGETS[name]


def shown(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The figures as a person reads them."""
    return [(name, f"{value:,.2f}" if isinstance(value, float) else str(value)) for name, value in row.items()]


def any_project(folder: str, size: int) -> Planted:
    """A project whose whole directory is made into a wheel."""
    dice = random.Random(size)  # noqa: S311 - noise, not a secret
    tree = os.path.join(folder, "project")
    sources(dice, os.path.join(tree, "src", "analytics"), size - 1, ".py")
    junk(tree)
    write(os.path.join(tree, "pyproject.toml"), PYPROJECT.format(backend="somebackend"))
    return Planted(kind="any", tree=tree, top=tree, roots=(".",), files=size)


def rust_project(folder: str, size: int) -> Planted:
    """A Python package of maturin beside a dozen crates that it is built with, in one repository of git."""
    dice = random.Random(size)  # noqa: S311 - noise, not a secret
    top = os.path.join(folder, "workspace")
    tree = os.path.join(top, "bindings")
    names = [f"analytics-{WORDS[number]}" for number in range(CRATES)]
    members = ", ".join(f'"crates/{name}"' for name in names)
    write(os.path.join(top, "Cargo.toml"), f'[workspace]\nresolver = "2"\nmembers = ["bindings", {members}]\n')
    write(os.path.join(top, "Cargo.lock"), "version = 3\n")
    write(os.path.join(top, ".gitignore"), "".join(f"{name}/\n" for name in (*JUNK, "__pycache__")))
    rest = size - CRATES - 4
    for number, name in enumerate(names):
        crate = os.path.join(top, "crates", name)
        needed = f'{names[number + 1]} = {{ path = "../{names[number + 1]}" }}' if number + 1 < CRATES else ""
        write(os.path.join(crate, "Cargo.toml"), CRATE.format(name=name, dependencies=needed))
        sources(dice, os.path.join(crate, "src"), rest // (CRATES + 1), ".rs")
    needed = f'{names[0]} = {{ path = "../crates/{names[0]}" }}'
    write(os.path.join(tree, "Cargo.toml"), CRATE.format(name="bindings", dependencies=needed))
    write(os.path.join(tree, "src", "lib.rs"), "// nothing\n")
    sources(dice, os.path.join(tree, "python", "bindings"), rest - CRATES * (rest // (CRATES + 1)), ".py")
    write(
        os.path.join(tree, "pyproject.toml"),
        PYPROJECT.format(backend="maturin") + '\n[tool.maturin]\npython-source = "python"\n',
    )
    junk(top)
    if shutil.which("git"):
        settle()  # else git could not tell later edits of these files by their times
        git(top, "init", "-q")
        git(top, "add", "-A")
        git(top, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "x")
        git(top, "status")
    return Planted(
        kind="rust", tree=tree, top=top, roots=(".", "../crates", "../Cargo.toml", "../Cargo.lock"), files=size
    )


def sources(dice: random.Random, folder: str, count: int, ending: str) -> None:
    """So many files of a few kilobytes, in nested folders of about ten, some with bytecode beside them."""
    folders = [folder]
    while len(folders) < count // 10:
        parent = dice.choice(folders)
        if parent.count(os.sep) - folder.count(os.sep) < DEEPEST:
            folders.append(os.path.join(parent, f"{dice.choice(WORDS)[:6]}{len(folders):x}"))
    noise = dice.randbytes(1 << 17)
    for number in range(count):
        home = folders[number % len(folders)]
        name = f"{dice.choice(WORDS)}_{number:x}"
        size = min(int(dice.lognormvariate(8.7, 1)), 1 << 16)
        start = dice.randrange(1 << 16)
        write(os.path.join(home, name + ending), noise[start : start + size])
        if ending == ".py" and number % 5 == 0:
            write(os.path.join(home, "__pycache__", f"{name}.cpython-311.pyc"), noise[:100])


def junk(folder: str) -> None:
    """What tools leave in a tree, with the evidence that it is theirs."""
    for name, count in JUNK.items():
        for number in range(count):
            write(os.path.join(folder, name, f"part{number % 97}", f"file{number}"), b"junk")
    for name, text in SIGNS.items():
        write(os.path.join(folder, name), text)


def write(path: str, data: bytes | str) -> None:
    """A file, and the folders above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


class Bench:
    """One tree, and what can be done with it."""

    def __init__(self, planted: Planted, cache: str) -> None:
        self.planted = planted
        self.cache = cache
        self.environ = {"FRESHWHEEL_CACHE_DIR": cache, "PATH": os.environ["PATH"], "HOME": cache}
        self.call = Call(tree=planted.tree, environ=self.environ, hook="build_wheel", settings=None, say=print)
        self.place = memory.place(cache, memory.real(planted.tree))
        self.digest = self.full()
        known = memory.load(cache, memory.real(planted.tree))
        assert known is not None
        assert not known.seal.count(rows.UNSEALED)
        self.known = known
        self.paths = [
            *memory.split(known.inputs),
            *[
                path
                for path in memory.split(known.places)
                if os.path.isdir(os.path.join(os.fsencode(planted.tree), path))
            ],
        ]

    def full(self) -> str:
        """The digest, by the full road."""
        return Context.of(self.call).snapshot().digest

    def again(self) -> str:
        """The digest, as the hook has it."""
        found = replay.source_digest(replay.Call(self.planted.tree, self.environ, None))
        return self.full() if found is None else found

    def jobs(self) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
        """Name -> what is done before, and what is measured."""
        nothing = lambda: None  # noqa: E731
        before = {"unchanged": self.known, "edited": edited(self.known)}
        jobs = {
            name: (lambda known=known: memory.save(self.cache, known), self.again) for name, known in before.items()
        }
        jobs["lstat"] = nothing, lambda: deque(map(os.lstat, self.paths), 0)
        jobs["cold"] = lambda: shutil.rmtree(self.cache), self.full
        if shutil.which("xxh128sum"):
            names = " -o ".join(f"-name {name}" for name in (*JUNK, "__pycache__", ".git"))
            command = FIND.format(roots=" ".join(self.planted.roots), names=names)
            jobs["xxh128sum"] = nothing, lambda: subprocess.run(["sh", "-c", command], check=True)
        if self.planted.kind == "rust" and shutil.which("git"):
            jobs["git status"] = nothing, lambda: git(self.planted.top, "status", "--porcelain")
        return jobs


def measured(planted: Planted, cache: str, rounds: int) -> dict[str, Any]:
    """All figures of one tree; the first round only warms up."""
    settle()
    here = os.getcwd()
    os.chdir(planted.tree)  # where a frontend calls hooks
    try:
        bench = Bench(planted, cache)
        jobs = bench.jobs()
        taken: dict[str, list[float]] = {name: [] for name in jobs}
        order = list(jobs)
        for number in range(rounds + 1):
            random.shuffle(order)
            for name in order:
                before, job = jobs[name]
                before()
                begun = time.perf_counter()
                answer = job()
                seconds = time.perf_counter() - begun
                assert not isinstance(answer, str) or answer == bench.digest, name
                if number:
                    taken[name].append(seconds)
        memory.save(cache, bench.known)
        size = os.path.getsize(bench.place)
        process = heights(planted, bench.environ)
    finally:
        os.chdir(here)
    return figures(planted, taken, inputs=len(bench.known.stamps) // 8, size=size) | {
        "process, bytes per file": process / planted.files
    }


def figures(planted: Planted, taken: Mapping[str, Sequence[float]], *, inputs: int, size: int) -> dict[str, Any]:
    """The ratios of one tree, and the milliseconds that they are made from."""
    pairs = [name.split(" / ") for name in BUDGETS if " / " in name]
    return {
        "tree": f"{planted.kind}, {planted.files}",
        "files": planted.files,
        **{f"{name}, ms": statistics.median(times) * 1e3 for name, times in taken.items()},
        **{
            f"{one} / {other}": statistics.median(a / b for a, b in zip(taken[one], taken[other], strict=True))
            for one, other in pairs
            if one in taken and other in taken
        },
        "us per file": statistics.median(taken["unchanged"]) * 1e6 / planted.files,
        "memory file, bytes per input": size / inputs,
    }


def edited(known: memory.Memory) -> memory.Memory:
    """The memory before one file got the content that it has."""
    middle = ordinary(known)
    column, stamps = bytearray(known.column), bytearray(known.stamps)
    column[17 * middle + 1 : 17 * middle + 17] = bytes(16)
    stamps[8 * middle : 8 * middle + 8] = b"\1" * 8
    seal, block, first = bytearray(known.seal), 0, 0
    for paths in frame.blocks(known.inputs):
        first += len(paths)
        block += 1
        if first > middle:
            break
    seal[16 * block : 16 * block + 16] = b"\1" * 16
    return known.but(column=bytes(column), stamps=bytes(stamps), digest=bytes(16), seal=bytes(seal))


def ordinary(known: memory.Memory) -> int:
    """The number of an input in the middle that is no manifest."""
    names = memory.split(known.inputs)
    return next(number for number in range(len(names) // 2, len(names)) if names[number].endswith((b".rs", b".py")))


def git(folder: str, *arguments: str) -> None:
    """Runs git without the settings of this machine."""
    environ = {"PATH": os.environ["PATH"], "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(
        ["git", "-c", "gc.auto=0", *arguments], cwd=folder, env=environ, check=True, stdout=subprocess.DEVNULL
    )


def settle() -> None:
    """Waits until what was written can be told from what will be."""
    time.sleep(2.5)


def processes(planted: Planted, cache: str, rounds: int) -> dict[str, Any]:
    """What whole processes take: an empty one, one that imports the backend, one that has the digest replayed."""
    settle()
    environ = Bench(planted, cache).environ
    programs = {
        "pass": "pass",
        "import": "import freshwheel",
        "get_source_digest": "import freshwheel; freshwheel.get_source_digest()",
    }
    taken: dict[str, list[float]] = {name: [] for name in programs}
    order = list(programs)
    for number in range(4 * rounds + 1):
        random.shuffle(order)
        for name in order:
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", programs[name]], cwd=planted.tree, env=environ, check=True)
            if number:
                taken[name].append(time.perf_counter() - begun)
    found = {name: statistics.median(times) * 1e3 for name, times in taken.items()}
    return {
        "tree": f"{planted.kind}, {planted.files}, whole processes",
        "files": planted.files,
        **{f"{name}, process ms": value for name, value in found.items()},
        "import, ms": found["import"] - found["pass"],
        "get_source_digest, ms": found["get_source_digest"] - found["pass"],
    }


def heights(planted: Planted, environ: Mapping[str, str]) -> float:
    """Bytes of memory that a process needs to have the digest replayed, beyond its imports."""
    if not os.path.exists("/proc/self/status"):
        return 0.0  # elsewhere a process is said to have needed what its parent had
    program = "import freshwheel\nfrom freshwheel.memory import replay\n{}\nprint(open('/proc/self/status').read())"
    found = []
    for work in ("pass", "freshwheel.get_source_digest()"):
        command = [sys.executable, "-c", program.format(work)]
        done = subprocess.run(command, cwd=planted.tree, env=dict(environ), check=True, capture_output=True, text=True)
        found.append(int(done.stdout.partition("VmHWM:")[2].split()[0]))
    return (found[1] - found[0]) * 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
