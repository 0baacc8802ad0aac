"""Server-sent events as a client reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.framing import SERVER_SENT_EVENTS
from ruleproxy.wire.sse import Decoder


def read_events(body: bytes) -> list[dict[str, Any]]:
    """The JSON of every event of a stream; each has to be named as its `type` says."""
    decoder = Decoder()
    found: list[dict[str, Any]] = []
    for item in [*decoder.feed(body), *decoder.finish()]:
        assert isinstance(item, StreamEvent), item
        data = json.loads(item.data)
        assert item.type == data["type"]
        found.append(data)
    return found


def spell(events: Iterable[StreamEvent]) -> list[bytes]:
    """Events as server-sent events."""
    return [SERVER_SENT_EVENTS.encode(event) for event in events]


def types_of(body: bytes) -> list[str]:
    """The types of a stream's events."""
    return [event["type"] for event in read_events(body)]


def text_of(body: bytes) -> str:
    """The text that a stream's deltas carry."""
    deltas = (event["delta"] for event in read_events(body) if event["type"] == "content_block_delta")
    return "".join(delta["text"] for delta in deltas if delta["type"] == "text_delta")
