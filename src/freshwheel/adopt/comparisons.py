"""Where a Python text compares the version of its own distribution with something that has no label.

Each line is looked at by itself, as text: what goes through a variable is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from freshwheel.adopt.facts import spellings

__all__ = ["compared"]

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
    has_literal = any(_LITERAL.search(text) for text in texts.values())
    found = []
    for path, text in texts.items():
        for number, line in enumerate(text.splitlines() if _EQUAL.search(text) else (), 1):
            if _EQUAL.search(line) and not _PUBLIC.search(line):
                is_installed, is_written = installed.search(line) is not None, written.search(line) is not None
                # What `__version__` says is the installed version, unless it is written down.
                if is_installed if has_literal else is_installed != is_written:
                    found.append(f"{path}:{number}")
    return found
