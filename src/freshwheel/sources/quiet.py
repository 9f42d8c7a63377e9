"""What a build script looks at, by its Rust text: one that looks at variables alone has no use for an edit elsewhere.

A text is quiet if every path, macro and attribute in it is one of a few known ones. What is in scope besides is the
prelude of Rust and what the text defines itself, neither of which opens a file.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

__all__ = ["is_given", "variables"]

_TOKEN = re.compile(
    r"""
    (?P<nothing>\s+|//[^\n]*)
    |(?P<text>[bc]?r(?P<hashes>\#*)".*?"(?P=hashes)|[bc]?"(?:[^"\\]|\\.)*"|b?'(?:\\.[^']*|[^\\'])')
    |(?P<lifetime>'[^\W\d]\w*)
    |(?P<odd>r\#|/\*|")
    |(?P<token>[^\W\d]\w*|\d\w*|::|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_LITERAL = re.compile(r'\("(\w+)"\)')
_NAME = re.compile(r"[^\W\d]\w*")
_LARGEST = 1 << 16
"""Characters. No text that only looks at variables is longer."""
_GIVEN = re.compile(r"CARGO_(?:CFG|FEATURE|PKG)_\w+|DEP_\w+|DEBUG|HOST|NUM_JOBS|OPT_LEVEL|OUT_DIR|PROFILE|RUSTC|TARGET")
_OTHER = frozenset(("asm", "crate", "extern", "macro", "macro_rules", "mod", "super", "unsafe"))
"""Words that bring in what is not in this text, or step around it."""
_KEYWORDS = frozenset(("else", "if", "in", "match", "return", "while"))
"""Words behind which a `!` denies something."""
_MACROS = frozenset(
    (
        *("assert", "assert_eq", "assert_ne", "cfg", "concat", "debug_assert", "env", "eprint", "eprintln", "format"),
        *("matches", "option_env", "panic", "print", "println", "stringify", "unreachable", "vec"),
    )
)
_ATTRIBUTES = frozenset(("allow", "cfg", "deny", "expect", "forbid", "inline", "must_use", "warn"))
_TYPES = frozenset(
    (
        *("bool", "char", "f32", "f64", "i128", "i16", "i32", "i64", "i8", "isize", "str", "u128", "u16", "u32", "u64"),
        *("u8", "usize", "Option", "Result", "String", "Vec"),
    )
)
_VARIABLE = (("env", "var"), ("env", "var_os"))
_STD = frozenset((("env", "VarError"), ("error", "Error"), ("process", "exit")))
_PYO3 = frozenset(
    ("add_extension_module_link_args", "add_libpython_rpath_link_args", "add_python_framework_link_args")
) | {"use_pyo3_cfgs"}
"""What of `pyo3_build_config` prints what cargo has told it."""


def variables(text: str) -> frozenset[str] | None:
    """The variables that a build script with no other text than this looks at; None if it may look at more."""
    tokens = _tokens(text)
    if tokens is None or ("fn", "main") not in itertools.pairwise(tokens):
        return None
    names: set[str] = set()
    imported, at = False, 0
    while at < len(tokens):
        word = tokens[at]
        if word == "#":
            end = _attribute(tokens, at)
        elif word == "use":
            end = _use(tokens, at)
            imported = imported or tokens[at + 1 : end] == ["std", "::", "env"]
        else:
            end = _step(tokens, at, names, imported=imported)
        if end is None:
            return None
        at = end
    return frozenset(names)


def is_given(name: str) -> bool:
    """Whether it is cargo that sets a variable: no source of Rust has a say in what it holds."""
    return _GIVEN.fullmatch(name) is not None


def _tokens(text: str) -> list[str] | None:
    """The tokens; None where it can't be told."""
    found: list[str] = []
    for match in _TOKEN.finditer(text[:_LARGEST]):
        if match["odd"]:
            return None
        if match["text"] or match["token"]:
            found.append(match["text"] or match["token"])
    return found if len(text) <= _LARGEST else None


def _step(tokens: Sequence[str], at: int, names: set[str], *, imported: bool) -> int | None:
    """Where it goes on behind one token or path; None where that is not known to be harmless."""
    word, ahead = tokens[at], tokens[at + 1 : at + 3]
    if word == "::":
        # One that begins a path, or follows a type in brackets, or has one behind it.
        return at + 1 if ahead[:1] == ["<"] else None
    if word in _OTHER:
        return None
    if not _NAME.fullmatch(word):
        return at + 1
    if ahead[:1] == ["!"] and word not in _KEYWORDS and ahead[1:] and ahead[1] in "([{":
        return at + 2 if word in _MACROS else None
    if ahead[:1] != ["::"] or ahead[1:] == ["<"]:
        return at + 1
    return _path(tokens, at, names, imported=imported)


def _path(tokens: Sequence[str], at: int, names: set[str], *, imported: bool) -> int | None:
    """Where it goes on behind a path; what it looks at is one of the `names` then."""
    words, end = [tokens[at]], at + 1
    while tokens[end : end + 1] == ["::"] and end + 1 < len(tokens) and _NAME.fullmatch(tokens[end + 1]):
        words.append(tokens[end + 1])
        end += 2
    path = tuple(words[1:] if words[0] == "std" else words)
    if path in _VARIABLE and (imported or words[0] == "std"):
        found = _LITERAL.fullmatch("".join(tokens[end : end + 3]))
        names.update(found.groups() if found else ())
        return end if found else None
    known = (words[0] == "std" and path in _STD) or (len(path) == 2 and _is_known(*path))  # noqa: PLR2004
    return end if known else None


def _is_known(root: str, name: str) -> bool:
    return root in _TYPES or (root == "pyo3_build_config" and name in _PYO3)


def _use(tokens: Sequence[str], at: int) -> int | None:
    """Where it goes on behind a `use`."""
    end = next((place for place in range(at, len(tokens)) if tokens[place] == ";"), None)
    if end is None:
        return None
    words = tokens[at + 1 : end]
    names = tuple(words[::2])
    if any(word != "::" for word in words[1::2]) or not all(map(_NAME.fullmatch, names)):
        return None
    if names == ("std", "env") or (names[:1] == ("std",) and names[1:] in _STD):
        return end
    return end if len(names) == 2 and names[0] == "pyo3_build_config" and names[1] in _PYO3 else None  # noqa: PLR2004


def _attribute(tokens: Sequence[str], at: int) -> int | None:
    """Where it goes on behind an attribute."""
    start = at + (2 if tokens[at + 1 : at + 2] == ["!"] else 1)
    if tokens[start : start + 1] != ["["] or start + 1 >= len(tokens) or tokens[start + 1] not in _ATTRIBUTES:
        return None
    depth = 0
    for place in range(start, len(tokens)):
        depth += {"[": 1, "]": -1}.get(tokens[place], 0)
        if not depth:
            return place + 1
    return None
