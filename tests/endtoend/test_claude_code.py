"""The body that Claude Code sends: refused by a strict gateway, accepted through the proxy, nothing said is lost."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleproxy.gateway import Gateway
from support.bodies import BETAS, Body, Thinking, claude_code_body, claude_code_headers, encode_body
from support.events import text_of, types_of
from support.raw_client import RawAnswer, RawClient
from support.server_process import ServerProcess

HEADERS = [f"{name}: {value}".encode() for name, value in claude_code_headers()]
TARGET = b"/v1/messages?beta=true"
ROLES = [
    "us",
    "us au us s au",
    "us tr",
    "us trs",
    "us tr tr s tr a us",
    "us t s r",
    "us a s a u",
    "us tr s a s",
    "u s s u",
    "u a a u",
    "u tr u s",
]
ROLE_STRINGS = st.lists(st.sampled_from(["u", "us", "a", "as", "tr", "trs", "tsr", "tru"]), max_size=8).map(
    lambda parts: "u" + "".join(parts)
)


def ask(port: int, target: bytes, body: bytes) -> RawAnswer:
    """The answer to a request with the client's headers."""
    with RawClient(port) as client:
        return client.ask(target, body, headers=HEADERS)


def refusal(gateway: Gateway, body: Body) -> str:
    """What the gateway says to a body that its users' clients send right to its URL."""
    answer = ask(gateway.port, gateway.path.encode(), encode_body(body))
    assert answer.status != 200
    return str(json.loads(answer.body)["error"]["message"])


def assert_accepted(proxy: ServerProcess, gateway: Gateway, body: Body) -> Body:
    """The gateway takes the body through the proxy and the client gets a whole stream. What arrived there."""
    gateway.seen.clear()
    answer = ask(proxy.port, TARGET, encode_body(body))
    assert answer.status == 200, answer.body
    assert answer.values(b"content-type") == [b"text/event-stream; charset=utf-8"]
    kinds = types_of(answer.body)
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert text_of(answer.body).startswith(("you said: ", "the tool answered: "))
    (seen,) = gateway.seen
    arrived: Body = json.loads(seen.body)
    return arrived


def spoken(body: Body) -> list[str]:
    """Every text, thought, call and result of a conversation, in order."""
    said: list[str] = []
    for message in body["messages"]:
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            match block["type"]:
                case "text":
                    said.append(block["text"].removeprefix("<system-reminder>").removesuffix("</system-reminder>"))
                case "thinking":
                    said.append(block["thinking"] + block["signature"])
                case "redacted_thinking":
                    said.append(block["data"])
                case "tool_use":
                    said.append(block["id"])
                case "tool_result":
                    said.append("result of " + block["tool_use_id"])
    return [text for text in said if text]


def marks(value: Any) -> int:
    """How many cache marks there are."""
    return encode_body(value).count(b'"cache_control"')


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("stream", "streaming responses are blocked"),
        ("prompt_text", "prompt_text: Field required"),
        ("messages", "messages.1.role: Input should be 'user' or 'assistant'"),
        ("thinking", "thinking"),
        ("context_management", "context_management: Extra inputs are not permitted"),
        ("output_config", "output_config: Extra inputs are not permitted"),
    ],
)
def test_each_thing_that_the_gateway_refuses(proxy: ServerProcess, gateway: Gateway, key: str, said: str) -> None:
    """What arrives through the proxy is taken; with any one thing as the client sends it, it is refused again."""
    body = claude_code_body("us")
    arrived = assert_accepted(proxy, gateway, body)
    arrived.pop(key, None)
    if key in body:
        arrived[key] = body[key]
    with RawClient(gateway.port) as client:
        answer = client.ask(gateway.path.encode(), encode_body(arrived), headers=[b"Authorization: Bearer token"])
    assert answer.status in (400, 403)
    assert said in json.loads(answer.body)["error"]["message"]


def test_the_gateway_refuses_the_betas(gateway: Gateway) -> None:
    """The last thing in its way, once the body asks for no stream."""
    body = claude_code_body("us")
    assert "streaming" in refusal(gateway, body)
    del body["stream"]
    assert refusal(gateway, body) == "invalid beta flag"


