"""What a whole hit costs: a process that gives the earlier wheel of a project again, over one that does nothing.

    python benchmarks/hit.py [--rounds N]

The project has 400 inputs, and its build has read 2,000 files of the system and 300 others. Both processes take turns.
It ends with 1 where the median is more than 12 ms, or where the calls were no hits.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

BUDGET = 0.012
INPUTS, SYSTEM, OTHERS = 400, 2000, 300
SETTLED = 2.2
"""Seconds after which rows are trusted."""
HOOK = "import sys, freshwheel; freshwheel.build_wheel(sys.argv[1])"
PYPROJECT = """
[build-system]
requires = ["freshwheel", "setuptools"]
build-backend = "freshwheel"

[project]
name = "demo"
version = "1.0"

[tool.freshwheel]
backend = "setuptools.build_meta"
store = "on"

[tool.setuptools]
packages = ["demo"]
"""
SETUP = """
from setuptools import setup

for path in open({names!r}).read().splitlines():
    with open(path, "rb") as file:
        file.read(1)
setup()
"""


def main() -> int:
    """Prints the medians; whether the budget was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        tree = _planted(folder)
        for _ in range(2):
            time.sleep(SETTLED)
            _run(folder, tree, HOOK)
        bare, hits = [], []
        for _ in range(rounds):
            bare.append(_run(folder, tree, "pass")[0])
            took, said = _run(folder, tree, HOOK)
            hits.append(took)
            if "is from the store" not in said:
                print(said)
                return 1
    more = statistics.median(hit - least for hit, least in zip(hits, bare, strict=True))
    print(
        f"bare {statistics.median(bare) * 1e3:.1f} ms, hit {statistics.median(hits) * 1e3:.1f} ms, {more * 1e3:+.1f} ms"
    )
    return 0 if more <= BUDGET else 1


def _planted(folder: str) -> str:
    """The project, in a folder where nothing is anybody's."""
    tree, outside = os.path.join(folder, "tree"), os.path.join(folder, "outside")
    os.makedirs(os.path.join(tree, "demo"))
    os.mkdir(outside)
    others = [os.path.join(outside, f"{number}.txt") for number in range(OTHERS)]
    inputs = [os.path.join(tree, "demo", f"m{number}.py") for number in range(INPUTS)]
    for path in [*others, *inputs]:
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"# {path}\n")
    names = os.path.join(folder, "names.txt")
    texts = {"pyproject.toml": PYPROJECT, "setup.py": SETUP.format(names=names)}
    for name, text in texts.items():
        with open(os.path.join(tree, name), "w", encoding="utf-8") as file:
            file.write(text)
    with open(names, "w", encoding="utf-8") as file:
        file.write("\n".join([*itertools.islice(_system(), SYSTEM), *others]))
    return tree


def _system() -> Iterator[str]:
    """Files of the system's packages."""
    for top in ("/usr/include", "/usr/lib", "/usr/share"):
        for folder, _, files in os.walk(top):
            yield from (path for name in sorted(files) if os.path.isfile(path := os.path.join(folder, name)))


def _run(folder: str, tree: str, program: str) -> tuple[float, str]:
    """Seconds of the clock that a Python takes, and what it says."""
    dist = os.path.join(folder, "dist")
    os.makedirs(dist, exist_ok=True)
    environ = {"PATH": os.environ["PATH"], "HOME": folder, "FRESHWHEEL_CACHE_DIR": os.path.join(folder, "cache")}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, dist], check=False, cwd=tree, env=environ, capture_output=True, text=True
    )
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(done.stderr)
    return took, done.stderr


if __name__ == "__main__":
    raise SystemExit(main())
