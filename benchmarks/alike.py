"""Real projects from PyPI, built as they are and switched to freshwheel: the wheels must be the same.

    python benchmarks/alike.py [PROJECT ...]

Downloads their source distributions, turns them into what a checkout would be, in a scratch folder, and has
`freshwheel init --check-build --yes` do the rest. Then uv builds the switched project twice: the second one is a hit.
Exits with 1 if a check fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence

from workshop import FailedError, Workshop

PROJECTS = {
    "rtoml": "0.12.0",  # maturin, a crate at the root
    "msgspec": "0.19.0",  # setuptools, C, versioneer
    "levenshtein": "0.27.1",  # scikit-build-core, C++, Cython
}
"""Name -> version; one for each way of building."""


def main(arguments: Sequence[str]) -> int:
    """0 if all checks hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", metavar="PROJECT", choices=[*PROJECTS, []])
    chosen = parser.parse_args(arguments).projects or [*PROJECTS]
    try:
        with tempfile.TemporaryDirectory(prefix="freshwheel-alike-", ignore_cleanup_errors=True) as scratch:
            workshop = Workshop(scratch)
            command = workshop.venv("command", workshop.freshwheel.replace("==", "[cli]=="))
            for name in chosen:
                print(f"{name} {PROJECTS[name]}: {_compared(workshop, command, name)}", flush=True)
    except FailedError as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1
    return 0


def _compared(workshop: Workshop, command: str, name: str) -> str:
    """What was found. Raises FailedError where the wheels differ, or the second build is none of the store."""
    tree = workshop.checkout(name, PROJECTS[name], f"{name}-alike")
    workshop.track(tree)
    init = (command, "-m", "freshwheel", "init", "--check-build", "--yes", tree)
    said = workshop.run(*init, more={"UV": workshop.uv})
    for number in range(2):
        workshop.run(
            workshop.uv, "build", "--wheel", "--python", command, "--out-dir", workshop.folder(f"{name}-{number}"), tree
        )
    last = workshop.run(command, "-m", "freshwheel", "why", tree)
    if "hit" not in last.partition("installations")[2].splitlines()[1]:
        raise FailedError(f"{name}: the second build is no hit:\n{last}")
    return next((line.strip() for line in said.splitlines() if "same" in line), said.strip().splitlines()[-1])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
