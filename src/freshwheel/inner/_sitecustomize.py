"""Gives a base interpreter the packages of the virtual environment that was made from it.

`interpreter` copies this text, with a call of `main` below it, into the `sitecustomize.py` of a private folder on
PYTHONPATH. Whatever Python the inner backend starts will run it, and whatever that starts: it must read in any version
from 2.7 on, cost next to nothing, and be as good as absent wherever it has nothing to do.
"""
# ruff: noqa: ANN001, ANN202, UP031 - no annotation and no f-string reads in all those versions

import os
import site
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types  # noqa: F401 - for a comment
    from collections.abc import Sequence  # noqa: F401 - the same


def main(version="", base_prefix="", packages=()):
    # type: (str, str, Sequence[str]) -> None
    """The `sitecustomize` that stands behind this one; in the base interpreter then the packages of the environment."""
    here = _place(os.path.dirname(__file__))
    sys.path[:] = [entry for entry in sys.path if _place(entry) != here]
    own = sys.modules.pop("sitecustomize")  # held until the end: Python 2 empties a module that nobody holds
    try:
        _hand_over(own)
    finally:
        # Last, because the other one may finish the base itself (Homebrew), or expect its own folders not to be on
        # the path yet (pip).
        if _is_base(version, base_prefix):
            adopt(packages)


def adopt(packages):
    # type: (Sequence[str]) -> None
    """`sys.path` is PYTHONPATH, the standard library and `packages`, with what their `.pth` files add."""
    asked = [_place(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    home = os.path.dirname(os.__file__)
    stays = [entry for entry in sys.path if is_standard(entry, home) or _place(entry) in asked]
    _forget({_place(entry) for entry in sys.path if entry not in stays})
    sys.path[:] = stays
    for package in packages:
        # An entry that a `.pth` file of an earlier one brought is there already; nobody reads the `.pth` files in it.
        if _place(package) not in [_place(entry) for entry in sys.path]:
            site.addsitedir(package)


def is_standard(entry, home):
    # type: (str, str) -> bool
    """Whether an entry of `sys.path` holds a part of the standard library, whose folder is `home`."""
    prefix, name = os.path.split(os.path.normpath(entry))
    if name in ("lib-dynload", "python%d%d.zip" % sys.version_info[:2]):
        return True
    if _real(entry) == _real(home):
        return True
    # On Windows the extension modules lie beside `Lib`, and the folder above both is on the path as well.
    above = _real(os.path.dirname(home))
    return os.name == "nt" and (_real(entry) == above or (name == "DLLs" and _real(prefix) == above))


def _hand_over(own):
    # type: (types.ModuleType) -> None
    """`sys.modules` has the next `sitecustomize` on the path, or `own` if there is no next."""
    try:
        __import__("sitecustomize")
    except ImportError as error:
        # Python 2 does not say which module it was, and there site.py takes any of these for "there is none".
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = own


def _is_base(version, base_prefix):
    # type: (str, str) -> bool
    return sys.version == version and _real(sys.prefix) == _real(base_prefix)


def _forget(folders):
    # type: (set[str]) -> None
    """What `.pth` files imported from `folders` is as if it never was: other folders may come first now."""
    roots = {name for name, module in list(sys.modules.items()) if "." not in name and _origins(module) & folders}
    roots.discard("sitecustomize")  # it is being imported right now
    for name in list(sys.modules):
        if name.partition(".")[0] in roots:
            del sys.modules[name]
    sys.meta_path[:] = [finder for finder in sys.meta_path if _root(finder) not in roots]
    sys.path_hooks[:] = [hook for hook in sys.path_hooks if _root(hook) not in roots]


def _root(hook):
    # type: (object) -> str
    """The top-level module that a hook of the import system is from."""
    return str(getattr(hook, "__module__", "")).partition(".")[0]


def _origins(module):
    # type: (object) -> set[str]
    """The folders that a top-level module was imported from."""
    facts = getattr(module, "__dict__", {})
    paths = facts.get("__path__") or [facts.get("__file__")]
    return {_place(os.path.dirname(path)) for path in paths if path}


def _place(path):
    # type: (str) -> str
    return os.path.normcase(os.path.abspath(path))


def _real(path):
    # type: (str) -> str
    return os.path.normcase(os.path.realpath(path))
