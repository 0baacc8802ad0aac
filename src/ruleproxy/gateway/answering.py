"""What the gateway answers to a request that it takes. The same request gets the same answer, to the byte.

- The last user message holds a tool result: a text that quotes it.
- It says `use the tool NAME`, and NAME is one of the request's tools: a call of that tool. `use the tool NAME with
  {…}` gives the input as JSON; otherwise the input has what the tool's schema requires, in example values.
- Anything else: a text that quotes what was said. Text blocks that begin with `<` (a client's reminders) are passed
  over.

Tokens are counted as a quarter of the bytes, rounded up.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from ruleproxy.gateway.conversation import Block, Body, blocks_of

LONGEST_QUOTE = 500
"""Characters."""

_WISH = re.compile(r"use the tool ([A-Za-z0-9_.-]*[A-Za-z0-9_-])(?:\s+with\s+(?=\{))?", re.IGNORECASE)
_EXAMPLES: dict[str, Any] = {
    "string": "example",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": [],
    "object": {},
    "null": None,
}


def answer(body: Body, encoded: bytes) -> Body:
    """The message that answers `body`; `encoded` is the same as it came, for ids and counts."""
    digest = hashlib.sha256(encoded).hexdigest()
    content = _answer_content(body, digest)
    return {
        "id": f"msg_{digest[:24]}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": "tool_use" if content[-1]["type"] == "tool_use" else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": _count_tokens(encoded),
            "output_tokens": _count_tokens(json.dumps(content).encode()),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }


def _count_tokens(text: bytes) -> int:
    return -(-len(text) // 4)


def _answer_content(body: Body, digest: str) -> list[Block]:
    last = body["messages"][-1]
    results = [block for block in blocks_of(last["content"]) if block["type"] == "tool_result"]
    if results:
        return [_text(f"the tool answered: {_plain_text(results[-1].get('content') or '')[:LONGEST_QUOTE]}")]
    said = _plain_text(last["content"])
    tools = {tool["name"]: tool for tool in body.get("tools") or []}
    for wish in _WISH.finditer(said):
        if wish[1] in tools:
            call_input = _read_input(said, wish.end()) or _example_input(tools[wish[1]]["input_schema"])
            call = {"type": "tool_use", "id": f"toolu_{digest[:24]}", "name": wish[1], "input": call_input}
            return [_text(f"using the tool {wish[1]}"), call]
    return [_text(f"you said: {said[:LONGEST_QUOTE]}")]


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _plain_text(content: object) -> str:
    if isinstance(content, str):
        return content
    texts = [block["text"] for block in blocks_of(content) if block["type"] == "text"]
    return "\n".join(text for text in texts if not text.startswith("<"))


def _read_input(said: str, start: int) -> Body | None:
    if not said.startswith("{", start):
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(said, start)
    except json.JSONDecodeError:
        return None  # no JSON after all: the words go on with a brace
    assert isinstance(value, dict)
    return value


def _example_input(schema: Body) -> Body:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict) or not isinstance(required, list):
        return {}
    return {name: _example(schema) for name, schema in properties.items() if name in required}


def _example(schema: object) -> Any:
    if not isinstance(schema, dict):
        return "example"
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    return _EXAMPLES.get(kind, "example") if isinstance(kind, str) else "example"
