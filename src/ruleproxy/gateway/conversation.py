"""What a request of the right shape can still get wrong: one small rule each, in the provider's words.

Every rule takes the body (its shape has been checked) and yields what is wrong with it. Where a tool call or result
stands among the other blocks is the gateway's own strictness; the other rules and wordings are the provider's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

Body = dict[str, Any]
Block = dict[str, Any]
Rule = Callable[[Body], Iterator[str]]

MOST_MARKS = 4


def find_conversation_faults(body: Body) -> Iterator[str]:
    """What every rule has to say, in order."""
    for rule in RULES:
        yield from rule(body)


def blocks_of(content: object) -> list[Block]:
    """Content as blocks; a string has none."""
    return content if isinstance(content, list) else []


def count_marks(body: Body) -> int:
    """Cache marks on tools, system blocks, message blocks and blocks inside tool results."""
    marked = [*(body.get("tools") or []), *blocks_of(body.get("system"))]
    for message in body["messages"]:
        for block in blocks_of(message["content"]):
            marked.append(block)
            if block["type"] == "tool_result":
                marked.extend(blocks_of(block.get("content")))
    return sum(block.get("cache_control") is not None for block in marked)


def _each_block(body: Body) -> Iterator[tuple[str, Block, str]]:
    """Path, block, role."""
    for number, message in enumerate(body["messages"]):
        for index, block in enumerate(blocks_of(message["content"])):
            yield f"messages.{number}.content.{index}", block, message["role"]


def _limit_marks(body: Body) -> Iterator[str]:
    found = count_marks(body)
    if found > MOST_MARKS:
        yield f"A maximum of {MOST_MARKS} blocks with cache_control may be provided. Found {found}."


def _limit_budget(body: Body) -> Iterator[str]:
    budget = (body.get("thinking") or {}).get("budget_tokens")
    if budget is not None and body["max_tokens"] <= budget:
        yield "`max_tokens` must be greater than `thinking.budget_tokens`"


def _need_messages(body: Body) -> Iterator[str]:
    if not body["messages"]:
        yield "messages: at least one message is required"
    elif body["messages"][0]["role"] != "user":
        yield 'messages: first message must use the "user" role'


def _alternate_roles(body: Body) -> Iterator[str]:
    for earlier, later in pairwise(body["messages"]):
        if earlier["role"] == later["role"]:
            role = later["role"]
            yield (
                'messages: roles must alternate between "user" and "assistant", '
                f'but found multiple "{role}" roles in a row'
            )


def _need_content(body: Body) -> Iterator[str]:
    for number, message in enumerate(body["messages"]):
        if not message["content"]:
            yield (
                f"messages.{number}: all messages must have non-empty content "
                "except for the optional final assistant message"
            )


def _need_text(body: Body) -> Iterator[str]:
    for path, block, _ in _each_block(body):
        nested = blocks_of(block.get("content")) if block["type"] == "tool_result" else []
        for each in (block, *nested):
            if each["type"] == "text" and not each["text"].strip():
                if each.get("cache_control") is not None:
                    yield f"{path}.text: cache_control cannot be set for empty text blocks"
                yield "messages: text content blocks must be non-empty"
    if any(not block["text"].strip() for block in blocks_of(body.get("system"))):
        yield "system: text content blocks must be non-empty"


def _need_thinking(body: Body) -> Iterator[str]:
    for path, block, _ in _each_block(body):
        if block["type"] == "thinking" and not block["signature"]:
            if not block["thinking"].strip():
                yield f"{path}.thinking: each thinking block must contain thinking"
            else:
                yield f"{path}: Invalid `signature` in `thinking` block"


def _keep_blocks_in_their_roles(body: Body) -> Iterator[str]:
    roles = {
        "tool_use": "assistant",
        "thinking": "assistant",
        "redacted_thinking": "assistant",
        "tool_result": "user",
    }
    for path, block, role in _each_block(body):
        if block["type"] in roles and roles[block["type"]] != role:
            yield f"{path}: `{block['type']}` blocks can only be in `{roles[block['type']]}` messages"


def _keep_tool_calls_last(body: Body) -> Iterator[str]:
    for number, message in enumerate(body["messages"]):
        kinds = [block["type"] for block in blocks_of(message["content"])]
        if any(earlier == "tool_use" != later for earlier, later in pairwise(kinds)):
            yield f"messages.{number}: `tool_use` blocks must be at the end of the content"


def _keep_tool_results_first(body: Body) -> Iterator[str]:
    for number, message in enumerate(body["messages"]):
        kinds = [block["type"] for block in blocks_of(message["content"])]
        if any(earlier != "tool_result" == later for earlier, later in pairwise(kinds)):
            yield f"messages.{number}: `tool_result` blocks must be at the beginning of the content"


def _ids(message: Body, kind: str, member: str) -> list[str]:
    return [block[member] for block in blocks_of(message["content"]) if block["type"] == kind]


def _answer_tool_calls(body: Body) -> Iterator[str]:
    for number, message in enumerate(body["messages"]):
        after = body["messages"][number + 1] if number + 1 < len(body["messages"]) else {"content": []}
        answered = _ids(after, "tool_result", "tool_use_id")
        missing = [each for each in _ids(message, "tool_use", "id") if each not in answered]
        if missing:
            yield (
                f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in "
                "the next message."
            )


def _answer_only_tool_calls(body: Body) -> Iterator[str]:
    called: list[str] = []
    for number, message in enumerate(body["messages"]):
        for index, block in enumerate(blocks_of(message["content"])):
            if block["type"] == "tool_result" and block["tool_use_id"] not in called:
                yield (
                    f"messages.{number}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block "
                    "in the previous message."
                )
        called = _ids(message, "tool_use", "id")


def _tell_tools_apart(body: Body) -> Iterator[str]:
    names = [tool["name"] for tool in body.get("tools") or []]
    if len(set(names)) < len(names):
        yield "tools: Tool names must be unique."
    calls = [each for message in body["messages"] for each in _ids(message, "tool_use", "id")]
    if len(set(calls)) < len(calls):
        yield "messages: `tool_use` ids must be unique"


RULES: tuple[Rule, ...] = (
    _limit_budget,
    _need_messages,
    _alternate_roles,
    _need_content,
    _need_text,
    _need_thinking,
    _keep_blocks_in_their_roles,
    _keep_tool_calls_last,
    _keep_tool_results_first,
    _answer_tool_calls,
    _answer_only_tool_calls,
    _tell_tools_apart,
    _limit_marks,
)
