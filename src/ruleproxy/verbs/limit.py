"""`limit`: at most so many cache marks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ruleproxy.language.signatures import Choice, Example, Form, Place, Value, Verb
from ruleproxy.language.syntax import Action
from ruleproxy.language.types import INT
from ruleproxy.messages import places, values
from ruleproxy.messages.nodes import ListNode, ObjectNode
from ruleproxy.messages.values import EditRefused
from ruleproxy.verbs.context import Context

MARK = "cache_control"


def _limit(context: Context, what: str, place: Sequence[places.Place], count: int, policy: str = "newest") -> None:
    if what != MARK:
        raise EditRefused(f"limit knows the reading order of cache_control alone, not of {what}")
    if not isinstance(count, int) or count < 0:
        raise EditRefused("limit takes a whole number that is not negative")
    for target in place:
        body = target.read()
        if not isinstance(body, ObjectNode) or body.holds_at_most(MARK, count):
            continue
        marked = list(marked_parts(body))
        context.spend(len(marked) + len(marked) // 2)
        if len(marked) > count:
            kept = _chosen(marked, body, count, policy)
            for part in marked:
                if id(part) not in kept:
                    part.remove(MARK)


def _limit_is_idle(
    context: Context, what: str, place: Sequence[values.Value], count: int, policy: str = "newest"
) -> bool:
    del context, what, policy
    return all(isinstance(body, dict) and isinstance(count, int) and _count_marks(body) <= count for body in place)


def _count_marks(body: dict[str, values.Value]) -> int:
    found = 0
    parts = [*_parts(body.get("tools")), *_parts(body.get("system"))]
    for message in _parts(body.get("messages")):
        parts += _parts(message.get("content"))
    for part in parts:
        found += part.get(MARK) is not None
        if part.get("type") == "tool_result":
            found += sum(inner.get(MARK) is not None for inner in _parts(part.get("content")))
    return found


def _parts(value: values.Value) -> list[dict[str, values.Value]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _looks(_: Action) -> tuple[str, ...]:
    blocks = (".tools[*]", ".system[*]", ".messages[*].content[*]", ".messages[*].content[*].content[*]")
    return (*(f"{block}.{MARK}" for block in blocks), ".messages[*].content[*].type")


def marked_parts(body: ObjectNode) -> Iterator[ObjectNode]:
    """What carries a cache mark, in the order in which a provider reads a prompt: tools, system, messages.

    A key of that name inside a tool's input or schema is data, not a mark, and is not looked at.
    Source of the order: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
    """
    for name in ("tools", "system"):
        yield from _marked(body.get(name))
    messages = body.get("messages")
    if isinstance(messages, ListNode):
        for message in messages.items:
            if isinstance(message, ObjectNode):
                yield from _marked(message.get("content"))


def _marked(parts: values.Value) -> Iterator[ObjectNode]:
    if not isinstance(parts, ListNode):
        return
    for part in parts.items:
        if isinstance(part, ObjectNode):
            if "content" in part.members and part.get("type") == "tool_result":
                yield from _marked(part.get("content"))
            if MARK in part.members and part.get(MARK) is not None:
                yield part


def _chosen(marked: list[ObjectNode], body: ObjectNode, count: int, policy: str) -> set[int]:
    match policy:
        case "oldest":
            return {id(part) for part in marked[:count]}
        case "ends":
            return {id(part) for part in _ends(marked, body)[:count]}
        case _:
            return {id(part) for part in marked[len(marked) - count :]}


def _ends(marked: list[ObjectNode], body: ObjectNode) -> list[ObjectNode]:
    # Last tool, last system block, the two newest of the messages; then whatever else is newest.
    groups: dict[str, list[ObjectNode]] = {"tools": [], "system": [], "messages": []}
    for part in marked:
        top: values.Value = part
        while top.parent is not None and top.parent is not body:
            top = top.parent
        groups[top.key].append(part)
    wanted = groups["tools"][-1:] + groups["system"][-1:] + groups["messages"][:-3:-1]
    seen = {id(part) for part in wanted}
    return wanted + [part for part in reversed(marked) if id(part) not in seen]


VERB = Verb(
    name="limit",
    summary="keep at most so many cache marks",
    prose="Marks are counted in the order in which a provider reads a prompt (tools, system, messages, the content of "
    "tool results included), not in the order of the JSON text. `newest` (the default) keeps the last ones, `oldest` "
    "the first ones, `ends` the last tool, the last system block and the last two messages before others.",
    forms=(
        Form(
            "limit",
            "limit cache_control in PLACE to COUNT [, keep newest|oldest|ends]",
            {
                "what": Choice((MARK,)),
                "place": Place("object"),
                "count": Value(INT),
                "policy": Choice(("newest", "oldest", "ends"), "newest"),
            },
            _limit,
            _limit_is_idle,
            _looks,
        ),
    ),
    sides=("request",),
    examples=(
        Example(
            "limit cache_control in request.body to 1, keep newest",
            '{ body = { messages = { { content = { { type = "text", cache_control = {} } } } }, '
            'system = { { type = "text", cache_control = {} } } } }',
            '{ body = { messages = { { content = { { type = "text", cache_control = {} } } } }, '
            'system = { { type = "text" } } } }',
        ),
    ),
)
