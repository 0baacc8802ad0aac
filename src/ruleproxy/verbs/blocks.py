"""What several verbs know of content blocks."""

from __future__ import annotations

from collections.abc import Collection

from ruleproxy.messages.nodes import ListNode, ObjectNode
from ruleproxy.messages.values import Value


def text_blocks(content: Value) -> list[Value]:
    """String content as a list of blocks: providers take either."""
    return [{"type": "text", "text": content}] if content else []


def leading(content: ListNode, kinds: Collection[str]) -> int:
    """How many blocks at the head of a content list are of these types."""
    count = 0
    for item in content.items:
        if not isinstance(item, ObjectNode) or item.get("type") not in kinds:
            break
        count += 1
    return count
