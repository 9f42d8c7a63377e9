"""The editable wheel of one tree: what is kept of its earlier builds, as far as it fits the tree as it is.

An editable wheel leads to the tree. What is compiled for it lies there, and need not be compiled again while all that
it is made from is as it was: then only what leads there is made anew, under the label of the tree as it is now.

Nothing here can fail a build. Whatever is in doubt means that one is needed.
"""

from __future__ import annotations

import importlib.machinery
import os
import re
import sysconfig
import time
import zipfile
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from typing import Any

from freshwheel.base import rows, toml_access
from freshwheel.base.errors import WheelError
from freshwheel.base.model import Snapshot
from freshwheel.base.rows import Row
from freshwheel.build import (
    discovery,
    explanation,
    finish,
    lookup,
    module_copies,
    rehearsal,
    store_policy,
)
from freshwheel.build.context import Context
from freshwheel.build.inner_build import Built
from freshwheel.build.lookup import Case
from freshwheel.build.output import Purpose, Wheel, private, written
from freshwheel.inner import build_key
from freshwheel.inner.build_key import Component
from freshwheel.memory import editables, journal, memory, outcome
from freshwheel.memory.editables import Module, Record
from freshwheel.sources import boundary, digest, selection
from freshwheel.wheel import archive

SAME = "nothing that is compiled has changed"

_OWN = ("interpreter EXT_SUFFIX", "interpreter SOABI", "interpreter cache tag", "interpreter version")
"""Parts of a key that differ between Pythons for which one module may do."""
_NO_MODULE, _NO_PACKAGE = b"/-.py", b"/-"
"""Names that no setting can give to a module."""
_PREFIX = re.compile(r"\w+\*")
_STRICT = "__editable__."
"""A folder of links that setuptools makes for its strict mode: a new file would be missing there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """One tree, and what is kept of its editable builds."""

    case: Case
    cache: str
    tree: bytes
    """Its real path."""
    records: Sequence[Record]

    @classmethod
    def of(cls, case: Case) -> Placement:
        """What is kept now."""
        cache, tree = os.path.dirname(case.store.shelf.root), case.context.real
        return cls(case=case, cache=cache, tree=tree, records=editables.load(cache, tree))

    def fetch(self, purpose: Purpose, folder: str) -> Wheel | str:
        """The wheel, now in `folder`, its modules in the tree; else why there is none, nothing: by what has changed.

        For metadata nothing is put back into the tree.
        """
        case, now, record = self.case, time.time_ns(), self.fitting()
        if isinstance(record, str):
            return record
        put = [] if purpose == "metadata" else self.restored(record)
        if put is None:
            return "what was kept can't be put back"
        later = case.context.attempt(again=True) if purpose == "wheel" else case.snapshot
        if not isinstance(later, Snapshot) or (later.digest, later.rows) != (case.snapshot.digest, case.snapshot.rows):
            return "the inputs moved meanwhile"
        with written(folder):
            name = self.made(record, folder)
        if not name:
            return "the wheel that was kept can't be used"
        if purpose != "metadata":  # for that, no module was put back
            copy = os.path.join(editables.place(self.cache, self.tree), record.wheel.content.hex())
            rehearsal.keep_editable(case, record, os.path.join(folder, name), copy=copy)
        if purpose == "wheel" and case.writes:
            module_copies.used(self.cache, self.tree, record, now)
        why = f"{SAME}; {', '.join(put)} {'is' if len(put) == 1 else 'are'} back" if put else SAME
        return Wheel(
            name=name,
            inner=record.wheel.name,
            decided="hit",
            why=why,
            said=f"was made without a build: {why}{journal.saved(record.took)}",
            saved=record.took,
            key=case.key,
            digest=case.snapshot.digest,
        )

    def fitting(self) -> Record | str:
        """The record of the tree as it is; else why there is none that will do, nothing: there is none."""
        if self.case.context.proves:
            return "it is to be verified"
        full, _ = _keys(self.case, self.case.snapshot, self.case.locks)
        record = next(
            (candidate for candidate in self.records if candidate.key == full and self.holds(candidate)), None
        )
        if record is None:
            return ""
        states = {module.path: editables.state(self.tree, module, record, self.records) for module in record.modules}
        foreign = [os.fsdecode(path) for path, state in states.items() if state == "foreign"]
        return f"{foreign[0]} is not what a build of freshwheel left there" if foreign else record

    def holds(self, record: Record) -> bool:
        """Whether all is as it was that the build of a record has read beside the native inputs."""
        if record.whole and record.digest != self.case.snapshot.digest:
            return False
        return not record.rests or discovery.held(self.case.about, record.rests)

    def made(self, record: Record, directory: str) -> str:
        """The file name of the wheel for the tree as it is, made from the inner one of a record, or nothing."""
        snapshot = self.case.snapshot
        with private(directory) as folder:
            path = os.path.join(folder, record.wheel.name)
            if not module_copies.fetch(self.cache, self.tree, record.wheel, path):
                return ""
            try:
                inner = archive.read(path)
                name = finish.named(
                    self.case.context,
                    snapshot.digest,
                    native=snapshot.native,
                    stated=inner.version,
                    inner=record.wheel.name,
                )
                made = archive.rewrite(inner, directory, version=name.version, mark=name.mark)
            except (WheelError, OSError):
                return ""  # a build will say it, if it is the folder of the frontend that can't be written to
        return made

    def restored(self, record: Record) -> list[str] | None:
        """The paths of the modules that were put back, so that all are there; None where one can't be."""
        put: list[str] = []
        for module in record.modules:
            if editables.state(self.tree, module, record, self.records) != "intact":
                if not module_copies.put_back(self.cache, self.tree, module):
                    return None
                put.append(os.fsdecode(module.path))
        return put

    def reason(self, problem: str) -> str:
        """Why it must be built, in words; `problem` is what `fetch` has said."""
        case = self.case
        outcomes = outcome.load(self.cache, case.context.call.tree)
        last = outcome.base(outcomes, "editable")
        if problem or last is None:
            return problem or "first build here"
        before = outcome.inputs(self.cache, case.context.call.tree, last.digest)
        differing = explanation.words(
            explanation.compared(last, outcome.parts(outcomes, last.key), before, case.snapshot, case)
        )
        if differing:
            return "; ".join(differing)
        return f"nothing was kept of the last one: {last.unstored}" if last.unstored else "what was kept is gone"

    def keep(self, built: Built, before: Mapping[bytes, Row] | None) -> str:
        """Why nothing of a build is kept now; nothing: it is."""
        case = self.case
        unwritten = "" if case.writes else "the store is only read"
        reason = store_policy.doubt(case, built) or unwritten or _more(built.path, _folders(case))
        if reason or not isinstance(built.later, Snapshot):
            return reason or str(built.later)
        made = searched(case.context, built.later)
        if before is None or made is None:
            return "the tree can't be searched for what it has put there"
        put = [path for path, row in made.items() if before.get(path) != row]
        if not put:
            return "it has put no module into the tree whose name says for which Python it is"
        ways, free = _ways(case, built.later)
        rests = store_policy.discovered(case, built, more=_pure(built, built.later))
        held = selection.contents(case.context.call.tree, [*put, os.fsencode(built.path)])
        if rests is None or len(held) <= len(put):
            return "something that it has read or made can't be read again"
        # A build asks whether its module is there and writes it all the same; here one that is lost is put back.
        rests = [item for item in rests if item[:2] not in {(path, discovery.PRESENT) for path in put}]
        full, kin = _keys(case, built.later, selection.contents(case.context.call.tree, _paths(built.later.locks)))
        record = Record(
            abi=_abi(),
            native=built.later.native,
            digest=built.later.digest,
            key=full,
            kin=kin,
            whole=built.findings is None,
            rests=sorted(rests),
            ways=ways,
            free=free,
            modules=[
                Module(path=path, content=held[path][1], mode=made[path][0] & 0o777, stamp=rows.UNTRUSTED)
                for path in sorted(put)
            ],
            wheel=editables.Wheel(name=os.path.basename(built.path), content=held[os.fsencode(built.path)][1]),
            took=built.milliseconds,
        )
        files = {
            module.content: os.path.join(case.context.call.tree, os.fsdecode(module.path)) for module in record.modules
        }
        files[record.wheel.content] = built.path
        return (
            ""
            if module_copies.keep(self.cache, self.tree, record, files)
            else "it can't be written to the cache directory"
        )


