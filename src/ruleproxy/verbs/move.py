"""`move`: bring some elements of a list to its head or end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ruleproxy.language.signatures import Binding, Choice, Condition, Example, Form, Place, Verb
from ruleproxy.messages import places, values
from ruleproxy.messages.lists import Arrange, Judge, Lists, keep_orders
from ruleproxy.verbs.blocks import leading
from ruleproxy.verbs.context import Context

_TEXTS: Final = (str, places.HeaderPlace)


def _move(context: Context, place: Lists, condition: Judge, position: str) -> None:
    context.spend(place.count())
    place.rearrange(condition, _ARRANGED[position])
    texts = sum(isinstance(there, _TEXTS) for there in place.others())
    if texts:
        word = "has" if texts == 1 else "have"
        context.remark(f"{texts} of {len(place)} {word} string content, not visited")


def _move_is_idle(context: Context, place: Lists, condition: Judge, position: str) -> bool:
    del context
    return place.is_arranged(condition, _ARRANGED[position])


def _bring_to_end(_: list[values.Value], moves: bytes) -> Sequence[int] | None:
    return _sort_to_end(moves)


def _bring_to_head(elements: list[values.Value], moves: bytes) -> Sequence[int] | None:
    if not moves[0] and (head := leading(elements, ("thinking", "redacted_thinking"))):
        # Thinking that leads a turn has to go on leading it, whatever else comes first.
        front = [index for index in range(head) if not moves[index]]
        order = [*front, *(index for index in _sort_to_head(moves) or () if index not in front)]
        return order if order != sorted(order) else None
    return _sort_to_head(moves)


@keep_orders
def _sort_to_end(moves: bytes) -> Sequence[int] | None:
    # Sorting is stable: those that move keep their order, and so do the others.
    order = sorted(range(len(moves)), key=moves.__getitem__)
    return order if order != sorted(order) else None


@keep_orders
def _sort_to_head(moves: bytes) -> Sequence[int] | None:
    order = sorted(range(len(moves)), key=moves.__getitem__, reverse=True)
    return order if order != sorted(order) else None


_ARRANGED: Final[Mapping[str, Arrange]] = {"first": _bring_to_head, "last": _bring_to_end}


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
