"""Rules that no message reaches, because an earlier one ends the side for all that they ask for (RP402)."""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.language.checking.constraints import Constant, Constraint, find_constraint
from ruleproxy.language.checking.places import show
from ruleproxy.language.checking.scope import Key
from ruleproxy.language.checking.sequence import PlacedRule, Untouched, asks_for_all_of
from ruleproxy.language.checking.units import Unit
from ruleproxy.language.diagnostics import Severity

METHODS = ("POST", "GET", "HEAD", "PUT")
PATHS = ("/v1/messages", "/v1/models", "/")

ENDS = "ends this side for all that it asks for"

MOST_LOOKED_AT = 100
"""Earlier rules of one kind that are looked at for one rule: a thousand that end their side stay fast."""

Index = dict[tuple[str, Key, Constant], list[PlacedRule]]


def check_reach(rules: Sequence[PlacedRule]) -> None:
    """Report rules behind one that ends the side; looked up by what it asks for, so that many rules stay fast."""
    index: Index = {}
    untouched = Untouched(rules)
    others: dict[str, list[PlacedRule]] = {}
    of_packs: dict[Unit, list[tuple[PlacedRule, PlacedRule]]] = {}
    for rule in rules:
        before = next((last for last in candidates(rule, index, others) if hides(untouched, last, rule)), None)
        if before is not None and rule.is_used_by_another(before):
            of_packs.setdefault(rule.unit, []).append((rule, before))
        elif before is not None:
            report(rule, before)
        elif rule.ends:
            keep(rule, index, others)
    for unit, hidden in of_packs.items():
        report_pack(unit, hidden, sum(rule.unit is unit for rule in rules))


def keep(rule: PlacedRule, index: Index, others: dict[str, list[PlacedRule]]) -> None:
    """Remember a rule that ends its side, by one value that it asks for where there is one."""
    if len(rule.alternatives) == 1:
        for part in rule.alternatives[0]:
            if part.asked is not None and part.asked.relation == "one of" and len(part.asked.values) == 1:
                (value,) = part.asked.values
                keep_in(index.setdefault((rule.side, part.asked.key, value), []), rule)
                return
    keep_in(others.setdefault(rule.side, []), rule)


def keep_in(kept: list[PlacedRule], rule: PlacedRule) -> None:
    """Remember a rule unless there are too many like it."""
    if len(kept) < MOST_LOOKED_AT:
        kept.append(rule)


def candidates(rule: PlacedRule, index: Index, others: dict[str, list[PlacedRule]]) -> list[PlacedRule]:
    """The earlier rules that may ask for all that this one asks for."""
    found = list(others.get(rule.side, ()))
    for part in rule.alternatives[0]:
        if part.asked is not None and part.asked.relation == "one of" and len(part.asked.values) == 1:
            (value,) = part.asked.values
            found += index.get((rule.side, part.asked.key, value), ())
    return found


def hides(untouched: Untouched, before: PlacedRule, rule: PlacedRule) -> bool:
    """Whether an earlier rule ends the side for every message of this one, whatever acts between them."""
    return asks_for_all_of(before, rule) and untouched.lasts("asked", before.asked_keys, before, rule)


def report(rule: PlacedRule, before: PlacedRule) -> None:
    """Say of a rule that nothing reaches it."""
    rule.findings.add("RP402", "no message reaches this rule", rule.rule.name_span, second=before.rule.name_span,
                      second_label=ENDS, second_in=before.findings,
                      help=f"for example: {show_witness(rule)}")  # fmt: skip


def report_pack(unit: Unit, hidden: Sequence[tuple[PlacedRule, PlacedRule]], count: int) -> None:
    """Say where a pack is used which of its rules nothing reaches: a note, as long as others are."""
    assert unit.use is not None
    assert unit.user is not None
    rule, before = hidden[0]
    rest = f", nor {len(hidden) - 1} more of this pack" if len(hidden) > 1 else ""
    message = f'no message reaches "{rule.name}"{rest}' if len(hidden) < count else "no message reaches this pack"
    unit.user.add("RP402", message, unit.use.pack_span, second=before.rule.name_span, second_label=ENDS,
                  second_in=before.findings, help=f"for example: {show_witness(rule)}",
                  severity=None if len(hidden) == count else Severity.NOTE)  # fmt: skip


def show_witness(rule: PlacedRule) -> str:
    """A message that a rule asks for, in few words."""
    parts = [part.node for part in rule.alternatives[0] if part.asked is not None]
    asked = [found for part in parts if (found := find_constraint(rule.scope, part)) and found.key[0] != "parameters"]
    method = choose(asked, ("request", "method"), METHODS)
    path = choose(asked, ("request", "path"), PATHS)
    rest = [
        show_asked(constraint)
        for constraint in asked
        if constraint.key not in (("request", "method"), ("request", "path"))
    ]
    return ", ".join([f"{method} {path}", *(text for text in rest if text)])


def choose(asked: Sequence[Constraint], key: Key, usual: Sequence[str]) -> str:
    """A value for the method or the path."""
    refused: set[object] = set()
    for constraint in asked:
        if constraint.key == key and constraint.relation == "one of":
            return min(str(value) for _, value in constraint.values)
        if constraint.key == key and constraint.relation == "none of":
            refused |= {value for _, value in constraint.values}
    return next((value for value in usual if value not in refused), usual[0])


def show_asked(constraint: Constraint) -> str:
    """What a constraint asks for: a header with its value, a field with its."""
    key = constraint.key
    name = str(key[2]) if key[1:2] == ("headers",) and len(key) == 3 else show(key)
    match constraint.relation:
        case "one of":
            value = min(str(value) for _, value in constraint.values)
            return f"{name}: {value.lower() if value in ('True', 'False') else value}"
        case "present" | "kind":
            return f"{name}: …"
        case "above":
            return f"{name} {'at least' if constraint.inclusive else 'over'} {constraint.bound}"
        case "below":
            return f"{name} {'at most' if constraint.inclusive else 'under'} {constraint.bound}"
    return ""
