"""One recorded exchange: what the client sent, what went out, what came back, what the client got, and why.

Everything is bytes as they were, so that a capture can be run through rules like the exchange itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ruleproxy.messages.message import Headers, Request, Response
from ruleproxy.wire.sse import encode_event


@dataclass(frozen=True, slots=True)
class CapturedRequest:
    """A request. `path` is raw, query included; `origin` (`scheme://host[:port]`) is known of what went out only."""

    method: str
    path: bytes
    headers: Headers
    body: bytes = b""
    origin: str = ""
    truncated: int = 0
    """Bytes of the body that were not kept."""
    decoded: str = ""
    """The content coding that was taken off the body; the headers still name it."""
    withheld: str = ""
    """Why no byte of the body was kept."""

    def to_message(self) -> Request:
        """The request as rules take it."""
        raw_path, _, query = self.path.partition(b"?")
        return Request(self.method, raw_path, query, _without_coding(self.headers, self.decoded), self.body)


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """A server-sent event; without `data` it is bytes between events (a comment, an unfinished event).

    `raw` is how it was spelled where `encode_event` would spell it otherwise; `at_ms` is when it was complete,
    in milliseconds since the request was.
    """

    type: str = ""
    data: bytes | None = None
    at_ms: float | None = None
    raw: bytes | None = None

    def to_bytes(self) -> bytes:
        """The event as it stood in the stream."""
        if self.raw is not None:
            return self.raw
        return encode_event(self.type, self.data) if self.data is not None else b""


@dataclass(frozen=True, slots=True)
class CapturedResponse:
    """An answer: `events` where it was a stream of server-sent events, else `body`."""

    status: int
    headers: Headers
    body: bytes = b""
    events: tuple[CapturedEvent, ...] | None = None
    truncated: int = 0
    """Bytes of the body that were not kept."""
    decoded: str = ""
    """The content coding that was taken off the body; the headers still name it."""
    withheld: str = ""
    """Why no byte of the body was kept."""
    cut: bool = False
    """The answer ended before it was complete."""

    @property
    def content(self) -> bytes:
        """The body, or the events as they stood in the stream."""
        return self.body if self.events is None else b"".join(event.to_bytes() for event in self.events)

    def to_message(self) -> Response:
        """The answer as rules take it."""
        return Response(self.status, _without_coding(self.headers, self.decoded), self.content)


@dataclass(frozen=True, slots=True)
class CapturedFailure:
    """No usable answer of the upstream: a kind (`refused`, `reset`, `timeout`, `tls`, `truncated`) and its text."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class CapturedAttempt:
    """What went out before a rule sent the request again, and what came of it."""

    sent: CapturedRequest
    response: CapturedResponse | None = None
    failure: CapturedFailure | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """One exchange. `request` is what the client sent, `sent` what went out last, `response` what came back to it,
    `answer` what the client got, `trace` what the rules did (JSON values); `at` is the time of the request (UTC).
    `earlier` is what went out before that, in order, where the request was sent more than once.
    """

    request: CapturedRequest
    sent: CapturedRequest | None = None
    response: CapturedResponse | None = None
    failure: CapturedFailure | None = None
    answer: CapturedResponse | None = None
    trace: Any = None
    at: str = ""
    earlier: tuple[CapturedAttempt, ...] = ()

    @property
    def answered(self) -> tuple[CapturedAttempt, ...]:
        """Every time that something was sent and something came back, or a failure. What went out is what came, where
        nothing says otherwise.
        """
        last = CapturedAttempt(self.sent or self.request, self.response, self.failure)
        attempts = (*self.earlier, last)
        return tuple(one for one in attempts if one.response is not None or one.failure is not None)


def _without_coding(headers: Headers, decoded: str) -> Headers:
    if not decoded:
        return headers
    return [line for line in headers if line[0].lower() not in (b"content-encoding", b"content-length")]
