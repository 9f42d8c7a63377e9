"""Files outside of every tree by which a person, or a variable, tells tools how to build."""

from __future__ import annotations

import os
from collections.abc import Mapping

from freshwheel.backends import Backend

_NAMED = ("CMAKE_TOOLCHAIN_FILE", "DIST_EXTRA_CONFIG", "PYO3_CONFIG_FILE")
"""Variables that name one."""
NAMES = ("CARGO_HOME", "HOME", "USERPROFILE", *_NAMED)
"""Variables that say where such files are."""
_SETUPTOOLS = ("setuptools", "setuptools-rust")


def files(backend: Backend, environ: Mapping[str, str], *, tree: str) -> dict[str, str]:
    """Where such files are looked for, whether they are there or not: what people call each -> its absolute path."""
    home = environ.get("HOME") or environ.get("USERPROFILE") or _account()
    found = {f"file of {name}": environ[name] for name in _NAMED if environ.get(name)}
    cargo = environ.get("CARGO_HOME") or (os.path.join(home, ".cargo") if home else "")
    if cargo and "cargo" in backend.tools:
        found |= {f"cargo's own {name}": os.path.join(cargo, name) for name in ("config", "config.toml")}
    if backend.name in _SETUPTOOLS or not backend.modules:
        found["distutils.cfg"] = os.path.join(os.path.dirname(os.__file__), "distutils", "distutils.cfg")
        if home:
            name = ".pydistutils.cfg" if os.name == "posix" else "pydistutils.cfg"
            found["the user's distutils"] = os.path.join(home, name)
    return {name: os.path.join(tree, path) for name, path in found.items()}


def _account() -> str:
    """The home that the system has on record, which tools go by where no variable says another one."""
    try:
        import pwd  # noqa: PLC0415 - not everywhere

        return pwd.getpwuid(os.getuid()).pw_dir
    except (AttributeError, ImportError, KeyError):
        return ""
