"""Verify mode: a stored wheel, held against a clean build of the same sources before it is handed out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from freshwheel.base import files
from freshwheel.base.errors import DifferenceError, InputError, few
from freshwheel.build import explanation, finish, inner_build
from freshwheel.build.lookup import Case
from freshwheel.memory.outcome import Outcome
from freshwheel.wheel import archive

FOLDER = "differences"
"""In the cache directory: wheels that should have been the same."""

_SIDES = ("stored", "built")
_MOST = 20
"""Members that a message names."""
_SAME = "a clean build gives the same"
_HINT = (
    "a build that writes a time, something random or the path of its folder into a file differs by itself; else "
    "something decides that freshwheel does not know: [tool.freshwheel] include, env and commands name such things"
)


def proved(case: Case, stored: str, private: str) -> bool:
    """Whether a clean build, in the folder `private`, has given the wheel at the path `stored`.

    False where the tree has moved meanwhile, so that the two can't be compared. Raises DifferenceError where an
    installer would make something else of them; both wheels are kept then.
    """
    context, name = case.context, os.path.basename(stored)
    context.call.say(f"{name} is in the store; it is built once more, clean, to prove that")
    built = inner_build.build(context, private, clean=True)
    if not built.settled or isinstance(built.later, InputError) or built.later.digest != case.found.digest:
        context.call.say("the inputs moved meanwhile, so nothing is proved")
        return False
    folder = os.path.join(private, "finished")
    os.mkdir(folder)
    fresh = os.path.join(folder, finish.finish(context, built, folder)[0])
    differing = archive.differences(archive.read(stored), archive.read(fresh), _SIDES)
    if differing:
        why = f"a clean build gives another wheel: {few(list(differing))}"
        one = Outcome(hook="wheel", decided="failed", why=why, wheel=name, took=built.milliseconds)
        explanation.note(context, case, one, case.found)
        raise DifferenceError(_message(case, differing, stored, fresh, built.doubt), hint=_HINT)
    one = Outcome(hook="wheel", decided="hit", why=_SAME, wheel=name, took=built.milliseconds)
    explanation.note(context, case, one, case.found)
    unproved = f", as far as it was clean: {built.doubt}" if built.doubt else ""
    context.call.say(f"{name} is from the store: {_SAME}{unproved}")
    return True


def _message(case: Case, differing: Mapping[str, str], stored: str, fresh: str, doubt: str) -> str:
    """What differs, member by member, and where both wheels are."""
    lines = [f"a clean build gives another wheel than the stored {os.path.basename(stored)}:"]
    lines += [f"  - {member}: {how}" for member, how in list(differing.items())[:_MOST]]
    if len(differing) > _MOST:
        lines.append(f"  - and {len(differing) - _MOST} more")
    if doubt:
        lines.append(f"the build was not wholly clean: {doubt}")
    return "\n".join([*lines, _kept(case, stored, fresh)])


def _kept(case: Case, stored: str, fresh: str) -> str:
    """Where the two wheels are kept, in words."""
    cache = files.cache_directory(case.context.call.environ)
    if cache is None:
        return "neither is kept: there is no cache directory"
    folder = os.path.join(cache, FOLDER, case.key[:16])
    try:
        shutil.rmtree(folder, ignore_errors=True)
        for side, path in zip(_SIDES, (stored, fresh), strict=True):
            place = os.path.join(folder, side)
            files.settle(place)
            files.copy(path, os.path.join(place, os.path.basename(path)))
    except OSError as error:
        return f"they could not be kept in {folder}: {error.strerror or error}"
    return f"both are kept in {folder}, in the folders {_SIDES[0]} and {_SIDES[1]}"
