"""How `pyproject.toml` changes when freshwheel takes its place in it: the new bytes, the reasons, and what would hurt.

The former `[build-system]` becomes `[tool.freshwheel]` where it stands, with all comments; a new one comes before it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from freshwheel.adopt.toml_statements import changed, joined, parsed, parted, prepended, read
from freshwheel.base import backends, config, requirements
from freshwheel.base import toml_access as tables
from freshwheel.base.backends import KNOWN, Backend
from freshwheel.base.errors import ConfigError, Problem
from freshwheel.base.model import Project
from freshwheel.base.requirements import names
from freshwheel.sources import digest

Version: TypeAlias = Literal["stays", "left", "moved", "off"]
"""What becomes of a version: nothing; dynamic, left to the inner backend; dynamic, stated for it; without labels."""

_BACKEND = "setuptools.build_meta"
_DEFAULT = ["setuptools>=40.8.0"]
"""What frontends require where pyproject says nothing (PEP 518)."""
_LIBRARIES = ("cython", "meson", "nanobind", "numpy", "packaging", "pybind11")
"""What builds import or compile against."""
_MUTE = names(
    [
        "freshwheel",
        *_LIBRARIES,
        *(known.distributions[0] for known in KNOWN),
        *(extra.requirement for known in KNOWN for extra in known.lean_extras),
    ]
)
"""Distributions that act the same wherever they are required. Any other may be a plug-in that is switched on there."""
_BUILDING = re.compile(r"(?:.*/)?(?:setup\.py|build\.rs|meson\.build|CMakeLists\.txt|[^/]+\.cmake)")
_ASIDE = re.compile(r"(?:docs?|tests?|examples|benchmarks)/|conftest\.py|noxfile\.py")
_TAG = re.compile(
    r"^[ \t]*(tag[-_](?:build|date))[ \t]*[=:](?:[ \t]|\n[ \t]+)*(?!(?:0|no|off|false)\b)\S",
    re.MULTILINE | re.IGNORECASE,
)
"""In `setup.cfg`; that of a source distribution has both, and says by them that nothing is added."""
_PASSED = re.compile(r"\bversion\b|\*\*")
"""How a `setup.py` may hand a version to setuptools, which then is not told another one."""
_STATIC = re.compile(r"""version([ \t]*=[ \t]*)(?:"[^"\n]*"|'[^'\n]*')""")
_PINS = (
    (
        r"\s*{name}\s*(?:\[[^\]]*\])?\s*={{2,3}}[^;#]*\+",
        "a pin with a local version does not take a label joined to it",
        "pin the part before the +",
    ),
    (
        r"(?:.*[\s/\\@])?{name}-[^\s/\\]+\.whl",
        "one wheel file is named, and the next edit gives it another name",
        "name the project's folder, or build that wheel with FRESHWHEEL_LABEL=off",
    ),
)
"""How lines of requirements files begin that a label breaks, what is wrong with them, and what to do."""
_EQUAL = re.compile(r"[=!]=|\bassert(?:Not)?Equals?\(")
_PUBLIC = re.compile(r"\.(?:base_version|major|micro|minor|r?partition|public|release|split|startswith)\b")
"""What leaves the label out."""
_LITERAL = re.compile(r"^__version__\s*(?::[^=\n]*)?=\s*[\"']", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """One thing that a person should know before the switch."""

    what: str
    todo: str
    where: tuple[str, ...]
    """`path:line` of each place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A change of `pyproject.toml`; none if both texts are one."""

    before: bytes
    after: bytes
    steps: tuple[str, ...]
    """What is done, and why, in sentences."""
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Aim:
    """What is to stand in the file."""

    module: str
    """The inner backend."""
    requires: Sequence[str]
    """The requirements that `[build-system]` has then."""
    lean: bool
    """Whether the former ones move, to be installed for a real build only."""
    version: Version
    new: Mapping[str, Any]
    """Keys of `[tool.freshwheel]` that stand nowhere yet."""


def propose(data: bytes, files: Mapping[str, str], *, label: bool = True) -> Proposal:
    """The switch of a project to freshwheel; without `label`, its version stays as it is in every wheel.

    `data` is known to be TOML. `files` are those of the project, paths with `/`, with the texts that matter. Raises
    FreshwheelError where the file makes no sense or can't be changed safely.
    """
    pyproject = parsed(data.decode())
    is_stated = tables.text(pyproject, "tool.freshwheel.backend") is not None
    is_half = backends.idle(pyproject) if is_stated else _brought(pyproject)
    if is_wrapped(pyproject) and not is_half:
        _checked(pyproject)
        return Proposal(before=data, after=data, steps=("freshwheel is in place already; nothing is to be done",))
    aim, steps = _aimed(pyproject, files, label=label)
    hint = _hint(pyproject, aim)
    after = changed(data, lambda text: _edited(text, pyproject, aim), lambda told: _expect(told, aim), hint=hint)
    project = _checked(parsed(after.decode()))
    remarks = tuple(_remarks(pyproject, files)) if label and project.version_is_dynamic else ()
    return Proposal(before=data, after=after, steps=steps, remarks=remarks)


def is_wrapped(pyproject: Mapping[str, Any]) -> bool:
    """Whether freshwheel itself is the backend."""
    system = tables.table(pyproject, "build-system")
    module = (tables.text(system, "build-backend") or "").partition(":")[0]
    return module == "freshwheel" and not system.get("backend-path")


def _checked(pyproject: Mapping[str, Any]) -> Project:
    """The project, whose settings are in order. Raises ConfigError with all that is not."""
    project = Project(tree="", pyproject=pyproject, sdist_version=None)
    config.parse(project, None, {}, importable=lambda _: False)
    return project


def _aimed(pyproject: Mapping[str, Any], files: Mapping[str, str], *, label: bool) -> tuple[_Aim, tuple[str, ...]]:
    """The aim for a project, and the reasons in sentences. Raises ConfigError where the file makes no sense."""
    system, ours = tables.table(pyproject, "build-system"), tables.table(pyproject, "tool.freshwheel")
    problems = config.Problems()
    requires = problems.met(config.list_of(config.string), system.get("requires", _DEFAULT), "build-system.requires")
    named, stated = tables.text(system, "build-backend"), tables.text(ours, "backend")
    brought = None
    if backends.is_own(named):
        named, brought = None, _brought(pyproject)
        if "backend-path" in system:
            what = "freshwheel does not lie in the project"
            problems.append(Problem("build-system.backend-path", what, "take the key out, and try again"))
    if named and stated and named != stated:
        what, hint = f"is {stated}, and [build-system] has {named}", "name the one that builds in both places"
        problems.append(Problem("tool.freshwheel.backend", what, f"{hint}, and try again"))
    if problems or requires is None:
        raise ConfigError(problems)
    # The older way of setuptools lets a setup.py import what lies beside it.
    module = stated or named or brought or (f"{_BACKEND}:__legacy__" if "setup.py" in files else _BACKEND)
    known = backends.find(module, requires, in_tree="backend-path" in system)
    reader = _reader(requires, pyproject, files)
    lean = _is_served(known, requires, files) and not (reader or "requires" in ours or "freshwheel" in names(requires))
    version, step = _version(pyproject, files, known, label=label)
    new = {
        **({} if named or stated else {"backend": module}),
        **({"requires": _DEFAULT} if lean and not system else {}),
        **({"label": "off"} if version == "off" else {}),
    }
    others = () if lean else requires
    kept = [*(() if "freshwheel" in names(others) else ("freshwheel",)), *others]
    steps = [f"{module} stays the backend that builds, and freshwheel calls it"]
    if not (named or stated):
        steps[0] = f"no backend was named{'' if brought else ', which means setuptools'}: {steps[0]}"
    if lean:
        steps.append("its requirements are installed for a real build only; a wheel from the store needs none of them")
    elif reader and known.store != "off":
        steps.append(f"its requirements stay in [build-system]: {reader}")
    if known.store == "off":
        steps.append(f'the store is off for {known.name}: if its builds compile, add store = "on"')
    return _Aim(module=module, requires=kept, lean=lean, version=version, new=new), (*steps, step)


def _brought(pyproject: Mapping[str, Any]) -> str | None:
    """The backend that the requirements bring, where none is stated."""
    known = backends.guess(tables.texts(tables.table(pyproject, "build-system"), "requires"))
    return known.modules[0] if known is not None and known.modules else None


def _is_served(known: Backend, requires: Sequence[str], files: Mapping[str, str]) -> bool:
    """Whether the store serves a project; that of setuptools, where it may compile extension modules."""
    if known.store != "extensions":
        return known.store == "on"
    return known.may_compile(requires) or any(
        path.encode("utf-8", "surrogateescape").endswith(digest.COMPILED) for path in files
    )


def _reader(requires: Sequence[str], pyproject: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """Who may read the list of build requirements, in words; nothing where nobody but frontends does."""
    if plugins := [text for text in requires if "@" in text or not names([text]) <= _MUTE]:
        return f"{plugins[0]} may work by standing there"
    if sources := sorted(names([*tables.table(pyproject, "tool.uv.sources")]) & names(requires)):
        return f"[tool.uv.sources] says where {sources[0]} comes from, and it may change there"
    if any("build-system" in text for text in tables.strings(pyproject.get("tool", {}))):
        return "a table of pyproject.toml refers to them there"
    if asking := [name for name in ("setup.py", "setup.cfg") if "setup_requires" in files.get(name, "")]:
        return f"{asking[0]} asks for more, which setuptools must be there to say"
    return ""


def _version(
    pyproject: Mapping[str, Any], files: Mapping[str, str], known: Backend, *, label: bool
) -> tuple[Version, str]:
    """What becomes of the version, and that in a sentence."""
    static = tables.text(pyproject, "project.version")
    if static is None and not label:
        return "off", "no labels, as asked for: the version stays as it is in every wheel"
    if static is None:
        return "stays", "the version is dynamic, so it stays where the backend reads it, and wheels get a label"
    if why := _why_static(static, pyproject, files, known) if label else "as asked for":
        return "stays", f"the version {static} stays static: wheels have the mark, but no label; {why}"
    path = posixpath.normpath(tables.text(pyproject, "tool.maturin.manifest-path") or "Cargo.toml")
    manifest = tables.text(read(files.get(path, "")), "package.version") if known.name == "maturin" else None
    if requirements.version(manifest or "") == requirements.version(static):
        return "left", f"{path} states the version {static} too, so it is left to that"
    states = f"{path} states {manifest} and the distribution {static}" if manifest else f"{static} becomes dynamic"
    step = f"{states}: it is [tool.freshwheel] version now, and wheels get a label; --no-label leaves it static"
    return "moved", step


def _why_static(static: str, pyproject: Mapping[str, Any], files: Mapping[str, str], known: Backend) -> str:
    """Why a version can't be opened, in words: who would find another one, or none; nothing where it can."""
    if requirements.version(static) is None:
        return "it is no version of PEP 440"
    if not known.own_version:
        is_able = bool(known.distributions)
        todo = f"list it as dynamic and let {known.name} read it from a file" if is_able else "it must be dynamic"
        return f"for labels, {todo}"
    runs = "setup.py" in files or tables.at(pyproject, "tool.setuptools.cmdclass") is not None
    building = {path: text for path, text in files.items() if _BUILDING.fullmatch(path) or (runs and _runs(path))}
    if reading := [path for path, text in building.items() if "pyproject" in text]:
        return f"{reading[0]} reads pyproject.toml, and may look for the version there"
    return _setter(pyproject, files) if known.name.startswith("setuptools") else ""


def _runs(path: str) -> bool:
    """Whether a `setup.py`, or a command of setuptools, may import a file; not what documents or tests."""
    return path.endswith(".py") and not _ASIDE.match(path)


def _setter(pyproject: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """Who would set an open version for setuptools, in words; nothing where nobody does."""
    requires = tables.texts(pyproject, "build-system.requires")
    if plugins := [text for text in requires if not names([text]) <= _MUTE]:
        return f"{plugins[0]} may set an open version"
    if tables.at(pyproject, "tool.setuptools.dynamic.version") is not None:
        return "[tool.setuptools.dynamic] would set an open version"
    if tag := _TAG.search(files.get("setup.cfg", "")):
        return f"{tag[1]} in setup.cfg adds to it"
    return "setup.py may set an open version" if _PASSED.search(files.get("setup.py", "")) else ""


def _edited(text: str, pyproject: Mapping[str, Any], aim: _Aim) -> str:
    """The text after the switch. Raises ValueError where a table has no header."""
    text, version = _opened(text, moves=aim.version == "moved") if aim.version in ("left", "moved") else (text, "")
    head, statements, rest = parted(text, "build-system", add="build-system" not in pyproject)
    kept, moved = f"requires = {tables.written(aim.requires)}\n", ""
    for statement in statements:
        if statement.key == "requires" and not aim.lean:
            is_there = "freshwheel" in names(tables.texts(pyproject, "build-system.requires"))
            kept = statement.above + (statement.text if is_there else prepended(statement.text, "freshwheel"))
        elif statement.key != "build-backend":
            moved += statement.above + statement.text
        elif "backend" not in {**tables.table(pyproject, "tool.freshwheel"), **aim.new}:
            moved += statement.above + statement.text.replace("build-backend", "backend", 1)
    moved += "".join([f"{key} = {tables.written(value)}\n" for key, value in aim.new.items()]) + version
    head += f'{kept}build-backend = "freshwheel"\n'
    if "freshwheel" not in tables.table(pyproject, "tool"):
        return f"{head}\n[tool.freshwheel]\n{moved}{rest}"
    head, statements, rest = parted(head + rest, "tool.freshwheel")
    return head + moved + joined(statements) + rest


def _opened(text: str, *, moves: bool) -> tuple[str, str]:
    """The text with a dynamic version, and the statement about the former one, if it moves."""
    head, statements, rest = parted(text, "project")
    [version] = [statement for statement in statements if statement.key == "version"]
    opened = 'dynamic = ["version"]\n' if moves else version.above + _STATIC.sub(r'dynamic\1["version"]', version.text)
    is_listed = any(statement.key == "dynamic" for statement in statements)
    for statement in statements:
        if statement is version:
            head += "" if is_listed else opened
        else:
            is_list = statement.key == "dynamic"
            head += statement.above + (prepended(statement.text, "version") if is_list else statement.text)
    return head + rest, (version.above + version.text).lstrip("\n") if moves else ""


def _expect(pyproject: dict[str, Any], aim: _Aim) -> None:
    """Changes the tables into those that the file must have after the switch."""
    system = pyproject.setdefault("build-system", {})
    ours = pyproject.setdefault("tool", {}).setdefault("freshwheel", {})
    if backends.is_own(tables.text(system, "build-backend")):
        del system["build-backend"]
    for key in ("build-backend", "backend-path", *(["requires"] if aim.lean else [])):
        if key in system:
            ours[key.removeprefix("build-")] = system.pop(key)
    ours |= aim.new
    system |= {"requires": aim.requires, "build-backend": "freshwheel"}
    if aim.version in ("left", "moved"):
        project = pyproject["project"]
        version, project["dynamic"] = project.pop("version"), ["version", *project.get("dynamic", [])]
        ours |= {"version": version} if aim.version == "moved" else {}


def _hint(pyproject: Mapping[str, Any], aim: _Aim) -> str:
    """What to write, for a person."""
    lines = ["[build-system]", f"requires = {tables.written(aim.requires)}", 'build-backend = "freshwheel"']
    lines += ["[tool.freshwheel]", f"backend = {tables.written(aim.module)}"]
    lines += [f"requires = {tables.written(tables.texts(pyproject, 'build-system.requires'))}"] if aim.lean else []
    return "\n    ".join(["write by hand:", *lines])


def _remarks(pyproject: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[Remark]:
    """Where a label would make versions unequal, or a requirement wrong."""
    name = requirements.normal(tables.text(pyproject, "project.name") or "")
    spelled = name.replace("-", "[-_.]+") or "(?!)"
    python = {path: text for path, text in files.items() if path.endswith(".py")}
    if where := _lines(python, _comparison(python, name.replace("-", "_"), spelled)):
        what = "the version is compared here, and the installed one has a label"
        todo = 'compare the part before the "+", or switch with --no-label, which writes label = "off" or stays static'
        yield Remark(what=what, todo=todo, where=where)
    required = {path: text for path, text in files.items() if path.endswith((".txt", ".in"))}
    for pattern, what, todo in _PINS:
        if where := _lines(required, re.compile(pattern.format(name=spelled), re.IGNORECASE).match):
            yield Remark(what=what, todo=todo, where=where)


def _comparison(python: Mapping[str, str], name: str, spelled: str) -> Callable[[str], bool]:
    """Whether a line makes unequal by a label what was equal. What goes through a variable is not seen."""
    call = r"\b(?:version|(?:get_)?distribution|metadata)\("
    installed = re.compile(rf"{call}\s*(?:__package__|[\"']{spelled}[\"'])", re.IGNORECASE)
    module = re.escape(name) or "(?!)"
    written_down = re.compile(rf"(?:\b{module}\.|(?<![\w.\"']))__version__\b")
    both_its_own = re.compile(rf"\b{module}\.\w+\s*[=!]=\s*{module}\.\w+")
    has_literal = any(_LITERAL.search(text) for text in python.values())

    def is_harmful(line: str) -> bool:
        if not _EQUAL.search(line) or _PUBLIC.search(line) or both_its_own.search(line):
            return False
        is_installed, is_written = installed.search(line) is not None, written_down.search(line) is not None
        # What `__version__` says is the installed version, unless it is written down.
        return is_installed if has_literal else is_installed != is_written

    return is_harmful


def _lines(texts: Mapping[str, str], is_meant: Callable[[str], object]) -> tuple[str, ...]:
    """Some lines of some texts, as `path:line`."""
    return tuple(
        f"{path}:{number}"
        for path, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if is_meant(line)
    )
