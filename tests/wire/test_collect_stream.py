"""Streams put together again: what the events tell, and what is said where they tell no whole message."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.wire.collect_stream import CannotCollectError
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.fake_stream import fake_stream
from support.streams import collect_stream

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
BLOCKS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, st.text(max_size=40)),
    st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": "c2ln"}, st.text(max_size=20)),
    st.builds(
        lambda value: {"type": "tool_use", "id": "t", "name": "n", "input": value},
        st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    ),
)
TEXT = [{"type": "text", "text": "a"}]


def message(content: list[Any]) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 5},
    }


@settings(max_examples=100, deadline=None)
@given(st.lists(BLOCKS, max_size=4), st.integers(1, 9))
def test_it_is_the_way_back_from_a_faked_stream(content: list[Any], size: int) -> None:
    """Whatever a message holds and however its deltas are cut."""
    events = fake_stream(orjson.dumps(message(content)), delta_size=size)
    assert orjson.loads(collect_stream(events)) == message(content)


def test_counts_that_are_told_last_are_the_ones_that_count() -> None:
    """Pings and events of other kinds are passed over."""
    events = fake_stream(orjson.dumps(message([])))
    told = [StreamEvent(event.type, event.data.replace(b'"output_tokens":5', b'"output_tokens":9')) for event in events]
    collected = orjson.loads(collect_stream([StreamEvent("ping", b'{"type":"ping"}'), *told]))
    assert collected["usage"] == {"input_tokens": 3, "output_tokens": 9}


@pytest.mark.parametrize("content", [[], TEXT])
def test_the_last_event_may_be_missing(content: list[Any]) -> None:
    """Some gateways leave message_stop out; what was told before it is whole."""
    collected = collect_stream(fake_stream(orjson.dumps(message(content)))[:-1])
    assert orjson.loads(collected) == message(content)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "compaction", "content": "so far"},
        {"type": "compaction", "content": None},
        {"type": "compaction", "content": "so far", "encrypted_content": "Eo8=", "signature": "c2ln"},
    ],
)
def test_compactions(block: dict[str, Any]) -> None:
    """Their delta carries final values, which take the place of what the block started with."""
    events = fake_stream(orjson.dumps(message([block])))
    assert orjson.loads(collect_stream(events)) == message([block])


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        ([], "ended before"),
        (fake_stream(orjson.dumps(message([])))[:-2], "ended before"),
        (fake_stream(orjson.dumps(message([]) | {"stop_reason": None}))[:-1], "ended before"),
        ([each for each in fake_stream(orjson.dumps(message(TEXT)))[:-1] if "_stop" not in each.type], "ended before"),
        ([StreamEvent("message_delta", b'{"type":"message_delta","delta":{}}')], "does not begin"),
        ([StreamEvent("", b"x")], "event 0 of the stream cannot be read"),
        ([StreamEvent("", b"[]")], "event 0 of the stream cannot be read"),
        ([StreamEvent("x", b"{}")], "event 0 of the stream cannot be read: `type` is missing"),
        (
            [StreamEvent("x", b'{"type":"content_block_delta","index":4,"delta":{}}')],
            "it goes on with what was not begun",
        ),
        ([StreamEvent("x", b'{"type":"message_start","message":7}')], "a member has another type than its format"),
        ([StreamEvent("error", b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}')], "busy"),
    ],
)
def test_what_tells_no_message(stream: list[StreamEvent], reason: str) -> None:
    """The reason names the place."""
    with pytest.raises(CannotCollectError, match=reason):
        collect_stream(stream)


def test_indices_without_an_order() -> None:
    """Parts that an upstream calls 0 and "x" cannot follow each other."""
    starts = [
        event("content_block_start", index=index, content_block={"type": "text", "text": ""}) for index in (0, "x")
    ]
    end = event("message_stop")
    with pytest.raises(CannotCollectError, match="have no order"):
        collect_stream([event("message_start", message=message([])), *starts, end])


def event(kind: str, **members: Any) -> StreamEvent:
    return StreamEvent(kind, orjson.dumps({"type": kind} | members))


def test_pieces_of_long_texts_are_joined_once() -> None:
    """Tens of thousands of deltas behind twenty megabytes, and as many citations."""
    count = 50_000
    long = "x" * 20_000_000
    events = [
        event("message_start", message=message([])),
        event("content_block_start", index=0, content_block={"type": "text", "text": long}),
        *[event("content_block_delta", index=0, delta={"type": "text_delta", "text": "y"})] * count,
        *[event("content_block_delta", index=0, delta={"type": "citations_delta", "citation": 1})] * count,
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn"}),
        event("message_stop"),
    ]
    block = orjson.loads(collect_stream(events))["content"][0]
    assert block == {"type": "text", "text": long + "y" * count, "citations": [1] * count}


def test_a_message_of_very_many_parts_is_refused() -> None:
    """Each block and each count takes far more memory than its text does."""
    starts = (event("content_block_start", index=at, content_block={}) for at in range(200_000))
    with pytest.raises(CannotCollectError, match="more than 100000 blocks, citations and counts"):
        collect_stream([event("message_start", message=message([])), *starts])
