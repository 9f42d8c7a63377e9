"""The page of the matrix, as text: a pure function of what was expected, what happened, and the versions."""

from __future__ import annotations

from collections.abc import Mapping

from .expectations import Cell, Expected, disagreement
from .situations import INSTALLERS, SITUATIONS, Happened

__all__ = ["page"]

HEAD = """\
# Installers

What each installer does with a project that freshwheel builds, in each situation. `make matrix` runs every cell with \
the installers from PyPI and writes this page. The expected result of each cell was written down before the first run, \
in `tests/frontends/matrix/expectations.toml`. Where the result differs, a note says so and why.

The project is a Rust extension with Python files and a crate outside of its folder. It is installed, then something \
changes, then it is installed again in the same way. The tables show the result of this second installation. Its \
version ends with a label, which names the sources.

| word | meaning |
|---|---|
| built | the first installation: built once, installed under the label of its sources |
| hit | the same version and the same behaviour; nothing was built |
| follows | the sources have changed, and so has what is installed; nothing was built twice |
| **old** | the earlier version is still installed: the installer did not ask freshwheel, or ignored the answer; \
the note says what helps |
| **built again** | correct, but built more than once, for the reason in the note |
| refused | the installer ends with an error |
| n/a | not possible with this installer, for the reason in the note |
| not tried | possible; the note says how, or which cell answers the same question |

## Versions

"""
WORDS = {
    "built": "built",
    "hit": "hit",
    "follows": "follows",
    "stale": "**old**",
    "redundant": "**built again**",
    "error": "refused",
    "none": "n/a",
}
PLAIN = ("built", "hit", "follows")
"""What needs no note."""


def page(
    expected: Mapping[Cell, Expected],
    otherwise: Mapping[Cell, Expected],
    choices: Mapping[Cell, str],
    seen: Mapping[Cell, Happened],
    versions: Mapping[str, str],
) -> str:
    """The page. A cell that was not run, and applies, says so."""
    notes: dict[str, int] = {}
    lines = [HEAD, "| installer | version |\n|---|---|\n"]
    lines += [f"| {title} | {versions[title]} |\n" for title in INSTALLERS]
    for group in dict.fromkeys(one.group for one in SITUATIONS.values()):
        situations = [title for title, one in SITUATIONS.items() if one.group == group]
        lines.append(f"\n## {group}\n\n| installer | {' | '.join(map(_code, situations))} |\n")
        lines.append("|---" * (len(situations) + 1) + "|\n")
        for title in INSTALLERS:
            cells = [(title, one) for one in situations]
            row = [
                f"not tried ({_number(_sentence(choices[cell]), notes)})"
                if cell in choices
                else _cell(cell, expected, otherwise, seen, notes)
                for cell in cells
            ]
            lines.append(f"| {title} | {' | '.join(row)} |\n")
    lines.append("\n## Notes\n\n")
    lines += [f"{number}. {note}\n" for note, number in notes.items()]
    return "".join(lines)


def _cell(
    cell: Cell,
    expected: Mapping[Cell, Expected],
    otherwise: Mapping[Cell, Expected],
    seen: Mapping[Cell, Happened],
    notes: dict[str, int],
) -> str:
    wanted = otherwise.get(cell, expected[cell])
    happened = Happened(verdict="none") if wanted.verdict == "none" else seen.get(cell)
    if happened is None:
        return "not run"
    against = disagreement(wanted, happened)
    word = WORDS.get(happened.verdict, happened.verdict)
    if against:
        note = f"Not explained yet: {against}."
    elif cell in otherwise:
        note = _note(wanted) + f" Not as expected ({expected[cell].verdict}); seen with {wanted.version}."
    elif wanted.verdict in PLAIN:
        return word
    else:
        note = _note(wanted)
    return f"{word} ({_number(note, notes)})"


def _number(note: str, notes: dict[str, int]) -> int:
    return notes.setdefault(note, len(notes) + 1)


def _sentence(clause: str) -> str:
    """With a capital, unless it begins with the name of a program or a setting."""
    first = clause.split(maxsplit=1)[0]
    named = "." in first or "-" in first or any(first == title.split()[0] for title in INSTALLERS)
    return f"{clause}." if named else f"{clause[:1].upper()}{clause[1:]}."


def _note(one: Expected) -> str:
    why = _sentence(one.why)
    return f"{why} What helps: `{one.ask}`." if one.ask else why


def _code(title: str) -> str:
    return f"`{title}`" if title.startswith(("name", ".")) else title
