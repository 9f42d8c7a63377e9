"""Where a Python text compares the version of its own distribution with something that has no label."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from freshwheel.adopt.facts import normal

__all__ = ["Reading", "harmful", "read"]

Side: TypeAlias = Literal["metadata", "dunder", "other"]

_CALLS = {f"{module}.{name}" for module in ("importlib.metadata", "importlib_metadata") for name in ("version",)}
_HOLDERS = {
    *(f"{module}.{name}" for module in ("importlib.metadata", "importlib_metadata") for name in ("distribution",)),
    *("importlib.metadata.metadata", "importlib_metadata.metadata", "pkg_resources.get_distribution"),
}
"""What has the version in it."""
_ASSERTIONS = ("assertEqual", "assertEquals", "assertNotEqual")
_PUBLIC = ("base_version", "major", "micro", "minor", "partition", "public", "release", "rpartition", "split")
"""What leaves the label out, as far as it is used."""
_DUNDER = "__version__"
_KNOWING = re.compile(
    r"importlib(?:[._]|\s+import\b.*\b)metadata|get_distribution|^(?!\s*(?:from|import)\s).*__version__", re.MULTILINE
)
"""Without any of these, a text does nothing with the version but hand it on."""
_BARE = (ast.Constant, ast.boolop, ast.cmpop, ast.expr_context, ast.operator, ast.unaryop)
"""Nodes that hold nothing to be looked at."""
_PUBLICLY, _INSTALLED, _WRITTEN = 1, 2, 4
"""What there is in an expression: an attribute that leaves the label out, the installed version, `__version__`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What one text does with the version."""

    comparisons: tuple[tuple[int, frozenset[Side]], ...] = ()
    """Lines, and what is compared there."""
    origins: tuple[Side, ...] = ()
    """What `__version__` is made from, each time it is assigned: `other` is a literal, `dunder` is not known."""


def read(text: str, *, distribution: str, packages: Collection[str]) -> Reading:
    """What a text does with the version of `distribution`, whose modules are in `packages`."""
    if not _KNOWING.search(text):
        return Reading()
    try:
        tree = ast.parse(text)
        reader = _Reader(tree, normal(distribution), packages)
        return Reading(comparisons=tuple(reader.comparisons()), origins=tuple(reader.origins()))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Reading()


def harmful(readings: Sequence[tuple[str, Reading]]) -> list[str]:
    """The places, as `path:line`, where a label makes unequal what was equal."""
    origins = {side for _, reading in readings for side in reading.origins}
    literal = origins == {"other"}
    found = []
    for path, reading in readings:
        for line, sides in reading.comparisons:
            safe = sides in ({"metadata"}, {"dunder"}) or (sides == {"dunder", "other"} and literal)
            if sides == {"metadata", "dunder"}:
                safe = origins == {"metadata"}
            if not safe:
                found.append(f"{path}:{line}")
    return found


class _Reader:
    """One text."""

    def __init__(self, tree: ast.Module, distribution: str, packages: Collection[str]) -> None:
        self.distribution = distribution
        self.packages = packages
        self.nodes: list[ast.AST] = [tree]
        """All of the tree, which is walked once: what is above comes first."""
        self.above: list[int] = [0]
        for number, node in enumerate(self.nodes):
            below = [one for one in ast.iter_child_nodes(node) if not isinstance(one, _BARE)]
            self.nodes += below
            self.above += [number] * len(below)
        self.places = {id(node): number for number, node in enumerate(self.nodes)}
        self.imports = dict(_imports(self.nodes))
        self.holding: frozenset[str] = frozenset()
        """Variables that were given the version."""
        self.found = self.held()
        self.holding = frozenset(
            name for name, value in _assigned(self.nodes) if name != _DUNDER and self.has(value, _INSTALLED)
        )
        self.found = self.held() if self.holding else self.found

    def held(self) -> list[int]:
        """What there is in each node and below it."""
        found = [self.itself(node) for node in self.nodes]
        for number in range(len(found) - 1, 0, -1):
            found[self.above[number]] |= found[number]
        return found

    def has(self, node: ast.AST, what: int) -> bool:
        """Whether something is in a node, or below it."""
        place = self.places.get(id(node))
        return place is not None and bool(self.found[place] & what)

    def itself(self, node: ast.AST) -> int:
        """What a node is, by itself."""
        if not isinstance(node, (ast.Attribute, ast.Call, ast.Name, ast.Subscript)):
            return 0
        found = _INSTALLED if self.asks(node) or (isinstance(node, ast.Name) and node.id in self.holding) else 0
        found |= _WRITTEN if self.is_dunder(node) else 0
        return found | (_PUBLICLY if isinstance(node, ast.Attribute) and node.attr in _PUBLIC else 0)

    def comparisons(self) -> Iterator[tuple[int, frozenset[Side]]]:
        """Each comparison for equality in which the version takes part."""
        for node in self.nodes:
            if isinstance(node, ast.Compare):
                equal = any(isinstance(one, (ast.Eq, ast.NotEq, ast.In, ast.NotIn)) for one in node.ops)
                operands = [node.left, *node.comparators] if equal else []
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                operands = node.args[:2] if node.func.attr in _ASSERTIONS else []
            else:
                continue
            sides = frozenset(map(self.side, operands))
            if sides & {"metadata", "dunder"}:
                yield node.lineno, sides

    def origins(self) -> Iterator[Side]:
        """What `__version__` is made from."""
        for name, value in _assigned(self.nodes):
            if name == _DUNDER:
                if self.has(value, _INSTALLED):
                    yield "metadata"
                else:
                    yield "other" if isinstance(value, ast.Constant) else "dunder"

    def side(self, operand: ast.expr) -> Side:
        """What an operand is made from."""
        if self.has(operand, _PUBLICLY):
            return "other"
        if self.has(operand, _INSTALLED):
            return "metadata"
        return "dunder" if self.has(operand, _WRITTEN) else "other"

    def asks(self, node: ast.AST) -> bool:
        """Whether a node asks for the installed version of the project, or of what may be the project."""
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.value, ast.Call):
            return self.dotted(node.value.func) in _HOLDERS and self.is_own(node.value)
        return isinstance(node, ast.Call) and self.dotted(node.func) in _CALLS and self.is_own(node)

    def is_own(self, call: ast.Call) -> bool:
        """Whether the distribution that a call names is the project; what is no literal may be."""
        values = [*call.args, *(one.value for one in call.keywords)]
        name = values[0] if values else None
        if isinstance(name, ast.Constant):
            return isinstance(name.value, str) and normal(name.value) == self.distribution
        if isinstance(name, ast.Attribute) and name.attr == "__name__":
            return self.is_ours(self.dotted(name))
        return name is not None

    def is_dunder(self, node: ast.AST) -> bool:
        """Whether a node is the `__version__` of the project, or of what may be the project."""
        if isinstance(node, ast.Name):
            return node.id == _DUNDER and self.is_ours(self.dotted(node))
        return isinstance(node, ast.Attribute) and node.attr == _DUNDER and self.is_ours(self.dotted(node))

    def is_ours(self, dotted: str) -> bool:
        """Whether a dotted name leads into the project, or nobody says where to."""
        first = dotted.partition(".")[0]
        imported = {one.partition(".")[0] for one in self.imports.values()}
        return first in self.packages or first not in imported

    def dotted(self, node: ast.AST) -> str:
        """The full name of what an expression names; nothing for anything else."""
        if isinstance(node, ast.Name):
            return self.imports.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.dotted(node.value)}.{node.attr}"
        return ""


def _imports(nodes: Iterable[ast.AST]) -> Iterable[tuple[str, str]]:
    """Names in the text, and what they stand for."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for one in node.names:
                yield (one.asname, one.name) if one.asname else (one.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            for one in node.names:
                # A relative import stays in the project.
                yield one.asname or one.name, f"{node.module or ''}.{one.name}" if not node.level else f".{one.name}"


def _assigned(nodes: Iterable[ast.AST]) -> Iterable[tuple[str, ast.expr]]:
    """Names that are given a value, and the value."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            yield from ((one.id, node.value) for one in node.targets if isinstance(one, ast.Name))
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value
