"""What the rules did with one exchange: a verdict for every candidate, every edit, the reasons.

A trace is made from an exchange that was run with `detailed=True`; `render_trace` writes it for people, `to_dict`
for programs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ruleproxy.engine.asking import request_model, wants_stream
from ruleproxy.engine.context import RunContext
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.masking import (
    mask_at,
    mask_expression,
    mask_header,
    mask_operand,
    mask_parameter,
    mask_path,
    mask_text,
)
from ruleproxy.engine.prompt_order import describe_prompt_change
from ruleproxy.engine.running import FalseLeg, Outcome
from ruleproxy.engine.sides import Pass
from ruleproxy.engine.trace import BodyTrace, RuleTrace, SideTrace, Trace, to_dict
from ruleproxy.engine.trace_text import render_trace
from ruleproxy.language.counts import count
from ruleproxy.messages.journal import Edit

__all__ = ["Trace", "mask_edit", "render_trace", "to_dict", "trace_exchange", "trace_rule"]


def trace_exchange(exchange: Exchange) -> Trace:
    """The trace of a detailed exchange, finished or as far as it got."""
    later = [run for run in exchange.sides.passes if run.side != "request"]
    learning = exchange.sides.learning
    return Trace(
        exchange.ruleset.digest,
        (_trace_request(exchange), *(_trace_pass(exchange, run) for run in later)),
        tuple(learned.text for learned in learning.learned),
        tuple(map(mask_text, learning.refusals)),
        dict(exchange.sides.repairs),
    )


def _trace_request(exchange: Exchange) -> SideTrace:
    context, sends = exchange.contexts["request"], exchange.sides.attempts.sends
    came = context.original.request
    model = request_model(came)
    subject = (f"{came.method} {came.raw_path}", *([model] if isinstance(model, str) else []))
    outcomes = exchange.outcomes.get("request", [])
    rules = tuple(map(trace_rule, outcomes))
    own = tuple(map(mask_edit, exchange.sides.own_edits))
    body = context.request.body
    went, reused = (sends[0].body, exchange.reused) if sends else body.to_bytes()
    assert reused is not None  # a trace is made of a detailed exchange, which counts
    answered = None
    if not sends:
        refusals = [o.rule.name for o in outcomes if o.failure is not None and o.rule.required]
        answers = [d for o in outcomes for d in o.decisions if d.startswith("respond") and o.verdict == "changed"]
        answered = f'refused by "{refusals[0]}"' if refusals else (answers or ["not sent"])[0]
    changed = _count_values([*_kept(outcomes), *own])
    return SideTrace(
        side="request",
        subject=(*subject, "stream") if wants_stream(came) else subject,
        on_side=sum(rule.side == "request" for rule in exchange.ruleset.rules) + len(exchange.sides.learning.rules),
        rules=rules,
        own_edits=own,
        body=BodyTrace(len(body.source), len(went), changed, reused, body.problem),
        prompt=describe_prompt_change(came.body.source, went),
        steps=context.steps,
        answered=answered,
    )


def _trace_pass(exchange: Exchange, run: Pass) -> SideTrace:
    response = run.context.response
    body = None
    if response is not None:
        data, reused = response.body.to_bytes()
        assert reused is not None
        changed = _count_values(_kept(run.outcomes))
        body = BodyTrace(len(response.body.source), len(data), changed, reused, response.body.problem)
    return SideTrace(
        side=run.side,
        subject=_subject_of(run.context),
        on_side=sum(rule.side == run.side for rule in exchange.ruleset.rules),
        rules=tuple(map(trace_rule, run.outcomes)),
        own_edits=(),
        body=body,
        prompt=None,
        steps=run.context.steps,
    )


def _subject_of(context: RunContext) -> tuple[str, ...]:
    match context.side:
        case "response":
            came = context.original.response
            content_type = came.headers.get("content-type")
            return (str(came.status), *([content_type] if isinstance(content_type, str) else []))
        case "event":
            return (count(context.stream.events, "event"),)
        case _:
            failure = context.failure
            return () if failure is None else (failure.kind, mask_text(str(failure.error["message"])))


def _kept(outcomes: Iterable[Outcome]) -> list[Edit]:
    return [edit for outcome in outcomes if outcome.verdict == "changed" for edit in outcome.edits]


def _count_values(edits: Iterable[Edit]) -> int:
    return len({edit.where for edit in edits if edit.where == "" or edit.where.startswith("/")})


def trace_rule(outcome: Outcome) -> RuleTrace:
    """One rule's outcome without the rule itself."""
    leg = outcome.false_leg
    if leg is not None:
        operands = tuple((mask_expression(text), mask_operand(text, value)) for text, value in leg.operands)
        leg = FalseLeg(mask_expression(leg.text), operands)
    return RuleTrace(
        outcome.verdict,
        outcome.rule.name,
        outcome.rule.place,
        tuple(map(mask_edit, outcome.edits)),
        tuple(map(mask_text, outcome.decisions)),
        tuple(map(mask_text, outcome.remarks)),
        leg,
        None if outcome.failure is None else mask_text(outcome.failure),
    )


def mask_edit(edit: Edit) -> Edit:
    """An edit without credentials."""
    kind, _, name = edit.where.removeprefix("request ").partition(" ")
    before, after = (None if value is None else _mask_value(kind, name, value) for value in (edit.before, edit.after))
    return replace(edit, before=before, after=after)


def _mask_value(kind: str, name: str, value: str) -> str:
    match kind:
        case "header":
            return mask_header(name, value)
        case "query" if name:
            return mask_parameter(name, value)
        case "query":
            return mask_path(f"?{value}")[1:]
        case _ if kind.startswith("/") or "/" in kind:
            return mask_at(kind, value)
        case _:
            return mask_text(value)
