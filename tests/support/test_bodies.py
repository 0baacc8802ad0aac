"""The made-up bodies have the measured shape of real ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.bodies import (
    claude_code_body,
    claude_code_headers,
    encode_body,
    long_session_body,
    messages,
)


def count_marks(body: dict[str, Any]) -> int:
    return encode_body(body).count(b'"cache_control"')


def test_a_claude_code_body_is_as_measured() -> None:
    """Key order, size, tools, roles, marks, raw UTF-8."""
    body = claude_code_body()
    encoded = encode_body(body)
    assert list(body) == [
        "model",
        "messages",
        "system",
        "tools",
        "metadata",
        "max_tokens",
        "thinking",
        "context_management",
        "output_config",
        "stream",
    ]
    assert len(encoded) == pytest.approx(76_332, rel=0.02)
    assert [message["role"] for message in body["messages"]] == ["user", "system"]
    assert len(body["tools"]) == 24
    assert all(list(tool) == ["name", "description", "input_schema"] for tool in body["tools"])
    assert len({tool["name"] for tool in body["tools"]}) == 24
    assert count_marks(body) == 3
    assert list(json.loads(body["metadata"]["user_id"])) == ["device_id", "account_uuid", "session_id"]
    assert not encoded.isascii()
    assert encoded == encode_body(claude_code_body())


def test_tool_rounds_pair_calls_and_results() -> None:
    """A call is last in its turn, its result first in the next, also where a system turn comes between."""
    conversation = messages("us t r t s r au", "empty_signed")
    assert "".join(message["role"][0] for message in conversation) == "usauasuau"
    calls = [conversation[2]["content"][-1]["id"], conversation[4]["content"][-1]["id"]]
    results = [conversation[3]["content"][0]["tool_use_id"], conversation[6]["content"][0]["tool_use_id"]]
    assert calls == results
    assert conversation[2]["content"][0]["thinking"] == ""
    assert conversation[2]["content"][0]["signature"]


def test_marks_beyond_the_usual_three() -> None:
    """On the last tools; the newest user message keeps its own."""
    body = claude_code_body("us au us s au", extra_marks=3)
    assert count_marks(body) == 6
    assert body["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("typical", [True, False])
def test_a_long_session_has_the_benchmarks_size(typical: bool) -> None:
    """283 kB, 30 tools, 81 messages, for both kinds."""
    body = long_session_body(typical=typical)
    assert len(encode_body(body)) == pytest.approx(283_000, rel=0.01)
    assert (len(body["tools"]), len(body["messages"])) == (30, 81)


def test_the_worst_session_has_something_to_edit_in_each_message() -> None:
    """Calls before text, results after it, empty unsigned thinking, marks; the typical one has none of these."""
    worst = long_session_body(typical=False)["messages"]
    typical = long_session_body(typical=True)["messages"]
    kinds = {"u": ["text", "tool_result"], "a": ["thinking", "tool_use", "text"]}
    assert all([block["type"] for block in message["content"]] == kinds[message["role"][0]] for message in worst[1:])
    assert all(message["content"][0]["signature"] == "" for message in worst[1::2])
    assert count_marks(long_session_body(typical=False)) == 2 + 41
    assert count_marks(long_session_body(typical=True)) == 3
    in_order = {"u": ["tool_result"], "a": ["thinking", "text", "tool_use"]}
    assert all(
        [block["type"] for block in message["content"]] == in_order[message["role"][0]] for message in typical[1:]
    )


def test_the_headers_carry_eight_betas_in_one_line() -> None:
    """Comma without space, as the client writes them."""
    headers = dict(claude_code_headers("t"))
    assert len(headers["anthropic-beta"].split(",")) == 8
    assert headers["Authorization"] == "Bearer t"
