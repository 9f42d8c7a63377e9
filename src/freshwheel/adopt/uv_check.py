"""What is wrong with the `cache-keys` of a project: inputs that none covers, and keys that cover anything else."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from freshwheel import parsed
from freshwheel.adopt.uv_globs import Pattern
from freshwheel.adopt.uv_keys import Key, Layout, keys
from freshwheel.phrases import few

__all__ = ["ALTERNATIVE", "HOLES", "Checked", "Finding", "check"]

_DEFAULTS = ("pyproject.toml", "setup.cfg", "setup.py")
"""What uv looks at where there is no list."""
_KINDS = ("file", "dir", "env", "git")
_OF_GIT = ("commit", "tags")
_LIST = "tool.uv.cache-keys"

HOLES = (
    "uv compares nothing but the newest time, so a deleted file, or a renamed folder, goes unseen unless it was newest",
    "no glob reaches behind a symbolic link to a folder: files there are named one by one, and a new one is not seen",
    "a new file that no pattern covers is not seen; --check in CI names it",
    "what an editor drops into a folder that is covered whole has uv ask once more; the answer is from the store",
)
"""What no list can do."""
ALTERNATIVE = (
    '[tool.uv] reinstall-package = ["NAME"] in the root project has uv ask each time. A sync or run then takes 0.1 s '
    "more, and twice the wheel in uv's cache; `uv sync --check` always fails, and parallel runs may find no package"
)
"""The other way, and its price."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong with a list."""

    kind: Literal["missing", "superfluous", "unrooted", "wrong"]
    where: str
    """The key as it is written, or the key that is missing."""
    what: str
    todo: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What is wrong with a list, and what it should be."""

    keys: tuple[Key, ...]
    """The keys that there should be."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    """What is odd, and wrong only perhaps."""
    present: tuple[Key, ...]
    """The keys that there are, as far as they are keys."""


def check(layout: Layout, pyproject: Mapping[str, Any], *, names: bool = False) -> Checked:
    """What is wrong with the list in `pyproject`; `names` as in `keys`."""
    wanted = keys(layout, names=names)
    findings: list[Finding] = []
    listed = parsed.at(pyproject, _LIST)
    if listed is None:
        present = [Key(kind="file", text=text) for text in _DEFAULTS]
    else:
        present, findings = _read(listed)
    findings += _missing(layout, present, wanted, listed=listed is not None, names=names)
    if listed is not None:
        findings += _Judge(layout, wanted).judged(present)
    notes = tuple(_notes([*present, *wanted] if findings else present))
    return Checked(keys=wanted, findings=tuple(findings), notes=notes, present=tuple(present))


def _read(listed: Any) -> tuple[list[Key], list[Finding]]:
    """The keys of a list, and what is wrong with how it is written."""
    if not isinstance(listed, list):
        what = "is no list; uv then fails, or goes by pyproject.toml alone"
        return [], [Finding(kind="wrong", where=_LIST, what=what, todo="write a list")]
    found: list[Key] = []
    findings = []
    for element in listed:
        key, wrong = _key(element)
        if key is not None and not wrong:
            found.append(key)
        else:
            todo = "take it out; --yes writes the list"
            findings.append(Finding(kind="wrong", where=_shown(element), what=wrong, todo=todo))
    return found, findings


def _key(element: Any) -> tuple[Key | None, str]:
    """The key that an element of the list is, and what is wrong with it."""
    unknown = "is no key; for one such, uv fails or drops the whole list"
    if isinstance(element, str):
        element = {"file": element}
    if not isinstance(element, Mapping) or len(element) != 1:
        return None, unknown
    [(kind, value)] = element.items()
    if kind == "git":
        words = _of_git(value)
        return (None, unknown) if words is None else (Key(kind="git", text=" ".join(words)), "")
    if kind not in _KINDS or not isinstance(value, str):
        return None, unknown
    key = Key(kind=kind, text=value)
    return key, Pattern.of(value).wrong if kind == "file" else ""


def _of_git(value: Any) -> list[str] | None:
    """What of git is watched; None for what uv does not understand."""
    if isinstance(value, bool):
        return ["commit"] if value else []
    if isinstance(value, Mapping) and all(name in _OF_GIT and isinstance(on, bool) for name, on in value.items()):
        return [name for name in _OF_GIT if value.get(name)]
    return None


def _missing(
    layout: Layout, present: Sequence[Key], wanted: Sequence[Key], *, listed: bool, names: bool
) -> Iterator[Finding]:
    """What no key covers, each with the key that would."""
    patterns = [Pattern.of(key.text) for key in present if key.kind == "file"]
    patterns = [one for one in patterns if not (names and one.climbs)]
    left = [path for path in sorted(layout.watched) if not any(one.matches(path) for one in patterns)]
    for key in wanted:
        if key.kind != "file":
            if not _is_present(key, present):
                what = f"{layout.versioned} takes the version from git" if key.kind == "git" else "the build reads it"
                yield _add(key, f"{what}, and no key watches that")
            continue
        pattern = Pattern.of(key.text)
        covered = [path for path in left if pattern.matches(path)]
        if covered:
            left = [path for path in left if path not in set(covered)]
            none = "no key covers" if listed else "there is no list, and uv by itself does not look at"
            yield _add(key, f"{none} {few(covered)}")


def _is_present(key: Key, present: Sequence[Key]) -> bool:
    of_kind = [one for one in present if one.kind == key.kind]
    if key.kind == "git":
        return set(key.text.split()) <= {word for one in of_kind for word in one.text.split()}
    return key in of_kind


def _add(key: Key, what: str) -> Finding:
    return Finding(kind="missing", where=key.render(), what=what, todo=f"add {key.render()}")


class _Judge:
    """Looks at what each key of a list covers."""

    def __init__(self, layout: Layout, wanted: Sequence[Key]) -> None:
        self.layout = layout
        self.wanted = [(key, Pattern.of(key.text)) for key in wanted if key.kind == "file"]

    def judged(self, present: Sequence[Key]) -> Iterator[Finding]:
        """What is wrong with the keys."""
        for number, key in enumerate(present):
            if key in present[:number]:
                yield Finding(kind="superfluous", where=key.render(), what="stands there twice", todo="take one out")
            elif key.kind == "file":
                yield from self.file(key)
            else:
                what = self.other(key)
                if what:
                    yield Finding(kind="superfluous", where=key.render(), what=what, todo="take it out")

    def file(self, key: Key) -> Iterator[Finding]:
        """What is wrong with one `file`."""
        pattern, where = Pattern.of(key.text), key.render()
        covered = [path for path in sorted(self.layout.watched) if pattern.matches(path)]
        strange = [path for path in sorted(self.layout.others) if pattern.may_match(path)]
        if not pattern.is_glob and pattern.base in self.layout.folders:
            what = "is a folder, and uv looks at files only"
            yield Finding(kind="wrong", where=where, what=what, todo=self.instead(self.in_folder(pattern.base)))
            return
        if not pattern.is_rooted or self.is_ground(pattern):
            what = "has uv walk everything there, whatever builds leave in it: target, .venv, node_modules"
            yield Finding(kind="unrooted", where=where, what=what, todo=self.instead(covered))
        if strange:
            reason = self.layout.others[strange[0]]
            more = f" ({reason})" if reason else ""
            what = f"covers what is no input{more}: {few(strange)}"
            yield Finding(kind="superfluous", where=where, what=what, todo=self.instead(covered))
        elif not covered:
            what = "matches nothing that is there"
            yield Finding(kind="superfluous", where=where, what=what, todo="correct it, or take it out")

    def other(self, key: Key) -> str:
        """Why a key that is no `file` is superfluous."""
        layout = self.layout
        if key.kind == "git":
            return "" if layout.versioned else "makes every commit a change, and nothing takes a version from git"
        if key.kind == "env":
            if key.text in layout.env or key.text in layout.harmless:
                return ""
            return "is not read by the build, as far as is known; if it is, [tool.freshwheel] env must name it as well"
        is_there = posixpath.normpath(key.text) in {".", *layout.folders}
        return "" if is_there else "is no folder that is there"

    def is_ground(self, pattern: Pattern) -> bool:
        """Whether a glob goes deep where cargo has its target folder."""
        return pattern.is_deep and f"{pattern.base}/Cargo.lock" in self.layout.watched

    def in_folder(self, folder: str) -> list[str]:
        return [path for path in sorted(self.layout.watched) if path.startswith(f"{folder}/")]

    def instead(self, covered: Sequence[str]) -> str:
        """The keys that cover the same inputs, in words."""
        found = [key.render() for key, pattern in self.wanted if any(pattern.matches(path) for path in covered)]
        if not found:
            return "take it out"
        return f"write in its place {few(found)}"


def _notes(present: Sequence[Key]) -> Iterator[str]:
    """What a person should know of keys that are no mistake."""
    folders = [key.text for key in present if key.kind == "dir"]
    if folders:
        yield (
            f"dir sees only that a folder is made or removed, no edit in it ({', '.join(folders)}), and before "
            "uv 0.6.17 it made uv drop the whole list"
        )
    climbing = sorted({key.text for key in present if key.kind == "file" and Pattern.of(key.text).climbs})
    if climbing:
        yield (
            f"before uv 0.7.21 a glob found nothing outside of the project ({few(climbing)}); --names lists the files"
        )


def _shown(element: Any) -> str:
    """An element of the list, for a person."""
    if isinstance(element, Mapping):
        return f"{{ {', '.join(f'{name} = {_shown(value)}' for name, value in element.items())} }}"
    if isinstance(element, bool):
        return str(element).lower()
    return f'"{element}"' if isinstance(element, str) else str(element)
