"""What an upstream's answer is to an exchange: the events that a script feeds to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from ruleproxy.captures.capture import CapturedAttempt
from ruleproxy.engine.events import Event, FailureKind, UpstreamData, UpstreamEnd, UpstreamFailed, UpstreamHead
from ruleproxy.messages.message import Response
from ruleproxy.wire.framing import SERVER_SENT_EVENTS, Framing


def answer_with(response: Response) -> tuple[Event, ...]:
    """The events of a whole answer."""
    head = UpstreamHead(response.status, response.headers)
    return (head, UpstreamData(response.body), UpstreamEnd()) if response.body else (head, UpstreamEnd())


def answer_with_stream(events: Iterable[bytes], framing: Framing = SERVER_SENT_EVENTS) -> tuple[Event, ...]:
    """The events of an answer that is a stream, one piece an event; they are of this framing already."""
    return (
        UpstreamHead(200, [(b"content-type", framing.content_type)]),
        *(UpstreamData(event) for event in events),
        UpstreamEnd(),
    )


def recorded_answer(attempt: CapturedAttempt) -> tuple[Event, ...]:
    """What came back in a captured exchange, in the pieces that were recorded. Something was recorded."""
    response = attempt.response
    end: Event = UpstreamEnd()
    if attempt.failure is not None:
        kind: Any = attempt.failure.kind
        end = UpstreamFailed(kind if kind in get_args(FailureKind) else "reset", attempt.failure.message)
    if response is None:
        return (end,)
    message = response.to_message()
    pieces = [message.body] if response.events is None else [event.to_bytes() for event in response.events]
    if response.cut and isinstance(end, UpstreamEnd):
        end = UpstreamFailed("truncated", "the recorded answer broke off")
    return (UpstreamHead(message.status, message.headers), *(UpstreamData(piece) for piece in pieces if piece), end)
