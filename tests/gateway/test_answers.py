"""What the strict gateway answers when it takes a request, to plain HTTP and to the real SDK."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from anthropic import AsyncAnthropic, PermissionDeniedError

from ruleproxy.gateway import Gateway, serve_gateway
from support.gateway_body import accepted_body, tool_round

LOOK: Any = {
    "name": "look",
    "description": "Look at a file",
    "input_schema": {
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "depth": {"type": "integer"},
            "mode": {"type": "string", "enum": ["all", "first"]},
            "note": {"type": "string"},
            "free": {},
        },
        "required": ["path", "depth", "mode", "free"],
    },
}
EXAMPLES = {"path": "example", "depth": 1, "mode": "all", "free": "example"}


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


async def test_a_text_is_quoted_in_a_whole_message(gateway: Gateway, client: httpx.AsyncClient) -> None:
    """With the model that was asked for, counts, and the same answer to the same bytes."""
    first = await client.post(gateway.url, json=accepted_body(said("<reminder>not this</reminder>"), model="my-model"))
    assert first.json()["content"] == [{"type": "text", "text": "you said: "}]
    answer = await client.post(gateway.url, json=accepted_body())
    message = answer.json()
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", "corp-opus")
    assert message["content"] == [{"type": "text", "text": "you said: Hello"}]
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    assert message["usage"]["input_tokens"] == -(-len(answer.request.content) // 4)
    assert (await client.post(gateway.url, json=accepted_body())).content == answer.content


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Please use the tool look.", EXAMPLES),
        ('use the tool look with {"path": "a b", "n": [1]} now', {"path": "a b", "n": [1]}),
        ("Use the tool look with {care}", EXAMPLES),
        (
            "use the tool hammer, or use the tool look",
            {"path": "example", "depth": 1, "mode": "all", "free": "example"},
        ),
    ],
)
async def test_a_tool_is_called_by_its_name(
    gateway: Gateway, client: httpx.AsyncClient, words: str, expected: dict[str, Any]
) -> None:
    """With the input given, or with examples of what its schema requires."""
    message = (await client.post(gateway.url, json=accepted_body(said(words), tools=[LOOK]))).json()
    text, call = message["content"]
    assert text["type"] == "text"
    assert (call["type"], call["name"], call["input"]) == ("tool_use", "look", expected)
    assert message["stop_reason"] == "tool_use"


async def test_a_tool_that_was_not_offered_is_not_called(gateway: Gateway, client: httpx.AsyncClient) -> None:
    """The words are quoted instead."""
    for tools in ([], [{**LOOK, "name": "other", "input_schema": {"type": "object"}}]):
        message = (await client.post(gateway.url, json=accepted_body(said("use the tool look"), tools=tools))).json()
        assert message["content"] == [{"type": "text", "text": "you said: use the tool look"}]


async def test_a_tool_result_is_quoted(gateway: Gateway, client: httpx.AsyncClient) -> None:
    """A signed empty thinking block, four marks and a mark-like key inside a tool's input are all taken."""
    messages = tool_round()
    for block in (messages[0]["content"][0], messages[1]["content"][2], *messages[2]["content"]):
        block["cache_control"] = {"type": "ephemeral"}
    answer = await client.post(gateway.url, json=accepted_body(*messages, metadata={"user_id": "{}"}))
    assert answer.json()["content"] == [{"type": "text", "text": "the tool answered: 42"}]


async def test_the_gateway_remembers_what_arrived(gateway: Gateway, client: httpx.AsyncClient) -> None:
    """For tests that ask what a proxy really sent."""
    await client.post(gateway.url + "?x=1", content=b"{}")
    await client.post(gateway.url, json=accepted_body())
    refused, taken = gateway.seen
    assert (refused.method, refused.query, refused.body, refused.status) == ("POST", b"x=1", b"{}", 404)
    assert (taken.raw_path, taken.status) == (gateway.path.encode(), 200)
    assert (b"authorization", b"Bearer token") in [(name.lower(), value) for name, value in taken.headers]


async def test_the_sdk_plays_a_tool_round() -> None:
    """Anthropic's own client, with the audit key as an extra field and its path served as the exact one."""
    audit = {"prompt_text": "proxy bypass"}
    async with (
        serve_gateway(path="/v1/messages") as gateway,
        AsyncAnthropic(auth_token="t", base_url=gateway.origin, max_retries=0) as client,
    ):
        messages: list[Any] = [said('use the tool look with {"path": "p"}')]
        call = await client.messages.create(
            model="m", max_tokens=100, messages=messages, tools=[LOOK], extra_body=audit
        )
        tool_use = call.content[-1]
        assert tool_use.type == "tool_use"
        assert tool_use.input == {"path": "p"}
        messages.append({"role": "assistant", "content": [block.to_dict() for block in call.content]})
        result = {"type": "tool_result", "tool_use_id": tool_use.id, "content": "found it"}
        messages.append({"role": "user", "content": [result]})
        done = await client.messages.create(
            model="m", max_tokens=100, messages=messages, tools=[LOOK], extra_body=audit
        )
        assert done.content[0].to_dict() == {"type": "text", "text": "the tool answered: found it"}
        assert done.usage.output_tokens > 0
        with pytest.raises(PermissionDeniedError, match="stream"):
            await client.messages.create(model="m", max_tokens=100, messages=messages, stream=True, extra_body=audit)
