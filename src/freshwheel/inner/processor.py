"""The processor, for builds that are told to compile for the very one that they run on."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping

from freshwheel.inner.programs import Run

_NATIVE = re.compile(
    rb"(?:arch|cpu|tune|baseline)[\"']?[\s=:,]+[\"']?native\b|-tp[= ](?:host|native)\b|[-/]q?xhost\b", re.IGNORECASE
)
"""As compilers spell it, in a flag or in two words of a list."""
_RECIPE = re.compile(
    r"(?:.*/)?(?:CMakeLists\.txt|.+\.cmake|CMake(?:User)?Presets\.json|meson\.(?:build|options)|meson_options\.txt"
    r"|setup\.(?:py|cfg)|pyproject\.toml|(?:GNU)?[Mm]akefile[^/]*|.+\.mk|build\.rs|\.cargo/config(?:\.toml)?)"
)
_LARGEST = 256 << 10
"""Bytes."""
_CPUINFO = "/proc/cpuinfo"
_LINES = re.compile(
    r"(?:vendor_id|cpu family|model|stepping|cache size|[Ff]eatures|flags|CPU \w+|cpu|isa|uarch|m\w+id)\s*:.*"
)
"""What a compiler may go by, of all that Linux says of a processor on one of its architectures."""


def wanted(texts: Iterable[bytes]) -> bool:
    """Whether one of these texts, flags or files that hold flags, asks for the processor at hand."""
    return any(_NATIVE.search(text) for text in texts)


def recipes(tree: str, inputs: Iterable[bytes]) -> Iterator[bytes]:
    """What stands in those inputs of a tree that tell how to build; of large ones the beginning."""
    for path in map(os.fsdecode, inputs):
        if _RECIPE.fullmatch(path):
            with contextlib.suppress(OSError), open(os.path.join(tree, path), "rb") as file:
                yield file.read(_LARGEST)


def features(environ: Mapping[str, str], *, run: Run, platform: str = sys.platform, cpuinfo: str = _CPUINFO) -> str:
    """What a compiler may know of the processor; where nobody says that, the name of this machine."""
    said = ""
    if platform == "win32":
        said = environ.get("PROCESSOR_IDENTIFIER", "")
    elif platform == "darwin":
        said = run(("/usr/sbin/sysctl", "machdep.cpu", "hw.optional"), cwd="/", environ=environ).output.decode()
    else:
        with contextlib.suppress(OSError), open(cpuinfo, encoding="utf-8", errors="replace") as file:
            # There may be several kinds of cores, and as many as there are of each.
            kinds = {"\n".join(sorted(filter(_LINES.fullmatch, one.splitlines()))) for one in file.read().split("\n\n")}
            said = "\n\n".join(sorted(kinds - {""}))
    return said or socket.gethostname()
