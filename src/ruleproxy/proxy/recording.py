"""Exchanges that keep what passes through them, for those who look at it after their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from ruleproxy.captures.assembling import KeptBody, assemble_request, assemble_response
from ruleproxy.captures.capture import Capture, CapturedAttempt, CapturedFailure
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
from ruleproxy.rehearsal.differences import Outgoing
from ruleproxy.wire.headers import frame_request


class Keeper(Protocol):
    """Who looks at exchanges after their end."""

    def takes(self) -> bool:
        """Whether it wants the exchange that begins now."""

    def keep(self, recording: Recording) -> None:
        """Take an exchange that is over. Must not wait."""


@dataclass(slots=True)
class _Attempt:
    """Something that was sent, and what came back. `ended`: up to its own end. `left`: something was sent before."""

    sent: Send
    body: KeptBody
    head: tuple[int, Headers] | None = None
    failure: UpstreamFailed | None = None
    ended: bool = False
    left: bool = False

    @property
    def outgoing(self) -> Outgoing:
        return Outgoing(self.sent.method, self.sent.target, self.sent.headers, self.sent.body, self.sent.origin)

    @property
    def events(self) -> tuple[Event, ...]:
        unread = UpstreamFailed("truncated", "no more of the answer was read") if self.left else None
        end: Event = self.failure or unread or UpstreamEnd()
        pieces = (UpstreamData(data) for _, data in self.body.chunks)
        return (end,) if self.head is None else (UpstreamHead(*self.head), *pieces, end)

    def assemble(self, limit: int) -> CapturedAttempt:
        """What a capture holds of it; at most `limit` bytes of a body."""
        sent = self.sent
        headers = frame_request(sent.headers, sent.method, httpx.URL(sent.origin).netloc, sent.body)
        cut = self.left or self.failure is not None
        return CapturedAttempt(
            assemble_request(sent.method, sent.target, headers, sent.body, limit, sent.origin),
            None if self.head is None else assemble_response(*self.head, self.body, cut=cut),
            None if self.failure is None else CapturedFailure(self.failure.kind, self.failure.message),
        )


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
        self._attempts: list[_Attempt] = []
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
        attempts = sum(len(attempt.sent.body) + attempt.body.size for attempt in self._attempts)
        return len(self.request.body) + attempts + self._got_body.size

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
                self._attempts[-1].body.add(self._now, data)
            case UpstreamHead(status, headers):
                self._attempts[-1].head = (status, headers)
            case UpstreamEnd():
                self._attempts[-1].ended = True
            case UpstreamFailed():
                self._attempts[-1].failure = event
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
        bodies = (self._got_body, *(attempt.body for attempt in self._attempts))
        return self._complete and not any(body.truncated for body in bodies)

    def read_attempts(self) -> list[tuple[Outgoing, tuple[Event, ...]]]:
        """Each time that something was sent, and what the upstream said to it, in the pieces in which it came."""
        return [(attempt.outgoing, attempt.events) for attempt in self._told]

    def client_answer(self) -> ClientsAnswer | None:
        """What the client got; None where its answer was not begun."""
        body = b"".join(data for _, data in self._got_body.chunks)
        return None if self._got is None else ClientsAnswer(*self._got, body, cut=not self._complete)

    def assemble(self) -> Capture:
        """The capture, nothing masked yet."""
        request = self.request
        attempts = [attempt.assemble(self._limit) for attempt in self._told]
        last = attempts.pop() if attempts else None
        return Capture(
            assemble_request(request.method, request.target, request.headers, request.body, self._limit),
            None if last is None else last.sent,
            None if last is None else last.response,
            None if last is None else last.failure,
            None if self._got is None else assemble_response(*self._got, self._got_body, cut=not self._complete),
            {"acted": list(self.exchange.acted)} if self._trace is None else self._trace(),
            show_time(self.started),
            tuple(attempts),
        )

    @property
    def _told(self) -> Sequence[_Attempt]:
        """The last attempt, and those before it that were answered: not what was sent again with a new credential."""
        return [*(attempt for attempt in self._attempts[:-1] if attempt.head or attempt.failure), *self._attempts[-1:]]

    def _keep_actions(self, actions: Sequence[Action]) -> Sequence[Action]:
        for action in actions:
            match action:
                case Data(data):
                    self._got_body.add(self._now, data)
                case Head(status, headers):
                    self._got = (status, headers)
                case Send():
                    if self._attempts:
                        self._attempts[-1].left = not self._attempts[-1].ended
                    self._attempts.append(_Attempt(action, KeptBody(self._limit)))
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
