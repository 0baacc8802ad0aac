"""OpenAI responses as streams and back, judged by the types and the accumulator of the SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from ruleproxy.wire.collect_stream import CannotCollectError
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.fake_responses import fake_responses
from ruleproxy.wire.whole import NotAMessageError
from support.streams import collect_responses

GOLDEN: dict[str, Any] = orjson.loads((Path(__file__).parent / "golden" / "response.json").read_bytes())
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
PARTS = st.one_of(
    st.builds(lambda text: {"type": "output_text", "text": text, "annotations": [], "logprobs": []}, TEXT),
    st.builds(lambda text: {"type": "refusal", "refusal": text}, TEXT),
)
ITEMS = st.one_of(
    st.builds(
        lambda parts: {"type": "message", "role": "assistant", "status": "completed", "content": parts},
        st.lists(PARTS, max_size=3),
    ),
    st.builds(
        lambda text: {
            "type": "function_call",
            "call_id": "c",
            "name": "Read",
            "arguments": text,
            "status": "completed",
        },
        TEXT,
    ),
    st.builds(lambda text: {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": text}, TEXT),
    st.builds(
        lambda texts: {"type": "reasoning", "summary": [{"type": "summary_text", "text": text} for text in texts]},
        st.lists(TEXT, max_size=2),
    ),
)


def response(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    output = [{"id": f"item_{number}", **item} for number, item in enumerate(items)]
    return GOLDEN | {"output": output} | fields


def data_of(events: list[StreamEvent]) -> list[dict[str, Any]]:
    return [orjson.loads(event.data) for event in events]


@settings(max_examples=100, deadline=None)
@given(st.lists(ITEMS, max_size=4), st.integers(1, 9))
def test_there_and_back_again(items: list[dict[str, Any]], size: int) -> None:
    """Whatever it holds and however its deltas are cut; what the deltas add up to is what is told at the end."""
    whole = response(*items)
    events = fake_responses(orjson.dumps(whole), delta_size=size)
    assert orjson.loads(collect_responses(events)) == whole
    told = data_of(events)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert [event.type for event in events] == [event["type"] for event in told]
    for done in told:
        if done["type"].endswith("arguments.done"):
            deltas = [
                event["delta"]
                for event in told
                if event["type"] == "response.function_call_arguments.delta"
                and event["output_index"] == done["output_index"]
            ]
            assert "".join(deltas) == done["arguments"]


def test_every_event_is_one_that_the_sdk_knows() -> None:
    """Each of them fits the SDK's own types, in the order that its accumulator asks for.

    A text is done after what is said about it.
    """
    events = data_of(fake_responses(orjson.dumps(GOLDEN), delta_size=8))
    for event in events:
        EVENT.validate_python(event, strict=False)
    kinds = list(dict.fromkeys(event["type"].removeprefix("response.") for event in events))
    assert kinds == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "completed",
    ]


@pytest.mark.parametrize(
    ("status", "more"),
    [
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}),
        ("failed", {"error": {"code": "server_error", "message": "no"}}),
    ],
)
def test_how_it_ended_is_told(status: str, more: dict[str, Any]) -> None:
    """Cut short and failed ones are never told as complete, and collected as what they are."""
    whole = GOLDEN | {"status": status} | more
    events = fake_responses(orjson.dumps(whole))
    assert events[-1].type == f"response.{status}"
    begun = orjson.loads(events[0].data)["response"]
    assert begun["status"] == "in_progress"
    assert begun["error"] is begun["incomplete_details"] is begun["usage"] is None
    assert orjson.loads(collect_responses(events)) == whole


def test_what_is_missing_is_filled() -> None:
    """An id made of the body, the model that was asked for, a status; and an output that the end left out."""
    events = fake_responses(b'{"output":[{"type":"message","content":[]}]}', model="asked")
    end = orjson.loads(events[-1].data)["response"]
    assert end["id"].startswith("resp_")
    assert (end["model"], end["status"], end["object"]) == ("asked", "completed", "response")
    emptied = [
        *events[:-1],
        StreamEvent("response.completed", b'{"type":"response.completed","response":{"id":"r","output":[]}}'),
    ]
    assert orjson.loads(collect_responses(emptied)) == {"id": "r", "output": [{"type": "message", "content": []}]}


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        (b"", "empty", "empty"),
        (b"<html>", "html", "markup"),
        (b'{"error":{"message":"busy"}}', "error", "error object"),
        (b'{"output":[],"status":"queued"}', "other_shape", "the response is queued"),
        (b'{"output":{}}', "other_shape", "output is no list"),
        (b'{"id":"x"}', "other_shape", "output is no list"),
        (b'{"output":[{"type":"message","content":3}]}', "other_shape", "output.0.content is no list"),
    ],
)
def test_what_is_no_response(body: bytes, reason: str, message: str) -> None:
    """Said by its kind."""
    with pytest.raises(NotAMessageError, match=message) as caught:
        fake_responses(body)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], "ended before"),
        (fake_responses(orjson.dumps(GOLDEN))[:-1], "ended before"),
        ([StreamEvent("", b"x")], "event 0 of the stream cannot be read"),
        ([StreamEvent("error", b'{"type":"error","code":"server_error","message":"busy"}')], "busy"),
        ([StreamEvent("", b'{"error":{"message":"busy"}}')], "busy"),
    ],
)
def test_streams_that_tell_no_response(events: list[StreamEvent], reason: str) -> None:
    """A cut is never taken for an end."""
    with pytest.raises(CannotCollectError, match=reason):
        collect_responses(events)
