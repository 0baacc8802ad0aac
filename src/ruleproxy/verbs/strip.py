"""`strip`: take something away."""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.language.signatures import Binding, Condition, Example, Form, Place, Value, Verb
from ruleproxy.language.types import ANY, STRING
from ruleproxy.messages import places, values
from ruleproxy.messages.lists import Judge, Lists, keep_orders
from ruleproxy.messages.locations import find_members
from ruleproxy.messages.nodes import ListNode, ObjectNode, plain
from ruleproxy.messages.values import EditRefused
from ruleproxy.verbs.context import Context

_NAMED = (places.HeaderPlace, places.QueryPlace, places.QueryFieldsPlace, places.HeadersPlace)


def _strip(context: Context, place: Sequence[places.Place]) -> None:
    context.spend(places.steps_to_edit(place))
    for target in place:
        target.remove()


def _strip_is_idle(context: Context, place: Sequence[values.Value]) -> bool:
    del context
    return all((target.read() if isinstance(target, _NAMED) else target) is values.NIL for target in place)


def _strip_from(context: Context, value: values.Value, place: Lists) -> None:
    _strip_elements(context, place, _equal_to(value))


def _strip_where(context: Context, place: Lists, condition: Judge) -> None:
    _strip_elements(context, place, condition)


def _strip_from_is_idle(context: Context, value: values.Value, place: Lists) -> bool:
    return _strip_where_is_idle(context, place, _equal_to(value))


def _strip_where_is_idle(context: Context, place: Lists, condition: Judge) -> bool:
    del context
    headers = (there for there in place.others() if isinstance(there, places.HeaderPlace))
    return (
        place.is_arranged(condition, _leave)
        and not place.has_objects()
        and not any(True in condition(([*header.values()],)) for header in headers)
    )


def _equal_to(value: values.Value) -> Judge:
    unwanted = plain(value)
    return lambda lists: [values.equal(plain(element), unwanted) for elements in lists for element in elements]


def _strip_elements(context: Context, place: Lists, unwanted: Judge) -> None:
    context.spend(place.count())
    # Each list is judged first and stripped after: a condition may look at neighbours, which are still there.
    place.rearrange(unwanted, _leave)
    if place.has_objects():
        raise EditRefused("strip … in takes a list, this is an object")
    for there in place.others():
        if isinstance(there, places.HeaderPlace):
            members = there.values()
            context.spend(len(members))
            kept = [member for member, gone in zip(members, unwanted((members,)), strict=True) if not gone]
            if len(kept) < len(members):
                there.headers.write_values(there.name, kept)


def _leave(_: list[values.Value], judged: bytes) -> Sequence[int] | None:
    return _find_left(judged)


@keep_orders
def _find_left(judged: bytes) -> Sequence[int]:
    return tuple(index for index, gone in enumerate(judged) if not gone)


_ALWAYS_NEEDED = frozenset({"model", "messages", "max_tokens"})


def _strip_at(context: Context, place: Sequence[places.Place], location: values.Value) -> None:
    if not isinstance(location, str):
        raise EditRefused(f"strip … at takes a location as text, this is {places.kind_of(location)}")
    for target in place:
        root = target.read()
        found = find_members(root, location, context.spend)
        for holder, name in found:
            if _is_needed(root, holder, name):
                raise EditRefused(f"{location[:80]}: no request is without its {name}, whatever an upstream says")
        for holder, name in found:
            if isinstance(holder, ObjectNode):
                holder.remove(name)
        if not found:
            context.remark(f"nothing is at {location[:80]}")


def _is_needed(root: values.Value, holder: values.Value, name: str) -> bool:
    if not isinstance(root, ObjectNode) or not isinstance(holder, ObjectNode):
        return False
    if root.is_same(holder) and name in _ALWAYS_NEEDED:
        return True
    messages = root.get("messages")
    in_message = isinstance(messages, ListNode) and messages.is_same(holder.parent)
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
            {"value": Value(ANY), "place": Place("list", each=True)},
            _strip_from,
            _strip_from_is_idle,
            lambda _: ("[*]",),
        ),
        Form(
            "strip_where",
            "strip NAME in PLACE where CONDITION",
            {"binding": Binding(), "place": Place("list", each=True), "condition": Condition()},
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
