"""Counts the lines of code of a folder: without blank ones, comments and docstrings.

python .ci/lines.py [FOLDER]
"""

from __future__ import annotations

import ast
import io
import os
import sys
import tokenize
from collections.abc import Iterator

_NOTHING = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def main(arguments: list[str]) -> int:
    """Prints the count for each folder below, and the sum."""
    top = arguments[0] if arguments else os.path.join(os.path.dirname(os.path.dirname(__file__)), "src", "freshwheel")
    counts: dict[str, int] = {}
    for path in _modules(top):
        with open(path, encoding="utf-8") as file:
            folder = os.path.relpath(os.path.dirname(path), top)
            counts[folder] = counts.get(folder, 0) + count(file.read())
    for folder, number in sorted(counts.items()):
        print(f"{number:7,}  {folder}")
    print(f"{sum(counts.values()):7,}  in all")
    return 0


def count(text: str) -> int:
    """The lines of one module on which code stands."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NOTHING:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - _documented(ast.parse(text)))


def _documented(tree: ast.AST) -> set[int]:
    """The lines of docstrings, those behind a field or a constant among them."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        for one in getattr(node, "body", None) if isinstance(getattr(node, "body", None), list) else ():
            if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
                lines.update(range(one.lineno, (one.end_lineno or one.lineno) + 1))
    return lines


def _modules(top: str) -> Iterator[str]:
    for folder, _, names in sorted(os.walk(top)):
        yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(".py"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
