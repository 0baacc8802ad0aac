"""`limit`: at most so many cache marks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from ruleproxy.language.signatures import Choice, Example, Form, Place, Value, Verb
from ruleproxy.language.syntax import Action
from ruleproxy.language.types import INT
from ruleproxy.messages import places, values
from ruleproxy.messages.nodes import ObjectNode, every
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
        body.remove_within(MARK, partial(_find_surplus, context, count, policy))


def _find_surplus(context: Context, count: int, policy: str, body: values.Value) -> Sequence[values.Value]:
    marked = find_marked(body)
    if len(marked) <= count:
        return ()
    context.spend(len(marked) + len(marked) // 2)
    kept = _choose(marked, count, policy)
    return [part for index, (_, part) in enumerate(marked) if index not in kept]


def _limit_is_idle(
    context: Context, what: str, place: Sequence[values.Value], count: int, policy: str = "newest"
) -> bool:
    del context, what, policy
    return all(isinstance(body, dict) and isinstance(count, int) and len(find_marked(body)) <= count for body in place)


def _looks(_: Action) -> tuple[str, ...]:
    blocks = (".tools[*]", ".system[*]", ".messages[*].content[*]", ".messages[*].content[*].content[*]")
    return (*(f"{block}.{MARK}" for block in blocks), ".messages[*].content[*].type")


def find_marked(body: values.Value) -> list[tuple[str, values.Value]]:
    """What carries a cache mark, in the order in which a provider reads a prompt: tools, system, messages.

    Each with the member of the body that it stands in. The body is a node or plain data, and so are its parts. A key
    of that name inside a tool's input or schema is data, not a mark, and is not looked at.
    Source of the order: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
    """
    found: list[tuple[str, values.Value]] = []
    for name in ("tools", "system"):
        _find_marked(body.get(name), name, found)
    for message in every(body.get("messages")):
        if type(message) is dict or isinstance(message, ObjectNode):
            _find_marked(message.get("content"), "messages", found)
    return found


def _find_marked(parts: values.Value, name: str, found: list[tuple[str, values.Value]]) -> None:
    for part in every(parts):
        if type(part) is dict or isinstance(part, ObjectNode):
            if part.get("type") == "tool_result":
                _find_marked(part.get("content"), name, found)
            mark = part.get(MARK)
            if mark is not None and mark is not values.NIL:
                found.append((name, part))


def _choose(marked: list[tuple[str, values.Value]], count: int, policy: str) -> Collection[int]:
    newest = range(len(marked) - 1, -1, -1)
    match policy:
        case "oldest":
            return range(count)
        case "ends":
            # Last tool, last system block, the two newest of the messages; then whatever else is newest.
            wanted = [
                index
                for name, most in (("tools", 1), ("system", 1), ("messages", 2))
                for index in [index for index in newest if marked[index][0] == name][:most]
            ]
            return [*wanted, *(index for index in newest if index not in wanted)][:count]
        case _:
            return newest[:count]


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
