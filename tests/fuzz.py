"""Runs the property of tests/sources/test_incremental.py for long: python tests/fuzz.py [STEPS [SEED]].

Other seeds give other trees; what goes wrong is printed with its seed and the few steps that suffice.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "sources"))

import conftest
import test_incremental as property_


def one(shape: str, seed: str) -> tuple[Counter[str], str | None]:
    """What one tree counted, and what went wrong."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="freshwheel-fuzz-") as folder:
        try:
            property_.check(Path(folder) / "g", conftest.NaiveProject(), counts, shape=shape, seed=seed)
        except AssertionError as error:
            return counts, str(error)
    return counts, None


def main(arguments: Sequence[str]) -> int:
    """0 if all answers agree."""
    steps = int(arguments[0]) if arguments else 100_000
    seed = arguments[1] if len(arguments) > 1 else "fuzz"
    shapes = list(property_.BACKENDS)
    context = [(shapes[n % len(shapes)], f"{seed} {n}") for n in range(-(-steps // property_.STEPS))]
    total: Counter[str] = Counter()
    wrong = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for number, (counts, error) in enumerate(pool.map(one, *zip(*context, strict=True), chunksize=4), 1):
            total += counts
            if error is not None:
                wrong.append(error)
                print(error, flush=True)  # noqa: T201 - a program
            if number % 250 == 0:
                print(f"{number * property_.STEPS:,} steps, {len(wrong)} went wrong", flush=True)  # noqa: T201
    print("\n".join(f"{count:9,} {name}" for name, count in total.most_common()))  # noqa: T201
    return 1 if wrong or not all(total[road] for road in property_.ROADS) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
