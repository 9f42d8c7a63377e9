"""The folder of the store: made for its owner alone, or refused with the reason and the fix."""

from __future__ import annotations

import contextlib
import os

from freshwheel.shelf import FORMAT, Shelf, at, why


def settle(cache: str | None, uid: int | None) -> Shelf | str:
    """The store in a cache directory, which is made where it is missing; or why there is none.

    A store that is there is used even where nothing can be written.
    """
    if cache is None:
        return "no cache directory: neither HOME nor FRESHWHEEL_CACHE_DIR names an absolute path"
    try:
        reason = _made(cache, uid)
    except (OSError, ValueError) as error:
        return f"can't make {cache}: {why(error)}"
    return reason or at(cache, uid)


def _made(cache: str, uid: int | None) -> str:
    """Why the folders of the store were not made; nothing: they are there."""
    root = os.path.join(cache, FORMAT)
    missing = []
    folder = root
    while not os.path.lexists(folder) and folder != os.path.dirname(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    if missing and uid == 0 and (owner := os.stat(folder).st_uid) != uid:
        return (
            f"{folder} belongs to the user {owner}, and this process is root, whose files would be in the way there: "
            "set FRESHWHEEL_CACHE_DIR, or run sudo with -H"
        )
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    return ""
