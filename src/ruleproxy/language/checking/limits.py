"""What a rule costs at most, before it runs (RP701)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ruleproxy.language import syntax
from ruleproxy.language.checking.scope import Scope
from ruleproxy.language.walking import children

MOST_STEPS: Final = 1_000_000_000
"""Steps that a rule may take on the longest message: loops over all blocks in loops over all blocks are under it."""

MEMBERS: Final[Mapping[str, int]] = {"messages": 1000, "content": 20, "tools": 200}
"""Members of lists in a very long session; of any other list `OTHER_MEMBERS`."""

OTHER_MEMBERS: Final = 20
ANY_DEPTH_MEMBERS: Final = 10_000
"""Objects in a whole body, which `[**]` visits."""


def check_cost(scope: Scope, rule: syntax.Rule) -> None:
    """Whether a rule stays under the limit on the longest messages."""
    total = cost_of_block(rule.body)
    if total > MOST_STEPS:
        message = "this rule may take too long: every list in it is gone through for every member of another"
        label = f"about {round_cost(total)} steps on a long session, {round_cost(MOST_STEPS)} are allowed"
        scope.findings.add("RP701", message, rule.name_span, label, help="ask for less inside of the innermost loop")


def round_cost(steps: int) -> str:
    """A number of steps as people say it."""
    for size, word in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if steps >= size:
            return f"{steps // size} {word}"
    return str(steps)


def cost_of_block(statements: Sequence[syntax.Statement]) -> int:
    """The steps of some statements, all branches together."""
    total = 0
    for statement in statements:
        match statement:
            case syntax.Local(value=value):
                total += cost_of(value)
            case syntax.For(iterable=iterable, body=body):
                total += cost_of(iterable) + members_of(iterable) * (1 + cost_of_block(body))
            case syntax.If(branches=branches, otherwise=otherwise):
                total += sum(cost_of(branch.condition) + cost_of_block(branch.body) for branch in branches)
                total += cost_of_block(otherwise or ())
            case syntax.Action():
                total += cost_of_action(statement)
    return total


def cost_of_action(action: syntax.Action) -> int:
    """The steps of a statement: what it computes, once, or for each element that it binds."""
    binding, place = action.arguments.get("binding"), action.arguments.get("place")
    times = members_of(place) if isinstance(binding, syntax.Word) and isinstance(place, syntax.Path) else 1
    total = 1
    for role, argument in action.arguments.items():
        if not isinstance(argument, syntax.Word):
            total += cost_of(argument) * (times if role == "condition" else 1)
    return total


def cost_of(node: syntax.Node) -> int:
    """The steps of an expression: one for each part, and what `[*]` and `[**]` go through."""
    total = 1 if not isinstance(node, syntax.Path) else every_member(node)
    return total + sum(cost_of(child) for child in children(node))


def every_member(path: syntax.Path) -> int:
    """How many places a path names."""
    times, name = 1, ""
    for step in path.steps:
        match step:
            case syntax.Every():
                times *= MEMBERS.get(name, OTHER_MEMBERS)
            case syntax.AnyDepth():
                times *= ANY_DEPTH_MEMBERS
            case syntax.Member(name=member):
                name = member
    return times


def members_of(node: syntax.Expression) -> int:
    """How many members there are to go through."""
    while isinstance(node, syntax.Group):
        node = node.inner
    if not isinstance(node, syntax.Path):
        return OTHER_MEMBERS
    named = [step.name for step in node.steps if isinstance(step, syntax.Member)]
    if node.steps and isinstance(node.steps[-1], syntax.Every):
        return every_member(node)
    return every_member(node) * MEMBERS.get(named[-1] if named else "", OTHER_MEMBERS)
