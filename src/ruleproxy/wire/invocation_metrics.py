"""The counts that Bedrock tells beside a message's own: at the end of its streams, and in headers of whole answers.

langchain-aws 1.9 counts by these alone, and litellm 1.106 prefers the headers; the names are those that both read.
Latencies, which Bedrock tells as well, are left out: nothing here has measured them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ruleproxy.messages.message import Headers
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.json_levels import BadJsonError, open_object, write_object

METRICS = "amazon-bedrock-invocationMetrics"

# The count of a message, the same in the metrics of a stream, and in a header.
_COUNTS = (
    ("input_tokens", "inputTokenCount", b"x-amzn-bedrock-input-token-count"),
    ("output_tokens", "outputTokenCount", b"x-amzn-bedrock-output-token-count"),
    ("cache_read_input_tokens", "cacheReadInputTokenCount", b"x-amzn-bedrock-cache-read-input-token-count"),
    ("cache_creation_input_tokens", "cacheWriteInputTokenCount", b"x-amzn-bedrock-cache-write-input-token-count"),
)


class Metering:
    """Give it the events of an Anthropic stream in order; its end comes back with the metrics, unless it has some."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def take(self, event: StreamEvent) -> StreamEvent:
        """The event, or the end of the message with what was counted until then."""
        match event.type:
            case "message_start":
                self._counts |= _read_counts(_member(_decode(event.data), "message"))
            case "message_delta":
                self._counts |= _read_counts(_decode(event.data))
            case "message_stop" if self._counts:
                return event.edit(event.type, self._meter(event.data))
        return event

    def _meter(self, data: bytes) -> bytes:
        try:
            members = open_object(data)
        except BadJsonError:
            return data
        told = {theirs: self._counts[ours] for ours, theirs, _ in _COUNTS if ours in self._counts}
        return write_object({**members, METRICS: members.get(METRICS) or msgspec.json.encode(told)})


def metric_headers(body: bytes) -> Headers:
    """The headers that tell the counts of a whole message; none where it has none."""
    counts = _read_counts(_decode(body))
    return [(header, b"%d" % counts[ours]) for ours, _, header in _COUNTS if ours in counts]


def _read_counts(message: Any) -> dict[str, int]:
    usage = _member(message, "usage")
    found = {ours: _member(usage, ours) for ours, _, _ in _COUNTS}
    return {name: count for name, count in found.items() if type(count) is int and count >= 0}


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _decode(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # whoever reads it next says so
