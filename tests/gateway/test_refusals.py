"""Each thing the strict gateway refuses, over a socket, in the words that rules are written against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ruleproxy.gateway import Gateway
from support.bodies import claude_code_body, claude_code_headers, encode_body
from support.gateway_body import accepted_body, tool_round

Body = dict[str, Any]
MARK = {"type": "ephemeral"}
TOOL = {"name": "look", "description": "d", "input_schema": {"type": "object"}}


def changed(change: Callable[[list[Body]], object]) -> Body:
    """A tool round with one thing wrong."""
    messages = tool_round()
    change(messages)
    return accepted_body(*messages, tools=[TOOL])


def without(name: str) -> Body:
    body = accepted_body()
    del body[name]
    return body


def system(**fields: Any) -> list[Body]:
    return [{"type": "text", "text": "s", **fields}]


REFUSED = {
    "no audit key": (without("prompt_text"), "prompt_text: Field required"),
    "no model": (without("model"), "model: Field required"),
    "no messages": (without("messages"), "messages: Field required"),
    "no max_tokens": (without("max_tokens"), "max_tokens: Field required"),
    "empty messages": (accepted_body(messages=[]), "messages: at least one message is required"),
    "max_tokens of 0": (accepted_body(max_tokens=0), "max_tokens: Input should be greater than or equal to 1"),
    "context management": (
        accepted_body(context_management={"edits": []}),
        "context_management: Extra inputs are not permitted",
    ),
    "output config": (
        accepted_body(output_config={"effort": "high"}),
        "output_config: Extra inputs are not permitted",
    ),
    "metadata": (accepted_body(metadata={"team": "a"}), "metadata.team: Extra inputs are not permitted"),
    "adaptive thinking": (
        accepted_body(thinking={"type": "adaptive"}),
        "thinking: Input tag 'adaptive' found using 'type' does not match any of the expected tags: "
        "'disabled', 'enabled'",
    ),
    "small budget": (
        accepted_body(thinking={"type": "enabled", "budget_tokens": 10}),
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    "budget of all tokens": (
        accepted_body(thinking={"type": "enabled", "budget_tokens": 2048}),
        "`max_tokens` must be greater than `thinking.budget_tokens`",
    ),
    "tool field": (
        accepted_body(tools=[{**TOOL, "eager_input_streaming": True}]),
        "tools.0.custom.eager_input_streaming: Extra inputs are not permitted",
    ),
    "mark scope": (
        accepted_body(system=system() * 2 + system(cache_control={**MARK, "scope": "global"})),
        "system.2.cache_control.ephemeral.scope: Extra inputs are not permitted",
    ),
    "mark ttl": (
        accepted_body(tools=[{**TOOL, "cache_control": {**MARK, "ttl": "1h"}}]),
        "tools.0.custom.cache_control.ephemeral.ttl: Extra inputs are not permitted",
    ),
    "block field": (
        changed(lambda messages: messages[1]["content"][2].update(signature="s")),
        "messages.1.content.2.tool_use.signature: Extra inputs are not permitted",
    ),
    "nested block field": (
        changed(lambda messages: messages[2]["content"][0]["content"][0].update(x=1)),
        "messages.2.content.0.tool_result.content.0.text.x: Extra inputs are not permitted",
    ),
    "message field": (
        accepted_body({"role": "user", "content": "a", "id": 1}),
        "messages.0.id: Extra inputs are not permitted",
    ),
    "system role": (
        accepted_body({"role": "user", "content": "a"}, {"role": "system", "content": "b"}),
        "messages.1.role: Input should be 'user' or 'assistant'",
    ),
    "same role twice": (
        accepted_body({"role": "user", "content": "a"}, {"role": "user", "content": "b"}),
        'messages: roles must alternate between "user" and "assistant", but found multiple "user" roles in a row',
    ),
    "assistant first": (
        accepted_body({"role": "assistant", "content": "a"}),
        'messages: first message must use the "user" role',
    ),
    "empty content": (
        accepted_body({"role": "user", "content": []}),
        "messages.0: all messages must have non-empty content except for the optional final assistant message",
    ),
    "blank text": (
        accepted_body({"role": "user", "content": [{"type": "text", "text": " \n"}]}),
        "messages: text content blocks must be non-empty",
    ),
    "blank text in a result": (
        changed(lambda messages: messages[2]["content"][0].update(content=[{"type": "text", "text": ""}])),
        "messages: text content blocks must be non-empty",
    ),
    "blank marked text": (
        accepted_body({"role": "user", "content": [{"type": "text", "text": "", "cache_control": MARK}]}),
        "messages.0.content.0.text: cache_control cannot be set for empty text blocks",
    ),
    "blank system": (
        accepted_body(system=[{"type": "text", "text": ""}]),
        "system: text content blocks must be non-empty",
    ),
    "empty thinking": (
        changed(lambda messages: messages[1]["content"][0].update(signature="")),
        "messages.1.content.0.thinking: each thinking block must contain thinking",
    ),
    "unsigned thinking": (
        changed(lambda messages: messages[1]["content"][0].update(thinking="Hm", signature="")),
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    "thinking without signature": (
        changed(lambda messages: messages[1]["content"][0].pop("signature")),
        "messages.1.content.0.thinking.signature: Field required",
    ),
    "thinking of a user": (
        accepted_body({"role": "user", "content": [{"type": "redacted_thinking", "data": "x"}]}),
        "messages.0.content.0: `redacted_thinking` blocks can only be in `assistant` messages",
    ),
    "call not last": (
        changed(lambda messages: messages[1]["content"].reverse()),
        "messages.1: `tool_use` blocks must be at the end of the content",
    ),
    "result not first": (
        changed(lambda messages: messages[2]["content"].reverse()),
        "messages.2: `tool_result` blocks must be at the beginning of the content",
    ),
    "call without result": (
        changed(lambda messages: messages[2]["content"].pop(0)),
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1. Each "
        "`tool_use` block must have a corresponding `tool_result` block in the next message.",
    ),
    "call at the end": (
        changed(lambda messages: messages.pop()),
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1. Each "
        "`tool_use` block must have a corresponding `tool_result` block in the next message.",
    ),
    "result without call": (
        changed(lambda messages: messages[1]["content"].pop()),
        "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1. Each "
        "`tool_result` block must have a corresponding `tool_use` block in the previous message.",
    ),
    "same call twice": (
        changed(lambda messages: messages[1]["content"].append(messages[1]["content"][-1])),
        "messages: `tool_use` ids must be unique",
    ),
    "same tool twice": (accepted_body(tools=[TOOL, TOOL]), "tools: Tool names must be unique."),
    "five marks": (
        accepted_body(
            *tool_round()[:2],
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "content": [{"type": "text", "text": "a", "cache_control": MARK}],
                        "cache_control": MARK,
                    },
                    {"type": "text", "text": "b", "cache_control": MARK},
                ],
            },
            tools=[{**TOOL, "cache_control": MARK}],
            system=system(cache_control=MARK),
        ),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_the_provider_would_refuse_is_a_400_in_its_words(
    gateway: Gateway, client: httpx.AsyncClient, name: str
) -> None:
    """An Anthropic error object with the very message."""
    body, message = REFUSED[name]
    answer = await client.post(gateway.url, json=body)
    error = {"type": "invalid_request_error", "message": message}
    assert (answer.status_code, answer.json()) == (400, {"type": "error", "error": error})


@pytest.mark.parametrize(
    ("method", "suffix", "headers", "status", "kind", "words"),
    [
        ("POST", "/v1/messages", {}, 404, "not_found_error", "/v1/messages"),
        ("POST", "/", {}, 404, "not_found_error", "no route"),
        ("POST", "?beta=true", {}, 404, "not_found_error", "routes match the whole URL"),
        ("GET", "", {}, 405, "invalid_request_error", "only POST"),
        ("POST", "", {"authorization": "Basic dTpw"}, 401, "authentication_error", "bearer"),
        ("POST", "", {"authorization": "Bearer"}, 401, "authentication_error", "bearer"),
        ("POST", "", {"anthropic-beta": "claude-code-20250219"}, 400, "invalid_request_error", "invalid beta flag"),
        (
            "POST",
            "",
            {"anthropic-beta": "interleaved-thinking-2025-05-14, effort-2025-11-24"},
            400,
            "invalid_request_error",
            "invalid beta flag",
        ),
    ],
)
async def test_routing_and_headers_are_strict(
    gateway: Gateway,
    client: httpx.AsyncClient,
    method: str,
    suffix: str,
    headers: dict[str, str],
    status: int,
    kind: str,
    words: str,
) -> None:
    """The whole URL, one method, a bearer token, known betas only."""
    answer = await client.request(method, gateway.url + suffix, json=accepted_body(), headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == kind
    assert words in answer.json()["error"]["message"]


async def test_no_token_is_a_401_and_a_head_has_no_body(gateway: Gateway) -> None:
    """An `x-api-key` is no token here; the probe that clients send to the base path finds nothing."""
    async with httpx.AsyncClient() as stranger:
        answer = await stranger.post(gateway.url, json=accepted_body(), headers={"x-api-key": "k"})
        assert answer.status_code == 401
        probe = await stranger.head(gateway.origin + "/")
        assert (probe.status_code, probe.content) == (404, b"")


async def test_a_stream_is_refused_and_a_false_stream_is_not(gateway: Gateway, client: httpx.AsyncClient) -> None:
    """403, as security gateways do."""
    answer = await client.post(gateway.url, json=accepted_body(stream=True))
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")
    assert "stream" in answer.json()["error"]["message"]
    assert (await client.post(gateway.url, json=accepted_body(stream=False))).status_code == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
        (rb'{"prompt_text": "\ud800"}', "not valid JSON"),
        (b"[]", "valid dictionary"),
    ],
)
async def test_what_is_no_json_object_is_refused(
    gateway: Gateway, client: httpx.AsyncClient, body: bytes, words: str
) -> None:
    """Half a surrogate pair included: the provider's parser does not take it."""
    answer = await client.post(gateway.url, content=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


async def test_a_body_over_the_limit_is_refused(gateway: Gateway, client: httpx.AsyncClient) -> None:
    """413 past 32 MiB."""
    answer = await client.post(gateway.url, content=b" " * (32 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "request_too_large")


async def test_two_header_lines_of_betas_are_both_read(gateway: Gateway, client: httpx.AsyncClient) -> None:
    """A bad value cannot hide in the second."""
    lines = [("anthropic-beta", "web-search-2025-03-05"), ("anthropic-beta", "no-such-beta")]
    answer = await client.post(gateway.url, json=accepted_body(), headers=[("authorization", "Bearer t"), *lines])
    assert answer.json()["error"]["message"] == "invalid beta flag"
    answer = await client.post(gateway.url, json=accepted_body(), headers=dict(lines[:1]))
    assert answer.status_code == 200


async def test_a_raw_request_of_claude_code_breaks_one_rule_after_the_other(
    gateway: Gateway, client: httpx.AsyncClient
) -> None:
    """What the demo's rules have to repair, each named by the gateway in turn."""
    headers = dict(claude_code_headers())
    body = claude_code_body()
    found: list[str] = []
    repairs: list[Callable[[], object]] = [
        lambda: body.pop("stream"),
        lambda: headers.pop("anthropic-beta"),
        lambda: body.update(prompt_text="x"),
        lambda: body["messages"].pop(1),
        lambda: body.update(thinking={"type": "enabled", "budget_tokens": 1024}),
        lambda: body.pop("context_management"),
        lambda: body.pop("output_config"),
    ]
    for repair in repairs:
        answer = await client.post(gateway.url, content=encode_body(body), headers=headers)
        found.append(answer.json()["error"]["message"].split(":")[0])
        repair()
    assert found == [
        "streaming responses are blocked by this gateway",
        "invalid beta flag",
        "prompt_text",
        "messages.1.role",
        "thinking",
        "context_management",
        "output_config",
    ]
    answer = await client.post(gateway.url, content=encode_body(body), headers=headers)
    assert answer.status_code == 200
