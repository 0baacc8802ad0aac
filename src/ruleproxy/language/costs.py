"""What the time of a rule grows with, read off its tree: never less than it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from ruleproxy.language import syntax
from ruleproxy.language.effects import Effects
from ruleproxy.language.walking import children

Cost = Literal["head", "places", "elements", "pairs", "body"]

COSTS: Mapping[Cost, str] = MappingProxyType(
    {
        "head": "method, path, query and headers: no body is opened",
        "places": "a few places in a body",
        "elements": "every element of a list, once",
        "pairs": "every element of a list for every element of another, or more",
        "body": "the whole body, at any depth",
    }
)
"""The classes from cheap to dear, and what a rule of each looks at."""

WHOLE_BODY = frozenset({"limit", "fake_stream", "collect_stream", "repair_stream"})
"""Verbs that look through a whole body, or replace it."""

DATA = ("event.data", "original.event.data")


def find_cost(rule: syntax.Rule, effects: Effects) -> Cost:
    """The class of a rule whose effects are these."""
    if effects.verbs & WHOLE_BODY or goes_any_depth(rule):
        return "body"
    touched = effects.reads | effects.writes
    if not (effects.needs_request_body or effects.needs_response_body or any(p.startswith(DATA) for p in touched)):
        return "head"
    condition = 0 if rule.condition is None else count_stars(rule.condition)
    match max(condition, count_levels(rule.body)):
        case 0:
            return "places"
        case 1:
            return "elements"
        case _:
            return "pairs"


def count_levels(statements: Sequence[syntax.Statement]) -> int:
    """How many lists are gone through inside each other, at most."""
    found = 0
    for statement in statements:
        match statement:
            case syntax.For(iterable=iterable, body=body):
                found = max(found, count_stars(iterable), 1 + count_levels(body))
            case syntax.If(branches=branches, otherwise=otherwise):
                for branch in branches:
                    found = max(found, count_stars(branch.condition), count_levels(branch.body))
                found = max(found, count_levels(otherwise or ()))
            case syntax.Local(value=value):
                found = max(found, count_stars(value))
            case syntax.Action(arguments=arguments):
                over = 1 if "binding" in arguments else 0
                inside = max((count_stars(argument) for argument in arguments.values()), default=0)
                condition = arguments.get("condition")
                found = max(found, inside, over + (0 if condition is None else count_stars(condition)))
    return found


def count_stars(node: syntax.Node) -> int:
    """1 where an expression goes through a list, else 0."""
    if isinstance(node, syntax.Path) and any(isinstance(step, syntax.Every) for step in node.steps):
        return 1
    return max((count_stars(child) for child in children(node)), default=0)


def goes_any_depth(node: syntax.Node) -> bool:
    """Whether `[**]` stands anywhere in a node."""
    return isinstance(node, syntax.AnyDepth) or any(map(goes_any_depth, children(node)))
