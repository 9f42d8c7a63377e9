"""Whether freshwheel is in the way: situations of working days, each without it and with it, in turns.

    python benchmarks/in_the_way.py [--rounds N] [--ballast N] [SITUATION ...]

Each project is made anew for each round, in a folder of its own, with a cache directory of freshwheel of its own, and
uv installs it with isolated builds, step by step. `--ballast` says how many C++ files a project without Rust has, at 5
seconds of a processor each; with the default a first build takes 10 seconds and more.

Prints the medians of all rounds, and ends with 1 where a step of 10 seconds and more takes LIMIT times as long with
freshwheel as without, or a shorter one SLACK seconds longer. Cargo must have the crates of PyO3, or a network.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import statistics
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from workshop import FailedError, Workshop

LIMIT = 1.15
LONG = 10.0
SLACK = 1.5
BUSY = "without, processor s | with | ratio"
DATA = 50_000
"""Files of data, and files that git ignores."""
MODULES = 600
LARGE = 120 << 20
"""Bytes that no archive makes smaller."""
BALLAST = """
#include <regex>
#include <string>
bool match{number}(const char* text) {{
  std::wregex wide(L"x+y");
  std::regex plain("a(b|c)*d{number}");
  std::smatch found;
  std::string one(text);
  return std::regex_search(one, found, plain) && std::regex_match(L"xxy", wide);
}}
"""
MODULE = """
#include <Python.h>
static struct PyModuleDef def = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, NULL}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&def); }}
"""
CRATE = """
[package]
name = "{name}"
version = "1.0.0"
edition = "2021"
"""
BINDING = """
[lib]
crate-type = ["cdylib"]

