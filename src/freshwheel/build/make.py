"""A wheel made by a real build, which is kept if it may be, or held against the one that is stored."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from freshwheel.base import files
from freshwheel.base.errors import DifferenceError, FreshwheelError, InnerError, InputError, few
from freshwheel.base.model import Snapshot
from freshwheel.build import adapt, editable, explanation, finish, inner_build, lookup, store_policy
from freshwheel.build.context import Context, opened
from freshwheel.build.inner_build import Built
from freshwheel.build.lookup import Case
from freshwheel.build.output import Kept, Wheel, private, written
from freshwheel.inner import distributions
from freshwheel.inner.build_key import Component
from freshwheel.memory.outcome import Outcome
from freshwheel.wheel import archive

_INSTALL = "[tool.freshwheel] requires it: without build isolation, install it; else run the same command again"
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


def check(context: Context) -> None:
    """Raises InnerError where something is not installed that a build needs."""
    if gone := distributions.absent(context.config.requires):
        # Setuptools without setuptools-rust would make a wheel, and leave out what is Rust.
        raise InnerError(f"not installed: {', '.join(gone)}", hint=_INSTALL)


def withheld(context: Context) -> bool:
    """Whether a real build would miss something here, as after a hit; the inner backend is asked, if it is there."""
    package = context.config.backend.partition(":")[0].partition(".")[0]
    if distributions.unmet(context.config.requires) or not (
        context.config.backend_path or distributions.importable(package)
    ):
        return True
    try:
        with opened(context) as inner:
            return bool(distributions.unmet(inner.requires(context.call.hook, context.config.inner_settings)))
    except FreshwheelError:
        return True


def proved(case: Case, kept: Kept, directory: str) -> Wheel | str:
    """The kept wheel of the case, after a clean build has given the same; raises DifferenceError if it has not."""
    with private(directory) as folder:
        wheel = kept.fetch("wheel", folder)
        if isinstance(wheel, str):
            return wheel
        check(case.context)
        with private(directory) as apart:
            if not _is_same(case, os.path.join(folder, wheel.name), apart):
                return ""
        with written(directory):
            files.copy(os.path.join(folder, wheel.name), os.path.join(directory, wheel.name))
    return wheel


def make(context: Context, case: Case | str, directory: str, why: str) -> Wheel:
    """The wheel of a real build in `directory`, which is kept if it may be; `why` it is needed, in words."""
    unstored = "it is of an unfamiliar form" if isinstance(case, Case) else ""
    with explanation.failing(context, case, why), private(directory) as folder:
        check(context)
        before = editable.searched(context, case.snapshot) if isinstance(case, Case) and context.in_place else None
        watched = isinstance(case, Case) and case.writes
        packed = adapt.packed(case) if isinstance(case, Case) and watched else ()
        built = inner_build.build(context, folder, watched=watched, packed=packed)
        finish.tell(context, built)
        case = followed(case, built) if isinstance(case, Case) else case
        with written(directory):
            made, name = finish.finish(context, built, directory)
        if isinstance(case, Case) and name is not None:
            if context.in_place:
                unstored = editable.Placement.of(case).keep(built, before)
            else:
                unstored = store_policy.keep(case, built, name, os.path.join(directory, made))
        hook = "editable" if context.call.hook == "build_editable" else "wheel"
        known = Outcome(hook=hook, decided="built", why=why, wheel=made, unstored=unstored)
        explanation.built(context, case, built, known)
        return Wheel(name=made, inner=os.path.basename(built.path), decided="built", why=why)


def followed(case: Case, built: Built) -> Case:
    """The case of the inputs that the wheel was made from: of more than before, where the build has made a lock."""
    later = built.later
    if not built.settled or not isinstance(later, Snapshot) or later.digest == case.snapshot.digest:
        return case
    again = lookup.opened(case.context, later)
    same = isinstance(again, Case) and _surroundings(again) == _surroundings(case)
    return again if isinstance(again, Case) and same else case


def _surroundings(case: Case) -> list[Component]:
    return [part for part in case.facts.components if part.name != lookup.SOURCES]


def _is_same(case: Case, stored: str, private: str) -> bool:
    """Whether a clean build, in the folder `private`, has given the wheel at the path `stored`.

    False where the tree has moved meanwhile, so that the two can't be compared. Raises DifferenceError where an
    installer would make something else of them; both wheels are kept then.
    """
    context, name = case.context, os.path.basename(stored)
    context.call.say(f"{name} is in the store; it is built once more, clean, to prove that")
    built = inner_build.build(context, private, clean=True)
    if not built.settled or isinstance(built.later, InputError) or built.later.digest != case.snapshot.digest:
        context.call.say("the inputs moved meanwhile, so nothing is proved")
        return False
    folder = os.path.join(private, "finished")
    os.mkdir(folder)
    fresh = os.path.join(folder, finish.finish(context, built, folder)[0])
    differing = archive.differences(archive.read(stored), archive.read(fresh), _SIDES)
    if differing:
        why = f"a clean build gives another wheel: {few(list(differing))}"
        result = Outcome(hook="wheel", decided="failed", why=why, wheel=name, took=built.milliseconds)
        explanation.note(context, case, result, case.snapshot)
        raise DifferenceError(_message(case, differing, stored, fresh, built.doubt), hint=_HINT)
    result = Outcome(hook="wheel", decided="hit", why=_SAME, wheel=name, took=built.milliseconds)
    explanation.note(context, case, result, case.snapshot)
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
