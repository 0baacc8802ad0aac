"""What an upstream's answer is to an exchange: the events that a script feeds to it."""

from __future__ import annotations

from collections.abc import Iterable

from ruleproxy.engine.events import Event, UpstreamData, UpstreamEnd, UpstreamHead
from ruleproxy.messages.message import Response

_EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")


def answer_with(response: Response) -> tuple[Event, ...]:
    """The events of a whole answer."""
    head = UpstreamHead(response.status, response.headers)
    return (head, UpstreamData(response.body), UpstreamEnd()) if response.body else (head, UpstreamEnd())


def answer_with_stream(events: Iterable[bytes], status: int = 200) -> tuple[Event, ...]:
    """The events of an answer that is a stream, one piece an event."""
    return (UpstreamHead(status, [_EVENT_STREAM]), *(UpstreamData(event) for event in events), UpstreamEnd())
