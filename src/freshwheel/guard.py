"""The guard of an import: says where an installed package is not what its tree says. A door of the light column.

A package that wants it has this in its `__init__`, before it imports an extension module:

    try:
        from freshwheel import guard
    except ImportError:  # who only uses the package does not have it
        pass
    else:
        guard.check("the-name-of-the-distribution")

Where the package was not installed from a folder of this machine, that is one look for its metadata.
"""

import _imp
import os
import sys

from freshwheel.memory import installs


class StaleWarning(UserWarning):
    """What is imported is not what the tree says."""


class StaleError(ImportError):
    """What is imported is not what the tree says."""


def check(name: str, *, error: bool = False) -> None:
    """Warns with StaleWarning where the distribution is stale; with `error` raises StaleError.

    Nothing else that goes wrong here ever gets in the way of an import.
    """
    try:
        reason = _stale(name)
    except Exception:  # noqa: BLE001 - whatever it is
        return
    if not reason:
        return
    if error:
        raise StaleError(reason, name=name)
    import warnings  # noqa: PLC0415 - needed where something is wrong only

    warnings.warn(reason, StaleWarning, stacklevel=3)


def _stale(name: str) -> str:
    """What is wrong with a distribution, and what mends it; nothing where it is right, or has no tree here."""
    suffix = _imp.extension_suffixes()[0]
    for install in installs.listed(sys.path, name):
        if install.origin != "folder" or install.mark is None or not os.path.isdir(install.tree):
            return ""
        now = installs.digests(install.tree, os.environ)
        if now is not None and installs.judged(install, now, os.environ, suffix)[0] != "stale":
            return ""
        from freshwheel.explain import installed  # noqa: PLC0415 - heavy, and needed where something may be wrong only

        status = installed.status(install, dict(os.environ), suffix)
        if status.state == "stale":
            return f"{status.name} is stale: {status.why}; {status.mend}"
    return ""