[dependencies]
pyo3 = "0.26"
{more}
"""
PYO3 = """
#[pyo3::pymodule]
mod {name} {{
    #[pyo3::pyfunction]
    fn word() -> u64 {{ {word} }}
}}
"""
CMAKE = """
cmake_minimum_required(VERSION 3.18)
project(demo LANGUAGES C CXX)
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
file(GLOB sources CONFIGURE_DEPENDS native/*.cpp)
Python_add_library(_x MODULE WITH_SOABI native/x.c ${sources})
install(TARGETS _x DESTINATION demo)
"""
SLOW = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static void wait_for(const char* path) { if (path && strstr(path, "/far/")) usleep(200); }
int stat(const char* path, struct stat* out) {
  static int (*next)(const char*, struct stat*);
  if (!next) next = dlsym(RTLD_NEXT, "stat");
  wait_for(path); return next(path, out);
}
int lstat(const char* path, struct stat* out) {
  static int (*next)(const char*, struct stat*);
  if (!next) next = dlsym(RTLD_NEXT, "lstat");
  wait_for(path); return next(path, out);
}
int fstatat(int folder, const char* path, struct stat* out, int flags) {
  static int (*next)(int, const char*, struct stat*, int);
  if (!next) next = dlsym(RTLD_NEXT, "fstatat");
  wait_for(path); return next(folder, path, out, flags);
}
"""
"""Each look at a path in a folder `far` takes as long as on a network file system."""


@dataclass(kw_only=True)
class Site:
    """A place where one project is built, with freshwheel or without."""

    workshop: Workshop
    tree: str
    python: str
    command: str
    """The interpreter that has the command line of freshwheel."""
    wrapped: bool
    ballast: int
    environ: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    """What the installer is run by."""

    def write(self, path: str, text: str | bytes) -> None:
        """One file."""
        place = os.path.join(self.tree, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(text if isinstance(text, bytes) else textwrap.dedent(text).lstrip("\n").encode())

    def pyproject(
        self, backend: str, requires: Sequence[str], *, name: str = "demo", folder: str = "", more: str = ""
    ) -> None:
        """The `pyproject.toml`, as its authors would write it."""
        text = f"[build-system]\nrequires = {list(requires)}\nbuild-backend = '{backend}'\n"
        if self.wrapped:
            text = "[build-system]\nrequires = ['freshwheel']\nbuild-backend = 'freshwheel'\n"
            text += f"[tool.freshwheel]\nbackend = '{backend}'\nrequires = {list(requires)}\n"
            text += "" if backend == "maturin" else "version = '1.0'\n"
        version = "dynamic = ['version']" if self.wrapped or backend == "maturin" else "version = '1.0'"
        self.write(os.path.join(folder, "pyproject.toml"), f"{text}[project]\nname = '{name}'\n{version}\n{more}")

    def compiled(self, *, data: str = "") -> None:
        """A project of setuptools with one extension module, and `data` in its package."""
        sources = [f"native/r{number}.cpp" for number in range(self.ballast)]
        for number, path in enumerate(sources):
            self.write(path, BALLAST.format(number=number))
        self.write("native/x.c", MODULE.format(name="_x"))
        self.write("demo/__init__.py", "")
        packing = f"package_data={{'demo': ['{data}']}}, " if data else ""
        extension = f"Extension('demo._x', {['native/x.c', *sources]})"
        self.write(
            "setup.py",
            f"from setuptools import Extension, setup\nsetup(packages=['demo'], {packing}ext_modules=[{extension}])\n",
        )
        self.pyproject("setuptools.build_meta", ["setuptools>=77"])

    def crate(self, folder: str = "", *, name: str = "demo", more: str = "") -> None:
        """A project of maturin."""
        self.write(os.path.join(folder, "Cargo.toml"), CRATE.format(name=name) + BINDING.format(more=more))
        self.word(folder, name=name, word="1")
        self.pyproject("maturin", ["maturin>=1.9,<2"], name=name, folder=folder)

    def word(self, folder: str, *, name: str, word: str) -> None:
        """The one source of a project of maturin."""
        self.write(os.path.join(folder, "src/lib.rs"), PYO3.format(name=name, word=word))

    def run(self, *command: str, cwd: str | None = None) -> None:
        """A program. Raises FailedError where it fails."""
        self.workshop.run(*command, cwd=cwd or self.tree, more=self.environ)

    def install(self, *folders: str, editable: bool = False) -> None:
        """Projects, as a person installs them."""
        for folder in folders or ("",):
            path = os.path.join(self.tree, folder)
            words = ["--editable", path] if editable else [path]
            self.run(*self.prefix, *self.workshop.installer("uv", self.python), *words)


_Took = tuple[float, float]
"""Seconds, and seconds of processors."""
Steps = Iterator[tuple[str, Callable[[], None]]]


def cargo(site: Site) -> Steps:
    """One crate over PyO3 and another one, and an edit."""
    site.crate(more='regex = "1"')
    yield "first", site.install
    site.word("", name="demo", word="2")
    yield "edit", site.install


def workspace(site: Site) -> Steps:
    """Two projects that share crates in one workspace."""
    site.write("Cargo.toml", '[workspace]\nmembers = ["one", "two", "core"]\nresolver = "2"\n')
    site.write("core/Cargo.toml", CRATE.format(name="core-of-both") + '[dependencies]\nregex = "1"\n')
    site.write("core/src/lib.rs", "pub fn seven() -> u64 { 7 }\n")
    for name in ("one", "two"):
        site.crate(name, name=name, more='core-of-both = { path = "../core" }')
    yield "first, both", lambda: site.install("one", "two")
    site.word("one", name="one", word="core_of_both::seven()")
    yield "edit of one, both", lambda: site.install("one", "two")


def link_to_data(site: Site) -> Steps:
    """A symbolic link to a folder with many files of data."""
    place = f"{site.tree}-data"
    _many(place, DATA)
    site.compiled()
    os.symlink(place, os.path.join(site.tree, "data"))
    yield "first", site.install
    site.write("native/x.c", MODULE.format(name="_x") + "/* edited */\n")
    yield "edit", site.install


def large_wheel(site: Site) -> Steps:
    """A wheel of more than 100 MB."""
    site.compiled(data="*.bin")
    site.write("demo/large.bin", random.Random(7).randbytes(LARGE))  # noqa: S311 - no secret
    yield "first", site.install
    site.write("demo/__init__.py", "edited = True\n")
    yield "edit", site.install


def unreadable(site: Site) -> Steps:
    """A folder that nobody who builds may read, such as the data of a database."""
    site.compiled()
    secret = os.path.join(site.tree, "database")
    os.mkdir(secret, 0o700)
    if os.geteuid() == 0:
        os.chown(secret, 12345, 12345)
        site.prefix = ("unshare", "--user", "--map-root-user")  # where this root has no say
    else:
        os.chmod(secret, 0)
    yield "first", site.install
    yield "again", site.install


def many_modules(site: Site) -> Steps:
    """A package with many modules, and the verbs that read all of them."""
    site.compiled()
    for number in range(MODULES):
        body = "\n\n".join(f"def f{one}(x):\n    return [y for y in range(x) if y % {one + 1}]" for one in range(30))
        site.write(f"demo/m{number}.py", f"{body}\n")
    yield "first", site.install
    site.write("demo/m7.py", "edited = True\n")
    yield "edit", site.install
    if site.wrapped:
        yield "freshwheel init", lambda: site.run(site.command, "-m", "freshwheel", "init", site.tree)
        yield "freshwheel uv", lambda: site.run(site.command, "-m", "freshwheel", "uv", site.tree)


def editable(site: Site) -> Steps:
    """An editable of a C++ project, and an edit of a module, which needs no compiler."""
    site.compiled()
    yield "first", lambda: site.install(editable=True)
    yield "again", lambda: site.install(editable=True)
    site.write("demo/__init__.py", "edited = True\n")
    yield "edit of Python", lambda: site.install(editable=True)


def kept_folder(site: Site) -> Steps:
    """CMake in a build folder that is kept, where an edit compiles one file."""
    site.compiled()
    os.unlink(os.path.join(site.tree, "setup.py"))
    site.write("CMakeLists.txt", CMAKE)
    more = "[tool.scikit-build]\nbuild-dir = 'build/{wheel_tag}'\nwheel.packages = ['demo']\n"
    site.pyproject("scikit_build_core.build", ["scikit-build-core>=0.11", "ninja"], more=more)
    if site.wrapped:  # this backend can't be told the version
        path = os.path.join(site.tree, "pyproject.toml")
        with open(path, encoding="utf-8") as file:
            text = file.read().replace("version = '1.0'\n", "").replace("dynamic = ['version']", "version = '1.0'")
        site.write("pyproject.toml", text)
    yield "first", site.install
    site.write("native/x.c", MODULE.format(name="_x") + "/* edited */\n")
    yield "edit of one file", site.install


def ignored(site: Site) -> Steps:
    """Many files that git ignores, in the project."""
    site.compiled()
    site.write(".gitignore", "scratch\n")
    _many(os.path.join(site.tree, "scratch"), DATA)
    site.run("git", "init", "--quiet")
    yield "first", site.install
    site.write("native/x.c", MODULE.format(name="_x") + "/* edited */\n")
    yield "edit", site.install


def big_git(site: Site) -> Steps:
    """A repository with many commits, tags and branches, and a version from it."""
    site.compiled()
    site.pyproject("setuptools.build_meta", ["setuptools>=77", "setuptools-scm>=8"], more="[tool.setuptools_scm]\n")
    path = os.path.join(site.tree, "pyproject.toml")
    with open(path, encoding="utf-8") as file:
        text = file.read().replace("version = '1.0'\n[project]", "[project]")
    site.write("pyproject.toml", text.replace("\nversion = '1.0'\n", "\ndynamic = ['version']\n"))
    _history(site)
    yield "first", site.install
    site.write("native/x.c", MODULE.format(name="_x") + "/* edited */\n")
    yield "edit", site.install


def far_away(site: Site) -> Steps:
    """A file system on which each look takes its time."""
    site.write("slow.c", SLOW)
    library = f"{site.tree}-slow.so"
    site.run("cc", "-shared", "-fPIC", "-O2", "-o", library, os.path.join(site.tree, "slow.c"), "-ldl")
    site.tree = os.path.join(site.tree, "far", "demo")
    site.compiled()
    for number in range(2000):
        site.write(f"demo/data/{number % 50}/{number}.txt", str(number))
    site.environ["LD_PRELOAD"] = library
    yield "first", site.install
    yield "again", site.install


SITUATIONS: Mapping[str, Callable[[Site], Steps]] = {
    one.__name__: one
    for one in (
        *(cargo, workspace, link_to_data, large_wheel, unreadable, many_modules),
        *(editable, kept_folder, ignored, big_git, far_away),
    )
}


def main(arguments: Sequence[str]) -> int:
    """0 if freshwheel is in the way nowhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("situations", nargs="*", metavar="SITUATION", help=f"of {', '.join(SITUATIONS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ballast", type=int, default=3)
    options = parser.parse_args(arguments)
    if set(options.situations) - SITUATIONS.keys():
        parser.error(f"the situations are {', '.join(SITUATIONS)}")
    print(f"| situation | step | without, s | with freshwheel, s | ratio | {BUSY} |\n{'|---' * 8}|", flush=True)
    with tempfile.TemporaryDirectory(prefix="freshwheel-in-the-way-", ignore_cleanup_errors=True) as scratch:
        bench = Bench(os.path.realpath(scratch), options.ballast)
        slow = sum(bench.tried(name, options.rounds) for name in options.situations or SITUATIONS)
    return 1 if slow else 0


class Bench:
    """The rounds, one after the other."""

    def __init__(self, scratch: str, ballast: int) -> None:
        self.workshop = Workshop(scratch)
        self.ballast = ballast
        self.command = self.workshop.venv("command", self.workshop.freshwheel.replace("==", "[cli]=="))

    def tried(self, name: str, rounds: int) -> int:
        """How many steps of a situation are too slow, or can't be taken."""
        try:
            return self.compared(name, rounds)
        except FailedError as error:
            print(f"{name} failed: {str(error)[-2000:]}", file=sys.stderr, flush=True)
            return 1

    def compared(self, name: str, rounds: int) -> int:
        """How many steps of a situation are too slow; prints a row for each."""
        columns: dict[str, tuple[list[_Took], list[_Took]]] = {}
        for count in range(rounds):
            for wrapped in (False, True) if count % 2 else (True, False):
                for step, took in self.measured(name, count, wrapped=wrapped):
                    columns.setdefault(step, ([], []))[wrapped].append(took)
        slow = 0
        for step, pair in columns.items():
            (plain, plainly), (ours, busily) = (_median(one) for one in pair)
            over = bool(plain) and (ours > plain * LIMIT if plain >= LONG else ours > plain + SLACK)
            ratio, busy = (f"{ours / plain:.2f}", f"{busily / plainly:.2f}") if plain else ("", "")
            cells = [name, step, f"{plain:.2f}", f"{ours:.2f}", f"**{ratio}**" if over else ratio]
            print(f"| {' | '.join([*cells, f'{plainly:.2f}', f'{busily:.2f}', busy])} |", flush=True)
            slow += over
        return slow

    def measured(self, name: str, count: int, *, wrapped: bool) -> list[tuple[str, _Took]]:
        """Steps and their seconds, with freshwheel or without."""
        title = f"{name}-{count}-{'with' if wrapped else 'without'}"
        place = self.workshop.folder(title)
        tree = os.path.join(place, "demo")
        os.mkdir(tree)
        site = Site(
            workshop=self.workshop,
            tree=tree,
            python=self.workshop.venv(f"{title}-venv"),
            command=self.command,
            wrapped=wrapped,
            ballast=self.ballast,
            environ={"FRESHWHEEL_CACHE_DIR": os.path.join(place, "cache")},
        )
        took = []
        for step, act in SITUATIONS[name](site):
            start, busy = time.perf_counter(), _busy()
            act()
            took.append((step, (time.perf_counter() - start, _busy() - busy)))
        shutil.rmtree(place, ignore_errors=True)
        return took


def _busy() -> float:
    """Seconds of processors that the programs run here have taken, as far as somebody has waited for them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _median(took: Sequence[_Took]) -> _Took:
    seconds, busy = (statistics.median(column) for column in zip(*took or [(0.0, 0.0)], strict=True))
    return seconds, busy


def _many(place: str, count: int) -> None:
    """Small files, a thousand in a folder."""
    for number in range(count):
        if number % 1000 == 0:
            os.makedirs(os.path.join(place, f"part{number // 1000}"))
        with open(os.path.join(place, f"part{number // 1000}", f"{number}.txt"), "w", encoding="utf-8") as file:
            file.write(str(number))


def _history(site: Site) -> None:
    """Thousands of commits, each with a tag or a branch, and the files of the project as the last of them."""
    lines = []
    for number in range(3000):
        kind = "tags" if number % 3 else "heads"
        name = f"v0.{number}" if number % 3 else f"topic/{number}"
        lines += ["commit refs/heads/main", f"mark :{number + 1}", f"committer a <a@b> {1_500_000_000 + number} +0000"]
        lines += ["data 1", "x", *([f"from :{number}"] if number else []), f"M 644 inline history/{number % 300}.txt"]
        lines += ["data 5", f"{number:05}", "", f"reset refs/{kind}/{name}", f"from :{number + 1}", ""]
    path = f"{site.tree}-history"
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join([*lines, "done", ""]))
    site.run("git", "init", "--quiet", "--initial-branch", "main")
    site.run("sh", "-c", f'git fast-import --quiet --done < "{path}" && git reset --quiet')
    site.run("git", "checkout", "--quiet", "--", "history")
    site.run("git", "add", "--all")
    site.run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "x")
    site.run("git", "tag", "v1.0")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
