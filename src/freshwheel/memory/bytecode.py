"""The bytecode of freshwheel itself, kept from one environment of a build to the next. Part of the light column.

An environment that was made for one build has none, since its installer does not compile, and compiling is then half of
what a hit takes. What is run is what is installed: what is kept has the hash of its source in it, and Python holds that
against what lies there (PEP 552). Nothing of the cache is run where the wheel may be for others. Whatever is wrong,
Python compiles.
"""

import _imp
import os
import sys

import xxhash

from freshwheel.about import __version__
from freshwheel.base import environment, files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_FOLDER = "code"
"""In the cache directory."""
_SUFFIX = ".pyc"
_ROOMS = ("", "base", "build", "inner", "memory", "observe", "sources", "store", "wheel")
"""The folders of modules that hooks load."""
_CHECKED = (0b11).to_bytes(4, "little")
"""The flags of bytecode that is held against its source by a hash."""
_SUM = 16
"""Bytes at the end: XXH3-128 of all before."""


def use(tree: str, environ: "Mapping[str, str]", settings: object) -> None:
    """In an environment of a build, modules that are not loaded yet take kept bytecode, or leave theirs."""
    try:
        _use(tree, environ, settings)
    except Exception:  # noqa: BLE001 - whatever it is: Python compiles
        return


def _use(tree: str, environ: "Mapping[str, str]", settings: object) -> None:
    home = os.path.dirname(os.path.dirname(__file__))
    finder: Any = type(sys.path_importer_cache.get(home))
    loader, stem = type(__spec__.loader), None if _for_others(tree, environ, settings) else _stem(environ)
    if stem is None or finder.__name__ != "FileFinder" or not hasattr(loader, "set_data"):
        return
    ours = _loader(loader, stem)
    for room in _ROOMS:
        folder = os.path.join(home, room) if room else home
        sys.path_importer_cache[folder] = finder(folder, (ours, [".py"]))


def _for_others(tree: str, environ: "Mapping[str, str]", settings: object) -> bool:
    """Whether the wheel may be a release, or the cache be another's: a restored one of a CI service."""
    return (
        any(environ.get(name) for name in ("CI", "CIBUILDWHEEL", "FRESHWHEEL_LABEL"))
        or environ.get("FRESHWHEEL_STORE") == "off"
        or (isinstance(settings, dict) and "freshwheel.label" in settings)
        or os.path.lexists(os.path.join(tree, "PKG-INFO"))
    )


def _stem(environ: "Mapping[str, str]") -> str | None:
    """How the paths of what is kept begin; None where nothing may be. Raises OSError."""
    cache = files.cache_directory(environ)
    if (
        cache is None
        or environment.isolation(environ) is None
        or getattr(_imp, "check_hash_based_pycs", "never") == "never"
    ):
        return None
    folder = os.path.join(cache, _FOLDER)
    files.settle(folder)
    is_own = all(files.is_own(os.stat(path)) for path in (cache, folder))
    return os.path.join(folder, __version__) if is_own else None


def _loader(base: "Any", stem: str) -> "Any":
    """A loader of sources as `base` is one, that has bytecode also in the files whose paths begin with `stem`."""

    def place(self: "Any", path: str) -> str:
        return f"{stem}.{self.name}.{os.path.basename(path).partition('.')[2]}"

    def get_data(self: "Any", path: str) -> "Any":
        if not path.endswith(_SUFFIX):
            self.source = base.get_data(self, path)
            return self.source
        try:
            return base.get_data(self, path)
        except OSError:
            return _kept(place(self, path))

    def set_data(self: "Any", path: str, data: bytes, **_: object) -> None:
        from importlib import util  # noqa: PLC0415 - only where something was compiled

        try:
            hashed = data[:4] + _CHECKED + util.source_hash(self.source) + data[16:]
            files.write(place(self, path), hashed + xxhash.xxh3_128_digest(hashed), mode=0o600)
        except Exception:  # noqa: BLE001 - as above
            return

    return type("Loader", (base,), {"get_data": get_data, "set_data": set_data})


def _kept(path: str) -> bytes:
    """What was kept in a file. Raises OSError where there is none, and where it is damaged."""
    with open(path, "rb", buffering=0) as file:
        data = file.read()
    if xxhash.xxh3_128_digest(memoryview(data)[:-_SUM]) != data[-_SUM:]:
        raise OSError(f"{path} is damaged")
    return data[:-_SUM]
