"""Rules of the event side over one stream: an event at a time, in constant memory.

An event that no rule changed leaves as the bytes that came, and so does all that is no event. What is said of the
rules afterwards is said of the whole stream: what a rule did the first time, and on how many events.
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
from ruleproxy.messages.message import Headers
from ruleproxy.messages.values import NIL
from ruleproxy.wire.sse import Decoder, EventTooLargeError, Item, ServerSentEvent, encode_event, respell_event

_TELLING: Sequence[Verdict] = ("changed", "failed", "shadowed")
_QUIET: Sequence[Verdict] = ("matched", "unreached")

_MOST_NOTES = 16


class StreamRules:
    """The event rules on one stream. `outcomes` says what they did so far.

    `problem` is what ends the stream before its own end: a required rule that failed, an event that is too large.
    What was complete before that is given out all the same.
    """

    def __init__(self, rules: Sequence[CompiledRule], context: RunContext) -> None:
        self._rules = rules
        self._context = context
        self._decoder = Decoder()
        # A trace wants to see why each rule did not match.
        self._types = None if context.request_journal.detailed else _asked_types(rules)
        self._counts: dict[int, Counter[Verdict]] = {id(rule): Counter() for rule in rules}
        self._samples: dict[tuple[int, Verdict], Outcome] = {}
        self._notes: dict[str, None] = {}
        self.problem: RequiredRuleFailed | EventTooLargeError | None = None
        self._watched = any(read.partition(".")[0] == "stream" for rule in rules for read in rule.effects.reads)

    @property
    def context(self) -> RunContext:
        """What the rules worked on; its `stream` counts the events."""
        return self._context

    @property
    def notes(self) -> tuple[str, ...]:
        """What rules noted, each text once."""
        return tuple(self._notes)

    def feed(self, data: bytes) -> bytes:
        """What the client gets for these bytes."""
        try:
            items = self._decoder.feed(data)
        except EventTooLargeError as error:
            out = self._pass(error.before)
            self.problem = self.problem or error
            return out
        return self._pass(items)

    def finish(self) -> bytes:
        """What the client still gets at the end."""
        return self._pass(self._decoder.finish())

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

    def _pass(self, items: list[Item]) -> bytes:
        out: list[bytes] = []
        try:
            for item in items:
                out += (self._take(item) if isinstance(item, ServerSentEvent) else item.raw,)
        except RequiredRuleFailed as failed:
            self.problem = failed
        return b"".join(out)

    def _take(self, event: ServerSentEvent) -> bytes:
        context = self._context
        context.stream.events += 1
        if self._watched:
            watch(context.stream, event)
        if self._types is not None and event.type not in self._types:
            return event.raw
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
        own = b"" if decisions.dropped else event.raw if not len(journal) else _spell(event, edited)
        if not decisions.emitted:
            return own
        before = [encode_event(e.type, e.data) for e in decisions.emitted if e.side == "before"]
        after = [encode_event(e.type, e.data) for e in decisions.emitted if e.side == "after"]
        return b"".join((*before, own, *after))

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self._counts[id(outcome.rule)][outcome.verdict] += 1
            key = (id(outcome.rule), outcome.verdict)
            if key not in self._samples:
                self._samples[key] = outcome


def _spell(event: ServerSentEvent, edited: EditedEvent) -> bytes:
    kind = "" if edited.type is NIL else str(edited.type)
    data, _ = edited.body.to_bytes()
    return event.raw if (kind, data) == (event.type, event.data) else respell_event(event, kind, data)


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


def watch(state: StreamState, event: ServerSentEvent) -> None:
    """Take up what an event says of its stream: why it stops, and whether it calls a tool."""
    try:
        seen = msgspec.json.decode(event.data, type=_Seen)
    except msgspec.DecodeError:
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


def stream_headers(headers: Headers) -> Headers:
    """The headers of a stream whose length may become another one."""
    return [line for line in headers if line[0].lower() not in (b"content-length", b"content-md5", b"digest")]
