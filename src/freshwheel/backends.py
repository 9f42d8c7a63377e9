"""What freshwheel knows of each inner backend: one frozen value per backend, and a generic one for all others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["BASE_PYTHON_VARIABLES", "KNOWN", "Backend", "find", "guess", "misnamed", "names"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """One inner backend."""

    name: str
    """What people call it; for an unknown one, what the configuration says."""
    modules: tuple[str, ...] = ()
    """The modules with hooks, without `:object`; the first is the one to recommend."""
    distributions: tuple[str, ...] = ()
    """Normalised names (PEP 503). A requirement on any of these brings the modules; the first is to be recommended."""
    companion: str | None = None
    """A distribution that makes another backend's module this backend; it must be among the requirements."""
    base_python: str | None = None
    """The variable that tells this backend to build for the base interpreter of a virtual environment."""
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Environment for its process, where the user has not set it."""
    own_version: bool = False
    """Whether `[tool.freshwheel] version` may replace the version that this backend finds by itself.

    The others fail, or write 0.0.0, when `version` is dynamic and nothing says where it comes from: they need a source
    of the version anyway, and a second one could only contradict it.
    """


# The more special come first: `find` takes the first that fits.
KNOWN = (
    Backend(
        name="maturin",
        modules=("maturin",),
        distributions=("maturin",),
        base_python="MATURIN_PEP517_USE_BASE_PYTHON",
        # It warns that `build-backend` is not maturin, which here is so on purpose.
        variables=MappingProxyType({"MATURIN_NO_MISSING_BUILD_BACKEND_WARNING": "1"}),
        own_version=True,
    ),
    Backend(
        name="setuptools-rust",
        modules=("setuptools.build_meta",),
        distributions=("setuptools-rust",),
        companion="setuptools-rust",
        base_python="SETUPTOOLS_RUST_PEP517_USE_BASE_PYTHON",
        own_version=True,
    ),
    Backend(
        name="setuptools",
        modules=("setuptools.build_meta",),
        distributions=("setuptools", "setuptools-scm"),
        own_version=True,
    ),
    Backend(
        name="scikit-build-core",
        modules=("scikit_build_core.build", "scikit_build_core.setuptools.build_meta"),
        distributions=("scikit-build-core",),
    ),
    Backend(name="meson-python", modules=("mesonpy",), distributions=("meson-python",)),
    Backend(
        name="hatchling",
        modules=("hatchling.build",),
        distributions=("hatchling", "hatch-vcs", "hatch-fancy-pypi-readme"),
    ),
    Backend(name="flit", modules=("flit_core.buildapi", "flit.buildapi"), distributions=("flit-core", "flit")),
)

BASE_PYTHON_VARIABLES = tuple(known.base_python for known in KNOWN if known.base_python is not None)
"""Set for every inner backend: an in-tree one may call any of those that read them, and the others ignore them."""

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def find(backend: str, requires: Sequence[str], *, in_tree: bool = False) -> Backend:
    """The known backend that `backend` ("module" or "module:object") names, or a generic value.

    `requires` are all requirements of the build: they tell setuptools-rust from setuptools. An in-tree backend is
    generic whatever its name, since only its author knows what it wraps.
    """
    module = backend.partition(":")[0]
    wanted = names(requires)
    for known in () if in_tree else KNOWN:
        if module in known.modules and (known.companion is None or known.companion in wanted):
            return known
    return Backend(name=backend)


def guess(requires: Sequence[str]) -> Backend | None:
    """The one known backend that `requires` bring, None when they bring none or several."""
    wanted = names(requires)
    found = [known for known in KNOWN if wanted.intersection(known.distributions)]
    if any(known.companion for known in found):
        # A companion never stands alone: the backend whose module it shares is usually among the requirements too.
        shared = {module for known in found if known.companion for module in known.modules}
        found = [known for known in found if known.companion or not shared.intersection(known.modules)]
    return found[0] if len(found) == 1 else None


def misnamed(backend: str) -> Backend | None:
    """The known backend whose distribution `backend` spells where a module is wanted: "hatchling", "meson-python"."""
    name = _normal(backend)
    if any(backend in known.modules for known in KNOWN):
        return None
    return next((known for known in KNOWN if name in known.distributions), None)


def names(requires: Sequence[str]) -> frozenset[str]:
    """The normalised names of the distributions that `requires` ask for; what is no requirement is left out."""
    return frozenset(_normal(match[1]) for text in requires if (match := _NAME.match(text)))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
