"""Running the rules of one side over one message: order, atomicity, verdicts."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ruleproxy.captures.redaction import mask_remark, mask_traceback
from ruleproxy.engine.compiling import CompiledRule
from ruleproxy.engine.context import Decisions, Recording, RunContext
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
    if glance is not None:
        glance.learn(opened=any(map(_had_to_run, outcomes)))
    context.journal.settle()
    context.request_journal.settle()
    return outcomes


def _had_to_run(outcome: Outcome) -> bool:
    """Whether a rule goes deep and did something, or could not have been judged by a glance."""
    rule = outcome.rule
    judged = outcome.verdict in ("matched", "unmatched") and rule.idle is not None
    return rule.deep and not judged and outcome.verdict != "unreached"


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


class _Mark:
    """A point to go back to: the edits of the side's message and of the request, and what was decided."""

    __slots__ = ("_journals", "_marks", "before", "context")

    def __init__(self, context: RunContext) -> None:
        own, request = context.journal, context.request_journal
        self.context = context
        self.before = context.decisions
        self._journals = [own] if request is own else [own, request]
        self._marks = [journal.mark() for journal in self._journals]

    @property
    def edited(self) -> bool:
        """Whether there are edits since then."""
        return any(len(journal) > mark[0] for journal, mark in zip(self._journals, self._marks, strict=True))

    @property
    def request_edited(self) -> bool:
        """Whether the request was edited since then, on a side that is not its own."""
        return len(self._journals) == 2 and len(self._journals[1]) > self._marks[1][0]

    def edits(self) -> tuple[Edit, ...]:
        """What was edited since then."""
        own = self._journals[0].edits[self._marks[0][1] :]
        return (*own, *self._of_request(self._journals[1].edits[self._marks[1][1] :] if self._marks[1:] else ()))

    def undo(self) -> tuple[Edit, ...]:
        """Take everything back since then; what was edited."""
        undone = [journal.undo_to(mark) for journal, mark in zip(self._journals, self._marks, strict=True)]
        self.context.decisions = self.before
        return (*undone[0], *self._of_request(undone[1] if undone[1:] else ()))

    @staticmethod
    def _of_request(edits: Sequence[Edit]) -> list[Edit]:
        return [replace(edit, where=f"request {edit.where}".rstrip()) for edit in edits]


def _run_rule(rule: CompiledRule, context: RunContext) -> Outcome:
    mark = _Mark(context)
    if rule.deep:
        (context.event or context.response or context.request).body.deep = True
    context.remarks.clear()
    try:
        if rule.applies is not None and not rule.applies(context):
            detailed = context.journal.detailed
            return Outcome(rule, "unmatched", false_leg=_false_leg(rule, context) if detailed else None)
        rule.act(context)
        refusal = _refuse_retry(mark)
    except EditRefused as refused:
        return _failed(rule, mark, refused, str(refused))
    except RecursionError as error:
        return _failed(rule, mark, error, "JSON nested too deeply to be looked into")
    except Exception as error:  # noqa: BLE001 - one rule's mishap must not take the message with it
        shown = mask_traceback(context.sent, rule.secrets)
        _log.error('rule "%s" (%s) failed unexpectedly\n%s', rule.name, rule.place, shown)
        message = mask_remark(f"internal error: {type(error).__name__}: {error}", context.sent, rule.secrets)
        return _failed(rule, mark, error, message)
    if refusal is not None:
        context.wanted_more = context.wanted_more or (context.decisions.learns and mark.request_edited)
        mark.undo()
        return Outcome(rule, "matched", (), (), (*context.remarks, f"undone, not sent again: {refusal}"))
    decisions = _describe(mark.before, context.decisions)
    remarks = tuple(context.remarks)
    if context.decisions.learns and not mark.before.learns and not rule.shadow:
        statements = context.decisions.recorded[len(mark.before.recorded) :]
        context.recording = Recording(rule.name, rule.place, statements)
    if rule.shadow:
        return Outcome(rule, "shadowed", mark.undo(), decisions, remarks)
    acted = mark.edited or any(word != "note" for word, _, _ in (d.partition(" ") for d in decisions))
    return Outcome(rule, "changed" if acted else "matched", mark.edits(), decisions, remarks)


def _refuse_retry(mark: _Mark) -> str | None:
    """Why what the rule wants to send again is not sent; None where it is, or where the rule wants nothing sent."""
    decisions = mark.context.decisions
    if decisions.retried and not mark.before.retried:
        return mark.context.refuse_retry()
    if mark.request_edited or (decisions.faked is not mark.before.faked and mark.context.side != "request"):
        raise EditRefused("the request has been sent: an edit of it is of use only with `retry` behind it")
    return None


def _failed(rule: CompiledRule, mark: _Mark, error: BaseException, message: str) -> Outcome:
    position = rule.place_of(error)
    undone = mark.undo()
    reason = f"RP510 at {position.line}:{position.column}: {message}"
    outcome = Outcome(rule, "failed", undone, (), tuple(mark.context.remarks), failure=reason)
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
    if after.collected and not before.collected:
        found.append("collect_stream")
    if after.repaired and not before.repaired:
        found.append("repair_stream")
    found += [f"emit {event.type or 'an event'} {event.side}" for event in after.emitted[len(before.emitted) :]]
    if after.learns and not before.learns:
        found.append("learn")
    if after.answer is not before.answer and after.answer is not None:
        found.append(f"respond {after.answer.status}")
    elif after.retried and not before.retried:
        found.append("retry")
    elif after.dropped and not before.dropped:
        found.append("drop")
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
