"""Rules of the event side over one stream: an event at a time, in constant memory.

What is said of the rules afterwards is said of the whole stream: what a rule did the first time, and on how many
events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from ruleproxy.engine.compiling import CompiledRule
from ruleproxy.engine.context import RunContext, StreamState
from ruleproxy.engine.running import Outcome, RequiredRuleFailed, Verdict, run_rules
from ruleproxy.language import syntax
from ruleproxy.language.counts import count
from ruleproxy.language.effects import conjuncts
from ruleproxy.messages.event import EditedEvent
from ruleproxy.messages.journal import Journal
from ruleproxy.messages.values import NIL
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.json_shapes import read_shape

_TELLING: Sequence[Verdict] = ("changed", "failed", "shadowed")
_QUIET: Sequence[Verdict] = ("matched", "unreached")

_MOST_NOTES = 16


class EventRules:
    """The event rules on one stream. `outcomes` says what they did so far."""

    def __init__(self, rules: Sequence[CompiledRule], context: RunContext) -> None:
        self._rules = rules
        self._context = context
        # A trace wants to see why each rule did not match.
        self._types = None if context.request_journal.detailed else _asked_types(rules)
        self._counts: dict[int, Counter[Verdict]] = {id(rule): Counter() for rule in rules}
        self._samples: dict[tuple[int, Verdict], Outcome] = {}
        self._notes: dict[str, None] = {}
        self._watched = any(read.partition(".")[0] == "stream" for rule in rules for read in rule.effects.reads)

    @property
    def context(self) -> RunContext:
        """What the rules worked on; its `stream` counts the events."""
        return self._context

    @property
    def notes(self) -> tuple[str, ...]:
        """What rules noted, each text once."""
        return tuple(self._notes)

    def outcomes(self) -> list[Outcome]:
        """What each rule did on the events so far: an outcome for each thing that it did, else one that says so."""
        found: list[Outcome] = []
        for rule in self._rules:
            counts = self._counts[id(rule)]
            quiet: Verdict = next((name for name in _QUIET if counts[name]), "unmatched")
            for verdict in [name for name in _TELLING if counts[name]] or [quiet]:
                outcome = self._samples.get((id(rule), verdict)) or Outcome(rule, verdict)
                if verdict != "unmatched":
                    of = f"{counts[verdict]} of {count(self._context.stream.events, 'event')}"
                    outcome = replace(outcome, remarks=(*outcome.remarks, of))
                found.append(outcome)
        return found

    def take(self, event: StreamEvent) -> Sequence[StreamEvent]:
        """What the client gets for an event: itself where no rule changed it. Raises `RequiredRuleFailed`."""
        context = self._context
        context.stream.events += 1
        if self._watched:
            watch(context.stream, event)
        if self._types is not None and event.type not in self._types:
            return (event,)
        journal = Journal(detailed=context.request_journal.detailed)
        edited = EditedEvent(event.type, event.data, journal)
        context.begin_event(edited, journal)
        try:
            self._count(run_rules(self._rules, context))
        except RequiredRuleFailed as failed:
            self._count(failed.outcomes)
            raise
        decisions = context.decisions
        for note in decisions.notes:
            if len(self._notes) < _MOST_NOTES:
                self._notes[note] = None
        own = () if decisions.dropped else (_read_back(event, edited) if len(journal) else event,)
        if not decisions.emitted:
            return own
        before = [StreamEvent(e.type, e.data) for e in decisions.emitted if e.side == "before"]
        after = [StreamEvent(e.type, e.data) for e in decisions.emitted if e.side == "after"]
        return (*before, *own, *after)

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self._counts[id(outcome.rule)][outcome.verdict] += 1
            key = (id(outcome.rule), outcome.verdict)
            if key not in self._samples:
                self._samples[key] = outcome


def _read_back(event: StreamEvent, edited: EditedEvent) -> StreamEvent:
    kind = "" if edited.type is NIL else str(edited.type)
    return event.edit(kind, edited.body.to_bytes()[0])


def _asked_types(rules: Sequence[CompiledRule]) -> frozenset[str] | None:
    """The types of events that rules ask for first of all; None where one of them may act on any."""
    found: set[str] = set()
    for rule in rules:
        leg = next(conjuncts(rule.node.condition), None)
        types = None if leg is None else _types_of(leg)
        if types is None:
            return None
        found |= types
    return frozenset(found)


def _types_of(leg: syntax.Expression) -> set[str] | None:
    while isinstance(leg, syntax.Group):
        leg = leg.inner
    if not isinstance(leg, syntax.Binary) or not _names_type(leg.left):
        return None
    right = leg.right.inner if isinstance(leg.right, syntax.Group) else leg.right
    texts = [field.value for field in right.fields] if isinstance(right, syntax.Table) else [right]
    if leg.operator != ("in" if isinstance(right, syntax.Table) else "=="):
        return None
    found = {text.value for text in texts if isinstance(text, syntax.Literal) and isinstance(text.value, str)}
    keyed = isinstance(right, syntax.Table) and any(field.key is not None for field in right.fields)
    return None if keyed or len(found) != len(texts) else found


def _names_type(node: syntax.Expression) -> bool:
    match node:
        case syntax.Path(base=syntax.Name(name="event"), steps=(syntax.Member(name="type"),)):
            return True
    return False


class _Delta(msgspec.Struct):
    stop_reason: str | None = None
    tool_calls: msgspec.Raw | None = None


class _Block(msgspec.Struct):
    type: str | None = None


class _Choice(msgspec.Struct):
    finish_reason: str | None = None
    delta: _Delta | None = None


class _Seen(msgspec.Struct):
    delta: _Delta | None = None
    content_block: _Block | None = None
    choices: list[_Choice] | None = None


def watch(state: StreamState, event: StreamEvent) -> None:
    """Take up what an event says of its stream: why it stops, and whether it calls a tool."""
    seen = read_shape(event.data, _Seen)
    if seen is None:
        return  # of another shape: it says neither
    choices = seen.choices or []
    reasons = [choice.finish_reason for choice in choices]
    if seen.delta is not None:
        reasons.append(seen.delta.stop_reason)
    for reason in reasons:
        state.stop_reason = reason or state.stop_reason
    calls = any(choice.delta is not None and choice.delta.tool_calls is not None for choice in choices)
    if calls or (seen.content_block is not None and (seen.content_block.type or "").endswith("tool_use")):
        state.saw_tool_use = True
