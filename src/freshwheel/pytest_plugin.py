"""The pytest plugin: before a run, says which local installs are stale. Off unless the ini option `freshwheel` is set.

`freshwheel = warn` writes a line for each; `freshwheel = error` ends the run before a test is collected.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Iterator

import pytest

_OPTION = "freshwheel"
_MODES = ("warn", "error")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option."""
    about = "say before a run (warn), or end it (error), where what is installed from a folder is not what that says"
    parser.addini(_OPTION, about, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Looks once in a run: not in the workers of xdist. Raises pytest.UsageError."""
    mode = str(config.getini(_OPTION)).strip()
    if not mode or hasattr(config, "workerinput"):
        return
    if mode not in _MODES:
        raise pytest.UsageError(f'the ini option {_OPTION} is "warn" or "error", and not "{mode}"')
    found = list(_wrong())
    stale = [line for state, line in found if state == "stale"]
    if stale and mode == "error":
        raise pytest.UsageError("\n".join(stale))
    if found:
        config.pluginmanager.register(_Teller(config, [line for _, line in found]))


class _Teller:
    """Says it before the first test."""

    def __init__(self, config: pytest.Config, lines: list[str]) -> None:
        self.config = config
        self.lines = lines

    def pytest_sessionstart(self) -> None:
        """Writes the lines, where something is written at all."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            for line in self.lines:
                reporter.write_line(line, yellow=True)


def _wrong() -> Iterator[tuple[str, str]]:
    """State and line of what is stale, or may be, each with its reason and what mends it."""
    from freshwheel.memory import installed_state, installs  # noqa: PLC0415 - a run without the option loads nothing of it

    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    for install in installs.found(sys.path):
        if install.origin != "folder" or not (install.mark or _may_be_wrapped(install.tree)):
            continue
        if install.marked("digest"):
            now = installed_state.digests(install.tree, os.environ)
            if now is not None and installed_state.judged(install, now, os.environ, suffix).state == "current":
                continue
        yield from _told(install.name, suffix)


def _may_be_wrapped(tree: str) -> bool:
    """Whether a project may use freshwheel by now, though what is installed was built without it."""
    try:
        with open(os.path.join(tree, "pyproject.toml"), "rb") as file:
            return b"tool.freshwheel" in file.read()
    except (OSError, ValueError):  # a NUL in a path
        return False


def _told(name: str, suffix: str) -> Iterator[tuple[str, str]]:
    """As `_wrong`, of one of which it is not known at once that it is right."""
    from freshwheel.explain import installed  # noqa: PLC0415 - heavy, and rarely needed

    for one in installed.statuses(sys.path, dict(os.environ), suffix=suffix, names=[name]):
        if one.state in ("stale", "unknown"):
            mend = f"; mend it: {one.mend}" if one.mend else ""
            yield one.state, f"freshwheel: {one.name} is {one.state}: {one.why}{mend}"
