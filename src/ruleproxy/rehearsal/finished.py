"""A test's exchange after its end, and the roots that expectations name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from ruleproxy.engine.context import RunContext
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.learning import LearnedRules
from ruleproxy.engine.ruleset import RuleTest
from ruleproxy.messages.edited import EditedRequest, EditedResponse
from ruleproxy.messages.journal import Journal
from ruleproxy.messages.message import Request, Response
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.rehearsal.driving import ClientAnswer


@dataclass(slots=True)
class Finished:
    """A test's exchange after its end, with what the expectations look at.

    `request` is what went out last (what would have, where nothing was sent), `response` what the client got;
    `attempt`, where it is set, what went out that time in place of the last.
    """

    test: RuleTest
    exchange: Exchange
    client: ClientAnswer
    declared: tuple[Upstream, ...]
    learned: LearnedRules = field(default_factory=LearnedRules)
    accept: bool = False
    accepted: list[Path] = field(default_factory=list)
    attempt: int | None = None
    _context: RunContext | None = None

    @property
    def context(self) -> RunContext:
        """The roots that expectations name."""
        if self._context is None:
            request = self._last_request() if self.attempt is None else self._request_of(self.attempt)
            got = Response(self.client.status, self.client.headers, self.client.body)
            response = EditedResponse(got, Journal(), streamed=self.client.streamed)
            self._context = RunContext(self.exchange.request, request, self.declared, Journal(), response)
            if "response" in self.exchange.contexts:
                self._context.original.response = self.exchange.contexts["response"].original.response
        return self._context

    def at(self, attempt: int) -> Finished:
        """The same, looking at what went out as the first (1), second, … of the attempts. There were so many."""
        return replace(self, attempt=attempt, _context=None)

    def _last_request(self) -> EditedRequest:
        edited, sent = self.exchange.contexts["request"].request, self.exchange.sent
        headers = edited.headers.lines if sent is None else sent.headers
        body = edited.body.to_bytes()[0] if sent is None else sent.body
        raw_path = edited.raw_path.encode("latin-1")
        went = Request(edited.method, raw_path, edited.query.text, headers, body)
        request = EditedRequest(went, self.declared, Journal())
        request.upstream = edited.upstream
        return request

    def _request_of(self, attempt: int) -> EditedRequest:
        attempts = self.exchange.sides.attempts
        send, (raw_path, destination) = attempts.sends[attempt - 1], attempts.routes[attempt - 1]
        query = send.target.partition(b"?")[2]
        went = Request(send.method, raw_path.encode("latin-1"), query, send.headers, send.body)
        request = EditedRequest(went, self.declared, Journal())
        request.upstream.restore(*destination)
        return request

    def repeat(self) -> Exchange:
        """The same request again after what was learned, as far as what would be sent."""
        first = self.exchange
        again = Exchange(first.ruleset, first.request, self.declared, learned=self.learned)
        again.begin()
        return again

    def constants(self) -> Mapping[str, Any]:
        """The names of the file, and those of what came of the exchange.

        `events` that the client got, `notes` of rules in order, and `cut`: whether the client's answer broke off.
        """
        runs = self.exchange.sides.passes
        outcomes = (outcome for run in runs for outcome in run.outcomes if outcome.verdict != "shadowed")
        decisions = (decision for outcome in outcomes for decision in outcome.decisions)
        return {
            **self.test.constants,
            "events": [_read_event(event.type, event.data) for event in self.client.events()],
            "notes": [text.removeprefix("note ") for text in decisions if text.startswith("note ")],
            "cut": self.client.cut,
        }


def _read_event(kind: str, data: bytes) -> dict[str, Any]:
    try:
        value: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = data.decode("utf-8", "replace")
    return {"type": kind, "data": value} if kind else {"data": value}
