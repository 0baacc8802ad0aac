"""Where an edit falls in a prompt as its provider reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ruleproxy.engine.prompt_order import describe_prompt_change

MARK = {"type": "ephemeral"}


def body(**changes: Any) -> bytes:
    prompt: dict[str, Any] = {
        # The JSON text has another order than the provider reads.
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "user", "content": [{"type": "text", "text": "again", "cache_control": MARK}]},
        ],
        "system": [{"type": "text", "text": "be kind", "cache_control": MARK}],
        "tools": [{"name": "Read"}, {"name": "Edit", "cache_control": MARK}],
        "model": "m",
    }
    return json.dumps(prompt | changes).encode()


LATER = [
    {"role": "user", "content": "hello"},
    {"role": "user", "content": [{"type": "text", "text": "other", "cache_control": MARK}]},
]


@pytest.mark.parametrize(
    ("went", "said"),
    [
        (body(), "tools, system and messages as sent"),
        (body(model="n", max_tokens=1), "tools, system and messages as sent"),
        (body(system=[{"type": "text", "text": "be kind"}]), "tools, system and messages as sent but for 1 cache mark"),
        (body(messages=LATER), "the first change is at /messages/1/content/0, behind 2 of the client's 3 cache marks"),
        (body(system="be stern"), "the first change is at /system/0, behind 1 of the client's 3 cache marks"),
        (body(tools=[{"name": "Edit"}]), "the first change is at /tools/0, before the client's 3 cache marks"),
        (
            body(messages=[*json.loads(body())["messages"], {"role": "user", "content": "more"}]),
            "the first change is at /messages/2, behind the client's 3 cache marks",
        ),
    ],
)
def test_where_the_first_change_is(went: bytes, said: str) -> None:
    """The first change is found in the provider's order, and said relative to the marks that the client set."""
    described = describe_prompt_change(body(), went)
    assert described is not None
    assert described.removeprefix("in the provider's reading order ") == said


def test_text_is_the_same_however_it_is_spelled() -> None:
    """A string and a list of one block of text are one prompt to the provider."""
    came = b'{"messages": [{"role": "user", "content": "a"}]}'
    went = b'{"messages": [{"content": [{"text": "a", "type": "text"}], "role": "user"}]}'
    assert describe_prompt_change(came, came) == "tools, system and messages as sent"
    again = b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}'
    assert describe_prompt_change(came, again) in (
        "tools, system and messages as sent",
        "in the provider's reading order the first change is at /messages/0/content; the client sent no cache marks",
    )
    assert describe_prompt_change(came, went) is not None


def test_marks_nested_in_tool_results_count() -> None:
    """A mark inside the content of a tool result is a mark; a key of that name in a tool's input is data."""
    result = {"type": "tool_result", "content": [{"type": "text", "text": "a", "cache_control": MARK}]}
    call = {"type": "tool_use", "input": {"cache_control": "data"}}
    came = json.dumps({"messages": [{"role": "user", "content": [result, call]}]}).encode()
    stripped = {"type": "tool_result", "content": [{"type": "text", "text": "a"}]}
    went = json.dumps({"messages": [{"role": "user", "content": [stripped, call]}]}).encode()
    assert describe_prompt_change(came, went) == "tools, system and messages as sent but for 1 cache mark"
    changed = json.dumps({"messages": [{"role": "user", "content": [result, call | {"input": {}}]}]}).encode()
    assert "/messages/0/content/1, behind the client's 1 cache mark" in str(describe_prompt_change(came, changed))


@pytest.mark.parametrize("other", [b"", b"no JSON", b"[]", b'{"messages": "a"}', b"\xff"])
def test_what_is_no_prompt(other: bytes) -> None:
    """Nothing is said of bodies that are no prompt."""
    assert describe_prompt_change(other, body()) is None
    assert describe_prompt_change(body(), other) is None