def _keys(case: Case, snapshot: Snapshot, locks: Mapping[bytes, tuple[str, bytes]]) -> tuple[str, str]:
    """The key of the native part, and the one that Pythons have in common for which one module may do.

    All counts that shapes a wheel, but for pure Python; and what the redirection itself may rest on.
    """
    context = case.context
    ways = shaping([file.path for file in snapshot.inputs], context.project.pyproject, name=context.backend.name)
    parts: list[Component] = [
        *(part for part in case.facts.components if part.name != lookup.SOURCES),
        *lookup.locked(snapshot.locks, locks),
        build_key.component("tree", os.fsencode(context.call.tree)),
        build_key.component("native digest", snapshot.native),
        build_key.component("packages", tuple(ways)),
    ]
    return build_key.key(parts), build_key.key([part for part in parts if part.name not in _OWN])


def _pure(built: Built, snapshot: Snapshot) -> list[str]:
    """The pure Python among the inputs that an observed build has read."""
    names, column = digest.columns(snapshot.inputs)
    paths = memory.split(names)
    pure = (os.fsdecode(paths[number]) for number in digest.pure(paths, column))
    return [path for path in pure if built.findings is not None and path in built.findings.readers]


def _ways(case: Case, snapshot: Snapshot) -> tuple[list[bytes], list[bytes]]:
    """What leads to the tree may list, and the packages in which another one need not be; as `Record` has them."""
    paths = [file.path for file in snapshot.inputs]
    look = partial(shaping, pyproject=case.context.project.pyproject, name=case.context.backend.name)
    folders = sorted(digest.packages(paths))
    listed = look([*paths, *(folder + _NO_PACKAGE + b"/__init__.py" for folder in folders), _NO_MODULE[1:]])
    free = [folder for folder in folders if folder + _NO_PACKAGE not in listed]
    return look(paths), free if _NO_MODULE[1:] in listed else [*free, b"."]


