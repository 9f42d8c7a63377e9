"""Inputs that no build takes: real projects of maturin, each built below strace, and its inputs held against that.

    python benchmarks/inclusion.py [--list] [PROJECT ...]

Downloads source distributions and turns them into what a checkout would be, with all that their authors have packed:
documentation, tests, workflows. `freshwheel init` switches them. Of the inputs that freshwheel finds before the first
build, those are counted that no process of the build opens to read, as the kernel sees it; and of the files of the
checkout that it reads, those that count and are no inputs. `--list` names them. The profile is that of a release, but
nothing is optimised. What is compiled on other systems alone is read by no build here; `other systems` says how many
of the inputs lie in modules that are called so.

Exits with 1 where more than LIMIT of all inputs are read by no build, or a file is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from audit import Audit
from workshop import FailedError, Workshop

PROJECTS = {
    "blake3": "1.0.11",
    "cramjam": "2.14.0",
    "cryptography": "50.0.2",
    "fastuuid": "0.14.0",
    "jellyfish": "1.3.0",
    "jiter": "0.19.0",
    "minify_html": "0.18.1",
    "ormsgpack": "1.13.1",
    "outlines_core": "0.2.14",
    "py_rust_stemmers": "0.1.8",
    "pycrdt": "0.14.13",
    "pyrage": "1.4.0",
    "pyromark": "0.10.3",
    "python_calamine": "0.9.1",
    "rignore": "0.8.1",
    "rpds_py": "2026.9.1",
    "rtoml": "0.14.0",
    "safetensors": "0.8.0",
    "watchfiles": "1.3.0",
    "zxcvbn_rs_py": "0.3.0",
}
"""Name -> version. The crate lies at the root, in a sub-folder, or in a workspace."""
LIMIT = 0.03
FAST = {
    **{f"CARGO_PROFILE_RELEASE_{name}": "0" for name in ("OPT_LEVEL", "DEBUG")},
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
}
_SYSTEMS = re.compile(r"windows|win32|macos|darwin|apple|wasm|android|freebsd|aarch64|arm|neon|avx512", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inclusion:
    """What one project has shown. Paths are relative to the checkout."""

    name: str
    is_root: bool
    """Whether its crate lies in the folder of its `pyproject.toml`."""
    inputs: frozenset[str]
    taken: frozenset[str]
    """What the build has opened of what lay there before."""
    missed: frozenset[str]
    """What of this counts, by the account, and was no input."""

    @property
    def idle(self) -> list[str]:
        """Inputs that the build has not opened."""
        return sorted(self.inputs - self.taken)


def main(arguments: Sequence[str]) -> int:
    """0 if the inputs are few enough, and none is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", metavar="PROJECT", help="of those in PROJECTS; all of them if none")
    parser.add_argument("--list", action="store_true", help="name the inputs that no build takes")
    options = parser.parse_args(arguments)
    if not shutil.which("strace"):
        parser.error("strace is needed")
    if unknown := set(options.projects) - set(PROJECTS):
        parser.error(f"no such project: {', '.join(sorted(unknown))}")
    rows: list[Inclusion] = []
    with tempfile.TemporaryDirectory(prefix="freshwheel-inclusion-", ignore_cleanup_errors=True) as scratch:
        bench = Bench(Workshop(os.path.realpath(scratch)))
        for name in options.projects or PROJECTS:
            try:
                rows.append(bench.measured(name))
            except FailedError as error:
                print(f"{name}: {str(error)[-2000:]}", file=sys.stderr)
                continue
            print(_row(rows[-1].name, [rows[-1]]), flush=True)
            for path in [*rows[-1].idle, *(f"missed: {path}" for path in sorted(rows[-1].missed))] * options.list:
                print(f"    {path}", flush=True)
    for title, some in (
        ("crates at the root", [one for one in rows if one.is_root]),
        ("elsewhere", [one for one in rows if not one.is_root]),
        ("all", rows),
    ):
        print(_row(f"{title}: {len(some)}", some))
    return 1 if len(rows) < len(options.projects or PROJECTS) or _idle(rows) > LIMIT or _missed(rows) else 0


class Bench(Audit):
    """Builds of real projects, one after the other."""

    def __init__(self, workshop: Workshop) -> None:
        super().__init__(workshop)
        self.command = workshop.venv("command", workshop.freshwheel.replace("==", "[cli]=="))
        workshop.environ |= {**FAST, "CARGO_TARGET_DIR": workshop.folder("target")}

    def measured(self, name: str) -> Inclusion:
        """One project, built. Raises FailedError where it can't be."""
        tree = os.path.realpath(self.workshop.checkout(name, PROJECTS[name], f"{name}-inclusion"))
        self.workshop.track(tree)
        init = (self.command, "-m", "freshwheel", "init", "--yes", "--force", "--json")
        self.workshop.run(*init, tree, codes=(0, 1))
        requires = json.loads(self.workshop.run(self.command, "-c", _REQUIRES, cwd=tree))
        python = self.workshop.venv(f"{name}-venv", self.wheel, *requires)
        first = json.loads(self.workshop.ask("inputs", tree))
        built = self.built(tree, python)
        inside = frozenset(path for path in built.before if "/.git/" not in path)
        inputs = frozenset(os.path.realpath(os.path.join(tree, one["path"])) for one in first["inputs"]) & inside
        taken = frozenset(os.path.realpath(path) for path in built.seen.files) & inside
        missed = frozenset(path for path in taken - inputs if built.account.get(path, not built.note))
        return Inclusion(
            name=name,
            is_root=os.path.exists(os.path.join(tree, "Cargo.toml")) and os.path.exists(os.path.join(tree, "src")),
            inputs=_within(tree, inputs),
            taken=_within(tree, taken),
            missed=_within(tree, missed - built.inputs) | _within(tree, missed & built.inputs),
        )


_REQUIRES = """import json, sys
if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib
with open("pyproject.toml", "rb") as file:
    tables = tomllib.load(file)
requires = [*tables["build-system"]["requires"], *tables["tool"]["freshwheel"].get("requires", [])]
print(json.dumps([one for one in requires if one != "freshwheel"]))
"""


def _within(tree: str, paths: frozenset[str]) -> frozenset[str]:
    return frozenset(os.path.relpath(path, tree) for path in paths)


def _idle(rows: Sequence[Inclusion]) -> float:
    return sum(len(one.idle) for one in rows) / max(1, sum(len(one.inputs) for one in rows))


def _missed(rows: Sequence[Inclusion]) -> int:
    return sum(len(one.missed) for one in rows)


def _row(title: str, rows: Sequence[Inclusion]) -> str:
    """A row of the table."""
    inputs, idle = sum(len(one.inputs) for one in rows), sum(len(one.idle) for one in rows)
    there = sum(len(one.taken | one.inputs) for one in rows)
    elsewhere = sum(bool(_SYSTEMS.search(path)) for one in rows for path in one.idle)
    return f"| {title} | {inputs} | {there} | {idle} | {idle / max(1, inputs):.1%} | {elsewhere} | {_missed(rows)} |"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
