"""What lies in a tree and is no input: made by build tools, which is judged by evidence, or dropped by others: litter.

A folder is judged by what it holds, because names say little: a `build` folder may well be somebody's source. One that
holds a manifest or a package of the project is never pruned, but for another working tree; nor is the root.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

_BARE = frozenset((b".git", b".hg", b".svn", b".jj", b".bzr", b"__pycache__"))
_DROPPED_FOLDERS = frozenset(
    (
        *(b".mypy_cache", b".pytest_cache", b".ruff_cache", b".hypothesis", b".ipynb_checkpoints"),
        *(b".tox", b".nox", b".eggs", b".pdm-build", b".pixi", b".direnv"),
        *(b".idea", b".vscode", b".vs", b".fleet", b".zed"),
    )
)
_PROTECTORS = frozenset(
    (b"pyproject.toml", b"setup.py", b"setup.cfg", b"Cargo.toml", b"CMakeLists.txt", b"meson.build", b"__init__.py")
)

_DROPPED_FILES = frozenset(
    (b".git", b".coverage", b"coverage.xml", b".dmypy.json", b".DS_Store", b"Thumbs.db", b"desktop.ini", b"4913")
)
_DROPPED_ENDINGS = (b".pyc", b".pyo", b".swp", b".swo", b".profraw", b"___jb_tmp___", b"___jb_old___", b"~")
_DROPPED_STARTS = (b".coverage.", b".#", b".freshwheel-")
_LAST = frozenset(one[-1] for one in (*_DROPPED_ENDINGS, b".so", b".pyd"))
_HIDDEN = re.compile(
    rb"\..*\.(?:sw[a-p]|kate-swp|[0-9]+\.[0-9a-f]{12}\.tmp)|\.~lock\..*#|\.goutputstream-.{6}|\.(?:nfs|fuse_hidden)[0-9a-f]{16,}",
    re.DOTALL,
)
"""Swap files, locks, what is about to be renamed into place (by us too), and what was deleted and is still open."""
_ABI = re.compile(rb".*\.(?:cpython-3[^.]*|abi3t?|cp3[0-9]+[a-z]*-[^.]*|pypy[^.]*|graalpy[^.]*)\.(?:so|pyd)", re.DOTALL)

_FRONTENDS = re.compile(
    rb"(?:uv|poetry|pdm|pixi)\.lock|pylock(?:\.[^.]+)?\.toml|\.pdm-python|\.python-versions?|\.venv"
    rb"|[^-]+-[^-]+\+(?:[^-]+[._])?s[0-9a-f]{12}(?:-[^-]+){3,4}\.whl"
)
"""Locks, what chooses an interpreter, and wheels with a label: `pip wheel .` leaves them where it is called."""

_EVIDENCE = (
    (b"CACHEDIR.TAG", b"", rb"Signature: 8a477f597d28d172789f06886806bc55", "tagged as a cache"),
    (b"pyvenv.cfg", b"", rb"(?:.*\n)*[ \t]*home[ \t]*=", "a virtual environment"),
    (b"conda-meta", b"/history", rb"==> [0-9]{4}-", "a conda environment"),
    (b"CMakeCache.txt", b"", rb"# This is the CMakeCache file", "a build folder of CMake"),
    (b".rustc_info.json", b"", rb'\s*\{\s*"rustc_', "a target folder of cargo"),
    (b"meson-info", b"/meson-info.json", rb"\s*\{", "a build folder of meson"),
)
"""A name in the folder, what to append for the path of a file, how that must begin, and what the folder is then."""
_SELF_IGNORING = re.compile(rb"(?:[ \t]*\r?\n|#.*\n)*\*[ \t\r\n]*")
"""A `.gitignore` that ignores all there is, itself with it: no clone has it, since a tool has made it."""
_WORKTREE = re.compile(rb"gitdir: [^\n]*/worktrees/[^/\n]+\n?\Z")
"""What `git worktree add` writes; a submodule leads elsewhere."""
_NODE = frozenset((b".package-lock.json", b".yarn-integrity", b".yarn-state.yml", b".modules.yaml", b".pnpm"))
_OUTPUTS = frozenset((b"dist", b"wheelhouse"))
_SETUPTOOLS = re.compile(rb"lib|lib\..*|temp\..*|bdist\..*|scripts-.*|__editable__\..*", re.DOTALL)
DISTRIBUTIONS = (b".whl", b".tar.gz", b".zip")
"""Ends of the names of what is built, and of much else."""
_DISTRIBUTION = re.compile(rb"([A-Za-z0-9._]+)-[0-9][^-]*(?:(?:-[^-]+){3,4}\.whl|\.tar\.gz|\.zip)")


def is_bare(name: bytes) -> bool:
    """Whether a folder of this name is never looked into: version control, bytecode."""
    return name in _BARE


def is_dropping(name: bytes) -> bool:
    """Whether a file of this name is no input: bytecode, extension modules with an ABI tag, editors' and tools' own."""
    if name[-1] not in _LAST and name[0] not in b".#":  # as most names: this is asked for each file
        return name in _DROPPED_FILES
    if name in _DROPPED_FILES or name.endswith(_DROPPED_ENDINGS) or name.startswith(_DROPPED_STARTS):
        return True
    if name.endswith((b".so", b".pyd")):
        return _ABI.fullmatch(name) is not None
    if name.startswith(b"."):
        return _HIDDEN.fullmatch(name) is not None
    return name.startswith(b"#") and name.endswith(b"#")


def is_frontends(name: bytes) -> bool:
    """Whether a file of this name, in the root of a project, belongs to a frontend: lock, interpreter, wheel."""
    return _FRONTENDS.fullmatch(name) is not None


def project_of(name: bytes) -> str:
    """The normalised name of the project that a wheel or source distribution of this name is of; else nothing."""
    found = _DISTRIBUTION.fullmatch(name) if name.endswith(DISTRIBUTIONS) else None
    return "" if found is None else re.sub(r"[-_.]+", "-", found[1].decode()).lower()


def is_protected(names: AbstractSet[bytes]) -> bool:
    """Whether a folder with these names in it is never pruned."""
    return not _PROTECTORS.isdisjoint(names)


def folder(name: bytes, found: Mapping[bytes, int], head: Callable[[bytes], bytes]) -> str | None:
    """Why the folder `name` is pruned, None if it is not.

    `found` are all names in it, with their types, `head` reads the beginning of a file in it (no bytes where there is
    none).
    """
    names = found.keys()
    if found.get(b".git") == stat.S_IFREG and _WORKTREE.match(head(b".git")):
        return "another working tree of a repository"
    if is_protected(names):
        return None
    if name in _DROPPED_FOLDERS or (name == b"htmlcov" and {b"index.html", b"status.json"} <= names):
        return "left by a tool"
    return _by_bytes(name, names, head) or _by_names(name, found)


def _by_bytes(name: bytes, names: AbstractSet[bytes], head: Callable[[bytes], bytes]) -> str | None:
    """As `folder`, by a file in it that begins as only one tool would begin it."""
    for mark, ending, beginning, reason in _EVIDENCE:
        if mark in names and re.match(beginning, head(mark + ending)):
            return reason
    if _is_left(names) and _SELF_IGNORING.fullmatch(head(b".gitignore")):
        return "nothing but what a tool has left"
    if name.endswith(b".egg-info") and head(b"PKG-INFO").startswith(b"Metadata-Version:"):
        return "metadata written by setuptools"
    return None


def _is_left(names: AbstractSet[bytes]) -> bool:
    """Whether there is a `.gitignore`, and beside it nothing but what is dropped."""
    return b".gitignore" in names and all(is_dropping(one) or is_bare(one) for one in names - {b".gitignore"})


def _by_names(name: bytes, found: Mapping[bytes, int]) -> str | None:
    """As `folder`, by evidence that consists of nothing but certain names."""
    if name == b"node_modules" and not _NODE.isdisjoint(found):
        return "installed by a JavaScript package manager"
    if name != b"build" and name not in _OUTPUTS:
        return None
    folders = {one for one, mode in found.items() if mode == stat.S_IFDIR}
    files = {file for file in found.keys() - folders if not is_dropping(file)} - {b".gitignore"}
    if name == b"build" and not files and _is_setuptools(folders):
        return "a build folder of setuptools"
    is_output = name in _OUTPUTS and files and not folders and all(file.endswith(DISTRIBUTIONS) for file in files)
    return "built distributions" if is_output else None


def _is_setuptools(folders: AbstractSet[bytes]) -> bool:
    """A `lib` alone may be anybody's; beside it, or instead of it, stand folders that are named after a platform."""
    return bool(folders - {b"lib"}) and all(_SETUPTOOLS.fullmatch(one) for one in folders)