@pytest.mark.parametrize("roles", ROLES)
def test_role_strings(proxy: ServerProcess, gateway: Gateway, roles: str) -> None:
    """System turns wherever clients put them: refused before, accepted after, and every word arrives in order."""
    body = claude_code_body(roles)
    refusal(gateway, body)
    arrived = assert_accepted(proxy, gateway, body)
    assert "system" not in [message["role"] for message in arrived["messages"]]
    assert sorted(spoken(arrived)) == sorted(spoken(body))
    if "t s r" not in roles:
        assert spoken(arrived) == spoken(body)
    assert marks(arrived) == 3
    assert arrived["tools"] == body["tools"]
    assert arrived["system"] == body["system"]
    assert arrived["metadata"] == body["metadata"]


@pytest.mark.parametrize("thinking", get_args(Thinking))
@pytest.mark.parametrize("roles", ["us tr au", "us a s a u"])
def test_replayed_thinking(proxy: ServerProcess, gateway: Gateway, roles: str, thinking: Thinking) -> None:
    """Empty unsigned thinking goes, each other kind arrives as the client replayed it."""
    body = claude_code_body(roles, thinking=thinking)
    arrived = assert_accepted(proxy, gateway, body)
    assert spoken(arrived) == spoken(body)


@pytest.mark.parametrize("extra", [1, 2, 9])
def test_more_marks_than_the_gateway_takes(proxy: ServerProcess, gateway: Gateway, extra: int) -> None:
    """The oldest of the provider's reading order go; the ones in the conversation and the system prompt stay."""
    body = claude_code_body("us", extra_marks=extra)
    arrived = assert_accepted(proxy, gateway, body)
    assert marks(arrived) == 4
    assert (marks(arrived["system"]), marks(arrived["messages"]), marks(arrived["tools"])) == (2, 1, 1)
    assert arrived["tools"][-1]["cache_control"] == {"type": "ephemeral"}


def test_the_betas(proxy: ServerProcess, gateway: Gateway) -> None:
    """Eight are sent, the ones that the gateway knows arrive, and the whole query stays behind."""
    assert_accepted(proxy, gateway, claude_code_body("us"))
    (seen,) = gateway.seen
    assert (seen.raw_path, seen.query) == (gateway.path.encode(), b"")
    sent = [value for name, value in seen.headers if name.lower() == b"anthropic-beta"]
    assert sent == [b"interleaved-thinking-2025-05-14"]
    assert len(BETAS) == 8


@pytest.mark.parametrize(
    ("max_tokens", "arriving"),
    [
        (64_000, {"type": "enabled", "budget_tokens": 31_999}),
        (4_096, {"type": "enabled", "budget_tokens": 4_095}),
        (1_025, {"type": "enabled", "budget_tokens": 1_024}),
        (1_024, None),
    ],
)
def test_adaptive_thinking(
    proxy: ServerProcess, gateway: Gateway, max_tokens: int, arriving: dict[str, Any] | None
) -> None:
    """It becomes a budget below max_tokens, or nothing where no budget fits."""
    body = claude_code_body("us") | {"max_tokens": max_tokens}
    assert assert_accepted(proxy, gateway, body).get("thinking") == arriving


@pytest.mark.parametrize("thinking", [{"type": "disabled"}, {"type": "enabled", "budget_tokens": 31_999}])
def test_thinking_that_the_gateway_knows_stays(
    proxy: ServerProcess, gateway: Gateway, thinking: dict[str, Any]
) -> None:
    """Switched off, or a budget of an older model."""
    body = claude_code_body("us") | {"thinking": thinking, "max_tokens": 32_000}
    assert assert_accepted(proxy, gateway, body)["thinking"] == thinking


def test_empty_turns(proxy: ServerProcess, gateway: Gateway) -> None:
    """A turn of nothing but an empty thought, and an empty text that a client stored and replays."""
    body = claude_code_body("us a u")
    body["messages"][2]["content"] = [{"type": "thinking", "thinking": "", "signature": ""}]
    body["messages"].insert(3, {"role": "assistant", "content": [{"type": "text", "text": ""}]})
    body["messages"].insert(3, {"role": "assistant", "content": ""})
    arrived = assert_accepted(proxy, gateway, body)
    assert [message["role"] for message in arrived["messages"]] == ["user"]
    assert spoken(arrived) == spoken(body)


