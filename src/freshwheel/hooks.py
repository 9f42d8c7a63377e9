"""The hooks of PEP 517 and PEP 660, and two of our own.

A door, not a room: each hook reads the working directory and the environment, hands them to `replay`, which may have
the answer still, else to one of the `recipes`. All is imported inside the call: a frontend that only probes for hooks
must not pay for it.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from typing_extensions import Self

    from freshwheel.build import recipes

    ConfigSettings = Mapping[str, str | Sequence[str]] | None


class UnsupportedOperation(Exception):  # noqa: N818 - PEP 517 gives the name
    """The inner backend can't do this, for example make a source distribution (PEP 517)."""


def get_requires_for_build_wheel(config_settings: "ConfigSettings" = None) -> "list[str]":
    """The requirements of a wheel build, beside those in `[build-system]`."""
    return _requires("build_wheel", config_settings)


def get_requires_for_build_editable(config_settings: "ConfigSettings" = None) -> "list[str]":
    """The requirements of an editable build, beside those in `[build-system]`."""
    return _requires("build_editable", config_settings)


def get_requires_for_build_sdist(config_settings: "ConfigSettings" = None) -> "list[str]":
    """The requirements of a source distribution, beside those in `[build-system]`."""
    with _Door("build_sdist", config_settings) as door:
        from freshwheel.build import recipes

        return recipes.requires(door.call())


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: "ConfigSettings" = None) -> str:
    """The name of the `.dist-info` folder, written into `metadata_directory`, of the wheel to be built."""
    return _metadata("build_wheel", os.fspath(metadata_directory), config_settings)


def prepare_metadata_for_build_editable(metadata_directory: str, config_settings: "ConfigSettings" = None) -> str:
    """The name of the `.dist-info` folder, written into `metadata_directory`, of the editable to be built."""
    return _metadata("build_editable", os.fspath(metadata_directory), config_settings)


def build_wheel(
    wheel_directory: str, config_settings: "ConfigSettings" = None, metadata_directory: "str | None" = None
) -> str:
    """The file name of the wheel, written into `wheel_directory`."""
    return _wheel("build_wheel", os.fspath(wheel_directory), config_settings)


def build_editable(
    wheel_directory: str, config_settings: "ConfigSettings" = None, metadata_directory: "str | None" = None
) -> str:
    """The file name of the editable wheel (PEP 660), written into `wheel_directory`."""
    return _wheel("build_editable", os.fspath(wheel_directory), config_settings)


def build_sdist(sdist_directory: str, config_settings: "ConfigSettings" = None) -> str:
    """The file name of the source distribution, written into `sdist_directory`; its version is never labelled."""
    directory = os.fspath(sdist_directory)
    with _Door("build_sdist", config_settings) as door:
        from freshwheel.build import recipes

        return recipes.sdist(door.call(), directory)


def get_source_digest(config_settings: "ConfigSettings" = None) -> str:
    """The source digest of the tree in the working directory: 32 hex digits. The inner backend is not needed."""
    with _Door("build_wheel", config_settings) as door:
        from freshwheel.memory import replay

        known = replay.source_digest(replay.Call(os.getcwd(), os.environ, config_settings))
        if known is not None:
            return known
        from freshwheel.build import recipes

        return recipes.source_digest(door.call())


def get_build_inputs(config_settings: "ConfigSettings" = None) -> "dict[str, Any]":
    """What the digest is made from: `digest`, `files`, `globs` and `env`. The inner backend is not needed."""
    with _Door("build_wheel", config_settings) as door:
        from freshwheel.build import recipes

        return recipes.build_inputs(door.call())


def _requires(hook: str, settings: "ConfigSettings") -> "list[str]":
    with _Door(hook, settings) as door:
        from freshwheel.memory import replay

        known = replay.requires(replay.Call(os.getcwd(), os.environ, settings, hook=hook))
        if known is not None:
            return known
        from freshwheel.build import recipes

        return recipes.requires(door.call())


def _metadata(hook: str, directory: str, settings: "ConfigSettings") -> str:
    with _Door(hook, settings) as door:
        from freshwheel.memory import replay

        known = replay.metadata(replay.Call(os.getcwd(), os.environ, settings, hook=hook), directory)
        if known is not None:
            return known
        from freshwheel.build import recipes

        return recipes.metadata(door.call(), directory)


def _wheel(hook: str, directory: str, settings: "ConfigSettings") -> str:
    with _Door(hook, settings) as door:
        from freshwheel.memory import replay

        known = replay.wheel(replay.Call(os.getcwd(), os.environ, settings, hook=hook), directory)
        if known is not None:
            name, told = known
            _say(told)
            return name
        from freshwheel.build import recipes

        return recipes.wheel(door.call(), directory)


class _Door:
    """Hands what the process knows to a recipe, and renders its failure, which ends the process."""

    def __init__(self, hook: str, settings: "ConfigSettings") -> None:
        self._hook = hook
        self._settings = settings

    def __enter__(self) -> "Self":
        """What is imported from now on need not be compiled, where that can be had."""
        from freshwheel.memory import bytecode

        bytecode.use(os.getcwd(), os.environ, self._settings)
        return self

    def call(self) -> "recipes.Call":
        """What a recipe is asked."""
        from freshwheel.build import recipes

        return recipes.Call(
            tree=os.getcwd(), environ=dict(os.environ), hook=self._hook, settings=self._settings, say=_say
        )

    def __exit__(self, kind: object, failure: BaseException | None, where: object) -> None:
        if failure is None:
            return
        from freshwheel.base import errors

        if isinstance(failure, errors.UnsupportedError):
            raise UnsupportedOperation(failure.render()) from None
        if isinstance(failure, errors.FreshwheelError):
            _say(f"error: {failure.render()}")
            raise SystemExit(failure.exit_code) from None


def _say(message: str) -> None:
    sys.stderr.write(f"freshwheel: {message}\n")
