"""A streaming request in the shape of a coding session, with everything that a strict gateway refuses."""

from __future__ import annotations

from typing import Any

import orjson

from ruleproxy.messages.message import Headers

_MARK = {"type": "ephemeral"}
_BETAS = (
    "claude-code-20250219,context-1m-2025-08-07,interleaved-thinking-2025-05-14,thinking-token-count-2026-05-13,"
    "context-management-2025-06-27,prompt-caching-scope-2026-01-05,mid-conversation-system-2026-04-07,effort-2025-11-24"
)


def session_headers() -> Headers:
    """Headers as a coding agent sends them with an API key."""
    return [
        (b"Accept", b"application/json"),
        (b"Content-Type", b"application/json"),
        (b"User-Agent", b"ruleproxy-demo"),
        (b"x-api-key", b"demo-key"),
        (b"anthropic-version", b"2023-06-01"),
        (b"anthropic-beta", _BETAS.encode()),
    ]


def session_body() -> bytes:
    """The body: a few turns with tools, thinking, five cache marks, a system turn among the messages."""
    body: dict[str, Any] = {
        "model": "claude-opus-4-8",
        "messages": _messages(),
        "system": [
            {"type": "text", "text": "You help with code in a repository.", "cache_control": _MARK},
            {"type": "text", "text": "Answer briefly. " * 40, "cache_control": _MARK},
        ],
        "tools": [_tool("Read", "path"), _tool("Run", "command") | {"cache_control": _MARK}],
        "metadata": {"user_id": '{"device_id":"d-1","session_id":"s-1"}'},
        "max_tokens": 32000,
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
        "stream": True,
    }
    return orjson.dumps(body)


def _messages() -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": [_text("Which tests fail?") | {"cache_control": _MARK}]},
        {"role": "system", "content": "The working folder is /home/dev/shop."},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "tool_use", "id": "toolu_1", "name": "Run", "input": {"command": "make test"}},
                _text("I run the tests."),
            ],
        },
        {
            "role": "user",
            "content": [
                _text("Here is what it printed:"),
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "2 failed, 40 passed"},
                _text("What now?") | {"cache_control": _MARK},
            ],
        },
    ]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _tool(name: str, parameter: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {parameter: {"type": "string"}}, "required": [parameter]}
    return {"name": name, "description": f"{name} something.", "input_schema": schema, "eager_input_streaming": True}
