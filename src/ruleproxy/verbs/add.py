"""`add`: put one more member into a list."""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.language.signatures import Choice, Element, Example, Form, Place, Value, Verb
from ruleproxy.language.types import ANY
from ruleproxy.messages import places, values
from ruleproxy.messages.nodes import ListNode, ObjectNode, plain
from ruleproxy.messages.secrets import Secret
from ruleproxy.messages.values import NIL, EditRefused
from ruleproxy.verbs.blocks import leading, text_blocks
from ruleproxy.verbs.context import Context


def _add_to(context: Context, value: values.Value, place: Sequence[places.Place], position: str = "last") -> None:
    if value is NIL:
        context.remark("the value is nil: nothing added")
        return
    for target in place:
        context.spend(1)
        if isinstance(target, places.HeaderPlace):
            _add_to_header(context, target, value, position)
        else:
            _add_to_list(context, target, value, position)


def _add_to_header(context: Context, target: places.HeaderPlace, value: values.Value, position: str) -> None:
    if not isinstance(value, str | Secret):
        raise EditRefused(f"header {target.name} takes strings, this is {places.kind_of(value)}")
    members = target.values()
    context.spend(len(members))
    if value not in members:
        target.headers.write_values(target.name, [value, *members] if position == "first" else [*members, value])


def _add_to_list(context: Context, target: places.Place, value: values.Value, position: str) -> None:
    there = target.read()
    if there is NIL or there is None:
        target.write([value])
        return
    if isinstance(there, str) and isinstance(plain(value), dict):
        blocks = text_blocks(there)
        target.write([value, *blocks] if position == "first" else [*blocks, value])
        return
    if not isinstance(there, ListNode):
        raise EditRefused(f"add … to takes a list, this is {places.kind_of(there)}")
    if isinstance(value, str):
        context.spend(places.steps_to_read(len(there)))
        if value in there.values():
            return
    at = len(there)
    if position == "first":
        # Providers want tool results at the head of a turn: what is added comes behind them.
        at = leading(map(there.value_at, range(at)), ("tool_result",)) if isinstance(there.parent, ObjectNode) else 0
    there.insert(at, value)


def _add_beside(context: Context, value: values.Value, side: str, neighbour: places.ElementPlace) -> None:
    context.spend(places.steps_to_edit((neighbour,)))
    index = neighbour.find()
    if index < 0:
        raise EditRefused("the element to add beside was removed")
    neighbour.holder.insert(index if side == "before" else index + 1, value)


VERB = Verb(
    name="add",
    summary="put one more member into a list or a header's comma list",
    prose="The list is made where it is missing, text content becomes a list of blocks, and a string that is there "
    "already is not added again. In a message, `first` is behind leading tool results.",
    forms=(
        Form(
            "add",
            "add VALUE to PLACE [first|last]",
            {
                "value": Value(ANY),
                "place": Place("list", creates=True),
                "position": Choice(("first", "last"), "last"),
            },
            _add_to,
        ),
        Form(
            "add_beside",
            "add VALUE before|after ELEMENT",
            {"value": Value(ANY), "side": Choice(("before", "after")), "neighbour": Element()},
            _add_beside,
        ),
    ),
    examples=(
        Example(
            'add "b" to request.headers["anthropic-beta"]',
            '{ headers = { ["anthropic-beta"] = "a" } }',
            '{ headers = { ["anthropic-beta"] = "a,b" } }',
        ),
        Example(
            'add { type = "text", text = "b" } to request.body.system',
            '{ body = { system = "a" } }',
            '{ body = { system = { { type = "text", text = "a" }, { type = "text", text = "b" } } } }',
        ),
    ),
)
