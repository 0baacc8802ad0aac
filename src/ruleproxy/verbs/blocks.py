"""What several verbs know of content blocks."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ruleproxy.messages.nodes import ObjectNode
from ruleproxy.messages.values import Value


def text_blocks(content: Value) -> list[Value]:
    """String content as a list of blocks: providers take either."""
    return [{"type": "text", "text": content}] if content else []


def leading(blocks: Iterable[Value], kinds: Collection[str]) -> int:
    """How many blocks at the head of a content list are of these types."""
    count = 0
    for block in blocks:
        if not (type(block) is dict or isinstance(block, ObjectNode)) or block.get("type") not in kinds:
            break
        count += 1
    return count
