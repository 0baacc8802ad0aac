"""Running the rules of one side over one message: order, atomicity, verdicts."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ruleproxy.engine.compiling import CompiledRule
from ruleproxy.engine.context import Decisions, RunContext
from ruleproxy.engine.glancing import Glance
from ruleproxy.engine.ruleset import Candidates
from ruleproxy.messages.journal import Edit
from ruleproxy.messages.nodes import Node, plain
from ruleproxy.messages.values import NIL, EditRefused, encode

Verdict = Literal["changed", "matched", "unmatched", "shadowed", "failed", "unreached"]

_log = logging.getLogger("ruleproxy.engine")


@dataclass(frozen=True, slots=True)
class FalseLeg:
    """The first leg of a condition that did not hold: its text, and its operands with their values as text."""

    text: str
    operands: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one rule did with one message. `edits` are undone ones where the verdict is `shadowed` or `failed`."""

    rule: CompiledRule
    verdict: Verdict
    edits: tuple[Edit, ...] = ()
    decisions: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    false_leg: FalseLeg | None = None
    failure: str | None = None


class RequiredRuleFailed(Exception):
    """A `required` rule failed: the message must not go on. `outcomes` has the verdict of every rule of the side."""

    def __init__(self, rule: CompiledRule, reason: str, outcomes: tuple[Outcome, ...] = ()) -> None:
        super().__init__(f'required rule "{rule.name}" ({rule.place}) failed: {reason}')
        self.rule = rule
        self.reason = reason
        self.outcomes = outcomes


def run_rules(rules: Sequence[CompiledRule], context: RunContext, glance: Glance | None = None) -> list[Outcome]:
    """Run rules in order; every one gets a verdict. Raises `RequiredRuleFailed`.

    With a `glance`, rules of which it tells that they change nothing are not run, and those that cannot match may
    have no outcome at all. A trace wants to see all of them.
    """
    outcomes: list[Outcome] = []
    for index, rule in _choose(rules, context, glance):
        verdict = None if glance is None or rule.shadow else glance.judge(rule)
        if verdict is not None:
            outcomes.append(Outcome(rule, verdict))
            continue
        try:
            outcomes.append(_run_rule(rule, context))
        except RequiredRuleFailed as failed:
            unreached = (Outcome(later, "unreached") for later in rules[index + 1 :])
            raise RequiredRuleFailed(rule, failed.reason, (*outcomes, *failed.outcomes, *unreached)) from None
        if context.decisions.stopped:
            outcomes += (Outcome(later, "unreached") for later in rules[index + 1 :])
            break
    context.journal.settle()
    return outcomes


def _choose(
    rules: Sequence[CompiledRule], context: RunContext, glance: Glance | None
) -> Iterator[tuple[int, CompiledRule]]:
    selector = rules.selector if isinstance(rules, Candidates) else None
    if glance is None or selector is None or not selector.useful:
        yield from enumerate(rules)
        return
    edits, position, chosen = len(context.journal), 0, selector.select(glance)
    while position < len(chosen):
        index = chosen[position]
        yield index, rules[index]
        position += 1
        if len(context.journal) != edits:
            # The message is another one now: what was passed over before may match behind this rule.
            edits, chosen = len(context.journal), selector.select(glance)
            position = bisect_right(chosen, index)


def _run_rule(rule: CompiledRule, context: RunContext) -> Outcome:
    journal, before = context.journal, context.decisions
    mark = journal.mark()
    context.remarks.clear()
    try:
        if rule.applies is not None and not rule.applies(context):
            return Outcome(rule, "unmatched", false_leg=_false_leg(rule, context) if journal.detailed else None)
        rule.act(context)
    except EditRefused as refused:
        return _failed(rule, context, mark, before, refused, str(refused))
    except Exception as error:  # noqa: BLE001 - one rule's mishap must not take the message with it
        _log.exception('rule "%s" (%s) failed unexpectedly', rule.name, rule.place)
        return _failed(rule, context, mark, before, error, f"internal error: {type(error).__name__}: {error}")
    decisions = _describe(before, context.decisions)
    remarks = tuple(context.remarks)
    if rule.shadow:
        undone = journal.undo_to(mark)
        context.decisions = before
        return Outcome(rule, "shadowed", tuple(undone), decisions, remarks)
    acted = len(journal) > mark[0] or any(word != "note" for word, _, _ in (d.partition(" ") for d in decisions))
    return Outcome(rule, "changed" if acted else "matched", tuple(journal.edits[mark[1] :]), decisions, remarks)


def _failed(
    rule: CompiledRule,
    context: RunContext,
    mark: tuple[int, int],
    before: Decisions,
    error: BaseException,
    message: str,
) -> Outcome:
    position = rule.place_of(error)
    undone = context.journal.undo_to(mark)
    context.decisions = before
    reason = f"RP510 at {position.line}:{position.column}: {message}"
    outcome = Outcome(rule, "failed", tuple(undone), (), tuple(context.remarks), failure=reason)
    if rule.required and not rule.shadow:
        raise RequiredRuleFailed(rule, reason, (outcome,))
    return outcome


def _describe(before: Decisions, after: Decisions) -> tuple[str, ...]:
    if before is after:
        return ()
    found = [f"note {note}" for note in after.notes[len(before.notes) :]]
    if after.faked is not before.faked and after.faked is not None:
        every = after.faked.ping_every
        found.append("fake_stream" + (f" with a ping every {every:g}s" if every else ""))
    if after.answer is not before.answer and after.answer is not None:
        found.append(f"respond {after.answer.status}")
    elif after.stopped and not before.stopped:
        found.append("stop")
    return tuple(found)


def _false_leg(rule: CompiledRule, context: RunContext) -> FalseLeg | None:
    for leg in rule.legs:
        try:
            if leg.holds(context):
                continue
            operands = tuple((text, show_value(evaluate(context))) for text, evaluate in leg.operands)
        except EditRefused as refused:
            return FalseLeg(leg.text, (("", str(refused)),))
        return FalseLeg(leg.text, operands)
    return None


def show_value(value: Any) -> str:
    """A value for people, cut to fit a line."""
    if value is NIL:
        return "nil"
    try:
        text = encode(plain(value) if isinstance(value, Node) else value).decode("utf-8", "replace")
    except EditRefused:
        text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}… ({len(text)} characters)"
