"""A captured exchange run through rules, with the answer that was recorded and nothing sent anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ruleproxy.captures.capture import Capture
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.learning import LearnedRules
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.engine.running import Outcome
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.rehearsal.differences import Answer, Outgoing
from ruleproxy.rehearsal.driving import ClientAnswer, Unanswered, drive
from ruleproxy.rehearsal.givens import declare
from ruleproxy.rehearsal.recorded import RecordedAnswers, read_attempts

_NOBODY: Final = [()]
"""What an upstream of which nothing was recorded says."""


@dataclass(frozen=True, slots=True)
class Run:
    """A captured exchange after it ran.

    `client` is what the client got, None where that is not known: nothing was recorded that could come back
    (`unanswered` is then empty), or not all that the rules ask for (`unanswered` says so). A `detailed` one can be
    traced.
    """

    capture: Capture
    exchange: Exchange
    client: ClientAnswer | None
    unanswered: str = ""
    detailed: bool = False

    @property
    def sent(self) -> Outgoing | None:
        """What went out last, with headers as the rules left them; None where a rule answered."""
        send = self.exchange.sent
        if send is None:
            return None
        return Outgoing(send.method, send.target, self.exchange.sides.ruled_headers, send.body, send.origin)

    @property
    def answer(self) -> Answer | None:
        """What the client got; None where that is not known."""
        client = self.client
        return None if client is None else Answer(client.status, client.headers, client.body, client.cut)

    @property
    def outcomes(self) -> list[Outcome]:
        """What every rule did, in order."""
        return [outcome for run in self.exchange.sides.passes for outcome in run.outcomes]


def run_capture(
    capture: Capture, ruleset: Ruleset, declared: tuple[Upstream, ...] | None, *, detailed: bool = False
) -> Run:
    """Run a capture through rules; `declared` upstreams, or the one that it went to where None are.

    A `detailed` exchange can be traced; another one is several times as fast.
    """
    upstreams = declare(declared or recorded_upstream(capture), ruleset.origins)
    exchange = Exchange(
        ruleset,
        capture.request.to_message(),
        upstreams,
        detailed=detailed,
        learned=LearnedRules(ruleset.secrets),
    )
    attempts = read_attempts(capture)
    try:
        client = drive(exchange, RecordedAnswers(attempts) if attempts else _NOBODY)
    except Unanswered as error:
        return Run(capture, exchange, None, str(error) if attempts else "", detailed)
    return Run(capture, exchange, client, detailed=detailed)


def recorded_upstream(capture: Capture) -> tuple[Upstream, ...]:
    """The upstream that a captured exchange went to, where it was recorded."""
    origin = capture.sent.origin if capture.sent is not None else ""
    return (Upstream("default", origin),) if origin else ()
