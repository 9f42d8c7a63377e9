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

from freshwheel.memory import installed_state, installs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from freshwheel.memory.installs import Install


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
    for install in installs.found(sys.path, name):
        if install.origin != "folder" or install.mark is None or not os.path.isdir(install.tree):
            return ""
        now = installed_state.digests(install.tree, os.environ) or _looked(install)
        found = (
            installed_state.judged(install, now, os.environ, _imp.extension_suffixes()[0]) if now is not None else None
        )
        if found is not None and found.state == "stale" and not _is_other(install):
            said = f"{install.name} is stale: {found.why}"
            if found.superfluous:
                return said
            return f'{said}; install it again: pip install {"-e " if install.editable else ""}"{install.tree}"'
    return ""


def _is_other(install: "Install") -> bool:
    """Whether the folder has another project by now, which would not replace what is installed."""
    from freshwheel.explain import installed  # noqa: PLC0415 - heavy, and needed where something is wrong only

    return bool(installed.other(install))


def _looked(install: "Install") -> "installed_state.Digests | None":
    """The digests of a tree in which more has moved than its memory can tell; None where they can't be told."""
    from freshwheel.explain import installed  # noqa: PLC0415 - heavy, and needed where more moved than what files hold only

    return installed.digests(install.tree, dict(os.environ))
