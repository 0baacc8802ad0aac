"""Halves of characters: real streams cut an emoji between two deltas, and no reader of ours may lose it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ruleproxy.wire.bedrock import encode_event, type_of
from ruleproxy.wire.collect_stream import CannotCollectError
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.framing import AWS_EVENT_STREAM, SERVER_SENT_EVENTS
from support.streams import collect_chat, collect_stream

HIGH, LOW = b"\\ud83d", b"\\ude00"
USAGE = {"input_tokens": 3, "output_tokens": 5}


def event(**data: Any) -> StreamEvent:
    return StreamEvent(str(data["type"]), json.dumps(data).encode())


def delta(kind: str, member: str, text: bytes) -> StreamEvent:
    data = b'{"type":"content_block_delta","index":0,"delta":{"type":"%s","%s":"%s"}}'
    return StreamEvent("content_block_delta", data % (kind.encode(), member.encode(), text))


def stream(block: dict[str, Any], *deltas: StreamEvent) -> list[StreamEvent]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "usage": USAGE}
    return [
        event(type="message_start", message=message),
        event(type="content_block_start", index=0, content_block=block),
        *deltas,
        event(type="content_block_stop", index=0),
        event(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5}),
        event(type="message_stop"),
    ]


TEXT = {"type": "text", "text": ""}
TOOL = {"type": "tool_use", "id": "t", "name": "n", "input": {}}


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ((b"a" + HIGH, LOW + b"b"), "a\U0001f600b"),
        ((HIGH + LOW,), "\U0001f600"),
        ((HIGH, b"b"), "\ud83db"),
        ((LOW,), "\ude00"),
    ],
)
def test_a_text_is_collected_with_them(pieces: tuple[bytes, ...], text: str) -> None:
    """Two that meet are a character; one that is alone arrives as it came."""
    body = collect_stream(stream(TEXT, *(delta("text_delta", "text", piece) for piece in pieces)))
    assert json.loads(body)["content"] == [{"type": "text", "text": text}]
    body.decode()  # whole ones are UTF-8, a lone one is an escape


@pytest.mark.parametrize(
    ("pieces", "value"),
    [
        ((b'{\\"a\\":\\"' + HIGH, LOW + b'\\"}'), "\U0001f600"),
        ((b'{\\"a\\": \\"' + HIGH, b'\\"}'), "\ud83d"),
        ((b'{\\"a\\": \\"\\' + HIGH + b'\\"}',), "\ud83d"),
        ((b'{\\"a\\": \\"\\' + HIGH, b"\\" + LOW + b'\\"}'), "\U0001f600"),
    ],
)
def test_an_input_is_collected_with_them(pieces: tuple[bytes, ...], value: str) -> None:
    """Told by the event, or spelled within the input."""
    body = collect_stream(stream(TOOL, *(delta("input_json_delta", "partial_json", piece) for piece in pieces)))
    assert json.loads(body)["content"][0]["input"] == {"a": value}


def test_a_completion_is_collected_with_them() -> None:
    """Chunks of a chat completion."""
    data = b'{"id":"c","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":%s}]}'
    chunks = [StreamEvent("", data % (HIGH, b"null")), StreamEvent("", data % (LOW, b'"stop"'))]
    assert json.loads(collect_chat(chunks))["choices"][0]["message"]["content"] == "\U0001f600"


def test_what_is_no_json_is_still_refused() -> None:
    """A half is no excuse for anything else."""
    for data in (b'{"a":"%s"' % HIGH, b'{"a":NaN,"b":"%s"}' % HIGH):
        with pytest.raises(CannotCollectError, match="event 0 of the stream cannot be read"):
            collect_stream([StreamEvent("content_block_delta", data)])
    with pytest.raises(CannotCollectError, match="is not JSON"):
        collect_stream(stream(TOOL, delta("input_json_delta", "partial_json", HIGH)))


def test_a_frame_of_them_keeps_its_type() -> None:
    """Without it the event would have no name on its way to a client that reads names alone."""
    half = delta("text_delta", "text", HIGH)
    assert type_of(half.data) == "content_block_delta"
    (item,) = AWS_EVENT_STREAM.decode(encode_event("", half.data))
    assert isinstance(item, StreamEvent)
    assert SERVER_SENT_EVENTS.encode_foreign(item) == b"event: content_block_delta\ndata: " + half.data + b"\n\n"
