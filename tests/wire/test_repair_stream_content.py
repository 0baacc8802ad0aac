"""Thoughts whose signature comes late: without it no later turn can send them again."""

from __future__ import annotations

from typing import Any

import pytest

from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.repair_stream import describe_repairs
from ruleproxy.wire.repair_stream_anthropic import MessageRepairer
from support.repairing import (
    ASKED,
    STOP,
    block_start,
    block_stop,
    delta,
    event,
    message_delta,
    message_start,
    repair_messages,
    text_delta,
    text_start,
)
from support.strict_events import check_messages_stream

THOUGHT = [block_start(0, {"type": "thinking", "thinking": ""}), delta(0, "thinking_delta", "hm"), block_stop(0)]
SIGNATURE = delta(0, "signature_delta", "c2ln")
TEXT = [text_start(1), text_delta(1, "so"), block_stop(1)]
END = [message_delta(), STOP]


def encode(events: list[dict[str, Any]]) -> bytes:
    return b"".join(map(event, events))


def content_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    told = check_messages_stream(repair_messages(encode([message_start(), *events])))
    assert told["type"] == "message", told
    content: list[dict[str, Any]] = told["content"]
    return content


@pytest.mark.parametrize(
    "events",
    [
        [*THOUGHT, SIGNATURE, *TEXT, *END],
        [*THOUGHT, SIGNATURE | {"index": 1}, *TEXT, *END],
        [*THOUGHT, {k: v for k, v in SIGNATURE.items() if k != "index"}, *TEXT, *END],
        [*THOUGHT, TEXT[0], SIGNATURE, *TEXT[1:], *END],
        [*THOUGHT[:-1], TEXT[0], SIGNATURE, *TEXT[1:], *END],
    ],
)
def test_a_signature_after_its_block_is_put_into_it(events: list[dict[str, Any]]) -> None:
    """Right after its end, under the next index or none, or after the start of the next block."""
    thought, text = content_of(events)
    assert (thought["thinking"], thought["signature"], text["text"]) == ("hm", "c2ln", "so")


def test_a_thought_without_a_signature_ends_where_it_did() -> None:
    """Models of others sign nothing: every byte stays, also where the stream ends after it."""
    for events in ([*THOUGHT, *TEXT, *END], [*THOUGHT, *END]):
        stream = encode([message_start(), *events])
        assert repair_messages(stream) == stream


def test_a_signature_is_told_once() -> None:
    """What comes after a thought that has one is nobody's."""
    signed = [*THOUGHT[:-1], SIGNATURE, THOUGHT[-1], delta(0, "signature_delta", "again"), *TEXT, *END]
    assert content_of(signed)[0]["signature"] == "c2ln"


def test_an_end_that_waits_comes_before_an_error() -> None:
    """The stream broke off right after the thought."""
    told = check_messages_stream(repair_messages(encode([message_start(), *THOUGHT])))
    assert told["type"] == "error"


def test_it_is_said() -> None:
    """In the log line and the trace."""
    repairer = MessageRepairer(ASKED)
    for each in [message_start(), *THOUGHT, SIGNATURE, *TEXT, *END]:
        repairer.take(StreamEvent(each["type"], event(each).split(b"data: ")[1].strip(), event(each)))
    assert describe_repairs(repairer.repairs.counts) == "signature after its block"
