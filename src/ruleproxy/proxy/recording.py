"""Exchanges that keep what passes through them, for those who look at it after their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import httpx

from ruleproxy.captures.assembling import KeptBody, assemble_request, assemble_response
from ruleproxy.captures.capture import Capture, CapturedFailure, CapturedRequest, CapturedResponse
from ruleproxy.engine.events import (
    Action,
    Cut,
    Data,
    End,
    Event,
    Head,
    Send,
    UpstreamData,
    UpstreamEnd,
    UpstreamFailed,
    UpstreamHead,
)
from ruleproxy.messages.message import Headers, Request
from ruleproxy.proxy.forwarding import Answer, Exchange, Forwarder
from ruleproxy.rehearsal.differences import Answer as ClientsAnswer
from ruleproxy.wire.headers import frame_request


class Keeper(Protocol):
    """Who looks at exchanges after their end."""

    def takes(self) -> bool:
        """Whether it wants the exchange that begins now."""

    def keep(self, recording: Recording) -> None:
        """Take an exchange that is over. Must not wait."""


class Recording:
    """An exchange that keeps what passes through it: at most `limit` bytes of each body.

    It is never `relaying`: then its driver would not show it. `trace` is asked after the end, in a keeper's thread,
    for what the rules did (JSON values).
    """

    relaying = False

    def __init__(
        self,
        exchange: Exchange,
        request: Request,
        keepers: Sequence[Keeper],
        limit: int,
        trace: Callable[[], Any] | None = None,
    ) -> None:
        self.exchange = exchange
        self.started = time.time()
        self._clock = time.perf_counter()
        self._now = 0.0
        self.request = request
        self._keepers = keepers
        self._limit = limit
        self._trace = trace
        self.sent: Send | None = None
        self._came: tuple[int, Headers] | None = None
        self._came_body = KeptBody(limit)
        self._failure: UpstreamFailed | None = None
        self._got: tuple[int, Headers] | None = None
        self._got_body = KeptBody(limit)
        self._complete = False
        self._finished = False

    @property
    def patience(self) -> float | None:
        """The exchange's own."""
        return self.exchange.patience

    @property
    def acted(self) -> Sequence[str]:
        """The exchange's own."""
        return self.exchange.acted

    @property
    def remarks(self) -> Sequence[str]:
        """The exchange's own."""
        return self.exchange.remarks

    @property
    def retries(self) -> int:
        """The exchange's own."""
        return self.exchange.retries

    @property
    def size(self) -> int:
        """Bytes that it keeps."""
        sent = 0 if self.sent is None else len(self.sent.body)
        return len(self.request.body) + sent + self._came_body.size + self._got_body.size

    @property
    def unread(self) -> bool:
        """The exchange's own."""
        return self.exchange.unread

    def begin(self) -> Sequence[Action]:
        """The exchange's first actions."""
        return self._keep_actions(self.exchange.begin())

    def receive(self, event: Event) -> Sequence[Action]:
        """The exchange's actions after an event."""
        self._now = (time.perf_counter() - self._clock) * 1000
        match event:
            case UpstreamData(data):
                self._came_body.add(self._now, data)
            case UpstreamHead(status, headers):
                self._came = (status, headers)
            case UpstreamFailed():
                self._failure = event
        return self._keep_actions(self.exchange.receive(event))

    def finish(self) -> None:
        """Hand it on, once."""
        if not self._finished:
            self._finished = True
            for keeper in self._keepers:
                keeper.keep(self)

    @property
    def complete(self) -> bool:
        """Whether every byte was kept, up to the answer's own end."""
        return self._complete and not (self._came_body.truncated or self._got_body.truncated)

    def upstream_events(self) -> tuple[Event, ...]:
        """What the upstream said after it was asked last, in the pieces in which it came."""
        end: Event = self._failure or UpstreamEnd()
        pieces = (UpstreamData(data) for _, data in self._came_body.chunks)
        return (end,) if self._came is None else (UpstreamHead(*self._came), *pieces, end)

    def client_answer(self) -> ClientsAnswer | None:
        """What the client got; None where its answer was not begun."""
        body = b"".join(data for _, data in self._got_body.chunks)
        return None if self._got is None else ClientsAnswer(*self._got, body, cut=not self._complete)

    def assemble(self) -> Capture:
        """The capture, nothing masked yet."""
        request = self.request
        return Capture(
            assemble_request(request.method, request.target, request.headers, request.body, self._limit),
            self._assemble_sent(),
            self._assemble_answer(self._came, self._came_body, cut=self._failure is not None),
            None if self._failure is None else CapturedFailure(self._failure.kind, self._failure.message),
            self._assemble_answer(self._got, self._got_body, cut=not self._complete),
            {"acted": list(self.exchange.acted)} if self._trace is None else self._trace(),
            show_time(self.started),
        )

    def _assemble_sent(self) -> CapturedRequest | None:
        sent = self.sent
        if sent is None:
            return None
        headers = frame_request(sent.headers, sent.method, httpx.URL(sent.origin).netloc, sent.body)
        return assemble_request(sent.method, sent.target, headers, sent.body, self._limit, sent.origin)

    @staticmethod
    def _assemble_answer(head: tuple[int, Headers] | None, body: KeptBody, *, cut: bool) -> CapturedResponse | None:
        return None if head is None else assemble_response(*head, body, cut=cut)

    def _keep_actions(self, actions: Sequence[Action]) -> Sequence[Action]:
        for action in actions:
            match action:
                case Data(data):
                    self._got_body.add(self._now, data)
                case Head(status, headers):
                    self._got = (status, headers)
                case Send():
                    self.sent = action
                    self._came, self._came_body, self._failure = None, KeptBody(self._limit), None
                case End():
                    self._complete = True
                case Cut():
                    self._complete = False
        return actions


class RecordingForwarder(Forwarder):
    """A forwarder that has recorded exchanges written when they are over, however they ended."""

    async def forward(self, exchange: Exchange, answer: Answer) -> None:
        """Drive an exchange to its end; its file is written afterwards."""
        try:
            await super().forward(exchange, answer)
        finally:
            if isinstance(exchange, Recording):
                exchange.finish()


def show_time(seconds: float, *, compact: bool = False) -> str:
    """A time in UTC with milliseconds; `compact` without what file names and sorting do not need."""
    spelling = "%Y%m%dT%H%M%S" if compact else "%Y-%m-%dT%H:%M:%S"
    return f"{time.strftime(spelling, time.gmtime(seconds))}.{int(seconds % 1 * 1000):03d}Z"
