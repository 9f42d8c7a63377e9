"""What observation costs: the processors' time of a command with and without it, that of the observer included.

    python benchmarks/observed.py [--rounds N] [NAME ...]

Both ways take turns. A round of a build takes 10 s and more of a processor, and must not cost more than 5 % more; what
takes less may cost 0.3 s more. It ends with 1 where a budget is not kept. Cargo must have the crates, or a network.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from freshwheel.observe import observer
from freshwheel.observe.account import Account

FIXTURES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fixtures")
UV = os.path.join(os.path.dirname(sys.executable), "uv")
LONG = 10.0
"""Seconds from which on a ratio counts."""
RATIO = 1.05
MORE = 0.3
REGEX = """
#include <iostream>
#include <regex>
int main(int count, char** words) {
  std::regex plain("a(b|c)*d");
  std::wregex wide(L"x+y");
  std::smatch found;
  std::string text(words[0]);
  std::cout << std::regex_search(text, found, plain) << std::regex_match(L"xxy", wide);
  return count;
}
"""
OPENS = """
import os
for number in range(20000):
    try: os.close(os.open(f"none/{number % 2000}", os.O_RDONLY))
    except OSError: pass
"""
ODDMENT = "import os; os.makedirs('out', exist_ok=True); import flit_core.buildapi as b; b.build_wheel('out')"


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A command, and what makes it do all of its work again."""

    command: Sequence[str]
    folder: str
    reset: str = ""
    """A folder inside, which is removed before each run."""
    environ: Mapping[str, str] = field(default_factory=dict)
    budget: bool = True


def regex(folder: str) -> Work:
    """One C++ file that is long to compile."""
    with open(os.path.join(folder, "regex.cpp"), "w", encoding="utf-8") as file:
        file.write(REGEX)
    return Work(command=("g++", "-O2", "-c", "regex.cpp"), folder=folder)


def regexes(folder: str) -> Work:
    """Several of them at once."""
    regex(folder)
    line = "for i in 1 2 3; do g++ -O2 -c regex.cpp -o $i.o & done; wait"
    return Work(command=("sh", "-c", line), folder=folder)


def cargo(folder: str) -> Work:
    """PyO3, from nothing."""
    tree = os.path.join(folder, "tree")
    shutil.copytree(os.path.join(FIXTURES, "maturin-pyo3"), tree)
    subprocess.run(["cargo", "fetch", "--quiet"], cwd=tree, check=True)
    command = ("cargo", "build", "--release", "--offline", "--quiet")
    return Work(
        command=command, folder=tree, reset="target", environ={"PYO3_PYTHON": sys.executable}
    )  # as maturin does


def smallest(folder: str) -> Work:
    """A wheel of one module, by the smallest backend."""
    tree, venv = os.path.join(folder, "tree"), os.path.join(folder, "venv")
    shutil.copytree(os.path.join(FIXTURES, "flit-pure"), tree)
    python = os.path.join(venv, "bin", "python")
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, "flit_core"], check=True)
    return Work(command=(python, "-c", ODDMENT), folder=tree, reset="out")


def opens(folder: str) -> Work:
    """Nothing but 20,000 files that are opened in vain: what one event costs."""
    return Work(command=(sys.executable, "-I", "-S", "-c", OPENS), folder=folder, budget=False)


WORKS: dict[str, Callable[[str], Work]] = {
    "C++, one file with <regex>, -O2": regex,
    "three of it at once": regexes,
    "cargo, PyO3, release": cargo,
    "flit_core, the smallest fixture": smallest,
    "20,000 times open": opens,
}


def spent() -> float:
    """Seconds of processors that this process and its children have had."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def plain(work: Work) -> None:
    """Runs it as it is."""
    subprocess.run(
        work.command, cwd=work.folder, env={**os.environ, **work.environ}, stdin=subprocess.DEVNULL, check=True
    )


def observed(work: Work) -> Account:
    """Runs it observed."""
    with tempfile.TemporaryDirectory() as logs:
        seen = observer.run(work.command, cwd=work.folder, environ={**os.environ, **work.environ}, folder=logs)
    if seen.account is None or seen.status:
        raise SystemExit(f"{work.command[0]}: {seen.reason or seen.status}")
    return seen.account


def taken(work: Work, run: Callable[[Work], Account | None]) -> tuple[float, float, Account | None]:
    """Seconds of processors, seconds of the clock, and the account."""
    if work.reset:
        shutil.rmtree(os.path.join(work.folder, work.reset), ignore_errors=True)
    began, before = time.monotonic(), spent()
    account = run(work)
    return spent() - before, time.monotonic() - began, account


def measure(name: str, work: Work, rounds: int) -> bool:
    """Prints a row of the table; whether its budget was kept."""
    without: list[tuple[float, float]] = []
    within: list[tuple[float, float]] = []
    account: Account | None = None
    for _ in range(rounds):
        without.append(taken(work, plain)[:2])
        *times, account = taken(work, observed)
        within.append((times[0], times[1]))
    assert account is not None
    least, most = (statistics.median(cpu for cpu, _ in column) for column in (without, within))
    more = statistics.median(b[0] - a[0] for a, b in zip(without, within, strict=True))
    ratio = 1 + more / least
    clock = statistics.median(b[1] - a[1] for a, b in zip(without, within, strict=True))
    counts = f"{len(account.uses)} | {len(account.programs)}"
    print(f"| {name} | {least:.2f} | {most:.2f} | {more:+.2f} | {ratio:.3f} | {clock:+.2f} | {counts} |", flush=True)
    return not work.budget or (ratio <= RATIO if least >= LONG else more <= MORE)


def main() -> int:
    """Measures, and says whether all budgets were kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("name", nargs="*", help="a part of the name of what is measured; nothing: all")
    options = parser.parse_args()
    if reason := observer.unavailable(None):
        print(reason)
        return 1
    print("| what | CPU, s | observed | more | ratio | clock, s more | paths | programs |")
    print("|---|---|---|---|---|---|---|---|")
    kept = True
    for name, prepare in WORKS.items():
        if not options.name or any(one in name for one in options.name):
            with tempfile.TemporaryDirectory() as folder:
                kept &= measure(name, prepare(folder), options.rounds)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
