"""What is installed beside freshwheel, as far as it shapes a wheel."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from freshwheel.base import requirements
from freshwheel.base.requirements import Requirement

_OURS = "freshwheel"
_INFO = (".dist-info", ".egg-info")
_OF_ONE_INSTALLATION = frozenset(
    ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json")
)
"""Files of a `.dist-info` that say how it came here, not what it is."""
_PROGRAMS = frozenset(("bin", "scripts"))
_SCRIPTS = frozenset(("[console_scripts]", "[gui_scripts]"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """One that is installed."""

    name: str
    """Normalised."""
    version: str
    folder: str
    """The name of its `.dist-info`."""
    requires: tuple[str, ...]
    digest: str | None
    """SHA-256 over what its RECORD says of its files; None: there is no RECORD, or the files lie elsewhere."""
    direct: bool
    """Whether it came from a place and not from an index: then its version says little."""


def installed(path: Iterable[str]) -> dict[str, Distribution]:
    """Name -> the distribution that is found first in the folders of `path`; broken ones are left out."""
    found: dict[str, Distribution] = {}
    for folder in path:
        for name in _listed(folder):
            if name.endswith(_INFO) and (one := _read(folder, name)) is not None:
                found.setdefault(one.name, one)
    return found


def closure(texts: Iterable[str], known: Mapping[str, Distribution]) -> set[str]:
    """The names that the requirements lead to, themselves included, as far as what is installed says so."""
    wanted = [(text, "") for text in texts]
    done: set[tuple[str, str]] = set()
    while wanted:
        text, extra = wanted.pop()
        requirement = requirements.read(text)
        if requirement is None or not _applies(requirement, extra):
            continue
        name = requirements.normal(requirement.name)
        for one in ("", *requirement.extras):
            if (name, one) not in done:
                done.add((name, one))
                wanted += [(below, one) for below in known[name].requires] if name in known else []
    return {name for name, _ in done}


def plugins(path: Iterable[str], known: Mapping[str, Distribution], but: Iterable[str]) -> list[str]:
    """By what the distributions in the folders of `path`, which are `known`, extend others; but for those named.

    Scripts extend nobody.
    """
    left_out, found = set(but), []
    for one in (one for name, one in sorted(known.items()) if name not in left_out):
        group = ""
        texts = (_text(os.path.join(folder, one.folder), "entry_points.txt") for folder in path)
        for line in (next(filter(None, texts), None) or "").splitlines():
            group = line.strip() if line.startswith("[") else group
            if line.strip() and group not in _SCRIPTS:
                found.append(f"{one.name} {group} {line.strip()}")
    return found


def counted(
    known: Mapping[str, Distribution], *, requires: Sequence[str], lean: Sequence[str], isolated: bool, project: str
) -> tuple[dict[str, Distribution], dict[str, Distribution]]:
    """What shapes the wheel, and all that stays in the environment from one run to the next.

    In an isolated environment everything counts that is not ours alone, since installers may add what nobody wrote
    down; elsewhere what the requirements lead to. What only the `lean` requirements bring is there in some runs and not
    in others: their texts count instead.
    """
    asked = closure([text for text in requires if not _is_ours(text)], known)
    withheld = closure(lean, known) - asked
    ours = closure([_OURS], known)
    if isolated:
        asked |= closure(known.keys() - ours - withheld, known)
    mine = {_OURS, requirements.normal(project)} if project else {_OURS}
    shaping = {name: one for name, one in sorted(known.items()) if name in asked - withheld - mine}
    staying = {name: one for name, one in sorted(known.items()) if name in shaping or name in ours}
    return shaping, staying


def _read(folder: str, name: str) -> Distribution | None:
    info = os.path.join(folder, name)
    header = _text(info, "METADATA") or _text(info, "PKG-INFO") or ""
    # The description, behind the first empty line, is most of it; nothing that is folded is asked for.
    fields = [line.partition(":") for line in header.partition("\n\n")[0].splitlines()]
    titles, versions, requires = (
        [value.strip() for key, _, value in fields if key.lower() == wanted]
        for wanted in ("name", "version", "requires-dist")
    )
    if not titles or not versions:
        return None
    direct, record = _text(info, "direct_url.json"), _text(info, "RECORD")
    return Distribution(
        name=requirements.normal(titles[0]),
        version=versions[0],
        folder=name,
        requires=tuple(requires),
        digest=None if record is None or _is_editable(direct) else _digest(record),
        direct=direct is not None,
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
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogatepass")).hexdigest()


def _varies(path: str) -> bool:
    folders = path.replace("\\", "/").split("/")
    if folders[-1].endswith(".pyc"):
        return True
    if len(folders) > 1 and folders[-2].endswith(_INFO):
        return folders[-1] in _OF_ONE_INSTALLATION
    return ".." in folders and any(folder.lower() in _PROGRAMS for folder in folders)


def _is_editable(direct: str | None) -> bool:
    try:
        return bool(json.loads(direct or "{}").get("dir_info", {}).get("editable"))
    except (ValueError, AttributeError, RecursionError):
        return True


def _applies(requirement: Requirement, extra: str) -> bool:
    if requirement.conditions is not None:
        return all(_is_met(variable, word, value, extra) for variable, word, value in requirement.conditions)
    from packaging import requirements as full  # noqa: PLC0415 - it takes long, and few markers need it

    try:
        marker = full.Requirement(requirement.text).marker
        return marker is None or marker.evaluate({"extra": extra})
    except Exception:  # noqa: BLE001 - whatever a marker holds, it may apply
        return True


def _is_met(variable: str, word: str, value: str, extra: str) -> bool:
    """Whether a condition of a marker holds here, where an extra is asked for."""
    compare = requirements.ORDERS[word]
    if variable == "extra":
        return compare(requirements.normal(extra), requirements.normal(value))
    if variable == "sys_platform":
        return compare(sys.platform, value)
    major, _, minor = value.partition(".")
    return compare(sys.version_info[:2], (int(major), int(minor or 0)))


def _is_ours(text: str) -> bool:
    requirement = requirements.read(text)
    return requirement is not None and requirements.normal(requirement.name) == _OURS


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
