"""`rename`: give a member another name."""

from __future__ import annotations

from collections.abc import Sequence

from ruleproxy.language.signatures import Example, Form, Place, Value, Verb
from ruleproxy.language.types import STRING
from ruleproxy.messages import places
from ruleproxy.messages.nodes import ObjectNode
from ruleproxy.messages.values import NIL, EditRefused
from ruleproxy.verbs.context import Context


def _rename(context: Context, place: Sequence[places.Place], name: str) -> None:
    if not isinstance(name, str):
        raise EditRefused(f"rename takes a string as the new name, this is {places.kind_of(name)}")
    context.spend(len(place))
    for target in place:
        if isinstance(target, places.MemberPlace):
            if isinstance(target.container, ObjectNode):
                target.container.rename(target.name, name)
        elif isinstance(target, places.HeaderPlace):
            value = target.read()
            if value is not NIL:
                target.headers.write(name, value)
                target.remove()
        else:
            raise EditRefused("rename takes a member of an object or a header")


VERB = Verb(
    name="rename",
    summary="give a member of an object, or a header, another name",
    prose="A member keeps its place and its value. A name that is taken already fails the rule.",
    forms=(Form("rename", 'rename PLACE to "NAME"', {"place": Place(), "name": Value(STRING)}, _rename),),
    examples=(
        Example(
            'rename request.body.max_tokens to "max_completion_tokens"',
            '{ body = { max_tokens = 16, model = "m" } }',
            '{ body = { max_completion_tokens = 16, model = "m" } }',
        ),
    ),
)
