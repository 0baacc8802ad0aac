"""`drop`: leave an event out."""

from __future__ import annotations

from ruleproxy.language.signatures import Form, Verb
from ruleproxy.verbs.context import Context


def _drop(context: Context) -> None:
    context.drop()


VERB = Verb(
    name="drop",
    summary="give the client nothing of this event",
    prose="No later rule sees the event. What `emit` put beside it is sent all the same.",
    forms=(Form("drop", "drop", {}, _drop),),
    sides=("event",),
    ends=True,
)
