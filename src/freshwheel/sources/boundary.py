"""Where the sources of a project end: what in it is none, and what lies around it.

What lies in a tree and is no source was made by build tools, which is judged by evidence, or dropped by others: litter.
A folder is judged by what it holds, because names say little: a `build` folder may well be somebody's source. One that
holds a manifest or a package of the project is never pruned, but for another working tree; nor is the root.

Whether git ignores or tracks a file is told from bytes alone. What `core.excludesFile`, `.git/info/exclude` and
`core.ignoreCase` say on some machine does not count, so upper and lower case differ everywhere. A name is matched as
bytes, each of which is one character here.

Around it lie its repository and folders of tools, in which nothing is a source. The files of a build are searched for
what looks like a path that climbs out; nobody's language is read.

After a build the tree is looked at once more: what somebody spoke for, and what is set apart.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import stat
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from freshwheel.base import files, globs, requirements
from freshwheel.base.globs import Globs
from freshwheel.base.model import Input

_BARE = frozenset((b".git", b".hg", b".svn", b".jj", b".bzr", b"__pycache__"))
_DROPPED_FOLDERS = frozenset(
    (
        *(b".mypy_cache", b".pytest_cache", b".ruff_cache", b".hypothesis", b".ipynb_checkpoints"),
        *(b".tox", b".nox", b".eggs", b".pdm-build", b".pixi", b".direnv", b".cache"),
        *(b".idea", b".vscode", b".vs", b".fleet", b".zed"),
    )
)
_PROTECTORS = frozenset(
    (b"pyproject.toml", b"setup.py", b"setup.cfg", b"Cargo.toml", b"CMakeLists.txt", b"meson.build", b"__init__.py")
)

_DROPPED_FILES = frozenset(
    (
        *(b".git", b".coverage", b"coverage.xml", b".dmypy.json", b".DS_Store", b".wraplock", b"Thumbs.db"),
        *(b"desktop.ini", b"4913"),
    )
)
_DROPPED_ENDINGS = (b".pyc", b".pyo", b".swp", b".swo", b".profraw", b"___jb_tmp___", b"___jb_old___", b"~")
_DROPPED_STARTS = (b".coverage.", b".#", b".freshwheel-")
_LAST = frozenset(ending[-1] for ending in (*_DROPPED_ENDINGS, b".so", b".pyd"))
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
_BOM = b"\xef\xbb\xbf"
_SPACES = re.compile(r"(?<!\\) +\Z")
_DEEP = re.compile(r"\*\*+")
_UNLIKE = re.compile(r"\\(.)|\[\^|\*\*+", re.DOTALL)
"""What the dialect of globs spells in another way: a character that stands for itself, `[^...]`, several stars."""
_LENGTH = 0xFFF
"""The length of a path in an index, as far as it fits."""
_FLAGS = (0, 0x8000, 0x4000, 0xC000)
"""What may stand with it: nothing, or that the file is assumed to be unchanged, or that there are more of them."""
_SHORT = b"\0\0\0\4"
"""The version of an index that shortens paths."""
_HASHES = (20, 32)
"""Bytes of a hash in SHA-1 and SHA-256."""
KEPT = (".git", ".hg", ".jj", ".svn")
"""What version control keeps in the folder that is cloned as a whole."""
_BUILDING = re.compile(r"(?:.*/)?(?:setup\.(?:py|cfg)|build\.rs|meson\.build|CMakeLists\.txt|[^/]+\.cmake)")
_PATH = re.compile(
    r"""(?:^|(?<=[\s"'(=;,:])|(?<=[}"']/)|(?<=-[IL]))"""  # not behind `src/`, nor behind `$ORIGIN/`
    r"""(\.\.(?:/\.\.)*(?:/[\w.+@-]+)*)(?=[\s"'()\];,>/]|$)"""
    r"""((?:/?["']\s*[,/]\s*["'][\w./+@-]+(?=["']))*)"""
)
"""A path, and the strings that are joined to it, as in `join(here, "..", "core")` and `root / '..' / 'core'`."""
_JOINT = re.compile(r"""/?["']\s*[,/]\s*["']""")
_COMMENT = re.compile(r"(?:^|\s)(?:#|//).*")


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
    match = _DISTRIBUTION.fullmatch(name) if name.endswith(DISTRIBUTIONS) else None
    return "" if match is None else requirements.normal(match[1].decode())


def is_protected(names: AbstractSet[bytes]) -> bool:
    """Whether a folder with these names in it is never pruned."""
    return not _PROTECTORS.isdisjoint(names)


def why_pruned(name: bytes, entries: Mapping[bytes, int], head: Callable[[bytes], bytes]) -> str | None:
    """Why the folder `name` is pruned, None if it is not.

    `entries` are all names in it, with their types, `head` reads the beginning of a file in it (no bytes where there is
    none).
    """
    names = entries.keys()
    if entries.get(b".git") == stat.S_IFREG and _WORKTREE.match(head(b".git")):
        return "another working tree of a repository"
    if is_protected(names):
        return None
    if name in _DROPPED_FOLDERS or (name == b"htmlcov" and {b"index.html", b"status.json"} <= names):
        return "left by a tool"
    return _by_bytes(name, names, head) or _by_names(name, entries)


def _by_bytes(name: bytes, names: AbstractSet[bytes], head: Callable[[bytes], bytes]) -> str | None:
    """As `why_pruned`, by a file in it that begins as only one tool would begin it."""
    for mark, ending, beginning, reason in _EVIDENCE:
        if mark in names and re.match(beginning, head(mark + ending)):
            return reason
    others = names - {b".gitignore"}
    is_left = len(others) < len(names) and all(
        is_dropping(other) or is_bare(other) or project_of(other) for other in others
    )
    if is_left and _SELF_IGNORING.fullmatch(head(b".gitignore")):
        return "nothing but what a tool has left"
    if name.endswith(b".egg-info") and head(b"PKG-INFO").startswith(b"Metadata-Version:"):
        return "metadata written by setuptools"
    return None


def _by_names(name: bytes, entries: Mapping[bytes, int]) -> str | None:
    """As `why_pruned`, by evidence that consists of nothing but certain names."""
    if name == b"node_modules" and not _NODE.isdisjoint(entries):
        return "installed by a JavaScript package manager"
    if name != b"build" and name not in _OUTPUTS:
        return None
    folders = {entry for entry, mode in entries.items() if mode == stat.S_IFDIR}
    files = {file for file in entries.keys() - folders if not is_dropping(file)} - {b".gitignore"}
    # A `lib` alone may be anybody's; beside it, or instead of it, stand folders that are named after a platform.
    if name == b"build" and not files and folders - {b"lib"} and all(map(_SETUPTOOLS.fullmatch, folders)):
        return "a build folder of setuptools"
    is_output = name in _OUTPUTS and files and not folders and all(file.endswith(DISTRIBUTIONS) for file in files)
    return "built distributions" if is_output else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    """One line of a `.gitignore`."""

    pattern: Globs
    negative: bool
    folders_only: bool
    anchored: bool
    """Whether the path from the folder of the `.gitignore` must match, else the name alone."""


def ignores(path: Sequence[str], texts: Sequence[bytes | None]) -> bool:
    """Whether git ignores the file `path`, given as names from the top of the repository down.

    `texts[i]` is the `.gitignore` in the folder `path[:i]`, None where there is none. What git calls a class, such as
    `[[:alpha:]]`, is not known.
    """
    names = [name.encode("utf-8", "surrogatepass").decode("latin-1") for name in path]
    rules = [_rules(text or b"") for text in texts[: len(names)]]
    return any(_excludes(rules, names[:depth], is_folder=depth < len(names)) for depth in range(1, len(names) + 1))


def tracks(index: bytes, path: bytes) -> bool:
    """Whether the file `path`, from the top of the repository down, is in an index."""
    if not index.startswith(b"DIRC"):
        return False
    if index[4:8] == _SHORT:
        return any(path in _shortened(index, size) for size in _HASHES)
    starts = [struct.pack(">H", flags | min(len(path), _LENGTH)) for flags in _FLAGS]
    pattern = b"(?:%s)%s" % (b"|".join(re.escape(start) + b"(?:..)?" for start in starts), re.escape(path + b"\0"))
    return re.search(pattern, index, re.DOTALL) is not None


def shared(index: bytes) -> bytes:
    """How the name ends of the file with the rest of an index that is split; nothing where it is whole."""
    _, sign, rest = index.rpartition(b"link\0\0")
    return rest[2:22].hex().encode() if sign else b""


def _shortened(index: bytes, size: int) -> Iterator[bytes]:
    """The paths in an index of version 4: each says how many bytes to cut from the one before, and what follows.

    `size` is that of the hashes, in bytes.
    """
    at, name = 12, b""
    with contextlib.suppress(IndexError, ValueError):
        for _ in range(int.from_bytes(index[8:12], "big")):
            at += 40 + size
            at += 4 if index[at] & 0x40 else 2  # flags, of which there may be more
            cut = index[at] & 0x7F
            while index[at] & 0x80:
                at += 1
                cut = (cut + 1) << 7 | index[at] & 0x7F
            end = index.index(b"\0", at + 1)
            name, at = name[: len(name) - cut] + index[at + 1 : end], end + 1
            yield name


def _excludes(rules: Sequence[Sequence[_Rule]], names: Sequence[str], *, is_folder: bool) -> bool:
    """Whether the last rule that matches excludes a file or folder; those of deeper folders come later."""
    for level in reversed(range(min(len(names), len(rules)))):
        path = "/".join(names[level:])
        for rule in rules[level]:
            fits = is_folder or not rule.folders_only
            if fits and rule.pattern.match(path if rule.anchored else names[-1], below=False):
                return not rule.negative
    return False


def _rules(text: bytes) -> list[_Rule]:
    """The lines of a `.gitignore`, the last one first, for it wins; without those that can match nothing."""
    lines = text.removeprefix(_BOM).decode("latin-1").split("\n")
    rules = (_rule(_SPACES.sub("", line.removesuffix("\r"))) for line in reversed(lines) if not line.startswith("#"))
    return [rule for rule in rules if rule is not None]


def _rule(line: str) -> _Rule | None:
    pattern = line.removeprefix("!").removesuffix("/")
    segments = pattern.removeprefix("/").split("/")
    spelled = ["**" if _DEEP.fullmatch(segment) else _UNLIKE.sub(_spelled, segment) for segment in segments]
    glob = "/".join(spelled) + ("/*" if spelled[-1] == "**" else "")  # what lies in a folder, not the folder itself
    if globs.check(glob) is not None:
        return None
    return _Rule(
        pattern=globs.parse([glob]),
        negative=line.startswith("!"),
        folders_only=line.endswith("/"),
        anchored="/" in pattern,
    )


def _spelled(match: re.Match[str]) -> str:
    if match[1] is None:
        return "[!" if match[0] == "[^" else "*"
    return globs.escaped(match[1])


class Climb(NamedTuple):
    """One path that leads out of the project."""

    where: str
    """The file and the line in which it stands, as `path:line`."""
    path: str
    """From the project directory; it begins with `..`."""
    pattern: str
    """The pattern of `include` that declares it."""


def under_control(folder: str) -> str | None:
    """The nearest folder, this one or one above, in which version control keeps something; None: there is none."""
    while not any(os.path.lexists(os.path.join(folder, name)) for name in KEPT):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return None
    return folder


def repository(tree: str, crates: Sequence[str]) -> str:
    """The folder that is cloned as a whole, as far as it shows: that with version control, else all that is known."""
    real = os.path.realpath(tree)
    cloned = under_control(real)
    if cloned is not None:
        return cloned
    try:
        return os.path.commonpath([real, *(os.path.normpath(os.path.join(real, crate)) for crate in crates)])
    except ValueError:  # on several drives
        return real


def apart(tree: str, environ: Mapping[str, str]) -> list[str]:
    """Folders of which nothing counts: what comes from registries, toolchains, Python and its packages."""
    real = os.path.join(os.path.realpath(tree), "")
    paths = [*sys.path, *environ.get("PYTHONPATH", "").split(os.pathsep)]
    # People put their own sources on the path too, and so does `backend-path`.
    pythons = [path for path in paths if is_installed(path) or not os.path.realpath(path).startswith(real)]
    if sys.prefix != sys.base_prefix:
        pythons.append(sys.prefix)
    return [
        path
        for path in (*pythons, *files.set_apart(tree, environ))
        if os.path.isabs(path) and not real.startswith(os.path.join(os.path.realpath(path), ""))
    ]


def set_apart(tree: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The folders that the environment gives to tools, relative to the tree."""
    real = os.path.realpath(tree)
    folders = []
    for path in files.set_apart(tree, environ):
        with contextlib.suppress(ValueError):  # on another drive
            folders.append(os.path.relpath(path, real).replace(os.sep, "/"))
    return tuple(folders)


def is_installed(path: str) -> bool:
    """Whether a folder is one that installers put packages into."""
    return os.path.basename(path) in ("site-packages", "dist-packages")


def is_building(path: str) -> bool:
    """Whether a file is one that says what is built."""
    return _BUILDING.fullmatch(path) is not None


def outside(tree: str, repository: str, texts: Mapping[str, str]) -> list[Climb]:
    """The paths in some files, by their paths in the project, that lead to something else in the repository."""
    return sorted({climb for name, text in texts.items() for climb in _climbs(tree, repository, name, text)})


def _climbs(tree: str, repository: str, name: str, text: str) -> Iterator[Climb]:
    for number, line in enumerate(text.splitlines() if ".." in text else (), 1):
        said = _COMMENT.sub("", line)
        for match in _PATH.finditer(said):
            # Behind a name, a comma is that of a list.
            joined = match[1] + _JOINT.sub("/", match[2] if match[1].endswith("..") else match[2].partition(",")[0])
            # Behind a variable, it may begin in the project.
            folders = [posixpath.dirname(name), *([""] if said[: match.start()].endswith("/") else [])]
            ends = [posixpath.join(folder, end) for end in (joined, match[1]) for folder in folders]
            path = next((path for path in map(posixpath.normpath, ends) if _leads_out(tree, repository, path)), None)
            if path is not None:
                is_folder = os.path.isdir(os.path.join(tree, path))
                yield Climb(f"{name}:{number}", path, f"{path}/**" if is_folder else path)


def _leads_out(tree: str, repository: str, path: str) -> bool:
    """Whether there is something at a path, in the repository and not in the project."""
    place = os.path.join(os.path.realpath(os.path.join(tree, path)), "")
    own, all_of_it = (os.path.join(os.path.realpath(folder), "") for folder in (tree, repository))
    is_there = path.partition("/")[0] == ".." and os.path.exists(place.rstrip(os.sep))
    return is_there and place.startswith(all_of_it) and not place.startswith(own)


_HEAD = 4096
"""Bytes that are read of a file that may be evidence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What a build is held against."""

    tree: str
    """The project directory, absolute."""
    repository: str
    """The folder that is cloned as a whole, absolute; the project directory where nobody knows."""
    inputs: Sequence[Input]
    exclude: Sequence[str] = ()
    """Globs: what the user said is no input, in spite of all."""
    outputs: Sequence[str] = ()
    """Files and folders that the build itself writes, relative to the project directory."""
    apart: Sequence[str] = ()
    """Absolute folders of which nothing counts: the homes of cargo and rustup, Pythons, temporary folders."""


class Ground:
    """The tree of one scope. Its paths are relative to the tree, with `/`; `..` stands at their start only."""

    def __init__(self, scope: Scope) -> None:
        self.tree = os.path.realpath(scope.tree)
        self.repository = os.path.realpath(scope.repository)
        self.inputs = frozenset(os.fsdecode(file.path) for file in scope.inputs)
        self._outputs = tuple(scope.outputs)
        self._apart = tuple(map(os.path.realpath, scope.apart))
        self._exclude = globs.parse(scope.exclude)

    def at(self, path: str) -> str:
        """Where `path` is for the system."""
        return os.path.join(self.tree, path)

    def placed(self, path: str) -> str | None:
        """What an absolute path is called here; None for what is not there, set apart, or outside of the repository."""
        real = os.path.realpath(path)
        if not os.path.exists(real) or not _within(real, [self.repository]) or _within(real, self._apart):
            return None
        return os.path.relpath(real, self.tree).replace(os.sep, "/")

    def is_outside(self, path: str) -> bool:
        """Whether an absolute path leads to something outside of the repository that is not set apart."""
        real = os.path.realpath(path)
        return os.path.exists(real) and not _within(real, [self.repository, self.tree, *self._apart])

    def is_settled(self, path: str) -> bool:
        """Whether `path` is an input, or was said to be none."""
        if path in self.inputs or any(path == output or path.startswith(f"{output}/") for output in self._outputs):
            return True
        return self._exclude.match(path)

    def is_apart(self, path: str) -> bool:
        """Whether nothing at `path` counts."""
        return _within(os.path.realpath(self.at(path)), self._apart)

    def pruned(self, path: str, names: AbstractSet[str], folders: AbstractSet[str]) -> str | None:
        """Why evidence prunes a folder with these names in it, and names of folders; None if it does not."""
        kinds = {os.fsencode(name): stat.S_IFDIR if name in folders else stat.S_IFREG for name in names}
        name = os.fsencode(path.rpartition("/")[2])
        return why_pruned(name, kinds, lambda file: self._head(path, file))

    def _head(self, path: str, file: bytes) -> bytes:
        """The beginning of a regular file; nothing where there is none."""
        where = os.path.join(self.at(path), os.fsdecode(file))
        try:
            if not stat.S_ISREG(os.lstat(where).st_mode):
                return b""
            with open(where, "rb") as opened:
                return opened.read(_HEAD)
        except OSError:
            return b""


def _within(path: str, folders: Iterable[str]) -> bool:
    """Whether a path is one of these folders, or lies in one."""
    path = os.path.normcase(path)
    named = map(os.path.normcase, folders)
    return any(path == folder or path.startswith(os.path.join(folder, "")) for folder in named)
