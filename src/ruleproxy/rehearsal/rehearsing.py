"""Rules tried on a captured exchange: what they would do to it, with nothing sent anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ruleproxy.captures.capture import Capture
from ruleproxy.engine.events import Head, Send
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.trace import Trace
from ruleproxy.engine.tracing import trace_exchange
from ruleproxy.messages.journal import Edit
from ruleproxy.messages.message import Response
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.rehearsal.answers import recorded_answer
from ruleproxy.rehearsal.differences import compare_bodies, compare_headers, compare_requests
from ruleproxy.rehearsal.driving import ClientAnswer, drive


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would become of a captured request, and of its recorded answer.

    `sent` is None where a rule answers instead: then `answered` is the status. `differences` are those of the
    request, `answer_differences` those of the answer as far as it was recorded.
    """

    trace: Trace
    sent: Send | None
    answered: int | None
    differences: Sequence[Edit]
    answer_differences: Sequence[Edit]

    @property
    def changed(self) -> bool:
        """Whether anything differs, or is answered here."""
        return self.sent is None or bool(self.differences or self.answer_differences)

    @property
    def failed(self) -> Sequence[str]:
        """Names of the rules that failed."""
        return [rule.name for side in self.trace.sides for rule in side.rules if rule.verdict == "failed"]


def rehearse(capture: Capture, ruleset: Ruleset, upstreams: tuple[Upstream, ...]) -> Rehearsal:
    """Run a capture through the rules, with the answer that was recorded. Raises `Unanswered` if that breaks off."""
    request, answer = capture.request.to_message(), recorded_answer(capture)
    exchange = Exchange(ruleset, request, upstreams, detailed=True)
    client: ClientAnswer | None = None
    if answer is not None:
        client = drive(exchange, [answer])
        answered = client.status
    else:
        answered = next((action.status for action in exchange.begin() if isinstance(action, Head)), 0)
    sent = exchange.sent
    return Rehearsal(
        trace_exchange(exchange),
        sent,
        answered if sent is None else None,
        [] if sent is None else compare_requests(request, sent),
        [] if client is None else _compare_answer(exchange, client),
    )


def _compare_answer(exchange: Exchange, client: ClientAnswer) -> list[Edit]:
    context = exchange.contexts.get("response")
    if context is None:
        return []
    came = context.original.response
    received = Response(came.status, came.headers.lines, came.body.source)
    edits = [] if came.status == client.status else [Edit("~", "status", str(came.status), str(client.status))]
    edits += compare_headers(received.headers, client.headers)
    if not came.streamed and not client.streamed:
        edits += compare_bodies(received.body, client.body)
    return edits
