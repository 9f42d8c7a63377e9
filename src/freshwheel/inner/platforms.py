"""The operating system, as far as a wheel depends on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from freshwheel.inner.build_key import Value
from freshwheel.inner.programs import Run
from freshwheel.inner.watch import Lookout

_TOOLSETS = (
    ("ProgramFiles", ("Microsoft Visual Studio", "*", "*", "VC", "Tools", "MSVC", "*")),
    ("ProgramFiles(x86)", ("Microsoft Visual Studio", "*", "*", "VC", "Tools", "MSVC", "*")),
    ("ProgramFiles(x86)", ("Windows Kits", "10", "Lib", "*")),
)


def facts(
    environ: Mapping[str, str], lookout: Lookout, *, run: Run, platform: str = sys.platform, libraries: str = "/lib"
) -> dict[str, Value]:
    """Name, machine and C library; on Windows the toolsets and kits that are there."""
    found: dict[str, Value] = {"name": os.name, "system": platform, "machine": _machine(environ, lookout)}
    if platform == "win32":
        found["toolsets"] = _toolsets(environ, lookout)
    elif platform == "linux":
        found["libc"] = _glibc() or _musl(libraries, environ, lookout, run)
    elif platform == "darwin":
        found["release"] = os.uname().release.partition(".")[0]
    return found


def _machine(environ: Mapping[str, str], lookout: Lookout) -> str:
    if hasattr(os, "uname"):
        return os.uname().machine
    lookout.names.add("PROCESSOR_ARCHITECTURE")
    return environ.get("PROCESSOR_ARCHITECTURE", "")


def _glibc() -> str | None:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, OSError, ValueError):
        return None


def _musl(libraries: str, environ: Mapping[str, str], lookout: Lookout, run: Run) -> str | None:
    """What the loader of musl says of itself."""
    for name in _listed(libraries, lookout):
        if name.startswith("ld-musl-"):
            path = os.path.join(libraries, name)
            lookout.look(path)
            lines = run([path], cwd=libraries, environ=environ).errors.decode("utf-8", "replace").splitlines()
            return " ".join(["musl", *lines[:2]])
    return None


def _toolsets(environ: Mapping[str, str], lookout: Lookout) -> tuple[str, ...]:
    """The folders that Microsoft's compilers and kits lie in, without their place."""
    found = []
    for variable, pattern in _TOOLSETS:
        lookout.names.add(variable)
        roots = [(environ[variable], "")] if environ.get(variable) else []
        for part in pattern:
            roots = [
                (os.path.join(root, name), f"{said}/{name}")
                for root, said in roots
                for name in (_listed(root, lookout) if part == "*" else [part])
            ]
        found += [said for path, said in roots if lookout.look(path) is not None]
    return tuple(sorted(set(found)))


def _listed(folder: str, lookout: Lookout) -> list[str]:
    try:
        return sorted(os.listdir(folder)) if lookout.look(folder) is not None else []
    except OSError:
        return []
