"""The four reference rules in plain Python, as one would write them into a proxy of one's own."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]

_THINKING = ("thinking", "redacted_thinking")


def apply_rules(body: Body) -> None:
    """Inject a key, keep the four newest cache marks, put tool blocks in order, drop empty unsigned thinking."""
    body["prompt_text"] = "proxy bypass"
    marked: list[Body] = []
    for parts in (body.get("tools"), body.get("system")):
        if isinstance(parts, list):
            marked += [part for part in parts if "cache_control" in part]
    messages = body.get("messages")
    if isinstance(messages, list):
        for message in messages:
            content = message.get("content")
            if isinstance(content, list):
                for block in content:
                    if block["type"] == "tool_result" and isinstance(inner := block.get("content"), list):
                        marked += [part for part in inner if "cache_control" in part]
                    if "cache_control" in block:
                        marked.append(block)
                message["content"] = _arrange(content)
        body["messages"] = [message for message in messages if message.get("content")]
    for part in marked[:-4]:
        del part["cache_control"]


def _arrange(content: list[Body]) -> list[Body]:
    leading: list[Body] = []
    results: list[Body] = []
    others: list[Body] = []
    calls: list[Body] = []
    for block in content:
        kind = block["type"]
        if kind == "thinking" and not block.get("thinking") and not block.get("signature"):
            continue
        if kind == "tool_use":
            calls.append(block)
        elif kind == "tool_result":
            results.append(block)
        elif kind in _THINKING and not (results or others or calls):
            leading.append(block)
        else:
            others.append(block)
    return leading + results + others + calls
