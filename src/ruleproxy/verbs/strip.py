"""`strip`: take something away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ruleproxy.language.signatures import Binding, Condition, Example, Form, Place, Value, Verb
from ruleproxy.language.types import ANY, STRING
from ruleproxy.messages import places, values
from ruleproxy.messages.locations import find_members
from ruleproxy.messages.nodes import ListNode, ObjectNode, plain
from ruleproxy.messages.values import EditRefused
from ruleproxy.verbs.context import Context

_NAMED = (places.HeaderPlace, places.QueryPlace, places.QueryFieldsPlace, places.HeadersPlace)


def _strip(context: Context, place: Sequence[places.Place]) -> None:
    context.spend(len(place))
    for target in place:
        target.remove()


def _strip_is_idle(context: Context, place: Sequence[values.Value]) -> bool:
    del context
    return all((target.read() if isinstance(target, _NAMED) else target) is values.NIL for target in place)


def _strip_from(context: Context, value: values.Value, place: Sequence[values.Value]) -> None:
    unwanted = plain(value)
    _strip_members(context, place, lambda member: values.equal(plain(member), unwanted))


def _strip_where(context: Context, place: Sequence[values.Value], condition: Callable[[values.Value], bool]) -> None:
    _strip_members(context, place, condition)


def _strip_from_is_idle(context: Context, value: values.Value, place: Sequence[values.Value]) -> bool:
    del context
    return not any(values.equal(member, value) for members in lists_of(place) for member in members)


def _strip_where_is_idle(
    context: Context, place: Sequence[values.Value], condition: Callable[[list[values.Value]], list[bool]]
) -> bool:
    del context
    return not any(True in condition(members) for members in lists_of(place))


def lists_of(place: Sequence[values.Value]) -> Iterator[list[values.Value]]:
    """All these lists and comma lists; an object is no list, which fails the rule."""
    for there in place:
        if isinstance(there, places.HeaderPlace):
            there = there.values()
        if isinstance(there, dict):
            raise EditRefused("strip … in takes a list, this is an object")
        if isinstance(there, list):
            yield there


def _strip_members(context: Context, place: Sequence[places.Place], unwanted: Callable[[values.Value], bool]) -> None:
    for target in place:
        if isinstance(target, places.HeaderPlace):
            members = target.values()
            context.spend(len(members))
            kept = [member for member in members if not unwanted(member)]
            if len(kept) < len(members):
                target.headers.write_values(target.name, kept)
            continue
        there = target.read()
        if isinstance(there, ListNode):
            context.spend(len(there))
            _strip_items(there, unwanted)
        elif isinstance(there, ObjectNode):
            raise EditRefused("strip … in takes a list, this is an object")


def _strip_items(node: ListNode, unwanted: Callable[[values.Value], bool]) -> None:
    # Judged first and taken away after: a condition may look at neighbours, which are still there.
    gone = [item for item in node.items if unwanted(item if type(item) is ObjectNode else node.read(item))]
    for item in reversed(gone):
        index = node.index(item)
        node.arrange([other for other in node.items if other is not item], "-", str(index), item)


_ALWAYS_NEEDED = frozenset({"model", "messages", "max_tokens"})


def _strip_at(context: Context, place: Sequence[places.Place], location: values.Value) -> None:
    if not isinstance(location, str):
        raise EditRefused(f"strip … at takes a location as text, this is {places.kind_of(location)}")
    for target in place:
        root = target.read()
        found = find_members(root, location)
        context.spend(len(found) + 1)
        for holder, name in found:
            if _is_needed(root, holder, name):
                raise EditRefused(f"{location[:80]}: no request is without its {name}, whatever an upstream says")
        for holder, name in found:
            if isinstance(holder, ObjectNode):
                holder.remove(name)
        if not found:
            context.remark(f"nothing is at {location[:80]}")


def _is_needed(root: values.Value, holder: values.Value, name: str) -> bool:
    if holder is root and name in _ALWAYS_NEEDED:
        return True
    messages = root.get("messages") if isinstance(root, ObjectNode) else values.NIL
    in_message = isinstance(holder, ObjectNode) and isinstance(messages, ListNode) and holder.parent is messages
    return in_message and name in ("role", "content")


VERB = Verb(
    name="strip",
    summary="take a member, an element, a header or a value of a list away",
    prose="What is not there is no error. Of a header, `strip … from` and `strip … in` take members of its comma list "
    "over all its lines; a header that becomes empty goes. `strip … at` takes a location as validators print it, such "
    "as `tools.0.custom.strict`: a segment that is the object's own `type` (or `custom`, `ephemeral`) is the tag of a "
    "union and passed over, an index stands for every element. It never takes `model`, `messages`, `max_tokens`, or "
    "the role or content of a message.",
    forms=(
        Form("strip", "strip PLACE", {"place": Place()}, _strip, _strip_is_idle),
        Form(
            "strip_from",
            "strip VALUE from PLACE",
            {"value": Value(ANY), "place": Place("list")},
            _strip_from,
            _strip_from_is_idle,
            lambda _: ("[*]",),
        ),
        Form(
            "strip_where",
            "strip NAME in PLACE where CONDITION",
            {"binding": Binding(), "place": Place("list"), "condition": Condition()},
            _strip_where,
            _strip_where_is_idle,
        ),
        Form("strip_at", "strip PLACE at LOCATION", {"place": Place(), "location": Value(STRING)}, _strip_at),
    ),
    examples=(
        Example(
            "strip request.body.context_management",
            "{ body = { max_tokens = 1, context_management = {} } }",
            "{ body = { max_tokens = 1 } }",
        ),
        Example(
            'strip "context-1m-2025-08-07" from request.headers["anthropic-beta"]',
            '{ headers = { ["anthropic-beta"] = "context-1m-2025-08-07, effort-2025-11-24" } }',
            '{ headers = { ["anthropic-beta"] = "effort-2025-11-24" } }',
        ),
        Example(
            'strip block in request.body.content where block.type == "text" and blank(block.text)',
            '{ body = { content = { { type = "text", text = "" }, { type = "text", text = "a" } } } }',
            '{ body = { content = { { type = "text", text = "a" } } } }',
        ),
        Example(
            'strip request.body at "tools.0.custom.strict"',
            '{ body = { tools = { { name = "a", strict = true }, { name = "b", strict = true } } } }',
            '{ body = { tools = { { name = "a" }, { name = "b" } } } }',
        ),
    ),
)
