"""A request that the strict gateway takes."""

from __future__ import annotations

from typing import Any


def accepted_body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The smallest one, or one with these messages and fields."""
    conversation = list(messages) or [{"role": "user", "content": "Hello"}]
    return {"prompt_text": "x", "model": "corp-opus", "max_tokens": 2048, "messages": conversation} | fields


def tool_round() -> list[dict[str, Any]]:
    """A question, a call and its result: thinking first, the call last, the result first."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"deep": [1, {"cache_control": {}}]}}
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [{"type": "text", "text": "42"}],
        "is_error": False,
    }
    thinking = {"type": "thinking", "thinking": "", "signature": "c2ln"}
    return [
        {"role": "user", "content": [{"type": "text", "text": "Look"}]},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "Looking"}, call]},
        {"role": "user", "content": [result, {"type": "text", "text": "Go on"}]},
    ]
