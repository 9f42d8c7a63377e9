"""Runs the fast tests on the oldest other CPython >= 3.10 of this machine, or on all of them.

python .ci/pythons.py [--all] [PYTHON ...]
python .ci/pythons.py --own

Those that are named are taken as well; `--own` takes the one that runs this, and all tests that can run on it. Looks
along PATH, into the usual folders, and at pyenv's versions; one that does not start is left out, and so is an
unfinished release. The environments stay in .venv-pythons until pyproject.toml changes.
"""

from __future__ import annotations

import glob
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence

import environment

HOME = os.path.join(environment.REPOSITORY, ".venv-pythons")
NAME = re.compile(r"python(3(\.\d+)?)?(\.exe)?")
PROBE = """
import json, os, platform, sys
version, level = list(sys.version_info[:3]), sys.version_info[3]
flags, path = getattr(sys, "abiflags", ""), os.path.realpath(sys.executable)
print(json.dumps([platform.python_implementation(), version, level, flags, path]))
"""
ELSEWHERE = (
    *("tests/abuse", "tests/adopt", "tests/chance", "tests/frontends", "tests/layouts", "tests/stale"),
    *("tests/sources/test_incremental.py", "tests/test_docs.py"),
)
"""What needs installers that are not installed here, or says nothing about a Python."""
AT_NIGHT = ("tests/build", "tests/cli", "tests/memory", "tests/sources", "tests/wheel")
"""What is long, and of which types and syntax are held against the oldest Python by lint."""
TESTS = ("-q", "-p", "no:cacheprovider", "-n", "auto", "-m", "not slow and not trial and not nightly")

Found = tuple[str, str]
"""A version and the path of its interpreter."""


def main(named: Sequence[str]) -> int:
    """0 if the fast tests pass on all."""
    if named == ["--own"]:
        return _run(sys.executable, [f"--ignore={path}" for path in ELSEWHERE])
    own = _probe(sys.executable)
    asked = [one for one in named if one != "--all"]
    pythons = find([*asked, *_candidates()], without=own)
    if "--all" not in named:
        wanted = {*pythons[:1], *find(asked, without=own)}
        pythons = [one for one in pythons if one in wanted]
    uv = os.path.join(os.path.dirname(sys.executable), "uv")
    ran = []
    without = [f"--ignore={one}" for one in (*ELSEWHERE, *(() if "--all" in named else AT_NIGHT))]
    for version, python in pythons:
        print(f"--- fast tests on CPython {version} ({python})", flush=True)
        path = os.path.join(HOME, version)
        if not environment.is_made(path, python) and not _make(path, python, uv):
            print(f"--- CPython {version} can't install what the tests need, and is left out", flush=True)
            continue
        code = _run(os.path.join(path, environment.SCRIPTS, "python"), without)
        if code:
            print(f"--- the fast tests fail on CPython {version} ({python})", flush=True)
            return code
        ran.append(version)
    print(f"--- fast tests ran on: {', '.join(ran) or 'no other CPython'}", flush=True)
    return 0


def _run(python: str, without: Sequence[str]) -> int:
    return subprocess.call([python, "-m", "pytest", *TESTS, *without], cwd=environment.REPOSITORY)


def find(candidates: Sequence[str], *, without: Found | None) -> list[Found]:
    """One interpreter for each version of CPython from 3.10 on, but for that of `without`."""
    pythons: dict[str, str] = {}
    for candidate in candidates:
        found = _probe(candidate)
        if found is not None and (without is None or found[0] != without[0]):
            pythons.setdefault(*found)
    return sorted(pythons.items(), key=lambda found: [int(number) for number in re.findall(r"\d+", found[0])])


def _candidates() -> Iterator[str]:
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(os.path.expanduser("~"), ".pyenv")
    folders += sorted(glob.glob(os.path.join(glob.escape(pyenv), "versions", "*", "bin")))
    seen = set()
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(glob.escape(folder), "python*"))):
            real = os.path.realpath(path)
            if NAME.fullmatch(os.path.basename(path)) and real not in seen and os.access(path, os.X_OK):
                seen.add(real)
                yield path


def _probe(python: str) -> Found | None:
    """None for what is no usable CPython; pyenv's shims of versions that are not chosen fail, for example."""
    command = [python, "-I", "-S", "-c", PROBE]
    try:
        answer = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=20).stdout
        implementation, version, level, flags, path = json.loads(answer)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if implementation != "CPython" or version < [3, 10] or level != "final":
        return None
    return ".".join(map(str, version)) + flags, path


def _make(path: str, python: str, uv: str) -> bool:
    if environment.make(path, python, "fast", uv=uv):
        return False
    environment.complete(path, python)
    return True


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
