"""What an inner backend would ask for beside what is written, when it is not there to be asked."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from freshwheel.backends import Backend, Extra
from freshwheel.inner import programs
from freshwheel.inner.programs import Run
from freshwheel.inner.watch import Lookout, folders

__all__ = ["extras"]

_VERSION = re.compile(r"(?<![\w.])\d+(?:\.\d+)+")


def extras(  # noqa: PLR0913 - what a test replaces
    backend: Backend,
    environ: Mapping[str, str],
    *,
    tree: str,
    pyproject: Mapping[str, Any],
    hook: str,
    private: Sequence[str],
    run: Run = programs.run,
    platform: str = sys.platform,
) -> list[str]:
    """The requirements; programs in the `private` folders of an environment made for one build don't count.

    So the answer is the same before and after they are installed.
    """

    def wanted(extra: Extra) -> bool:
        if extra.editable and hook != "build_editable":
            return False
        if not platform.startswith(extra.platform) or (extra.unless is not None and environ.get(extra.unless)):
            return False
        if extra.setting is not None and _at(pyproject, extra.setting[0]) != extra.setting[1]:
            return False
        return not any(_serves(program, extra.requirement) for program in extra.programs)

    def _serves(program: str, requirement: str) -> bool:
        path = programs.which([program], search, Lookout(), cwd=tree, environ=environ)
        if path is None:
            return False
        answer = run([path, "--version"], cwd=tree, environ=environ)
        version = _VERSION.search(answer.output.decode("utf-8", "replace"))
        return version is not None and _allows(requirement, version[0])

    search = folders(environ.get("PATH", ""), private)
    return [extra.requirement for extra in backend.lean_extras if wanted(extra)]


def _allows(requirement: str, version: str) -> bool:
    try:
        return Requirement(requirement).specifier.contains(version, prereleases=True)
    except InvalidRequirement:
        return False


def _at(value: Any, path: str) -> Any:
    """What stands below a dotted path; None for nothing."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
