"""What is installed beside freshwheel, as far as it shapes a wheel; which requirements that does not meet; and what an
inner backend would ask for beside what is written, when it is not there to be asked.
"""

from __future__ import annotations

import contextlib
import csv
import filecmp
import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from freshwheel.base import requirements, toml_access
from freshwheel.base.backends import Backend, Extra
from freshwheel.base.environment import folders
from freshwheel.base.model import Project
from freshwheel.inner import programs
from freshwheel.inner.programs import Lookout, Run

_OURS = "freshwheel"
_INFO = (".dist-info", ".egg-info")
_OF_ONE_INSTALLATION = frozenset(
    ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json")
)
"""Files of a `.dist-info` that say how it came here, not what it is."""
_PROGRAMS = frozenset(("bin", "scripts"))
_SCRIPTS = frozenset(("[console_scripts]", "[gui_scripts]"))
_FIELD = re.compile(r"^(Name|Version|Requires-Dist):[ \t]*(.*?)[ \t\r]*$", re.IGNORECASE | re.MULTILINE)
_EXTRA = re.compile(r"\bextra\s*==\s*[\"']([^\"']*)[\"']")
_VERSION = re.compile(r"(?<![\w.])\d+(?:\.\d+)+")
_LEAST = re.compile(
    r"^[^#\n]*\bcmake_minimum_required\s*\(\s*VERSION\s+[\"\[=]*(\d+(?:\.\d+)*)", re.IGNORECASE | re.MULTILINE
)
_OLDEST_CMAKE = (3, 15)
_OWN_WHEEL = 71
"""From 70.1 on setuptools needs no `wheel`."""
_BELOW = re.compile(r"(?:<=?|==|~=)\s*(\d+)")
_PROVIDERS = {
    "scikit_build_core.metadata.fancy_pypi_readme": "hatch-fancy-pypi-readme>=23.2",
    "scikit_build_core.metadata.setuptools_scm": "setuptools-scm",
}
"""What the metadata providers of scikit-build-core ask for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """One that is installed."""

    name: str
    """Normalised."""
    version: str
    folder: str
    """The name of its `.dist-info`."""
    requires: tuple[str, ...]
    digest: str
    """SHA-256 over what its RECORD says of its files; nothing: there is no RECORD."""
    direct: bool
    """Whether it came from a place and not from an index: then its version says little."""


def installed(path: Iterable[str]) -> dict[str, Distribution]:
    """Name -> the distribution that is found first in the folders of `path`; broken ones are left out."""
    known: dict[str, Distribution] = {}
    for folder in path:
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(folder)):
                if name.endswith(_INFO) and (distribution := _read(folder, name)) is not None:
                    known.setdefault(distribution.name, distribution)
    return known


def files(prefixes: Sequence[str], packages: str) -> dict[str, str] | None:
    """Relative path -> where the file is, of all that was installed, without bytecode and links; None: two differ.

    `packages` is the folder of packages below each of the `prefixes`.
    """
    known: dict[str, str] = {}
    paths = [(os.path.relpath(path, prefix), path) for prefix in prefixes for path in _files_in(prefix, packages)]
    for relative, path in paths:
        other = known.setdefault(relative, path)
        if other != path and not (is_local(relative) or filecmp.cmp(other, path, shallow=False)):
            return None
    return known


def _files_in(prefix: str, packages: str) -> Iterator[str]:
    """The files in the folder of packages of an environment, and what was installed with them elsewhere in it."""
    home = os.path.join(prefix, packages)
    for folder, names, others in os.walk(home):
        names[:] = sorted(name for name in names if name != "__pycache__")
        yield from (path for name in others if not os.path.islink(path := os.path.join(folder, name)))
    for distribution in installed([home]).values():
        with open(os.path.join(home, distribution.folder, "RECORD"), encoding="utf-8", newline="") as file:
            paths = [os.path.normpath(os.path.join(home, row[0])) for row in csv.reader(file) if row]
        elsewhere = (path for path in paths if path.startswith(prefix + os.sep) and not path.startswith(home + os.sep))
        yield from (path for path in elsewhere if os.path.isfile(path) and not path.endswith(".pyc"))


def is_local(relative: str) -> bool:
    """Whether a file of an environment names the place where that is, or says how it came there."""
    return relative.startswith("bin" + os.sep) or os.path.dirname(relative).endswith(".dist-info")


def closure(texts: Iterable[str], known: Mapping[str, Distribution]) -> set[str]:
    """The names that the requirements lead to, themselves included, as far as what is installed says so.

    Of markers the extras count. What only another system needs is not installed, or is wanted by somebody else.
    """
    wanted = [(text, "") for text in texts]
    done: set[tuple[str, str]] = set()
    while wanted:
        text, extra = wanted.pop()
        name, extras = requirements.named(text)
        markers = {requirements.normal(marker) for marker in _EXTRA.findall(text.partition(";")[2])}
        if not name or (markers and extra not in markers):
            continue
        for part in ("", *extras):
            if (name, part) not in done:
                done.add((name, part))
                wanted += [(below, part) for below in known[name].requires] if name in known else []
    return {name for name, _ in done}


def plugins(path: Sequence[str], known: Mapping[str, Distribution], left_out: Iterable[str]) -> list[str]:
    """The entry points of the distributions in the folders of `path`, but for scripts, and for those that are named."""
    others = [distribution for name, distribution in sorted(known.items()) if name not in set(left_out)]
    points = []
    for distribution in others:
        texts = (_text(os.path.join(folder, distribution.folder), "entry_points.txt") for folder in path)
        group = ""
        for line in map(str.strip, (next(filter(None, texts), None) or "").splitlines()):
            group = line if line.startswith("[") else group
            if line and group not in _SCRIPTS:
                points.append(f"{distribution.name} {group} {line}")
    return points


def counted(
    known: Mapping[str, Distribution], *, requires: Sequence[str], lean: Sequence[str], isolated: bool, project: str
) -> tuple[dict[str, Distribution], dict[str, Distribution]]:
    """What shapes the wheel, and all that stays in the environment from one run to the next.

    In an isolated environment everything counts that is not ours alone, since installers may add what nobody wrote
    down; elsewhere what the requirements lead to. What only the `lean` requirements bring is there in some runs and not
    in others: their texts count instead.
    """
    asked = closure([text for text in requires if requirements.named(text)[0] != _OURS], known)
    withheld = closure(lean, known) - asked
    ours = closure([_OURS], known)
    if isolated:
        asked |= closure(known.keys() - ours - withheld, known)
    mine = {_OURS, requirements.normal(project)}
    counting = asked - withheld - mine
    shaping = {name: known[name] for name in sorted(known) if name in counting}
    staying = {name: known[name] for name in sorted(known) if name in counting or name in ours}
    return shaping, staying


def unmet(texts: Iterable[str]) -> list[str]:
    """The requirements that what is installed here does not meet."""
    known = installed(sys.path)
    return [
        text
        for text in texts
        if (name := requirements.applying(text))
        and not (name in known and requirements.allows(text, known[name].version))
    ]


def absent(texts: Iterable[str]) -> list[str]:
    """The requirements of which nothing is installed here, in whatever version."""
    known = installed(sys.path) if texts else {}
    # What has no metadata may be there all the same.
    return [
        text
        for text in texts
        if (name := requirements.applying(text)) and name not in known and not importable(name.replace("-", "_"))
    ]


def importable(module: str) -> bool:
    """Whether a top-level module can be imported here; it is looked for, not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What is to be built, and in which environment."""

    project: Project
    hook: str
    """`build_wheel` or `build_editable`."""
    environ: Mapping[str, str]
    private: Sequence[str]
    """The root folders of the environment that was made for this build."""


def extras(backend: Backend, build: Build, *, run: Run = programs.run, platform: str = sys.platform) -> list[str]:
    """The requirements that the backend would ask for; programs in the `private` folders of the build don't count.

    So the answer is the same before and after they are installed.
    """

    def wanted(extra: Extra) -> bool:
        if extra.editable and build.hook != "build_editable":
            return False
        if not platform.startswith(extra.platform) or (extra.unless is not None and build.environ.get(extra.unless)):
            return False
        if extra.setting is not None and toml_access.at(build.project.pyproject, extra.setting[0]) != extra.setting[1]:
            return False
        if extra.requirement == "wheel" and not _may_be_old(build.project.pyproject):
            return False
        return not any(serves(program, extra.requirement) for program in extra.programs)

    def serves(program: str, requirement: str) -> bool:
        path = programs.which(program, search, Lookout(), cwd=build.project.tree, environ=build.environ)
        if path is None or requirement.isidentifier():
            return path is not None  # of any version
        answer = run([path, "--version"], cwd=os.sep, environ=build.environ)
        version = _VERSION.search(answer.output.decode("utf-8", "replace"))
        return answer.status == 0 and version is not None and requirements.allows(requirement, version[0])

    search = folders(build.environ.get("PATH", ""), build.private)
    known = _of_scikit_build(backend, build.project) if backend.name == "scikit-build-core" else backend.lean_extras
    return [extra.requirement for extra in known if wanted(extra)]


def _read(folder: str, name: str) -> Distribution | None:
    info = os.path.join(folder, name)
    header = _text(info, "METADATA") or _text(info, "PKG-INFO") or ""
    fields: dict[str, list[str]] = {"name": [], "version": [], "requires-dist": []}
    # The description, behind the first empty line, is most of it; nothing that is folded is asked for.
    for key, value in _FIELD.findall(header.partition("\n\n")[0]):
        fields[key.lower()].append(value)
    if not fields["name"] or not fields["version"]:
        return None
    return Distribution(
        name=requirements.normal(fields["name"][0]),
        version=fields["version"][0],
        folder=name,
        requires=tuple(fields["requires-dist"]),
        digest=_digest(_text(info, "RECORD") or ""),
        direct=os.path.exists(os.path.join(info, "direct_url.json")),
    )


def _text(folder: str, name: str) -> str | None:
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None


def _digest(record: str) -> str:
    """Of the lines that are equal wherever it is installed: programs name the interpreter, bytecode is made later."""
    lines = [line for line in record.splitlines() if line.strip() and not _varies(line.rsplit(",", 2)[0].strip('"'))]
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogatepass")).hexdigest() if lines else ""


def _varies(path: str) -> bool:
    folders = path.replace("\\", "/").split("/")
    if folders[-1].endswith(".pyc"):
        return True
    if len(folders) > 1 and folders[-2].endswith(_INFO):
        return folders[-1] in _OF_ONE_INSTALLATION
    return ".." in folders and any(folder.lower() in _PROGRAMS for folder in folders)


def _may_be_old(pyproject: Mapping[str, Any]) -> bool:
    """Whether a requirement holds setuptools down to versions that need `wheel`."""
    keys = ("build-system.requires", "tool.freshwheel.requires")
    texts = [text for key in keys for text in toml_access.texts(pyproject, key)]
    return any(
        int(version) < _OWN_WHEEL
        for text in texts
        if requirements.named(text)[0] == "setuptools"
        for version in _BELOW.findall(text.partition(";")[0])
    )


def _of_scikit_build(backend: Backend, project: Project) -> list[Extra]:
    """The extras with the versions that the project wants, and what its settings ask for besides.

    Settings that depend on the environment or on config settings are not looked at.
    """
    table, pyproject = "tool.scikit-build", project.pyproject
    asked = []
    if toml_access.at(pyproject, f"{table}.wheel.cmake") is not False:
        for extra in backend.lean_extras:
            name = requirements.named(extra.requirement)[0]
            specifier = _wanted(project, f"{table}.{name}")
            asked.append(replace(extra, requirement=f"{name}{specifier}") if specifier else extra)
    texts = [text for text in toml_access.texts(pyproject, f"{table}.build.requires") if requirements.is_valid(text)]
    providers = [toml_access.text(field, "provider") for field in toml_access.members(pyproject, f"{table}.metadata")]
    texts += [_PROVIDERS[provider] for provider in providers if provider in _PROVIDERS]
    return [*asked, *[Extra(requirement=text) for text in texts]]


def _wanted(project: Project, path: str) -> str:
    """The specifier of a tool that its table or, for CMake, its file states; nothing where there is none."""
    stated = toml_access.text(project.pyproject, f"{path}.version")
    least = toml_access.text(project.pyproject, f"{path}.minimum-version")
    if stated and stated != "CMakeLists.txt":
        return stated
    if least:
        return f">={least}"
    if not path.endswith(".cmake"):
        return ""
    folder = toml_access.text(project.pyproject, f"{path}.source-dir") or ""
    try:
        with open(os.path.join(project.tree, folder, "CMakeLists.txt"), encoding="utf-8-sig", errors="replace") as file:
            match = _LEAST.search(file.read())
    except (OSError, ValueError):
        return ""
    return f">={match[1]}" if match and tuple(map(int, match[1].split("."))) > _OLDEST_CMAKE else ""
