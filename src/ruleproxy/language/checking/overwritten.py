"""Writes that are written over before anything reads them (RP404), in one block and from one rule to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ruleproxy.language import syntax
from ruleproxy.language.checking.scope import Key, bare, is_stable
from ruleproxy.language.checking.sequence import (
    PlacedRule,
    asks_for_all_of,
    between,
    find_actions,
    leaves_alone,
    may_touch,
)
from ruleproxy.language.checking.writes import Write, find_paths
from ruleproxy.language.roots import ALL_ROOTS

SEEN_VERBS = frozenset({"stop", "respond", "retry", "learn", "fake_stream", "collect_stream", "repair_stream", "emit"})
"""Verbs that let the message as it is leave the rule."""

FARTHEST = 1000
"""Rules between two that are looked at: any number of rules is checked in time that grows with it."""


def check_overwritten(rules: Sequence[PlacedRule]) -> None:
    """Report dead writes."""
    last: dict[tuple[str, Key], tuple[PlacedRule, Write]] = {}
    for rule in rules:
        for block in find_blocks(rule.rule):
            check_block(rule, block)
        if not rule.applies:
            continue
        top = {id(statement) for statement in rule.rule.body}
        for write in rule.writes:
            if id(write.action) not in top or not is_rewrite(write.action) or not is_stable(write.place):
                continue
            place = (rule.side, write.place)
            earlier = last.get(place)
            if earlier is not None and is_dead(rules, *earlier, rule, write):
                report(earlier[1], write)
            last[place] = (rule, write)


def find_blocks(rule: syntax.Rule) -> Iterator[Sequence[syntax.Statement]]:
    """All blocks of statements of a rule."""
    waiting: list[Sequence[syntax.Statement]] = [rule.body]
    while waiting:
        block = waiting.pop()
        yield block
        for statement in block:
            match statement:
                case syntax.For(body=body):
                    waiting.append(body)
                case syntax.If(branches=branches, otherwise=otherwise):
                    waiting += [branch.body for branch in branches]
                    waiting.append(otherwise or ())


def check_block(rule: PlacedRule, block: Sequence[syntax.Statement]) -> None:
    """Report writes that a later statement of the same block writes over."""
    writes = {id(write.action): write for write in rule.writes}
    for at, statement in enumerate(block):
        write = writes.get(id(statement))
        if write is None or not is_rewrite(write.action) or not is_stable(write.place[-1:]):
            continue
        key = rule.scope.key_of(write.path)
        if key is None or not is_stable(key):
            continue
        for later in block[at + 1 :]:
            over = writes.get(id(later))
            if over is not None and writes_over(rule, over, key):
                report(write, over)
                break
            if lets_out(rule, later, key, write.place):
                break


def writes_over(rule: PlacedRule, over: Write, key: Key) -> bool:
    """Whether a statement surely replaces what stands at a place, or takes it away, without reading it."""
    target = rule.scope.key_of(over.path)
    if target is None or key[: len(target)] != target or not (is_rewrite(over.action) or over.action.form == "strip"):
        return False
    return not any(reads(rule, value, key, over.place) for value in over.expressions())


def is_rewrite(action: syntax.Action) -> bool:
    """Whether a statement surely writes its place: with a value that cannot be nil."""
    value = action.arguments.get("value")
    return action.form == "rewrite" and value is not None and not isinstance(value, syntax.Word) and is_there(value)


def is_there(value: syntax.Expression) -> bool:
    """Whether a value is surely not nil."""
    match bare(value):
        case syntax.Literal(kind=kind):
            return kind != "nil"
        case syntax.Table() | syntax.Binary(operator=".." | "+" | "-"):
            return True
        case syntax.Binary(operator="??", right=right):
            return is_there(right)
    return False


def reads(rule: PlacedRule, node: syntax.Node, key: Key, place: Key) -> bool:
    """Whether an expression may read a place; one that begins at a variable may stand for any."""
    for path in find_paths(node):
        if not isinstance(path.base, syntax.Name):
            continue
        mine = rule.scope.key_of(path)
        if mine is None or may_touch(key, mine) or may_touch(place, mine):
            return True
        if path.base.name not in ALL_ROOTS:
            return True
    return False


def lets_out(rule: PlacedRule, statement: syntax.Statement, key: Key, place: Key) -> bool:
    """Whether what was written may be read in a statement, or leave the rule there."""
    if any(action.verb in SEEN_VERBS for action in find_actions(statement)):
        return True
    return reads(rule, statement, key, place)


def is_dead(rules: Sequence[PlacedRule], earlier: PlacedRule, first: Write, rule: PlacedRule, second: Write) -> bool:
    """Whether a rule writes over what an earlier one wrote, wherever that one did, and nothing has read it."""
    if (
        earlier is rule
        or rule.at - earlier.at > FARTHEST
        or (earlier.unit.use is not None and earlier.unit is not rule.unit)  # to write over a pack is to adapt it
        or not asks_for_all_of(rule, earlier)
    ):
        return False
    if not earlier.verbs.isdisjoint(SEEN_VERBS) or not rule.verbs.isdisjoint(SEEN_VERBS):
        return False
    place = first.place
    passed = list(between(rules, earlier, rule))
    if any(other.verbs & SEEN_VERBS or uses(other, place) for other in passed):
        return False
    asked = rule.asked_keys
    if any(may_touch(place, key) for key in asked) or not all(
        leaves_alone(other, asked) for other in (earlier, *passed)
    ):
        return False
    if any(may_touch(write.place, place) for write in earlier.writes if write is not first):
        return False
    return not (reads_after(earlier, first) or reads_after(rule, second))


def uses(rule: PlacedRule, place: Key) -> bool:
    """Whether a rule may read or write a place."""
    return any(key[0] not in ALL_ROOTS or may_touch(place, key) for key in rule.used_keys)


def reads_after(rule: PlacedRule, write: Write) -> bool:
    """Whether a rule may read a place that it writes, anywhere but in the write's own path."""
    for path in find_paths(rule.rule):
        if path is write.path or not isinstance(path.base, syntax.Name):
            continue
        key = rule.scope.key_of(path)
        if key is None or path.base.name not in ALL_ROOTS or may_touch(write.place, key):
            return True
    return False


def report(write: Write, over: Write) -> None:
    """Say of a write that nothing sees it."""
    write.findings.add("RP404", "this is written over before anything reads it", write.path.span,
                       second=over.path.span, second_label="here", second_in=over.findings)  # fmt: skip