def test_strings_and_blocks_mixed(proxy: ServerProcess, gateway: Gateway) -> None:
    """Continued conversations mix plain strings with lists of blocks; neighbours of one role become one turn."""
    body = claude_code_body("us u a u")
    for index in (0, 3):
        body["messages"][index]["content"] = body["messages"][index]["content"][0]["text"]
    arrived = assert_accepted(proxy, gateway, body)
    assert [message["role"] for message in arrived["messages"]] == ["user", "assistant", "user"]
    assert spoken(arrived) == spoken(body)


def test_what_newer_versions_send_besides(proxy: ServerProcess, gateway: Gateway) -> None:
    """Measured with 2.1.330: how thinking is displayed, tools that load later and are found by a search of the
    client's own, system turns made of blocks.
    """
    body = claude_code_body("us trs tr", model="claude-haiku-4-5")
    body["thinking"] = {"budget_tokens": 31_999, "type": "enabled", "display": "omitted"}
    body["max_tokens"] = 32_000
    for tool in body["tools"][3:]:
        tool["defer_loading"] = True
    for message in body["messages"]:
        if message["role"] == "system":
            message["content"] = [{"type": "text", "text": message["content"]}]
    found = [{"type": "tool_reference", "tool_name": "Write"}, {"type": "tool_reference", "tool_name": "Fetch"}]
    body["messages"][3]["content"][0]["content"] = found
    arrived = assert_accepted(proxy, gateway, body)
    assert arrived["thinking"] == {"budget_tokens": 31_999, "type": "enabled"}
    assert {key for tool in arrived["tools"] for key in tool} == {"name", "description", "input_schema"}
    assert spoken(arrived) == spoken(body)
    result = arrived["messages"][2]["content"][0]
    assert [block["text"] for block in result["content"]] == [
        "The tool Write is available.",
        "The tool Fetch is available.",
    ]


def test_side_calls(proxy: ServerProcess, gateway: Gateway) -> None:
    """The call for a title: no tools, thinking off, a JSON schema asked for in output_config, streamed."""
    body = claude_code_body("u") | {
        "tools": [],
        "thinking": {"type": "disabled"},
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    }
    arrived = assert_accepted(proxy, gateway, body)
    assert arrived["tools"] == []


def test_the_fallback_without_a_stream(proxy: ServerProcess, gateway: Gateway) -> None:
    """It leaves the key out, and gets JSON."""
    body = claude_code_body("us tr")
    del body["stream"]
    answer = ask(proxy.port, TARGET, encode_body(body))
    assert answer.status == 200
    assert answer.values(b"content-type") == [b"application/json"]
    assert json.loads(answer.body)["type"] == "message"


def test_what_a_starting_client_asks_first(proxy: ServerProcess, gateway: Gateway) -> None:
    """HEAD without credentials, count_tokens, the list of models: answered here, the gateway sees none."""
    with RawClient(proxy.port) as client:
        assert client.ask(b"/", method="HEAD").status == 200
        for target, method in ((b"/v1/messages/count_tokens?beta=true", "POST"), (b"/v1/models?limit=1000", "GET")):
            answer = client.ask(target, b"{}" if method == "POST" else b"", method=method)
            assert answer.status == 404
            assert json.loads(answer.body)["error"]["type"] == "not_found_error"
    assert not gateway.seen


@settings(max_examples=30, deadline=None)
@given(roles=ROLE_STRINGS, thinking=st.sampled_from(get_args(Thinking)), extra=st.integers(0, 5), tools=st.booleans())
def test_any_conversation(
    proxy: ServerProcess,
    strict_gateway: Gateway,
    roles: str,
    thinking: Thinking,
    extra: int,
    tools: bool,
) -> None:
    """Whatever roles, thoughts and marks come together: the gateway takes it and nothing that was said is lost."""
    body = claude_code_body(roles, thinking=thinking, extra_marks=extra)
    if not tools:
        body["tools"] = []
    arrived = assert_accepted(proxy, strict_gateway, body)
    assert sorted(spoken(arrived)) == sorted(spoken(body))
    assert marks(arrived) <= 4
