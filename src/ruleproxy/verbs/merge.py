"""`merge`: join neighbours that agree in a member."""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.language.signatures import Example, Form, Place, Value, Verb
from ruleproxy.language.types import STRING
from ruleproxy.messages import places, values
from ruleproxy.messages.nodes import ListNode, ObjectNode
from ruleproxy.messages.values import NIL
from ruleproxy.verbs.blocks import text_blocks
from ruleproxy.verbs.context import Context


def _merge(context: Context, place: Sequence[places.Place], key: str) -> None:
    for target in place:
        there = target.read()
        if not isinstance(there, ListNode):
            continue
        context.spend(len(there))
        previous: ObjectNode | None = None
        for item in there.values():
            if not isinstance(item, ObjectNode):
                previous = None
                continue
            if previous is not None and item.get(key) is not NIL and item.get(key) == previous.get(key):
                _join(previous, item)
                there.take_away((there.index(item),))
            else:
                previous = item


def _join(first: ObjectNode, second: ObjectNode) -> None:
    contents = first.get("content"), second.get("content")
    blocks: list[values.Value] = []
    for content in contents:
        blocks += (
            content.values()
            if isinstance(content, ListNode)
            else text_blocks(content)
            if isinstance(content, str)
            else []
        )
    head = contents[0]
    if isinstance(head, ListNode):
        for block in blocks[len(head) :]:
            head.insert(len(head), block)
    else:
        first.put("content", blocks)


VERB = Verb(
    name="merge",
    summary="join neighbours of a list that agree in a member",
    prose="The content of the later one is put behind that of the earlier one, text as a block of its own; the other "
    "members of the earlier one stay. Neighbours without that member are left alone.",
    forms=(Form("merge", 'merge PLACE by "NAME"', {"place": Place("list"), "key": Value(STRING)}, _merge),),
    examples=(
        Example(
            'merge request.body.messages by "role"',
            '{ body = { messages = { { role = "user", content = "a" }, { role = "user", content = "b" } } } }',
            '{ body = { messages = { { role = "user", content = { { type = "text", text = "a" }, '
            '{ type = "text", text = "b" } } } } } }',
        ),
    ),
)