def shaping(paths: Sequence[bytes], pyproject: Mapping[str, Any], *, name: str) -> list[bytes]:
    """The packages, and the modules in none, of which a way into the tree may be made.

    What lies in a package is imported by that one. But setuptools can be told of each by its name.
    """
    known, folders = frozenset(paths), digest.packages(list(paths))
    if name == "maturin":
        return sorted(folder for folder in folders if folder.rpartition(b"/")[0] + b"/__init__.py" not in known)
    where = None if known & {b"setup.py", b"setup.cfg"} else _where(toml_access.table(pyproject, "tool.setuptools"))
    nested = [folder for folder in folders if where is not None and _is_nested(folder, where, known)]
    return sorted([*folders.difference(nested), *digest.loose(list(paths))])


def _where(settings: Mapping[str, Any]) -> str | None:
    """The folder in which setuptools looks for all packages; None where one in another may be singled out."""
    packages = settings.get("packages")
    if settings.keys() & {"namespace-packages", "package-dir", "py-modules"}:
        return None
    if packages is None or isinstance(packages, list):
        listed = [str(name) for name in packages or ()]
        return "src" if all(name.partition(".")[0] in listed for name in listed) else None
    table, where = toml_access.table(packages, "find"), toml_access.texts(packages, "find.where")
    patterns = [*toml_access.texts(table, "include"), *toml_access.texts(table, "exclude")]
    if len(where) > 1 or not all(map(_PREFIX.fullmatch, patterns)):
        return None
    return _path(where[0]) if where else "."


def _is_nested(folder: bytes, where: str, paths: AbstractSet[bytes]) -> bool:
    """Whether a package lies in a package, and so on, up to where packages are looked for."""
    parts = folder.split(b"/")
    first = where.count("/") + 2 if os.fsdecode(folder).startswith(f"{where}/") else 1
    above = (b"/".join([*parts[:number], b"__init__.py"]) for number in range(first, len(parts)))
    return len(parts) > first and all(path in paths for path in above)


def _path(text: str) -> str:
    """A text as inputs are called."""
    return os.path.normpath(text).replace(os.sep, "/")


def _paths(names: Sequence[str]) -> list[bytes]:
    return [os.fsencode(name) for name in names]


def _abi() -> str:
    return str(sysconfig.get_config_var("EXT_SUFFIX") or "")


def searched(context: Context, snapshot: Snapshot) -> dict[bytes, Row] | None:
    """The extension modules in the tree that this Python could load; None where that can't be told."""
    roots = [path for path, kind in snapshot.roots if kind in ("crate", "folder")]
    call = context.call
    endings = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    try:
        apart = boundary.set_apart(call.tree, call.environ)
        return module_copies.extension_modules(call.tree, roots, endings, apart)
    except (OSError, module_copies.CrowdedError):
        return None


def _more(wheel: str, folders: AbstractSet[str]) -> str:
    """What of an editable wheel is more than a redirection into the tree, in words: that is not made anew."""
    try:
        with zipfile.ZipFile(wheel) as file:
            for name in file.namelist():
                if name.partition("/")[0].endswith(".dist-info") or _is_finder(name):
                    continue
                if not name.endswith(".pth") or "/" in name:
                    return f"its wheel holds {name}"
                lines = [line for line in file.read(name).decode().splitlines() if line.strip()]
                if not all(line.startswith("import ") or _leads_to_tree(line, folders) for line in lines):
                    return f"{name} leads elsewhere than to the sources"
    except archive.REFUSALS:
        return "its wheel can't be read"
    return ""


def _is_finder(name: str) -> bool:
    return name.startswith("__editable__") and name.endswith("_finder.py") and "/" not in name


def _folders(case: Case) -> frozenset[str]:
    """The folders that hold inputs, somewhere below them, and the project directory; really, as the system compares."""
    folders = {""}
    for file in case.snapshot.inputs:
        folder = os.fsdecode(file.path).rpartition("/")[0]
        while folder not in folders and os.path.basename(folder) != "..":
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return frozenset(
        os.path.normcase(os.path.realpath(os.path.join(case.context.call.tree, place))) for place in folders
    )


def _leads_to_tree(line: str, folders: AbstractSet[str]) -> bool:
    """Whether a path is that of a folder of sources, and none of links."""
    known = os.path.isdir(line) and os.path.normcase(os.path.realpath(line)) in folders
    return known and not any(name.startswith(_STRICT) for name in line.split(os.sep))
