"""A fresh build folder for setuptools, which packs whatever earlier builds left in `build/lib`.

It compares an extension with its sources and what `depends` names, not with the headers that were included; it never
removes a module that is gone; and it keeps what `MANIFEST.in` once named in the list that lies in its `.egg-info`.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping

from freshwheel.base.backends import Backend

_VARIABLE = "DIST_EXTRA_CONFIG"
_OTHERS = ("flit", "hatchling", "maturin", "meson-python")
"""Known backends that never run setuptools."""
_BASE = "base"
_BUILD = {"build_base": _BASE, "build_lib": os.path.join(_BASE, "lib"), "build_temp": os.path.join(_BASE, "temp")}


def concerns(backend: Backend, module: str) -> bool:
    """Whether a backend may run setuptools; any may that nobody knows. `module` is what the settings call it."""
    if backend.name == "scikit-build-core":
        return module.startswith("scikit_build_core.setuptools")
    return backend.name not in _OTHERS


def fresh(folder: str, environ: Mapping[str, str], hook: str, *, version: str | None = None) -> dict[str, str]:
    """The variables that make setuptools work in the empty `folder`; nothing where that can't be said.

    The configuration that the user has in that variable stays in force beside ours. An editable build has folders of
    its own, but for `.egg-info`, which must stay where it is. A `version` is that of the distribution for all that
    runs in the build, where pyproject leaves it open.
    """
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    path = os.path.join(folder, "setuptools.cfg")
    try:
        if user := environ.get(_VARIABLE):
            parser.read(user, encoding="utf-8")
        stated = [] if version is None else [("metadata", "version", version)]
        for section, name, value in [*_options(folder, hook), *stated]:
            if not parser.has_section(section):
                parser.add_section(section)
            for old in (name, name.replace("_", "-")):
                parser.remove_option(section, old)
            parser.set(section, name, value.replace("%", "%%"))  # setuptools interpolates
        if hook == "build_wheel":
            os.makedirs(os.path.join(folder, "info"))
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            parser.write(file)
    except (OSError, ValueError, configparser.Error):
        return {}
    return {_VARIABLE: path}


def left(folder: str, tree: str, hook: str) -> str:
    """Why a wheel may hold what an earlier build left; nothing where setuptools worked in `folder`, or not at all.

    Older versions, and settings in pyproject, take other folders.
    """
    if hook != "build_wheel" or os.path.isdir(os.path.join(folder, _BASE, "lib")):
        return ""
    place = os.path.join(tree, "build")
    try:
        with os.scandir(place) as listing:
            used = [entry.name for entry in listing if entry.name.startswith("lib") and entry.is_dir()]
    except OSError:
        return ""
    return f"setuptools worked in {place}, where earlier builds did, and not in a fresh folder" if used else ""


def _options(folder: str, hook: str) -> list[tuple[str, str, str]]:
    """Section, name and value of what setuptools must be told."""
    if hook != "build_wheel":
        return [("build", "build_base", os.path.join(folder, _BASE))]
    found = [("build", name, os.path.join(folder, path)) for name, path in _BUILD.items()]
    return [*found, ("egg_info", "egg_base", os.path.join(folder, "info"))]
