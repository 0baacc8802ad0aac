"""Traces and edits as people read them: a column of verdicts, the reasons indented under each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ruleproxy.engine.running import FalseLeg
from ruleproxy.engine.trace import BodyTrace, RuleTrace, SideTrace, Trace
from ruleproxy.language.counts import count, group
from ruleproxy.messages.journal import Edit
from ruleproxy.wire.repair_stream import describe_repairs

INDENT = " " * 13
"""As wide as the column of verdicts."""
WIDEST_NAME = 56
WIDEST_PLACE = 44
WIDEST_VALUE = 64
"""Characters of a value that are shown whole; of a longer one its beginning and its length."""

_CUT = re.compile(r"(?s)(.*)… \((\d+) characters\)")


def render_trace(trace: Trace) -> str:
    """A trace as text, every line ended by a line end; the same trace gives the same text."""
    return "\n".join([*_lines(trace), ""])


def _lines(trace: Trace) -> Iterable[str]:
    for index, side in enumerate(trace.sides):
        if index:
            yield ""
        yield from _side(side, trace.digest)
    if trace.repairs:
        yield ""
        yield f"stream  repaired: {describe_repairs(trace.repairs)}"
    for reason in trace.not_learned:
        yield ""
        yield _one_line(reason)
    for text in trace.learned:
        yield ""
        yield "learned, for later requests:"
        yield ""
        yield from (f"  {line}" for line in text.splitlines())


def _side(side: SideTrace, digest: str) -> Iterable[str]:
    candidates = f"{side.on_side} on {side.side}, {count(len(side.rules), 'candidate')}"
    yield f"{side.side}  {'  '.join(side.subject)}   rules {digest[:7]} ({candidates})"
    yield ""
    reached = [rule for rule in side.rules if rule.verdict != "unreached"]
    names = min(WIDEST_NAME, max((len(rule.name) for rule in reached), default=0))
    places = max((len(rule.place) for rule in reached), default=0)
    for rule in reached:
        yield from _rule(rule, names, places)
    if len(reached) < len(side.rules):
        yield f"  {'unreached':<9}  {_unreached(reached, len(side.rules) - len(reached))}"
    if side.rules:
        yield ""
    yield from _summary(side)


def _rule(rule: RuleTrace, names: int, places: int) -> Iterable[str]:
    after = {"matched": "changed nothing", "failed": "undone"}.get(rule.verdict, "")
    yield f"  {rule.verdict:<9}  {rule.name:<{names}}  {rule.place:<{places}}  {after}".rstrip()
    if rule.false_leg is not None:
        yield from (f"{INDENT}{line}" for line in render_leg(rule.false_leg))
    if rule.failure is not None:
        yield f"{INDENT}{_one_line(rule.failure)}"
    elif rule.verdict == "shadowed":
        yield from (f"{INDENT}would: {line}" for line in [*render_edits(rule.edits), *map(_one_line, rule.decisions)])
    else:
        yield from (f"{INDENT}{line}" for line in [*render_edits(rule.edits), *map(_one_line, rule.decisions)])
    yield from (f"{INDENT}{_one_line(remark)}" for remark in dict.fromkeys(rule.remarks))


def _unreached(reached: Sequence[RuleTrace], number: int) -> str:
    last = reached[-1]
    why = "failed, required" if last.failure is not None else ""
    for decision in last.decisions:
        if decision.startswith(("stop", "respond", "retry", "drop")):
            why = decision
    return f'{count(number, "rule")} after "{last.name}" ({why})'


def _summary(side: SideTrace) -> Iterable[str]:
    if side.own_edits:
        first, *rest = render_edits(side.own_edits)
        yield f"  proxy   {first}"
        yield from (f"          {line}" for line in rest)
    if side.answered is not None:
        yield f"  sent    nothing: {side.answered}"
    elif side.body is not None:
        yield f"  body    {_body(side.body)}"
    if side.prompt is not None and side.answered is None:
        yield f"  cache   {side.prompt}"
    yield f"  cost    {count(side.steps, 'step')} of {group(side.step_budget)}"


def _body(body: BodyTrace) -> str:
    reason = f"; {body.problem}" if body.problem is not None else ""
    if not body.came and not body.went:
        return "none"
    if not body.values_changed and body.came == body.went == body.reused:
        return f"{count(body.came, 'byte')} as {'it' if body.came == 1 else 'they'} came{reason}"
    sizes = f"{group(body.came)} -> {count(body.went, 'byte')}"
    return f"{sizes}, {count(body.values_changed, 'value')} changed, {count(body.reused, 'byte')} reused{reason}"


def render_leg(leg: FalseLeg) -> list[str]:
    """The first leg of a condition that did not hold, and what its operands were."""
    text = _one_line(leg.text)
    if len(leg.operands) == 1:
        name, value = leg.operands[0]
        return [f"{text}   {cut_value(value)}   -> {'false' if name else 'failed'}"]
    if not leg.operands:
        return [f"{text}   -> false"]
    width = max(len(_one_line(name)) for name, _ in leg.operands)
    return [
        f"{text}   -> false",
        *(f"  {_one_line(name):<{width}}   {cut_value(value)}" for name, value in leg.operands),
    ]


def render_edits(edits: Sequence[Edit]) -> list[str]:
    """One line an edit: what was done, where, before and after."""
    width = min(WIDEST_PLACE, max((len(_place(edit)) for edit in edits), default=0))
    return [f"{edit.kind} {_place(edit):<{width}}  {_change(edit)}".rstrip() for edit in edits]


def _place(edit: Edit) -> str:
    return edit.where or "the whole body"


def _change(edit: Edit) -> str:
    before, after = edit.before, edit.after
    if before is None or after is None:
        return cut_value(after if before is None else before)
    long = _CUT.fullmatch(before), _CUT.fullmatch(after)
    if long[0] is not None and long[1] is not None:
        return f"{group(int(long[0][2]))} -> {group(int(long[1][2]))} characters"
    return f"{cut_value(before)} -> {cut_value(after)}"


def cut_value(value: str | None) -> str:
    """A value on one line, cut to fit it."""
    text = _one_line(value or "")
    match = _CUT.fullmatch(text)
    shown, length = (match[1], int(match[2])) if match is not None else (text, len(text))
    if length <= WIDEST_VALUE:
        return text
    return f"{shown[: WIDEST_VALUE - 12]}… ({group(length)} characters)"


def _one_line(text: str) -> str:
    return " ".join(text.split())
