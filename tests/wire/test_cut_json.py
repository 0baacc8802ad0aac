"""Inputs of tool calls that max_tokens cut off."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jiter import from_json

from ruleproxy.wire.collect_stream import CannotCollectError
from ruleproxy.wire.cut_json import close_json
from ruleproxy.wire.events import StreamEvent
from support.streams import collect_stream

VALUE = {
    "path": '/ca"f\u00e9,}:\\',
    "list": [1, 2.5, {"deep": {"x": ["\U0001f600", None, True]}}, []],
    "no": False,
    "object": {"d": "e", "f": -3e10},
    "empty": {},
}


def test_what_is_complete_is_what_the_sdk_gives_of_it() -> None:
    """At every cut, but for numbers at the end, of which more may have been to come."""
    text = json.dumps(VALUE, ensure_ascii=False)
    for end in range(1, len(text) + 1):
        cut = text[:end]
        given = json.loads(close_json(cut))
        if cut[-1] not in "0123456789":
            assert given == from_json(cut.encode(), partial_mode=True), cut
    assert json.loads(close_json(text)) == VALUE


@pytest.mark.parametrize(
    ("text", "closed"),
    [("", "{}"), ("  ", "{}"), ('{"a": 12', "{}"), ('{"a": 12,', '{"a": 12}'), ('{"a": [1}', '{"a": []}'), ("x", "{}")],
)
def test_what_is_less(text: str, closed: str) -> None:
    """Always JSON."""
    assert close_json(text) == closed


def stream(reason: str, text: str) -> list[StreamEvent]:
    block = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    data: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    return [StreamEvent(each["type"], json.dumps(each).encode()) for each in data]


def test_a_message_that_was_cut_off_is_collected() -> None:
    """It says itself that it was; one that says that it is whole is an error."""
    cut = '{"path": "/a", "content": "half of'
    collected = json.loads(collect_stream(stream("max_tokens", cut)))
    assert collected["stop_reason"] == "max_tokens"
    assert collected["content"][0]["input"] == {"path": "/a"}
    with pytest.raises(CannotCollectError, match="is not JSON"):
        collect_stream(stream("tool_use", cut))


def test_what_is_nested_very_deeply_is_closed() -> None:
    """A hundred thousand levels, and as many elements: each is looked at once."""
    assert close_json("[" * 100_000) == "[" * 100_000 + "]" * 100_000
    assert close_json('{"a": [' + "[]," * 100_000) == '{"a": [' + "[]," * 99_999 + "[]]}"
