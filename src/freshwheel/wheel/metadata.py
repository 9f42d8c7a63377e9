"""Metadata: headers, of which some are read and one is changed, not a byte else; and the `.dist-info` folder of it.

A hit waits for this module.
"""

from __future__ import annotations

import os
import re
import shutil

from freshwheel.base import files
from freshwheel.base.errors import WheelError

INFO = ".dist-info"
OF_ONE_WHEEL = ("RECORD", "freshwheel.json")
"""What speaks of one built wheel; metadata that is handed out before a build has neither."""


def field(text: bytes, name: str) -> str:
    """The value of the header `name`; WheelError unless there is exactly one."""
    start, stop = _place(text, name)
    try:
        return text[start:stop].decode()
    except UnicodeDecodeError as error:
        raise WheelError(f"the metadata has a {name} that is not UTF-8: {error}") from None


def with_version(text: bytes, version: str) -> bytes:
    """`text` with another version; WheelError unless there is exactly one."""
    start, stop = _place(text, "Version")
    return text[:start] + version.encode() + text[stop:]


def version_of(folder: str) -> str:
    """The version in the METADATA of a `.dist-info` folder; WheelError if there is none."""
    return field(_text(folder), "Version")


def copy(folder: str, directory: str, *, version: str) -> str:
    """The name of the `.dist-info` folder in `directory` that holds what `folder` holds, with another version.

    WheelError if `folder` has no METADATA with one version.
    """
    text = _text(folder)
    stem = os.path.basename(folder).removesuffix(INFO).rpartition("-")[0]
    target = os.path.join(directory, f"{stem}-{version}{INFO}")
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(*OF_ONE_WHEEL), dirs_exist_ok=True)
    files.write(os.path.join(target, "METADATA"), with_version(text, version))
    return os.path.basename(target)


def of_wheel(path: str) -> dict[str, bytes]:
    """The `.dist-info` folder of a finished wheel as metadata hooks hand it out: path, with the folder -> content."""
    import zipfile  # noqa: PLC0415 - see the module's docstring

    with zipfile.ZipFile(path) as archive:
        parts = [(name, *name.partition(f"{INFO}/")[::2]) for name in archive.namelist()]
        wanted = [name for name, stem, rest in parts if "/" not in stem and rest not in ("", *OF_ONE_WHEEL)]
        return {name: archive.read(name) for name in wanted if not name.endswith("/")}


def unpack(path: str, directory: str) -> str:
    """The name of the `.dist-info` folder of a finished wheel, which is written into `directory`."""
    found = of_wheel(path)
    for name, data in found.items():
        target = os.path.join(directory, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        files.write(target, data)
    return next(iter(found)).partition("/")[0]


def _place(text: bytes, name: str) -> tuple[int, int]:
    """Where in `text` the value of the one header `name` starts and stops: headers end at the first empty line."""
    head = re.search(rb"\A\s*.*?(?:\r?\n\r?\n|\Z)", text, re.DOTALL)
    line = re.compile(rb"^%s:[ \t]*([^\r\n]*?)[ \t]*\r?$" % name.encode(), re.MULTILINE | re.IGNORECASE)
    values = [found.span(1) for found in line.finditer(text, 0, head.end() if head else 0)]
    if len(values) != 1:
        raise WheelError(f"the metadata has {len(values)} lines for {name} instead of one")
    return values[0]


def _text(folder: str) -> bytes:
    try:
        with open(os.path.join(folder, "METADATA"), "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise WheelError(f"{os.path.basename(folder)}: the inner backend wrote no METADATA into it") from None
