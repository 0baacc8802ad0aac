"""The real Anthropic SDK through the proxy and the shipped pack to a gateway that refuses it without them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import MessageParam, RawMessageStreamEvent, ToolParam

from ruleproxy.gateway import Gateway
from support.server_process import ServerProcess

MODEL = "claude-opus-4-8"
READ: ToolParam = {
    "name": "Read",
    "description": "Reads a file.",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    "cache_control": {"type": "ephemeral"},
}
WISH: MessageParam = {"role": "user", "content": 'please use the tool Read with {"path": "/café/a.py"}'}


@pytest.fixture(params=["api_key", "auth_token"])
def client(request: pytest.FixtureRequest, proxy: ServerProcess) -> Iterator[anthropic.Anthropic]:
    """A client that knows the proxy only, with each way to give a credential."""
    credentials: dict[str, Any] = {request.param: "secret-1"}
    # What is not given is None and not taken from the environment of whoever runs the tests.
    with anthropic.Anthropic(**({"api_key": None} | credentials), base_url=proxy.url, max_retries=0) as made:
        yield made


def text_of(events: Iterator[RawMessageStreamEvent]) -> str:
    """The text that a raw stream carries."""
    return "".join(
        event.delta.text for event in events if event.type == "content_block_delta" and event.delta.type == "text_delta"
    )


def test_the_gateway_refuses_the_sdk_by_itself(gateway: Gateway) -> None:
    """Its path is another one, and what arrives there is refused."""
    with (
        anthropic.Anthropic(auth_token="secret-1", api_key=None, base_url=gateway.origin, max_retries=0) as client,
        pytest.raises(anthropic.NotFoundError, match="no route for /v1/messages"),
    ):
        client.messages.create(model=MODEL, max_tokens=64, messages=[{"role": "user", "content": "hi"}], stream=True)


def test_a_raw_stream_of_text(client: anthropic.Anthropic, gateway: Gateway) -> None:
    """`create(stream=True)`: the events in their order, the text whole, the credential a bearer token upstream."""
    with client.messages.create(
        model=MODEL, max_tokens=64, messages=[{"role": "user", "content": "good morning"}], stream=True
    ) as stream:
        events = list(stream)
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert text_of(iter(events)) == "you said: good morning"
    (seen,) = gateway.seen
    headers = {name.lower(): value for name, value in seen.headers}
    assert headers[b"authorization"] == b"Bearer secret-1"
    assert b"x-api-key" not in headers
    body = json.loads(seen.body)
    assert "stream" not in body
    assert body["prompt_text"] == "proxy bypass"


def test_the_stream_helper(client: anthropic.Anthropic, gateway: Gateway) -> None:
    """`messages.stream`: text, stop reason and both counts of usage."""
    with client.messages.stream(
        model=MODEL, max_tokens=64, messages=[{"role": "user", "content": "good morning"}]
    ) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text == "you said: good morning"
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens == len(gateway.seen[-1].body) // 4 + bool(len(gateway.seen[-1].body) % 4)
    assert message.usage.output_tokens > 0


def test_no_stream(client: anthropic.Anthropic) -> None:
    """A client that asks for no stream gets the gateway's message as it is."""
    message = client.messages.create(model=MODEL, max_tokens=64, messages=[{"role": "user", "content": "good morning"}])
    assert [block.type for block in message.content] == ["text"]
    assert message.to_dict()["content"] == [{"type": "text", "text": "you said: good morning"}]


def test_a_tool_round_with_the_helper(client: anthropic.Anthropic, gateway: Gateway) -> None:
    """The call arrives with its input, the result goes back, the answer quotes it."""
    with client.messages.stream(model=MODEL, max_tokens=64, tools=[READ], messages=[WISH]) as stream:
        asked = stream.get_final_message()
    assert asked.stop_reason == "tool_use"
    call = asked.content[-1]
    assert call.type == "tool_use"
    assert (call.name, call.input) == ("Read", {"path": "/café/a.py"})
    result: MessageParam = {
        "role": "user",
        "content": [
            {"type": "text", "text": "there it is"},
            {"type": "tool_result", "tool_use_id": call.id, "content": "print(1)"},
        ],
    }
    with client.messages.stream(
        model=MODEL,
        max_tokens=64,
        tools=[READ],
        messages=[WISH, {"role": "assistant", "content": asked.content}, result],
    ) as stream:
        assert stream.get_final_text() == "the tool answered: print(1)"
    assert [seen.status for seen in gateway.seen] == [200, 200]


def test_a_tool_round_of_raw_streams(client: anthropic.Anthropic) -> None:
    """Whoever reads the events alone gets the input by its deltas."""
    with client.messages.create(model=MODEL, max_tokens=64, tools=[READ], messages=[WISH], stream=True) as stream:
        events = list(stream)
    starts = [event.content_block for event in events if event.type == "content_block_start"]
    assert [block.type for block in starts] == ["text", "tool_use"]
    call = starts[-1]
    assert call.type == "tool_use"
    pieces = [event.delta for event in events if event.type == "content_block_delta" and event.index == 1]
    partial = "".join(piece.partial_json for piece in pieces if piece.type == "input_json_delta")
    assert json.loads(partial) == {"path": "/café/a.py"}
    turn: list[MessageParam] = [
        WISH,
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": call.id, "name": "Read", "input": json.loads(partial)},
                {"type": "text", "text": "calling"},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "print(2)"}]},
    ]
    with client.messages.create(model=MODEL, max_tokens=64, tools=[READ], messages=turn, stream=True) as stream:
        assert text_of(iter(stream)) == "the tool answered: print(2)"


def test_what_newer_clients_ask_for(client: anthropic.Anthropic, gateway: Gateway) -> None:
    """Beta headers and fields that the gateway has never heard of do not reach it; those it knows do."""
    with client.messages.stream(
        model=MODEL,
        max_tokens=4096,
        messages=[{"role": "user", "content": "good morning"}],
        extra_headers={"anthropic-beta": "effort-2025-11-24,interleaved-thinking-2025-05-14"},
        extra_body={"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
    ) as stream:
        assert stream.get_final_text() == "you said: good morning"
    (seen,) = gateway.seen
    assert [v for k, v in seen.headers if k.lower() == b"anthropic-beta"] == [b"interleaved-thinking-2025-05-14"]
    body = json.loads(seen.body)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 4095}
    assert "output_config" not in body


def test_what_is_not_served_is_told_in_the_clients_words(client: anthropic.Anthropic) -> None:
    """Token counting and the list of models are answered by the proxy with an error that the SDK understands."""
    with pytest.raises(anthropic.NotFoundError, match="count_tokens is not served"):
        client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "hi"}])
    with pytest.raises(anthropic.NotFoundError, match="GET /v1/models is not served"):
        client.models.list()


async def test_the_asynchronous_client(proxy: ServerProcess) -> None:
    """The same answer for the client that coding agents in Python are built on."""
    async with (
        anthropic.AsyncAnthropic(api_key="secret-1", base_url=proxy.url, max_retries=0) as client,
        client.messages.stream(
            model=MODEL, max_tokens=64, messages=[{"role": "user", "content": "good morning"}]
        ) as stream,
    ):
        assert await stream.get_final_text() == "you said: good morning"
