"""What in a tree names one version of the project, writes it, reads it, or publishes it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from freshwheel import parsed as tables
from freshwheel.adopt.facts import Facts, Remark, normal
from freshwheel.adopt.statements import parsed

__all__ = ["locked", "pinned", "released", "spoken_for"]

_REQUIREMENTS = re.compile(
    r"(?:.*(?:requirements|constraints)[^/]*|(?:.*/)?requirements/[^/]+)\.(?:txt|in)", re.IGNORECASE
)
_PIN = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*={2,3}\s*([^\s;#\\,]+)")
_WHEEL = re.compile(r"(?:^|[\s/\\@])([A-Za-z0-9_.]+)-[^\s/\\-]+(?:-[^\s/\\]+)\.whl")
_LOCKS = ("uv.lock", "pdm.lock")
_SCRIPTS = re.compile(
    r"\.github/workflows/[^/]+\.ya?ml|(?:.*/)?(?:Makefile|GNUmakefile|justfile|Justfile|noxfile\.py|tox\.ini|\.gitlab-ci\.yml"
    r"|[^/]+\.sh)"
)
_BUMPS = re.compile(r"\b(?:uv|poetry|hatch|pdm bump|bump-?my-?version|bumpversion|bump2version|cz) (?:version|bump)\b")
_READS = re.compile(r"""\[\s*["']project["']\s*\]\s*\[\s*["']version["']\s*\]""")
_QUERIES = re.compile(r"\bproject\.version\b")
_TREE_WHEELS = re.compile(
    r"\buv build\b.*--wheel|\bpip3? wheel\b|\b-m build\b.*(?:--wheel|\s-w\b)|\bpyproject-build\b.*(?:--wheel|\s-w\b)"
    r"|\bbdist_wheel\b"
)
_UPLOADS = re.compile(
    r"\btwine upload\b|\bgh-action-pypi-publish\b|\b(?:uv|flit|hatch|pdm|poetry) publish\b|\bgh release\b"
)


def pinned(facts: Facts, distribution: str) -> Iterator[Remark]:
    """Pins, hashes and wheel files that a label breaks."""
    name = normal(distribution)
    local, wheels = [], []
    for path, text in facts.texts.items():
        if not _REQUIREMENTS.fullmatch(path):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            match = _PIN.match(line)
            if match is not None and normal(match[1]) == name and "+" in match[2]:
                local.append(f"{path}:{number}")
            if any(normal(found) == name for found in _WHEEL.findall(line)):
                wheels.append(f"{path}:{number}")
    if local:
        what = "a pin with a local version does not take a label joined to it"
        yield Remark(kind="pin", weight="harm", what=what, todo="pin the part before the +", where=tuple(local))
    if wheels:
        what = "one wheel file is named, and the next edit gives it another name"
        todo = "name the project's folder, or build that wheel with FRESHWHEEL_LABEL=off"
        yield Remark(kind="pin", weight="harm", what=what, todo=todo, where=tuple(wheels))


def locked(facts: Facts, distribution: str) -> Iterator[Remark]:
    """Lock files that state the version, which they can't any more once it is dynamic."""
    for path, text in facts.texts.items():
        if posixpath.basename(path) not in _LOCKS:
            continue
        try:
            packages = tables.entries(parsed(text), "package")
        except ValueError:
            continue
        for one in packages:
            if normal(tables.text(one, "name") or "") != normal(distribution) or "version" not in one:
                continue
            source = tables.table(one, "source")
            number = _line(text, f'name = "{tables.text(one, "name")}"')
            tool = posixpath.basename(path).partition(".")[0]
            if tables.text(source, "path") and str(source["path"]).endswith(".whl"):
                what = "a wheel file is locked by its hash, and the next edit gives it another one"
                todo = "lock the project's folder instead"
            else:
                what = "the version is locked, and a dynamic one is not written there: checks of the lock fail once"
                todo = f"run `{tool} lock` after the switch, and commit it"
            yield Remark(kind="lock", weight="harm", what=what, todo=todo, where=(f"{path}:{number}",))


def spoken_for(text: str, pyproject: Mapping[str, Any], facts: Facts) -> Iterator[Remark]:
    """What writes or reads `[project] version`, which goes; `text` is that of pyproject."""
    writes = [f"pyproject.toml:{_line(text, word)}" for word in _writers(pyproject)]
    for path in (".bumpversion.cfg", ".bumpversion.toml", "setup.cfg"):
        found = facts.texts.get(path, "")
        if "bumpversion" in found and "pyproject.toml" in found:
            writes.append(f"{path}:{_line(found, 'pyproject.toml')}")
    writes += _lines(facts, _BUMPS, _SCRIPTS)
    if writes:
        what = "a tool writes the version into [project], where it will not be any more"
        yield Remark(
            kind="version", weight="harm", what=what, todo="point it to where the version goes", where=tuple(writes)
        )
    reads = [*_lines(facts, _READS, None), *_lines(facts, _QUERIES, _SCRIPTS)]
    if reads:
        what = "the version is read from [project], where it will not be any more"
        yield Remark(kind="version", weight="harm", what=what, todo="read it from where it goes", where=tuple(reads))
    if "match-runtime" in text:
        what = "match-runtime needs a static version"
        where = (f"pyproject.toml:{_line(text, 'match-runtime')}",)
        yield Remark(kind="version", weight="harm", what=what, todo="name the version there", where=where)


def released(facts: Facts) -> Iterator[Remark]:
    """Where wheels of the tree itself are built in files that publish: those would have labels, which PyPI refuses."""
    publishing = {path for path, text in facts.texts.items() if _SCRIPTS.fullmatch(path) and _UPLOADS.search(text)}
    found = [one for one in _lines(facts, _TREE_WHEELS, _SCRIPTS) if one.rpartition(":")[0] in publishing]
    if found:
        what = "wheels are built here from the tree and published; PyPI refuses labelled ones"
        yield Remark(
            kind="release", weight="harm", what=what, todo="set FRESHWHEEL_LABEL=off there", where=tuple(found)
        )
    else:
        what = "PyPI refuses labelled wheels; `uv build`, `python -m build` and cibuildwheel make none"
        todo = "set FRESHWHEEL_LABEL=off where a wheel of the tree itself is built for an upload"
        yield Remark(kind="release", weight="note", what=what, todo=todo)


def _writers(pyproject: Mapping[str, Any]) -> Iterator[str]:
    """Words of pyproject by which a tool is told to write the version into it."""
    if tables.at(pyproject, "tool.commitizen.version_provider") in ("pep621", "uv", "poetry"):
        yield "version_provider"
    for one in tables.entries(pyproject, "tool.bumpversion.files"):
        if one.get("filename") == "pyproject.toml":
            yield "tool.bumpversion.files"
    if any("pyproject.toml" in one for one in tables.texts(pyproject, "tool.bumpver.file_patterns")):
        yield "tool.bumpver"
    if any("project.version" in one for one in tables.texts(pyproject, "tool.semantic_release.version_toml")):
        yield "version_toml"


def _lines(facts: Facts, pattern: re.Pattern[str], paths: re.Pattern[str] | None) -> list[str]:
    """The lines in which something is written, as `path:line`."""
    return [
        f"{path}:{number}"
        for path, text in facts.texts.items()
        if paths is None or paths.fullmatch(path)
        if pattern.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def _line(text: str, word: str) -> int:
    """The number of the first line in which a word stands; the first of all where it stands in none."""
    place = text.find(word)
    return text.count("\n", 0, place) + 1 if place >= 0 else 1
