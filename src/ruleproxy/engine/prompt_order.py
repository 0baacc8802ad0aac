"""Where an edit falls in a prompt as its provider reads it: tools, then system, then messages.

A provider's prompt cache is a prefix of that order, up to a cache mark of the client's; what was edited before a
mark costs the cached prefix behind it. Source: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from ruleproxy.language.counts import count

MARK = "cache_control"


@dataclass(frozen=True, slots=True)
class Part:
    """One step of the reading order: its place in the body, what the provider reads, and how many marks it has."""

    pointer: str
    text: str
    marks: int


def describe_prompt_change(came: bytes, went: bytes) -> str | None:
    """What became of the prompt, in words; None where either body is not one with messages."""
    before, after = read_parts(came), read_parts(went)
    if before is None or after is None:
        return None
    index = first_difference(before, after)
    marks = sum(part.marks for part in before)
    if index is None:
        moved = _changed_marks(before, after)
        return "tools, system and messages as sent" + (f" but for {count(moved, 'cache mark')}" if moved else "")
    pointer = (before if index < len(before) else after)[index].pointer
    behind = sum(part.marks for part in before[:index])
    if not marks:
        where = "; the client sent no cache marks"
    elif behind == marks:
        where = f", behind the client's {count(marks, 'cache mark')}"
    elif behind:
        where = f", behind {behind} of the client's {count(marks, 'cache mark')}"
    else:
        where = f", before the client's {count(marks, 'cache mark')}"
    return f"in the provider's reading order the first change is at {pointer}{where}"


def read_parts(body: bytes) -> list[Part] | None:
    """The parts of a prompt in reading order; None where the body has no list of messages."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not isinstance(document.get("messages"), list):
        return None
    parts = list(_blocks("/tools", document.get("tools")))
    parts += _blocks("/system", document.get("system"))
    for index, message in enumerate(document["messages"]):
        if not isinstance(message, dict):
            parts.append(_part(f"/messages/{index}", message))
            continue
        rest = {name: value for name, value in message.items() if name not in ("content", MARK)}
        pointer = f"/messages/{index}"
        # A message begins with what it says of itself; a turn without content is read too.
        parts.append(_part(pointer, rest))
        parts += _blocks(f"{pointer}/content", message.get("content"))
    return parts


def first_difference(before: list[Part], after: list[Part]) -> int | None:
    """The first step at which a provider reads something else; None where it reads the same."""
    for index, (one, other) in enumerate(zip_longest(before, after)):
        if one is None or other is None or one.text != other.text:
            return index
    return None


def _blocks(pointer: str, value: Any) -> Iterator[Part]:
    match value:
        case str():
            # To the provider a string is one block of text.
            yield _part(pointer, {"type": "text", "text": value})
        case list():
            for index, block in enumerate(value):
                yield _part(f"{pointer}/{index}", block)
        case None:
            return
        case _:
            yield _part(pointer, value)


def _part(pointer: str, value: Any) -> Part:
    marks = 0

    def unmarked(block: Any) -> Any:
        nonlocal marks
        if not isinstance(block, dict):
            return block
        if block.get(MARK) is not None:
            marks += 1
        kept = {name: item for name, item in block.items() if name != MARK}
        if block.get("type") == "tool_result" and isinstance(block.get("content"), list):
            kept["content"] = [unmarked(item) for item in block["content"]]
        return kept

    text = json.dumps(unmarked(value))
    return Part(pointer, text, marks)


def _changed_marks(before: list[Part], after: list[Part]) -> int:
    return sum(abs(one.marks - other.marks) for one, other in zip(before, after, strict=True))
