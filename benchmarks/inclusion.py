"""Inputs that no build takes: real projects of maturin, each built once, and its inputs held against that.

    python benchmarks/inclusion.py [--list] [PROJECT ...]

Downloads source distributions and turns them into what a checkout would be, with all that their authors have packed:
documentation, tests, workflows. freshwheel is asked for the inputs, and builds a wheel under observation. An input is
*idle* if nothing in that build has opened it; a file is *missed* if the build has opened it, and it is an input from
then on. What the observer sees is proved by `audit.py`. `--list` names them. Nothing is optimised in these builds.

Idle sources of a crate are counted apart: other systems, processors and features compile them, and the label is one
for all of these. Exits with 1 where more than LIMIT of the inputs are idle otherwise, or where something is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from audit import HOOK
from workshop import FailedError, Workshop, replace

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECTS = {
    "blake3": "1.0.11",
    "cramjam": "2.14.0",
    "cryptography": "50.0.2",
    "fastuuid": "0.14.0",
    "jellyfish": "1.3.0",
    "jiter": "0.19.0",
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
"""Name -> version."""
HIDDEN = {"cryptography": "src/_cffi_src/"}
"""What a build script has another program read, as its documentation says; it counts from the first build on."""
LIMIT = 0.03
FAST = {
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Inclusion:
    """What one project has shown. Paths are relative to the checkout."""

    name: str
    is_root: bool
    """Whether a crate lies in the folder of its `pyproject.toml`."""
    files: int
    """How many there are in the checkout."""
    inputs: frozenset[str]
    idle: frozenset[str]
    missed: frozenset[str]

    @property
    def sources(self) -> frozenset[str]:
        """Idle sources of crates."""
        return frozenset(path for path in self.idle if path.endswith(".rs"))

    @property
    def unknown(self) -> frozenset[str]:
        """What is missed, beside what is known to be."""
        return frozenset(path for path in self.missed if not path.startswith(HIDDEN.get(self.name, "/")))


def main(arguments: Sequence[str]) -> int:
    """0 if few inputs are idle, and nothing is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", metavar="PROJECT", help=f"of {', '.join(PROJECTS)}; all of them if none")
    parser.add_argument("--list", action="store_true", help="name what is idle, and what is missed")
    options = parser.parse_args(arguments)
    if set(options.projects) - PROJECTS.keys():
        parser.error(f"the projects are {', '.join(PROJECTS)}")
    measured: list[Inclusion] = []
    chosen = options.projects or [*PROJECTS]
    print("| project | files | inputs | idle | idle sources | missed |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="freshwheel-inclusion-", ignore_cleanup_errors=True) as scratch:
        workshop = Workshop(os.path.realpath(scratch))
        workshop.environ |= {**FAST, "CARGO_TARGET_DIR": workshop.folder("target")}
        for name in chosen:
            try:
                measured.append(_measured(workshop, name))
            except FailedError as error:
                print(f"{name} can't be built: {str(error)[-2000:]}", file=sys.stderr, flush=True)
                continue
            print(_row(f"{name} {PROJECTS[name]}", measured[-1:]), flush=True)
            if options.list:
                found = measured[-1]
                print(
                    "\n".join([*sorted(found.idle), *(f"missed: {path}" for path in sorted(found.missed))]), flush=True
                )
    roots, others = ([one for one in measured if one.is_root is is_root] for is_root in (True, False))
    print(_row(f"{len(roots)} with a crate at the root", roots))
    print(_row(f"{len(others)} with crates in folders alone", others))
    print(_row(f"all {len(measured)}", measured))
    failed = len(measured) < len(chosen) or any(one.unknown for one in measured)
    return 1 if failed or _share(measured) > LIMIT else 0


def _measured(workshop: Workshop, name: str) -> Inclusion:
    """One project, built. Raises FailedError where it can't be."""
    tree = os.path.realpath(workshop.checkout(name, PROJECTS[name], f"{name}-inclusion"))
    workshop.track(tree)
    pyproject = os.path.join(tree, "pyproject.toml")
    with open(pyproject, "rb") as file:
        requires = tomllib.load(file)["build-system"]["requires"]
    table = 'build-backend = "freshwheel"\n\n[tool.freshwheel]\nbackend = "maturin"\n'
    replace(pyproject, [('build-backend = "maturin"\n', table)])
    python = workshop.venv(f"{name}-venv", workshop.freshwheel, *requires)
    inputs = frozenset(_real(tree, one["path"]) for one in json.loads(workshop.ask("inputs", tree))["inputs"])
    path = os.pathsep.join([os.path.dirname(python), workshop.environ["PATH"]])
    more = {"PATH": path, "FRESHWHEEL_STORE": "on"}
    workshop.run(python, "-c", HOOK, workshop.folder(f"{name}-dist"), cwd=tree, more=more)
    command = (workshop.python, "-m", "freshwheel", "inputs", "--account", "--json", tree)
    found = json.loads(workshop.run(*command, codes=(0, 1)))
    if not found["observed"]:
        raise FailedError(f"not observed: {found['reason']}")
    taken = {_real(tree, one["path"]) for one in found["account"] if one["kind"] == "file"}
    missed = json.loads(workshop.ask("why", tree))["outcomes"][0]["missed"]
    return Inclusion(
        name=name,
        is_root=os.path.exists(os.path.join(tree, "Cargo.toml")) and os.path.exists(os.path.join(tree, "src")),
        files=sum(len(names) for top, _, names in os.walk(tree) if "/.git" not in top),
        inputs=_relative(tree, inputs),
        idle=_relative(tree, inputs - taken),
        missed=frozenset(missed),
    )


def _real(tree: str, path: str) -> str:
    return os.path.realpath(os.path.join(tree, path))


def _relative(tree: str, paths: frozenset[str]) -> frozenset[str]:
    return frozenset(os.path.relpath(path, tree) for path in paths)


def _share(some: Sequence[Inclusion]) -> float:
    """How much of the inputs is idle, beside sources of crates."""
    return sum(len(one.idle - one.sources) for one in some) / (sum(len(one.inputs) for one in some) or 1)


def _row(title: str, some: Sequence[Inclusion]) -> str:
    """A row of the table."""
    files, inputs = sum(one.files for one in some), sum(len(one.inputs) for one in some)
    idle, sources = sum(len(one.idle - one.sources) for one in some), sum(len(one.sources) for one in some)
    missed = sum(len(one.missed) for one in some)
    return f"| {title} | {files} | {inputs} | {idle} ({_share(some):.1%}) | {sources} | {missed} |"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
