"""A build backend that wraps the real one: never stale, never redundant."""

from freshwheel.about import __version__
from freshwheel.hooks import (
    UnsupportedOperation,
    build_editable,
    build_sdist,
    build_wheel,
    get_build_inputs,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    get_source_digest,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "UnsupportedOperation",
    "__version__",
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_build_inputs",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "get_source_digest",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]
