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


def fresh(
    folder: str, environ: Mapping[str, str], hook: str, *, known: bool = True, version: str | None = None
) -> dict[str, str]:
    """The variables that make setuptools work in the empty `folder`; nothing where that can't be said.

    The configuration that the user has in that variable stays in force beside ours. An editable build has folders of
    its own, but for `.egg-info`, which must stay where it is. A `version` is that of the distribution for all that
    runs in the build, where pyproject leaves it open. A backend that is not `known` may call setuptools with a folder
    to build in, and look for the modules there.
    """
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    path = os.path.join(folder, "setuptools.cfg")
    try:
        if user := environ.get(_VARIABLE):
            parser.read(user, encoding="utf-8")
        stated = [] if version is None else [("metadata", "version", version)]
        for section, name, value in [*_options(folder, hook, known=known), *stated]:
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
    place = os.path.join(tree, "build")
    if hook != "build_wheel" or _is_used(os.path.join(folder, _BASE)) or not _is_used(place):
        return ""
    return f"setuptools worked in {place}, where earlier builds did, and not in a fresh folder"


def _is_used(place: str) -> bool:
    """Whether setuptools has put modules into a folder to build in."""
    try:
        with os.scandir(place) as listing:
            return any(entry.name.startswith("lib") and entry.is_dir() for entry in listing)
    except OSError:
        return False


def _options(folder: str, hook: str, *, known: bool) -> list[tuple[str, str, str]]:
    """Section, name and value of what setuptools must be told."""
    if hook != "build_wheel":
        return [("build", "build_base", os.path.join(folder, _BASE))]
    found = [("build", name, os.path.join(folder, path)) for name, path in _BUILD.items()]
    return [*(found if known else found[:1]), ("egg_info", "egg_base", os.path.join(folder, "info"))]
