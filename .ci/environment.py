"""Makes a virtual environment with freshwheel, editable, and one dependency group of pyproject.toml.

python .ci/environment.py VENV GROUP

pip installs uv, and uv the rest, in seconds. Where uv can't, because pip is configured as uv is not, pip does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
OURS = ("--editable", f"{REPOSITORY}[cli]")
SAME = {
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_DEFAULT_TIMEOUT": "UV_HTTP_TIMEOUT",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
}
"""Variables of pip, and what uv calls them."""


def main() -> int:
    """Makes the environment that the Makefile asks for; 0 if it could."""
    path, group = sys.argv[1:]
    print(f"making {path} with Python {sys.version.split()[0]}", flush=True)
    venv.create(path, clear=True, with_pip=True, symlinks=os.name != "nt")
    python = os.path.join(path, SCRIPTS, "python")
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    if subprocess.call([*pip, "uv>=0.9"]):
        return 1
    if not install(python, group, uv=os.path.join(path, SCRIPTS, "uv")):
        return 0
    print("uv could not install all of it; pip tries", flush=True)
    groups = os.path.join(REPOSITORY, "pyproject.toml") + ":" + group
    return subprocess.call([*pip, "--upgrade", "pip>=25.1"]) or subprocess.call([*pip, "--group", groups, *OURS])


def install(python: str, group: str, *, uv: str) -> int:
    """Installs freshwheel and the group into the environment of `python`; the exit code of uv."""
    groups = os.path.join(REPOSITORY, "pyproject.toml") + ":" + group
    command = (uv, "pip", "install", "--quiet", "--python", python, "--group", groups, *OURS)
    return subprocess.call(command, env=environ(os.environ))


def make(path: str, python: str, group: str, *, uv: str) -> int:
    """Makes an environment of another Python; the exit code of uv."""
    shutil.rmtree(path, ignore_errors=True)
    command = (uv, "venv", "--quiet", "--no-project", "--python", python, path)
    code = subprocess.call(command, env=environ(os.environ))
    return code or install(os.path.join(path, SCRIPTS, "python"), group, uv=uv)


def is_made(path: str, about: str) -> bool:
    """Whether an environment is complete, for the pyproject.toml of now and for what it is `about`."""
    try:
        with open(os.path.join(path, "stamp"), encoding="utf-8") as file:
            return file.read() == _stamp(about)
    except OSError:
        return False


def complete(path: str, about: str) -> None:
    """Marks an environment as complete, so that `is_made` says so."""
    with open(os.path.join(path, "stamp"), "w", encoding="utf-8") as file:
        file.write(_stamp(about))


def _stamp(about: str) -> str:
    with open(os.path.join(REPOSITORY, "pyproject.toml"), "rb") as file:
        return f"{hashlib.sha256(file.read()).hexdigest()} {about}\n"


def environ(given: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv, which then looks for packages where pip looks for them."""
    translated = {theirs: given[name] for name, theirs in SAME.items() if given.get(name)}
    # A folder that is not there is a warning to pip and an error to uv.
    links = [link for link in given.get("PIP_FIND_LINKS", "").split() if "://" in link or os.path.isdir(link)]
    if links:
        translated["UV_FIND_LINKS"] = ",".join(links)
    # A link changes with each other environment that has it, and tests look at what changes.
    return {"UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy", **translated, **given}


if __name__ == "__main__":
    raise SystemExit(main())
