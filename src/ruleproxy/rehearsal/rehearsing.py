"""What rules would do to a captured exchange: which act, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ruleproxy.captures.capture import Capture
from ruleproxy.engine.masking import mask_text
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.running import Verdict
from ruleproxy.engine.trace import Trace
from ruleproxy.engine.trace_text import render_trace
from ruleproxy.engine.tracing import trace_exchange
from ruleproxy.messages.journal import Edit
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.rehearsal.differences import Answer, Outgoing, compare_answers, compare_requests
from ruleproxy.rehearsal.running import Run, run_capture

_SHOWN: frozenset[Verdict] = frozenset({"changed", "shadowed", "failed"})


@dataclass(frozen=True, slots=True)
class Acted:
    """A rule that did something, or failed: then `failure` says how."""

    verdict: Verdict
    name: str
    place: str
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would become of a captured request, and of its recorded answer.

    `origin` is where the request would go, None where a rule answers instead: then `answered` is the status.
    `differences` are those of the request, `answer_differences` those of the answer as far as it was recorded;
    `unanswered` says why that cannot be told. `trace` is a text, there where a rule failed.
    """

    acted: tuple[Acted, ...]
    origin: str | None
    answered: int | None
    differences: tuple[Edit, ...] = ()
    answer_differences: tuple[Edit, ...] = ()
    unanswered: str = ""
    trace: str = ""

    @property
    def changed(self) -> bool:
        """Whether anything differs, or is answered here."""
        return self.origin is None or bool(self.differences or self.answer_differences)

    @property
    def failed(self) -> Sequence[str]:
        """Names of the rules that failed."""
        return [rule.name for rule in self.acted if rule.verdict == "failed"]


def rehearse(run: Run, declared: tuple[Upstream, ...] | None) -> Rehearsal:
    """What a run came to; `declared` as it was run with."""
    acted = tuple(
        Acted(o.verdict, o.rule.name, o.rule.place, None if o.failure is None else mask_text(o.failure))
        for o in run.outcomes
        if o.verdict in _SHOWN
    )
    sent = run.sent
    answered = None
    if sent is None:
        answered = 0 if run.client is None else run.client.status
    failed = any(rule.verdict == "failed" for rule in acted)
    return Rehearsal(
        acted,
        None if sent is None else sent.origin,
        answered,
        () if sent is None else tuple(compare_requests(as_asked(run.capture), sent)),
        tuple(_compare_answer(run)),
        run.unanswered,
        render_trace(_trace(run, declared)) if failed else "",
    )


def trace_capture(capture: Capture, ruleset: Ruleset, declared: tuple[Upstream, ...] | None) -> Trace:
    """What each rule does with a captured exchange, and why."""
    return trace_exchange(run_capture(capture, ruleset, declared, detailed=True).exchange)


def _trace(run: Run, declared: tuple[Upstream, ...] | None) -> Trace:
    if run.detailed:
        return trace_exchange(run.exchange)
    return trace_capture(run.capture, run.exchange.ruleset, declared)


def as_asked(capture: Capture) -> Outgoing:
    """The client's request, to be compared."""
    request = capture.request.to_message()
    return Outgoing(request.method, request.target, request.headers, request.body)


def _compare_answer(run: Run) -> list[Edit]:
    """The recorded answer and what the client gets; nothing where none was recorded, or none was asked for."""
    came, answer = run.capture.response, run.answer
    if came is None or answer is None or run.exchange.sent is None:
        return []
    message = came.to_message()
    cut = came.cut or run.capture.failure is not None
    return compare_answers(Answer(message.status, message.headers, message.body, cut), answer)
