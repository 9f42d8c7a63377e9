"""Runs every installer through every situation, and writes docs/reference/installers.md.

    python .ci/matrix.py [--jobs N] [INSTALLER ...]

With the names of installers only their cells are run. Everything lies in a scratch folder, or in the one that
`MATRIX_DIR` names, where the installers stay for the next time, and what became of each cell: so the matrix can be run
installer by installer. The page is written when there is a result for every cell. Ends with 1 if a cell that was run is
not as expected and not explained.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from environment import REPOSITORY

sys.path.insert(0, REPOSITORY)

from tests.frontends.matrix import expectations
from tests.frontends.matrix.bench import Bench, FailedError
from tests.frontends.matrix.expectations import Cell, Expected
from tests.frontends.matrix.page import page
from tests.frontends.matrix.results import Results
from tests.frontends.matrix.situations import (
    INSTALLERS,
    SITUATIONS,
    Happened,
    chosen,
    happened,
    versions,
)

PAGE = Path(REPOSITORY) / "docs" / "reference" / "installers.md"


def main(arguments: Sequence[str]) -> int:
    """0 if every cell is as expected, or explained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("installers", nargs="*", metavar="INSTALLER", help=f"of {', '.join(INSTALLERS)}")
    parser.add_argument("--situation", action="append", choices=list(SITUATIONS), help="only this one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cells that run at once")
    options = parser.parse_args(arguments)
    try:
        titles = chosen(options.installers)
        kept = os.environ.get("MATRIX_DIR")
        if kept:
            return _run(Path(kept).absolute(), titles, options.situation, options.jobs)
        with tempfile.TemporaryDirectory(prefix="freshwheel-matrix-", ignore_cleanup_errors=True) as scratch:
            return _run(Path(scratch), titles, options.situation, options.jobs)
    except FailedError as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1


def _run(folder: Path, titles: Sequence[str], only: Sequence[str] | None, jobs: int) -> int:
    expected, otherwise = expectations.expected(), expectations.unexpected()
    wanted = {**expected, **otherwise}
    bench = Bench(folder, os.environ)
    # Made here, so that no two cells make it at once.
    print(f"freshwheel and maturin: {bench.workshop}", flush=True)
    results = Results(folder)
    results.begin(versions(bench, titles))
    print(", ".join(f"{title} is {results.versions[title]}" for title in titles), flush=True)
    cells = [(title, one) for title in titles for one in only or SITUATIONS]
    wrong = _play_all(bench, [cell for cell in cells if wanted[cell].verdict != "none"], wanted, results, jobs)
    if all(cell in results.seen for cell, one in wanted.items() if one.verdict != "none"):
        text = page(expected, otherwise, expectations.choices(), results.seen, results.versions)
        PAGE.write_text(text, encoding="utf-8", newline="\n")
        print(f"{PAGE} is written")
    return 1 if wrong else 0


def _play_all(bench: Bench, todo: Sequence[Cell], wanted: Mapping[Cell, Expected], results: Results, jobs: int) -> int:
    """How many cells are neither as expected nor explained."""
    wrong = 0
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(_play, bench, cell): cell for cell in todo}
        for count, one in enumerate(as_completed(running), 1):
            cell = running[one]
            results.add(cell, one.result())
            against = expectations.disagreement(wanted[cell], one.result())
            wrong += bool(against)
            print(f"{count:3}/{len(todo)}  {cell[0]}, {cell[1]}: {against or one.result().verdict}", flush=True)
            if against:
                print(_indented(one.result().text), flush=True)
    print(f"{len(todo) - wrong} cells are as expected or explained, {wrong} are not")
    return wrong


def _play(bench: Bench, cell: Cell) -> Happened:
    title, situation = cell
    try:
        return happened(bench, INSTALLERS[title], SITUATIONS[situation])
    except FailedError as error:
        return Happened(verdict="the bench failed", text=str(error))


def _indented(text: str) -> str:
    """The end of what an installer said."""
    return "\n".join(f"        {line}" for line in text.strip().splitlines()[-25:])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
