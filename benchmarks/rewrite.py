"""How much longer than a plain copy it takes to read, rewrite and validate a wheel.

Budget, from 10 MB on: 1.3 times as long, or 2 ms more where the copy itself is a matter of 3 ms.

    python benchmarks/rewrite.py [--rounds N] [--json] [WHEEL ...]

Both are measured in turns in one run, in one folder, with everything in the page cache; the figures are medians.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from freshwheel.wheel import archive

BUDGET = 1.3
FROM = 10_000_000
"""Bytes; below this the fixed cost counts, not the ratio."""
ALLOWANCE = 2.0
"""Milliseconds that are always allowed: headers of each member are read twice, and a file is created and renamed."""
LABEL = "+s5e1fa9c03b7d"
MARK = b"{}\n"
SYNTHETIC = ((10, 8), (10, 150), (50, 150))
"""Megabytes, and the number of small modules beside two large ones. Real wheels of that size have 8 to 150."""


def main(arguments: Sequence[str]) -> int:
    """0 if all wheels that are large enough keep to the budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", nargs="*", metavar="WHEEL", help="real wheels to measure beside the synthetic ones")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="freshwheel-benchmark-") as folder:
        made = [synthetic(folder, megabytes, modules) for megabytes, modules in SYNTHETIC]
        found = [measure(path, folder, options.rounds) for path in (*made, *options.wheels)]
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print(f"{'wheel':36}{'members':>8}{'bytes':>12}{'copy ms':>10}{'rewrite ms':>12}{'ratio':>8}")
        for row in found:
            print("{wheel:36.35}{members:8}{bytes:12}{copy_ms:10.2f}{rewrite_ms:12.2f}{ratio:8.2f}".format_map(row))
    return int(not all(keeps(row) for row in found))


def keeps(row: Mapping[str, Any]) -> bool:
    """Whether a wheel keeps to the budget."""
    return row["bytes"] < FROM or row["ratio"] <= BUDGET or row["rewrite_ms"] - row["copy_ms"] <= ALLOWANCE


def synthetic(folder: str, megabytes: int, modules: int) -> str:
    """A wheel with small modules and two large ones that hardly compress, with `.dist-info` at the end."""
    dice = random.Random(megabytes)  # noqa: S311 - noise, not a secret
    files = {f"bench/module{number:03}.py": b"value = 1\n" * dice.randrange(200) for number in range(modules)}
    files |= {f"bench/native{number}.so": dice.randbytes(megabytes * 500_000) for number in range(2)}
    info = "bench-1.0.dist-info"
    files[f"{info}/METADATA"] = b"Metadata-Version: 2.1\nName: bench\nVersion: 1.0\n\n" + b"A description.\n" * 300
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: false\nTag: py3-none-any\n"
    lines = [f"{name},sha256={sha256(data)},{len(data)}\n" for name, data in files.items()]
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"]).encode()
    inner = os.path.join(folder, f"{megabytes}MB-{modules}")
    os.mkdir(inner)
    path = os.path.join(inner, "bench-1.0-py3-none-any.whl")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
    return path


def sha256(data: bytes) -> str:
    """The hash as RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def measure(path: str, folder: str, rounds: int) -> dict[str, Any]:
    """The medians for one wheel; the first round only warms up."""
    copies, rewrites = [], []
    target = tempfile.mkdtemp(dir=folder)
    for number in range(rounds + 1):
        jobs = [(copies, lambda: copied(path, target)), (rewrites, lambda: rewritten(path, target))]
        for times, job in jobs if number % 2 else reversed(jobs):
            taken = timed(job)
            if number:
                times.append(taken)
    copy, rewrite = statistics.median(copies), statistics.median(rewrites)
    return {
        "wheel": os.path.basename(path),
        "bytes": os.path.getsize(path),
        "members": len(archive.read(path).members),
        "copy_ms": copy * 1e3,
        "rewrite_ms": rewrite * 1e3,
        "ratio": statistics.median(one / other for one, other in zip(rewrites, copies, strict=True)),
    }


def timed(job: Callable[[], str]) -> float:
    """Seconds that `job` takes; the file that it made is removed afterwards."""
    begun = time.perf_counter()
    made = job()
    taken = time.perf_counter() - begun
    os.unlink(made)
    return taken


def copied(path: str, target: str) -> str:
    """The path of a plain copy."""
    return shutil.copyfile(path, os.path.join(target, os.path.basename(path)))


def rewritten(path: str, target: str) -> str:
    """The path of the rewritten wheel."""
    wheel = archive.read(path)
    return os.path.join(
        target, archive.rewrite(wheel, target, version=wheel.version.partition("+")[0] + LABEL, mark=MARK)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
