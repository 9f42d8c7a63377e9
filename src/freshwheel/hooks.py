"""The hooks of PEP 517 and PEP 660, and two of our own.

A door, not a room: each hook reads the working directory and the environment, hands them to `replay`, which may have
the answer still, else to `build`, and renders failures. Both are imported inside the call: a frontend that only probes
for hooks must not pay for the recipes.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    ConfigSettings = Mapping[str, str | Sequence[str]] | None


class UnsupportedOperation(Exception):  # noqa: N818 - PEP 517 gives the name
    """The inner backend can't do this, for example make a source distribution (PEP 517)."""


def get_requires_for_build_wheel(config_settings: "ConfigSettings" = None) -> "list[str]":
    """The requirements of a wheel build, beside those in `[build-system]`."""
    known = _replay(config_settings).requires(os.getcwd(), os.environ, config_settings)
    return _run("requires", "build_wheel", config_settings) if known is None else known


def get_requires_for_build_editable(config_settings: "ConfigSettings" = None) -> "list[str]":
    """The requirements of an editable build, beside those in `[build-system]`."""
    known = _replay(config_settings).requires(os.getcwd(), os.environ, config_settings, hook="build_editable")
    return _run("requires", "build_editable", config_settings) if known is None else known


def get_requires_for_build_sdist(config_settings: "ConfigSettings" = None) -> "list[str]":
    """The requirements of a source distribution, beside those in `[build-system]`."""
    return _run("requires", "build_sdist", config_settings)


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: "ConfigSettings" = None) -> str:
    """The name of the `.dist-info` folder, written into `metadata_directory`, of the wheel to be built."""
    directory = os.fspath(metadata_directory)
    known = _replay(config_settings).metadata(os.getcwd(), os.environ, config_settings, directory)
    return _run("metadata", "build_wheel", config_settings, directory) if known is None else known


def prepare_metadata_for_build_editable(metadata_directory: str, config_settings: "ConfigSettings" = None) -> str:
    """The name of the `.dist-info` folder, written into `metadata_directory`, of the editable to be built."""
    directory, ours = os.fspath(metadata_directory), _replay(config_settings)
    known = ours.metadata(os.getcwd(), os.environ, config_settings, directory, hook="build_editable")
    return _run("metadata", "build_editable", config_settings, directory) if known is None else known


def build_wheel(
    wheel_directory: str, config_settings: "ConfigSettings" = None, metadata_directory: "str | None" = None
) -> str:
    """The file name of the wheel, written into `wheel_directory`."""
    directory = os.fspath(wheel_directory)
    known = _replay(config_settings).wheel(os.getcwd(), os.environ, config_settings, directory, say=_say)
    return _run("wheel", "build_wheel", config_settings, directory) if known is None else known


def build_editable(
    wheel_directory: str, config_settings: "ConfigSettings" = None, metadata_directory: "str | None" = None
) -> str:
    """The file name of the editable wheel (PEP 660), written into `wheel_directory`."""
    directory, ours = os.fspath(wheel_directory), _replay(config_settings)
    known = ours.wheel(os.getcwd(), os.environ, config_settings, directory, hook="build_editable", say=_say)
    return _run("wheel", "build_editable", config_settings, directory) if known is None else known


def build_sdist(sdist_directory: str, config_settings: "ConfigSettings" = None) -> str:
    """The file name of the source distribution, written into `sdist_directory`; its version is never labelled."""
    return _run("sdist", "build_sdist", config_settings, os.fspath(sdist_directory))


def get_source_digest(config_settings: "ConfigSettings" = None) -> str:
    """The source digest of the tree in the working directory: 32 hex digits. The inner backend is not needed."""
    known = _replay(config_settings).source_digest(os.getcwd(), os.environ, config_settings)
    return _run("source_digest", "build_wheel", config_settings) if known is None else known


def get_build_inputs(config_settings: "ConfigSettings" = None) -> "dict[str, Any]":
    """What the digest is made from: `digest`, `files`, `globs` and `env`. The inner backend is not needed."""
    return _run("build_inputs", "build_wheel", config_settings)


def _replay(settings: "ConfigSettings") -> "Any":
    """What may have the answer still; not loaded for a frontend that only probes for hooks."""
    _ready(settings)
    from freshwheel import replay  # noqa: PLC0415 - not before

    return replay


def _ready(settings: "ConfigSettings") -> None:
    """What is imported from now on need not be compiled, where that can be had."""
    from freshwheel import bytecode  # noqa: PLC0415 - see the module's docstring

    bytecode.use(os.getcwd(), os.environ, settings)


def _run(recipe: str, hook: str, settings: "ConfigSettings", *arguments: str) -> "Any":
    """The answer of one recipe of `build`, or a rendered failure and the end of the process."""
    _ready(settings)
    from freshwheel import build, errors  # noqa: PLC0415 - not before

    call = build.Call(tree=os.getcwd(), environ=dict(os.environ), hook=hook, settings=settings, say=_say)
    try:
        answer: Callable[..., Any] = getattr(build, recipe)
        return answer(call, *arguments)
    except errors.UnsupportedError as error:
        raise UnsupportedOperation(error.render()) from None
    except errors.FreshwheelError as error:
        _say(f"error: {error.render()}")
        raise SystemExit(error.exit_code) from None


def _say(message: str) -> None:
    sys.stderr.write(f"freshwheel: {message}\n")
