"""Prints what freshwheel finds, and does, on this machine: a report that can be pasted into an issue.

python .ci/platform_report.py [--tests]

Two projects of the fixtures are built twice each; `--tests` runs the fast tests as well, which takes minutes. Nothing
of the report names a person or a path of theirs, but what a failed build has said.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence

import environment

PROJECTS = ("flit-pure", "setuptools-c")
TESTS = ("-q", "-n", "auto", "-m", "not slow and not trial and not nightly")
LONGEST = 2000
"""Characters of what a failed build has said."""


def main(words: Sequence[str]) -> int:
    """0 if all that was tried ends as it should."""
    print("## freshwheel on this platform\n")
    for line in (*_system(), *_files()):
        print(f"* {line}")
    failed = not _diagnosed()
    with tempfile.TemporaryDirectory(prefix="freshwheel-report-") as wheels:
        done = _run(sys.executable, "-m", "build", "--wheel", "--outdir", wheels, environment.REPOSITORY)
        if done.returncode:
            print(_quoted(done.stdout + done.stderr))
        links = f"{os.environ.get('PIP_FIND_LINKS', '')} {wheels}".strip()
        failed |= [_built(project, links) for project in PROJECTS] != [True] * len(PROJECTS)
    if "--tests" in words:
        failed |= not _tested()
    print(f"\n{'something is wrong' if failed else 'all as it should be'}")
    return 1 if failed else 0


def _system() -> Iterator[str]:
    """The interpreter and the system."""
    yield f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}"
    yield f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} processors"
    names = ("SOABI", "EXT_SUFFIX", "MACOSX_DEPLOYMENT_TARGET", "Py_GIL_DISABLED", "PYTHONFRAMEWORK")
    yield ", ".join(f"{name} {sysconfig.get_config_var(name)!r}" for name in names)


def _files() -> Iterator[str]:
    """What the file system of temporary files does with names, times and links."""
    with tempfile.TemporaryDirectory(prefix="freshwheel-report-") as folder:
        place = os.path.join(folder, "name")
        times = [_written(place, number) for number in range(200)]
        changes = sorted({after - before for before, after in itertools.pairwise(times)})
        yield f"times of 200 changes in a row: {len(set(times))} are different, the least step is {changes[:2][-1]} ns"
        yield f"a name in another case is the same file: {os.path.exists(os.path.join(folder, 'NAME'))}"
        with open(os.path.join(folder, "é"), "w", encoding="utf-8"):
            other = os.path.join(folder, unicodedata.normalize("NFD", "é"))
            yield f"a name in another normal form is the same file: {os.path.exists(other)}"
        yield _linked("symbolic links", os.symlink, place, folder)
        yield _linked("hard links", os.link, place, folder)


def _linked(what: str, make: Callable[[str, str], None], place: str, folder: str) -> str:
    """Whether such links can be made."""
    try:
        make(place, os.path.join(folder, what))
    except OSError as error:
        return f"no {what}: {error.strerror}"
    return f"{what} can be made"


def _written(path: str, number: int) -> int:
    """The time of a file, in ns, that has just been written."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(str(number))
    return os.stat(path).st_mtime_ns


def _diagnosed() -> bool:
    """Whether `freshwheel doctor` has an answer, which is printed."""
    project = os.path.join(environment.REPOSITORY, "fixtures", PROJECTS[0])
    done = _run(sys.executable, "-m", "freshwheel", "doctor", project, "--json")
    print("\n### doctor\n")
    try:
        diagnoses = json.loads(done.stdout)["diagnoses"]
    except (ValueError, KeyError):
        print(_quoted(done.stdout + done.stderr))
        return False
    for diagnosis in diagnoses:
        print(f"* {diagnosis['about']}, {diagnosis['state']}: {_private(diagnosis['what'])}")
    return True


def _built(name: str, links: str) -> bool:
    """Whether a fixture can be built twice, which is printed; `links` are where pip finds freshwheel."""
    print(f"\n### {name}\n")
    with tempfile.TemporaryDirectory(prefix="freshwheel-report-", ignore_cleanup_errors=True) as folder:
        tree = os.path.join(folder, name)
        shutil.copytree(os.path.join(environment.REPOSITORY, "fixtures", name), tree)
        environ = {
            "FRESHWHEEL_CACHE_DIR": os.path.join(folder, "cache"),
            "FRESHWHEEL_STORE": "on",
            "PIP_FIND_LINKS": links,
        }
        command = (sys.executable, "-m", "build", "--wheel", "--outdir", os.path.join(folder, "dist"), tree)
        for _ in range(2):
            began = time.perf_counter()
            done = _run(*command, more=environ)
            said = re.findall(r"(?m)^[*<> ]*freshwheel: (.*)$", done.stdout + done.stderr)
            if done.returncode:
                print(_quoted(done.stdout + done.stderr))
                return False
            print(f"* {time.perf_counter() - began:.1f} s: {_private(' '.join(said))}")
        return True


def _tested() -> bool:
    """Whether the fast tests pass; what they end with is printed."""
    print("\n### fast tests\n")
    done = _run(sys.executable, "-m", "pytest", *TESTS, cwd=environment.REPOSITORY)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    print("\n".join([*lines, *done.stdout.splitlines()[-1:]]))
    return done.returncode == 0


def _run(*command: str, more: dict[str, str] | None = None, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**os.environ, **(more or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="replace",
    )


def _quoted(text: str) -> str:
    return f"```\n{_private(text[-LONGEST:].strip())}\n```"


def _private(text: str) -> str:
    """A text without the home of whoever runs this."""
    return re.sub(re.escape(os.path.expanduser("~")) + r"(?=[/\\])", "~", text)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
