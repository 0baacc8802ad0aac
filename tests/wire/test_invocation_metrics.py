"""The counts that Bedrock tells beside a message's own."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.fake_stream import fake_stream
from ruleproxy.wire.invocation_metrics import METRICS, Metering, metric_headers

USAGE = {
    "input_tokens": 7,
    "output_tokens": 9,
    "cache_read_input_tokens": 5,
    "cache_creation_input_tokens": 3,
    "service_tier": "standard",
}


def meter(events: list[StreamEvent]) -> list[Any]:
    metering = Metering()
    return [orjson.loads(metering.take(event).data) for event in events]


def message(usage: Any) -> bytes:
    return orjson.dumps({"id": "msg_1", "type": "message", "content": [], "stop_reason": "end_turn", "usage": usage})


def test_a_stream_ends_with_what_was_counted() -> None:
    """Totals: what is told last counts. Nothing else of the stream is touched."""
    events = fake_stream(message(USAGE))
    *before, last = meter(events)
    assert before == [orjson.loads(event.data) for event in events[:-1]]
    assert last == {
        "type": "message_stop",
        METRICS: {
            "inputTokenCount": 7,
            "outputTokenCount": 9,
            "cacheReadInputTokenCount": 5,
            "cacheWriteInputTokenCount": 3,
        },
    }


def test_metrics_that_are_there_stay() -> None:
    """A gateway before Bedrock may tell them in server-sent events."""
    told = StreamEvent("message_stop", orjson.dumps({"type": "message_stop", METRICS: {"inputTokenCount": 1}}))
    *_, last = meter([*fake_stream(message(USAGE))[:-1], told])
    assert last[METRICS] == {"inputTokenCount": 1}


@pytest.mark.parametrize("usage", [None, [], {"input_tokens": "7"}, {"input_tokens": True}, {"output_tokens": -1}])
def test_what_is_no_count_is_not_told(usage: Any) -> None:
    """A stream without counts ends as it came, a whole message has no header."""
    start = StreamEvent("message_start", orjson.dumps({"type": "message_start", "message": {"usage": usage}}))
    stop = StreamEvent("message_stop", b'{"type":"message_stop"}')
    assert meter([start, StreamEvent("message_delta", b"x"), stop][::2])[-1] == {"type": "message_stop"}
    assert metric_headers(message(usage)) == []


def test_headers_of_a_whole_message() -> None:
    """One for each count that it has."""
    assert metric_headers(message(USAGE)) == [
        (b"x-amzn-bedrock-input-token-count", b"7"),
        (b"x-amzn-bedrock-output-token-count", b"9"),
        (b"x-amzn-bedrock-cache-read-input-token-count", b"5"),
        (b"x-amzn-bedrock-cache-write-input-token-count", b"3"),
    ]
    assert metric_headers(b"<html>") == []
