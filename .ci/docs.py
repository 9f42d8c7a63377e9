"""Builds the site of the documentation into build/site; a link that leads nowhere is an error.

python .ci/docs.py

MkDocs has an environment of its own, .venv-docs, which stays until pyproject.toml changes.
"""

from __future__ import annotations

import os
import subprocess
import sys

import environment
from environment import REPOSITORY, SCRIPTS

HOME = os.path.join(REPOSITORY, ".venv-docs")


def main() -> int:
    """0 if the site could be built."""
    python = os.path.join(HOME, SCRIPTS, "python")
    if not environment.is_made(HOME, sys.executable):
        print(f"making {HOME} with Python {sys.version.split()[0]}", flush=True)
        if code := environment.make(
            HOME, sys.executable, "docs", uv=os.path.join(os.path.dirname(sys.executable), "uv")
        ):
            return code
        environment.complete(HOME, sys.executable)
    return _built(python)


def _built(python: str) -> int:
    """The exit code of MkDocs, whose output is shown if it has something to say."""
    command = (python, "-m", "mkdocs", "build", "--strict")
    # The theme would advertise other programs.
    environ = {**os.environ, "DISABLE_MKDOCS_2_WARNING": "true", "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command,
        check=False,
        cwd=REPOSITORY,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    print(done.stdout if done.returncode else f"the site is in {os.path.join('build', 'site')}", flush=True)
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
