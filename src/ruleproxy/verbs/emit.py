"""`emit`: put an event beside the one at hand."""

from __future__ import annotations

from typing import Literal

from ruleproxy.language.signatures import Choice, Form, Options, Verb
from ruleproxy.language.types import ANY, STRING
from ruleproxy.messages import values
from ruleproxy.messages.places import kind_of
from ruleproxy.messages.secrets import Secret
from ruleproxy.messages.values import NIL, EditRefused, encode
from ruleproxy.verbs.context import Context


def _emit(context: Context, event: values.Value, side: Literal["before", "after"]) -> None:
    kind, data = event.get("type", ""), event.get("data", NIL)
    if not isinstance(kind, str) or "\n" in kind or "\r" in kind:
        raise EditRefused(f"the type of an event is one line of text, this is {kind_of(kind)}")
    if data is NIL:
        raise EditRefused("an event without data is none: emit { type = …, data = … }")
    if isinstance(data, Secret):
        raise EditRefused(f"{data} goes to the upstream or nowhere: events go to the client")
    context.emit(side, kind, data.encode() if isinstance(data, str) else encode(data))


VERB = Verb(
    name="emit",
    summary="put an event before or after the one at hand",
    prose="Data that is an object or a list is sent as JSON, a string as it is; without a `type` the event has no "
    "`event:` line. Rules do not see what rules emit.",
    forms=(
        Form(
            "emit",
            "emit { type = …, data = … } before|after",
            {"event": Options({"type": STRING, "data": ANY}), "side": Choice(("before", "after"))},
            _emit,
        ),
    ),
    sides=("event",),
)
