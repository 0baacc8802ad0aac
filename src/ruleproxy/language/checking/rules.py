"""A rule as a whole: its side, its flags, its condition, its body."""

from __future__ import annotations

from typing import get_args

from ruleproxy.language import syntax
from ruleproxy.language.checking.expressions import check_condition
from ruleproxy.language.checking.findings import did_you_mean
from ruleproxy.language.checking.lessons import find_lessons
from ruleproxy.language.checking.limits import check_cost
from ruleproxy.language.checking.scope import Scope
from ruleproxy.language.checking.statements import check_block
from ruleproxy.language.diagnostics import Severity
from ruleproxy.language.signatures import Side
from ruleproxy.language.suggestions import find_nearest

FLAGS = ("required", "shadow")


def check_rule(scope: Scope, rule: syntax.Rule) -> None:
    """Check a rule in a scope that has the file's locals."""
    side = check_side(scope, rule)
    check_flags(scope, rule)
    if side is None:
        return
    scope.stage, scope.rule = side, rule
    if rule.condition is not None:
        scope.in_condition = True
        scope.facts, _ = check_condition(scope, rule.condition)
        scope.in_condition = False
        scope.asked = (rule.condition,)
    check_block(scope, rule.body)
    check_lessons(scope, rule)
    check_cost(scope, rule)


def check_lessons(scope: Scope, rule: syntax.Rule) -> None:
    """What `learn` cannot make up front of what its rule does."""
    for lesson in find_lessons(rule, scope.findings.source, scope.setting.vocabulary).values():
        if lesson.refusal is not None:
            message = "a run of this rule that comes here learns nothing"
            scope.findings.add("RP431", message, lesson.node.span, lesson.refusal, severity=Severity.WARNING)


def check_side(scope: Scope, rule: syntax.Rule) -> Side | None:
    """The side of a rule, or the one that its writer meant; None if that cannot be said."""
    sides: tuple[Side, ...] = get_args(Side)
    for side in sides:
        if rule.side.text == side:
            return side
    offer = did_you_mean(rule.side.text, sides) or (f"one of: {', '.join(sides)}",)
    scope.findings.add("RP201", f"unknown side `{rule.side.text}`", rule.side.span, help=offer)
    nearest = find_nearest(rule.side.text, sides)
    return next((side for side in sides if side == nearest), None)


def check_flags(scope: Scope, rule: syntax.Rule) -> None:
    """The flags of a rule: known ones, each once."""
    seen: dict[str, syntax.Word] = {}
    for flag in rule.flags:
        if flag.text not in FLAGS:
            offer = did_you_mean(flag.text, FLAGS) or (f"one of: {', '.join(FLAGS)}",)
            scope.findings.add("RP201", f"unknown flag `{flag.text}`", flag.span, help=offer)
        elif flag.text in seen:
            scope.findings.add("RP203", f"the flag `{flag.text}` stands twice", flag.span, second=seen[flag.text].span,
                               second_label="the first one")  # fmt: skip
        seen.setdefault(flag.text, flag)
