"""Ways through a syntax tree that know no particular node: its children, its depth, a copy of it elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from ruleproxy.language import syntax
from ruleproxy.language.problems import move_span
from ruleproxy.language.source import Span

AnyNode = TypeVar("AnyNode", bound=syntax.Node)

LEVELS = (
    syntax.Table,
    syntax.Group,
    syntax.Unary,
    syntax.Binary,
    syntax.Call,
    syntax.Index,
    syntax.For,
    syntax.If,
)
"""Nodes that make what is in them one level deeper. A chain `a .. b .. c` nests to the left."""


def children(node: syntax.Node) -> list[syntax.Node]:
    """The nodes directly in a node, in the order of its fields."""
    found: list[syntax.Node] = []
    kind = type(node)
    names = _INNER_FIELDS.get(kind)
    if names is None:
        names = _INNER_FIELDS[kind] = _find_inner_fields(kind)
    for name in names:
        value = getattr(node, name)
        if isinstance(value, syntax.Node):
            found.append(value)
        elif isinstance(value, tuple):
            found += [part for part in value if isinstance(part, syntax.Node)]
        elif isinstance(value, Mapping):
            found += value.values()
    return found


_INNER_FIELDS: dict[type, tuple[str, ...]] = {}


def _find_inner_fields(kind: type[syntax.Node]) -> tuple[str, ...]:
    """The fields of a kind of node that may hold nodes: a tree has far more fields that hold text and places."""
    return tuple(
        field.name
        for field in fields(kind)
        if str(field.type).partition("[")[0] not in ("Span", "str", "int", "str | None", "int | None", "OneOf")
    )


def find_deeper(node: syntax.Node, limit: int) -> syntax.Node | None:
    """A node nested deeper than `limit` levels, or None; does not recurse itself.

    The steps of a path and the branches of an `if` count as levels where there are more of them than that: what comes
    after the parser goes through them one in the other.
    """
    waiting = [(node, 0)]
    while waiting:
        current, depth = waiting.pop()
        if isinstance(current, LEVELS):
            depth += 1
            if depth > limit or (isinstance(current, syntax.If) and len(current.branches) > limit):
                return current
        elif isinstance(current, syntax.Path) and len(current.steps) > limit:
            return current
        waiting.extend((child, depth) for child in children(current))
    return None


def move_node(node: AnyNode, distance: int) -> AnyNode:
    """The same tree that many characters further on; `node` itself where nothing moves."""
    if distance == 0:
        return node
    values = [move_value(getattr(node, name), distance) for name in node.__dataclass_fields__]
    return type(node)(*values)


def move_value(value: Any, distance: int) -> Any:
    """The value of a field, moved where it is or holds a place."""
    kind = type(value)
    if kind is str or kind is int or value is None:
        return value
    if kind is Span:
        return move_span(value, distance)
    if kind is tuple:
        return tuple(move_value(part, distance) for part in value)
    if kind is dict:
        return {role: move_value(part, distance) for role, part in value.items()}
    if isinstance(value, syntax.Node):
        return move_node(value, distance)
    return value
