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
        gone: list[int] = []
        previous: ObjectNode | None = None
        later: list[ObjectNode] = []
        for index, item in enumerate(there.values()):
            if not isinstance(item, ObjectNode):
                _join(previous, later)
                previous = None
            elif previous is not None and item.get(key) is not NIL and item.get(key) == previous.get(key):
                later.append(item)
                gone.append(index)
            else:
                _join(previous, later)
                previous = item
        _join(previous, later)
        if gone:
            there.take_away(gone)


def _join(first: ObjectNode | None, later: list[ObjectNode]) -> None:
    """Put the content of what comes later behind that of the first; nothing is later any more."""
    if first is None or not later:
        return
    head = first.get("content")
    blocks = [block for item in later for block in _blocks(item.get("content"))]
    later.clear()
    if isinstance(head, ListNode):
        for block in blocks:
            head.insert(len(head), block)
    else:
        first.put("content", [*_blocks(head), *blocks])


def _blocks(content: values.Value) -> list[values.Value]:
    if isinstance(content, ListNode):
        return content.values()
    return text_blocks(content) if isinstance(content, str) else []


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
