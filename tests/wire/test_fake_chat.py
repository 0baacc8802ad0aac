"""Chat completions as streams and back, and what is said of what is none."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.wire.collect_stream import CannotCollectError
from ruleproxy.wire.events import StreamEvent
from ruleproxy.wire.fake_chat import DONE, fake_chat
from ruleproxy.wire.whole import NotAMessageError
from support.streams import collect_chat

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
CALLS = st.lists(
    st.builds(
        lambda number, name, arguments: {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        },
        st.integers(0, 99),
        TEXT,
        TEXT,
    ),
    min_size=1,
    max_size=3,
)
MESSAGES = st.one_of(
    st.builds(lambda text: {"role": "assistant", "content": text, "refusal": None}, TEXT),
    st.builds(lambda text, more: {"role": "assistant", "content": text, "reasoning_content": more}, TEXT, TEXT),
    st.builds(lambda calls: {"role": "assistant", "content": None, "tool_calls": calls}, CALLS),
)


def completion(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    choices = [{"index": i, "message": each, "finish_reason": "stop"} for i, each in enumerate(messages)]
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 3, "model": "m", "choices": choices}
    return head | {"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}} | fields


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=3), st.integers(1, 9))
def test_there_and_back_again(messages: list[dict[str, Any]], size: int) -> None:
    """Whatever it holds, in however many choices, and however its deltas are cut."""
    events = fake_chat(orjson.dumps(completion(*messages)), counts=True, delta_size=size)
    assert orjson.loads(collect_chat(events)) == completion(*messages)


def test_a_stream_without_its_last_line_is_whole_where_every_choice_has_stopped() -> None:
    """Some gateways leave `[DONE]` out; where it stands, nothing else has to say so."""
    events = fake_chat(orjson.dumps(completion({"role": "assistant", "content": "hi"})))
    assert orjson.loads(collect_chat(events[:-1]))["choices"][0]["message"]["content"] == "hi"
    assert orjson.loads(collect_chat([*events[:-2], DONE]))["choices"][0]["finish_reason"] is None


def test_log_probabilities_are_joined() -> None:
    """Each chunk tells those of its own piece."""
    chunk = b'{"choices":[{"index":0,"delta":{"content":"%s"},"logprobs":{"content":[{"token":"%s"}]}%s}]}'
    pieces = [chunk % (b"a", b"a", b""), chunk % (b"b", b"b", b',"finish_reason":"stop"')]
    (choice,) = orjson.loads(collect_chat(StreamEvent("", piece) for piece in pieces))["choices"]
    assert choice["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}]}
    assert choice["message"] == {"role": "assistant", "content": "ab"}


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], "ended before"),
        ([DONE], "ended before"),
        (fake_chat(orjson.dumps(completion({"content": "hello"})))[:-2], "ended before"),
        ([StreamEvent("", b"x")], "event 0 of the stream cannot be read"),
        ([StreamEvent("", b"[]")], "event 0 of the stream cannot be read: it is no object"),
        ([StreamEvent("", b'{"choices":[{}]}')], "event 0 of the stream cannot be read: `index` is missing"),
        ([StreamEvent("", b'{"choices":[{"index":0},{"index":"x"}]}'), DONE], "have no order"),
        ([StreamEvent("", b'{"choices":[7]}')], "a member has another type than its format"),
        ([StreamEvent("", b'{"error":{"message":"busy"}}')], "busy"),
    ],
)
def test_what_tells_no_completion(events: list[StreamEvent], reason: str) -> None:
    """Never a made-up end."""
    with pytest.raises(CannotCollectError, match=reason):
        collect_chat(events)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"<html>", "html"),
        (b"[]", "not_json"),
        (b'{"error":{"message":"no"}}', "error"),
        (b'{"id":"x"}', "other_shape"),
        (b'{"choices":[{"message":3}]}', "other_shape"),
        (b'{"choices":[]}', "other_shape"),
        (b'{"choices":[{"message":{"tool_calls":[3]}}]}', "other_shape"),
    ],
)
def test_what_is_no_completion(body: bytes, reason: str) -> None:
    """Told apart as for messages."""
    with pytest.raises(NotAMessageError) as caught:
        fake_chat(body)
    assert caught.value.reason == reason


def test_what_a_completion_leaves_out() -> None:
    """An id is made of its bytes, the model is the one that was asked for; arguments that are no string become one."""
    body = b'{"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"a":1.0}}},{"id":"x"}]}}]}'
    events = fake_chat(body, model="asked")
    first, *_ = chunks = [orjson.loads(event.data) for event in events[:-1]]
    assert (first["model"], first["created"], first["object"]) == ("asked", 0, "chat.completion.chunk")
    assert first["id"].startswith("chatcmpl-")
    assert "usage" not in first
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant"}
    assert {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1.0}'}}]} in deltas
    assert {"tool_calls": [{"index": 1, "id": "x"}]} in deltas
