"""Laws of the repair of Anthropic streams, tried on streams made by chance."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.wire.fake_stream import fake_stream
from support.repairing import (
    GOOD,
    STOP,
    THINKING,
    block_start,
    block_stop,
    delta,
    encode,
    event,
    message_delta,
    message_of,
    message_start,
    repair_messages,
    spell,
)
from support.strict_events import check_messages_stream

ANY_EVENTS = st.one_of(
    st.sampled_from([*GOOD, *THINKING, STOP, message_start(id=""), message_start(usage=3), message_start(content=[3])]),
    st.builds(message_delta, st.sampled_from(["end_turn", "tool_use", "max_tokens", "length", None, "", 3])),
    st.builds(
        delta,
        st.integers(-1, 3) | st.none(),
        st.sampled_from(["text_delta", "thinking_delta", "signature_delta", "input_json_delta", "x_delta", None]),
        st.sampled_from(["", "a", "{", "}", '{"a":1}', None, 3, {}]),
    ),
    st.builds(
        block_start,
        st.integers(-1, 3) | st.none(),
        st.sampled_from(
            [
                {"type": "text", "text": ""},
                {"type": "text", "text": "x"},
                {"type": "text"},
                {"type": "thinking", "thinking": "y", "signature": "s"},
                {"type": "redacted_thinking", "data": "z"},
                {"type": "tool_use", "id": "t", "name": "n", "input": {}},
                {"type": "tool_use", "name": "n", "input": {"a": 1}},
                {"type": "server_tool_use", "id": "t", "name": "n"},
                {"type": "x_block", "of": []},
                {"text": 3},
                {},
                None,
                [],
            ]
        ),
    ),
    st.builds(block_stop, st.integers(-1, 3) | st.none()),
    st.sampled_from([{"type": "x_event"}, {"type": 3}, {}, {"type": "error"}, {"error": "x"}, {"type": "a\nb"}]),
)
NOISE = [
    b"data: [DONE]\n\n",
    b": c\n\n",
    b"\n",
    b"data: x\n\n",
    b"event: message_stop\n\n",
    b"data:\n\n",
    b"id: 1\n\n",
    b"\xef\xbb\xbf",
    b"data: \xff\n\n",
    b"data: {\n\n",
    b'data: {"type":\ndata: "ping"}\r\r',
    b"event: message_delta\n",
]
ANY_STREAM = st.lists(
    st.one_of(
        ANY_EVENTS.map(lambda data: event(data, str(data.get("type", "")).replace("\n", ""))),
        ANY_EVENTS.map(lambda data: event(data, "")),
        st.sampled_from(NOISE),
    ),
    max_size=14,
).map(b"".join)


@settings(max_examples=600, deadline=None)
@given(ANY_STREAM | st.lists(st.sampled_from(GOOD), max_size=14).map(encode), st.integers(0, 30))
def test_whatever_comes_the_client_reads_a_stream(stream: bytes, cut: int) -> None:
    """It conforms to the end or ends with an error; repairing it again changes nothing."""
    for came in (stream, encode(GOOD[:3]) + stream, stream[: len(stream) - cut]):
        repaired = repair_messages(came)
        check_messages_stream(repaired)
        assert repair_messages(repaired) == repaired


@settings(max_examples=150, deadline=None)
@given(ANY_STREAM, st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_how_a_stream_is_cut_into_pieces_does_not_matter(stream: bytes, sizes: list[int]) -> None:
    """The same bytes for the client, down to one byte at a time."""
    pieces, at = list[bytes](), 0
    while at < len(stream):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(stream[at : at + size])
        at += size
    assert repair_messages(*pieces) == repair_messages(stream)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["text", "thinking", "tool"]), max_size=5), st.text(max_size=30), st.integers(1, 5))
def test_streams_of_whole_messages_conform(kinds: list[str], text: str, size: int) -> None:
    """What is faked needs no repair, and the strict reader gets the message back."""
    blocks: dict[str, dict[str, Any]] = {
        "text": {"type": "text", "text": text},
        "thinking": {"type": "thinking", "thinking": text, "signature": "c2ln"},
        "tool": {"type": "tool_use", "id": "t", "name": "n", "input": {"a": text}},
    }
    content = [blocks[kind] for kind in kinds]
    whole = {**message_start()["message"], "content": content, "stop_reason": "end_turn"}
    stream = spell(fake_stream(json.dumps(whole).encode(), delta_size=size))
    assert repair_messages(stream) == stream
    assert message_of(stream)["content"] == content
