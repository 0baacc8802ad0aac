"""Conditions that never hold, because an earlier rule has taken away or written over what they ask for (RP403)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ruleproxy.language import syntax
from ruleproxy.language.checking.constraints import Constraint, constant_of, excludes
from ruleproxy.language.checking.scope import Key, bare, is_stable, literal_string
from ruleproxy.language.checking.sequence import Part, PlacedRule, Untouched, asks_for_all_of, may_touch
from ruleproxy.language.checking.writes import Write
from ruleproxy.language.diagnostics import Severity

NEEDS_A_VALUE = ("one of", "above", "below", "kind", "present")
"""What only a value that is there can meet."""

REMOVING = frozenset({"strip", "strip_from", "rewrite"})
"""Forms that may leave nothing of what stood at their place."""

MOST_LOOKED_AT = 100
"""Earlier rules that are looked at for one place: a thousand rules about one header stay fast."""


def check_removed(rules: Sequence[PlacedRule]) -> None:
    """Report the parts of conditions that an earlier rule makes impossible; looked up by place."""
    removers: dict[tuple[str, Key], list[tuple[PlacedRule, Write]]] = {}
    untouched = Untouched(rules)
    for rule in rules:
        if len(rule.alternatives) == 1:
            for part in rule.alternatives[0]:
                found = next(find_removers(untouched, rule, part, removers), None)
                if found is not None:
                    report(rule, part, *found)
                    break
        if rule.applies:
            top = {id(statement) for statement in rule.rule.body}
            for write in rule.writes:
                if write.action.form in REMOVING and id(write.action) in top and is_stable(write.place):
                    found_there = removers.setdefault((rule.side, write.place), [])
                    if len(found_there) < MOST_LOOKED_AT:
                        found_there.append((rule, write))


def find_removers(
    untouched: Untouched,
    rule: PlacedRule,
    part: Part,
    removers: dict[tuple[str, Key], list[tuple[PlacedRule, Write]]],
) -> Iterator[tuple[PlacedRule, Write]]:
    """The writes of earlier rules that leave nothing of what a part asks for."""
    key = part.asked.key if part.asked is not None else member_key(rule, part.node)
    if key is None or part.text is None:
        return
    for length in range(2, len(key) + 1):
        for earlier, write in removers.get((rule.side, key[:length]), ()):
            if not removes(write, key, part) or not asks_for_all_of(earlier, rule):
                continue
            asked = [other for other in earlier.asked_keys if other != key]
            rest = [other for other in earlier.writes if other is not write]
            if any(may_touch(other.place, at) for other in rest for at in [key, *asked]):
                continue
            if any(may_touch(write.place, at) for at in asked):
                continue
            if untouched.lasts(key, [key, *asked], earlier, rule):
                yield earlier, write


def member_key(rule: PlacedRule, node: syntax.Expression) -> Key | None:
    """The header of `"value" in values(header)`."""
    match bare(node):
        case syntax.Binary(
            operator="in", right=syntax.Path(base=syntax.Call(function="values", arguments=(argument,)))
        ):
            inner = bare(argument)
            key = rule.scope.key_of(inner) if isinstance(inner, syntax.Path) else None
            return None if key is None else rule.unit.qualify(key)
    return None


def removes(write: Write, key: Key, part: Part) -> bool:
    """Whether nothing that a part asks for is left after a write to its place, or to what holds it."""
    arguments = write.action.arguments
    value = arguments.get("value")
    match write.action.form:
        case "strip":
            return part.asked is None or part.asked.relation in NEEDS_A_VALUE
        case "strip_from" if part.asked is None and value is not None and write.place == key:
            inner = bare(part.node)
            assert isinstance(inner, syntax.Binary)
            mine = None if isinstance(value, syntax.Word) else literal_string(value)
            return mine is not None and mine == literal_string(inner.left)
        case "rewrite" if part.asked is not None and write.place == key and value is not None:
            constant = None if isinstance(value, syntax.Word) else constant_of(value)
            if constant is None:
                return False
            return excludes(part.asked, Constraint(key, part.asked.span, "one of", frozenset((constant,))))
    return False


def report(rule: PlacedRule, part: Part, earlier: PlacedRule, write: Write) -> None:
    """Say of a part of a condition that it never holds; of a pack's where the pack is used, and as a note."""
    if rule.is_used_by_another(earlier):
        assert rule.unit.use is not None
        assert rule.unit.user is not None
        gone = "has written over" if write.action.form == "rewrite" else "has taken away"
        message = f'"{rule.name}" never acts: an earlier rule {gone} what it asks for'
        rule.unit.user.add("RP403", message, rule.unit.use.pack_span, second=write.path.span,
                           second_label=f'in "{earlier.name}"', second_in=write.findings,
                           severity=Severity.NOTE)  # fmt: skip
        return
    gone = "has written another value" if write.action.form == "rewrite" else "has taken this away"
    rule.findings.add("RP403", f"an earlier rule {gone}: this never holds", part.node.span, second=write.path.span,
                      second_label=f'in "{earlier.name}"', second_in=write.findings,
                      help=offer_original(rule, part))  # fmt: skip


def offer_original(rule: PlacedRule, part: Part) -> tuple[str, ...]:
    """The same question, asked of what really came."""
    text = rule.findings.text(part.node.span)
    asked = re.sub(r"(?<![\w.\"])(request|response)\.", r"original.\1.", text)
    return () if asked == text else (asked,)
