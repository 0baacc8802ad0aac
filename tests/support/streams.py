"""Whole streams in one go, where the engine takes them an event at a time."""

from __future__ import annotations

from collections.abc import Iterable

from ruleproxy.wire.collect_chat import ChatCollector
from ruleproxy.wire.collect_responses import ResponseCollector
from ruleproxy.wire.collect_stream import Collector, MessageCollector
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.framing import Framing


def encode_all(framing: Framing, events: Iterable[StreamEvent]) -> bytes:
    """The bytes of a stream of such events."""
    return b"".join(map(framing.encode, events))


def collect_stream(events: Iterable[StreamEvent]) -> bytes:
    """The message of Anthropic that these events tell. Raises `CannotCollectError`."""
    return _collect(MessageCollector(), events)


def collect_chat(events: Iterable[StreamEvent]) -> bytes:
    """The chat completion that these events tell. Raises `CannotCollectError`."""
    return _collect(ChatCollector(), events)


def collect_responses(events: Iterable[StreamEvent]) -> bytes:
    """The response of OpenAI that these events tell. Raises `CannotCollectError`."""
    return _collect(ResponseCollector(), events)


def _collect(collector: Collector, events: Iterable[StreamEvent]) -> bytes:
    for event in events:
        collector.take(event)
    return collector.finish()
