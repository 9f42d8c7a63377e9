"""Which environment variables a Python text reads: those that it names, and whether it may read others.

Nothing is run. What is no plain access by a literal name counts as "may read others", and so does what merely looks
like one: an attribute `environ` of anything is taken for that of `os`, whatever name `os` goes by. To name too much
costs a rebuild, to name too little a stale wheel.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Scan", "names"]

_Above: TypeAlias = Mapping[ast.AST, ast.AST]
_Found: TypeAlias = Sequence[str | None]
"""What one place reads: names, and None for what can't be told."""

_MAPPINGS = ("environ", "environb")
_FUNCTIONS = ("getenv", "getenvb")
_WORDS = frozenset((*_MAPPINGS, *_FUNCTIONS, "expandvars"))
_LOOKUPS = frozenset(("get", "setdefault", "pop", "__getitem__", "__contains__"))
_UPDATES = frozenset(("update", "clear"))
_LONGEST = 1 << 17
"""Characters; Python 3.10 crashes over expressions that are 100,000 levels deep, and a level takes two characters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """What a text reads of the environment."""

    names: frozenset[str]
    """Names it reads, as they are spelled; Windows ignores their case."""
    unknown: bool
    """Whether it may read others."""


def names(source: str | bytes) -> Scan:
    """The environment names that the text reads; what is too long or no Python may read any. Writes don't count."""
    unread = Scan(names=frozenset(), unknown=True)
    if len(source) > _LONGEST:
        return unread
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return unread
    above = {below: node for node in nodes for below in ast.iter_child_nodes(node)}
    imported = _imported(nodes)
    found = {one for node in nodes for one in _reads(node, above, imported)}
    return Scan(names=frozenset(one for one in found if one is not None), unknown=None in found)


def _imported(nodes: Sequence[ast.AST]) -> dict[str, str]:
    """Of `_WORDS`, those that were imported by name, under the names they have here."""
    imported: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*" and node.module in {"os", "os.path"}:
                    imported.update({word: word for word in _WORDS})
                elif alias.name in _WORDS:
                    imported[alias.asname or alias.name] = alias.name
    return imported


def _reads(node: ast.AST, above: _Above, imported: Mapping[str, str]) -> _Found:
    """What is read at `node`."""
    if isinstance(node, ast.Constant):
        # As in getattr(os, "environ"): a way around that nobody can follow.
        return [None] if isinstance(node.value, str) and node.value in _WORDS else []
    if isinstance(node, ast.Attribute):
        word = node.attr if node.attr in _WORDS else None
    elif isinstance(node, ast.Name):
        word = imported.get(node.id)
    else:
        return []
    if word in _MAPPINGS:
        return _of_mapping(node, above)
    if word is None or not isinstance(node.ctx, ast.Load):
        return []
    parent = above[node]
    if word in _FUNCTIONS and isinstance(parent, ast.Call) and parent.func is node:
        return [_first(parent)]
    return [None]


def _of_mapping(node: ast.Attribute | ast.Name, above: _Above) -> _Found:
    """What is read at a mention of the whole environment."""
    parent = above[node]
    if isinstance(parent, ast.Subscript) and parent.value is node:
        is_read = isinstance(parent.ctx, ast.Load) or isinstance(above[parent], ast.AugAssign)
        return [_literal(parent.slice)] if is_read else []
    if isinstance(parent, ast.Attribute):
        return _of_method(parent, above)
    if isinstance(parent, ast.Compare):
        return _of_comparison(parent, node)
    if isinstance(parent, ast.AugAssign) and parent.target is node:
        return [] if _is_spelled(parent.value) else [None]
    return [None] if isinstance(node.ctx, ast.Load) else []


def _of_method(method: ast.Attribute, above: _Above) -> _Found:
    call = above[method]
    if not isinstance(call, ast.Call) or call.func is not method:
        return [None]
    if method.attr in _LOOKUPS:
        return [_first(call)]
    is_spelled = all(map(_is_spelled, call.args)) and all(keyword.arg is not None for keyword in call.keywords)
    return [] if method.attr in _UPDATES and is_spelled else [None]


def _of_comparison(comparison: ast.Compare, node: ast.AST) -> _Found:
    """What `"X" in environ` reads; any other comparison looks at the whole."""
    operands = [comparison.left, *comparison.comparators]
    at = next(number for number, operand in enumerate(operands) if operand is node)
    if at and isinstance(comparison.ops[at - 1], (ast.In, ast.NotIn)) and at == len(comparison.ops):
        return [_literal(operands[at - 1])]
    return [None]


def _is_spelled(given: ast.expr) -> bool:
    """Whether it is a dictionary, written out, of literal names."""
    return isinstance(given, ast.Dict) and all(key is not None and _literal(key) is not None for key in given.keys)


def _first(call: ast.Call) -> str | None:
    """The literal name that a call asks for."""
    given = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "key")]
    return _literal(given[0]) if given else None


def _literal(node: ast.expr) -> str | None:
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value if isinstance(value, str) else None
