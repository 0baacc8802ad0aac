"""`move`: bring some elements of a list to its head or end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ruleproxy.language.signatures import Binding, Choice, Condition, Example, Form, Place, Verb
from ruleproxy.messages import places, values
from ruleproxy.messages.nodes import ListNode, ObjectNode
from ruleproxy.verbs.blocks import leading
from ruleproxy.verbs.context import Context


def _move(
    context: Context,
    place: Sequence[places.Place],
    condition: Callable[[values.Value], bool],
    position: str,
) -> None:
    texts = 0
    for target in place:
        there = target.read()
        if not isinstance(there, ListNode):
            texts += isinstance(there, str)
            continue
        items = there.items
        context.spend(len(items))
        moved = [item for item in items if condition(item if type(item) is ObjectNode else there.read(item))]
        if not moved or len(moved) == len(items):
            continue
        if items[: len(moved)] == moved if position == "first" else items[-len(moved) :] == moved:
            continue
        _bring(there, moved, position)
    if texts:
        context.remark(f"{texts} of {len(place)} {'has' if texts == 1 else 'have'} string content, not visited")


def _move_is_idle(
    context: Context,
    place: Sequence[values.Value],
    condition: Callable[[list[values.Value]], list[bool]],
    position: str,
) -> bool:
    del context
    for there in place:
        if isinstance(there, list):
            # In order: all that move stand at the end (or head) already.
            moved = condition(there)
            if True in moved and moved != sorted(moved, reverse=position == "first"):
                return False
    return True


def _bring(there: ListNode, moved: list[values.Value], position: str) -> None:
    chosen = {id(item) for item in moved}
    rest = [item for item in there.items if id(item) not in chosen]
    if position == "last":
        arranged = rest + moved
    else:
        # Thinking that leads a turn has to go on leading it, whatever else comes first.
        head = leading(there, ("thinking", "redacted_thinking"))
        front = [item for item in there.items[:head] if id(item) not in chosen]
        arranged = front + moved + rest[len(front) :]
    if arranged == there.items:
        return
    if not there.text.journal.detailed:
        there.arrange(arranged, ">", None)
        return
    before = {id(item): str(index) for index, item in enumerate(there.items)}
    order = ", ".join(before[id(item)] for item in arranged)
    there.arrange(arranged, ">", None, ", ".join(before.values()), order)


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
                "place": Place("list"),
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
