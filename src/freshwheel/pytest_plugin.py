"""The pytest plugin: before a run, says which local installs are stale. Off unless the ini option `freshwheel` is set.

`freshwheel = warn` writes a line for each; `freshwheel = error` ends the run before a test is collected.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from freshwheel.explain.installed import Status

_OPTION = "freshwheel"
_MODES = ("warn", "error")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option."""
    about = "say before a run (warn), or end it (error), where what is installed from a folder is not what that says"
    parser.addini(_OPTION, about, default="")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Looks once in a run: not in the workers of xdist. Raises pytest.UsageError."""
    config = session.config
    mode = str(config.getini(_OPTION)).strip()
    if not mode or hasattr(config, "workerinput"):
        return
    if mode not in _MODES:
        raise pytest.UsageError(f'the ini option {_OPTION} is "warn" or "error", and not "{mode}"')
    from freshwheel.explain import installed  # noqa: PLC0415 - a run without the option loads nothing of it

    statuses = installed.statuses(sys.path, dict(os.environ), suffix=importlib.machinery.EXTENSION_SUFFIXES[0])
    wrong = [status for status in statuses if status.wrong]
    if mode == "error" and (stale := [status for status in wrong if status.state == "stale"]):
        raise pytest.UsageError("\n".join(map(_line, stale)))
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        for status in wrong:
            reporter.write_line(_line(status), yellow=True)


def _line(status: Status) -> str:
    """What is wrong, or may be, and what mends it."""
    mend = f"; mend it: {status.mend}" if status.mend else ""
    return f"freshwheel: {status.name} is {status.state}: {status.why}{mend}"
