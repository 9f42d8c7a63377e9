"""Where a Python text compares the version of its own distribution with something that has no label.

Each line is looked at by itself, as text: what goes through a variable is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from freshwheel.adopt.facts import lines, spellings

_EQUAL = re.compile(r"[=!]=|\bassert(?:Not)?Equals?\(")
_PUBLIC = re.compile(r"\.(?:base_version|major|micro|minor|r?partition|public|release|split|startswith)\b")
"""What leaves the label out."""
_LITERAL = re.compile(r"^__version__\s*(?::[^=\n]*)?=\s*[\"']", re.MULTILINE)


def compared(texts: Mapping[str, str], *, distribution: str, packages: Collection[str]) -> list[str]:
    """The places, as `path:line`, where a label makes unequal what was equal."""
    installed = re.compile(
        rf"\b(?:version|(?:get_)?distribution|metadata)\(\s*(?:__package__|[\"']{spellings(distribution)}[\"'])",
        re.IGNORECASE,
    )
    written = re.compile(rf"(?:\b(?:{'|'.join(map(re.escape, packages)) or '(?!)'})\.|(?<![\w.]))__version__\b")
    python = {path: text for path, text in texts.items() if path.endswith(".py")}
    has_literal = any(_LITERAL.search(text) for text in python.values())

    def is_harmful(line: str) -> bool:
        if not _EQUAL.search(line) or _PUBLIC.search(line):
            return False
        is_installed, is_written = installed.search(line) is not None, written.search(line) is not None
        # What `__version__` says is the installed version, unless it is written down.
        return is_installed if has_literal else is_installed != is_written

    return lines(python, is_harmful)
