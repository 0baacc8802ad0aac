"""Parts of a condition that can never hold together, and parts that hold anyway (RP401)."""

from __future__ import annotations

from ruleproxy.language import syntax
from ruleproxy.language.checking.constraints import Constraint, excludes, find_constraint, implies, negate, split_parts
from ruleproxy.language.checking.scope import Scope
from ruleproxy.language.diagnostics import Severity

NEVER = "this never holds here"
ALWAYS = "this always holds here"


def check_parts(scope: Scope, node: syntax.Binary) -> None:
    """A chain of `and` or `or`, once for the whole chain: each part is looked at beside those before it."""
    if ("chain", node.span) in scope.said:
        return
    mark_chain(scope, node, node.operator)
    before: list[Constraint] = []
    for part in split_parts(node, node.operator):
        asked = find_constraint(scope, part)
        if asked is None:
            continue
        others = [other for other in before if other.key == asked.key]
        before.append(asked)
        if node.operator == "and":
            check_and(scope, asked, others)
        else:
            check_or(scope, asked, others)


def mark_chain(scope: Scope, node: syntax.Expression, operator: str) -> None:
    """Remember the inner parts of a chain as seen."""
    waiting: list[syntax.Expression] = [node]
    while waiting:
        current = waiting.pop()
        match current:
            case syntax.Group(inner=inner):
                waiting.append(inner)
            case syntax.Binary(operator=mine, left=left, right=right) if mine == operator:
                scope.said.add(("chain", current.span))
                waiting += [left, right]


def check_and(scope: Scope, asked: Constraint, others: list[Constraint]) -> None:
    """A part of an `and` that an earlier one excludes, or makes sure of."""
    for other in others:
        if excludes(other, asked):
            scope.said.add(("parts", asked.span))
            scope.findings.add("RP401", NEVER, asked.span, second=other.span, second_label="where this does")
            return
        if implies(other, asked):
            scope.said.add(("parts", asked.span))
            scope.findings.add("RP401", ALWAYS, asked.span, "take it out", second=other.span,
                               second_label="where this does", severity=Severity.WARNING)  # fmt: skip
            return


def check_or(scope: Scope, asked: Constraint, others: list[Constraint]) -> None:
    """Parts of an `or` of which one holds whatever the value is."""
    opposite = negate(asked)
    for other in others:
        mine = negate(other)
        if opposite is not None and mine is not None and excludes(mine, opposite):
            scope.said.add(("parts", asked.span))
            offer = f"{scope.findings.text(other.span)} and {scope.findings.text(asked.span)}"
            scope.findings.add("RP401", "one of these always holds", asked.span, "where this does not …",
                               second=other.span, second_label="… this does", help=offer)  # fmt: skip
            return
