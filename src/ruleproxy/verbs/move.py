"""`move`: bring some elements of a list to its head or end."""

from __future__ import annotations

from ruleproxy.language.signatures import Binding, Choice, Condition, Example, Form, Place, Verb
from ruleproxy.messages import places, values
from ruleproxy.messages.lists import Judge, Lists
from ruleproxy.verbs.blocks import leading
from ruleproxy.verbs.context import Context


def _move(context: Context, place: Lists, condition: Judge, position: str) -> None:
    texts = 0
    for there in place.found:
        elements = place.elements(there)
        if elements is None:
            texts += isinstance(there, str | places.HeaderPlace)
            continue
        context.spend(len(elements))
        judged = condition(elements)
        if _stands(judged, position):
            continue
        order = _arrange(elements, judged, position)
        if order is not None:
            place.open(there).arrange(order)
    if texts:
        word = "has" if texts == 1 else "have"
        context.remark(f"{texts} of {len(place.found)} {word} string content, not visited")


def _move_is_idle(context: Context, place: Lists, condition: Judge, position: str) -> bool:
    del context
    return all(
        _stands(condition(elements), position)
        for there in place.found
        if (elements := place.elements(there)) is not None
    )


def _stands(judged: list[bool], position: str) -> bool:
    """Whether all that are to move stand at the head or end already."""
    count = judged.count(True)
    if not count:
        return True
    return False not in (judged[:count] if position == "first" else judged[-count:])


def _arrange(elements: list[values.Value], judged: list[bool], position: str) -> list[int] | None:
    moved = [index for index, moves in enumerate(judged) if moves]
    rest = [index for index, moves in enumerate(judged) if not moves]
    if position == "last":
        return rest + moved
    if judged[0]:
        return moved + rest
    # Thinking that leads a turn has to go on leading it, whatever else comes first.
    head = leading(elements, ("thinking", "redacted_thinking"))
    front = [index for index in rest if index < head]
    order = front + moved + rest[len(front) :]
    return order if order != list(range(len(order))) else None


VERB = Verb(
    name="move",
    summary="bring some elements of a list to its head or to its end",
    prose="The order among those that move, and among those that stay, is kept. Thinking blocks that lead a turn go "
    "on leading it. What is no list is passed over, and the trace says how many.",
    forms=(
        Form(
            "move",
            "move NAME in PLACE where CONDITION to first|last",
            {
                "binding": Binding(),
                "place": Place("list", each=True),
                "condition": Condition(),
                "position": Choice(("first", "last")),
            },
            _move,
            _move_is_idle,
        ),
    ),
    examples=(
        Example(
            'move block in request.body.messages[*].content where block.type == "tool_use" to last',
            '{ body = { messages = { { content = { { type = "tool_use" }, { type = "text" } } } } } }',
            '{ body = { messages = { { content = { { type = "text" }, { type = "tool_use" } } } } } }',
        ),
    ),
)
